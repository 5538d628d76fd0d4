"""What is known of models: data, in `models.toml`, not code by their names. The configuration's `model_info` wins."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from warren.config import Info


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one model; None where nobody said, and the dialect does what most models of its vendor take."""

    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    reasoning: Literal["none", "effort", "budget", "adaptive", "level", "switch"] | None = None
    """How it is told to think: not at all, by `effort`, by a budget of tokens, by itself with an effort (Anthropic's
    adaptive thinking), by a level (Gemini 3), on or off."""
    efforts: tuple[str, ...] | None = None
    """Those it takes, from the least to the most; another is taken for the nearest."""
    sampling: Literal["both", "either", "none"] | None = None
    """Whether it takes `temperature` and `top_p`."""
    schemas: bool | None = None
    """Whether it can be held to a JSON schema."""
    tools: bool | None = None
    forced: bool | None = None
    """Whether it can be made to call a tool, any or a certain one."""
    images: bool | None = None
    documents: bool | None = None
    audio: bool | None = None
    web_search: bool | None = None
    answers_results: bool | None = None
    """In a chat, what tools gave back must be answered before the user says anything."""


EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""From the least to the most."""


def nearest(effort: str, efforts: Sequence[str]) -> str:
    """Of the efforts that a model takes, the one that is nearest to this; of two, the greater."""
    wanted = EFFORTS.index(effort)
    return min(efforts, key=lambda one: (abs(EFFORTS.index(one) - wanted), -EFFORTS.index(one)))


def of(model: str, info: Info) -> Facts:
    """What is known of the model that its provider calls this: of all rows that match, the last says most.

    `model_info` goes before: with another name to look for, its `base_model`, or with what it says itself.
    """
    found = Facts()
    for pattern, facts in rows():
        if pattern.search(info.base_model or model):
            found = replace(found, **facts)
    found = _abilities(found, info)
    if found.reasoning == "none":
        found = replace(found, efforts=None)
    told = {fact: getattr(info, key) for key, fact in _FROM_INFO.items() if getattr(info, key) is not None}
    return replace(found, **told)


_FROM_INFO = {
    "max_input_tokens": "max_input_tokens",
    "max_tokens": "max_output_tokens",  # the older name, so the newer one goes over it
    "max_output_tokens": "max_output_tokens",
    "supports_response_schema": "schemas",
    "supports_function_calling": "tools",
    "supports_vision": "images",
    "supports_pdf_input": "documents",
    "supports_audio_input": "audio",
    "supports_web_search": "web_search",
}
"""LiteLLM's names for what `model_info` may say."""


def _abilities(found: Facts, info: Info) -> Facts:
    """What LiteLLM has only a yes or no for: a yes is no news of a model of which more is known."""
    if info.supports_adaptive_thinking:
        found = replace(found, reasoning="adaptive")
    elif info.supports_reasoning and found.reasoning == "none":
        found = replace(found, reasoning=None, efforts=None)
    if info.supports_reasoning is False:
        found = replace(found, reasoning="none")
    if info.reasoning_effort_levels:
        known = [one for one in EFFORTS if one in info.reasoning_effort_levels]
        found = replace(found, efforts=tuple(known) or None)
    match info.supports_sampling_params, found.sampling:
        case False, _:
            return replace(found, sampling="none")
        case True, "none":
            return replace(found, sampling="both")
    return found


@cache
def rows() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """What is searched for in names, and the facts of those that have it."""
    known = {field.name for field in fields(Facts)}
    table = tomllib.loads(files("warren_worker").joinpath("models.toml").read_text(encoding="utf-8"))
    found = []
    for row in table["model"]:
        pattern = re.compile(row.pop("match"), re.IGNORECASE)
        facts = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
        if unknown := facts.keys() - known:
            raise ValueError(f"models.toml: {pattern.pattern}: nobody asks for {unknown}")
        found.append((pattern, facts))
    return found
