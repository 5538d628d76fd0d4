"""What becomes of each parameter of a request: the one table behind the check, the page about it, and its tests.

Its rows are here. Its columns are the dialects' own (`Dialect.parameters`), and what providers, models and the
configuration change in them (`Endpoint.parameters`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from warren.responses import Item


class Treatment(StrEnum):
    NATIVE = "native"
    """It goes out under its own name."""
    TRANSLATED = "translated"
    """It goes out in the provider's terms."""
    OURS = "ours"
    """Warren does it, whoever answers."""
    DROPPABLE = "droppable"
    """Refused; left out, and told, under `drop_params`."""
    REFUSED = "refused"
    """Refused in any case: it is part of what is said."""

    @property
    def taken(self) -> bool:
        return self not in (Treatment.DROPPABLE, Treatment.REFUSED)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A row. Its name is a path (`reasoning.effort`) and perhaps, behind a colon, a value, or the type of one, found
    there (`text.format:json_schema`, `tool_choice:required`, `tools:web_search`, `input:input_image`).
    """

    name: str
    harmless: tuple[Any, ...] = ()
    """Values that say what happens anyway."""


NAMES: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter("instructions"),
        Parameter("max_output_tokens"),
        Parameter("max_tool_calls"),
        Parameter("temperature"),
        Parameter("top_p"),
        Parameter("top_logprobs", harmless=(0,)),
        Parameter("presence_penalty", harmless=(0,)),
        Parameter("frequency_penalty", harmless=(0,)),
        Parameter("parallel_tool_calls", harmless=(True,)),
        Parameter("service_tier", harmless=("auto",)),
        Parameter("safety_identifier"),
        Parameter("user"),
        Parameter("prompt_cache_key"),
        Parameter("prompt_cache_retention"),
        Parameter("prompt_cache_options", harmless=({"mode": "implicit", "ttl": "30m"},)),
        Parameter("moderation"),
        Parameter("prompt"),
        Parameter("truncation"),
        Parameter("context_management"),
        Parameter("store"),
        Parameter("metadata"),
        Parameter("background"),
        Parameter("include:message.output_text.logprobs"),
        Parameter("include:reasoning.encrypted_content"),
        Parameter("text.verbosity", harmless=("medium",)),
        Parameter("text.format:json_object"),
        Parameter("text.format:json_schema"),
        Parameter("reasoning.effort"),
        Parameter("reasoning.summary"),
        Parameter("tool_choice:required"),
        Parameter("tool_choice:none"),
        Parameter("tool_choice:function"),
        Parameter("tool_choice:allowed_tools"),
        Parameter("tools:function"),
        Parameter("tools:custom"),
        Parameter("tools:web_search"),
        Parameter("tools:file_search"),
        Parameter("tools:code_interpreter"),
        Parameter("tools:computer"),
        Parameter("tools:image_generation"),
        Parameter("tools:mcp"),
        Parameter("input:input_image"),
        Parameter("input:input_file"),
        Parameter("input:input_audio"),
    )
}

_VERSIONED = ("web_search", "computer")
"""Tools whose type may end in a version or `_preview`."""


def given(request: Mapping[str, Any], items: list[Item]) -> Iterator[tuple[Parameter, str]]:
    """The parameters that this request uses, each with the path to name in a refusal."""
    raise NotImplementedError


def admitted(
    request: Mapping[str, Any], items: list[Item], table: Mapping[str, Treatment], *, drop: bool
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The request without what `table` does not take, and the paths of that.

    Raises:
        InvalidRequest: something is not taken, and may not be left out; `param` names it.
    """
    raise NotImplementedError
