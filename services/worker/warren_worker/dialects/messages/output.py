"""The form of the answer's text, and what a model can be held to of a JSON schema."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from warren.objects import Item
from warren_worker.asked.form import form, in_words
from warren_worker.facts import Facts

_HELD = frozenset(
    {"type", "properties", "required", "items", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "definitions"}
)
_SAID = frozenset({"title", "description", "default", "additionalProperties"})
_MUTE = frozenset({"$schema", "$id", "$comment", "examples"})
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_MOST = (20, 24, 16)
"""What the API holds in one request: schemas of tools, parameters that may be left out, those of several types."""


@dataclass(frozen=True, slots=True)
class Output:
    """How a form is asked for: by `output_config`, or by words; and what the answer is then checked against."""

    config: Item = field(default_factory=dict)
    instructions: str | None = None
    schema: Item | None = None


def output(request: Mapping[str, Any], facts: Facts) -> Output:
    wanted = form(request)
    if wanted is None:
        return Output()
    if wanted.loose or facts.schemas is False or open_ended(wanted.schema):
        return Output(instructions=in_words(request, wanted), schema=wanted.schema)
    held = holding(wanted.schema)
    format_ = {"type": "json_schema", "schema": held}
    return Output({"format": format_}, schema=None if _whole(wanted.schema) else wanted.schema)


def holding(schema: Item) -> Item:
    """What a model can be held to of this schema. The rest is told in its descriptions."""
    made: Item = {}
    rest: Item = {}
    for name, value in schema.items():
        match name, value:
            case ("properties" | "$defs" | "definitions", dict()):
                made[name] = {key: _within(inner) for key, inner in value.items()}
            case ("anyOf" | "allOf" | "oneOf", list()):
                made["anyOf" if name == "oneOf" else name] = [_within(inner) for inner in value]
            case ("items", _):
                made[name] = _within(value)
            case _ if name in _MUTE:
                pass
            case _ if _kept(name, value):
                made[name] = value
            case _:
                rest[name] = value
    if _is_object(made):
        made["additionalProperties"] = False
    if rest:
        made["description"] = "\n\n".join(filter(None, (made.get("description"), to_json(rest).decode())))
    return made


def holdable(schemas: list[Item]) -> bool:
    """Whether a model can be held to all of these at once."""
    loose = [_looseness(schema) for schema in schemas]
    counts = (len(schemas), sum(optional for optional, _ in loose), sum(unions for _, unions in loose))
    return all(count <= most for count, most in zip(counts, _MOST, strict=True))


def _looseness(schema: Any) -> tuple[int, int]:
    """How many parameters may be left out, and how many are of several types."""
    if not isinstance(schema, dict):
        return 0, 0
    inside = [_looseness(inner) for inner in _inner(schema)]
    optional = len((schema.get("properties") or {}).keys() - set(schema.get("required") or ()))
    union = "anyOf" in schema or "oneOf" in schema or isinstance(schema.get("type"), list)
    return optional + sum(one for one, _ in inside), union + sum(one for _, one in inside)


def _within(schema: Any) -> Any:
    return holding(schema) if isinstance(schema, dict) else schema


def _kept(name: str, value: Any) -> bool:
    if name == "format":
        return value in _FORMATS
    if name == "minItems":
        return value in (0, 1)
    return name in _HELD or name in _SAID or name in _MUTE


def _is_object(schema: Item) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def _inner(schema: Any) -> list[Any]:
    """The schemas right inside of this one."""
    if not isinstance(schema, dict):
        return []
    named = [
        inner
        for name in ("properties", "$defs", "definitions")
        if isinstance(schema.get(name), dict)
        for inner in schema[name].values()
    ]
    listed = [
        inner for name in ("anyOf", "allOf", "oneOf") if isinstance(schema.get(name), list) for inner in schema[name]
    ]
    return [*named, *listed, *([schema["items"]] if "items" in schema else [])]


def open_ended(schema: Any) -> bool:
    """Whether an object in here may have any keys: no model can be held to that."""
    if not isinstance(schema, dict):
        return False
    more = schema.get("additionalProperties")
    free = more not in (None, False) or (more is None and not schema.get("properties"))
    return (_is_object(schema) and free) or any(map(open_ended, _inner(schema)))


def _whole(schema: Any) -> bool:
    """Whether a model can be held to all of this."""
    if not isinstance(schema, dict):
        return True
    return all(_kept(name, value) for name, value in schema.items()) and all(map(_whole, _inner(schema)))
