"""Every query of every panel and alert, asked of a real Prometheus that has scraped a real Warren on a bad day."""

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml

from tests.rig.mongod import Mongod
from tests.rig.prometheus import Job, Prometheus
from tests.rig.promql import DEPLOY, alerts, panels, recorded, selectors, without_comparisons
from tests.rig.rabbitmq import RabbitMQ, free_ports
from tests.rig.services import KEY, Service, Stack, ready
from tests.rig.upstream import FakeProvider, provider
from tests.verify.conftest import client
from warren.bus import jobs
from warren.bus.rabbit import RabbitBus
from warren.contracts import Ping

pytestmark = pytest.mark.anyio
PRICED = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}
PATIENCE = 20
"""Looks at what is missing, a second apart."""
LARGE = 20_000_000
"""Bytes of a body. A gateway that has 32 MB for such has no room for two."""
Json = dict[str, Any]


class ObservedRabbitMQ(RabbitMQ):
    """It tells Prometheus how it does."""

    def __init__(self) -> None:
        (self.metrics_port,) = free_ports(1)
        super().__init__(config=f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {self.metrics_port}\n")
        self._write("enabled_plugins", "[rabbitmq_prometheus].\n")


class Watched(Stack):
    """Services that serve their metrics, each on a port of its own."""

    def __init__(self, *arguments: Any, **environ: Any) -> None:
        super().__init__(*arguments, **environ)
        self.ports: dict[str, list[int]] = {}

    def _add(self, name: str, *arguments: str, **environ: str) -> Service:
        (port,) = free_ports(1)
        self.ports.setdefault(name, []).append(port)
        return super()._add(name, *arguments, **environ, WARREN_METRICS_PORT=str(port))


def entry(url: str, group: str, model: str, **params: Any) -> Json:
    known = {"model": f"openai/{model}", "api_base": url, "api_key": "k", "use_chat_completions_api": True}
    return {"model_name": group, "litellm_params": known | params, "model_info": {"id": params.pop("id", group)}}


def config(url: str) -> Json:
    return {
        "model_list": [
            entry(url, "good", "words-20-5", **PRICED, max_budget=1000),
            entry(url, "slow", "words-200-40", **PRICED),
            entry(url, "unpriced", "words-3"),
            entry(url, "flaky", "fail-3", num_retries=1, cooldown_time=0, **PRICED),
            entry(url, "broken", "status-500-999", num_retries=0, cooldown_time=300, **PRICED),
            entry(url, "locked", "status-401-999", num_retries=0, cooldown_time=5, **PRICED),
            entry(url, "cut", "cut-3", num_retries=0, **PRICED),
        ],
        "router_settings": {"fallbacks": [{"locked": ["good"]}], "allowed_fails": 0},
    }


def scraped(ports: dict[str, list[int]], broker: ObservedRabbitMQ) -> list[Job]:
    """The jobs of `deploy/prometheus/prometheus.yml`, at the ports that they have here."""
    at = {
        "warren-gateway": ports["gateway"], "warren-worker": ports["worker"], "warren-ledger": ports["ledger"],
        "rabbitmq": [broker.metrics_port], "rabbitmq-queues": [broker.metrics_port],
    }  # fmt: skip
    configured: list[Job] = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    jobs = []
    for job in configured:
        if job["job_name"] in at:
            del job["dns_sd_configs"]
            targets = [f"127.0.0.1:{port}" for port in at[job["job_name"]]]
            jobs.append(job | {"static_configs": [{"targets": targets}]})
    assert len(jobs) == len(at)
    return jobs


class Day:
    """What goes on, and goes wrong."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url

    async def ask(self, model: str, **more: Any) -> httpx.Response:
        return await self._http.post(f"{self._url}/v1/responses", json={"model": model, "input": "hello", **more})

    async def traffic(self) -> None:
        """Never ends, whatever becomes of a request."""
        while True:
            await asyncio.gather(
                self.ask("good"), self.ask("good", stream=True), self.ask("good", stream=True, background=True),
                self.ask("unpriced"), self.ask("locked", stream=True), self.ask("broken"), self.ask("cut"),
                self.ask("flaky"), self.ask("good", temperature="hot"), self.ask("nobody"),
                return_exceptions=True,
            )  # fmt: skip
            await asyncio.sleep(1)

    async def crowd(self) -> None:
        """A large body has no room beside one that is still on its way."""
        rest = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b" "
            await rest.wait()
            yield b" " * (LARGE - 1)

        url, headers = f"{self._url}/v1/responses", {"content-length": str(LARGE)}
        first = asyncio.create_task(self._http.post(url, content=slowly(), headers=headers))
        await asyncio.sleep(1)
        assert (await self._http.post(url, content=b" " * LARGE)).json()["error"]["code"] == "overloaded"
        rest.set()
        await first

    async def websocket(self) -> None:
        from websockets.asyncio.client import connect

        headers = {"Authorization": f"Bearer {KEY}"}
        async with connect(f"{self._url.replace('http', 'ws')}/v1/responses", additional_headers=headers) as socket:
            await socket.send('{"type": "response.create", "model": "good", "input": "hello"}')
            while '"response.completed"' not in str(await socket.recv()):
                pass


async def killed_worker(day: Day, upstream: FakeProvider, victim: Service) -> None:
    """What it had taken comes again to the other one, and a stream that had shown something is cut off."""
    # The broker gives each worker every other one: both have both kinds.
    asked = [asyncio.create_task(day.ask("slow", stream=at % 4 < 2)) for at in range(12)]
    while sum(call.model == "words-200-40" and call.words > 20 for call in upstream.calls) < len(asked):
        await asyncio.sleep(0.1)
    victim.kill()
    await asyncio.gather(*asked)


async def store_away(day: Day, database: Mongod) -> None:
    """Outcomes cannot be written, and what was asked before cannot be found."""
    answered = (await day.ask("good")).json()["id"]
    database.kill()
    asked = [asyncio.create_task(day.ask("good")) for _ in range(5)]
    assert (await day.ask("good", previous_response_id=answered)).json()["error"]["code"] == "ledger_unavailable"
    database.start()
    await asyncio.gather(*asked)


async def poison(broker: RabbitMQ) -> None:
    """A message that no worker can handle ends up dead after twenty tries."""
    async with RabbitBus.open(broker.url, name="poison") as bus:
        await bus.send(jobs("openai"), Ping())


@pytest.fixture
async def prometheus(tmp_path: Path) -> AsyncIterator[Prometheus]:
    """One that has seen a bad day and sees the traffic go on."""
    sink = f"stdout,http://127.0.0.1:{free_ports(1)[0]}/gone"
    with ObservedRabbitMQ() as broker, Mongod() as database:
        async with provider() as upstream, client() as http:
            path = tmp_path / "services"
            path.mkdir()
            store = f"{database.url}watched_{uuid4().hex[:8]}"
            stack = Watched(
                broker.url, store, config(upstream.url), path, WARREN_REQUEST_LOG=sink, WARREN_BODY_MEMORY="32"
            )
            try:
                await stack.ledger()
                victim = await stack.worker()
                await stack.worker()
                _, url = await stack.gateway()
                day = Day(http, url)
                with Prometheus(scraped(stack.ports, broker)) as server:
                    # It begins after seconds; what has happened before then is no increase to it.
                    while not await asyncio.to_thread(server.ask, 'up{job="warren-gateway"}'):
                        await asyncio.sleep(0.5)
                    traffic = asyncio.create_task(day.traffic())
                    await day.websocket()
                    await day.crowd()
                    await poison(broker)
                    await killed_worker(day, upstream, victim)
                    await store_away(day, database)
                    await ready(url)
                    await asyncio.sleep(15)
                    yield server
                    assert not traffic.done(), traffic.exception()
                    traffic.cancel()
            finally:
                stack.close()


def filled(expression: str) -> str:
    """As Grafana sends it."""
    for name, value in {"$__rate_interval": "1m", "$__range": "5m", "$model": ".*"}.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


async def test_every_panel_and_every_alert_gets_data(prometheus: Prometheus) -> None:
    """Each query as a whole, comparisons aside, and each metric that it names: nothing is filled in for what is not
    there. What a scrape has missed comes with the next one.
    """
    asked = [*panels(), *alerts(), *recorded()]
    assert len(asked) > 150

    async def missing(expression: str) -> bool:
        found = await asyncio.to_thread(prometheus.ask, expression)
        return not any(math.isfinite(float(series["value"][1])) for series in found)

    wanted = {(str(one), without_comparisons(filled(one.expression))) for one in asked}
    wanted |= {(str(one), name + braces) for one in asked for name, braces in selectors(filled(one.expression))}
    for _ in range(PATIENCE):
        wanted = {(where, expression) for where, expression in wanted if await missing(expression)}
        if not wanted:
            break
        await asyncio.sleep(1)
    assert not wanted

    firing = await asyncio.to_thread(prometheus.ask, 'ALERTS{alertstate="firing"}')
    assert {series["metric"]["alertname"] for series in firing} >= {
        "WarrenDeadLetter", "WarrenErrorBudgetBurnsFast", "WarrenInterruptions", "WarrenPriceUnknown",
        "WarrenProviderAccount",
    }  # fmt: skip
