"""Amazon Bedrock's Converse.

Facts: the API reference of Amazon Bedrock Runtime and its service model in botocore.

Whose model it is decides in what terms some things are said (`vendors`). What is kept of Claude's thoughts is as
Anthropic writes it, so that a conversation can go on with Claude elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from warren.errors import WarrenError
from warren.objects import Item
from warren_worker.dialect import Call, Conversation
from warren_worker.dialects.converse import vendors
from warren_worker.dialects.converse.column import column
from warren_worker.dialects.converse.reader import ConverseReader
from warren_worker.dialects.converse.refusals import refusal
from warren_worker.dialects.converse.request import asked, counted
from warren_worker.facts import Facts
from warren_worker.framing import Framing
from warren_worker.parameters import Treatment

_BY_BYTES = frozenset({"input_image", "input_file"})


@dataclass(frozen=True, slots=True)
class Converse:
    """The dialect. `facts` are those of the one model that it is spoken to."""

    facts: Facts = Facts()  # noqa: RUF009  # frozen
    vendor: str = vendors.DEFAULT
    """Who made that model."""

    @property
    def parameters(self) -> Mapping[str, Treatment]:
        return column(vendors.of(self.vendor, self.facts))

    @property
    def framing(self) -> Framing:
        return Framing.EVENTSTREAM

    @property
    def inlines(self) -> frozenset[str]:
        return _BY_BYTES

    @property
    def compacts(self) -> bool:
        return False

    def call(self, conversation: Conversation, model: str) -> Call:
        body, schema = asked(conversation, self.facts, self.vendor)
        return Call(f"/model/{quote(model, safe='')}/converse-stream", body, schema)

    def reader(self, _: Conversation, /) -> ConverseReader:
        return ConverseReader(self.vendor, summarizes=vendors.of(self.vendor, self.facts).summarizes)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        return refusal(status, headers, body)

    def count(self, conversation: Conversation, model: str) -> Call:
        """Tokens are counted by the model itself, wherever it runs."""
        body = counted(asked(conversation, self.facts, self.vendor)[0])
        return Call(f"/model/{quote(vendors.base(model), safe='')}/count-tokens", {"input": {"converse": body}})

    def counted(self, answer: Item) -> int:
        return int(answer["inputTokens"])
