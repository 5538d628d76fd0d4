"""Google's generateContent, as spoken by the Gemini API and by Vertex AI.

Facts: the API references of both, and the types and converters of Google's SDK for Python (google-genai).

Gemini 3 and what came after it is told how much to think by a level, and by that it is known here: it takes functions,
searches and schemas together, media inside of what a function gave back, and refuses a turn's first call without the
signature that it came with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from warren.errors import WarrenError
from warren.objects import Item
from warren_worker.dialect import Call, Conversation
from warren_worker.dialects.gemini.column import PARAMETERS
from warren_worker.dialects.gemini.manner import Manner
from warren_worker.dialects.gemini.media import reached
from warren_worker.dialects.gemini.reader import GeminiReader
from warren_worker.dialects.gemini.refusals import refusal
from warren_worker.dialects.gemini.request import asked
from warren_worker.facts import Facts
from warren_worker.framing import Framing
from warren_worker.parameters import Treatment

_BY_BYTES = frozenset({"input_image", "input_file"})
_COUNTED = ("contents", "systemInstruction", "tools", "generationConfig")


@dataclass(frozen=True, slots=True)
class Gemini:
    """The dialect. `facts` are those of the one model that it is spoken to."""

    facts: Facts = Facts()  # noqa: RUF009  # frozen
    vertex: bool = False
    """It is Vertex AI: that has no Files API, keeps no calls of its own tools, and counts tokens of another form."""
    collection: Literal["models", "endpoints"] = "models"
    """Where below the base URL the model is: a tuned one is an endpoint."""

    @property
    def parameters(self) -> Mapping[str, Treatment]:
        return PARAMETERS

    @property
    def framing(self) -> Framing:
        return Framing.SSE

    @property
    def inlines(self) -> frozenset[str]:
        return _BY_BYTES

    @property
    def compacts(self) -> bool:
        return False

    def reaches(self, url: str) -> bool:
        return reached(url)

    def call(self, conversation: Conversation, model: str) -> Call:
        body, schema = asked(conversation, self._manner)
        return Call(self._path(model, "streamGenerateContent?alt=sse"), body, schema)

    def reader(self, _: Conversation, /) -> GeminiReader:
        return GeminiReader()

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        return refusal(status, headers, body)

    def count(self, conversation: Conversation, model: str) -> Call:
        body, _ = asked(conversation, self._manner)
        if self.vertex:
            counted = {name: body[name] for name in _COUNTED if name in body}
        else:
            counted = {"generateContentRequest": {"model": f"{self.collection}/{model}", **body}}
        return Call(self._path(model, "countTokens"), counted)

    def counted(self, answer: Item) -> int:
        return int(answer["totalTokens"])

    @property
    def _manner(self) -> Manner:
        return Manner(self.facts, vertex=self.vertex)

    def _path(self, model: str, method: str) -> str:
        return f"/{self.collection}/{model}:{method}"
