"""Providers that speak like OpenAI, a row each. To add one, add a row.

What a row does not say, its provider does as OpenAI's own documentation has it. Sources: the vendors' API references;
names of variables and prefixes are LiteLLM's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    base_url: str | None = None
    """Where it is; None if everybody runs his own."""
    bases: tuple[str, ...] = ()
    """Environment variables that may hold another base URL, the first that is set."""
    keys: tuple[str, ...]
    """Environment variables that may hold the key."""
    key: str | None = None
    """The key where none is given; an empty one is not sent. None: there must be one."""
    native: bool = False
    """It has `/responses`."""
    native_models: str | None = None
    """With `native`: only for models whose name this regular expression finds."""
    headers: Mapping[str, str] = field(default_factory=dict)
    chat: Mapping[str, Any] = field(default_factory=dict)
    """How its Chat Completions deviate: fields of the worker's dialect `Chat`."""
    responses: Mapping[str, Any] = field(default_factory=dict)
    """How its Responses deviate: fields of the worker's dialect `Responses`."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What it does with parameters, where that is not what others of its dialect do: name of the row in the worker's
    `parameters.NAMES`, and the treatment."""
    reasons: bool = True
    """Whether there are models that reason: what tests ask for."""


ROWS: dict[str, Row] = {
    "groq": Row(
        base_url="https://api.groq.com/openai/v1",
        bases=("GROQ_API_BASE",),
        keys=("GROQ_API_KEY",),
        parameters={"user": "droppable"},
    ),
}
