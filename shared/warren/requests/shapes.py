"""Words to write the API's JSON objects with, as pydantic-core schemas.

A table of them reads like the reference: `shape(call_id=need(text(1, 64)), status=STATUS)`. What is not `need`ed may be
missing or null; what is not named is refused. Choices are made by a value's `type` or JSON type before anything is
tried, so that every complaint is about one place and means one thing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError
from pydantic_core import core_schema as core

Schema = core.CoreSchema

BRANCH = "\0"
"""Begins the steps of a location that are choices, not keys."""


@dataclass(frozen=True, slots=True)
class Need:
    schema: Schema


@dataclass(frozen=True, slots=True, eq=False)
class As:
    """Marks a pydantic field that is checked by this schema."""

    schema: Schema

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> Schema:
        return self.schema


def need(schema: Schema) -> Need:
    """A field that must be there, and not be null."""
    return Need(schema)


def nullable(schema: Schema) -> Schema:
    return core.nullable_schema(schema)


def text(least: int | None = None, most: int | None = None, pattern: str | None = None) -> Schema:
    return core.str_schema(min_length=least, max_length=most, pattern=pattern, strict=True)


def integer(least: int | None = None, most: int | None = None) -> Schema:
    return core.int_schema(ge=least, le=most, strict=True)


def number(least: float | None = None, most: float | None = None) -> Schema:
    return core.float_schema(ge=least, le=most, strict=True, allow_inf_nan=False)


def one_of(*values: str) -> Schema:
    return core.literal_schema(list(values))


def many(item: Schema, least: int | None = None, most: int | None = None) -> Schema:
    return core.list_schema(item, min_length=least, max_length=most, strict=True, fail_fast=True)


def mapping(value: Schema, key: Schema | None = None, most: int | None = None) -> Schema:
    return core.dict_schema(key or text(), value, max_length=most, strict=True)


def shape(**fields: Schema | Need) -> Schema:
    """An object with these fields and no others. Others may be null: some servers' items are full of that."""
    return core.typed_dict_schema(
        {
            name: core.typed_dict_field(field.schema)
            if isinstance(field, Need)
            else core.typed_dict_field(core.nullable_schema(field), required=False)
            for name, field in fields.items()
        },
        extra_behavior="allow",
        extras_schema=core.none_schema(),
        strict=True,
    )


def with_any(schema: Schema, *names: str) -> Schema:
    """An object that has at least one of these fields."""
    said = " or ".join(f"'{name}'" for name in names)

    def check(value: dict[str, Any]) -> dict[str, Any]:
        if all(value.get(name) is None for name in names):
            raise PydanticCustomError("absent", "one of {names} must be given", {"names": said})
        return value

    return core.no_info_after_validator_function(check, schema)


def kinds(**table: Schema) -> Schema:
    """An object of one of these types, as its `type` says."""
    return chosen({name: of_type(name, schema) for name, schema in table.items()}, lambda value: value.get("type"))


def of_type(name: str, schema: Schema, *, said: bool = True) -> Schema:
    """This object with its `type`, which goes without saying if not `said`."""
    match schema:
        case {"type": "function-after", "schema": inner}:
            return {**schema, "schema": of_type(name, inner, said=said)}
        case {"type": "typed-dict", "fields": fields}:
            kind = core.literal_schema([name])
            field = core.typed_dict_field(kind if said else core.nullable_schema(kind), required=said)
            return {**schema, "fields": {"type": field, **fields}}
        case {"type": "tagged-union", "choices": choices}:
            typed = {choice: of_type(name, one, said=said) for choice, one in choices.items()}
            return {**schema, "choices": typed}
        case _:
            raise TypeError("only shapes have types")


def chosen(table: Mapping[str, Schema], name: Callable[[dict[str, Any]], Any]) -> Schema:
    """An object of one of these kinds; `name` says which it is."""

    def pick(value: Any) -> str | None:
        kind = name(value) if isinstance(value, dict) else None
        return BRANCH + kind if isinstance(kind, str) else None

    return core.tagged_union_schema(
        {BRANCH + kind: schema for kind, schema in table.items()},
        pick,
        custom_error_type="kind",
        custom_error_message="unknown type",
        custom_error_context={"values": " ".join(table)},
    )


_FORMS: dict[str, tuple[type, str]] = {
    "text": (str, "a string"),
    "array": (list, "an array"),
    "object": (dict, "an object"),
}


def either(**forms: Schema) -> Schema:
    """One of several JSON types: `text`, `array`, `object`."""
    names = {_FORMS[form][0]: BRANCH + form for form in forms}
    return core.tagged_union_schema(
        {BRANCH + form: schema for form, schema in forms.items()},
        lambda value: names.get(type(value)),
        custom_error_type="form",
        custom_error_message="wrong type",
        custom_error_context={"expected": " or ".join(_FORMS[form][1] for form in forms)},
    )


ANY = core.any_schema()
TEXT = text()
FLAG = core.bool_schema(strict=True)
INTEGER = integer()
NUMBER = number()
OBJECT = mapping(ANY)
TEXTS = many(TEXT)
