"""What a response costs, as its clients and its operator are told, in both forms."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.rig.legal import check_stream, parse_sse
from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.rabbitmq import ExternalRabbitMQ, RabbitMQ, free_ports
from tests.rig.services import KEY, embedded, models, ready, stack
from tests.rig.upstream import FakeProvider, provider
from warren.contracts import CostLine, UpstreamCall
from warren_ledger.store.mongo import MongoStore
from warren_ledger.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio
IN, OUT = Decimal("0.00000123"), Decimal("0.00000456")
OWN = {"input_cost_per_token": 1.23e-6, "output_cost_per_token": 4.56e-6}


class Running:
    """A Warren, and the store behind it."""

    def __init__(self, url: str, database: str | Path) -> None:
        self.url = url
        self._database = database

    async def calls(self, response_id: str) -> list[UpstreamCall]:
        """What was recorded of its calls, once that has come to the store."""
        at = self._database
        opened = SqliteStore.open(at) if isinstance(at, Path) else MongoStore.open(at)
        async with opened as store, asyncio.timeout(10):
            while not (calls := await store.calls(response_id, "default")):
                await asyncio.sleep(0.05)
        return calls

    async def post(self, model: str, **more: Any) -> httpx.Response:
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, timeout=60) as http:
            return await http.post(f"{self.url}/v1/responses", json={"model": model, "input": "hi", **more})

    async def get(self, response_id: str) -> httpx.Response:
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, timeout=60) as http:
            return await http.get(f"{self.url}/v1/responses/{response_id}")


@pytest.fixture
async def upstream() -> AsyncIterator[FakeProvider]:
    """One for each test: what it refuses once, it refuses each of them."""
    async with provider() as fake:
        yield fake


@pytest.fixture(params=["embedded", "services"])
async def running(request: pytest.FixtureRequest, upstream: FakeProvider, tmp_path: Path) -> AsyncIterator[Running]:
    entry = {"litellm_provider": "openai", **OWN}
    (tmp_path / "prices.json").write_text(json.dumps({"words-20": {**entry, "input_cost_per_token": 1}}))
    config = models(upstream.url, "words-3", "words-20", "words-200", "status-429-1")
    for one in config["model_list"]:
        if one["model_name"].endswith(("words-3", "status-429-1")):
            one["litellm_params"] |= OWN
    config["litellm_settings"] = {
        "include_cost_in_streaming_usage": True,
        "model_cost_map_url": str(tmp_path / "prices.json"),
    }
    if request.param == "embedded":
        (port,) = free_ports(1)
        service = embedded(config, tmp_path, port)
        try:
            await ready(f"http://127.0.0.1:{port}")
            yield Running(f"http://127.0.0.1:{port}", tmp_path / "data" / "warren.db")
        finally:
            service.kill()
        return
    rabbitmq: RabbitMQ | ExternalRabbitMQ = request.getfixturevalue("rabbitmq")
    mongod: Mongod | ExternalMongod = request.getfixturevalue("mongod")
    database = f"{mongod.url}costs_{uuid4().hex[:8]}"
    with stack(rabbitmq.url, database, config, tmp_path) as services:
        await services.ledger()
        await services.worker()
        _, address = await services.gateway()
        yield Running(address, database)


def due(usage: dict[str, Any]) -> Decimal:
    amount: Decimal = usage["input_tokens"] * IN + usage["output_tokens"] * OUT
    return amount


async def test_a_response_tells_what_it_costs(running: Running) -> None:
    for model in ("words-3", "native-words-3"):
        answer = await running.post(model)
        made = answer.json()
        amount = due(made["usage"])
        assert amount > 0
        assert Decimal(answer.headers["x-warren-response-cost"]) == amount
        assert Decimal(str(made["usage"]["cost"])) == amount
        assert (await running.get(made["id"])).json() == made
        (call,) = await running.calls(made["id"])
        assert (call.cost, call.price_source, call.unpriced) == (amount, "config", ())
        assert call.cost_lines == (
            CostLine("input", Decimal(made["usage"]["input_tokens"]), IN),
            CostLine("output", Decimal(made["usage"]["output_tokens"]), OUT),
        )

    said = await running.post("words-3", stream=True)
    final = check_stream(parse_sse(said.content))
    assert "x-warren-response-cost" not in said.headers
    assert Decimal(str(final["usage"]["cost"])) == due(final["usage"])
    assert (await running.get(final["id"])).json() == final


async def test_prices_come_from_the_file_and_what_it_does_not_know_is_unknown(running: Running) -> None:
    made = (await running.post("words-20")).json()
    (call,) = await running.calls(made["id"])
    assert (call.price_source, call.price_date is not None) == ("prices.json", True)
    assert call.cost == made["usage"]["input_tokens"] + made["usage"]["output_tokens"] * OUT

    answer = await running.post("words-200")
    assert "x-warren-response-cost" not in answer.headers
    assert answer.json()["usage"]["cost"] is None
    (call,) = await running.calls(answer.json()["id"])
    assert (call.cost, call.cost_lines, call.unpriced) == (None, (), ("model",))


async def test_a_call_that_was_refused_costs_nothing(running: Running) -> None:
    answer = await running.post("status-429-1")
    assert answer.status_code == 200
    calls = await running.calls(answer.json()["id"])
    assert [call.status for call in calls] == [429, 200]
    assert (calls[0].usage, calls[0].cost) == (None, None)
    assert calls[1].cost == due(answer.json()["usage"]) == Decimal(answer.headers["x-warren-response-cost"])
