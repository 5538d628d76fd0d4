"""Instruments hold what was recorded, and never more series than they may."""

import asyncio
from collections.abc import Iterator

import pytest

from warren.errors import InvalidRequest, NotFound, UpstreamRefused, WarrenError
from warren.telemetry import measuring
from warren.telemetry.measuring import (
    ALL,
    CODES,
    OTHER,
    SERIES,
    SWITCH,
    Bounded,
    Counter,
    Gathered,
    Gauge,
    Histogram,
    code,
    coded,
)


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What these tests make and hear of stays theirs."""
    before = dict(ALL)
    monkeypatch.setattr(measuring, "_codes", Bounded(CODES))
    with SWITCH.turned():
        yield
    ALL.clear()
    ALL.update(before)


def histogram(*labels: str) -> Histogram:
    return Histogram("bus", "test.histogram", "s", "", *labels, bounds=(1, 2, 4))


def test_nothing_is_recorded_that_nobody_wants_to_know() -> None:
    counter, times = Counter("bus", "test.counter", "1", "", "a"), histogram("a")
    gathered = Gathered(times)
    gathered.add(1)
    SWITCH.on = False
    counter.add(1, "x")
    times.record(1, "x")
    times.merge(gathered, "x")
    assert not counter.rows
    assert not times.rows
    SWITCH.on = True
    counter.add(1, "x")
    counter.add(2, "x")
    assert counter.rows == {("x",): 3}


@pytest.mark.parametrize(
    ("value", "bucket"), [(-1, 0), (0, 0), (1, 0), (1.0001, 1), (2, 1), (4, 2), (4.5, 3), (float("inf"), 3)]
)
def test_a_bucket_has_what_is_at_most_its_bound(value: float, bucket: int) -> None:
    times = histogram()
    times.record(value)
    total, *counts = times.rows[()]
    assert total == value
    assert counts == [int(place == bucket) for place in range(4)]


def test_what_was_gathered_on_the_way_is_recorded_as_if_it_had_been_at_once() -> None:
    one, two = histogram("a"), histogram("a")
    gathered = Gathered(one)
    for value in (0.5, 3, 3, 9):
        gathered.add(value)
        two.record(value, "x")
    one.merge(gathered, "x")
    one.merge(Gathered(one), "never")
    assert gathered.total == 4
    assert one.rows == two.rows == {("x",): [15.5, 1, 0, 2, 1]}


def test_an_instrument_has_so_many_series_and_one_for_all_others() -> None:
    counter, times = Counter("bus", "test.counter", "1", "", "a", "b"), histogram("a")
    for number in range(SERIES + 500):
        counter.add(1, "x", number)
        times.record(1, f"{number}")
    assert len(counter.rows) == len(times.rows) == SERIES + 1
    assert counter.rows[OTHER, OTHER] == 500
    assert times.rows[(OTHER,)] == [500, 500, 0, 0, 0]
    counter.add(1, "x", 0)
    assert counter.rows["x", 0] == 2


def test_labels_are_as_many_as_the_instrument_names() -> None:
    with pytest.raises(TypeError, match=r"test\.histogram has 1 labels, not 2"):
        histogram("a").record(1, "x", "y")


def test_codes_of_providers_are_told_apart_as_long_as_they_are_few() -> None:
    labels = {coded(f"vendor_{number}") for number in range(1000)}
    assert len(labels) == CODES + 1
    assert OTHER in labels
    assert coded("vendor_0") == "vendor_0"
    assert coded("upstream_rate_limited_by_us") == OTHER
    assert coded(UpstreamRefused.code) == UpstreamRefused.code, "ours are told apart at any time"


@pytest.mark.parametrize("text", ["", "no such model: x", "1st", "x" * 65, "ümlaut", "a\nb", 'a"b'])
def test_what_does_not_look_like_a_code_is_no_label(text: str) -> None:
    assert coded(text) == OTHER


@pytest.mark.parametrize(
    ("error", "label"),
    [
        (InvalidRequest("no"), "invalid_request"),
        (InvalidRequest("no", code="invalid_type"), "invalid_type"),
        (NotFound("no"), "not_found"),
        (UpstreamRefused("no", code="a prompt, quoted"), OTHER),
        (asyncio.CancelledError(), "cancelled"),
        (ValueError("a prompt"), "server_error"),
        (WarrenError("no"), "server_error"),
    ],
)
def test_every_failure_has_a_label(error: BaseException, label: str) -> None:
    assert code(error) == label


def test_a_gauge_tells_what_it_is_told_while_it_is() -> None:
    gauge = Gauge("bus", "test.gauge", "1", "", "a")
    with gauge.told(lambda: [(1, "x")]), gauge.told(lambda: [(2, "y"), (3, None)]):
        assert list(gauge.read()) == [(1, ("x",)), (2, ("y",)), (3, (None,))]
    assert list(gauge.read()) == []
