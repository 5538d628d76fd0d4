"""What one worker measures of its own calls, for its pulse."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from warren.contracts import Gauge
from warren.routing.cooling import MINUTE

_LATEST = 20
"""Calls that a mean is of."""
WINDOW = 3600.0
"""Seconds for which a call counts in a mean, where nobody said how long."""


class _Second(NamedTuple):
    """Counts of a second."""

    at: int
    requests: int = 0
    succeeded: int = 0
    tokens: int = 0


class _Sample(NamedTuple):
    at: float
    first_event: float
    per_token: float | None


@dataclass(slots=True)
class _Measured:
    """One deployment."""

    in_flight: int = 0
    seconds: deque[_Second] = field(default_factory=deque)
    samples: deque[_Sample] = field(default_factory=lambda: deque(maxlen=_LATEST))

    def count(self, now: float, *, requests: int = 0, succeeded: int = 0, tokens: int = 0) -> None:
        at = int(now)
        last = self.seconds.pop() if self.seconds and self.seconds[-1].at >= at else _Second(at)
        self.seconds.append(
            _Second(last.at, last.requests + requests, last.succeeded + succeeded, last.tokens + tokens)
        )

    def forget(self, now: float, window: float) -> None:
        while self.seconds and self.seconds[0].at <= now - MINUTE:
            self.seconds.popleft()
        while self.samples and self.samples[0].at <= now - window:
            self.samples.popleft()


class Meter:
    """Counts calls as they begin and end. Times are seconds since the epoch."""

    def __init__(self, window: float = WINDOW) -> None:
        self.window = window
        self._measured: defaultdict[str, _Measured] = defaultdict(_Measured)

    @property
    def in_flight(self) -> int:
        """Calls that run."""
        return sum(measured.in_flight for measured in self._measured.values())

    def begin(self, deployment: str, now: float) -> None:
        measured = self._measured[deployment]
        measured.in_flight += 1
        measured.count(now, requests=1)

    def end(
        self,
        deployment: str,
        now: float,
        *,
        seconds: float,
        first_event: float | None,
        succeeded: bool,
        tokens: int = 0,
        output: int = 0,
        sample: bool = True,
    ) -> None:
        """A call that has begun is over after so long. `sample`: what it took says something of the deployment."""
        measured = self._measured[deployment]
        measured.in_flight -= 1
        measured.count(now, succeeded=int(succeeded), tokens=tokens)
        if sample:
            took = seconds if first_event is None else first_event
            measured.samples.append(_Sample(now, took, seconds / output if succeeded and output else None))

    def gauges(self, now: float) -> tuple[Gauge, ...]:
        """What there is to tell."""
        for deployment, measured in list(self._measured.items()):
            measured.forget(now, self.window)
            if not (measured.in_flight or measured.seconds or measured.samples):
                del self._measured[deployment]
        return tuple(_gauge(deployment, measured) for deployment, measured in self._measured.items())


def _gauge(deployment: str, measured: _Measured) -> Gauge:
    rates = [sample.per_token for sample in measured.samples if sample.per_token is not None]
    count = len(measured.samples)
    return Gauge(
        deployment=deployment,
        in_flight=measured.in_flight,
        requests=sum(second.requests for second in measured.seconds),
        succeeded=sum(second.succeeded for second in measured.seconds),
        tokens=sum(second.tokens for second in measured.seconds),
        first_event=sum(sample.first_event for sample in measured.samples) / count if count else None,
        per_token=sum(rates) / len(rates) if rates else None,
        samples=count,
    )
