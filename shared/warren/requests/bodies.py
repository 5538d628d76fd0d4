"""The bodies of the API's requests."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from warren.objects import Item
from warren.requests import fields
from warren.requests.items import INPUT, ITEM, PROMPT, kind
from warren.requests.shapes import As, many
from warren.requests.tools import CHOICE, TOOLS

Input = Annotated[str | list[Item], As(INPUT)]
Metadata = Annotated[dict[str, str], As(fields.METADATA)]
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"]
Penalty = Annotated[float, Field(ge=-2, le=2)]


class Body(BaseModel):
    """A JSON object of known fields, read strictly. What clients are known to add is kept."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)


class Asking(Body):
    """A body with an input."""

    input: Input | None = None
    previous_response_id: str | None = None

    @property
    def references(self) -> tuple[str, ...]:
        """Ids of the items that the input only refers to, in their order."""
        if not isinstance(self.input, list):
            return ()
        return tuple(item["id"] for item in self.input if kind(item) == "item_reference")


class Speaking(Asking):
    """A body with an input that may be said in a conversation."""

    conversation: Annotated[str | Item, As(fields.CONVERSATION)] | None = None

    @property
    def conversation_id(self) -> str | None:
        """The conversation, however it was named."""
        named = self.conversation
        return named["id"] if isinstance(named, dict) else named


class CreateResponse(Speaking):
    """The body of `POST /v1/responses`. Null means the default, as it does at OpenAI."""

    model: str
    instructions: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: Annotated[Item, As(fields.STREAM_OPTIONS)] | None = None
    background: bool | None = None
    background_options: Annotated[Item, As(fields.BACKGROUND_OPTIONS)] | None = None
    metadata: Metadata | None = None
    max_output_tokens: Annotated[int, Field(ge=16)] | None = None
    max_tool_calls: Annotated[int, Field(ge=1)] | None = None
    parallel_tool_calls: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    tools: Annotated[list[Item], As(TOOLS)] | None = None
    tool_choice: Annotated[str | Item, As(CHOICE)] | None = None
    text: Annotated[Item, As(fields.TEXT_FORMAT)] | None = None
    reasoning: Annotated[Item, As(fields.REASONING)] | None = None
    include: Annotated[list[str], As(fields.INCLUDE)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    service_tier: ServiceTier | None = None
    prompt: Annotated[Item, As(PROMPT)] | None = None
    context_management: Annotated[list[Item], As(fields.CONTEXT_MANAGEMENT)] | None = None
    moderation: Annotated[Item, As(fields.MODERATION)] | None = None
    safety_identifier: Annotated[str, Field(max_length=128)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Annotated[Item, As(fields.CACHE_OPTIONS)] | None = None
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    user: str | None = None
    access_programs: Annotated[Item, As(fields.ACCESS_PROGRAMS)] | None = None
    image: Annotated[Item, As(fields.IMAGE)] | None = None


class CountTokens(Speaking):
    """The body of `POST /v1/responses/input_tokens`; it may be empty."""

    model: str | None = None
    instructions: str | None = None
    tools: Annotated[list[Item], As(TOOLS)] | None = None
    tool_choice: Annotated[str | Item, As(CHOICE)] | None = None
    parallel_tool_calls: bool | None = None
    text: Annotated[Item, As(fields.TEXT_FORMAT)] | None = None
    reasoning: Annotated[Item, As(fields.REASONING)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    personality: Annotated[str, Field(max_length=64)] | None = None


class Compact(Asking):
    """The body of `POST /v1/responses/compact`."""

    model: str
    instructions: str | None = None
    prompt_cache_key: Annotated[str, Field(max_length=64)] | None = None
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    prompt_cache_options: Annotated[Item, As(fields.CACHE_OPTIONS)] | None = None
    service_tier: ServiceTier | None = None
    image: Annotated[Item, As(fields.IMAGE)] | None = None


class NewConversation(Body):
    """The body of `POST /v1/conversations`; it may be empty."""

    metadata: Metadata | None = None
    items: Annotated[list[Item], As(many(ITEM, most=20))] | None = None


class UpdateConversation(Body):
    """The body of `POST /v1/conversations/{id}`."""

    metadata: Metadata | None


class NewItems(Body):
    """The body of `POST /v1/conversations/{id}/items`."""

    items: Annotated[list[Item], As(many(ITEM, 1, 20))]
