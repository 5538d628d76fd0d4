"""Detached runs: jobs that run whoever listens, in the background or under an Idempotency-Key."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Literal

import structlog
from pydantic_core import to_json

from warren import ids
from warren.bus import LEDGER_WRITE, Bus, jobs
from warren.contracts import (
    Claim,
    Claimed,
    Flag,
    Job,
    Open,
    Opened,
    Ping,
    Pong,
    Tail,
    Tailed,
)
from warren.errors import (
    BusUnavailable,
    CallTimeout,
    Interrupted,
    InvalidRequest,
    NotFound,
    RequestTooLarge,
    Unroutable,
    WarrenError,
)
from warren_ledger import endings
from warren_ledger.conversations import Conversations, locked
from warren_ledger.ends import Ends, asked, blank_of, opened, over
from warren_ledger.patience import until_there, until_up
from warren_ledger.store import Store
from warren_ledger.store.runs import END, QUEUED, Entry, Run

log = structlog.get_logger("warren.ledger")

WINDOW = timedelta(hours=24)
"""How long logs and keys are kept."""
PATIENCE = 6.0
"""Seconds for which nobody answers for an attempt until it counts as gone."""
SURE = 3.0
"""Seconds after which one that its worker does not know (any more) does: its outcome may be on its way."""
LOST = 10.0
"""Seconds in which nothing comes of a log whose response has ended, until its last part counts as lost."""
_AWAITED = 10_000
_OPENING = 60.0
"""Seconds from the making of an id to its row, unless whoever was to write that is gone."""
_LOOKING = 2.0
"""Seconds for which a row is looked for all the same."""
_LOCK_MARGIN = 30.0
"""Seconds behind its deadline for which a run may hold its conversation: its outcome frees it."""
_LAST_WORDS = 1.0
"""Seconds in which the last part of a stream follows its outcome, or comes before it."""
_LARGEST_ROW = 15 * 1024 * 1024
"""Bytes. MongoDB has documents of 16 MB at the most."""


class Detached:
    """What the ledger does for runs that it has a row for: it alone says who may run."""

    def __init__(self, bus: Bus, store: Store, ends: Ends, window: timedelta) -> None:
        self._bus = bus
        self._store = store
        self._runs = store.runs
        self._ends = ends
        self._conversations = Conversations(store)
        self._window = window.total_seconds()
        self._awaited: dict[str, tuple[float, float]] = {}
        """Logs of which nothing came when somebody looked though their responses have ended: first and last when."""

    async def open(self, message: Open, *, again: bool) -> Opened:
        """Lock the conversation of a job, write its row and send it; nothing of that if its key stands for another.

        Raises:
            InvalidRequest, NotFound: its conversation is locked, or not there.
            Overloaded, RequestTooLarge: the job cannot be sent; nothing is left of it.
        """
        job = opened(message.payload)
        if job is None:
            raise InvalidRequest("This is no job.")
        key = None if message.key is None else f"{message.account}\0{message.key}"
        if message.looks:
            standing = None if key is None else await self._holder(message, job, key)
            return standing or Opened(verdict="opened", response_id=job.response_id)
        row, beginning = await until_up(lambda: self._row(message, job, key))
        if (other := await self._other(message, job, key)) is not None:
            return other
        row = await until_up(lambda: self._runs.open(row, beginning))
        if row.status == QUEUED and not row.attempt:
            await self._send(message.provider, job.model_copy(update={"again": job.again or again}), row)
        return Opened(verdict="opened", response_id=job.response_id)

    async def claim(self, claim: Claim) -> Claimed:
        """Whether this attempt may run. Wherever it is asked twice, the answer is the same."""
        return await until_up(lambda: self._claim(claim))

    async def tail(self, message: Tail) -> Tailed:
        young = time.time() < ids.born(message.response_id) + 60
        found = await until_there(lambda: self._tail(message), seconds=1 if young else 0)
        if found is None:
            return Tailed(found=False)
        run, entries = found
        return Tailed(
            found=True,
            kept=run.logged and time.time() < run.log_until,
            background=run.background,
            stream=run.stream,
            parts=tuple(part for part, _ in entries),
            payload=b"".join(data for _, data in entries),
        )

    async def _never_opened(self, response_id: str, account: str) -> bool:
        """Whether a key stands for nothing: who took it died over it, or its response is forgotten."""
        seconds = _LOOKING if time.time() > ids.born(response_id) + _OPENING else None
        look = partial(until_up, lambda: self._runs.find(response_id, account))
        return seconds is not None and await until_there(look, seconds=seconds) is None

    async def _row(self, message: Open, job: Job, key: str | None) -> tuple[Run, Entry | None]:
        """What to write of a run that is to be opened."""
        run = Run(
            response_id=job.response_id,
            account=message.account,
            status=QUEUED,
            background=message.background,
            stream=job.stream,
            logged=job.reply_to == LEDGER_WRITE,
            created_at=job.created_at,
            deadline=job.deadline,
            log_until=job.deadline + self._window,
            key=key,
            job=message.payload,
        )
        if not message.background:
            return run, None
        made = blank_of(run, await asked(self._store, run, job)) | {"status": QUEUED}
        body = to_json(made, inf_nan_mode="null")
        if len(body) + len(run.job) > _LARGEST_ROW:
            raise RequestTooLarge("The instructions and tools of this request are too large to run in the background.")
        run = replace(run, model=made["model"], metadata=made["metadata"], body=body)
        return run, endings.queued(run, made, self._bus.address) if run.logged and run.stream else None

    async def _other(self, message: Open, job: Job, key: str | None) -> Opened | None:
        """What the key of a job stands for instead; else it stands for this one now, which has its conversation.

        Equal requests come at the same time: who finds the conversation locked may find that it is by an equal one.
        """
        if key is None:
            await self._enter(job)
            return None
        if (other := await self._holder(message, job, key)) is not None:
            return other
        try:
            await self._enter(job)
        except InvalidRequest:
            if (other := await self._holder(message, job, key)) is not None:
                return other
            raise
        mark, until = message.fingerprint or "", time.time() + self._window
        other = _known(message, job, await until_up(lambda: self._runs.reserve(key, mark, job.response_id, until)))
        if other is not None:
            await self._leave(job)
        return other

    async def _holder(self, message: Open, job: Job, key: str) -> Opened | None:
        """What a key stands for, if that is another."""
        held = await until_up(lambda: self._runs.holder(key))
        if held is None or not await self._never_opened(held[0], job.account):
            return _known(message, job, held)
        await until_up(lambda: self._runs.release(key, held[0]))
        return None

    async def _enter(self, job: Job) -> None:
        """Lock the conversation of a job; its outcome frees it.

        Raises:
            InvalidRequest, NotFound: it is locked, or not there.
        """
        if job.conversation is None:
            return
        until = job.deadline + _LOCK_MARGIN
        held = await self._conversations.hold(job.conversation, job.account, job.response_id, until)
        if held is None:
            raise NotFound(f"Conversation with id '{job.conversation}' not found.")
        if not held:
            raise locked()

    async def _leave(self, job: Job) -> None:
        """Free the conversation of a job that will not run."""
        if job.conversation is not None:
            await self._conversations.leave(job.conversation, job.account, job.response_id)

    async def _send(self, provider: str, job: Job, row: Run) -> None:
        """Send a job whose row is there. While the broker is away that takes as long as it takes."""
        while time.time() < job.deadline:
            try:
                await self._bus.send(jobs(provider), job)
            except BusUnavailable as error:
                log.warning("waiting to send a job", response_id=job.response_id, error=error.code)
            except WarrenError:
                if await until_up(lambda: self._runs.abandon(row)):
                    await self._leave(job)
                    raise
                return  # it was sent before, after all, and somebody has it
            else:
                return
            await asyncio.sleep(0.2)

    async def _claim(self, claim: Claim) -> Claimed:
        run = await self._runs.find(claim.response_id, claim.account)
        if run is None:
            return Claimed(verdict="ended")
        if not run.running:
            return await self._over(run)
        if run.fence == END or (run.attempt not in ("", claim.attempt) and not _handed(run, claim)):
            if not await self._gone(run):
                return Claimed(verdict="hold")
            await self._ends.settled()  # how it ended may be among what waits to be written
            now = await self._runs.find(claim.response_id, claim.account)
            if now is None or not now.running:
                return Claimed(verdict="hold")
            if run.fence == END or (run.stream and run.latched):
                await self._ends.end(run, Interrupted("The worker that was answering is gone."))
                return Claimed(verdict="hold")
        beginning = endings.in_progress(run) if run.background and run.stream and run.logged else None
        sequence = await self._runs.take(run, claim.attempt, claim.worker, beginning)
        if sequence is None:
            return Claimed(verdict="hold")
        if beginning is not None:
            await self._ends.tell(run)
        return Claimed(verdict="run", sequence=sequence)

    async def _gone(self, run: Run) -> bool:
        """Whether nobody is at it any more. That is doubted first, and believed later."""
        state = await self._state(run)
        if state == "up":
            if run.doubted_at is not None:
                await self._runs.doubt(run, None)
            return False
        patience = SURE if state == "unknown" else PATIENCE
        if run.doubted_at is None:
            await self._runs.doubt(run, time.time())
            return False
        return time.time() - run.doubted_at >= patience

    async def _state(self, run: Run) -> Literal["up", "unknown", "silent"]:
        if run.fence == END:
            return "silent"  # a ledger is about to end it, or was
        if not run.worker:
            return "unknown"
        try:
            answer = await self._bus.call(run.worker, Ping(response_id=run.response_id, attempt=run.attempt), timeout=2)
        except (Unroutable, CallTimeout):
            return "silent"
        except BusUnavailable:
            return "up"  # for all that can be known
        return "up" if isinstance(answer, Pong) and answer.states.get("run") == "up" else "unknown"

    async def _over(self, run: Run) -> Claimed:
        """The end that is stored. Whose worker died with its last words is given some."""
        if run.logged and not await until_there(lambda: self._complete(run), seconds=_LAST_WORDS):
            await self._ends.close(run)
        record = await self._store.find(run.response_id, run.account, content=True)
        return Claimed(verdict="ended", payload=(record and record.body) or b"")

    async def _complete(self, run: Run) -> bool | None:
        """Whether the log is, to its end."""
        found = await self._runs.find(run.response_id, run.account)
        if found is None:
            return True
        entries = await self._runs.log(found, bare=True)
        return True if over(entries) else None

    async def _tail(self, message: Tail) -> tuple[Run, list[Entry]] | None:
        found = await self._runs.tail(message.response_id, message.account, message.after)
        if found is None or not found[0].logged or found[0].closed:
            return found
        if found[0].running:
            return await self._without_an_end(message, *found) if over(found[1]) else found
        if found[0].fence != END and not self._silent(*found):
            return found
        await self._ends.close(found[0])  # whoever wanted to did not get there, or nobody knows that it has to be
        return await self._runs.tail(message.response_id, message.account, message.after)

    async def _without_an_end(self, message: Tail, run: Run, entries: list[Entry]) -> tuple[Run, list[Entry]]:
        """What may be shown of a log that is complete before its response has ended: who sees the end may ask for the
        record at once, and the outcome is on its way.
        """

        async def look() -> tuple[Run, list[Entry]] | None:
            found = await self._runs.tail(message.response_id, message.account, message.after)
            return None if found is None or found[0].running else found

        ended = await until_there(look, seconds=_LAST_WORDS)
        return ended or (run, [entry for entry in entries if not entry[0].flags & Flag.LAST])

    def _silent(self, run: Run, entries: list[Entry]) -> bool:
        """Whether nothing has come of what has ended for as long as its last part may take."""
        first, last = self._awaited.pop(run.response_id, (0.0, 0.0))
        if entries:
            return False
        now = time.monotonic()
        if now - last > LOST:  # nobody, or this ledger not, has looked in between
            first = now
        if now - first >= LOST:
            return True
        self._awaited[run.response_id] = first, now
        if len(self._awaited) > _AWAITED:
            del self._awaited[next(iter(self._awaited))]
        return False


def _handed(run: Run, claim: Claim) -> bool:
    """Whether the attempt that may write has handed its job on to this one: nobody need doubt it then."""
    return run.attempt == claim.handed and not (run.stream and run.latched)


def _known(message: Open, job: Job, holder: tuple[str, str] | None) -> Opened | None:
    """What to answer if the key stands for another run."""
    if holder is None or holder[0] == job.response_id:
        return None
    return Opened(verdict="known" if holder[1] == (message.fingerprint or "") else "other", response_id=holder[0])
