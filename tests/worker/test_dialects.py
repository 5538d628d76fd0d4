"""OpenAI's two dialects against golden files: a conversation and the call it makes; events and the answer they make.

The files were read before they were kept. Calls are also held against the types of the vendor's own SDK.
"""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming, ResponseFormat
from openai.types.responses import ResponseInputItemParam, ToolParam
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter
from pydantic_core import to_json

from tests.rig.legal import TERMINAL, check_stream
from tests.worker.telling import REQUEST, assembler, fed, wire
from warren import sse
from warren.errors import InvalidRequest, WarrenError
from warren.events import fold
from warren.objects import items
from warren_worker.assembler import Assembler
from warren_worker.dialect import Call, Conversation, Dialect
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.responses import Responses
from warren_worker.providers.openai import CHAT

GOLDEN = Path(__file__).parents[1] / "golden" / "openai"
MESSAGES: TypeAdapter[Any] = TypeAdapter(list[ChatCompletionMessageParam])
TOOLS: TypeAdapter[Any] = TypeAdapter(list[ChatCompletionToolUnionParam])
FORMAT: TypeAdapter[Any] = TypeAdapter(ResponseFormat)
ITEMS: TypeAdapter[Any] = TypeAdapter(list[ResponseInputItemParam])
NATIVE_TOOLS: TypeAdapter[Any] = TypeAdapter(list[ToolParam])
DIALECTS: dict[str, Dialect] = {"chat_answers": Chat(), "responses_answers": Responses()}
DEVIANT = Chat(tags=True, thoughts="reasoning_details")


def golden(kind: str) -> list[Any]:
    paths = sorted((GOLDEN / kind).glob("*.json"))
    assert paths
    return [pytest.param(json.loads(path.read_text()), id=path.stem) for path in paths]


def stream_of(
    kind: str, events: list[Any], dialect: Dialect | None = None
) -> tuple[Assembler, list[dict[str, Any]], WarrenError | None]:
    """What is made of an answer of these events, as it is sent."""
    one = assembler(read=10)
    sent = wire(one.start())
    error: WarrenError | None = None
    try:
        for delta in fed((dialect or DIALECTS[kind]).reader(Conversation(REQUEST, [])), events):
            sent += wire(one.feed(delta))
        sent += wire(one.finish(at=9))
    except WarrenError as failed:
        error = failed
        sent += wire(one.fail(failed))
    return one, sent, error


def outcome_of(kind: str, events: list[Any]) -> dict[str, Any]:
    """What an answer of these events comes to; its stream must be legal."""
    one, sent, error = stream_of(kind, events)
    final = check_stream(sent)
    ours = assembler().response.keys() - {"output", "status", "error", "usage", "incomplete_details", "completed_at"}
    blank = assembler().response
    return {
        "status": final["status"],
        "error": None if error is None else {"kind": type(error).__name__, "status": error.status, **error.detail()},
        "incomplete_details": final["incomplete_details"],
        "output": final["output"],
        "usage": final["usage"],
        "usage_source": one.usage_source,
        "upstream_id": one.upstream_id,
        "deltas": [event["delta"] for event in sent if "delta" in event],
        "changed": {key: final[key] for key in sorted(ours) if final[key] != blank[key]},
    }


@pytest.mark.parametrize("case", golden("chat_calls"))
def test_a_conversation_becomes_a_chat(case: dict[str, Any]) -> None:
    conversation = Conversation(case["request"], items(case["request"]["input"]))
    for dialect, name in ((CHAT, "openai"), (Chat(), "compatible")):
        assert dialect.call(conversation, "theirs") == Call("/chat/completions", case[name])


@pytest.mark.parametrize("name", ["openai", "compatible"])
@pytest.mark.parametrize("case", golden("chat_calls"))
def test_a_chat_is_one_to_the_vendors_types(case: dict[str, Any], name: str) -> None:
    body = case[name]
    assert body.keys() <= CompletionCreateParamsStreaming.__annotations__.keys() | _inherited()
    MESSAGES.validate_python(body["messages"], strict=True)
    TOOLS.validate_python(body.get("tools", []), strict=True)
    FORMAT.validate_python(body.get("response_format", {"type": "text"}), strict=True)
    assert body["stream"] is True


def _inherited() -> set[str]:
    names: set[str] = set()
    for base in getattr(CompletionCreateParamsStreaming, "__orig_bases__", ()):
        names |= set(getattr(base, "__annotations__", {}))
    return names


