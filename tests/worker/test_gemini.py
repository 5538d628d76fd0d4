"""Google's generateContent against golden files, what Google refuses (`gemini_rules`), and what its SDK sends."""

import base64
import json
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from tests.rig.legal import check_stream
from tests.rig.vendors.gemini_rules import check
from tests.worker.goldens import conversation, golden, outcome_of, spoiled, stream_of
from warren.errors import InvalidRequest, UpstreamError
from warren.objects import items
from warren_worker.dialect import Call, Conversation, Counting, Reaching
from warren_worker.dialects.gemini import Gemini
from warren_worker.facts import Facts
from warren_worker.media import inlined
from warren_worker.parameters import NAMES

Item = dict[str, Any]
CALLS, ANSWERS = golden("gemini", "calls"), golden("gemini", "answers")
OLDER = Facts(reasoning="budget")
FUNCTION: Item = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
SCHEMA: Item = {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}
NAMES_INSIDE = (
    *("candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall", "name", "args", "id"),
    *("finishReason", "usageMetadata", "promptTokenCount", "candidatesTokenCount", "promptFeedback", "blockReason"),
    *("groundingMetadata", "groundingChunks", "groundingSupports", "segment", "groundingChunkIndices", "web", "uri"),
    *("logprobsResult", "chosenCandidates", "topCandidates", "error", "toolCall", "toolResponse", "inlineData"),
)


def dialect(case: Item) -> Gemini:
    facts: Item = {
        name: tuple(value) if isinstance(value, list) else value for name, value in case.get("facts", {}).items()
    }
    return Gemini(Facts(**facts), vertex=case.get("vertex", False))


def call(facts: Facts = Facts(), *, vertex: bool = False, **request: Any) -> Call:  # noqa: B008  # frozen
    whole = {"model": "m", "input": "hi", **request}
    return Gemini(facts, vertex=vertex).call(Conversation(whole, items(whole["input"])), "theirs")


def shown(**part: str) -> list[Item]:
    return [{"role": "user", "content": [part]}]


@pytest.mark.parametrize("case", CALLS)
def test_a_conversation_makes_this_call(case: Item) -> None:
    before, one = to_json(case), dialect(case)
    made = one.call(conversation(case), "theirs")
    assert made == Call("/models/theirs:streamGenerateContent?alt=sse", case["body"], case.get("schema"))
    check(made.body, {"x-goog-api-key": "k"}, vertex=one.vertex, older=one.facts.reasoning == "budget")
    made.body.clear()
    assert to_json(case) == before


@pytest.mark.parametrize("case", CALLS)
def test_googles_sdk_sends_the_same(case: Item) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, headers={"content-type": "text/event-stream"})

    body, vertex = case["body"], dialect(case).vertex
    beside = {name: value for name, value in body.items() if name not in ("contents", "generationConfig")}
    config = types.GenerateContentConfig.model_validate_json(json.dumps({**body.get("generationConfig", {}), **beside}))
    contents: Any = [types.Content.model_validate_json(json.dumps(content)) for content in body["contents"]]
    with httpx.Client(transport=httpx.MockTransport(answer)) as http, client(http, vertex=vertex) as sdk:
        assert list(sdk.models.generate_content_stream(model="theirs", contents=contents, config=config)) == []
    (request,) = sent
    assert request.url.raw_path.decode().endswith("/models/theirs:streamGenerateContent?alt=sse")
    assert normal(json.loads(request.content)) == normal(body)


def client(http: httpx.Client, *, vertex: bool) -> genai.Client:
    options = types.HttpOptions(httpx_client=http)
    if not vertex:
        return genai.Client(api_key="k", http_options=options)
    credentials = Credentials(token="t")  # type: ignore[no-untyped-call]
    return genai.Client(vertexai=True, project="p", location="global", credentials=credentials, http_options=options)


def normal(value: Any, name: str = "") -> Any:
    """Names as JSON has them, bytes as they are, functions last, nothing that is empty."""
    match value:
        case dict():
            named = {to_camel(key): normal(inner, key) for key, inner in value.items()}
            return {key: inner for key, inner in named.items() if inner != {} or key != "generationConfig"}
        case list() if name == "tools":
            return sorted((normal(inner) for inner in value), key=lambda tool: "functionDeclarations" in tool)
        case list():
            return [normal(inner) for inner in value]
        case str() if name in ("data", "thoughtSignature"):
            return base64.urlsafe_b64decode(value.replace("+", "-").replace("/", "_"))
        case _:
            return value


@pytest.mark.parametrize("case", ANSWERS)
def test_events_make_this_answer(case: Item) -> None:
    assert outcome_of(Gemini(), case["events"]) == case["outcome"]


