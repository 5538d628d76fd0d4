"""Every kind of answer that a provider gives in Chat Completions: as a stream and as a whole, legal and the same."""

from typing import Any

import httpx
import pytest

from tests.rig.legal import check_stream, parse_sse
from tests.rig.services import KEY
from tests.system.conftest import System

pytestmark = pytest.mark.anyio
HEADERS = {"authorization": f"Bearer {KEY}"}
LOOKUP = {
    "type": "function",
    "name": "lookup",
    "parameters": {
        "type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"], "additionalProperties": False,
    },
    "strict": True,
}  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "kind": {"enum": ["cat", "dog"]}},
    "required": ["name", "age", "kind"],
    "additionalProperties": False,
}
FORMAT = {"format": {"type": "json_schema", "name": "pet", "schema": SCHEMA, "strict": True}}
Shape = list[tuple[str, ...]]
"""Each item by its type and what it says."""


# The model, what is asked beside `hello`, and what comes.
ORDERS: list[tuple[str, dict[str, Any], Shape]] = [
    ("refuse", {}, [("message", "refusal: That I will not do.")]),
    ("reason", {}, [("reasoning", "First one thinks. Then one speaks."), ("message", "This is what I think.")]),
    ("mixed", {"tools": [LOOKUP]}, [("message", "Let me look."), ("function_call", "lookup", '{"q": "text between"}'),
                                    ("message", "That is under way.")]),
    ("parallel", {"tools": [LOOKUP]}, [("function_call", "lookup", '{"q": "number 0"}'),
                                       ("function_call", "lookup", '{"q": "number 1"}')]),
    ("noids", {"tools": [LOOKUP]}, [("function_call", "lookup", '{"q": "number 0"}'),
                                    ("function_call", "lookup", '{"q": "number 1"}')]),
    ("custom", {"tools": [{"type": "custom", "name": "python"}]},
     [("custom_tool_call", "python", 'print("ünï")\n# done\\')]),
    ("json", {"text": FORMAT, "input": "Minka is 7 years old"},
     [("message", '{"name": "old", "age": 7, "kind": "cat"}')]),
    ("json", {"text": {"format": {"type": "json_object"}}, "input": "say it in JSON"},
     [("message", '{"said": "say it in JSON"}')]),
    ("echo", {"input": "one\n\ntwo\u2028three 🦫"}, [("message", "one\n\ntwo\u2028three 🦫")]),
    ("loop", {"tools": [LOOKUP], "input": "look up 'warrens'"}, [("function_call", "lookup", '{"q": "warrens"}')]),
    ("cite", {}, [("message", "It stands in a book.")]),
    ("logprobs", {"include": ["message.output_text.logprobs"], "input": "be likely"},
     [("message", "You said: be likely")]),
    ("usage", {}, [("message", "Four tokens, no more.")]),
    ("agent", {"input": "hello there"}, [("message", "You said: hello there")]),
    ("agent", {"input": "hello", "reasoning": {"effort": "low"}}, [("reasoning", "Somebody said 'hello'. "),
                                                                   ("message", "You said: hello")]),
]  # fmt: skip


