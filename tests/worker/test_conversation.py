"""Conversations as lists of items: pairs, compaction, and what goes when there is no room."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.errors import InvalidRequest
from warren_worker import conversation
from warren_worker.conversation import check, kept_by_compaction, restored, shortened, since_compaction, tokens

Item = dict[str, Any]


def said(role: str, text: str) -> Item:
    return {"type": "message", "role": role, "content": text}


def called(call_id: str, kind: str = "function_call") -> Item:
    return {"type": kind, "call_id": call_id, "name": "f", "arguments": "{}"}


def answered(call_id: str, kind: str = "function_call", output: Any = "done") -> Item:
    return {"type": f"{kind}_output", "call_id": call_id, "output": output}


def unseal(text: str) -> bytes | None:
    return text.removeprefix("ours:").encode() if text.startswith("ours:") else None


def compaction(summary: str = "the summary") -> Item:
    return conversation.compaction_item(summary, lambda data: "ours:" + data.decode(), lambda prefix: f"{prefix}_1")


def texts(items: Sequence[Item]) -> list[str]:
    contents: list[Any] = [item.get("content", item.get("output", "")) for item in items]
    return [one if isinstance(one, str) else "|".join(part["text"] for part in one) for one in contents]


@pytest.mark.parametrize("kind", ["function_call", "custom_tool_call"])
def test_calls_and_outputs_come_in_pairs(kind: str) -> None:
    name = kind.replace("_", " ")
    check([called("a", kind), called("b", kind), answered("b", kind), said("user", "so"), answered("a", kind)])
    for items, message in (
        ([answered("a", kind)], f"No tool call found for {name} output with call_id a."),
        ([answered("a", kind), called("a", kind)], f"No tool call found for {name} output with call_id a."),
        ([called("a", kind), said("user", "and?")], f"No tool output found for {name} a."),
    ):
        with pytest.raises(InvalidRequest) as caught:
            check(items)
        assert (caught.value.message, caught.value.param, caught.value.code) == (message, "input", None)


def test_an_output_of_a_tool_that_nobody_called_by_id_stands_for_itself() -> None:
    check([said("user", "a"), {"type": "function_call_output", "call_id": None, "name": "x", "output": "done"}])


def test_an_output_of_another_kind_is_no_answer() -> None:
    with pytest.raises(InvalidRequest):
        check([called("a"), answered("a", "custom_tool_call")])


def test_what_we_sealed_is_reasoning_again() -> None:
    ours = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": 'ours:[{"type":"x"}]'}
    theirs = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "theirs"}
    items, kept = restored([ours, theirs, said("user", "a")], unseal)
    assert items == [
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "x"}]},
        theirs,
        said("user", "a"),
    ]
    assert kept == {}


def test_what_was_kept_comes_out_of_the_seal() -> None:
    sealed = 'ours:{"content":[],"kept":[{"by":"v"}]}'
    given: list[Item] = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed},
        {"type": "reasoning", "summary": [], "content": [{"type": "x"}], "encrypted_content": sealed},
    ]
    items, kept = restored(given, unseal)
    assert [item["content"] for item in items] == [[], [{"type": "x"}]]
    assert all("encrypted_content" not in item for item in items)
    assert kept == {item["id"]: [{"by": "v"}] for item in items}
    assert len(kept) == 2


def test_a_summary_stands_for_all_but_the_users_own_words() -> None:
    items = [said("user", "one"), said("assistant", "two"), compaction("old"), called("a"), answered("a")]
    items += [said("developer", "three"), compaction(), said("user", "four")]
    shown = since_compaction(items, unseal)
    assert [item["role"] for item in shown] == ["user", "user", "user"]
    assert (texts(shown)[0], texts(shown)[2]) == ("one", "four")
    assert texts(shown)[1].endswith("the summary")


def test_what_others_have_compacted_stays_as_it_is() -> None:
    items = [said("user", "one"), {"type": "compaction", "encrypted_content": "theirs"}, said("user", "two")]
    assert since_compaction(items, unseal) == items


def test_an_output_whose_call_was_compacted_is_told_as_text() -> None:
    items = [said("user", "one"), called("a"), compaction(), answered("a"), called("b"), answered("b")]
    shown = since_compaction(items, unseal)
    check(shown)
    assert texts(shown)[2] == "The output of tool call a:|done"
    assert shown[3:] == [called("b"), answered("b")]


def test_of_long_messages_the_newest_are_kept() -> None:
    long = "x" * conversation.KEPT * 3
    assert texts(kept_by_compaction([said("user", "a"), said("user", long * 2)])) == [long * 2]
    assert texts(kept_by_compaction([said("user", text) for text in (long, long, "b")])) == [long, "b"]


def test_a_model_that_takes_little_is_shown_little_of_what_the_user_said() -> None:
    long = "x" * 400
    items = [said("user", long) for _ in range(10)]
    assert len(kept_by_compaction(items, conversation.room(800))) == 3
    assert kept_by_compaction(items, conversation.room(None)) == kept_by_compaction(items)


def test_a_summary_is_asked_for_without_tools_or_formats() -> None:
    request = {"model": "m", "input": "x", "instructions": "Be kind.", "tools": [{"type": "function"}], "stream": True}
    made = conversation.summary_request(request, [said("user", "a")])
    assert made.keys() == {"model", "instructions", "input", "store"}
    assert made["store"] is False
    assert len(made["input"]) == 2


def test_the_middle_goes_first() -> None:
    items = [said("system", "rules"), said("user", "first"), said("assistant", "ok")]
    for number in range(4):
        items += [said("user", f"question {number}"), called(f"c{number}"), answered(f"c{number}")]
        items += [said("assistant", f"answer {number}")]
    shorter = shortened(items, 0.6)
    assert shorter is not None
    check(shorter)
    assert texts(shorter)[:3] == ["rules", "first", "ok"]
    assert texts(shorter)[-1] == "answer 3"
    assert "question 0" not in texts(shorter)
    shortest = shortened(items, 0)
    assert shortest is not None
    assert texts([item for item in shortest if item.get("role") == "user"]) == ["first", "question 3"]


def test_what_the_developer_says_never_goes() -> None:
    roles = ("user", "assistant", "developer", "user", "assistant", "user")
    items = [said(role, text) for role, text in zip(roles, "abcdef", strict=True)]
    assert texts(shortened(items, 0) or []) == ["a", "b", "c", "f"]


def test_two_turns_are_the_least() -> None:
    assert shortened([said("user", "a"), said("assistant", "b"), said("user", "c")], 0) is None
    assert shortened([said("user", "a")], 0) is None
    assert shortened([], 0) is None


@st.composite
def conversations(draw: st.DrawFn) -> list[Item]:
    items: list[Item] = []
    numbers = count()
    for _ in range(draw(st.integers(0, 8))):
        if draw(st.booleans()):
            items.append(said(draw(st.sampled_from(["user", "developer"])), draw(st.text(max_size=30))))
        for _ in range(draw(st.integers(0, 2))):
            calls = [f"c{next(numbers)}" for _ in range(draw(st.integers(1, 3)))]
            items += [{"type": "reasoning", "summary": []}] if draw(st.booleans()) else []
            items += [called(call) for call in calls]
            items += [answered(call, output=draw(st.text(max_size=30))) for call in draw(st.permutations(calls))]
        if draw(st.booleans()):
            items.append(said("assistant", draw(st.text(max_size=30))))
    return items


@given(conversations(), st.floats(0, 1))
def test_a_shorter_conversation_is_a_legal_one(items: list[Item], keep: float) -> None:
    check(items)
    shorter = shortened(items, keep)
    if shorter is None:
        return
    check(shorter)
    assert len(shorter) < len(items)
    assert (shorter[0], shorter[-1]) == (items[0], items[-1])
    assert [one for one in shorter if one.get("role") == "developer"] == [
        one for one in items if one.get("role") == "developer"
    ]
    rest = iter(items)
    assert all(any(one is other for other in rest) for one in shorter)


@given(conversations(), conversations())
def test_a_compacted_conversation_is_a_legal_one(before: list[Item], after: list[Item]) -> None:
    renamed = [{**item, "call_id": item["call_id"] + "x"} if "call_id" in item else item for item in after]
    shown = since_compaction([*before, compaction(), *renamed], unseal)
    check(shown)
    assert since_compaction(shown, unseal) == shown
    assert shown[len(shown) - len(renamed) :] == renamed


def test_a_picture_counts_as_one_whatever_its_size() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 1_000_000}
    item = {"role": "user", "content": [{"type": "input_text", "text": "x" * 400}, image]}
    assert 1100 <= tokens({}, [item]) <= 1200
    assert tokens({"instructions": "x" * 4000, "model": "m"}, []) >= 1000
    assert tokens({}, [answered("a", output="x" * 400)]) >= 100
