"""OpenAI's Chat Completions, as spoken by OpenAI and everybody who calls himself compatible.

Facts: the OpenAI API reference, "Chat Completions"; deviations of other servers are noted where they matter.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_core import from_json, to_json

from warren import sse
from warren.errors import InvalidRequest, UpstreamError, WarrenError
from warren.responses import Item, items
from warren_worker.dialect import (
    Arguments,
    Call,
    Conversation,
    Delta,
    Refusal,
    Stop,
    Text,
    Thought,
    Tokens,
    ToolCall,
    UpstreamId,
    used,
)
from warren_worker.refusal import inside, refusal

_SAME = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "user",
)
_OURS = frozenset(
    {
        "model",
        "input",
        "instructions",
        "previous_response_id",
        "store",
        "stream",
        "stream_options",
        "metadata",
        "include",
        "max_output_tokens",
        "max_tool_calls",  # limits hosted tools, and there are none here
        "parallel_tool_calls",
        "top_logprobs",
        "tools",
        "tool_choice",
        "text",
        "reasoning",
        "truncation",
        "background",
        "client_metadata",  # sent by the Codex CLI for its own bookkeeping
    }
)
_STOPS: dict[str, Stop] = {
    "stop": Stop(),
    "tool_calls": Stop(),
    "function_call": Stop(),
    "length": Stop("max_output_tokens"),
    "content_filter": Stop("content_filter"),
}


@dataclass(frozen=True, slots=True)
class Chat:
    """The dialect. Its fields say how a server deviates from OpenAI's own."""

    limit: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    """What the limit of output tokens is called."""
    developer: Literal["developer", "system"] = "system"
    """The role of instructions that come from the developer."""

    def call(self, conversation: Conversation, model: str) -> Call:
        request = conversation.request
        body: dict[str, Any] = {
            "model": model,
            "messages": list(self._messages(conversation)),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        body |= {name: request[name] for name in _SAME if request.get(name) is not None}
        if request.get("max_output_tokens") is not None:
            body[self.limit] = request["max_output_tokens"]
        body |= _logprobs(request)
        body |= _tools(request)
        body |= _format(request.get("text") or {})
        body |= _effort(request.get("reasoning") or {})
        if request.get("truncation") == "auto":
            raise _unsupported("truncation", "'auto' is not supported with this model")
        for name, value in request.items():
            if value is not None and name not in _OURS and name not in _SAME:
                raise _unsupported(name, "is not supported with this model")
        return Call("/chat/completions", body)

    def reader(self) -> "ChatReader":
        return ChatReader()

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        return refusal(status, headers, body)

    def _messages(self, conversation: Conversation) -> Iterator[Item]:
        if instructions := conversation.request.get("instructions"):
            yield {"role": self.developer, "content": instructions}
        assistant: Item | None = None  # text and calls of one turn are one message
        before = len(conversation.items) - len(items(conversation.request.get("input") or []))
        for at, item in enumerate(conversation.items, -before):
            message = self._message(item, f"input[{at}]" if at >= 0 else "previous_response_id")
            if message is None:
                continue
            if message["role"] == "assistant" and assistant is not None and _joins(assistant, message):
                _join(assistant, message)
                continue
            if assistant is not None:
                yield assistant
            assistant = message if message["role"] == "assistant" else None
            if assistant is None:
                yield message
        if assistant is not None:
            yield assistant

    def _message(self, item: Item, path: str) -> Item | None:
        match item:
            case {"type": "message", "role": str(role)} | {"role": str(role)} if item.get("type") in (None, "message"):
                return self._said(role, item.get("content"), path)
            case {"type": "function_call", "call_id": str(call_id), "name": str(name), "arguments": str(arguments)}:
                call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
                return {"role": "assistant", "content": None, "tool_calls": [call]}
            case {"type": "function_call_output", "call_id": str(call_id), "output": output}:
                return {"role": "tool", "tool_call_id": call_id, "content": _output(output, f"{path}.output")}
            case {"type": "reasoning"}:
                return None  # a chat server keeps no reasoning between turns
            case {"type": "function_call" | "function_call_output" as kind}:
                raise InvalidRequest(f"Invalid '{path}': this {kind} is not complete.", param=path, code="invalid_type")
            case {"type": kind}:
                raise _unsupported(f"{path}.type", f"{kind!r} items are not supported with this model")
            case _:
                raise InvalidRequest(
                    f"Missing required parameter: '{path}.role'.",
                    param=f"{path}.role",
                    code="missing_required_parameter",
                )

    def _said(self, role: str, content: Any, path: str) -> Item:
        match role:
            case "user":
                return {"role": "user", "content": _parts(content, f"{path}.content", _USER)}
            case "assistant":
                return {"role": "assistant", "content": _parts(content, f"{path}.content", _ASSISTANT)}
            case "system" | "developer":
                return {"role": self.developer, "content": _parts(content, f"{path}.content", _SYSTEM)}
            case _:
                raise InvalidRequest(
                    f"Invalid value: {role!r}. Supported values are: 'user', 'assistant', 'system' and 'developer'.",
                    param=f"{path}.role",
                    code="invalid_value",
                )


_SYSTEM = frozenset({"input_text"})
_USER = frozenset({"input_text", "input_image", "input_file", "input_audio"})
_ASSISTANT = frozenset({"output_text", "refusal"})


def _joins(assistant: Item, message: Item) -> bool:
    """Between a call and its result no message may stand: text after calls belongs to them, as text before does."""
    return "tool_calls" in message or "tool_calls" in assistant


def _join(assistant: Item, message: Item) -> None:
    if "tool_calls" in message:
        assistant.setdefault("tool_calls", []).extend(message["tool_calls"])
    elif assistant["content"] is None:
        assistant["content"] = message["content"]
    else:
        assistant["content"] = [*_as_parts(assistant["content"]), *_as_parts(message["content"])]


def _as_parts(content: str | list[Item]) -> list[Item]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _parts(content: Any, path: str, allowed: frozenset[str]) -> str | list[Item]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise InvalidRequest(f"Invalid '{path}'.", param=path, code="invalid_type")
    parts = [_part(part, f"{path}[{at}]", allowed) for at, part in enumerate(content)]
    if all(part["type"] == "text" for part in parts) and len(parts) == 1:
        text: str = parts[0]["text"]
        return text  # servers that know no parts understand this
    return parts


def _part(part: Any, path: str, allowed: frozenset[str]) -> Item:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or kind not in allowed:
        known = ", ".join(repr(name) for name in sorted(allowed))
        raise InvalidRequest(
            f"Invalid value: {kind!r}. Supported values are: {known}.", param=f"{path}.type", code="invalid_value"
        )
    match part:
        case {"type": "input_text" | "output_text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "input_image", "image_url": str(url)}:
            return {"type": "image_url", "image_url": {"url": url, "detail": part.get("detail") or "auto"}}
        case {"type": "input_file", "file_data": str(data)}:
            return {"type": "file", "file": {"filename": part.get("filename") or "file", "file_data": data}}
        case {"type": "input_file", "file_id": str(file_id)}:
            return {"type": "file", "file": {"file_id": file_id}}
        case {"type": "input_audio", "input_audio": dict(audio)}:
            return {"type": "input_audio", "input_audio": audio}
        case _:
            raise _unsupported(path, f"this form of {kind!r} is not supported with this model")


def _output(output: Any, path: str) -> str | list[Item]:
    """A tool's result: text, or parts of text, which is all that this format takes."""
    if isinstance(output, list):
        for at, part in enumerate(output):
            if isinstance(part, dict) and part.get("type") in ("input_image", "input_file"):
                raise _unsupported(
                    f"{path}[{at}].type", f"{part['type']!r} in a tool's output is not supported with this model"
                )
    return _parts(output, path, _SYSTEM)


def _tools(request: Mapping[str, Any]) -> Item:
    tools = request.get("tools") or []
    if not tools:
        if request.get("tool_choice") not in (None, "none", "auto"):
            raise InvalidRequest("'tool_choice' asks for a tool, and there are none.", param="tool_choice")
        return {}
    body: Item = {"tools": [_tool(tool, f"tools[{at}]") for at, tool in enumerate(tools)]}
    if request.get("parallel_tool_calls") is not None:
        body["parallel_tool_calls"] = request["parallel_tool_calls"]
    match request.get("tool_choice"):
        case None:
            pass
        case "none" | "auto" | "required" as choice:
            body["tool_choice"] = choice
        case {"type": "function", "name": str(name)}:
            body["tool_choice"] = {"type": "function", "function": {"name": name}}
        case _:
            raise _unsupported("tool_choice", "this choice is not supported with this model")
    return body


def _tool(tool: Item, path: str) -> Item:
    match tool:
        case {"type": "function", "name": str(name)}:
            _only(tool, ("type", "name", "description", "parameters", "strict"), path)
            kept = {key: tool[key] for key in ("description", "strict") if tool.get(key) is not None}
            parameters = tool.get("parameters") or {"type": "object", "properties": {}}
            return {"type": "function", "function": {"name": name, **kept, "parameters": parameters}}
        case {"type": "function"}:
            raise InvalidRequest(
                f"Missing required parameter: '{path}.name'.", param=f"{path}.name", code="missing_required_parameter"
            )
        case _:
            raise _unsupported(f"{path}.type", f"{tool.get('type')!r} tools are not supported with this model")


def _only(given: Mapping[str, Any], known: tuple[str, ...], path: str) -> None:
    """Refuse by name what would be left out."""
    for name, value in given.items():
        if value is not None and name not in known:
            raise _unsupported(f"{path}.{name}", "is not supported with this model")


def _format(text: Mapping[str, Any]) -> Item:
    _only(text, ("format", "verbosity"), "text")
    body: Item = {}
    if text.get("verbosity") not in (None, "medium"):
        body["verbosity"] = text["verbosity"]
    match text.get("format"):
        case None | {"type": "text"}:
            pass
        case {"type": "json_object"}:
            body["response_format"] = {"type": "json_object"}
        case {"type": "json_schema", "name": str(name), "schema": dict(schema)} as wanted:
            kept = {key: wanted[key] for key in ("description", "strict") if wanted.get(key) is not None}
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": name, "schema": schema, **kept}}
        case _:
            raise InvalidRequest("Invalid 'text.format'.", param="text.format", code="invalid_value")
    return body


def _effort(reasoning: Mapping[str, Any]) -> Item:
    _only(reasoning, ("effort", "summary", "generate_summary"), "reasoning")
    return {"reasoning_effort": reasoning["effort"]} if reasoning.get("effort") is not None else {}


def _logprobs(request: Mapping[str, Any]) -> Item:
    wanted = "message.output_text.logprobs" in (request.get("include") or ())
    top = request.get("top_logprobs")
    if not top:
        return {"logprobs": True} if wanted else {}
    return {"logprobs": True, "top_logprobs": top}


def _unsupported(path: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"Unsupported parameter: '{path}': {why}.", param=path, code="unsupported_parameter")


class ChatReader:
    """Reads one streamed completion."""

    __slots__ = ("_calls", "_count", "_named")

    def __init__(self) -> None:
        self._calls: dict[Any, tuple[int, Any]] = {}  # by index: our handle, and the id it came with
        self._count = 0
        self._named = False

    def feed(self, event: sse.Event) -> Iterable[Delta]:
        if event.data == b"[DONE]":
            return
        try:
            yield from self._chunk(from_json(event.data))
        except (AttributeError, TypeError, ValueError):
            raise UpstreamError("The provider sent an event that is no part of a completion.") from None

    def _chunk(self, chunk: Item) -> Iterator[Delta]:
        if chunk.get("error"):
            raise inside(chunk["error"])
        if not self._named and isinstance(chunk.get("id"), str):
            self._named = True
            yield UpstreamId(chunk["id"])
        for choice in chunk.get("choices") or ():
            yield from self._choice(choice)
        if isinstance(usage := chunk.get("usage"), dict):
            yield from _usage(usage)

    def _choice(self, choice: Item) -> Iterator[Delta]:
        delta = choice.get("delta") or {}
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            yield Thought(_text(thought))
        if text := delta.get("content"):
            yield Text(_text(text), _logs(choice.get("logprobs")))
        if refused := delta.get("refusal"):
            yield Refusal(_text(refused))
        for call in delta.get("tool_calls") or ():
            yield from self._call(call)
        if reason := choice.get("finish_reason"):
            if reason not in _STOPS:
                raise UpstreamError(f"The provider ended its answer with {str(reason)[:40]!r}.")
            yield _STOPS[reason]

    def _call(self, call: Item) -> Iterator[Delta]:
        index, id_ = call.get("index"), call.get("id")
        function = call.get("function") or {}
        name = function.get("name")
        known = self._calls.get(index)
        if known is None or (id_ and name and id_ != known[1]):  # some servers count every call as 0, or not at all
            known = self._calls[index] = self._count, id_
            self._count += 1
            yield ToolCall(known[0], str(id_) if id_ else None, _text(name or ""))
        if part := function.get("arguments"):
            yield Arguments(known[0], part if isinstance(part, str) else to_json(part).decode())


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _logs(logprobs: Any) -> list[Item]:
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    return [
        {
            "token": entry.get("token", ""),
            "logprob": entry.get("logprob", 0.0),
            "bytes": entry.get("bytes") or [],
            "top_logprobs": [
                {"token": top.get("token", ""), "logprob": top.get("logprob", 0.0), "bytes": top.get("bytes") or []}
                for top in entry.get("top_logprobs") or ()
            ],
        }
        for entry in content or ()
    ]


def _usage(usage: Item) -> Iterator[Tokens]:
    read = usage.get("prompt_tokens_details") or {}
    written = usage.get("completion_tokens_details") or {}
    return used(
        usage.get("prompt_tokens"),
        read.get("cached_tokens"),
        None,
        usage.get("completion_tokens"),
        written.get("reasoning_tokens"),
    )
