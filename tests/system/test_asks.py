"""Questions about a request: how many tokens it has, and the same said in fewer."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
import openai
import pytest

from tests.rig.services import KEY
from tests.system.conftest import System

pytestmark = pytest.mark.anyio
HEADERS = {"authorization": f"Bearer {KEY}"}


async def test_tokens_are_counted_with_all_that_goes_along(system: System) -> None:
    async with system.client() as client:

        async def count(**asked: Any) -> int:
            counted = await client.responses.input_tokens.count(model="words-3", **asked)
            assert counted.object == "response.input_tokens"
            return counted.input_tokens

        text = await count(input="Who was Michael Jordan?")
        assert text > 0
        assert await count(input=[{"role": "user", "content": "Who was Michael Jordan?"}]) > 0
        assert await count(input="Who was Michael Jordan?", instructions="Be brief, and polite.") > text
        tool = {"type": "function", "name": "lookup", "parameters": {"type": "object"}, "strict": False}
        assert await count(input="Who was Michael Jordan?", tools=[tool]) > text
        before = await client.responses.create(model="words-3", input="Tell me about basketball. " * 20)
        assert await count(input="Who was Michael Jordan?", previous_response_id=before.id) > text
        talk = await client.conversations.create(
            items=[{"type": "message", "role": "user", "content": "Tell me about basketball. " * 20}]
        )
        assert await count(input="Who was Michael Jordan?", conversation=talk.id) > text


BAD = [
    ("input_tokens", {}, 400, "model", "missing_required_parameter"),
    ("input_tokens", {"input": "x"}, 400, "model", "missing_required_parameter"),
    ("input_tokens", {"model": "words-3"}, 400, "input", "missing_required_parameter"),
    ("input_tokens", {"model": "words-3", "input": ""}, 400, "input", "missing_required_parameter"),
    ("input_tokens", {"model": "words-3", "input": []}, 400, "input", "missing_required_parameter"),
    ("input_tokens", {"model": "words-3", "instructions": "x"}, 400, "input", "missing_required_parameter"),
    ("input_tokens", {"model": "words-3", "input": 5}, 400, "input", "invalid_type"),
    ("input_tokens", {"model": "nobody", "input": "x"}, 404, "model", "model_not_found"),
    ("input_tokens", {"model": "words-3", "input": "x", "conversation": "conv_1"}, 404, None, None),
    ("input_tokens", {"model": "words-3", "input": "x", "previous_response_id": "resp_1"}, 400,
     "previous_response_id", "previous_response_not_found"),
    ("compact", {"input": "x"}, 400, "model", "missing_required_parameter"),
    ("compact", {"model": "words-3"}, 400, "input", "missing_required_parameter"),
    ("compact", {"model": "words-3", "input": []}, 400, "input", "missing_required_parameter"),
    ("compact", {"model": "words-3", "input": "x", "temperature": 1}, 400, "temperature", "unknown_parameter"),
    ("compact", {"model": "nobody", "input": "x"}, 404, "model", "model_not_found"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "body", "status", "param", "code"), BAD)
async def test_bad_questions_are_refused_in_openais_words(
    system: System, what: str, body: Any, status: int, param: str | None, code: str | None
) -> None:
    async with httpx.AsyncClient(headers=HEADERS) as http:
        for prefix in ("/v1", "", "/openai/v1"):
            answer = await http.post(f"{system.url}{prefix}/responses/{what}", json=body)
            error = answer.json()["error"]
            assert (answer.status_code, error["param"], error["code"]) == (status, param, code)


async def test_a_conversation_is_said_in_fewer_words_and_goes_on(system: System) -> None:
    unique = uuid4().hex
    async with system.client() as client:
        first = await client.responses.create(model="words-200", input=f"one {unique}")
        raw = await client.responses.with_raw_response.compact(model="words-20", previous_response_id=first.id)
        assert raw.parse().object == "response.compaction"
        compacted = json.loads(raw.content)
        assert compacted["id"].startswith("cmpr_")
        assert compacted["usage"]["output_tokens"] > 0
        output = compacted["output"]
        assert output[-1]["type"] == "compaction"
        assert f"one {unique}" in json.dumps(output[:-1])
        assert late_word(first) not in json.dumps(output), "it is sealed, and short"
        goes_on: Any = [*output, {"role": "user", "content": f"two {unique}"}]
        await client.responses.create(model="words-3", input=goes_on)
        (call,) = system.upstream.asked(f"two {unique}")
        assert f"one {unique}" in json.dumps(call.said)
        with pytest.raises(openai.BadRequestError) as refused:
            await client.responses.create(model="words-3", input="x", previous_response_id=compacted["id"])
        assert refused.value.code == "previous_response_not_found"


def late_word(response: Any) -> str:
    return str(response.output_text.split()[100])


async def test_what_a_provider_refuses_is_an_http_error(system: System) -> None:
    async with httpx.AsyncClient(headers=HEADERS, timeout=60) as http:
        body = {"model": "status-401-999", "input": "x"}
        answer = await http.post(f"{system.url}/v1/responses/compact", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_auth")


async def test_a_client_that_leaves_takes_its_question_with_it(system: System) -> None:
    marker = uuid4().hex
    async with httpx.AsyncClient(base_url=f"{system.url}/v1", headers=HEADERS) as client:
        asking = asyncio.create_task(client.post("/responses/compact", json={"model": "drip", "input": marker}))
        async with asyncio.timeout(30):
            while not system.upstream.asked(marker):
                await asyncio.sleep(0.01)
            asking.cancel()
            (call,) = system.upstream.asked(marker)
            while call.ended is None:
                await asyncio.sleep(0.01)
    assert not call.finished


async def test_questions_need_the_key(system: System) -> None:
    async with httpx.AsyncClient() as http:
        for what in ("input_tokens", "compact"):
            assert (await http.post(f"{system.url}/v1/responses/{what}", json={})).status_code == 401
