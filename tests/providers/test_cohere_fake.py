"""The fake Cohere is held to its vendor's ways by the vendor's own SDK."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import cohere
import httpx
import pytest
from anyio import to_thread
from cohere import AsyncClientV2, ClientV2
from cohere.core.api_error import ApiError

from tests.rig.vendors import Fake, fake
from tests.rig.vendors import cohere as vendor_
from tests.rig.vendors.script import ANSWER, THOUGHT, URLS

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
SCRIPTS = ("text", "think", "tool", "parallel", "bare", "loop", "json", "search", "length", "filter", "refuse", "echo",
           "remember", "usage")  # fmt: skip


@pytest.fixture
async def vendor() -> AsyncIterator[Fake]:
    async with fake(vendor_.mount) as made:
        yield made


@pytest.fixture
async def client(vendor: Fake) -> AsyncIterator[AsyncClientV2]:
    async with httpx.AsyncClient() as http:
        yield AsyncClientV2("of-ours", base_url=vendor.url, max_retries=0, httpx_client=http)


async def ask(client: AsyncClientV2, script: str, **more: Any) -> Any:
    return await client.chat(model=script, messages=more.pop("messages", [USER]), **more)


async def streamed(client: AsyncClientV2, script: str, **more: Any) -> list[Any]:
    return [one async for one in client.chat_stream(model=script, messages=more.pop("messages", [USER]), **more)]


def folded(events: list[Any]) -> dict[str, Any]:
    """The answer that the SDK's events make: what its `chat` would have given."""
    message: dict[str, Any] = {"role": "assistant", "content": []}
    for event in events:
        match event.type:
            case "content-start":
                message["content"].append(event.delta.message.content.model_dump(exclude_none=True))
            case "content-delta":
                for name, piece in event.delta.message.content.model_dump(exclude_none=True).items():
                    message["content"][event.index][name] += piece
            case "tool-plan-delta":
                message["tool_plan"] = message.get("tool_plan", "") + event.delta.message.tool_plan
            case "tool-call-start":
                message.setdefault("tool_calls", []).append(event.delta.message.tool_calls.model_dump())
            case "tool-call-delta":
                function = message["tool_calls"][event.index]["function"]
                function["arguments"] += event.delta.message.tool_calls.function.arguments
            case "citation-start":
                message.setdefault("citations", []).append(event.delta.message.citations.model_dump(exclude_none=True))
    end = events[-1].delta
    return {
        "id": events[0].id,
        "finish_reason": end.finish_reason,
        "message": message,
        "usage": end.usage.model_dump(exclude_none=True),
    }


@pytest.mark.parametrize("script", SCRIPTS)
async def test_a_stream_says_what_a_whole_answer_says(
    script: str, client: AsyncClientV2, vendor: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        answer = await ask(client, script)
        events = await streamed(client, script)
    assert folded(events) == answer.model_dump(exclude_none=True)
    assert (events[0].type, events[-1].type) == ("message-start", "message-end")
    assert all(event.model_extra == {} for event in events if event.type != "message-start")
    assert vendor.refused == []
    assert "Skipping" not in caplog.text


async def test_the_sdk_that_waits_reads_it_too(vendor: Fake) -> None:
    def both() -> tuple[Any, list[Any]]:
        with httpx.Client() as http:
            waiting = ClientV2("of-ours", base_url=vendor.url, max_retries=0, httpx_client=http)
            whole = waiting.chat(model="text", messages=[USER])
            return whole, list(waiting.chat_stream(model="text", messages=[USER]))

    answer, events = await to_thread.run_sync(both)
    assert answer.message.content[0].text == ANSWER
    assert folded(events) == answer.model_dump(exclude_none=True)


async def test_thoughts_stand_before_text(client: AsyncClientV2) -> None:
    answer = await ask(client, "think")
    assert [block.type for block in answer.message.content] == ["thinking", "text"]
    assert answer.message.content[0].thinking == THOUGHT


async def test_words_before_calls_are_their_plan(client: AsyncClientV2) -> None:
    answer = await ask(client, "tool", tools=[LOOKUP])
    assert answer.finish_reason == "TOOL_CALL"
    assert answer.message.tool_plan == "Let me look."
    (call,) = answer.message.tool_calls
    assert (call.id, call.function.name) == ("lookup_call_1", "lookup")


async def test_it_goes_on_with_the_results_of_tools(client: AsyncClientV2, vendor: Fake) -> None:
    first = await ask(client, "loop", tools=[LOOKUP], thinking={"type": "enabled", "token_budget": 500})
    result: Any = {"role": "tool", "tool_call_id": first.message.tool_calls[0].id, "content": "cats and dogs"}
    second = await ask(client, "loop", tools=[LOOKUP], messages=[USER, first.message, result])
    assert second.message.content[0].text == "The tool said: cats and dogs"
    assert vendor.refused == []


async def test_citations_name_their_documents(client: AsyncClientV2) -> None:
    (citation,) = (await ask(client, "search")).message.citations
    assert (citation.text, citation.sources[0].document["url"]) == (ANSWER, URLS[0])


async def test_what_is_billed_is_not_all_that_is_read(client: AsyncClientV2) -> None:
    usage = (await ask(client, "usage")).usage
    assert (usage.tokens.input_tokens, usage.cached_tokens, usage.billed_units.input_tokens) == (1000, 600, 500)


async def test_a_stream_may_break_off(client: AsyncClientV2) -> None:
    assert (await streamed(client, "cut"))[-1].type == "content-end"
    end = (await streamed(client, "inside"))[-1]
    assert (end.type, end.delta.finish_reason) == ("message-end", "ERROR")
    assert end.delta.error


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("error-400", cohere.BadRequestError),
        ("error-404", cohere.NotFoundError),
        ("error-429", cohere.TooManyRequestsError),
        ("error-500", cohere.InternalServerError),
        ("error-context", cohere.BadRequestError),
        ("error-key", cohere.UnauthorizedError),
        ("error-quota", cohere.TooManyRequestsError),
        ("error-overload", cohere.ServiceUnavailableError),
    ],
)
async def test_the_sdk_knows_its_errors(script: str, kind: type[ApiError], client: AsyncClientV2) -> None:
    with pytest.raises(kind) as caught:
        await ask(client, script)
    assert set(caught.value.body) == {"id", "message"}
    with pytest.raises(kind):
        await streamed(client, script)


@pytest.mark.parametrize(
    "more",
    [
        {"tool_choice": "REQUIRED"},
        {"tools": [LOOKUP], "response_format": {"type": "json_object"}},
        {"p": 1.0},
        {"presence_penalty": 0.5, "frequency_penalty": 0.5},
        {"max_tokens": "many"},
        {"tools": [{"type": "function", "function": {**LOOKUP["function"], "strict": True}}]},
        {"messages": [{"role": "assistant", "content": ""}]},
        {"messages": [USER, {"role": "tool", "tool_call_id": "x", "content": "no call"}]},
    ],
)
async def test_it_refuses_what_cohere_refuses(more: Any, client: AsyncClientV2, vendor: Fake) -> None:
    with pytest.raises(cohere.BadRequestError):
        await ask(client, "text", **more)
    assert vendor.refused
