"""What production has: three brokers that are one, and three databases that are one. One of each dies under load."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.rig.cluster import RabbitCluster, ReplicaSet
from tests.rig.legal import check_stream, parse_sse
from tests.rig.services import models, stack
from tests.rig.upstream import FakeProvider
from tests.verify.conftest import client

pytestmark = pytest.mark.anyio
MODELS = ("words-20", "words-40-50")
CLIENTS = 16
ENDED = ("completed", "failed", "incomplete", "cancelled")
RETRY = (429, 503)


@pytest.fixture
def cluster() -> Iterator[RabbitCluster]:
    with RabbitCluster() as cluster:
        yield cluster


@pytest.fixture
def replicas() -> Iterator[ReplicaSet]:
    with ReplicaSet() as replicas:
        yield replicas


@dataclass
class Load:
    """Clients that ask, one request after the other, and what they saw."""

    urls: list[str]
    refused: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)
    """Markers of what was answered by a 5xx that may have run all the same."""
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By their ids, the final objects that were shown."""
    open: list[str] = field(default_factory=list)
    """Ids of background responses."""
    good_at: list[float] = field(default_factory=list)
    """When requests ended well."""
    _numbers: Iterator[int] = field(default_factory=count)
    _over: bool = False

    async def ask(self, http: httpx.AsyncClient) -> None:
        previous: str | None = None
        for number in self._numbers:
            if self._over:
                return
            kind = ("json", "stream", "background", "follow-up")[number % 4]
            body: dict[str, Any] = {"model": MODELS[number // 4 % 2], "input": f"<{number}>"}
            body |= {"stream": True} if kind == "stream" else {"background": True} if kind == "background" else {}
            if kind == "follow-up" and previous:
                body["previous_response_id"] = previous
            answer = await http.post(f"{self.urls[number % 2]}/v1/responses", json=body)
            if answer.status_code != 200:
                code = answer.json()["error"]["code"]
                self.refused[f"{answer.status_code} {code}"] += 1
                if answer.status_code not in RETRY or code == "publish_unknown":
                    self.unknown.append(body["input"])
                await asyncio.sleep(0.2)
                continue
            response = check_stream(parse_sse(answer.content)) if kind == "stream" else answer.json()
            if kind == "background":
                self.open.append(response["id"])
                continue
            assert response["id"] not in self.ended
            self.ended[response["id"]] = response
            if response["status"] == "completed":
                self.good_at.append(monotonic())
                previous = response["id"]

    def over(self) -> None:
        self._over = True

    @property
    def longest_pause(self) -> float:
        times = sorted(self.good_at)
        return max(later - earlier for earlier, later in pairwise(times))


async def kept(http: httpx.AsyncClient, url: str, id_: str) -> dict[str, Any]:
    """The response as it is stored, once it has ended and its record has arrived."""
    async with asyncio.timeout(90):
        while True:
            answer = await http.get(f"{url}/v1/responses/{id_}")
            if answer.status_code == 200 and answer.json()["status"] in ENDED:
                response: dict[str, Any] = answer.json()
                return response
            await asyncio.sleep(0.2)


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
        assert not services.errors()


async def test_a_broker_and_then_a_database_die_under_load_and_nothing_is_lost(
    cluster: RabbitCluster, replicas: ReplicaSet, upstream: FakeProvider, urls: list[str]
) -> None:
    load = Load(urls)
    async with client() as http, asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(load.ask(http))
        await asyncio.sleep(5)
        leaders = Counter((await asyncio.to_thread(cluster.leaders, cluster.nodes[0])).values())
        leading = next(node for node in cluster.nodes if node.name == leaders.most_common()[0][0])
        leading.kill()
        await asyncio.sleep(10)
        leading.start(wait=False)
        await asyncio.to_thread(leading.ready, 240)
        await asyncio.sleep(5)
        primary = await asyncio.to_thread(replicas.primary)
        primary.kill()
        await asyncio.sleep(20)
        assert await asyncio.to_thread(replicas.primary) is not primary
        primary.start(wait=False)
        await asyncio.to_thread(primary.ready, 120)
        await asyncio.sleep(5)
        load.over()
    async with client() as http:
        for number, id_ in enumerate([*load.ended, *load.open]):
            stored = await kept(http, urls[number % 2], id_)
            assert stored == load.ended.setdefault(id_, stored)
    statuses = Counter(response["status"] for response in load.ended.values())
    await charged_once(replicas, load, upstream)
    print(
        f"{leaders} of the queues; {len(load.ended)} accepted: {dict(statuses)}; refused: {dict(load.refused)}; "
        f"{len(load.unknown)} unknown; {len(upstream.calls)} calls; longest pause {load.longest_pause:.1f} s"
    )
    assert statuses["completed"] > 0.95 * len(load.ended)
    assert load.longest_pause < 30


async def charged_once(replicas: ReplicaSet, load: Load, upstream: FakeProvider) -> None:
    """Each response that was shown has its charge, each call its cost, and no call has two."""
    with MongoClient[dict[str, Any]](replicas.url("production")) as mongo:
        database = mongo["production"]
        async with asyncio.timeout(60):
            while database["costs"].count_documents({}) < len(upstream.calls):
                await asyncio.sleep(0.5)
        assert database["costs"].count_documents({}) == len(upstream.calls)
        charges = Counter(one.get("response_id", one["_id"]) for one in database["charges"].find())
        assert charges.keys() >= load.ended.keys()
        assert set(charges.values()) == {1}
        assert len(charges) <= len(load.ended) + len(load.unknown)
