"""Conversations as others meet them: what the ledger answers to each message."""

import asyncio
import json
import time
from typing import Any

import pytest

from tests.ledger.making import ACCOUNT, fresh, message, outcome
from warren import ids
from warren.bus import LEDGER_ASK, LEDGER_WRITE
from warren.bus.memory import MemoryBroker
from warren.contracts import (
    AddItems,
    ConversationState,
    DeleteConversation,
    Deleted,
    DeleteItem,
    Done,
    Enter,
    Entered,
    FetchConversation,
    Fetched,
    FetchItem,
    Leave,
    ListItems,
    ListResponses,
    OpenConversation,
    Outcome,
    Page,
    Rebuild,
    Rebuilt,
    Recorded,
    UpdateConversation,
)
from warren.errors import InvalidRequest, NotFound
from warren_ledger import conversations as handlers
from warren_ledger.ledger import recording
from warren_ledger.store import Store

pytestmark = pytest.mark.anyio

SOON = 60.0


@pytest.fixture
def ledger(store: Store) -> handlers.Conversations:
    return handlers.Conversations(store)


def until(seconds: float = SOON) -> float:
    return time.time() + seconds


def payload(*items: dict[str, Any]) -> bytes:
    return json.dumps(items).encode()


async def started(ledger: handlers.Conversations, *items: dict[str, Any]) -> str:
    id_ = ids.new("conv")
    asked = OpenConversation(
        conversation_id=id_, account=ACCOUNT, created_at=2.5, metadata={"k": "v"}, payload=payload(*items)
    )
    state = ConversationState(found=True, created_at=2.5, metadata={"k": "v"})
    assert await ledger.write(asked) == await ledger.write(asked) == state
    return id_


async def listed(ledger: handlers.Conversations, id_: str, **how: Any) -> Page:
    page = await ledger.answer(ListItems(conversation_id=id_, account=ACCOUNT, **{"ascending": True, **how}))
    assert isinstance(page, Page)
    assert page.found
    return page


def said(page: Page) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(page.payload)
    return items


async def entered(ledger: handlers.Conversations, id_: str, response_id: str, seconds: float = SOON) -> str:
    answer = await ledger.write(
        Enter(conversation_id=id_, account=ACCOUNT, response_id=response_id, until=until(seconds))
    )
    assert isinstance(answer, Entered)
    return answer.verdict


def ended(id_: str, **changes: Any) -> Outcome:
    return outcome(**changes).model_copy(update={"conversation": id_})


async def test_items_come_back_with_ids_types_and_a_status(ledger: handlers.Conversations) -> None:
    id_ = await started(ledger, {"role": "user", "content": "hi"}, {"id": "msg_own", **message("yes", "assistant")})
    first, second = said(page := await listed(ledger, id_))
    assert first == {
        "id": ids.derived("msg", id_, 0),
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "hi"}],
    }
    assert second["id"] == "msg_own" == page.last_id
    assert second["content"] == [{"type": "output_text", "text": "yes", "annotations": [], "logprobs": []}]
    assert not page.has_more


async def test_items_are_added_once_however_often_they_are_sent(ledger: handlers.Conversations) -> None:
    id_ = await started(ledger, message("one"))
    call = {"type": "function_call_output", "call_id": "c", "output": "2"}
    asked = AddItems(
        conversation_id=id_, account=ACCOUNT, request_id=ids.new("req"), payload=payload(message("two"), call)
    )
    page, again = await ledger.write(asked), await ledger.write(asked)
    assert isinstance(page, Page)
    assert page == again
    assert [item["id"].partition("_")[0] for item in said(page)] == ["msg", "fco"]
    assert said(await listed(ledger, id_))[1:] == said(page)


