"""The fields of a request beside its conversation, its tools and its reasoning."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.objects import Item
from warren_worker.asked.form import Form, form, in_words
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


def sampled(request: Mapping[str, Any], sampling: str | None) -> None:
    """Refuse both where the model takes one of them. 1 is what they are anyway."""
    given = [name for name in ("temperature", "top_p") if request.get(name) not in (None, 1)]
    if sampling == "either" and len(given) > 1:
        raise unsupported("top_p", "this model takes either temperature or top_p")


@dataclass(frozen=True, slots=True)
class Format:
    """How the answer's text is asked for: by fields of the body, or by words and a check."""

    body: Item = field(default_factory=dict)
    instructions: str | None = None
    schema: Item | None = None


def text_format(request: Mapping[str, Any], *, schemas: bool, objects: bool, both: bool) -> Format:
    """`schemas`: the server can be held to them; `objects`: to JSON; `both`: also beside tools."""
    text = request.get("text") or {}
    only(text, ("format", "verbosity"), "text")
    said = {} if text.get("verbosity") in (None, "medium") else {"verbosity": text["verbosity"]}
    wanted = form(request)
    if wanted is None:
        return Format(said)
    if not both:
        in_words(request, wanted)
    if wanted.loose and (schemas or objects):
        return Format({**said, "response_format": {"type": "json_object"}})
    if schemas:
        return Format({**said, "response_format": _schema(wanted)})
    if objects and wanted.schema.get("type") == "object":
        said = {**said, "response_format": {"type": "json_object"}}
    return Format(said, in_words(request, wanted), wanted.schema)


def _schema(wanted: Form) -> Item:
    made: Item = {"name": wanted.name, "schema": wanted.schema}
    if wanted.description is not None:
        made["description"] = wanted.description
    if wanted.strict is not None:
        made["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": made}


def logprobs(request: Mapping[str, Any]) -> Item:
    wanted = "message.output_text.logprobs" in (request.get("include") or ())
    top = request.get("top_logprobs")
    if not top:
        return {"logprobs": True} if wanted else {}
    return {"logprobs": True, "top_logprobs": top}
