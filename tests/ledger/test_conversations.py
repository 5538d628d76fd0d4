"""What the port of conversations promises, for every adapter."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger.making import ACCOUNT, Clock, fresh
from warren import ids
from warren.errors import ContextLengthExceeded
from warren_ledger.store import Store
from warren_ledger.store.conversations import BURIED, REMEMBERED, Conversation, Conversations, Entry, UnknownCursor
from warren_ledger.store.mongo import MongoStore
from warren_ledger.store.mongo import conversations as on_mongo

pytestmark = pytest.mark.anyio

SOON = 60.0


@pytest.fixture
def conversations(store: Store) -> Conversations:
    return store.conversations


def entries(*names: str) -> list[Entry]:
    return [Entry(name, json.dumps({"id": name}).encode()) for name in names]


def until(seconds: float = SOON) -> float:
    return time.time() + seconds


async def opened(conversations: Conversations, *names: str) -> str:
    id_ = ids.new("conv")
    conversation = Conversation(id_, ACCOUNT, 1.5, {"a.b": "$1", "$c": "é"})
    assert await conversations.open(conversation, entries(*names)) == conversation
    return id_


async def added(conversations: Conversations, id_: str, *names: str) -> str:
    holder = fresh()
    assert await conversations.enter(id_, ACCOUNT, holder, until())
    assert await conversations.append(id_, ACCOUNT, holder, entries(*names))
    return holder


async def said(conversations: Conversations, id_: str) -> list[bytes]:
    history = await conversations.history(id_, ACCOUNT)
    assert history is not None
    return [entry.body for entry in history]


async def names(conversations: Conversations, id_: str) -> list[str]:
    return [json.loads(body)["id"] for body in await said(conversations, id_)]


async def test_a_conversation_is_there_with_what_it_began_with(conversations: Conversations) -> None:
    id_ = await opened(conversations, "a", "b")
    assert await conversations.find(id_, ACCOUNT) == Conversation(id_, ACCOUNT, 1.5, {"a.b": "$1", "$c": "é"})
    assert await names(conversations, id_) == ["a", "b"]


async def test_opening_it_again_changes_nothing(conversations: Conversations) -> None:
    id_ = await opened(conversations, "a")
    await added(conversations, id_, "b")
    again = await conversations.open(Conversation(id_, ACCOUNT, 1.5, {}), entries("a"))
    assert again is not None
    assert again.metadata == {"a.b": "$1", "$c": "é"}
    assert await names(conversations, id_) == ["a", "b"]


async def test_to_another_account_it_is_not_there(conversations: Conversations) -> None:
    id_ = await opened(conversations, "a")
    assert await conversations.find(id_, "other") is None
    assert await conversations.update(id_, "other", {"x": "y"}) is None
    assert await conversations.enter(id_, "other", "r", until()) is None
    assert await conversations.append(id_, "other", "r", entries("x")) is None
    await conversations.leave(id_, "other", "r")
    assert await conversations.entries(id_, "other", limit=1, ascending=True) is None
    assert await conversations.entry(id_, "other", "a") is None
    assert await conversations.remove(id_, "other", "a") is None
    assert await conversations.history(id_, "other") is None
    assert await conversations.named("other", ["a"]) == {}
    assert await conversations.open(Conversation(id_, "other", 1.0, {}), entries("x")) is None
    assert not await conversations.delete(id_, "other")
    assert await names(conversations, id_) == ["a"]


async def test_metadata_is_replaced(conversations: Conversations) -> None:
    id_ = await opened(conversations)
    changed = await conversations.update(id_, ACCOUNT, {"x": "y"})
    assert changed == Conversation(id_, ACCOUNT, 1.5, {"x": "y"}) == await conversations.find(id_, ACCOUNT)


async def test_what_is_deleted_is_gone_and_does_not_come_back(conversations: Conversations) -> None:
    id_ = await opened(conversations, "a")
    holder = fresh()
    assert await conversations.enter(id_, ACCOUNT, holder, until())
    assert await conversations.delete(id_, ACCOUNT)
    assert not await conversations.delete(id_, ACCOUNT)
    assert await conversations.find(id_, ACCOUNT) is None
    assert await conversations.append(id_, ACCOUNT, holder, entries("b")) is None
    assert await conversations.enter(id_, ACCOUNT, holder, until()) is None
    assert await conversations.open(Conversation(id_, ACCOUNT, 1.0, {}), entries("a")) is None
    assert await conversations.named(ACCOUNT, ["a", "b"]) == {}


async def test_only_one_holds_it_at_a_time(conversations: Conversations) -> None:
    id_ = await opened(conversations)
    answers = await asyncio.gather(*(conversations.enter(id_, ACCOUNT, f"r{n}", until()) for n in range(8)))
    assert sorted(map(str, answers)) == ["False"] * 7 + ["True"]
    holder = f"r{answers.index(True)}"
    assert await conversations.enter(id_, ACCOUNT, holder, until())
    await conversations.leave(id_, ACCOUNT, "r8")
    assert await conversations.enter(id_, ACCOUNT, "r9", until()) is False
    await conversations.leave(id_, ACCOUNT, holder)
    assert await conversations.enter(id_, ACCOUNT, "r9", until())


async def test_what_is_added_comes_at_the_end_and_frees_it(conversations: Conversations) -> None:
    id_ = await opened(conversations, "a")
    await added(conversations, id_, "b", "c")
    await added(conversations, id_, "d")
    assert await names(conversations, id_) == ["a", "b", "c", "d"]


async def test_what_comes_twice_is_added_once(conversations: Conversations) -> None:
    id_ = await opened(conversations)
    holder = await added(conversations, id_, "a")
    assert await conversations.append(id_, ACCOUNT, holder, entries("a"))
    assert await conversations.enter(id_, ACCOUNT, holder, until())  # a message that was delivered again
    await added(conversations, id_, "b")
    assert await conversations.append(id_, ACCOUNT, holder, entries("a"))
    assert await names(conversations, id_) == ["a", "b"]


async def test_two_ledgers_may_add_the_same_at_the_same_time(conversations: Conversations) -> None:
    id_ = await opened(conversations)
    holder = fresh()
    await conversations.enter(id_, ACCOUNT, holder, until())
    both = await asyncio.gather(*(conversations.append(id_, ACCOUNT, holder, entries("a", "b")) for _ in range(2)))
    assert both == [True, True]
    assert await names(conversations, id_) == ["a", "b"]


async def test_many_that_add_at_the_same_time_take_turns(conversations: Conversations) -> None:
    id_ = await opened(conversations)

    async def add(holder: str) -> None:
        while not await conversations.enter(id_, ACCOUNT, holder, until()):
            await asyncio.sleep(0)
        assert await conversations.append(id_, ACCOUNT, holder, entries(f"{holder}.1", f"{holder}.2"))

    await asyncio.gather(*(add(f"r{number}") for number in range(6)), *(add(f"r{number}") for number in range(6)))
    said = await names(conversations, id_)
    assert sorted(said) == [f"r{number}.{place}" for number in range(6) for place in (1, 2)]
    assert [one[:-2] for one in said[::2]] == [two[:-2] for two in said[1::2]]


async def test_an_item_that_is_there_stays_where_it_is(conversations: Conversations) -> None:
    id_ = await opened(conversations, "a")
    await added(conversations, id_, "b", "a", "c", "b")
    assert await names(conversations, id_) == ["a", "b", "c"]


async def test_who_does_not_hold_it_adds_nothing(conversations: Conversations) -> None:
    id_ = await opened(conversations)
    assert await conversations.append(id_, ACCOUNT, fresh(), entries("a")) is False
    await conversations.enter(id_, ACCOUNT, "left", until())
    await conversations.leave(id_, ACCOUNT, "left")
    await conversations.append(id_, ACCOUNT, "left", entries("a"))
    assert await names(conversations, id_) == []


async def test_a_lease_that_has_run_out_is_taken_over_only_by_somebody(
    conversations: Conversations, clock: Clock
) -> None:
    id_ = await opened(conversations)
    for holder in ("late", "slow"):
        assert await conversations.enter(id_, ACCOUNT, holder, until())
        clock.ahead += 2 * SOON
    assert await conversations.append(id_, ACCOUNT, "late", entries("a")) is False
    assert await conversations.append(id_, ACCOUNT, "slow", entries("b"))
    assert await names(conversations, id_) == ["b"]


async def test_more_may_leave_it_than_are_remembered(conversations: Conversations) -> None:
    id_ = await opened(conversations)
    for number in range(REMEMBERED + 2):
        await added(conversations, id_, f"{number}")
    assert len(await names(conversations, id_)) == REMEMBERED + 2


@pytest.mark.parametrize("ascending", [True, False])
async def test_pages_go_through_all_of_it(conversations: Conversations, ascending: bool) -> None:
    id_ = await opened(conversations, "a", "b")
    await added(conversations, id_, "c", "d", "e")
    seen: list[str] = []
    more = True
    while more:
        page = await conversations.entries(id_, ACCOUNT, limit=2, ascending=ascending, after=seen[-1] if seen else None)
        assert page is not None
        assert [json.loads(body)["id"] for _, body, _ in page.entries] == [name for name, _, _ in page.entries]
        seen.extend(name for name, _, _ in page.entries)
        more = page.more
    assert seen == sorted("abcde", reverse=not ascending)
    with pytest.raises(UnknownCursor):
        await conversations.entries(id_, ACCOUNT, limit=2, ascending=ascending, after="x")


async def test_items_are_found_and_removed_by_their_ids(conversations: Conversations) -> None:
    id_, other = await opened(conversations, "a", "b"), await opened(conversations, "c")
    assert await conversations.entry(id_, ACCOUNT, "a") == b'{"id": "a"}'
    assert await conversations.entry(id_, ACCOUNT, "c") is None
    assert set(await conversations.named(ACCOUNT, ["a", "c", "x"])) == {"a", "c"}
    assert await conversations.remove(id_, ACCOUNT, "a") == await conversations.find(id_, ACCOUNT)
    assert await conversations.remove(id_, ACCOUNT, "a") is None
    assert await conversations.remove(other, ACCOUNT, "b") is None
    assert await names(conversations, id_) == ["b"]
    await added(conversations, id_, "a")
    assert await names(conversations, id_) == ["b", "a"]


async def test_a_page_of_large_items_ends_early(conversations: Conversations) -> None:
    id_ = await opened(conversations)
    holder = fresh()
    await conversations.enter(id_, ACCOUNT, holder, until())
    large = [Entry(name, name.encode() * (5 << 20)) for name in "abc"]
    await conversations.append(id_, ACCOUNT, holder, large)
    page = await conversations.entries(id_, ACCOUNT, limit=9, ascending=True)
    assert page is not None
    assert (page.entries, page.more) == (large[:1], True)


async def test_an_item_may_be_larger_than_a_document(conversations: Conversations) -> None:
    id_ = await opened(conversations, "a")
    holder, body = fresh(), bytes(range(256)) * (20 << 12)
    await conversations.enter(id_, ACCOUNT, holder, until())
    await conversations.append(id_, ACCOUNT, holder, [Entry("large", body), Entry("c", b"{}")])
    assert await said(conversations, id_) == [b'{"id": "a"}', body, b"{}"]
    assert await conversations.entry(id_, ACCOUNT, "large") == body
    assert (await conversations.named(ACCOUNT, ["large"]))["large"].body == body
    assert await conversations.remove(id_, ACCOUNT, "large") is not None
    assert await said(conversations, id_) == [b'{"id": "a"}', b"{}"]


async def test_a_conversation_that_is_too_large_is_no_history(
    conversations: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    for adapter in ("mongo", "sqlite"):
        monkeypatch.setattr(f"warren_ledger.store.{adapter}.conversations.MAX_HISTORY", 20)
    id_ = await opened(conversations, "a")
    assert await conversations.history(id_, ACCOUNT) is not None
    await added(conversations, id_, "b")
    with pytest.raises(ContextLengthExceeded):
        await conversations.history(id_, ACCOUNT)


# What a ledger leaves behind that dies between the items and the update that shows them.


async def test_items_that_nobody_showed_are_not_seen(mongo: MongoStore, clock: Clock) -> None:
    conversations = mongo.conversations
    id_ = await opened(conversations, "a")
    assert await conversations.enter(id_, ACCOUNT, "dead", until())
    row = await conversations._row(id_, ACCOUNT)
    assert row is not None
    half = await conversations._new(row, entries("b", "c"))
    await conversations._items.insert_many(half[:1])
    assert await names(conversations, id_) == ["a"]
    assert await conversations.named(ACCOUNT, ["b"]) == {}
    clock.ahead = 2 * SOON
    assert await conversations.enter(id_, ACCOUNT, "next", until(10 * SOON))
    await conversations.append(id_, ACCOUNT, "next", entries("b", "d"))
    await conversations._items.insert_many(half[1:])  # the dead was only slow
    assert not await conversations._change(row, {"$set": {"head": row["turn"]}})
    assert await names(conversations, id_) == ["a", "b", "d"]


async def test_items_that_were_written_in_part_are_written_whole_the_second_time(mongo: MongoStore) -> None:
    conversations = mongo.conversations
    id_ = await opened(conversations)
    assert await conversations.enter(id_, ACCOUNT, "r", until())
    row = await conversations._row(id_, ACCOUNT)
    assert row is not None
    await conversations._items.insert_many((await conversations._new(row, entries("a", "b")))[1:])
    assert await conversations.append(id_, ACCOUNT, "r", entries("a", "b"))
    assert await names(conversations, id_) == ["a", "b"]


async def test_a_delete_that_was_done_in_part_is_finished_the_second_time(mongo: MongoStore) -> None:
    conversations = mongo.conversations
    id_ = await opened(conversations, "a")
    await conversations._conversations.replace_one(
        {"_id": id_}, {"account": ACCOUNT, "expires": datetime.now(UTC) + BURIED}
    )
    await conversations.delete(id_, ACCOUNT)
    assert await conversations._items.count_documents({}) == 0


async def test_queries_find_items_by_index(mongo: MongoStore) -> None:
    conversations = mongo.conversations
    await conversations.prepare()
    row = await conversations._row(await opened(conversations, "a"), ACCOUNT)
    assert row is not None
    seen = on_mongo._seen(row)
    in_order = await conversations._items.find(seen).sort("_id", 1).explain()
    by_id = await conversations._items.find({"account": ACCOUNT, "item_id": "a", "conversation": "c"}).explain()
    for explained, index in ((in_order, "_id_"), (by_id, "account_1_item_id_1")):
        plan = json.dumps(explained["queryPlanner"]["winningPlan"], default=str)
        assert f'"{index}"' in plan
        assert "COLLSCAN" not in plan
        assert '"SORT"' not in plan


HOLDERS = st.sampled_from("xyz")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), HOLDERS, st.integers(0, 2)),
        st.tuples(st.just("leave"), HOLDERS, st.integers(0, 2)),
        st.tuples(st.just("append"), HOLDERS, st.integers(0, 2), st.lists(st.sampled_from("abcde"), max_size=3)),
        st.tuples(st.just("remove"), st.sampled_from("abcde")),
        st.tuples(st.just("wait")),
        st.tuples(st.just("delete")),
    ),
    max_size=14,
)


@dataclass
class Model:
    """What a conversation does, said as simply as it can be."""

    there: bool = True
    items: list[str] = field(default_factory=list)
    holder: str | None = None
    expired: bool = False
    gone: list[str] = field(default_factory=list)

    def enter(self, holder: str) -> bool | None:
        if not self.there:
            return None
        if holder in self.gone[-REMEMBERED:]:
            return True
        if self.holder not in {None, holder} and not self.expired:
            return False
        self.holder, self.expired = holder, False
        return True

    def leave(self, holder: str) -> None:
        if not self.there or holder in self.gone[-REMEMBERED:]:
            return
        self.gone.append(holder)
        if self.holder == holder:
            self.holder = None

    def append(self, holder: str, names: Sequence[str]) -> bool | None:
        if not self.there:
            return None
        if holder in self.gone[-REMEMBERED:]:
            return True
        if self.holder != holder:
            return False
        self.items.extend(name for name in dict.fromkeys(names) if name not in self.items)
        self.leave(holder)
        return True

    def remove(self, name: str) -> bool:
        if not self.there or name not in self.items:
            return False
        self.items.remove(name)
        return True

    def delete(self) -> bool:
        was, self.there = self.there, False
        return was


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_a_conversation_does_as_the_model_does(
    conversations: Conversations, clock: Clock, steps: list[tuple[Any, ...]]
) -> None:
    model, id_ = Model(), await opened(conversations)
    for step in steps:
        match step:
            case ("enter", holder, turn):
                end = time.time() + clock.ahead + SOON
                assert await conversations.enter(id_, ACCOUNT, f"{holder}{turn}", end) == model.enter(f"{holder}{turn}")
            case ("leave", holder, turn):
                await conversations.leave(id_, ACCOUNT, f"{holder}{turn}")
                model.leave(f"{holder}{turn}")
            case ("append", holder, turn, said):
                answer = await conversations.append(id_, ACCOUNT, f"{holder}{turn}", entries(*said))
                assert answer == model.append(f"{holder}{turn}", said)
            case ("remove", name):
                assert (await conversations.remove(id_, ACCOUNT, name) is not None) == model.remove(name)
            case ("wait",):
                clock.ahead += 2 * SOON
                model.expired = True
            case ("delete",):
                assert await conversations.delete(id_, ACCOUNT) == model.delete()
        if model.there:
            assert await names(conversations, id_) == model.items
        else:
            assert await conversations.history(id_, ACCOUNT) is None
