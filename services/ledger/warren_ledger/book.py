"""The book of a budget: what was spent in its present period, and what is held for requests under way. Pure.

Every change may be made twice: a response holds once, and is charged once.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

from pydantic import Field

from warren.contracts import Contract, Reservation
from warren.durations import began, renewed

T = TypeVar("T")

REMEMBERED = 7 * 86_400.0
"""Seconds for which an outcome may still come after what was held for it has lapsed."""
_LAPSED = 1000
"""How many of those are remembered."""


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
    corrected: int = 0
    """The number of the last corrections that it has taken."""

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
            changes["lapsed"] = _newest({id_: until for id_, until in self.lapsed.items() if until > now} | late)
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

    def settled(self, response_id: str, cost: Decimal | None, now: float) -> "Book":
        """With the cost of a response in place of what it holds; if it is not known, that is what it cost."""
        book = self.at(now)
        hold = book.holds.get(response_id)
        if hold is None:
            return book.charged_late(response_id, cost, now)
        spent = book.spent + (hold.amount if cost is None else cost)
        return book.model_copy(update={"spent": spent, "holds": _without(book.holds, response_id)})

    def charged_late(self, response_id: str, cost: Decimal | None, now: float) -> "Book":
        """With the cost of a response that holds nothing any more, if nobody has said before what it cost."""
        book = self.at(now)
        if response_id not in book.lapsed:
            return book
        changes = {"spent": book.spent + (cost or 0), "lapsed": _without(book.lapsed, response_id)}
        return book.model_copy(update=changes)

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

    def released(self, response_id: str, now: float, *, final: bool) -> "Book":
        """Without what a response holds. Unless that is `final`, somebody may still say what it cost."""
        book = self.at(now)
        if response_id not in book.holds:
            return book
        changes: dict[str, object] = {"holds": _without(book.holds, response_id)}
        if not final:
            changes["lapsed"] = _newest(book.lapsed | {response_id: book.holds[response_id].until})
        return book.model_copy(update=changes)


def _without(mapping: dict[str, T], name: str) -> dict[str, T]:
    return {key: value for key, value in mapping.items() if key != name}


def _newest(lapsed: dict[str, float]) -> dict[str, float]:
    return dict(list(lapsed.items())[-_LAPSED:])
