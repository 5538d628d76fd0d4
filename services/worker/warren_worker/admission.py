"""What a request uses of the table of parameters, and what of that is not taken."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from warren import objects
from warren.objects import Item
from warren_worker.asked.unsaid import unsupported
from warren_worker.parameters import NAMES, OURS, Parameter, Treatment
from warren_worker.tools import Tool, tools

_VERSIONED = ("web_search", "computer")
"""Tools whose type may end in a version or `_preview`."""
_FIELDS = {name: row for name, row in NAMES.items() if row.path == name and "." not in name}
_PARTS = {row.name.partition(":")[2]: row for row in NAMES.values() if row.path == "input"}
_NAMED_CHOICES = {"function": "function", "custom": "function", "allowed_tools": "allowed_tools"}

Given = tuple[Parameter, str, Any]
"""What a request uses: the row, the path to name in a refusal, the value."""


def given(request: Mapping[str, Any], items: list[Item]) -> Iterator[Given]:
    """The parameters that this request uses: its fields in their order, and then what is in its items.

    Raises:
        InvalidRequest: it has a field that is neither a row nor ours.
    """
    yield from _fields(request)
    yield from _parts(request, items)


def surplus(
    request: Mapping[str, Any], items: list[Item], table: Mapping[str, Treatment], *, drop: bool
) -> list[tuple[str, bool]]:
    """The paths of what `table` does not take, and has to go; each with whether it was asked for at all, or says what
    happens anyway. Elements of a list come in their order.

    Raises:
        InvalidRequest: something is not taken, and may not be left out; `param` names it.
    """
    speaks = any(not table.get(row.name, Treatment.REFUSED).taken for row in _PARTS.values())
    used = given(request, items) if speaks else _fields(request)
    return list(_surplus(used, table, drop=drop))


def _surplus(used: Iterable[Given], table: Mapping[str, Treatment], *, drop: bool) -> Iterator[tuple[str, bool]]:
    for row, path, value in used:
        treatment = table.get(row.name, Treatment.REFUSED)
        if treatment.taken:
            continue
        harmless = row.says_nothing(value)
        if not harmless and not (drop and treatment is Treatment.DROPPABLE):
            raise unsupported(f"{path}.type" if row.path == "tools" else path)
        yield path, not harmless


def _fields(request: Mapping[str, Any]) -> Iterator[Given]:
    for name, value in request.items():
        if value is None or name in OURS:
            continue
        if (row := _FIELDS.get(name)) is not None:
            yield row, name, value
        elif name == "tools":
            yield from _tools(value)
        elif name == "tool_choice":
            yield from _choice(value, request.get("tools"))
        elif name == "include":
            yield from _listed(value)
        elif name in ("text", "reasoning"):
            yield from _object(name, value)
        else:
            raise unsupported(name)


def _object(name: str, value: Item) -> Iterator[Given]:
    for key, inner in value.items():
        path = f"{name}.{key}"
        if inner is None:
            continue
        if path == "text.format":
            if (row := NAMES.get(f"{path}:{inner.get('type')}")) is not None:
                yield row, path, inner
        elif path == "reasoning.generate_summary":  # what `summary` was called first
            yield NAMES["reasoning.summary"], path, inner
        elif (row := NAMES.get(path)) is not None:
            yield row, path, inner
        else:
            raise unsupported(path)


def _listed(value: list[str]) -> Iterator[Given]:
    """What else may be included is of hosted tools, or ours to give: where there is none of it, there is nothing."""
    for at, one in enumerate(value):
        if (row := NAMES.get(f"include:{one}")) is not None:
            yield row, f"include[{at}]", one


def _tools(value: list[Item]) -> Iterator[Given]:
    for at, tool in enumerate(value):
        if tool.get("type") == "namespace":
            yield NAMES["tools:namespace"], f"tools[{at}]", tool
    for one in tools(value):
        yield _tool(one), one.path, one.given


def _tool(tool: Tool) -> Parameter:
    kind = str(tool.kind)
    kind = next((name for name in _VERSIONED if kind.startswith(name)), kind)
    row = NAMES.get(f"tools:{kind}")
    if row is None:
        raise unsupported(f"{tool.path}.type")
    return row


def _choice(value: Any, offered: list[Item] | None) -> Iterator[Given]:
    match value:
        case "none" if not offered:
            return
        case "required" | "none":
            yield NAMES[f"tool_choice:{value}"], "tool_choice", value
        case {"type": str(kind)}:
            if value.get("mode") == "required":
                yield NAMES["tool_choice:required"], "tool_choice", value
            yield NAMES[f"tool_choice:{_NAMED_CHOICES.get(kind, 'hosted')}"], "tool_choice", value


def _parts(request: Mapping[str, Any], items: list[Item]) -> Iterator[Given]:
    before = len(items) - len(objects.items(request.get("input") or []))
    earlier = "conversation" if request.get("conversation") is not None else "previous_response_id"
    for at, item in enumerate(items, -before):
        for key in ("content", "output"):
            if not isinstance(content := item.get(key), list):
                continue
            for number, part in enumerate(content):
                if isinstance(part, dict) and (row := _PARTS.get(part.get("type", ""))) is not None:
                    yield row, f"input[{at}].{key}[{number}]" if at >= 0 else earlier, part
