"""The assembler: whatever a provider says, in whatever order, the stream is legal and folds into its end."""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response

from tests.rig.legal import check_stream
from tests.worker.telling import assembler, wire
from warren.contracts import Usage
from warren.errors import InvalidRequest, UpstreamError, UpstreamTruncated
from warren_worker.assembler import Assembler
from warren_worker.dialect import (
    Annotation,
    Arguments,
    Delta,
    Hosted,
    Kept,
    Native,
    Refusal,
    Stop,
    Summary,
    Text,
    Thought,
    Tokens,
    ToolCall,
    UpstreamId,
)
from warren_worker.wrapping import Unwrapper, wrapped

WORDS = st.text(min_size=1, max_size=6)
LOGPROB = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
OBJECTS = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=4) | st.just({"}": "{"}), max_size=3)
REQUEST: dict[str, Any] = {
    "model": "m",
    "input": "hi",
    "tools": [
        {"type": "function", "name": "f"},
        {"type": "custom", "name": "patch"},
        {"type": "namespace", "name": "ns", "description": "d", "tools": [{"type": "custom", "name": "run"}]},
    ],
}
MORE_SHOWN = {"include": ["reasoning.encrypted_content"], "stream_options": {"include_obfuscation": True}}
SEARCHED = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "rain"}}
CITED = {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 0, "end_index": 1}
MORE: st.SearchStrategy[Delta] = st.sampled_from([Tokens(Usage(input_tokens=3, output_tokens=4)), UpstreamId("u")])


def beside(at: int) -> st.SearchStrategy[Delta]:
    """What is no text of the model's own, and can be told by a number."""
    search = Hosted({**SEARCHED, "action": {"type": "search", "query": f"{at}"}})
    data = {"by": "them", "at": at}
    return st.sampled_from([Kept(data), Kept(data, thought=False), search])


@st.composite
def answers(draw: st.DrawFn) -> list[Delta]:
    """Text, thoughts and refusals between calls; the arguments of each call in pieces that take turns."""
    deltas: list[Delta] = []
    open_: dict[int, list[str]] = {}
    for step in range(draw(st.integers(0, 14))):
        match draw(st.sampled_from(KINDS)):
            case "text":
                deltas.append(Text(draw(WORDS), draw(st.sampled_from([[], [], [LOGPROB]]))))
            case "thought":
                deltas.append(Thought(draw(WORDS)))
            case "summary":
                deltas.append(Summary(draw(WORDS), draw(st.integers(0, 2))))
            case "annotation":
                deltas.append(Annotation(CITED))
            case "refusal":
                deltas.append(Refusal(draw(WORDS)))
            case "beside":
                deltas.append(draw(beside(step)))
            case "call":
                name = draw(st.sampled_from([f"tool{step}", "f", "patch", "ns__run"]))
                deltas.append(ToolCall(step, draw(st.sampled_from([None, f"call_{step}"])), name))
                whole = draw(st.sampled_from(["", "{}"]) | OBJECTS.map(json.dumps) | WORDS.map(wrapped))
                at = draw(st.integers(0, len(whole)))
                open_[step] = [piece for piece in (whole[:at], whole[at:]) if piece]
            case "piece":
                waiting = [call for call, pieces in open_.items() if pieces]
                if waiting:
                    call = draw(st.sampled_from(waiting))
                    deltas.append(Arguments(call, open_[call].pop(0)))
            case _:
                deltas.append(draw(MORE))
    if draw(st.booleans()):
        deltas += [Arguments(call, piece) for call, pieces in open_.items() for piece in pieces]
    return deltas


KINDS = [
    "text", "text", "thought", "summary", "annotation", "refusal", "beside", "beside", "call", "call", "piece",
    "piece", "more",
]  # fmt: skip
ENDS = st.sampled_from(["done", "max_output_tokens", "content_filter", "cut off", "failed", "cancelled"])


