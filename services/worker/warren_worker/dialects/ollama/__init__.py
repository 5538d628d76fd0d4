"""Ollama's own chat API.

Facts: Ollama's API documentation, its server's source ("server/routes.go"), and the types of its Python SDK.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.errors import WarrenError
from warren_worker.dialect import Call, Conversation
from warren_worker.dialects.ollama import fields, messages
from warren_worker.dialects.ollama.column import PARAMETERS
from warren_worker.dialects.ollama.reader import OllamaReader
from warren_worker.dialects.ollama.refusals import refusal
from warren_worker.facts import Facts
from warren_worker.framing import Framing
from warren_worker.parameters import Treatment


@dataclass(frozen=True, slots=True)
class Ollama:
    facts: Facts = field(default_factory=Facts)

    @property
    def parameters(self) -> Mapping[str, Treatment]:
        return PARAMETERS

    @property
    def framing(self) -> Framing:
        return Framing.LINES

    @property
    def inlines(self) -> frozenset[str]:
        return frozenset({"input_image"})

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
            **fields.window(request),
            **fields.thinking(request, self.facts),
            **fields.logprobs(request),
            **wanted.body,
        }
        if options := fields.options(request):
            body["options"] = options
        return Call("/api/chat", body, wanted.schema)

    def reader(self, _: Conversation, /) -> OllamaReader:
        return OllamaReader()

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        return refusal(status, headers, body)
