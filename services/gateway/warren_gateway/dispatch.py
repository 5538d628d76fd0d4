"""Posts jobs, brings what comes back to the requests that wait for it, and ends those that nobody else can end."""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from time import monotonic, time
from typing import Any

import structlog
from pydantic_core import from_json

from warren import events, sse, telemetry
from warren.bus import LEDGER_ASK, LEDGER_WRITE, RESUME, Bus, jobs
from warren.contracts import (
    Cancel,
    Chunks,
    Claim,
    Claimed,
    Fetch,
    Fetched,
    Flag,
    Job,
    Leave,
    Message,
    Payer,
    Ping,
    Pong,
    Resume,
    Unreserve,
    Want,
)
from warren.errors import (
    BusUnavailable,
    DeadlineExceeded,
    Interrupted,
    Overloaded,
    PublishUnknown,
    WarrenError,
)
from warren.losses import lost
from warren.losses import shown as said
from warren.telemetry import instruments
from warren_gateway import ending
from warren_gateway.flight import DOUBT, Flight, Taken
from warren_gateway.losses import Losses
from warren_gateway.traced import landed, launched

log = structlog.get_logger("warren.gateway")

SILENCE = 20.0
"""Seconds without a word from a worker, which sends a sign of life every 15, before it is asked."""
ANSWER = 4.0
"""Seconds that it then has, ASKED times."""
ASKED = 3
RECONNECTING = 6.0
"""Seconds that a doubted worker has when this gateway has just reconnected: the worker is likely to be at it, too."""
JUST_NOW = 15.0
LOST = 10.0
"""Seconds after which a part that is missing is not to be had any more."""
LATE = 5.0
"""Seconds after the deadline by which the worker should have said so itself."""
_REMEMBERED = 20_000


