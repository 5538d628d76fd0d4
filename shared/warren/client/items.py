"""JSON objects as classes: those that a response is made of.

Fields that no class has are kept as plain JSON, and so are items of types that are not known here. Whatever is an
attribute can be had like a key of a dict, too.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

Json = dict[str, Any]


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
    annotations: list[Json] = Field(default_factory=list)
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
    content: list[Part] = Field(default_factory=list)


class ReasoningItem(Object):
    type: Literal["reasoning"]
    id: str
    summary: list[SummaryText] = Field(default_factory=list)
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
