"""OpenAI's Chat Completions, as spoken by OpenAI and everybody who calls himself compatible.

Facts: the OpenAI API reference, "Chat Completions"; deviations of other servers are noted where they matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from warren.errors import WarrenError
from warren_worker.dialect import Call, Conversation
from warren_worker.dialects.chat import fields, messages
from warren_worker.dialects.chat.reader import ChatReader
from warren_worker.dialects.chat.tools import chosen
from warren_worker.framing import Framing
from warren_worker.parameters import Treatment
from warren_worker.refusal import refusal

PARAMETERS: dict[str, Treatment] = {}
"""What becomes of each parameter."""


@dataclass(frozen=True, slots=True)
class Chat:
    """The dialect. Its fields say how a server deviates from OpenAI's own."""

    limit: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    """What the limit of output tokens is called."""
    developer: Literal["developer", "system"] = "system"
    """The role of instructions that come from the developer."""
    hoists: bool = True
    """All such instructions go to the front: many chat templates know no others."""
    thoughts: Literal["reasoning_content"] | None = None
    """Where an earlier answer's reasoning goes; most servers keep none between turns."""
    schemas: bool = True
    """It can be asked to keep to a JSON schema."""
    knows: frozenset[str] = frozenset()
    """Fields of OpenAI's own that it takes as well."""

    @property
    def parameters(self) -> Mapping[str, Treatment]:
        return PARAMETERS

    @property
    def framing(self) -> Framing:
        return Framing.SSE

    @property
    def inlines(self) -> frozenset[str]:
        return frozenset()

    @property
    def compacts(self) -> bool:
        return False

    def call(self, conversation: Conversation, model: str) -> Call:
        request = conversation.request
        wanted = fields.text_format(request, native=self.schemas)
        manner = messages.Manner(self.developer, self.hoists, self.thoughts, wanted.instructions)
        body: dict[str, Any] = {
            "model": model,
            "messages": messages.messages(conversation, manner),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        body |= fields.same(request, self.knows)
        if request.get("max_output_tokens") is not None:
            body[self.limit] = request["max_output_tokens"]
        body |= fields.logprobs(request)
        body |= chosen(request)
        body |= wanted.body
        body |= fields.effort(request)
        return Call("/chat/completions", body, wanted.schema)

    def reader(self, _: Conversation, /) -> ChatReader:
        return ChatReader()

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        return refusal(status, headers, body)