@given(spoiled([case for case in ANSWERS if case.values[0]["events"]], NAMES_INSIDE))
def test_whatever_comes_is_an_answer_or_the_providers_failure(events: list[Any]) -> None:
    _, sent, error = stream_of(Gemini(), events)
    assert error is None or isinstance(error, UpstreamError)
    check_stream(sent)


SIGNATURE = base64.b64encode(b"signature-of-a-call").decode()
KEPT: list[list[Item]] = [[], [{"by": "gemini", "signature": SIGNATURE}], [{"by": "anthropic", "block": {}}]]


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Whatever may have been said before, by whichever providers' models."""
    told: list[Item] = []
    kept: dict[str, list[Item]] = {}
    for at in range(draw(st.integers(1, 6))):
        id_ = f"item_{at}"
        match draw(st.sampled_from(["user", "assistant", "reasoning", "search", "calls", "calls"])):
            case "user" | "assistant" as role:
                told.append({"id": id_, "role": role, "content": draw(st.sampled_from(["", "Hi", "¡Hola!"]))})
            case "reasoning":
                told.append({"id": id_, "type": "reasoning", "summary": []})
            case "search":
                told.append({"id": id_, "type": "web_search_call", "status": "completed"})
            case "calls":
                told += draw(calls(at))
        kept[id_] = draw(st.sampled_from(KEPT))
    return Conversation({"model": "m", "input": told, "tools": [FUNCTION]}, told, kept=kept)


@st.composite
def calls(draw: st.DrawFn, at: int) -> list[Item]:
    """Calls in parallel, perhaps words behind them, and what they gave back in any order."""
    ids = [f"call_{at}_{number}" for number in range(draw(st.integers(1, 3)))]
    given_: Any = st.sampled_from(["", "{}", '{"q": 1}', "broken"])
    made: list[Item] = [
        {"type": "function_call", "call_id": id_, "name": "f", "arguments": draw(given_)} for id_ in ids
    ]
    if draw(st.booleans()):
        made.append({"role": "assistant", "content": "Wait."})
    outputs: Any = draw(st.permutations(ids))
    return [*made, *({"type": "function_call_output", "call_id": id_, "output": "x"} for id_ in outputs)]


@given(conversations(), st.booleans(), st.booleans())
def test_whatever_was_said_google_takes_it(asked: Conversation, vertex: bool, older: bool) -> None:
    body = Gemini(OLDER if older else Facts(), vertex=vertex).call(asked, "theirs").body
    check(body, {"x-goog-api-key": "k"}, vertex=vertex, older=older)


def test_every_parameter_is_in_the_column() -> None:
    assert Gemini().parameters.keys() == NAMES.keys()


def test_a_conversation_begun_here_goes_on_here_with_its_signatures() -> None:
    """What an answer makes is sent back as it came, part by part."""
    (case,) = (one.values[0] for one in ANSWERS if one.id == "thoughts_and_calls")
    one, *_ = stream_of(Gemini(), case["events"])
    output = one.response["output"]
    results = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "cats"}
        for item in output
        if item["type"] == "function_call"
    ]
    request: Item = {"model": "m", "input": results, "tools": [FUNCTION]}
    told = Conversation(request, [*items("Rain?"), *output, *results], kept=one.kept)
    _, model, user = Gemini().call(told, "theirs").body["contents"]
    parts = [part for event in case["events"] for part in event["candidates"][0]["content"]["parts"]]
    assert model["parts"] == [part for part in parts if "functionCall" in part]
    assert [part["functionResponse"]["id"] for part in user["parts"]] == ["fc-1", "fc-2"]


