"""What servers of Chat Completions refuse: what vendors' SDKs could not have sent, and what they say they refuse."""

import re
from collections.abc import Iterator
from typing import Any

from fastapi import Request
from mistralai.client.models import ChatCompletionStreamRequest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam
from openai.types.chat.completion_create_params import CompletionCreateParamsBase, ResponseFormat
from pydantic import TypeAdapter, ValidationError

from tests.rig.vendors import Json

_MESSAGE: TypeAdapter[Any] = TypeAdapter(ChatCompletionMessageParam)
_TOOL: TypeAdapter[Any] = TypeAdapter(ChatCompletionToolUnionParam)
_FORMAT: TypeAdapter[Any] = TypeAdapter(ResponseFormat)
_KNOWN = CompletionCreateParamsBase.__annotations__.keys() | {"stream"}
_OWN: dict[str, frozenset[str]] = {
    "openrouter": frozenset({"reasoning", "usage", "plugins"}),
    "deepseek": frozenset({"thinking"}),
    "moonshot": frozenset({"thinking"}),
    "zai": frozenset({"thinking"}),
    "volcengine": frozenset({"thinking"}),
    "databricks": frozenset({"thinking"}),
    "perplexity": frozenset({"search_domain_filter", "disable_search"}),
}
"""Fields beside OpenAI's."""
_REFUSED: dict[str, frozenset[str]] = {
    "groq": frozenset({"logprobs", "top_logprobs", "metadata"}),
    "cerebras": frozenset({"presence_penalty", "frequency_penalty", "safety_identifier"}),
    "perplexity": frozenset({"tools", "tool_choice"}),
    "meta_llama": frozenset({"reasoning_effort"}),
    "moonshot": frozenset({"reasoning_effort"}),
    "zai": frozenset({"reasoning_effort"}),
    "xai": frozenset({"metadata"}),
}
_BESIDE = ("reasoning_content", "reasoning_details", "cache_control")
_THOUGHTFUL = ("deepseek", "moonshot")
_OBJECTS_ONLY = ("deepseek", "moonshot", "zai")
_KEYLESS = ("lm_studio", "llamafile", "hosted_vllm")
_NINE = re.compile(r"[a-zA-Z0-9]{9}")


def wrong(vendor: str, body: Json, request: Request) -> Iterator[str]:
    """All that is wrong with a request."""
    yield from _unkeyed(vendor, request)
    if vendor == "mistral":
        yield from _mistral(body)
    else:
        yield from _typed(vendor, body)
    yield from _order(body["messages"])
    yield from _own(vendor, body)


def _unkeyed(vendor: str, request: Request) -> Iterator[str]:
    if vendor == "azure":
        if "api-key" not in request.headers and "authorization" not in request.headers:
            yield "no key"
        if "/openai/v1/" not in request.url.path and "api-version" not in request.query_params:
            yield "no api-version"
    elif vendor and vendor not in _KEYLESS and not request.headers.get("authorization", "").startswith("Bearer "):
        yield "no key"


def _typed(vendor: str, body: Json) -> Iterator[str]:
    known = (_KNOWN | _OWN.get(vendor, frozenset())) - _REFUSED.get(vendor, frozenset())
    yield from (f"{name}: Extra inputs are not permitted" for name in body.keys() - known)
    if "stream_options" in body and not body.get("stream"):
        yield "stream_options: only with stream"
    for at, message in enumerate(body["messages"]):
        yield from _valid(_MESSAGE, _plain(message), f"messages[{at}]")
    for at, tool in enumerate(body.get("tools") or ()):
        if not str(tool.get("type")).startswith(f"{vendor}:"):
            yield from _valid(_TOOL, tool, f"tools[{at}]")
    if "response_format" in body:
        yield from _valid(_FORMAT, body["response_format"], "response_format")
    if body.get("tool_choice") is not None and not body.get("tools"):
        yield "tool_choice: only with tools"


