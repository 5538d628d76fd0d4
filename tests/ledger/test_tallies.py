"""What is summed up, and where."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ledger.making import call
from warren.contracts import Payer, Usage
from warren.errors import InvalidRequest
from warren_ledger.tallies import VIEWS, Fact, Row, Tally, day, days, periods, rows, view

MONEY = st.decimals(min_value=0, max_value=10**6, places=12, allow_nan=False, allow_infinity=False)
TALLIES = st.builds(Tally, requests=st.integers(0, 9), calls=st.integers(0, 9), cost=MONEY)
NAMES = st.sampled_from(["a", "b", ""])
FACTS = st.builds(
    Fact,
    day=st.sampled_from(["2026-11-01", "2026-11-02"]),
    account=NAMES,
    payer=st.builds(Payer, key=NAMES, end_user=NAMES, tags=st.lists(NAMES.filter(bool), unique=True).map(tuple)),
    deployment=NAMES,
    provider=NAMES,
    model=NAMES,
    tally=TALLIES,
)


DAYS = st.dates(date(1999, 1, 1), date(2101, 1, 1))


def total(made: dict[Row, Tally], name: str, first: str = "2026-11-01", last: str = "2026-11-02") -> Tally:
    """Of these days, by a view."""
    wanted = periods(first, last)
    return sum((tally for row, tally in made.items() if row.view == name and row.period in wanted), Tally())


@given(st.lists(FACTS))
def test_every_view_but_that_of_tags_has_each_fact_once(facts: list[Fact]) -> None:
    made = rows(facts)
    expected = sum((fact.tally for fact in facts), Tally())
    for name in VIEWS.keys() - {"tags"}:
        assert total(made, name) == expected


@given(st.lists(FACTS))
def test_a_fact_counts_once_for_each_of_its_tags(facts: list[Fact]) -> None:
    expected = sum((fact.tally for fact in facts for _ in fact.payer.tags or ("",)), Tally())
    assert total(rows(facts), "tags") == expected


@given(st.lists(FACTS), st.integers(0, 20))
def test_sums_of_parts_are_the_sum(facts: list[Fact], at: int) -> None:
    made = rows(facts[:at])
    for row, tally in rows(facts[at:]).items():
        made[row] = made.get(row, Tally()) + tally
    assert made == rows(facts)


@given(DAYS, st.integers(0, 800))
def test_periods_are_their_days_without_gap_or_overlap_and_few(first: date, more: int) -> None:
    last = first + timedelta(days=more)
    covered: list[date] = []
    names = periods(first.isoformat(), last.isoformat())
    for name in names:
        begin, _, size = name.partition("+")
        covered += [date.fromisoformat(begin) + timedelta(days=at) for at in range(int(size or 1))]
    assert covered == [first + timedelta(days=at) for at in range(more + 1)]
    assert len(names) <= 18 + more // 64


@given(DAYS, DAYS, DAYS)
def test_a_fact_is_in_one_period_of_a_report_that_has_its_day(first: date, last: date, on: date) -> None:
    name = on.isoformat()
    fact = Fact(day=name, account="a", payer=Payer(), deployment="d", provider="p", model="m", tally=Tally(requests=1))
    made = rows([fact])
    for view_ in VIEWS:
        assert total(made, view_, first.isoformat(), last.isoformat()).requests == (first <= on <= last)
    assert sum(row.period in days(name, name) for row in made if row.view == "models") == 1


def test_an_unknown_cost_is_counted_and_adds_nothing() -> None:
    unknown, refused = call(cost=None), call(cost=None, usage=None)
    made = Tally.of_call(call(cost=Decimal("0.1"))) + Tally.of_call(unknown) + Tally.of_call(refused)
    assert (made.calls, made.priced_calls, made.unpriced_calls, made.cost) == (3, 1, 1, Decimal("0.1"))


def test_what_is_free_has_a_price() -> None:
    made = Tally.of_call(call(cost=Decimal(0)))
    assert (made.priced_calls, made.unpriced_calls) == (1, 0)


def test_money_is_summed_exactly() -> None:
    made = sum(
        (Tally.of_call(call(cost=Decimal("1E-12"), usage=Usage())) for _ in range(1000)), Tally(cost=Decimal(10**9))
    )
    assert made.cost == Decimal("1000000000.000000001")


def test_a_day_is_that_of_utc() -> None:
    assert day(1_767_225_599.999) == "2025-12-31"
    assert day(1_767_225_600.0) == "2026-01-01"


def test_the_view_is_the_first_that_tells_all_apart() -> None:
    assert view(()) == view(("period",)) == view(("period", "model")) == view(("provider", "deployment")) == "models"
    assert view(("key", "model")) == view(("period", "account")) == "keys"
    assert view(("end_user", "account")) == "users"
    assert view(("tag",)) == "tags"
    with pytest.raises(InvalidRequest) as refused:
        view(("tag", "key"))
    assert refused.value.param == "group_by"
