"""Searches that Anthropic made itself: as items of the API, and as it wants to see them again."""

from collections.abc import Iterator
from typing import Any

from warren.objects import Item
from warren_worker.dialect import Annotation, Hosted, Kept
from warren_worker.dialects.messages.turns import BY


class Searches:
    """Those of one answer."""

    def __init__(self) -> None:
        self._waiting: dict[str, Item] = {}

    def asked(self, block: Item) -> None:
        """A search was asked for: the whole block."""
        self._waiting[block["id"]] = block

    def found(self, block: Item) -> Iterator[Hosted | Kept]:
        """Its result. That of a search in an answer that was paused goes to where the search is."""
        use = self._waiting.pop(block["tool_use_id"], None)
        if use is None:
            yield _kept(block)
            return
        found = block.get("content")
        yield Hosted(_item(use, found if isinstance(found, list) else None))
        yield _kept(use, block)

    def unfinished(self, *, paused: bool) -> Iterator[Hosted | Kept]:
        """Those without a result at the end of the answer."""
        waiting, self._waiting = self._waiting, {}
        for use in waiting.values():
            yield Hosted(_item(use, [] if paused else None))
            if paused:
                yield _kept(use)


def cited(citation: Any, start: int, end: int) -> Iterator[Annotation]:
    """An annotation of this stretch of a text; citations of documents, which nobody asks for, have no address."""
    match citation:
        case {"type": "web_search_result_location", "url": str(url)}:
            title = citation.get("title") or url
            span = {"start_index": start, "end_index": end}
            yield Annotation({"type": "url_citation", "url": url, "title": title, **span})


def _item(use: Item, found: list[Any] | None) -> Item:
    query = use["input"].get("query") if isinstance(use.get("input"), dict) else None
    urls = [one["url"] for one in found or () if isinstance(one, dict) and isinstance(one.get("url"), str)]
    sources = [{"type": "url", "url": url} for url in urls]
    action = {"type": "search", "query": str(query or ""), "sources": sources}
    return {"type": "web_search_call", "status": "failed" if found is None else "completed", "action": action}


def _kept(*blocks: Item) -> Kept:
    return Kept({"by": BY, "blocks": list(blocks)}, thought=False)
