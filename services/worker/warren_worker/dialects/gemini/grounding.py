"""What an answer has from a search: `groundingMetadata`."""

from collections.abc import Iterator
from typing import Any

from warren.objects import Item


def citations(metadata: Item, text: str) -> Iterator[Item]:
    """The annotations of this text. Google counts in bytes, the API in characters."""
    chunks = metadata.get("groundingChunks") or []
    encoded = text.encode()
    for support in metadata.get("groundingSupports") or ():
        start, end = _place(support.get("segment") or {}, text, encoded)
        for at in support.get("groundingChunkIndices") or ():
            if 0 <= at < len(chunks) and (source := _source(chunks[at])) is not None:
                title = str(source.get("title") or "")
                yield {
                    "type": "url_citation",
                    "url": source["uri"],
                    "title": title,
                    "start_index": start,
                    "end_index": end,
                }


def queries(metadata: Item) -> list[str]:
    return [str(query) for query in metadata.get("webSearchQueries") or ()]


def sources(metadata: Item) -> list[str]:
    found = (_source(chunk) for chunk in metadata.get("groundingChunks") or ())
    return [source["uri"] for source in found if source is not None]


def searched(queries: list[str], sources: list[str]) -> Item:
    """The search, as an item of the API."""
    return {
        "type": "web_search_call",
        "status": "completed",
        "action": {
            "type": "search",
            "query": queries[0] if queries else "",
            "queries": queries,
            "sources": [{"type": "url", "url": url} for url in dict.fromkeys(sources)],
        },
    }


def _source(chunk: Item) -> Item | None:
    """A page, or a document, or a place: whatever it is, it has a `uri`."""
    return next((one for one in chunk.values() if isinstance(one, dict) and isinstance(one.get("uri"), str)), None)


def _place(segment: Item, text: str, encoded: bytes) -> tuple[int, int]:
    """Where this segment begins and ends. What it quotes decides: parts are counted otherwise in a stream."""
    start, end = _number(segment.get("startIndex")), _number(segment.get("endIndex"))
    quoted = segment.get("text")
    elsewhere = isinstance(quoted, str) and encoded[start:end] != quoted.encode()
    if elsewhere and quoted and (found := text.find(quoted)) >= 0:
        return found, found + len(quoted)
    return _characters(encoded, start), _characters(encoded, end)


def _characters(encoded: bytes, at: int) -> int:
    return len(encoded[:at].decode(errors="ignore"))


def _number(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
