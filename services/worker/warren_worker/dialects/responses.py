"""The Responses API itself: requests go out as they came, events come back as they are.

Facts: the OpenAI API reference, "Responses". The response id and the numbers are made ours by the assembler; item
ids stay the provider's, or items that are sent back would mean nothing to it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json
from warren import sse
from warren.contracts import Usage
from warren.errors import UpstreamError, WarrenError
from warren.responses import Item

from warren_worker.dialect import Call, Conversation, Delta, Native, Stop, Tokens, UpstreamId
from warren_worker.refusal import inside, refusal

_IN_CONTENT = ("response.content_part.", "response.output_text.", "response.refusal.", "response.reasoning_text.")
_NOT_SENT = frozenset({"model", "input", "previous_response_id", "stream", "background", "stream_options"})


@dataclass(frozen=True, slots=True)
class Responses:
    """The dialect."""

    stores: bool = False
    """The provider may be told to keep responses; one that cannot is told not to."""

    def call(self, conversation: Conversation, model: str) -> Call:
        request = conversation.request
        body: dict[str, Any] = {name: value for name, value in request.items() if name not in _NOT_SENT}
        body |= {"model": model, "input": list(self._items(conversation)), "stream": True}
        if not self.stores:
            body["store"] = False
        if conversation.upstream_previous is not None:
            body["previous_response_id"] = conversation.upstream_previous
        return Call("/responses", body)

    def reader(self) -> "ResponsesReader":
        return ResponsesReader()

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        return refusal(status, headers, body)

    def _items(self, conversation: Conversation) -> Iterable[Item]:
        """What was said, without the reasoning that only a provider which kept it could read."""
        for item in conversation.items:
            if item.get("type") == "reasoning" and not item.get("encrypted_content"):
                continue
            yield {name: value for name, value in item.items() if value is not None}


class ResponsesReader:
    """Reads one streamed response."""

    __slots__ = ("_items", "_named", "_parts")

    def __init__(self) -> None:
        self._named = False
        self._items: list[str] = []
        self._parts: dict[str, int] = {}

    def feed(self, event: sse.Event) -> Iterable[Delta]:
        if event.data == b"[DONE]":
            return
        try:
            value = from_json(event.data)
        except ValueError:
            raise UpstreamError("The provider sent an event that is not JSON.") from None
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            raise UpstreamError("The provider sent an event without a type.")
        response = value.get("response")
        if isinstance(response, dict):
            yield from self._lifecycle(value["type"], response)
        elif value["type"] == "error":
            raise inside(value.get("error") or value)
        elif value["type"] != "keepalive":
            yield Native(self._completed(value))

    def _completed(self, event: Item) -> Item:
        """The event with all the places and lists that the API promises; some servers leave them out."""
        kind = event["type"]
        if kind.startswith("response.output_item."):
            item = event.setdefault("item", {})
            if "output_index" not in event:
                event["output_index"] = self._index(item.get("id"), new=kind.endswith("added"))
            return event
        if "item_id" in event and "output_index" not in event:
            event["output_index"] = self._index(event["item_id"])
        if kind.startswith(_IN_CONTENT) and "content_index" not in event:
            if kind == "response.content_part.added":
                self._parts[event["item_id"]] = self._parts.get(event["item_id"], -1) + 1
            event["content_index"] = max(0, self._parts.get(event["item_id"], 0))
        if kind.startswith("response.output_text.") and not kind.endswith("annotation.added"):
            event.setdefault("logprobs", [])
        elif kind.startswith("response.content_part.") and event.get("part", {}).get("type") == "output_text":
            event["part"] = {"annotations": [], "logprobs": [], **event["part"]}
        return event

    def _index(self, item_id: Any, *, new: bool = False) -> int:
        if new or item_id not in self._items:
            self._items.append(item_id)
        return self._items.index(item_id) if not new else len(self._items) - 1

    def _lifecycle(self, kind: str, response: Item) -> Iterable[Delta]:
        if not self._named and isinstance(response.get("id"), str):
            self._named = True
            yield UpstreamId(response["id"])
        if kind == "response.failed":
            raise inside(response.get("error"))
        if kind in ("response.completed", "response.incomplete"):
            if isinstance(usage := response.get("usage"), dict):
                yield Tokens(_usage(usage))
            yield Native({"type": kind, "response": response})
            yield Stop()


def _usage(usage: Item) -> Usage:
    read = usage.get("input_tokens_details") or {}
    written = usage.get("output_tokens_details") or {}
    return Usage(
        input_tokens=usage.get("input_tokens") or 0,
        cached_tokens=read.get("cached_tokens") or 0,
        cache_write_tokens=read.get("cache_write_tokens") or 0,
        output_tokens=usage.get("output_tokens") or 0,
        reasoning_tokens=written.get("reasoning_tokens") or 0,
    )
