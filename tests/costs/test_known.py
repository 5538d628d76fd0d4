"""What is known without being told, against what `genai-prices` itself makes of it."""

import warnings
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage as Theirs
from genai_prices import calc_price
from genai_prices.data import providers
from hypothesis import given
from hypothesis import strategies as st

from warren import price_keys as keys
from warren.contracts import Usage
from warren.costs import Served, Sheet, known
from warren.costs.prices import bill

AT = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
IDS = {
    "openai": "openai", "anthropic": "anthropic", "gemini": "google", "bedrock": "aws", "groq": "groq", "xai": "x-ai",
    "mistral": "mistral", "deepseek": "deepseek", "openrouter": "openrouter", "together_ai": "together",
}  # fmt: skip
MODELS = [
    (ours, model.id)
    for ours, theirs in IDS.items()
    for provider in providers
    if provider.id == theirs
    for model in provider.models
]


@given(st.sampled_from(MODELS), st.integers(0, 500_000), st.data())
def test_a_bill_is_what_genai_prices_says(which: tuple[str, str], read: int, data: st.DataObject) -> None:
    provider, model = which
    cached = data.draw(st.integers(0, read))
    written = data.draw(st.integers(0, read - cached))
    hour = data.draw(st.integers(0, written))
    said = data.draw(st.integers(0, 100_000))
    entry = known.entry(provider, model, AT.timestamp())
    if entry is None or keys.INPUT not in entry or keys.OUTPUT not in entry or keys.REQUEST in entry:
        return  # they call unknown free, we do not
    usage = Usage(
        input_tokens=read,
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=hour,
        output_tokens=said,
    )
    made = bill(Sheet(entry, "other", "t"), usage, Served(at=AT.timestamp()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = calc_price(
            Theirs(
                input_tokens=read,
                cache_read_tokens=cached,
                cache_write_tokens=written,
                cache_write_1h_tokens=hour,
                output_tokens=said,
            ),
            model,
            provider_id=IDS[provider],
            genai_request_timestamp=AT,
        )
    assert made.amount == theirs.total_price


@pytest.mark.parametrize(
    ("tier", "rate"), [(None, "1.25"), ("flex", "0.625"), ("priority", "2.5"), ("fast", "2.5"), ("batch", "0.625")]
)
def test_tiers_have_their_prices(tier: str | None, rate: str) -> None:
    entry = known.entry("openai", "gpt-5", AT.timestamp())
    assert entry is not None
    assert Sheet(entry, "openai", "t").rates(10, tier, AT.timestamp()).input == Decimal(rate) / 1_000_000


def test_tools_have_their_prices() -> None:
    entry = known.entry("openai", "gpt-4o", AT.timestamp())
    assert entry is not None
    usage = Usage(tools={"web_search": 2, "file_search": 3})
    assert bill(Sheet(entry, "openai", "t"), usage, Served(at=0)).amount == Decimal("0.0275")


@pytest.mark.parametrize(("model", "times"), [("gemini-2.5-pro", 1), ("gemini-3-pro-preview", 4)])
def test_newer_geminis_charge_by_the_query(model: str, times: int) -> None:
    entry = known.entry("gemini", model, AT.timestamp())
    assert entry is not None
    made = bill(Sheet(entry, "gemini", "t"), Usage(tools={"web_search": 1, "web_queries": 4}), Served(at=0))
    assert [line.quantity for line in made.lines] == [times]


def test_nobody_knows_all_models() -> None:
    assert known.entry("openai", "nobody-knows", 0) is None
    assert known.entry("nobody", "gpt-5", 0) is None
