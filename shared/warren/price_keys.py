"""Which keys of LiteLLM's price file, and of a configuration, are prices, and how one is read.

`input_cost_per_token_above_272k_tokens_priority` is the rate of `input_cost_per_token` for requests of more than
272,000 input tokens that are served with priority. Amounts are US dollars, exact: a float of JSON or YAML counts as its
shortest decimal text.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

INPUT = "input_cost_per_token"
OUTPUT = "output_cost_per_token"
REASONING = "output_cost_per_reasoning_token"
CACHE_READ = "cache_read_input_token_cost"
CACHE_WRITE = "cache_creation_input_token_cost"
CACHE_WRITE_1H = "cache_creation_input_token_cost_above_1hr"
CACHE_WRITE_12H = "cache_creation_input_token_cost_above_12hr"
CACHE_HIT = "input_cost_per_token_cache_hit"
"""An older name of `CACHE_READ`."""
AUDIO_IN, AUDIO_OUT = "input_cost_per_audio_token", "output_cost_per_audio_token"
IMAGE_IN, IMAGE_OUT = "input_cost_per_image_token", "output_cost_per_image_token"
VIDEO_IN = "input_cost_per_video_token"
AUDIO_READ, IMAGE_READ = "cache_read_input_audio_token_cost", "cache_read_input_image_token_cost"

TOKENS = frozenset(
    {
        INPUT, OUTPUT, REASONING, CACHE_READ, CACHE_WRITE, CACHE_WRITE_1H, CACHE_WRITE_12H, CACHE_HIT, AUDIO_IN,
        AUDIO_OUT, IMAGE_IN, IMAGE_OUT, VIDEO_IN, AUDIO_READ, IMAGE_READ,
    }
)  # fmt: skip
SECONDS = ("cost_per_second", "input_cost_per_second", "output_cost_per_second")
"""Of the time that a call takes, the first that is given, where tokens have no price."""
REQUEST = "input_cost_per_request"
FILE_SEARCHES, CONTAINER = "file_search_cost_per_1k_calls", "code_interpreter_cost_per_session"
MAPS = "google_maps_grounding_cost_per_query"
ENDPOINT_UPLIFT = "regional_endpoint_uplift_multiplier"
RESIDENCY_UPLIFTS = {
    "eu": "regional_processing_uplift_multiplier_eu",
    "us": "regional_processing_uplift_multiplier_us",
}
NUMBERS = frozenset({*SECONDS, REQUEST, FILE_SEARCHES, CONTAINER, MAPS, ENDPOINT_UPLIFT, *RESIDENCY_UPLIFTS.values()})
TIERED, OFF_PEAK = "tiered_pricing", "off_peak_pricing"
SEARCHES, SEARCH_UNIT = "search_context_cost_per_query", "web_search_billing_unit"
SPECIFIC = "provider_specific_entry"
STRUCTURES = frozenset({TIERED, OFF_PEAK, SEARCHES, SEARCH_UNIT, SPECIFIC})

_SHAPES = {TIERED: list, OFF_PEAK: dict, SEARCHES: dict, SEARCH_UNIT: str, SPECIFIC: dict}
_TIERS = "flex|priority|balanced|ultrafast|batches"
_KEY = re.compile(
    rf"({'|'.join(sorted(TOKENS, key=len, reverse=True))})"
    rf"(?:_({_TIERS}))?(?:_above_(\d+)(k?)_tokens)?(?:_({_TIERS}))?"
)


class Key(NamedTuple):
    """What a rate of tokens is for."""

    base: str
    above: int = 0
    """More input tokens than this."""
    tier: str = ""


def token_key(name: str) -> Key | None:
    """What this key says, if it is a rate of tokens."""
    found = _KEY.fullmatch(name)
    if found is None:
        return None
    base, before, above, kilo, behind = found.groups()
    if before and behind:
        return None
    return Key(base, int(above or 0) * (1000 if kilo else 1), before or behind or "")


def known(name: str) -> bool:
    """Whether this key has an effect on what a call costs."""
    return name in NUMBERS or name in STRUCTURES or token_key(name) is not None


def own(*places: Mapping[str, Any] | None) -> dict[str, Any]:
    """All prices that are given in these, earlier places first."""
    found: dict[str, Any] = {}
    for place in reversed(places):
        found |= {name: value for name, value in (place or {}).items() if value is not None and known(name)}
    return found


def check(name: str, value: object) -> None:
    """See whether this key, if it is one of prices, has such a value.

    Raises:
        ValueError: it has not.
    """
    if value is None or not known(name):
        return
    if name in STRUCTURES:
        if not isinstance(value, _SHAPES[name]):
            raise ValueError("this is not what LiteLLM's price file has here")  # one kind of complaint
        for row in value if isinstance(value, list) else [value]:
            for key, inner in row.items() if isinstance(row, dict) else ():
                if "cost" in key or key.startswith("search_context_size"):
                    amount(inner)
    else:
        amount(value)


def amount(value: object) -> Decimal:
    """This price.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("a price is a number")  # noqa: TRY004  # one complaint for all that is no price
    try:
        read = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise ValueError("a price is a number") from None
    if not read.is_finite() or read < 0:
        raise ValueError("a price is a number, 0 or more")
    return read
