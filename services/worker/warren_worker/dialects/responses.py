"""The Responses API itself: requests go out as they came, events come back as they are.

Facts: the OpenAI API reference, "Responses". The response id and the numbers are made ours by the assembler; item
ids stay the provider's, or items that are sent back would mean nothing to it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from warren import sse
from warren.errors import UpstreamError, WarrenError
from warren.responses import Item
from warren.seal import ours
from warren_worker.dialect import (
    Arguments,
    Call,
    Conversation,
    Delta,
    Native,
    Refusal,
    Stop,
    Summary,
    Text,
    Thought,
    Tokens,
    ToolCall,
    UpstreamId,
    used,
)
from warren_worker.framing import Framing
from warren_worker.parameters import Treatment
from warren_worker.refusal import inside, refusal

PARAMETERS: dict[str, Treatment] = {}
"""What becomes of each parameter."""


_NAME = re.compile(r"response(\.[a-z0-9_]+)+")
_SAYS = {
    "response.output_text.delta": Text,
    "response.refusal.delta": Refusal,
    "response.reasoning_text.delta": Thought,
}
_STOPS: dict[Any, Stop] = {"content_filter": Stop("content_filter")}
_NOT_SENT = frozenset(
    {
        "model",
        "input",
        "previous_response_id",
        "conversation",
        "stream",
        "stream_options",
        "background",
        "background_options",
        "client_metadata",  # Codex's own book-keeping
    }
)


@dataclass(frozen=True, slots=True)
class Responses:
    """The dialect."""

    stores: bool = False
    """The provider is OpenAI: it may be told to keep responses, compacts conversations, and makes its deltas look
    longer than they are unless told not to. Others are told to keep nothing.
    """

    def call(self, conversation: Conversation, model: str) -> Call:
        request = conversation.request
        body: dict[str, Any] = {name: value for name, value in request.items() if name not in _NOT_SENT}
        body |= {"model": model, "input": list(self._items(conversation)), "stream": True}
        if self.stores:
            body["stream_options"] = {"include_obfuscation": False}  # that is done here, for those who ask for it
        else:
            body["store"] = False
            body.pop("context_management", None)
        if conversation.upstream_previous is not None:
            body["previous_response_id"] = conversation.upstream_previous
        return Call("/responses", body)

    @property
    def parameters(self) -> Mapping[str, Treatment]:
        return PARAMETERS

    @property
    def framing(self) -> Framing:
        return Framing.SSE

    @property
    def inlines(self) -> frozenset[str]:
        return frozenset()

    @property
    def compacts(self) -> bool:
        return self.stores

    def reader(self, _: Conversation, /) -> "ResponsesReader":
        return ResponsesReader()

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        return refusal(status, headers, body)

    def _items(self, conversation: Conversation) -> Iterable[Item]:
        """What was said, without the reasoning that only a provider which kept it could read."""
        for item in conversation.items:
            if item.get("type") == "reasoning" and not _readable(item):
                continue
            yield {name: value for name, value in item.items() if value is not None}


def _readable(item: Item) -> bool:
    sealed = item.get("encrypted_content")
    return bool(sealed) and not ours(str(sealed))


class ResponsesReader:
    """Reads one streamed response.

    Some servers (llama.cpp) do not say which item an event is about, or keep several open. What these stream is taken
    for what it says only, and put in order by the assembler.
    """

    __slots__ = ("_calls", "_loose", "_named")

    def __init__(self) -> None:
        self._named = False
        self._loose = False
        self._calls: dict[Any, int] = {}

    def feed(self, event: sse.Event) -> Iterable[Delta]:
        if event.data == b"[DONE]":
            return
        try:
            yield from self._event(from_json(event.data))
        except (AttributeError, LookupError, TypeError, ValueError):
            raise UpstreamError("The provider sent an event that is no part of a response.") from None

    def _event(self, event: Item) -> Iterator[Delta]:
        kind = event["type"]
        if kind == "error":
            raise inside(event.get("error") or event)
        if not _NAME.fullmatch(kind):
            return  # a keepalive, or what we cannot know
        if isinstance(response := event.get("response"), dict):
            yield from self._lifecycle(kind, response)
            return
        if kind == "response.output_item.added" and "output_index" not in event:
            self._loose = True
        if self._loose:
            yield from self._loosely(kind, event)
        else:
            event.pop("obfuscation", None)
            yield Native(_completed(kind, event))

    def _lifecycle(self, kind: str, response: Item) -> Iterator[Delta]:
        if not self._named and isinstance(response.get("id"), str):
            self._named = True
            yield UpstreamId(response["id"])
        if kind not in ("response.completed", "response.incomplete", "response.failed"):
            return
        if isinstance(usage := response.get("usage"), dict):
            yield from _usage(usage)
        if kind == "response.failed":
            raise inside(response.get("error"))
        if self._loose:
            reason = (response.get("incomplete_details") or {}).get("reason")
            cut = kind == "response.incomplete"
            yield _STOPS.get(reason, Stop("max_output_tokens")) if cut else Stop()
        else:
            status = kind.removeprefix("response.")
            yield Native({"type": kind, "response": {**response, "status": status}})
            yield Stop()

    def _loosely(self, kind: str, event: Item) -> Iterator[Delta]:
        """What this event says, whichever item it is about."""
        if (says := _SAYS.get(kind)) is not None:
            yield says(_text(event["delta"]))
        elif kind == "response.reasoning_summary_text.delta":
            index = event.get("summary_index")
            yield Summary(_text(event["delta"]), index if isinstance(index, int) else 0)
        elif kind == "response.function_call_arguments.delta":
            call = self._calls.get(event.get("item_id"), len(self._calls) - 1)
            yield Arguments(call, _text(event["delta"]))
        elif kind == "response.output_item.added" and event["item"].get("type") == "function_call":
            item = event["item"]
            call_id = _text(item["call_id"])
            self._calls[item.get("id") or call_id] = call = len(self._calls)
            yield ToolCall(call, call_id, _text(item["name"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _completed(kind: str, event: Item) -> Item:
    """The event with all the lists that the API promises; some servers leave them out."""
    if kind in ("response.output_text.delta", "response.output_text.done"):
        event.setdefault("logprobs", [])
    elif kind.startswith("response.content_part.") and event["part"].get("type") == "output_text":
        event["part"] = {"annotations": [], "logprobs": [], **event["part"]}
    return event


def _usage(usage: Item) -> Iterator[Tokens]:
    read = usage.get("input_tokens_details") or {}
    written = usage.get("output_tokens_details") or {}
    return used(
        usage.get("input_tokens"),
        read.get("cached_tokens"),
        read.get("cache_write_tokens"),
        usage.get("output_tokens"),
        written.get("reasoning_tokens"),
    )
