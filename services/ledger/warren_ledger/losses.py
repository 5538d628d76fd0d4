"""Calls that workers make for what runs detached, written down before they are made: the ledger records those of a
worker that dies before it does so itself.

An entry goes when its worker has nothing to do with that attempt any more; until then any ledger may look at it. What
is recorded twice all the same is kept once: by the call's id, the first that tells of it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog

from warren import losses
from warren.bus import Bus
from warren.contracts import Begun, Done, Ping, Pong, Undecodable, decode, encode
from warren.errors import BusUnavailable, CallTimeout, LedgerUnavailable, Unroutable
from warren_ledger.batch import Batcher
from warren_ledger.store.entries import Entries, Entry

log = structlog.get_logger("warren.ledger")

ROUND = 5.0
FIRST = 10.0
"""Seconds after which a call is looked at: most are over by then."""
AGAIN = 30.0
GRACE = 10.0
"""Seconds that a worker may be unreachable before it counts as gone: it may be reconnecting."""
_LATE = 120.0
"""Seconds behind a deadline after which whoever has not told by then never will."""


class Losses:
    """The open calls of all detached runs."""

    def __init__(self, bus: Bus, entries: Entries, batcher: Batcher) -> None:
        self._bus = bus
        self._entries = entries
        self._batcher = batcher

    async def begin(self, begun: Begun) -> Done:
        """Write down that this is about to be called; another call of an attempt takes the place of the one before."""
        entry = Entry(
            shelf="calls",
            id=begun.attempt,
            state={"begun": encode(begun).decode(), "unseen": None},
            due=time.time() + FIRST,
        )
        while not await self._entries.put(entry):
            there = await self._entries.find("calls", begun.attempt)
            if there is None or _count(there) >= len(begun.calls):
                break  # it came before, and what came behind it
            entry = replace(entry, version=there.version + 1)
        return Done()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """While open, record what nobody else will."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _watch(self) -> None:
        while True:
            try:
                for entry in await self._entries.due("calls", time.time()):
                    await self.look(entry)
            except LedgerUnavailable:
                pass  # the next round comes
            except Exception:
                log.exception("open calls cannot be looked at")
            await asyncio.sleep(ROUND)

    async def look(self, entry: Entry) -> None:
        """See whether somebody is still at this call, and if not, that it is recorded."""
        begun, now = _begun(entry), time.time()
        if begun is None:
            await self._entries.remove("calls", entry.id)
            return
        match await self._state(begun):
            case "up" if now < begun.deadline + _LATE:
                await self._entries.put(_later(entry, None, now + AGAIN))
            case "unknown":  # it has recorded what it had to, before it forgot it
                await self._entries.remove("calls", entry.id)
            case "silent" if now < begun.deadline + _LATE and now < (since := entry.state["unseen"] or now) + GRACE:
                await self._entries.put(_later(entry, since, now + ROUND))
            case _:
                log.warning("a call is lost with its worker", response_id=begun.response_id, attempt=begun.attempt)
                await self._batcher.add(losses.outcome(begun, now))
                await self._entries.remove("calls", entry.id)

    async def _state(self, begun: Begun) -> str:
        try:
            ping = Ping(response_id=begun.response_id, attempt=begun.attempt)
            answer = await self._bus.call(begun.worker, ping, timeout=2)
        except Unroutable:
            return "silent"
        except (CallTimeout, BusUnavailable):
            return "up"  # for all that can be known
        return answer.states.get("run", "unknown") if isinstance(answer, Pong) else "unknown"


def _begun(entry: Entry) -> Begun | None:
    try:
        message = decode(entry.state["begun"].encode())
    except Undecodable:
        return None
    return message if isinstance(message, Begun) else None


def _count(entry: Entry) -> int:
    begun = _begun(entry)
    return 0 if begun is None else len(begun.calls)


def _later(entry: Entry, unseen: float | None, due: float) -> Entry:
    return replace(entry, version=entry.version + 1, state={**entry.state, "unseen": unseen}, due=due)
