"""What `litellm_params` say for requests that do not say it themselves: `temperature`, `max_tokens` and their like."""

from collections.abc import Mapping
from typing import Any

from warren.objects import Item
from warren.requests.extras import MOVED

FIELDS = frozenset(
    {
        "frequency_penalty", "instructions", "max_output_tokens", "parallel_tool_calls", "presence_penalty",
        "prompt_cache_key", "prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "temperature",
        "top_p", "user",
    }
)  # fmt: skip
"""Fields of a request that only decide how a model is asked. All others are the client's alone."""
_CHATS = ("max_tokens", "max_completion_tokens", "reasoning_effort", "verbosity")


def path(name: str) -> str | None:
    """Where in a request this key of a configuration belongs; None if it is no default."""
    if name in _CHATS:
        return MOVED[name]
    return name if name in FIELDS else None


def defaults(given: Mapping[str, Any] | None) -> Item:
    """The part of a request that these keys make."""
    made: Item = {}
    for name, value in (given or {}).items():
        if (where := path(name)) is None or value is None:
            continue
        top, _, inner = where.partition(".")
        made = laid_under({top: {inner: value} if inner else value}, made)
    return made


def laid_under(under: Mapping[str, Any], request: Mapping[str, Any]) -> Item:
    """The request, and what it lacks; in its objects, too."""
    made = dict(request)
    for name, value in under.items():
        mine = made.get(name)
        if mine is None:
            made[name] = value
        elif isinstance(mine, Mapping) and isinstance(value, Mapping):
            made[name] = laid_under(value, mine)
    return made
