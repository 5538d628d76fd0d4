"""A conversation as a list of items: whether it is whole, how long it is, and how it is made shorter."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json

from warren.errors import InvalidRequest
from warren.objects import Item

KEPT = 20_000
"""Tokens of user messages that a compaction keeps as they are: the newest, and always the last one."""

_CALLS = {"function_call": "function call", "custom_tool_call": "custom tool call"}
_OUTPUTS = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}
_PICTURE = 1000
"""Tokens of an image, whatever its size."""
_SUMMARIZE = (
    "You are about to lose your memory of this conversation, and this summary will stand in its place. Write down what "
    "is needed to go on without it: what the user wants, what was decided and why, what was done with which results "
    "(names, numbers, paths and ids exactly), and what is still to be done. Write the summary only."
)
_SUMMARIZED = "What came before was left out to save space. This is its summary:\n\n"
_FREE = (
    "model",
    "user",
    "safety_identifier",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "image",
)
"""What a request says about all that is asked for it, not about its answer."""


def check(items: Sequence[Item]) -> None:
    """Hold every output of a tool to its call, and every call to its output.

    Raises:
        InvalidRequest: one of them stands alone.
    """
    waiting: dict[tuple[str, Any], str] = {}
    called: set[tuple[str, Any]] = set()
    for item in items:
        kind = item.get("type")
        if kind in _CALLS:
            place = (kind, item.get("call_id"))
            called.add(place)
            waiting[place] = _CALLS[kind]
        elif kind in _OUTPUTS and item.get("call_id") is not None:  # those of OpenAI's own tools have none
            place = (_OUTPUTS[kind], item.get("call_id"))
            if place not in called:
                raise InvalidRequest(
                    f"No tool call found for {_CALLS[place[0]]} output with call_id {place[1]}.", param="input"
                )
            waiting.pop(place, None)
    for (_, call_id), name in waiting.items():
        raise InvalidRequest(f"No tool output found for {name} {call_id}.", param="input")


def restored(items: Sequence[Item], unseal: Callable[[str], bytes | None]) -> tuple[list[Item], dict[str, list[Item]]]:
    """Reasoning that we had sealed shows its content again; what others sealed stays as it is.

    With it, by the ids of these items, what was kept beside them. One without an id gets one, if there is something.
    """
    shown: list[Item] = []
    kept: dict[str, list[Item]] = {}
    for at, item in enumerate(items):
        sealed = item.get("encrypted_content") if item.get("type") == "reasoning" else None
        opened = unseal(sealed) if isinstance(sealed, str) else None
        if opened is None:
            shown.append(item)
            continue
        content, beside = _opened(from_json(opened))
        plain = {key: value for key, value in item.items() if key != "encrypted_content"}
        plain["content"] = item.get("content") or content
        if beside:
            plain["id"] = item.get("id") or f"sealed_{at}"
            kept[plain["id"]] = beside
        shown.append(plain)
    return shown, kept


def _opened(sealed: Any) -> tuple[list[Item], list[Item]]:
    """Content, and what was kept beside it; once only content was sealed."""
    return (sealed, []) if isinstance(sealed, list) else (sealed["content"], sealed["kept"])


def room(most: int | None) -> int:
    """Tokens of user messages that a compaction keeps for a model that takes so many; None: nobody knows."""
    return KEPT if most is None else min(KEPT, most // 2)


def since_compaction(items: Sequence[Item], unseal: Callable[[str], bytes | None], keep: int = KEPT) -> list[Item]:
    """The conversation as a model is shown it: up to our last compaction item user messages only, then its summary.

    What others have compacted stays as it is. An output whose call was compacted is told as text.
    """
    for at in range(len(items) - 1, -1, -1):
        if items[at].get("type") != "compaction":
            continue
        sealed = items[at].get("encrypted_content")
        opened = unseal(sealed) if isinstance(sealed, str) else None
        if opened is not None:
            summary = _message(_SUMMARIZED + opened.decode())
            return [*kept_by_compaction(items[:at], keep), summary, *_without_orphans(items[at + 1 :])]
    return list(items)


def _without_orphans(items: Sequence[Item]) -> Iterator[Item]:
    called: set[tuple[str, Any]] = set()
    for item in items:
        kind = item.get("type", "")
        if kind in _CALLS:
            called.add((kind, item.get("call_id")))
        if kind in _OUTPUTS and (_OUTPUTS[kind], item.get("call_id")) not in called:
            said = item.get("output")
            lead = f"The output of tool call {item.get('call_id')}:"
            content = [{"type": "input_text", "text": said}] if isinstance(said, str) else said or []
            yield {"type": "message", "role": "user", "content": [{"type": "input_text", "text": lead}, *content]}
        else:
            yield item


def kept_by_compaction(items: Sequence[Item], keep: int = KEPT) -> list[Item]:
    """The user's messages as they are, in parts; of many, or long ones, the newest."""
    kept: list[Item] = []
    left = keep
    for item in reversed(items):
        if item.get("role") != "user" or item.get("type") not in (None, "message"):
            continue
        left -= _tokens(item)
        if kept and left < 0:
            break
        content = item.get("content")
        parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else content
        kept.append({**item, "type": "message", "content": parts})
    return kept[::-1]


