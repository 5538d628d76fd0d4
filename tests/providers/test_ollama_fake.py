"""The fake Ollama is held to its vendor's ways by the vendor's own SDK."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from anyio import to_thread
from ollama import AsyncClient, ChatResponse, Client, ResponseError

from tests.rig.vendors import Fake, fake, ollama
from tests.rig.vendors.script import ANSWER, THOUGHT

pytestmark = pytest.mark.anyio
LOOKUP: Any = {
    "type": "function",
    "function": {
        "name": "lookup",
        "description": "Look something up.",
        "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
    },
}
USER: Any = {"role": "user", "content": "Does it rain?"}
SCRIPTS = ("text", "think", "tool", "parallel", "bare", "loop", "json", "length", "filter", "refuse", "echo",
           "remember", "usage")  # fmt: skip


@pytest.fixture
async def vendor() -> AsyncIterator[Fake]:
    async with fake(ollama.mount) as made:
        yield made


@pytest.fixture
async def client(vendor: Fake) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(vendor.url) as made:
        yield made


async def ask(client: AsyncClient, script: str, **more: Any) -> ChatResponse:
    answer: ChatResponse = await client.chat(script, more.pop("messages", [USER]), **more)
    return answer


async def streamed(client: AsyncClient, script: str, **more: Any) -> list[ChatResponse]:
    return [one async for one in await client.chat(script, more.pop("messages", [USER]), stream=True, **more)]


def folded(lines: list[ChatResponse]) -> dict[str, Any]:
    whole = lines[-1].model_dump(exclude_none=True)
    for line in lines[:-1]:
        for name, part in line.message.model_dump(exclude_none=True, exclude={"role"}).items():
            whole["message"][name] = whole["message"][name] + part if name in whole["message"] else part
    return whole


@pytest.mark.parametrize("script", SCRIPTS)
async def test_a_stream_says_what_a_whole_answer_says(script: str, client: AsyncClient, vendor: Fake) -> None:
    lines = await streamed(client, script)
    assert folded(lines) == (await ask(client, script)).model_dump(exclude_none=True)
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert vendor.refused == []


async def test_the_sdk_that_waits_reads_it_too(vendor: Fake) -> None:
    def both() -> tuple[ChatResponse, list[ChatResponse]]:
        with Client(vendor.url) as waiting:
            return waiting.chat("text", [USER]), list(waiting.chat("text", [USER], stream=True))

    answer, lines = await to_thread.run_sync(both)
    assert answer.message.content == ANSWER
    assert folded(lines) == answer.model_dump(exclude_none=True)


async def test_thoughts_have_a_field_of_their_own(client: AsyncClient) -> None:
    message = (await ask(client, "think", think=True)).message
    assert (message.thinking, message.content) == (THOUGHT, ANSWER)


async def test_calls_come_whole(client: AsyncClient) -> None:
    lines = await streamed(client, "parallel", tools=[LOOKUP])
    calls = [call for line in lines for call in line.message.tool_calls or ()]
    assert [(call.function.name, call.function.arguments["q"]) for call in calls] == [
        ("lookup", "rain"),
        ("lookup", "sun"),
    ]


async def test_it_goes_on_with_the_results_of_tools(client: AsyncClient, vendor: Fake) -> None:
    first = (await ask(client, "loop", tools=[LOOKUP])).message
    assert first.thinking == THOUGHT
    result = {"role": "tool", "tool_name": "lookup", "content": "cats and dogs"}
    second = await ask(client, "loop", tools=[LOOKUP], messages=[USER, first, result])
    assert second.message.content == "The tool said: cats and dogs"
    assert vendor.refused == []


async def test_it_tells_what_it_used_and_why_it_stopped(client: AsyncClient) -> None:
    last = (await streamed(client, "length"))[-1]
    assert (last.done_reason, last.prompt_eval_count, last.eval_count) == ("length", 31, 17)


async def test_without_messages_it_only_loads_the_model(client: AsyncClient) -> None:
    assert (await ask(client, "text", messages=[])).done_reason == "load"


async def test_a_stream_may_break_off(client: AsyncClient) -> None:
    assert not (await streamed(client, "cut"))[-1].done
    with pytest.raises(ResponseError, match="unexpected EOF"):
        await streamed(client, "inside")


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("error-400", 400),
        ("error-404", 404),
        ("error-429", 429),
        ("error-500", 500),
        ("error-context", 400),
        ("error-key", 401),
        ("error-quota", 429),
        ("error-overload", 503),
    ],
)
async def test_the_sdk_knows_its_errors(script: str, status: int, client: AsyncClient) -> None:
    with pytest.raises(ResponseError) as caught:
        await ask(client, script)
    assert caught.value.status_code == status
    assert caught.value.error
    with pytest.raises(ResponseError):
        await streamed(client, script)


@pytest.mark.parametrize(
    "more",
    [
        {"options": {"max_tokens": 5}},
        {"messages": [{"role": "developer", "content": "Be brief."}]},
        {"messages": [{"role": "user", "content": "What?", "images": ["data:image/png;base64,AAAA"]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "parts"}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]},
        {"tool_choice": "required"},
    ],
)
async def test_it_refuses_what_ollama_refuses(more: Any, client: AsyncClient, vendor: Fake) -> None:
    body = {"model": "text", "messages": [USER], "stream": False, **more}
    answer = await client._client.post("/api/chat", json=body)
    assert answer.status_code == 400
    assert vendor.refused


async def test_a_model_that_cannot_think_refuses_to(client: AsyncClient) -> None:
    with pytest.raises(ResponseError, match="does not support thinking"):
        await ask(client, "text", think=True)