class Dispatch:
    """All requests that one gateway has under way."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._flights: dict[str, tuple[Flight, Job]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._restored_at = -JUST_NOW
        self.losses = Losses(bus)

    @property
    def under_way(self) -> int:
        """Requests in the foreground that have not ended."""
        return len(self._flights)

    def launch(self, job: Job, provider: str, sent: Job | None = None) -> Flight:
        """Send this job. Its answer is awaited, not the broker's confirm: a refusal ends the flight with an error.

        `sent` is the job as it travels, if its payload does not travel with it.
        """
        flight = Flight(job.response_id, job.account, stream=job.stream, deadline=job.deadline, now=monotonic())
        self._flights[job.response_id] = flight, job
        launched(flight, stream=job.stream)
        self._spawn(self._send(flight, sent or job, provider))
        return flight

    def leave(self, flight: Flight) -> None:
        """The client has its answer, or is gone; then whoever works on it is told to stop."""
        landed(flight)
        if flight.ended:
            self._forget(flight)
            return
        flight.abandon()
        self._dismiss(flight)

    def free(self, job: Job) -> None:
        """Unlock the conversation of a job that was not sent, and let go of what it may cost."""
        self._spawn(self._free(job))

    def receive(self, message: Message) -> Message | None:
        match message:
            case Chunks():
                self._take(message)
            case Claim():
                return self._claim(message)
            case Ping():
                return Pong()
            case _:
                log.warning("unexpected message", kind=message.kind)
        return None

    def restored(self) -> None:
        """The broker is back; what was posted in between is lost."""
        self._restored_at = monotonic()
        self._ask_again([flight for flight, _ in self._flights.values() if not flight.ended])

    async def overloaded(self, provider: str) -> Overloaded:
        """What to say when this provider's queue is full: until when that is likely to last."""
        try:
            depth = await self._bus.depth(jobs(provider))
        except BusUnavailable:
            wait = 5.0
        else:
            wait = 30.0 if depth.consumers == 0 else min(30.0, max(1.0, depth.ready / (100 * depth.consumers)))
        return Overloaded("Too many requests are waiting.", retry_after=wait)

    async def watch(self) -> None:
        """Ask where nothing has been heard for long, and end what is overdue. Never returns."""
        while True:
            await asyncio.sleep(1)
            now, clock = monotonic(), time()
            silent = []
            for flight, job in list(self._flights.values()):
                if flight.ended:
                    if flight.abandoned:
                        self._forget(flight)
                elif clock > flight.deadline + LATE:
                    self._spawn(self._give_up(flight, job, DeadlineExceeded("The request took longer than it may.")))
                elif flight.lacking_since is not None and now - flight.lacking_since > LOST:
                    self._spawn(self._give_up(flight, job, Interrupted("A part of this answer was lost.")))
                elif not self._bus.connected:
                    flight.heard_at = max(flight.heard_at, now - SILENCE)
                elif flight.lacking_since is not None:
                    silent.append(flight)
                elif now - (flight.asked_at or flight.heard_at) > (ANSWER if flight.asked else SILENCE):
                    silent.append(flight)
                    if flight.asked:
                        self._spawn(self._settle(flight, job))
            self._ask_again(silent)

    async def close(self) -> None:
        """End all that is under way."""
        error = Interrupted("This gateway is shutting down.")
        flights = [flight for flight in self._flights.values() if not flight[0].ended]
        await asyncio.gather(*(self._give_up(flight, job, error) for flight, job in flights))

    async def _send(self, flight: Flight, job: Job, provider: str) -> None:
        try:
            await self._bus.send(jobs(provider), job)
        except Overloaded:
            flight.fail(await self.overloaded(provider))
        except WarrenError as error:
            flight.fail(error)
            if isinstance(error, PublishUnknown):
                return  # it may run, and its outcome frees the conversation then
        except Exception:
            log.exception("send failed", response_id=job.response_id)
            flight.fail(WarrenError("The request could not be sent on."))
        else:
            return
        await self._free(job)

    async def _free(self, job: Job) -> None:
        """If this fails the lock runs out by itself."""
        await self.unreserve(job.response_id, job.payer)
        if job.conversation is None or job.detached:  # that of a detached one the ledger locks
            return
        leave = Leave(conversation_id=job.conversation, account=job.account, response_id=job.response_id)
        try:
            await self._bus.send(LEDGER_WRITE, leave)
        except WarrenError as error:
            log.warning("a conversation stays locked for a while", response_id=job.response_id, error=error.code)

    async def unreserve(self, response_id: str, payer: Payer) -> None:
        """Let go of what is held for what will not run. If this fails it lapses by itself."""
        if not payer.owes:
            return
        try:
            unreserve = Unreserve(response_id=response_id, budgets=payer.budgets, limits=payer.limits)
            await self._bus.send(LEDGER_WRITE, unreserve)
        except WarrenError as error:
            log.warning("a reservation stays for a while", response_id=response_id, error=error.code)

    def _take(self, chunks: Chunks) -> None:
        now = monotonic()
        gaps = []
        for begun in chunks.begun:
            self.losses.begin(begun)
        for part, data in chunks.split():
            if part.flags & Flag.LAST:
                self.losses.over(part.attempt)
            flight, _ = self._flights.get(part.response_id, (None, None))
            if flight is None:
                continue
            match flight.take(part, data, now):
                case Taken.GAP if flight.lacking_since is None:
                    flight.lacking_since = now
                    gaps.append(flight)
                case Taken.FOREIGN if part.head is not None:
                    self._post(part.head.worker, Cancel(response_id=part.response_id, attempt=part.attempt))
                case _:
                    pass
            if flight.abandoned:
                self._dismiss(flight)
        if gaps:
            instruments.RESUMES.add(len(gaps))
            self._ask_again(gaps)

    def _dismiss(self, flight: Flight) -> None:
        """Nobody waits for it: stop whoever works on it, until it says that it has stopped."""
        if flight.ended:
            self._forget(flight)
        elif flight.worker is not None and flight.told != flight.worker:
            flight.told = flight.worker
            self._post(flight.worker, Cancel(response_id=flight.response_id))

    def _claim(self, claim: Claim) -> Claimed:
        if claim.handed is not None:
            self.losses.over(claim.handed)
        flight, job = self._flights.get(claim.response_id, (None, None))
        if flight is None or job is None:
            return Claimed(verdict="ended" if claim.response_id in self._ended else "unknown")
        if flight.abandoned and not flight.ended:
            return Claimed(verdict="unknown")
        worker, attempt = flight.worker, flight.attempt
        now = monotonic()
        patience = RECONNECTING if now - self._restored_at < JUST_NOW else DOUBT
        said = flight.claim(claim.attempt, now, patience, handed=claim.handed)
        telemetry.event("claim", flight.span, attempt=claim.attempt, verdict=said, instead_of=attempt)
        match said:
            case "probe":
                self._ask_again([flight])
                return Claimed(verdict="hold")
            case "interrupt":
                self._spawn(self._give_up(flight, job, _interrupted(), dead=True))
                return Claimed(verdict="hold")
            case verdict:
                if worker is not None and attempt not in (flight.attempt, claim.handed):
                    self._post(worker, Cancel(response_id=claim.response_id, attempt=attempt))
                return Claimed(verdict=verdict, sequence=flight.sequence)

    def _ask_again(self, flights: list[Flight]) -> None:
        """Ask for what is missing: each worker for its own; all of them where the worker is not known."""
        wants: dict[str | None, list[Want]] = defaultdict(list)
        for flight in flights:
            flight.asked_at = monotonic()
            flight.asked += 1
            telemetry.event("resume", flight.span, part=flight.number)
            wants[flight.worker].append(Want(flight.response_id, flight.attempt, flight.number))
        for worker, asked in wants.items():
            resume = Resume(reply_to=self._bus.address, wants=tuple(asked))
            if worker is None:
                self._spawn(self._bus.tell(RESUME, resume))
            else:
                self._post(worker, resume)

    async def _settle(self, flight: Flight, job: Job) -> None:
        """Nobody answers for this request. It may have ended; shown output ends here; else its job will come again."""
        with suppress(WarrenError):
            question = Fetch(response_id=flight.response_id, account=flight.account)
            answer = await self._bus.call(LEDGER_ASK, question, timeout=5)
            assert isinstance(answer, Fetched)
            if answer.found and not flight.ended and not flight.latched:
                flight.finish(self._stored(flight, answer.payload))
                return
        if flight.latched and flight.asked > ASKED:
            await self._give_up(flight, job, _interrupted(), dead=True)

    def _stored(self, flight: Flight, body: bytes) -> bytes:
        """The rest of an answer of which nothing but its beginning was shown."""
        response = from_json(body)
        flight.failed = (response.get("error") or {}).get("code")
        if not flight.stream:
            return body
        made = list(events.replay(response))[2 if flight.sequence else 0 :]
        return self._rendered(flight, made)

    async def _give_up(self, flight: Flight, job: Job, error: WarrenError, *, dead: bool = False) -> None:
        """End a request from here: as failed, unless the ledger knows a better end.

        `dead`: its worker will not say any more what it has used.
        """
        if flight.ended or flight.closing:
            return
        flight.closing = True
        telemetry.fail(error, flight.span)
        shown = flight.head is not None and flight.stream
        request = await ending.request_of(job)
        state = ending.so_far(job, request, flight.sent)
        closing = state.closing()
        for event in closing:
            state.feed(event)
        response = events.interrupted(state.response, error.code or "server_error", error.message)
        if flight.worker is not None:
            self._post(flight.worker, Cancel(response_id=flight.response_id, attempt=flight.attempt))
        attempt = flight.attempt or ""
        begun = self.losses.over(attempt) if dead else None
        calls = lost(begun, time(), said(response["output"])) if begun is not None else ()
        recorded = await ending.record(self._bus, job, request, response, attempt, error, calls)
        if flight.ended:
            return
        if isinstance(error, Interrupted):
            instruments.INTERRUPTIONS.add(1)
        made = events.failure(response)
        flight.error = error
        if not shown:
            flight.fail(error)
        elif recorded is None or recorded.won or recorded.status == "failed":
            flight.finish(self._rendered(flight, [*closing, *made]))
        else:
            flight.finish(self._rendered(flight, made[:1]))

    def _rendered(self, flight: Flight, made: list[events.Event]) -> bytes:
        for event in made:
            event["sequence_number"] = flight.sequence
            flight.sequence += 1
        return b"".join(map(sse.encode, made)) + sse.DONE

    def _forget(self, flight: Flight) -> None:
        if self._flights.pop(flight.response_id, None) is None:
            return
        self._ended[flight.response_id] = None
        if len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)

    def _post(self, to: str, message: Message) -> None:
        self._spawn(self._bus.post(to, message))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task failed", exc_info=error)


def _interrupted() -> Interrupted:
    return Interrupted("The worker that was answering is gone; what it had said until then is above.")


@asynccontextmanager
async def dispatching(bus: Bus, restored: Callable[[], None] | None = None) -> AsyncIterator[Dispatch]:
    """A dispatch that hears what workers say while open. `restored` is called, too, when the broker is back."""
    dispatch = Dispatch(bus)

    def back() -> None:
        dispatch.restored()
        if restored is not None:
            restored()

    async with bus.inbox(dispatch.receive, restored=back):
        watching = [asyncio.create_task(dispatch.watch()), asyncio.create_task(dispatch.losses.watch())]
        try:
            yield dispatch
        finally:
            for watch in watching:
                watch.cancel()
            await asyncio.wait(watching)
            await dispatch.losses.look(0)
