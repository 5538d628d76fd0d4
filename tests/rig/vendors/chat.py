"""Fake servers of Chat Completions, OpenAI's and those of others: the first part of the path says whose.

`/chat/completions` below any path. Who is not known by name speaks as open models' servers do: like OpenAI, with
`reasoning_content`.
"""

import json
from collections.abc import AsyncIterator
from itertools import count

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from tests.rig.vendors import Call, Fake, Json
from tests.rig.vendors.chat_errors import refusal
from tests.rig.vendors.chat_rules import wrong
from tests.rig.vendors.chat_words import comment, data, stream, whole
from tests.rig.vendors.script import Asked, Script

_SCHEMA = "valid against the JSON schema below"


def mount(fake: Fake) -> APIRouter:
    router = APIRouter()
    numbers = count(1)

    @router.post("/chat/completions")
    @router.post("/{prefix:path}/chat/completions")
    async def completions(request: Request, prefix: str = "") -> Response:
        vendor = prefix.partition("/")[0]
        body = await request.json()
        model = str(body.get("model"))
        fake.calls.append(Call("POST", request.url.path, request.url.query, dict(request.headers), body, model))
        number = next(numbers)
        headers = {"x-request-id": f"req_{number:08}"}
        if complaints := list(wrong(vendor, body, request)):
            fake.refused += complaints
            return refusal(vendor, "400", "; ".join(complaints), headers)
        asked = _asked(body)
        script = fake.play(model, asked)
        if script.error is not None:
            return refusal(vendor, script.error, None, headers)
        if asked.stream:
            answer = _streamed(vendor, body, script, number)
            return StreamingResponse(answer, media_type="text/event-stream", headers=headers)
        return JSONResponse(whole(vendor, body, script, number), headers=headers)

    return router


async def _streamed(vendor: str, body: Json, script: Script, number: int) -> AsyncIterator[bytes]:
    yield comment(vendor)
    for chunk in stream(vendor, body, script, number):
        yield data(chunk)
    if script.stop not in ("cut", "inside"):
        yield b"data: [DONE]\n\n"


def _asked(body: Json) -> Asked:
    messages = body["messages"]
    system = "\n".join(_text(one.get("content")) for one in messages if one["role"] in ("system", "developer"))
    details = [one for message in messages for one in message.get("reasoning_details") or ()]
    return Asked(
        stream=bool(body.get("stream")),
        system=system,
        said=tuple((one["role"], _text(one.get("content"))) for one in messages if one["role"] in _SPEAKERS),
        tools=tuple(tool["function"]["name"] for tool in body.get("tools") or () if tool["type"] == "function"),
        results=tuple((one["tool_call_id"], _text(one["content"])) for one in messages if one["role"] == "tool"),
        signatures=tuple(one["signature"] for one in details if one.get("signature")),
        schema=_schema(body, system),
        thinks=_thinks(body),
    )


_SPEAKERS = ("user", "assistant", "tool")


def _text(content: str | list[Json] | None) -> str:
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if part["type"] == "text")
    return content or ""


def _schema(body: Json, system: str) -> Json | None:
    """A schema by its field, or told in words."""
    wanted = (body.get("response_format") or {}).get("json_schema")
    if wanted is not None:
        schema: Json = wanted["schema"]
        return schema
    if _SCHEMA not in system:
        return None
    told: Json = json.loads(system[system.index("{", system.index(_SCHEMA)) :])
    return told


def _thinks(body: Json) -> bool:
    match body:
        case {"thinking": {"type": kind}}:
            return bool(kind == "enabled")
        case {"reasoning": dict(reasoning)}:
            return reasoning.get("effort") != "none"
        case {"reasoning_effort": str(effort)}:
            return effort != "none"
        case {"prompt_mode": "reasoning"}:
            return True
        case _:
            return False
