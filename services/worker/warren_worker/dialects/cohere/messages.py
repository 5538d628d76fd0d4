"""The messages of a chat, made of the turns of a conversation."""

from collections.abc import Iterator

from pydantic_core import from_json, to_json

from warren.objects import Item
from warren_worker.asked.blocks import Block, Called, Hosted, Media, Result, Said, Thought
from warren_worker.asked.dialogue import Turn, dialogue
from warren_worker.asked.unsaid import missing, unsupported
from warren_worker.dialect import Conversation

BY = "cohere"
"""Whose reasoning it is, in what is kept of it; `as` is then the place it has: `thinking` or `plan`."""
_NOTHING = "(no output)"
"""No message may be empty."""


def messages(conversation: Conversation, instructions: str | None) -> list[Item]:
    """`instructions`: ours, behind those of the request. If there is no user, what the system says is his."""
    told = dialogue(conversation, marks=False)
    turns = told.turns or [Turn("user", [*told.system])]
    system = [said.text for said in told.system if told.turns] + ([instructions] if instructions else [])
    made: list[Item] = []
    for turn in turns:
        made += _assistant(turn) if turn.role == "assistant" else _user(turn)
    if not made:
        raise missing("input")
    return [{"role": "system", "content": "\n\n".join(system)}, *made] if system else made


def _assistant(turn: Turn) -> Iterator[Item]:
    """What was said before a call is the plan for it."""
    texts = list(_texts(turn.blocks))
    calls = [_call(block) for block in turn.blocks if isinstance(block, Called)]
    thoughts = [(_place(block), block.text) for block in turn.blocks if isinstance(block, Thought) and block.text]
    thinking = [{"type": "thinking", "thinking": text} for place, text in thoughts if place == "thinking"]
    content: list[Item] = [*thinking, *({"type": "text", "text": text} for text in texts if not calls)]
    message: Item = {"role": "assistant"}
    if calls:
        plan = [text for place, text in thoughts if place == "plan"] + texts
        message |= {"tool_calls": calls, **({"tool_plan": "\n\n".join(plan)} if plan else {})}
    if thinking or len(content) > 1:
        message["content"] = content
    elif content:
        message["content"] = texts[0]
    if len(message) > 1:
        yield message


def _texts(blocks: list[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Said(text):
                yield text
            case Hosted(told=told):
                yield from (said.text for said in told if isinstance(said, Said))


def _call(call: Called) -> Item:
    function = {"name": call.name, "arguments": _arguments(call.arguments)}
    return {"id": call.call_id, "type": "function", "function": function}


def _arguments(text: str) -> str:
    """An object in any case: what a model wrote wrongly is shown to it inside of one."""
    try:
        fits = isinstance(from_json(text), dict)
    except ValueError:
        fits = False
    return text if fits else to_json({"arguments": text}).decode()


def _place(thought: Thought) -> str | None:
    """Where reasoning of Cohere's own stood; that of others has no place."""
    return next((str(kept.get("as")) for kept in thought.kept if kept.get("by") == BY), None)


def _user(turn: Turn) -> Iterator[Item]:
    """Results are text; what else they hold the user shows."""
    parts: list[Item] = []
    for block in turn.blocks:
        match block:
            case Result(call_id=call_id, content=content):
                said = "".join(part.text for part in content if isinstance(part, Said))
                yield {"role": "tool", "tool_call_id": call_id, "content": said or _NOTHING}
                if shown := [part for part in content if isinstance(part, Media)]:
                    parts += [_text(f"The output of tool call {call_id}:"), *map(_picture, shown)]
            case Said(text):
                parts.append(_text(text))
            case Media():
                parts.append(_picture(block))
    if len(parts) == 1 and parts[0]["type"] == "text":
        yield {"role": "user", "content": parts[0]["text"]}
    elif parts:
        yield {"role": "user", "content": parts}


def _text(text: str) -> Item:
    return {"type": "text", "text": text}


def _picture(media: Media) -> Item:
    if media.kind != "input_image":
        raise unsupported(media.path, f"{media.kind!r} parts are not supported with this model")
    if media.data is not None:
        url = f"data:{media.media_type or 'image/png'};base64,{media.data}"
    elif media.url is not None:
        url = media.url
    else:
        raise unsupported(media.path, "this form of 'input_image' is not supported with this model")
    detail = "high" if media.detail == "original" else media.detail
    return {"type": "image_url", "image_url": {"url": url, **({"detail": detail} if detail else {})}}
