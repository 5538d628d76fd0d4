"""The contract of the store: every test runs against both."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.ledger.making import ACCOUNT, Clock, call, fresh, line, outcome
from warren.contracts import Claim, CostLine, Recorded, Usage
from warren.errors import ContextLengthExceeded
from warren_ledger import store as port
from warren_ledger.store import Store

pytestmark = pytest.mark.anyio

WON = Recorded(won=True, status="completed")


def claim(response_id: str, attempt: str, account: str = ACCOUNT) -> Claim:
    return Claim(response_id=response_id, account=account, attempt=attempt)


async def test_what_is_put_is_found_again(store: Store) -> None:
    one = outcome(status="incomplete", previous=fresh())
    assert await store.put([one]) == [Recorded(won=True, status="incomplete")]
    record = await store.find(one.response_id, ACCOUNT, content=True)
    assert record is not None
    for name in ("response_id", "account", "status", "attempt", "ended_at", "model", "deployment", "upstream_id",
                 "previous_response_id", "created_at", "error", "input"):  # fmt: skip
        assert getattr(record, name) == getattr(one, name), name
    assert (record.kept, record.body) == (True, one.response)


async def test_content_comes_only_when_asked_for(store: Store) -> None:
    one = outcome()
    await store.put([one])
    record = await store.find(one.response_id, ACCOUNT)
    assert record is not None
    assert (record.kept, record.body, record.input) == (True, None, None)


async def test_nothing_is_written_by_an_empty_batch(store: Store) -> None:
    assert await store.put([]) == []


async def test_the_first_outcome_wins(store: Store) -> None:
    first = outcome(attempt="a")
    second = outcome(first.response_id, attempt="b", status="failed")
    assert await store.put([first]) == [WON]
    assert await store.put([second]) == [Recorded(won=False, status="completed")]
    record = await store.find(first.response_id, ACCOUNT, content=True)
    assert record is not None
    assert record.body == first.response


async def test_the_same_outcome_wins_again(store: Store) -> None:
    one = outcome()
    assert await store.put([one]) == await store.put([one]) == [WON]


async def test_two_ends_of_one_attempt_are_two_outcomes(store: Store) -> None:
    one = outcome(attempt="a")
    await store.put([one])
    again = outcome(one.response_id, attempt="a", status="failed")
    assert await store.put([again]) == [Recorded(won=False, status="completed")]


async def test_one_of_fifty_writers_wins(store: Store) -> None:
    id_ = fresh()
    rivals = [outcome(id_, attempt=str(number)) for number in range(50)]
    answers = await asyncio.gather(*(store.put([rival]) for rival in rivals))
    winners = [rival for rival, [answer] in zip(rivals, answers, strict=True) if answer.won]
    record = await store.find(id_, ACCOUNT)
    assert record is not None
    assert [winner.attempt for winner in winners] == [record.attempt]


async def test_a_batch_may_hold_one_response_several_times(store: Store) -> None:
    one, other = outcome(attempt="a"), outcome(attempt="x")
    rival = outcome(one.response_id, attempt="b", status="failed")
    answers = await store.put([one, rival, other, one, rival])
    assert [answer.won for answer in answers] == [True, False, True, True, False]
    assert {answer.status for answer in answers} == {"completed"}


async def test_a_batch_of_old_and_new_outcomes_is_told_apart(store: Store) -> None:
    old = [outcome() for _ in range(5)]
    await store.put(old)
    new = [outcome() for _ in range(5)]
    late = [outcome(one.response_id, attempt="late", status="failed") for one in old]
    answers = await store.put([one for both in zip(late, new, strict=True) for one in both])
    assert [answer.won for answer in answers] == [False, True] * 5


async def test_a_claim_shuts_out_other_attempts(store: Store) -> None:
    id_ = fresh()
    assert await store.claim(claim(id_, "b")) is None
    lost = outcome(id_, attempt="a", calls=(call("a.1"),))
    assert await store.put([lost]) == [Recorded(won=False, status=port.OPEN)]
    assert [one.call_id for one in await store.calls(id_, ACCOUNT)] == ["a.1"]
    assert await store.put([outcome(id_, attempt="b")]) == [WON]


async def test_the_latest_claim_counts(store: Store) -> None:
    id_ = fresh()
    await store.claim(claim(id_, "b"))
    assert await store.claim(claim(id_, "c")) is None
    answers = await store.put([outcome(id_, attempt="b"), outcome(id_, attempt="c")])
    assert [answer.won for answer in answers] == [False, True]


async def test_an_outcome_of_no_attempt_passes_every_claim(store: Store) -> None:
    id_ = fresh()
    await store.claim(claim(id_, "b"))
    buried = outcome(id_, attempt="", status="failed")
    assert await store.put([buried]) == [Recorded(won=True, status="failed")]
    assert await store.put([outcome(id_, attempt="b")]) == [Recorded(won=False, status="failed")]


async def test_a_superseded_outcome_leaves_only_what_it_cost(store: Store) -> None:
    lost = outcome(status="cancelled", calls=(call(),)).model_copy(update={"superseded": True})
    (recorded,) = await store.put([lost])
    assert recorded.won is False
    assert await store.find(lost.response_id, ACCOUNT) is None
    assert len(await store.calls(lost.response_id, ACCOUNT)) == 1
    claim = Claim(response_id=lost.response_id, account=ACCOUNT, attempt="b")
    assert await store.claim(claim) is None
    (recorded,) = await store.put([outcome(lost.response_id, attempt="b")])
    assert recorded.won is True


async def test_a_claim_of_what_has_ended_is_answered_with_its_record(store: Store) -> None:
    one = outcome(attempt="a")
    await store.put([one])
    record = await store.claim(claim(one.response_id, "b"))
    assert record is not None
    assert (record.attempt, record.body) == ("a", one.response)


async def test_what_is_only_claimed_is_not_there(store: Store) -> None:
    id_ = fresh()
    await store.claim(claim(id_, "a"))
    assert await store.find(id_, ACCOUNT) is None
    assert await store.chain(id_, ACCOUNT) is None
    assert await store.delete(id_, ACCOUNT) is None


@pytest.mark.parametrize(
    "cost",
    [
        "0.00000000000000012345",
        "12345678901234567890",
        "0.1",
        "0",
        "1.10",
        "0.3000000000000000000000000000000001",
        None,
    ],
)
async def test_money_is_exact(store: Store, cost: str | None) -> None:
    one = call(cost=None if cost is None else Decimal(cost))
    await store.put([paid := outcome(calls=(one,))])
    [stored] = await store.calls(paid.response_id, ACCOUNT)
    assert stored == one
    assert str(stored.cost) == str(one.cost)


async def test_what_a_cost_is_made_of_is_kept_as_it_was(store: Store) -> None:
    one = call(
        cost_lines=(
            CostLine("input", Decimal(2), Decimal("1.10E-6")),
            CostLine("seconds", Decimal("0.25"), Decimal(0)),
        ),
        price_source="prices.json",
        price_date="2026-11-20",
        unpriced=("image_generation",),
        service_tier="flex",
        usage=Usage(input_tokens=2, input_audio_tokens=1, tools={"web_search": 2}, stated=Decimal("0.10"), geo="us"),
    )
    await store.put([paid := outcome(calls=(one,))])
    [stored] = await store.calls(paid.response_id, ACCOUNT)
    assert stored == one
    assert [str(line.rate) for line in stored.cost_lines] == ["0.00000110", "0"]


async def test_a_call_is_remembered_once(store: Store) -> None:
    one = outcome(calls=(call("once.1", Decimal(1)), call("once.2", None, usage=None, usage_source=None)))
    changed = one.model_copy(update={"calls": (call("once.1", Decimal(2)),), "attempt": "b"})
    await store.put([one, one])
    await store.put([changed])
    stored = await store.calls(one.response_id, ACCOUNT)
    assert [(each.call_id, each.cost) for each in stored] == [("once.1", Decimal(1)), ("once.2", None)]


async def test_bytes_come_back_as_they_were(store: Store) -> None:
    body = '{ "output":[],"metadata":{"a.b":"1","$set":{"$where":"x"},"big":9007199254740993,"π":"\\u00e9\\u0000"} }'
    one = outcome(body=body.encode(), said=b'[ {"$gt": 9007199254740993.0} ]')
    await store.put([one])
    record = await store.find(one.response_id, ACCOUNT, content=True)
    assert record is not None
    assert (record.body, record.input) == (one.response, one.input)


async def test_names_that_look_like_operators_are_names(store: Store) -> None:
    account, attempt = "$ne", "a'; DROP TABLE responses; --"
    one = outcome("$gt.resp", account=account, attempt=attempt)
    await store.put([one])
    record = await store.find("$gt.resp", account)
    assert record is not None
    assert record.attempt == attempt


async def test_of_what_is_not_to_be_stored_only_that_it_was_is_known(store: Store) -> None:
    one = outcome(store=False, previous=fresh(), calls=(call("unstored.1"),))
    assert await store.put([one]) == [WON]
    record = await store.find(one.response_id, ACCOUNT, content=True)
    assert record == port.Record(
        response_id=one.response_id, account=ACCOUNT, status="completed", attempt="a", ended_at=one.ended_at, kept=False
    )
    assert len(await store.calls(one.response_id, ACCOUNT)) == 1
    assert await store.put([outcome(one.response_id, attempt="b")]) == [Recorded(won=False, status="completed")]


async def test_deleting_leaves_a_tombstone(store: Store) -> None:
    one = outcome(calls=(call("deleted.1"),))
    await store.put([one])
    assert await store.delete(one.response_id, ACCOUNT) is True
    assert await store.delete(one.response_id, ACCOUNT) is False
    record = await store.find(one.response_id, ACCOUNT, content=True)
    assert record is not None
    assert (record.kept, record.body, record.input, record.upstream_id) == (False, None, None, None)
    assert len(await store.calls(one.response_id, ACCOUNT)) == 1


async def test_a_response_that_arrives_while_it_is_deleted_is_deleted_or_still_to_come(store: Store) -> None:
    for _ in range(60):
        one = outcome()
        _, deleted = await asyncio.gather(store.put([one]), store.delete(one.response_id, ACCOUNT))
        assert deleted is not False, "there was content"
        kept = await store.find(one.response_id, ACCOUNT)
        assert kept is not None
        assert kept.kept == (deleted is None)


@pytest.mark.parametrize("attempt", ["a", "b", ""])
async def test_no_late_outcome_brings_back_what_was_deleted(store: Store, attempt: str) -> None:
    one = outcome()
    await store.put([one])
    await store.delete(one.response_id, ACCOUNT)
    await store.put([one, outcome(one.response_id, attempt=attempt)])
    record = await store.find(one.response_id, ACCOUNT, content=True)
    assert record is not None
    assert not record.kept
    assert record.body is None


async def test_another_account_sees_and_changes_nothing(store: Store) -> None:
    one = outcome(calls=(call("theirs.1"),))
    await store.put([one])
    assert await store.find(one.response_id, "other") is None
    assert await store.chain(one.response_id, "other") is None
    assert await store.calls(one.response_id, "other") == []
    assert await store.delete(one.response_id, "other") is None
    assert await store.claim(claim(one.response_id, "b", "other")) is None
    [answer] = await store.put([outcome(one.response_id, account="other", attempt="b", status="failed")])
    assert not answer.won
    record = await store.find(one.response_id, ACCOUNT, content=True)
    assert record is not None
    assert (record.attempt, record.body) == ("a", one.response)


async def test_another_account_does_not_take_a_claimed_response(store: Store) -> None:
    id_ = fresh()
    await store.claim(claim(id_, "a"))
    await store.claim(claim(id_, "b", "other"))
    assert not (await store.put([outcome(id_, account="other", attempt="a")]))[0].won
    assert await store.put([outcome(id_, attempt="a")]) == [WON]


async def test_a_chain_holds_what_was_before_and_no_siblings(store: Store) -> None:
    trunk = line(3)
    branch = outcome(previous=trunk[1].response_id)
    later = outcome(previous=trunk[2].response_id)
    await store.put([*trunk, branch, later])
    chain = await store.chain(branch.response_id, ACCOUNT)
    assert chain is not None
    assert [turn.response_id for turn in chain.turns] == [one.response_id for one in (*trunk[:2], branch)]
    assert [turn.body for turn in chain.turns] == [one.response for one in (*trunk[:2], branch)]
    assert chain.hole is None


async def test_a_response_without_a_previous_one_is_a_chain(store: Store) -> None:
    await store.put([one := outcome()])
    chain = await store.chain(one.response_id, ACCOUNT)
    assert chain is not None
    assert ([turn.input for turn in chain.turns], chain.hole) == ([one.input], None)


async def test_a_chain_of_another_account_is_not_continued(store: Store) -> None:
    theirs = outcome(account="other")
    ours = outcome(previous=theirs.response_id)
    await store.put([theirs, ours])
    chain = await store.chain(ours.response_id, ACCOUNT)
    assert chain is not None
    assert (len(chain.turns), chain.hole) == (1, theirs.response_id)


@pytest.mark.parametrize("how", ["deleted", "unstored", "missing", "claimed"])
async def test_a_hole_in_a_chain_is_named(store: Store, how: str) -> None:
    turns = line(4)
    hole = turns[1].response_id
    if how == "unstored":
        turns[1] = turns[1].model_copy(update={"store": False})
    await store.put([turn for turn in turns if how not in {"missing", "claimed"} or turn.response_id != hole])
    if how == "deleted":
        await store.delete(hole, ACCOUNT)
    if how == "claimed":
        await store.claim(claim(hole, "b"))
    chain = await store.chain(turns[3].response_id, ACCOUNT)
    assert chain is not None
    assert chain.hole == hole
    assert [turn.response_id for turn in chain.turns] == [turns[2].response_id, turns[3].response_id]


async def test_a_chain_that_begins_with_a_hole_is_one(store: Store) -> None:
    turns = line(2)
    await store.put(turns)
    await store.delete(turns[1].response_id, ACCOUNT)
    chain = await store.chain(turns[1].response_id, ACCOUNT)
    assert chain is not None
    assert (chain.turns, chain.hole) == ([], turns[1].response_id)


async def test_a_circle_ends(store: Store) -> None:
    ids = [fresh() for _ in range(3)]
    await store.put([outcome(id_, previous=ids[number - 1]) for number, id_ in enumerate(ids)])
    chain = await store.chain(ids[0], ACCOUNT)
    assert chain is not None
    assert (len(chain.turns), chain.hole) == (3, ids[0])


async def test_a_thousand_turns_are_one_chain(store: Store) -> None:
    turns = line(1000)
    await store.put(turns)
    async with asyncio.timeout(2):
        chain = await store.chain(turns[-1].response_id, ACCOUNT)
    assert chain is not None
    assert [turn.response_id for turn in chain.turns] == [turn.response_id for turn in turns]


@pytest.mark.parametrize("bound", ["MAX_TURNS", "MAX_HISTORY"])
async def test_a_chain_has_bounds(store: Store, bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = line(30, said=b" " * 100)
    await store.put(turns)
    module = __import__(type(store).__module__, fromlist=["_"])
    monkeypatch.setattr(module, bound, {"MAX_TURNS": 20, "MAX_HISTORY": 5000}[bound])
    with pytest.raises(ContextLengthExceeded):
        await store.chain(turns[-1].response_id, ACCOUNT)
    chain = await store.chain(turns[9].response_id, ACCOUNT)
    assert chain is not None
    assert len(chain.turns) == 10


async def test_content_expires_and_costs_stay(store: Store, clock: Clock) -> None:
    old = outcome(calls=(call("old.1"),))
    await store.put([old])
    clock.ahead = (port.KEEP - timedelta(minutes=1)).total_seconds()
    young = outcome(previous=old.response_id)
    await store.put([young])
    assert await store.find(old.response_id, ACCOUNT) is not None
    clock.ahead += 120
    assert await store.find(old.response_id, ACCOUNT) is None
    assert await store.delete(old.response_id, ACCOUNT) is None
    assert await store.chain(old.response_id, ACCOUNT) is None
    assert len(await store.calls(old.response_id, ACCOUNT)) == 1
    chain = await store.chain(young.response_id, ACCOUNT)
    assert chain is not None
    assert (len(chain.turns), chain.hole) == (1, old.response_id)


async def test_a_large_response_is_kept(store: Store) -> None:
    text = "x" * 14_000_000
    one = outcome(body=json.dumps({"output": [], "text": text}).encode())
    await store.put([outcome(), one, outcome()])
    record = await store.find(one.response_id, ACCOUNT, content=True)
    assert record is not None
    assert record.body == one.response


async def test_the_store_answers(store: Store) -> None:
    await store.ping()
