"""Traces of requests whose worker dies or hangs, and of those that are not sampled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.rig.mongod import Mongod
from tests.rig.otlp import Collector, by_http
from tests.rig.rabbitmq import RabbitMQ
from tests.rig.services import Service, Stack, models, stack
from tests.rig.upstream import FakeProvider
from tests.verify.conftest import Asked, ask, client, under_way

pytestmark = pytest.mark.anyio


@dataclass
class Traced:
    url: str
    services: Stack
    worker: Service
    collector: Collector

    async def under_way(self, upstream: FakeProvider) -> "asyncio.Task[Asked]":
        """A request that the worker is at."""
        asking = asyncio.create_task(self.ask("words-100-80"))
        await under_way(upstream, 1)
        return asking

    async def ask(self, model: str) -> Asked:
        async with client() as http:
            return await ask(http, self.url, model, "<marker>", stream=False)


@asynccontextmanager
async def traced(
    broker: RabbitMQ, database: Mongod, upstream: FakeProvider, folder: Path, **environ: str
) -> AsyncIterator[Traced]:
    config = models(upstream.url, "words-3", "words-100-80", "fail-2", "status-429-1")
    config["router_settings"] = {"num_retries": 1, "retry_after": 0}
    with by_http() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100", **environ}
        with stack(broker.url, f"{database.url}verify_{uuid4().hex[:8]}", config, folder, **environ) as services:
            await services.ledger()
            worker = await services.worker()
            _, url = await services.gateway()
            yield Traced(url, services, worker, collector)
            assert not services.errors()


async def test_a_job_that_comes_again_is_the_same_trace(
    broker: RabbitMQ, database: Mongod, upstream: FakeProvider, tmp_path: Path
) -> None:
    async with traced(broker, database, upstream, tmp_path) as made:
        asking = await made.under_way(upstream)
        made.worker.kill()
        await made.services.worker()
        await asking
        (put,) = await asyncio.to_thread(made.collector.until, "put responses")
        (server,) = await asyncio.to_thread(made.collector.until, "POST /v1/responses")
        await asyncio.sleep(0.5)
        spans = made.collector.trace(put.trace_id)
        (publish,) = [span for span in spans if span.name == "publish jobs.openai"]
        (process,) = [span for span in spans if span.name == "process jobs.openai"]
        assert server.trace_id == put.trace_id
        assert process.parent_id == publish.span_id
        assert process.links == [(publish.span_id, "redelivered")]
        assert process.attributes["warren.redelivered"] is True
        assert process.events["claimed"]["warren.verdict"] == "run"
        assert server.events["claim"]["warren.verdict"] == "run"
        assert server.events["claim"]["warren.attempt"] == process.attributes["warren.attempt"]
        assert len([span for span in spans if span.name == "chat words-100-80"]) == 1, "the dead tell nothing"


async def test_an_attempt_that_was_replaced_says_so(
    broker: RabbitMQ, database: Mongod, upstream: FakeProvider, tmp_path: Path
) -> None:
    async with traced(broker, database, upstream, tmp_path) as made:
        asking = await made.under_way(upstream)
        made.worker.suspend()
        await made.services.worker()
        await asking
        made.worker.resume()
        processes = await asyncio.to_thread(made.collector.until, "process jobs.openai", 2, 60)
        assert len({span.trace_id for span in processes}) == 1
        assert [span.attributes["warren.redelivered"] for span in processes] == [True, False]
        attempts = [span.attributes["warren.attempt"] for span in processes]
        writes = await asyncio.to_thread(made.collector.until, "process ledger.write", 3)  # a claim and two outcomes
        told = [span.attributes for span in writes if "warren.status" in span.attributes]
        ends = {said["warren.attempt"]: said.get("warren.superseded", False) for said in told}
        assert ends == dict(zip(attempts, [False, True], strict=True))


async def test_of_what_is_not_sampled_errors_alone_are_told_by_every_service(
    broker: RabbitMQ, database: Mongod, upstream: FakeProvider, tmp_path: Path
) -> None:
    sampler = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
    async with traced(broker, database, upstream, tmp_path, **sampler) as made:
        for model in ("words-3", "status-429-1", "words-3"):  # the second is tried again, and ends well
            await made.ask(model)
        await made.ask("fail-2")
        await asyncio.to_thread(made.collector.until, "put responses")
        await asyncio.sleep(1)
        spans = made.collector.spans
        assert len({span.trace_id for span in spans}) == 1
        assert sorted(span.name for span in spans) == [
            "POST /v1/responses", "chat fail-2", "chat fail-2", "process jobs.openai", "process ledger.write",
            "publish jobs.openai", "publish ledger.write", "put responses",
        ]  # fmt: skip
