"""Tools and the choice between them.

A chat knows functions only: a custom tool becomes a function, a namespace the beginning of a name.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from warren.errors import InvalidRequest
from warren.responses import Item
from warren_worker.asked.unsaid import missing, only, unsupported
from warren_worker.tools import Tool, flat, tools
from warren_worker.wrapping import KEY

_FUNCTION = ("type", "name", "description", "parameters", "strict")
_CUSTOM = ("type", "name", "description", "format")
_DEFAULTS = {"defer_loading": False, "async": False}
_CALLABLE = ("function", "custom")


def chosen(request: Mapping[str, Any]) -> Item:
    """The tools and the choice between them, as fields of a chat's body."""
    given = request.get("tools") or []
    choice = request.get("tool_choice")
    if not given:
        if choice not in (None, "none", "auto"):
            raise InvalidRequest("'tool_choice' asks for a tool, and there are none.", param="tool_choice")
        return {}
    known: dict[str, Item] = {}
    for tool in tools(given):
        function = _function(tool)
        if known.setdefault(tool.flat, function) is not function:
            raise InvalidRequest(
                f"Two tools are called {tool.flat!r}.", param=f"{tool.path}.name", code="invalid_value"
            )
    body: Item = {}
    match choice:
        case None:
            pass
        case "none" | "auto" | "required":
            body["tool_choice"] = choice
        case {"type": "function" | "custom"}:
            body["tool_choice"] = _named(_flat(choice, given, "tool_choice"))
        case {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": list(allowed)}:
            names = [_flat(one, given, f"tool_choice.tools[{at}]") for at, one in enumerate(allowed)]
            known = {name: tool for name, tool in known.items() if name in names}
            body["tool_choice"] = _named(next(iter(known))) if mode == "required" and len(known) == 1 else mode
        case _:
            raise unsupported("tool_choice", "this choice is not supported with this model")
    if not known:
        return {}
    body = {"tools": list(known.values()), **body}
    if request.get("parallel_tool_calls") is not None:
        body["parallel_tool_calls"] = request["parallel_tool_calls"]
    return body


def _named(name: str) -> Item:
    return {"type": "function", "function": {"name": name}}


def _flat(wanted: Any, given: list[Item], path: str) -> str:
    """What is meant by this choice: a tool, by its own name or with its namespace."""
    if not isinstance(wanted, dict) or wanted.get("type") not in _CALLABLE:
        raise unsupported(path, "this choice is not supported with this model")
    name, namespace = wanted.get("name"), wanted.get("namespace")
    same_kind = [tool for tool in tools(given) if tool.kind == wanted["type"]]
    for tool in same_kind:
        if tool.flat == flat(str(name), namespace):
            return tool.flat
    for tool in same_kind:
        if tool.name == name and namespace is None:
            return tool.flat
    raise InvalidRequest(f"Tool choice {name!r} not found in 'tools' parameter.", param=path)


def _function(tool: Tool) -> Item:
    if tool.kind not in _CALLABLE:
        raise unsupported(f"{tool.path}.type", f"{tool.kind!r} tools are not supported with this model")
    if not isinstance(tool.name, str):
        raise missing(f"{tool.path}.name")
    if "direct" not in (tool.given.get("allowed_callers") or ("direct",)):
        raise unsupported(f"{tool.path}.allowed_callers", "only 'direct' is supported with this model")
    given = {key: value for key, value in tool.given.items() if key != "allowed_callers"}
    only(given, _CUSTOM if tool.kind == "custom" else _FUNCTION, tool.path, _DEFAULTS)
    description = "\n\n".join(_description(tool))
    function: Item = {"name": tool.flat, **({"description": description} if description else {})}
    if tool.kind == "custom":
        function["parameters"] = {
            "type": "object",
            "properties": {KEY: {"type": "string", "description": "The whole input, as plain text."}},
            "required": [KEY],
            "additionalProperties": False,
        }
    else:
        function |= {"strict": given["strict"]} if given.get("strict") is not None else {}
        function["parameters"] = given.get("parameters") or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _description(tool: Tool) -> Iterator[str]:
    if tool.namespace is not None and tool.namespace.get("description"):
        yield tool.namespace["description"]
    if tool.given.get("description"):
        yield tool.given["description"]
    if tool.kind != "custom":
        return
    match tool.given.get("format"):
        case None | {"type": "text"}:
            pass
        case {"type": "grammar", "syntax": str(syntax), "definition": str(definition)}:
            yield f"The input must match this {syntax} grammar:\n{definition}"
        case _:
            raise InvalidRequest(f"Invalid '{tool.path}.format'.", param=f"{tool.path}.format", code="invalid_value")
