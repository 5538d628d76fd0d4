"""The conversation as contents: turns of a user and of the model, in parts."""

import base64
from collections.abc import Iterator

from pydantic_core import from_json

from warren.errors import InvalidRequest
from warren.objects import Item
from warren_worker.asked.blocks import Block, Called, Hosted, Media, Result, Said, Thought
from warren_worker.asked.dialogue import Turn
from warren_worker.dialects.gemini.manner import Manner
from warren_worker.dialects.gemini.media import data, part
from warren_worker.wrapping import KEY

VENDOR = "gemini"
"""In whose terms what is kept of an answer is said."""
_FOREIGN = base64.b64encode(b"skip_thought_signature_validator").decode()
"""What Google has one sign a call with that another model made."""
_NOTHING: Item = {"text": " "}


def contents(turns: list[Turn], manner: Manner) -> list[Item]:
    """The first is the user's, as Gemini wants it, whatever he said; nobody speaks twice in a row."""
    made: list[Item] = []
    for at, turn in enumerate(turns):
        if turn.role == "user":
            _add(made, "user", list(_shown(turn.blocks, turns[at - 1].blocks if at else [], manner)))
        else:
            _add(made, "model", _spoken(turn.blocks, manner))
    if not made or made[0]["role"] == "model":
        made.insert(0, {"role": "user", "parts": [_NOTHING]})
    if manner.combines:
        _sign(made)
    return made


def _sign(made: list[Item]) -> None:
    """In what Gemini calls the current turn, the first call of each step must be signed, whoever made it."""
    current = max((at for at, content in enumerate(made) if _opens(content)), default=0)
    for content in made[current:]:
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        if first is not None:
            first.setdefault("thoughtSignature", _FOREIGN)


def _opens(content: Item) -> bool:
    """Whether this begins a turn: what functions gave back goes on with one."""
    return content["role"] == "user" and not any("functionResponse" in part for part in content["parts"])


def _add(made: list[Item], role: str, parts: list[Item]) -> None:
    if not parts:
        return
    if made and made[-1]["role"] == role:
        made[-1]["parts"] += parts
    else:
        made.append({"role": role, "parts": parts})


def _shown(blocks: list[Block], before: list[Block], manner: Manner) -> Iterator[Item]:
    """What the user said, and what functions gave back: that goes first, all of it, in the order of the calls."""
    order = {block.call_id: at for at, block in enumerate(before) if isinstance(block, Called)}
    results = [block for block in blocks if isinstance(block, Result)]
    beside: list[Item] = []
    for result in sorted(results, key=lambda one: order.get(one.call_id, 0)):
        yield _returned(result, beside, manner)
    yield from beside
    for block in blocks:
        match block:
            case Said(text):
                yield {"text": text}
            case Media():
                yield part(block, manner)


def _returned(result: Result, beside: list[Item], manner: Manner) -> Item:
    """What a function gave back. `beside` gets the media that an older model cannot be shown inside of that."""
    if not result.name:
        raise InvalidRequest(
            f"No tool call found for function call output with call_id {result.call_id}.", param="input"
        )
    text = "\n".join(said.text for said in result.content if isinstance(said, Said))
    made: Item = {"id": result.call_id, "name": result.name, "response": {"error" if result.failed else "output": text}}
    if media := [data(one, manner) for one in result.content if isinstance(one, Media)]:
        if manner.combines:
            made["parts"] = media
        else:
            beside += [{"text": f"What {result.name} gave back:"}, *media]
    return {"functionResponse": made}


def _spoken(blocks: list[Block], manner: Manner) -> list[Item]:
    """What the model said, each part with its signature."""
    made: list[Item] = []
    signature: str | None = None
    for block in blocks:
        match block:
            case Said(text):
                made.append(_signed({"text": text}, *_signatures(block.kept)))
            case Thought():
                made += [kept["part"] for kept in block.kept if kept.get("by") == VENDOR and "part" in kept]
                signature = next(_signatures(block.kept), signature)
            case Called():
                made.append(_signed({"functionCall": _call(block)}, signature))
                signature = None
            case Hosted():
                made += _hosted(block, manner)
    return made


def _call(called: Called) -> Item:
    try:
        arguments = from_json(called.arguments)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        arguments = {KEY: called.arguments}  # another model's, broken off: nothing but an object can be said
    return {"id": called.call_id, "name": called.name, "args": arguments}


def _hosted(block: Hosted, manner: Manner) -> list[Item]:
    """As it was, if it was Gemini's own; else in words."""
    if not manner.vertex:
        for kept in block.kept:
            if kept.get("by") == VENDOR and "parts" in kept:
                return list(kept["parts"])
    return [{"text": said.text} for said in block.told if isinstance(said, Said)]


def _signatures(kept: tuple[Item, ...]) -> Iterator[str]:
    return (one["signature"] for one in kept if one.get("by") == VENDOR and "signature" in one)


def _signed(made: Item, *signatures: str | None) -> Item:
    signature = signatures[-1] if signatures else None
    return made if signature is None else {**made, "thoughtSignature": signature}
