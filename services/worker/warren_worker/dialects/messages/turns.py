"""The conversation, as messages of blocks."""

import re
from collections.abc import Iterator
from hashlib import sha256

from pydantic_core import from_json

from warren.objects import Item
from warren_worker.asked.blocks import Block, Called, Hosted, Media, Result, Said, Thought
from warren_worker.asked.dialogue import Dialogue, Turn
from warren_worker.asked.unsaid import missing
from warren_worker.dialects.messages.caching import Caching, keep_last_marks
from warren_worker.dialects.messages.media import media
from warren_worker.dialects.messages.settling import THOUGHTS, settled
from warren_worker.facts import Facts

BY = "anthropic"
"""Whose what was kept is: signatures hold wherever Claude is."""
_IDS = re.compile(r"[a-zA-Z0-9_-]{1,256}")
_NOTHING = "(The conversation begins with what you said.)"


def told(given: Dialogue, instructions: str | None, facts: Facts, cached: Caching) -> tuple[list[Item], list[Item]]:
    """What the system says, with these instructions behind it, and the messages, of which the first is the user's.

    Somebody must say something: if there is nobody else, what the system says is it.
    """
    first = _texts(given.system, cached)
    messages = settled([{"role": turn.role, "content": _content(turn, facts, cached)} for turn in given.turns])
    if not messages:
        if not first:
            raise missing("input")
        first, messages = [], [{"role": "user", "content": first}]
    elif messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": [{"type": "text", "text": _NOTHING}]})
    if instructions is not None:
        first.append({"type": "text", "text": instructions})
    cached.end_marked(messages)
    keep_last_marks(_every([*first, *(block for message in messages for block in message["content"])]))
    return first, messages


def _every(blocks: list[Item]) -> Iterator[Item]:
    """Those inside of what tools gave back stand before it."""
    for block in blocks:
        yield from block.get("content", ()) if block["type"] == "tool_result" else ()
        yield block


def runs_without_thoughts(messages: list[Item]) -> bool:
    """Whether tools have been called in the turn that is going on, and it did not begin with thoughts."""
    first: Item | None = None
    for message in reversed(messages):
        if message["role"] == "assistant":
            first = message
        elif not any(block["type"] == "tool_result" for block in message["content"]):
            break
    if first is None or messages[-1]["role"] == "assistant":
        return False
    return first["content"][0]["type"] not in THOUGHTS


def _texts(said: list[Said], cached: Caching) -> list[Item]:
    return [cached.marked({"type": "text", "text": one.text}, one.breakpoint) for one in said if one.text.strip()]


def _content(turn: Turn, facts: Facts, cached: Caching) -> list[Item]:
    return [made for block in turn.blocks for made in _blocks(block, facts, cached)]


def _blocks(block: Block, facts: Facts, cached: Caching) -> Iterator[Item]:
    match block:
        case Said():
            yield from _texts([block], cached)
        case Media():
            yield cached.marked(media(block), block.breakpoint)
        case Called():
            yield {"type": "tool_use", "id": _id(block.call_id), "name": block.name, "input": _input(block.arguments)}
        case Result():
            yield _result(block, facts, cached)
        case Thought():
            if facts.reasoning != "none":
                yield from (dict(kept["block"]) for kept in block.kept if kept.get("by") == BY and "block" in kept)
        case Hosted():
            kept = [dict(one) for kept in block.kept if kept.get("by") == BY for one in kept.get("blocks", ())]
            yield from kept or _texts([said for said in block.told if isinstance(said, Said)], cached)


def _result(result: Result, facts: Facts, cached: Caching) -> Item:
    made: Item = {"type": "tool_result", "tool_use_id": _id(result.call_id)}
    if content := [made for part in result.content for made in _blocks(part, facts, cached)]:
        made["content"] = content
    return {**made, "is_error": True} if result.failed else made


def _id(call_id: str) -> str:
    """An id as it may be here; other providers write theirs with other letters."""
    return call_id if _IDS.fullmatch(call_id) else f"toolu_{sha256(call_id.encode()).hexdigest()[:32]}"


def _input(arguments: str) -> Item:
    """Arguments as the object that they must be; what a model wrote that is none is shown as it is."""
    try:
        given = from_json(arguments, allow_inf_nan=False)
    except ValueError:
        given = arguments
    return given if isinstance(given, dict) else {"arguments": given}
