"""What production has: three brokers that are one, and three databases that are one. One of each dies under load."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.rig.cluster import RabbitCluster, ReplicaSet
from tests.rig.services import models, stack
from tests.rig.upstream import FakeProvider
from tests.verify.asking import Load
from tests.verify.conftest import client

pytestmark = pytest.mark.anyio
MODELS = ("words-20", "words-40-50")
CLIENTS = 16


@pytest.fixture
def cluster() -> Iterator[RabbitCluster]:
    with RabbitCluster() as cluster:
        yield cluster


@pytest.fixture
def replicas() -> Iterator[ReplicaSet]:
    with ReplicaSet() as replicas:
        yield replicas


@pytest.fixture
async def urls(
    cluster: RabbitCluster, replicas: ReplicaSet, upstream: FakeProvider, tmp_path: Path
) -> AsyncIterator[list[str]]:
    config = models(upstream.url, *MODELS)
    with stack(cluster.url, replicas.url("production"), config, tmp_path) as services:
        for _ in range(2):
            await services.ledger()
            await services.worker()
        yield [(await services.gateway())[1] for _ in range(2)]
        assert all(service.running for service in services.services)
        assert not services.errors()


async def test_a_broker_and_then_a_database_die_under_load_and_nothing_is_lost(
    cluster: RabbitCluster, replicas: ReplicaSet, upstream: FakeProvider, urls: list[str]
) -> None:
    load = Load(urls, MODELS)
    leaders = Counter((await asyncio.to_thread(cluster.leaders, cluster.nodes[0])).values())
    leading = next(node for node in cluster.nodes if node.name == leaders.most_common()[0][0])
    async with client() as http, asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(load.ask(http))
        await asyncio.sleep(5)
        leading.kill()
        await asyncio.sleep(10)
        leading.start(wait=False)
        await asyncio.sleep(10)
        primary = await asyncio.to_thread(replicas.primary)
        primary.kill()
        await asyncio.sleep(20)
        assert await asyncio.to_thread(replicas.primary) is not primary
        primary.start(wait=False)
        await asyncio.sleep(5)
        load.over()
    await asyncio.to_thread(leading.ready, 600)
    await asyncio.to_thread(primary.ready, 600)
    async with client() as http:
        await load.kept(http)
    statuses = load.statuses
    vain = await charged_once(replicas, load, upstream)
    print(f"{load}; {len(upstream.calls)} calls, beside {dict(vain)}; leaders were {sorted(leaders.values())}")
    assert statuses["completed"] > 0.95 * len(load.ended)
    assert load.longest_pause < 30


async def charged_once(replicas: ReplicaSet, load: Load, upstream: FakeProvider) -> "Counter[str]":
    """Each response that was shown has its charge, each call its cost, and no call has two. Gives what is recorded of
    calls that came to nothing."""
    with MongoClient[dict[str, Any]](replicas.url("production")) as mongo:
        charges, costs = mongo["production"]["charges"], mongo["production"]["costs"]
        made: dict[str, Any] = {"usage": {"$ne": None}}
        async with asyncio.timeout(60):
            while costs.count_documents(made) < len(upstream.calls):
                await asyncio.sleep(0.5)
        assert costs.count_documents(made) == len(upstream.calls)
        charged = {one["_id"] for one in charges.find()}
        assert charged >= load.ended.keys()
        assert len(charged) <= len(load.ended) + len(load.unknown)
        return Counter(f"{one.get('status')} {one.get('error')}" for one in costs.find({"usage": None}))
