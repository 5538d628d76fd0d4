"""The log of requests: a line for each, when it is counted, to every sink there is.

It follows the books: a request has a line because it has a charge, whatever became of those who served it. A line may
come twice, if its ledger died in between; it never stays away. What goes to others by HTTP is first written down, as a
list of ids, and tried until they take it.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from pydantic_core import to_json

from warren.errors import LedgerUnavailable, WarrenError
from warren.outbound import Outbound, Reach, outbound
from warren.sinks import Sink
from warren.telemetry import instruments
from warren_ledger import posting
from warren_ledger.lines import Line, charged
from warren_ledger.store import Store
from warren_ledger.store.charges import Charge
from warren_ledger.store.entries import Entry

log = structlog.get_logger("warren.ledger")

_TOGETHER = 500
"""Lines of one post."""
_ROUND = 1.0
_LEASE = 60.0
"""Seconds in which whoever has taken a post has sent it."""
_LONGEST = 600.0
_GIVEN_UP = 7 * 86_400.0
"""Seconds after which nobody is expected to take it any more."""


class RequestLog:
    """What this ledger tells of requests. `content` names the accounts of which it also tells what was said."""

    def __init__(
        self,
        store: Store,
        sinks: Sequence[Sink] = (),
        content: Collection[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._entries = store.entries
        self._local = [sink for sink in sinks if sink.form in ("stdout", "file")]
        self._remote = {sink.name: sink for sink in sinks if sink.form not in ("stdout", "file")}
        self._content = frozenset(content)
        self.kinds: dict[str, str] = {name: sink.form for name, sink in self._remote.items()}
        """Of sinks that are posted to, by their names."""
        self._now = now

    async def told(self, number: int, ids: Sequence[str]) -> None:
        """Tell of these requests; called while a batch of this number is open, and perhaps again."""
        for sink in self._remote.values():
            for at in range(0, len(ids), _TOGETHER):
                id_ = f"{sink.name}|{number:012}.{at}"
                state = {"sink": sink.name, "ids": list(ids[at : at + _TOGETHER]), "since": self._now(), "tries": 0}
                await self._entries.put(Entry(shelf="outbox", id=id_, state=state, due=self._now()))
        if self._local and ids:
            lines = await self._lines(ids)
            for sink in self._local:
                await asyncio.to_thread(_write, sink, [line for line in lines if sink.wants(line["status"])])

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """While open, post what is to be posted."""
        if not self._remote:
            yield
            return
        hosts = Reach.of(urlsplit(sink.place).hostname or "" for sink in self._remote.values())
        async with outbound(hosts) as out:
            task = asyncio.create_task(self._run(out))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait([task])

    async def _run(self, out: Outbound) -> None:
        while True:
            try:
                await self.post(out)
            except LedgerUnavailable as error:
                log.warning("waiting for the store", reason=error.message)
            except Exception:
                log.exception("the log of requests cannot be posted")
            await asyncio.sleep(_ROUND)

    async def post(self, out: Outbound) -> None:
        """Post what is due, each sink's one after the other; who does not take one is not asked again this time."""
        due: dict[str, list[Entry]] = {}
        for entry in await self._entries.due("outbox", self._now()):
            due.setdefault(entry.state["sink"], []).append(entry)
        await asyncio.gather(*(self._post(out, name, entries) for name, entries in due.items()))

    async def _post(self, out: Outbound, name: str, entries: Iterable[Entry]) -> None:
        sink = self._remote.get(name)
        for entry in entries:
            taken = replace(entry, version=entry.version + 1, due=self._now() + _LEASE)
            if not await self._entries.put(taken):
                continue  # another one was faster
            if sink is not None and await self._sent(out, sink, taken):
                await self._entries.remove("outbox", entry.id)
                continue
            if sink is not None:
                instruments.SINKS_FAILURES.add(1, sink.form)
            if not await self._again(taken):  # if there is no such sink here, another ledger may know it
                return

    async def _sent(self, out: Outbound, sink: Sink, entry: Entry) -> bool:
        lines = [line for line in await self._lines(entry.state["ids"]) if sink.wants(line["status"])]
        if not lines:
            return True
        body, headers = posting.posted(sink, entry.id, lines, self._now())
        try:
            status = await out.post(sink.place, body, headers)
        except WarrenError as error:
            log.warning("a sink cannot be reached", sink=_shown(sink), reason=error.message)
            return False
        if status >= 300:
            log.warning("a sink does not take it", sink=_shown(sink), status=status)
        return status < 300

    async def _again(self, entry: Entry) -> bool:
        """Put off what was not taken; False: and all that is behind it."""
        tries = entry.state["tries"] + 1
        if self._now() > entry.state["since"] + _GIVEN_UP:
            log.error("a sink has taken nothing for a week; that is dropped", requests=len(entry.state["ids"]))
            await self._entries.remove("outbox", entry.id)
            return True
        pause = min(2.0**tries, _LONGEST)
        state = {**entry.state, "tries": tries}
        await self._entries.put(replace(entry, version=entry.version + 1, state=state, due=self._now() + pause))
        return False

    async def _lines(self, ids: Sequence[str]) -> list[Line]:
        charges = await self._store.charges.some(ids)
        keys = sorted({charge.payer.key for charge in charges if charge.payer.key})
        entries = await self._entries.some("virtual_keys", keys)
        aliases = {entry.id: entry.state.get("alias") for entry in entries}
        return [
            charged(charge, aliases.get(charge.payer.key)) | await self._said(charge)
            for charge in charges
            if charge.status is not None
        ]

    async def _said(self, charge: Charge) -> Line:
        """What was said, if that is to be told and was kept."""
        if charge.account not in self._content:
            return {}
        record = await self._store.find(charge.response_id, charge.account, content=True)
        if record is None or record.body is None:
            return {}
        return {"input": (record.input or b"[]").decode(), "output": record.body.decode()}


def _write(sink: Sink, lines: Sequence[Line]) -> None:
    data = b"".join(to_json(line) + b"\n" for line in lines)
    if sink.form == "stdout":
        sys.stdout.write(data.decode())
        sys.stdout.flush()
        return
    with Path(sink.place).open("ab") as file:  # anew each time: it may have been rotated
        file.write(data)


def _shown(sink: Sink) -> str:
    """Its name without what a URL may hide."""
    return sink.name.partition("?")[0] if "@" not in sink.name else sink.form
