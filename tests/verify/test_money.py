"""Money, whatever dies: what the ledger says that it cost is what the provider's journal says that it served.

`MONEY_REQUESTS` sets how many requests there are.
"""

import asyncio
import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import httpx
import pymongo
import pytest

from tests.rig.echo import echoing
from tests.rig.journal import metered
from tests.rig.mongod import Mongod
from tests.rig.rabbitmq import RabbitMQ
from tests.rig.services import KEY, Service, Stack, ready, stack
from tests.rig.upstream import FakeProvider, provider
from tests.system.managing import Manager
from tests.verify.auditing import Audit, Document, Price
from tests.verify.wild_traffic import Traffic

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(1800)]
REQUESTS = int(os.environ.get("MONEY_REQUESTS", "5000"))
AT_ONCE = 40
NANO = Decimal("0.000000001")
PRICES = {
    "native": Price(1250 * NANO, 125 * NANO, 10000 * NANO, 10000 * NANO),
    "chat": Price(Decimal("0.0000011"), Decimal("0.00000055"), Decimal("0.0000044"), Decimal("0.0000087")),
    "claude": Price(Decimal("0.000003"), Decimal("0.0000003"), Decimal("0.000015"), Decimal("0.000015")),
    "dear": Price(Decimal("0.000021"), Decimal("0.0000021"), Decimal("0.000168"), Decimal("0.000168")),
    "slow": Price(Decimal("0.00000015"), Decimal("0.000000075"), Decimal("0.0000006"), Decimal("0.0000006")),
}
PROVIDERS = ("openai", "custom_openai", "anthropic")


def config(url: str) -> dict[str, Any]:
    def deployment(group: str, id_: str, model: str) -> dict[str, Any]:
        price = PRICES[id_]
        params = {
            "model": model, "api_base": url, "api_key": "k", "stream_timeout": 5.0,
            "input_cost_per_token": float(price.read), "cache_read_input_token_cost": float(price.cached),
            "output_cost_per_token": float(price.written), "output_cost_per_reasoning_token": float(price.reasoned),
        }  # fmt: skip
        return {"model_name": group, "litellm_params": params, "model_info": {"id": id_}}

    return {
        "model_list": [
            deployment("any", "native", "openai/moody-24-15"),
            deployment("any", "chat", "custom_openai/moody-24-15"),
            deployment("claude", "claude", "anthropic/moody-24-15"),
            deployment("dear", "dear", "anthropic/words-16-10"),
            deployment("slow", "slow", "custom_openai/words-60-50"),
        ],
        "router_settings": {
            "num_retries": 1, "disable_cooldowns": True, "fallbacks": [{"any": ["dear"]}, {"claude": ["any"]}],
        },
        "litellm_settings": {"max_budget": 1_000_000},
    }  # fmt: skip


class World:
    """Two gateways, four workers, two ledgers, and their provider."""

    def __init__(
        self, services: Stack, upstream: FakeProvider, broker: RabbitMQ, store: pymongo.MongoClient[Document]
    ) -> None:
        self.services = services
        self.upstream = upstream
        self.broker = broker
        self.store = store.get_default_database()
        self.gateways: list[tuple[Service, str]] = []
        self.workers: list[Service] = []
        self.ledgers: list[Service] = []

    def records(self) -> list[Document]:
        return list(self.store["costs"].find())

    def spent(self, budget: str) -> Decimal:
        found = self.store["budgets"].find_one({"_id": budget})
        return Decimal(0) if found is None else found["state"]["spent"].to_decimal()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with RabbitMQ() as broker, Mongod() as mongod:
        url = f"{mongod.url}money"
        async with provider(metered) as upstream:
            with (
                stack(broker.url, url, config(upstream.url), tmp_path) as services,
                pymongo.MongoClient[Document](url) as store,
            ):
                made = World(services, upstream, broker, store)
                made.ledgers = [await services.ledger() for _ in range(2)]
                made.workers = [await services.worker() for _ in range(2)]
                made.workers += [
                    await services.worker("--providers", names) for names in ("openai,custom_openai", "anthropic")
                ]
                made.gateways = [await services.gateway() for _ in range(2)]
                yield made
                assert not services.errors()


