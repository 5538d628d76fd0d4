"""OpenAI's Chat Completions, as spoken by OpenAI and everybody who calls himself compatible.

Facts: the OpenAI API reference, "Chat Completions"; deviations of other servers are noted where they matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from warren.errors import WarrenError
from warren_worker.dialect import Call, Conversation
from warren_worker.dialects.chat import fields, messages
from warren_worker.dialects.chat.column import PARAMETERS
from warren_worker.dialects.chat.effort import Thinking, effort
from warren_worker.dialects.chat.reader import ChatReader
from warren_worker.dialects.chat.search import Searching
from warren_worker.dialects.chat.tools import tools
from warren_worker.facts import Facts
from warren_worker.framing import Framing
from warren_worker.parameters import Treatment
from warren_worker.refusal import refusal


@dataclass(frozen=True, slots=True)
class Chat:
    """The dialect. Its fields say how a server deviates from OpenAI's own."""

    limit: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    """What the limit of output tokens is called."""
    developer: Literal["developer", "system"] = "system"
    """The role of instructions that come from the developer."""
    hoists: bool = True
    """All such instructions go to the front: many chat templates know no others."""
    thoughts: Literal["reasoning_content", "reasoning", "reasoning_details"] | None = None
    """Where an earlier answer's reasoning goes, in a conversation with tools; most servers keep none between turns."""
    demands_thoughts: bool = False
    """An earlier call without any is refused, as where another provider made it."""
    effort: Thinking | None = "reasoning_effort"
    """How it is told to think; None if it cannot be."""
    schemas: bool = True
    """It can be asked to keep to a JSON schema."""
    objects: bool = False
    """Without `schemas`: it can at least be asked for JSON."""
    schemas_beside_tools: bool = True
    """… also where there are tools."""
    strict: bool = True
    """It takes `strict` of functions."""
    required: Literal["required", "any"] = "required"
    """What it calls the choice of any tool, but one."""
    searches: Searching | None = None
    """How it is asked for a web search; None if it has none."""
    caches: bool = False
    """It marks parts for its cache by `cache_control`."""
    names_results: bool = False
    """A tool's result says the tool's name."""
    short_ids: bool = False
    """Ids of calls have nine letters and digits."""
    empty_messages: bool = True
    """It takes messages without text."""
    usage_option: bool = True
    """It takes `stream_options`; without, it tells what it used in any case."""
    tags: bool = False
    """Thoughts stand in the text, between `<think>` and `</think>`."""
    knows: frozenset[str] = frozenset()
    """Fields of OpenAI's own that it takes as well."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Fields that every request has."""
    facts: Facts = field(default_factory=Facts)

    @property
    def parameters(self) -> Mapping[str, Treatment]:
        column = PARAMETERS | dict.fromkeys(self.knows, Treatment.NATIVE)
        if self.searches is not None:
            column["tools:web_search"] = Treatment.TRANSLATED
        if self.effort is None:
            column["reasoning.effort"] = Treatment.DROPPABLE
        return column

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
        wanted = fields.text_format(
            request,
            schemas=self.schemas and self.facts.schemas is not False,
            objects=self.objects,
            both=self.schemas_beside_tools,
        )
        body: dict[str, Any] = {
            **self.more,
            "model": model,
            "messages": messages.messages(conversation, self._manner(), wanted.instructions),
            "stream": True,
        }
        if self.usage_option:
            body["stream_options"] = {"include_usage": True}
        fields.sampled(request, self.facts.sampling)
        body |= fields.same(request, self.knows)
        if self.effort is not None:
            body |= effort(request, self.effort, self.facts)
        if request.get("max_output_tokens") is not None:
            body[self.limit] = request["max_output_tokens"]
        body |= fields.logprobs(request)
        body |= tools(request, required=self.required, strict=self.strict, searching=self.searches)
        body |= wanted.body
        return Call("/chat/completions", body, wanted.schema)

    def reader(self, _: Conversation, /) -> ChatReader:
        return ChatReader(tagged=self.tags, keeps=self.thoughts == "reasoning_details")

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        return refusal(status, headers, body)

    def _manner(self) -> messages.Manner:
        return messages.Manner(
            developer=self.developer,
            hoists=self.hoists,
            thoughts=self.thoughts,
            demands=self.demands_thoughts,
            caches=self.caches,
            names=self.names_results,
            short_ids=self.short_ids,
            empties=self.empty_messages,
            answers=self.facts.answers_results is True,
        )
