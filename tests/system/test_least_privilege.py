"""Each service under a user of its own, who may do what it needs and nothing else."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.rig.legal import check_stream, parse_sse
from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.rabbitmq import RabbitMQ
from tests.rig.services import Stack, models, stack
from tests.rig.upstream import FakeProvider, provider
from tests.rig.users import Users, users
from tests.system.managing import Manager, client, respond

pytestmark = [pytest.mark.anyio, pytest.mark.own_broker]
WARREN = str(Path(sys.executable).with_name("warren"))
SERVICES = {"gateway": "warren-gateway", "worker": "warren-worker-openai", "ledger": "warren-ledger"}


@dataclass
class Least:
    url: str
    upstream: FakeProvider
    stack: Stack


@pytest.fixture(scope="module")
def known(rabbitmq: RabbitMQ) -> Iterator[Users]:
    with users(rabbitmq, "services", "openai") as known:
        yield known


@pytest.fixture(scope="module")
async def least(known: Users, mongod: Mongod | ExternalMongod, tmp_path_factory: pytest.TempPathFactory,
                ) -> AsyncIterator[Least]:  # fmt: skip
    folder = tmp_path_factory.mktemp("least")
    async with provider() as upstream:
        config = models(upstream.url, "words-3", "words-20", "think-90000")
        (folder / "config.yaml").write_text(json.dumps(config))
        declare(known.url("warren-declare"), str(folder / "config.yaml"))
        urls = {service: known.url(name) for service, name in SERVICES.items()}
        with stack(urls, f"{mongod.url}least_{uuid4().hex[:8]}", config, folder) as services:
            await services.ledger()
            await services.worker("--providers", "openai")
            _, url = await services.gateway()
            yield Least(url, upstream, services)
            said = "".join(service.log.read_text() for service in services.services)
            assert "ACCESS_REFUSED" not in said
            assert not services.errors()


def declare(url: str, path: str, code: int = 0) -> str:
    done = subprocess.run(
        [WARREN, "declare", "--amqp-url", url, "--config", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout or done.stderr


async def test_requests_streams_and_what_follows_on_them(least: Least) -> None:
    async with client(least.url, "sk-test") as http:
        made = (await respond(least.url, "sk-test")).json()
        assert (await http.get(f"/v1/responses/{made['id']}")).json() == made
        body = {"model": "words-20", "input": "more", "previous_response_id": made["id"], "stream": True}
        answer = await http.post("/v1/responses", json=body)
        assert check_stream(parse_sse(answer.content))["status"] == "completed"
        assert (await http.delete(f"/v1/responses/{made['id']}")).status_code == 200
        assert (await http.get("/health/readiness")).status_code == 200


async def test_background_work_and_its_end(least: Least) -> None:
    async with client(least.url, "sk-test") as http:
        answer = await http.post(
            "/v1/responses", json={"model": "words-20", "input": "a", "background": True, "stream": True}
        )
        assert check_stream(parse_sse(answer.content))["status"] == "completed"
        waiting = await http.post("/v1/responses", json={"model": "think-90000", "input": "b", "background": True})
        while not least.upstream.asked("b"):
            await asyncio.sleep(0.05)
        ended = await http.post(f"/v1/responses/{waiting.json()['id']}/cancel")
        assert ended.json()["status"] == "cancelled"


async def test_keys_with_limits_and_budgets_and_their_end(least: Least) -> None:
    manager = Manager(least.url)
    key = await manager.key(rpm_limit=100, tpm_limit=100_000)
    assert (await respond(least.url, key)).status_code == 200
    await manager.post("/key/block", key=key)
    async with asyncio.timeout(10):
        while (await respond(least.url, key)).status_code != 401:
            await asyncio.sleep(0.05)


async def test_conversations(least: Least) -> None:
    async with client(least.url, "sk-test") as http:
        conversation = (await http.post("/v1/conversations", json={})).json()["id"]
        assert (await respond(least.url, "sk-test", conversation=conversation)).status_code == 200
        items = (await http.get(f"/v1/conversations/{conversation}/items")).json()["data"]
        assert [item["role"] for item in items] == ["assistant", "user"]


def test_declaring_tells_who_may_not_and_what_is_not_as_it_must_be(known: Users, least: Least, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(models("http://127.0.0.1:1", "any")))
    assert declare(known.url("warren-declare"), str(path)) == "jobs.openai\nledger.write\nledger.ask\n"
    assert "ACCESS_REFUSED" in declare(known.url("warren-worker"), str(path), code=1)
    assert "refuses our user" in declare(known.url("nobody"), str(path), code=1)