@pytest.mark.parametrize("case", golden("responses_calls"))
def test_a_conversation_becomes_a_native_call(case: dict[str, Any]) -> None:
    said = [*case["history"], *items(case["request"]["input"])]
    conversation = Conversation(case["request"], said, case["upstream_previous"])
    for dialect, name in ((Responses(stores=True), "openai"), (Responses(), "compatible")):
        assert dialect.call(conversation, "theirs") == Call("/responses", case[name])
        ITEMS.validate_python(case[name]["input"], strict=True)
        NATIVE_TOOLS.validate_python(case[name].get("tools", []), strict=True)
        assert "model" in ResponseCreateParamsStreaming.__annotations__ or case[name]["model"] == "theirs"


@pytest.mark.parametrize("case", golden("chat_answers"))
def test_a_completion_becomes_a_response(case: dict[str, Any]) -> None:
    assert outcome_of("chat_answers", case["events"]) == case["outcome"]


@pytest.mark.parametrize("case", golden("responses_answers"))
def test_a_native_answer_becomes_ours(case: dict[str, Any]) -> None:
    assert outcome_of("responses_answers", case["events"]) == case["outcome"]


FUNCTION = {"type": "function", "name": "f"}
RESULT = {"type": "function_call_output", "call_id": "c"}
PART, UNSUPPORTED = "input[0].content[0]", "unsupported_parameter"


def said(role: str, part: Any) -> dict[str, Any]:
    return {"role": role, "content": [part]}


def user(part: Any) -> dict[str, Any]:
    return said("user", part)


REFUSED: list[tuple[dict[str, Any], str, str | None]] = [
    ({"input": [{"role": "user", "content": 5}]}, "input[0].content", "invalid_type"),
    ({"input": [{"role": "user", "content": None}]}, "input[0].content", "invalid_type"),
    ({"input": [{"role": "robot", "content": "a"}]}, "input[0].role", "invalid_value"),
    ({"input": [{"role": "user", "content": "a"}, {}]}, "input[1].role", "missing_required_parameter"),
    ({"input": [user("a")]}, f"{PART}.type", "invalid_value"),
    ({"input": [user({"type": ["x"]})]}, f"{PART}.type", "invalid_value"),
    ({"input": [user({"type": "video"})]}, f"{PART}.type", "invalid_value"),
    ({"input": [said("assistant", {"type": "input_text", "text": "a"})]}, f"{PART}.type", "invalid_value"),
    ({"input": [said("system", {"type": "input_image", "image_url": "a"})]}, f"{PART}.type", "invalid_value"),
    ({"input": [user({"type": "input_image", "file_id": "f"})]}, PART, UNSUPPORTED),
    ({"input": [user({"type": "input_file", "file_url": "f"})]}, PART, UNSUPPORTED),
    ({"input": [user({"type": "input_text", "text": 5})]}, PART, UNSUPPORTED),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}, "input[0]", "invalid_type"),
    ({"input": [RESULT]}, "input[0]", "invalid_type"),
    ({"input": [{**RESULT, "output": None}]}, "input[0].output", "invalid_type"),
    ({"input": [{**RESULT, "output": [{"type": "input_image"}]}]}, "input[0].output[0]", UNSUPPORTED),
    ({"input": [{**RESULT, "output": [{"type": "x"}]}]}, "input[0].output[0].type", "invalid_value"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type", UNSUPPORTED),
    ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input[0].type", UNSUPPORTED),
    ({"tools": [FUNCTION, {"type": "web_search"}]}, "tools[1].type", UNSUPPORTED),
    ({"tools": [{"type": "function"}]}, "tools[0].name", "missing_required_parameter"),
    ({"tools": [FUNCTION], "tool_choice": {"type": "web_search"}}, "tool_choice", UNSUPPORTED),
    ({"tools": [FUNCTION], "tool_choice": "maybe"}, "tool_choice", UNSUPPORTED),
    ({"tool_choice": "required"}, "tool_choice", None),
    ({"text": {"format": {"type": "json_schema"}}}, "text.format", "invalid_value"),
    ({"text": {"format": {"type": "yaml"}}}, "text.format", "invalid_value"),
    ({"reasoning": {"effort": "low", "mode": "pro"}}, "reasoning.mode", UNSUPPORTED),
    ({"prompt": {"id": "p"}}, "prompt", UNSUPPORTED),
    ({"never_heard_of": 1}, "never_heard_of", UNSUPPORTED),
]


