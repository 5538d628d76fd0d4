"""What instruments are made of: plain numbers by their labels, which whoever is asked for them copies.

Recording is a look-up and an addition, some thirty times cheaper than the SDK's own instruments; `metrics` hands what
was recorded to the SDK's exporters. Nothing is recorded while nobody wants it.
"""

import asyncio
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from warren.errors import NotFound, WarrenError, named

Label = str | int | None
"""None: this one does not apply."""
Labels = tuple[Label, ...]
"""In the order in which the instrument names them."""
Service = Literal["gateway", "routing", "bus", "worker", "ledger", "every service"]
Reading = Callable[[], Iterable[tuple[float, *tuple[Label, ...]]]]
"""What a gauge stands at: values, each with its labels. Called by another thread."""

OTHER = "_other"
"""Stands for all that is not told apart."""
SERIES = 2000
"""Of one instrument, at most; what comes beyond is one series of OTHER."""

CODES = 200
"""Codes of errors that are told apart, besides those that a class of ours has: providers have many."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,63}")

ALL: dict[str, "Instrument"] = {}
"""Every instrument there is, by its name."""


class Bounded:
    """Tells so many values apart, those that come first, if they look like names; the others are OTHER."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        if len(self._known) >= self._most or not _NAME.fullmatch(value):
            return OTHER
        self._known.add(value)
        return value


_codes = Bounded(CODES)


def code(error: BaseException) -> str:
    """Our code for what went wrong, as a label."""
    if isinstance(error, NotFound) and error.code is None:
        return "not_found"
    if isinstance(error, WarrenError):
        return coded(error.code)
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "server_error"


def coded(given: str | None) -> str:
    """A code as a label; some errors of a request have none."""
    if given is None:
        return "invalid_request"
    return given if named(given) else _codes(given)


class Switch:
    """Whether anybody wants to know."""

    on = False

    @contextmanager
    def turned(self) -> Iterator[None]:
        """Somebody does while this is open."""
        self.on = True
        try:
            yield
        finally:
            self.on = False


SWITCH = Switch()


class Instrument:
    """One row of the table: its name and unit by OpenTelemetry's conventions, who has it, and what it says."""

    kind = ""

    def __init__(self, service: Service, name: str, unit: str, said: str, *labels: str) -> None:
        self.service = service
        self.name = name
        self.unit = unit
        self.said = said
        self.labels = labels
        ALL[name] = self

    def named(self, labels: Labels) -> dict[str, str | int]:
        return {name: value for name, value in zip(self.labels, labels, strict=True) if value is not None}

    def _room(self, rows: dict[Labels, object], labels: Labels) -> Labels:
        """The labels of a series that is new, or those of the one for all others."""
        if len(labels) != len(self.labels):
            raise TypeError(f"{self.name} has {len(self.labels)} labels, not {len(labels)}")
        return labels if len(rows) < SERIES else (OTHER,) * len(labels)


class Counter(Instrument):
    """A sum that only grows; of an `UpDown`, one that falls, too."""

    kind = "counter"

    def __init__(self, service: Service, name: str, unit: str, said: str, *labels: str) -> None:
        super().__init__(service, name, unit, said, *labels)
        self.rows: dict[Labels, float] = {} if labels else {(): 0}

    def add(self, amount: float, *labels: Label) -> None:
        if not SWITCH.on:
            return
        try:
            self.rows[labels] += amount
        except KeyError:
            labels = self._room(self.rows, labels)  # type: ignore[arg-type]  # it is only counted there
            self.rows[labels] = self.rows.get(labels, 0) + amount


class UpDown(Counter):
    kind = "gauge"


class Histogram(Instrument):
    kind = "histogram"

    def __init__(
        self, service: Service, name: str, unit: str, said: str, *labels: str, bounds: Sequence[float]
    ) -> None:
        super().__init__(service, name, unit, said, *labels)
        self.bounds = tuple(bounds)
        self.rows: dict[Labels, list[float]] = {} if labels else {(): self._empty()}
        """Of each: the sum, and how many values were at most the first bound, the second … and above all."""

    def record(self, value: float, *labels: Label) -> None:
        if not SWITCH.on:
            return
        row = self.rows.get(labels) or self._row(labels)
        row[0] += value
        row[1 + bisect_left(self.bounds, value)] += 1

    def merge(self, gathered: "Gathered", *labels: Label) -> None:
        """Record what was gathered on the way."""
        if not SWITCH.on or not gathered.total:
            return
        row = self.rows.get(labels) or self._row(labels)
        for at, more in enumerate(gathered.row):
            row[at] += more

    def _row(self, labels: Labels) -> list[float]:
        return self.rows.setdefault(self._room(self.rows, labels), self._empty())  # type: ignore[arg-type]  # as above

    def _empty(self) -> list[float]:
        return [0.0] * (len(self.bounds) + 2)


class Gathered:
    """Values of one histogram, gathered where labels would cost too much: in the middle of a stream."""

    __slots__ = ("_bounds", "row")

    def __init__(self, histogram: Histogram) -> None:
        self._bounds = histogram.bounds
        self.row = [0.0] * (len(self._bounds) + 2)

    def add(self, value: float) -> None:
        self.row[0] += value
        self.row[1 + bisect_left(self._bounds, value)] += 1

    @property
    def total(self) -> int:
        return int(sum(self.row[1:]))


class Gauge(Instrument):
    """What something stands at, asked when somebody wants to know. `counts`: it only grows, as a counter does."""

    kind = "gauge"

    def __init__(self, service: Service, name: str, unit: str, said: str, *labels: str, counts: bool = False) -> None:
        super().__init__(service, name, unit, said, *labels)
        self.counts = counts
        if counts:
            self.kind = "counter"
        self._readings: list[Reading] = []

    @contextmanager
    def told(self, reading: Reading) -> Iterator[None]:
        """While open, this is asked; where several say something of one series, the last one counts."""
        self._readings.append(reading)
        try:
            yield
        finally:
            self._readings.remove(reading)

    def read(self) -> Iterator[tuple[float, Labels]]:
        for reading in list(self._readings):
            for value, *labels in reading():
                yield value, tuple(labels)
