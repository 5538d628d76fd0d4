"""What pydantic finds, in OpenAI's words: its code, its message, and the path of the field in its notation."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from warren.errors import InvalidRequest
from warren.requests.shapes import BRANCH

_FORMS = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
}
_SAYABLE = re.compile(r"[\w.:/-]{1,64}")


def refusal(error: ValidationError) -> InvalidRequest:
    """One refusal out of many: the first."""
    return _said(error.errors(include_url=False)[0])


def missing(path: str) -> InvalidRequest:
    return InvalidRequest(f"Missing required parameter: '{path}'.", param=path, code="missing_required_parameter")


def mistyped(path: str, expected: str, value: Any) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid type for '{path}': expected {expected}, but got {_form(value)} instead.",
        param=path,
        code="invalid_type",
    )


def invalid(path: str, value: Any, supported: Iterable[str]) -> InvalidRequest:
    """A value that is none of those that there are."""
    if not isinstance(value, str):
        return mistyped(path, "a string", value)
    said = f"'{value}'" if _SAYABLE.fullmatch(value) else "this one"
    return InvalidRequest(
        f"Invalid value: {said}. Supported values are: {_listed(supported)}.", param=path, code="invalid_value"
    )


def unknown(path: str, known: Iterable[str] = ()) -> InvalidRequest:
    """A field that there is not, and perhaps the one that was meant."""
    meant = min(known, key=lambda name: _distance(path, name), default=None)
    hint = f" Did you mean '{meant}'?" if meant is not None and _distance(path, meant) <= 2 else ""
    return InvalidRequest(f"Unknown parameter: '{path}'.{hint}", param=path, code="unknown_parameter")


def unsupported(path: str, why: str) -> InvalidRequest:
    """A field that OpenAI has, and Warren can do nothing about."""
    return InvalidRequest(f"Unsupported parameter: '{path}': {why}.", param=path, code="unsupported_parameter")


def _said(problem: ErrorDetails) -> InvalidRequest:
    kind, value, limits = problem["type"], problem["input"], problem.get("ctx", {})
    path = _path(problem["loc"], whole=kind == "none_required")
    match kind:
        case "missing":
            return missing(path)
        case "none_required":
            return unknown(path)
        case "form":
            return mistyped(path, limits["expected"], value)
        case "kind":
            return _mistyped_object(path, value, limits["values"].split())
        case "literal_error":
            return invalid(path, value, re.findall(r"'([^']*)'", limits["expected"]))
        case "absent":
            message = f"Missing required parameter: '{path}' needs {limits['names']}."
            return InvalidRequest(message, param=path, code="missing_required_parameter")
        case _ if kind in _FORMS:
            return mistyped(path, _FORMS[kind], value)
        case _:
            return _beyond(kind, path, value, limits)


def _mistyped_object(path: str, value: Any, supported: list[str]) -> InvalidRequest:
    """What should say its type, and does not, or says one that there is not."""
    if not isinstance(value, dict):
        return mistyped(path, "an object", value)
    if value.get("type") is None:
        return missing(f"{path}.type")
    return invalid(f"{path}.type", value["type"], supported)


def _beyond(kind: str, path: str, value: Any, limits: dict[str, Any]) -> InvalidRequest:
    """A value of the right type, and too large, too small or of the wrong form."""
    match kind, limits:
        case "greater_than_equal", {"ge": least}:
            code, what = f"{_numeric(least)}_below_min_value", f"Expected a value >= {least:g}, but got {value} instead"
        case "less_than_equal", {"le": most}:
            code, what = f"{_numeric(most)}_above_max_value", f"Expected a value <= {most:g}, but got {value} instead"
        case "string_too_long", {"max_length": most}:
            code = "string_above_max_length"
            what = f"Expected a string with maximum length {most}, but got one with length {len(value)} instead"
        case "string_too_short", {"min_length": least}:
            code, what = "empty_string", f"Expected a string with minimum length {least}"
        case "string_pattern_mismatch", {"pattern": pattern}:
            code, what = "invalid_value", f"Expected a string that matches the pattern '{pattern}'"
        case "too_long", {"max_length": most} if isinstance(value, dict):
            code = "object_above_max_properties"
            what = f"Expected an object with at most {most} properties, but got one with {len(value)} instead"
        case "too_long", {"max_length": most}:
            code = "array_above_max_length"
            what = f"Expected an array with maximum length {most}, but got one with length {len(value)} instead"
        case "too_short", _:
            code, what = "empty_array", "Expected an array with minimum length 1, but got an empty one instead"
        case _:
            code, what = "invalid_value", "This value is not accepted"
    return InvalidRequest(f"Invalid '{path}': {code.replace('_', ' ')}. {what}.", param=path, code=code)


def _numeric(limit: Any) -> str:
    return "decimal" if isinstance(limit, float) else "integer"


def _path(where: tuple[int | str, ...], *, whole: bool) -> str:
    """A pydantic location in OpenAI's notation: `input[0].role`."""
    path = ""
    for at, step in enumerate(where, 1):
        if isinstance(step, int):
            path += f"[{step}]"
        elif (step.startswith(BRANCH) or step == "[key]") and not (whole and at == len(where)):
            continue  # a choice that was made, or the key that the step before has named
        else:
            path += f".{step[:128]}" if path else step[:128]
    return path


def _form(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case list():
            return "an array"
        case _:
            return "an object"


def _listed(names: Iterable[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return ", ".join(quoted[:-1]) + f", and {quoted[-1]}"


def _distance(one: str, other: str) -> int:
    """How many letters to add, drop or change (at the most, of names that differ much in length: their difference)."""
    if abs(len(one) - len(other)) > 2:
        return abs(len(one) - len(other))
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        before, row[0] = row[0], at
        for to, same in enumerate(other, 1):
            before, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, before + (letter != same))
    return row[-1]
