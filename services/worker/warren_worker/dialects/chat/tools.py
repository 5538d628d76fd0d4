"""Tools and the choice between them, as fields of a chat's body."""

from collections.abc import Mapping
from typing import Any

from warren.errors import InvalidRequest
from warren.objects import Item
from warren_worker.asked.choice import Function, chosen
from warren_worker.asked.unsaid import unsupported
from warren_worker.dialects.chat.search import SEARCHES, Searching, searched


def tools(request: Mapping[str, Any], *, required: str, strict: bool, searching: Searching | None) -> Item:
    """`required` is the server's word for it; `strict`: it takes that of functions."""
    found = chosen(request, hosted=SEARCHES if searching is not None else frozenset())
    body: Item = {}
    if found.functions:
        body["tools"] = [_function(function, strict=strict) for function in found.functions]
        if found.mode is not None:
            body["tool_choice"] = _named(found.only) if found.only else _word(found.mode, required)
        if found.parallel is not None:
            body["parallel_tool_calls"] = found.parallel
    if searching is None or not found.hosted:
        return body
    if len(found.hosted) > 1:
        path = f"{found.hosted[1].path}.type"
        raise InvalidRequest("There is more than one web search.", param=path, code="invalid_value")
    if found.mode == "required" and not found.functions:
        raise unsupported("tool_choice", "a search cannot be demanded of this model")
    return searched(body, found.hosted[0], searching, allowed=found.mode != "none")


def _word(mode: str, required: str) -> str:
    return required if mode == "required" else mode


def _named(name: str) -> Item:
    return {"type": "function", "function": {"name": name}}


def _function(function: Function, *, strict: bool) -> Item:
    made: Item = {"name": function.name, "parameters": function.parameters}
    if function.description:
        made["description"] = function.description
    if strict and function.strict is not None:
        made["strict"] = function.strict
    return {"type": "function", "function": made}
