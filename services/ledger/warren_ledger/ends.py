"""Ends: of runs that nobody else can end, and of logs whose last part was lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
from pydantic_core import from_json

from warren import blobs, events, ids
from warren.bus import LOGGED, Bus
from warren.contracts import Cancel, Flag, Job, Logged, Message, Outcome, Undecodable, decode
from warren.errors import DeadlineExceeded, LedgerUnavailable, WarrenError
from warren.objects import Item, blank
from warren_ledger import endings
from warren_ledger.batch import Batcher
from warren_ledger.patience import until_there, until_up
from warren_ledger.store import Store
from warren_ledger.store.blobs import content
from warren_ledger.store.runs import END, OPEN, Entry, Run

log = structlog.get_logger("warren.ledger")

_STOPPING = 2.0
"""Seconds that a worker has to end what is cancelled."""
_MARGIN = 30.0
"""Seconds behind a deadline in which the worker should have said so itself."""
_ROUND = 5.0
_LARGE = 256 * 1024


class Ends:
    """Ends detached runs. Wherever two do at once, or one dies half-way and another goes on, it is one end."""

    def __init__(self, bus: Bus, store: Store, batcher: Batcher, window: timedelta) -> None:
        self._bus = bus
        self._store = store
        self._runs = store.runs
        self._batcher = batcher
        self._window = window.total_seconds()

    async def cancel(self, response_id: str, account: str) -> None:
        """End what runs in the background; on return it has ended. Does nothing to anything else."""
        await until_up(lambda: self._cancel(response_id, account))

    async def bury(self, job: Job) -> None:
        """End a run that no worker could take."""
        await until_up(lambda: self._bury(job))

    @asynccontextmanager
    async def reaping(self) -> AsyncIterator[None]:
        """While open, end what is overdue. Any number of ledgers may."""
        reaping = asyncio.create_task(self._reap())
        try:
            yield
        finally:
            reaping.cancel()
            await asyncio.wait([reaping])

    async def end(self, run: Run, error: WarrenError | None) -> None:
        """End a run from here: as failed, or without an error as cancelled, unless it has a better end."""
        shut = await self._runs.shut(run)
        if shut is None or not shut.running or (job := opened(shut.job)) is None:
            return
        entries = await self._runs.log(shut) if shut.logged else []
        if over(entries) and await self._coming(shut):  # who says the last part has sent its outcome before
            await self.close(shut)
            return
        request = await asked(self._store, shut, job)
        made = await asyncio.to_thread(endings.closed, blank_of(shut, request), entries if shut.stream else [])
        if error is None:
            response = {**events.cut(made), "status": "cancelled"}
        else:
            response = events.interrupted(made, error.code or "server_error", error.message)
        await self._record(Outcome.of(job, request, response, attempt="", error=error), job)
        if shut.logged:
            await self.close(shut, request, response)
        if shut.worker:
            await self._bus.post(shut.worker, Cancel(response_id=shut.response_id, attempt=shut.attempt))

    async def close(self, run: Run, request: Item | None = None, ours: Item | None = None) -> None:
        """Give the log of what has ended an end, if it has none."""
        shut = await self._runs.shut(run)
        if shut is None:
            return
        entries = await self._runs.log(shut)
        record = await self._store.find(run.response_id, run.account, content=True)
        if record is None:
            return
        if over(entries):  # it came just before the log was shut, and is to be seen
            await self._runs.close(shut, endings.nothing(shut, entries))
        else:
            made = blank_of(shut, request or {"model": record.model or "unknown"})
            end = await asyncio.to_thread(endings.ending, shut, made, entries, record, ours)
            first = entries[-1][0].last + 1 if entries else 0
            await self._runs.close(shut, endings.closing(shut, end, first, self._bus.address))
        await self.tell(run)

    async def settled(self) -> None:
        """Wait until the outcomes that have come are written."""
        await self._batcher.caught_up()

    async def tell(self, run: Run) -> None:
        """Nudge whoever follows it."""
        await self._bus.tell(LOGGED, Logged(response_ids=(run.response_id,)))

    async def _cancel(self, response_id: str, account: str) -> None:
        run = await self._runs.find(response_id, account)
        if run is None or not run.background or not run.running:
            return
        if run.status == OPEN and run.worker and run.fence != END:
            await self._bus.post(run.worker, Cancel(response_id=response_id))
            if await self._coming(run):
                return
        await self.end(run, None)

    async def _coming(self, run: Run) -> bool:
        """Whether the end of a run is there, or comes within moments."""
        found = await until_there(lambda: self._store.find(run.response_id, run.account), seconds=_STOPPING)
        return found is not None

    async def _bury(self, job: Job) -> None:
        run = await self._runs.find(job.response_id, job.account)
        if run is not None and run.running:
            await self.end(run, WarrenError("The request could not be worked on."))

    async def _record(self, outcome: Outcome, job: Job) -> None:
        if len(outcome.payload) > blobs.INLINE:
            name = ids.new("outcome")  # another ledger may end it, too, in other words
            blob = await blobs.deposit(
                self._bus, job.response_id, job.account, name, outcome.payload, until=time.time() + self._window
            )
            outcome = outcome.model_copy(update={"payload": b"", "blob": blob})
        await self._batcher.record(outcome)

    async def _reap(self) -> None:
        while True:
            try:
                for run in await self._runs.due(time.time() - _MARGIN):
                    await self._end_overdue(run)
            except LedgerUnavailable:
                pass  # the next round comes
            except Exception:
                log.exception("overdue runs could not be looked for")
            await asyncio.sleep(_ROUND)

    async def _end_overdue(self, run: Run) -> None:
        log.warning("a run is overdue", response_id=run.response_id)
        try:
            await self.end(run, DeadlineExceeded("The request took longer than it may."))
        except LedgerUnavailable:
            raise
        except Exception:
            log.exception("a run could not be ended", response_id=run.response_id)


async def asked(store: Store, run: Run, job: Job) -> Item:
    """What was asked; of a body that cannot be had any more, what its row knows."""
    body = job.payload
    if job.blob is not None:
        body = await content(store.blobs, job.response_id, job.account, job.blob) or b""
    body = body[: job.split]
    try:
        parsed = from_json(body) if len(body) < _LARGE else await asyncio.to_thread(from_json, body)
        request = {"model": "unknown", "input": [], **parsed}
    except (TypeError, ValueError):
        known = {} if run.body is None else {**from_json(run.body), "store": True}
        request = {"model": "unknown", "store": False, **known, "input": []}
    return request


def opened(encoded: bytes) -> Job | None:
    """The job that a row holds."""
    try:
        message: Message = decode(encoded)
    except Undecodable:
        return None
    return message if isinstance(message, Job) else None


def blank_of(run: Run, request: Item) -> Item:
    """The response of a run before anything has happened."""
    if run.body is not None:
        known: Item = from_json(run.body)
        return known
    return blank(request, response_id=run.response_id, created_at=run.created_at or ids.born(run.response_id))


def over(entries: Iterable[Entry]) -> bool:
    """Whether nothing follows these."""
    return any(part.flags & Flag.LAST for part, _ in entries)
