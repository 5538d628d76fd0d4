"""What only the MongoDB store can get wrong: a server that is late, frozen or killed."""

import asyncio
import re
import time
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import structlog
from pymongo import MongoClient

from tests.ledger.making import ACCOUNT, call, outcome
from tests.ledger.test_runs import begin, part, run, working
from tests.rig.mongod import Mongod
from warren.contracts import Flag
from warren.errors import LedgerUnavailable
from warren.settings import Complaint
from warren_ledger.patience import until_there
from warren_ledger.store.charges import Wanted
from warren_ledger.store.mongo import MongoStore
from warren_ledger.store.mongo.charges import _query
from warren_ledger.store.mongo.reach import READ
from warren_ledger.store.runs import END, Run, Span

pytestmark = pytest.mark.anyio


async def indexed(store: MongoStore) -> None:
    async def look() -> bool | None:
        return "response_id_1" in await store._costs.index_information() or None

    assert await until_there(look, seconds=10)


async def test_the_server_may_come_up_later() -> None:
    server = Mongod()
    async with MongoStore.open(server.url) as store:
        with pytest.raises(LedgerUnavailable):
            await store.ping()
        server.start()
        await store.put([one := outcome()])
        assert await store.find(one.response_id, ACCOUNT) is not None
        await indexed(store)
    server.stop()


async def test_a_frozen_server_is_unavailable_not_silent() -> None:
    with Mongod() as server:
        async with MongoStore.open(server.url) as store:
            await store.put([one := outcome()])
            server.suspend()
            began = time.monotonic()
            answers = await asyncio.gather(
                store.ping(),
                store.find(one.response_id, ACCOUNT),
                store.chain(one.response_id, ACCOUNT),
                return_exceptions=True,
            )
            assert [type(answer) for answer in answers] == [LedgerUnavailable] * 3
            assert time.monotonic() - began < 3
            server.resume()
            assert await store.find(one.response_id, ACCOUNT) is not None


async def test_it_is_shaky_while_there_is_no_primary_and_shortly_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren_ledger.store.mongo.reach._SHAKY", 1.0)
    with Mongod() as server:
        async with MongoStore.open(server.url) as store:
            await store.ping()
            assert not store.shaky
            server.kill()
            with pytest.raises(LedgerUnavailable):
                await store.ping()
            assert store.shaky
            server.start()
            await store.ping()
            assert store.shaky

            async def look() -> bool | None:
                return not store.shaky or None

            assert await until_there(look, seconds=10)


