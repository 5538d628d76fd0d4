"""A real model in each of the dialects that its server speaks: what we send it reads, what it streams we read."""

import json
from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI

from tests.rig.legal import check_stream, parse_sse
from tests.rig.rabbitmq import free_ports
from tests.rig.services import KEY, embedded, ready
from warren import local_model

pytestmark = [pytest.mark.anyio, pytest.mark.long]
STORY = "Tell me a short story about a unicorn."
DIALECTS = ("chat", "responses", "messages")
every = pytest.mark.parametrize("dialect", DIALECTS)


@pytest.fixture(scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    (port,) = free_ports(1)
    async with local_model.serving() as base:
        own = {"api_base": base, "api_key": "key"}
        params = {
            "chat": {"model": "openai/smollm2", "use_chat_completions_api": True, **own},
            "responses": {"model": "openai/smollm2", **own},
            "messages": {"model": "anthropic/smollm2", **own},
        }
        config = {"model_list": [{"model_name": name, "litellm_params": params[name]} for name in DIALECTS]}
        service = embedded(config, tmp_path_factory.mktemp("real"), port)
        try:
            await ready(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            service.kill()


@pytest.fixture
async def client(url: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


@every
async def test_it_answers(dialect: str, client: AsyncOpenAI) -> None:
    response = await client.responses.create(model=dialect, input=STORY, instructions="Be brief.", max_output_tokens=40)
    assert response.status in ("completed", "incomplete")
    assert response.output_text
    assert response.usage is not None
    assert 5 < response.usage.input_tokens < 100
    assert 0 < response.usage.output_tokens <= 40
    assert "estimated" not in (response.usage.model_extra or {})
    assert await client.responses.retrieve(response.id) == response


@every
async def test_it_streams(dialect: str, client: AsyncOpenAI) -> None:
    request = {"model": dialect, "input": STORY, "max_output_tokens": 40, "stream": True}
    async with client.responses.with_streaming_response.create(**request) as answer:  # type: ignore[call-overload]
        events = parse_sse(await answer.read())
    final = check_stream(events)
    said = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert len(said) > 5, "it comes in pieces"
    assert json.loads((await client.responses.with_raw_response.retrieve(final["id"])).content) == final


@every
async def test_it_remembers_what_was_said(dialect: str, client: AsyncOpenAI) -> None:
    first = await client.responses.create(model=dialect, input=STORY, max_output_tokens=40)
    second = await client.responses.create(
        model=dialect, input="Tell me more.", previous_response_id=first.id, max_output_tokens=20
    )
    assert second.output_text
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens - 5


@every
async def test_a_conversation_goes_on_in_any_other(dialect: str, client: AsyncOpenAI) -> None:
    first = await client.responses.create(model=dialect, input=STORY, max_output_tokens=20)
    for other in DIALECTS:
        more = await client.responses.create(
            model=other, input="Tell me more.", previous_response_id=first.id, max_output_tokens=16
        )
        assert more.output_text
