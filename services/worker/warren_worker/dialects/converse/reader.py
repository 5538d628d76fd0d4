"""Reads the stream of an answer."""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from warren import sse
from warren.errors import UpstreamError
from warren.objects import Item
from warren_worker.dialect import (
    Annotation,
    Arguments,
    Delta,
    Kept,
    Stop,
    Summary,
    Text,
    Thought,
    Tier,
    ToolCall,
    plausible,
    used,
)
from warren_worker.dialects.converse.refusals import inside
from warren_worker.dialects.converse.thoughts import kept

_DONE = Stop()
_STOPS = {
    "end_turn": _DONE,
    "stop_sequence": _DONE,
    "tool_use": _DONE,
    "max_tokens": Stop("max_output_tokens"),
    "model_context_window_exceeded": Stop("max_output_tokens"),
    "content_filtered": Stop("content_filter"),
    "guardrail_intervened": Stop("content_filter"),
    "refusal": Stop("content_filter"),
}
"""By stop reason. Any other, `malformed_model_output` and `malformed_tool_use` among them, is a failure."""
_TIERS = {"default": "default", "flex": "flex", "priority": "priority"}
_STRANGE = "The provider sent an event that is no part of a conversation."


@dataclass(slots=True)
class _Block:
    """A block that is open: what it is, and what has been added to it."""

    kind: str
    parts: list[str] = field(default_factory=list)
    signature: str = ""
    redacted: bytes = b""
    citations: list[Any] = field(default_factory=list)
    start: int = 0
    """Of a text: where in its message it begins."""

    @property
    def text(self) -> str:
        return "".join(self.parts)


class ConverseReader:
    """Reads one answer of a model of this vendor; `summarizes`: what it shows of its reasoning is a summary."""

    def __init__(self, vendor: str, *, summarizes: bool) -> None:
        self._vendor = vendor
        self._summarizes = summarizes
        self._blocks: dict[int, _Block] = {}
        self._said = 0  # characters of the message that the next text belongs to
        self._ended = False
        self._failed: str | None = None

    def feed(self, event: sse.Event) -> Iterator[Delta]:
        if event.name.startswith("!"):
            raise inside(event.name[1:], event.data)
        try:
            data = from_json(event.data)
        except ValueError:
            raise UpstreamError("The provider sent an event that is not JSON.") from None
        try:
            yield from self._read(event.name, data)
        except (AttributeError, LookupError, TypeError, ValueError):
            raise UpstreamError(_STRANGE) from None
        if self._failed is not None and event.name == "metadata":
            raise UpstreamError(f"The provider ended its answer with {self._failed[:40]!r}.")

    def _read(self, name: str, data: Any) -> Iterator[Delta]:
        match name, data:
            case "metadata", dict():
                yield from self._account(data)
            case _ if self._ended:
                return
            case "contentBlockDelta", {"contentBlockIndex": int(at), "delta": dict(delta)}:
                yield from self._more(at, delta)
            case "contentBlockStart", {"contentBlockIndex": int(at), "start": dict(start)}:
                yield from self._begin(at, start)
            case "contentBlockStop", {"contentBlockIndex": int(at)}:
                if (block := self._blocks.pop(at, None)) is not None:
                    yield from self._close(at, block)
            case "messageStop", {"stopReason": str(reason)}:
                yield from self._end(reason)
            case "contentBlockDelta" | "contentBlockStart" | "contentBlockStop" | "messageStop" | "metadata", _:
                raise ValueError(_STRANGE)

    def _begin(self, at: int, start: Item) -> Iterator[Delta]:
        match start:
            case {"toolUse": {"type": "server_tool_use"}}:
                self._blocks[at] = _Block("other")
            case {"toolUse": {"toolUseId": str(id_), "name": str(name)}}:
                self._said = 0
                self._blocks[at] = _Block("toolUse")
                yield ToolCall(at, id_, name)
            case {"toolUse": _}:
                raise ValueError(_STRANGE)
            case _:
                self._blocks[at] = _Block("other")

    def _more(self, at: int, delta: Item) -> Iterator[Delta]:
        """A text begins with its first piece, and so does a thought."""
        match delta:
            case {"text": str(text)}:
                yield from self._say(self._block(at, "text"), text)
            case {"toolUse": {"input": str(part)}}:
                block = self._blocks[at]
                if part and block.kind == "toolUse":
                    block.parts.append(part)
                    yield Arguments(at, part)
            case {"reasoningContent": dict(thought)}:
                yield from self._think(at, self._block(at, "reasoning"), thought)
            case {"citation": citation}:
                self._block(at, "text").citations.append(citation)
            case {"text": _} | {"toolUse": _} | {"reasoningContent": _}:
                raise ValueError(_STRANGE)

    def _block(self, at: int, kind: str) -> _Block:
        block = self._blocks.get(at)
        if block is None:
            block = self._blocks[at] = _Block(kind, start=self._said)
        elif block.kind != kind:
            raise ValueError(_STRANGE)
        return block

    def _say(self, block: _Block, text: str) -> Iterator[Delta]:
        if text:
            block.parts.append(text)
            self._said += len(text)
            yield Text(text)

    def _think(self, at: int, block: _Block, thought: Item) -> Iterator[Delta]:
        self._said = 0
        match thought:
            case {"text": str(text)}:
                if text:
                    block.parts.append(text)
                    yield Summary(text, at) if self._summarizes else Thought(text)
            case {"signature": str(signature)}:
                block.signature += signature
            case {"redactedContent": str(data)}:
                block.redacted += b64decode(data, validate=True)
            case {"text": _} | {"signature": _} | {"redactedContent": _}:
                raise ValueError(_STRANGE)

    def _close(self, at: int, block: _Block) -> Iterator[Delta]:
        match block.kind:
            case "text":
                for citation in block.citations:
                    yield from _cited(citation, block.start, block.start + len(block.text))
            case "toolUse" if not block.parts:
                yield Arguments(at, "{}")
            case "reasoning":
                data = kept(self._vendor, block.text, block.signature, b64encode(block.redacted).decode())
                if data is not None:
                    yield Kept(data)

    def _end(self, reason: str) -> Iterator[Delta]:
        """What the answer has used is still to come; one that has failed does so only then."""
        self._ended = True
        open_, self._blocks = self._blocks, {}
        for at, block in open_.items():
            yield from self._close(at, block)
        if reason in _STOPS:
            yield _STOPS[reason]
        else:
            self._failed = reason

    def _account(self, data: Item) -> Iterator[Delta]:
        """What is read from the cache and written to it is not among the input tokens here."""
        usage = data.get("usage") or {}
        cached, written = usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens")
        read: list[Any] = [usage.get("inputTokens"), cached or 0, written or 0]
        whole = sum(read) if all(map(plausible, read)) else None
        hour = None
        match usage.get("cacheDetails"):
            case [*_, {"ttl": "1h", "inputTokens": hour}] | [{"ttl": "1h", "inputTokens": hour}, *_]:
                pass
        yield from used(whole, cached, written, usage.get("outputTokens"), None, cache_write_1h_tokens=hour)
        match data.get("serviceTier"):
            case {"type": str(tier)} if tier in _TIERS:
                yield Tier(_TIERS[tier])


def _cited(citation: Any, start: int, end: int) -> Iterator[Annotation]:
    """An annotation of this stretch of a text; citations of documents, which nobody asks for, have no address."""
    match citation:
        case {"location": {"web": {"url": str(url)}}}:
            title = citation.get("title") or url
            span = {"start_index": start, "end_index": end}
            yield Annotation({"type": "url_citation", "url": url, "title": title, **span})
