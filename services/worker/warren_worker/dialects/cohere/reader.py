"""What Cohere streams."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import from_json

from warren import sse
from warren.errors import UpstreamError, UpstreamTimeout
from warren.objects import Item
from warren_worker.dialect import (
    Annotation,
    Arguments,
    Delta,
    Kept,
    Stop,
    Text,
    Thought,
    Tokens,
    ToolCall,
    UpstreamId,
    plausible,
    used,
)
from warren_worker.dialects.cohere.messages import BY

_STOPS = {
    "COMPLETE": Stop(),
    "STOP_SEQUENCE": Stop(),
    "TOOL_CALL": Stop(),
    "MAX_TOKENS": Stop("max_output_tokens"),
    "ERROR_LIMIT": Stop("max_output_tokens"),
    "ERROR_TOXIC": Stop("content_filter"),
}


class CohereReader:
    """Reads one streamed answer. Thoughts, and the plan in front of calls, are the model's own words: reasoning."""

    __slots__ = ("_calls", "_count", "_ended", "_offsets", "_thinks", "_written")

    def __init__(self) -> None:
        self._thinks: str | None = None  # in which place reasoning is going on
        self._offsets: dict[Any, int] = {}  # by index: where a content block begins in the text of the answer
        self._written = 0
        self._calls: dict[Any, int] = {}  # by index: our handle
        self._count = 0
        self._ended = False

    def feed(self, event: sse.Event) -> Iterable[Delta]:
        if event.data == b"[DONE]" or self._ended:
            return
        try:
            yield from self._event(from_json(event.data))
        except (AttributeError, LookupError, TypeError, ValueError):
            raise UpstreamError("The provider sent an event that is no part of an answer.") from None

    def _event(self, event: Item) -> Iterator[Delta]:
        match event:
            case {"type": "message-start"}:
                if isinstance(id_ := event.get("id"), str):
                    yield UpstreamId(id_)
            case {"type": "content-start" | "content-delta" as kind, "delta": {"message": {"content": content}}}:
                if kind == "content-start":
                    self._offsets[event.get("index")] = self._written
                yield from self._content(content)
            case {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": str(plan)}}}:
                yield from self._think("plan", plan)
            case {"type": "tool-call-start" | "tool-call-delta", "delta": {"message": {"tool_calls": call}}}:
                yield from self._call(event.get("index"), call, begins=event["type"] == "tool-call-start")
            case {"type": "citation-start", "delta": {"message": {"citations": citation}}}:
                yield from self._cited(citation)
            case {"type": "message-end", "delta": dict(delta)}:
                yield from self._end(delta)
            case {"type": "content-delta" | "tool-call-start" | "tool-call-delta" | "message-end"}:
                raise TypeError("nothing is in it")
            case {"type": str()}:
                pass
            case _:
                raise TypeError("no event")

    def _content(self, content: Item) -> Iterator[Delta]:
        if thought := content.get("thinking"):
            yield from self._think("thinking", thought)
        if text := content.get("text"):
            self._thinks = None
            self._written += len(text)
            yield Text(_str(text))

    def _think(self, place: str, text: str) -> Iterator[Delta]:
        if text:
            yield Thought(_str(text))
        if text and self._thinks != place:
            self._thinks = place
            yield Kept({"by": BY, "as": place})

    def _call(self, index: Any, call: Item, *, begins: bool) -> Iterator[Delta]:
        function = call.get("function") or {}
        if begins:
            self._thinks = None
            self._calls[index] = self._count
            self._count += 1
            id_ = call.get("id")
            yield ToolCall(self._calls[index], str(id_) if id_ else None, _str(function["name"]))
        if part := function.get("arguments"):
            yield Arguments(self._calls[index], _str(part))

    def _cited(self, citation: Item) -> Iterator[Delta]:
        """Text is from documents and from what tools gave back; they are known to the client where they have a URL."""
        if citation.get("type") not in (None, "TEXT_CONTENT"):
            return
        for source in citation.get("sources") or ():
            found = source.get("document") or source.get("tool_output") or {}
            url = found.get("url") if isinstance(found, dict) else None
            if isinstance(url, str) and url.startswith(("https://", "http://")):
                begin = self._offsets.get(citation.get("content_index"), 0)
                yield Annotation(
                    {
                        "type": "url_citation",
                        "url": url,
                        "title": str(found.get("title") or ""),
                        "start_index": begin + _place(citation.get("start")),
                        "end_index": begin + _place(citation.get("end")),
                    }
                )

    def _end(self, delta: Item) -> Iterator[Delta]:
        self._ended = True
        if isinstance(usage := delta.get("usage"), dict):
            yield from _usage(usage)
        reason = _str(delta.get("finish_reason"))
        if reason == "TIMEOUT":
            raise UpstreamTimeout("The provider took too long to answer.")
        if (stop := _STOPS.get(reason)) is None:
            raise UpstreamError(f"The provider ended its answer with {reason[:40]!r}.")
        yield stop


def _usage(usage: Item) -> Iterator[Tokens]:
    """What was read and written, or else what is to be paid for, which is less: not all that Cohere adds is billed."""
    counted = usage.get("tokens") or usage.get("billed_units") or {}
    cached = usage.get("cached_tokens")
    return used(counted.get("input_tokens"), cached, None, counted.get("output_tokens"), None)


def _place(index: Any) -> int:
    return int(index) if plausible(index) else 0


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value
