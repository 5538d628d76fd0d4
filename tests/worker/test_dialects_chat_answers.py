"""What chat servers say, in the ways of their own in which they say it."""

from typing import Any

import pytest

from tests.rig.legal import check_stream
from tests.worker.telling import assembler, fed, wire
from warren.errors import UpstreamError
from warren_worker.dialect import Conversation
from warren_worker.dialects.chat import Chat

Item = dict[str, Any]


def chunk(finish: str | None = None, **delta: Any) -> Item:
    return {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def answer(*events: Item) -> Item:
    one = assembler()
    sent = wire(one.start())
    for delta in fed(Chat().reader(Conversation({}, [])), [*events, b"[DONE]"]):
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


@pytest.mark.parametrize("reason", ["error", "ERROR", "MALFORMED_FUNCTION_CALL", "network_error", "unheard_of"])
def test_an_end_that_is_a_failure_is_never_a_success(reason: str) -> None:
    with pytest.raises(UpstreamError):
        answer(chunk(content="a"), chunk(reason))
