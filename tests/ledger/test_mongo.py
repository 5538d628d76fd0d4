"""What only the MongoDB store can get wrong: a server that is late, frozen or killed."""

import asyncio
import time
from secrets import token_hex

import pytest

from tests.ledger.making import ACCOUNT, call, outcome
from tests.rig.mongod import Mongod
from warren.errors import LedgerUnavailable
from warren.settings import Complaint
from warren_ledger.patience import until_there
from warren_ledger.store.mongo import MongoStore

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
