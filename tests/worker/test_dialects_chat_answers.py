"""What chat servers say, in the ways of their own in which they say it."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rig.legal import check_stream
from tests.worker.telling import assembler, fed, wire
from warren.errors import UpstreamError, UpstreamRateLimited
from warren_worker.dialect import Conversation, Kept, UpstreamId
from warren_worker.dialects.chat import Chat

Item = dict[str, Any]


def chunk(finish: str | None = None, **delta: Any) -> Item:
    return {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def answer(*events: Item, chat: Chat = Chat()) -> Item:  # noqa: B008  # frozen
    one = assembler()
    sent = wire(one.start())
    for delta in fed(chat.reader(Conversation({}, [])), [*events, b"[DONE]"]):
        sent += wire(one.feed(delta))
    return check_stream([*sent, *wire(one.finish(at=2))])


def test_citations_become_annotations() -> None:
    where: Item = {"url": "https://x", "title": "X", "start_index": 0, "end_index": 2}
    cited = {"type": "url_citation", "url_citation": where}
    final = answer(chunk(content="ab"), chunk(annotations=[cited, {"type": "other"}]), chunk("stop"))
    assert final["output"][0]["content"][0]["annotations"] == [{"type": "url_citation", **where}]


def test_thoughts_and_text_may_come_as_parts() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    final = answer(chunk(content=[thinking]), chunk(content=[{"type": "text", "text": "so"}]), chunk("stop"))
    assert [item["content"][0]["text"] for item in final["output"]] == ["hm", "so"]


def test_a_refusal_is_a_refusal() -> None:
    final = answer(chunk(refusal="I "), chunk(refusal="won't."), chunk("stop"))
    assert final["output"][0]["content"] == [{"type": "refusal", "refusal": "I won't."}]


@pytest.mark.parametrize(("said", "shown"), [("flex", "flex"), ("on_demand", "auto"), (None, "auto")])
def test_the_end_shows_how_the_provider_served_it(said: Any, shown: str) -> None:
    final = answer({**chunk(content="a"), "service_tier": said}, chunk("stop"))
    assert final["service_tier"] == shown


def test_the_old_form_of_a_call_is_read() -> None:
    final = answer(
        chunk(function_call={"name": "f", "arguments": "{"}), chunk("function_call", function_call={"arguments": "}"})
    )
    (call_,) = final["output"]
    assert (call_["name"], call_["arguments"]) == ("f", "{}")


@pytest.mark.parametrize(
    ("more", "cached"),
    [
        ({"usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_cache_hit_tokens": 3}}, 3),
        ({"usage": {"prompt_tokens": 5, "completion_tokens": 2}}, 0),
        ({"x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 2}}}, 0),
        ({"usage": {"prompt_tokens": 5, "completion_tokens": 2, "cached_tokens": 4}}, 4),
    ],
)
def test_usage_is_found_where_a_server_puts_it(more: Item, cached: int) -> None:
    usage = answer(chunk(content="a"), {**chunk("stop"), **more})["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (5, 2, 7)
    assert usage["input_tokens_details"] == {"cached_tokens": cached, "cache_write_tokens": 0}
    assert usage["output_tokens_details"] == {"reasoning_tokens": 0}
    assert "estimated" not in usage


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        *(
            (reason, "completed", None)
            for reason in ("stop", "tool_calls", "end_turn", "STOP", "COMPLETE", "pause_turn")
        ),
        *((reason, "incomplete", "max_output_tokens") for reason in ("length", "MAX_TOKENS")),
        *((reason, "incomplete", "content_filter") for reason in ("content_filter", "SAFETY", "refusal")),
    ],
)
def test_why_an_answer_ended_is_told(reason: str, status: str, why: str | None) -> None:
    final = answer(chunk(content="a"), chunk(reason))
    assert (final["status"], (final["incomplete_details"] or {}).get("reason")) == (status, why)


def piece(call_id: str | None = None, **function: Any) -> Item:
    return chunk(tool_calls=[{"index": 0, "id": call_id, "function": function}])


@pytest.mark.parametrize("name", [None, ""])
def test_a_calls_name_may_come_behind_its_id(name: str | None) -> None:
    (call_,) = answer(piece("c", name=name), piece(name="f"), piece(arguments="{}"), chunk("tool_calls"))["output"]
    assert (call_["call_id"], call_["name"], call_["arguments"]) == ("c", "f", "{}")


@pytest.mark.parametrize("said", [[piece("c")], [piece("c", arguments="{}")]], ids=["id", "arguments"])
def test_a_call_of_nothing_is_a_failure(said: list[Item]) -> None:
    with pytest.raises(UpstreamError):
        answer(*said, chunk("tool_calls"))


def test_only_the_first_of_several_answers_is_read() -> None:
    other = {"id": "x", "choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": "length"}]}
    final = answer(chunk(content="a"), other, chunk("stop"), other)
    assert (final["status"], final["output"][0]["content"][0]["text"]) == ("completed", "a")


def test_an_error_may_be_the_whole_of_an_event() -> None:
    with pytest.raises(UpstreamRateLimited):
        answer(chunk(content="a"), {"object": "error", "message": "Slow down.", "code": 429})


@pytest.mark.parametrize("reason", ["error", "ERROR", "MALFORMED_FUNCTION_CALL", "network_error", "unheard_of"])
def test_an_end_that_is_a_failure_is_never_a_success(reason: str) -> None:
    with pytest.raises(UpstreamError):
        answer(chunk(content="a"), chunk(reason))


def test_thoughts_that_are_counted_apart_are_counted_in() -> None:
    """xAI does so; its total tells."""
    usage: Item = {"prompt_tokens": 5, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 4}}
    for total, written in ((11, 6), (7, 2), (None, 2)):
        used = answer(chunk(content="a"), {**chunk("stop"), "usage": {**usage, "total_tokens": total}})["usage"]
        assert used["output_tokens"] == written


def test_usage_may_stand_in_the_choice() -> None:
    """At Moonshot."""
    last = chunk("stop")
    last["choices"][0]["usage"] = {"prompt_tokens": 5, "completion_tokens": 2}
    assert answer(chunk(content="a"), last)["usage"]["input_tokens"] == 5


def test_thoughts_of_claude_at_databricks_are_a_summary() -> None:
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm", "signature": ""}]}
    final = answer(chunk(content=[thought]), chunk(content="so"), chunk("stop"))
    reasoning, message = final["output"]
    assert reasoning["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert message["content"][0]["text"] == "so"


def test_what_perplexity_found_is_cited_where_its_text_says_so() -> None:
    found = [{"url": "https://a", "title": "A"}, {"url": "https://b", "title": "B"}]
    final = answer(chunk(content="x[2] y"), chunk(content="[1][2]"), {**chunk("stop"), "search_results": found})
    cited = final["output"][0]["content"][0]["annotations"]
    assert [(one["url"], one["start_index"], one["end_index"]) for one in cited] == [
        ("https://a", 6, 9),
        ("https://b", 1, 4),
        ("https://b", 9, 12),
    ]
    plain = answer(chunk(content="x[1]"), {**chunk("stop"), "citations": ["https://a"]})
    assert plain["output"][0]["content"][0]["annotations"][0]["url"] == "https://a"


TAGGED = Chat(tags=True)


@given(st.lists(st.integers(0, 40), max_size=6), st.sampled_from(["", "\n", " \n"]))
def test_thoughts_between_tags_are_found_wherever_the_text_is_cut(cuts: list[int], lead: str) -> None:
    text = f"{lead}<think>\nhm </thi nk></think>\n\nso <think>."
    places = [0, *sorted(cuts), len(text)]
    pieces = [chunk(content=text[one:other]) for one, other in pairwise(places)]
    reasoning, message = answer(*pieces, chunk("stop"), chat=TAGGED)["output"]
    assert reasoning["content"][0]["text"] == "hm </thi nk>"
    assert message["content"][0]["text"] == "so <think>."


def test_probabilities_are_of_the_text_behind_the_thoughts() -> None:
    def part(content: str) -> Item:
        made = chunk(content=content)
        made["choices"][0]["logprobs"] = {"content": [{"token": content, "logprob": -0.5}]}
        return made

    final = answer(*map(part, ("<think>", "hm", "</think>", "It ", "rains")), chunk("stop"), chat=Chat(tags=True))
    assert [item["type"] for item in final["output"]] == ["reasoning", "message"]
    (said,) = final["output"][1]["content"]
    assert (said["text"], [log["token"] for log in said["logprobs"]][-2:]) == ("It rains", ["It ", "rains"])


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("so", ["message"]),
        ("so <think>hm</think>", ["message"]),
        ("<thin", ["message"]),
        ("<think>hm", ["reasoning"]),
        ("<think></think>so", ["message"]),
        ("<think>\nhm</think>\n", ["reasoning"]),
    ],
)
def test_tags_are_read_at_the_beginning_only(text: str, kinds: list[str]) -> None:
    final = answer(chunk(content=text), chunk("stop"), chat=TAGGED)
    assert [item["type"] for item in final["output"]] == kinds
    assert answer(chunk(content=text), chunk("stop"))["output"][0]["type"] == "message"


ROUTED = Chat(thoughts="reasoning_details")
CALL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}


def kept(*events: Item) -> list[Any]:
    """What is kept, and the types of what it stands between."""
    return [
        delta if isinstance(delta, Kept) else type(delta).__name__
        for delta in fed(ROUTED.reader(Conversation({}, [])), events)
        if not isinstance(delta, UpstreamId)
    ]


def detail(**more: Any) -> Item:
    return {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0, **more}


def test_openrouters_details_are_put_together_and_kept_with_the_thoughts() -> None:
    whole = [detail(text="hm so", signature="sig")]
    assert kept(
        chunk(reasoning="hm ", reasoning_details=[detail(text="hm ")]),
        chunk(reasoning="so", reasoning_details=[detail(text="so")]),
        chunk(content="", reasoning_details=[detail(signature="sig")]),
        chunk(tool_calls=[CALL]),
        chunk("tool_calls"),
    ) == ["Thought", "Thought", Kept({"by": "openrouter", "details": whole}), "ToolCall", "Arguments", "Stop"]


def test_details_that_come_with_a_call_stand_before_it_and_late_ones_stay_beside_the_text() -> None:
    one = {"type": "reasoning.encrypted", "data": "x", "id": "a", "index": 0}
    other = {**one, "id": "b", "data": "y"}
    said = kept(chunk(tool_calls=[CALL], reasoning_details=[one, other]), chunk("tool_calls"))
    assert said == [Kept({"by": "openrouter", "details": [one, other]}), "ToolCall", "Arguments", "Stop"]
    late = kept(chunk(content="a"), chunk(reasoning_details=[one]), chunk("stop"))
    assert late == ["Text", Kept({"by": "openrouter", "details": [one]}, thought=False), "Stop"]


@pytest.mark.parametrize("details", [5, [5], [{}], [{"type": 5}], "ab"])
def test_details_of_another_form_are_an_error(details: Any) -> None:
    with pytest.raises(UpstreamError):
        kept(chunk(reasoning_details=details))
