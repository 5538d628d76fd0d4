"""What differs between those whose models Bedrock serves, where nobody knows better of the one model.

The first words of a model's id say where it runs and who made it: `us.anthropic.…`, `amazon.…`.

Sources: the user guides of Bedrock ("Supported models and model features", "Prompt caching", "Get validated JSON
results from models") and of Nova 2 ("Using the Converse API"), and the model cards of those who made the models.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

from warren_worker.facts import Facts


@dataclass(frozen=True, slots=True)
class Vendor:
    thinks: Literal["thinking", "reasoningConfig", "reasoning_effort"] | None = None
    """What its models are told by how much to think."""
    caches: Literal["5m", "1h"] | None = None
    """A request may mark what is to be cached, for so long at most."""
    schemas: bool = True
    """Its models can be held to a JSON schema."""
    singles: bool = False
    """It can be told to call one tool at a time."""
    summarizes: bool = False
    """What it shows of its reasoning is a summary."""


VENDORS: dict[str, Vendor] = {
    "anthropic": Vendor("thinking", caches="1h", singles=True, summarizes=True),
    "amazon": Vendor("reasoningConfig", caches="5m", schemas=False),
    "openai": Vendor("reasoning_effort"),
    "ai21": Vendor(schemas=False),
    "cohere": Vendor(schemas=False),
    "deepseek": Vendor(),
    "google": Vendor(),
    "meta": Vendor(schemas=False),
    "minimax": Vendor(),
    "mistral": Vendor(),
    "moonshot": Vendor(),
    "moonshotai": Vendor(),
    "nvidia": Vendor(),
    "qwen": Vendor(),
    "writer": Vendor(schemas=False),
    "zai": Vendor(),
}
DEFAULT = "anthropic"
"""Whose model it is, if its id does not say."""

_PLACED = re.compile(rf"(?:^|[./])(?:[a-z-]+\.)?({'|'.join(VENDORS)})\.")
_ID = re.compile(rf"^(?:[a-z-]+\.)?((?:{'|'.join(VENDORS)})\..+)$")


def vendor(model: str) -> str | None:
    """Who made the model with this id or ARN; None if that does not say so."""
    found = _PLACED.search(model)
    return found[1] if found else None


def base(model: str) -> str:
    """The model itself, of what says in front of it where it may run."""
    found = _ID.match(model)
    return found[1] if found else model


def of(name: str, facts: Facts) -> Vendor:
    """The vendor of this name. One of whom nothing is known has models that can be told an effort if theirs can."""
    known = VENDORS.get(name, Vendor())
    if known.thinks is None and facts.reasoning == "effort":
        return replace(known, thinks="reasoning_effort")
    return known