async def havoc(world: World, traffic: Traffic, done: Counter[str]) -> None:
    """Kill, freeze and cut off, until the traffic is over. A gateway dies when no worker has for a while: who dies with
    those that know of its calls takes these along.
    """
    random = Random(7)
    gateway_at = [traffic.count // 3, 2 * traffic.count // 3]
    while traffic.done < traffic.count:
        if gateway_at and traffic.done >= gateway_at[0]:
            gateway_at.pop(0)
            await asyncio.sleep(25)
            await _killed(world.gateways[len(gateway_at) % 2][0], done, "gateways killed")
            for _, url in world.gateways:
                await ready(url)
            await asyncio.sleep(15)
        what = random.choices(("worker", "freeze", "ledger", "connections"), (10, 3, 2, 2))[0]
        match what:
            case "worker":
                await _killed(random.choice(world.workers), done, "workers killed")
            case "ledger":
                await _killed(random.choice(world.ledgers), done, "ledgers killed")
            case "freeze":
                worker = random.choice(world.workers)
                worker.suspend()
                await asyncio.sleep(random.choice((3, 35)))
                worker.resume()
                done["workers frozen"] += 1
            case "connections":
                done["connections closed"] += await asyncio.to_thread(_cut, world.broker, random)
        await asyncio.sleep(random.uniform(2, 7))


def _cut(broker: RabbitMQ, random: Random) -> int:
    """Close some connections on which messages are taken: those that are under way come again. Gives how many."""
    with suppress(subprocess.TimeoutExpired, RuntimeError):  # the machine is busy, or somebody has just died
        rows = broker.ctl("list_connections", "pid", "client_properties").splitlines()
        pids = [row.split("\t")[0] for row in rows if " consumes" in row]
        for pid in random.sample(pids, len(pids) // 2):
            broker.ctl("close_connection", pid, "a test")
        return len(pids) // 2
    return 0


async def _killed(service: Service, done: Counter[str], what: str) -> None:
    service.kill()
    done[what] += 1
    await asyncio.sleep(0.5)
    service.start()


async def until(true: Callable[[], bool], seconds: float) -> None:
    """Wait for this, for a while; what is wrong then the audit says."""
    end = monotonic() + seconds
    while not true() and monotonic() < end:
        await asyncio.sleep(1)


async def test_what_is_charged_is_what_was_served(world: World) -> None:
    manager = Manager(world.gateways[0][1])
    made = [await manager.post("/key/generate", max_budget=100_000) for _ in range(3)]
    keys = {one["id"]: one["key"] for one in made}
    urls = [url for _, url in world.gateways]
    traffic = Traffic(urls, [*keys.values(), KEY], ("any", "any", "claude", "slow"), REQUESTS, AT_ONCE)
    done: Counter[str] = Counter()
    addresses = ["ledger.write", *(f"jobs.{name}" for name in PROVIDERS)]
    began = monotonic()
    async with echoing(world.broker.url, addresses, ("job", "outcome", "begun"), percent=4, seconds=2) as echo:
        havocking = asyncio.create_task(havoc(world, traffic, done))
        await traffic.run()
        took = monotonic() - began
        havocking.cancel()
        with suppress(asyncio.CancelledError):
            await havocking
    await _up(world)
    await _settled(world)
    audit = Audit(PRICES)
    records = world.records()
    audit.compare(world.upstream.calls, records)
    print(f"{REQUESTS} requests in {took:.0f} s, {len(world.upstream.calls)} calls, {len(records)} records")
    print(dict(done), dict(echo.repeated))
    print(dict(sorted(traffic.seen.items())))
    print(dict(audit.kinds))
    print(f"${audit.total} on record, ${audit.exact} of it exact; estimates: ${audit.short} short, ${audit.over} over")
    assert not audit.problems, "\n".join(audit.problems[:20]) + f"\n… {len(audit.problems)}"
    await _reported(world, records, audit.total)
    _budgeted(world, records, keys)


async def _up(world: World) -> None:
    """All that was killed or frozen when the traffic ended is there again."""
    for service in world.services.services:
        if service.running:
            service.resume()
        else:
            service.start()
    for _, url in world.gateways:
        await ready(url)


async def _settled(world: World) -> None:
    """Wait until all calls have ended, all is recorded, and counted."""
    calls, database = world.upstream.calls, world.store
    await until(lambda: all(call.ended is not None for call in calls), 60)
    await until(lambda: {call.call_id for call in calls} <= {record["_id"] for record in world.records()}, 90)
    await until(lambda: database["calls"].count_documents({}) == 0, 60)
    uncounted = {"uncounted": True}
    await until(lambda: not any(database[name].find_one(uncounted) for name in ("costs", "charges")), 60)


async def _reported(world: World, records: list[Document], total: Decimal) -> None:
    """What is told by day, by deployment and by response adds up to the same."""
    url = world.gateways[0][1]
    by: defaultdict[str, Decimal] = defaultdict(Decimal)
    for record in records:
        by[record["deployment"]] += _cost(record)
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, timeout=30) as http:
        days = await _rows(http, f"{url}/global/spend/report", group_by="day")
        assert sum(Decimal(row["spend_exact"]) for row in days) == total
        assert sum(row["calls"] for row in days) == len(records)
        told = await _rows(http, f"{url}/global/spend/report", group_by="deployment")
        assert {row["deployment"]: Decimal(row["spend_exact"]) for row in told if row["calls"]} == by
        logs = await _pages(http, f"{url}/spend/logs")
        assert sum((Decimal(row["spend_exact"]) for row in logs), Decimal(0)) == total
        assert len(logs) == len({row["response_id"] for row in logs})


def _budgeted(world: World, records: list[Document], keys: dict[str, str]) -> None:
    """What budgets have taken in is the same, too."""
    by: defaultdict[str, Decimal] = defaultdict(Decimal)
    for record in records:
        by[f"key:{record.get('key', '')}"] += _cost(record)
        by["global"] += _cost(record)
    for budget in ("global", *(f"key:{id_}" for id_ in keys)):
        assert world.spent(budget) == by[budget], budget


def _cost(record: Document) -> Decimal:
    cost: Decimal = Decimal(0) if record["cost"] is None else record["cost"].to_decimal()
    return cost


async def _rows(http: httpx.AsyncClient, url: str, **query: str) -> list[Document]:
    answer = await http.get(url, params=query)
    assert answer.status_code == 200, answer.text
    rows: list[Document] = answer.json()["data"]
    return rows


async def _pages(http: httpx.AsyncClient, url: str) -> list[Document]:
    rows: list[Document] = []
    query = {"limit": "1000"}
    while True:
        page = (await http.get(url, params=query)).json()
        rows += page["data"]
        if not page["has_more"]:
            return rows
        query["after"] = page["last_id"]
