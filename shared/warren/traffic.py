"""Traffic: what ended lately, counted in slices of a few seconds. Pure; times are seconds since the epoch.

Who sees responses end keeps a `Ring` and tells its newest slices again and again: each replaces what was told of it
before, so one that gets lost is made up for by the next. Who listens to all of them puts them together in `Traffics`.
Times are counted in buckets that grow by 9 % each, so percentiles are right to 4.5 %.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil, log2
from typing import Self

from warren.contracts import Outcome, Slice, Traffic

SLICE = 5
"""Seconds of a slice."""
KEPT = 720
"""Slices that are remembered: an hour."""
_AGAIN = 3
"""Slices that are told together: the one that fills, and those before it."""
_OCTAVE = 8
"""Buckets in which a time doubles."""
_SHORTEST = 0.001
_OURS = "resp_"


def bucket(seconds: float) -> int:
    """Where a time is counted. The first bucket has all that took a millisecond or less."""
    return max(0, ceil(log2(max(seconds, _SHORTEST) / _SHORTEST) * _OCTAVE - 1e-9))


def typical(number: int) -> float:
    """The time that stands for all in a bucket: its middle, as magnitudes go."""
    return float(_SHORTEST * 2 ** ((number - 0.5) / _OCTAVE)) if number else _SHORTEST


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """The time that this share of all took no longer than; None of nothing."""
    rest = share * sum(counts.values())
    for number in sorted(counts):
        rest -= counts[number]
        if rest <= 1e-9:
            return typical(number)
    return None


@dataclass(slots=True)
class Sum:
    """Counts that grow."""

    requests: int = 0
    failed: int = 0
    background: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    seconds: Counter[int] = field(default_factory=Counter)
    first: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, other: Self | Slice) -> None:
        self.requests += other.requests
        self.failed += other.failed
        self.background += other.background
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cost += other.cost
        self.seconds.update(other.seconds)
        self.first.update(other.first)
        self.errors.update(other.errors)
        self.refused.update(other.refused)

    def at(self, at: int) -> Slice:
        """As it stands, as a slice that begins then."""
        return Slice(
            at=at,
            requests=self.requests,
            failed=self.failed,
            background=self.background,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost=self.cost,
            seconds=dict(self.seconds),
            first=dict(self.first),
            errors=dict(self.errors),
            refused=dict(self.refused),
        )


class Ring:
    """What one process has seen, for an hour."""

    def __init__(self) -> None:
        self._sums: deque[tuple[int, Sum]] = deque(maxlen=KEPT)
        self._changed = False

    def ended(self, outcome: Outcome, now: float, *, won: bool) -> None:
        """An outcome was written: what its calls used counts in any case, and the end of a response if it is that."""
        if not outcome.response_id.startswith(_OURS):
            return  # a check, or a question
        made = self._of(now)
        for call in outcome.calls:
            if call.usage is not None:
                made.input_tokens += call.usage.input_tokens
                made.output_tokens += call.usage.output_tokens
            made.cost += call.cost or 0
        if not won or outcome.superseded:
            return
        made.requests += 1
        if outcome.status == "failed":
            made.failed += 1
            made.errors[outcome.error or "unknown"] += 1
        if outcome.background:
            made.background += 1
            return
        made.seconds[bucket(outcome.ended_at - outcome.created_at)] += 1
        begun = [call for call in outcome.calls if call.first_event_seconds is not None]
        if begun:
            first = begun[-1].started_at + (begun[-1].first_event_seconds or 0.0)
            made.first[bucket(first - outcome.created_at)] += 1

    def refused(self, code: str, now: float) -> None:
        """A request came to nothing."""
        self._of(now).refused[code] += 1

    def news(self) -> tuple[Slice, ...]:
        """What has changed since it was asked for the last time, and some before it."""
        if not self._changed:
            return ()
        self._changed = False
        return tuple(made.at(at) for at, made in list(self._sums)[-_AGAIN:])

    def all(self) -> tuple[Slice, ...]:
        return tuple(made.at(at) for at, made in self._sums)

    def _of(self, now: float) -> Sum:
        self._changed = True
        at = int(now) // SLICE * SLICE
        if not self._sums or self._sums[-1][0] < at:
            self._sums.append((at, Sum()))
        return self._sums[-1][1]


class Traffics:
    """What all processes have told, put together."""

    def __init__(self) -> None:
        self._slices: dict[str, dict[int, Slice]] = {}

    def take(self, told: Traffic, now: float) -> None:
        oldest = now - KEPT * SLICE
        known = self._slices.setdefault(told.address, {})
        known.update((one.at, one) for one in told.slices if oldest < one.at <= now + SLICE)
        for at in [at for at in known if at <= oldest]:
            del known[at]
        for address in [address for address, slices in self._slices.items() if not slices]:
            del self._slices[address]

    def sums(self, first: float, last: float, step: float) -> list[tuple[float, Sum]]:
        """What ended from a time to a time, in steps; those in which nothing did are there, too."""
        made = [(first + number * step, Sum()) for number in range(ceil((last - first) / step))]
        for one in self._between(first, last):
            made[int((one.at - first) // step)][1].add(one)
        return made

    @property
    def since(self) -> int | None:
        """When the oldest slice begins that is known."""
        return min((at for slices in self._slices.values() for at in slices), default=None)

    def _between(self, first: float, last: float) -> Iterable[Slice]:
        for slices in self._slices.values():
            yield from (one for at, one in slices.items() if first <= at < last)
