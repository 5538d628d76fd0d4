"""Budgets: held before, charged once, by any number of ledgers, whoever dies in between."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.making import call, fresh, outcome
from warren.bus import LEDGER_ASK, LEDGER_WRITE, Bus
from warren.bus.memory import MemoryBroker
from warren.contracts import Outcome, Payer, Reservation, Reserve, Reserved, Unreserve
from warren.errors import WarrenError
from warren_ledger.budgets import Budgets
from warren_ledger.ledger import recording
from warren_ledger.store import Store
from warren_ledger.store.mongo import MongoStore

pytestmark = pytest.mark.anyio
KEY, USER, DEPLOYMENT = "key:key_1", "end_user:alice", "deployment:openai/gpt"


def reserve(*budgets: str, id_: str | None = None, until: float = 60, **more: Any) -> Reserve:
    terms = {"amount": Decimal(1), "limit": Decimal(10), **more}
    return Reserve(
        response_id=id_ or fresh(),
        until=time.time() + until,
        reservations=tuple(Reservation(budget=budget, **terms) for budget in budgets),
    )


def ended(id_: str, *costs: str | None, budgets: tuple[str, ...] = (KEY,), **more: Any) -> Outcome:
    calls = tuple(call(cost=None if cost is None else Decimal(cost)) for cost in costs)
    return outcome(id_, calls=calls, **more).model_copy(update={"payer": Payer(key="key_1", budgets=budgets)})


async def figures(budgets: Budgets, budget: str = KEY) -> tuple[object, object]:
    """What is spent, and what is held."""
    book = await budgets.book(budget)
    assert book is not None
    return book.spent, book.held


@pytest.fixture
def budgets(store: Store) -> Budgets:
    return Budgets(store.entries)


async def test_of_fifty_at_once_a_budget_for_ten_lets_ten_pass(store: Store) -> None:
    ledgers = [Budgets(store.entries) for _ in range(3)]
    answers = await asyncio.gather(*(ledgers[n % 3].reserve(reserve(KEY)) for n in range(50)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, WarrenError)]
    assert len(refused) == 40
    assert {(error.status, error.code, error.type) for error in refused} == {
        (429, "insufficient_quota", "insufficient_quota")
    }
    assert await figures(ledgers[0]) == (0, 10)


async def test_all_budgets_hold_or_none_does(budgets: Budgets) -> None:
    await budgets.reserve(reserve(USER, limit=Decimal("1.5")))
    with pytest.raises(WarrenError, match="end user is used up"):
        await budgets.reserve(reserve(KEY, USER, limit=Decimal("1.5")))
    assert await figures(budgets) == (0, 0)
    assert await figures(budgets, USER) == (0, 1)


async def test_what_a_request_can_do_without_is_told(budgets: Budgets) -> None:
    await budgets.reserve(reserve(DEPLOYMENT, limit=Decimal("1.5")))
    answer = await budgets.reserve(reserve(KEY, DEPLOYMENT, limit=Decimal("1.5"), needed=False))
    assert answer == Reserved(refused=(DEPLOYMENT,))
    assert await figures(budgets) == (0, 1)


async def test_who_is_refused_is_told_how_much_is_left_and_when_there_is_more(budgets: Budgets) -> None:
    await budgets.reserve(reserve(KEY, amount=Decimal("9.5"), duration="1d"))
    with pytest.raises(WarrenError) as refused:
        await budgets.reserve(reserve(KEY, duration="1d"))
    assert "may cost up to $1, and of $10 there is $0.5 left. It starts anew at 20" in refused.value.message
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 86_400


async def test_the_figures_of_what_is_everybodys_are_told_to_nobody(budgets: Budgets) -> None:
    for budget in ("global", DEPLOYMENT):
        with pytest.raises(WarrenError) as refused:
            await budgets.reserve(reserve(budget, amount=Decimal(11)))
        assert refused.value.message == "A budget is used up."


async def test_a_response_is_charged_once_however_often_its_outcome_comes(budgets: Budgets) -> None:
    id_ = fresh()
    await budgets.reserve(reserve(KEY, id_=id_))
    told = ended(id_, "0.25", "0.5")
    await asyncio.gather(*(budgets.settle(told, won=True) for _ in range(5)))
    assert await figures(budgets) == (Decimal("0.75"), 0)


async def test_a_deployment_is_charged_for_its_own_calls(budgets: Budgets) -> None:
    id_, other = fresh(), "deployment:other"
    await budgets.reserve(reserve(KEY, DEPLOYMENT, other, id_=id_))
    await budgets.settle(ended(id_, "0.25", budgets=(KEY, DEPLOYMENT, other)), won=True)
    assert await figures(budgets, DEPLOYMENT) == (Decimal("0.25"), 0)
    assert await figures(budgets, other) == (0, 0)


async def test_a_call_of_unknown_price_costs_what_was_held(budgets: Budgets) -> None:
    id_ = fresh()
    await budgets.reserve(reserve(KEY, id_=id_))
    await budgets.settle(ended(id_, "0.25", None), won=True)
    assert await figures(budgets) == (1, 0)


async def test_a_call_that_used_nothing_costs_nothing(budgets: Budgets) -> None:
    id_ = fresh()
    await budgets.reserve(reserve(KEY, id_=id_))
    refused = ended(id_).model_copy(update={"calls": (call(cost=None, usage=None, usage_source=None),)})
    await budgets.settle(refused, won=True)
    assert await figures(budgets) == (0, 0)


async def test_a_superseded_attempt_leaves_the_end_to_its_successor_and_is_paid(budgets: Budgets) -> None:
    id_ = fresh()
    await budgets.reserve(reserve(KEY, id_=id_))
    superseded = ended(id_, "0.25").model_copy(update={"superseded": True})
    for _ in range(2):
        await budgets.settle(superseded, won=False)
    assert await figures(budgets) == (Decimal("0.25"), 1)
    await budgets.settle(ended(id_, "0.5"), won=True)
    assert await figures(budgets) == (Decimal("0.75"), 0)


async def test_a_call_of_which_another_one_has_told_is_not_charged_again(budgets: Budgets) -> None:
    id_ = fresh()
    await budgets.reserve(reserve(KEY, id_=id_))
    told = ended(id_, "0.25", "0.5")
    await budgets.settle(told, won=True, known={told.calls[0].call_id})
    assert await figures(budgets) == (Decimal("0.5"), 0)


async def test_what_the_dead_had_used_counts_when_it_comes(budgets: Budgets) -> None:
    id_ = fresh()
    await budgets.reserve(reserve(KEY, id_=id_))
    await budgets.settle(ended(id_, status="failed"), won=True)
    assert await figures(budgets) == (0, 0)
    late = ended(id_, "0.5", status="cancelled")
    for _ in range(2):
        await budgets.settle(late, won=False)
    assert await figures(budgets) == (Decimal("0.5"), 0)


async def test_what_is_not_sent_is_let_go(budgets: Budgets) -> None:
    id_ = fresh()
    await budgets.reserve(reserve(KEY, USER, id_=id_))
    await budgets.unreserve(Unreserve(response_id=id_, budgets=(KEY, USER)))
    assert await figures(budgets) == await figures(budgets, USER) == (0, 0)


async def test_after_a_crash_of_everything_nothing_stays_held(store: Store) -> None:
    await Budgets(store.entries).reserve(reserve(KEY, until=0.5))
    after = Budgets(store.entries)
    assert await figures(after) == (0, 1)
    async with after.lapsing(), asyncio.timeout(20):
        while (entry := await store.entries.find("budgets", KEY)) is not None and entry.due is not None:
            await asyncio.sleep(0.05)
    assert entry is not None
    assert entry.state["holds"] == {}
    assert await figures(after) == (0, 0)


async def test_what_changes_at_the_same_time_is_written_together(budgets: Budgets, store: Store) -> None:
    await asyncio.gather(*(budgets.reserve(reserve(KEY, limit=Decimal(1000))) for _ in range(200)))
    assert await figures(budgets) == (0, 200)
    entry = await store.entries.find("budgets", KEY)
    assert entry is not None
    assert entry.version < 20


async def test_a_refusal_is_no_change(budgets: Budgets, store: Store) -> None:
    await budgets.reserve(reserve(KEY, amount=Decimal(10)))
    before = await store.entries.find("budgets", KEY)
    with pytest.raises(WarrenError):
        await budgets.reserve(reserve(KEY))
    assert await store.entries.find("budgets", KEY) == before
    assert before is not None
    assert not await store.entries.put(replace(before, version=before.version + 2))


@asynccontextmanager
async def ledger(store: Store) -> AsyncIterator[Bus]:
    broker = MemoryBroker()
    async with broker.open() as there, broker.open() as here, recording(there, store, 600):
        yield here


async def test_the_record_of_a_response_is_what_charges_it(store: Store, budgets: Budgets) -> None:
    won, lost, free = fresh(), fresh(), fresh()
    async with ledger(store) as bus:
        for id_ in (won, lost):
            assert await bus.call(LEDGER_ASK, reserve(KEY, id_=id_)) == Reserved()
        await bus.call(LEDGER_WRITE, ended(won, "0.25"))
        await bus.call(LEDGER_WRITE, ended(won, "7", attempt="another"))
        await bus.call(LEDGER_WRITE, ended(lost, status="failed"))
        await bus.call(LEDGER_WRITE, outcome(free, calls=(call(),)))
        assert await figures(budgets) == (Decimal("7.25"), 0), "as in the reports: both were paid for"
        with pytest.raises(WarrenError) as refused:
            await bus.call(LEDGER_ASK, reserve(KEY, amount=Decimal(10)))
        assert (refused.value.status, refused.value.code) == (429, "insufficient_quota")


async def test_whose_it_is_is_kept_beside_each_cost(store: Store, tmp_path: Path) -> None:
    one = outcome(calls=(call(),)).model_copy(update={"payer": Payer(key="key_1", end_user="alice", tags=("a", "b"))})
    await store.put([one])
    assert await store.calls(one.response_id, one.account) == list(one.calls)
    if isinstance(store, MongoStore):
        found = await store._costs.find_one({"key": "key_1", "end_user": "alice", "tags": "b"})
        assert found["_id"] == one.calls[0].call_id
    else:
        with sqlite3.connect(tmp_path / "warren.db") as database:
            row = database.execute("SELECT call_id, end_user, tags FROM costs WHERE key = 'key_1'").fetchone()
        assert row == (one.calls[0].call_id, "alice", '["a","b"]')
