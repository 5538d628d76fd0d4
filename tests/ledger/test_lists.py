"""What lists and references find, for every adapter."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from pydantic_core import from_json, to_json

from tests.ledger.making import ACCOUNT, Clock, fresh, message, outcome
from warren import ids
from warren.contracts import Claim, Job, ListInputs, ListResponses, Outcome, Page, Rebuild, encode
from warren.errors import ContextLengthExceeded, InvalidRequest
from warren_ledger import lists, recall
from warren_ledger.patience import until_there
from warren_ledger.store import KEEP, Store
from warren_ledger.store.conversations import Conversation, Entry
from warren_ledger.store.lists import span
from warren_ledger.store.mongo import MongoStore
from warren_ledger.store.runs import Run

pytestmark = pytest.mark.anyio

T = TypeVar("T")


async def at_once(id_: str, look: Callable[[], Awaitable[T | None]]) -> T | None:
    return await look()


@pytest.fixture
def ledger(store: Store) -> lists.Lists:
    return lists.Lists(store, at_once)


@pytest.fixture
def rebuild(store: Store) -> Callable[..., Awaitable[Any]]:
    memory = recall.Recall(store, at_once)
    return lambda **asked: memory.rebuild(Rebuild(account=ACCOUNT, **asked))


def kept(**changes: Any) -> Outcome:
    """An outcome, with what the store may look for."""
    names = ("model", "metadata", "conversation", "item_ids", "created_at")
    beside = {name: changes.pop(name) for name in names if name in changes}
    return outcome(**changes).model_copy(update=beside)


def answered(*output: dict[str, Any]) -> Outcome:
    id_ = fresh()
    body = json.dumps({"id": id_, "output": output}).encode()
    return kept(response_id=id_, body=body, item_ids=tuple(item["id"] for item in output))


async def runs(store: Store, response_id: str, *, background: bool = True, **request: Any) -> Run:
    """The row of a response that has not ended."""
    now = time.time()
    asked = {"model": "gpt", "input": "hi", **request}
    job = Job(
        response_id=response_id,
        account=ACCOUNT,
        plan=("openai/gpt",),
        reply_to="",
        stream=False,
        created_at=now,
        deadline=now + 60,
        detached=True,
        payload=to_json(asked),
    )
    run = Run(
        response_id=response_id,
        account=ACCOUNT,
        status="queued",
        background=background,
        stream=False,
        logged=False,
        created_at=now,
        deadline=now + 60,
        log_until=now + 60,
        model="gpt",
        metadata={"color": "red"},
        job=encode(job),
        body=to_json({"id": response_id, "status": "queued"}),
    )
    return await store.runs.open(run, None)


async def found(store: Store, **asked: Any) -> list[str]:
    rows, _ = await store.lists.responses(ListResponses(account=ACCOUNT, **{"ascending": True, **asked}))
    return [row.response_id for row in rows]


def data(page: Any) -> list[dict[str, Any]]:
    assert isinstance(page, Page)
    assert page.found
    listed: list[dict[str, Any]] = json.loads(page.payload)
    assert (page.first_id, page.last_id) == ((listed[0]["id"], listed[-1]["id"]) if listed else (None, None))
    return listed


# Responses.


async def test_responses_are_listed_by_the_time_they_were_made(store: Store) -> None:
    outcomes = [kept() for _ in range(3)]
    await store.put(outcomes[::-1])
    made = [one.response_id for one in outcomes]
    assert await found(store) == sorted(made)
    assert await found(store, ascending=False) == sorted(made, reverse=True)


@pytest.mark.parametrize("ascending", [True, False])
async def test_pages_go_through_all_responses(store: Store, ledger: lists.Lists, ascending: bool) -> None:
    outcomes = [kept() for _ in range(5)]
    await store.put(outcomes)
    seen: list[str] = []
    more = True
    while more:
        asked = ListResponses(account=ACCOUNT, limit=2, ascending=ascending, after=seen[-1] if seen else None)
        page = await ledger.answer(asked)
        seen.extend(response["id"] for response in data(page))
        more = page.has_more
    assert seen == sorted((one.response_id for one in outcomes), reverse=not ascending)


async def test_what_is_gone_or_not_there_is_not_listed(store: Store, clock: Clock) -> None:
    await store.put([deleted := kept(), kept(store=False), kept(account="other")])
    await store.delete(deleted.response_id, ACCOUNT)
    await store.claim(Claim(response_id=fresh(), account=ACCOUNT, attempt="a"))
    await runs(store, fresh(), background=False)
    assert await found(store) == []
    await store.put([kept()])
    assert len(await found(store)) == 1
    clock.ahead = KEEP.total_seconds() + 60
    assert await found(store) == []


async def test_every_filter_must_hold(store: Store) -> None:
    now = time.time()
    one = kept(model="m", metadata={"a": "1", "b.$": "2"}, conversation="conv_1", created_at=now - 10)
    two = kept(status="failed", metadata={"a": "1"}, created_at=now)
    await store.put([one, two])
    for asked in (
        {"model": "m"},
        {"status": "completed"},
        {"conversation": "conv_1"},
        {"metadata": {"b.$": "2"}},
        {"metadata": {"a": "1", "b.$": "2"}},
        {"created_before": now - 5},
        {"created_after": now - 10, "created_before": now, "model": "m"},
    ):
        assert await found(store, **asked) == [one.response_id], asked
    assert await found(store, created_after=now) == [two.response_id]
    assert await found(store, metadata={"a": "1"}) == sorted([one.response_id, two.response_id])
    for asked in ({"model": "x"}, {"metadata": {"a": "2"}}, {"metadata": {"b": "$"}}, {"created_after": now + 1}):
        assert await found(store, **asked) == [], asked


async def test_what_runs_in_the_background_is_listed_as_it_stands(store: Store, ledger: lists.Lists) -> None:
    await runs(store, running := fresh())
    await store.put([ended := kept()])
    page = data(await ledger.answer(ListResponses(account=ACCOUNT, ascending=True)))
    assert [response["id"] for response in page] == sorted([running, ended.response_id])
    assert {"id": running, "status": "queued"} in page
    assert from_json(ended.response) in page
    assert await found(store, status="queued") == await found(store, metadata={"color": "red"}) == [running]


async def test_a_list_of_large_responses_ends_early(store: Store, ledger: lists.Lists) -> None:
    await store.put([kept(body=json.dumps({"id": "x", "output": [], "pad": "x" * (5 << 20)}).encode()) for _ in "abc"])
    page = await ledger.answer(ListResponses(account=ACCOUNT))
    assert len(json.loads(page.payload)) == 1
    assert page.has_more


async def test_a_cursor_that_names_nothing_is_refused(store: Store, ledger: lists.Lists) -> None:
    await store.put([one := kept(), other := kept(account="other")])
    assert data(await ledger.answer(ListResponses(account=ACCOUNT, after=one.response_id))) == []
    for asked in (
        ListResponses(account=ACCOUNT, after=other.response_id),
        ListInputs(response_id=one.response_id, account=ACCOUNT, after="msg_none"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            await ledger.answer(asked)
        assert refused.value.param == "after"


def test_a_time_bounds_the_ids_that_are_looked_at() -> None:
    now = time.time()
    oldest, newest = span(ListResponses(account=ACCOUNT, created_after=now, created_before=now))
    assert oldest is not None
    assert newest is not None
    assert oldest < fresh() < newest
    assert span(ListResponses(account=ACCOUNT, created_after=-1e300, created_before=1e300))[0] == "resp_00000000"


# Input items.


async def test_input_items_have_ids_that_stay(store: Store, ledger: lists.Lists) -> None:
    said: list[dict[str, Any]] = [
        {"role": "user", "content": "hi"},
        {"id": None, "type": "function_call_output", "call_id": "c", "output": "1"},
        {"id": "rs_1", "type": "reasoning", "summary": []},
        {"type": "acme:thing"},
    ]
    await store.put([one := kept(said=json.dumps(said).encode())])
    asked = ListInputs(response_id=one.response_id, account=ACCOUNT, ascending=True)
    first, second, third, fourth = data(await ledger.answer(asked))
    assert first == {
        "id": ids.derived("msg", one.response_id, 0),
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "hi"}],
        "status": "completed",
    }
    assert second == {**said[1], "id": ids.derived("fco", one.response_id, 1), "status": "completed"}
    assert third == said[2]
    assert fourth == {**said[3], "id": ids.derived("item", one.response_id, 3)}
    newest_first = data(await ledger.answer(asked.model_copy(update={"ascending": False, "limit": 2})))
    assert newest_first == [fourth, third]
    rest = await ledger.answer(asked.model_copy(update={"after": second["id"], "limit": 1}))
    assert data(rest) == [third]
    assert rest.has_more


async def test_items_that_were_said_twice_do_not_stop_a_list(store: Store, ledger: lists.Lists) -> None:
    twice = {"id": "msg_1", **message("a")}
    await store.put([one := kept(said=json.dumps([twice, twice, message("b")]).encode())])
    asked = ListInputs(response_id=one.response_id, account=ACCOUNT, ascending=True, limit=1, after="msg_1")
    assert data(await ledger.answer(asked))[0]["content"][0]["text"] == "b"


async def test_only_who_may_see_a_response_sees_its_input(store: Store, ledger: lists.Lists) -> None:
    await store.put([one := kept(), hidden := kept(store=False)])
    for id_, account in ((one.response_id, "other"), (hidden.response_id, ACCOUNT), (fresh(), ACCOUNT)):
        assert not (await ledger.answer(ListInputs(response_id=id_, account=account))).found
    await store.delete(one.response_id, ACCOUNT)
    assert not (await ledger.answer(ListInputs(response_id=one.response_id, account=ACCOUNT))).found


async def test_the_input_of_what_runs_is_that_of_its_job(store: Store, ledger: lists.Lists) -> None:
    await runs(store, id_ := fresh(), input="hello")
    (item,) = data(await ledger.answer(ListInputs(response_id=id_, account=ACCOUNT)))
    assert item["content"] == [{"type": "input_text", "text": "hello"}]
    await store.put([answered({"id": "fc_1", "type": "function_call"})])
    await runs(store, id_ := fresh(), input=[{"id": "fc_1"}])
    (item,) = data(await ledger.answer(ListInputs(response_id=id_, account=ACCOUNT)))
    assert item == {"id": "fc_1", "type": "function_call", "status": "completed"}
    await runs(store, hidden := fresh(), background=False)
    assert not (await ledger.answer(ListInputs(response_id=hidden, account=ACCOUNT))).found


# References.


async def test_a_reference_finds_what_a_model_said(store: Store, rebuild: Callable[..., Awaitable[Any]]) -> None:
    first = answered({"id": "msg_a", "n": 1}, {"id": "msg_b", "n": 1})
    second = answered({"id": "msg_b", "n": 2})
    first, second = sorted((first, second), key=lambda one: one.response_id)
    await store.put([first, second])
    found = await rebuild(references=("msg_b", "msg_a", "msg_b"))
    assert found.history == b"[]"
    newest = next(item for item in from_json(second.response)["output"] if item["id"] == "msg_b")
    assert from_json(found.referenced) == [newest, {"id": "msg_a", "n": 1}, newest]


async def test_a_reference_finds_what_was_said_to_a_model(store: Store, rebuild: Callable[..., Awaitable[Any]]) -> None:
    await store.put([one := kept(said=json.dumps([message("a"), message("b")]).encode())])
    reference = ids.derived("msg", one.response_id, 1)
    found = await rebuild(references=(reference,))
    assert [item["id"] for item in from_json(found.referenced)] == [reference]
    for wrong in (ids.derived("fc", one.response_id, 1), ids.derived("msg", one.response_id, 2), "msg_", "nothing"):
        assert (await rebuild(references=(reference, wrong))).missing == wrong


async def test_a_reference_finds_what_is_in_a_conversation(
    store: Store, rebuild: Callable[..., Awaitable[Any]]
) -> None:
    said = [Entry("msg_1", b'{"id":"msg_1"}'), Entry("msg_2", b'{"id":"msg_2"}')]
    await store.conversations.open(Conversation(id_ := ids.new("conv"), ACCOUNT, 1.0, {}), said)
    found = await rebuild(conversation=id_, references=("msg_2",))
    assert (found.history, found.referenced) == (b'[{"id":"msg_1"},{"id":"msg_2"}]', b'[{"id":"msg_2"}]')
    await store.conversations.remove(id_, ACCOUNT, "msg_2")
    assert (await rebuild(references=("msg_2",))).missing == "msg_2"
    assert not (await rebuild(conversation=ids.new("conv"))).found


async def test_a_reference_to_what_is_gone_or_not_ours_is_missing(
    store: Store, rebuild: Callable[..., Awaitable[Any]]
) -> None:
    deleted, foreign = answered({"id": "msg_d"}), answered({"id": "msg_f"}).model_copy(update={"account": "other"})
    await store.put([deleted, foreign])
    await store.delete(deleted.response_id, ACCOUNT)
    for reference in ("msg_d", "msg_f", ids.derived("msg", deleted.response_id, 0)):
        assert (await rebuild(references=(reference,))).missing == reference


async def test_references_stand_behind_the_chain(store: Store, rebuild: Callable[..., Awaitable[Any]]) -> None:
    await store.put([one := answered({"id": "msg_a"}), last := kept(previous=one.response_id)])
    found = await rebuild(response_id=last.response_id, references=("msg_a",))
    assert len(from_json(found.history)) == 4
    assert from_json(found.referenced) == [{"id": "msg_a"}]
    assert not (await rebuild(response_id=fresh(), references=("msg_a",))).found


async def test_references_may_be_too_much(
    store: Store, rebuild: Callable[..., Awaitable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall, "MAX_HISTORY", 10)
    await store.put([answered({"id": "msg_a"})])
    with pytest.raises(ContextLengthExceeded):
        await rebuild(references=("msg_a",))


async def test_a_reference_that_is_on_its_way_is_waited_for(store: Store) -> None:
    of_the_future = "msg_" + "v" * 20
    one = answered({"id": (reference := ids.new("msg"))}, {"id": of_the_future})
    asked: list[str] = []

    async def coming(id_: str, look: Callable[[], Awaitable[T | None]]) -> T | None:
        asked.append(id_)
        assert await look() is None
        await store.put([one])
        return await until_there(look, seconds=10)

    memory = recall.Recall(store, coming)
    found = await memory.rebuild(Rebuild(account=ACCOUNT, references=(of_the_future, reference)))
    assert found.missing is None
    assert asked == [reference]


async def test_queries_use_the_indexes(mongo: MongoStore) -> None:
    await mongo.lists.prepare()
    outcomes = [kept(metadata={"a": str(n)}, conversation=f"conv_{n}", item_ids=(f"msg_{n}",)) for n in range(50)]
    await mongo.put(outcomes)
    by: dict[str, dict[str, Any]] = {
        "account_1__id_1": {},
        "account_1_metadata_1__id_1": {"metadata": {"a": "1"}},
        "account_1_conversation_1__id_1": {"conversation": "conv_1"},
        "account_1_model_1__id_1": {"model": "m"},
        "status_gt_completed": {"status": "failed"},
        "status_lt_completed": {"status": "cancelled"},
    }
    for index, asked in by.items():
        wanted = mongo.lists._wanted(ListResponses(account=ACCOUNT, **asked))
        explained = await mongo._responses.find(wanted).sort("_id", -1).limit(3).explain()
        plan = json.dumps(explained["queryPlanner"]["winningPlan"], default=str)
        assert f'"{index}"' in plan, index
        assert '"SORT"' not in plan
    explained = await mongo._responses.find({"account": ACCOUNT, "item_ids": {"$in": ["msg_1", "msg_2"]}}).explain()
    assert '"account_1_item_ids_1"' in json.dumps(explained["queryPlanner"]["winningPlan"], default=str)