def told(one: Assembler, deltas: list[Delta], end: str, alive: int = 99) -> list[dict[str, Any]]:
    """The stream of an answer that ends like this; before delta number `alive` there is a sign of life, behind the last
    one between the making of the end and its saying.
    """
    events = wire(one.start())
    for number, delta in enumerate(deltas):
        if number == alive:
            events += wire(one.keep_alive())
        events += wire(one.feed(delta))
    match end:
        case "done" | "max_output_tokens" | "content_filter":
            assert one.feed(Stop(end)) == []
            ending = one.finish(at=9.5)
        case "cut off":
            with pytest.raises(UpstreamTruncated) as caught:
                one.finish(at=9.5)
            ending = one.fail(caught.value)
        case "failed":
            ending = one.fail(InvalidRequest("No.", param="input"))
        case _:
            ending = one.cancel()
    if alive == len(deltas):
        events += wire(one.keep_alive())
    return [*events, *wire(ending)]


def text_of(output: list[dict[str, Any]], kind: str) -> str:
    """All text of this kind, in its order."""
    parts = [part for item in output for part in item.get("content", ()) if part["type"] == kind]
    return "".join(part.get("text", "") + part.get("refusal", "") for part in parts)


@given(answers(), ENDS, st.integers(0, 10), st.booleans())
def test_any_answer_makes_a_legal_stream_that_holds_all_that_was_said(
    deltas: list[Delta], end: str, alive: int, more: bool
) -> None:
    one = assembler(REQUEST | MORE_SHOWN if more else REQUEST, read=3, seal=lambda data: data.decode())
    final = check_stream(told(one, deltas, end, alive))
    assert final == wire([one.response])[0]
    Response.model_validate({**final, "error": None})
    output = final["output"]
    assert text_of(output, "output_text") == "".join(delta.text for delta in deltas if isinstance(delta, Text))
    assert text_of(output, "refusal") == "".join(delta.text for delta in deltas if isinstance(delta, Refusal))
    assert text_of(output, "reasoning_text") == "".join(delta.text for delta in deltas if isinstance(delta, Thought))
    said = [part for item in output if item["type"] == "reasoning" for part in item["summary"]]
    assert "".join(part["text"] for part in said) == "".join(d.text for d in deltas if isinstance(d, Summary))
    noted = [note for item in output for part in item.get("content", ()) for note in part.get("annotations", ())]
    assert noted == [CITED for delta in deltas if isinstance(delta, Annotation)]
    searched = [item["action"]["query"] for item in output if item["type"] == "web_search_call"]
    assert searched == [delta.item["action"]["query"] for delta in deltas if isinstance(delta, Hosted)]
    _check_kept(deltas, output, one.kept)
    _check_calls(deltas, output, whole=end == "done")
    assert one.shown == bool(output)
    _check_end(final, end, deltas)


def _check_kept(deltas: list[Delta], output: list[dict[str, Any]], kept: Mapping[str, list[Any]]) -> None:
    """All of it once, beside items that there are, in its order; what came before every item is nobody's."""
    ids = [item["id"] for item in output]
    assert kept.keys() <= set(ids)
    said = [data["at"] for id_ in ids for data in kept.get(id_, ())]
    given = [delta.data["at"] for delta in deltas if isinstance(delta, Kept) and delta.thought]
    assert [at for at in said if at in given] == given
    there = False
    for delta in deltas:
        if isinstance(delta, Kept) and not delta.thought:
            given += [delta.data["at"]] * there
        elif not isinstance(delta, Tokens | UpstreamId):
            there = True
    assert sorted(said) == sorted(given)


def _check_calls(deltas: list[Delta], output: list[dict[str, Any]], *, whole: bool) -> None:
    pieces: dict[int | str, str] = defaultdict(str)
    for delta in deltas:
        if isinstance(delta, Arguments):
            pieces[delta.call] += delta.part
    calls = [delta for delta in deltas if isinstance(delta, ToolCall)]
    made = [item for item in output if item["type"] in ("function_call", "custom_tool_call")]
    named = [f"{item['namespace']}__{item['name']}" if "namespace" in item else item["name"] for item in made]
    assert named == [call.name for call in calls]
    for item, call in zip(made, calls, strict=True):
        assert item["call_id"] == call.call_id or (call.call_id is None and item["call_id"].startswith("call_"))
        assert (item["type"] == "custom_tool_call") == (call.name in ("patch", "ns__run"))
        if item["type"] == "custom_tool_call":
            assert item["input"] == unwrapped(pieces[call.call])
            continue
        if pieces[call.call]:
            assert item["arguments"] == pieces[call.call]
        else:
            assert (item["arguments"], item["status"]) in [("{}", "completed"), ("", "incomplete")]
        if item["status"] == "completed" and not whole:
            assert isinstance(json.loads(item["arguments"]), dict)  # what is cut is never shown as whole


