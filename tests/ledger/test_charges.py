"""The contract of charges and of their daily sums: every test runs against both stores."""

from decimal import Decimal
from typing import Any

import pytest
from pymongo import MongoClient

from tests.ledger.making import ACCOUNT, call, fresh, outcome
from warren.contracts import Outcome, Payer, UpstreamCall, Usage
from warren_ledger.store import Store
from warren_ledger.store.charges import Batch, Charge, Question, Wanted
from warren_ledger.store.mongo import MongoStore
from warren_ledger.tallies import Row, Tally, rows

pytestmark = pytest.mark.anyio

DAY = "2026-11-05"
NOON = 1_793_880_000.0  # of that day
PAYER = Payer(key="key_1", end_user="alice", tags=("x", "y"))


def ended(response_id: str | None = None, *calls: UpstreamCall, payer: Payer = PAYER, **changes: Any) -> Outcome:
    """An outcome of noon."""
    made = outcome(response_id, calls=calls, **{name: changes.pop(name) for name in ("status", "attempt", "account")
                                                 if name in changes})  # fmt: skip
    return made.model_copy(update={"payer": payer, "created_at": NOON, **changes})


async def found(store: Store, **where: str) -> list[Charge]:
    return list(await store.charges.page(Wanted(where=where)))


async def counted(store: Store, number: int = 1) -> Batch:
    batch = await store.charges.uncounted(1000)
    await store.charges.count(number, rows(await store.charges.facts(batch)))
    await store.charges.counted(batch)
    return batch


async def reported(store: Store, view: str = "models", *by: str, **where: str) -> dict[tuple[str, ...], Tally]:
    asked = Question(view=view, by=by, periods=[DAY], where=where)
    return dict(await store.charges.report(asked))


async def test_a_response_is_one_charge_with_all_its_calls(store: Store) -> None:
    one = ended(None, call("a.1", Decimal("0.1")), call("a.2", None))
    await store.put([one])
    await store.put([one])
    [charge] = await found(store)
    assert (charge.response_id, charge.account, charge.payer) == (one.response_id, ACCOUNT, PAYER)
    assert (charge.status, charge.ended_at, charge.created_at) == ("completed", one.ended_at, NOON)
    assert (charge.model, charge.deployment, charge.provider, charge.served) == ("gpt", "openai/gpt", "openai", "gpt")
    assert charge.calls == one.calls


async def test_what_another_attempt_has_used_is_charged_too_whenever_that_is_known(store: Store) -> None:
    early, late = fresh(), fresh()
    lost = {id_: ended(id_, call(f"{id_}.1", Decimal(1)), attempt="lost", superseded=True) for id_ in (early, late)}
    won = {id_: ended(id_, call(f"{id_}.2", Decimal(2))) for id_ in (early, late)}
    await store.put([lost[early]])
    [charge] = await found(store)
    assert (charge.status, [one.cost for one in charge.calls]) == (None, [Decimal(1)])
    await store.put([won[early], won[late]])
    await store.put([lost[late], lost[early]])
    for charge in await found(store):
        assert (charge.status, charge.attempt) == ("completed", "a")
        assert [one.cost for one in charge.calls] == [Decimal(1), Decimal(2)]


async def test_one_batch_may_bring_a_calls_before_its_end(store: Store) -> None:
    id_ = fresh()
    await store.put([ended(id_, call("l.1"), attempt="lost", superseded=True), ended(id_, call("a.1"))])
    [charge] = await found(store)
    assert (charge.status, len(charge.calls)) == ("completed", 2)
    assert len(await counted(store)) == 3


async def test_the_end_of_a_charge_is_that_of_the_record(store: Store) -> None:
    id_ = fresh()
    await store.put([ended(id_, call("a.1"), attempt="a", status="failed", error="interrupted")])
    await store.put([ended(id_, call("b.1"), attempt="b")])
    [charge] = await found(store)
    assert (charge.status, charge.error, len(charge.calls)) == ("failed", "interrupted", 2)


async def test_charges_outlive_content(store: Store) -> None:
    one = ended(None, call("a.1"))
    await store.put([one])
    await store.delete(one.response_id, ACCOUNT)
    assert [len(charge.calls) for charge in await found(store)] == [1]


