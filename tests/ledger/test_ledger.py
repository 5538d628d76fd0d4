"""The ledger as others meet it: through the bus."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.making import ACCOUNT, call, fresh, line, message, outcome
from warren.bus import LEDGER_ASK, LEDGER_WRITE, dead, jobs
from warren.bus.memory import MemoryBroker, MemoryBus
from warren.contracts import (
    Claim,
    Claimed,
    Delete,
    Deleted,
    Fetch,
    Fetched,
    Held,
    Job,
    Locate,
    Located,
    Message,
    Outcome,
    Ping,
    Pong,
    Rebuild,
    Rebuilt,
    Recorded,
)
from warren.errors import CallTimeout, LedgerUnavailable
from warren.settings import drained
from warren_ledger import ledger
from warren_ledger.ledger import recording
from warren_ledger.patience import until_there
from warren_ledger.store import Store
from warren_ledger.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

REQUEST_TIMEOUT = 600.0


class Watched:
    """A store whose writes can be watched, and which can be made to fail."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.batches: list[int] = []
        self.fails: Callable[[Sequence[Outcome]], Exception | None] = lambda outcomes: None
        self.down = False
        self.failures = 0
        """So many calls fail from now on."""
        self.shaky = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not callable(method):
            return Part(self, method)

        async def watched(*arguments: Any, **options: Any) -> Any:
            if self.down or self.failures:
                self.failures = max(0, self.failures - 1)
                raise LedgerUnavailable("down")
            return await method(*arguments, **options)

        return watched

    async def put(self, outcomes: Sequence[Outcome]) -> list[Recorded]:
        if self.down:
            raise LedgerUnavailable("down")
        if error := self.fails(outcomes):
            raise error
        self.batches.append(len(outcomes))
        await asyncio.sleep(0.01)
        return await self._store.put(outcomes)


class Part:
    """Of a store that is watched: away when that is."""

    def __init__(self, whole: Watched, part: Any) -> None:
        self._whole = whole
        self._part = part

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)

        async def watched(*arguments: Any, **options: Any) -> Any:
            if self._whole.down:
                raise LedgerUnavailable("down")
            return await method(*arguments, **options)

        return watched


@dataclass
class Rig:
    store: Watched
    bus: MemoryBus

    async def write(self, message: Message, timeout: float = 5) -> Any:
        return await self.bus.call(LEDGER_WRITE, message, timeout=timeout)

    async def ask(self, message: Message) -> Any:
        return await self.bus.call(LEDGER_ASK, message)

    async def fetch(self, response_id: str, account: str = ACCOUNT) -> Fetched:
        answer = await self.ask(Fetch(response_id=response_id, account=account))
        assert isinstance(answer, Fetched)
        return answer


