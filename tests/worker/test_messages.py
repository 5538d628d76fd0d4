"""Anthropic's Messages against golden files: a conversation and the call it makes; events and the answer they make.

The files were read before they were kept. Calls are also held against the types of the vendor's own SDK and against
what the vendor says that it refuses (`tests.rig.vendors.messages_rules`).
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from tests.rig.legal import check_stream
from tests.rig.vendors.messages_rules import check
from tests.worker.telling import REQUEST, assembler, fed, wire
from warren import sse
from warren.errors import WarrenError
from warren.objects import items
from warren_worker.assembler import Assembler
from warren_worker.dialect import Call, Conversation
from warren_worker.dialects.messages import Messages
from warren_worker.dialects.messages.column import PARAMETERS
from warren_worker.dialects.messages.reader import MessagesReader
from warren_worker.facts import Facts
from warren_worker.parameters import NAMES

GOLDEN = Path(__file__).parents[1] / "golden" / "anthropic"
HEADERS = {"anthropic-version": "2023-06-01", "x-api-key": "k", "authorization": "Bearer t"}


def golden(kind: str) -> list[Any]:
    paths = sorted((GOLDEN / kind).glob("*.json"))
    assert paths
    return [pytest.param(json.loads(path.read_text()), id=path.stem) for path in paths]


def facts_of(case: dict[str, Any]) -> Facts:
    given: dict[str, Any] = case.get("facts", {})
    made: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return Facts(**made)


def called(case: dict[str, Any]) -> Call:
    dialect = Messages(facts=facts_of(case), vertex=case.get("vertex"))
    request = case["request"]
    made = dialect.call(Conversation(request, items(request["input"]), kept=case.get("kept", {})), "theirs")
    counted = dialect.count(Conversation(request, items(request["input"]), kept=case.get("kept", {})), "theirs")
    check(made.body, HEADERS, counts=False, vertex=dialect.vertex is not None)
    check(counted.body, HEADERS, counts=True, vertex=dialect.vertex is not None)
    return made


@pytest.mark.parametrize("case", golden("calls"))
def test_a_conversation_makes_this_call(case: dict[str, Any]) -> None:
    assert {name: value for name, value in asdict(called(case)).items() if value} == case["call"]


def test_every_parameter_is_in_the_column() -> None:
    assert PARAMETERS.keys() == NAMES.keys()


def stream_of(events: list[Any]) -> tuple[Assembler, list[dict[str, Any]], WarrenError | None]:
    """What is made of an answer of these events, as it is sent."""
    one = assembler({**REQUEST, "include": ["web_search_call.action.sources"]}, read=10)
    sent = wire(one.start())
    error: WarrenError | None = None
    try:
        for delta in fed(MessagesReader(), events):
            sent += wire(one.feed(delta))
        sent += wire(one.finish(at=9))
    except WarrenError as failed:
        error = failed
        sent += wire(one.fail(failed))
    return one, sent, error


def outcome_of(events: list[Any]) -> dict[str, Any]:
    """What an answer of these events comes to; its stream must be legal."""
    one, sent, error = stream_of(events)
    final = check_stream(sent)
    return {
        "status": final["status"],
        "error": None if error is None else {"kind": type(error).__name__, **error.detail()},
        "incomplete_details": final["incomplete_details"],
        "paused": one.paused,
        "output": final["output"],
        "kept": dict(one.kept),
        "usage": final["usage"],
        "service_tier": final["service_tier"],
        "upstream_id": one.upstream_id,
    }


@pytest.mark.parametrize("case", golden("answers"))
def test_events_make_this_answer(case: dict[str, Any]) -> None:
    assert outcome_of(case["events"]) == case["outcome"]


def test_it_reads_the_same_wherever_the_bytes_are_cut() -> None:
    case = json.loads((GOLDEN / "answers" / "search.json").read_text())
    data = b"".join(b"event: x\r\ndata: " + to_json(event) + b"\r\n\r\n" for event in case["events"])
    reader, answer = sse.Reader(), MessagesReader()
    events = [event for at in range(len(data)) for event in reader.feed(data[at : at + 1])]
    one = assembler({**REQUEST, "include": ["web_search_call.action.sources"]}, read=10)
    one.start()
    for event in events:
        for delta in answer.feed(event):
            one.feed(delta)
    one.finish(at=9)
    assert one.response["output"] == case["outcome"]["output"]


TEXT = st.text(min_size=1, max_size=8)
BLOCKS: Any = st.one_of(
    TEXT.map(lambda text: ({"type": "text", "text": ""}, [{"type": "text_delta", "text": text}])),
    st.tuples(TEXT, st.sampled_from(["", "sig"])).map(
        lambda pair: (
            {"type": "thinking", "thinking": "", "signature": ""},
            [
                {"type": "thinking_delta", "thinking": pair[0]},
                {"type": "signature_delta", "signature": pair[1]},
            ],
        )
    ),
    st.dictionaries(TEXT, TEXT, max_size=2).map(
        lambda given: (
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
            [{"type": "input_json_delta", "partial_json": part} for part in ("", json.dumps(given))],
        )
    ),
    st.just(({"type": "redacted_thinking", "data": "x"}, [])),
    st.just(({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}, [])),
    st.just(({"type": "web_search_tool_result", "tool_use_id": "s", "content": []}, [])),
    st.just(({"type": "news_of_some_sort", "whatever": 1}, [{"type": "news_delta"}])),
)


@given(st.lists(BLOCKS, max_size=6), st.randoms(use_true_random=False), st.booleans())
def test_blocks_in_any_order_make_a_legal_stream(blocks: list[Any], random: Any, interleaved: bool) -> None:
    tracks = []
    for index, (began, deltas) in enumerate(blocks):
        tracks.append(
            [
                {"type": "content_block_start", "index": index, "content_block": began},
                *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
                {"type": "content_block_stop", "index": index},
            ]
        )
    events: list[Any] = [{"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 1}}}]
    while tracks:
        track = random.choice(tracks) if interleaved else tracks[0]
        events.append(track.pop(0))
        if not track:
            tracks.remove(track)
    events += [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]
    final = check_stream(stream_of(events)[1])
    assert final["status"] == "completed"
    told = "".join(delta["text"] for _, deltas in blocks for delta in deltas if delta["type"] == "text_delta")
    if not interleaved:
        assert told == "".join(part["text"] for item in final["output"] for part in item.get("content", ()))


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
KEYS = (
    "type",
    "index",
    "delta",
    "content_block",
    "message",
    "usage",
    "error",
    "text",
    "id",
    "name",
    "input",
    "citation",
)
VALUES: Any = JSON | st.sampled_from(
    ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "text",
     "tool_use", "thinking", "text_delta", "input_json_delta", "server_tool_use", "web_search_tool_result", "error"]
)  # fmt: skip
ODD: Any = st.dictionaries(
    st.sampled_from(KEYS), VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5), max_size=5
)


@given(st.lists(ODD | JSON, max_size=5))
def test_whatever_is_sent_no_other_error_comes_out(events: list[Any]) -> None:
    check_stream(stream_of(events)[1])


def test_what_is_found_after_a_pause_belongs_to_the_search_before_it() -> None:
    def events(name: str) -> list[Any]:
        read: list[Any] = json.loads((GOLDEN / "answers" / f"{name}.json").read_text())["events"]
        return read

    one = assembler()
    sent = wire(one.start())
    for delta in fed(MessagesReader(), events("paused")):
        sent += wire(one.feed(delta))
    assert one.paused
    sent += wire(one.resume())
    for delta in fed(MessagesReader(), events("found_after_a_pause")):
        sent += wire(one.feed(delta))
    sent += wire(one.finish(at=9))
    final = check_stream(sent)
    assert [item["type"] for item in final["output"]] == ["message", "web_search_call", "message"]
    (kept,) = one.kept.values()
    assert [block["type"] for data in kept for block in data["blocks"]] == ["server_tool_use", "web_search_tool_result"]
    told = [{"role": "user", "content": "Rain?"}, *final["output"], {"role": "user", "content": "Sure?"}]
    made = Messages().call(Conversation({"input": told}, told, kept=one.kept), "m").body
    check({**made}, HEADERS, counts=False, vertex=False)
    kinds = [block["type"] for block in made["messages"][1]["content"]]
    assert kinds == ["text", "server_tool_use", "web_search_tool_result", "text"]
