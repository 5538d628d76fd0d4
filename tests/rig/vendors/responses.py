"""Fake servers of the Responses API, OpenAI's and those of others: the first part of the path says whose."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from tests.rig.vendors import Call, Fake, Json, sse
from tests.rig.vendors.chat_errors import refusal
from tests.rig.vendors.responses_rules import wrong
from tests.rig.vendors.responses_words import stream, whole
from tests.rig.vendors.script import Asked, Script


def mount(fake: Fake) -> APIRouter:
    router = APIRouter()
    numbers = count(1)

    @router.post("/responses")
    @router.post("/{prefix:path}/responses")
    async def responses(request: Request, prefix: str = "") -> Response:
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
            return StreamingResponse(_streamed(body, script, number), media_type="text/event-stream", headers=headers)
        return JSONResponse(whole(body, script, number), headers=headers)

    return router


async def _streamed(body: Json, script: Script, number: int) -> AsyncIterator[bytes]:
    for piece in sse((event["type"], event) for event in stream(body, script, number)):
        yield piece


def _asked(body: Json) -> Asked:
    items = _items(body)
    said = list(_said(items))
    system = [body.get("instructions") or "", *(text for role, text in said if role in ("system", "developer"))]
    reasoning = body.get("reasoning") or {}
    outputs = (item for item in items if item.get("type") == "function_call_output")
    return Asked(
        stream=bool(body.get("stream")),
        system="\n".join(filter(None, system)),
        said=tuple((role, text) for role, text in said if role not in ("system", "developer")),
        tools=tuple(tool["name"] for tool in body.get("tools") or () if tool["type"] == "function"),
        results=tuple((item["call_id"], _text(item["output"])) for item in outputs),
        signatures=tuple(item["encrypted_content"] for item in items if item.get("encrypted_content")),
        schema=((body.get("text") or {}).get("format") or {}).get("schema"),
        thinks=reasoning.get("effort", "medium" if reasoning else "none") != "none",
    )


def _items(body: Json) -> list[Json]:
    given = body["input"]
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def _said(items: list[Json]) -> Iterator[tuple[str, str]]:
    for item in items:
        if "role" in item:
            yield item["role"], _text(item["content"])
        elif item["type"].endswith("_call_output"):
            yield "tool", _text(item["output"])


def _text(content: str | list[Json]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if "text" in part)
