"""What goes through to a provider that speaks the Responses API, and what comes back, as it is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rig.legal import check_stream
from tests.shared.test_events import HOSTED, ITEMS
from tests.worker.telling import REQUEST, assembler, fed, wire
from warren import events
from warren.objects import blank
from warren_worker.dialect import Conversation
from warren_worker.dialects.responses import Responses

Item = dict[str, Any]
ASKED = {**REQUEST, "stream_options": {"include_obfuscation": True}}


def answer(output: list[Item], request: Item = REQUEST, **veil: str) -> list[Item]:
    """What becomes of a provider's stream of these items, whose deltas have an obfuscation."""
    theirs = {**blank(request, response_id="theirs", created_at=1), "status": "completed", "output": output}
    theirs["usage"] = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    sent = [{**event, **veil} if "delta" in event else event for event in wire(events.replay(theirs))]
    one = assembler(request)
    made = wire(one.start())
    for delta in fed(Responses().reader(Conversation(request, [])), sent):
        made += wire(one.feed(delta))
    return [*made, *wire(one.finish(at=2))]


def numbered(items: list[Item]) -> list[Item]:
    return [{**item, "id": f"item_{number}"} for number, item in enumerate(items)]


@given(st.lists(ITEMS | HOSTED, max_size=3))
def test_every_kind_of_item_comes_through_unchanged(items: list[Item]) -> None:
    output = numbered(items)
    made = answer(output)
    assert check_stream(made)["output"] == output
    said = list(events.replay({**made[-1]["response"], "status": "completed"}))
    assert [event["type"] for event in made] == [event["type"] for event in said]


@pytest.mark.parametrize("request_", [REQUEST, ASKED])
def test_a_providers_own_obfuscation_is_not_passed_on(request_: Item) -> None:
    text = {"type": "output_text", "text": "hello", "annotations": [], "logprobs": []}
    message = {"type": "message", "role": "assistant", "status": "completed", "content": [text]}
    made = answer(numbered([message]), request_, obfuscation="theirs")
    check_stream(made)
    (delta,) = [event for event in made if "delta" in event]
    assert delta.get("obfuscation") != "theirs"
    assert ("obfuscation" in delta) == (request_ is ASKED)


def test_a_summary_without_places_is_put_in_order() -> None:
    """llama.cpp does not say which item an event is about."""
    sent: list[Any] = [
        {"type": "response.output_item.added", "item": {"type": "reasoning", "id": "rs"}},
        {"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": "a"},
        {"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": "b"},
        {"type": "response.reasoning_summary_text.delta", "summary_index": 1, "delta": "c"},
        {"type": "response.output_text.delta", "delta": "d"},
        {"type": "response.completed", "response": {"id": "u", "status": "completed"}},
    ]
    one = assembler()
    made = wire(one.start())
    for delta in fed(Responses().reader(Conversation(REQUEST, [])), sent):
        made += wire(one.feed(delta))
    reasoning, message = check_stream([*made, *wire(one.finish(at=2))])["output"]
    assert [part["text"] for part in reasoning["summary"]] == ["ab", "c"]
    assert message["content"][0]["text"] == "d"
