"""The ledger as a process, with a real broker and a real database."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.ledger.making import ACCOUNT, outcome
from tests.rig.mongod import Mongod
from warren.bus import LEDGER_ASK, LEDGER_WRITE
from warren.bus.rabbit import RabbitBus
from warren.contracts import Fetch, Ping
from warren.errors import WarrenError

pytestmark = pytest.mark.anyio


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WARREN_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "warren_ledger", *arguments], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def until(bus: RabbitBus, state: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                answer: Any = await bus.call(LEDGER_ASK, Ping(), timeout=4)
                if answer.states == {"store": state}:
                    return
            except WarrenError:
                pass
            await asyncio.sleep(0.1)


async def test_it_waits_for_its_database_and_drains_when_told_to_end(rabbitmq: Any) -> None:
    server = Mongod()
    arguments = ("--amqp-url", rabbitmq.url, "--mongo-url", f"{server.url}warren", "--log-format", "json")
    with running(*arguments) as process:
        async with RabbitBus.open(rabbitmq.url) as bus:
            await until(bus, "down")
            many = [outcome() for _ in range(50)]
            for one in many:
                await bus.send(LEDGER_WRITE, one)
            server.start()
            await until(bus, "up")
            for one in many:
                answer: Any = await bus.call(LEDGER_ASK, Fetch(response_id=one.response_id, account=ACCOUNT))
                assert answer.payload == one.response
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0
        lines = process.stderr.read() if process.stderr else ""
    server.stop()
    assert "waiting for MongoDB" in lines
    assert "stopped" in lines
    assert "Traceback" not in lines


async def test_ctrl_c_ends_it_though_the_database_is_away(rabbitmq: Any) -> None:
    with running("--amqp-url", rabbitmq.url, "--mongo-url", "mongodb://127.0.0.1:9/", "--drain", "1") as process:
        async with RabbitBus.open(rabbitmq.url) as bus:
            await until(bus, "down")
            await bus.send(LEDGER_WRITE, outcome())
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 10) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--mongo-url", "http://localhost"), "--mongo-url: it must look like mongodb://host:27017/warren"),
        (("--keep=-P1D",), "--keep: Input should be greater than 0 seconds"),
        (("--keep", "a while"), "--keep: Input should be a valid timedelta"),
    ],
)
def test_wrong_settings_are_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    with running(*arguments) as process:
        _, said = process.communicate(timeout=20)
    assert process.returncode == 2
    assert said.startswith(f"python -m warren_ledger: {sentence}")
    assert said.count("\n") == 1
