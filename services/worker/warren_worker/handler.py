"""The worker: takes jobs, makes sure that only one attempt at each is shown, and answers for what it has sent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from time import monotonic, time

import structlog

from warren import telemetry
from warren.bus import LEDGER_WRITE, RESUME, Bus, Delivery
from warren.config import Config
from warren.contracts import Ask, Cancel, Fetched, Job, Message, Ping, Pong, Resume
from warren.costs import Prices
from warren.errors import (
    BusUnavailable,
    CallTimeout,
    Cancelled,
    DeadlineExceeded,
    LedgerUnavailable,
    Unroutable,
    WarrenError,
)
from warren.outbound import PUBLIC, Reach
from warren.pricing import kept
from warren.reloading import Enact
from warren.seal import Sealer
from warren.settings import Complaint
from warren.telemetry import instruments
from warren.telemetry.measuring import OTHER
from warren_worker.ask import answer
from warren_worker.checks import Checks
from warren_worker.claims import GRACE, claim
from warren_worker.endings import deliver, refuse
from warren_worker.fleet import Fleet
from warren_worker.handing import Handing
from warren_worker.inputs import whole
from warren_worker.journal import Journal, Silence
from warren_worker.places import Places
from warren_worker.relay import Relay, Stream
from warren_worker.run import Run, attempt_id
from warren_worker.taking import Taking
from warren_worker.upstream import Patience, Upstream, connect

log = structlog.get_logger("warren.worker")

KEEP_ALIVE = 15.0
"""Seconds of silence after which a client that streams gets a sign of life."""
PING = 5.0
_BLOB_PATIENCE = {True: 60.0, False: 10.0}
"""Seconds to wait for a large request, for who is detached, and for who waits for the answer."""
_LARGE = 16
"""Requests too large for the bus that are worked on at a time: each takes a multiple of its size."""


class Worker:
    """Everything that one process is running."""

    def __init__(
        self,
        bus: Bus,
        upstream: Upstream,
        config: Config,
        environ: Mapping[str, str],
        reload: Callable[[], Config],
        sealer: Sealer | None = None,
        fleet: Fleet | None = None,
        *,
        prices: Prices | None = None,
        concurrency: int = 1,
    ) -> None:
        self._bus = bus
        self.fleet = fleet or Fleet(bus, config, slots=0)
        self._upstream = upstream
        self._places = Places(config, environ, reload, self.fleet.board, prices)
        self._sealer = sealer
        self._relay = Relay(bus)
        self._journal = Journal(bus)
        self._silence = Silence(bus)
        self._runs: dict[str, Run] = {}
        self._attempts: dict[str, str] = {}
        self._asks: dict[str, asyncio.Task[Fetched]] = {}
        self._stopped: dict[str, bool] = {}
        """What is to be stopped as soon as it starts, and whether it was superseded."""
        self._taken: dict[str, tuple[asyncio.Event, str | None]] = {}
        """What runs until when, and for whom it goes on."""
        self.taking = Taking(bus, self.handle, concurrency)
        self.fleet.taking = lambda: self.taking.providers
        self._checks = Checks(bus, upstream, self._places.find, self.taking.__contains__)
        self._large = asyncio.Semaphore(_LARGE)
        self.draining = False

    def prepare(self, providers: list[str], config: Config) -> Enact:
        """Make ready for another configuration: what comes goes by it. Without `providers`, all that it has are taken.

        Raises:
            Complaint: it has none.
        """
        if not (wanted := providers or config.providers()):
            raise Complaint("there is no deployment to work for")

        def enact() -> None:
            self._places.configure(config)
            self.fleet.configure(config)
            self.taking.change(wanted)

        return enact

    async def handle(self, delivery: Delivery) -> Message | None:
        """Run a job to its end. When the same job comes again while it runs, that delivery stands for it too."""
        job = delivery.message
        if isinstance(job, Ask):
            return await self._answer(job)
        assert isinstance(job, Job)
        while (taken := self._taken.get(job.response_id)) is not None:
            ended, handed = taken
            await ended.wait()
            if handed == job.handed:
                return None
        if self._relay.has_ended(job.response_id):
            instruments.FENCED.add(1)
            return None
        ended = asyncio.Event()
        self._taken[job.response_id] = ended, job.handed
        again = delivery.redelivered or job.again or job.handed is not None
        if not again:
            first = self._places.config.deployments.get(job.plan[0])
            waited = max(0.0, time() - job.created_at)
            instruments.QUEUE_WAIT.record(waited, OTHER if first is None else first.provider)
        try:
            await self._take(job, again=again)
        finally:
            del self._taken[job.response_id]
            ended.set()
        return None

    async def _answer(self, ask: Ask) -> Message:
        """The answer to a question, for as long as somebody waits for it."""
        asking = asyncio.create_task(
            answer(ask, self._bus, self._upstream, self._places.find, self._places.router(ask.plan), self._sealer)
        )
        self._asks[ask.response_id] = asking
        try:
            return await asking
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise Cancelled("Nobody waits for this answer any more.") from None
        finally:
            del self._asks[ask.response_id]

    def receive(self, message: Message) -> Message | None:
        match message:
            case Resume(reply_to=gateway, wants=wants):
                self._relay.resume(gateway, wants)
            case Cancel(response_id=id_, attempt=attempt):
                self._cancel(id_, attempt)
            case Ping(response_id=None):
                return Pong()
            case Ping(response_id=str(id_), attempt=attempt):
                at_it = self._attempts.get(id_) == attempt or id_ in self._asks
                return Pong(states={"run": "up" if at_it else "unknown"})
            case _:
                log.warning("unexpected message", kind=message.kind)
        return None

    def restored(self) -> None:
        """The broker is back."""
        self._relay.announce()
        self.fleet.restored()

    def in_flight(self) -> list[tuple[float]]:
        """How many jobs and questions were taken and not ended."""
        return [(len(self._taken) + len(self._asks),)]

    async def flushed(self) -> None:
        """Wait until all that was written has left."""
        await self._relay.flushed()
        await self._journal.flushed()

    async def watch(self) -> None:
        """Keep streams alive, and find out which gateways are gone. Never returns."""
        unseen: dict[str, float] = {}
        next_ping = monotonic() + PING
        while True:
            await asyncio.sleep(1)
            now = monotonic()
            for run in self._runs.values():
                if run.silent and now - run.stream.written_at >= KEEP_ALIVE:
                    run.keep_alive()
            if now >= next_ping:
                next_ping = now + PING
                gateways = {run.job.reply_to for run in self._runs.values() if not run.job.detached}
                unseen = {gateway: at for gateway, at in unseen.items() if gateway in gateways}
                await asyncio.gather(*(self._ping(gateway, unseen) for gateway in gateways))

    async def check(self) -> None:
        """See now and then whether deployments answer. Never returns."""
        await self._checks.watch(lambda: self._places.config)

    async def _ping(self, gateway: str, unseen: dict[str, float]) -> None:
        """Cancel what runs for a gateway that is gone. One that does not answer may only be slow."""
        try:
            await self._bus.call(gateway, Ping(), timeout=PING)
        except Unroutable:
            if monotonic() - unseen.setdefault(gateway, monotonic()) >= GRACE:
                log.warning("a gateway is gone", gateway=gateway)
                for run in list(self._runs.values()):
                    if run.job.reply_to == gateway:
                        run.cancel()
        except (CallTimeout, BusUnavailable):
            pass
        else:
            unseen.pop(gateway, None)

    def _cancel(self, response_id: str, attempt: str | None) -> None:
        if (asking := self._asks.get(response_id)) is not None:
            asking.cancel()
        ours = self._attempts.get(response_id)
        if ours is None or attempt not in (None, ours):
            return
        if (run := self._runs.get(response_id)) is not None:
            run.cancel(superseded=attempt is not None)
        else:
            self._stopped[response_id] = attempt is not None  # it has leave to run, perhaps, and does not know it yet

    async def _take(self, job: Job, *, again: bool) -> None:
        attempt = self._attempts[job.response_id] = attempt_id()
        telemetry.say(response_id=job.response_id, attempt=attempt, account=job.account, again=again)
        stream = self._open(job, attempt)
        try:
            if time() >= job.deadline and not job.detached:
                await refuse(self._bus, job, stream, DeadlineExceeded("The request waited longer than it may."))
            elif (again or job.detached) and not await self._leave(job, stream):
                return
            else:
                async with self._large if job.blob is not None else nullcontext():
                    handing = Handing(self._bus, job, stream, self.taking.__contains__)
                    job = await whole(self._bus, job, _BLOB_PATIENCE[job.detached])
                    await self._run(job, stream, handing)
        except LedgerUnavailable as error:
            await refuse(self._bus, job, stream, error)
        except Exception:
            log.exception("job failed", response_id=job.response_id)
            await refuse(self._bus, job, stream, WarrenError("The worker failed on this request."))
        finally:
            if not job.detached:
                self._relay.close(stream)
            del self._attempts[job.response_id]
            self._stopped.pop(job.response_id, None)
        if job.detached:
            await stream.emptied()

    def _open(self, job: Job, attempt: str) -> Stream:
        match job.reply_to:
            case "":
                return self._silence.open(job.response_id, attempt)
            case to if to == LEDGER_WRITE:
                return self._journal.open(job.response_id, attempt)
            case gateway:
                return self._relay.open(gateway, job.response_id, attempt)

    async def _run(self, job: Job, stream: Stream, handing: Handing) -> None:
        router = self._places.router(job.plan)
        run = Run(
            job, self._bus, self._upstream, self._places.find, router, stream, stream.sequence, self._sealer, handing
        )
        self._runs[job.response_id] = run
        if (superseded := self._stopped.get(job.response_id)) is not None:
            run.cancel(superseded=superseded)
        try:
            await run.go()
        finally:
            del self._runs[job.response_id]

    async def _leave(self, job: Job, stream: Stream) -> bool:
        """Whether this attempt may run, and from where on; if not, whoever waits is told the end, if there is one."""
        leave = await claim(self._bus, job, stream.attempt)
        instruments.FENCED.add(int(leave.verdict != "run"))
        stream.sequence = leave.sequence
        telemetry.event(
            "claimed" if leave.verdict == "run" else "fenced", verdict=leave.verdict, sequence=leave.sequence
        )
        if leave.verdict == "abandoned":
            # If an earlier attempt ended it, that outcome came first and stands.
            await refuse(self._bus, job, stream, None)
        elif leave.verdict == "stored":
            deliver(self._bus, job, stream, leave.stored)
        return leave.verdict == "run"


@asynccontextmanager
async def working(
    bus: Bus,
    config: Config,
    environ: Mapping[str, str],
    *,
    reload: Callable[[], Config],
    providers: list[str],
    concurrency: int,
    patience: Patience,
    reach: Reach = PUBLIC,
    sealer: Sealer | None = None,
) -> AsyncIterator[Worker]:
    """Take these providers' jobs while open. Leaving waits for what runs; cancelled then, it gives the rest back.

    Without a `sealer`, requests that need something sealed are refused.
    """
    async with AsyncExitStack() as stack:
        slots = concurrency * max(1, len(providers))
        fleet = Fleet(bus, config, slots=slots)
        upstream = await stack.enter_async_context(connect(patience, slots, reach, fleet))
        prices = await stack.enter_async_context(kept(config.price_file, environ, reach))
        worker = Worker(bus, upstream, config, environ, reload, sealer, fleet, prices=prices, concurrency=concurrency)
        await stack.enter_async_context(bus.inbox(worker.receive, restored=worker.restored))
        await stack.enter_async_context(fleet.open())
        await stack.enter_async_context(bus.listen([RESUME], worker.receive))
        stack.push_async_callback(worker.flushed)
        watch = asyncio.create_task(worker.watch())
        checking = asyncio.create_task(worker.check())
        stack.push_async_callback(_ended, watch)
        stack.push_async_callback(_ended, checking)
        stack.enter_context(instruments.IN_FLIGHT.told(worker.in_flight))
        stack.enter_context(instruments.DRAINING.told(lambda: [(int(worker.draining),)]))
        await stack.enter_async_context(worker.taking.open(providers))
        try:
            yield worker
        finally:
            worker.draining = True


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
