"""A fake Google: generateContent, whole and streamed, and countTokens, of the Gemini API and of Vertex AI, and the
endpoint that gives tokens for the latter. A model whose name begins with `gemini-2` is an older one.
"""

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from tests.rig.vendors import Call, Fake, google, sse
from tests.rig.vendors.gemini_rules import Body, Wrong, check
from tests.rig.vendors.gemini_words import answer, chunks, refusal
from tests.rig.vendors.script import Asked

Json = dict[str, Any]
_VERSION = re.compile(r"^gemini-\d+(\.\d+)?-")


def mount(fake: Fake) -> APIRouter:
    router = APIRouter()
    router.include_router(google.mount(fake))
    numbers = count(1)

    async def generate(request: Request, model: str) -> Response:
        try:
            read = await _read(fake, request, model)
        except Wrong as wrong:
            return _refused(fake, wrong)
        streams = ":stream" in request.url.path
        script = fake.play(_VERSION.sub("", model), asked(read, streams=streams))
        if script.error is not None:
            status, refused = refusal(script.error)
            return JSONResponse(refused, status)
        whole = answer(script, read, model, next(numbers), vertex=_vertex(request), older=_older(model))
        if streams:
            pieces = sse((None, chunk) for chunk in chunks(script, whole))
            return StreamingResponse(pieces, media_type="text/event-stream")
        return JSONResponse(whole)

    async def tokens(request: Request, model: str) -> Response:
        try:
            read = await _read(fake, request, model)
        except Wrong as wrong:
            return _refused(fake, wrong)
        script = fake.play(_VERSION.sub("", model), asked(read, streams=False))
        return JSONResponse({"totalTokens": script.used.read})

    for prefix in ("", "/{prefix:path}"):
        for collection in ("models", "endpoints"):
            router.post(f"{prefix}/{collection}/{{model}}:generateContent")(generate)
            router.post(f"{prefix}/{collection}/{{model}}:streamGenerateContent")(generate)
            router.post(f"{prefix}/{collection}/{{model}}:countTokens")(tokens)
    return router


def asked(body: Body, *, streams: bool) -> Asked:
    """What this request says, in nobody's words."""
    parts = [(content.role, part) for content in body.contents for part in content.parts or ()]
    system = body.system_instruction
    settings = body.generation_config
    thinking = settings.thinking_config
    results = [part.function_response for _, part in parts if part.function_response is not None]
    return Asked(
        stream=streams,
        system="\n".join(part.text or "" for part in (system.parts or ())) if system is not None else "",
        said=tuple(_said(body)),
        tools=tuple(str(one.name) for tool in body.tools for one in tool.function_declarations or ()),
        results=tuple((str(one.name), _text(one.response)) for one in results),
        signatures=tuple(part.thought_signature.decode() for _, part in parts if part.thought_signature is not None),
        schema=settings.response_json_schema,
        thinks=thinking is not None and (bool(thinking.thinking_budget) or thinking.include_thoughts is True),
    )


def _said(body: Body) -> Iterator[tuple[str, str]]:
    for content in body.contents:
        parts = content.parts or []
        for part in parts:
            if part.function_response is not None:
                yield "tool", _text(part.function_response.response)
        if text := "\n".join(part.text for part in parts if part.text and not part.thought):
            yield "assistant" if content.role == "model" else "user", text


def _text(response: Json | None) -> str:
    given = response or {}
    return str(given.get("output", given.get("error", given)))


async def _read(fake: Fake, request: Request, model: str) -> Body:
    """The request, written down and checked."""
    body: Json = await request.json()
    fake.calls.append(Call(request.method, request.url.path, request.url.query, dict(request.headers), body, model))
    if ":stream" in request.url.path and request.query_params.get("alt") != "sse":
        raise Wrong("This fake streams server-sent events only.")
    vertex = _vertex(request)
    if ":countTokens" in request.url.path and not vertex:
        body = body.get("generateContentRequest", body)
    return check(body, request.headers, vertex=vertex, older=_older(model))


def _refused(fake: Fake, wrong: Wrong) -> Response:
    fake.refused.append(str(wrong))
    return JSONResponse(refusal(str(wrong.status), str(wrong))[1], wrong.status)


def _vertex(request: Request) -> bool:
    return re.search(r"/(projects|publishers)/", request.url.path) is not None


def _older(model: str) -> bool:
    return model.startswith("gemini-2")
