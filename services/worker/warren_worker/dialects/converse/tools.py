"""The tools of a request, and the choice between them.

Converse has no choice `none`, and wants every tool to be defined of which there is a call in the conversation. So tools
that must not be called are left out where there is no such call; else they stay, those that the request does not have
any more by their names only, and the model is told in words not to call any.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.objects import Item
from warren_worker.asked.blocks import Called
from warren_worker.asked.choice import Chosen, Function, chosen
from warren_worker.asked.dialogue import Turn
from warren_worker.asked.unsaid import unsupported
from warren_worker.dialects.converse.turns import tool_name
from warren_worker.dialects.converse.vendors import Vendor
from warren_worker.dialects.messages.output import holdable, holding, open_ended
from warren_worker.facts import Facts

_NONE = "Do not call any tools now: answer with what you know."


@dataclass(frozen=True, slots=True)
class Toolbox:
    config: Item | None = None
    """`toolConfig`."""
    fields: Item = field(default_factory=dict)
    """Of `additionalModelRequestFields`."""
    instructions: str | None = None
    forced: bool = False
    """A tool must be called."""


def toolbox(request: Mapping[str, Any], turns: list[Turn], facts: Facts, vendor: Vendor) -> Toolbox:
    choice = chosen(request)
    if facts.forced is False and choice.mode == "required":
        raise unsupported("tool_choice", "this model cannot be made to call a tool")
    called = {} if facts.tools is False else {tool_name(name): None for name in _called(turns)}
    if choice.mode == "none" or not choice.functions:
        if not called:
            return Toolbox()
        return Toolbox({"tools": _specs(choice.functions, called, facts)}, instructions=_NONE)
    config = {"tools": _specs(choice.functions, called, facts)}
    forced = choice.mode == "required"
    if choice.parallel is False:
        if not vendor.singles:
            raise unsupported("parallel_tool_calls")
        return Toolbox(config, {"tool_choice": {**_theirs(choice), "disable_parallel_tool_use": True}}, forced=forced)
    return Toolbox({**config, "toolChoice": _choice(choice)} if forced else config, forced=forced)


def _called(turns: list[Turn]) -> Iterator[str]:
    return (block.name for turn in turns for block in turn.blocks if isinstance(block, Called))


def _specs(functions: list[Function], called: Mapping[str, None], facts: Facts) -> list[Item]:
    strict = [one.parameters for one in functions if one.strict] if facts.schemas else []
    held = holdable([schema for schema in strict if not open_ended(schema)])
    given = [_spec(one, strict=held and bool(facts.schemas and one.strict)) for one in functions]
    names = {spec["toolSpec"]["name"] for spec in given}
    gone = [{"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in called]
    return [*given, *(spec for spec in gone if spec["toolSpec"]["name"] not in names)]


def _spec(function: Function, *, strict: bool) -> Item:
    if tool_name(function.name) != function.name:
        raise unsupported(f"{function.path}.name", "this model takes up to 64 letters, digits, '_' and '-'")
    spec: Item = {"name": function.name}
    if function.description and function.description.strip():
        spec["description"] = function.description
    schema = function.parameters
    if strict and not open_ended(schema):
        schema, spec["strict"] = holding(schema), True
    return {"toolSpec": {**spec, "inputSchema": {"json": schema}}}


def _choice(choice: Chosen) -> Item:
    return {"any": {}} if choice.only is None else {"tool": {"name": choice.only}}


def _theirs(choice: Chosen) -> Item:
    """The choice as Anthropic writes it."""
    match choice.mode, choice.only:
        case "required", None:
            return {"type": "any"}
        case "required", name:
            return {"type": "tool", "name": name}
        case _:
            return {"type": "auto"}
