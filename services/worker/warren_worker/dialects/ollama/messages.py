"""The messages of a chat, made of the turns of a conversation."""

from collections.abc import Iterator

from pydantic_core import from_json

from warren.objects import Item
from warren_worker.asked.blocks import Block, Called, Hosted, Media, Result, Said, Thought
from warren_worker.asked.dialogue import Turn, dialogue
from warren_worker.asked.unsaid import missing, unsupported
from warren_worker.dialect import Conversation

BY = "ollama"
"""Whose reasoning it is, in what is kept of it."""


def messages(conversation: Conversation, instructions: str | None) -> list[Item]:
    """`instructions`: ours, behind those of the request."""
    told = dialogue(conversation, marks=False)
    system = [said.text for said in told.system] + ([instructions] if instructions else [])
    made: list[Item] = [{"role": "system", "content": "\n\n".join(system)}] if system else []
    for turn in told.turns:
        made += _assistant(turn) if turn.role == "assistant" else _user(turn)
    if not made:
        raise missing("input")
    return made


def _assistant(turn: Turn) -> Iterator[Item]:
    """Thoughts of its own a model may need between its calls; of other turns' its template forgets them."""
    thoughts = [block.text for block in turn.blocks if isinstance(block, Thought) and _ours(block)]
    calls = [_call(block) for block in turn.blocks if isinstance(block, Called)]
    content = "\n\n".join(_texts(turn.blocks))
    if thoughts or calls or content:
        yield {
            "role": "assistant",
            "content": content,
            **({"thinking": "\n".join(thoughts)} if thoughts else {}),
            **({"tool_calls": calls} if calls else {}),
        }


def _ours(thought: Thought) -> bool:
    return bool(thought.text) and any(kept.get("by") == BY for kept in thought.kept)


def _texts(blocks: list[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Said(text):
                yield text
            case Hosted(told=told):
                yield from (said.text for said in told if isinstance(said, Said))


def _call(call: Called) -> Item:
    return {"id": call.call_id, "function": {"name": call.name, "arguments": _arguments(call.arguments)}}


def _arguments(text: str) -> Item:
    """An object in any case: what a model wrote wrongly is shown to it inside of one."""
    try:
        value = from_json(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"arguments": text}


def _user(turn: Turn) -> Iterator[Item]:
    """Results are text; what else they hold the user shows. A message's pictures stand beside its text."""
    texts: list[str] = []
    pictures: list[str] = []
    for block in turn.blocks:
        match block:
            case Result(call_id=call_id, name=name, content=content):
                said = "".join(part.text for part in content if isinstance(part, Said))
                named = {"tool_name": name} if name else {}
                yield {"role": "tool", "content": said, **named, "tool_call_id": call_id}
                if shown := [part for part in content if isinstance(part, Media)]:
                    texts.append(f"The output of the tool {name or call_id} is a picture.")
                    pictures += map(_picture, shown)
            case Said(text):
                texts.append(text)
            case Media():
                pictures.append(_picture(block))
    if texts or pictures:
        yield {"role": "user", "content": "\n\n".join(texts), **({"images": pictures} if pictures else {})}


def _picture(media: Media) -> str:
    """Bytes only: pictures that are named by URL have been fetched by now."""
    if media.kind != "input_image":
        raise unsupported(media.path, f"{media.kind!r} parts are not supported with this model")
    if media.data is None:
        raise unsupported(media.path, "this form of 'input_image' is not supported with this model")
    return media.data
