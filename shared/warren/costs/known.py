"""What is known of prices without being told: `genai-prices`, read as entries of a price file."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

from warren import price_keys as keys

SOURCE = f"genai-prices {version('genai-prices')}"

_PROVIDERS: Mapping[str, str] = {
    "azure_ai": "azure", "bedrock": "aws", "fireworks_ai": "fireworks", "gemini": "google", "meta_llama": "meta",
    "moonshot": "moonshotai", "together_ai": "together", "vertex_ai": "google", "xai": "x-ai",
}  # fmt: skip
"""What genai-prices calls a provider, if not as we do."""
_NAMES: Mapping[str, str] = {
    "input_mtok": keys.INPUT,
    "output_mtok": keys.OUTPUT,
    "output_reasoning_mtok": keys.REASONING,
    "cache_read_mtok": keys.CACHE_READ,
    "cache_write_mtok": keys.CACHE_WRITE,
    "cache_write_1h_mtok": keys.CACHE_WRITE_1H,
    "input_audio_mtok": keys.AUDIO_IN,
    "input_image_mtok": keys.IMAGE_IN,
    "input_video_mtok": keys.VIDEO_IN,
    "cache_audio_read_mtok": keys.AUDIO_READ,
    "cache_image_read_mtok": keys.IMAGE_READ,
    "output_audio_mtok": keys.AUDIO_OUT,
    "output_image_mtok": keys.IMAGE_OUT,
}
_TIERS = (("service_tier", "flex"), ("service_tier", "priority"), ("processing", "batch"))
_MILLION = Decimal(1_000_000)
_SIZES = ("low", "medium", "high")
_BY_PROMPT = re.compile(r"gemini-[12](\b|\.)")
"""Models whose grounding is charged by the prompt; newer ones' is by the query."""


def entry(provider: str, model: str, at: float) -> dict[str, Any] | None:
    """The prices of this model at this time, in seconds since the epoch, with the keys of LiteLLM's price file."""
    name = model.removeprefix(f"{provider}/").removeprefix("responses/").removeprefix("chat_completions/")
    try:
        _, found = get_snapshot().find_provider_model(name, None, _PROVIDERS.get(provider, provider), None)
    except LookupError:
        return None
    when = datetime.fromtimestamp(at, UTC)
    plain = found.get_prices(when)
    made: dict[str, Any] = dict(_entry(plain, ""))
    for name, value in _TIERS:
        if (priced := _variant(found, when, name, value)) is not None:
            made |= _entry(priced, "_batches" if value == "batch" else f"_{value}", of=plain)
    made |= _tools(plain)
    if "claude" in found.id:
        made["litellm_provider"] = "anthropic"
    elif keys.SEARCHES in made and provider in ("gemini", "vertex_ai") and not _BY_PROMPT.match(found.id):
        made[keys.SEARCH_UNIT] = "per_query"
    return made or None


def _variant(model: ModelInfo, when: datetime, name: str, value: str) -> ModelPrice | None:
    if not any(variant.when == {name: value} for variant in model.price_variants or ()):
        return None
    return model.get_prices(when, {name: value})


def _entry(prices: ModelPrice, suffix: str, of: ModelPrice | None = None) -> Iterator[tuple[str, Decimal]]:
    """The rates of tokens; with `of`, those that differ from these."""
    for theirs, ours in _NAMES.items():
        price = getattr(prices, theirs)
        if price is None or (of is not None and price == getattr(of, theirs)):
            continue
        if isinstance(price, TieredPrices):
            yield ours + suffix, price.base / _MILLION
            for tier in price.tiers:
                yield f"{ours}_above_{tier.start}_tokens{suffix}", tier.price / _MILLION
        else:
            yield ours + suffix, price / _MILLION


def _tools(prices: ModelPrice) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if (searches := _flat(prices.web_searches_kcount)) is not None:
        made[keys.SEARCHES] = {f"search_context_size_{size}": searches / 1000 for size in _SIZES}
    if (files := _flat(prices.storage_searches_kcount)) is not None:
        made[keys.FILE_SEARCHES] = files
    if (requests := _flat(prices.requests_kcount)) is not None:
        made[keys.REQUEST] = requests / 1000
    return made


def _flat(price: Decimal | TieredPrices | None) -> Decimal | None:
    return price.base if isinstance(price, TieredPrices) else price
