"""Follow-ups that are sent the moment the answer arrives."""

import asyncio
import json

import httpx
import pytest

from tests.rig.legal import check_stream, parse_sse
from tests.verify.conftest import Fleet, client

pytestmark = pytest.mark.anyio


async def test_a_follow_up_sees_its_history_however_soon_it_comes(fleet: Fleet) -> None:
    async with client() as http:
        await asyncio.gather(*(_follow(http, fleet, at, "words-3") for at in range(200)))


async def test_a_follow_up_to_a_slow_answer_sees_its_history(fleet: Fleet) -> None:
    async with client() as http:
        await asyncio.gather(*(_follow(http, fleet, at, "think-90000") for at in range(10)))


async def _follow(http: httpx.AsyncClient, fleet: Fleet, at: int, model: str) -> None:
    """Ask one gateway, follow up at the other; every second time by the last event of a stream."""
    here, there = fleet.urls[at % 2], fleet.urls[(at + 1) % 2]
    question = f"question {at} of {model};"
    previous = ""
    if at % 4 < 2:
        answer = await http.post(f"{here}/v1/responses", json={"model": model, "input": question})
        assert answer.status_code == 200, answer.text
        previous = answer.json()["id"]
        said = answer.json()["output"][0]["content"][0]["text"]
    else:
        body = b""
        request = {"model": model, "input": question, "stream": True}
        async with http.stream("POST", f"{here}/v1/responses", json=request) as streamed:
            async for piece in streamed.aiter_raw():
                body += piece
                if b"event: response.completed" in body:
                    break
        final = check_stream(parse_sse(body))
        previous, said = final["id"], final["output"][0]["content"][0]["text"]
    follow = f"follow-up {at} of {model};"
    request = {"model": "words-3", "input": follow, "previous_response_id": previous}
    answer = await http.post(f"{there}/v1/responses", json=request)
    assert answer.status_code == 200, answer.text
    (call,) = fleet.upstream.asked(follow)
    asked = json.dumps(call.said)
    assert question in asked
    assert said.strip() in asked
