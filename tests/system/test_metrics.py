"""What metrics tell of a whole Warren, each service a process."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import httpx
import pytest
from aiormq.exceptions import ChannelNotFoundEntity
from websockets.asyncio.client import connect

from tests.rig.collector import Collector, collector
from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.rabbitmq import ExternalRabbitMQ, RabbitMQ, free_ports
from tests.rig.scraped import Scraped
from tests.rig.services import KEY, Stack, embedded, ready, stack
from tests.rig.upstream import FakeProvider, provider
from warren.telemetry.measuring import ALL
from warren.telemetry.page import prometheus

pytestmark = pytest.mark.anyio
Json = dict[str, Any]
SIGNED = {"authorization": f"Bearer {KEY}"}
PROMPT, USER, ALIAS, ACCOUNT = "a prompt of nobody else", "user-4711", "key-of-a-customer", "the-customer"
PRIVATE = (KEY, PROMPT, USER, ALIAS, ACCOUNT, "sk-", "resp_")


@dataclass
class Observed:
    """A running Warren and where its services tell of themselves."""

    url: str
    http: httpx.AsyncClient
    broker: str
    services: Stack
    upstream: FakeProvider
    sink: Collector
    """Where the lines of requests are posted."""
    pages: dict[str, str] = field(default_factory=dict)
    seen: list[Scraped] = field(default_factory=list)
    """All that was told."""

    async def scrape(self, service: str) -> Scraped:
        self.seen.append(scraped := await Scraped.of(self.pages[service]))
        return scraped

    async def until(self, service: str, seen: Callable[[Scraped], bool], timeout: float = 60) -> Scraped:
        """What a service tells once this is to be seen of it."""
        async with asyncio.timeout(timeout):
            while not seen(scraped := await self.scrape(service)):
                await asyncio.sleep(0.2)
        return scraped

    async def ask(self, model: str, **more: Any) -> httpx.Response:
        body = {"model": model, "input": PROMPT, "user": USER, **more}
        return await self.http.post("/v1/responses", json=body)


def entry(upstream: FakeProvider, group: str, model: str, **more: Any) -> Json:
    params = {"model": f"openai/{model}", "api_base": upstream.url, "api_key": "upstream-key"}
    priced = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.002} if more.pop("priced", True) else {}
    info = {"id": more.pop("id", group), **more.pop("info", {})}
    return {
        "model_name": group,
        "litellm_params": {**params, "use_chat_completions_api": True, **priced, **more},
        "model_info": info,
    }


def config(upstream: FakeProvider) -> Json:
    return {
        "model_list": [
            entry(upstream, "plain", "words-20-5", max_budget=1000.0),
            entry(upstream, "shaky", "status-500-1", id="shaky-1"),
            entry(upstream, "broken", "status-500-999", num_retries=0),
            entry(upstream, "limited", "status-429-999", num_retries=0, cooldown_time=30, info={"allowed_fails": 0}),
            entry(upstream, "wild/*", "*", id="wild"),
            entry(upstream, "unpriced", "words-3", priced=False),
            entry(upstream, "long", "words-200-50"),
            entry(upstream, "refusing", "status-400-999"),
        ],
        "router_settings": {"fallbacks": [{"broken": ["plain"]}], "allowed_fails": 100},
    }


async def _emptied(broker: str) -> None:
    """Nothing is left to be done or to be written of what others did at this broker."""
    async with await aio_pika.connect(broker) as connection:
        for name in ("jobs.openai", "ledger.write"):
            async with connection.channel() as channel:
                with suppress(ChannelNotFoundEntity):
                    await (await channel.get_queue(f"warren.v1.{name}")).purge()


@pytest.fixture
async def observed(
    rabbitmq: RabbitMQ | ExternalRabbitMQ, mongod: Mongod | ExternalMongod, tmp_path: Path
) -> AsyncIterator[Observed]:
    await _emptied(rabbitmq.url)
    async with provider() as upstream:
        database = f"{mongod.url}metrics_{uuid4().hex[:8]}"
        with (
            collector() as sink,
            stack(
                rabbitmq.url, database, config(upstream), tmp_path,
                WARREN_METRICS_PORT="0", WARREN_REQUEST_LOG=f"{sink.url}/lines",
            ) as services,
        ):  # fmt: skip
            sink.status = 500  # for now
            ledger, worker = await services.ledger(), await services.worker()
            gateway, url = await services.gateway()
            async with httpx.AsyncClient(base_url=url, headers=SIGNED, timeout=60) as http:
                made = Observed(url, http, rabbitmq.url, services, upstream, sink)
                for name, service in (("gateway", gateway), ("worker", worker), ("ledger", ledger)):
                    made.pages[name] = await service.metrics()
                yield made


async def _each_way(observed: Observed) -> None:
    """Each model once as JSON and once as a stream."""
    for model, status in (
        ("plain", 200), ("shaky", 200), ("broken", 200), ("limited", 429), ("wild/words-3", 200), ("unpriced", 200),
        ("nobody", 404),
    ):  # fmt: skip
        for stream in (False, True):
            answer = await observed.ask(model, stream=stream)
            assert answer.status_code == status
            if model == "limited":
                await asyncio.sleep(1)  # in which everybody hears that it must be left alone
    gateway, worker = await observed.scrape("gateway"), await observed.scrape("worker")
    ledger = await observed.until("ledger", lambda seen: seen.value("warren_outcomes_total") == 11)
    requests = "gen_ai_server_request_duration_seconds_count"
    assert gateway.value(requests, gen_ai_request_model="plain", warren_mode="stream", error_type="") == 1
    assert gateway.value(requests, gen_ai_request_model="limited", error_type="rate_limit_exceeded") == 2
    assert gateway.value(requests, gen_ai_request_model="_other", error_type="model_not_found") == 2
    assert gateway.value("http_server_request_duration_seconds_count", http_route="/responses") == 14
    assert gateway.value("warren_refusals_total", error_type="model_not_found") == 2
    assert gateway.value("gen_ai_server_time_to_first_token_seconds_count") == 5
    assert gateway.value("warren_flights") == gateway.value("http_server_active_requests") == 0
    assert gateway.value("warren_queue_consumers", warren_queue="jobs.openai") == 1
    calls = "gen_ai_client_operation_duration_seconds_count"
    assert worker.value(calls) == len(observed.upstream.calls)
    assert worker.value(calls, error_type="") == 10
    assert worker.value("warren_upstream_errors_total", warren_deployment="broken") == 2
    assert worker.value("warren_retries_total", gen_ai_request_model="shaky", error_type="upstream_error") == 1
    assert worker.value("warren_fallbacks_total", gen_ai_request_model="broken", error_type="upstream_error") == 2
    assert worker.value("warren_cooldowns_total", warren_deployment="limited", error_type="rate_limit_exceeded") == 1
    assert worker.value("warren_deployment_cooling", warren_deployment="limited") == 1
    assert worker.value("warren_cost_unknown_total", warren_deployment="unpriced") == 2
    assert worker.value("warren_cost_total", warren_deployment="shaky-1") == pytest.approx(2 * (7 * 0.001 + 3 * 0.002))
    assert worker.value("warren_worker_in_flight") == worker.value("warren_worker_draining") == 0
    assert worker.value("warren_queue_wait_seconds_count", gen_ai_provider_name="openai") == 11
    output = "gen_ai_client_inference_usage_output_tokens_total"
    assert worker.value(output, gen_ai_request_model="wild/*", warren_deployment="wild") == 6
    assert worker.value(output) == 4 * 20 + 6 * 3
    assert (await observed.ask("refusing")).status_code == 400  # that is no failure of the provider
    worker = await observed.scrape("worker")
    assert worker.value(calls, warren_deployment="refusing") == 1
    assert worker.value("warren_upstream_errors_total", warren_deployment="refusing") == 0
    assert ledger.value("warren_outcomes_total", warren_status="completed", error_type="") == 10
    assert ledger.value("warren_outcomes_total", warren_status="failed", error_type="rate_limit_exceeded") == 1
    assert ledger.value("warren_ledger_lag_seconds_count") >= 11


async def _other_modes(observed: Observed) -> None:
    """A WebSocket, and the background; and a key of a customer."""
    address = f"{observed.url.replace('http', 'ws')}/v1/responses"
    async with connect(address, additional_headers=SIGNED) as open_:
        await open_.send(json.dumps({"type": "response.create", "model": "plain", "input": PROMPT}))
        while json.loads(await open_.recv())["type"] != "response.completed":
            pass
    made = (await observed.http.post("/key/generate", json={"key_alias": ALIAS, "account": ACCOUNT})).json()
    theirs = {"authorization": f"Bearer {made['key']}"}
    answer = await observed.http.post("/v1/responses", json={"model": "plain", "input": PROMPT}, headers=theirs)
    assert answer.status_code == 200, answer.text
    queued = (await observed.ask("plain", background=True)).json()
    async with asyncio.timeout(60):
        while (await observed.http.get(f"/v1/responses/{queued['id']}")).json()["status"] != "completed":
            await asyncio.sleep(0.1)
    seen = await observed.scrape("gateway")
    for mode in ("websocket", "background"):
        assert seen.value("gen_ai_server_request_duration_seconds_count", warren_mode=mode, error_type="") == 1
        assert seen.value("warren_flights", warren_mode=mode) == 0
    assert seen.value("http_server_request_duration_seconds_count", http_route="/responses/{response_id}") >= 1


async def _first(queue: aio_pika.abc.AbstractQueue) -> aio_pika.abc.AbstractIncomingMessage:
    while (message := await queue.get(fail=False)) is None:
        await asyncio.sleep(0.1)
    return message


async def _rerouted(observed: Observed) -> None:
    """Who is left alone for a while is not asked: its gateway goes on to somebody else."""
    assert (await observed.ask("limited", fallbacks=["plain"])).status_code == 200
    gateway = await observed.scrape("gateway")
    assert gateway.value("warren_fallbacks_total", gen_ai_request_model="limited") == 1


async def _trouble(observed: Observed) -> None:
    """A worker dies, another one comes, a job is taken by nobody, and a sink that was away is back."""
    worker = next(service for service in observed.services.services if service.name == "worker")
    streaming = asyncio.create_task(observed.ask("long", stream=True))
    waiting = asyncio.create_task(observed.ask("plain", input="wait"))
    while not any(call.words > 5 for call in observed.upstream.calls if call.model == "words-200-50"):
        await asyncio.sleep(0.05)
    await waiting
    worker.kill()
    other = await observed.services.worker()
    observed.pages["worker"] = await other.metrics()
    assert "interrupted" in (await streaming).text
    gateway = await observed.until("gateway", lambda seen: seen.value("warren_interruptions_total") == 1)
    requests = "gen_ai_server_request_duration_seconds_count"
    assert gateway.value(requests, gen_ai_request_model="long", error_type="interrupted") == 1
    seen = await observed.until("worker", lambda seen: seen.value("warren_fenced_total") >= 1)
    assert seen.value("warren_redeliveries_total", messaging_destination_name="jobs.openai") >= 1
    await observed.ask("plain")
    await other.stop()
    async with await aio_pika.connect(observed.broker) as connection, connection.channel() as channel:
        asking = asyncio.create_task(observed.ask("plain"))
        await (await _first(await channel.get_queue("warren.v1.jobs.openai"))).reject(requeue=False)
        answer = await asking
    assert answer.status_code == 500 or answer.json()["status"] == "failed"
    gateway = await observed.scrape("gateway")
    assert gateway.value(requests, gen_ai_request_model="plain", error_type="server_error") == 1
    observed.sink.status = 200
    await observed.until("ledger", lambda seen: seen.value("warren_dead_letters_total") == 1)
    await observed.until("ledger", lambda seen: seen.value("warren_sinks_failures_total", warren_sink="webhook") >= 1)


async def test_each_service_tells_what_it_did_and_every_name_has_a_sample(observed: Observed) -> None:
    await _each_way(observed)
    await _rerouted(observed)
    await _other_modes(observed)
    await _trouble(observed)
    await observed.until("ledger", lambda seen: "warren_budget_used" in seen.kinds)
    told = {sample.name for seen in observed.seen for sample in seen.samples}
    wanted = {prometheus(one) + "_count" * (one.kind == "histogram") for one in ALL.values()}
    assert wanted - told == set()
    ours = {name.removesuffix("_total") for name in map(prometheus, ALL.values())} | {"target_info"}
    assert {kind for seen in observed.seen for kind in seen.kinds} - ours == set()
    for seen in observed.seen:
        assert [secret for secret in PRIVATE if secret in seen.text] == []


async def test_one_process_tells_of_all_services(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    async with provider() as upstream, httpx.AsyncClient(base_url=url, headers=SIGNED, timeout=60) as http:
        up = embedded(config(upstream), tmp_path, port, WARREN_METRICS_PORT="0")
        try:
            await ready(url)
            for stream in (False, True):
                await http.post("/v1/responses", json={"model": "plain", "input": PROMPT, "stream": stream})
            page = await up.metrics()
            async with asyncio.timeout(30):
                while (seen := await Scraped.of(page)).value("warren_outcomes_total", warren_status="completed") < 2:
                    await asyncio.sleep(0.1)
            taken = embedded(config(upstream), tmp_path, port, WARREN_METRICS_PORT=str(httpx.URL(page).port))
            await taken.says("cannot serve metrics on 127.0.0.1:")
            while taken.running:
                await asyncio.sleep(0.05)
            assert await taken.stop() == 2
        finally:
            up.kill()
    assert seen.value("target_info", service_name="warren") == 1
    assert seen.value("gen_ai_server_request_duration_seconds_count", gen_ai_request_model="plain") == 2
    assert seen.value("gen_ai_client_operation_duration_seconds_count", gen_ai_request_model="plain") == 2
    assert seen.value("warren_cost_total", gen_ai_request_model="plain") == pytest.approx(2 * (7 * 0.001 + 20 * 0.002))
    assert seen.value("warren_bus_connected") == 1
    assert seen.value("messaging_process_duration_seconds_count", messaging_destination_name="jobs.openai") == 2
    without = {prometheus(one) for one in ALL.values() if not one.labels and one.kind == "counter"}
    assert without - {sample.name for sample in seen.samples} == set()
