"""A request is one trace, across processes, a broker and a database, as a collector gets it."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.rig.mongod import Mongod
from tests.rig.otlp import Collector, Span, by_grpc, by_http
from tests.rig.rabbitmq import RabbitMQ, free_ports
from tests.rig.services import KEY, embedded, ready, stack
from tests.rig.upstream import FakeProvider, provider

pytestmark = pytest.mark.anyio
SECRET = "the canary sings at dawn"
CLIENTS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Traced:
    """The services, and a collector that hears of them."""

    url: str
    collector: Collector
    upstream: FakeProvider
    http: httpx.AsyncClient

    async def ask(self, model: str, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {})
        body = {"model": model, "input": SECRET, **more}
        return await self.http.post(f"{self.url}/v1/responses", json=body, headers=headers)

    async def trace(
        self, *, until: str = "put responses", count: int = 1, server: str = "POST /v1/responses"
    ) -> list[Span]:
        """The spans of the latest request, in the order in which they began, once these and the first are there."""
        await asyncio.to_thread(self.collector.until, server)
        found = await asyncio.to_thread(self.collector.until, until, count)
        await asyncio.sleep(0.4)  # what began later may end, and come, earlier
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


@pytest.fixture(scope="module")
async def system(rabbitmq: RabbitMQ, mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traced]:
    url, folder = f"{mongod.url}traces_{uuid4().hex[:8]}", tmp_path_factory.mktemp("traces")
    with by_http() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        async with provider() as upstream, httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}) as http:
            with stack(rabbitmq.url, url, config(upstream.url), folder, **environ) as services:
                _, _, (_, address) = await asyncio.gather(services.ledger(), services.worker(), services.gateway())
                yield Traced(address, collector, upstream, http)
                assert not services.errors()


@pytest.fixture
def fresh(system: Traced) -> Traced:
    """With nothing collected so far."""
    system.collector.spans.clear()
    return system


async def test_a_stream_with_a_retry_and_a_fallback_is_one_trace(fresh: Traced) -> None:
    answer = await fresh.ask("first", stream=True, temperature=0.5, headers={"traceparent": CLIENTS})
    spans = await fresh.trace()
    tree = [
        ("", "SERVER", "POST /v1/responses", "warren-gateway"),
        ("POST /v1/responses", "PRODUCER", "publish jobs.openai", "warren-gateway"),
        ("publish jobs.openai", "CONSUMER", "process jobs.openai", "warren-worker"),
        ("process jobs.openai", "CLIENT", "chat status-500-99", "warren-worker"),
        ("process jobs.openai", "CLIENT", "chat status-500-99", "warren-worker"),
        ("process jobs.openai", "CLIENT", "chat words-3", "warren-worker"),
        ("process jobs.openai", "PRODUCER", "publish ledger.write", "warren-worker"),
        ("publish ledger.write", "CONSUMER", "process ledger.write", "warren-ledger"),
        ("process ledger.write", "CLIENT", "put responses", "warren-ledger"),
    ]
    named = {span.span_id: span.name for span in spans}
    assert [(named.get(span.parent_id, ""), span.kind, span.name, span.service) for span in spans] == tree
    server, publish, process, tried, retried, answered, recorded, write, put = spans
    assert server.parent_id == ""
    assert {span.trace_id for span in spans} != {CLIENTS[3:35]}
    assert server.links == [(CLIENTS[36:52], "client")]
    assert process.links == [(publish.span_id, "sent")]
    assert tried.links == []
    assert retried.links == [(tried.span_id, "retry")]
    assert answered.links == [(retried.span_id, "fallback")]
    assert write.links == [(recorded.span_id, "sent")]

    response_id = _response_id(answer)
    for span in (server, process, write):
        assert span.attributes["gen_ai.response.id"] == response_id
    assert {
        "http.request.method": "POST", "http.route": "/v1/responses", "http.response.status_code": 200,
        "warren.model": "first", "warren.group": "second", "warren.deployment": "second-here", "warren.stream": True,
        "warren.attempts": 3, "warren.retries": 1, "warren.fallbacks": 1,
    }.items() <= server.attributes.items()  # fmt: skip
    assert 0 < server.attributes["warren.time_to_first_token"] < 30
    assert {
        "messaging.system": "rabbitmq", "messaging.operation.name": "publish", "messaging.operation.type": "send",
        "messaging.destination.name": "warren.v1.jobs:openai", "messaging.destination.template": "jobs.openai",
        "messaging.rabbitmq.destination.routing_key": "openai", "server.address": "127.0.0.1",
    }.items() <= publish.attributes.items()  # fmt: skip
    assert {
        "messaging.operation.type": "process", "warren.redelivered": False, "warren.attempts": 3,
        "warren.status": "completed", "warren.cost": 13e-6,
        "messaging.destination.name": "warren.v1.jobs:openai:warren.v1.jobs.openai",
    }.items() <= process.attributes.items()  # fmt: skip
    assert 0 <= process.attributes["warren.queue_wait"] < 30
    assert process.attributes["warren.attempt"].startswith("att_")
    assert list(process.events) == ["retry", "fallback"]
    assert process.events["fallback"] == {
        "error.type": "upstream_error", "warren.deployment": "second-here", "warren.group": "second",
    }  # fmt: skip
    for failed in (tried, retried):
        assert failed.failed
        assert failed.attributes["error.type"] == "upstream_error"
        assert failed.attributes["http.response.status_code"] == 500
        assert "gen_ai.usage.input_tokens" not in failed.attributes
    assert {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "words-3",
        "gen_ai.request.temperature": 0.5, "gen_ai.response.id": "chatcmpl-2",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 3, "warren.cost": 13e-6,
        "warren.deployment": "second-here", "server.address": "127.0.0.1", "http.response.status_code": 200,
    }.items() <= answered.attributes.items()  # fmt: skip
    assert answered.attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert "first_chunk" in answered.events
    assert "first_chunk" in server.events
    assert put.attributes["db.system.name"] == "mongodb"
    assert put.attributes["db.operation.batch.size"] == 1
    assert not [span.name for span in spans if span.failed and span not in (tried, retried)]


async def test_a_background_response_is_one_trace_though_the_ledger_posts_its_job(fresh: Traced) -> None:
    await fresh.ask("plain", background=True)
    spans = await fresh.trace()
    assert [span.name for span in spans] == [
        "POST /v1/responses", "call ledger.write", "process ledger.write", "publish jobs.openai", "process jobs.openai",
        *["call ledger.write", "process ledger.write"],  # it is claimed
        "chat words-3", "publish ledger.write", "process ledger.write", "put responses",
    ]  # fmt: skip
    opened = {span.span_id: span for span in spans}[spans[3].parent_id]
    assert (opened.service, opened.attributes["warren.message"]) == ("warren-ledger", "open")
    assert list(spans[4].events) == ["claimed"]


@pytest.mark.parametrize(
    ("model", "stream", "code", "status", "failed"),
    [
        ("broken", True, "upstream_error", 200, True),
        ("broken", False, "upstream_error", 502, True),
        ("refused", True, "content_filter", 400, False),
        ("nobody", False, "model_not_found", 404, False),
    ],
)
async def test_what_fails_says_so_by_our_codes(
    fresh: Traced, model: str, stream: bool, code: str, status: int, failed: bool
) -> None:
    assert (await fresh.ask(model, stream=stream)).status_code == status
    server = (await fresh.trace(until="POST /v1/responses"))[0]
    assert (server.attributes["error.type"], server.attributes["http.response.status_code"]) == (code, status)
    assert server.failed == failed, "a client's own fault is no failure of the server"
    if model != "nobody":
        process = (await asyncio.to_thread(fresh.collector.until, "process jobs.openai"))[0]
        assert (process.attributes["error.type"], process.failed) == (code, failed)


async def test_a_write_of_several_outcomes_is_linked_to_each(fresh: Traced) -> None:
    await asyncio.gather(*(fresh.ask("plain") for _ in range(30)))
    await fresh.trace(until="process ledger.write", count=30)
    await asyncio.sleep(0.5)
    writes = {span.span_id: span for span in fresh.collector.find("process ledger.write")}
    puts = fresh.collector.find("put responses")
    assert sum(span.attributes["db.operation.batch.size"] for span in puts) == 30
    assert any(span.links for span in puts)
    for put in puts:
        assert put.parent_id in writes
        assert len(put.links) == put.attributes["db.operation.batch.size"] - 1
        for outcome, why in put.links:
            assert why == "outcome"
            assert (put.span_id, "written") in writes[outcome].links


async def test_a_websocket_has_a_trace_for_each_response(fresh: Traced) -> None:
    address = fresh.url.replace("http://", "ws://") + "/v1/responses"
    async with connect(address, additional_headers={"authorization": f"Bearer {KEY}"}) as socket:
        for _ in range(2):
            await socket.send(json.dumps({"type": "response.create", "model": "plain", "input": SECRET}))
            while json.loads(await socket.recv())["type"] != "response.completed":
                pass
    await fresh.trace(count=2, server="response.create /responses")
    servers = fresh.collector.find("response.create /responses")
    assert len({span.trace_id for span in servers}) == 2
    assert all(span.attributes["warren.attempts"] == 1 for span in servers)


async def test_health_is_no_request_and_an_address_is_not_told(fresh: Traced) -> None:
    for path in ("/health/readiness", "/v1/sk-secret-in-the-path", f"/v1/responses/{SECRET}"):
        await fresh.http.get(f"{fresh.url}{path}")
    await fresh.ask("plain")
    await fresh.trace(until="POST /v1/responses")
    assert {span.name for span in fresh.collector.spans if span.kind == "SERVER"} == {
        "GET", "GET /v1/responses/{response_id}", "POST /v1/responses",
    }  # fmt: skip


async def test_nothing_of_what_is_said_is_told(fresh: Traced) -> None:
    await fresh.ask("plain", instructions=SECRET, metadata={"note": SECRET}, user=SECRET)
    await fresh.trace()
    everything = b"".join(fresh.collector.raw)
    for words in (SECRET, "c0w0", KEY, "upstream-key", "sk-secret-in-the-path"):
        assert words.encode() not in everything


async def test_by_grpc_from_one_process_and_with_content_where_both_switches_are_on(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with by_grpc() as collector:
        async with provider() as upstream, httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}) as http:
            service = embedded(
                config(upstream.url),
                tmp_path,
                port,
                OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
                OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
                OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="SPAN_ONLY",
                WARREN_TRACE_CONTENT="default",
            )
            try:
                await ready(url := f"http://127.0.0.1:{port}")
                traced = Traced(url, collector, upstream, http)
                await traced.ask("first", instructions="Be short.")
                spans = await traced.trace()
            finally:
                service.kill()
    assert [span.name for span in spans] == [
        "POST /v1/responses", "publish jobs.openai", "process jobs.openai", "chat status-500-99", "chat status-500-99",
        "chat words-3", "publish ledger.write", "process ledger.write", "put responses",
    ]  # fmt: skip
    told = spans[5].attributes
    assert json.loads(told["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be short."}]
    assert json.loads(told["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": SECRET}]}
    ]
    assert json.loads(told["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "c2w0 c2w1 c2w2 "}], "finish_reason": "stop"}
    ]


def _response_id(answer: httpx.Response) -> str:
    event = json.loads(answer.text.split("data: ")[1].split("\n")[0])
    return str(event["response"]["id"])
