"""The fields of a request beside its conversation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.objects import Item
from warren_worker.asked.choice import Chosen, Function, chosen
from warren_worker.asked.form import Form, form, in_words
from warren_worker.asked.unsaid import unsupported
from warren_worker.facts import Facts, nearest

_OPTIONS = {
    "max_output_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
_LEVELS = ("low", "medium", "high")
_JSON = Form({"type": "object"}, loose=True).instructions
"""A model that is held to JSON and was not asked for it in words may write white space without an end."""


def options(request: Mapping[str, Any]) -> Item:
    return {theirs: request[ours] for ours, theirs in _OPTIONS.items() if request.get(ours) is not None}


def window(request: Mapping[str, Any]) -> Item:
    """Left alone, a server that has too little room forgets the beginning of a conversation, and says nothing."""
    cuts = request.get("truncation") == "auto"
    return {"truncate": cuts, "shift": cuts}


def thinking(request: Mapping[str, Any], facts: Facts) -> Item:
    """Most models that can think know on and off, some a level; the others refuse to."""
    effort = (request.get("reasoning") or {}).get("effort")
    if effort is None:
        return {}
    if effort == "none":
        return {"think": False}
    if facts.reasoning in ("level", "effort"):
        return {"think": nearest(effort, facts.efforts or _LEVELS)}
    return {"think": True}


def logprobs(request: Mapping[str, Any]) -> Item:
    top = request.get("top_logprobs")
    if top:
        return {"logprobs": True, "top_logprobs": top}
    return {"logprobs": True} if "message.output_text.logprobs" in (request.get("include") or ()) else {}


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
    return Answer({"format": "json" if wanted.loose else wanted.schema}, _JSON)


def _tools(choice: Chosen) -> Item:
    """Nobody can be made to call a tool. Who may call none is shown none."""
    if choice.mode == "required":
        raise unsupported("tool_choice", "only 'auto' and 'none' are supported with this model")
    if choice.mode == "none" or not choice.functions:
        return {}
    return {"tools": [_tool(function) for function in choice.functions]}


def _tool(function: Function) -> Item:
    described = {"description": function.description} if function.description else {}
    return {"type": "function", "function": {"name": function.name, **described, "parameters": function.parameters}}