def _plain(value: Any) -> Any:
    """Without what stands beside OpenAI's own."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if name not in _BESIDE}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _valid(adapter: TypeAdapter[Any], value: Any, path: str) -> Iterator[str]:
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError as error:
        yield f"{path}: {error.errors(include_url=False, include_input=False)[0]['msg']}"


def _order(messages: list[Json]) -> Iterator[str]:
    """Between calls and their results nothing stands, and no result without its call."""
    waiting: set[str] = set()
    for at, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                yield f"messages[{at}]: a tool message must follow the call that it answers"
            waiting.discard(message["tool_call_id"])
            continue
        if waiting:
            yield f"messages[{at}]: calls without results: {sorted(waiting)}"
        waiting = {call["id"] for call in message.get("tool_calls") or ()}
    if waiting:
        yield f"calls without results: {sorted(waiting)}"


def _mistral(body: Json) -> Iterator[str]:
    yield from (f"{name}: Extra inputs are not permitted" for name in body.keys() - _mistral_fields())
    try:
        ChatCompletionStreamRequest.model_validate(body)
    except ValidationError as error:
        yield from (f"{one['loc']}: {one['msg']}" for one in error.errors())
        return
    for at, message in enumerate(body["messages"]):
        if message["role"] == "assistant" and not message.get("content") and not message.get("tool_calls"):
            yield f"messages[{at}]: Assistant message must have either content or tool_calls, but not none."
        if message["role"] == "tool" and not message.get("name"):
            yield f"messages[{at}]: a result says the tool's name"
        if message["role"] == "user" and at and body["messages"][at - 1]["role"] == "tool":
            yield f"messages[{at}]: Unexpected role 'user' after role 'tool'"
        ids = [call["id"] for call in message.get("tool_calls") or ()]
        bad = [id_ for id_ in ids if not _NINE.fullmatch(id_)]
        yield from (f"Tool call id was {id_} but must be a-z, A-Z, 0-9, with a length of 9." for id_ in bad)


def _mistral_fields() -> set[str]:
    return {field.alias or name for name, field in ChatCompletionStreamRequest.model_fields.items()}


def _own(vendor: str, body: Json) -> Iterator[str]:
    """What only this one refuses."""
    kind = (body.get("response_format") or {}).get("type")
    if vendor in _OBJECTS_ONLY and kind == "json_schema":
        yield "This response_format type is unavailable now"
    if vendor == "groq" and kind is not None and (body.get("stream") or body.get("tools")):
        yield "response_format: not while streaming, nor with tools"
    if vendor == "fireworks_ai":
        yield from _fireworks(body)
    thinks = (body.get("thinking") or {}).get("type") != "disabled"
    for at, message in enumerate(body["messages"]):
        if not message.get("tool_calls"):
            continue
        if vendor in _THOUGHTFUL and thinks and not message.get("reasoning_content"):
            yield f"messages[{at}]: the reasoning_content in the thinking mode must be passed back to the API"
        thoughtful = any(call["id"].startswith("call_openrouter_t") for call in message["tool_calls"])
        if vendor == "openrouter" and thoughtful and not _signed(message):
            yield f"messages[{at}]: Expected thinking, but found tool_use"


def _signed(message: Json) -> bool:
    """The thoughts in one piece, with what signs them."""
    match message.get("reasoning_details"):
        case [{"type": "reasoning.text", "text": str(text), "signature": str(signature)}]:
            return bool(text and signature)
        case _:
            return False


def _fireworks(body: Json) -> Iterator[str]:
    if not body["model"].startswith("accounts/"):
        yield "model: not found, inaccessible, and/or not deployed"
    if body.get("tool_choice") == "required":
        yield "tool_choice: required is unknown"
    if any("strict" in tool["function"] for tool in body.get("tools") or ()):
        yield "tools: Extra inputs are not permitted, field: 'strict'"
    if body.get("tools") and body.get("response_format"):
        yield "You cannot specify response format and function call at the same time"
