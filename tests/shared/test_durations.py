"""Durations: LiteLLM's words, and when periods end by the clock."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren import durations


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOW = at("2026-11-25T13:47:11")  # a Wednesday


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("30s", "2026-11-25T13:47:41"), ("30m", "2026-11-25T14:17:11"), ("30h", "2026-11-26T19:47:11"),
        ("30d", "2026-12-25T13:47:11"), ("1w", "2026-12-02T13:47:11"), ("1mo", "2026-12-25T13:47:11"),
        ("14mo", "2028-01-25T13:47:11"),
    ],
)  # fmt: skip
def test_so_much_later(duration: str, expected: str) -> None:
    assert durations.after(duration, NOW) == at(expected)


def test_a_month_after_the_31st_is_the_last_of_a_shorter_one() -> None:
    assert durations.after("1mo", at("2027-01-31T12:00:00")) == at("2027-02-28T12:00:00")


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("30s", "2026-11-25T13:47:30"), ("30m", "2026-11-25T14:00:00"), ("1h", "2026-11-25T14:00:00"),
        ("1d", "2026-11-26T00:00:00"), ("2d", "2026-11-27T00:00:00"), ("7d", "2026-11-30T00:00:00"),
        ("1w", "2026-11-30T00:00:00"), ("2w", "2026-12-07T00:00:00"), ("30d", "2026-12-01T00:00:00"),
        ("1mo", "2026-12-01T00:00:00"), ("3mo", "2027-02-01T00:00:00"),
    ],
)  # fmt: skip
def test_when_a_period_ends(duration: str, expected: str) -> None:
    assert durations.renewed(duration, NOW) == at(expected)


@given(
    st.sampled_from(["1s", "45s", "30m", "1h", "24h", "1d", "7d", "30d", "1w", "1mo", "12mo"]),
    st.floats(0, 4_000_000_000),
)
def test_a_period_ends_later_and_the_next_one_later_still(duration: str, now: float) -> None:
    end = durations.renewed(duration, now)
    assert now < end < durations.renewed(duration, end)


@pytest.mark.parametrize("duration", ["999999s", "999999m", "999999h", "99999d", "9999w", "9999mo"])
def test_the_longest_ends_at_a_date(duration: str) -> None:
    for end in (durations.after(duration, NOW), durations.renewed(duration, NOW)):
        assert durations.began(duration, end) < datetime.fromtimestamp(end, UTC).timestamp()


@pytest.mark.parametrize(
    "duration", ["", "30", "d", "0d", "-1d", "1.5h", "1y", "30 d", "1D", "9999999s", "10000mo", "10000w", "100000d"]
)
def test_anything_else_is_no_duration(duration: str) -> None:
    with pytest.raises(ValueError, match="looks like"):
        durations.check(duration)


@pytest.mark.parametrize("duration", ["45s", "30m", "1h", "24h", "1d", "3d", "7d", "30d", "2w", "1mo", "12mo"])
@given(now=st.floats(100_000_000, 4_000_000_000))
def test_a_period_has_begun_and_is_followed_by_the_next(duration: str, now: float) -> None:
    end = durations.renewed(duration, now)
    assert durations.began(duration, end) <= now < end
    assert durations.renewed(duration, durations.began(duration, end)) == end
