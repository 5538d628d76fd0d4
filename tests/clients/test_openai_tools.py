"""OpenAI's SDK and tools: calls, their results, and what it makes of both."""

import json
from typing import Any

import openai
import pytest
from openai.types.responses import ResponseFunctionToolCall
from pydantic import BaseModel

from tests.clients.conftest import MODEL, Warren

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
}
PYTHON: Any = {"type": "custom", "name": "python", "description": "Runs a program"}


class Event(BaseModel):
    title: str
    day: int
    public: bool


def test_the_output_of_one_turn_is_the_input_of_the_next(warren: Warren) -> None:
    with warren.openai() as client:
        said: list[Any] = [{"role": "user", "content": "what is the weather in 'Oslo' for 3 days"}]
        first = client.responses.create(
            model=MODEL, input=said, tools=[WEATHER], store=False, reasoning={"effort": "low"}
        )
        said += first.output
        call = first.output[-1]
        assert isinstance(call, ResponseFunctionToolCall)
        assert json.loads(call.arguments) == {"city": "Oslo", "days": 3}
        said.append({"type": "function_call_output", "call_id": call.call_id, "output": "rain"})
        second = client.responses.create(model=MODEL, input=said, tools=[WEATHER], store=False)
        assert second.output_text.strip() == "The tools said: rain"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "get_weather"}])
def test_a_choice_of_tools_is_obeyed(warren: Warren, choice: Any) -> None:
    with warren.openai(_strict_response_validation=True) as client:
        made = client.responses.create(model=MODEL, input="hello", tools=[WEATHER], tool_choice=choice)
        assert [item.type for item in made.output] == ["function_call"]
        made = client.responses.create(model=MODEL, input="weather?", tools=[WEATHER], tool_choice="none")
        assert [item.type for item in made.output] == ["message"]


def test_calls_are_parsed_as_they_stream(warren: Warren) -> None:
    tool = openai.pydantic_function_tool(Event, name="plan_event")
    with warren.openai() as client:
        wanted = {"type": "function", **tool["function"]}
        with client.responses.stream(model=MODEL, input="plan the event 'Ball' on day 9", tools=[wanted]) as stream:  # type: ignore[list-item]
            snapshots = [event.snapshot for event in stream if event.type == "response.function_call_arguments.delta"]
            final = stream.get_final_response()
        (call,) = final.output
        assert call.type == "function_call"
        assert json.loads(call.arguments) == {"title": "Ball", "day": 9, "public": True}
        assert snapshots[-1] == call.arguments


def test_calls_come_in_parallel_unless_that_is_forbidden(warren: Warren) -> None:
    time: Any = {**WEATHER, "name": "get_time"}
    with warren.openai(_strict_response_validation=True) as client:
        asked = "the weather and the time in 'Oslo'"
        made = client.responses.create(model=MODEL, input=asked, tools=[WEATHER, time])
        calls = [item for item in made.output if item.type == "function_call"]
        assert [call.name for call in calls] == ["get_weather", "get_time"]
        results: Any = [
            {"type": "function_call_output", "call_id": call.call_id, "output": f"{call.name} says hello"}
            for call in calls
        ]
        second = client.responses.create(
            model=MODEL, input=results, previous_response_id=made.id, tools=[WEATHER, time]
        )
        assert second.output_text.strip() == "The tools said: get_weather says hello and get_time says hello"
        made = client.responses.create(model=MODEL, input=asked, tools=[WEATHER, time], parallel_tool_calls=False)
        assert [item.type for item in made.output] == ["function_call"]


def test_a_custom_tool_is_called_with_plain_text(warren: Warren) -> None:
    with warren.openai(_strict_response_validation=True) as client:
        asked = "run the python program 'print(1)'"
        made = client.responses.create(model=MODEL, input=asked, tools=[PYTHON])
        (call,) = made.output
        assert call.type == "custom_tool_call"
        assert (call.name, call.input) == ("python", "print(1)")
        events = client.responses.create(model=MODEL, input=asked, tools=[PYTHON], stream=True)
        deltas = [event.delta for event in events if event.type == "response.custom_tool_call_input.delta"]
        assert "".join(deltas) == "print(1)"
        result: Any = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "1"}
        second = client.responses.create(model=MODEL, input=[result], previous_response_id=made.id, tools=[PYTHON])
        assert second.output_text.strip() == "The tools said: 1"
