"""Tallies: what was asked, used and paid, summed up by time and by who and what it was for. Pure.

A fact is counted into the rows of each view: one for its day, and one for each longer period around that. So a report
reads few rows, however many days it is of; and it reads the smallest view that tells all it asks for.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from functools import lru_cache
from operator import add, attrgetter, sub
from typing import NamedTuple, Self

from warren.contracts import Payer, UpstreamCall, Usage
from warren.errors import InvalidRequest

VIEWS: dict[str, tuple[str, ...]] = {
    "models": ("deployment", "provider", "model"),
    "keys": ("account", "key", "model"),
    "users": ("account", "end_user"),
    "tags": ("tag", "model"),
}
"""What each is told apart by, beside the time."""
_SIZES = (72, 12, 6, 3, 1)
"""Days of a period. All periods of a size follow each other without a gap. Thirty days are seven of these at the most,
and six on most days.
"""
_SAID = {"end_user": "user", "period": "day"}
_MEANT = {word: name for name, word in _SAID.items()}
EXACT = Context(prec=34)
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Tally:
    """A sum over requests and calls."""

    requests: int = 0
    failed_requests: int = 0
    calls: int = 0
    priced_calls: int = 0
    unpriced_calls: int = 0
    """Something was used, and nobody knows what it costs."""
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    repriced_calls: int = 0
    newly_priced_calls: int = 0
    """Of these, those that had no price before."""
    cost: Decimal = Decimal(0)
    """What is charged, in US dollars, for the calls that have a price."""
    corrected: Decimal = Decimal(0)
    """How much of that came of pricing calls again."""
    margin: Decimal = Decimal(0)
    """How much of it providers do not get."""

    def __add__(self, other: Self) -> Self:
        counts = map(add, _COUNTS(self), _COUNTS(other))
        return type(self)(*counts, *map(EXACT.add, _AMOUNTS(self), _AMOUNTS(other)))

    def __sub__(self, other: Self) -> Self:
        counts = map(sub, _COUNTS(self), _COUNTS(other))
        return type(self)(*counts, *map(EXACT.subtract, _AMOUNTS(self), _AMOUNTS(other)))

    @classmethod
    def of_call(cls, call: UpstreamCall) -> Self:
        """A call that nothing came of has no usage, and adds nothing but itself."""
        usage, cost = call.usage or Usage(), call.cost or _NOTHING
        taken = cost if call.provider_cost is None else call.provider_cost
        before = call if call.original is None else call.original
        return cls(
            calls=1,
            priced_calls=int(call.cost is not None),
            unpriced_calls=int(call.cost is None and call.usage is not None),
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            repriced_calls=int(call.original is not None),
            newly_priced_calls=int(call.cost is not None and before.cost is None),
            cost=cost,
            corrected=EXACT.subtract(cost, before.cost or _NOTHING),
            margin=EXACT.subtract(cost, taken),
        )

    @classmethod
    def of_request(cls, status: str) -> Self:
        return cls(requests=1, failed_requests=int(status == "failed"))


AMOUNTS = ("cost", "corrected", "margin")
COUNTS = tuple(field.name for field in fields(Tally) if field.name not in AMOUNTS)
_COUNTS: Callable[[Tally], tuple[int, ...]] = attrgetter(*COUNTS)
_AMOUNTS: Callable[[Tally], tuple[Decimal, ...]] = attrgetter(*AMOUNTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A call, or the end of a request, with all that it is told apart by."""

    day: str
    account: str
    payer: Payer
    deployment: str
    provider: str
    model: str
    tally: Tally

    @classmethod
    def of_call(cls, call: UpstreamCall, day: str, account: str, payer: Payer) -> Self:
        return cls(
            day=day,
            account=account,
            payer=payer,
            deployment=call.deployment,
            provider=call.provider,
            model=call.model,
            tally=Tally.of_call(call),
        )


class Row(NamedTuple):
    """A row of a view: one period, and one value for each thing it is told apart by."""

    view: str
    period: str
    values: tuple[str, ...]


def day(at: float) -> str:
    """The day of a time, in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def periods(first: str, last: str) -> list[str]:
    """The fewest periods that are these days together, last included."""
    at, end = date.fromisoformat(first).toordinal(), date.fromisoformat(last).toordinal()
    made = []
    while at <= end:
        size = next(size for size in _SIZES if at % size == 0 and at + size - 1 <= end)
        made.append(_period(at, size))
        at += size
    return made


def days(first: str, last: str) -> list[str]:
    """The periods that are these days one by one, last included."""
    at, end = date.fromisoformat(first).toordinal(), date.fromisoformat(last).toordinal()
    return [_period(one, 1) for one in range(at, end + 1)]


def _period(first: int, size: int) -> str:
    """The name of a period: its first day and, if there are more, how many."""
    name = date.fromordinal(first).isoformat()
    return name if size == 1 else f"{name}+{size}"


@lru_cache(256)
def _around(day: str) -> tuple[str, ...]:
    """The periods that a day is in."""
    at = date.fromisoformat(day).toordinal()
    return tuple(_period(at - at % size, size) for size in _SIZES)


def rows(facts: Iterable[Fact]) -> dict[Row, Tally]:
    """What these facts add to which rows. What has several tags counts for each of them."""
    alike: dict[tuple[object, ...], Fact] = {}
    for fact in facts:
        same = _same(fact)
        alike[same] = replace(fact, tally=alike[same].tally + fact.tally) if same in alike else fact
    of_days = _summed((row, fact.tally) for fact in alike.values() for row in _rows(fact))
    return _summed(
        (row._replace(period=period), tally) for row, tally in of_days.items() for period in _around(row.period)
    )


def _same(fact: Fact) -> tuple[object, ...]:
    """All but what is counted: most facts of a batch are like another one."""
    payer = fact.payer
    who = fact.day, fact.account, payer.key, payer.end_user, payer.tags
    return *who, fact.deployment, fact.provider, fact.model


def _summed(parts: Iterable[tuple[Row, Tally]]) -> dict[Row, Tally]:
    made: dict[Row, Tally] = {}
    for row, tally in parts:
        made[row] = made[row] + tally if row in made else tally
    return made


def _rows(fact: Fact) -> Iterable[Row]:
    payer = fact.payer
    yield Row("models", fact.day, (fact.deployment, fact.provider, fact.model))
    yield Row("keys", fact.day, (fact.account, payer.key, fact.model))
    yield Row("users", fact.day, (fact.account, payer.end_user))
    for tag in dict.fromkeys(payer.tags) or ("",):
        yield Row("tags", fact.day, (tag, fact.model))


def order(by: Sequence[str], values: Sequence[str], tally: Tally) -> tuple[object, ...]:
    """Where a row of a report belongs: a day after the other, the dearest first; of the same cost, by its names."""
    on = values[by.index("period")] if "period" in by else ""
    return on, -tally.cost, -tally.requests, *values


def said(name: str) -> str:
    """What is said to people."""
    return _SAID.get(name, name)


def meant(name: str) -> str:
    """What stands in a row for what people say."""
    return _MEANT.get(name, name)


def view(wanted: Collection[str]) -> str:
    """The view that tells all of these apart.

    Raises:
        InvalidRequest: there is none.
    """
    for name, values in VIEWS.items():
        if all(one == "period" or one in values for one in wanted):
            return name
    known = "; ".join(", ".join(map(said, values)) for values in VIEWS.values())
    raise InvalidRequest(
        f"These cannot be told apart together: {', '.join(sorted(map(said, wanted)))}. Beside the day, what goes "
        f"together is: {known}.",
        param="group_by",
        code="invalid_value",
    )
