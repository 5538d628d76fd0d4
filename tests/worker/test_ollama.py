"""Ollama's dialect against golden files, the types of its SDK, and what its server says of errors."""

import json
from itertools import pairwise
from time import time
from typing import Any

import httpx
import ollama
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from tests.rig.legal import check_stream
from tests.rig.vendors import fake
from tests.rig.vendors import ollama as vendor
from tests.rig.vendors.ollama_rules import wrong
from tests.worker.goldens import conversation, golden, outcome_of, spoiled, stream_of
from warren.config import parse
from warren.errors import InvalidRequest, UpstreamAuth, WarrenError
from warren.objects import items
from warren_worker import provider
from warren_worker.dialect import Call, Conversation, Text, Thought
from warren_worker.dialects.ollama import Ollama
from warren_worker.dialects.ollama.tags import Tags
from warren_worker.facts import Facts
from warren_worker.parameters import NAMES
from warren_worker.upstream import Patience, connect

Item = dict[str, Any]
CALLS, ANSWERS = golden("ollama", "calls"), golden("ollama", "answers")
OF_SERVERS = {"tool_call_id", "id", "truncate", "shift", "additionalProperties"}
"""What the server knows and the SDK leaves out."""
NAMES_OF_EVENTS = (
    *("model", "message", "role", "content", "thinking", "tool_calls", "function", "name", "arguments", "id", "done"),
    *("done_reason", "prompt_eval_count", "eval_count", "error", "status", "logprobs", "token", "top_logprobs"),
)


def dialect(case: Item) -> Ollama:
    return Ollama(Facts(**case.get("facts", {})))


def call(**request: Any) -> Call:
    whole = {"model": "m", "input": "hi", **request}
    return Ollama().call(Conversation(whole, items(whole["input"])), "theirs")


@pytest.mark.parametrize("case", CALLS)
def test_a_conversation_becomes_a_chat(case: Item) -> None:
    before = to_json(case)
    made = dialect(case).call(conversation(case), "theirs")
    assert made == Call("/api/chat", case["body"], case.get("schema"))
    assert list(wrong(made.body)) == []
    made.body.clear()
    assert to_json(case) == before


@pytest.mark.parametrize("case", CALLS)
def test_the_sdk_sends_the_same(case: Item) -> None:
    sent: list[Item] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200)

    given = {name: value for name, value in case["body"].items() if name not in OF_SERVERS}
    with ollama.Client("http://ollama", transport=httpx.MockTransport(answer)) as client:
        assert list(client.chat(**given)) == []
    (body,) = sent
    assert body.pop("format", None) == given.pop("format", None)
    assert _known(body) == _known(given)


def _known(value: Any) -> Any:
    """Without what the SDK has no field for, and what it leaves out because it is empty."""
    match value:
        case dict():
            kept = {name: _known(inner) for name, inner in value.items() if name not in OF_SERVERS}
            return {name: inner for name, inner in kept.items() if inner not in (None, "", [], {}) or inner is False}
        case list():
            return [_known(inner) for inner in value]
        case _:
            return value


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_becomes_a_response(case: Item) -> None:
    assert outcome_of(Ollama(), case["events"]) == case["outcome"]


@given(spoiled(ANSWERS, NAMES_OF_EVENTS))
def test_whatever_it_sends_the_stream_stays_legal(events: list[Any]) -> None:
    check_stream(stream_of(Ollama(), events)[1])


def test_who_says_nothing_is_asked_for_something() -> None:
    with pytest.raises(InvalidRequest) as caught:
        call(input=[{"role": "user", "content": []}])
    assert (caught.value.param, caught.value.code) == ("input", "missing_required_parameter")


def test_the_table_says_what_becomes_of_every_parameter() -> None:
    assert Ollama().parameters.keys() == NAMES.keys()


