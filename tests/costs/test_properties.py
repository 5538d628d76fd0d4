"""What holds of bills whatever was used, and whatever it costs."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.costs.making import FILE, TABLE
from warren import price_keys
from warren.contracts import Usage
from warren.costs import Served, Sheet, Table
from warren.costs.hours import Hours
from warren.costs.prices import bill, laid_over
from warren.costs.quantities import quantities
from warren.costs.tools import counted

NOW = Served(at=1_795_437_000.0)
COUNTS = st.integers(0, 10**9)
PRICES = st.decimals(0, "0.01", places=12)
FLAT = st.fixed_dictionaries(
    {price_keys.INPUT: PRICES, price_keys.OUTPUT: PRICES},
    optional=dict.fromkeys(sorted(price_keys.TOKENS - {price_keys.INPUT, price_keys.OUTPUT}), PRICES),
)
SOME = [name for name, entry in TABLE.entries.items() if price_keys.INPUT in entry or price_keys.TIERED in entry]
PARTS = tuple(name for name, kind in Usage.__annotations__.items() if kind is int)
USAGES = st.builds(Usage, **dict.fromkeys(PARTS, COUNTS))
"""Anything that anybody may report, also if it makes no sense."""


@st.composite
def usages(draw: st.DrawFn, most: int = 10**6) -> Usage:
    """Usages that make sense: what is counted apart is part of the whole."""
    parts = {name: draw(st.integers(0, most)) for name in PARTS}
    parts["cached_tokens"] += parts["cached_audio_tokens"] + parts["cached_image_tokens"]
    parts["cache_write_tokens"] += parts["cache_write_1h_tokens"] + parts["cache_write_12h_tokens"]
    parts["input_tokens"] += sum(
        parts[name]
        for name in (
            "cached_tokens", "cache_write_tokens", "input_audio_tokens", "input_image_tokens", "input_video_tokens",
        )
    )  # fmt: skip
    parts["input_audio_tokens"] += parts["cached_audio_tokens"]
    parts["input_image_tokens"] += parts["cached_image_tokens"]
    parts["output_tokens"] += sum(
        parts[name] for name in ("reasoning_tokens", "output_audio_tokens", "output_image_tokens")
    )
    return Usage(**parts)


def sheet(entry: dict[str, Any], provider: str = "openai") -> Sheet:
    return Sheet(entry, provider, "test")


def cost(known: Sheet, usage: Usage) -> Decimal:
    amount = bill(known, usage, NOW).amount
    assert amount is not None
    return amount


@given(USAGES)
def test_no_token_is_counted_twice_and_none_is_lost(usage: Usage) -> None:
    found = quantities(usage)._asdict()
    said = {name: count for name, count in found.items() if name in ("output", "reasoning") or name[:6] == "output"}
    assert sum(said.values()) == usage.output_tokens
    assert sum(found.values()) - sum(said.values()) == usage.input_tokens
    assert all(count >= 0 for count in found.values())


@given(FLAT)
def test_nothing_used_is_nothing_to_pay(entry: dict[str, Any]) -> None:
    made = bill(sheet(entry), Usage(), NOW)
    assert made.amount == Decimal(0)
    assert not made.lines
    assert not made.unpriced


@given(FLAT, usages(), usages())
def test_two_calls_cost_what_one_would_that_used_as_much(entry: dict[str, Any], one: Usage, two: Usage) -> None:
    both = Usage(**{name: getattr(one, name) + getattr(two, name) for name in PARTS})
    known = sheet(entry)
    assert cost(known, both) == cost(known, one) + cost(known, two)


@given(FLAT, usages(), st.integers(1, 10**6), st.sampled_from(["input_tokens", "output_tokens"]))
def test_more_costs_no_less(entry: dict[str, Any], usage: Usage, more: int, what: str) -> None:
    known = sheet(entry)
    assert cost(known, usage.model_copy(update={what: getattr(usage, what) + more})) >= cost(known, usage)


@given(st.sampled_from(SOME), usages(), st.integers(1, 10**6))
def test_more_input_costs_no_less_across_thresholds(name: str, usage: Usage, more: int) -> None:
    known = sheet(dict(TABLE.entries[name]), str(TABLE.entries[name]["litellm_provider"]))
    grown = usage.model_copy(update={"input_tokens": usage.input_tokens + more})
    assert cost(known, grown) >= cost(known, usage)


@given(st.sampled_from(SOME), usages(), st.sampled_from([None, "flex", "priority", "default", "batch"]))
def test_the_lines_are_the_amount(name: str, usage: Usage, tier: str | None) -> None:
    made = bill(sheet(dict(TABLE.entries[name])), usage, Served(at=NOW.at, tier=tier))
    assert made.amount == sum(line.quantity * line.rate for line in made.lines)
    assert all(line.quantity > 0 for line in made.lines)


@given(st.floats(0, 1, allow_nan=False))
def test_a_float_counts_as_its_text(price: float) -> None:
    assert price_keys.amount(price) == Decimal(json.dumps(price)) == Decimal(str(price))
    table = Table.parse(json.dumps({"m": {"input_cost_per_token": price}}).encode(), "t")
    assert price_keys.amount(table.entries["m"]["input_cost_per_token"]) == price_keys.amount(price)


@pytest.mark.parametrize("wrong", [-1, "x", True, float("nan"), "Infinity", None, [], "-0.1"])
def test_what_is_no_price_is_not_taken_for_one(wrong: object) -> None:
    with pytest.raises(ValueError, match="a price is a number"):
        price_keys.amount(wrong)


@given(st.sampled_from(sorted(price_keys.TOKENS)), st.sampled_from(["", "flex", "priority"]), st.integers(0, 999))
def test_a_key_is_read_as_it_is_written(base: str, tier: str, thousands: int) -> None:
    behind, above = (f"_{tier}" if tier else ""), (f"_above_{thousands}k_tokens" if thousands else "")
    assert price_keys.token_key(base + above + behind) == (base, thousands * 1000, tier)
    assert price_keys.token_key(base + behind + above) == (base, thousands * 1000, tier)


@pytest.mark.parametrize("other", ["max_input_tokens", "rpm", "input_cost_per_token_x", "output_cost_per_pixel", ""])
def test_other_keys_are_no_prices(other: str) -> None:
    assert not price_keys.known(other)


def test_every_price_of_the_excerpt_is_known_or_known_to_be_left_out() -> None:
    left = {
        name
        for entry in TABLE.entries.values()
        for name in entry
        if ("cost" in name or "pric" in name) and not price_keys.known(name)
    }
    assert left == {"cache_creation_input_audio_token_cost"}  # nobody reports such tokens


@given(FLAT, FLAT)
def test_with_ones_own_input_and_output_nothing_public_is_left_of_tokens(
    own: dict[str, Any], public: dict[str, Any]
) -> None:
    table = [{"range": [0, 10], "input_cost_per_token": 1}]
    made = laid_over(own, {**public, "tiered_pricing": table, "input_cost_per_token_above_200k_tokens": 1})
    assert made == own


@given(PRICES, FLAT)
def test_an_input_of_ones_own_leaves_the_public_output(own: Decimal, public: dict[str, Any]) -> None:
    made = laid_over({price_keys.INPUT: own}, public)
    assert {name: made[name] for name in made if name.startswith("output_")} == {
        name: public[name] for name in public if name.startswith("output_")
    }
    assert not any(name.startswith("cache_") for name in made)


def test_tools_are_counted_by_what_they_cost() -> None:
    items: list[dict[str, Any]] = [
        {"type": "web_search_call", "action": {"type": "search", "queries": ["a", "b"]}},
        {"type": "web_search_call", "action": {"type": "open_page", "url": "x"}},
        {"type": "web_search_call"},
        {"type": "file_search_call"},
        {"type": "code_interpreter_call", "container_id": "c"},
        {"type": "code_interpreter_call", "container_id": "c"},
        {"type": "image_generation_call", "status": "completed"},
        {"type": "image_generation_call", "status": "failed"},
        {"type": "mcp_call"},
        {"type": "function_call"},
    ]
    assert counted(items) == {
        "web_search": 2,
        "web_queries": 3,
        "file_search": 1,
        "code_interpreter": 1,
        "image_generation": 1,
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
KINDS = ("message", "web_search_call", "code_interpreter_call", "image_generation_call", "other")
ITEM = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | JSON},
    optional=dict.fromkeys(("action", "content", "container_id", "status"), JSON),
)
PART = st.fixed_dictionaries({"annotations": JSON | st.lists(st.fixed_dictionaries({"type": JSON}))})


@given(st.lists(ITEM | st.fixed_dictionaries({"type": st.just("message"), "content": st.lists(PART)}), max_size=5))
def test_whatever_a_provider_says_its_tools_can_be_counted(items: list[dict[str, Any]]) -> None:
    assert all(count > 0 for count in counted(items).values())


def test_a_search_that_shows_by_its_citations_only_is_one() -> None:
    said = {"type": "output_text", "text": "a", "annotations": [{"type": "url_citation"}, {"type": "url_citation"}]}
    message = {"type": "message", "content": [said]}
    assert counted([message]) == {"web_search": 1, "web_queries": 1}
    assert counted([message, {"type": "web_search_call"}]) == {"web_search": 1, "web_queries": 1}
    assert counted([{"type": "message", "content": [{**said, "annotations": []}]}]) == {}


@pytest.mark.parametrize("content", [b"[]", b"x", b'{"m": 1}', b""])
def test_what_is_no_price_file_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever json says
        Table.parse(content, "t")


def test_the_excerpt_is_read_as_it_is() -> None:
    assert TABLE.entries.keys() == json.loads(FILE.read_bytes()).keys()
    assert TABLE.entries["gpt-5"]["input_cost_per_token"] == Decimal("1.25e-6")


@given(st.integers(0, 24 * 60 - 1))
def test_windows_hold_from_their_first_minute_up_to_their_last(minute: int) -> None:
    hours = Hours.of({"hours_utc": "23:00-01:00", "windows": [{"hours_utc": "12:00-13:00", "weekdays": ["tue"]}]})
    monday = 1_795_392_000.0  # 2026-11-23
    late = minute >= 23 * 60 or minute < 60
    assert hours.hold(monday + minute * 60) == late
    assert hours.hold(monday + 86_400 + minute * 60) == (late or 12 * 60 <= minute < 13 * 60)


@pytest.mark.parametrize(
    "wrong",
    [{"hours_utc": "noon"}, {"windows": [{"hours_utc": "1:00-2:00", "weekdays": [8]}]}, {"weekday_timezone": "Mars/A"}],
)
def test_hours_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # each says what it is about
        Hours.of(wrong)


def test_a_day_is_that_of_the_vendor() -> None:
    sunday_evening = 1_795_392_000.0 - 3600  # in UTC; in Shanghai it is Monday
    block = {"windows": [{"hours_utc": "00:00-00:00", "weekdays": [1]}], "weekday_timezone": "Asia/Shanghai"}
    assert Hours.of(block).hold(sunday_evening)
