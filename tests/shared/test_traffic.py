"""What ended lately, counted and put together."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ledger.making import call, outcome
from warren.contracts import Outcome, Slice, Traffic
from warren.traffic import KEPT, SLICE, Ring, Traffics, bucket, percentile, typical

NOW = 1_793_880_000.0


def ended(**changes: object) -> Outcome:
    made = outcome("resp_1", calls=(call(started_at=NOW - 1.5, first_event_seconds=0.5),))
    return made.model_copy(update={"created_at": NOW - 2, "ended_at": NOW, **changes})


@given(st.floats(0.001, 100_000))
def test_a_time_is_told_to_a_twentieth(seconds: float) -> None:
    assert typical(bucket(seconds)) == pytest.approx(seconds, rel=0.046)


@given(st.lists(st.floats(0.001, 1000), min_size=1), st.sampled_from((0.5, 0.95, 0.99, 1.0)))
def test_a_percentile_is_that_of_the_times_themselves(times: list[float], share: float) -> None:
    counts: dict[int, int] = {}
    for one in times:
        counts[bucket(one)] = counts.get(bucket(one), 0) + 1
    rank = next(number for number in range(1, len(times) + 1) if number >= share * len(times) - 1e-9)
    assert percentile(counts, share) == pytest.approx(sorted(times)[rank - 1], rel=0.046)


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile({}, 0.5) is None


def test_the_end_of_a_response_is_counted_with_what_its_calls_used() -> None:
    ring = Ring()
    ring.ended(ended(), NOW, won=True)
    [one] = ring.all()
    assert (one.at, one.requests, one.failed, one.input_tokens, one.output_tokens) == (int(NOW), 1, 0, 2, 3)
    assert one.cost == Decimal("0.000125")
    assert (one.seconds, one.first) == ({bucket(2): 1}, {bucket(1): 1})


def test_an_attempt_that_was_given_up_has_only_used_something() -> None:
    ring = Ring()
    ring.ended(ended(superseded=True), NOW, won=False)
    ring.ended(ended(), NOW, won=False)
    [one] = ring.all()
    assert (one.requests, one.output_tokens, one.seconds) == (0, 6, {})


def test_background_work_is_counted_without_its_time_and_checks_not_at_all() -> None:
    ring = Ring()
    ring.ended(ended(background=True), NOW, won=True)
    ring.ended(ended(response_id="check_1"), NOW, won=True)
    [one] = ring.all()
    assert (one.requests, one.background, one.seconds, one.first) == (1, 1, {}, {})


def test_failures_and_refusals_are_told_by_code() -> None:
    ring = Ring()
    ring.ended(ended(status="failed", error="interrupted"), NOW, won=True)
    ring.refused("rate_limit_exceeded", NOW)
    [one] = ring.all()
    assert (one.failed, one.errors, one.refused) == (1, {"interrupted": 1}, {"rate_limit_exceeded": 1})


def test_news_are_told_once_and_repeat_what_came_before_them() -> None:
    ring = Ring()
    assert ring.news() == ()
    for number in range(5):
        ring.refused("x", NOW + number * SLICE)
    assert [one.at for one in ring.news()] == [int(NOW) + number * SLICE for number in (2, 3, 4)]
    assert ring.news() == ()


def test_a_ring_forgets_what_is_an_hour_old() -> None:
    ring = Ring()
    for number in range(KEPT + 10):
        ring.refused("x", NOW + number * SLICE)
    assert len(ring.all()) == KEPT


def told(address: str, at: float, requests: int) -> Traffic:
    return Traffic(address=address, slices=(Slice(at=int(at), requests=requests),))


def test_what_is_told_again_replaces_what_was_told_and_processes_add_up() -> None:
    traffics = Traffics()
    for message in (told("a", NOW, 1), told("a", NOW, 3), told("b", NOW, 4), told("b", NOW + SLICE, 1)):
        traffics.take(message, NOW)
    assert [(at, made.requests) for at, made in traffics.sums(NOW, NOW + 2 * SLICE, SLICE)] == [
        (NOW, 7),
        (NOW + SLICE, 1),
    ]
    assert [made.requests for _, made in traffics.sums(NOW - 60, NOW + 60, 60)] == [0, 8]
    assert traffics.since == int(NOW)


def test_what_is_old_is_forgotten_with_who_told_it_and_the_future_is_not_believed() -> None:
    traffics = Traffics()
    traffics.take(told("gone", NOW, 1), NOW)
    traffics.take(told("a", NOW + 3600 * 24, 1), NOW)
    later = NOW + KEPT * SLICE
    traffics.take(told("gone", NOW, 1), later)
    traffics.take(told("b", later, 2), later)
    assert traffics.since == int(later)
