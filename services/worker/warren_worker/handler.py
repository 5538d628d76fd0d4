"""The worker: takes jobs, makes sure that only one attempt at each is shown, and answers for what it has sent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from time import monotonic, time

import structlog
from opentelemetry.trace import SpanKind
from pydantic_core import from_json, to_json

from warren import events, responses, telemetry
from warren.bus import LEDGER_WRITE, RESUME, Bus, Delivery, jobs
from warren.config import Config
from warren.contracts import Cancel, Claim, Claimed, Flag, Head, Job, Message, Outcome, Ping, Pong, Resume
from warren.errors import (
    BusUnavailable,
    CallTimeout,
    DeadlineExceeded,
    Interrupted,
    Overloaded,
    Unroutable,
    UpstreamUnreachable,
    WarrenError,
)
from warren.responses import Item
from warren.sse import DONE, encode
from warren_worker.provider import Endpoint, endpoint
from warren_worker.relay import Relay, Stream
from warren_worker.run import Run, attempt_id, confirm
from warren_worker.upstream import Patience, Upstream, connect

log = structlog.get_logger("warren.worker")

KEEP_ALIVE = 15.0
"""Seconds of silence after which a client that streams gets a sign of life."""
PING = 5.0
GRACE = 10.0
"""Seconds that a gateway may be unreachable before it counts as gone."""
_CLAIM_AGAIN = 0.3
_LEDGER_PATIENCE = 5.0


class Worker:
    """Everything that one process is running."""

    def __init__(
        self, bus: Bus, upstream: Upstream, config: Config, environ: Mapping[str, str], reload: Callable[[], Config]
    ) -> None:
        self._bus = bus
        self._upstream = upstream
        self._config = config
        self._environ = environ
        self._reload = reload
        self._endpoints: dict[str, Endpoint] = {}
        self._relay = Relay(bus)
        self._runs: dict[str, Run] = {}
        self._taken: dict[str, asyncio.Event] = {}

    async def handle(self, delivery: Delivery) -> None:
        """Run a job to its end. When the same job comes again while it runs, that delivery stands for it too."""
        job = delivery.message
        assert isinstance(job, Job)
        if (ended := self._taken.get(job.response_id)) is not None:
            await ended.wait()
            return
        if self._relay.has_ended(job.response_id):
            return
        ended = self._taken[job.response_id] = asyncio.Event()
        try:
            with telemetry.span("run job", SpanKind.CONSUMER, delivery.headers, redelivered=delivery.redelivered):
                await self._take(job, again=delivery.redelivered or job.again)
        finally:
            del self._taken[job.response_id]
            ended.set()

    def receive(self, message: Message) -> Message | None:
        match message:
            case Resume(reply_to=gateway, wants=wants):
                self._relay.resume(gateway, wants)
            case Cancel(response_id=id_, attempt=attempt):
                run = self._runs.get(id_)
                if run is not None and attempt in (None, run.stream.attempt):
                    run.cancel(superseded=attempt is not None)
            case Ping():
                return Pong()
            case _:
                log.warning("unexpected message", kind=message.kind)
        return None

    def restored(self) -> None:
        """The broker is back."""
        self._relay.announce()

    async def flushed(self) -> None:
        """Wait until all that was written has left."""
        await self._relay.flushed()

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
                gateways = {run.job.reply_to for run in self._runs.values()}
                unseen = {gateway: at for gateway, at in unseen.items() if gateway in gateways}
                await asyncio.gather(*(self._ping(gateway, unseen) for gateway in gateways))

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

    async def _take(self, job: Job, *, again: bool) -> None:
        attempt = attempt_id()
        stream = self._relay.open(job.reply_to, job.response_id, attempt)
        try:
            if time() >= job.deadline:
                await self._refuse(job, stream, DeadlineExceeded("The request waited longer than it may."))
                return
            sequence = await self._claim(job, stream) if again else 0
            if sequence is None:
                return
            run = self._runs[job.response_id] = Run(job, self._bus, self._upstream, self._find, stream, sequence)
            try:
                await run.go()
            finally:
                del self._runs[job.response_id]
        except Exception:
            log.exception("job failed", response_id=job.response_id)
            await self._refuse(job, stream, WarrenError("The worker failed on this request."))
        finally:
            self._relay.close(stream)

    async def _claim(self, job: Job, stream: Stream) -> int | None:
        """Which number this attempt may go on from; None if it may not run."""
        claim = Claim(response_id=job.response_id, account=job.account, attempt=stream.attempt)
        answer = await self._ask_gateway(job, claim)
        if answer is None or answer.verdict == "unknown":
            # Nobody waits for it any more. If an earlier attempt ended it, that outcome came first and stands.
            await self._refuse(job, stream, None)
            return None
        if answer.verdict == "ended":
            return None
        sequence = answer.sequence
        try:
            stored = await self._bus.call(LEDGER_WRITE, claim, timeout=_LEDGER_PATIENCE)
        except (CallTimeout, BusUnavailable, Overloaded) as error:
            log.warning("claimed without the ledger", response_id=job.response_id, error=error.code)
            return sequence
        assert isinstance(stored, Claimed)
        if stored.verdict != "ended":
            return sequence
        self._deliver(job, stream, stored.payload, sequence)
        return None

    async def _ask_gateway(self, job: Job, claim: Claim) -> Claimed | None:
        """The gateway's verdict; None if it is gone."""
        unreachable_since: float | None = None
        while time() < job.deadline:
            try:
                answer = await self._bus.call(job.reply_to, claim, timeout=2)
            except Unroutable:
                unreachable_since = unreachable_since or monotonic()
                if monotonic() - unreachable_since >= GRACE:
                    return None
            except (CallTimeout, BusUnavailable):
                pass
            else:
                assert isinstance(answer, Claimed)
                if answer.verdict != "hold":
                    return answer
                unreachable_since = None
            await asyncio.sleep(_CLAIM_AGAIN)
        return None

    def _deliver(self, job: Job, stream: Stream, stored: bytes, sequence: int) -> None:
        """Show the end that the ledger has: an earlier attempt got that far, and its last words were lost."""
        stream.head = Head(status=200, worker=self._bus.address)
        if not stored:
            error = Interrupted("The answer was given, but not stored, and its last part was lost.")
            self._say_failed(job, stream, error, _failed(job, error), sequence)
        elif not job.stream:
            stream.write(stored, flags=Flag.LAST)
        else:
            self._say(stream, list(events.replay(from_json(stored)))[2 if sequence else 0 :], sequence)

    def _say_failed(self, job: Job, stream: Stream, error: WarrenError, response: Item, sequence: int) -> None:
        """Tell the client: as an HTTP error as long as nothing has begun, as events after that."""
        stream.head = Head(status=error.status, worker=self._bus.address)
        if job.stream and sequence:
            stream.head = Head(status=200, worker=self._bus.address)
            self._say(stream, events.failure(response), sequence)
        else:
            stream.write(to_json(error.body()), flags=Flag.LAST)

    def _say(self, stream: Stream, made: list[events.Event], sequence: int) -> None:
        for number, event in enumerate(made, sequence):
            event["sequence_number"] = number
        data = b"".join(map(encode, made)) + DONE
        stream.write(data, sequence, sequence + len(made) - 1, Flag.CONTENT | Flag.LAST)

    async def _refuse(self, job: Job, stream: Stream, error: WarrenError | None) -> None:
        """End a job that is not run: as failed, or, without an error, as cancelled."""
        response = {**_blank(job), "status": "cancelled"} if error is None else _failed(job, error)
        request = from_json(job.payload)
        await confirm(self._bus, Outcome.of(job, request, response, attempt=stream.attempt, error=error))
        if error is not None:
            self._say_failed(job, stream, error, response, stream.sequence)

    async def _find(self, name: str) -> Endpoint:
        """The endpoint of a deployment. One that is not known may be newer than the file as it was read."""
        if name not in self._endpoints:
            if name not in self._config.deployments:
                self._config = self._reload()
            if name not in self._config.deployments:
                raise UpstreamUnreachable(f"The deployment {name!r} is not in this worker's configuration.")
            self._endpoints[name] = endpoint(self._config.deployments[name], self._environ)
        return self._endpoints[name]


def _blank(job: Job) -> Item:
    return responses.blank(from_json(job.payload), response_id=job.response_id, created_at=job.created_at)


def _failed(job: Job, error: WarrenError) -> Item:
    return events.interrupted(_blank(job), error.code or "server_error", error.message)


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
) -> AsyncIterator[Worker]:
    """Take these providers' jobs while open. Leaving waits for what runs; cancelled then, it gives the rest back."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(connect(patience, concurrency * max(1, len(providers))))
        worker = Worker(bus, upstream, config, environ, reload)
        await stack.enter_async_context(bus.inbox(worker.receive, restored=worker.restored))
        await stack.enter_async_context(bus.listen([RESUME], worker.receive))
        stack.push_async_callback(worker.flushed)
        watch = asyncio.create_task(worker.watch())
        stack.push_async_callback(_ended, watch)
        for provider in providers:
            await stack.enter_async_context(bus.serve(jobs(provider), worker.handle, limit=concurrency))
        yield worker


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
