"""How a process lets all others know that it lives, and what it has seen end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import time

from warren.bus import ROUTING, TRAFFIC, Bus
from warren.contracts import Message, Pulse, Recount, Traffic
from warren.traffic import Ring

BEAT = 1.0
"""Seconds from one pulse to the next, while there is something new."""
IDLE = 5.0
"""Seconds after which there is one anyway."""


@asynccontextmanager
async def beating(
    bus: Bus, pulse: Callable[[], Pulse], ring: Ring | None = None, *, clock: Callable[[], float] = time
) -> AsyncIterator[None]:
    """While open, tell what `pulse` says, and the news of the ring."""
    task = asyncio.create_task(_beat(bus, pulse, ring, clock))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _beat(bus: Bus, pulse: Callable[[], Pulse], ring: Ring | None, clock: Callable[[], float]) -> None:
    last, told_at = None, 0.0
    while True:
        now, latest = clock(), pulse()
        if latest != last or now - told_at >= IDLE:
            last, told_at = latest, now
            await bus.tell(ROUTING, latest)
        if ring is not None and (news := ring.news()):
            await bus.tell(TRAFFIC, Traffic(address=bus.address, slices=news))
        await asyncio.sleep(BEAT)


class Teller:
    """Tells all that is in a ring to who has just come."""

    def __init__(self, bus: Bus, ring: Ring) -> None:
        self._bus = bus
        self._ring = ring
        self._telling: asyncio.Task[None] | None = None

    def receive(self, message: Message) -> Message | None:
        """Takes what is told on the topic TRAFFIC."""
        if isinstance(message, Recount) and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell())
        return None

    async def _tell(self) -> None:
        if slices := self._ring.all():
            await self._bus.tell(TRAFFIC, Traffic(address=self._bus.address, slices=slices))
