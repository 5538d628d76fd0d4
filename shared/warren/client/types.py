"""What calls give: the objects of the Responses API as classes, by OpenAI's names for their fields.

Fields that no class has are kept as plain JSON, and so are items of types that are not known here. Whatever is an
attribute can be had like a key of a dict, too.
"""

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, PrivateAttr, Tag

from warren.exceptions import JSONSchemaValidationError

Json = dict[str, Any]
COST = "x-warren-response-cost"
"""The header with what a response cost, in US dollars."""


class Object(BaseModel):
    """A JSON object. Two are equal if their JSON is."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    def __contains__(self, name: str) -> bool:
        return name in type(self).model_fields or name in (self.model_extra or ())

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Object) and type(self) is type(other) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def to_dict(self) -> Json:
        """The JSON that it came as."""
        return self.model_dump(mode="json", exclude_unset=True)


class OutputText(Object):
    type: Literal["output_text"]
    text: str
    annotations: list[Json] = []
    logprobs: list[Json] | None = None


class Refusal(Object):
    type: Literal["refusal"]
    refusal: str


class ReasoningText(Object):
    type: Literal["reasoning_text"]
    text: str


class SummaryText(Object):
    type: Literal["summary_text"]
    text: str


class Other(Object):
    """A part, or an item, of a type that has no class here."""

    type: str


def _tag(*known: str) -> Discriminator:
    """By `type`; what is not known is an `Other`."""

    def kind(value: Any) -> str:
        name = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
        return name if name in known else "other"

    return Discriminator(kind)


Part = Annotated[
    Annotated[OutputText, Tag("output_text")]
    | Annotated[Refusal, Tag("refusal")]
    | Annotated[ReasoningText, Tag("reasoning_text")]
    | Annotated[Other, Tag("other")],
    _tag("output_text", "refusal", "reasoning_text"),
]


class OutputMessage(Object):
    type: Literal["message"]
    id: str
    role: str = "assistant"
    status: str | None = None
    content: list[Part] = []


class ReasoningItem(Object):
    type: Literal["reasoning"]
    id: str
    summary: list[SummaryText] = []
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: str | None = None


class FunctionCall(Object):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    """JSON, as the model wrote it."""
    id: str | None = None
    status: str | None = None


class CustomToolCall(Object):
    type: Literal["custom_tool_call"]
    call_id: str
    name: str
    input: str
    id: str | None = None


class CompactionItem(Object):
    type: Literal["compaction"]
    id: str
    encrypted_content: str


OutputItem = Annotated[
    Annotated[OutputMessage, Tag("message")]
    | Annotated[ReasoningItem, Tag("reasoning")]
    | Annotated[FunctionCall, Tag("function_call")]
    | Annotated[CustomToolCall, Tag("custom_tool_call")]
    | Annotated[CompactionItem, Tag("compaction")]
    | Annotated[Other, Tag("other")],
    _tag("message", "reasoning", "function_call", "custom_tool_call", "compaction"),
]


class InputTokensDetails(Object):
    cached_tokens: int = 0


class OutputTokensDetails(Object):
    reasoning_tokens: int = 0


class Usage(Object):
    input_tokens: int = 0
    input_tokens_details: InputTokensDetails = InputTokensDetails()
    output_tokens: int = 0
    output_tokens_details: OutputTokensDetails = OutputTokensDetails()
    total_tokens: int = 0
    cost: Decimal | None = None


class ResponseError(Object):
    code: str | None = None
    message: str = ""


class IncompleteDetails(Object):
    reason: str | None = None


class Answered(Object):
    """What a call gave, and what its headers said."""

    _headers: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """Who answered and how, by names in small letters: `x-request-id`, `x-warren-deployment`, `x-warren-attempt`,
        `x-warren-dropped` …; empty for what came inside of a stream.
        """
        return self._headers

    def told(self, headers: Mapping[str, str]) -> Self:
        self._headers = dict(headers)
        return self


class Response(Answered):
    """A response of a model."""

    id: str
    object: str = "response"
    created_at: int | float = 0
    completed_at: int | float | None = None
    status: str | None = None
    model: str = ""
    output: list[OutputItem] = []
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    usage: Usage | None = None
    instructions: str | list[Json] | None = None
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    temperature: int | float | None = None
    tool_choice: str | Json | None = None
    tools: list[Json] = []
    top_p: int | float | None = None
    background: bool | None = None
    max_output_tokens: int | None = None
    previous_response_id: str | None = None
    reasoning: Json | None = None
    service_tier: str | None = None
    store: bool | None = None
    text: Json | None = None
    truncation: str | None = None
    user: str | None = None

    _parsed: Any = PrivateAttr(default=None)

    @property
    def output_text(self) -> str:
        """All that was said, without refusals and thoughts."""
        parts = (part for item in self.output if isinstance(item, OutputMessage) for part in item.content)
        return "".join(part.text for part in parts if isinstance(part, OutputText))

    @property
    def output_parsed(self) -> Any:
        """What was said as an object of the class given as `text_format`; None without one, and for an answer that was
        cut off or refused.
        """
        return self._parsed

    @property
    def cost(self) -> Decimal | None:
        """What it cost, in US dollars; None if no price is known."""
        if told := self._headers.get(COST):
            with suppress(InvalidOperation):
                return Decimal(told)
        return None if self.usage is None else self.usage.cost

    def parsed(self, kind: type[BaseModel] | None) -> Self:
        """With `output_parsed`.

        Raises:
            JSONSchemaValidationError: what was said is none of that class.
        """
        if kind is not None and self.status == "completed" and (said := self.output_text):
            try:
                self._parsed = kind.model_validate_json(said)
            except ValueError as error:
                message = f"The answer is no {kind.__name__}: {error}"
                raise JSONSchemaValidationError(message, model=self.model, outcome=self) from None
        return self


class CompactedResponse(Answered):
    """A conversation in fewer tokens: give its `output` as the next input."""

    id: str
    object: str = "response.compaction"
    created_at: int | float = 0
    output: list[OutputItem] = []
    usage: Usage | None = None


class DeletedResponse(Answered):
    id: str
    object: str = "response"
    deleted: bool = True


class Page(Answered):
    """Part of a list: items as plain JSON; the next one begins `after` the last id."""

    object: str = "list"
    data: list[Json] = []
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False
