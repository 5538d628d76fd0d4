"""OpenAI's Agents SDK: its loop of answers, tools and handoffs."""

from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIConversationsSession,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    SQLiteSession,
    function_tool,
)
from agents.memory import OpenAIResponsesCompactionSession
from agents.models.openai_responses import OpenAIResponsesWSModel
from openai import AsyncOpenAI
from openai.types.shared import Reasoning
from pydantic import BaseModel

from tests.clients.conftest import MODEL, Warren

pytestmark = pytest.mark.anyio
UNTRACED = RunConfig(tracing_disabled=True)


class City(BaseModel):
    name: str
    inhabitants: int


@function_tool
def read_weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


@pytest.fixture
async def client(warren: Warren) -> AsyncIterator[AsyncOpenAI]:
    async with warren.async_openai() as client:
        yield client


@pytest.fixture
def agent(client: AsyncOpenAI) -> Callable[..., Agent[Any]]:
    def made(name: str = "Assistant", **more: Any) -> Agent[Any]:
        return Agent(name=name, model=OpenAIResponsesModel(MODEL, client), **more)

    return made


async def test_an_agent_calls_its_tools_and_tells_what_they_said(agent: Callable[..., Agent[Any]]) -> None:
    result = await Runner.run(agent(tools=[read_weather]), "the weather in 'Oslo'?", run_config=UNTRACED)
    assert result.final_output.strip() == "The tools said: rain in Oslo"
    assert [item.type for item in result.new_items] == [
        "tool_call_item",
        "tool_call_output_item",
        "message_output_item",
    ]


async def test_an_agent_streams(agent: Callable[..., Agent[Any]]) -> None:
    thinking = ModelSettings(reasoning=Reasoning(effort="low"))
    result = Runner.run_streamed(
        agent(tools=[read_weather], model_settings=thinking), "the weather in 'Oslo'?", run_config=UNTRACED
    )
    events = [event async for event in result.stream_events()]
    assert result.final_output.strip() == "The tools said: rain in Oslo"
    names = [event.name for event in events if event.type == "run_item_stream_event"]
    assert names == [
        "reasoning_item_created", "tool_called", "tool_output", "reasoning_item_created", "message_output_created",
    ]  # fmt: skip


async def test_an_agent_hands_over_to_another(agent: Callable[..., Agent[Any]]) -> None:
    spanish = agent("Spanish", handoff_description="speaks Spanish", instructions="speak Spanish")
    result = await Runner.run(agent("Triage", handoffs=[spanish]), "I want to speak Spanish", run_config=UNTRACED)
    assert result.last_agent.name == "Spanish"
    assert "Spanish" in result.final_output


async def test_an_agent_answers_in_the_form_that_is_asked_for(agent: Callable[..., Agent[Any]]) -> None:
    asked = "how large is 'Oslo', is it 700000?"
    result = await Runner.run(agent(output_type=City), asked, run_config=UNTRACED)
    assert result.final_output == City(name="Oslo", inhabitants=700000)


@pytest.mark.parametrize("remembered", ["by the client", "by the response before"])
async def test_an_agent_remembers(agent: Callable[..., Agent[Any]], remembered: str) -> None:
    assistant = agent(tools=[read_weather])
    session = SQLiteSession("talk") if remembered == "by the client" else None
    first = await Runner.run(assistant, "my name is Ada", session=session, run_config=UNTRACED)
    second = await Runner.run(
        assistant,
        "who am I?",
        session=session,
        previous_response_id=None if session else first.last_response_id,
        run_config=UNTRACED,
    )
    assert second.final_output.strip() == "You said: my name is Ada / who am I?"


async def test_an_agent_remembers_by_a_conversation(agent: Callable[..., Agent[Any]], client: AsyncOpenAI) -> None:
    session = OpenAIConversationsSession(openai_client=client)
    assistant = agent(tools=[read_weather])
    await Runner.run(assistant, "the weather in 'Oslo'?", session=session, run_config=UNTRACED)
    result = await Runner.run(assistant, "who am I?", session=session, run_config=UNTRACED)
    assert result.final_output.strip() == "You said: the weather in 'Oslo'? / who am I?"
    items = await session.get_items()
    assert [item.get("type", "message") for item in items] == [
        "message", "function_call", "function_call_output", "message", "message", "message",
    ]  # fmt: skip
    await session.clear_session()


async def test_an_agent_runs_in_a_conversation(agent: Callable[..., Agent[Any]], client: AsyncOpenAI) -> None:
    conversation = await client.conversations.create()
    assistant = agent(tools=[read_weather])
    await Runner.run(assistant, "the weather in 'Oslo'?", conversation_id=conversation.id, run_config=UNTRACED)
    result = await Runner.run(assistant, "who am I?", conversation_id=conversation.id, run_config=UNTRACED)
    assert result.final_output.strip() == "You said: the weather in 'Oslo'? / who am I?"


@pytest.mark.parametrize("mode", ["input", "previous_response_id"])
async def test_a_session_that_grows_too_long_is_compacted(
    agent: Callable[..., Agent[Any]], client: AsyncOpenAI, mode: Literal["input", "previous_response_id"]
) -> None:
    session = OpenAIResponsesCompactionSession(
        "talk",
        SQLiteSession("talk"),
        client=client,
        model="gpt-5",
        compaction_mode=mode,
        should_trigger_compaction=lambda found: len(found["session_items"]) > 2,
    )
    assistant = agent(tools=[read_weather])
    for said in ("my name is Ada", "I am 36", "I live in Oslo"):
        await Runner.run(assistant, said, session=session, run_config=UNTRACED)
    items: list[Any] = list(await session.get_items())
    assert "compaction" in [item.get("type") for item in items]
    result = await Runner.run(assistant, "who am I?", session=session, run_config=UNTRACED)
    assert all(said in result.final_output for said in ("my name is Ada", "I live in Oslo", "who am I?"))


async def test_an_agent_speaks_through_a_socket(client: AsyncOpenAI) -> None:
    model = OpenAIResponsesWSModel(MODEL, client)
    try:
        assistant: Agent[Any] = Agent(name="Assistant", model=model, tools=[read_weather])
        result = await Runner.run(assistant, "the weather in 'Oslo'?", run_config=UNTRACED)
        assert result.final_output.strip() == "The tools said: rain in Oslo"
        streamed = Runner.run_streamed(
            assistant, "who am I?", previous_response_id=result.last_response_id, run_config=UNTRACED
        )
        kinds = [event.data.type async for event in streamed.stream_events() if event.type == "raw_response_event"]
        assert kinds[-1] == "response.completed"
        assert streamed.final_output.strip() == "You said: the weather in 'Oslo'? / who am I?"
    finally:
        await model.close()
