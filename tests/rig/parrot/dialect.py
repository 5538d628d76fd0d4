"""The smallest whole dialect: what a parrot is told and says. A new one begins like this (see CONTRIBUTING.md)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from warren import sse
from warren.errors import UpstreamError, WarrenError
from warren_worker.asked.blocks import Said
from warren_worker.asked.dialogue import dialogue
from warren_worker.dialect import Call, Conversation, Delta, Stop, Text, used
from warren_worker.framing import Framing
from warren_worker.parameters import NAMES, Treatment
from warren_worker.refusal import refusal

_OURS = ("max_tool_calls", "truncation", "context_management", "store", "metadata", "background")
PARAMETERS: dict[str, Treatment] = {
    **dict.fromkeys(NAMES, Treatment.DROPPABLE),
    **{name: Treatment.REFUSED for name in NAMES if name.startswith("input:")},
    **dict.fromkeys(_OURS, Treatment.OURS),
    "instructions": Treatment.TRANSLATED,
    "temperature": Treatment.NATIVE,
}


@dataclass(frozen=True, slots=True)
class Parrot:
    parameters: Mapping[str, Treatment]
    framing: Framing = Framing.SSE
    inlines: frozenset[str] = frozenset()
    compacts: bool = False

    def call(self, conversation: Conversation, model: str) -> Call:
        said = dialogue(conversation)
        turns = [" ".join(block.text for block in turn.blocks if isinstance(block, Said)) for turn in said.turns]
        body: dict[str, Any] = {"parrot": model, "heard": [*(one.text for one in said.system), *turns]}
        if conversation.request.get("temperature") is not None:
            body["temperature"] = conversation.request["temperature"]
        return Call("/talk", body)

    def reader(self, _: Conversation, /) -> "ParrotReader":
        return ParrotReader()

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        return refusal(status, headers, body)


class ParrotReader:
    def feed(self, event: sse.Event) -> Iterator[Delta]:
        try:
            told = from_json(event.data)
        except ValueError:
            raise UpstreamError("The provider sent an event that is no part of a parrot's talk.") from None
        match told:
            case {"word": str(word)}:
                yield Text(word)
            case {"silent": True}:
                yield from used(told.get("heard"), 0, 0, told.get("said"), 0)
                yield Stop()
