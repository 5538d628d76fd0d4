"""The fields of a request beside its conversation and its tools."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from warren.errors import InvalidRequest
from warren.responses import Item
from warren_worker.asked.unsaid import only, unsupported

_SAME = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "user",
)
_OURS = (
    "model",
    "input",
    "instructions",
    "previous_response_id",
    "conversation",
    "store",
    "stream",
    "stream_options",
    "metadata",
    "include",  # what it may name is either ours to give, or of hosted tools, and there are none here
    "max_output_tokens",
    "max_tool_calls",  # limits hosted tools
    "parallel_tool_calls",
    "top_logprobs",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "truncation",  # whoever calls us shortens the conversation,
    "context_management",  # or compacts it
    "background",
    "client_metadata",  # sent by the Codex CLI for its own bookkeeping
)
_DEFAULTS = {
    "background_options": {"completion_window": "soonest"},
    "prompt_cache_options": {"mode": "implicit", "ttl": "30m"},
}
"""Fields that no chat server has, but which may say what happens anyway."""
_NOTHING_ELSE = "and nothing else: no explanation, no code fence"


def same(request: Mapping[str, Any], knows: frozenset[str]) -> Item:
    """What goes out as it came.

    Raises:
        InvalidRequest: a field can neither go out nor be left out.
    """
    for name, defaults in _DEFAULTS.items():
        if name not in knows and isinstance(given := request.get(name), dict):
            only(given, (), name, defaults)
    only(request, (*_OURS, *_SAME, *knows, *_DEFAULTS), "")
    return {name: request[name] for name in (*_SAME, *sorted(knows)) if request.get(name) is not None}


@dataclass(frozen=True, slots=True)
class Format:
    """How the answer's text is asked for: by fields of the body, or by words and a check."""

    body: Item = field(default_factory=dict)
    instructions: str | None = None
    schema: Item | None = None


def text_format(request: Mapping[str, Any], *, native: bool) -> Format:
    text = request.get("text") or {}
    only(text, ("format", "verbosity"), "text")
    said = {} if text.get("verbosity") in (None, "medium") else {"verbosity": text["verbosity"]}
    match text.get("format"):
        case None | {"type": "text"}:
            return Format(said)
        case {"type": "json_object"}:
            if native:
                return Format({**said, "response_format": {"type": "json_object"}})
            return _in_words(request, said, {"type": "object"}, f"Answer with one JSON object {_NOTHING_ELSE}.")
        case {"type": "json_schema", "name": str(name), "schema": dict(schema)} as wanted:
            if not native:
                return _in_words(request, said, schema, _instructions(wanted))
            kept = {key: wanted[key] for key in ("description", "strict") if wanted.get(key) is not None}
            asked = {"type": "json_schema", "json_schema": {"name": name, "schema": schema, **kept}}
            return Format({**said, "response_format": asked})
        case _:
            raise InvalidRequest("Invalid 'text.format'.", param="text.format", code="invalid_value")


def _in_words(request: Mapping[str, Any], said: Item, schema: Item, instructions: str) -> Format:
    """For a server that cannot be held to a schema. A model that may also call tools is not held by words either."""
    if request.get("tools") and request.get("tool_choice") != "none":
        raise unsupported("text.format", "structured output together with tools is not supported with this model")
    return Format(said, instructions, schema)


def _instructions(wanted: Item) -> str:
    about = f" ({wanted['description']})" if wanted.get("description") else ""
    return (
        f"Answer with one JSON value{about} that is valid against the JSON schema below, {_NOTHING_ELSE}.\n\n"
        + to_json(wanted["schema"]).decode()
    )


def effort(request: Mapping[str, Any]) -> Item:
    """A summary may be asked for; what a chat server shows is the reasoning itself."""
    reasoning = request.get("reasoning") or {}
    only(reasoning, ("effort", "summary", "generate_summary"), "reasoning", {"context": "auto", "mode": "standard"})
    return {"reasoning_effort": reasoning["effort"]} if reasoning.get("effort") is not None else {}


def logprobs(request: Mapping[str, Any]) -> Item:
    wanted = "message.output_text.logprobs" in (request.get("include") or ())
    top = request.get("top_logprobs")
    if not top:
        return {"logprobs": True} if wanted else {}
    return {"logprobs": True, "top_logprobs": top}