@pytest.mark.parametrize(("more", "param", "code"), REFUSED)
def test_what_a_chat_cannot_say_is_refused_by_its_path(more: dict[str, Any], param: str, code: str | None) -> None:
    request = {**REQUEST, **more}
    with pytest.raises(InvalidRequest) as caught:
        Chat().call(Conversation(request, items(request["input"])), "theirs")
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)


def test_the_path_is_that_of_the_clients_own_input() -> None:
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    bad = {"role": "user", "content": [{"type": "video"}]}
    with pytest.raises(InvalidRequest) as caught:
        Chat().call(Conversation({**REQUEST, "input": [bad]}, [*history, bad]), "theirs")
    assert caught.value.param == "input[0].content[0].type"
    old = {"type": "compaction", "id": "cmp_1"}
    with pytest.raises(InvalidRequest) as caught:
        Chat().call(Conversation(REQUEST, [*history, old, *items("hi")]), "theirs")
    assert caught.value.param == "previous_response_id.type"


@pytest.mark.parametrize("case", golden("chat_calls"))
def test_making_a_call_changes_nothing(case: dict[str, Any]) -> None:
    before = to_json(case["request"])
    conversation = Conversation(case["request"], items(case["request"]["input"]))
    for dialect in (CHAT, Responses(stores=True)):
        dialect.call(conversation, "theirs").body.clear()
        assert to_json(case["request"]) == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(
    [
        *("id", "type", "choices", "delta", "content", "refusal", "reasoning_content", "tool_calls", "index", "name"),
        *("function", "arguments", "finish_reason", "usage", "prompt_tokens", "completion_tokens", "logprobs", "error"),
        *("code", "message", "response", "item", "item_id", "output_index", "content_index", "part", "text", "output"),
        *("status", "summary", "call_id", "input_tokens", "output_tokens", "annotations", "url_citation", "url"),
        *("start_index", "thinking", "function_call", "x_groq", "summary_index", "item", "namespace", "input"),
        *("reasoning_details", "search_results", "citations", "cached_tokens", "total_tokens", "signature"),
    ]
)


@st.composite
def spoiled(draw: st.DrawFn, kind: str) -> list[Any]:
    """An answer of the golden files of which something is out of place: lost, said twice, or of another form."""
    events: list[Any] = json.loads(
        json.dumps(draw(st.sampled_from([case.values[0]["events"] for case in golden(kind)])))
    )
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(events) - 1))
        match draw(st.sampled_from(["lose", "repeat", "change", "change", "change", "swap", "garbage"])):
            case "lose":
                events.pop(at)
            case "repeat":
                events.insert(draw(st.integers(0, len(events))), deepcopy(events[at]))
            case "swap":
                events[at], events[-1] = events[-1], events[at]
            case "garbage":
                events.insert(at, draw(st.binary(max_size=5) | JSON.map(json.dumps)))
            case "change":
                _change(draw, events[at])
        if not events:
            break
    return events


def _change(draw: st.DrawFn, value: Any) -> None:
    while isinstance(value, dict | list) and value:
        key: Any = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else list(range(len(value)))))
        if draw(st.booleans()) or not isinstance(value[key], dict | list):
            value[key] = draw(JSON)
            if isinstance(value, dict):
                value[draw(NAMES)] = draw(JSON)
            return
        value = value[key]


@given(spoiled("chat_answers"))
def test_whatever_a_chat_server_sends_the_stream_stays_legal(events: list[Any]) -> None:
    check_stream(stream_of("chat_answers", events)[1])
    check_stream(stream_of("chat_answers", events, DEVIANT)[1])


@given(spoiled("responses_answers"))
def test_whatever_a_responses_server_sends_the_stream_ends_once(events: list[Any]) -> None:
    """What single fields of its events hold is the provider's own affair: they pass as they are."""
    one, sent, _ = stream_of("responses_answers", events)
    final = sent[-1]["response"]
    assert [event["sequence_number"] for event in sent] == list(range(len(sent)))
    assert [event["type"] for event in sent[:2]] == ["response.created", "response.in_progress"]
    assert [number for number, event in enumerate(sent) if event["type"] in TERMINAL] == [len(sent) - 1]
    assert fold(sent[:-1])["output"] == final["output"] == fold(sent)["output"] == wire([one.response])[0]["output"]
    assert (final["id"], final["model"], final["created_at"]) == ("resp_1", "m", 1)
    for event in sent:
        sse.encode(event)