def unwrapped(arguments: str) -> str:
    one = Unwrapper()
    return one.feed(arguments) + one.end()


def _check_end(final: dict[str, Any], end: str, deltas: list[Delta]) -> None:
    statuses = [item["status"] for item in final["output"] if "status" in item]
    match end:
        case "done":
            assert final["status"] == "completed"
            assert final["completed_at"] == 9
            assert set(statuses) <= {"completed"}
        case "max_output_tokens" | "content_filter":
            assert (final["status"], final["incomplete_details"]) == ("incomplete", {"reason": end})
        case "cut off":
            assert (final["status"], final["error"]["code"]) == ("failed", "upstream_truncated")
        case "failed":
            assert (final["status"], final["error"]["message"]) == ("failed", "No.")
        case _:
            assert final["status"] == "cancelled"
    if end != "done" and final["output"] and final["output"][-1]["type"] == "message":
        assert statuses[-1] == "incomplete"
    usage = final["usage"]
    if usage is not None and any(isinstance(delta, Tokens) for delta in deltas):
        assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (3, 4, 7)
        assert "estimated" not in usage
    elif usage is not None:
        assert usage["estimated"] is True
        assert usage["input_tokens"] == 3  # ten characters, four to a token
    else:
        assert end in ("cut off", "failed", "cancelled")
        assert not final["output"]


@given(answers())
def test_a_second_attempt_goes_on_with_the_numbers(deltas: list[Delta]) -> None:
    first = assembler()
    begun = wire(first.start())
    second = assembler(sequence=first.sequence)
    events = [*begun]
    for delta in [*deltas, Stop()]:
        events += wire(second.feed(delta))
    check_stream([*events, *wire(second.finish(at=2))])


def test_text_tool_text_is_three_items() -> None:
    deltas: list[Delta] = [Text("a"), ToolCall(0, "c", "f"), Arguments(0, "{}"), Text("b")]
    final = check_stream(told(assembler(), deltas, "done"))
    assert [item["type"] for item in final["output"]] == ["message", "function_call", "message"]


def test_parallel_calls_that_take_turns_come_one_after_the_other() -> None:
    one = assembler()
    begun = (ToolCall(0, "a", "f"), ToolCall(1, "b", "g"), Arguments(1, '{"y":'))
    events = [one.feed(delta) for delta in begun]
    assert [len(made) for made in events] == [1, 0, 0]
    assert [len(one.feed(Arguments(0, part))) for part in ('{"x":', "1")] == [1, 1]
    assert [event["type"].removeprefix("response.") for event in one.feed(Arguments(0, "}"))] == [
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
    ]
    one.feed(Arguments(1, "2}"))
    one.feed(Stop())
    one.finish(at=1)
    assert [item["arguments"] for item in one.response["output"]] == ['{"x":1}', '{"y":2}']


def test_a_number_is_not_taken_for_whole_arguments() -> None:
    deltas: list[Delta] = [
        ToolCall(0, "a", "f"),
        ToolCall(1, "b", "g"),
        Arguments(0, "1"),
        Arguments(0, "2"),
        Arguments(1, "{}"),
    ]
    final = check_stream(told(assembler(), deltas, "done"))
    assert [item["arguments"] for item in final["output"]] == ["12", "{}"]


def test_broken_arguments_are_kept_as_the_model_wrote_them() -> None:
    deltas: list[Delta] = [
        ToolCall(0, "a", "f"),
        Arguments(0, '{"x": oops'),
        Text("so"),
        ToolCall(1, "b", "g"),
        Arguments(1, "{}"),
    ]
    final = check_stream(told(assembler(), deltas, "done"))
    assert [item.get("arguments") for item in final["output"]] == ['{"x": oops', None, "{}"]


def test_a_call_that_was_cut_does_not_look_whole() -> None:
    for end in ("max_output_tokens", "failed", "cancelled"):
        deltas: list[Delta] = [ToolCall(0, "a", "f"), ToolCall(1, "b", "g"), Arguments(0, '{"x"'), Arguments(1, '{"y"')]
        final = check_stream(told(assembler(), deltas, end))
        assert [item["status"] for item in final["output"]] == ["incomplete", "incomplete"]


