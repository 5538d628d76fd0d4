"""A fake Bedrock: `converse`, `converse-stream` and `count-tokens`."""

import json
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from tests.rig.vendors import Call, Fake
from tests.rig.vendors.aws import frame, pieces, unaccepted
from tests.rig.vendors.converse_rules import Wrong, check
from tests.rig.vendors.script import Asked, Cited, Refuse, Say, Script, Step, Think, Use

Json = dict[str, Any]
_STOPS = {"end": "end_turn", "length": "max_tokens", "filter": "content_filtered", "tool": "tool_use"}
_KINDS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
_ERRORS: dict[str, tuple[int, str, str]] = {
    "context": (400, "ValidationException", "Input is too long for requested model."),
    "key": (403, "UnrecognizedClientException", "The security token sk-of-ours included in the request is invalid."),
    "quota": (400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account."),
    "overload": (503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
    "429": (429, "ThrottlingException", "Too many requests, please wait before trying again."),
}
_OPERATIONS = {"converse": "Converse", "converse-stream": "ConverseStream", "count-tokens": "CountTokens"}
_REDACTED = "UmVkYWN0ZWQ="


def mount(fake: Fake) -> APIRouter:
    router = APIRouter()
    numbers = count(1)

    async def answer(request: Request, model: str, operation: str) -> Response:
        raw = await request.body()
        if (refused := _refused(fake, request, raw, model, _OPERATIONS[operation])) is not None:
            return refused
        body = json.loads(raw)
        said = asked(body["input"]["converse"] if operation == "count-tokens" else body, stream="-stream" in operation)
        script = fake.play(model.rpartition("/")[2], said)
        if script.error is not None:
            status, kind, words = _ERRORS.get(script.error, (0, "", "Something is wrong."))
            status = status or int(script.error)
            return _error(status, kind or _KINDS.get(status, "InternalServerException"), words)
        if operation == "count-tokens":
            return JSONResponse({"inputTokens": script.used.read}, headers=_headers(numbers))
        whole = _answer(script, body, numbers)
        if not said.stream:
            return JSONResponse(whole, headers=_headers(numbers))
        media = "application/vnd.amazon.eventstream"
        return StreamingResponse(_stream(script, whole), media_type=media, headers=_headers(numbers))

    for prefix in ("", "/{prefix:path}"):
        router.post(f"{prefix}/model/{{model:path}}/{{operation}}")(answer)
    return router


def _refused(fake: Fake, request: Request, raw: bytes, model: str, operation: str) -> Response | None:
    body = json.loads(raw)
    headers = dict(request.headers)
    fake.calls.append(Call(request.method, request.url.path, request.url.query, headers, body, model))
    if (wrong := unaccepted(request, raw)) is not None:
        return _error(403, *wrong)
    try:
        check(operation, model, body, frozenset({Think("").signature}))
    except Wrong as found:
        fake.refused.append(str(found))
        return _error(400, "ValidationException", str(found))
    return None


def asked(body: Json, *, stream: bool) -> Asked:
    """What this request says, in nobody's words."""
    blocks = [(message["role"], block) for message in body["messages"] for block in message["content"]]
    results = [block["toolResult"] for _, block in blocks if "toolResult" in block]
    fields = body.get("additionalModelRequestFields", {})
    thought = [block["reasoningContent"] for _, block in blocks if "reasoningContent" in block]
    format_ = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema", {})
    return Asked(
        stream=stream,
        system=_text(body.get("system", [])),
        said=tuple(_said(body["messages"])),
        tools=tuple(tool["toolSpec"]["name"] for tool in body.get("toolConfig", {}).get("tools", [])),
        results=tuple((result["toolUseId"], _text(result["content"])) for result in results),
        signatures=tuple(one["reasoningText"]["signature"] for one in thought if "reasoningText" in one),
        schema=json.loads(format_["schema"]) if format_ else None,
        thinks=any(
            (
                fields.get("thinking", {}).get("type") in ("enabled", "adaptive"),
                fields.get("reasoningConfig", {}).get("type") == "enabled",
                "reasoning_effort" in fields,
            )
        ),
    )


def _text(blocks: list[Json]) -> str:
    return "\n".join(block["text"] for block in blocks if "text" in block)


def _said(messages: list[Json]) -> Iterator[tuple[str, str]]:
    for message in messages:
        for block in message["content"]:
            if "toolResult" in block:
                yield "tool", _text(block["toolResult"]["content"])
        if text := _text(message["content"]):
            yield message["role"], text


def _answer(script: Script, body: Json, numbers: "count[int]") -> Json:
    used = script.used
    refuses = any(isinstance(step, Refuse) for step in script.steps)
    uncached = used.read - used.cached - used.cache_written
    thinks = asked(body, stream=False).thinks
    answer: Json = {
        "output": {
            "message": {
                "role": "assistant",
                "content": [block for step in script.steps for block in _content(step, numbers, thinks=thinks)],
            }
        },
        "stopReason": "guardrail_intervened" if refuses else _STOPS.get(script.stop, "end_turn"),
        "usage": {
            "inputTokens": uncached,
            "outputTokens": used.written,
            "totalTokens": uncached + used.written,
            "cacheReadInputTokens": used.cached,
            "cacheWriteInputTokens": used.cache_written,
        },
        "metrics": {"latencyMs": 551},
    }
    if "serviceTier" in body:
        answer["serviceTier"] = body["serviceTier"]
    return answer


def _content(step: Step, numbers: "count[int]", *, thinks: bool) -> Iterator[Json]:
    """Its blocks. Thoughts are shown to those who asked for them."""
    match step:
        case Think(text, signature) if thinks:
            yield {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
            yield {"reasoningContent": {"redactedContent": _REDACTED}}
        case Say(text) | Refuse(text):
            yield {"text": text}
        case Cited(text, url, title):
            citation = {"title": title, "location": {"web": {"url": url, "domain": "weather.example"}}}
            yield {"citationsContent": {"content": [{"text": text}], "citations": [citation]}}
        case Use(name, arguments):
            yield {"toolUse": {"toolUseId": f"tooluse_{next(numbers):022}", "name": name, "input": arguments}}


async def _stream(script: Script, answer: Json) -> AsyncIterator[bytes]:
    for name, payload in _events(script, answer):
        yield frame(name, {**payload, "p": "abcdefghijk"[: len(name) % 11]})
    if script.stop == "inside":
        yield frame("modelStreamErrorException", {"message": "The system encountered an error."}, kind="exception")


def _events(script: Script, answer: Json) -> Iterator[tuple[str, Json]]:
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(answer["output"]["message"]["content"]):
        at = {"contentBlockIndex": index}
        if "toolUse" in block:
            use = block["toolUse"]
            yield (
                "contentBlockStart",
                {**at, "start": {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}},
            )
        for delta in _deltas(block):
            yield "contentBlockDelta", {**at, "delta": delta}
        yield "contentBlockStop", at
    if script.stop in ("cut", "inside"):
        return
    yield "messageStop", {"stopReason": answer["stopReason"]}
    yield "metadata", {name: answer[name] for name in ("usage", "metrics", "serviceTier") if name in answer}


def _deltas(block: Json) -> Iterator[Json]:
    match block:
        case {"text": text}:
            yield from ({"text": piece} for piece in pieces(text))
        case {"citationsContent": {"content": [{"text": text}], "citations": citations}}:
            yield from ({"citation": citation} for citation in citations)
            yield from ({"text": piece} for piece in pieces(text))
        case {"reasoningContent": {"reasoningText": said}}:
            yield from ({"reasoningContent": {"text": piece}} for piece in pieces(said["text"]))
            yield {"reasoningContent": {"signature": said["signature"]}}
        case {"reasoningContent": redacted}:
            yield {"reasoningContent": redacted}
        case {"toolUse": {"input": given}}:
            text = json.dumps(given, ensure_ascii=False) if given else ""
            yield from ({"toolUse": {"input": piece}} for piece in ["", *pieces(text)])


def _headers(numbers: "count[int]") -> dict[str, str]:
    return {"x-amzn-requestid": f"00000000-0000-4000-8000-{next(numbers):012}"}


def _error(status: int, kind: str, said: str) -> Response:
    headers = {
        "x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/",
        "x-amzn-requestid": "00000000-0000-4000-8000-000000000000",
    }
    return JSONResponse({"message": said}, status, headers)
