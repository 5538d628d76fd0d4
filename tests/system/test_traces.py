"""A request is one trace, across processes, a broker and a database, as a collector gets it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.rig.mongod import Mongod
from tests.rig.otlp import Collector, Span, by_grpc, by_http
from tests.rig.rabbitmq import RabbitMQ
from tests.rig.services import KEY, Stack, stack
from tests.rig.upstream import FakeProvider, provider

pytestmark = pytest.mark.anyio
SECRET = "the canary sings at dawn"
SAMPLED_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Traced:
    """The services, and a collector that hears of them."""

    url: str
    services: Stack
    collector: Collector
    upstream: FakeProvider
    http: httpx.AsyncClient

    async def ask(self, model: str, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {})
        body = {"model": model, "input": SECRET, **more}
        return await self.http.post(f"{self.url}/v1/responses", json=body, headers=headers)

    async def trace(self, *, spans: str = "put responses", count: int = 1) -> list[Span]:
        """That of the latest request."""
        found = await asyncio.to_thread(self.collector.until, spans, count)
        return self.collector.trace(found[-1].trace_id)


def config(base_url: str) -> dict[str, Any]:
    """The group `first` fails, is tried again, and has the fallback `second`."""
    groups = {
        "first": "status-500-99",
        "second": "words-3",
        "plain": "words-3",
        "broken": "fail-2",
        "refused": "policy",
    }
    entries = []
    for name, model in groups.items():
        params = {
            "model": f"openai/{model}", "api_base": base_url, "api_key": "upstream-key",
            "use_chat_completions_api": True, "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6,
        }  # fmt: skip
        entries.append({"model_name": name, "litellm_params": params, "model_info": {"id": f"{name}-here"}})
    rules = {"num_retries": 1, "retry_after": 0, "fallbacks": [{"first": ["second"]}]}
    return {"model_list": entries, "router_settings": rules}


@asynccontextmanager
async def traced(
    rabbitmq: RabbitMQ, mongod: Mongod, folder: Path, collecting: AbstractContextManager[Collector], **environ: str
) -> AsyncIterator[Traced]:
    with collecting as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100", **environ}
        async with provider() as upstream, httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}) as http:
            url = f"{mongod.url}traces_{uuid4().hex[:8]}"
            with stack(rabbitmq.url, url, config(upstream.url), folder, **environ) as services:
                _, _, (_, address) = await asyncio.gather(services.ledger(), services.worker(), services.gateway())
                yield Traced(address, services, collector, upstream, http)
                assert not services.errors()


@pytest.fixture(scope="module")
async def system(rabbitmq: RabbitMQ, mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traced]:
    async with traced(rabbitmq, mongod, tmp_path_factory.mktemp("traces"), by_http()) as made:
        yield made


@pytest.fixture
def fresh(system: Traced) -> Iterator[Traced]:
    """With nothing collected so far."""
    system.collector.spans.clear()
    yield system


async def test_a_stream_with_a_retry_and_a_fallback_is_one_trace(fresh: Traced) -> None:
    answer = await fresh.ask("first", stream=True, temperature=0.5, headers={"traceparent": SAMPLED_PARENT})
    assert answer.status_code == 200
    response_id = json.loads(answer.text.split("data: ")[1].split("\n")[0])["response"]["id"]
    _the_trace(await _whole(fresh), response_id)


@pytest.mark.parametrize("telling", ["first"])
async def test_by_grpc_too(rabbitmq: RabbitMQ, mongod: Mongod, tmp_path: Path, telling: str) -> None:
    async with traced(rabbitmq, mongod, tmp_path, by_grpc(), OTEL_EXPORTER_OTLP_PROTOCOL="grpc") as system:
        answer = await system.ask(telling, stream=True, temperature=0.5, headers={"traceparent": SAMPLED_PARENT})
        response_id = json.loads(answer.text.split("data: ")[1].split("\n")[0])["response"]["id"]
        _the_trace(await _whole(system), response_id)


async def _whole(system: Traced) -> list[Span]:
    await system.trace(spans="POST /v1/responses")
    await system.trace(spans="process ledger.write")
    return await system.trace()


def _the_trace(spans: list[Span], response_id: str) -> None:
    for s in spans: print(s)
    raise AssertionError
