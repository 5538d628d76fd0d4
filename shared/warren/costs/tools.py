"""Tools that a provider hosts and charges for by the call: each of them is counted, and each is charged."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from warren import price_keys as keys
from warren.contracts import CostLine
from warren.costs.bill import Served
from warren.costs.sheet import Sheet
from warren.objects import Item

WEB_SEARCH = "web_search"
WEB_QUERIES = "web_queries"
"""What was looked up in those searches: some charge by that."""
FILE_SEARCH = "file_search"
CONTAINERS = "code_interpreter"
MAPS = "google_maps"
IMAGES = "image_generation"

_LISTED: Mapping[str, Mapping[str, Decimal]] = {
    "anthropic": {WEB_SEARCH: Decimal("0.01")},
    "azure": {CONTAINERS: Decimal("0.033")},
    "gemini": {WEB_SEARCH: Decimal("0.035"), MAPS: Decimal("0.025")},
    "openai": {WEB_SEARCH: Decimal("0.01"), FILE_SEARCH: Decimal("0.0025"), CONTAINERS: Decimal("0.03")},
    "vertex_ai": {WEB_SEARCH: Decimal("0.035"), MAPS: Decimal("0.025")},
    "xai": {WEB_SEARCH: Decimal("0.005")},
}
"""The vendors' list prices for a use of what costs the same with all their models, where a model's entry does not say:
as LiteLLM 1.109.1 has them."""
_BY_PROMPT = frozenset({"gemini", "vertex_ai"})
"""Who charges for a prompt that was looked up, however often, unless the model's entry says that it is by the query."""
_SIZES = ("medium", "low", "high")


def counted(items: Iterable[Item]) -> dict[str, int]:
    """How often tools were used that cost something, by the items of an answer."""
    found: dict[str, int] = {}
    containers: set[object] = set()
    cited = False
    for item in items:
        match item.get("type"):
            case "web_search_call":
                _search(found, item.get("action"))
            case "file_search_call":
                found[FILE_SEARCH] = found.get(FILE_SEARCH, 0) + 1
            case "image_generation_call" if item.get("status") != "failed":
                found[IMAGES] = found.get(IMAGES, 0) + 1
            case "code_interpreter_call":
                containers.add(str(item.get("container_id")))
            case "message":
                cited = cited or any(map(_cites, _listed(item.get("content"))))
    if cited and WEB_SEARCH not in found:
        found |= {WEB_SEARCH: 1, WEB_QUERIES: 1}  # a search that shows by its citations only
    return {**found, CONTAINERS: len(containers)} if containers else found


def _cites(part: Item) -> bool:
    return any(one.get("type") == "url_citation" for one in _listed(part.get("annotations")))


def _listed(value: object) -> list[Item]:
    """The objects in this, if it is a list: a provider may say anything."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _search(found: dict[str, int], action: object) -> None:
    """Count one call of a web search. To open a page that was found costs nothing."""
    said = action if isinstance(action, dict) else {}
    if said.get("type", "search") != "search":
        return
    queries = said.get("queries")
    found[WEB_SEARCH] = found.get(WEB_SEARCH, 0) + 1
    found[WEB_QUERIES] = found.get(WEB_QUERIES, 0) + (len(queries) if isinstance(queries, list) and queries else 1)


def charged(tools: Mapping[str, int], sheet: Sheet, served: Served) -> Iterator[CostLine | str]:
    """A line for each tool; the name of one that has no price."""
    for name, times in tools.items():
        if times <= 0 or name == WEB_QUERIES:
            continue
        rate, count = _rate(name, sheet, served), times
        if name == WEB_SEARCH:
            count = _searches(tools, sheet)
        elif name == MAPS and sheet.vendor in _BY_PROMPT and sheet.search_unit != "per_query":
            count = 1
        if rate is None:
            rate = _LISTED.get(sheet.vendor, {}).get(name)
        yield name if rate is None else CostLine(name, Decimal(count), rate)


def _searches(tools: Mapping[str, int], sheet: Sheet) -> int:
    if sheet.search_unit == "per_query":
        return tools.get(WEB_QUERIES) or tools[WEB_SEARCH]
    return 1 if sheet.vendor in _BY_PROMPT else tools[WEB_SEARCH]


def _rate(name: str, sheet: Sheet, served: Served) -> Decimal | None:
    match name:
        case "web_search":
            sizes = (served.search_size or "medium", *_SIZES)
            found = (sheet.searches.get(f"search_context_size_{size}") for size in sizes)
            return next((rate for rate in found if rate is not None), None)
        case "file_search":
            thousand = sheet.number(keys.FILE_SEARCHES)
            return None if thousand is None else thousand / 1000
        case "code_interpreter":
            return sheet.number(keys.CONTAINER)
        case "google_maps":
            return sheet.number(keys.MAPS)
    return None
