"""The fake Anthropic is held to its vendor's ways by the vendor's own SDK."""

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic, AsyncAnthropicVertex
from anthropic.types import Message, MessageParam, TextBlock, ToolParam
from anyio import to_thread

from tests.rig.vendors import Fake, fake, messages
from tests.rig.vendors.script import ANSWER, THOUGHT, URLS, Think

pytestmark = pytest.mark.anyio
LOOKUP: ToolParam = {
    "name": "lookup",
    "description": "Look something up.",
    "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
}
ADAPTIVE: Any = {"type": "adaptive", "display": "summarized"}
BUDGET: Any = {"type": "enabled", "budget_tokens": 1024}
SCRIPTS = ("text", "think", "tool", "parallel", "bare", "loop", "json", "search", "length", "filter", "refuse", "echo",
           "remember", "usage")  # fmt: skip


@pytest.fixture
async def vendor() -> AsyncIterator[Fake]:
    async with fake(messages.mount) as made:
        yield made


@pytest.fixture
async def client(vendor: Fake) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=vendor.url, api_key="sk-of-ours", max_retries=0) as made:
        yield made


async def ask(client: AsyncAnthropic, script: str, **more: Any) -> Message:
    given: dict[str, Any] = {"max_tokens": 4096, "messages": [{"role": "user", "content": "Does it rain?"}], **more}
    made: Message = await client.messages.create(model=f"claude-{script}", **given)
    return made


async def streamed(client: AsyncAnthropic, script: str, **more: Any) -> Message:
    given: dict[str, Any] = {"max_tokens": 4096, "messages": [{"role": "user", "content": "Does it rain?"}], **more}
    async with client.messages.stream(model=f"claude-{script}", **given) as stream:
        made: Message = await stream.get_final_message()
        return made


def comparable(message: Message) -> Any:
    """Without ids, which are new each time, and what only one of the two forms says."""
    said = message.model_dump(exclude_none=True)
    for block in (said, *said["content"]):
        for name in ("id", "tool_use_id", "parsed_output", "citations"):
            block.pop(name, None)
    return said


@pytest.mark.parametrize("script", SCRIPTS)
async def test_a_script_says_the_same_in_a_stream(script: str, client: AsyncAnthropic, vendor: Fake) -> None:
    given: dict[str, Any] = {"tools": [LOOKUP]} if script in ("tool", "parallel", "bare", "loop") else {}
    given |= {"thinking": ADAPTIVE} if script in ("think", "loop") else {}
    whole, parts = await ask(client, script, **given), await streamed(client, script, **given)
    assert comparable(whole) == comparable(parts)
    assert vendor.refused == []


async def test_all_that_can_be_said_is_read(client: AsyncAnthropic) -> None:
    (thought, text) = (await streamed(client, "think", thinking=ADAPTIVE)).content
    assert (thought.type, text.type) == ("thinking", "text")
    assert thought.type == "thinking"
    assert (thought.thinking, thought.signature) == (THOUGHT, Think("").signature)
    use, result, cited = (await streamed(client, "search")).content
    assert use.type == "server_tool_use"
    assert use.input == {"query": "rain in spain"}
    assert result.type == "web_search_tool_result"
    assert isinstance(result.content, list)
    assert [page.url for page in result.content] == list(URLS)
    assert cited.type == "text"
    assert cited.text == ANSWER
    assert cited.citations is not None
    first, second = (await streamed(client, "parallel", tools=[LOOKUP])).content
    assert first.type == second.type == "tool_use"
    assert (first.input, second.input) == ({"q": "rain"}, {"q": "sun"})
    refused = await streamed(client, "refuse")
    assert refused.stop_reason == "refusal"
    assert refused.stop_details is not None
    assert refused.stop_details.explanation == "That I will not say."
    usage = (await streamed(client, "usage")).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (300, 600, 100)


async def test_thoughts_nobody_wants_to_see_are_signed_all_the_same(client: AsyncAnthropic) -> None:
    thought, _ = (await streamed(client, "think", thinking={"type": "adaptive"})).content
    assert thought.type == "thinking"
    assert thought.thinking == ""
    assert thought.signature
    assert [block.type for block in (await ask(client, "think")).content] == ["text"]


@pytest.mark.parametrize("thinking", [ADAPTIVE, BUDGET, None])
async def test_a_loop_with_tools_goes_round(thinking: Any, client: AsyncAnthropic, vendor: Fake) -> None:
    more: dict[str, Any] = {"tools": [LOOKUP], **({"thinking": thinking} if thinking else {})}
    asked: MessageParam = {"role": "user", "content": "Does it rain?"}
    first = await ask(client, "loop", **more)
    call = first.content[-1]
    assert call.type == "tool_use"
    result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": "cats and dogs"}
    told: list[MessageParam] = [asked, first.to_param(), {"role": "user", "content": [result]}]
    second = await streamed(client, "loop", messages=told, **more)
    assert isinstance(text := second.content[0], TextBlock)
    assert "cats and dogs" in text.text
    assert vendor.refused == []


