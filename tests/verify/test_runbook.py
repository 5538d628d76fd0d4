"""What the runbook tells to type, typed."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest

from tests.rig.rabbitmq import RabbitMQ
from warren.bus import LEDGER_WRITE, Delivery, dead
from warren.bus.rabbit import RabbitBus
from warren.contracts import Ping

pytestmark = pytest.mark.anyio
RUNBOOK = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


class Shoveling(RabbitMQ):
    """As it is after `rabbitmq-plugins enable rabbitmq_shovel`."""

    def __init__(self) -> None:
        super().__init__()
        self._write("enabled_plugins", "[rabbitmq_shovel].\n")


async def test_dead_letters_are_put_back() -> None:
    [command] = re.findall(r"^rabbitmqctl (set_parameter shovel .+)$", RUNBOOK, re.MULTILINE)
    came = asyncio.Event()
    seen: list[Delivery] = []

    async def take(delivery: Delivery) -> None:
        seen.append(delivery)
        came.set()

    with Shoveling() as broker:
        async with RabbitBus.open(broker.url, name="test") as bus:
            async with bus.serve(LEDGER_WRITE, take):
                pass  # both queues are there now
            await bus.send(dead(LEDGER_WRITE), Ping())
            await asyncio.to_thread(broker.ctl, *shlex.split(command))
            async with bus.serve(LEDGER_WRITE, take):
                await asyncio.wait_for(came.wait(), 60)
            assert (await bus.depth(dead(LEDGER_WRITE))).ready == 0

    assert [delivery.message for delivery in seen] == [Ping()]


async def test_the_queues_are_listed_as_it_says() -> None:
    [command] = re.findall(r"`rabbitmqctl (list_queues [^`]+)`", RUNBOOK)

    async def take(delivery: Delivery) -> None: ...

    with RabbitMQ() as broker:
        async with RabbitBus.open(broker.url, name="test") as bus, bus.serve(LEDGER_WRITE, take):
            told = ""
            while "warren.v1.ledger.write\t0\t0\t1" not in told.splitlines():  # the broker counts every few seconds
                told = await asyncio.to_thread(broker.ctl, *shlex.split(command))
