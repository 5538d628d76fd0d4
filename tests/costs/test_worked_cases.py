"""Bills to the last digit.

Every case says what is to be paid for as somebody with the vendor's price list would: so many tokens at so many dollars
a million. Nothing of what makes the bill is used to check it: that is summed up in fractions.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.costs.making import TABLE, deployment, prices
from warren.contracts import Usage
from warren.costs import Bill, Prices, Served, Sheet, Table
from warren.costs.prices import bill

MONDAY_NOON = datetime(2026, 11, 23, 12, 30, tzinfo=UTC).timestamp()
MONDAY_EARLY = datetime(2026, 11, 23, 2, 0, tzinfo=UTC).timestamp()
SUNDAY = datetime(2026, 11, 22, 2, 0, tzinfo=UTC).timestamp()

REFERENCE = [
    # model, entry, tier, tokens, dollars a million: input, output, cache read, cache write, cache write for an hour
    ("gpt-5", "", 1000, "1.25", "10", "0.125", "1.25", "1.25"),
    ("gpt-5", "flex", 1000, "0.625", "5", "0.0625", "0.625", "0.625"),
    ("gpt-5", "priority", 1000, "2.5", "20", "0.25", "2.5", "2.5"),
    ("gpt-5", "batch", 1000, "0.625", "5", "0.0625", "0.625", "0.625"),
    ("gpt-5-mini", "", 1000, "0.25", "2", "0.025", "0.25", "0.25"),
    ("gpt-5-mini", "priority", 1000, "0.45", "3.6", "0.045", "0.45", "0.45"),
    ("gpt-4o", "", 1000, "2.5", "10", "1.25", "2.5", "2.5"),
    ("gpt-4o", "priority", 1000, "4.25", "17", "2.125", "4.25", "4.25"),
    ("gpt-5.4", "", 272_000, "2.5", "15", "0.25", "2.5", "2.5"),
    ("gpt-5.4", "", 272_001, "5", "22.5", "0.5", "5", "5"),
    ("gpt-5.2-pro", "", 1000, "21", "168", "21", "21", "21"),
    ("claude-sonnet-4-5", "", 1000, "3", "15", "0.3", "3.75", "6"),
    ("claude-opus-4-6", "", 1000, "5", "25", "0.5", "6.25", "10"),
    ("anthropic.claude-sonnet-4-5-20250929-v1:0", "", 200_000, "3", "15", "0.3", "3.75", "6"),
    ("anthropic.claude-sonnet-4-5-20250929-v1:0", "", 200_001, "6", "22.5", "0.6", "7.5", "12"),
    ("gemini/gemini-2.5-pro", "", 200_000, "1.25", "10", "0.125", "1.25", "1.25"),
    ("gemini/gemini-2.5-pro", "", 200_001, "2.5", "15", "0.25", "2.5", "2.5"),
    ("deepseek/deepseek-chat", "", 1000, "0.28", "0.42", "0.028", "0", "0"),
    ("groq/openai/gpt-oss-120b", "", 1000, "0.15", "0.6", "0.075", "0.15", "0.15"),
]


@pytest.mark.parametrize("row", REFERENCE, ids=lambda row: f"{row[0]}-{row[1]}-{row[2]}")
def test_the_rates_of_a_model_are_those_that_its_vendor_publishes(row: tuple[Any, ...]) -> None:
    model, tier, tokens, *millionths = row
    entry = TABLE.entries[model]
    rates = Sheet(entry, entry["litellm_provider"], "a table").rates(tokens, tier, MONDAY_NOON)
    found = (rates.input, rates.output, rates.cache_read, rates.cache_write, rates.cache_write_1h)
    assert found == tuple(Decimal(one) / 1_000_000 for one in millionths)


@dataclass
class Case:
    name: str
    model: str
    usage: Usage
    pays: list[tuple[int | str, str]]
    """So many, at so many dollars a million."""
    tier: str | None = None
    size: str | None = None
    at: float = MONDAY_NOON
    seconds: float = 0.0
    params: dict[str, Any] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def due(self) -> Fraction:
        return sum((Fraction(count) * Fraction(rate) / 1_000_000 for count, rate in self.pays), Fraction(0))

    def bill(self, known: Prices) -> Bill:
        served = Served(at=self.at, seconds=self.seconds, tier=self.tier, search_size=self.size)
        return known.bill(deployment(self.model, self.info, **self.params), self.usage, served)


def used(read: int, written: int, **more: Any) -> Usage:
    return Usage(input_tokens=read, output_tokens=written, **more)


GPT, SONNET, GEMINI = "openai/gpt-5", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-pro"
ON_BEDROCK = "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0"
OWN: dict[str, Any] = {"input_cost_per_token": 1e-6, "output_cost_per_token": "2e-6"}

CASES = [
    Case("input and output", GPT, used(1234, 567), [(1234, "1.25"), (567, "10")]),
    Case("one token of each", GPT, used(1, 1), [(1, "1.25"), (1, "10")]),
    Case("nothing", GPT, used(0, 0), []),
    Case("cached", GPT, used(5000, 10, cached_tokens=4096), [(904, "1.25"), (4096, "0.125"), (10, "10")]),
    Case("all cached", GPT, used(4096, 1, cached_tokens=4096), [(4096, "0.125"), (1, "10")]),
    Case("cached more than read", GPT, used(100, 1, cached_tokens=200), [(100, "0.125"), (1, "10")]),
    Case("thoughts are output", GPT, used(10, 900, reasoning_tokens=800), [(10, "1.25"), (900, "10")]),
    Case(
        "thoughts have their own price",
        "vertex_ai/gemini-3.8-flash",
        used(10, 900, reasoning_tokens=800),
        [(10, "0.75"), (900, "3.75")],
    ),
    Case("flex", GPT, used(5000, 10, cached_tokens=96), [(4904, "0.625"), (96, "0.0625"), (10, "5")], tier="flex"),
    Case("priority", GPT, used(5000, 10, cached_tokens=96), [(4904, "2.5"), (96, "0.25"), (10, "20")], tier="priority"),
    Case("fast is priority", "openai/gpt-4o", used(100, 10), [(100, "4.25"), (10, "17")], tier="fast"),
    Case("a tier without prices", "openai/gpt-5.2-pro", used(100, 10), [(100, "21"), (10, "168")], tier="flex"),
    Case("the default tier", GPT, used(100, 10), [(100, "1.25"), (10, "10")], tier="default"),
    Case("up to the threshold", "openai/gpt-5.4", used(272_000, 10), [(272_000, "2.5"), (10, "15")]),
    Case("above the threshold", "openai/gpt-5.4", used(272_001, 10), [(272_001, "5"), (10, "22.5")]),
    Case(
        "above the threshold with what is cached",
        "openai/gpt-5.4",
        used(300_000, 10, cached_tokens=250_000),
        [(50_000, "5"), (250_000, "0.5"), (10, "22.5")],
    ),
    Case(
        "above the threshold, flex",
        "openai/gpt-5.4",
        used(300_000, 10, cached_tokens=250_000),
        [(50_000, "2.5"), (250_000, "0.25"), (10, "11.25")],
        tier="flex",
    ),
    Case(
        "above the threshold, with priority that has no price there",
        "openai/gpt-5.4",
        used(300_000, 10),
        [(300_000, "5"), (10, "22.5")],
        tier="priority",
    ),
    Case("above the threshold, priority", GEMINI, used(200_001, 10), [(200_001, "4.5"), (10, "27")], tier="priority"),
    Case(
        "where thresholds count themselves",
        "xai/grok-4.20-beta-0309-reasoning",
        used(200_000, 1),
        [(200_000, "2.5"), (1, "5")],
    ),
    Case(
        "written to the cache",
        SONNET,
        used(3000, 10, cached_tokens=1000, cache_write_tokens=1500),
        [(500, "3"), (1000, "0.3"), (1500, "3.75"), (10, "15")],
    ),
    Case(
        "written to the cache for an hour",
        SONNET,
        used(3000, 10, cache_write_tokens=1500, cache_write_1h_tokens=900),
        [(1500, "3"), (600, "3.75"), (900, "6"), (10, "15")],
    ),
    Case(
        "written for an hour, above the threshold",
        ON_BEDROCK,
        used(250_000, 10, cache_write_tokens=1500, cache_write_1h_tokens=900),
        [(248_500, "6"), (600, "7.5"), (900, "12"), (10, "22.5")],
    ),
    Case(
        "written for twelve hours, above the threshold, flex",
        "openai/gpt-6-astra",
        used(300_000, 10, cache_write_tokens=200_000, cache_write_12h_tokens=50_000),
        [(100_000, "10"), (150_000, "12.5"), (50_000, "25"), (10, "37.5")],
        tier="flex",
    ),
    Case(
        "written for nothing",
        "deepseek/deepseek-chat",
        used(100, 10, cache_write_tokens=60),
        [(40, "0.28"), (60, "0"), (10, "0.42")],
    ),
    Case(
        "sound and pictures",
        "openai/gpt-realtime",
        used(
            1000,
            500,
            input_audio_tokens=300,
            input_image_tokens=200,
            cached_tokens=150,
            cached_audio_tokens=100,
            cached_image_tokens=20,
            output_audio_tokens=400,
        ),
        [(470, "4"), (200, "32"), (180, "5"), (30, "0.4"), (100, "0.4"), (20, "0.5"), (100, "16"), (400, "64")],
    ),
    Case("sound that costs what text does", GPT, used(100, 1, input_audio_tokens=40), [(100, "1.25"), (1, "10")]),
    Case("a table, first row", "dashscope/qwen3-coder-plus", used(32_000, 10), [(32_000, "1"), (10, "5")]),
    Case(
        "a table, next row",
        "dashscope/qwen3-coder-plus",
        used(32_001, 10, cached_tokens=1),
        [(32_000, "1.8"), (1, "0.18"), (10, "9")],
    ),
    Case("a table, past its end", "dashscope/qwen3-coder-plus", used(2_000_000, 1), [(2_000_000, "6"), (1, "60")]),
    Case(
        "a table's thoughts",
        "dashscope/qwen-plus-2025-07-28",
        used(300_000, 100, reasoning_tokens=60),
        [(300_000, "1.2"), (40, "3.6"), (60, "12")],
    ),
    Case(
        "off the peak",
        "deepseek/deepseek-v4-pro",
        used(1000, 10, cached_tokens=100),
        [(900, "0.66"), (100, "0.022"), (10, "1.98")],
    ),
    Case(
        "at the peak",
        "deepseek/deepseek-v4-pro",
        used(1000, 10, cached_tokens=100),
        [(900, "1.32"), (100, "0.044"), (10, "3.96")],
        at=MONDAY_EARLY,
    ),
    Case("on a Sunday", "deepseek/deepseek-v4-pro", used(1000, 10), [(1000, "0.66"), (10, "1.98")], at=SUNDAY),
    Case(
        "in America",
        "anthropic/claude-opus-4-6",
        used(1000, 10, cached_tokens=100, geo="us"),
        [(900, "5.5"), (100, "0.55"), (10, "27.5")],
    ),
    Case("anywhere", "anthropic/claude-opus-4-6", used(1000, 10, geo="global"), [(1000, "5"), (10, "25")]),
    Case(
        "kept in Europe",
        "openai/gpt-5.4",
        used(1000, 10),
        [(1000, "2.75"), (10, "16.5")],
        params={"api_base": "https://eu.api.openai.com/v1"},
    ),
    Case(
        "at a region's endpoint",
        "vertex_ai/gemini-3.8-flash",
        used(1000, 10),
        [(1000, "0.825"), (10, "4.125")],
        params={"vertex_location": "europe-west4"},
    ),
    Case(
        "a search",
        GPT,
        used(10, 10, tools={"web_search": 3, "web_queries": 9}),
        [(10, "1.25"), (10, "10"), (3, "10000")],
    ),
    Case(
        "a small search",
        "perplexity/sonar-pro",
        used(10, 10, tools={"web_search": 1}),
        [(10, "3"), (10, "15"), (1, "6000")],
        size="low",
    ),
    Case(
        "a search, by the prompt",
        GEMINI,
        used(10, 10, tools={"web_search": 1, "web_queries": 4}),
        [(10, "1.25"), (10, "10"), (1, "35000")],
    ),
    Case(
        "a search, by the query",
        "vertex_ai/gemini-3.8-flash",
        used(10, 10, tools={"web_search": 1, "web_queries": 4}),
        [(10, "0.75"), (10, "3.75"), (4, "14000")],
    ),
    Case(
        "Claude searches at Google's",
        "vertex_ai/claude-sonnet-4-5",
        used(10, 10, tools={"web_search": 4}),
        [(10, "3"), (10, "15"), (4, "10000")],
    ),
    Case(
        "every tool",
        GPT,
        used(10, 10, tools={"web_search": 2, "web_queries": 2, "file_search": 3, "code_interpreter": 1}),
        [(10, "1.25"), (10, "10"), (2, "10000"), (3, "2500"), (1, "30000")],
    ),
    Case("maps", GEMINI, used(10, 10, tools={"google_maps": 2}), [(10, "1.25"), (10, "10"), (1, "25000")]),
    Case("a price of one's own", GPT, used(100, 10, cached_tokens=40), [(100, "1"), (10, "2")], params=OWN),
    Case("a price of one's own in model_info", GPT, used(100, 10), [(100, "1"), (10, "2")], info=OWN),
    Case(
        "a price of one's own, and its cache",
        GPT,
        used(100, 10, cached_tokens=40),
        [(60, "1"), (40, "0.5"), (10, "2")],
        params={**OWN, "cache_read_input_token_cost": 5e-7},
    ),
    Case(
        "only the cache's price is one's own",
        GPT,
        used(100, 10, cached_tokens=40),
        [(60, "1.25"), (40, "0.5"), (10, "10")],
        params={"cache_read_input_token_cost": 5e-7},
    ),
    Case(
        "free",
        "openai/nobody-knows",
        used(100, 10),
        [(100, "0"), (10, "0")],
        params={"input_cost_per_token": 0, "output_cost_per_token": 0},
    ),
    Case(
        "by the second",
        "hosted_vllm/mine",
        used(100, 10),
        [("1.5", "420")],
        seconds=1.5,
        params={"input_cost_per_second": 0.00042},
    ),
    Case(
        "a base model", "azure/my-deployment", used(100, 10), [(100, "2.5"), (10, "10")], info={"base_model": "gpt-4o"}
    ),
    Case("what the provider states", "openrouter/openai/gpt-5", used(100, 10, stated=Decimal("0.00014")), [(1, "140")]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bill_is_right_to_the_last_digit(case: Case) -> None:
    made = case.bill(prices())
    assert made.amount is not None, made.unpriced
    assert Fraction(made.amount) == case.due
    assert made.unpriced == ()
    assert sum(Fraction(line.quantity) * Fraction(line.rate) for line in made.lines) == case.due


def test_there_are_at_least_forty_of_them() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 40


UNKNOWN = [
    ("a model that nobody knows", "openai/nobody-knows", used(10, 10), {}, ("model",)),
    ("a deployment of Azure without a base model", "azure/mine", used(10, 10), {}, ("model",)),
    ("output without a price", "openai/nobody-knows", used(10, 10), {"input_cost_per_token": 1e-6}, ("output",)),
    (
        "a tool without a price",
        "groq/openai/gpt-oss-120b",
        used(10, 10, tools={"file_search": 1}),
        {},
        ("file_search",),
    ),
    ("a picture that a tool made", GPT, used(10, 10, tools={"image_generation": 1}), {}, ("image_generation",)),
]


@pytest.mark.parametrize("case", UNKNOWN, ids=lambda case: case[0])
def test_what_has_no_price_is_named_and_never_free(case: tuple[Any, ...]) -> None:
    _, model, usage, params, named = case
    made = prices().bill(deployment(model, **params), usage, Served(at=MONDAY_NOON))
    assert (made.amount, made.unpriced) == (None, named)


def test_pictures_that_a_tool_made_cost_what_the_model_costs_that_made_them() -> None:
    pictures = used(60, 1056, input_image_tokens=10, output_image_tokens=1056)
    usage = used(100, 10, tools={"image_generation": 1, "web_search": 1}, pictures=pictures)
    made = prices().bill(deployment(GPT), usage, Served(at=MONDAY_NOON, picture_model="gpt-image-1"))
    per_million = [(100, "1.25"), (10, "10"), (1, "10000"), (50, "5"), (10, "10"), (1056, "40")]
    assert made.amount == sum(count * Decimal(rate) for count, rate in per_million) / 1_000_000
    assert [line.what for line in made.lines][3:] == [
        "image_generation input", "image_generation input_image", "image_generation output_image",
    ]  # fmt: skip


@pytest.mark.parametrize("model", [None, "nobody-knows"])
def test_pictures_of_a_model_that_nobody_names_or_knows_are_never_free(model: str | None) -> None:
    usage = used(100, 10, tools={"image_generation": 1}, pictures=used(60, 1056))
    made = prices().bill(deployment(GPT), usage, Served(at=MONDAY_NOON, picture_model=model))
    assert (made.amount, made.unpriced) == (None, ("image_generation",))


def test_a_bill_says_whose_prices_of_when_it_is_made_of() -> None:
    def said(model: str, usage: Usage, **params: Any) -> tuple[str | None, str | None]:
        made = prices().bill(deployment(model, **params), usage, Served(at=MONDAY_NOON))
        return made.source, made.date

    assert said(GPT, used(1, 1)) == ("prices.json", "2026-11-20")
    assert said(GPT, used(1, 1), **OWN) == ("config", None)
    assert said("openrouter/x", used(1, 1, stated=Decimal(1))) == ("provider", None)
    assert said("mistral/mistral-large-latest", used(1, 1)) == ("genai-prices 0.2.3", None)
    assert said("openai/nobody-knows", used(1, 1)) == (None, None)


def test_a_provider_that_is_not_known_to_state_dollars_is_not_believed() -> None:
    made = prices().bill(deployment("hosted_vllm/x"), used(1, 1, stated=Decimal(1)), Served(at=MONDAY_NOON))
    assert (made.amount, made.unpriced) == (None, ("model",))


def test_ones_own_price_goes_before_what_the_provider_states() -> None:
    made = prices().bill(deployment("openrouter/x", **OWN), used(1, 0, stated=Decimal(1)), Served(at=MONDAY_NOON))
    assert made.amount == Decimal("0.000001")


def test_prices_that_change_are_found_when_the_configuration_does() -> None:
    known = prices()
    first, second = deployment(GPT, **OWN), deployment(GPT, **{**OWN, "input_cost_per_token": 3e-6})
    assert first.id == second.id
    amounts = [known.bill(one, used(1, 0), Served(at=MONDAY_NOON)).amount for one in (first, second)]
    assert amounts == [Decimal("0.000001"), Decimal("0.000003")]


def test_an_entry_that_cannot_be_read_has_no_prices() -> None:
    made = prices().bill(
        deployment(GPT, tiered_pricing=[{"range": [0], "input_cost_per_token": 1}]), used(1, 1), Served(at=MONDAY_NOON)
    )
    assert (made.amount, made.unpriced) == (None, ("model",))


def test_deployments_are_compared_by_a_token_in_and_a_token_out() -> None:
    known = prices()
    assert known.rate(deployment(GPT), MONDAY_NOON) == Decimal("0.00001125")
    assert known.rate(deployment(GPT, **OWN), MONDAY_NOON) == Decimal("0.000003")
    assert known.rate(deployment("openai/nobody-knows"), MONDAY_NOON) is None


def test_regional_prices_are_found_by_the_region() -> None:
    entry = {"input_cost_per_token": 1, "output_cost_per_token": 1, "litellm_provider": "bedrock"}
    table = Table({**TABLE.entries, "bedrock/eu-west-1/m": entry}, "t")
    assert table.find("bedrock", "m", None, "eu-west-1") is entry
    assert table.find("bedrock", "m", None, "us-east-1") is None


def test_a_model_is_found_by_the_longer_name_of_its_provider() -> None:
    entry = {"input_cost_per_token": 1, "output_cost_per_token": 1, "litellm_provider": "fireworks_ai"}
    known = Prices(Table({"fireworks_ai/accounts/fireworks/models/glm-9": entry}, "t"))
    assert known.rate(deployment("fireworks_ai/glm-9"), MONDAY_NOON) == 2


def test_a_bare_name_counts_for_its_own_provider_only() -> None:
    assert TABLE.find("openai", "gpt-5") is TABLE.entries["gpt-5"]
    assert TABLE.find("groq", "gpt-5") is None
    assert TABLE.find("azure", "x", "gpt-5") is TABLE.entries["gpt-5"]
    sonnet = TABLE.entries["anthropic.claude-sonnet-4-5-20250929-v1:0"]
    for name in (
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "converse/anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us-east-1/anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ):
        assert TABLE.find("bedrock", name) is sonnet


def test_cached_bills_are_those_that_are_made_afresh() -> None:
    entry = TABLE.entries["gpt-5.4"]
    sheet = Sheet(entry, "openai", "t")
    for tokens in (1, 272_001, 272_000, 5):
        usage, served = used(tokens, 3), Served(at=MONDAY_NOON)
        assert bill(sheet, usage, served) == bill(Sheet(entry, "openai", "t"), usage, served)