@pytest.mark.parametrize(
    ("script", "kind", "status"),
    [
        ("error-400", anthropic.BadRequestError, 400),
        ("error-404", anthropic.NotFoundError, 404),
        ("error-429", anthropic.RateLimitError, 429),
        ("error-500", anthropic.InternalServerError, 500),
        ("error-context", anthropic.BadRequestError, 400),
        ("error-key", anthropic.AuthenticationError, 401),
        ("error-quota", anthropic.RateLimitError, 429),
        ("error-overload", anthropic.OverloadedError, 529),
        ("no-such-script", anthropic.NotFoundError, 404),
    ],
)
async def test_errors_are_those_of_the_vendor(script: str, kind: Any, status: int, client: AsyncAnthropic) -> None:
    for asks in (ask, streamed):
        with pytest.raises(kind) as caught:
            await asks(client, script)
        assert caught.value.status_code == status
        assert caught.value.request_id.startswith("req_")


async def test_a_stream_breaks_as_streams_do(client: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        await streamed(client, "inside")
    assert "Overloaded" in str(caught.value)
    with pytest.raises(Exception):  # noqa: B017, PT011  # whatever its HTTP client makes of it
        await streamed(client, "cut")


async def test_it_counts(client: AsyncAnthropic) -> None:
    counted = await client.messages.count_tokens(model="claude-text", messages=[{"role": "user", "content": "hi"}])
    assert counted.input_tokens == 31


async def test_it_is_found_below_any_path_and_on_vertex(vendor: Fake) -> None:
    async with AsyncAnthropic(base_url=f"{vendor.url}/a/b", api_key="k", max_retries=0) as deep:
        assert (await ask(deep, "text")).content
    asked: Any = {"model": "claude-text@20250929", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    async with AsyncAnthropicVertex(
        base_url=f"{vendor.url}/v1", region="us-central1", project_id="p", access_token="t", max_retries=0
    ) as vertex:
        made = await vertex.messages.create(**asked)
        assert isinstance(made.content[0], TextBlock)
        async with vertex.messages.stream(**asked) as stream:
            assert await stream.get_final_text() == ANSWER
    assert "/publishers/anthropic/models/claude-text@20250929:streamRawPredict" in vendor.calls[-1].path
    assert vendor.refused == []


async def test_the_blocking_client_reads_it_too(vendor: Fake) -> None:
    asked: Any = {"model": "claude-text", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}

    def stream() -> str:
        with anthropic.Anthropic(base_url=vendor.url, api_key="k", max_retries=0) as client:
            assert client.messages.create(**asked).stop_reason == "end_turn"
            with client.messages.stream(**asked) as said:
                return "".join(said.text_stream)

    assert await to_thread.run_sync(stream) == ANSWER


USER: Any = {"role": "user", "content": "hi"}
CALLED: Any = {
    "role": "assistant",
    "content": [{"type": "tool_use", "id": "toolu_1", "name": "lookup", "input": {}}],
}
RESULT: Any = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}
FORGED: Any = {"type": "thinking", "thinking": "hm", "signature": "forged"}


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"messages": [{"role": "user", "content": "  "}]}, "non-whitespace"),
        ({"messages": [{"role": "assistant", "content": "hi"}]}, "first message"),
        ({"messages": [{"role": "user", "content": [RESULT]}]}, "unexpected `tool_use_id`"),
        ({"messages": [USER, CALLED, USER], "tools": [LOOKUP]}, "without `tool_result`"),
        ({"messages": [USER, CALLED, {"role": "user", "content": [RESULT]}]}, "must define tools"),
        (
            {
                "messages": [USER, CALLED, {"role": "user", "content": [{"type": "text", "text": "x"}, RESULT]}],
                "tools": [LOOKUP],
            },
            "must come first",
        ),
        (
            {"messages": [USER, {"role": "assistant", "content": [FORGED, {"type": "text", "text": "x"}]}, USER]},
            "Invalid `signature`",
        ),
        (
            {
                "messages": [USER, CALLED, {"role": "user", "content": [RESULT]}],
                "tools": [LOOKUP],
                "thinking": BUDGET,
            },
            "Expected `thinking`",
        ),
        ({"thinking": BUDGET, "max_tokens": 1024}, "must be greater"),
        ({"thinking": ADAPTIVE, "tools": [LOOKUP], "tool_choice": {"type": "any"}}, "forces tool use"),
        ({"extra_body": {"temperature": 1.5}}, "temperature"),
        ({"thinking": ADAPTIVE, "extra_body": {"temperature": 0.5}}, "temperature"),
        ({"tool_choice": {"type": "auto"}}, "tool_choice"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "additionalProperties"),
        ({"extra_body": {"frequency_penalty": 1}}, "Extra inputs"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "foo": 1}]}]}, "Extra inputs"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "x"}}]}]}, "messages.0"),
    ],
)
async def test_what_the_vendor_refuses_it_refuses(
    request_: dict[str, Any], says: str, client: AsyncAnthropic, vendor: Fake
) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        await ask(client, "text", **request_)
    assert says in str(caught.value)
    assert len(vendor.refused) == 1
