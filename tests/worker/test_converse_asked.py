"""Whatever is asked, Converse is asked in a form that it takes, or the caller is told what it does not."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rig.vendors.converse_rules import check
from tests.worker.telling import REQUEST
from warren.errors import InvalidRequest
from warren.objects import items
from warren_worker.dialect import Call, Conversation
from warren_worker.dialects.converse import Converse
from warren_worker.facts import Facts

Item = dict[str, Any]
MODELS = {"anthropic": "us.anthropic.claude-x-v1:0", "amazon": "amazon.nova-2-lite-v1:0", "meta": "meta.llama-v1:0"}
FUNCTION = {"type": "function", "name": "f", "description": "Does it.", "parameters": {"type": "object"}}
SIGNED = {"by": "anthropic", "block": {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}}
REDACTED = {"by": "anthropic", "block": {"type": "redacted_thinking", "data": "UmVk"}}
OF_NOVA = {"by": "bedrock", "vendor": "amazon", "block": {"redactedContent": "UmVk"}}
OF_GEMINI = {"by": "gemini", "signature": "c2ln"}
PNG = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
PDF = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}


def call(dialect: Converse, given_: Item, kept: Any = None, model: str = MODELS["anthropic"]) -> Call:
    request = {**REQUEST, **given_}
    return dialect.call(Conversation(request, items(request["input"]), kept=kept or {}), model)


def refused(given_: Item, vendor: str = "anthropic", **facts: Any) -> str | None:
    with pytest.raises(InvalidRequest) as caught:
        call(Converse(Facts(**facts), vendor), given_)
    assert caught.value.status == 400
    return caught.value.param


def user(*parts: Item) -> Item:
    return {"input": [{"role": "user", "content": list(parts)}]}


def tool(**more: Any) -> Item:
    return {"tools": [{**FUNCTION, **more}]}


@pytest.mark.parametrize(
    ("given_", "param"),
    [
        (user({"type": "input_image", "file_id": "f"}), "input[0].content[0].image_url"),
        (user({"type": "input_image", "image_url": "https://x/y.png"}), "input[0].content[0].image_url"),
        (user({"type": "input_image", "image_url": "data:image/bmp;base64,AA=="}), "input[0].content[0].image_url"),
        (user({"type": "input_image", "image_url": "data:image/png;base64,?"}), "input[0].content[0].image_url"),
        (user({"type": "input_file", "filename": "a.zip", "file_data": "AAAA"}), "input[0].content[0].file_data"),
        (
            user({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "midi"}}),
            "input[0].content[0].input_audio.format",
        ),
        (tool(name="x" * 65), "tools[0].name"),
        (tool(name="a.b"), "tools[0].name"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"temperature": 1.5}, "temperature"),
        ({"temperature": 0.5, "reasoning": {"effort": "low"}}, "temperature"),
        ({"top_p": 0.5, "reasoning": {"effort": "low"}}, "top_p"),
        ({"temperature": 0.5, "top_p": 0.5}, "top_p"),
        ({"service_tier": "scale"}, "service_tier"),
        ({"user": "a*b"}, "user"),
        ({"safety_identifier": "ü"}, "safety_identifier"),
        ({"text": {"format": {"type": "json_object"}}, **tool()}, "text.format"),
        ({"reasoning": {"effort": "low", "mode": "pro"}}, "reasoning.mode"),
        ({"never_heard_of": 1}, "never_heard_of"),
        ({"input": []}, "input"),
    ],
)
def test_what_cannot_be_said_is_refused_by_its_path(given_: Item, param: str) -> None:
    assert refused(given_) == param


@pytest.mark.parametrize(
    ("vendor", "given_", "param"),
    [
        ("meta", {"parallel_tool_calls": False, **tool()}, "parallel_tool_calls"),
        (
            "meta",
            user({"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}),
            "input[0].content[0].prompt_cache_breakpoint",
        ),
        ("meta", {"reasoning": {"effort": "low"}}, "reasoning.effort"),
        ("deepseek", {"reasoning": {"effort": "none"}}, "reasoning.effort"),
        ("amazon", {"reasoning": {"effort": "max"}, "max_output_tokens": 100}, "max_output_tokens"),
        ("amazon", {"reasoning": {"effort": "high"}, "temperature": 0.5}, "temperature"),
    ],
)
def test_what_its_vendor_does_not_have_is_refused(vendor: str, given_: Item, param: str) -> None:
    assert refused(given_, vendor) == param


def test_what_is_known_of_a_model_is_held_to() -> None:
    assert refused({"reasoning": {"effort": "low"}}, reasoning="none") == "reasoning.effort"
    assert refused({"temperature": 0.5}, sampling="none") == "temperature"
    assert "outputConfig" not in call(Converse(Facts(schemas=False)), {"text": {"format": SCHEMA}}).body


SCHEMA = {"type": "json_schema", "name": "s", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}


def test_a_tool_that_must_be_called_stops_claude_from_thinking() -> None:
    reasoning: Any
    for reasoning in ("budget", "adaptive"):
        given_ = {**tool(), "tool_choice": "required", "reasoning": {"effort": "low"}}
        body = call(Converse(Facts(reasoning=reasoning)), given_).body
        assert body.get("additionalModelRequestFields", {}).get("thinking", {}).get("type") in (None, "disabled")
        assert body["toolConfig"]["toolChoice"] == {"any": {}}


def test_names_of_documents_stay_what_they_were() -> None:
    first, more = [{"role": "user", "content": [PDF]}], [{"role": "assistant", "content": "b"}]
    short = call(Converse(), {"input": first}).body["messages"]
    long = call(Converse(), {"input": [*first, *more, *first]}).body["messages"]
    assert long[0] == short[0]
    assert long[2]["content"][0]["document"]["name"] == "a 2"


def test_calls_that_share_an_id_are_told_apart() -> None:
    used = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    given_ = [{"type": "function_call_output", "call_id": "c", "output": one} for one in ("one", "two")]
    asked = [{"role": "user", "content": "a"}, used, given_[0], used, given_[1]]
    blocks = [block for message in call(Converse(), {"input": asked}).body["messages"] for block in message["content"]]
    assert [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block] == ["c", "c_2"]
    results = {
        block["toolResult"]["toolUseId"]: block["toolResult"]["content"] for block in blocks if "toolResult" in block
    }
    assert results == {"c": [{"text": "one"}], "c_2": [{"text": "two"}]}


def test_the_last_four_breakpoints_are_marked_and_none_for_less_time_than_one_behind_it() -> None:
    def part(text: str, ttl: str = "30m") -> Item:
        return {"type": "input_text", "text": text, "prompt_cache_breakpoint": {"mode": "explicit", "ttl": ttl}}

    asked = [{"role": "system", "content": [part("a")]}]
    asked += [{"role": "user", "content": [part("b"), part("c"), part("d"), part("e", "12h"), part("f")]}]
    body = call(Converse(), {"input": asked}).body
    check("ConverseStream", "anthropic.claude-x", body, frozenset())
    assert body["system"] == [{"text": "a"}]
    said = [block.get("text") or block["cachePoint"].get("ttl") for block in body["messages"][0]["content"]]
    assert said == ["b", "c", "1h", "d", "1h", "e", "1h", "f", None]


def test_what_the_assistant_is_to_go_on_from_ends_in_no_space() -> None:
    asked = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "It rains \n"}]
    assert call(Converse(), {"input": asked}).body["messages"][-1]["content"] == [{"text": "It rains"}]


def test_other_terms_for_an_effort_are_those_of_the_vendor() -> None:
    asked = {"reasoning": {"effort": "medium"}}
    nova = call(Converse(vendor="amazon"), asked).body["additionalModelRequestFields"]
    assert nova == {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}
    other = call(Converse(Facts(reasoning="effort", efforts=("low", "high")), "qwen"), asked).body
    assert other["additionalModelRequestFields"] == {"reasoning_effort": "high"}


PARTS = st.sampled_from([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": " "}, PNG, PDF])
TURNS = st.one_of(
    st.lists(PARTS, max_size=3).map(lambda parts: {"role": "user", "content": parts}),
    st.sampled_from(["b", "", "\n"]).map(lambda text: {"role": "assistant", "content": text}),
    st.just({"role": "developer", "content": "c"}),
    st.sampled_from(["rs_1", "rs_2", "rs_3", "rs_4"]).map(lambda id_: {"type": "reasoning", "id": id_, "summary": []}),
    st.lists(st.sampled_from(["call_1", "x" * 99, "ü"]), min_size=1, max_size=3, unique=True).map(tuple),
)
KEPT = {"rs_1": [SIGNED], "rs_2": [REDACTED], "rs_3": [OF_NOVA, OF_GEMINI]}


def told(turns: list[Any]) -> list[Item]:
    """Items of a conversation; numbers make the ids of calls differ."""
    made: list[Item] = []
    for at, turn in enumerate(turns):
        if isinstance(turn, dict):
            made.append(turn)
            continue
        ids = [f"{id_}{at}" for id_ in turn]
        made += [{"type": "function_call", "call_id": id_, "name": "f.g", "arguments": "{]"} for id_ in ids]
        made += [{"type": "function_call_output", "call_id": id_, "output": ""} for id_ in reversed(ids)]
    return made


@settings(max_examples=300)
@given(
    turns=st.lists(TURNS, max_size=8),
    vendor=st.sampled_from(sorted(MODELS)),
    reasoning=st.sampled_from([None, "none", "budget", "adaptive"]),
    tools=st.booleans() | st.none(),
    effort=st.sampled_from([None, "none", "minimal", "high"]),
    asked=st.fixed_dictionaries(
        {},
        optional={
            "instructions": st.just("Be brief."),
            "max_output_tokens": st.sampled_from([16, 1024, 5000]),
            "temperature": st.sampled_from([0, 0.5, 1]),
            "tools": st.just([FUNCTION]),
            "tool_choice": st.sampled_from(["auto", "required", "none", {"type": "function", "name": "f"}]),
            "parallel_tool_calls": st.booleans(),
            "prompt_cache_key": st.just("k"),
            "text": st.just({"format": SCHEMA}),
        },
    ),
)
def test_whatever_is_asked_is_taken_or_refused_by_name(
    turns: list[Any], vendor: str, reasoning: Any, tools: bool | None, effort: str | None, asked: Item
) -> None:
    dialect = Converse(Facts(reasoning=reasoning, tools=tools), vendor)
    given_ = {**asked, "input": [*told(turns), {"role": "user", "content": "d"}], "reasoning": {"effort": effort}}
    try:
        made = call(dialect, given_, KEPT, MODELS[vendor])
    except InvalidRequest as error:
        named = {error.param}
    else:
        named = set()
        check("ConverseStream", MODELS[vendor], json.loads(json.dumps(made.body)), frozenset({"c2ln"}))
    assert named <= {"tool_choice", *asked, "reasoning.effort", "text.format"}
