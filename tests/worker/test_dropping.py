"""What is left out of a request, where the configuration allows it."""

from typing import Any

import pytest

from warren.errors import InvalidRequest
from warren_worker import dropping
from warren_worker.dialect import Conversation
from warren_worker.dialects.chat import Chat
from warren_worker.provider import Endpoint

TOOLS = [
    {"type": "web_search"},
    {"type": "function", "name": "f"},
    {"type": "code_interpreter", "container": {"type": "auto"}},
]
ITEMS = [{"type": "message", "role": "user", "content": "hello"}]


def called(*, drop: bool = True, items: list[dict[str, Any]] | None = None, **request: Any) -> tuple[Any, Any]:
    asked = {"model": "m", "input": items or ITEMS, **request}
    endpoint = Endpoint("d", "openai", "m", "http://nowhere", Chat(), remembers=False, headers={}, drops=drop)
    call, conversation, dropped = dropping.call(endpoint, Conversation(asked, asked["input"]))
    assert set(conversation.request) <= set(asked)
    return call.body, dropped


def test_what_the_model_takes_is_kept() -> None:
    body, dropped = called(tools=TOOLS[1:2], temperature=0.5)
    assert dropped == ()
    assert (len(body["tools"]), body["temperature"]) == (1, 0.5)


def test_hosted_tools_are_told_by_the_places_they_had() -> None:
    body, dropped = called(tools=TOOLS)
    assert dropped == ("tools[0]", "tools[2]")
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]


def test_without_a_tool_left_there_are_none() -> None:
    body, dropped = called(tools=TOOLS[:1], tool_choice="auto")
    assert dropped == ("tools[0]",)
    assert "tools" not in body


def test_fields_and_keys_of_fields_are_told_by_name() -> None:
    _, dropped = called(prompt={"id": "pmpt_1"}, moderation={"model": "m"})
    assert set(dropped) == {"prompt", "moderation"}


@pytest.mark.parametrize("request_", [{"tools": TOOLS}, {"prompt": {"id": "pmpt_1"}}])
def test_nothing_is_left_out_unasked(request_: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        called(drop=False, **request_)
    assert caught.value.code == "unsupported_parameter"


def test_the_conversation_itself_is_never_left_out() -> None:
    items = [*ITEMS, {"type": "compaction_trigger"}]
    with pytest.raises(InvalidRequest) as caught:
        called(items=items)
    assert str(caught.value.param).startswith("input[1]")


def test_what_is_wrong_is_refused_all_the_same() -> None:
    with pytest.raises(InvalidRequest):
        called(tools=[{"type": "function"}])
