"""Cohere's Chat API, version 2.

Facts: Cohere's API reference ("Chat V2", "Chat with streaming", "Errors") and the types of its Python SDK.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.errors import WarrenError
from warren_worker.dialect import Call, Conversation
from warren_worker.dialects.cohere import fields, messages
from warren_worker.dialects.cohere.column import PARAMETERS
from warren_worker.dialects.cohere.reader import CohereReader
from warren_worker.dialects.cohere.refusals import refusal
from warren_worker.facts import Facts
from warren_worker.framing import Framing
from warren_worker.parameters import Treatment


@dataclass(frozen=True, slots=True)
class Cohere:
    facts: Facts = field(default_factory=Facts)

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
        wanted = fields.answer(request, self.facts)
        body: dict[str, Any] = {
            "model": model,
            "messages": messages.messages(conversation, wanted.instructions),
            "stream": True,
            **fields.sampling(request),
            **fields.thinking(request, self.facts),
            **wanted.body,
        }
        return Call("/v2/chat", body, wanted.schema)

    def reader(self, _: Conversation, /) -> CohereReader:
        return CohereReader()

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        return refusal(status, headers, body)
