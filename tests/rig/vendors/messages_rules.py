"""What Anthropic refuses: what its SDK's types do not allow, and what its documentation says is an error."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from anthropic.types import (
    ContentBlockParam,
    MessageCountTokensToolParam,
    OutputConfigParam,
    TextBlockParam,
    ThinkingConfigParam,
    ToolChoiceParam,
    ToolUnionParam,
)
from anthropic.types.cache_control_ephemeral_param import CacheControlEphemeralParam
from anthropic.types.metadata_param import MetadataParam
from pydantic import TypeAdapter, ValidationError

from tests.rig.vendors.script import THOUGHT, Think

Json = dict[str, Any]
_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    "system": TypeAdapter(str | list[TextBlockParam]),
    "tools": TypeAdapter(list[ToolUnionParam]),
    "counted tools": TypeAdapter(list[MessageCountTokensToolParam]),
    "tool_choice": TypeAdapter(ToolChoiceParam),
    "thinking": TypeAdapter(ThinkingConfigParam),
    "output_config": TypeAdapter(OutputConfigParam),
    "metadata": TypeAdapter(MetadataParam),
    "cache_control": TypeAdapter(CacheControlEphemeralParam),
}
_CONTENT: TypeAdapter[Any] = TypeAdapter(str | list[ContentBlockParam])
_COUNTED = {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"}
_ASKED = _COUNTED | {"max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata"}
_VERSIONS = ("2023-06-01", "2026-10-21")
_THOUGHTS = ("thinking", "redacted_thinking")
_GIVEN = {(THOUGHT, Think("").signature), ("", Think("").signature)}
"""Thoughts with the signatures that they were given, shown or not."""
_HELD = {
    "type", "properties", "required", "items", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "definitions",
    "title", "description", "default", "additionalProperties", "format", "minItems",
}  # fmt: skip


class Wrong(Exception):
    """What the API would say to this."""


def check(body: Json, headers: Mapping[str, str], *, counts: bool, vertex: bool) -> None:
    """Refuse what the API refuses.

    Raises:
        Wrong: it does.
    """
    _headers(body, headers, vertex=vertex)
    _fields(body, counts=counts, vertex=vertex)
    messages = [(message["role"], _blocks(message["content"])) for message in body["messages"]]
    _turns(messages)
    _marks([*_blocks(body.get("system", [])), *(block for _, blocks in messages for block in _every(blocks))])
    _results(messages)
    _thoughts(body, messages)
    if not counts:
        _sampling(body)
    _tools(body, messages)
    _schema((body.get("output_config") or {}).get("format") or {})


def _wrong(when: Any, message: str) -> None:
    if when:
        raise Wrong(message)


def _headers(body: Json, headers: Mapping[str, str], *, vertex: bool) -> None:
    if vertex:
        _wrong(
            body.get("anthropic_version") not in ("vertex-2023-10-16", *_VERSIONS), "anthropic_version: Field required"
        )
        _wrong(not headers.get("authorization", "").startswith("Bearer "), "authorization: Field required")
        return
    _wrong(headers.get("anthropic-version") not in _VERSIONS, "anthropic-version: header is required")
    keys = [name for name in ("x-api-key", "api-key", "authorization") if headers.get(name)]
    _wrong(not keys, "x-api-key header is required")


def _fields(body: Json, *, counts: bool, vertex: bool) -> None:
    own = {"anthropic_version"} if vertex else set()
    known = (_COUNTED if counts else _ASKED | {"service_tier"}) | own
    if vertex and not counts:
        known -= {"model"}
    else:
        _wrong(not isinstance(body.get("model"), str), "model: Field required")
    for name in body:
        _wrong(name not in known, f"{name}: Extra inputs are not permitted")
    if not counts:
        most = body.get("max_tokens")
        _wrong(not isinstance(most, int) or most < 1, "max_tokens: Field required")
    _wrong(not isinstance(body.get("messages"), list) or not body["messages"], "messages: Field required")
    _wrong(body.get("service_tier", "auto") not in ("auto", "standard_only"), "service_tier: Input should be 'auto'")
    for name, value in body.items():
        adapter = _ADAPTERS.get("counted tools" if counts and name == "tools" else name)
        if adapter is not None:
            _typed(adapter, value, name)
    for at, message in enumerate(body["messages"]):
        _wrong(message.keys() != {"role", "content"}, f"messages.{at}: Field required")
        _wrong(message["role"] not in ("user", "assistant"), f"messages.{at}.role: Input should be 'user'")
        _typed(_CONTENT, message["content"], f"messages.{at}.content")


def _typed(adapter: TypeAdapter[Any], value: Any, path: str) -> None:
    """Of the types, and with nothing beyond them."""
    try:
        read = _read(adapter.validate_python(value, strict=True))
    except ValidationError as error:
        raise Wrong(f"{path}: {error.errors()[0]['msg']}") from None
    _wrong(read != value, f"{path}: Extra inputs are not permitted")


def _read(value: Any) -> Any:
    """Iterables validate what they hold when they are read."""
    if isinstance(value, dict):
        return {key: _read(inner) for key, inner in value.items()}
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return value
    return [_read(inner) for inner in value]


def _blocks(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _every(blocks: list[Json]) -> Iterator[Json]:
    for block in blocks:
        yield block
        if block["type"] == "tool_result" and isinstance(block.get("content"), list):
            yield from block["content"]


def _turns(messages: list[tuple[str, list[Json]]]) -> None:
    _wrong(messages[0][0] != "user", 'messages: first message must use the "user" role')
    for at, (role, blocks) in enumerate(messages):
        _wrong(not blocks, f"messages.{at}: all messages must have non-empty content")
        for block in _every(blocks):
            empty = block["type"] == "text" and not block["text"].strip()
            _wrong(empty, f"messages.{at}: text content blocks must contain non-whitespace text")
            kinds = ("tool_use", "server_tool_use", "web_search_tool_result", *_THOUGHTS)
            wrong = block["type"] in (("tool_result", "image", "document") if role == "assistant" else kinds)
            _wrong(wrong, f"messages.{at}: `{block['type']}` blocks are not permitted in `{role}` messages")
        if role == "assistant":
            _wrong(blocks[-1]["type"] in _THOUGHTS, f"messages.{at}: The final block cannot be `thinking`")


def _marks(blocks: list[Json]) -> None:
    lives = ["ttl" in block["cache_control"] for block in blocks if "cache_control" in block]
    _wrong(len(lives) > 4, "A maximum of 4 blocks with cache_control may be provided.")
    _wrong(lives != sorted(lives, reverse=True), "a ttl='1h' cache_control block must not come after a ttl='5m' block")


def _results(messages: list[tuple[str, list[Json]]]) -> None:
    """Behind calls stand their results, all of them, before anything else."""
    ids = [block["id"] for _, blocks in messages for block in blocks if block["type"] == "tool_use"]
    _wrong(len(ids) != len(set(ids)), "messages: `tool_use` ids must be unique")
    for at, ((_, before), (_, blocks)) in enumerate(pairwise([("", []), *messages, ("", [])])):
        called = {block["id"] for block in before if block["type"] == "tool_use"}
        kinds = [block["type"] == "tool_result" for block in blocks]
        answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        _wrong(answered - called, f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks")
        _wrong(called - answered, f"messages.{at}: `tool_use` ids were found without `tool_result` blocks")
        _wrong(kinds != sorted(kinds, reverse=True), f"messages.{at}: `tool_result` blocks must come first")
    searched = {block["id"] for _, blocks in messages for block in blocks if block["type"] == "server_tool_use"}
    found = {block["tool_use_id"] for _, blocks in messages for block in blocks if block["type"].startswith("web_")}
    _wrong(found - searched, "messages: `web_search_tool_result` without its `server_tool_use`")


def _thoughts(body: Json, messages: list[tuple[str, list[Json]]]) -> None:
    for _, blocks in messages:
        for block in blocks:
            signed = (block.get("thinking"), block.get("signature"))
            _wrong(block["type"] == "thinking" and signed not in _GIVEN, "Invalid `signature` in `thinking` block")
    thinking = body.get("thinking") or {"type": "disabled"}
    if thinking["type"] == "disabled":
        return
    forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
    _wrong(forced, "Thinking may not be enabled when tool_choice forces tool use.")
    if thinking["type"] != "enabled":
        return
    _wrong(thinking["budget_tokens"] < 1024, "thinking.budget_tokens: Input should be at least 1024")
    least = thinking["budget_tokens"] >= body.get("max_tokens", 10**9)
    _wrong(least, "`max_tokens` must be greater than `thinking.budget_tokens`")
    first: list[Json] | None = None
    for role, blocks in reversed(messages):
        if role == "assistant":
            first = blocks
        elif not any(block["type"] == "tool_result" for block in blocks):
            break
    bare = first is not None and first[0]["type"] not in _THOUGHTS
    _wrong(bare, "Expected `thinking` or `redacted_thinking`, but found something else.")


def _sampling(body: Json) -> None:
    temperature, top_p = body.get("temperature", 1), body.get("top_p", 1)
    _wrong(not 0 <= temperature <= 1, "temperature: range: 0..1")
    _wrong("temperature" in body and "top_p" in body, "`temperature` and `top_p` cannot both be specified")
    if (body.get("thinking") or {"type": "disabled"})["type"] != "disabled":
        _wrong(temperature != 1, "`temperature` may only be set to 1 when thinking is enabled.")
        _wrong(top_p < 0.95, "`top_p` must be greater than or equal to 0.95 when thinking is enabled.")


def _tools(body: Json, messages: list[tuple[str, list[Json]]]) -> None:
    tools = body.get("tools") or []
    names = [tool["name"] for tool in tools]
    _wrong(len(names) != len(set(names)), "tools: Tool names must be unique.")
    _wrong("tool_choice" in body and not tools, "tool_choice: may only be specified while providing `tools`")
    chosen = (body.get("tool_choice") or {}).get("name")
    _wrong(chosen is not None and chosen not in names, f"Tool '{chosen}' not found in provided tools")
    for tool in tools:
        _wrong(not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool["name"]), "tools: String should match pattern")
        if "input_schema" in tool:
            _wrong(tool["input_schema"].get("type") != "object", "tools: input_schema.type: Field required")
        if tool.get("strict"):
            _held(tool["input_schema"])
    for _, blocks in messages:
        for block in blocks:
            used = block["type"] == "tool_use"
            _wrong(used and not tools, "Requests which include `tool_use` blocks must define tools.")
            _wrong(used and not re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"]), "tool_use.id: should match pattern")


def _schema(format_: Json) -> None:
    if format_:
        _held(format_["schema"])


def _held(schema: Any) -> None:
    """A schema that a model can be held to."""
    if not isinstance(schema, dict):
        return
    for name in schema:
        _wrong(name not in _HELD, f"output_config.format.schema: property '{name}' is not supported")
    closed = schema.get("type") != "object" or schema.get("additionalProperties") is False
    _wrong(not closed, "For 'object' type, 'additionalProperties' must be explicitly set to false")
    for name in ("properties", "$defs", "definitions"):
        for inner in schema.get(name, {}).values():
            _held(inner)
    for inner in [*schema.get("anyOf", ()), *schema.get("allOf", ()), schema.get("items")]:
        _held(inner)
