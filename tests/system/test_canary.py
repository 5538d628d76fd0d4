"""What is said, and every key, carries a mark. The mark is in no log, trace, metric, dead letter's header or error."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import httpx
import pytest

from tests.rig.collector import Collector, collector
from tests.rig.legal import parse_sse
from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.rabbitmq import ExternalRabbitMQ, RabbitMQ
from tests.rig.services import KEY, Service, models, stack
from tests.rig.upstream import provider

pytestmark = pytest.mark.anyio

CANARY = f"canary-{uuid4().hex}"
PROVIDER_KEY = f"sk-provider-{CANARY}"
SECRET = f"a secret of {CANARY}"
QUOTING = ("quote-400", "quote-401", "quote-404", "quote-413", "quote-422", "quote-429", "quote-500", "blurt", "babble")
SINGING = ("echo", "remember", "loop", "words-3", "cut-3", "fail-3", "short-1", "policy", "words-40-50")

Json = dict[str, Any]


@dataclass
class Aviary:
    """A whole Warren, and all that it lets out beside answers."""

    http: httpx.AsyncClient
    broker: str
    folder: Path
    services: list[Service]
    collector: Collector
    """What was sent to collectors of telemetry."""
    errors: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, *, key: str = KEY, **more: Any) -> Json:
        """The answer; what is wrong with it is written down."""
        answer = await self.http.request(method, path, headers={"authorization": f"Bearer {key}"}, **more)
        if answer.is_error:
            self.errors.append(answer.text)
            return {}
        if answer.headers["content-type"].startswith("text/event-stream"):
            events = parse_sse(answer.content)
            self.errors += [json.dumps(event) for event in events if event["type"] == "error"]
            ended: Json = next((event["response"] for event in reversed(events) if event.get("response")), {})
        else:
            ended = answer.json()
        if ended.get("error"):
            self.errors.append(json.dumps(ended["error"]))
        return ended

    async def respond(self, model: str, said: Any = f"Sing: {CANARY}", **more: Any) -> Json:
        return await self.ask("POST", "/v1/responses", json={"model": model, "input": said, **more})


@pytest.fixture
async def aviary(
    rabbitmq: RabbitMQ | ExternalRabbitMQ, mongod: Mongod | ExternalMongod, tmp_path: Path
) -> AsyncIterator[Aviary]:
    database = f"{mongod.url}canary_{uuid4().hex[:8]}"
    async with provider() as upstream:
        config = models(upstream.url, *QUOTING, *SINGING, api_key=PROVIDER_KEY, num_retries=0, cooldown_time=0)
        with (
            collector() as telemetry,
            stack(
                rabbitmq.url, database, config, tmp_path,
                WARREN_SECRET=SECRET, WARREN_LOG_LEVEL="debug", WARREN_REQUEST_LOG="stdout,otlp",
                WARREN_METRICS_PORT="0", OTEL_EXPORTER_OTLP_ENDPOINT=telemetry.url, OTEL_BSP_SCHEDULE_DELAY="200",
                OTEL_METRIC_EXPORT_INTERVAL="1000",
            ) as services,
        ):  # fmt: skip
            await services.ledger()
            await services.worker()
            _, url = await services.gateway()
            async with httpx.AsyncClient(base_url=url, timeout=60) as http:
                yield Aviary(http, rabbitmq.url, tmp_path, services.services, telemetry)


async def _sing(aviary: Aviary) -> None:
    """Everything that can be said, said in every way."""
    picture = {"type": "input_image", "image_url": f"https://127.0.0.1/{CANARY}.png"}
    items = [
        {"role": "developer", "content": CANARY},
        {"role": "user", "content": [{"type": "input_text", "text": CANARY}]},
        {"type": "function_call", "call_id": "call_1", "name": "lookup", "arguments": json.dumps({"q": CANARY})},
        {"type": "function_call_output", "call_id": "call_1", "output": CANARY},
    ]
    parameters = {"type": "object", "properties": {"q": {"type": "string", "description": CANARY}}}
    tool = {"type": "function", "name": "lookup", "description": CANARY, "parameters": parameters}
    song = {"type": "json_schema", "name": "song", "schema": {"type": "object", "properties": {CANARY: {}}}}
    first = await aviary.respond("echo", instructions=CANARY)
    assert CANARY in json.dumps(first["output"])
    more = await asyncio.gather(
        aviary.respond("echo", stream=True, previous_response_id=first["id"]),
        aviary.respond("remember", items),
        aviary.respond("loop", tools=[tool], stream=True),
        aviary.respond("echo", background=True, stream=True),
        aviary.respond("native-words-3", items[:2]),
        aviary.respond("echo", [{"role": "user", "content": [picture, {"type": "input_text", "text": CANARY}]}]),
        aviary.respond("echo", text={"format": song}),
        aviary.ask("POST", "/v1/responses/input_tokens", json={"model": "echo", "input": CANARY}),
        aviary.ask("POST", "/v1/responses/compact", json={"model": "echo", "input": items}),
    )
    assert sum(CANARY in json.dumps(one) for one in more) >= 6
    conversation = await aviary.ask("POST", "/v1/conversations", json={"items": items[:2]})
    await aviary.respond("echo", conversation=conversation["id"])
    waiting = await aviary.respond("words-40-50", background=True)
    await aviary.ask("POST", f"/v1/responses/{waiting['id']}/cancel")
    await aviary.ask("DELETE", f"/v1/responses/{first['id']}")


async def _fail(aviary: Aviary) -> None:
    """Everything that can go wrong, gone wrong."""
    for model in (*QUOTING, "cut-3", "fail-3", "policy"):
        for way in ({}, {"stream": True}, {"background": True, "stream": True}):
            await aviary.respond(model, **way)
    for model in ("native-quote-400", "native-blurt", "native-babble"):
        await aviary.respond(model)
        await aviary.respond(model, stream=True)
    await aviary.respond("short-1", [{"role": "user", "content": CANARY}] * 3)
    bad: list[Json] = [
        {"input": [{"role": "poet", "content": CANARY}]},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": {"said": CANARY}}]}]},
        {"input": [{"type": "function_call_output", "call_id": "call_1", "output": CANARY}]},
        {"input": CANARY, "instructions": [CANARY]},
        {"input": CANARY, "temperature": CANARY},
        {"input": CANARY, "tools": [{"type": "function", "name": f"no spaces {CANARY}"}]},
        {"input": CANARY, "metadata": {"song": [CANARY]}},
        {"input": CANARY, "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": CANARY}}}},
        {"input": {"said": CANARY}},
    ]
    for body in bad:
        await aviary.ask("POST", "/v1/responses", json={"model": "echo", **body})
    await aviary.ask("POST", "/v1/responses", content=f'{{"model": "echo", "input": "{CANARY}'.encode())
    await aviary.ask("POST", "/v1/responses", content=f'{{"input": "{CANARY}", "input": "{CANARY}"}}'.encode())
    await aviary.ask("GET", f"/v1/responses?api_key={CANARY}")
    await aviary.ask("POST", f"/v1/nowhere?key={CANARY}", json={"input": CANARY})


async def _unlock(aviary: Aviary) -> None:
    """Keys: good, bad, blocked and foreign."""
    made = await aviary.ask("POST", "/key/generate", json={"key_alias": "singer", "models": ["echo"]})
    key = made["key"]
    aviary.keys += [key]
    body = {"model": "echo", "input": CANARY}
    assert await aviary.ask("POST", "/v1/responses", key=key, json=body)
    assert not await aviary.ask("POST", "/v1/responses", key=key, json={**body, "model": "words-3"})
    assert not await aviary.ask("POST", "/v1/responses", key=f"sk-{CANARY}", json=body)
    assert not await aviary.ask("GET", "/key/info", key=key)
    await aviary.ask("POST", "/key/block", json={"key": key})
    assert not await aviary.ask("POST", "/v1/responses", key=key, json=body)


async def _overlook(aviary: Aviary) -> list[str]:
    """What the ops page has to say of it, to those who may know of it and not what was said: to the master key, and to
    a key of another account.
    """
    singer, stranger = [
        (await aviary.ask("POST", "/key/generate", json={"key_alias": name, "account": name}))["key"]
        for name in ("singers", "strangers")
    ]
    aviary.keys += [singer, stranger]
    conversation = await aviary.ask("POST", "/v1/conversations", key=singer, json={})
    body = {"model": "echo", "input": CANARY, "conversation": conversation["id"], "store": True}
    made = await aviary.ask("POST", "/v1/responses", key=singer, json=body)
    own = await aviary.ask("GET", f"/ops/responses/{made['id']}/transcript", key=singer)
    assert CANARY in json.dumps(own)
    paths = [
        "", "/page/app.js", "/session", "/overview", "/spend", "/responses", f"/responses?search={made['id']}",
        f"/responses/{made['id']}", f"/responses/{made['id']}/transcript", "/conversations?account=singers",
        f"/conversations/{conversation['id']}?account=singers",
    ]  # fmt: skip
    seen = []
    for key, most in ((KEY, 8), (stranger, 5)):
        answers = [
            await aviary.http.get(f"/ops{path}", headers={"authorization": f"Bearer {key}"}, follow_redirects=True)
            for path in paths
        ]
        assert sum(answer.status_code == 200 for answer in answers) == most, [one.status_code for one in answers]
        assert all(answer.status_code < 500 for answer in answers)
        seen += [answer.text for answer in answers]
    return seen


async def _first(queue: aio_pika.abc.AbstractQueue) -> aio_pika.abc.AbstractIncomingMessage:
    while (message := await queue.get(fail=False)) is None:
        await asyncio.sleep(0.1)
    return message


async def _bury(aviary: Aviary) -> list[str]:
    """A job that no worker takes; gives the headers of the dead letter that it becomes."""
    worker = next(service for service in aviary.services if service.name == "worker")
    await worker.stop()
    async with await aio_pika.connect(aviary.broker) as connection, connection.channel() as channel:
        spy = await channel.declare_queue(exclusive=True)
        await spy.bind("warren.v1.dead", "jobs")
        asking = asyncio.create_task(aviary.respond("echo"))
        jobs = await channel.get_queue("warren.v1.jobs.openai")
        job = await _first(jobs)
        assert CANARY.encode() in job.body
        await job.reject(requeue=False)
        buried = await _first(spy)
        await buried.ack()
        assert "x-death" in buried.headers
        await asking
        return [json.dumps(buried.headers, default=str), str(buried.properties), buried.routing_key or ""]


async def test_the_canary_is_heard_nowhere(aviary: Aviary) -> None:
    await _sing(aviary)
    await _fail(aviary)
    await _unlock(aviary)
    pages = [(await aviary.http.get(await service.metrics())).text for service in aviary.services]
    assert all("process_cpu_time_seconds_total" in page for page in pages)
    overlooked = await _overlook(aviary)
    headers = await _bury(aviary)
    paths = ("/health", "/health/readiness", "/spend/logs", "/key/list")
    signed = {"authorization": f"Bearer {KEY}"}
    seen = [(await aviary.http.get(path, headers=signed)).text for path in paths]
    assert all(seen)
    for service in aviary.services:
        if service.running:
            await service.stop()
    secrets = [CANARY, KEY, *aviary.keys]
    logs = {service.name: service.log.read_text() for service in aviary.services}
    assert all(log.count("\n") > 3 for log in logs.values())
    assert '"response_id"' in logs["ledger"]
    posts = aviary.collector.posts
    assert {path for path, _ in posts} == {"/v1/traces", "/v1/metrics", "/v1/logs"}
    assert len(aviary.errors) > 60
    for secret in secrets:
        for name, log in logs.items():
            assert [line for line in log.splitlines() if secret in line] == [], name
        assert [body for _, body in posts if secret.encode() in body] == []
        assert [text for text in (*headers, *seen, *pages, *overlooked) if secret in text] == []
        assert [text for text in aviary.errors if secret in text] == []
