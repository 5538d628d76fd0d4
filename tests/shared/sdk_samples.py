"""Examples of the wire objects that OpenAI's SDK knows, made of its types: whatever it can send or receive."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints
from typing import Required as LaterRequired

from pydantic import BaseModel
from typing_extensions import is_typeddict

Json = Any


def samples(kind: Any) -> list[Json]:
    """At least one value for each thing that this type may be, each with all the fields that there are."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Annotated, Required, LaterRequired, NotRequired):
        return samples(parts[0])
    if origin is Literal:
        return list(parts)
    if origin in (Union, UnionType):
        return [value for part in parts if part is not NoneType for value in samples(part)]
    if origin in (list, Iterable, Sequence) or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return [samples(parts[0])]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return [{f"key{at}": value for at, value in enumerate(samples(parts[1]))}]
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return [samples(parts[0])]
    if is_typeddict(kind):
        return list(_objects(get_type_hints(kind, include_extras=True)))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = kind.model_fields
        hints = {fields[name].alias or name: fields[name].annotation for name in fields}
        return list(_objects(hints))
    return [{str: "word", int: 2, float: 0.5, bool: True, object: {"any": [1]}, Any: "any"}[kind]]


def _objects(fields: dict[str, Any]) -> Iterator[dict[str, Json]]:
    """One object with the first of all, and one more for each further value that a field may have."""
    choices = {name: samples(kind) for name, kind in fields.items()}
    first = {name: values[0] for name, values in choices.items()}
    yield first
    for name, values in choices.items():
        for value in values[1:]:
            yield {**first, name: value}


def members(union: Any) -> tuple[Any, ...]:
    """The types that a union, annotated or not, is made of."""
    return members(get_args(union)[0]) if get_origin(union) is Annotated else get_args(union)