async def test_items_may_refer_to_others(ledger: handlers.Conversations) -> None:
    first = await started(ledger, {"id": "msg_1", **message("one")})
    for reference in ({"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}):
        second = await started(ledger, reference)
        assert said(await listed(ledger, second)) == said(await listed(ledger, first))
    with pytest.raises(NotFound, match="'msg_2' not found"):
        await ledger.write(
            AddItems(conversation_id=first, account=ACCOUNT, request_id="req_1", payload=payload({"id": "msg_2"}))
        )


async def test_lists_have_pages_and_refuse_an_unknown_cursor(ledger: handlers.Conversations) -> None:
    id_ = await started(ledger, *(message(str(n)) for n in range(5)))
    whole = [item["id"] for item in said(await listed(ledger, id_))]
    page = await listed(ledger, id_, limit=2, after=whole[1])
    assert [item["id"] for item in said(page)] == whole[2:4]
    assert (page.first_id, page.last_id, page.has_more) == (whole[2], whole[3], True)
    backwards = await listed(ledger, id_, ascending=False)
    assert [item["id"] for item in said(backwards)] == whole[::-1]
    with pytest.raises(InvalidRequest) as refused:
        await listed(ledger, id_, after="msg_none")
    assert refused.value.param == "after"


async def test_one_item_is_shown_and_deleted(ledger: handlers.Conversations) -> None:
    id_ = await started(ledger, {"id": "msg_1", **message("a")}, {"id": "msg_2", **message("b")})
    asked = FetchItem(conversation_id=id_, account=ACCOUNT, item_id="msg_1")
    shown = await ledger.answer(asked)
    assert isinstance(shown, Fetched)
    assert json.loads(shown.payload)["content"][0]["text"] == "a"
    delete = DeleteItem(conversation_id=id_, account=ACCOUNT, item_id="msg_1")
    assert await ledger.write(delete) == ConversationState(found=True, created_at=2.5, metadata={"k": "v"})
    assert await ledger.write(delete) == ConversationState(found=False)
    assert await ledger.answer(asked) == Fetched(found=False)


async def test_a_conversation_is_updated_shown_and_deleted(ledger: handlers.Conversations) -> None:
    id_ = await started(ledger, message("a"))
    ours = {"conversation_id": id_, "account": ACCOUNT}
    state = ConversationState(found=True, created_at=2.5, metadata={"x": "y"})
    assert await ledger.write(UpdateConversation(**ours, metadata={"x": "y"})) == state
    assert await ledger.answer(FetchConversation(**ours)) == state
    assert await ledger.write(DeleteConversation(**ours)) == Deleted(found=True)
    assert await ledger.write(DeleteConversation(**ours)) == Deleted(found=False)
    gone = ConversationState(found=False)
    assert await ledger.answer(FetchConversation(**ours)) == gone
    assert await ledger.write(UpdateConversation(**ours, metadata={})) == gone
    assert await ledger.answer(ListItems(**ours)) == Page(found=False)
    assert await ledger.write(AddItems(**ours, request_id="req_1", payload=payload(message("b")))) == Page(found=False)
    assert await entered(ledger, id_, fresh()) == "unknown"


async def test_a_locked_conversation_is_entered_when_it_is_free(ledger: handlers.Conversations) -> None:
    id_, first, second = await started(ledger), fresh(), fresh()
    assert await entered(ledger, id_, first) == await entered(ledger, id_, first) == "entered"
    assert await entered(ledger, id_, second) == "locked"
    with pytest.raises(InvalidRequest) as refused:
        await ledger.write(
            AddItems(conversation_id=id_, account=ACCOUNT, request_id="req_1", payload=payload(message("a")))
        )
    assert (refused.value.code, refused.value.param) == ("conversation_locked", "conversation")
    leave = Leave(conversation_id=id_, account=ACCOUNT, response_id=first)
    assert await ledger.write(leave) == await ledger.write(leave) == Done()
    assert await entered(ledger, id_, second) == "entered"


async def test_who_waits_for_a_conversation_enters_when_its_holder_ends(
    ledger: handlers.Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_WAIT", 60.0)
    id_, first = await started(ledger), fresh()
    await entered(ledger, id_, first)
    waiting = asyncio.create_task(entered(ledger, id_, fresh()))
    await asyncio.sleep(0)
    await ledger.settle(ended(id_, response_id=first), won=True)
    assert await waiting == "entered"


async def test_a_response_that_ends_is_in_its_conversation(ledger: handlers.Conversations) -> None:
    id_, response_id = await started(ledger, message("before")), fresh()
    output: list[dict[str, Any]] = [
        {"id": "rs_1", "type": "reasoning", "summary": []},
        {"id": "fc_1", "type": "function_call", "status": "incomplete", "call_id": "c", "name": "f", "arguments": ""},
        {"id": "mcp_1", "type": "mcp_call", "status": "failed"},
    ]
    body = json.dumps({"id": response_id, "output": output}).encode()
    await entered(ledger, id_, response_id)
    asked = [message(f"in {response_id}"), {"type": "compaction_trigger"}]
    one = ended(id_, response_id=response_id, status="incomplete", body=body, said=payload(*asked))
    await ledger.settle(one, won=True)
    await ledger.settle(one, won=True)
    _, question, thought, call, failed = said(await listed(ledger, id_))
    assert question["id"] == ids.derived("msg", response_id, 0)
    assert question["content"] == [{"type": "input_text", "text": f"in {response_id}"}]
    assert thought == output[0]
    assert call == {**output[1], "status": "completed"}
    assert failed == output[2]
    assert await entered(ledger, id_, fresh()) == "entered"


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_a_response_without_an_answer_only_frees_its_conversation(
    ledger: handlers.Conversations, status: Any
) -> None:
    id_, response_id = await started(ledger), fresh()
    await entered(ledger, id_, response_id)
    await ledger.settle(ended(id_, response_id=response_id, status=status), won=True)
    assert said(await listed(ledger, id_)) == []
    assert await entered(ledger, id_, fresh()) == "entered"


async def test_a_response_that_is_not_stored_is_said_all_the_same(ledger: handlers.Conversations) -> None:
    id_, response_id = await started(ledger), fresh()
    await entered(ledger, id_, response_id)
    await ledger.settle(ended(id_, response_id=response_id, store=False), won=True)
    assert len(said(await listed(ledger, id_))) == 2
    assert await entered(ledger, id_, fresh()) == "entered"


async def test_what_is_too_large_to_be_told_only_frees_its_conversation(ledger: handlers.Conversations) -> None:
    id_, response_id = await started(ledger), fresh()
    await entered(ledger, id_, response_id)
    await ledger.settle(ended(id_, response_id=response_id, store=False, body=b"", said=b""), won=True)
    assert said(await listed(ledger, id_)) == []
    assert await entered(ledger, id_, fresh()) == "entered"


async def test_an_outcome_that_is_not_the_record_changes_nothing(ledger: handlers.Conversations) -> None:
    id_, response_id = await started(ledger), fresh()
    await entered(ledger, id_, response_id)
    await ledger.settle(ended(id_, response_id=response_id, status="failed"), won=False)
    await ledger.settle(ended(id_, response_id=response_id).model_copy(update={"superseded": True}), won=True)
    assert await entered(ledger, id_, fresh()) == "locked"
    await ledger.settle(ended(id_, response_id=response_id), won=True)
    assert len(said(await listed(ledger, id_))) == 2


async def test_a_response_outlives_its_conversation(ledger: handlers.Conversations) -> None:
    id_, response_id = await started(ledger), fresh()
    await entered(ledger, id_, response_id)
    await ledger.write(DeleteConversation(conversation_id=id_, account=ACCOUNT))
    await ledger.settle(ended(id_, response_id=response_id), won=True)
    assert await ledger.answer(ListItems(conversation_id=id_, account=ACCOUNT)) == Page(found=False)


async def test_what_the_end_says_is_in_the_conversation_already(store: Store) -> None:
    async with MemoryBroker().open() as bus, recording(bus, store, 600):
        id_, response_id, item_id = ids.new("conv"), fresh(), ids.new("msg")
        ours: dict[str, Any] = {"conversation_id": id_, "account": ACCOUNT}
        await bus.call(LEDGER_WRITE, OpenConversation(**ours, created_at=1.0), timeout=5)
        enter = Enter(**ours, response_id=response_id, until=until())
        assert await bus.call(LEDGER_WRITE, enter, timeout=5) == Entered(verdict="entered")
        body = json.dumps({"id": response_id, "output": [{"id": item_id, **message("yes")}]}).encode()
        one = ended(id_, response_id=response_id, body=body)
        assert await bus.call(LEDGER_WRITE, one, timeout=5) == Recorded(won=True, status="completed")
        rebuild = Rebuild(account=ACCOUNT, conversation=id_, references=(item_id,))
        found = await bus.call(LEDGER_ASK, rebuild, timeout=5)
        assert isinstance(found, Rebuilt)
        assert [item["id"] for item in json.loads(found.history)][1:] == [item_id]
        assert [item["id"] for item in json.loads(found.referenced)] == [item_id]
        page = await bus.call(LEDGER_ASK, ListResponses(account=ACCOUNT, conversation=id_), timeout=5)
        assert isinstance(page, Page)
        assert page.payload == b"[" + body + b"]"
