"""Prices of a day are made known by who is killed over it again and again: once he comes to the end, all is right."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.ledger.making import call, outcome
from tests.rig.mongod import Mongod
from tests.rig.rabbitmq import RabbitMQ
from tests.rig.services import KEY, models, ready, stack
from warren.contracts import Usage
from warren_ledger.store.mongo import MongoStore

pytestmark = pytest.mark.anyio
Json = dict[str, Any]

RESPONSES = 6000
USAGE = Usage(input_tokens=1000, output_tokens=10)
PRICES = {"openai/gpt": {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.00001}}
COST = Decimal("0.0011")


async def repriced(url: str, after: int = 0, kill: Callable[[], None] | None = None) -> Json | None:
    """What the last line says, if it comes to that; after so many lines, somebody is killed."""
    on = datetime.now(UTC).date().isoformat()
    body = {"start_date": on, "end_date": on, "prices": PRICES}
    last: Json = {}
    try:
        async with (
            httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, timeout=60) as http,
            http.stream("POST", f"{url}/spend/reprice", json=body) as answer,
        ):
            async for line in answer.aiter_lines():
                last = json.loads(line)
                after -= 1
                if after == 0 and kill is not None:
                    kill()
    except (httpx.HTTPError, ValueError):
        return None
    return last if last.get("object") == "reprice.end" else None


async def report(url: str) -> Json:
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, timeout=60) as http:
        answer = await http.get(f"{url}/global/spend/report", params={"group_by": "account"})
        [row] = answer.json()["data"]
        return dict(row)


async def test_whoever_is_killed_over_it_the_sums_are_right(broker: RabbitMQ, database: Mongod, tmp_path: Path) -> None:
    url = f"{database.url}reprice_{uuid4().hex[:8]}"
    made = [
        outcome(None, calls=(call(None, None, usage=USAGE), call(None, COST, usage=USAGE))) for _ in range(RESPONSES)
    ]
    async with MongoStore.open(url) as store:
        for at in range(0, RESPONSES, 500):
            await store.put(made[at : at + 500])
    with stack(broker.url, url, models("http://127.0.0.1:9", "words-3"), tmp_path) as services:
        ledger = await services.ledger()
        gateway, address = await services.gateway()
        for round_ in range(6):
            victim = (ledger, gateway)[round_ % 2]
            await repriced(address, 1 + round_, victim.kill)
            if not victim.running:
                victim.start()
            await ready(address, 120)
        while await repriced(address) is None:
            await asyncio.sleep(0.5)
        again = await repriced(address)
        assert again is not None
        assert (again["repriced_calls"], Decimal(again["spend"])) == (0, COST * 2 * RESPONSES)
        async with asyncio.timeout(120):
            while (row := await report(address))["requests"] < RESPONSES or row["unpriced_calls"]:
                await asyncio.sleep(0.5)
        assert (Decimal(row["spend_exact"]), row["calls"]) == (COST * 2 * RESPONSES, 2 * RESPONSES)
        assert (Decimal(row["original_spend_exact"]), row["repriced_calls"]) == (COST * RESPONSES, RESPONSES)
    async with MongoStore.open(url) as store:
        for at in range(0, RESPONSES, 500):
            charges = await store.charges.some([one.response_id for one in made[at : at + 500]])
            calls = [one for charge in charges for one in charge.calls]
            assert [one.cost for one in calls] == [COST] * 1000
            assert sum(one.original is not None for one in calls) == 500