def test_arguments_for_nobody_are_the_providers_fault() -> None:
    one = assembler()
    with pytest.raises(UpstreamError):
        one.feed(Arguments(0, "{}"))
    assert one.feed(Arguments(0, " \n")) == []
    one.feed(ToolCall(0, "a", "f"))
    one.feed(Arguments(0, "{}"))
    one.feed(Text("b"))
    assert one.feed(Arguments(0, "\n")) == []
    with pytest.raises(UpstreamError):
        one.feed(Arguments(0, "{}"))


def test_many_calls_that_wait_are_no_work_times_work() -> None:
    """2,000 calls and 20,000 pieces that take turns: work for a moment, not for minutes."""
    one = assembler()
    for call in range(2000):
        one.feed(ToolCall(call, None, "f"))
    for number in range(20_000):
        one.feed(Arguments(number % 2000, "x"))
    one.feed(Stop())
    events = [*wire(one.start()), *wire(one.finish(at=1))]
    assert len(one.response["output"]) == 2000
    assert sum(event["type"] == "response.output_item.done" for event in events) == 2000


def test_what_was_shown_of_an_answer_is_told() -> None:
    one = assembler()
    one.start()
    one.keep_alive()
    assert not one.shown
    for silent in (UpstreamId("u"), Tokens(Usage()), Stop()):
        one.feed(silent)
    assert not one.shown
    one.feed(Text("a"))
    assert one.shown
    assert one.upstream_id == "u"


def test_an_answer_of_nothing_is_complete() -> None:
    final = check_stream(told(assembler(), [], "done"))
    assert (final["status"], final["output"]) == ("completed", [])


def test_what_is_kept_is_kept_beside_its_thought_and_never_shown() -> None:
    one = assembler()
    block = {"by": "them", "block": {"signature": "secret"}}
    deltas: list[Delta] = [Summary("a"), Kept(block), Text("b"), Kept({"by": "them", "of": "text"}, thought=False)]
    events = told(one, deltas, "done")
    thought, message = check_stream(events)["output"]
    assert one.kept == {thought["id"]: [block], message["id"]: [{"by": "them", "of": "text"}]}
    assert "secret" not in json.dumps(events)


def test_what_is_kept_without_a_thought_opens_an_empty_one() -> None:
    one = assembler()
    deltas: list[Delta] = [
        Text("a"),
        Kept({"by": "g", "signature": "s"}),
        ToolCall(0, "call_1", "f"),
        Arguments(0, "{}"),
    ]
    final = check_stream(told(one, deltas, "done"))
    assert [item["type"] for item in final["output"]] == ["message", "reasoning", "function_call"]
    assert final["output"][1]["summary"] == final["output"][1]["content"] == []
    assert one.kept == {final["output"][1]["id"]: [{"by": "g", "signature": "s"}]}


def test_what_is_kept_of_a_later_call_waits_for_the_open_one() -> None:
    one = assembler()
    deltas: list[Delta] = [
        ToolCall(0, "call_1", "f"), Kept({"by": "g", "n": 1}), ToolCall(1, "call_2", "f"), Hosted(SEARCHED),
        Kept({"by": "g", "n": 2}, thought=False), Arguments(1, "{}"), Arguments(0, "{}"),
    ]  # fmt: skip
    final = check_stream(told(one, deltas, "done"))
    kinds = ["function_call", "reasoning", "function_call", "web_search_call"]
    assert [item["type"] for item in final["output"]] == kinds
    assert one.kept == {
        final["output"][1]["id"]: [{"by": "g", "n": 1}],
        final["output"][3]["id"]: [{"by": "g", "n": 2}],
    }


def test_what_belongs_to_nothing_is_not_kept() -> None:
    one = assembler()
    final = check_stream(told(one, [Kept({"by": "g"}, thought=False)], "done"))
    assert (final["output"], one.kept) == ([], {})


def test_what_is_kept_is_sealed_with_its_thought() -> None:
    given: list[bytes] = []

    def seal(data: bytes) -> str:
        given.append(data)
        return "sealed"

    one = assembler({**REQUEST, "include": ["reasoning.encrypted_content"]}, seal=seal)
    final = check_stream(told(one, [Summary("a"), Kept({"by": "x"}), Kept({"by": "y"}, thought=False)], "done"))
    assert final["output"][0]["encrypted_content"] == "sealed"
    assert given == [b'{"content":[],"kept":[{"by":"x"},{"by":"y"}]}']


