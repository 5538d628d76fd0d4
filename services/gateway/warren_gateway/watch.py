"""What a gateway knows of all that ends: its own refusals, and what everybody tells."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic, time

import warren
from warren.beating import Teller, beating
from warren.bus import TRAFFIC, Bus, Depth
from warren.contracts import Message, Pulse, Recount, Traffic
from warren.errors import BusUnavailable, WarrenError
from warren.traffic import Ring, Traffics

_FRESH = 2.0
"""Seconds for which the depth of queues is not asked for again."""


class Watch:
    """Is told of refusals here, and of everything else by those who see it."""

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self.traffic = Traffics()
        self._ring = Ring()
        self._clock = clock
        self._started_at = clock()
        self._depths: dict[str, Depth | None] = {}
        self._asked_at = -_FRESH
        self._asking = asyncio.Lock()

    def refused(self, error: WarrenError) -> None:
        """A request came to nothing, and will be in no ledger."""
        self._ring.refused(error.code or "invalid_request", self._clock())

    @asynccontextmanager
    async def open(self, bus: Bus, under_way: Callable[[], int]) -> AsyncIterator[None]:
        """While open, hear of all, and tell of this process. `under_way`: requests that have not ended."""
        teller = Teller(bus, self._ring)

        def receive(message: Message) -> None:
            if isinstance(message, Traffic):
                self.traffic.take(message, self._clock())
            teller.receive(message)

        def pulse() -> Pulse:
            return Pulse(
                address=bus.address,
                service="gateway",
                version=warren.__version__,
                slots=0,
                in_flight=under_way(),
                started_at=self._started_at,
            )

        asking: set[asyncio.Task[None]] = set()

        def missed() -> None:
            asking.add(task := asyncio.create_task(bus.tell(TRAFFIC, Recount())))
            task.add_done_callback(asking.discard)

        async with (
            bus.listen([TRAFFIC], receive, restored=missed),
            beating(bus, pulse, self._ring, clock=self._clock),
        ):
            missed()
            yield

    async def depths(self, bus: Bus, at: Sequence[str]) -> Mapping[str, Depth | None]:
        """How these queues stand, or stood a moment ago; None where the broker does not say."""
        async with self._asking:
            if monotonic() - self._asked_at >= _FRESH or set(at) != set(self._depths):
                self._depths = dict(zip(at, await asyncio.gather(*(_depth(bus, one) for one in at)), strict=True))
                self._asked_at = monotonic()
        return self._depths


async def _depth(bus: Bus, at: str) -> Depth | None:
    try:
        return await bus.depth(at)
    except BusUnavailable:
        return None