def tagged(pieces: list[str]) -> tuple[str, str]:
    """Thoughts and text in what comes in these pieces."""
    tags = Tags()
    said = [one for piece in pieces for one in tags.feed(piece)] + list(tags.end())
    assert all(one.text for one in said)
    kinds = [type(one) for one in said]
    assert kinds == sorted(kinds, key=lambda kind: kind is Text), "thoughts come first"
    return tuple("".join(one.text for one in said if isinstance(one, kind)) for kind in (Thought, Text))  # type: ignore[return-value]


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<", "think", ">", "/", "a", " ", "\n"]), max_size=9).map("".join),
    st.lists(st.integers(0, 40), max_size=5),
)
def test_thoughts_are_told_from_text_wherever_it_is_cut(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    assert tagged([text[begin:end] for begin, end in pairwise(places)]) == tagged([text])


@pytest.mark.parametrize(
    ("text", "thought", "rest"),
    [
        ("<think>\nHm.\n</think>\n\nSo.", "Hm.\n", "So."),
        ("So. <think>not</think>", "", "So. <think>not</think>"),
        ("<think></think>So.", "", "So."),
        ("<think>Hm.", "Hm.", ""),
        ("<thin", "", "<thin"),
        (" \n", "", " \n"),
    ],
)
def test_only_text_that_begins_with_the_tag_has_thoughts_in_it(text: str, thought: str, rest: str) -> None:
    assert tagged([text]) == (thought, rest)


PART = "input[0].content[0]"
REFUSED: list[tuple[Item, str]] = [
    ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, PART),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://x"}]}]}, PART),
    ({"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "AA=="}]}]}, PART),
    ({"tools": [{"type": "function", "name": "f"}], "tool_choice": "required"}, "tool_choice"),
    ({"tools": [{"type": "function", "name": "f"}], "text": {"format": {"type": "json_object"}}}, "text.format"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "param"), REFUSED)
def test_what_it_cannot_say_is_refused_by_its_path(more: Item, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        call(**more)
    assert (caught.value.param, caught.value.code) == (param, "unsupported_parameter")


def nested(kind: str, message: str) -> str:
    return json.dumps({"error": {"code": 400, "message": message, "type": kind}})


LONG = "request (2622 tokens) exceeds the available context size (512 tokens), try increasing it"
ERRORS: list[tuple[int, str, str, int, str | None]] = [
    (400, 'option "temperature" must be of type float32', "UpstreamRefused", 400, "option"),
    (400, nested("exceed_context_size_error", LONG), "ContextLengthExceeded", 400, LONG),
    (400, "the input length exceeds the context length", "ContextLengthExceeded", 400, "input length"),
    (500, "prompt too long; exceeded max context length by 4 tokens", "ContextLengthExceeded", 400, "prompt too long"),
    (400, nested("invalid_request_error", "Multimodal data provided"), "UpstreamRefused", 400, "Multimodal data"),
    (400, '"x" does not support thinking', "UpstreamRefused", 400, "does not support thinking"),
    (401, "unauthorized: of-ours", "UpstreamAuth", 502, None),
    (402, "pay", "UpstreamQuotaExceeded", 429, None),
    (404, "model 'x' not found", "UpstreamRefused", 404, "model 'x' not found"),
    (413, "request is too large", "UpstreamRefused", 413, None),
    (429, "too many concurrent requests", "UpstreamRateLimited", 429, None),
    (429, "you have reached your weekly usage limit", "UpstreamQuotaExceeded", 429, None),
    (499, "request canceled", "UpstreamError", 502, None),
    (500, "llama runner process has terminated at /srv/of-ours", "UpstreamError", 502, None),
    (502, "cannot reach the cloud", "UpstreamError", 502, None),
    (503, "server busy, please try again.", "UpstreamError", 502, None),
]


@pytest.mark.parametrize(("status", "said", "kind", "shown", "told"), ERRORS)
def test_its_errors_are_told_by_our_names(status: int, said: str, kind: str, shown: int, told: str | None) -> None:
    """As an answer, and as a line of one."""
    error = Ollama().refusal(status, {}, to_json({"error": said}))
    inside = stream_of(Ollama(), [{"error": said, "status": status}])[2]
    for one in (error, inside):
        assert one is not None
        assert (type(one).__name__, one.status) == (kind, shown)
        assert told is None or told in one.message
        assert "of-ours" not in one.message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": 5}', b'{"error": "{"}', b"\xff"])
def test_an_error_of_any_form_is_one(body: bytes) -> None:
    for status in (400, 429, 500):
        assert isinstance(Ollama().refusal(status, {}, body), WarrenError)


def site(environ: dict[str, str], **params: Any) -> provider.Endpoint:
    entry = {"model_name": "m", "litellm_params": {"model": "ollama_chat/x:7b", **params}}
    (deployment,) = parse(json.dumps({"model_list": [entry]})).deployments.values()
    return provider.endpoint(deployment, environ)


@pytest.mark.parametrize(
    ("host", "base"),
    [
        (None, "http://localhost:11434"),
        ("http://x:1/", "http://x:1"),
        ("https://ollama.com/api", "https://ollama.com"),
        ("https://x/ollama/api/chat", "https://x/ollama"),
        ("0.0.0.0", "http://0.0.0.0:11434"),
        ("x:80", "http://x:80"),
    ],
)
def test_its_address_may_be_that_of_the_server(host: str | None, base: str) -> None:
    for name in ("OLLAMA_API_BASE", "OLLAMA_HOST"):
        assert site({name: host} if host is not None else {}).base_url == base


def test_a_key_it_has_is_sent_and_one_that_is_missing_is_told() -> None:
    assert site({}).headers == {}
    assert site({"OLLAMA_API_KEY": "k"}).headers == {"authorization": "Bearer k"}
    with pytest.raises(UpstreamAuth):
        site({}, api_key="os.environ/MY_KEY")


@pytest.mark.anyio
async def test_a_deployments_options_are_added_to_those_of_the_request() -> None:
    async with fake(vendor.mount) as ollama_, connect(Patience(), 4) as upstream:
        more = {"keep_alive": "10m", "options": {"num_ctx": 8192, "temperature": 0}}
        endpoint = site({}, api_base=ollama_.url, extra_body=more)
        asked = call(temperature=1, max_output_tokens=5)
        asked.body["model"] = "text"
        async with upstream.ask(endpoint, asked, time() + 30) as answer:
            assert [batch async for batch in answer]
        (seen,) = ollama_.calls
        assert seen.body["options"] == {"num_ctx": 8192, "temperature": 0, "num_predict": 5}
        assert seen.body["keep_alive"] == "10m"
        assert ollama_.refused == []
