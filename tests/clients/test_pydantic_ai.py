"""pydantic-ai's model for the Responses API."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.conftest import MODEL, Warren

pytestmark = pytest.mark.anyio


class City(BaseModel):
    name: str
    inhabitants: int


@pytest.fixture
async def model(warren: Warren) -> AsyncIterator[OpenAIResponsesModel]:
    task = asyncio.current_task()
    while task is not None and task.cancelling():  # tests share a task, and an agent ends when it was ever cancelled
        task.uncancel()
    async with warren.async_openai() as client:
        yield OpenAIResponsesModel(MODEL, provider=OpenAIProvider(openai_client=client))


def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


async def test_an_agent_calls_its_tools(model: OpenAIResponsesModel) -> None:
    result = await Agent(model, tools=[weather]).run("the weather in 'Oslo'?")
    assert result.output.strip() == "The tools said: rain in Oslo"
    assert result.usage.requests == 2
    assert result.usage.input_tokens == 14


async def test_an_agent_streams(model: OpenAIResponsesModel) -> None:
    async with Agent(model, tools=[weather]).run_stream("the weather in 'Oslo'?") as result:
        texts = [text async for text in result.stream_text(delta=True, debounce_by=None)]
    assert "".join(texts).strip() == "The tools said: rain in Oslo"
    assert len(texts) > 3


@pytest.mark.parametrize("form", [ToolOutput, NativeOutput])
async def test_an_agent_answers_in_the_form_that_is_asked_for(
    model: OpenAIResponsesModel, form: type[ToolOutput[City] | NativeOutput[City]]
) -> None:
    agent = Agent(model, tools=[weather], output_type=form(City))
    result = await agent.run("how large is 'Oslo', is it 700000?")
    assert result.output == City(name="Oslo", inhabitants=700000)
    async with agent.run_stream("how large is 'Oslo', is it 700000?") as stream:
        assert await stream.get_output() == result.output


async def test_an_agent_remembers(model: OpenAIResponsesModel) -> None:
    thinking = OpenAIResponsesModelSettings(openai_reasoning_effort="low", openai_reasoning_summary="auto")
    agent = Agent(model, tools=[weather], model_settings=thinking, instructions="be kind")
    first = await agent.run("the weather in 'Oslo'?")
    second = await agent.run("who am I?", message_history=first.all_messages())
    assert second.output.strip() == "You said: the weather in 'Oslo'? / who am I?"
    by_id = OpenAIResponsesModelSettings(openai_previous_response_id="auto")
    third = await agent.run("sure?", message_history=second.all_messages(), model_settings=by_id)
    assert third.output.strip() == "You said: the weather in 'Oslo'? / who am I? / sure?"