async def test_charges_are_listed_by_whose_they_are_and_when(store: Store) -> None:
    made = [
        ended(None, created_at=NOON + at, payer=Payer(key=f"key_{at % 2}", end_user=f"user_{at % 3}", tags=(f"t{at}",)))
        for at in range(6)
    ]
    await store.put(made)
    ids = [one.response_id for one in made]

    async def listed(**wanted: Any) -> list[int]:
        page = await store.charges.page(Wanted(**{"where": {}, **wanted}))
        return [ids.index(charge.response_id) for charge in page]

    assert await listed() == [5, 4, 3, 2, 1, 0]
    assert await listed(where={"key": "key_1"}) == [5, 3, 1]
    assert await listed(where={"end_user": "user_0"}) == [3, 0]
    assert await listed(where={"tag": "t2"}) == [2]
    assert await listed(where={"account": "other"}) == []
    assert await listed(where={"response_id": ids[4]}) == [4]
    assert await listed(since=NOON + 2, until=NOON + 4) == [3, 2]
    assert await listed(before=(NOON + 4, ids[4]), limit=2) == [3, 2]


async def test_of_those_made_at_the_same_time_none_is_left_out(store: Store) -> None:
    made = [ended(None, created_at=NOON + (at > 1)) for at in range(5)]
    await store.put(made)
    expected = sorted(((one.created_at, one.response_id) for one in made), reverse=True)
    seen: list[tuple[float, str]] = []
    while page := await store.charges.page(Wanted(where={}, before=seen[-1] if seen else None, limit=2)):
        seen += [(charge.created_at, charge.response_id) for charge in page]
    assert seen == expected


async def test_every_call_and_every_request_is_counted_once(store: Store) -> None:
    one = ended(None, call("a.1", Decimal("0.1")), call("a.2", None))
    failed = ended(None, status="failed")
    await store.put([one, failed])
    assert len(await counted(store, 1)) == 4
    await store.put([one, failed])
    assert len(await counted(store, 2)) == 0
    [(_, tally)] = (await reported(store, "users", "end_user")).items()
    assert (tally.requests, tally.failed_requests, tally.calls) == (2, 1, 2)
    assert (tally.priced_calls, tally.unpriced_calls, tally.cost) == (1, 1, Decimal("0.1"))
    assert (tally.input_tokens, tally.output_tokens) == (4, 6)


async def test_a_row_takes_a_number_once_and_none_that_is_behind(store: Store) -> None:
    row, other = Row("models", DAY, ("d", "p", "m")), Row("models", DAY, ("d", "p", "n"))
    await store.charges.count(3, {row: Tally(requests=1, cost=Decimal("0.1"))})
    await store.charges.count(3, {row: Tally(requests=1), other: Tally(requests=5)})
    await store.charges.count(2, {row: Tally(requests=1)})
    await store.charges.count(4, {row: Tally(requests=1, cost=Decimal("0.2"))})
    made = await reported(store, "models", "model")
    assert {model: (tally.requests, tally.cost) for (model,), tally in made.items()} == {
        "m": (2, Decimal("0.3")),
        "n": (5, Decimal(0)),
    }


async def test_what_is_in_a_batch_stays_what_it_is(store: Store) -> None:
    one = ended(None, call("a.1"))
    await store.put([one])
    batch = await store.charges.uncounted(1000)
    before = rows(await store.charges.facts(batch))
    await store.charges.counted(batch)
    await store.put([ended(one.response_id, call("b.1"), attempt="b", status="failed"), ended(None, call("c.1"))])
    assert rows(await store.charges.facts(batch)) == before


async def test_a_batch_is_of_about_the_size_that_is_asked_for(store: Store) -> None:
    await store.put([ended(None, call(f"{at}.1")) for at in range(20)])
    assert len(await store.charges.uncounted(10)) == 10


