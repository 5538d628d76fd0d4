"""The snippets of the API's own documentation, against a real model behind three processes."""

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openai import NotFoundError, OpenAI

from tests.rig.mongod import Mongod
from tests.rig.rabbitmq import RabbitMQ
from tests.rig.services import KEY, models, stack
from warren import local_model

pytestmark = pytest.mark.anyio


@pytest.fixture
async def url(broker: RabbitMQ, database: Mongod, tmp_path: Path) -> AsyncIterator[str]:
    async with local_model.serving() as base:
        with stack(broker.url, f"{database.url}real", models(base, "smollm2"), tmp_path) as services:
            await services.ledger()
            await services.worker()
            _, address = await services.gateway()
            yield address


@pytest.mark.parametrize("model", ["smollm2", "native-smollm2"])
async def test_every_snippet_works(url: str, model: str) -> None:
    client = OpenAI(base_url=url, api_key=KEY)  # without /v1, as LiteLLM's page has it
    story = "Tell me a three sentence bedtime story about a unicorn."
    response = client.responses.create(model=model, input=story, max_output_tokens=100)
    assert response.output_text
    kinds = [event.type for event in client.responses.create(model=model, input=story, stream=True)]
    assert kinds[0] == "response.created"
    assert kinds[-1] in ("response.completed", "response.incomplete")
    assert client.responses.retrieve(response.id) == response
    client.responses.delete(response.id)
    with pytest.raises(NotFoundError):
        client.responses.retrieve(response.id)


async def test_a_session_by_curl_remembers_what_it_should(url: str) -> None:
    first = _curl(url, {"input": "who is Michael Jordan"})
    second = _curl(url, {"input": "can you tell me more about him", "previous_response_id": first["id"]})
    third = _curl(url, {"input": "can you tell me more about him"})
    tokens = [one["usage"]["input_tokens"] for one in (first, second, third)]
    assert tokens[1] > tokens[2] + first["usage"]["output_tokens"] - 5, "the first question and answer are in it"
    assert abs(tokens[2] - tokens[0]) < 10


def _curl(url: str, body: dict[str, str]) -> dict[str, Any]:
    request = json.dumps({"model": "smollm2", "max_output_tokens": 100, **body})
    headers = ("-H", "Content-Type: application/json", "-H", f"Authorization: Bearer {KEY}")
    command = ["curl", "-s", f"{url}/v1/responses", *headers, "-d", request]
    answer: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return answer
