"""Why LiteLLM's bill may differ from ours: each reason says what LiteLLM's must be then, to the digit."""

from collections.abc import Iterator
from decimal import Decimal

from tests.costs.making import deployment
from tests.costs.oracle import AT, Case, table
from warren import price_keys as keys
from warren.contracts import Usage
from warren.costs import Prices, Served
from warren.price_keys import amount

FREE = "LiteLLM takes a tool that has no price for free; to us the call's price is unknown"
LISTED = "the file has no price for a search; we take the vendor's list price, LiteLLM none"
ONE_TOOL = "LiteLLM charges one tool of a call, a search before a look into files; we charge all"
HOURS = "above a threshold, LiteLLM takes long cache writes at another tier for what they cost below it"
NO_TIERS = "LiteLLM's calculator for Fireworks knows no service tiers"
PERPLEXITY = "LiteLLM's calculator for Perplexity knows no cache, thresholds or tiers"
_TOOLS = frozenset({"web_search", "file_search"})


def reasons(case: Case) -> tuple[str, ...] | None:
    """Why these two differ; None if no reason that is known makes LiteLLM's bill what it is."""
    for tokens, why in _tokens(case):
        for tools, because in _tools(case):
            if (why or because) and case.theirs_is(tokens + tools):
                return why + because
    return None


def _tokens(case: Case) -> Iterator[tuple[Decimal, tuple[str, ...]]]:
    """What all tokens may cost there."""
    ours = case.total - case.line("web_search") - case.line("file_search")
    yield ours, ()
    said, entry = case.said, case.model.entry
    for kind, name in (("cache_write_1h", keys.CACHE_WRITE_1H), ("cache_write_12h", keys.CACHE_WRITE_12H)):
        if name in entry and said["tier"] in ("flex", "priority"):
            geo = amount((entry.get(keys.SPECIFIC) or {}).get(said["geo"], 1))
            below = said[f"{kind}_tokens"] * amount(entry.get(f"{name}_{said['tier']}") or entry[name]) * geo
            yield ours - case.line(kind) + below, (HOURS,)
    if case.model.ours == "fireworks_ai":
        usage = Usage(**{name: value for name, value in said.items() if name not in ("tier", "tools")})
        plain = Prices(table()).bill(deployment(f"fireworks_ai/{case.model.name}"), usage, Served(at=AT))
        yield plain.amount or Decimal(0), (NO_TIERS,)
    if case.model.ours == "perplexity":
        thought = said["reasoning_tokens"] if keys.REASONING in entry else 0
        read = said["input_tokens"] * amount(entry[keys.INPUT])
        written = (said["output_tokens"] - thought) * amount(entry[keys.OUTPUT])
        yield read + written + thought * amount(entry.get(keys.REASONING, 0)), (PERPLEXITY,)


def _tools(case: Case) -> Iterator[tuple[Decimal, tuple[str, ...]]]:
    """What all tools may cost there."""
    searches, files = case.line("web_search"), case.line("file_search")
    free = (FREE,) if _TOOLS & set(case.ours.unpriced) else ()
    yield searches + files, free
    if searches and files:
        yield searches, (*free, ONE_TOOL)
    if searches and keys.SEARCHES not in case.model.entry:
        yield files, (*free, LISTED)
        yield Decimal(0), (*free, LISTED, ONE_TOOL)
    if searches and case.model.ours == "perplexity":
        costs = case.model.entry[keys.SEARCHES]
        yield case.said["tools"]["web_search"] * amount(costs["search_context_size_low"]), (*free, PERPLEXITY)