def compaction_item(summary: str, seal: Callable[[bytes], str], new_id: Callable[[str], str]) -> Item:
    return {"id": new_id("cmp"), "type": "compaction", "encrypted_content": seal(summary.encode())}


def summary_request(request: Mapping[str, Any], items: Sequence[Item]) -> Item:
    """A request whose answer is the summary of this conversation. What was wanted of the answer itself is not in it."""
    told = [*items, _message(_SUMMARIZE)]
    kept = {name: request[name] for name in _FREE if request.get(name) is not None}
    if request.get("instructions"):
        kept["instructions"] = request["instructions"]
    return {**kept, "input": told, "store": False}


def shortened(items: Sequence[Item], keep: float) -> list[Item] | None:
    """The conversation without whole turns from its middle, until about this share of it is left.

    The first turn stays, with what the developer said anywhere, and so does the last one. A turn begins with what the
    user says, or with the first output after a model's answer. None when nothing can go.
    """
    turns = _turns(items)
    whole = sum(map(_tokens, items))
    left, gone = whole, set[int]()
    for at in range(1, len(turns) - 1):
        if left <= whole * keep:
            break
        if free := [item for item in turns[at] if item.get("role") not in ("system", "developer")]:
            gone.add(at)
            left -= sum(map(_tokens, free))
    if not gone:
        return None
    return [
        item
        for at, turn in enumerate(turns)
        for item in turn
        if at not in gone or item.get("role") in ("system", "developer")
    ]


def _turns(items: Sequence[Item]) -> list[list[Item]]:
    """Stretches that can go without tearing a call from its output."""
    turns: list[list[Item]] = [[]]
    waiting: set[Any] = set()
    answered = False
    for item in items:
        kind = item.get("type")
        asks = item.get("role") == "user" and kind in (None, "message")
        if not waiting and answered and (asks or kind in ("reasoning", *_CALLS)):
            turns.append([])
            answered = False
        turns[-1].append(item)
        if kind in _CALLS:
            waiting.add((kind, item.get("call_id")))
        elif kind in _OUTPUTS:
            waiting.discard((_OUTPUTS[kind], item.get("call_id")))
        answered = answered or kind in _OUTPUTS or item.get("role") == "assistant"
    return turns


def tokens(request: Mapping[str, Any], items: Sequence[Item]) -> int:
    """About as many tokens as the model will read, four characters to each."""
    asked = {name: request[name] for name in ("instructions", "tools", "text") if request.get(name)}
    return sum(map(_tokens, items)) + (_tokens(asked) if asked else 0)


def _tokens(item: Mapping[str, Any]) -> int:
    pictures, bulk = 0, 0
    content = item.get("content") or item.get("output")
    for part in content if isinstance(content, list) else ():
        match part:
            case {"type": "input_image"}:
                pictures += 1
                bulk += len(part.get("image_url") or "")
            case {"type": "input_file", "file_data": str(data)}:
                bulk += len(data) // 4  # base64 of text, perhaps: three characters of it are in four
    return max(1, (len(to_json(item, inf_nan_mode="null")) - bulk) // 4) + pictures * _PICTURE


def _message(text: str) -> Item:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
