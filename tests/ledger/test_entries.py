"""The contract of small documents that change: every test runs against both stores."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pymongo import MongoClient

from warren_ledger.store import Store
from warren_ledger.store.entries import Entry, Shelf
from warren_ledger.store.mongo import MongoStore

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(store: Store) -> Store:
    """A store whose indexes are there: names are unique by one of them."""
    if isinstance(store, MongoStore):
        await store.entries.prepare()
    return store


def entry(id_: str, *names: str, shelf: Shelf = "virtual_keys", **more: Any) -> Entry:
    return Entry(shelf=shelf, id=id_, names=names, **{"state": {"n": 1}, **more})


async def test_what_is_put_is_found_by_its_id_and_its_names(store: Store) -> None:
    one = entry("a", "y", "x", account="acme", due=5.5, state={"list": [1, None, True], "deep": {"text": "ä"}})
    assert await store.entries.put(one)
    assert await store.entries.find("virtual_keys", "a") == one
    assert await store.entries.named("virtual_keys", ["unknown", "x"]) == one
    assert await store.entries.named("virtual_keys", ["a"]) is None
    assert await store.entries.find("end_users", "a") is None


async def test_money_is_exact(store: Store) -> None:
    amount = Decimal("12345678901234567890.12345678901234")
    await store.entries.put(entry("a", state={"spent": amount, "holds": {"r": {"amount": Decimal("1E-12")}}}))
    found = await store.entries.find("virtual_keys", "a")
    assert found is not None
    assert Decimal(found.state["spent"]) == amount
    assert Decimal(found.state["holds"]["r"]["amount"]) == Decimal("0.000000000001")


async def test_money_is_decimal128_in_mongodb(mongo: MongoStore, database: str) -> None:
    await mongo.entries.put(entry("a", shelf="budgets", state={"spent": Decimal("0.10")}))
    with MongoClient[dict[str, Any]](database) as client:
        document = client.get_default_database()["budgets"].find_one({})
    assert document is not None
    assert str(document["state"]["spent"]) == "0.10"
    assert type(document["state"]["spent"]).__name__ == "Decimal128"


async def test_a_name_stands_for_one(store: Store) -> None:
    assert await store.entries.put(entry("a", "x"))
    assert not await store.entries.put(entry("b", "x", "z"))
    assert await store.entries.find("virtual_keys", "b") is None
    assert await store.entries.named("virtual_keys", ["z"]) is None
    assert await store.entries.put(entry("c", "z"))
    assert not await store.entries.put(entry("c", "x", version=1))
    assert await store.entries.named("virtual_keys", ["z"]) == entry("c", "z")
    assert await store.entries.put(entry("b", "x", shelf="end_users"))


async def test_an_entry_is_written_over_the_version_before_it_only(store: Store) -> None:
    assert await store.entries.put(entry("a", "x"))
    assert not await store.entries.put(entry("a", "y"))
    assert not await store.entries.put(entry("a", "y", version=2))
    assert await store.entries.put(entry("a", "y", version=1, state={"n": 2}))
    assert await store.entries.named("virtual_keys", ["x"]) is None
    found = await store.entries.named("virtual_keys", ["y"])
    assert found is not None
    assert (found.version, found.state) == (1, {"n": 2})
    assert not await store.entries.put(entry("unknown", version=1))


async def test_one_of_many_writers_of_a_version_wins(store: Store) -> None:
    await store.entries.put(entry("a", state={"n": -1}))
    made = await asyncio.gather(*(store.entries.put(entry("a", version=1, state={"n": n})) for n in range(20)))
    found = await store.entries.find("virtual_keys", "a")
    assert found is not None
    assert [n for n, won in enumerate(made) if won] == [found.state["n"]]


async def test_what_was_written_in_spite_of_a_failure_is_written(mongo: MongoStore) -> None:
    await mongo.entries.prepare()
    first, second = entry("a", "x"), entry("a", "x", version=1, state={"n": 2})
    assert [await mongo.entries.put(first) for _ in range(2)] == [True, True]
    assert [await mongo.entries.put(second) for _ in range(2)] == [True, True]


async def test_what_is_removed_frees_its_names(store: Store) -> None:
    await store.entries.put(entry("a", "x"))
    assert await store.entries.any("virtual_keys")
    assert await store.entries.remove("virtual_keys", "a")
    assert not await store.entries.remove("virtual_keys", "a")
    assert not await store.entries.any("virtual_keys")
    assert await store.entries.put(entry("b", "x"))


async def test_pages_are_by_id_and_account(store: Store) -> None:
    every = [entry(f"k{n}", account="acme" if n % 2 else "other") for n in range(6)]
    for one in every:
        await store.entries.put(one)
    page = store.entries.page
    assert await page("virtual_keys") == every
    assert await page("virtual_keys", account="acme") == every[1::2]
    assert await page("virtual_keys", after="k1", limit=2) == every[2:4]
    assert await page("virtual_keys", account="acme", after="k1", limit=1) == [every[3]]
    assert await page("accounts") == []


async def test_what_is_due_is_told_the_oldest_first(store: Store) -> None:
    late, later, never = entry("a", due=3.0), entry("b", due=2.0), entry("c")
    for one in (late, later, never, entry("d", due=9.0)):
        await store.entries.put(one)
    assert await store.entries.due("virtual_keys", 5.0) == [later, late]
    await store.entries.put(replace(later, version=1, due=None))
    assert await store.entries.due("virtual_keys", 5.0) == [late]
