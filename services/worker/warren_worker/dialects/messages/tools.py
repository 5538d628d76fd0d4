"""The tools, and the choice between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.objects import Item
from warren_worker.asked.blocks import Called
from warren_worker.asked.choice import Chosen, Function, chosen
from warren_worker.asked.dialogue import Turn
from warren_worker.asked.unsaid import only, unsupported
from warren_worker.dialects.messages.output import holdable, holding, open_ended
from warren_worker.facts import Facts
from warren_worker.tools import Tool

_SEARCHES = frozenset({"web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"})
_USES = {"low": 1, "high": 10}
"""How often a model may search, if it is to make little or much of what it finds; in between it may decide."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    body: Item = field(default_factory=dict)
    forced: bool = False
    """A tool must be called."""


def toolbox(request: Mapping[str, Any], turns: list[Turn], facts: Facts) -> Toolbox:
    choice = chosen(request, hosted=_SEARCHES if facts.web_search is not False else frozenset())
    if facts.forced is False and choice.mode == "required":
        raise unsupported("tool_choice", "this model cannot be made to call a tool")
    tools = _functions(choice.functions, facts)
    tools += [_search(tool, request.get("max_tool_calls")) for tool in choice.hosted]
    if not tools:
        return _called_before(turns)
    wanted = _choice(choice)
    return Toolbox({"tools": tools, **wanted}, forced=choice.mode == "required")


def _called_before(turns: list[Turn]) -> Toolbox:
    """Calls in a conversation need tools to be defined, if only by their names, though none may be called now."""
    names = dict.fromkeys(block.name for turn in turns for block in turn.blocks if isinstance(block, Called))
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in names]
    return Toolbox({"tools": tools, "tool_choice": {"type": "none"}}) if tools else Toolbox()


def _choice(choice: Chosen) -> Item:
    single = {"disable_parallel_tool_use": True} if choice.parallel is False else {}
    match choice.mode:
        case "none":
            return {"tool_choice": {"type": "none"}}
        case "required" if choice.only is not None:
            return {"tool_choice": {"type": "tool", "name": choice.only, **single}}
        case "required":
            return {"tool_choice": {"type": "any", **single}}
        case _:
            return {"tool_choice": {"type": "auto", **single}} if single or choice.mode else {}


def _functions(functions: list[Function], facts: Facts) -> list[Item]:
    """Those that are strict are held to their schemas, unless that is more than the API holds in one request."""
    strict = [one.parameters for one in functions if one.strict] if facts.schemas else []
    held = holdable([schema for schema in strict if not open_ended(schema)])
    return [_function(one, strict=held and bool(facts.schemas and one.strict)) for one in functions]


def _function(function: Function, *, strict: bool) -> Item:
    made: Item = {"name": function.name}
    if function.description is not None:
        made["description"] = function.description
    made["input_schema"] = function.parameters
    if strict and not open_ended(made["input_schema"]):
        made |= {"input_schema": holding(made["input_schema"]), "strict": True}
    return made


def _search(tool: Tool, most: int | None) -> Item:
    given = tool.given
    known = ("type", "filters", "user_location", "search_context_size")
    only(given, known, tool.path, {"external_web_access": True, "search_content_types": ["text"]})
    made: Item = {"type": "web_search_20250305", "name": "web_search"}
    uses = [number for number in (_USES.get(given.get("search_context_size") or ""), most) if number is not None]
    if uses:
        made["max_uses"] = min(uses)
    filters = given.get("filters") or {}
    only(filters, ("allowed_domains", "blocked_domains"), f"{tool.path}.filters")
    made |= {name: domains for name, domains in filters.items() if domains}
    if place := given.get("user_location"):
        made["user_location"] = {"type": "approximate"} | {key: value for key, value in place.items() if value}
    return made
