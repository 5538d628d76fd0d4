"""The fake Google is held to its vendor's ways by the vendor's own SDK."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from anyio import to_thread
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

from tests.rig.vendors import Fake, fake, gemini
from tests.rig.vendors.google import TOKEN
from tests.rig.vendors.script import ANSWER, THOUGHT, URLS

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning"),  # aiohttp's, of the SDK
]
SCHEMA: Any = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
LOOKUP = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(name="lookup", description="Look something up.", parameters_json_schema=SCHEMA)
    ]
)
SEARCH = types.Tool(google_search=types.GoogleSearch())
THINKING = types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.LOW)
SCRIPTS = ("text", "think", "tool", "parallel", "bare", "loop", "json", "search", "length", "filter", "refuse", "echo",
           "remember", "usage")  # fmt: skip
Config = types.GenerateContentConfig


@pytest.fixture
async def vendor() -> AsyncIterator[Fake]:
    async with fake(gemini.mount) as made:
        yield made


@contextmanager
def client(vendor: Fake, *, vertex: bool = False) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=f"{vendor.url}/google")
    if vertex:
        credentials = Credentials(token=f"{TOKEN}0")  # type: ignore[no-untyped-call]
        made = genai.Client(
            vertexai=True, project="p", location="us-central1", credentials=credentials, http_options=options
        )
    else:
        made = genai.Client(api_key="sk-of-ours", http_options=options)
    with made:
        yield made


def given(script: str) -> Config:
    return Config(
        tools=[LOOKUP] if script in ("tool", "parallel", "bare", "loop") else [SEARCH] if script == "search" else None,
        thinking_config=THINKING if script in ("think", "loop") else None,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )


async def ask(vendor: Fake, script: str, contents: Any = "Does it rain?", config: Config | None = None) -> Any:
    with client(vendor) as sdk:
        return await sdk.aio.models.generate_content(model=script, contents=contents, config=config or given(script))


async def streamed(
    vendor: Fake, script: str, config: Config | None = None, *, vertex: bool = False
) -> list[types.GenerateContentResponse]:
    with client(vendor, vertex=vertex) as sdk:
        stream = await sdk.aio.models.generate_content_stream(
            model=script, contents="Does it rain?", config=config or given(script)
        )
        return [chunk async for chunk in stream]


def told(answers: list[types.GenerateContentResponse]) -> Any:
    """All that these say, in whatever pieces."""
    contents = [candidate.content for one in answers for candidate in one.candidates or ()]
    parts = [part for content in contents if content is not None for part in content.parts or ()]
    last = answers[-1]
    ended = last.candidates[0] if last.candidates else None
    return (
        "".join(part.text or "" for part in parts if part.thought),
        "".join(part.text or "" for part in parts if not part.thought),
        [(part.function_call.name, part.function_call.args) for part in parts if part.function_call],
        [part.thought_signature for part in parts if part.thought_signature],
        ended and (ended.finish_reason, ended.grounding_metadata),
        last.prompt_feedback,
        last.usage_metadata,
    )


@pytest.mark.parametrize("script", SCRIPTS)
async def test_a_script_says_the_same_in_a_stream(script: str, vendor: Fake) -> None:
    assert told([await ask(vendor, script)]) == told(await streamed(vendor, script))
    assert vendor.refused == []


async def test_all_that_can_be_said_is_read(vendor: Fake) -> None:
    thought, text, _, signatures, ended, _, usage = told(await streamed(vendor, "think"))
    assert (thought, text, signatures) == (THOUGHT, ANSWER, [b"signature-of-the-vendor"])
    assert (ended[0], usage.candidates_token_count, usage.thoughts_token_count) == (types.FinishReason.STOP, 8, 9)
    _, _, calls, signatures, *_ = told(await streamed(vendor, "parallel"))
    assert calls == [("lookup", {"q": "rain"}), ("lookup", {"q": "sun"})]
    assert signatures == [b"signature-of-a-call"]
    grounding = told(await streamed(vendor, "search"))[4][1]
    assert [chunk.web.uri for chunk in grounding.grounding_chunks] == list(URLS)
    assert grounding.grounding_supports[0].segment.end_index == len(ANSWER.encode())
    assert grounding.web_search_queries == ["rain in spain"]
    feedback = told(await streamed(vendor, "refuse"))[5]
    assert feedback.block_reason is types.BlockedReason.PROHIBITED_CONTENT


async def test_the_sdk_goes_on_with_a_tools_result(vendor: Fake) -> None:
    with client(vendor) as sdk:
        chat = sdk.aio.chats.create(model="loop", config=given("loop"))
        first = await chat.send_message("Does it rain?")
        (call,) = first.function_calls or []
        result = types.Part.from_function_response(name=str(call.name), response={"output": "cats and dogs"})
        assert "cats and dogs" in ((await chat.send_message(result)).text or "")
    assert vendor.refused == []


async def test_it_serves_the_sdk_without_asyncio_too(vendor: Fake) -> None:
    with client(vendor) as sdk:
        whole = await to_thread.run_sync(lambda: sdk.models.generate_content(model="text", contents="?"))
        assert whole.text == ANSWER
        pieces = await to_thread.run_sync(lambda: list(sdk.models.generate_content_stream(model="text", contents="?")))
        assert "".join(piece.text or "" for piece in pieces) == ANSWER


async def test_it_is_vertex_ai_as_well(vendor: Fake) -> None:
    answers = await streamed(vendor, "text", vertex=True)
    assert told(answers)[1] == ANSWER
    assert told(answers)[6].traffic_type is types.TrafficType.ON_DEMAND
    assert "/v1beta1/projects/p/locations/us-central1/publishers/google/models/text" in vendor.calls[-1].path
    with client(vendor, vertex=True) as sdk:
        counted = await sdk.aio.models.count_tokens(
            model="text", contents="?", config=types.CountTokensConfig(system_instruction="Be brief.", tools=[LOOKUP])
        )
    assert counted.total_tokens == 31
    assert vendor.refused == []


async def test_it_counts(vendor: Fake) -> None:
    with client(vendor) as sdk:
        assert (await sdk.aio.models.count_tokens(model="text", contents="?")).total_tokens == 31
    assert vendor.refused == []


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        ("error-400", "INVALID_ARGUMENT", 400),
        ("error-404", "NOT_FOUND", 404),
        ("error-429", "RESOURCE_EXHAUSTED", 429),
        ("error-500", "INTERNAL", 500),
        ("error-context", "INVALID_ARGUMENT", 400),
        ("error-key", "INVALID_ARGUMENT", 400),
        ("error-quota", "RESOURCE_EXHAUSTED", 429),
        ("error-overload", "UNAVAILABLE", 503),
    ],
)
async def test_its_errors_are_googles(script: str, status: str, code: int, vendor: Fake) -> None:
    with pytest.raises(errors.APIError) as caught:
        await ask(vendor, script)
    assert (caught.value.status, caught.value.code) == (status, code)


async def test_a_stream_breaks_where_the_script_says_so(vendor: Fake) -> None:
    ended = told(await streamed(vendor, "cut"))[4]
    assert ended[0] is None
    with pytest.raises(errors.APIError, match="overloaded"):
        await streamed(vendor, "inside")


CALL: Any = {"functionCall": {"name": "lookup", "args": {"q": "rain"}}}
RESULT: Any = {"functionResponse": {"name": "lookup", "response": {"output": "cats"}}}
SIGNED: Any = {**CALL, "thoughtSignature": b"signature-of-a-call"}


@pytest.mark.parametrize(
    ("turns", "complaint"),
    [
        ([("model", [{"text": "hi"}])], "begin with a user turn"),
        ([("user", [{"text": "hi"}]), ("model", [CALL]), ("user", [RESULT])], "missing a thought_signature"),
        ([("user", [{"text": "hi"}]), ("model", [SIGNED]), ("user", [{"text": "?"}])], "number of function response"),
        ([("user", [{"text": "hi"}]), ("model", [SIGNED, CALL]), ("user", [RESULT])], "number of function response"),
        ([("user", [{"text": "hi"}, RESULT])], "number of function response"),
        ([("user", [{"text": ""}])], "empty text"),
        ([("user", [{"inlineData": {"data": b"x"}}])], "mimeType"),
    ],
)
async def test_it_refuses_what_google_refuses(turns: Any, complaint: str, vendor: Fake) -> None:
    contents = [types.Content.model_validate({"role": role, "parts": parts}) for role, parts in turns]
    with pytest.raises(errors.ClientError, match=complaint):
        await ask(vendor, "text", contents, Config(tools=[LOOKUP]))
    assert len(vendor.refused) == 1


async def test_an_older_model_takes_no_level_and_not_two_kinds_of_tools(vendor: Fake) -> None:
    for config in (Config(thinking_config=THINKING), Config(tools=[LOOKUP, SEARCH])):
        with pytest.raises(errors.ClientError, match=r"not supported|cannot be combined"):
            await ask(vendor, "gemini-2.5-text", config=config)
    assert (await ask(vendor, "gemini-2.5-text", config=Config(tools=[LOOKUP]))).text == ANSWER
