"""What single parts of a completion say: parts of its text, citations, probabilities, usage."""

from collections.abc import Iterable, Iterator
from typing import Any

from warren.objects import Item
from warren_worker.dialect import Annotation, Delta, Summary, Text, Thought, Tokens, plausible, searches, stated, used
from warren_worker.refusal import inside


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def parts(content: Any) -> Iterator[Delta]:
    """Mistral's reasoning models answer in parts, and Claude at Databricks: thoughts are a list inside of theirs."""
    if not isinstance(content, list):
        raise TypeError("neither text nor parts")
    for part in content:
        match part:
            case {"type": "text", "text": said}:
                if text(said):
                    yield Text(said)
            case {"type": "thinking"}:
                thoughts = part["thinking"]
                for thought in thoughts if isinstance(thoughts, list) else [{"text": thoughts}]:
                    yield Thought(text(thought["text"]))
            case {"type": "reasoning", "summary": list(summary)}:
                for one in summary:
                    if said := one.get("text"):
                        yield Summary(text(said))
            case {"type": str()}:
                pass  # a reference, or what we cannot know
            case _:
                raise TypeError("no part")


def annotation(given: Item) -> Iterator[Annotation]:
    match given:
        case {"type": "url_citation", "url_citation": {"url": str(url)} as cited}:
            yield _cited(url, cited.get("title"), cited.get("start_index"), cited.get("end_index"))


def sources(chunk: Item) -> list[tuple[str, str]]:
    """Addresses and titles of what was found, in the order in which the text numbers them: Perplexity, xAI."""
    found = chunk.get("search_results") or chunk.get("citations") or ()
    if not isinstance(found, list):
        return []
    pairs = ((one, "") if isinstance(one, str) else (one.get("url"), one.get("title")) for one in found)
    return [(url, title if isinstance(title, str) else "") for url, title in pairs if isinstance(url, str)]


def citations(found: Iterable[tuple[str, str]], said: str) -> Iterator[Annotation]:
    """Where the text refers to what was found: `[1]` is the first of it."""
    for number, (url, title) in enumerate(found, 1):
        mark = f"[{number}]"
        at = said.find(mark)
        while at >= 0:
            yield _cited(url, title, at, at + len(mark))
            at = said.find(mark, at + 1)


def _cited(url: str, title: Any, start: Any, end: Any) -> Annotation:
    return Annotation(
        {
            "type": "url_citation",
            "url": url,
            "title": str(title or ""),
            "start_index": _place(start),
            "end_index": _place(end),
        }
    )


def _place(index: Any) -> int:
    return int(index) if plausible(index) else 0


def logs(logprobs: Any) -> list[Item]:
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


def usage(given: Item) -> Iterator[Tokens]:
    read = given.get("prompt_tokens_details") or {}
    written = given.get("completion_tokens_details") or {}
    cached: Any = _first(read.get("cached_tokens"), given.get("prompt_cache_hit_tokens"), given.get("cached_tokens"))
    reasoned: Any = _first(written.get("reasoning_tokens"), given.get("reasoning_tokens"))
    prompt: Any = given.get("prompt_tokens")
    completion: Any = given.get("completion_tokens")
    if (
        all(map(plausible, (prompt, completion, reasoned)))
        and given.get("total_tokens") == prompt + completion + reasoned
    ):
        completion += reasoned  # xAI counts thoughts apart
    return used(
        prompt,
        cached,
        read.get("cache_write_tokens"),
        completion,
        reasoned,
        stated=stated(given),
        input_audio_tokens=read.get("audio_tokens"),
        input_image_tokens=read.get("image_tokens"),
        input_video_tokens=read.get("video_tokens"),
        output_audio_tokens=written.get("audio_tokens"),
        output_image_tokens=written.get("image_tokens"),
        tools=searches(given),
    )


def _first(*values: Any) -> Any:
    """DeepSeek and Moonshot have names of their own for these."""
    return next((value for value in values if value is not None), None)


def groq(extra: Item) -> Iterator[Tokens]:
    """Groq says here what others say at the top."""
    if extra.get("error"):
        raise inside(extra["error"])
    if isinstance(given := extra.get("usage"), dict):
        yield from usage(given)