@pytest.mark.parametrize("include", [[], ["web_search_call.action.sources"]])
def test_a_hosted_search_is_an_item_with_its_events(include: list[str]) -> None:
    action = {"type": "search", "query": "rain", "sources": [{"type": "url", "url": "https://x"}]}
    one = assembler({**REQUEST, "include": include})
    events = told(one, [Text("a"), Hosted({**SEARCHED, "action": action}), Text("b")], "done")
    output = check_stream(events)["output"]
    assert [item["id"].partition("_")[0] for item in output] == ["msg", "ws", "msg"]
    assert output[1]["action"] == (action if include else {"type": "search", "query": "rain"})
    stages = [event["type"].rpartition(".")[2] for event in events if "web_search_call" in event["type"]]
    assert stages == ["in_progress", "searching", "completed"]


def test_an_answer_with_a_pause_is_one_answer() -> None:
    one = assembler()
    events = wire(one.start())
    first: list[Delta] = [Text("a"), Tokens(Usage(input_tokens=5, output_tokens=2)), Stop("paused")]
    for delta in first:
        events += wire(one.feed(delta))
    assert one.paused
    events += wire(one.resume())
    assert not one.paused
    second: list[Delta] = [Text("b"), Tokens(Usage(input_tokens=8, output_tokens=1)), Stop()]
    for delta in second:
        events += wire(one.feed(delta))
    assert one.usage == Usage(input_tokens=8, output_tokens=1)
    final = check_stream(events + wire(one.finish(at=9.5)))
    assert text_of(final["output"], "output_text") == "ab"
    assert (final["status"], len(final["output"])) == ("completed", 2)
    assert (final["usage"]["input_tokens"], final["usage"]["output_tokens"]) == (13, 3)
    assert "estimated" not in final["usage"]


