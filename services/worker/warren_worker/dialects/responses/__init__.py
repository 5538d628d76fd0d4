"""The Responses API itself: requests go out as they came, events come back as they are.

Facts: the OpenAI API reference, "Responses". The response id and the numbers are made ours by the assembler; item
ids stay the provider's, or items that are sent back would mean nothing to it. What `Conversation.kept` holds is other
providers' and stays here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.errors import WarrenError
from warren.objects import Item
from warren.seal import ours
from warren_worker.asked.unsaid import unsupported
from warren_worker.dialect import Call, Conversation
from warren_worker.dialects.responses.reader import ResponsesReader
from warren_worker.framing import Framing
from warren_worker.parameters import NAMES, Treatment
from warren_worker.refusal import refusal

__all__ = ["PARAMETERS", "Responses", "ResponsesReader"]

_NOT_SENT = frozenset(
    {
        "model",
        "input",
        "previous_response_id",
        "conversation",
        "stream",
        "stream_options",
        "background",
        "background_options",
        "client_metadata",  # Codex's own book-keeping
    }
)
PARAMETERS: dict[str, Treatment] = dict.fromkeys(NAMES, Treatment.NATIVE) | {
    "background": Treatment.OURS,
    "store": Treatment.OURS,
    "context_management": Treatment.OURS,
}
"""What becomes of each parameter at a server that is not OpenAI's own."""
_OPENAI = PARAMETERS | {"store": Treatment.NATIVE, "context_management": Treatment.NATIVE}


@dataclass(frozen=True, slots=True)
class Responses:
    """The dialect. Its fields say how a server deviates from OpenAI's own."""

    stores: bool = False
    """The provider is OpenAI: it may be told to keep responses, compacts conversations, and makes its deltas look
    longer than they are unless told not to. Others are told to keep nothing.
    """
    path: str = "/responses"
    withheld: frozenset[str] = frozenset()
    """Fields of a request that it refuses, and that Warren answers for itself."""
    bare: bool = False
    """It refuses a status of messages and reasoning."""
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By the type of a tool: fields of it that it refuses, each with the value that says what happens anyway."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """Filters of a web search that it has other names for."""

    def call(self, conversation: Conversation, model: str) -> Call:
        request = conversation.request
        body: dict[str, Any] = {name: value for name, value in request.items() if name not in _NOT_SENT | self.withheld}
        body |= {"model": model, "input": list(self._items(conversation)), "stream": True}
        if (self.tools or self.filters) and request.get("tools"):
            body["tools"] = [self._tool(tool, f"tools[{at}]") for at, tool in enumerate(request["tools"])]
        if self.stores:
            body["stream_options"] = {"include_obfuscation": False}  # that is done here, for those who ask for it
        else:
            body["store"] = False
            body.pop("context_management", None)
        if conversation.upstream_previous is not None:
            body["previous_response_id"] = conversation.upstream_previous
        return Call(self.path, body)

    @property
    def parameters(self) -> Mapping[str, Treatment]:
        column = _OPENAI if self.stores else PARAMETERS
        return column | dict.fromkeys(self.withheld & NAMES.keys(), Treatment.OURS)

    @property
    def framing(self) -> Framing:
        return Framing.SSE

    @property
    def inlines(self) -> frozenset[str]:
        return frozenset()

    @property
    def compacts(self) -> bool:
        return self.stores

    def reader(self, _: Conversation, /) -> ResponsesReader:
        return ResponsesReader()

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        return refusal(status, headers, body)

    def _items(self, conversation: Conversation) -> Iterator[Item]:
        """What was said, without the reasoning that only a provider which kept it could read."""
        for item in conversation.items:
            kind = item.get("type", "message")
            if kind == "reasoning" and not _readable(item):
                continue
            dropped = ("status",) if self.bare and kind in ("message", "reasoning") else ()
            yield {name: value for name, value in item.items() if value is not None and name not in dropped}

    def _tool(self, tool: Item, path: str) -> Item:
        """The tool without what the server would refuse in it."""
        defaults = self.tools.get(str(tool.get("type")), {})
        for name, default in defaults.items():
            if tool.get(name) not in (None, default):
                raise unsupported(f"{path}.{name}")
        made = {name: value for name, value in tool.items() if name not in defaults}
        if self.filters and isinstance(given := made.get("filters"), dict) and "web_search" in str(tool["type"]):
            made["filters"] = {self.filters.get(name, name): value for name, value in given.items()}
        return made


def _readable(item: Item) -> bool:
    sealed = item.get("encrypted_content")
    return bool(sealed) and not ours(str(sealed))