@pytest.fixture
async def rig(tmp_path: Path, anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(ledger, "_ON_ITS_WAY", 0.3)
    broker = MemoryBroker()
    async with SqliteStore.open(tmp_path / "warren.db") as store, broker.open() as inside, broker.open() as outside:
        watched = Watched(store)
        async with recording(inside, watched, REQUEST_TIMEOUT):
            yield Rig(watched, outside)


async def test_a_called_outcome_is_answered_when_it_is_stored(rig: Rig) -> None:
    one = outcome(calls=(call(),))
    assert await rig.write(one) == Recorded(won=True, status="completed")
    assert await rig.fetch(one.response_id) == Fetched(found=True, payload=one.response)
    assert len(await rig.store.calls(one.response_id, ACCOUNT)) == 1


async def test_an_outcome_that_comes_second_is_told_who_won(rig: Rig) -> None:
    one = outcome()
    await rig.write(one)
    late = outcome(one.response_id, attempt="b", status="failed")
    assert await rig.write(late) == Recorded(won=False, status="completed")


async def test_what_gathers_is_written_together(rig: Rig) -> None:
    many = [outcome() for _ in range(300)]
    await asyncio.gather(*(rig.write(one) for one in many))
    assert sum(rig.store.batches) == 300
    assert len(rig.store.batches) < 10


async def test_a_claim_comes_after_all_earlier_outcomes(rig: Rig) -> None:
    many = [outcome(attempt="a") for _ in range(50)]
    for one in many:
        await rig.bus.send(LEDGER_WRITE, one)
    answers = await asyncio.gather(
        *(rig.write(Claim(response_id=one.response_id, account=ACCOUNT, attempt="b")) for one in many)
    )
    assert answers == [Claimed(verdict="ended", payload=one.response) for one in many]


async def test_a_claim_of_what_has_not_ended_may_run_and_is_the_only_one(rig: Rig) -> None:
    id_ = fresh()
    claim = Claim(response_id=id_, account=ACCOUNT, attempt="b")
    assert await rig.write(claim) == Claimed(verdict="run")
    assert (await rig.write(outcome(id_, attempt="a"))).won is False
    assert (await rig.write(outcome(id_, attempt="b"))).won is True


async def test_a_claim_of_what_was_not_stored_ends_without_a_response(rig: Rig) -> None:
    one = outcome(store=False)
    await rig.write(one)
    claim = Claim(response_id=one.response_id, account=ACCOUNT, attempt="b")
    assert await rig.write(claim) == Claimed(verdict="ended")


async def test_one_outcome_that_cannot_be_written_does_not_hold_up_others(rig: Rig) -> None:
    poison = outcome()
    rig.store.fails = lambda outcomes: ValueError("poison") if poison in outcomes else None
    await rig.bus.send(LEDGER_WRITE, poison)
    many = [outcome() for _ in range(20)]
    answers = await asyncio.gather(*(rig.write(one) for one in many))
    assert all(answer.won for answer in answers)
    found = asyncio.Event()

    async def mourn(delivery: Any) -> None:
        assert delivery.message == poison
        found.set()

    async with rig.bus.serve(dead(LEDGER_WRITE), mourn), asyncio.timeout(15):
        await found.wait()


async def test_while_the_store_is_away_nothing_is_lost(rig: Rig) -> None:
    rig.store.down = True
    many = [outcome(calls=(call(),)) for _ in range(1000)]
    for one in many:
        await rig.bus.send(LEDGER_WRITE, one)
    with pytest.raises(CallTimeout):
        await rig.write(doubtful := outcome(), timeout=0.5)
    with pytest.raises(LedgerUnavailable):
        await rig.fetch(many[0].response_id)
    await asyncio.sleep(1)
    rig.store.down = False
    async with asyncio.timeout(20):
        for one in [*many, doubtful]:
            while await rig.store.find(one.response_id, ACCOUNT) is None:
                await asyncio.sleep(0.02)


async def test_a_delete_waits_for_a_store_that_is_away(rig: Rig) -> None:
    await rig.write(one := outcome())
    rig.store.down = True
    deleting = asyncio.create_task(rig.write(Delete(response_id=one.response_id, account=ACCOUNT)))
    await asyncio.sleep(0.3)
    rig.store.down = False
    assert await deleting == Deleted(found=True)


async def test_the_ledger_tells_how_its_store_is(rig: Rig) -> None:
    assert await rig.ask(Ping()) == Pong(states={"store": "up"})
    rig.store.down = True
    assert await rig.ask(Ping()) == Pong(states={"store": "down"})


async def test_what_is_on_its_way_is_waited_for(rig: Rig) -> None:
    first, second = line(2)
    asking = [
        asyncio.create_task(rig.ask(question(response_id=second.response_id, account=ACCOUNT)))
        for question in (Locate, Fetch, Rebuild)
    ]
    deleting = asyncio.create_task(rig.write(Delete(response_id=first.response_id, account=ACCOUNT)))
    await asyncio.sleep(0.1)
    await rig.bus.send(LEDGER_WRITE, second)
    assert all(answer.found for answer in await asyncio.gather(*asking))
    await rig.bus.send(LEDGER_WRITE, first)
    assert await deleting == Deleted(found=True)


async def test_a_claim_alone_is_waited_behind(rig: Rig) -> None:
    id_ = fresh()
    await rig.write(Claim(response_id=id_, account=ACCOUNT, attempt="a"))
    asking = asyncio.create_task(rig.fetch(id_))
    await asyncio.sleep(0.1)
    assert not asking.done()
    await rig.bus.send(LEDGER_WRITE, outcome(id_))
    assert (await asking).found


async def test_what_does_not_come_is_not_found(rig: Rig) -> None:
    began = time.monotonic()
    assert not (await rig.fetch(fresh())).found
    assert 0.3 <= time.monotonic() - began < 1


@pytest.mark.parametrize("id_", ["resp_0000000000000000000000000000000000000", "resp_x", "", "🐇"])
async def test_for_an_old_or_foreign_id_nobody_waits(rig: Rig, id_: str) -> None:
    began = time.monotonic()
    assert not (await rig.fetch(id_)).found
    assert time.monotonic() - began < 0.2


@pytest.mark.parametrize("behind", ["store", "queue"])
async def test_while_a_ledger_is_behind_it_does_not_say_that_something_young_is_not_there(
    rig: Rig, behind: str
) -> None:
    if behind == "store":
        rig.store.shaky = True
    else:
        await rig.write(outcome(ended_at=time.time() - 5))
    id_ = fresh()
    for question in (Fetch, Locate, Rebuild):
        with pytest.raises(LedgerUnavailable, match="behind"):
            await rig.ask(question(response_id=id_, account=ACCOUNT))
    with pytest.raises(LedgerUnavailable, match="behind"):
        await rig.write(Delete(response_id=id_, account=ACCOUNT))
    assert not (await rig.fetch("resp_0000000000000000000000000000000000000")).found  # that is old


@pytest.mark.parametrize("question", [Fetch, Locate, Rebuild])
async def test_a_store_that_fails_once_is_asked_again_and_in_an_outage_it_is_not(rig: Rig, question: Any) -> None:
    await rig.write(one := outcome())
    asked = question(response_id=one.response_id, account=ACCOUNT)
    rig.store.failures = 1
    assert (await rig.ask(asked)).found
    rig.store.failures = 2
    with pytest.raises(LedgerUnavailable):
        await rig.ask(asked)
    rig.store.shaky, rig.store.failures = True, 1
    with pytest.raises(LedgerUnavailable):
        await rig.ask(asked)


async def test_what_is_there_is_answered_at_once_though_it_is_empty(rig: Rig) -> None:
    unstored, deleted = outcome(store=False), outcome()
    await rig.write(unstored)
    await rig.write(deleted)
    await rig.write(Delete(response_id=deleted.response_id, account=ACCOUNT))
    began = time.monotonic()
    for id_ in (unstored.response_id, deleted.response_id):
        assert await rig.fetch(id_) == Fetched(found=False)
        assert await rig.ask(Locate(response_id=id_, account=ACCOUNT)) == Located(found=False)
        assert await rig.ask(Rebuild(response_id=id_, account=ACCOUNT)) == Rebuilt(found=False)
        assert await rig.write(Delete(response_id=id_, account=ACCOUNT)) == Deleted(found=False)
    assert time.monotonic() - began < 0.25


async def test_deleting_does_not_hold_up_writing(rig: Rig) -> None:
    deleting = asyncio.create_task(rig.write(Delete(response_id=fresh(), account=ACCOUNT)))
    await asyncio.sleep(0.05)
    await rig.write(outcome(), timeout=0.2)
    assert not deleting.done()
    assert await deleting == Deleted(found=False)


async def test_a_response_is_located(rig: Rig) -> None:
    one = outcome(status="incomplete")
    native = one.model_copy(update={"response_id": fresh(), "upstream_id": None})
    nobodys = native.model_copy(update={"response_id": fresh(), "deployment": None})
    await rig.write(one)
    await rig.write(native)
    await rig.write(nobodys)
    assert await rig.ask(Locate(response_id=one.response_id, account=ACCOUNT)) == Located(
        found=True, status="incomplete", held=Held(deployment="openai/gpt", upstream_id="resp_upstream")
    )
    assert await rig.ask(Locate(response_id=native.response_id, account=ACCOUNT)) == Located(
        found=True, status="incomplete", held=Held(deployment="openai/gpt", upstream_id="")
    )
    assert await rig.ask(Locate(response_id=nobodys.response_id, account=ACCOUNT)) == Located(
        found=True, status="incomplete"
    )


async def test_another_account_finds_nothing(rig: Rig) -> None:
    await rig.write(one := outcome())
    for question in (Locate, Fetch, Rebuild):
        assert not (await rig.ask(question(response_id=one.response_id, account="other"))).found
    assert await rig.write(Delete(response_id=one.response_id, account="other")) == Deleted(found=False)


async def test_a_rebuild_is_all_that_was_said(rig: Rig) -> None:
    turns = line(3)
    await asyncio.gather(*map(rig.write, [*turns, outcome(previous=turns[0].response_id)]))
    answer = await rig.ask(Rebuild(response_id=turns[2].response_id, account=ACCOUNT))
    assert answer.found
    assert json.loads(answer.payload) == [
        item
        for turn in turns
        for item in (message(f"in {turn.response_id}"), message(f"out {turn.response_id}", "assistant"))
    ]


async def test_a_rebuild_names_its_hole(rig: Rig) -> None:
    turns = line(3)
    await asyncio.gather(*map(rig.write, turns))
    await rig.write(Delete(response_id=turns[0].response_id, account=ACCOUNT))
    answer = await rig.ask(Rebuild(response_id=turns[2].response_id, account=ACCOUNT))
    assert answer == Rebuilt(found=True, hole=turns[0].response_id)


async def test_a_thousand_turns_are_rebuilt_in_one_answer(rig: Rig) -> None:
    turns = line(1000)
    await rig.store.put(turns)
    async with asyncio.timeout(2):
        answer = await rig.ask(Rebuild(response_id=turns[-1].response_id, account=ACCOUNT))
    assert len(json.loads(answer.payload)) == 2000


def job(response_id: str, request: dict[str, Any] | None = None, payload: bytes | None = None) -> Job:
    body = {"model": "gpt", "input": "Hello", "previous_response_id": "resp_before", **(request or {})}
    return Job(
        response_id=response_id,
        account=ACCOUNT,
        plan=("openai/gpt",),
        reply_to="nobody",
        stream=True,
        created_at=time.time(),
        deadline=time.time() + 60,
        payload=json.dumps(body).encode() if payload is None else payload,
    )


async def test_a_dead_job_is_a_failed_response(rig: Rig) -> None:
    id_ = fresh()
    await rig.bus.send(dead(jobs("openai")), job(id_, {"metadata": {"a.b": "$c"}}))
    response = json.loads((await rig.fetch(id_)).payload)
    assert (response["id"], response["status"], response["output"]) == (id_, "failed", [])
    assert response["error"]["code"] == "server_error"
    assert (response["model"], response["metadata"]) == ("gpt", {"a.b": "$c"})
    record = await rig.store.find(id_, ACCOUNT, content=True)
    assert (record.error, record.previous_response_id) == ("server_error", "resp_before")
    assert json.loads(record.input)[0]["content"] == [{"type": "input_text", "text": "Hello"}]


async def test_a_dead_job_does_not_undo_an_end(rig: Rig) -> None:
    await rig.write(one := outcome())
    await rig.bus.send(dead(jobs("openai")), job(one.response_id))
    await rig.bus.send(dead(jobs("openai")), job(after := fresh()))
    assert (await rig.fetch(after)).found
    assert (await rig.fetch(one.response_id)).payload == one.response


async def test_a_dead_job_that_claimed_its_response_ends_it(rig: Rig) -> None:
    id_ = fresh()
    await rig.write(Claim(response_id=id_, account=ACCOUNT, attempt="a"))
    await rig.bus.send(dead(jobs("openai")), job(id_))
    assert (await rig.ask(Locate(response_id=id_, account=ACCOUNT))).status == "failed"


@pytest.mark.parametrize("payload", [b"", b"not JSON", b"[1]"])
async def test_a_dead_job_that_cannot_be_read_has_failed_all_the_same(rig: Rig, payload: bytes) -> None:
    id_ = fresh()
    await rig.bus.send(dead(jobs("openai")), job(id_, payload=payload))
    record = await until_there(lambda: rig.store.find(id_, ACCOUNT), seconds=2)
    assert record is not None
    assert (record.status, record.kept) == ("failed", False)


async def test_leaving_finishes_what_was_taken(tmp_path: Path) -> None:
    broker = MemoryBroker()
    async with SqliteStore.open(tmp_path / "warren.db") as store, broker.open() as inside, broker.open() as outside:
        many = [outcome() for _ in range(100)]
        async with recording(inside, Watched(store), REQUEST_TIMEOUT):
            writing = [asyncio.create_task(outside.call(LEDGER_WRITE, one)) for one in many]
            await asyncio.sleep(0.01)
        taken = [one for one in many if await store.find(one.response_id, ACCOUNT)]
        assert taken
        async with recording(inside, store, REQUEST_TIMEOUT):
            assert all(answer.won for answer in await asyncio.gather(*writing))  # type: ignore[attr-defined]


async def test_leaving_can_be_cut_short_and_loses_nothing(tmp_path: Path) -> None:
    broker = MemoryBroker()
    async with SqliteStore.open(tmp_path / "warren.db") as store, broker.open() as inside, broker.open() as outside:
        watched = Watched(store)
        watched.down = True
        many = [outcome() for _ in range(20)]
        async with drained(0.5) as stack:
            await stack.enter_async_context(recording(inside, watched, REQUEST_TIMEOUT))
            for one in many:
                await outside.send(LEDGER_WRITE, one)
            await asyncio.sleep(0.1)
        async with recording(inside, store, REQUEST_TIMEOUT):
            for one in many:
                assert (await outside.call(LEDGER_ASK, Fetch(response_id=one.response_id, account=ACCOUNT))).found  # type: ignore[attr-defined]
