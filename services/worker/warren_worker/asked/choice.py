"""The tools of a request, and the choice between them.

Models know functions: a custom tool becomes a function, a namespace the beginning of a name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from warren.errors import InvalidRequest
from warren.objects import Item
from warren_worker.asked.unsaid import missing, only, unsupported
from warren_worker.tools import Tool, flat, tools
from warren_worker.wrapping import KEY

_FUNCTION = ("type", "name", "description", "parameters", "strict")
_CUSTOM = ("type", "name", "description", "format")
_DEFAULTS = {"defer_loading": False, "async": False}
_CALLABLE = ("function", "custom")


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    description: str | None
    parameters: Item
    """A JSON schema of an object."""
    strict: bool | None
    path: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a model may call in its answer.

    `mode`: None if the request does not say; `only` is then, or with `required`, the one that must be called.
    """

    functions: list[Function]
    hosted: list[Tool]
    """Those that the provider runs itself."""
    mode: Literal["auto", "required", "none"] | None
    only: str | None
    parallel: bool | None


def chosen(request: Mapping[str, Any], *, hosted: frozenset[str] = frozenset()) -> Chosen:
    """The tools and the choice between them. `hosted`: types of tools that the provider runs itself.

    Raises:
        InvalidRequest: there is a tool that no model of this provider can be given, or the choice is of none.
    """
    given = request.get("tools") or []
    choice = request.get("tool_choice")
    if not given:
        if choice not in (None, "none", "auto"):
            raise InvalidRequest("'tool_choice' asks for a tool, and there are none.", param="tool_choice")
        return Chosen([], [], None, None, None)
    known: dict[str, Function] = {}
    run: list[Tool] = []
    for tool in tools(given):
        if tool.kind in hosted:
            run.append(tool)
            continue
        function = _function(tool)
        if known.setdefault(function.name, function) is not function:
            raise InvalidRequest(
                f"Two tools are called {function.name!r}.", param=f"{tool.path}.name", code="invalid_value"
            )
    parallel = request.get("parallel_tool_calls")
    match choice:
        case None | "none" | "auto" | "required":
            return Chosen(list(known.values()), run, choice, None, parallel)
        case {"type": "function" | "custom"}:
            return Chosen(list(known.values()), run, "required", _flat(choice, given, "tool_choice"), parallel)
        case {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": list(allowed)}:
            names = [_flat(one, given, f"tool_choice.tools[{at}]") for at, one in enumerate(allowed)]
            left = [function for name, function in known.items() if name in names]
            single = left[0].name if mode == "required" and len(left) == 1 else None
            return Chosen(left, [], mode, single, parallel)
        case _:
            raise unsupported("tool_choice", "this choice is not supported with this model")


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


def _function(tool: Tool) -> Function:
    if tool.kind not in _CALLABLE:
        raise unsupported(f"{tool.path}.type", f"{tool.kind!r} tools are not supported with this model")
    if not isinstance(tool.name, str):
        raise missing(f"{tool.path}.name")
    if "direct" not in (tool.given.get("allowed_callers") or ("direct",)):
        raise unsupported(f"{tool.path}.allowed_callers", "only 'direct' is supported with this model")
    given = {key: value for key, value in tool.given.items() if key != "allowed_callers"}
    only(given, _CUSTOM if tool.kind == "custom" else _FUNCTION, tool.path, _DEFAULTS)
    if tool.kind == "custom":
        parameters = {
            "type": "object",
            "properties": {KEY: {"type": "string", "description": "The whole input, as plain text."}},
            "required": [KEY],
            "additionalProperties": False,
        }
    else:
        parameters = given.get("parameters") or {"type": "object", "properties": {}}
        if parameters.get("type") is None:
            parameters = {**parameters, "type": "object"}
    description = "\n\n".join(_description(tool))
    return Function(tool.flat, description or None, parameters, given.get("strict"), tool.path)


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
