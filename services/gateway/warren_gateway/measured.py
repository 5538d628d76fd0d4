"""What metrics tell of a gateway's requests."""

import asyncio
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from time import monotonic
from typing import Any, Literal

from warren.config import Config
from warren.errors import BusUnavailable
from warren.telemetry import instruments
from warren.telemetry.measuring import OTHER, SWITCH, code, coded
from warren_gateway.flight import Flight
from warren_gateway.gateway import Gateway

Mode = Literal["json", "stream", "background", "websocket"]
Scope = MutableMapping[str, Any]

POLL = 5.0
"""Seconds from one look at the queues to the next."""
_CHAT = "chat"
"""Every response is one, in the words of the conventions."""
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_ASKED, _BEGAN, _CODE = "warren.asked", "warren.began", "warren.code"


class Asked:
    """One request for a response."""

    __slots__ = ("_began", "_flight", "_mode", "_model", "_posted", "provider")

    def __init__(self, mode: Mode, began: float) -> None:
        self._mode = mode
        self._began = began
        self._model = OTHER
        self._flight: Flight | None = None
        self._posted = False
        self.provider: str | None = None
        """Whose workers have the job, until it is known who answers."""

    def about(self, config: Config, model: str) -> None:
        """This model is wanted."""
        if SWITCH.on and (group := config.groups.find(model)) is not None:
            self._model = group.name

    def posted(self, flight: Flight | None = None) -> None:
        """Its job is on its way."""
        self._posted = True
        self._flight = flight
        instruments.FLIGHTS.add(1, self._mode)

    def over(self, config: Config, failed: str | None) -> str | None:
        """It is answered; gives our code for what went wrong, if it did. `failed`: what the answer itself said."""
        if not SWITCH.on:
            return None
        if self._posted:
            instruments.FLIGHTS.add(-1, self._mode)
        elif failed is not None:
            instruments.REFUSALS.add(1, failed)
        else:
            return None  # there was nothing to be generated
        flight, seconds, provider = self._flight, monotonic() - self._began, self.provider
        if flight is not None:
            failed = failed or (None if flight.code is None else coded(flight.code))
            if flight.head is not None and (one := config.deployments.get(flight.head.deployment or "")) is not None:
                provider = one.provider
        instruments.REQUEST_DURATION.record(seconds, _CHAT, self._model, provider, failed, self._mode)
        if flight is not None and flight.first_at is not None and failed is None:
            first = flight.first_at - self._began
            instruments.TIME_TO_FIRST_TOKEN.record(first, _CHAT, self._model, provider)
            tokens = None if flight.head is None else flight.head.output_tokens
            if tokens is not None and tokens > 1:
                per_token = (seconds - first) / (tokens - 1)
                instruments.TIME_PER_OUTPUT_TOKEN.record(per_token, _CHAT, self._model, provider)
        return failed


class Http:
    """One HTTP request, from the first to the last byte of it that passes here."""

    __slots__ = ("_began", "_method", "_scope", "status")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        self._began = scope[_BEGAN] = monotonic()
        self.status = 0
        instruments.HTTP_ACTIVE.add(1, self._method)

    def over(self, config: Config) -> None:
        if not SWITCH.on:
            return
        instruments.HTTP_ACTIVE.add(-1, self._method)
        route = getattr(self._scope.get("route"), "path", None)
        failed: str | None = self._scope.get(_CODE)
        asked: Asked | None = self._scope.get(_ASKED)
        if asked is not None:
            failed = asked.over(config, failed)
        elif failed is not None and self._method == "POST" and route is not None and route.endswith("/responses"):
            instruments.REFUSALS.add(1, failed)
        took = monotonic() - self._began
        instruments.HTTP_DURATION.record(took, self._method, route, self.status or None, failed)


def asked(scope: Scope, config: Config, model: str, mode: Mode) -> Asked:
    """This HTTP request asks for a response."""
    made: Asked = Asked(mode, scope[_BEGAN])
    made.about(config, model)
    scope[_ASKED] = made
    return made


@contextmanager
def frame(config: Config) -> Iterator[Asked]:
    """A request on a WebSocket, while open."""
    made = Asked("websocket", monotonic())
    try:
        yield made
    except BaseException as error:
        made.over(config, code(error))
        raise
    made.over(config, None)


def failed(scope: Scope, error: BaseException) -> None:
    """This HTTP request is answered with an error."""
    if SWITCH.on:
        scope[_CODE] = code(error)


@asynccontextmanager
async def queues(gateway: Gateway) -> AsyncIterator[None]:
    """While open, look at the queues now and then, if somebody wants to know."""
    if not SWITCH.on:
        yield
        return
    depths: dict[str, tuple[int, int]] = {}
    task = asyncio.create_task(_look(gateway, depths))
    try:
        with (
            instruments.QUEUE_DEPTH.told(lambda: [(ready, at) for at, (ready, _) in depths.copy().items()]),
            instruments.QUEUE_CONSUMERS.told(lambda: [(number, at) for at, (_, number) in depths.copy().items()]),
        ):
            yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _look(gateway: Gateway, depths: dict[str, tuple[int, int]]) -> None:
    """What cannot be looked at now is not told of. Never returns."""
    while True:
        found: dict[str, tuple[int, int]] = {}
        for at in gateway.queues:
            try:
                depth = await gateway.bus.depth(at)
            except BusUnavailable:
                found.clear()
                break
            found[at] = depth.ready, depth.consumers
        depths.update(found)
        for at in depths.keys() - found:
            del depths[at]
        await asyncio.sleep(POLL)
