"""What a chat server streams."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import from_json, to_json

from warren import sse
from warren.errors import UpstreamError
from warren.objects import Item
from warren_worker.dialect import (
    Arguments,
    Delta,
    Refusal,
    Stop,
    Text,
    Thought,
    Tier,
    ToolCall,
    UpstreamId,
)
from warren_worker.dialects.chat import said
from warren_worker.dialects.chat.details import Details
from warren_worker.dialects.chat.thinking import Tags
from warren_worker.refusal import inside

_REASONS: dict[str, tuple[str, ...]] = {
    "done": ("stop", "tool_calls", "function_call", "end_turn", "stop_sequence", "tool_use", "complete", "tool_call",
             "eos", "eos_token", "pause_turn"),
    "max_output_tokens": ("length", "max_tokens", "model_length", "model_context_window_exceeded"),
    "content_filter": ("content_filter", "refusal", "safety", "content_filtered", "guardrail_intervened", "error_toxic",
                       "prohibited_content", "blocklist", "recitation", "spii", "sensitive"),
}  # fmt: skip
_STOPS: dict[str, Stop] = {name: Stop(reason) for reason, names in _REASONS.items() for name in names}  # type: ignore[arg-type]
"""By finish reason, in small letters. Any other, `error` among them, is a failure."""


_TIERS = ("default", "flex", "scale", "priority", "ultrafast")
"""Those that the API has; others say `on_demand` and the like."""


class ChatReader:
    """Reads one streamed completion. `tagged`: thoughts stand in its text, between tags; `keeps`: its
    `reasoning_details` must come back.
    """

    __slots__ = (
        "_calls", "_count", "_details", "_logs", "_named", "_nameless", "_said", "_sources", "_tags", "_tier",
    )  # fmt: skip

    def __init__(self, *, tagged: bool = False, keeps: bool = False) -> None:
        self._calls: dict[Any, tuple[int, Any]] = {}  # by index: our handle, and the id it came with
        self._nameless: dict[Any, Any] = {}  # ids of calls that begin without a name, by index
        self._count = 0
        self._named = False
        self._tier: Any = None
        self._tags = Tags() if tagged else None
        self._logs: list[Item] = []
        self._details = Details() if keeps else None
        self._sources: list[tuple[str, str]] = []
        self._said: list[str] = []

    def feed(self, event: sse.Event) -> Iterable[Delta]:
        if event.data == b"[DONE]":
            return
        try:
            yield from self._chunk(from_json(event.data))
        except (AttributeError, LookupError, TypeError, ValueError):
            raise UpstreamError("The provider sent an event that is no part of a completion.") from None

    def _chunk(self, chunk: Item) -> Iterator[Delta]:
        if chunk.get("error"):
            raise inside(chunk["error"])
        if chunk.get("object") == "error":  # Mistral, and older servers of vLLM's
            raise inside(chunk)
        if not self._named and isinstance(chunk.get("id"), str):
            self._named = True
            yield UpstreamId(chunk["id"])
        if (tier := chunk.get("service_tier")) != self._tier:
            self._tier = tier
            if tier in _TIERS:
                yield Tier(tier)
        self._sources = said.sources(chunk) or self._sources
        for choice in chunk.get("choices") or ():
            if not choice.get("index"):  # one answer is asked for, whatever a configuration adds
                yield from self._choice(choice)
        if isinstance(usage := chunk.get("usage"), dict):
            yield from said.usage(usage)
        elif "x_groq" in chunk:
            yield from said.groq(chunk["x_groq"])

    def _choice(self, choice: Item) -> Iterator[Delta]:
        delta = choice.get("delta") or {}
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            yield Thought(said.text(thought))
        if self._details is not None:
            self._details.feed(delta.get("reasoning_details") or ())
        if content := delta.get("content"):
            yield from self._kept()
            yield from self._content(content, choice.get("logprobs"))
        if refused := delta.get("refusal"):
            yield Refusal(said.text(refused))
        for annotation in delta.get("annotations") or ():
            yield from said.annotation(annotation)
        for call in delta.get("tool_calls") or ():
            yield from self._call(call)
        if legacy := delta.get("function_call"):
            yield from self._call({"index": "function_call", "function": legacy})
        if reason := choice.get("finish_reason"):
            yield from self._end(reason)
        if isinstance(usage := choice.get("usage"), dict):  # as Moonshot has it
            yield from said.usage(usage)

    def _content(self, content: Any, logprobs: Any) -> Iterator[Delta]:
        if not isinstance(content, str):
            yield from said.parts(content)
            return
        self._said.append(content)
        logs = said.logs(logprobs) if logprobs else []
        if self._tags is None:
            yield Text(content, logs)
            return
        self._logs += logs
        yield from self._told(self._tags.feed(content))

    def _told(self, tagged: Iterable[Text | Thought]) -> Iterator[Delta]:
        """What was told apart; probabilities are of the text, and may come before it."""
        for one in tagged:
            logs, self._logs = self._logs, []
            yield Text(one.text, logs) if isinstance(one, Text) else one

    def _call(self, call: Item) -> Iterator[Delta]:
        index, id_ = call.get("index"), call.get("id")
        function = call.get("function") or {}
        name = function.get("name")
        known = self._calls.get(index)
        if known is None and not name and not function.get("arguments"):  # its name comes with the next piece
            self._nameless[index] = id_
            return
        if known is None or (id_ and name and id_ != known[1]):  # some servers count every call as 0, or not at all
            early = self._nameless.pop(index, None)
            id_ = id_ or early
            known = self._calls[index] = self._count, id_
            self._count += 1
            yield from self._kept()
            yield ToolCall(known[0], str(id_) if id_ else None, _name(name))
        if part := function.get("arguments"):
            yield Arguments(known[0], part if isinstance(part, str) else to_json(part).decode())

    def _kept(self) -> Iterator[Delta]:
        if self._details is not None:
            yield from self._details.flush()

    def _end(self, reason: Any) -> Iterator[Delta]:
        stop = _STOPS.get(reason.lower())
        if stop is None:
            raise UpstreamError(f"The provider ended its answer with {reason[:40]!r}.")
        if any(self._nameless.values()):
            raise TypeError("a call of nothing")
        if self._tags is not None:
            yield from self._told(self._tags.end())
        if self._details is not None:
            yield from self._details.flush(thought=not self._said and not self._calls)
        yield from said.citations(self._sources, "".join(self._said))
        yield stop


def _name(value: Any) -> str:
    if not value:
        raise TypeError("a call of nothing")
    return said.text(value)
