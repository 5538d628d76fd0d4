"""A fake provider: a real HTTP server that speaks Chat Completions, Responses and Messages, does what the model's name
says, and keeps a journal of every call.

Every word of an answer carries the number of its call (`c7w3` is word 3 of call 7), so answers that were mixed,
repeated or lost show in the text itself. Models, their parts joined by `-`:

    words-N[-MS]      N words, MS milliseconds apart
    status-CODE-K     HTTP status CODE for the first K calls of this model, then words-3
    think-MS          MS milliseconds of silence, then words-3
    cut-N             N words, then the connection ends
    fail-N            N words, then an error inside the stream
    drip              headers, then comments for ever
    tool              a call of the function `lookup`
    short-N           a refusal of more than N messages: they are too long; else words-3
    policy            a filter's refusal
    quote-CODE        HTTP status CODE, in words that quote what it was asked, and by which key
    blurt             3 words, then an error inside the stream in such words
    babble            a stream of no JSON, in such words
    moody-N-MS        words-N-MS, but of a hundred calls five are refused with 429 and five with 500, three are mute and
                      three silent behind their headers until the caller gives up, and six cut after half their words
    …                 what `tests.rig.scripts` lists, in Chat Completions only
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from random import Random
from time import monotonic

from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from tests.rig import spoken
from tests.rig.journal import Call, Count, plain
from warren_gateway.server import listen, serving

_SCRIPTS = {"responses": spoken.native, "completions": spoken.chat, "messages": spoken.messages}
_MUTE = 12.0
"""Seconds for which a mood says nothing at all, if nobody hangs up."""


class FakeProvider:
    def __init__(self, count: Count = plain) -> None:
        self.calls: list[Call] = []
        self.url = ""
        self._count = count
        self._times: Counter[str] = Counter()

    def asked(self, marker: str) -> list[Call]:
        """The calls whose body holds this text."""
        return [call for call in self.calls if marker in json.dumps(call.body)]

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        call = Call(len(self.calls), request.url.path, body["model"], body, dict(request.headers), self._count)
        self.calls.append(call)
        self._times[call.model] += 1
        match call.model.split("-"):
            case ["status", code, times] if self._times[call.model] <= int(times):
                return _refused(call, int(code), f"scripted {code}", None)
            case ["short", most] if len(call.said) > int(most):
                message = f"This model's maximum context length is {most} messages."
                return _refused(call, 400, message, "context_length_exceeded")
            case ["policy"]:
                return _refused(call, 400, "The response was filtered.", "content_filter")
            case ["quote", code]:
                return _refused(call, int(code), spoken.quoting(call), None)
            case ["babble"]:
                return StreamingResponse(iter([f"data: {spoken.quoting(call)}\n\n"]), media_type="text/event-stream")
            case ["moody", *_]:
                call.fate = _mood(call.number)
                if call.fate.isdecimal():
                    return _refused(call, int(call.fate), f"scripted {call.fate}", None)
                if call.fate == "mute":
                    await _hung_up(request)
        script = _SCRIPTS[request.url.path.rpartition("/")[2]](call)
        return StreamingResponse(self._journaled(call, script), media_type="text/event-stream")

    async def _journaled(self, call: Call, script: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in script:
                yield piece
            call.finished = True
        finally:
            call.ended = monotonic()


@asynccontextmanager
async def provider(count: Count = plain) -> AsyncIterator[FakeProvider]:
    fake = FakeProvider(count)
    app = FastAPI()
    app.add_api_route("/v1/chat/completions", fake.answer, methods=["POST"], response_model=None)
    app.add_api_route("/v1/messages", fake.answer, methods=["POST"], response_model=None)
    app.add_api_route("/v1/responses", fake.answer, methods=["POST"], response_model=None)
    app.add_api_route("/openai/v1/responses", fake.answer, methods=["POST"], response_model=None)  # as on Azure
    bound = listen("127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
    async with serving(app, bound, drain=0):
        yield fake


@contextmanager
def provider_in_thread() -> Iterator[FakeProvider]:
    """For clients that block the thread they are in."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(provider()) as fake:
        yield fake


def _refused(call: Call, status: int, message: str, code: str | None) -> Response:
    call.ended, call.finished, call.status = monotonic(), True, status
    error = {"message": message, "type": "scripted", "param": None, "code": code}
    return JSONResponse({"error": error}, status, {"retry-after": "0"})


def _mood(number: int) -> str:
    """The same for every run. The last is what usually happens."""
    fates = ("429", "500", "mute", "silent", "cut", "words")
    return Random(number).choices(fates, (5, 5, 3, 3, 6, 78))[0]


async def _hung_up(request: Request) -> None:
    """Say nothing until the caller has had enough."""
    until = monotonic() + _MUTE
    while monotonic() < until and not await request.is_disconnected():
        await asyncio.sleep(0.05)
