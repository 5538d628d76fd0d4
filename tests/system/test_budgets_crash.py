"""When everything dies at once, nothing stays held. A file of its own: two Warrens must not share a broker."""

import asyncio
import time
from pathlib import Path
from uuid import uuid4

import pytest

from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.rabbitmq import ExternalRabbitMQ, RabbitMQ
from tests.rig.services import ready, stack
from tests.rig.upstream import FakeProvider
from tests.system.managing import Manager, client, code
from tests.system.test_budgets import OK, World, config

pytestmark = pytest.mark.anyio


async def test_after_a_crash_of_everything_nothing_stays_held(
    upstream: FakeProvider,
    rabbitmq: RabbitMQ | ExternalRabbitMQ,
    mongod: Mongod | ExternalMongod,
    tmp_path: Path,
) -> None:
    database = f"{mongod.url}crash_{uuid4().hex[:8]}"
    with stack(rabbitmq.url, database, config(upstream.url), tmp_path) as services:
        await services.ledger()
        await services.worker()
        _, url = await services.gateway()
        manager = Manager(url)
        key = await manager.key(max_budget=10)
        async with client(url, None) as http:
            world = World([url], [http])
            running = [asyncio.create_task(world.ask(key, model="words-40-50")) for _ in range(10)]
            while (await manager.get("/key/info", key=key))["info"]["reserved"] != 10:
                await asyncio.sleep(0.05)
            for service in services.services:
                service.kill()
            await asyncio.gather(*running, return_exceptions=True)
        for service in services.services:
            service.start()
        await ready(url)
        async with client(url, None) as http:
            world = World([url], [http])
            began = time.monotonic()
            spent, held = await world.figures(key)
            while held and time.monotonic() - began < 60:
                spent, held = await world.figures(key)
            assert held == 0
            assert spent <= 10
            await manager.post("/key/update", key=key, max_budget=20)
            await asyncio.sleep(0.5)
            assert code(await world.ask(key)) == OK
