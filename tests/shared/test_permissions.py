"""What each user may do at the broker, tried there."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ChannelInvalidStateError

from tests.rig.rabbitmq import RabbitMQ
from tests.rig.users import Users, users
from warren.bus import LEDGER_ASK, LEDGER_WRITE, NAMESPACE, jobs
from warren.bus.permissions import definitions
from warren.bus.rabbit import RabbitBus
from warren.contracts import Ping
from warren.errors import BusUnavailable, WarrenError

pytestmark = [pytest.mark.anyio, pytest.mark.own_broker]
PROVIDERS = ("openai", "anthropic")
ADDRESSES = [*map(jobs, PROVIDERS), LEDGER_WRITE, LEDGER_ASK]
Deed = Callable[[AbstractChannel], Awaitable[object]]


@pytest.fixture(scope="module")
def known(rabbitmq: RabbitMQ) -> Iterator[Users]:
    with users(rabbitmq, "least", *PROVIDERS) as known:
        yield known


@pytest.fixture
async def declared(known: Users) -> str:
    async with RabbitBus.open(known.url("warren-declare")) as bus:
        await bus.declare(ADDRESSES)
    return "declared"


@asynccontextmanager
async def channel_of(known: Users, name: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(known.url(name)) as connection, connection.channel() as channel:
        yield channel


async def ignore(_: object) -> None:
    pass


def consumes(queue: str) -> Deed:
    async def deed(channel: AbstractChannel) -> None:
        found = aio_pika.Queue(
            channel, f"{NAMESPACE}.{queue}", durable=True, exclusive=False, auto_delete=False, arguments=None
        )
        await found.consume(ignore, timeout=5)

    return deed


def publishes(exchange: str, key: str) -> Deed:
    async def deed(channel: AbstractChannel) -> None:
        to = channel.default_exchange if not exchange else await channel.get_exchange(f"{NAMESPACE}.{exchange}")
        await to.publish(aio_pika.Message(b""), key, mandatory=False, timeout=5)

    return deed


def declares(queue: str) -> Deed:
    return lambda channel: channel.declare_queue(f"{NAMESPACE}.{queue}", exclusive=True, timeout=5)


def hears(topic: str, own: str) -> Deed:
    async def deed(channel: AbstractChannel) -> None:
        queue = await channel.declare_queue(f"{NAMESPACE}.inbox.{own}_1.events.1", exclusive=True)
        await queue.bind(f"{NAMESPACE}.events", topic, timeout=5)

    return deed


def deletes(queue: str) -> Deed:
    return lambda channel: channel.queue_delete(f"{NAMESPACE}.{queue}", timeout=5)


DEFAULT = publishes("", f"{NAMESPACE}.ledger.write")
REFUSED: dict[str, list[Deed]] = {
    "warren-gateway": [
        consumes("jobs.openai"), consumes("ledger.write"), consumes("dead.jobs"), DEFAULT, publishes("dead", "jobs"),
        publishes("events", "parties"), publishes("events", "logged"), declares("jobs.mine"),
        declares("inbox.warren-worker_1.inbox.1"), deletes("jobs.openai"), hears("resume", "warren-gateway"),
    ],
    "warren-worker": [
        consumes("ledger.write"), consumes("ledger.ask"), consumes("dead.jobs"), DEFAULT, publishes("dead", "jobs"),
        publishes("events", "parties"), publishes("events", "logged"), declares("inbox.warren-gateway_1.inbox.1"),
        deletes("jobs.openai"), hears("parties", "warren-worker"),
    ],
    "warren-worker-openai": [consumes("jobs.anthropic"), consumes("ledger.write"), DEFAULT],
    "warren-ledger": [
        consumes("jobs.openai"), DEFAULT, publishes("ledger", "write"), publishes("dead", "jobs"),
        publishes("events", "resume"), declares("inbox.warren-gateway_1.inbox.1"), deletes("ledger.write"),
        hears("resume", "warren-ledger"),
    ],
    "warren-scaler": [consumes("jobs.openai"), publishes("jobs", "openai"), DEFAULT, deletes("jobs.openai")],
}  # fmt: skip
ALLOWED: dict[str, list[Deed]] = {
    "warren-gateway": [publishes("events", "resume"), declares("inbox.warren-gateway_1.inbox.1")],
    "warren-worker": [consumes("jobs.openai"), consumes("jobs.anthropic"), publishes("events", "routing")],
    "warren-worker-openai": [consumes("jobs.openai"), publishes("ledger", "write")],
    "warren-ledger": [consumes("ledger.write"), publishes("events", "parties"), publishes("events", "traffic")],
    "warren-scaler": [lambda channel: channel.declare_queue(f"{NAMESPACE}.jobs.openai", passive=True)],
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_a_user_must_not_is_refused(known: Users, declared: str, name: str) -> None:
    for number, deed in enumerate(REFUSED[name]):
        async with channel_of(known, name) as channel:
            try:
                await deed(channel)
            except (ChannelAccessRefused, ChannelInvalidStateError):
                continue
        raise AssertionError(f"{name} may do what it must not: number {number}")


@pytest.mark.parametrize("name", ALLOWED)
async def test_what_a_user_needs_is_allowed(known: Users, declared: str, name: str) -> None:
    for deed in ALLOWED[name]:
        async with channel_of(known, name) as channel:
            await deed(channel)


async def test_who_may_not_declare_waits_until_somebody_has(known: Users) -> None:
    async with RabbitBus.open(known.url("warren-declare")) as bus:
        with pytest.raises(BusUnavailable):
            await gateway_sends(known, timeout=1.0)
        sending = asyncio.create_task(gateway_sends(known, timeout=20))
        await asyncio.sleep(0.5)
        await bus.declare([jobs("cohere")])
        await sending
        assert (await bus.depth(jobs("cohere"))).ready == 1


async def gateway_sends(known: Users, *, timeout: float) -> None:
    async with RabbitBus.open(known.url("warren-gateway"), name="warren-gateway") as gateway:
        await gateway.send(jobs("cohere"), Ping(), timeout=timeout)


async def test_who_may_not_declare_cannot_declare_for_others(known: Users, declared: str) -> None:
    async with RabbitBus.open(known.url("warren-worker"), name="warren-worker") as bus:
        with pytest.raises(WarrenError, match="ACCESS_REFUSED"):
            await bus.declare([jobs("mistral")])


def test_the_permissions_in_deploy_are_these() -> None:
    kept: dict[str, Any] = json.loads((Path(__file__).parents[2] / "deploy/rabbitmq/permissions.json").read_text())
    assert kept == definitions()