def test_of_two_usages_one_is_an_estimate_and_so_is_their_sum() -> None:
    one = assembler(read=2)
    first: list[Delta] = [Text("abcd"), Stop("paused")]
    for delta in first:
        one.feed(delta)
    one.resume()
    second: list[Delta] = [Tokens(Usage(input_tokens=8, output_tokens=1)), Stop()]
    for delta in second:
        one.feed(delta)
    one.finish(at=9.5)
    usage = one.response["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["estimated"]) == (10, 2, True)


def test_a_later_usage_replaces_an_earlier_one() -> None:
    deltas: list[Delta] = [Tokens(Usage(input_tokens=5, output_tokens=9)), Tokens(Usage(output_tokens=2))]
    final = check_stream(told(assembler(), deltas, "done"))
    assert (final["usage"]["input_tokens"], final["usage"]["output_tokens"]) == (0, 2)


def native(kind: str, **more: Any) -> Native:
    return Native({"type": f"response.{kind}", **more})


MESSAGE = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": []}
ADDED = native("output_item.added", output_index=0, item={**MESSAGE, "status": "in_progress"})


@pytest.mark.parametrize(
    "event",
    [
        native("output_text.delta", output_index=1, item_id="m", content_index=0, delta="a", logprobs=[]),
        native("output_text.delta", output_index=0, item_id="m", content_index=0, delta="a", logprobs=[]),
        native("output_item.done", output_index=7, item=MESSAGE),
        native("output_item.added", output_index=0, item=MESSAGE),
        native("output_item.added", output_index=[], item=MESSAGE),
        native("content_part.added", output_index=0, item_id="m", content_index=2, part={}),
        native("content_part.added", output_index=0, item_id="m", content_index=None, part={}),
        native("function_call_arguments.delta", output_index=0, item_id="m", delta="a"),
    ],
)
def test_a_native_event_that_does_not_fit_ends_the_stream_legally(event: Native) -> None:
    one = assembler()
    events = [*wire(one.start()), *wire(one.feed(ADDED))]
    with pytest.raises(UpstreamError) as caught:
        one.feed(event)
    final = check_stream([*events, *wire(one.fail(caught.value))])
    assert [item["status"] for item in final["output"]] == ["incomplete"]


def test_what_follows_the_end_of_a_native_stream_is_not_shown() -> None:
    one = assembler()
    events = wire(one.start())
    end = native("completed", response={"id": "u", "status": "completed", "output": [MESSAGE]})
    for delta in (end, Stop(), end, ADDED, native("output_text.delta", output_index=0, delta="x")):
        events += wire(one.feed(delta))
    assert check_stream([*events, *wire(one.finish(at=1))])["output"] == [MESSAGE]


@pytest.mark.parametrize("index", [0, 3, 17])
def test_native_items_are_counted_without_gaps(index: int) -> None:
    one = assembler()
    events = wire(one.start())
    for number in range(3):
        item = {**MESSAGE, "id": f"m{number}"}
        at = index * number + 5
        events += wire(one.feed(native("output_item.added", output_index=at, item={**item, "status": "in_progress"})))
        events += wire(one.feed(native("output_item.done", output_index=at, item=item)))
        if index == 0:
            break
    one.feed(native("completed", response={"status": "completed", "output": []}))
    one.feed(Stop())
    assert len(check_stream([*events, *wire(one.finish(at=1))])["output"]) == (3 if index else 1)


def test_a_custom_tool_is_called_with_plain_input() -> None:
    deltas: list[Delta] = [ToolCall(0, "c", "patch"), *(Arguments(0, part) for part in ('{"input":"a', "\\n", 'b"}'))]
    events = told(assembler(REQUEST), deltas, "done")
    final = check_stream(events)
    assert [event["delta"] for event in events if event["type"].endswith(".delta")] == ["a", "\n", "b"]
    (call,) = final["output"]
    assert (call["type"], call["name"], call["call_id"], call["input"]) == ("custom_tool_call", "patch", "c", "a\nb")
    assert call["id"].startswith("ctc_")
    assert "arguments" not in call


def test_a_tool_of_a_namespace_has_its_own_name_again() -> None:
    final = check_stream(told(assembler(REQUEST), [ToolCall(0, "c", "ns__run"), Arguments(0, "x")], "done"))
    (call,) = final["output"]
    assert (call["namespace"], call["name"], call["input"]) == ("ns", "run", "x")


def test_custom_calls_that_take_turns_keep_their_own_input() -> None:
    deltas: list[Delta] = [
        ToolCall(0, "a", "patch"),
        ToolCall(1, "b", "f"),
        ToolCall(2, "c", "patch"),
        Arguments(2, '{"input": "z'),
        Arguments(1, "{}"),
        Arguments(0, '{"input": "a"}'),
        Arguments(2, '"}'),
    ]
    final = check_stream(told(assembler(REQUEST), deltas, "done"))
    assert [item.get("input", item.get("arguments")) for item in final["output"]] == ["a", "{}", "z"]


@pytest.mark.parametrize(("include", "sealed"), [([], None), (["reasoning.encrypted_content"], "sealed")])
def test_reasoning_is_sealed_for_those_who_ask(include: list[str], sealed: str | None) -> None:
    given: list[bytes] = []

    def seal(data: bytes) -> str:
        given.append(data)
        return "sealed"

    one = assembler({**REQUEST, "include": include}, seal=seal)
    final = check_stream(told(one, [Thought("a"), Thought("b"), Text("c")], "done"))
    assert final["output"][0].get("encrypted_content") == sealed
    content = b'[{"type":"reasoning_text","text":"ab"}]'
    assert given == ([] if sealed is None else [b'{"content":' + content + b',"kept":[]}'])


@pytest.mark.parametrize("asked", [True, False, None])
def test_deltas_are_veiled_for_those_who_ask(asked: bool | None) -> None:
    one = assembler({**REQUEST, "stream_options": {"include_obfuscation": asked}})
    events = told(one, [Text("a"), Text("bc"), ToolCall(0, "c", "f"), Arguments(0, "{}")], "done")
    check_stream(events)
    for event in events:
        assert ("obfuscation" in event) == (asked is True and "delta" in event)
        if "obfuscation" in event:
            assert (len(event["obfuscation"]) + len(event["delta"])) % 16 == 0


def test_a_compaction_comes_before_the_model_speaks() -> None:
    item = {"id": "cmp_1", "type": "compaction", "encrypted_content": "x"}
    for deltas in ([Text("a")], [ADDED, native("completed", response={"status": "completed", "output": []})]):
        one = assembler()
        events = [*wire(one.start()), *wire(one.compaction(item))]
        assert one.shown
        for delta in [*deltas, Stop()]:
            events += wire(one.feed(delta))
        final = check_stream([*events, *wire(one.finish(at=1))])
        assert [made["type"] for made in final["output"]] == ["compaction", "message"]
