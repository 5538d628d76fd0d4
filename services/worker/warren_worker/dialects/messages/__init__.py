"""Anthropic's Messages, as spoken by Anthropic itself, by Vertex AI and by Azure.

Facts: the API reference of the Claude platform and the types of Anthropic's SDK for Python.

Three of its rules shape what is asked here:

- Thinking and a forced choice of tools exclude each other: a call that forces one goes out without thinking.
- With a budget to think, a turn of tool calls must begin with the thoughts that led to it. One that was begun without
  them, by another provider's model perhaps, goes on without thinking.
- Thoughts come back with a signature, and are shown to the model again as they were. Nobody else's thoughts are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from warren.errors import WarrenError
from warren.objects import Item
from warren_worker.dialect import Call, Conversation
from warren_worker.dialects.messages.column import PARAMETERS
from warren_worker.dialects.messages.reader import MessagesReader
from warren_worker.dialects.messages.refusals import refusal
from warren_worker.dialects.messages.request import asked, counted
from warren_worker.facts import Facts
from warren_worker.framing import Framing
from warren_worker.parameters import Treatment

_BY_BYTES = frozenset({"input_image", "input_file"})


@dataclass(frozen=True, slots=True)
class Messages:
    """The dialect. `facts` are those of the one model that it is spoken to."""

    facts: Facts = Facts()  # noqa: RUF009  # frozen
    path: str = "/v1/messages"
    """Where messages are posted; they are counted below it, at `/count_tokens`."""
    vertex: str | None = None
    """On Vertex AI: the `anthropic_version`. It stands in the body there, and the model in the path, below the base URL
    `…/publishers/anthropic`; media go out as bytes only.
    """

    @property
    def parameters(self) -> Mapping[str, Treatment]:
        return PARAMETERS

    @property
    def framing(self) -> Framing:
        return Framing.SSE

    @property
    def inlines(self) -> frozenset[str]:
        return _BY_BYTES if self.vertex is not None else frozenset()

    @property
    def compacts(self) -> bool:
        return False

    def call(self, conversation: Conversation, model: str) -> Call:
        body, schema = asked(conversation, self.facts)
        if self.vertex is not None:
            body = {"anthropic_version": self.vertex, **body, "stream": True}
            return Call(f"/models/{model}:streamRawPredict", body, schema)
        return Call(self.path, {"model": model, **body, "stream": True}, schema, _betas(body))

    def reader(self, _: Conversation, /) -> MessagesReader:
        return MessagesReader()

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        return refusal(status, headers, body)

    def count(self, conversation: Conversation, model: str) -> Call:
        body = {"model": model, **counted(asked(conversation, self.facts)[0])}
        if self.vertex is not None:
            return Call("/models/count-tokens:rawPredict", {"anthropic_version": self.vertex, **body})
        return Call(f"{self.path}/count_tokens", body, headers=_betas(body))

    def counted(self, answer: Item) -> int:
        return int(answer["input_tokens"])


def _betas(body: Item) -> dict[str, str]:
    """What must be asked for by name: files that were uploaded, in this version of the API."""
    blocks = [block for message in body["messages"] for block in message["content"]]
    blocks += [inner for block in blocks if block["type"] == "tool_result" for inner in block.get("content", ())]
    files = any(block.get("source", {}).get("type") == "file" for block in blocks)
    return {"anthropic-beta": "files-api-2025-04-14"} if files else {}
