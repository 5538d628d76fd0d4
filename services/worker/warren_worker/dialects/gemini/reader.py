"""What Gemini streams: chunks of an answer, of several parts each. The last one has a `finishReason`."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import from_json, to_json

from warren import sse
from warren.errors import UpstreamError
from warren.objects import Item
from warren_worker.dialect import (
    Annotation,
    Arguments,
    Delta,
    Hosted,
    Kept,
    Stop,
    Summary,
    Text,
    Tier,
    ToolCall,
    UpstreamId,
    plausible,
    used,
)
from warren_worker.dialects.gemini import grounding
from warren_worker.dialects.gemini.contents import VENDOR
from warren_worker.dialects.gemini.logs import logs
from warren_worker.dialects.gemini.refusals import inside

_REASONS: dict[str, tuple[str, ...]] = {
    "done": ("STOP",),
    "max_output_tokens": ("MAX_TOKENS", "CONTINUATION"),
    "content_filter": ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR",
                       "ESCALATION", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
}  # fmt: skip
_STOPS: dict[Any, Stop] = {name: Stop(reason) for reason, names in _REASONS.items() for name in names}  # type: ignore[arg-type]
"""By finish reason. Any other is a failure: a call that nobody can read, or of what is not there, and the like."""
_TIERS = {
    "ON_DEMAND": "default",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_PRIORITY": "priority",
    "PROVISIONED_THROUGHPUT": "scale",
}
"""By the `trafficType` of Vertex AI."""


_PICTURES = ("IMAGE", "DOCUMENT")
_MODALITIES: dict[str, dict[str, str]] = {
    "promptTokensDetails": {
        "AUDIO": "input_audio_tokens",
        "VIDEO": "input_video_tokens",
        **dict.fromkeys(_PICTURES, "input_image_tokens"),
    },
    "cacheTokensDetails": {"AUDIO": "cached_audio_tokens", **dict.fromkeys(_PICTURES, "cached_image_tokens")},
    "candidatesTokensDetails": {"AUDIO": "output_audio_tokens", **dict.fromkeys(_PICTURES, "output_image_tokens")},
}


class GeminiReader:
    """Reads one streamed answer."""

    __slots__ = (
        "_calls", "_cited", "_named", "_queries", "_said", "_sources", "_text", "_thinks", "_thoughts", "_tier",
        "_tools",
    )  # fmt: skip

    def __init__(self) -> None:
        self._named = False
        self._tier: Any = None
        self._calls = 0
        self._said = False  # anything at all
        self._text: list[str] = []  # what the message that is open says
        self._thinks = False
        self._thoughts = -1  # the number of the summary that is open
        self._tools: dict[Any, Item] = {}  # calls that Google answers itself, until it has
        self._queries: list[str] = []
        self._sources: list[str] = []
        self._cited: set[tuple[Any, ...]] = set()

    def feed(self, event: sse.Event) -> Iterable[Delta]:
        try:
            yield from self._chunk(from_json(event.data))
        except (AttributeError, LookupError, TypeError, ValueError):
            raise UpstreamError("The provider sent an event that is no part of an answer.") from None

    def _chunk(self, chunk: Item) -> Iterator[Delta]:
        if chunk.get("error"):
            raise inside(chunk["error"])
        if not self._named and isinstance(chunk.get("responseId"), str):
            self._named = True
            yield UpstreamId(chunk["responseId"])
        candidates = (chunk.get("candidates") or [])[:1]
        blocked = bool((chunk.get("promptFeedback") or {}).get("blockReason"))
        if isinstance(usage := chunk.get("usageMetadata"), dict):
            yield from self._usage(usage, last=blocked or any("finishReason" in one for one in candidates))
        for candidate in candidates:
            yield from self._candidate(candidate)
        if blocked:
            yield Stop("content_filter")

    def _candidate(self, candidate: Item) -> Iterator[Delta]:
        logprobs = logs(candidate["logprobsResult"]) if candidate.get("logprobsResult") else []
        for part in (candidate.get("content") or {}).get("parts") or ():
            for delta in self._part(part):
                if logprobs and isinstance(delta, Text):
                    yield Text(delta.text, logprobs)
                    logprobs = []
                else:
                    yield delta
        if metadata := candidate.get("groundingMetadata"):
            yield from self._grounded(metadata)
        if reason := candidate.get("finishReason"):
            yield from self._end(reason)

    def _part(self, part: Item) -> Iterator[Delta]:
        match part:
            case {"thought": True, "text": text}:
                yield from self._thought(_text(text), part)
                return
            case {"text": text}:
                yield from self._speech(_text(text), part.get("thoughtSignature"))
                return
            case {"functionCall": call}:
                if signature := part.get("thoughtSignature"):
                    yield Kept({"by": VENDOR, "signature": _text(signature)})
                yield from self._call(call)
            case {"inlineData": {"mimeType": str(kind), "data": str(data)}} if kind.startswith("image/"):
                yield Hosted(_pictured(kind, data))
            case {"toolCall": call}:
                self._tools[call.get("id")] = part
                return
            case {"toolResponse": response}:
                yield from self._looked_up(self._tools.pop(response.get("id")), part)
            case {}:
                return  # what we cannot know
        self._said, self._thinks, self._text = True, False, []

    def _thought(self, text: str, part: Item) -> Iterator[Delta]:
        if not self._thinks:
            self._thinks = True
            self._thoughts += 1
        self._said, self._text = True, []
        if text:
            yield Summary(text, self._thoughts)
        if "thoughtSignature" in part:
            yield Kept({"by": VENDOR, "part": part})

    def _speech(self, text: str, signature: Any) -> Iterator[Delta]:
        if text:
            self._said, self._thinks = True, False
            self._text.append(text)
            yield Text(text)
        if signature and self._said:
            yield Kept({"by": VENDOR, "signature": _text(signature)}, thought=False)

    def _call(self, call: Item) -> Iterator[Delta]:
        number, self._calls = self._calls, self._calls + 1
        arguments = call.get("args") or {}
        if not isinstance(arguments, dict):
            raise TypeError("no arguments")
        yield ToolCall(number, _text(call["id"]) if call.get("id") else None, _text(call["name"]))
        yield Arguments(number, to_json(arguments).decode())

    def _looked_up(self, asked: Item, answered: Item) -> Iterator[Delta]:
        """A search of Google's own, between functions: it wants to see it again."""
        arguments = asked["toolCall"].get("args") or {}
        queries = arguments.get("queries") or [arguments[name] for name in ("query",) if name in arguments]
        yield Hosted(grounding.searched([str(query) for query in queries], []))
        yield Kept({"by": VENDOR, "parts": [asked, answered]}, thought=False)

    def _grounded(self, metadata: Item) -> Iterator[Delta]:
        self._queries += (query for query in grounding.queries(metadata) if query not in self._queries)
        self._sources += grounding.sources(metadata)
        if not self._text:
            return
        for citation in grounding.citations(metadata, "".join(self._text)):
            if (place := tuple(citation.values())) not in self._cited:
                self._cited.add(place)
                yield Annotation(citation)

    def _end(self, reason: Any) -> Iterator[Delta]:
        stop = _STOPS.get(_text(reason))
        if stop is None:
            raise UpstreamError(f"The provider ended its answer with {reason[:40]!r}.")
        if self._queries or self._sources:
            yield Hosted(grounding.searched(self._queries, self._sources))
            self._queries, self._sources = [], []
        yield stop

    def _usage(self, usage: Item, *, last: bool) -> Iterator[Delta]:
        """What was used by now. Before the end, nothing may be said yet of what was written."""
        read, written = usage.get("promptTokenCount"), usage.get("candidatesTokenCount")
        thought, looked = usage.get("thoughtsTokenCount") or 0, usage.get("toolUsePromptTokenCount") or 0
        if read is not None and (last or written is not None or thought):
            yield from used(
                read + looked,
                usage.get("cachedContentTokenCount"),
                0,
                (written or 0) + thought,
                thought,
                **_modalities(usage),
            )
        if (traffic := usage.get("trafficType")) != self._tier:
            self._tier = traffic
            if traffic in _TIERS:
                yield Tier(_TIERS[traffic])


def _modalities(usage: Item) -> Counter[str]:
    """Tokens that are no text, by the names of `Usage`."""
    found: Counter[str] = Counter()
    for theirs, names in _MODALITIES.items():
        counted = usage.get(theirs)
        for one in counted if isinstance(counted, list) else ():
            name = names.get(str(one.get("modality"))) if isinstance(one, dict) else None
            if name is not None and plausible(count := one.get("tokenCount")):
                found[name] += int(count)
    return found


def _pictured(kind: str, data: str) -> Item:
    return {
        "type": "image_generation_call",
        "status": "completed",
        "result": data,
        "output_format": kind.removeprefix("image/"),
    }


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value
