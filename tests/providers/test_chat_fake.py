"""The fake servers of Chat Completions and Responses against the official SDKs: they parse every script."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import SDKError
from openai import AsyncOpenAI

from tests.rig.vendors import chat, fake, responses
from tests.rig.vendors.script import ANSWER, THOUGHT, URLS
from warren.compatible import ROWS

pytestmark = pytest.mark.anyio
USER: Any = [{"role": "user", "content": "Does it rain?"}]
LOOKUP: Any = {
    "type": "function",
    "function": {"name": "lookup", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}},
}
NATIVE_LOOKUP: Any = {"type": "function", "strict": False, **LOOKUP["function"]}
SCRIPTS = ("text", "think", "tool", "parallel", "bare", "length", "filter", "refuse", "usage", "search")
VENDORS = ("openai", "azure/openai/v1", "groq", "deepseek", "moonshot", "zai", "openrouter", "perplexity", "xai", "")


@dataclass
class Vendors:
    url: str
    http: Any
    """One pool for all: the SDKs leave their own open."""


@pytest.fixture(scope="module")
async def vendors() -> AsyncIterator[Vendors]:
    async with fake(chat.mount, responses.mount) as made, httpx.AsyncClient() as http:
        yield Vendors(made.url, http)


def client(vendors: Vendors, vendor: str = "openai") -> AsyncOpenAI:
    base = f"{vendors.url}/{vendor}"
    return AsyncOpenAI(base_url=base, api_key="sk-of-ours", max_retries=0, http_client=vendors.http)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("script", SCRIPTS)
async def test_openais_sdk_reads_the_same_in_a_stream_and_whole(vendor: str, script: str, vendors: Vendors) -> None:
    asked: Any = {"model": script, "messages": USER}
    whole = (await client(vendors, vendor).chat.completions.create(**asked)).choices[0]
    said, refused, reason, usage = "", "", None, None
    calls: list[list[str]] = []
    options: Any = {"include_usage": True}
    async for chunk in await client(vendors, vendor).chat.completions.create(
        **asked, stream=True, stream_options=options
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            said += choice.delta.content or ""
            refused += choice.delta.refusal or ""
            reason = choice.finish_reason or reason
            for call in choice.delta.tool_calls or ():
                assert call.function is not None
                if call.index == len(calls):
                    calls.append([str(call.function.name), ""])
                calls[call.index][1] += call.function.arguments or ""
    assert reason == whole.finish_reason
    assert said == (whole.message.content or "")
    assert refused == (whole.message.refusal or "")
    assert [tuple(call) for call in calls] == _calls(whole.message)
    assert usage is not None or vendor in ("groq", "moonshot")


def _calls(message: Any) -> list[tuple[str, str]]:
    return [(call.function.name, call.function.arguments) for call in message.tool_calls or ()]


async def test_open_models_show_their_thoughts(vendors: Vendors) -> None:
    for vendor, name in (("deepseek", "reasoning_content"), ("groq", "reasoning"), ("", "reasoning_content")):
        said = ""
        asked: Any = {"model": "think", "messages": USER}
        async for chunk in await client(vendors, vendor).chat.completions.create(**asked, stream=True):
            for choice in chunk.choices:
                said += (choice.delta.model_extra or {}).get(name) or ""
        assert said == THOUGHT


async def test_a_fake_refuses_what_its_vendor_refuses(vendors: Vendors) -> None:
    called: Any = {"role": "assistant", "content": "", "tool_calls": [{"id": "call_1", **LOOKUP}]}
    called["tool_calls"][0]["function"] = {"name": "lookup", "arguments": "{}"}
    for vendor, more in (
        ("openai", {"messages": [*USER, called, *USER]}),
        ("openai", {"extra_body": {"thinking": {"type": "enabled"}}}),
        ("deepseek", {"messages": [*USER, called, {"role": "tool", "tool_call_id": "call_1", "content": "x"}]}),
        ("fireworks_ai", {}),
        ("perplexity", {"tools": [LOOKUP]}),
        ("groq", {"response_format": {"type": "json_object"}, "stream": True}),
    ):
        asked: Any = {"model": "text", "messages": USER, **more}
        with pytest.raises(openai.BadRequestError):
            await client(vendors, vendor).chat.completions.create(**asked)


@pytest.mark.parametrize("vendor", ["openai", "azure/openai/v1"])
@pytest.mark.parametrize("script", SCRIPTS)
async def test_the_sdk_reads_responses(vendor: str, script: str, vendors: Vendors) -> None:
    asked: Any = {
        "model": script,
        "input": "Does it rain?",
        "store": False,
        "reasoning": {"effort": "low", "summary": "auto"},
    }
    whole = await client(vendors, vendor).responses.create(**asked)
    async with client(vendors, vendor).responses.stream(**asked) as stream:
        kinds = [event.type async for event in stream]
        streamed = await stream.get_final_response() if whole.status == "completed" else None
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == f"response.{whole.status}"
    if streamed is not None:
        assert streamed.output_text == whole.output_text
        assert [item.type for item in streamed.output] == [item.type for item in whole.output]


async def test_responses_think_search_and_call(vendors: Vendors) -> None:
    native = client(vendors).responses
    thought = await native.create(model="think", input="?", reasoning={"summary": "auto"})
    assert thought.output[0].type == "reasoning"
    assert thought.output[0].summary[0].text == THOUGHT
    assert thought.output_text == ANSWER
    found = await native.create(model="search", input="?", tools=[{"type": "web_search"}])
    message: Any = found.output[1]
    (part,) = message.content
    assert part.annotations[0].url == URLS[0]
    called: Any = (await native.create(model="loop", input="?", tools=[NATIVE_LOOKUP])).output[-1]
    assert json.loads(called.arguments) == {"q": "rain"}


ERRORS = {
    "400": openai.BadRequestError,
    "404": openai.NotFoundError,
    "429": openai.RateLimitError,
    "500": openai.InternalServerError,
    "key": openai.AuthenticationError,
    "context": openai.BadRequestError,
}


@pytest.mark.parametrize("vendor", ["openai", "openrouter", "databricks", "xai", "huggingface", "nvidia_nim"])
@pytest.mark.parametrize("error", ERRORS)
async def test_errors_have_the_status_of_the_vendors(vendor: str, error: str, vendors: Vendors) -> None:
    with pytest.raises(ERRORS[error]):
        await client(vendors, vendor).chat.completions.create(model=f"error-{error}", messages=USER)


async def test_a_broken_stream_breaks(vendors: Vendors) -> None:
    with pytest.raises(openai.APIError):
        async for _ in await client(vendors).chat.completions.create(model="inside", messages=USER, stream=True):
            pass
    cut = await client(vendors).chat.completions.create(model="cut", messages=USER, stream=True)
    assert [choice.finish_reason async for chunk in cut for choice in chunk.choices][-1] is None
    native = await client(vendors).responses.create(model="cut", input="?", stream=True)
    assert [event.type async for event in native][-1] != "response.completed"


def mistral(vendors: Vendors) -> Mistral:
    return Mistral(api_key="sk-of-ours", server_url=f"{vendors.url}/mistral", async_client=vendors.http)


@pytest.mark.parametrize("script", ["text", "think", "tool", "parallel", "bare", "length", "usage"])
async def test_mistrals_sdk_reads_the_same_in_a_stream_and_whole(script: str, vendors: Vendors) -> None:
    whole = await mistral(vendors).chat.complete_async(model=script, messages=USER, tools=[LOOKUP])
    said, thoughts, usage = "", "", None
    calls: list[Any] = []
    async for event in await mistral(vendors).chat.stream_async(model=script, messages=USER, tools=[LOOKUP]):
        delta = event.data.choices[0].delta
        for part in delta.content if isinstance(delta.content, list) else ():
            thoughts += "".join(one.text for one in part.thinking)
        said += delta.content if isinstance(delta.content, str) else ""
        calls += delta.tool_calls or []
        usage = event.data.usage or usage
    message = whole.choices[0].message
    assert message is not None
    assert [(call.function.name, call.function.arguments) for call in message.tool_calls or ()] == [
        (call.function.name, call.function.arguments) for call in calls
    ]
    assert thoughts == (THOUGHT if script == "think" else "")
    assert usage == whole.usage
    if script in ("text", "usage"):
        assert said == message.content == ANSWER


@pytest.mark.parametrize(
    ("error", "status"), [("400", 400), ("429", 429), ("key", 401), ("500", 500), ("context", 400)]
)
async def test_mistrals_sdk_knows_its_errors(error: str, status: int, vendors: Vendors) -> None:
    with pytest.raises(SDKError) as caught:
        await mistral(vendors).chat.complete_async(model=f"error-{error}", messages=USER)
    assert caught.value.status_code == status


def test_every_row_has_a_name_that_the_fakes_can_tell() -> None:
    assert all("/" not in name for name in ROWS)
