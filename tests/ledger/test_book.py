"""The book of a budget, as arithmetic: nothing is held or charged twice, and nothing is lost."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ledger.making import call
from warren.contracts import Reservation, UpstreamCall
from warren.durations import renewed
from warren_ledger.book import REMEMBERED, Book, Hold

NOW = 1_763_000_000.0
MONTH = 2_592_000.0


def wanted(amount: object, limit: object = 10, duration: str | None = None) -> Reservation:
    return Reservation(budget="key:k", amount=Decimal(str(amount)), limit=Decimal(str(limit)), duration=duration)


def holding(*ids: str, amount: object = 1, until: float = NOW + 60) -> Book:
    book: Book | None = Book()
    for id_ in ids:
        assert book is not None
        book = book.reserved(id_, wanted(amount, "1e20"), until, NOW)
    assert book is not None
    return book


def cost(amount: object, **changes: Any) -> list[UpstreamCall]:
    """One call that costs so much; None if nobody knows."""
    return [call(cost=None if amount is None else Decimal(str(amount)), **changes)]


def test_what_is_held_counts_as_spent_until_it_is_known_what_it_was() -> None:
    book = holding("a", "b", amount=4)
    assert [book.spent, book.held] == [Decimal(0), Decimal(8)]
    assert book.reserved("c", wanted(3), NOW + 60, NOW) is None
    settled = book.settled("a", cost("0.5"), NOW)
    assert (settled.spent, settled.held) == (Decimal("0.5"), Decimal(4))
    assert settled.reserved("c", wanted(3), NOW + 60, NOW) is not None


def test_a_response_holds_once_and_is_charged_once() -> None:
    book = holding("a", "a")
    assert book.held == 1
    made = cost(2)
    once = book.settled("a", made, NOW)
    assert once.settled("a", made, NOW) == once
    assert once.released("a", NOW) == once


def test_a_cost_that_nobody_knows_is_what_was_held() -> None:
    assert holding("a", amount=4).settled("a", cost(None), NOW).spent == 4


def test_a_used_up_budget_takes_nothing_that_is_free_either() -> None:
    book = holding("a").settled("a", cost(10), NOW)
    assert book.reserved("b", wanted(0), NOW + 60, NOW) is None


def test_what_is_released_is_free() -> None:
    book = holding("a").released("a", NOW)
    assert (book.held, book.spent, len(book.lapsed)) == (Decimal(0), Decimal(0), 0)
    assert book.settled("a", cost(1), NOW) == book


def test_who_ended_it_for_another_did_not_know_what_that_one_had_used() -> None:
    book = holding("a").settled("a", [], NOW)
    assert [book.held, book.spent] == [0, 0]
    made = cost(3)
    late = book.beside(made, NOW)
    assert late.spent == 3
    assert late.beside(made, NOW) == late


def test_what_others_have_used_is_charged_beside_what_is_held() -> None:
    book = holding("a", amount=4).beside(made := cost(3), NOW)
    assert [book.spent, book.held] == [3, 4]
    assert book.settled("a", cost(2), NOW).spent == 5
    assert book.settled("a", [*made, *cost(2)], NOW).spent == 5, "it told of that one before"


def test_a_call_that_was_told_of_with_the_end_is_not_charged_again_beside_it() -> None:
    first, last = cost(1), cost(2)
    book = holding("a").settled("a", [*first, *last], NOW)
    assert book.beside(first, NOW) == book
    lost = cost(1, lost=True)
    book = holding("a").settled("a", lost, NOW)
    assert book.beside(lost, NOW) == book


def test_of_calls_that_are_charged_some_are_remembered_for_a_while() -> None:
    book = Book()
    for _ in range(2100):
        book = book.beside(cost(1), NOW)
    assert [book.spent, len(book.charged)] == [2100, 2048]
    assert book.at(NOW + 3601).charged == {}


def test_what_nothing_came_of_lapses_and_is_charged_if_something_comes_all_the_same() -> None:
    book = holding("a", "b", until=NOW + 60)
    assert book.due == NOW + 60
    lapsed = book.at(NOW + 60)
    assert (lapsed.held, lapsed.due) == (Decimal(0), None)
    late = lapsed.settled("a", made := cost(2), NOW + 100)
    assert late.spent == 2
    assert late.settled("a", made, NOW + 100) == late
    gone = late.at(NOW + 61 + REMEMBERED)
    assert (gone.lapsed, gone.owed) == ({}, {})


def test_what_comes_late_and_has_no_price_costs_what_was_held() -> None:
    late = holding("a", amount=4).at(NOW + 60).settled("a", cost(None), NOW + 100)
    assert (late.spent, late.lapsed, late.owed) == (Decimal(4), {}, {})


def test_a_book_of_before_it_knew_what_was_held_is_read() -> None:
    book = Book(lapsed={"a": NOW + 60})
    assert book.settled("a", cost(None), NOW).spent == 0
    assert book.settled("a", cost(2), NOW).spent == 2


def test_a_period_begins_anew() -> None:
    book = Book().reserved("a", wanted(1, duration="1h"), NOW + 60, NOW)
    assert book is not None
    assert book.resets_at is not None
    spent = book.settled("a", cost(10), NOW)
    assert spent.reserved("b", wanted(1, duration="1h"), NOW + 60, NOW) is None
    fresh = spent.reserved("b", wanted(1, duration="1h"), book.resets_at + 60, book.resets_at)
    assert fresh is not None
    assert (fresh.spent, fresh.held, fresh.resets_at) == (Decimal(0), Decimal(1), book.resets_at + 3600)


def test_another_duration_keeps_what_was_spent() -> None:
    book = holding("a").settled("a", cost(2), NOW)
    changed = book.reserved("b", wanted(1, duration="1d"), NOW + 60, NOW)
    assert changed is not None
    assert (changed.spent, changed.duration) == (Decimal(2), "1d")
    back = changed.reserved("c", wanted(1), NOW + 60, NOW)
    assert back is not None
    assert (back.duration, back.resets_at) == (None, None)


def test_of_many_that_lapsed_the_newest_are_remembered() -> None:
    late = {f"r{n}": Hold(amount=Decimal(0), until=NOW) for n in range(10_200)}
    book = Book(holds=late).at(NOW)
    assert list(book.lapsed) == list(book.owed) == [f"r{n}" for n in range(200, 10_200)]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "release", "late", "tick"]),
        st.sampled_from("abcde"),
        st.decimals(min_value=0, max_value=5, places=3),
    ),
    max_size=60,
)


@given(STEPS)
def test_no_more_is_promised_than_there_is_and_each_is_charged_at_most_once(
    steps: list[tuple[str, str, Decimal]],
) -> None:
    book, now, limit = Book(), NOW, Decimal(10)
    charged: dict[str, Decimal] = {}
    ended: set[str] = set()
    late: dict[str, list[UpstreamCall]] = {}
    beside = Decimal(0)
    for step, id_, amount in steps:
        now += 1 if step == "tick" else 0
        before = book
        match step:
            case "reserve" if id_ not in ended:
                book = book.reserved(id_, wanted(amount, limit), now + 5, now) or book
                if book is not before:
                    assert book.spent + book.held <= limit or book.held <= before.at(now).held
            case "settle":
                book = book.settled(id_, cost(amount), now)
            case "late":
                beside += 0 if id_ in late else amount
                book = book.beside(late.setdefault(id_, cost(amount)), now)
                continue
            case "release":
                book = book.released(id_, now)
        if book.spent != before.spent:
            assert id_ not in charged
            charged[id_] = book.spent - before.spent
            ended.add(id_)
        assert Book.model_validate(book.model_dump()) == book
    assert book.spent == sum(charged.values()) + beside


@pytest.mark.parametrize("amount", ["0.000000001", "1e-12", "123456789012345.123456789"])
def test_nothing_is_rounded(amount: str) -> None:
    book = holding("a", "b", amount=amount)
    assert book.held == 2 * Decimal(amount)


def test_corrections_are_taken_once_in_their_order_and_of_this_period_only() -> None:
    book = holding("a").settled("a", cost("2"), NOW)
    book = book.model_copy(update={"duration": "1d", "resets_at": renewed("1d", NOW)})
    changes = [(NOW, Decimal("0.5")), (NOW - 2 * 86_400, Decimal(7))]
    once = book.recharged(5, changes, NOW)
    assert once.spent == Decimal("2.5")
    assert once.recharged(5, changes, NOW) == once
    assert once.recharged(4, changes, NOW) == once
    assert once.recharged(6, [(NOW, Decimal(-9))], NOW).spent == 0
