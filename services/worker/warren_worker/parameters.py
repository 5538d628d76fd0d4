"""What becomes of each parameter of a request: the one table behind the check, the page about it, and its tests.

Its rows are here. Its columns are the dialects' own (`Dialect.parameters`), and what providers, models and the
configuration change in them (`Endpoint.parameters`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from warren.naming import CHATS
from warren_worker.facts import Facts


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
    """Values that say what happens anyway. An object is as harmless as all that it says."""

    @property
    def path(self) -> str:
        return self.name.partition(":")[0]

    def says_nothing(self, value: Any) -> bool:
        if isinstance(value, dict):
            return any(isinstance(one, dict) and value.items() <= one.items() for one in self.harmless)
        return value in self.harmless


OURS = frozenset(
    {
        "model",
        "input",
        "previous_response_id",
        "conversation",
        "stream",
        "stream_options",
        "background_options",  # whatever else than the default is refused at the gateway
        "client_metadata",  # the Codex CLI's book-keeping, see `warren.requests.extras`
    }
)
"""Fields of a request that are Warren's own affair with every provider, and no rows."""

NAMES: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter("instructions"),
        Parameter("max_output_tokens"),
        Parameter("max_tool_calls"),
        Parameter("temperature", harmless=(1,)),
        Parameter("top_p", harmless=(1,)),
        Parameter("top_logprobs", harmless=(0,)),
        Parameter("presence_penalty", harmless=(0,)),
        Parameter("frequency_penalty", harmless=(0,)),
        Parameter("parallel_tool_calls", harmless=(True,)),
        Parameter("service_tier", harmless=("auto", "default")),
        Parameter("safety_identifier"),
        Parameter("user"),
        Parameter("prompt_cache_key"),
        Parameter("prompt_cache_retention"),
        Parameter("prompt_cache_options", harmless=({"mode": "implicit", "ttl": "30m"},)),
        Parameter("moderation"),
        Parameter("prompt"),
        Parameter("truncation", harmless=("disabled",)),
        Parameter("context_management"),
        Parameter("store"),
        Parameter("metadata"),
        Parameter("background"),
        Parameter("access_programs", harmless=({"cyber": "standard"},)),
        Parameter("image", harmless=({"context_compression": "auto"},)),
        Parameter("personality"),
        Parameter("include:message.output_text.logprobs"),
        Parameter("include:reasoning.encrypted_content"),
        Parameter("text.verbosity", harmless=("medium",)),
        Parameter("text.format:json_object"),
        Parameter("text.format:json_schema"),
        Parameter("reasoning.effort"),
        Parameter("reasoning.summary"),
        Parameter("reasoning.context", harmless=("auto",)),
        Parameter("reasoning.mode", harmless=("standard",)),
        Parameter("tool_choice:required"),
        Parameter("tool_choice:none"),
        Parameter("tool_choice:function"),
        Parameter("tool_choice:allowed_tools"),
        Parameter("tool_choice:hosted"),
        Parameter("tools:function"),
        Parameter("tools:custom"),
        Parameter("tools:namespace"),
        Parameter("tools:web_search"),
        Parameter("tools:file_search"),
        Parameter("tools:code_interpreter"),
        Parameter("tools:computer"),
        Parameter("tools:image_generation"),
        Parameter("tools:mcp"),
        Parameter("tools:shell"),
        Parameter("tools:local_shell"),
        Parameter("tools:apply_patch"),
        Parameter("tools:tool_search"),
        Parameter("tools:programmatic_tool_calling"),
        Parameter("input:input_image"),
        Parameter("input:input_file"),
        Parameter("input:input_audio"),
    )
}

_LISTS = frozenset({"tools", "include", "input"})
"""Nothing of these can go around a dialect."""
_OF_MODELS: tuple[tuple[str, object, tuple[str, ...], Treatment], ...] = (
    ("reasoning", "none", ("reasoning.effort",), Treatment.DROPPABLE),
    ("sampling", "none", ("temperature", "top_p"), Treatment.DROPPABLE),
    ("tools", False, tuple(name for name in NAMES if name.startswith("tools:")), Treatment.DROPPABLE),
    ("forced", False, ("tool_choice:required", "tool_choice:function"), Treatment.DROPPABLE),
    ("web_search", False, ("tools:web_search",), Treatment.DROPPABLE),
    ("images", False, ("input:input_image",), Treatment.REFUSED),
    ("documents", False, ("input:input_file",), Treatment.REFUSED),
    ("audio", False, ("input:input_audio",), Treatment.REFUSED),
)
"""What is known of a model, and what it cannot be asked for then, whoever serves it."""


def narrowed(table: Mapping[str, Treatment], facts: Facts) -> dict[str, Treatment]:
    """The table for this model: what its provider takes and it does not, is not taken."""
    narrow = dict(table)
    for fact, value, names, treatment in _OF_MODELS:
        if getattr(facts, fact) == value:
            narrow |= {name: treatment for name in names if name in table and table[name].taken}
    return narrow


def allowed(
    table: Mapping[str, Treatment], column: Mapping[str, Treatment], names: Iterable[str]
) -> tuple[dict[str, Treatment], dict[str, str]]:
    """`allowed_openai_params`: the table with these in it as far as the dialect, whose column is given, can say them;
    and the paths of what it cannot, each with the name under which that goes out as it is.
    """
    wide, raw = dict(table), {}
    for name in names:
        path = CHATS.get(name, name)
        for row in (row for row in NAMES.values() if _covers(path, row)):
            if column.get(row.name, Treatment.REFUSED).taken:
                wide[row.name] = column[row.name]
            elif row.path not in _LISTS:
                raw[row.path] = name if name in CHATS else row.path.rpartition(".")[2]
    return wide, raw


def _covers(path: str, row: Parameter) -> bool:
    return path in (row.name, row.path, row.path.partition(".")[0])
