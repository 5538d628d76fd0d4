"""The body of a request."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic_core import to_json

from warren.objects import Item
from warren_worker.asked.dialogue import dialogue
from warren_worker.asked.form import form
from warren_worker.asked.unsaid import only, unsupported
from warren_worker.dialect import Conversation
from warren_worker.dialects.converse import vendors
from warren_worker.dialects.converse.caching import Points
from warren_worker.dialects.converse.thinking import Thinking, thinking
from warren_worker.dialects.converse.tools import toolbox
from warren_worker.dialects.converse.turns import Telling, runs_without_thoughts
from warren_worker.dialects.messages.caching import caching
from warren_worker.dialects.messages.output import Output, output
from warren_worker.facts import Facts
from warren_worker.parameters import NAMES, OURS

_KNOWN = (*{name.partition(":")[0].partition(".")[0] for name in NAMES}, *OURS)
_TIERS = {"auto": None, "default": "default", "flex": "flex", "priority": "priority"}
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")


def asked(conversation: Conversation, facts: Facts, name: str) -> tuple[Item, Item | None]:
    """The body, for a model of the vendor of this name; and a schema that the answer is to be checked against.

    Raises:
        InvalidRequest: it cannot say what the request holds.
    """
    request, vendor = conversation.request, vendors.of(name, facts)
    only(request, _KNOWN, "")
    only(request.get("background_options") or {}, (), "background_options", {"completion_window": "soonest"})
    schemas = facts.schemas if facts.schemas is not None or vendor.schemas else False
    given = dialogue(conversation)
    wanted = output(request, replace(facts, schemas=schemas))
    tools = toolbox(request, given.turns, facts, vendor)
    telling = Telling(name, facts, Points(caching(request), vendor))
    instructions = [one for one in (wanted.instructions, tools.instructions) if one is not None]
    system, messages = telling.told(given, instructions)
    thought = thinking(request, facts, vendor, forced=tools.forced, begun=not runs_without_thoughts(messages))
    parts: Item = {
        "system": system,
        "inferenceConfig": _inference(request, thought, facts, claude=vendor.thinks == "thinking"),
        "toolConfig": tools.config,
        "additionalModelRequestFields": {**thought.fields, **tools.fields},
        "outputConfig": _output(request, wanted, thought.effort),
        **_account(request),
    }
    return {"messages": messages, **{name: part for name, part in parts.items() if part}}, wanted.schema


def counted(body: Item) -> Item:
    """What of a body can be counted."""
    return {name: body[name] for name in _COUNTED if name in body}


def _inference(request: Mapping[str, Any], thought: Thinking, facts: Facts, *, claude: bool) -> Item:
    given = {name: request[name] for name in ("temperature", "top_p") if request.get(name) is not None}
    if claude:  # with it, 1 happens anyway, and newer models refuse to be told anything at all
        given = {name: value for name, value in given.items() if value != 1}
    for name in given:
        if facts.sampling == "none":
            raise unsupported(name)
    if given.get("temperature", 0) > 1:
        raise unsupported("temperature", "more than 1 is not supported with this model")
    if thought.on and "temperature" in given:
        raise unsupported("temperature", "this model takes none while it reasons")
    if thought.on and given.get("top_p", 1) < 0.95:
        raise unsupported("top_p", "this model takes no less than 0.95 while it reasons")
    if len(given) == 2 and (facts.sampling == "either" or (claude and facts.sampling is None)):
        raise unsupported("top_p", "this model does not take it together with 'temperature'")
    limit = {"maxTokens": thought.max_tokens} if thought.max_tokens is not None else {}
    return limit | {{"temperature": "temperature", "top_p": "topP"}[name]: value for name, value in given.items()}


def _output(request: Mapping[str, Any], wanted: Output, effort: str | None) -> Item:
    made: Item = {"effort": effort} if effort is not None else {}
    asked_for = form(request)
    if wanted.config and asked_for is not None:
        schema: Item = {"name": asked_for.name, "schema": to_json(wanted.config["format"]["schema"]).decode()}
        if asked_for.description:
            schema["description"] = asked_for.description
        made["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    return made


def _account(request: Mapping[str, Any]) -> Item:
    """Who asks, for the log of the account, and how urgently."""
    made: Item = {}
    who = {name: request[name] for name in ("safety_identifier", "user") if request.get(name)}
    for name, value in who.items():
        if not _METADATA.fullmatch(value):
            raise unsupported(name, "this provider takes up to 256 letters, digits, blanks and any of ':_@$#=/+,.-'")
    if who:
        made["requestMetadata"] = who
    if (tier := request.get("service_tier")) is not None:
        if tier not in _TIERS:
            raise unsupported("service_tier", f"{tier!r} is not supported with this model")
        made["serviceTier"] = {"type": _TIERS[tier]} if _TIERS[tier] else {}
    return made
