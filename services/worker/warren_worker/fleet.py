"""What this worker knows of all others, and they of it: who fails, who has what to do, what may be asked of whom."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from time import time
from typing import Any, Protocol

import structlog

import warren
from warren.beating import beating
from warren.bus import LEDGER_WRITE, ROUTING, Bus
from warren.config import Config
from warren.contracts import Cooldown, Failed, Limits, Pulse, UpstreamCall
from warren.deployments import Deployment
from warren.errors import UpstreamError, WarrenError
from warren.hearing import Hearing
from warren.routing import cooling
from warren.routing.board import Board
from warren.routing.meter import Meter
from warren.routing.rules import Rules
from warren.telemetry import instruments
from warren.telemetry.measuring import OTHER, Gathered, coded
from warren_worker import measured
from warren_worker.permits import Permission, Permits

log = structlog.get_logger("warren.worker")

LONG = 5.0
"""Seconds of a cooldown from which on it is worth remembering."""


class Watch:
    """One call: tell it what became of it."""

    def __init__(self) -> None:
        self.call: UpstreamCall | None = None
        self.error: WarrenError | None = None
        self.gaps: Gathered | None = None
        """How long the pauses in its answer were, if somebody wants to know."""

    def over(self, call: UpstreamCall, error: WarrenError | None, gaps: Gathered | None = None) -> None:
        self.call, self.error, self.gaps = call, error, gaps


class Calling(Protocol):
    """Who has to know of every call to a provider."""

    def calling(self, deployment: str, tokens: int, /) -> AbstractAsyncContextManager[Watch]:
        """The time of one call, which is likely to read so many tokens.

        Raises:
            Limited: it must not be made, nobody has been asked.
        """


class Nobody:
    """Nobody has to know."""

    def calling(self, _deployment: str, _tokens: int) -> AbstractAsyncContextManager[Watch]:
        return nullcontext(Watch())


class Fleet:
    """This worker among all."""

    def __init__(self, bus: Bus, config: Config, *, slots: int, clock: Callable[[], float] = time) -> None:
        self.board = Board()
        self.meter = Meter()
        self._bus = bus
        self._clock = clock
        self._hearing = Hearing(bus, self.board, clock)
        self._slots = slots
        self._permits = Permits(bus)
        self._limits: dict[str, Limits] = {}
        self._groups: dict[str, str] = {}
        self.taking: Callable[[], tuple[str, ...]] = tuple
        """Tells the providers whose jobs this worker takes."""
        self._started_at = clock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.configure(config)

    def configure(self, config: Config) -> None:
        """From now on this holds."""
        terms = cooling.terms(config.rules, config.deployments.values())
        self.board.configure(terms.get, by_checks=config.rules.health_check_routing)
        self.meter.window = config.rules.window
        self._groups = {one.id: one.group for one in config.deployments.values()}
        self._limits = {
            deployment.id: limits
            for deployment in config.deployments.values()
            if (limits := limits_of(deployment, config.rules))
        }

    @asynccontextmanager
    async def calling(self, deployment: str, tokens: int) -> AsyncIterator[Watch]:
        async with self._permitted(deployment, tokens) as permission:
            watch = Watch()
            self.meter.begin(deployment, self._clock())
            try:
                yield watch
            finally:
                self._over(deployment, watch)
                if watch.call is not None and watch.call.usage is not None:
                    permission.tokens = watch.call.usage.input_tokens + watch.call.usage.output_tokens

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Hear of the others, and be heard, while open."""
        async with self._hearing.open():
            try:
                with instruments.SLOTS.told(lambda: [(self._slots,)]), instruments.COOLING.told(self._cooling):
                    async with beating(self._bus, self._pulse, clock=self._clock):
                        yield
            finally:
                await self._flushed()

    def restored(self) -> None:
        """The broker is back."""
        self._hearing.restored()

    def _pulse(self) -> Pulse:
        return Pulse(
            address=self._bus.address,
            service="worker",
            version=warren.__version__,
            slots=self._slots,
            in_flight=self.meter.in_flight,
            gauges=self.meter.gauges(self._clock()),
            started_at=self._started_at,
            takes=self.taking(),
        )

    async def _flushed(self) -> None:
        """Wait until what has to be known is told."""
        await self._permits.flushed()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _permitted(self, deployment: str, tokens: int) -> AbstractAsyncContextManager[Permission]:
        limits = self._limits.get(deployment)
        if limits is None:
            return nullcontext(Permission())
        return self._permits.held(deployment, limits, tokens if limits.tpm is not None else 0)

    def _over(self, deployment: str, watch: Watch) -> None:
        now, call = self._clock(), watch.call
        if call is None:
            self.meter.end(deployment, now, seconds=0.0, first_event=None, succeeded=False, sample=False)
            return
        measured.called(call, watch.error, self._groups.get(deployment, OTHER), watch.gaps)
        usage = call.usage
        failed = isinstance(watch.error, UpstreamError)
        self.meter.end(
            deployment,
            now,
            seconds=call.seconds,
            first_event=call.first_event_seconds,
            succeeded=watch.error is None,
            tokens=0 if usage is None else usage.input_tokens + usage.output_tokens,
            output=0 if usage is None else usage.output_tokens,
            sample=call.first_event_seconds is not None or call.error == "upstream_timeout",
        )
        if failed:
            self._fail(call, watch.error)

    def _fail(self, call: UpstreamCall, error: WarrenError | None) -> None:
        """A call failed. It matters here at once, and to all others as soon as they hear of it."""
        failed = Failed(
            deployment=call.deployment,
            address=self._bus.address,
            status=call.status,
            code=call.error,
            retry_after=None if error is None else error.retry_after,
        )
        if not self.board.counts(failed):
            return
        cooldown = self.board.take(failed, self._clock())
        if cooldown is not None:
            instruments.COOLDOWNS.add(1, cooldown.deployment, coded(cooldown.code))
        self._spawn(self._tell(failed, cooldown))

    async def _tell(self, failed: Failed, cooldown: Cooldown | None) -> None:
        await self._bus.tell(ROUTING, failed)
        if cooldown is None:
            return
        seconds = cooldown.until - self._clock()
        log.warning("left alone", deployment=cooldown.deployment, seconds=round(seconds, 1), code=cooldown.code)
        await self._bus.tell(ROUTING, cooldown)
        if seconds > LONG:
            try:
                await self._bus.send(LEDGER_WRITE, cooldown)
            except WarrenError as error:
                log.warning("a cooldown is not remembered", deployment=cooldown.deployment, error=error.code)

    def _cooling(self) -> Iterator[tuple[float, str]]:
        now = self._clock()
        for deployment in self._groups:
            yield float(self.board.cooling(deployment, now) > 0), deployment

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def limits_of(deployment: Deployment, rules: Rules) -> Limits:
    """What may be asked of a deployment."""
    params = deployment.params
    parallel = params.max_parallel_requests
    return Limits(
        rpm=params.rpm,
        tpm=params.tpm,
        parallel=rules.default_max_parallel_requests if parallel is None else parallel,
    )
