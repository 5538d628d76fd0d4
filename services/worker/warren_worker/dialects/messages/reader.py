"""Reads the stream of an answer."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json, to_json

from warren import sse
from warren.costs.tools import WEB_SEARCH
from warren.errors import UpstreamError
from warren.objects import Item
from warren_worker.dialect import (
    Arguments,
    Delta,
    Kept,
    Refusal,
    Stop,
    Summary,
    Text,
    Tier,
    ToolCall,
    UpstreamId,
    plausible,
    used,
)
from warren_worker.dialects.messages.refusals import inside
from warren_worker.dialects.messages.searches import Searches, cited
from warren_worker.dialects.messages.turns import BY

_DONE = Stop()
_STOPS = {
    "end_turn": _DONE,
    "stop_sequence": _DONE,
    "tool_use": _DONE,
    "max_tokens": Stop("max_output_tokens"),
    "model_context_window_exceeded": Stop("max_output_tokens"),
    "refusal": Stop("content_filter"),
    "pause_turn": Stop("paused"),
}
"""By stop reason. One that is not here may be anything, an error among them: the answer fails."""
_TIERS = {"standard": "default", "priority": "priority"}
_STRANGE = "The provider sent an event that is no part of a message."


@dataclass(slots=True)
class _Block:
    """A block that is open: how it began, and what has been added to it."""

    began: Item
    parts: list[str] = field(default_factory=list)
    signature: str = ""
    citations: list[Any] = field(default_factory=list)
    start: int = 0
    """Of a text: where in its message it begins."""

    @property
    def kind(self) -> Any:
        return self.began["type"]

    @property
    def text(self) -> str:
        return "".join(self.parts)


class MessagesReader:
    """Reads one answer."""

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._searches = Searches()
        self._said = 0  # characters of the message that the next text belongs to
        self._usage: Item = {}
        self._stop = _DONE
        self._ended = False

    def feed(self, event: sse.Event) -> Iterator[Delta]:
        if self._ended:
            return
        try:
            data = from_json(event.data)
        except ValueError:
            raise UpstreamError("The provider sent an event that is not JSON.") from None
        try:
            yield from self._read(data)
        except (AttributeError, LookupError, TypeError, ValueError):
            raise UpstreamError(_STRANGE) from None

    def _read(self, data: Any) -> Iterator[Delta]:
        match data:
            case {"type": "content_block_delta", "index": int(at), "delta": {"type": str()} as delta}:
                yield from self._more(at, delta)
            case {"type": "content_block_start", "index": int(at), "content_block": {"type": str()} as block}:
                yield from self._begin(at, block)
            case {"type": "content_block_stop", "index": int(at)}:
                yield from self._close(at, self._blocks.pop(at))
            case {"type": "message_start", "message": dict(message)}:
                yield from self._start(message)
            case {"type": "message_delta", "delta": dict(delta)}:
                yield from self._end(delta, data.get("usage"))
            case {"type": "message_stop"}:
                self._ended = True
                yield from self._searches.unfinished(paused=self._stop.reason == "paused")
                yield self._stop
            case {"type": "error"}:
                raise inside(data.get("error"))
            case {"type": str(kind)} if not kind.startswith(("content_block_", "message_")):
                pass
            case _:
                raise ValueError(_STRANGE)

    def _start(self, message: Item) -> Iterator[Delta]:
        """What is used so far is no news: who never hears more of it than this estimates it better."""
        if isinstance(id_ := message.get("id"), str):
            yield UpstreamId(id_)
        usage = message.get("usage")
        if isinstance(usage, dict):
            self._usage |= usage
            if (tier := _TIERS.get(str(usage.get("service_tier")))) is not None:
                yield Tier(tier)

    def _begin(self, at: int, began: Item) -> Iterator[Delta]:
        block = self._blocks[at] = _Block(began, start=self._said)
        match began:
            case {"type": "text"}:
                yield from self._say(block, began.get("text") or "")
            case {"type": "thinking"}:
                self._said = 0
                yield from _think(at, block, began.get("thinking") or "")
                block.signature = began.get("signature") or ""
            case {"type": "tool_use", "id": str(id_), "name": str(name)}:
                self._said = 0
                yield ToolCall(at, id_, name)
                if began.get("input"):  # whole, from servers that are only alike
                    yield _argument(at, block, to_json(began["input"]).decode())
            case {"type": "tool_use"}:
                raise ValueError(_STRANGE)

    def _more(self, at: int, delta: Item) -> Iterator[Delta]:
        block = self._blocks[at]
        match delta:
            case {"type": "text_delta", "text": str(text)} if block.kind == "text":
                yield from self._say(block, text)
            case {"type": "thinking_delta", "thinking": str(text)} if block.kind == "thinking":
                yield from _think(at, block, text)
            case {"type": "signature_delta", "signature": str(signature)}:
                block.signature += signature
            case {"type": "input_json_delta", "partial_json": str(part)} if block.kind == "tool_use":
                if part:
                    yield _argument(at, block, part)
            case {"type": "input_json_delta", "partial_json": str(part)}:
                block.parts.append(part)
            case {"type": "citations_delta", "citation": citation}:
                block.citations.append(citation)
            case {"type": "text_delta", "text": str()} | {"type": "thinking_delta", "thinking": str()}:
                pass  # of a block of some new type
            case {"type": "text_delta" | "thinking_delta" | "signature_delta" | "input_json_delta"}:
                raise ValueError(_STRANGE)

    def _close(self, at: int, block: _Block) -> Iterator[Delta]:
        match block.began:
            case {"type": "text"}:
                for citation in block.citations:
                    yield from cited(citation, block.start, block.start + len(block.text))
            case {"type": "thinking"} if block.signature:
                thought = {"type": "thinking", "thinking": block.text, "signature": block.signature}
                yield Kept({"by": BY, "block": thought})
            case {"type": "redacted_thinking", "data": str(data)}:
                self._said = 0
                yield Kept({"by": BY, "block": {"type": "redacted_thinking", "data": data}})
            case {"type": "tool_use"} if not block.parts:
                yield Arguments(at, "{}")
            case {"type": "server_tool_use", "id": str(), "name": "web_search"} as began:
                self._searches.asked({**began, "input": _object(block.text) or began.get("input") or {}})
            case {"type": "web_search_tool_result", "tool_use_id": str()} as began:
                self._said = 0
                yield from self._searches.found(began)

    def _end(self, delta: Item, usage: Any) -> Iterator[Delta]:
        if isinstance(usage, dict):
            self._usage |= {name: value for name, value in usage.items() if value is not None}
            yield from _used(self._usage)
        if (reason := delta.get("stop_reason")) is None:
            return
        if reason not in _STOPS:
            raise UpstreamError(f"The provider ended its answer with {str(reason)[:40]!r}.")
        self._stop = _STOPS[reason]
        match delta.get("stop_details"):
            case {"type": "refusal", "explanation": str(text)} if text:
                yield Refusal(text)

    def _say(self, block: _Block, text: str) -> Iterator[Delta]:
        if text:
            block.parts.append(text)
            self._said += len(text)
            yield Text(text)


def _object(text: str) -> Any:
    """The object in this JSON; None if it was cut off, or is none."""
    try:
        value = from_json(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _think(at: int, block: _Block, text: str) -> Iterator[Delta]:
    if text:
        block.parts.append(text)
        yield Summary(text, at)


def _argument(at: int, block: _Block, part: str) -> Delta:
    block.parts.append(part)
    return Arguments(at, part)


def _used(usage: Item) -> Iterator[Delta]:
    """What is read from the cache and written to it is not among the input tokens here."""
    cached, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    read: list[Any] = [usage.get("input_tokens"), cached or 0, written or 0]
    details = usage.get("output_tokens_details")
    thought = details.get("thinking_tokens") if isinstance(details, dict) else None
    whole = sum(read) if all(map(plausible, read)) else None
    kept, ran = usage.get("cache_creation"), usage.get("server_tool_use")
    searches: Any = ran.get("web_search_requests") if isinstance(ran, dict) else None
    yield from used(
        whole,
        cached,
        written,
        usage.get("output_tokens"),
        thought,
        cache_write_1h_tokens=kept.get("ephemeral_1h_input_tokens") if isinstance(kept, dict) else None,
        tools={WEB_SEARCH: int(searches)} if plausible(searches) else {},
        geo=geo if isinstance(geo := usage.get("inference_geo"), str) else None,
        fast=usage.get("speed") == "fast",
    )
