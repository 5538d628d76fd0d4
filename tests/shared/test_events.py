"""The event stream as a value: made of a response, it folds into that response again."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rig.legal import check_stream
from warren.events import Fold, begin, end, failure, fold, interrupted, replay
from warren.objects import blank

WORDS = st.text(max_size=12)
STATUS = st.sampled_from(["completed", "incomplete"])
LOGPROBS = st.lists(
    st.fixed_dictionaries(
        {"token": WORDS, "logprob": st.just(-0.5), "bytes": st.just([1]), "top_logprobs": st.just([])}
    ),
    max_size=2,
)
ANNOTATIONS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.just("url_citation"),
            "url": WORDS,
            "title": WORDS,
            "start_index": st.integers(0, 9),
            "end_index": st.integers(0, 9),
        }
    ),
    max_size=2,
)
SAID = st.fixed_dictionaries(
    {"type": st.just("output_text"), "text": WORDS.filter(bool), "annotations": ANNOTATIONS, "logprobs": LOGPROBS}
)
SILENT = st.just({"type": "output_text", "text": "", "annotations": [], "logprobs": []})
REFUSED = st.fixed_dictionaries({"type": st.just("refusal"), "refusal": WORDS})
THOUGHT = st.fixed_dictionaries({"type": st.just("reasoning_text"), "text": WORDS})
SUMMARY = st.fixed_dictionaries({"type": st.just("summary_text"), "text": WORDS})
ENDED = st.sampled_from(["completed", "failed", "incomplete"])
PRINTED = st.fixed_dictionaries(
    {"stdout": WORDS, "stderr": WORDS, "outcome": st.just({"type": "exit", "exit_code": 0})}
)


def hosted(kind: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind), **more})


HOSTED = st.one_of(
    hosted("web_search_call", status=ENDED, action=st.just({"type": "search", "query": "q"})),
    hosted("file_search_call", status=ENDED, queries=st.just(["q"]), results=st.none()),
    hosted(
        "code_interpreter_call",
        status=ENDED,
        container_id=WORDS,
        code=st.none() | WORDS,
        outputs=st.just([{"type": "logs", "logs": "1"}]),
    ),
    hosted("image_generation_call", status=st.sampled_from(["completed", "failed"]), result=st.none() | WORDS),
    hosted("mcp_list_tools", server_label=WORDS, tools=st.just([]), error=st.none() | WORDS),
    hosted("mcp_call", status=ENDED, server_label=WORDS, name=WORDS, arguments=WORDS, output=st.none() | WORDS),
    hosted("mcp_approval_request", server_label=WORDS, name=WORDS, arguments=WORDS),
    hosted("shell_call", status=STATUS, call_id=WORDS, action=hosted("exec", commands=st.lists(WORDS, max_size=2))),
    hosted("shell_call_output", status=STATUS, call_id=WORDS, output=st.lists(PRINTED, max_size=2)),
    hosted("apply_patch_call_output", status=st.sampled_from(["completed", "failed"]), call_id=WORDS),
    hosted("compaction", encrypted_content=WORDS),
)
ITEMS = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("message"),
            "role": st.just("assistant"),
            "status": STATUS,
            "content": st.lists(SAID | SILENT | REFUSED, max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("reasoning"), "summary": st.lists(SUMMARY, max_size=2)},
        optional={"content": st.lists(THOUGHT, max_size=2), "encrypted_content": WORDS, "status": STATUS},
    ),
    st.fixed_dictionaries(
        {"type": st.just("function_call"), "call_id": WORDS, "name": WORDS, "arguments": WORDS, "status": STATUS}
    ),
    st.fixed_dictionaries({"type": st.just("custom_tool_call"), "call_id": WORDS, "name": WORDS, "input": WORDS}),
    HOSTED,
)
USAGE = {
    "input_tokens": 1,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 3,
}
ENDS: dict[str, dict[str, Any]] = {
    "completed": {"completed_at": 5, "usage": USAGE},
    "incomplete": {"incomplete_details": {"reason": "max_output_tokens"}, "usage": USAGE},
    "failed": {"error": {"code": "interrupted", "message": "Gone."}},
    "cancelled": {},
}


def response_of(items: list[dict[str, Any]], status: str) -> dict[str, Any]:
    response = blank({"model": "m"}, response_id="resp_1", created_at=1)
    output = [{**item, "id": f"item_{number}"} for number, item in enumerate(items)]
    return {**response, "status": status, "output": output, **ENDS[status]}


def numbered(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


@given(st.lists(ITEMS, max_size=4), st.sampled_from(sorted(ENDS)))
def test_a_replay_is_legal_and_folds_into_its_response(items: list[dict[str, Any]], status: str) -> None:
    response = response_of(items, status)
    before = deepcopy(response)
    events = numbered(list(replay(response)))
    assert check_stream(events) == before
    assert response == before


@given(st.lists(ITEMS, max_size=3), st.integers(0, 60))
def test_a_stream_that_breaks_off_closes_what_is_open(items: list[dict[str, Any]], at: int) -> None:
    events = json.loads(json.dumps(list(replay(response_of(items, "completed")))))
    state = Fold()
    shown = events[: max(2, min(at, len(events) - 1))]
    for event in shown:
        state.feed(event)
    closing = state.closing()
    for event in closing:
        state.feed(event)
    response = interrupted(state.response, "interrupted", "Gone.")
    final = check_stream(numbered([*shown, *closing, *failure(response)]))
    assert final["status"] == "failed"
    assert "in_progress" not in {item.get("status") for item in final["output"]}


@given(st.lists(ITEMS, min_size=1, max_size=3), st.integers(0, 60))
def test_a_fold_shows_as_much_as_was_said(items: list[dict[str, Any]], at: int) -> None:
    events = list(replay(response_of(items, "completed")))[:at]
    said = sum(len(event["delta"]) for event in events if isinstance(event.get("delta"), str))
    output = fold(events).get("output", [])
    shown = 0
    for item in output:
        if item["type"] != "mcp_approval_request":  # it comes as a whole
            shown += len(item.get("arguments", "")) + len(item.get("input", "")) + len(item.get("code") or "")
        shown += sum(map(len, item.get("action", {}).get("commands", ())))
        for part in [*(item.get("content") or []), *(item.get("summary") or [])]:
            shown += len(part.get("text", "")) + len(part.get("refusal", ""))
    assert shown == said


def test_events_that_are_not_known_change_nothing() -> None:
    events = list(replay(response_of([], "completed")))
    assert fold([*events[:2], {"type": "keepalive"}, {"type": "response.new.thing", "x": 1}, events[-1]]) == fold(
        events
    )


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_item.added", "output_index": 5, "item": {"type": "message"}},
        {"type": "response.output_item.added", "output_index": -1, "item": {"type": "message"}},
        {"type": "response.output_item.added", "item": {"type": "message"}},
        {"type": "response.output_text.delta", "output_index": 3, "content_index": 0, "delta": "x"},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 3, "delta": "x"},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": 5},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0},
        {"type": "response.output_text.delta", "output_index": "0", "content_index": 0, "delta": "x"},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "x"},
        {"type": "response.content_part.added", "output_index": 1, "content_index": 0, "part": {}},
        {"type": "response.content_part.added", "output_index": 0, "content_index": 2, "part": {}},
        {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 0, "part": {}},
    ],
)
def test_an_event_that_does_not_fit_changes_nothing(event: dict[str, Any]) -> None:
    message = {
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "hi", "annotations": [], "logprobs": []}],
    }
    state = Fold()
    for fit in list(replay(response_of([message], "completed")))[:5]:
        state.feed(fit)
    before = deepcopy(state.response)
    closing = deepcopy(state.closing())
    with pytest.raises((LookupError, TypeError, ValueError)):
        state.feed(event)
    assert state.response == before
    assert state.closing() == closing


def test_what_has_not_ended_has_no_end() -> None:
    with pytest.raises(ValueError, match="not ended"):
        end(blank({"model": "m"}, response_id="resp_1", created_at=1))


def test_every_stream_begins_with_nothing_said() -> None:
    for event in begin(response_of([{"type": "message", "content": []}], "failed")):
        response = event["response"]
        assert (response["status"], response["output"], response["error"]) == ("in_progress", [], None)


def test_an_error_tells_its_keys_nested_and_flat() -> None:
    response = response_of([], "failed")
    error, failed = failure(response, "input")
    assert error["error"] == {"type": "server_error", "param": "input", "code": "interrupted", "message": "Gone."}
    assert (error["code"], error["message"], error["param"]) == ("interrupted", "Gone.", "input")
    assert failed == {"type": "response.failed", "response": response}
