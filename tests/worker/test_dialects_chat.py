"""What a chat is told of things that only the Responses API has, and what its servers say in ways of their own."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam
from pydantic import TypeAdapter

from warren.errors import InvalidRequest
from warren.objects import items
from warren_worker.dialect import Call, Conversation
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.responses import Responses
from warren_worker.providers.openai import CHAT

Item = dict[str, Any]
MESSAGES: TypeAdapter[Any] = TypeAdapter(list[ChatCompletionMessageParam])
TOOLS: TypeAdapter[Any] = TypeAdapter(list[ChatCompletionToolUnionParam])
FUNCTION = {"type": "function", "name": "f"}
UNKNOWN = {"type": "function", "name": "g"}
CUSTOM = {"type": "custom", "name": "patch", "description": "Edits."}
SPACE = {"type": "namespace", "name": "ns", "description": "Notes.", "tools": [{**FUNCTION, "description": "Reads."}]}
IMAGE = {"type": "input_image", "image_url": "https://x/y.png", "detail": "original"}
SHOWN = {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "high"}}


def call(dialect: Chat = Chat(), **request: Any) -> Call:  # noqa: B008  # frozen
    whole = {"model": "m", "input": "hi", **request}
    made = dialect.call(Conversation(whole, items(whole["input"])), "theirs")
    MESSAGES.validate_python(made.body["messages"], strict=True)
    TOOLS.validate_python(made.body.get("tools", []), strict=True)
    return made


def told(*given: Item, **manner: Any) -> list[Item]:
    messages: list[Item] = call(Chat(**manner), input=list(given)).body["messages"]
    return messages


def refused(**request: Any) -> tuple[str | None, str | None]:
    with pytest.raises(InvalidRequest) as caught:
        call(**request)
    return caught.value.param, caught.value.code


def called(call_id: str, name: str = "f", **more: Any) -> Item:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": "{}", **more}


def result(call_id: str, output: Any = "done") -> Item:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def user(text: str) -> Item:
    return {"role": "user", "content": text}


def roles(messages: list[Item]) -> list[str]:
    return [message["role"] for message in messages]


def test_a_custom_tool_becomes_a_function_of_one_text() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": 'start: "a"'}
    plain, strict = call(tools=[CUSTOM, {"type": "custom", "name": "b", "format": grammar}]).body["tools"]
    assert plain["function"]["name"] == "patch"
    assert plain["function"]["description"] == "Edits."
    assert plain["function"]["parameters"]["required"] == ["input"]
    assert strict["function"]["description"] == 'The input must match this lark grammar:\nstart: "a"'


@pytest.mark.parametrize("given_", [None, {}, {"properties": {}}, {"type": None, "properties": {}}])
def test_a_functions_parameters_are_an_object(given_: Any) -> None:
    (made,) = call(tools=[{**FUNCTION, "parameters": given_}]).body["tools"]
    assert made["function"]["parameters"] == {"type": "object", "properties": {}}


def test_earlier_custom_calls_are_wrapped_again() -> None:
    items_ = {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": 'a"b'}
    output = {"type": "custom_tool_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "ok"}]}
    assistant, tool = told(items_, output)
    assert assistant["tool_calls"][0]["function"] == {"name": "patch", "arguments": '{"input":"a\\"b"}'}
    assert tool == {"role": "tool", "tool_call_id": "c", "content": "ok"}


def test_a_namespace_becomes_the_beginning_of_a_name() -> None:
    (tool,) = call(tools=[SPACE]).body["tools"]
    assert (tool["function"]["name"], tool["function"]["description"]) == ("ns__f", "Notes.\n\nReads.")
    assistant, _ = told(called("c", namespace="ns"), result("c"))
    assert assistant["tool_calls"][0]["function"]["name"] == "ns__f"
    assert refused(tools=[{**FUNCTION, "name": "ns__f"}, SPACE]) == ("tools[1].tools[0].name", "invalid_value")


def test_hosted_tools_are_refused_by_name_wherever_they_stand() -> None:
    inner = {**SPACE, "tools": [FUNCTION, {"type": "web_search"}]}
    assert refused(tools=[FUNCTION, inner]) == ("tools[1].tools[1].type", "unsupported_parameter")
    for kind in ("file_search", "code_interpreter", "mcp", "image_generation", "local_shell", "shell", "tool_search"):
        assert refused(tools=[{"type": kind}]) == ("tools[0].type", "unsupported_parameter")


@pytest.mark.parametrize(
    ("choice", "names", "made"),
    [
        (None, ["f", "patch", "ns__f"], None),
        ("none", ["f", "patch", "ns__f"], "none"),
        ({"type": "custom", "name": "patch"}, ["f", "patch", "ns__f"], "patch"),
        ({"type": "function", "name": "ns__f"}, ["f", "patch", "ns__f"], "ns__f"),
        ({"type": "function", "name": "f", "namespace": "ns"}, ["f", "patch", "ns__f"], "ns__f"),
        ({"type": "function", "name": "f"}, ["f", "patch", "ns__f"], "f"),
        ({"type": "allowed_tools", "mode": "auto", "tools": [FUNCTION]}, ["f"], "auto"),
        ({"type": "allowed_tools", "mode": "required", "tools": [FUNCTION, CUSTOM]}, ["f", "patch"], "required"),
        ({"type": "allowed_tools", "mode": "required", "tools": [CUSTOM]}, ["patch"], "patch"),
    ],
)
def test_every_choice_of_tools_is_kept(choice: Any, names: list[str], made: str | None) -> None:
    body = call(tools=[FUNCTION, CUSTOM, SPACE], tool_choice=choice).body
    assert [tool["function"]["name"] for tool in body["tools"]] == names
    chosen = body.get("tool_choice")
    assert (chosen["function"]["name"] if isinstance(chosen, dict) else chosen) == made


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ({"type": "function", "name": "g"}, "tool_choice"),
        ({"type": "custom", "name": "f"}, "tool_choice"),
        ({"type": "function", "name": "f", "namespace": "x"}, "tool_choice"),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]}, "tool_choice.tools[0]"),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [FUNCTION, {**FUNCTION, "name": "g"}]},
            "tool_choice.tools[1]",
        ),
        ({"type": "file_search"}, "tool_choice"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(choice: Any, param: str) -> None:
    assert refused(tools=[FUNCTION, CUSTOM], tool_choice=choice)[0] == param


def test_results_stand_right_behind_their_calls() -> None:
    said = told(user("a"), called("1"), called("2"), user("b"), result("2"), result("1"), called("3"), result("3"))
    assert roles(said) == ["user", "assistant", "tool", "tool", "user", "assistant", "tool"]
    assert [call_["id"] for call_ in said[1]["tool_calls"]] == ["1", "2"]
    assert [message.get("tool_call_id") for message in said[2:4]] == ["2", "1"]


def test_pictures_in_results_are_shown_by_the_user_behind_all_results() -> None:
    said = told(
        called("1"), called("2"), result("1", [{"type": "input_text", "text": "a"}, IMAGE]), result("2", [IMAGE])
    )
    assert roles(said) == ["assistant", "tool", "tool", "user", "user"]
    assert said[1]["content"] == "a"
    assert said[3]["content"] == [{"type": "text", "text": "The output of tool call 1:"}, SHOWN]


def test_what_developers_say_goes_to_the_front_where_templates_need_it() -> None:
    given = ({"role": "system", "content": "a"}, user("b"), {"role": "developer", "content": "c"}, user("d"))
    assert told(*given) == [{"role": "system", "content": "a\n\nc"}, user("b"), user("d")]
    assert roles(told(*given, hoists=False, developer="developer")) == ["developer", "user", "developer", "user"]
    first = call(instructions="i", input=list(given)).body["messages"][0]
    assert first == {"role": "system", "content": "i\n\na\n\nc"}


def test_reasoning_goes_back_only_to_those_who_take_it() -> None:
    thought = {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    short = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "so"}]}
    empty = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "theirs"}
    given = (user("a"), thought, short, empty, called("1"), result("1"), thought, user("b"))
    assert "reasoning_content" not in str(told(*given))
    assert roles(told(*given)) == ["user", "assistant", "tool", "user"]
    said = Chat(thoughts="reasoning_content").call(Conversation({"input": []}, list(given)), "m").body["messages"]
    assert said[1]["reasoning_content"] == "hm"
    assert said[3] == {"role": "assistant", "content": "", "reasoning_content": "hm"}


REPLAYED: list[Item] = [
    {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"type": "file_search_call", "id": "fs", "status": "completed", "queries": ["q"], "results": [{"text": "t"}]},
    {"type": "mcp_call", "id": "m", "server_label": "s", "name": "n", "arguments": "{}", "output": "o"},
    {"type": "mcp_list_tools", "id": "m", "server_label": "s", "tools": []},
    {"type": "mcp_approval_request", "id": "m", "server_label": "s", "name": "n", "arguments": "{}"},
    {"type": "mcp_approval_response", "approval_request_id": "m", "approve": True},
    {"type": "local_shell_call", "id": "l", "call_id": "c", "status": "completed", "action": {"command": ["ls"]}},
    {"type": "local_shell_call_output", "id": "l", "output": "a.txt"},
    {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}},
    {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "a.txt", "stderr": ""}]},
    {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "p"}},
    {"type": "apply_patch_call_output", "call_id": "c", "status": "completed", "output": "ok"},
    {"type": "code_interpreter_call", "id": "ci", "container_id": "x", "code": "1+1", "outputs": None},
    {"type": "computer_call", "id": "cc", "call_id": "c", "action": {"type": "wait"}},
    {"type": "tool_search_call", "arguments": {}, "execution": "server"},
    {"type": "tool_search_output", "tools": []},
    {"type": "program", "id": "p", "call_id": "c", "code": "x"},
    {"type": "program_output", "id": "p", "call_id": "c", "result": "y"},
]


@pytest.mark.parametrize("item", REPLAYED, ids=[str(item["type"]) for item in REPLAYED])
def test_what_hosted_tools_did_is_told(item: Item) -> None:
    _, said = told(user("a"), item)
    assert said["content"].startswith(f"[{item['type']}] {{")
    assert said["role"] == ("user" if item["type"].endswith(("_output", "_response")) else "assistant")
    for value in item.values():
        assert not isinstance(value, list) or "".join(str(value).split()).replace("'", '"') in said["content"]


def test_pictures_that_were_made_are_shown() -> None:
    made = {
        "type": "image_generation_call",
        "id": "ig",
        "status": "completed",
        "result": "AA==",
        "output_format": "webp",
    }
    drawn = {"type": "code_interpreter_call", "id": "ci", "outputs": [{"type": "image", "url": "https://x/y.png"}]}
    screen = {"type": "computer_call_output", "call_id": "c", "output": {"image_url": "https://x/y.png"}}
    for item, url in ((made, "data:image/webp;base64,AA=="), (drawn, "https://x/y.png"), (screen, "https://x/y.png")):
        assert told(item)[-1]["content"][1]["image_url"]["url"] == url
    file = {"type": "computer_call_output", "call_id": "c", "output": {"file_id": "f"}}
    assert refused(input=[file]) == ("input[0].output", "unsupported_parameter")


@pytest.mark.parametrize("kind", ["item_reference", "compaction", "compaction_trigger", "additional_tools", "news"])
def test_items_that_a_chat_cannot_say_are_refused_by_name(kind: str) -> None:
    assert refused(input=[user("a"), {"type": kind, "id": "x"}]) == ("input[1].type", "unsupported_parameter")


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FORMAT = {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}


def test_a_server_without_schemas_is_told_in_words_and_checked() -> None:
    plain = Chat(schemas=False)
    made = call(plain, text=FORMAT, instructions="Be kind.")
    assert made.schema == SCHEMA
    assert "response_format" not in made.body
    assert made.body["messages"][0]["content"].startswith("Be kind.\n\nAnswer with one JSON value")
    assert '"integer"' in made.body["messages"][0]["content"]
    assert call(plain, text={"format": {"type": "json_object"}}).schema == {"type": "object"}
    assert call(plain, text=FORMAT, tools=[FUNCTION], tool_choice="none").schema == SCHEMA
    assert call(text=FORMAT).schema is None
    with pytest.raises(InvalidRequest) as caught:
        call(plain, text=FORMAT, tools=[FUNCTION])
    assert caught.value.param == "text.format"


ACCEPTED: Item = {
    "truncation": "auto",
    "conversation": "conv_1",
    "context_management": [{"type": "compaction", "compact_threshold": 1000}],
    "max_tool_calls": 3,
    "include": ["file_search_call.results", "reasoning.encrypted_content"],
    "background": True,
    "background_options": {"completion_window": "soonest"},
    "prompt_cache_options": {"mode": "implicit", "ttl": "30m"},
    "reasoning": {"summary": "detailed", "context": "auto", "mode": "standard"},
    "metadata": {"a": "b"},
    "stream_options": {"include_obfuscation": True},
    "text": {"verbosity": "medium"},
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_done_elsewhere_is_not_sent(name: str) -> None:
    assert call(**{name: ACCEPTED[name]}).body == call().body


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({"moderation": {"model": "x"}}, "moderation"),
        ({"prompt_cache_options": {"mode": "explicit"}}, "prompt_cache_options.mode"),
        ({"background_options": {"completion_window": "2h"}}, "background_options.completion_window"),
        ({"access_programs": ["x"]}, "access_programs"),
        ({"tools": [{**FUNCTION, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tools": [{**FUNCTION, "output_schema": {}}]}, "tools[0].output_schema"),
        ({"tools": [{**FUNCTION, "allowed_callers": ["programmatic"]}]}, "tools[0].allowed_callers"),
        ({"tools": [{**CUSTOM, "format": {"type": "x"}}]}, "tools[0].format"),
    ],
)
def test_what_cannot_be_kept_is_refused(request_: Item, param: str) -> None:
    assert refused(**request_)[0] == param


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "function_call_output", "call_id": None, "output": "x"}, "input[0].call_id"),
        (
            {"role": "user", "content": [
                {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}
            ]},
            "input[0].content[0].prompt_cache_breakpoint",
        ),
        (
            {"role": "user", "content": [{"type": "input_file", "file_data": "x", "detail": "low"}]},
            "input[0].content[0].detail",
        ),
    ],
)  # fmt: skip
def test_what_an_item_says_beyond_a_chat_is_refused(item: Item, param: str) -> None:
    assert refused(input=[item])[0] == param


def test_what_says_nothing_is_said_as_nothing() -> None:
    empty = {"type": "message", "role": "assistant", "content": []}
    answered = told(user("a"), empty, called("1", arguments=""), result("1"))[1]
    assert answered["content"] == ""
    assert answered["tool_calls"][0]["function"]["arguments"] == "{}"


def test_openais_own_chat_knows_more_fields() -> None:
    assert isinstance(CHAT, Chat)
    more: Item = {"moderation": {"model": "x"}, "prompt_cache_options": {"mode": "explicit"}}
    assert call(CHAT, **more).body.items() >= more.items()


def test_only_openai_is_asked_to_compact() -> None:
    asked = {"model": "m", "input": "a", "context_management": [{"type": "compaction", "compact_threshold": 1000}]}
    for dialect in (Responses(stores=True), Responses(), Chat()):
        body = dialect.call(Conversation(asked, items("a")), "m").body
        assert ("context_management" in body) == dialect.compacts


def test_reasoning_that_we_sealed_is_nothing_to_others() -> None:
    sealed = {"type": "reasoning", "id": "a", "summary": [], "encrypted_content": "wsl1.abc"}
    theirs = {**sealed, "encrypted_content": "gAAA"}
    body = Responses().call(Conversation({"input": []}, [sealed, theirs]), "m").body
    assert body["input"] == [theirs]


SPOKEN: list[Item] = [user("a"), {"role": "developer", "content": "d"}, {"role": "assistant", "content": "b"}]
THOUGHT: Item = {"type": "reasoning", "id": "r", "summary": []}


@st.composite
def exchanges(draw: st.DrawFn) -> list[Item]:
    """Items in any order, but for outputs, which come somewhere behind their calls."""
    said: list[Item] = draw(st.lists(st.sampled_from([*SPOKEN, THOUGHT, *REPLAYED[:2]]), max_size=8))
    for number in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(said)))
        said.insert(at, called(str(number)))
        output = draw(st.sampled_from(["done", [IMAGE]]))
        said.insert(draw(st.integers(at + 1, len(said))), result(str(number), output))
    return said


@given(exchanges())
def test_between_a_call_and_its_results_nothing_stands(said: list[Item]) -> None:
    waiting: set[str] = set()
    called_ = 0
    for message in told(*said):
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
            continue
        assert not waiting
        waiting = {one["id"] for one in message.get("tool_calls", ())}
        called_ += len(waiting)
    assert not waiting
    assert called_ == sum(item.get("type") == "function_call" for item in said)