async def test_reports_are_grouped_and_filtered(store: Store) -> None:
    def used(deployment: str, model: str, cost: str) -> UpstreamCall:
        return call(None, Decimal(cost), deployment=deployment, model=model, usage=Usage(input_tokens=1))

    await store.put(
        [
            ended(None, used("d1", "m1", "1"), payer=Payer(key="k1", end_user="u1", tags=("t",))),
            ended(None, used("d2", "m1", "2"), payer=Payer(key="k1", end_user="u2"), account="other"),
            ended(None, used("d3", "m2", "4"), payer=Payer(key="k2", end_user="u1", tags=("t", "s"))),
            ended(None, used("d3", "m2", "8"), payer=Payer(), created_at=NOON + 86_400),
        ]
    )
    await counted(store)

    async def costs(view: str, *by: str, **where: str) -> dict[tuple[str, ...], int]:
        return {values: int(tally.cost) for values, tally in (await reported(store, view, *by, **where)).items()}

    assert await costs("models") == {(): 7}
    assert await costs("models", "model") == {("m1",): 3, ("m2",): 4}
    assert await costs("models", "provider", "deployment") == {
        ("openai", "d1"): 1, ("openai", "d2"): 2, ("openai", "d3"): 4,
    }  # fmt: skip
    assert await costs("keys", "key", "model", key="k1") == {("k1", "m1"): 3}
    assert await costs("keys", "account", key="k1") == {(ACCOUNT,): 1, ("other",): 2}
    assert await costs("users", "end_user") == {("u1",): 5, ("u2",): 2}
    assert await costs("tags", "tag") == {("t",): 5, ("s",): 4, ("",): 2}
    assert await costs("users", "end_user", account="nobody") == {}
    assert await costs("models", deployment="nothing") == {}
    both = Question(view="models", by=("period",), periods=[DAY, "2026-11-06"], where={})
    assert {values[0]: int(tally.cost) for values, tally in await store.charges.report(both)} == {
        DAY: 7, "2026-11-06": 8,
    }  # fmt: skip


async def test_reports_are_in_order_and_as_long_as_is_asked_for(store: Store) -> None:
    made = [
        ("m1", "2", 0),
        ("m2", "10", 0),
        ("m3", None, 0),
        ("m3", None, 0),
        ("m4", None, 0),
        ("m5", "0.5", 1),
        ("m4", "2", 1),
    ]
    await store.put(
        [
            ended(
                None, call(None, None if cost is None else Decimal(cost), model=model), created_at=NOON + later * 86_400
            )
            for model, cost, later in made
        ]
    )
    await counted(store)

    async def listed(*by: str, limit: int | None = None) -> list[str]:
        periods = [DAY, "2026-11-06"]
        asked = Question(view="models", by=by, periods=periods, where={}, limit=limit)
        return [" ".join(values) for values, _ in await store.charges.report(asked)]

    assert await listed("model") == ["m2", "m4", "m1", "m5", "m3"]
    assert await listed("model", limit=2) == ["m2", "m4"]
    later = ["m4 2026-11-06", "m5 2026-11-06"]
    assert await listed("model", "period") == [f"{name} {DAY}" for name in ("m2", "m1", "m3", "m4")] + later


async def test_names_are_any_text(store: Store) -> None:
    strange = Payer(key="a.b", end_user="$where: ü\x1f\"'", tags=("$x.y", "%"))
    await store.put([ended(None, call("a.1", model="gpt-4.1"), payer=strange)])
    await counted(store)
    assert set(await reported(store, "users", "end_user")) == {(strange.end_user,)}
    assert set(await reported(store, "keys", "key", "model")) == {("a.b", "gpt-4.1")}
    assert set(await reported(store, "tags", "tag")) == {("$x.y",), ("%",)}


async def test_nothing_uncounted_is_left_in_the_index(mongo: MongoStore, database: str) -> None:
    await mongo.put([ended(None, call("a.1"))])
    await counted(mongo)
    with MongoClient[dict[str, Any]](database) as client:
        documents = [*client.get_default_database()["costs"].find(), *client.get_default_database()["charges"].find()]
    assert len(documents) == 2
    assert all("uncounted" not in document for document in documents)


async def test_charges_are_found_by_what_they_have(store: Store) -> None:
    first = ended(None, call("f.1", deployment="east", provider="openai"), request_id="mine-1", trace_id="t" * 32)
    second = ended(None, call("s.1", deployment="west", provider="azure"), status="failed", error="interrupted")
    third = ended(None, call("t.1", deployment="west", provider="azure"), created_at=NOON + 1)
    await store.put([first, second, third])
    for where, wanted in (
        ({"deployment": "east"}, [first]),
        ({"deployment": "west"}, [third, second]),
        ({"provider": "azure", "status": "failed"}, [second]),
        ({"error": "interrupted"}, [second]),
        ({"request_id": "mine-1"}, [first]),
        ({"prefix": first.response_id}, [first]),
        ({"prefix": first.response_id[:-1]}, [first]),
        ({"prefix": first.response_id + "0"}, []),
        ({"prefix": "resp_", "provider": "openai"}, [first]),
    ):
        there = [charge.response_id for charge in await found(store, **where)]
        assert there == [one.response_id for one in wanted], where
    [charge] = await found(store, request_id="mine-1")
    assert charge.trace_id == "t" * 32