@pytest.mark.parametrize(
    ("facts", "request_", "param"),
    [
        (Facts(reasoning="none"), {"reasoning": {"effort": "low"}}, "reasoning.effort"),
        (OLDER, {"tools": [FUNCTION, {"type": "web_search"}]}, "tools[1]"),
        (OLDER, {"tools": [FUNCTION], "text": SCHEMA}, "text.format"),
        (OLDER, {"tools": [{"type": "web_search"}], "text": SCHEMA}, "text.format"),
        (Facts(), {"tools": [{"type": "web_search"}], "tool_choice": "required"}, "tool_choice"),
        (Facts(), {"tools": [{"type": "web_search"}], "max_tool_calls": 1}, "max_tool_calls"),
        (
            Facts(),
            {"tools": [{"type": "web_search", "filters": {"allowed_domains": ["a"]}}]},
            "tools[0].filters.allowed_domains",
        ),
        (
            Facts(),
            {"tools": [{"type": "web_search", "user_location": {"type": "approximate"}}]},
            "tools[0].user_location",
        ),
        (Facts(web_search=False), {"tools": [{"type": "web_search"}]}, "tools[0].type"),
        (Facts(), {"service_tier": "scale"}, "service_tier"),
        (Facts(), {"input": shown(type="input_file", file_data="AAAA")}, "input[0].content[0]"),
        (Facts(), {"input": shown(type="input_image", file_id="file-1")}, "input[0].content[0].file_id"),
        (Facts(), {"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "input"),
    ],
)
def test_what_it_cannot_be_told_is_refused_by_name(facts: Facts, request_: Item, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        call(facts, **request_)
    assert caught.value.param == param


def test_vertex_ai_has_no_files_of_the_files_api() -> None:
    part = {"type": "input_file", "file_id": "files/abc"}
    with pytest.raises(InvalidRequest, match="file_id"):
        call(vertex=True, input=[{"role": "user", "content": [part]}])


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("gs://bucket/a.png", True),
        ("https://www.youtube.com/watch?v=1", True),
        ("https://youtu.be/1", True),
        ("https://generativelanguage.googleapis.com/v1beta/files/abc", True),
        ("https://youtube.com.example/1", False),
        ("https://example.com/a.png", False),
        ("http://[", False),
    ],
)
def test_google_reaches_what_nobody_else_does(url: str, taken: bool) -> None:
    assert isinstance(Gemini(), Reaching)
    assert Gemini().reaches(url) is taken


@pytest.mark.anyio
async def test_a_video_is_not_fetched_for_google() -> None:
    async def fetch(url: str) -> tuple[str, bytes]:
        return "application/pdf", url.encode()

    video, paper = "https://youtu.be/1", "https://example.com/a.pdf"
    parts: Any = [{"type": "input_file", "file_url": url} for url in (video, paper)]
    asked = Conversation({"model": "m", "input": []}, [{"role": "user", "content": parts}])
    made = Gemini().call(await inlined(asked, Gemini().inlines, fetch, Gemini().reaches), "theirs").body
    assert made["contents"][0]["parts"] == [
        {"fileData": {"fileUri": video, "mimeType": "video/mp4"}},
        {"inlineData": {"mimeType": "application/pdf", "data": base64.b64encode(paper.encode()).decode()}},
    ]


@pytest.mark.parametrize(
    ("facts", "reasoning", "limit", "made"),
    [
        (OLDER, {"effort": "minimal"}, None, {"thinkingBudget": 1024, "includeThoughts": True}),
        (OLDER, {"effort": "medium"}, None, {"thinkingBudget": 2048, "includeThoughts": True}),
        (OLDER, {"effort": "max"}, None, {"thinkingBudget": 16384, "includeThoughts": True}),
        (OLDER, {"effort": "high"}, 1000, {"thinkingBudget": 999, "includeThoughts": True}),
        (OLDER, {"effort": "high"}, 16, {"thinkingBudget": 512, "includeThoughts": True}),
        (Facts(reasoning="budget", efforts=("minimal", "low")), {"effort": "none"}, None, {"thinkingBudget": 1024}),
        (Facts(), {"effort": "minimal"}, None, {"thinkingLevel": "LOW", "includeThoughts": True}),
        (
            Facts(efforts=("low", "high", "xhigh")),
            {"effort": "max"},
            9,
            {"thinkingLevel": "XHIGH", "includeThoughts": True},
        ),
        (Facts(), {"effort": "none", "summary": "auto"}, None, {"thinkingLevel": "LOW", "includeThoughts": True}),
        (Facts(reasoning="none"), {"effort": "none"}, None, None),
        (Facts(), {}, None, None),
    ],
)
def test_an_effort_is_told_in_the_models_terms(facts: Facts, reasoning: Item, limit: int | None, made: Any) -> None:
    body = call(facts, reasoning=reasoning, max_output_tokens=limit).body
    assert body.get("generationConfig", {}).get("thinkingConfig") == made


def test_tokens_are_counted_by_google() -> None:
    asked = Conversation(
        {"model": "m", "input": "hi", "instructions": "Be brief.", "service_tier": "flex"}, items("hi")
    )
    ours, theirs = Gemini(), Gemini(vertex=True)
    assert isinstance(ours, Counting)
    body = ours.call(asked, "theirs").body
    assert ours.count(asked, "theirs") == Call(
        "/models/theirs:countTokens", {"generateContentRequest": {"model": "models/theirs", **body}}
    )
    del body["serviceTier"]
    assert theirs.count(asked, "theirs") == Call("/models/theirs:countTokens", body)
    assert ours.counted({"totalTokens": 31}) == 31


def test_a_tuned_model_is_an_endpoint() -> None:
    asked = Conversation({"model": "m", "input": "hi"}, items("hi"))
    made = Gemini(vertex=True, collection="endpoints").call(asked, "123")
    assert made.path == "/endpoints/123:streamGenerateContent?alt=sse"
