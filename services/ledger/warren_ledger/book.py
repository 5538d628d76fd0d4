"""The book of a budget: what was spent in its present period, and what is held for requests under way. Pure.

Every change may be made twice: a response holds once, and each of its calls is charged once.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypeVar

from pydantic import Field

from warren.contracts import Contract, Reservation, UpstreamCall, charge
from warren.durations import began, renewed

T = TypeVar("T")

REMEMBERED = 7 * 86_400.0
"""Seconds for which an outcome may still come after what was held for it has lapsed."""
_LAPSED = 10_000
"""How many of those are remembered: as many as may wait in a queue while no ledger runs."""
_TOLD = 3600.0
"""Seconds for which a call that was charged may be told of again …"""
_CHARGED = 2048
"""… and how many of those are remembered."""


class Hold(Contract):
    """What a request may cost at the most, and when nothing can come of it any more."""

    amount: Decimal
    until: float


class Book(Contract):
    """Money is in US dollars."""

    spent: Decimal = Decimal(0)
    duration: str | None = None
    resets_at: float | None = None
    holds: dict[str, Hold] = Field(default_factory=dict)
    """By response id."""
    lapsed: dict[str, float] = Field(default_factory=dict)
    """Responses that hold nothing any more though nobody has said what they cost, and until when that is awaited."""
    owed: dict[str, Decimal] = Field(default_factory=dict)
    """What these held."""
    corrected: int = 0
    """The number of the last corrections that it has taken."""
    charged: dict[str, float] = Field(default_factory=dict)
    """Calls of which another outcome may tell again and that are charged, and until when that is remembered."""

    @property
    def held(self) -> Decimal:
        return sum((hold.amount for hold in self.holds.values()), Decimal(0))

    @property
    def due(self) -> float | None:
        """When the next hold lapses."""
        return min((hold.until for hold in self.holds.values()), default=None)

    def at(self, now: float) -> "Book":
        """As it is by now: its period begun anew, and without what lapsed."""
        changes: dict[str, object] = {}
        if self.duration is not None and self.resets_at is not None and now >= self.resets_at:
            changes = {"spent": Decimal(0), "resets_at": renewed(self.duration, now)}
        late = {id_: now + REMEMBERED for id_, hold in self.holds.items() if hold.until <= now}
        if late:
            changes["holds"] = {id_: hold for id_, hold in self.holds.items() if id_ not in late}
        if late or any(until <= now for until in self.lapsed.values()):
            lapsed = _newest({id_: until for id_, until in self.lapsed.items() if until > now} | late, _LAPSED)
            owed = self.owed | {id_: self.holds[id_].amount for id_ in late}
            changes |= {"lapsed": lapsed, "owed": {id_: owed[id_] for id_ in lapsed if id_ in owed}}
        if any(until <= now for until in self.charged.values()):
            changes["charged"] = {id_: until for id_, until in self.charged.items() if until > now}
        return self.model_copy(update=changes) if changes else self

    def reserved(self, response_id: str, wanted: Reservation, until: float, now: float) -> "Book | None":
        """With this held, too; None if there is not so much left."""
        book = self.at(now)
        if wanted.duration != book.duration:
            resets_at = None if wanted.duration is None else renewed(wanted.duration, now)
            book = book.model_copy(update={"duration": wanted.duration, "resets_at": resets_at})
        if response_id in book.holds:
            return book
        if book.spent + book.held + wanted.amount > wanted.limit or book.spent >= wanted.limit:
            return None
        hold = Hold(amount=wanted.amount, until=until)
        return book.model_copy(update={"holds": {**book.holds, response_id: hold}})

    def settled(self, response_id: str, calls: Sequence[UpstreamCall], now: float) -> "Book":
        """With the cost of what ended a response in place of what it holds. If it is not known, it cost just that."""
        book = self.at(now)
        hold = book.holds.get(response_id)
        if hold is None and response_id not in book.lapsed:
            return book  # it came before
        fresh = _fresh(book, calls)
        cost = charge(fresh)
        if cost is None:
            cost = hold.amount if hold is not None else book.owed.get(response_id, known(fresh))
        changes = {
            "spent": book.spent + cost,
            "holds": _without(book.holds, response_id),
            "lapsed": _without(book.lapsed, response_id),
            "owed": _without(book.owed, response_id),
        }
        told = [call for call in fresh if call.lost or call is not fresh[-1]]
        return _remembering(book.model_copy(update=changes), told, now)

    def beside(self, calls: Sequence[UpstreamCall], now: float) -> "Book":
        """With the cost of calls that did not end their response. What is held for that one stays."""
        book = self.at(now)
        fresh = _fresh(book, calls)
        return _remembering(book.model_copy(update={"spent": book.spent + known(fresh)}), fresh, now)

    def recharged(self, number: int, changes: Iterable[tuple[float, Decimal]], now: float) -> "Book":
        """With what responses turned out to cost more or less, those that ended in the present period; by when they
        ended. Corrections are taken in the order of their numbers, each once.
        """
        book = self.at(now)
        if number <= book.corrected:
            return book
        first = 0.0
        if book.duration is not None and book.resets_at is not None:
            first = began(book.duration, book.resets_at)
        spent = book.spent + sum((amount for ended_at, amount in changes if ended_at >= first), Decimal(0))
        return book.model_copy(update={"spent": max(spent, Decimal(0)), "corrected": number})

    def released(self, response_id: str, now: float) -> "Book":
        """Without what a response holds."""
        book = self.at(now)
        if response_id not in book.holds:
            return book
        return book.model_copy(update={"holds": _without(book.holds, response_id)})


def _fresh(book: Book, calls: Sequence[UpstreamCall]) -> list[UpstreamCall]:
    return [call for call in calls if call.call_id not in book.charged]


def _remembering(book: Book, calls: Iterable[UpstreamCall], now: float) -> Book:
    made = dict.fromkeys((call.call_id for call in calls), now + _TOLD)
    return book.model_copy(update={"charged": _newest(book.charged | made, _CHARGED)}) if made else book


def known(calls: Iterable[UpstreamCall]) -> Decimal:
    """The cost of those of these calls of which it is known."""
    return sum((call.cost for call in calls if call.cost is not None), Decimal(0))


def _without(mapping: dict[str, T], name: str) -> dict[str, T]:
    return {key: value for key, value in mapping.items() if key != name}


def _newest(remembered: dict[str, float], most: int) -> dict[str, float]:
    return dict(list(remembered.items())[-most:])
