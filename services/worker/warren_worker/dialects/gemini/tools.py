"""The tools, and the choice between them."""

from collections.abc import Mapping
from typing import Any

from warren.objects import Item
from warren_worker.asked.choice import Chosen, Function, chosen
from warren_worker.asked.unsaid import only, unsupported
from warren_worker.dialects.gemini.manner import Manner
from warren_worker.tools import Tool

_SEARCHES = frozenset({"web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"})
_DEFAULTS = {"search_context_size": "medium", "external_web_access": True, "search_content_types": ["text"]}


def toolbox(request: Mapping[str, Any], manner: Manner) -> Item:
    """`tools` and `toolConfig`; nothing if there are none."""
    choice = chosen(request, hosted=_SEARCHES if manner.facts.web_search is not False else frozenset())
    searches = choice.hosted if choice.mode != "none" else []
    _check(choice, searches, request, manner)
    made: list[Item] = []
    if choice.functions:
        made.append({"functionDeclarations": [_declared(function) for function in choice.functions]})
    if searches:
        made.append({"googleSearch": _search(searches[0], manner)})
    if not made:
        return {}
    config: Item = {"functionCallingConfig": calling} if (calling := _calling(choice)) else {}
    if len(made) > 1 and not manner.vertex:
        config["includeServerSideToolInvocations"] = True  # without it, the two are refused together
    return {"tools": made, **({"toolConfig": config} if config else {})}


def _check(choice: Chosen, searches: list[Tool], request: Mapping[str, Any], manner: Manner) -> None:
    if not searches:
        return
    if choice.functions and not manner.combines:
        raise unsupported(searches[0].path, "a search together with functions is not supported with this model")
    if choice.mode == "required" and not choice.functions:
        raise unsupported("tool_choice", "a search cannot be required of this model")
    if request.get("max_tool_calls") is not None:
        raise unsupported("max_tool_calls", "this model's searches cannot be limited")


def _declared(function: Function) -> Item:
    """`strict` has no word here: arguments fit their schema as well as the model makes them."""
    about = {"description": function.description} if function.description is not None else {}
    return {"name": function.name, **about, "parametersJsonSchema": function.parameters}


def _search(tool: Tool, manner: Manner) -> Item:
    filters = tool.given.get("filters") or {}
    only(tool.given, ("type", "filters"), tool.path, _DEFAULTS)
    only(filters, ("blocked_domains",) if manner.vertex else (), f"{tool.path}.filters")
    return {"excludeDomains": filters["blocked_domains"]} if filters.get("blocked_domains") else {}


def _calling(choice: Chosen) -> Item:
    """`AUTO` is never said: it is the default, and refused beside a search."""
    match choice.mode:
        case "none":
            return {"mode": "NONE"}
        case "required" if choice.only is not None:
            return {"mode": "ANY", "allowedFunctionNames": [choice.only]}
        case "required":
            return {"mode": "ANY"}
        case _:
            return {}
