"""The events of a stream as classes, by their `type`. Events that look alike share one.

for event in warren.responses(model="openai/gpt-5", input="hello", stream=True):
if event.type == "response.output_text.delta":
print(event.delta, end="")
"""

from typing import Annotated, Any, Literal, cast

from pydantic import Field, TypeAdapter, ValidationError

from warren.client.items import Json, Object, OutputItem, Part, SummaryText
from warren.client.types import Response


class Event(Object):
    """Any event. One that has no class here is just this."""

    type: str
    sequence_number: int = -1


class ResponseEvent(Event):
    """The response as it stands: at the beginning, when its state changes, and at the end."""

    type: Literal[
        "response.created", "response.queued", "response.in_progress",
        "response.completed", "response.incomplete", "response.failed",
    ]  # fmt: skip
    response: Response


class ErrorEvent(Event):
    type: Literal["error"]
    code: str | None = None
    message: str = ""
    param: str | None = None


class Keepalive(Event):
    """Nothing has happened for a while."""

    type: Literal["keepalive"]


class OutputItemEvent(Event):
    type: Literal["response.output_item.added", "response.output_item.done"]
    output_index: int
    item: OutputItem


class ItemEvent(Event):
    """What is about an item of the output."""

    item_id: str = ""
    output_index: int


class ToolProgress(ItemEvent):
    """How a call of a hosted tool gets on."""

    type: Literal[
        "response.web_search_call.in_progress", "response.web_search_call.searching",
        "response.web_search_call.completed",
        "response.file_search_call.in_progress", "response.file_search_call.searching",
        "response.file_search_call.completed",
        "response.code_interpreter_call.in_progress", "response.code_interpreter_call.interpreting",
        "response.code_interpreter_call.completed",
        "response.image_generation_call.in_progress", "response.image_generation_call.generating",
        "response.image_generation_call.completed",
        "response.mcp_call.in_progress", "response.mcp_call.completed", "response.mcp_call.failed",
        "response.mcp_list_tools.in_progress", "response.mcp_list_tools.completed", "response.mcp_list_tools.failed",
        "response.compaction.compacting",
    ]  # fmt: skip


class ContentEvent(ItemEvent):
    """What is about a part of an item's content."""

    content_index: int


class ContentPartEvent(ContentEvent):
    type: Literal["response.content_part.added", "response.content_part.done"]
    part: Part


class TextDelta(ContentEvent):
    type: Literal["response.output_text.delta"]
    delta: str
    logprobs: list[Json] | None = None


class TextDone(ContentEvent):
    type: Literal["response.output_text.done"]
    text: str
    logprobs: list[Json] | None = None


class AnnotationAdded(ContentEvent):
    type: Literal["response.output_text.annotation.added"]
    annotation_index: int
    annotation: Json | None = None


class RefusalDelta(ContentEvent):
    type: Literal["response.refusal.delta"]
    delta: str


class RefusalDone(ContentEvent):
    type: Literal["response.refusal.done"]
    refusal: str


class ReasoningDelta(ContentEvent):
    type: Literal["response.reasoning_text.delta"]
    delta: str


class ReasoningDone(ContentEvent):
    type: Literal["response.reasoning_text.done"]
    text: str


class SummaryEvent(ItemEvent):
    """What is about a part of a summary of thoughts."""

    summary_index: int


class SummaryPartEvent(SummaryEvent):
    type: Literal["response.reasoning_summary_part.added", "response.reasoning_summary_part.done"]
    part: SummaryText


class SummaryDelta(SummaryEvent):
    type: Literal["response.reasoning_summary_text.delta"]
    delta: str


class SummaryDone(SummaryEvent):
    type: Literal["response.reasoning_summary_text.done"]
    text: str


class CallDelta(ItemEvent):
    """More of what a tool is called with."""

    type: Literal[
        "response.function_call_arguments.delta", "response.mcp_call_arguments.delta",
        "response.custom_tool_call_input.delta", "response.code_interpreter_call_code.delta",
    ]  # fmt: skip
    delta: str


class ArgumentsDone(ItemEvent):
    type: Literal["response.function_call_arguments.done", "response.mcp_call_arguments.done"]
    arguments: str


class InputDone(ItemEvent):
    type: Literal["response.custom_tool_call_input.done"]
    input: str


class CodeDone(ItemEvent):
    type: Literal["response.code_interpreter_call_code.done"]
    code: str


class PartialImage(ItemEvent):
    type: Literal["response.image_generation_call.partial_image"]
    partial_image_b64: str
    partial_image_index: int


class CommandEvent(ItemEvent):
    type: Literal["response.shell_call_command.added", "response.shell_call_command.done"]
    command_index: int
    command: str


class CommandDelta(ItemEvent):
    type: Literal["response.shell_call_command.delta"]
    command_index: int
    delta: str


class CommandOutputDelta(ItemEvent):
    type: Literal["response.shell_call_output_content.delta"]
    command_index: int
    delta: Json


class CommandOutputDone(ItemEvent):
    type: Literal["response.shell_call_output_content.done"]
    command_index: int
    output: list[Json]


StreamEvent = (
    ResponseEvent | ErrorEvent | Keepalive | OutputItemEvent | ToolProgress | ContentPartEvent | TextDelta | TextDone
    | AnnotationAdded | RefusalDelta | RefusalDone | ReasoningDelta | ReasoningDone | SummaryPartEvent | SummaryDelta
    | SummaryDone | CallDelta | ArgumentsDone | InputDone | CodeDone | PartialImage | CommandEvent | CommandDelta
    | CommandOutputDelta | CommandOutputDone
)  # fmt: skip
"""What a stream gives. An event that is newer than this version comes as a plain `Event`."""

_KNOWN: TypeAdapter[Any] = TypeAdapter(Annotated[StreamEvent, Field(discriminator="type")])
ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


def read(data: bytes) -> StreamEvent:
    """The event in this JSON."""
    try:
        return cast("StreamEvent", _KNOWN.validate_json(data))
    except ValidationError:
        return cast("StreamEvent", Event.model_validate_json(data))
