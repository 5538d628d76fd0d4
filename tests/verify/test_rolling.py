"""Everything is replaced under load, some of it twice, and no client notices."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from tests.rig.haproxy import Balancer
from tests.rig.mongod import Mongod
from tests.rig.rabbitmq import RabbitMQ
from tests.rig.services import Service, Stack, models, ready, stack
from tests.rig.upstream import FakeProvider
from tests.verify.traffic import HEADERS, MODELS, Traffic, calls

pytestmark = pytest.mark.anyio

RATE = float(os.environ.get("WARREN_VERIFY_RATE", "100"))
"""Requests a second."""
LAME_DUCK = 10.0
"""Seconds, as by default. httpx uses no connection again that was silent for five, and on a busy machine it is late."""
DRAIN = 40.0
PRICE = Decimal("0.000001")
"""Of a token, whichever."""
_SETTLED = 2.0
"""Seconds that a gateway is ready before the next one is stopped: the balancer has seen it by then."""


@dataclass
class Rollout:
    """What runs, and how it is replaced."""

    stack: Stack
    database: str
    gateways: list[tuple[Service, str]] = field(default_factory=list)
    workers: list[Service] = field(default_factory=list)
    ledgers: list[Service] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    async def stop(self, service: Service) -> None:
        began = monotonic()
        self.codes.append(await service.stop(DRAIN + 15))
        print(f"{service.name} left after {monotonic() - began:.1f} s")

    async def everything(self) -> None:
        """Each service is replaced, one process after the other: gateways at their addresses, others beside them."""
        for gateway, url in self.gateways:
            await self.stop(gateway)
            gateway.start()
            await ready(url)
            await asyncio.sleep(_SETTLED)
        for number, worker in enumerate(self.workers):
            self.workers[number] = await self.stack.worker()
            await self.stop(worker)
        for number, ledger in enumerate(self.ledgers):
            self.ledgers[number] = await self.stack.ledger()
            await self.stop(ledger)


@pytest.fixture
async def rollout(broker: RabbitMQ, database: Mongod, upstream: FakeProvider, tmp_path: Path) -> AsyncIterator[Rollout]:
    url = f"{database.url}rolling_{uuid4().hex[:8]}"
    price = {"input_cost_per_token": float(PRICE), "output_cost_per_token": float(PRICE)}
    config = models(upstream.url, *MODELS, **price)
    environ = {"WARREN_DRAIN": str(DRAIN), "WARREN_LAME_DUCK": str(LAME_DUCK)}
    with stack(broker.url, url, config, tmp_path, **environ) as services:
        made = Rollout(services, url)
        for _ in range(2):
            made.ledgers.append(await services.ledger())
            made.workers.append(await services.worker())
        for _ in range(2):
            made.gateways.append(await services.gateway())
        yield made
        assert not services.errors()


async def test_everything_is_replaced_twice_and_no_request_fails(rollout: Rollout, upstream: FakeProvider) -> None:
    ports = [urlsplit(url).port or 0 for _, url in rollout.gateways]
    with Balancer(ports) as balancer:
        await ready(balancer.url)
        traffic = Traffic(balancer.url, RATE)
        began = monotonic()
        async with traffic.open():
            await asyncio.sleep(3)
            leaving = rollout.workers[:2]
            for _ in range(3):
                rollout.workers.append(await rollout.stack.worker())
            await asyncio.gather(*map(rollout.stop, leaving))
            rollout.workers = rollout.workers[2:]
            for _ in range(2):
                await rollout.everything()
            await asyncio.sleep(3)
            seconds = monotonic() - began
        for asked in traffic.asked:
            asked.check()
        print(
            f"{len(traffic.asked)} requests in {seconds:.0f} s, {len(rollout.codes)} processes replaced, "
            f"{traffic.closings} WebSockets told to come again; {_latencies(traffic)}"
        )
        assert traffic.failures() == Counter()
        assert set(rollout.codes) == {0}
        assert traffic.closings > 0, "no WebSocket was at a gateway that left"
        assert len(traffic.asked) > 0.9 * RATE * seconds
        _called_once(traffic, upstream)
        await _recorded_once(traffic, balancer.url, rollout.database)


def _latencies(traffic: Traffic) -> str:
    took = sorted(one.ended - one.began for one in traffic.asked if one.kind == "json" and not one.wrong)
    return ", ".join(
        f"JSON {name} {took[int(len(took) * at)] * 1000:.0f} ms" for name, at in (("p50", 0.5), ("p99", 0.99))
    )


def _called_once(traffic: Traffic, upstream: FakeProvider) -> None:
    """The provider was asked once for each request, with what came before it."""
    made = calls(upstream)
    times = Counter(len(made.get(asked.marker, [])) for asked in traffic.asked)
    assert times == {1: len(traffic.asked)}
    assert all(call.finished for call in upstream.calls)
    for asked in traffic.asked:
        assert asked.before in made[asked.marker][0], f"{asked.marker} forgot {asked.before}"


async def _recorded_once(traffic: Traffic, url: str, database: str) -> None:
    """One record of each response, equal to what its client saw, one call and one charge; all money is there."""
    ids = {asked.final["id"] for asked in traffic.asked}
    assert len(ids) == len(traffic.asked)
    tokens = sum(asked.final["usage"]["total_tokens"] for asked in traffic.asked)
    async with httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=60) as http:
        for asked in traffic.asked[:: max(1, len(traffic.asked) // 500)]:
            stored = await http.get(f"/v1/responses/{asked.final['id']}")
            assert stored.json() == asked.final
        assert Decimal((await _counted(http, len(ids)))["spend_exact"]) == tokens * PRICE
    with MongoClient[dict[str, Any]](database) as client:
        kept = client.get_default_database()
        assert {row["_id"] for row in kept["responses"].find({}, {"_id": 1})} == ids
        assert {row["_id"] for row in kept["charges"].find({}, {"_id": 1})} == ids
        costs = Counter(row["response_id"] for row in kept["costs"].find({}, {"response_id": 1}))
        assert costs == Counter(ids)


async def _counted(http: httpx.AsyncClient, requests: int) -> dict[str, Any]:
    """The sum of everything, once so many requests are in it."""
    report: dict[str, Any] = {}
    for _ in range(300):
        report = (await http.get("/global/spend/report", params={"group_by": "account"})).json()
        if report["data"] and report["data"][0]["requests"] >= requests:
            return dict(report["data"][0])
        await asyncio.sleep(0.1)
    raise AssertionError(report)
