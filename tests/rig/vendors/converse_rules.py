"""What Bedrock refuses: by its service model, as botocore has it, and by what else its documentation says."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from botocore.loaders import Loader  # type: ignore[import-untyped]
from botocore.model import ServiceModel, Shape  # type: ignore[import-untyped]
from botocore.validate import ParamValidator  # type: ignore[import-untyped]

Json = dict[str, Any]

_DOCUMENT_NAME = re.compile(r"(?!.*\s\s)[A-Za-z0-9\s()\[\]-]+")
_LIMITED = ("string", "list", "integer", "float", "blob")


class Wrong(ValueError):
    """Bedrock would refuse this."""


@cache
def model() -> Any:
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")


def check(operation: str, model_id: str, body: Json, signatures: frozenset[str]) -> None:
    """Raises `Wrong`, with what it is. `signatures` are those that were given out."""
    shape = model().operation_model(operation).input_shape
    given = {**body, "modelId": model_id}
    report = ParamValidator().validate(given, shape)
    if report.has_errors():
        raise Wrong(report.generate_report())
    if wrong := next(_beyond(shape, given, "body"), None):
        raise Wrong(wrong)
    asked = body["input"].get("converse", {}) if operation == "CountTokens" else body
    claude = "anthropic." in model_id
    for wrong in _conversation(asked):
        raise Wrong(wrong)
    if claude:
        for wrong in _claude(asked, signatures):
            raise Wrong(wrong)
    elif "thinking" in asked.get("additionalModelRequestFields", {}):
        raise Wrong("The additional field thinking is unknown to this model.")


def _beyond(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """What botocore leaves to the service: enumerations, patterns and lengths."""
    meta = shape.metadata
    if "enum" in meta and value not in meta["enum"]:
        yield f"Value {value!r} at {path} failed to satisfy enum value set: {meta['enum']}"
    if "pattern" in meta and not re.fullmatch(meta["pattern"], value):
        yield f"Value at {path} failed to satisfy constraint: {meta['pattern']}"
    if shape.type_name in _LIMITED:
        size = value if isinstance(value, int | float) else len(value)
        if not meta.get("min", size) <= size <= meta.get("max", size):
            yield f"Value at {path} failed to satisfy constraint: length"
    match shape.type_name, value:
        case "structure", dict():
            for name, inner in value.items():
                if name in shape.members:
                    yield from _beyond(shape.members[name], inner, f"{path}.{name}")
        case "list", list():
            for at, inner in enumerate(value):
                yield from _beyond(shape.member, inner, f"{path}.{at}")
        case "map", dict():
            for key, inner in value.items():
                yield from _beyond(shape.key, key, path)
                yield from _beyond(shape.value, inner, f"{path}.{key}")


def _conversation(asked: Json) -> Iterator[str]:
    messages = asked.get("messages") or []
    roles = [message["role"] for message in messages]
    if roles[:1] != ["user"]:
        yield "A conversation must start with a user message."
    if any(one == other for one, other in pairwise(roles)):
        yield "A conversation must alternate between user and assistant roles."
    tools = {tool["toolSpec"]["name"] for tool in asked.get("toolConfig", {}).get("tools", []) if "toolSpec" in tool}
    names: list[str] = []
    before: list[Json] = []
    for message in messages:
        content = message["content"]
        if not content:
            yield "The content field in the Message object is empty."
        for block in content:
            yield from _block(block, message, tools)
            documents = [block, *block.get("toolResult", {}).get("content", [])]
            names += [one["document"]["name"] for one in documents if "document" in one]
        if any("document" in block for block in content) and not any("text" in block for block in content):
            yield "A message with a document must have a text block, too."
        yield from _answered(before, content)
        before = content
    if any("toolUse" in block for block in before):
        yield "Expected toolResult blocks for the last toolUse blocks."
    if len(set(names)) < len(names):
        yield "Document names must be unique."
    yield from _points([*asked.get("system", []), *(block for message in messages for block in message["content"])])
    for block in asked.get("system", []):
        if "text" in block and not block["text"].strip():
            yield "The text field in the SystemContentBlock is blank."


def _points(blocks: list[Json]) -> Iterator[str]:
    lives = ["ttl" in block["cachePoint"] for block in blocks if "cachePoint" in block]
    if len(lives) > 4:
        yield "A maximum of 4 cache points may be provided."
    if lives != sorted(lives, reverse=True):
        yield "A cache point with a longer TTL must not come after one with a shorter TTL."


def _block(block: Json, message: Json, tools: set[str]) -> Iterator[str]:
    role = message["role"]
    match block:
        case {"text": text} if not text.strip():
            yield "The text field in the ContentBlock object is blank. Add text to the text field, and try again."
        case {"image": _} | {"document": _} | {"toolResult": _} if role == "assistant":
            yield "Assistants show no media and no results."
        case {"toolUse": _} | {"reasoningContent": _} if role == "user":
            yield "Users neither call nor reason."
        case {"document": {"name": name}} if not _DOCUMENT_NAME.fullmatch(name):
            yield f"The document file name {name!r} can only contain alphanumeric characters, whitespace, …"
        case {"toolUse": _} | {"toolResult": _} if not tools:
            yield "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        case {"toolUse": {"input": given}} if not isinstance(given, dict):
            yield "The format of the value at toolUse.input is invalid. Provide a json object."
        case {"toolResult": {"content": content}}:
            for inner in content:
                if not inner.get("text", "x").strip():
                    yield "The text field in the ToolResultContentBlock is blank."


def _answered(before: list[Json], content: list[Json]) -> Iterator[str]:
    called = [block["toolUse"]["toolUseId"] for block in before if "toolUse" in block]
    answered = [block["toolResult"]["toolUseId"] for block in content if "toolResult" in block]
    if sorted(called) != sorted(answered) and (called or answered):
        yield "The number of toolResult blocks at this message does not match the toolUse blocks of the previous turn."


def _claude(asked: Mapping[str, Any], signatures: frozenset[str]) -> Iterator[str]:
    fields, inference = asked.get("additionalModelRequestFields", {}), asked.get("inferenceConfig", {})
    thinking = fields.get("thinking", {}).get("type")
    yield from _thoughts(asked["messages"], signatures)
    if thinking in ("enabled", "adaptive"):
        choice = {*asked.get("toolConfig", {}).get("toolChoice", {}), fields.get("tool_choice", {}).get("type")}
        if choice & {"any", "tool"}:
            yield "Thinking may not be enabled when tool_choice forces tool use."
        if inference.get("temperature", 1) != 1:
            yield "`temperature` may only be set to 1 when thinking is enabled."
    if thinking == "enabled":
        yield from _budget(fields["thinking"], inference, asked["messages"])
    for name in fields:
        if name in ("system", "messages", "tools", "max_tokens", "output_config"):
            yield f"The additional field {name} conflicts with an existing field."
    if "tool_choice" in fields and "toolChoice" in asked.get("toolConfig", {}):
        yield "The additional field tool_choice conflicts with an existing field."


def _thoughts(messages: list[Json], signatures: frozenset[str]) -> Iterator[str]:
    for message in messages:
        if message["role"] == "assistant" and "reasoningContent" in message["content"][-1]:
            yield "The final block in an assistant message cannot be `thinking`."
    for block in (block for message in messages for block in message["content"]):
        match block:
            case {"reasoningContent": {"reasoningText": {"signature": signature}}} if signature not in signatures:
                yield "Invalid `signature` in `thinking` block"
            case {"reasoningContent": {"reasoningText": said}} if "signature" not in said:
                yield "thinking.signature: Field required"


def _budget(thinking: Json, inference: Json, messages: list[Json]) -> Iterator[str]:
    if not 1024 <= thinking["budget_tokens"] < inference.get("maxTokens", 64_000):
        yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    first: list[Json] = []
    for message in reversed(messages):
        if message["role"] == "assistant":
            first = message["content"]
        elif not any("toolResult" in block for block in message["content"]):
            break
    if first and "reasoningContent" not in first[0]:
        yield "Expected `thinking` or `redacted_thinking`, but found `tool_use`."
