"""Counting: what was recorded is summed up by days, each call and each request once, by any number of ledgers.

There is one batch at a time, written down before anything of it is counted. Who dies over it leaves all that another
one needs to end it; who only seemed dead does nothing to the sums that had not been done (see `store.charges`).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from secrets import token_hex

import structlog

from warren.errors import LedgerUnavailable
from warren_ledger.store import Store
from warren_ledger.store.charges import Batch, Corrected
from warren_ledger.store.entries import Entry
from warren_ledger.tallies import rows

log = structlog.get_logger("warren.ledger")

_MOST = 4000
"""In a batch; about."""
_ROUND = 1.0
_PATIENCE = 20.0
"""Seconds after which another ledger's batch is taken over."""
_BATCH = "batch"
_PARTS = tuple(part.name for part in fields(Batch))

Tell = Callable[[int, Sequence[str]], Awaitable[None]]
"""Is told of the requests in each batch, by its number; perhaps several times."""
Recharge = Callable[[int, Sequence[Corrected]], Awaitable[None]]
"""Is told of the corrections in each batch, likewise."""


class Counting:
    """One who counts."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], float] = time.time,
        tell: Tell | None = None,
        recharge: Recharge | None = None,
    ) -> None:
        self._tell = tell
        self._recharge = recharge
        self._entries = store.entries
        self._charges = store.charges
        self._now = now
        self._name = token_hex(8)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """While open, count."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            try:
                full = await self.count() >= _MOST // 2
            except LedgerUnavailable as error:
                full = False
                log.warning("waiting for the store", reason=error.message)
            except Exception:
                full = False
                log.exception("charges cannot be counted")
            await asyncio.sleep(0 if full else _ROUND)

    async def count(self) -> int:
        """Count a batch; gives how much was in it: none if there is nothing to count, or somebody else is at it."""
        entry = await self._entries.find("counting", _BATCH)
        if entry is None or not entry.state:
            entry = await self._begun(entry)
        elif entry.state["by"] != self._name and self._now() < entry.state["at"] + _PATIENCE:
            return 0
        if entry is None:
            return 0
        batch = Batch(*(tuple(entry.state.get(name, ())) for name in _PARTS))
        corrected = await self._charges.corrected(batch) if batch.corrections else []
        facts = [*await self._charges.facts(batch), *(fact for one in corrected for fact in one.facts())]
        await self._charges.count(entry.version, rows(facts))
        if corrected and self._recharge is not None:
            await self._recharge(entry.version, corrected)
        if self._tell is not None:
            await self._tell(entry.version, batch.requests)
        await self._charges.counted(batch)
        await self._entries.put(replace(entry, version=entry.version + 1, state={}))
        return len(batch)

    async def _begun(self, last: Entry | None) -> Entry | None:
        """A new batch, unless another one was faster. What is in it is looked for after the last one has ended."""
        batch = await self._charges.uncounted(_MOST)
        if not batch:
            return None
        state = {"by": self._name, "at": self._now(), **{name: getattr(batch, name) for name in _PARTS}}
        version = 0 if last is None else last.version + 1
        entry = Entry(shelf="counting", id=_BATCH, version=version, state=state)
        return entry if await self._entries.put(entry) else None