async def test_what_was_acknowledged_survives_kill_9(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren_ledger.store.mongo.WRITE", 1.0)
    with Mongod() as server:
        async with MongoStore.open(server.url) as store:
            acknowledged: list[str] = []

            async def write() -> None:
                while True:
                    batch = [outcome(calls=(call(),)) for _ in range(8)]
                    await store.put(batch)
                    acknowledged.extend(one.response_id for one in batch)

            writers = [asyncio.create_task(write()) for _ in range(4)]
            await asyncio.sleep(1)
            server.kill()
            ended = await asyncio.gather(*writers, return_exceptions=True)
            assert all(isinstance(end, LedgerUnavailable) for end in ended)
            server.start()
            assert len(acknowledged) > 100
            ours = {"response_id": {"$in": acknowledged}}
            assert len(await store._costs.distinct("response_id", ours)) == len(acknowledged)
            assert await store._responses.count_documents({"_id": {"$in": acknowledged}}) == len(acknowledged)


async def test_the_server_removes_what_has_expired(mongo: MongoStore) -> None:
    await indexed(mongo)
    for collection in (mongo._responses, mongo._links):
        assert (await collection.index_information())["expires_1"]["expireAfterSeconds"] == 0
    assert "expires_1" not in await mongo._costs.index_information()


async def test_a_link_outlives_its_response(mongo: MongoStore) -> None:
    await mongo.put([first := outcome(), second := outcome(previous=first.response_id)])
    link = await mongo._links.find_one({"_id": second.response_id})
    response = await mongo._responses.find_one({"_id": second.response_id})
    assert link["expires"] > response["expires"]
    assert await mongo._links.count_documents({}) == 1


async def test_a_batch_that_was_written_in_part_is_written_whole_the_second_time(mongo: MongoStore) -> None:
    first = outcome(calls=(call("part.1"),))
    second = outcome(previous=first.response_id, calls=(call("part.2"),))
    await mongo.put([first, second])
    await mongo._responses.delete_one({"_id": second.response_id})
    await mongo._costs.delete_one({"_id": "part.1"})
    assert [answer.won for answer in await mongo.put([first, second])] == [True, True]
    chain = await mongo.chain(second.response_id, ACCOUNT)
    assert chain is not None
    assert len(chain.turns) == 2
    assert len(await mongo.calls(first.response_id, ACCOUNT)) == 1


@pytest.mark.parametrize("url", ["http://localhost", "mongodb://localhost:port", "mongodb://"])
async def test_what_is_no_url_is_said_at_once(url: str) -> None:
    with pytest.raises(Complaint, match="--mongo-url must look like"):
        async with MongoStore.open(url):
            pass


async def test_the_database_is_named_by_the_url_or_warren() -> None:
    name = token_hex(4)
    async with MongoStore.open(f"mongodb://127.0.0.1:1/{name}") as store:
        assert store._database.name == name
    async with MongoStore.open("mongodb://127.0.0.1:1/") as store:
        assert store._database.name == "warren"


async def test_no_url_makes_it_less_careful() -> None:
    careless = "w=1&journal=false&readPreference=secondaryPreferred&readConcernLevel=local"
    async with MongoStore.open(f"mongodb://127.0.0.1:1/?{careless}") as store:
        assert store._database.write_concern.document == {"w": "majority", "j": True}
        assert store._database.read_preference.name == "Primary"
        assert store._database.read_concern.level == "majority"


async def begun(mongo: MongoStore) -> Run:
    """A run that attempt `a` has taken, its stream at number 3."""
    row = await mongo.runs.open(one := run(), begin(one.response_id))
    assert await mongo.runs.take(row, "a", "w", working(row.response_id)) == 3
    return row


async def fenced(mongo: MongoStore, row: Run, attempt: str) -> Run:
    """As a ledger leaves it that dies when it has let an attempt run, and not yet said from where on."""
    change = {"$set": {"attempt": attempt, "fence": attempt, "status": "in_progress"}}
    await mongo._responses.update_one({"_id": row.response_id}, change)
    found = await mongo.runs.find(row.response_id, ACCOUNT)
    assert found is not None
    return found


async def test_a_claim_that_was_made_in_part_is_made_whole_by_the_next(mongo: MongoStore) -> None:
    row = await fenced(mongo, await mongo.runs.open(one := run(), begin(one.response_id)), "a")
    assert await mongo.runs.tail(row.response_id, ACCOUNT, -1) == (row, [])
    assert await mongo.runs.take(row, "a", "w", working(row.response_id)) == 3
    row = await fenced(mongo, row, "b")
    assert await mongo.runs.take(row, "c", "w", working(row.response_id)) == 3
    found = await mongo.runs.find(row.response_id, ACCOUNT)
    assert found is not None
    assert found.spans == (Span("", 0), Span("a", 3), Span("c", 3))


async def test_a_part_that_passed_the_fence_late_is_not_shown_twice(mongo: MongoStore) -> None:
    row = await begun(mongo)
    id_ = row.response_id
    await mongo.runs.append([part(id_, "a", 0, 3, 3)])
    row = await fenced(mongo, row, "b")
    await mongo.runs._write([(part(id_, "a", 1, 4, 4), row.log_until)])
    assert await mongo.runs.take(row, "b", "w", None) == 5
    await mongo.runs._write([(part(id_, "a", 2, 5, 5), row.log_until)])
    await mongo.runs.append([part(id_, "b", 0, 5, 5)])
    found = await mongo.runs.tail(id_, ACCOUNT, -1)
    assert found is not None
    assert [(entry[0].attempt, entry[0].first) for entry in found[1]] == [
        ("", 0), ("", 2), ("a", 3), ("a", 4), ("b", 5)
    ]  # fmt: skip


async def test_of_two_ledgers_that_end_a_log_one_does(mongo: MongoStore) -> None:
    row = await begun(mongo)
    shut = await mongo.runs.shut(row)
    assert shut is not None
    await mongo.runs._write([(part(row.response_id, END, 0, 3, 4, Flag.LAST, b"first"), row.log_until)])
    await mongo.runs.close(shut, part(row.response_id, END, 0, 3, 4, Flag.LAST, b"second"))
    await mongo.runs.close(shut, part(row.response_id, END, 0, 5, 6, Flag.LAST, b"third"))
    found = await mongo.runs.tail(row.response_id, ACCOUNT, 2)
    assert found is not None
    assert [data for _, data in found[1]] == [b"first"]


async def test_what_is_overdue_is_found_by_an_index(mongo: MongoStore) -> None:
    await indexed(mongo)

    async def look() -> bool | None:
        return "deadline_1" in await mongo._responses.index_information() or None

    assert await until_there(look, seconds=10)
    query = {"job": {"$exists": True}, "deadline": {"$lt": 1.0}, "detached": True}
    plan = await mongo._responses.find(query).sort("deadline", 1).explain()
    assert "IXSCAN" in str(plan["queryPlanner"]["winningPlan"])


async def test_a_record_says_by_what_it_is_looked_up(mongo: MongoStore) -> None:
    one = outcome().model_copy(update={"metadata": {"a": "1"}, "item_ids": ("msg_1", "fc_1")})
    await mongo.put([one])
    found = await mongo._responses.find_one({"_id": one.response_id})
    assert (found["metadata"], found["item_ids"]) == (["a\0001"], ["msg_1", "fc_1"])
    await mongo.delete(one.response_id, ACCOUNT)
    found = await mongo._responses.find_one({"_id": one.response_id})
    assert not {"metadata", "item_ids", "body"} & found.keys()


async def test_an_index_may_take_its_time() -> None:
    with Mongod("--setParameter", "enableTestCommands=1") as server, MongoClient[Any](server.url) as client:
        slow = {"failCommands": ["createIndexes"], "blockConnection": True, "blockTimeMS": 1000 * READ + 300}
        client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": slow})
        with structlog.testing.capture_logs() as lines:
            async with MongoStore.open(server.url) as store:
                await indexed(store)
        assert lines == []


async def test_the_indexes_are_those_that_are_told_of(mongo: MongoStore, database: str) -> None:
    await mongo._prepare()
    decisions = (Path(__file__).parents[2] / "DECISIONS.md").read_text()
    text = decisions.partition("What is found by what")[2].partition("\n## ")[0]
    told: dict[str, list[str]] = {}
    for names, keys in re.findall(r"^\| (`[^|]*) \| ([^|]*) \|$", text, re.MULTILINE):
        made = re.findall(r"`([^`]*)`", keys)
        told |= {name: sorted(made) for name in re.findall(r"`([^`]*)`", names)}
    with MongoClient[dict[str, Any]](database) as client:
        there = client.get_default_database()
        found = {
            name: sorted(
                {", ".join(field for field, _ in one["key"]) for one in there[name].index_information().values()}
            )
            for name in there.list_collection_names()
        }
    assert {name: [key for key in keys if key != "_id"] for name, keys in found.items()} == told


async def test_no_list_of_charges_is_looked_for_in_all_of_them(mongo: MongoStore) -> None:
    charges = mongo.charges._charges

    async def look() -> bool | None:
        return "request_id_1_created_at_1" in await charges.index_information() or None

    assert await until_there(look, seconds=20)
    for number in range(300):
        where = {"key": "k", "end_user": "u", "error": "e", "request_id": "r"} if number == 7 else {}
        rare = {"model": "rare", "deployment": "rare", "provider": "rare", "status": "failed"} if where else {}
        common = {"model": "m", "deployment": "d", "provider": "p", "status": "completed", "account": "a"}
        await charges.insert_one({"_id": f"resp_{number:03}", "created_at": float(number), **common, **where, **rare})
    for name, value in (
        ("model", "rare"), ("deployment", "rare"), ("provider", "rare"), ("status", "failed"), ("key", "k"),
        ("end_user", "u"), ("error", "e"), ("request_id", "r"), ("prefix", "resp_007"), ("response_id", "resp_007"),
    ):  # fmt: skip
        query = _query(Wanted(where={name: value}))
        plan = await charges.find(query).sort("created_at", -1).limit(50).explain()
        stats = plan["executionStats"]
        assert (stats["nReturned"], stats["totalDocsExamined"]) == (1, 1), (name, stats)
