"""What a ledger tells of itself, and of what it sees end: all responses do here, whoever served them."""

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import time

import warren
from warren.beating import Teller, beating
from warren.bus import TRAFFIC, Bus
from warren.contracts import Outcome, Pulse
from warren.traffic import Ring

_LATEST = 10.0
"""Seconds for which a lag is one of the latest."""


class Watch:
    """Is told of all that is written."""

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self.ring = Ring()
        self._clock = clock
        self._started_at = clock()
        self._lags: deque[tuple[float, float]] = deque(maxlen=1000)

    def written(self, outcome: Outcome, *, won: bool) -> None:
        now = self._clock()
        self.ring.ended(outcome, now, won=won)
        self._lags.append((now, now - outcome.ended_at))

    @property
    def lag(self) -> float | None:
        """The longest of the latest times from the end of a response until that was on disk."""
        since = self._clock() - _LATEST
        return max((max(0.0, lag) for at, lag in self._lags if at >= since), default=None)

    @asynccontextmanager
    async def open(self, bus: Bus, slots: int, waiting: Callable[[], int]) -> AsyncIterator[None]:
        """While open, tell. `waiting`: how much is not written yet."""

        def pulse() -> Pulse:
            lag = self.lag
            return Pulse(
                address=bus.address,
                service="ledger",
                version=warren.__version__,
                slots=slots,
                in_flight=waiting(),
                started_at=self._started_at,
                lag=None if lag is None else round(lag, 3),
            )

        teller = Teller(bus, self.ring)
        async with bus.listen([TRAFFIC], teller.receive), beating(bus, pulse, self.ring, clock=self._clock):
            yield