async def both(http: httpx.AsyncClient, url: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The response as a legal stream tells it, and as it comes at once."""
    streamed = await http.post(f"{url}/v1/responses", json={**body, "stream": True})
    assert streamed.status_code == 200, streamed.text
    whole = await http.post(f"{url}/v1/responses", json=body)
    assert whole.status_code == 200, whole.text
    final = check_stream(parse_sse(streamed.content))
    for response in (final, whole.json()):
        stored = await http.get(f"{url}/v1/responses/{response['id']}")
        assert stored.json() == response
    return [final, whole.json()]


def shape(response: dict[str, Any]) -> Shape:
    return [_shape(item) for item in response["output"]]


def _shape(item: dict[str, Any]) -> tuple[str, ...]:
    match item:
        case {"type": "message", "content": [{"type": "refusal", "refusal": refusal}]}:
            return "message", f"refusal: {refusal}"
        case {"type": "message", "content": parts}:
            return "message", *(part["text"].strip() for part in parts)
        case {"type": "reasoning", "content": [_, *_] as parts} | {"type": "reasoning", "summary": parts}:
            return "reasoning", *(part["text"] for part in parts)
        case {"type": "function_call", "name": name, "arguments": given}:
            return "function_call", name, given
        case {"type": "custom_tool_call", "name": name, "input": given}:
            return "custom_tool_call", name, given
    raise AssertionError(item["type"])


@pytest.mark.parametrize(("model", "more", "wanted"), ORDERS)
async def test_what_comes_is_the_same_as_a_stream_and_as_a_whole(
    system: System, model: str, more: dict[str, Any], wanted: Shape
) -> None:
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        for response in await both(http, system.url, {"model": model, "input": "hello", **more}):
            assert response["status"] == "completed"
            assert shape(response) == wanted


@pytest.mark.parametrize(("model", "reason"), [("length", "max_output_tokens"), ("filter", "content_filter")])
async def test_an_answer_that_is_cut_off_is_incomplete_and_says_why(system: System, model: str, reason: str) -> None:
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        for response in await both(http, system.url, {"model": model, "input": "hello"}):
            assert response["status"] == "incomplete"
            assert response["incomplete_details"] == {"reason": reason}
            assert shape(response) == [("message", "It was only the begin")]
            assert response["output"][0]["status"] == "incomplete"


async def test_an_end_that_nobody_knows_is_a_failure(system: System) -> None:
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        body = {"model": "odd", "input": "hello", "stream": True}
        streamed = await http.post(f"{system.url}/v1/responses", json=body)
        final = check_stream(parse_sse(streamed.content))
        assert (final["status"], final["error"]["code"]) == ("failed", "upstream_error")
        assert shape(final) == [("message", "It was only the begin")]


@pytest.mark.parametrize("model", ["odd", "cut-3", "fail-3"])
async def test_who_does_not_stream_hears_of_a_failure_by_its_status(system: System, model: str) -> None:
    """Also when it took so long that the worker had shown signs of life before."""
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        whole = await http.post(f"{system.url}/v1/responses", json={"model": model, "input": "hello"})
        assert whole.status_code == 502
        assert whole.json()["error"]["code"] in ("upstream_error", "upstream_truncated")


async def test_citations_are_told_in_the_stream_and_stand_in_the_message(system: System) -> None:
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        for response in await both(http, system.url, {"model": "cite", "input": "hello"}):
            (cited,) = response["output"][0]["content"][0]["annotations"]
            assert cited == {"type": "url_citation", "start_index": 16, "end_index": 20, "title": "A book",
                             "url": "https://example.com/book"}  # fmt: skip


async def test_likelihoods_are_told_for_every_word(system: System) -> None:
    body = {"model": "logprobs", "input": "be likely", "include": ["message.output_text.logprobs"], "top_logprobs": 1}
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        for response in await both(http, system.url, body):
            told = response["output"][0]["content"][0]["logprobs"]
            assert [entry["token"] for entry in told] == ["You ", "said: ", "be ", "likely"]
            assert [entry["logprob"] for entry in told] == [0, -0.125, -0.25, -0.375]
            assert told[1]["top_logprobs"][0]["token"] == "said: "


async def test_usage_tells_what_was_cached_and_what_was_thought(system: System) -> None:
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        for response in await both(http, system.url, {"model": "usage", "input": "hello"}):
            usage = response["usage"]
            assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (1000, 60, 1060)
            assert usage["input_tokens_details"]["cached_tokens"] == 900
            assert usage["output_tokens_details"]["reasoning_tokens"] == 56


@pytest.mark.parametrize("stream", [False, True])
async def test_a_conversation_that_is_too_long_is_refused_in_openais_words(system: System, stream: bool) -> None:
    said = [{"role": "user", "content": f"message {number}"} for number in range(4)]
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        body = {"model": "short-3", "input": said, "stream": stream}
        refused = await http.post(f"{system.url}/v1/responses", json=body)
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "context_length_exceeded"
        fits = await http.post(f"{system.url}/v1/responses", json={**body, "input": said[:3]})
        assert fits.status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tools_result_comes_back_into_the_answer(system: System, stream: bool) -> None:
    async with system.client() as client:
        first = await client.responses.create(model="loop", input="look up 'warrens'", tools=[LOOKUP])  # type: ignore[list-item]
        call = first.output[0]
        assert call.type == "function_call"
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "they are under ground"}
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        body = {"model": "loop", "input": [result], "previous_response_id": first.id, "tools": [LOOKUP]}
        for response in await both(http, system.url, body):
            assert shape(response) == [("message", "The tools said: they are under ground")]


async def test_what_was_said_is_told_to_the_provider_in_its_order(system: System) -> None:
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        said = [
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "input_text", "text": "one"}]},
            {"role": "assistant", "content": [{"type": "output_text", "text": "two", "annotations": []}]},
            {"type": "function_call", "call_id": "c1", "name": "lookup", "arguments": '{"q": "x"}'},
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "three"}]},
            {"role": "user", "content": "four"},
        ]
        for response in await both(http, system.url, {"model": "remember", "instructions": "be kind", "input": said}):
            (told,) = shape(response)
            parts = [
                "be kind",
                "be brief",
                "user: one",
                'assistant: two lookup({"q": "x"})',
                "tool: three",
                "user: four",
            ]
            places = [told[1].index(part) for part in parts]
            assert places == sorted(places)
