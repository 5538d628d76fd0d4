"""The messages of a chat, made of the items of a conversation."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from warren.objects import Item
from warren_worker.asked.blocks import Called, Hosted, Media, Result, Said, Thought
from warren_worker.asked.spoken import Spoken, spoken
from warren_worker.dialect import Conversation
from warren_worker.dialects.chat.details import replayed
from warren_worker.dialects.chat.parts import content, output
from warren_worker.dialects.chat.turns import Turns
from warren_worker.dialects.messages.caching import keep_last_marks

_SHORT = 9
_SHORT_ID = re.compile(f"[a-zA-Z0-9]{{{_SHORT}}}")
_ANSWER = "I see."
"""What the assistant says to results that were not answered, where they must be."""
_UNSAID = " "
"""Stands for thoughts that are nowhere: they may not be missing, nor empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a server wants to be told."""

    developer: Literal["developer", "system"]
    hoists: bool
    thoughts: Literal["reasoning_content", "reasoning", "reasoning_details"] | None
    demands: bool
    caches: bool
    names: bool
    short_ids: bool
    empties: bool
    answers: bool


def messages(conversation: Conversation, manner: Manner, instructions: str | None) -> list[Item]:
    """All that was said. `instructions` are ours, behind those of the request."""
    making = _Making(manner)
    for text in (conversation.request.get("instructions"), instructions):
        if text:
            making.turns.say({"role": manner.developer, "content": text})
    for one in spoken(conversation):
        making.take(one)
    said = making.turns.messages()
    if manner.hoists:
        said = _hoisted(said, manner.developer)
    if not manner.empties:
        said = [message for message in said if message["content"] or message["role"] == "tool" or _calls(message)]
    if manner.answers:
        said = list(_answered(said))
    if manner.caches:
        keep_last_marks(part for message in said if isinstance(message["content"], list) for part in message["content"])
    tools = bool(conversation.request.get("tools")) or any(map(_calls, said))
    return [_thoughtful(message, manner, tools=tools) for message in said]


class _Making:
    def __init__(self, manner: Manner) -> None:
        self.turns = Turns()
        self._manner = manner

    def take(self, one: Spoken) -> None:
        match one.blocks:
            case (Result() as result,):
                self._hear(result)
            case (Thought() as thought,):
                if told := self._thoughts(thought):
                    self.turns.think(told)
            case (Called() as call,):
                self.turns.say({**self._called(call), **self._beside(one)})
            case (Hosted(told=said),):
                self.turns.say({"role": "assistant", "content": self._content(said)})
            case said:
                parts = [block for block in said if isinstance(block, Said | Media)]
                role = self._manner.developer if one.role == "system" else one.role
                self.turns.say({"role": role, "content": self._content(parts), **self._beside(one)})

    def _content(self, said: Iterable[Said | Media]) -> str | list[Item]:
        return content(said, caches=self._manner.caches)

    def _hear(self, result: Result) -> None:
        message, shown = output(result, self._id(result.call_id), caches=self._manner.caches)
        if self._manner.names and result.name:
            message["name"] = result.name
        self.turns.hear(message, shown)

    def _called(self, call: Called) -> Item:
        function = {"name": call.name, "arguments": call.arguments}
        made = {"id": self._id(call.call_id), "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [made]}

    def _thoughts(self, thought: Thought) -> Item:
        """What is somebody else's own is nothing to this server, and a summary is not what a model thought."""
        match self._manner.thoughts:
            case None:
                return {}
            case "reasoning_details":
                return replayed(thought.kept)
            case name:
                return {name: thought.text} if thought.text and thought.raw and not thought.kept else {}

    def _beside(self, one: Spoken) -> Item:
        return replayed(one.kept) if self._manner.thoughts == "reasoning_details" else {}

    def _id(self, call_id: str) -> str:
        """The same for the same call, and of the form that the server takes."""
        if not self._manner.short_ids or _SHORT_ID.fullmatch(call_id):
            return call_id
        return hashlib.sha256(call_id.encode()).hexdigest()[:_SHORT]


def _calls(message: Item) -> bool:
    return bool(message.get("tool_calls"))


def _thoughtful(message: Item, manner: Manner, *, tools: bool) -> Item:
    """Thoughts are for the model to go on with, between its calls; who demands them there does so of every call."""
    name = manner.thoughts
    if name is None or name == "reasoning_details" or message["role"] != "assistant":
        return message
    if not tools:
        return {key: value for key, value in message.items() if key != name}
    return {**message, name: _UNSAID} if manner.demands and _calls(message) and name not in message else message


def _answered(said: list[Item]) -> Iterator[Item]:
    """No user speaks right behind what tools gave back, as one who stops a loop does, or shows a tool's picture."""
    before = ""
    for message in said:
        if (before, message["role"]) == ("tool", "user"):
            yield {"role": "assistant", "content": _ANSWER}
        before = message["role"]
        yield message


def _hoisted(said: list[Item], developer: str) -> list[Item]:
    """All that the developer says in one message at the front: many chat templates know no other place for it."""
    mine = [message["content"] for message in said if message["role"] == developer]
    rest = [message for message in said if message["role"] != developer]
    if not mine:
        return rest
    if all(isinstance(one, str) for one in mine):
        return [{"role": developer, "content": "\n\n".join(mine)}, *rest]
    parts = [part for one in mine for part in ([{"type": "text", "text": one}] if isinstance(one, str) else one)]
    if any(part.keys() > {"type", "text"} for part in parts):
        return [{"role": developer, "content": parts}, *rest]
    return [{"role": developer, "content": "\n\n".join(map(_text, mine))}, *rest]


def _text(content: str | list[Item]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)
