"""The fields of a request beside its conversation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.objects import Item
from warren_worker.asked.choice import Chosen, Function, chosen
from warren_worker.asked.form import Form, form, in_words
from warren_worker.asked.unsaid import unsupported
from warren_worker.facts import Facts

_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
_P = (0.01, 0.99)
"""The least and the most that `p` may be."""
_JSON = Form({"type": "object"}, loose=True).instructions
"""A model that is held to JSON and was not asked for it in words may write white space without an end."""


def sampling(request: Mapping[str, Any]) -> Item:
    body: Item = {}
    if request.get("max_output_tokens") is not None:
        body["max_tokens"] = request["max_output_tokens"]
    if request.get("temperature") is not None:
        body["temperature"] = request["temperature"]
    if request.get("top_p") is not None:
        body["p"] = min(max(request["top_p"], _P[0]), _P[1])
    if request.get("presence_penalty") and request.get("frequency_penalty"):
        raise unsupported("frequency_penalty", "this model does not take it together with 'presence_penalty'")
    for name in ("presence_penalty", "frequency_penalty"):
        if request.get(name):  # some models take one of them only, so one that is 0 stays here
            body[name] = request[name]
    return body


def thinking(request: Mapping[str, Any], facts: Facts) -> Item:
    """Models that can think do, unless they are told not to."""
    effort = (request.get("reasoning") or {}).get("effort")
    if effort is None:
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    if facts.reasoning == "switch":
        return {"thinking": {"type": "enabled"}}
    most = request.get("max_output_tokens") or facts.max_output_tokens
    return {"thinking": {"type": "enabled", "token_budget": _budget(effort, most)}}


def _budget(effort: str, most: int | None) -> int:
    """At least half of what may be written is left for the answer."""
    budget = _BUDGETS[effort]
    return budget if most is None else max(1, min(budget, most // 2))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the answer may be: its form, and what it may call."""

    body: Item = field(default_factory=dict)
    instructions: str | None = None
    schema: Item | None = None


def answer(request: Mapping[str, Any], facts: Facts) -> Answer:
    choice = chosen(request)
    wanted = form(request)
    if wanted is None:
        return Answer(_tools(choice))
    words = in_words(request, wanted)  # so no tool may be called: an answer has a form, or tools
    if facts.schemas is False:
        return Answer({}, words, wanted.schema)
    asked: Item = {"type": "json_object"}
    if not wanted.loose:
        asked["json_schema"] = wanted.schema
    return Answer({"response_format": asked}, _JSON)


def _tools(choice: Chosen) -> Item:
    functions = choice.functions
    if choice.only is not None:  # who must call one is shown no other
        functions = [function for function in functions if function.name == choice.only]
    if not functions:
        return {}
    body: Item = {"tools": [_tool(function) for function in functions]}
    if all(function.strict and function.parameters.get("required") for function in functions):
        body["strict_tools"] = True  # of all tools, or of none; and it takes none without a required parameter
    match choice.mode:
        case "required":
            body["tool_choice"] = "REQUIRED"
        case "none":
            body["tool_choice"] = "NONE"
    return body


def _tool(function: Function) -> Item:
    described = {"description": function.description} if function.description else {}
    return {"type": "function", "function": {"name": function.name, **described, "parameters": function.parameters}}
