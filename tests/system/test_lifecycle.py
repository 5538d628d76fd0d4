"""How services begin and end: drained, killed, in any order."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from uuid import uuid4

import httpx
import pytest

from tests.rig.legal import check_stream, parse_sse
from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.rabbitmq import ExternalRabbitMQ, RabbitMQ, free_ports
from tests.rig.services import KEY, Stack, models, ready, stack
from tests.rig.upstream import FakeProvider
from warren_ledger.store.mongo import MongoStore

pytestmark = pytest.mark.anyio
HEADERS = {"authorization": f"Bearer {KEY}"}
WARREN = str(Path(sys.executable).with_name("warren"))


@pytest.fixture
def database(mongod: Mongod | ExternalMongod) -> str:
    return f"{mongod.url}lifecycle_{uuid4().hex[:8]}"


@pytest.fixture
async def services(
    rabbitmq: RabbitMQ | ExternalRabbitMQ, database: str, upstream: FakeProvider, tmp_path: Path
) -> AsyncIterator[Stack]:
    config = models(upstream.url, "words-3", "words-40-50", "words-200-20")
    with stack(rabbitmq.url, database, config, tmp_path, WARREN_DRAIN="20") as made:
        yield made
        assert not made.errors()


async def _stream(http: httpx.AsyncClient, url: str, model: str) -> tuple[dict, float]:  # type: ignore[type-arg]
    answer = await http.post(f"{url}/v1/responses", json={"model": model, "input": "x", "stream": True})
    return check_stream(parse_sse(answer.content)), monotonic()


async def test_a_drained_worker_ends_what_it_has_begun_and_takes_nothing_new(services: Stack) -> None:
    await services.ledger()
    worker = await services.worker()
    _, url = await services.gateway()
    async with httpx.AsyncClient(headers=HEADERS, timeout=60) as http:
        running = [asyncio.create_task(_stream(http, url, "words-40-50")) for _ in range(10)]
        await worker.says('"working"')
        await asyncio.sleep(1)
        assert await worker.stop() == 0
        finals = await asyncio.gather(*running)
        assert [final["status"] for final, _ in finals] == ["completed"] * 10
        waiting = asyncio.create_task(_stream(http, url, "words-3"))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        await services.worker()
        assert (await waiting)[0]["status"] == "completed"


async def test_a_drained_gateway_ends_its_streams_and_takes_no_connection(services: Stack) -> None:
    await services.ledger()
    await services.worker()
    gateway, url = await services.gateway()
    async with httpx.AsyncClient(headers=HEADERS, timeout=60) as http:
        running = asyncio.create_task(_stream(http, url, "words-40-50"))
        await asyncio.sleep(0.7)
        stopping = asyncio.create_task(gateway.stop())
        await asyncio.sleep(0.3)
        async with httpx.AsyncClient() as other:
            with pytest.raises(httpx.ConnectError):
                await other.get(f"{url}/health/liveliness")
        assert (await running)[0]["status"] == "completed"
        assert await stopping == 0


async def test_a_request_waits_for_a_ledger_that_is_late(services: Stack) -> None:
    await services.worker()
    _, url = await services.gateway()
    async with httpx.AsyncClient(headers=HEADERS, timeout=60) as http:
        health = (await http.get(f"{url}/health/readiness")).json()
        assert (health["status"], health["ledger"]) == ("degraded", "down")
        made = await http.post(f"{url}/v1/responses", json={"model": "words-3", "input": "x"})
        assert made.status_code == 200
        lost = await http.get(f"{url}/v1/responses/{made.json()['id']}")
        assert (lost.status_code, lost.json()["error"]["code"]) == (503, "ledger_unavailable")
        await services.ledger()
        found = await http.get(f"{url}/v1/responses/{made.json()['id']}")
        assert found.json() == made.json()


async def test_what_a_client_used_before_it_left_is_recorded(services: Stack, database: str) -> None:
    await services.ledger()
    await services.worker()
    _, url = await services.gateway()
    seen = b""
    async with httpx.AsyncClient(headers=HEADERS, timeout=60) as http:
        body = {"model": "words-200-20", "input": "x" * 400, "stream": True}
        async with http.stream("POST", f"{url}/v1/responses", json=body) as answer:
            async for piece in answer.aiter_raw():
                seen += piece
                if seen.count(b"output_text.delta") > 40:
                    break
    id_ = json.loads(seen.partition(b"data: ")[2].partition(b"\n")[0])["response"]["id"]
    async with MongoStore.open(database) as store:
        while (record := await store.find(id_, "default", content=True)) is None:
            await asyncio.sleep(0.05)
        (call,) = await store.calls(id_, "default")
    assert record.status == "cancelled"
    assert (call.error, call.usage_source, call.cost) == ("cancelled", "estimated", None)
    assert call.usage is not None
    assert call.usage.input_tokens > 100
    assert call.usage.output_tokens > 20
    assert record.body is not None
    shown = json.loads(record.body)
    assert shown["status"] == "cancelled"
    assert shown["usage"]["estimated"]
    assert shown["output"][0]["status"] == "incomplete"


async def test_the_upstream_call_of_a_killed_gateways_client_is_stopped(
    services: Stack, upstream: FakeProvider
) -> None:
    await services.ledger()
    await services.worker()
    gateway, url = await services.gateway()
    marker = uuid4().hex
    async with httpx.AsyncClient(headers=HEADERS, timeout=60) as http:
        body = {"model": "words-200-20", "input": marker, "stream": True}
        asking = asyncio.create_task(http.post(f"{url}/v1/responses", json=body))
        while not upstream.asked(marker):
            await asyncio.sleep(0.05)
        gateway.kill()
        await asyncio.gather(asking, return_exceptions=True)
        (call,) = upstream.asked(marker)
        for _ in range(400):
            if call.ended is not None:
                break
            await asyncio.sleep(0.05)
        assert call.ended is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["up", "--config", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["up", "--config", "{bad}"], "line 2: model_list[0].litellm_params: is missing"),
        (["up", "--config", "{good}", "--port", "{busy}"], "Address already in use"),
        (["up", "--config", "{good}", "--host", "0.0.0.0"], "WARREN_MASTER_KEY"),
        (["up", "--config", "{good}", "--port", "many"], "--port"),
        (["dance"], "there is no command 'dance'"),
    ],
)
def test_what_cannot_start_says_why_in_one_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    import socket

    (tmp_path / "bad.yaml").write_text("model_list:\n  - model_name: x\n")
    (tmp_path / "good.yaml").write_text(
        "model_list:\n  - {model_name: x, litellm_params: {model: openai/x, api_key: k}}\n"
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        values = {
            "{bad}": str(tmp_path / "bad.yaml"),
            "{good}": str(tmp_path / "good.yaml"),
            "{busy}": str(taken.getsockname()[1]),
        }
        command = [WARREN, *(values.get(argument, argument) for argument in arguments)]
        if "good.yaml" in str(command):
            command += ["--data", str(tmp_path / "data")]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


async def test_up_answers_from_its_own_model_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = [WARREN, "up", "--port", str(port), "--data", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    said = b""
    while b"Ctrl-C" not in said:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert line, said
        said += line
    await ready(f"http://127.0.0.1:{port}")
    assert b"tokens in" in said
    assert said.count(b"curl") == 2
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children, "the model is a child"
    process.terminate()
    _, complaints = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, complaints
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


@pytest.fixture
async def hasty(
    rabbitmq: RabbitMQ | ExternalRabbitMQ, database: str, upstream: FakeProvider, tmp_path: Path
) -> AsyncIterator[Stack]:
    """Services with less time to leave than a stream takes, and all that is known of prices."""
    config = models(upstream.url, "words-40-50", input_cost_per_token=1e-6, output_cost_per_token=1e-6)
    with stack(rabbitmq.url, database, config, tmp_path, WARREN_DRAIN="0.5") as made:
        yield made
        assert not made.errors()


async def test_what_a_worker_cannot_end_in_time_goes_on_elsewhere_and_is_paid_for(
    hasty: Stack, database: str, upstream: FakeProvider
) -> None:
    await hasty.ledger()
    worker = await hasty.worker()
    _, url = await hasty.gateway()
    marker = uuid4().hex
    async with httpx.AsyncClient(headers=HEADERS, timeout=60) as http:
        ask = {"model": "words-40-50", "input": marker}
        stream = asyncio.create_task(http.post(f"{url}/v1/responses", json={**ask, "stream": True}))
        whole = asyncio.create_task(http.post(f"{url}/v1/responses", json=ask))
        while len([call for call in upstream.asked(marker) if call.words > 3]) < 2:
            await asyncio.sleep(0.05)
        _, code = await asyncio.gather(hasty.worker(), worker.stop())
        assert code == 0
        broken, answered = check_stream(parse_sse((await stream).content)), (await whole).json()
    assert (broken["status"], broken["error"]["code"]) == ("failed", "interrupted")
    assert answered["status"] == "completed"
    assert len(upstream.asked(marker)) == 3, "the JSON request ran again, the stream did not"
    async with MongoStore.open(database) as store:
        (lost,) = await store.calls(broken["id"], "default")
        first, second = await store.calls(answered["id"], "default")
    for call in (lost, first):
        assert (call.error, call.usage_source) == ("cancelled", "estimated")
        assert call.cost is not None
        assert call.cost > 0
    assert (second.error, second.usage_source) == (None, "reported")


async def test_a_second_signal_ends_a_service_at_once(services: Stack, upstream: FakeProvider) -> None:
    worker = await services.worker()
    _, url = await services.gateway()
    marker = uuid4().hex
    async with httpx.AsyncClient(headers=HEADERS, timeout=60) as http:
        ask = {"model": "words-200-20", "input": marker, "stream": True}
        running = asyncio.create_task(http.post(f"{url}/v1/responses", json=ask))
        while not upstream.asked(marker):
            await asyncio.sleep(0.05)
        stopping = asyncio.create_task(worker.stop())
        await worker.says('"draining"')
        assert not stopping.done()
        os.kill(worker.pid, signal.SIGTERM)
        assert await stopping == 130
        running.cancel()
