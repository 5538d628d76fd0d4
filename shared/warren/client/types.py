"""What calls give: the objects of the Responses API as classes, by OpenAI's names for their fields."""

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from pydantic import BaseModel, Field, PrivateAttr

from warren.client.items import Json, Object, OutputItem, OutputMessage, OutputText
from warren.exceptions import JSONSchemaValidationError

COST = "x-warren-response-cost"
"""The header with what a response cost, in US dollars."""


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
    output: list[OutputItem] = Field(default_factory=list)
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    usage: Usage | None = None
    instructions: str | list[Json] | None = None
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    temperature: int | float | None = None
    tool_choice: str | Json | None = None
    tools: list[Json] = Field(default_factory=list)
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
    output: list[OutputItem] = Field(default_factory=list)
    usage: Usage | None = None


class DeletedResponse(Answered):
    id: str
    object: str = "response"
    deleted: bool = True


class Page(Answered):
    """Part of a list: items as plain JSON; the next one begins `after` the last id."""

    object: str = "list"
    data: list[Json] = Field(default_factory=list)
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False
