"""Calls that workers make for this gateway: it records those of a worker that dies before it does so itself.

A worker tells of a call before it makes it, and shows the last part of an attempt when that is recorded. What is
recorded twice all the same is kept once: by the call's id, the first that tells of it.
"""

import asyncio
from time import monotonic, time

import structlog

from warren import losses
from warren.bus import LEDGER_WRITE, Bus
from warren.contracts import Begun, Ping
from warren.errors import BusUnavailable, CallTimeout, Unroutable, WarrenError

log = structlog.get_logger("warren.gateway")

ROUND = 5.0
GRACE = 10.0
"""Seconds that a worker may be unreachable before it counts as gone: it may be reconnecting."""
_LATE = 120.0
"""Seconds behind a deadline after which whoever has not told by then never will."""


class Losses:
    """The open calls of all requests of one gateway, by attempt."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._open: dict[str, Begun] = {}
        self._unseen: dict[str, float] = {}
        """Since when nobody has been at the address of a worker."""

    def begin(self, begun: Begun) -> None:
        self._open[begun.attempt] = begun

    def over(self, attempt: str) -> Begun | None:
        """This attempt is recorded, or whoever says so records it now."""
        return self._open.pop(attempt, None)

    async def watch(self) -> None:
        """Record what nobody else will. Never returns."""
        while True:
            await asyncio.sleep(ROUND)
            await self.look(GRACE)

    async def look(self, grace: float) -> None:
        """Record the calls of workers that were not there for so many seconds."""
        clock = time()
        workers = {begun.worker for begun in self._open.values()}
        self._unseen = {worker: since for worker, since in self._unseen.items() if worker in workers}
        await asyncio.gather(*map(self._ping, workers))
        gone = {worker for worker, since in self._unseen.items() if monotonic() - since >= grace}
        for begun in list(self._open.values()):
            if begun.worker in gone or clock > begun.deadline + _LATE:
                await self._record(begun)

    async def _ping(self, worker: str) -> None:
        try:
            await self._bus.call(worker, Ping(), timeout=ROUND)
        except Unroutable:
            self._unseen.setdefault(worker, monotonic())
        except (CallTimeout, BusUnavailable):
            pass
        else:
            self._unseen.pop(worker, None)

    async def _record(self, begun: Begun) -> None:
        log.warning("a call is lost with its worker", response_id=begun.response_id, attempt=begun.attempt)
        try:
            await self._bus.send(LEDGER_WRITE, losses.outcome(begun, time()))
        except WarrenError:
            return  # the next round comes
        self._open.pop(begun.attempt, None)
