"""Web search, as far as chat servers have one of their own."""

from typing import Literal

from warren.objects import Item
from warren_worker.asked.unsaid import only, unsupported
from warren_worker.tools import Tool

Searching = Literal["web_search_options", "perplexity", "openrouter"]
"""How it is asked for: by a field of OpenAI's, by Perplexity's of the same name (it searches in any case), or by
OpenRouter's server tool."""

SEARCHES = frozenset({"web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"})
_KNOWN = ("type", "search_context_size", "user_location", "filters")
_PLACE = ("country", "region", "city", "timezone")
_OF_OPENROUTER = {"allowed_domains": "allowed_domains", "blocked_domains": "excluded_domains"}


def searched(body: Item, tool: Tool, how: Searching, *, allowed: bool) -> Item:
    """The body that asks for this search as well."""
    only(tool.given, _KNOWN, tool.path, {"search_content_types": ["text"], "external_web_access": True})
    filters = tool.given.get("filters") or {}
    size = tool.given.get("search_context_size")
    place = {name: value for name, value in (tool.given.get("user_location") or {}).items() if name in _PLACE and value}
    if not allowed:
        return {**body, "disable_search": True} if how == "perplexity" else body
    options: Item = {"search_context_size": size} if size else {}
    match how:
        case "web_search_options":
            only(filters, (), f"{tool.path}.filters", {"allowed_domains": []})
            if place:
                options["user_location"] = {"type": "approximate", "approximate": place}
            return {**body, "web_search_options": options}
        case "perplexity":
            only(place, ("country", "region", "city"), f"{tool.path}.user_location")
            if place:
                options["user_location"] = place
            domains = {"search_domain_filter": found} if (found := _domains(filters, f"{tool.path}.filters")) else {}
            return {**body, **domains, **({"web_search_options": options} if options else {})}
        case "openrouter":
            only(filters, tuple(_OF_OPENROUTER), f"{tool.path}.filters")
            options |= {_OF_OPENROUTER[name]: domains for name, domains in filters.items() if domains}
            if place:
                options["user_location"] = {"type": "approximate", **place}
            asked: Item = {"type": "openrouter:web_search", **({"parameters": options} if options else {})}
            return {**body, "tools": [*body.get("tools", ()), asked]}


def _domains(filters: Item, path: str) -> list[str]:
    """Perplexity's one list of domains: those to search, or else those not to, behind a minus."""
    only(filters, ("allowed_domains", "blocked_domains"), path)
    allowed, blocked = filters.get("allowed_domains") or [], filters.get("blocked_domains") or []
    if allowed and blocked:
        raise unsupported(f"{path}.blocked_domains", "this model does not take it together with 'allowed_domains'")
    return [*allowed, *(f"-{domain}" for domain in blocked)]
