"""The form that the answer's text is to have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from warren.errors import InvalidRequest
from warren.objects import Item
from warren_worker.asked.unsaid import unsupported

_NOTHING_ELSE = "and nothing else: no explanation, no code fence"


@dataclass(frozen=True, slots=True)
class Form:
    """A JSON value that is valid against `schema`; with `loose`, any JSON object."""

    schema: Item
    loose: bool = False
    name: str = "answer"
    description: str | None = None
    strict: bool | None = None

    @property
    def instructions(self) -> str:
        """The same in words, for a model that cannot be held to a schema: `Call.schema` then checks the answer."""
        if self.loose:
            return f"Answer with one JSON object {_NOTHING_ELSE}."
        about = f" ({self.description})" if self.description else ""
        return (
            f"Answer with one JSON value{about} that is valid against the JSON schema below, {_NOTHING_ELSE}.\n\n"
            + to_json(self.schema).decode()
        )


def form(request: Mapping[str, Any]) -> Form | None:
    """What was asked for by `text.format`; None for plain text."""
    match (request.get("text") or {}).get("format"):
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return Form({"type": "object"}, loose=True)
        case {"type": "json_schema", "name": str(name), "schema": dict(schema)} as wanted:
            return Form(schema, name=name, description=wanted.get("description"), strict=wanted.get("strict"))
        case _:
            raise InvalidRequest("Invalid 'text.format'.", param="text.format", code="invalid_value")


def in_words(request: Mapping[str, Any], wanted: Form) -> str:
    """Instructions for this form. A model that may also call tools is not held by words.

    Raises:
        InvalidRequest: it may.
    """
    if request.get("tools") and request.get("tool_choice") != "none":
        raise unsupported("text.format", "structured output together with tools is not supported with this model")
    return wanted.instructions
