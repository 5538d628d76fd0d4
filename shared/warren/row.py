"""What is said of a provider that speaks like OpenAI: a row of `warren.compatible`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Where an OAuth client of the user's gets tokens, instead of a key."""

    path: str
    """On the provider's host."""
    clients: tuple[str, ...]
    secrets: tuple[str, ...]
    """Environment variables that may hold the client's id, and its secret."""
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    base_url: str | None = None
    """Where it is; None if everybody runs his own."""
    bases: tuple[str, ...] = ()
    """Environment variables that may hold another base URL, the first that is set."""
    ends: str = ""
    """What the path of every base URL ends in, also where the configuration leaves it out."""
    keys: tuple[str, ...]
    """Environment variables that may hold the key. A deployment with an address of its own, but without a key, has that
    of these variables too, as in LiteLLM; nobody has that of another provider.
    """
    key: str | None = None
    """The key where none is given; an empty one is not sent. None: there must be one."""
    tokens: Tokens | None = None
    """How it is reached without a key."""
    rename: tuple[str, str] | None = None
    """A regular expression for names of models, and by what a name that matches is replaced."""
    native: bool = False
    """It has `/responses`."""
    native_models: str | None = None
    """With `native`: only for models whose name this regular expression finds."""
    headers: Mapping[str, str] = field(default_factory=dict)
    chat: Mapping[str, Any] = field(default_factory=dict)
    """How its Chat Completions deviate: fields of the worker's dialect `Chat`."""
    chat_models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """How they deviate more, for models whose name the regular expression finds."""
    responses: Mapping[str, Any] = field(default_factory=dict)
    """How its Responses deviate: fields of the worker's dialect `Responses`."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What its Chat Completions do with parameters, where that is not what others do: name of the row in the worker's
    `parameters.NAMES`, and the treatment."""
    native_parameters: Mapping[str, str] = field(default_factory=dict)
    """The same of its `/responses`."""
    reasons: bool = True
    """Whether there are models that reason: what tests ask for."""
