"""The conversation, as messages of blocks."""

import re
from collections.abc import Iterator
from hashlib import sha256

from pydantic_core import from_json

from warren.objects import Item
from warren_worker.asked.blocks import Block, Called, Hosted, Media, Result, Said, Thought
from warren_worker.asked.dialogue import Dialogue, Turn
from warren_worker.asked.unsaid import missing
from warren_worker.dialects.converse import thoughts
from warren_worker.dialects.converse.caching import Points
from warren_worker.dialects.converse.media import Medley
from warren_worker.facts import Facts

_IDS = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_NAMES = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NOTHING = "(The conversation begins with what you said.)"
_NO_RESULT = "(The tool gave nothing back.)"
_SEE = "(See the document.)"


class Telling:
    """Makes the messages of one request.

    To a model without tools, calls and what they gave back are told in words.
    """

    def __init__(self, vendor: str, facts: Facts, points: Points) -> None:
        self._vendor = vendor
        self._facts = facts
        self._points = points
        self._medley = Medley()

    def told(self, given: Dialogue, instructions: list[str]) -> tuple[list[Item], list[Item]]:
        """What the system says, with these instructions behind it, and the messages, of which the first is the user's.

        Somebody must say something: if there is nobody else, what the system says is it.
        """
        first = [made for one in given.system for made in self._said(one)]
        messages = self._messages(given.turns)
        if not messages:
            if not first:
                raise missing("input")
            first, messages = [], [{"role": "user", "content": first}]
        elif messages[0]["role"] != "user":
            messages.insert(0, {"role": "user", "content": [{"text": _NOTHING}]})
        self._points.end(messages)
        self._points.keep_last([first, *(message["content"] for message in messages)])
        return [*first, *({"text": one} for one in instructions)], messages

    def _messages(self, turns: list[Turn]) -> list[Item]:
        """The turns. One that is empty in these terms is left out."""
        made: list[Item] = []
        for turn in turns:
            blocks = [one for block in turn.blocks for one in self._blocks(block)]
            if turn.role == "assistant":
                _end_without_thoughts(blocks)
            elif any("document" in one for one in blocks) and not any("text" in one for one in blocks):
                blocks.append({"text": _SEE})
            if blocks and made and made[-1]["role"] == turn.role:
                made[-1]["content"] += blocks
            elif blocks:
                made.append({"role": turn.role, "content": blocks})
        if made and made[-1]["role"] == "assistant" and "text" in made[-1]["content"][-1]:
            last = made[-1]["content"][-1]
            last["text"] = last["text"].rstrip()  # the model would go on in the middle of a word
        return made

    def _blocks(self, block: Block) -> Iterator[Item]:
        match block:
            case Said():
                yield from self._said(block)
            case Media():
                yield self._medley.block(block)
                yield from self._points.behind(block.breakpoint, block.path)
            case Called() if self._facts.tools is False:
                yield {"text": f"[function_call] {block.name}({block.arguments})"}
            case Called():
                id_, name = tool_use_id(block.call_id), tool_name(block.name)
                yield {"toolUse": {"toolUseId": id_, "name": name, "input": _input(block.arguments)}}
            case Result() if self._facts.tools is False:
                yield {"text": f"[function_call_output] {block.name}:"}
                yield from self._content(block)
            case Result():
                status = {"status": "error"} if block.failed else {}
                content = list(self._content(block))
                yield {"toolResult": {"toolUseId": tool_use_id(block.call_id), "content": content, **status}}
                yield from self._behind(block)
            case Thought():
                if self._facts.reasoning != "none":
                    yield from thoughts.shown(self._vendor, block)
            case Hosted():
                yield from (made for one in block.told if isinstance(one, Said) for made in self._said(one))

    def _said(self, said: Said) -> Iterator[Item]:
        """Nothing but blanks is no text here."""
        if said.text.strip():
            yield {"text": said.text}
            yield from self._points.behind(said.breakpoint, said.path)

    def _content(self, result: Result) -> Iterator[Item]:
        """What a tool gave back."""
        nothing = True
        for part in result.content:
            if isinstance(part, Media):
                nothing = False
                yield self._medley.block(part)
            elif part.text.strip():
                nothing = False
                yield {"text": part.text}
        if nothing:
            yield {"text": _NO_RESULT}

    def _behind(self, result: Result) -> Iterator[Item]:
        """The last mark in what a tool gave back stands behind all of it: inside there can be none."""
        for part in reversed(result.content):
            if isinstance(part.breakpoint, dict):
                yield from self._points.behind(part.breakpoint, part.path)
                return


def runs_without_thoughts(messages: list[Item]) -> bool:
    """Whether tools have been called in the turn that is going on, and it did not begin with thoughts."""
    first: Item | None = None
    for message in reversed(messages):
        if message["role"] == "assistant":
            first = message
        elif not any("toolResult" in block for block in message["content"]):
            break
    if first is None or messages[-1]["role"] == "assistant":
        return False
    return "reasoningContent" not in first["content"][0]


def tool_use_id(call_id: str) -> str:
    """An id as it may be here; other providers write theirs longer, and with other letters."""
    return call_id if _IDS.fullmatch(call_id) else f"call_{sha256(call_id.encode()).hexdigest()[:32]}"


def tool_name(name: str) -> str:
    """The name of what was called, as it may be here."""
    return name if _NAMES.fullmatch(name) else re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "_"


def _end_without_thoughts(blocks: list[Item]) -> None:
    """Thoughts of which nothing came, at the end of what the assistant said, are refused there."""
    while blocks and "reasoningContent" in blocks[-1]:
        blocks.pop()


def _input(arguments: str) -> Item:
    """Arguments as the object that they must be; what a model wrote that is none is shown as it is."""
    try:
        given = from_json(arguments, allow_inf_nan=False)
    except ValueError:
        given = arguments
    return given if isinstance(given, dict) else {"arguments": given}
