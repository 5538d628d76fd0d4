"""What a chat server streams."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import from_json, to_json

from warren import sse
from warren.errors import UpstreamError
from warren.responses import Item
from warren_worker.dialect import (
    Annotation,
    Arguments,
    Delta,
    Refusal,
    Stop,
    Text,
    Thought,
    Tier,
    Tokens,
    ToolCall,
    UpstreamId,
    plausible,
    used,
)
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
    """Reads one streamed completion."""

    __slots__ = ("_calls", "_count", "_named", "_tier")

    def __init__(self) -> None:
        self._calls: dict[Any, tuple[int, Any]] = {}  # by index: our handle, and the id it came with
        self._count = 0
        self._named = False
        self._tier: Any = None

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
        if not self._named and isinstance(chunk.get("id"), str):
            self._named = True
            yield UpstreamId(chunk["id"])
        if (tier := chunk.get("service_tier")) != self._tier:
            self._tier = tier
            if tier in _TIERS:
                yield Tier(tier)
        for choice in chunk.get("choices") or ():
            yield from self._choice(choice)
        if isinstance(usage := chunk.get("usage"), dict):
            yield from _usage(usage)
        elif "x_groq" in chunk:
            yield from _groq(chunk["x_groq"])

    def _choice(self, choice: Item) -> Iterator[Delta]:
        delta = choice.get("delta") or {}
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            yield Thought(_text(thought))
        if text := delta.get("content"):
            logprobs = choice.get("logprobs")
            if isinstance(text, str):
                yield Text(text, _logs(logprobs) if logprobs else [])
            else:
                yield from _parts(text)
        if refused := delta.get("refusal"):
            yield Refusal(_text(refused))
        for annotation in delta.get("annotations") or ():
            yield from _annotation(annotation)
        for call in delta.get("tool_calls") or ():
            yield from self._call(call)
        if legacy := delta.get("function_call"):
            yield from self._call({"index": "function_call", "function": legacy})
        if reason := choice.get("finish_reason"):
            yield _stop(reason)

    def _call(self, call: Item) -> Iterator[Delta]:
        index, id_ = call.get("index"), call.get("id")
        function = call.get("function") or {}
        name = function.get("name")
        known = self._calls.get(index)
        if known is None or (id_ and name and id_ != known[1]):  # some servers count every call as 0, or not at all
            known = self._calls[index] = self._count, id_
            self._count += 1
            yield ToolCall(known[0], str(id_) if id_ else None, _text(name or ""))
        if part := function.get("arguments"):
            yield Arguments(known[0], part if isinstance(part, str) else to_json(part).decode())


def _parts(content: Any) -> Iterator[Delta]:
    """Mistral's reasoning models answer in parts: thoughts are a list inside of theirs."""
    if not isinstance(content, list):
        raise TypeError("neither text nor parts")
    for part in content:
        match part:
            case {"type": "text", "text": text}:
                yield Text(_text(text))
            case {"type": "thinking"}:
                thoughts = part["thinking"]
                for thought in thoughts if isinstance(thoughts, list) else [{"text": thoughts}]:
                    yield Thought(_text(thought["text"]))
            case {"type": str()}:
                pass  # a reference, or what we cannot know
            case _:
                raise TypeError("no part")


def _annotation(annotation: Item) -> Iterator[Delta]:
    match annotation:
        case {"type": "url_citation", "url_citation": {"url": str(url)} as cited}:
            yield Annotation(
                {
                    "type": "url_citation",
                    "url": url,
                    "title": str(cited.get("title") or ""),
                    "start_index": _place(cited.get("start_index")),
                    "end_index": _place(cited.get("end_index")),
                }
            )


def _place(index: Any) -> int:
    return int(index) if plausible(index) else 0


def _stop(reason: Any) -> Stop:
    stop = _STOPS.get(reason.lower())
    if stop is None:
        raise UpstreamError(f"The provider ended its answer with {reason[:40]!r}.")
    return stop


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _logs(logprobs: Any) -> list[Item]:
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    return [
        {
            "token": entry.get("token", ""),
            "logprob": entry.get("logprob", 0.0),
            "bytes": entry.get("bytes") or [],
            "top_logprobs": [
                {"token": top.get("token", ""), "logprob": top.get("logprob", 0.0), "bytes": top.get("bytes") or []}
                for top in entry.get("top_logprobs") or ()
            ],
        }
        for entry in content or ()
    ]


def _usage(usage: Item) -> Iterator[Tokens]:
    read = usage.get("prompt_tokens_details") or {}
    written = usage.get("completion_tokens_details") or {}
    cached = read.get("cached_tokens")
    return used(
        usage.get("prompt_tokens"),
        usage.get("prompt_cache_hit_tokens") if cached is None else cached,  # as DeepSeek calls it
        read.get("cache_write_tokens"),
        usage.get("completion_tokens"),
        written.get("reasoning_tokens"),
    )


def _groq(extra: Item) -> Iterator[Tokens]:
    """Groq says here what others say at the top."""
    if extra.get("error"):
        raise inside(extra["error"])
    if isinstance(usage := extra.get("usage"), dict):
        yield from _usage(usage)
