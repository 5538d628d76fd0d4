"""What metrics tell of a whole Warren, each service a process."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.rabbitmq import ExternalRabbitMQ, RabbitMQ
from tests.rig.scraped import Scraped
from tests.rig.services import KEY, Service, stack
from tests.rig.upstream import FakeProvider, provider

pytestmark = pytest.mark.anyio
Json = dict[str, Any]


@dataclass
class Observed:
    """A running Warren and where its services tell of themselves."""

    url: str
    upstream: FakeProvider
    pages: dict[str, str] = field(default_factory=dict)

    async def scrape(self, service: str) -> Scraped:
        return await Scraped.of(self.pages[service])

    async def until(self, service: str, seen: Callable[[Scraped], bool], timeout: float = 15) -> Scraped:
        """What a service tells once this is to be seen of it."""
        async with asyncio.timeout(timeout):
            while not seen(scraped := await self.scrape(service)):
                await asyncio.sleep(0.2)
        return scraped


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
        ],
        "router_settings": {"fallbacks": [{"broken": ["plain"]}], "allowed_fails": 100},
    }


async def page(service: Service) -> str:
    await service.says('"event": "metrics"')
    found = re.search(r'"url": "(http://[^"]+/metrics)"', service.log.read_text())
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
async def observed(
    rabbitmq: RabbitMQ | ExternalRabbitMQ, mongod: Mongod | ExternalMongod, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Observed]:
    folder = tmp_path_factory.mktemp("metrics")
    async with provider() as upstream:
        database = f"{mongod.url}metrics_{uuid4().hex[:8]}"
        with stack(rabbitmq.url, database, config(upstream), folder, WARREN_METRICS_PORT="0") as services:
            ledger, worker = await services.ledger(), await services.worker()
            gateway, url = await services.gateway()
            pages = {"gateway": await page(gateway), "worker": await page(worker), "ledger": await page(ledger)}
            yield Observed(url, upstream, pages)


async def test_each_service_tells_what_it_did(observed: Observed) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=observed.url, headers=headers, timeout=30) as http:
        for model, status in (
            ("plain", 200), ("shaky", 200), ("broken", 200), ("limited", 429), ("wild/words-3", 200), ("unpriced", 200),
            ("nobody", 404),
        ):  # fmt: skip
            for stream in (False, True):
                answer = await http.post("/v1/responses", json={"model": model, "input": "hi", "stream": stream})
                assert answer.status_code == status
    gateway, worker = await observed.scrape("gateway"), await observed.scrape("worker")
    ledger = await observed.until("ledger", lambda seen: seen.value("warren_outcomes_total") == 11)
    requests = "gen_ai_server_request_duration_seconds_count"
    assert gateway.value(requests, gen_ai_request_model="plain", warren_mode="stream", error_type="") == 1
    assert gateway.value(requests, gen_ai_request_model="limited", error_type="rate_limit_exceeded") == 2
    assert gateway.value(requests, gen_ai_request_model="_other", error_type="model_not_found") == 2
    assert gateway.value("warren_refusals_total", error_type="model_not_found") == 2
    assert gateway.value("gen_ai_server_time_to_first_token_seconds_count") == 5
    assert gateway.value("warren_flights") == gateway.value("http_server_active_requests") == 0
    assert worker.value("warren_retries_total", gen_ai_request_model="shaky", error_type="upstream_error") == 1
    assert worker.value("warren_fallbacks_total", gen_ai_request_model="broken", error_type="upstream_error") == 2
    assert worker.value("warren_cooldowns_total", warren_deployment="limited", error_type="rate_limit_exceeded") == 1
    assert worker.value("warren_deployment_cooling", warren_deployment="limited") == 1
    assert worker.value("warren_cost_unknown_total", warren_deployment="unpriced") == 2
    assert worker.value("warren_cost_total", warren_deployment="shaky-1") == pytest.approx(2 * (7 * 0.001 + 3 * 0.002))
    output = "gen_ai_client_inference_usage_output_tokens_total"
    assert worker.value(output, gen_ai_request_model="wild/*", warren_deployment="wild") == 6
    assert ledger.value("warren_outcomes_total", warren_status="completed", error_type="") == 10
    assert ledger.value("warren_outcomes_total", warren_status="failed", error_type="rate_limit_exceeded") == 1
