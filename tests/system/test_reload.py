"""A changed configuration comes into force while requests run, in one process and in three."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.rig.legal import check_stream, parse_sse
from tests.rig.rabbitmq import free_ports
from tests.rig.services import KEY, Service, embedded, models, ready, stack
from tests.rig.upstream import FakeProvider, provider

pytestmark = pytest.mark.anyio


@dataclass
class Running:
    http: httpx.AsyncClient
    file: Path
    upstream: FakeProvider
    services: list[Service]
    """Those that read the configuration."""

    def write(self, config: dict[str, Any]) -> None:
        """As a mounted file changes: at once."""
        new = self.file.with_name("new")
        new.write_text(json.dumps(config))
        new.replace(self.file)

    async def create(self, model: str, **more: Any) -> httpx.Response:
        return await self.http.post("/v1/responses", json={"model": model, "input": "hello", **more})

    async def all_say(self, text: str) -> None:
        for service in self.services:
            await service.says(text)


@pytest.fixture(params=["embedded", "services"])
async def running(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Running]:
    async with provider() as upstream:
        config = models(upstream.url, "words-150-20", "words-3")
        headers = {"authorization": f"Bearer {KEY}"}
        if request.param == "embedded":
            (port,) = free_ports(1)
            service = embedded(config, tmp_path, port, WARREN_LOG_FORMAT="json")
            url = f"http://127.0.0.1:{port}"
            try:
                await ready(url)
                async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
                    yield Running(http, tmp_path / "config.yaml", upstream, [service])
            finally:
                service.kill()
            return
        amqp, mongo = request.getfixturevalue("rabbitmq").url, request.getfixturevalue("mongod").url
        with stack(amqp, f"{mongo}reload_{uuid4().hex[:8]}", config, tmp_path) as services:
            await services.ledger()
            worker = await services.worker()
            gateway, url = await services.gateway()
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
                yield Running(http, tmp_path / "config.yaml", upstream, [gateway, worker])


async def test_a_stream_goes_on_while_models_and_providers_change(running: Running) -> None:
    streaming = asyncio.create_task(running.create("words-150-20", stream=True))
    while sum(call.words for call in running.upstream.calls) < 5:
        await asyncio.sleep(0.02)
    new = models(running.upstream.url, "words-3")
    params = {"model": "hosted_vllm/words-20", "api_base": running.upstream.url, "api_key": "k"}
    new["model_list"].append({"model_name": "fresh", "litellm_params": params})
    running.write(new)
    await running.all_say("a new configuration is in force")
    listed = {one["id"] for one in (await running.http.get("/v1/models")).json()["data"]}
    assert listed == {"words-3", "native-words-3", "fresh"}
    answer = await running.create("fresh")
    assert answer.status_code == 200, answer.text
    watched = {one["name"] for one in (await running.http.get("/ops/overview")).json()["queues"]}
    assert "jobs.hosted_vllm" in watched
    assert (await running.create("words-150-20")).status_code == 404
    assert not streaming.done()
    final = check_stream(parse_sse((await streaming).content))
    assert final["status"] == "completed"
    assert len(final["output"][0]["content"][0]["text"].split()) == 150


async def test_a_broken_file_changes_nothing_and_is_complained_of(running: Running) -> None:
    running.file.write_text("model_list: [")
    for service in running.services:
        os.kill(service.pid, signal.SIGHUP)
    await running.all_say("the old one stays in force")
    await running.all_say("config.yaml, line 1")
    assert (await running.create("words-3")).status_code == 200
    running.write(models(running.upstream.url, "words-20"))
    await running.all_say("a new configuration is in force")
    assert (await running.create("words-20")).status_code == 200
    assert (await running.create("words-3")).status_code == 404


async def test_limits_and_keys_are_new_for_the_next_job(running: Running) -> None:
    assert (await running.create("words-3")).status_code == 200
    running.write(models(running.upstream.url, "words-3", rpm=1, api_key="another"))
    await running.all_say("a new configuration is in force")
    assert (await running.create("words-3")).status_code == 200
    assert running.upstream.calls[-1].headers["authorization"] == "Bearer another"
    refused = await running.create("words-3")
    assert refused.status_code == 429, refused.text
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 62
