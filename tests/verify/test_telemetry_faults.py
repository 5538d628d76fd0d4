"""A collector that is away, hangs or is slow: requests take as long as without any telemetry.

All run at once and are asked in turns, so what the machine does besides meets all alike. Two of them tell nothing at
all: how far apart these two are is what this machine cannot tell from nothing.
"""

import asyncio
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, PIPE
from time import monotonic

import pytest

from bench.load import Load
from tests.rig.otlp import Collector, by_http
from tests.rig.rabbitmq import free_ports
from tests.rig.services import KEY, Service, embedded, ready

pytestmark = pytest.mark.anyio
ROUNDS = 10
SECONDS = 5.0
RATE = 60.0
MODEL = "words-16-after-20"
LEAST = 3.0
"""Milliseconds at p99 that are no difference in any case."""


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[int]:
    (port,) = free_ports(1)
    service = Service("upstream", [sys.executable, "-m", "bench.upstream", str(port)], {}, tmp_path)
    yield port
    service.kill()


async def test_no_collector_makes_a_request_slower(upstream: int, tmp_path: Path) -> None:
    with ExitStack() as collectors:
        endpoints = _endpoints(collectors)
        served = {}
        for name, endpoint in endpoints.items():
            served[name] = _service(name, endpoint, upstream, tmp_path)
            await ready(f"http://127.0.0.1:{served[name][1]}")
        p99: dict[str, list[float]] = {name: [] for name in served}
        for number in range(-1, ROUNDS):  # the first is for getting warm
            for name in sorted(served, key=lambda name: hash((name, number))):
                took = await _load(served[name][1])
                if number >= 0:
                    p99[name].append(took)
        for name, (service, _) in served.items():
            began = monotonic()
            await service.stop()
            assert monotonic() - began < 8, f"{name}: the end was held up"
        said = {name: service.log.read_text().count("telemetry is lost") > 0 for name, (service, _) in served.items()}
    assert said == {
        "off": False,
        "off, too": False,
        "good": False,
        "refusing": True,
        "hanging": True,
        "slow": said["slow"],
    }
    differences = {
        name: [one - other for one, other in zip(seen, p99["off"], strict=True)] for name, seen in p99.items()
    }
    noise = sorted(map(abs, differences["off, too"]))[int(ROUNDS * 0.9) - 1]
    for name, seen in p99.items():
        print(f"{name:9} p99 {median(seen):6.1f} ms, {median(differences[name]):+5.1f} to off (noise {noise:.1f})")
    for name in ("refusing", "hanging", "slow", "good"):
        assert median(differences[name]) <= max(noise, LEAST), name


def _endpoints(stack: ExitStack) -> dict[str, str]:
    def collector(delay: float) -> Collector:
        made = stack.enter_context(by_http())
        made.delay = delay
        return made

    with socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = f"http://127.0.0.1:{closed.getsockname()[1]}"
    return {
        "off": "",
        "off, too": "",
        "good": collector(0).url,
        "refusing": refusing,
        "hanging": collector(3600).url,
        "slow": collector(2).url,
    }


def _service(name: str, endpoint: str, upstream: int, tmp_path: Path) -> tuple[Service, int]:
    folder = tmp_path / name.replace(", ", "-")
    folder.mkdir()
    (port,) = free_ports(1)
    params = {
        "model": f"openai/{MODEL}", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "k",
        "use_chat_completions_api": True,
    }  # fmt: skip
    config = {"model_list": [{"model_name": MODEL, "litellm_params": params}]}
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_MAX_QUEUE_SIZE": "2048"} if endpoint else {}
    return embedded(config, folder, port, **environ), port


async def _load(port: int) -> float:
    """p99 of a while under load, in milliseconds."""
    load = Load(port=port, model=MODEL, kind="open", rate=RATE, seconds=SECONDS, warm=0.5, key=KEY)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    said, _ = await process.communicate(json.dumps(asdict(load)).encode())
    seen = json.loads(said)
    assert seen["errors"] == 0, seen["problem"]
    return float(seen["p99"])
