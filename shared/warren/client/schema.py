"""The JSON schema of a Pydantic class in the form that strict structured output takes.

Every object lists all of its properties as required and has no others; `null` is no default; a reference has nothing
beside it, so what is said of it there is merged with what it refers to. (OpenAI, "Structured model outputs",
supported schemas.)
"""

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]
_MANY = ("anyOf", "allOf")


def text_format(kind: type[BaseModel]) -> Schema:
    """`text.format` for answers of this class."""
    schema = kind.model_json_schema()
    return {"type": "json_schema", "name": kind.__name__[:64], "schema": _strict(schema, schema), "strict": True}


def _strict(schema: Schema, root: Schema) -> Schema:
    made = dict(schema)
    if "$ref" in made and len(made) > 1:
        return _strict({**_found(made.pop("$ref"), root), **made}, root)
    if len(made.get("allOf", ())) == 1:
        return _strict({**made.pop("allOf")[0], **made}, root)
    if made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    if "default" in made and made["default"] is None:
        del made["default"]
    for name in ("$defs", "properties"):
        if name in made:
            made[name] = {key: _strict(value, root) for key, value in made[name].items()}
    if "properties" in made:
        made["required"] = list(made["properties"])
    if isinstance(made.get("items"), dict):
        made["items"] = _strict(made["items"], root)
    for name in _MANY:
        if name in made:
            made[name] = [_strict(value, root) for value in made[name]]
    return made


def _found(ref: str, root: Schema) -> Schema:
    found = root
    for name in ref.removeprefix("#/").split("/"):
        found = found[name]
    return found
