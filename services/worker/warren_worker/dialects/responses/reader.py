"""What a server of the Responses API streams."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import from_json

from warren import sse
from warren.contracts import Usage
from warren.costs.tools import WEB_SEARCH
from warren.errors import UpstreamError
from warren.objects import Item
from warren_worker.dialect import (
    Arguments,
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
    plausible,
    searches,
    stated,
    used,
)
from warren_worker.refusal import inside

_NAME = re.compile(r"response(\.[a-z0-9_]+)+")
_SAYS = {
    "response.output_text.delta": Text,
    "response.refusal.delta": Refusal,
    "response.reasoning_text.delta": Thought,
}
_STOPS: dict[Any, Stop] = {"content_filter": Stop("content_filter")}


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
            yield from _usage(usage, response.get("tool_usage"))
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


def _usage(usage: Item, of_tools: Any) -> Iterator[Tokens]:
    of_tools = _object(of_tools)
    read = usage.get("input_tokens_details") or {}
    written = usage.get("output_tokens_details") or {}
    kept = read.get("cache_write_tokens_details")
    return used(
        usage.get("input_tokens"),
        read.get("cached_tokens"),
        read.get("cache_write_tokens"),
        usage.get("output_tokens"),
        written.get("reasoning_tokens"),
        stated=stated(usage),
        cache_write_12h_tokens=kept.get("ttl_12h_tokens") if isinstance(kept, dict) else None,
        input_audio_tokens=read.get("audio_tokens"),
        input_image_tokens=read.get("image_tokens"),
        output_audio_tokens=written.get("audio_tokens"),
        output_image_tokens=written.get("image_tokens"),
        tools=searches(usage) | _searches(of_tools.get("web_search")),
        pictures=_pictures(of_tools.get("image_gen")),
    )


def _searches(usage: Any) -> dict[str, int]:
    """Those that are charged, if OpenAI says so: not to have to count what was done."""
    times: Any = _object(usage).get("num_requests")
    return {WEB_SEARCH: int(times)} if plausible(times) else {}


def _pictures(usage: Any) -> Usage | None:
    """What the tool that makes pictures has used, a model of its own."""
    if not isinstance(usage, dict):
        return None
    read, written = _object(usage.get("input_tokens_details")), _object(usage.get("output_tokens_details"))
    cached = _object(usage.get("cached_tokens_details"))
    counts: Item = {
        "input_tokens": usage.get("input_tokens"),
        "input_image_tokens": read.get("image_tokens"),
        "cached_tokens": usage.get("cached_tokens"),
        "cached_image_tokens": cached.get("cached_image_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "output_image_tokens": written.get("image_tokens", usage.get("output_tokens")),
    }
    return Usage(**{name: int(count) for name, count in counts.items() if plausible(count)})


def _object(value: Any) -> Item:
    return value if isinstance(value, dict) else {}
