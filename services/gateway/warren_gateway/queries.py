"""The query of a request: what may stand in it, and what is refused by name. Pure."""

import re
from collections.abc import Collection
from typing import NamedTuple

from starlette.datastructures import QueryParams

from warren.errors import InvalidRequest

INCLUDABLE = (
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
)
STATUSES = ("completed", "failed", "in_progress", "incomplete", "cancelled", "queued")
PAGED = frozenset({"limit", "order", "after"})
INCLUDED = frozenset({"include", "include[]"})
_ELSEWHERE = frozenset({"api-version", "beta"})
"""What clients of Azure and of OpenAI's beta features add to every address."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_METADATA = re.compile(r"metadata\[(.*)\]", re.DOTALL)
_PAIRS, _KEY, _VALUE = 16, 64, 512


class Paging(NamedTuple):
    """Which part of a list is wanted."""

    limit: int
    ascending: bool
    after: str | None


def paging(query: QueryParams) -> Paging:
    """`limit`, `order` and `after`.

    Raises:
        InvalidRequest: one of them is not what it must be.
    """
    order = one_of(query, "order", ("asc", "desc")) or "desc"
    return Paging(_limit(query), order == "asc", query.get("after") or None)


def _limit(query: QueryParams) -> int:
    if (limit := whole(query, "limit")) is None:
        return 20
    if limit < 1:
        raise _invalid("limit", "Expected a value >= 1", "integer_below_min_value")
    if limit > 100:
        raise _invalid("limit", "Expected a value <= 100", "integer_above_max_value")
    return limit


def whole(query: QueryParams, name: str) -> int | None:
    """An integer, if it is given."""
    if (text := query.get(name)) is None:
        return None
    if not _WHOLE.fullmatch(text):
        raise _invalid(name, "Expected an integer", "invalid_type")
    return int(text)


def one_of(query: QueryParams, name: str, choices: Collection[str]) -> str | None:
    """One of these words, if it is given."""
    text = query.get(name)
    if text is not None and text not in choices:
        raise _unsupported(name, text, choices)
    return text


def include(query: QueryParams) -> tuple[str, ...]:
    """`include[]`, also written `include`: each a value that OpenAI knows. Items are shown whole in any case."""
    wanted = (*query.getlist("include[]"), *query.getlist("include"))
    for number, name in enumerate(wanted):
        if name not in INCLUDABLE:
            raise _unsupported(f"include[{number}]", name, INCLUDABLE)
    return wanted


def metadata(query: QueryParams) -> dict[str, str]:
    """`metadata[key]=value`, as often as wanted: all must hold."""
    wanted: dict[str, str] = {}
    for name, value in query.multi_items():
        if match := _METADATA.fullmatch(name):
            key = match[1]
            if not key or len(key) > _KEY or len(value) > _VALUE:
                message = f"a key has 1 to {_KEY} characters, a value {_VALUE} at the most"
                raise _invalid("metadata", message, "string_above_max_length")
            wanted[key] = value
    if len(wanted) > _PAIRS:
        raise _invalid("metadata", f"there are {_PAIRS} keys at the most", "object_above_max_properties")
    return wanted


def only(query: QueryParams, *known: Collection[str], metadata: bool = False) -> None:
    """Refuse what nobody would look at.

    Raises:
        InvalidRequest: naming the first parameter that is not known here.
    """
    for name in query:
        if name in _ELSEWHERE or any(name in names for names in known):
            continue
        if not (metadata and _METADATA.fullmatch(name)):
            raise InvalidRequest(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def _invalid(name: str, message: str, code: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{name}': {message}.", param=name, code=code)


def _unsupported(name: str, text: str, choices: Collection[str]) -> InvalidRequest:
    supported = ", ".join(f"'{choice}'" for choice in choices)
    message = f"Invalid value: '{text[:200]}'. Supported values are: {supported}."
    return InvalidRequest(message, param=name, code="invalid_value")
