"""Every provider does what the Responses API promises, asked by OpenAI's own client.

What a vendor sends is what its fake sends, and the fakes are held to that by the vendors' own SDKs (`test_*_fake.py`).
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.providers.cases import CASES, Case
from tests.providers.conftest import Providers
from tests.rig.vendors.script import ANSWER, THOUGHT, URLS
from warren.config import PROVIDERS

pytestmark = pytest.mark.anyio
LOOKUP: Any = {
    "type": "function",
    "name": "lookup",
    "description": "Look something up.",
    "parameters": {
        "type": "object",
        "properties": {"q": {"type": "string"}},
        "required": ["q"],
        "additionalProperties": False,
    },
    "strict": False,
}
WEATHER: Any = {
    "type": "json_schema",
    "name": "weather",
    "schema": {
        "type": "object",
        "properties": {"place": {"type": "string"}, "degrees": {"type": "integer"}},
        "required": ["place", "degrees"],
        "additionalProperties": False,
    },
    "strict": True,
}

every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def those(*wanted: str) -> pytest.MarkDecorator:
    """The providers that have all of this."""
    cases = [case for case in CASES if all(getattr(case, name) for name in wanted)]
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


@pytest.fixture
async def client(providers: Providers) -> AsyncIterator[AsyncOpenAI]:
    async with providers.client() as made:
        yield made


def test_no_provider_is_left_out() -> None:
    assert {case.model.partition("/")[0] for case in CASES} == PROVIDERS


@every
async def test_it_answers(case: Case, client: AsyncOpenAI, providers: Providers) -> None:
    before = len(providers.vendors.calls)
    response = await client.responses.create(model=f"{case.name}/text", input="Does it rain?", instructions="Be brief.")
    assert (response.status, response.output_text) == ("completed", ANSWER)
    assert [item.type for item in response.output] == ["message"]
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (31, 17)
    assert "estimated" not in response.usage.model_extra  # type: ignore[operator]
    (call,) = providers.vendors.calls[before:]
    assert "Does it rain?" in json.dumps(call.body)
    assert "Be brief." in json.dumps(call.body)
    assert providers.vendors.refused == []
    assert (await client.responses.retrieve(response.id)).output_text == ANSWER


@every
async def test_it_streams(case: Case, client: AsyncOpenAI) -> None:
    said, final = "", None
    async for event in await client.responses.create(model=f"{case.name}/text", input="Does it rain?", stream=True):
        if event.type == "response.output_text.delta":
            said += event.delta
        elif event.type == "response.completed":
            final = event.response
    assert final is not None
    assert said == final.output_text == ANSWER
    assert await client.responses.retrieve(final.id) == final


@those("tools")
async def test_it_calls_tools_and_reads_their_results(case: Case, client: AsyncOpenAI) -> None:
    first = await client.responses.create(model=f"{case.name}/loop", input="Does it rain?", tools=[LOOKUP])
    (call,) = (item for item in first.output if item.type == "function_call")
    assert (call.name, json.loads(call.arguments)) == ("lookup", {"q": "rain"})
    second = await client.responses.create(
        model=f"{case.name}/loop",
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "cats and dogs"}],
        tools=[LOOKUP],
    )
    assert "cats and dogs" in second.output_text


@those("tools")
async def test_it_calls_tools_in_parallel(case: Case, client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model=f"{case.name}/parallel", input="And?", tools=[LOOKUP], stream=True)
    done = [event.item async for event in stream if event.type == "response.output_item.done"]
    calls = [item for item in done if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == [{"q": "rain"}, {"q": "sun"}]
    assert len({call.call_id for call in calls}) == 2


@those("schemas")
async def test_it_answers_in_a_schema(case: Case, client: AsyncOpenAI) -> None:
    response = await client.responses.create(model=f"{case.name}/json", input="Where?", text={"format": WEATHER})
    answer = json.loads(response.output_text)
    assert set(answer) == {"place", "degrees"}
    assert isinstance(answer["degrees"], int)


@those("reasons")
async def test_it_reasons(case: Case, client: AsyncOpenAI) -> None:
    response = await client.responses.create(
        model=f"{case.name}/think", input="Why?", reasoning={"effort": "low", "summary": "auto"}
    )
    assert response.output_text == ANSWER
    reasoning = response.output[0]
    assert reasoning.type == "reasoning"
    told = [part.text for part in (*reasoning.summary, *(reasoning.content or ()))]
    assert THOUGHT in "".join(told)


@those("reasons", "tools")
async def test_it_thinks_between_its_calls(case: Case, client: AsyncOpenAI, providers: Providers) -> None:
    """Who needs to see signed thoughts again refuses a conversation without them."""
    before = len(providers.vendors.refused)
    asked: Any = {"model": f"{case.name}/loop", "tools": [LOOKUP], "reasoning": {"effort": "low", "summary": "auto"}}
    first = await client.responses.create(input="Does it rain?", **asked)
    (call,) = (item for item in first.output if item.type == "function_call")
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "cats and dogs"}
    second = await client.responses.create(previous_response_id=first.id, input=[result], **asked)
    assert "cats and dogs" in second.output_text
    assert providers.vendors.refused[before:] == []


@those("searches")
async def test_it_searches_and_cites(case: Case, client: AsyncOpenAI) -> None:
    response = await client.responses.create(
        model=f"{case.name}/search", input="Where does it rain?", tools=[{"type": "web_search"}]
    )
    assert response.output_text == ANSWER
    assert any(item.type == "web_search_call" and item.status == "completed" for item in response.output)
    parts = [part for item in response.output if item.type == "message" for part in item.content]
    cited = [one for part in parts if part.type == "output_text" for one in part.annotations]
    assert [one.url for one in cited if one.type == "url_citation"] == [URLS[0]]


@every
async def test_it_tells_what_it_used(case: Case, client: AsyncOpenAI) -> None:
    usage = (await client.responses.create(model=f"{case.name}/usage", input="?")).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (1000, 70, 1070)
    if case.caches:
        assert usage.input_tokens_details.cached_tokens == 600


@every
async def test_an_answer_may_be_cut_by_its_limit(case: Case, client: AsyncOpenAI) -> None:
    await cut(client, case, "length", "max_output_tokens")


@those("filters")
async def test_an_answer_may_be_cut_by_a_filter(case: Case, client: AsyncOpenAI) -> None:
    await cut(client, case, "filter", "content_filter")


async def cut(client: AsyncOpenAI, case: Case, script: str, reason: str) -> None:
    response = await client.responses.create(model=f"{case.name}/{script}", input="?", max_output_tokens=16)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == reason


ERRORS = {
    "error-400": (openai.BadRequestError, None),
    "error-404": (openai.NotFoundError, None),
    "error-429": (openai.RateLimitError, "rate_limit_exceeded"),
    "error-quota": (openai.RateLimitError, "insufficient_quota"),
    "error-500": (openai.InternalServerError, "upstream_error"),
    "error-overload": (openai.InternalServerError, None),
    "error-key": (openai.InternalServerError, "upstream_auth"),
    "error-context": (openai.BadRequestError, "context_length_exceeded"),
}


@every
@pytest.mark.parametrize("script", ERRORS)
async def test_its_errors_are_told_in_our_words(case: Case, script: str, client: AsyncOpenAI) -> None:
    kind, code = ERRORS[script]
    with pytest.raises(kind) as caught:
        await client.responses.create(model=f"{case.name}/{script}", input="?")
    if code is not None:
        assert caught.value.code == code
    if script == "error-key":
        assert caught.value.status_code == 502
        assert "sk-" not in caught.value.message


@every
@pytest.mark.parametrize("script", ["cut", "inside"])
async def test_a_stream_that_breaks_fails(case: Case, script: str, client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model=f"{case.name}/{script}", input="?", stream=True)
    first = await anext(stream)
    assert first.type == "response.created"
    with pytest.raises(openai.APIError):
        [event async for event in stream]
    assert (await client.responses.retrieve(first.response.id)).status == "failed"
