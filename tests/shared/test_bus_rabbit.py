"""What only a real broker shows: it dies, freezes, closes things and comes back."""

import asyncio
import logging
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import aio_pika
import pytest

from tests.rig.rabbitmq import RabbitMQ, free_ports
from tests.shared.rabbit_namespace import RabbitNamespace
from warren.bus import LEDGER_ASK, LEDGER_WRITE, Delivery, dead, jobs
from warren.bus.rabbit import RabbitBus
from warren.contracts import Fetched, Message, Ping, Pong, Rebuild
from warren.errors import BusUnavailable, CallTimeout, PublishUnknown

pytestmark = pytest.mark.anyio
AT = jobs("test")
PING = Ping()
SOON = 15.0
BACK = 3.0
"""Seconds after the broker is up again within which everything works as before."""


@pytest.fixture
async def space(rabbitmq: RabbitMQ) -> AsyncIterator[RabbitNamespace]:
    async with RabbitNamespace.fresh(rabbitmq.url) as space:
        yield space


@pytest.fixture
async def bus(space: RabbitNamespace) -> AsyncIterator[RabbitBus]:
    async with space.open("test") as bus:
        yield bus


@asynccontextmanager
async def process(space: RabbitNamespace, *role: str) -> AsyncIterator[Process]:
    command = ["-m", "tests.shared.bus_process", space.url, space.name, str(space.length), *role]
    started = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=PIPE)
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            started.kill()
        await started.communicate()


async def line(of: Process) -> str:
    assert of.stdout is not None
    async with asyncio.timeout(SOON):
        return (await of.stdout.readline()).decode().strip()


async def until(true: Callable[[], bool], within: float = SOON) -> None:
    async with asyncio.timeout(within):
        while not true():
            await asyncio.sleep(0.01)


async def until_async(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON):
        while not await true():
            await asyncio.sleep(0.01)


async def restart(rabbitmq: RabbitMQ) -> None:
    """From this thread: the broker would end with another."""
    rabbitmq.start(wait=False)
    await asyncio.to_thread(rabbitmq.ready)


async def consumers(rabbitmq: RabbitMQ, space: RabbitNamespace) -> list[str]:
    """The queues of this test that have a consumer, once for each."""
    rows = (await asyncio.to_thread(rabbitmq.ctl, "list_consumers", "queue_name")).splitlines()
    queues = [row.removeprefix(f"{space.name}.") for row in rows if row.startswith(space.name)]
    return sorted("inbox" if queue.startswith("inbox.") else queue for queue in queues)


def numbered(count: int) -> list[Message]:
    return [Rebuild(response_id=str(number), account="a") for number in range(count)]


def number(message: Message) -> int:
    assert isinstance(message, Rebuild)
    return int(message.response_id)


async def test_what_a_killed_process_had_comes_again(space: RabbitNamespace, bus: RabbitBus) -> None:
    got: list[Delivery] = []

    async def handler(delivery: Delivery) -> None:
        got.append(delivery)

    async with process(space, "serve", AT) as doomed:
        for message in numbered(3):
            await bus.send(AT, message)
        assert [await line(doomed) for _ in range(3)] == ["0", "1", "2"]
        doomed.kill()
        async with bus.serve(AT, handler, limit=3):
            await until(lambda: len(got) == 3)
    assert sorted(number(delivery.message) for delivery in got) == [0, 1, 2]
    assert all(delivery.redelivered for delivery in got)


async def test_an_inbox_that_is_not_read_is_bounded_and_keeps_the_newest(rabbitmq: RabbitMQ) -> None:
    async with (
        RabbitNamespace.fresh(rabbitmq.url, length=10) as space,
        process(space, "inbox") as frozen,
        space.open() as bus,
    ):
        address = await line(frozen)
        frozen.send_signal(signal.SIGSTOP)
        for message in numbered(1000):
            await bus.post(address, message)
        frozen.send_signal(signal.SIGCONT)
        got = [int(await line(frozen))]
        while got[-1] != 999:
            got.append(int(await line(frozen)))
    assert len(got) <= 300
    assert got == sorted(got)
    assert got[-10:] == list(range(990, 1000))


@pytest.mark.own_broker
async def test_nothing_confirmed_is_lost_when_the_broker_is_killed(rabbitmq: RabbitMQ, space: RabbitNamespace) -> None:
    confirmed: list[int] = []
    handled: set[int] = set()
    unmarked: list[int] = []
    restored: list[None] = []
    work = iter(numbered(3000))

    async def handler(delivery: Delivery) -> None:
        if number(delivery.message) in handled and not delivery.redelivered:
            unmarked.append(number(delivery.message))
        handled.add(number(delivery.message))

    async def answers(_: Delivery) -> Message:
        return Pong()

    async with (
        space.open("worker") as worker,
        space.open("gateway") as bus,
        worker.serve(AT, handler, limit=10),
        worker.serve(LEDGER_ASK, answers),
        worker.inbox(lambda _: Pong(), restored=lambda: restored.append(None)),
    ):

        async def sender() -> None:
            for message in work:
                await bus.send(AT, message, timeout=60)
                confirmed.append(number(message))

        assert await bus.call(LEDGER_ASK, PING) == Pong()
        await asyncio.sleep(2)  # RabbitMQ 3.10 finds no leader again for a queue that was only just declared
        async with asyncio.TaskGroup() as senders:
            for _ in range(20):
                senders.create_task(sender())
            await until(lambda: len(confirmed) > 500)
            rabbitmq.kill()
            await until(lambda: not bus.connected and not worker.connected)
            assert len(confirmed) < 3000, "killed too late to show anything"
            await bus.post(worker.address, PING)
            await restart(rabbitmq)
            async with asyncio.timeout(BACK):
                await until(lambda: bus.connected and bool(restored))
                assert await bus.call(LEDGER_ASK, PING) == Pong()
                assert await bus.call(worker.address, PING) == Pong()
        await until(lambda: len(handled) == 3000)
        assert sorted(confirmed) == list(range(3000))
        assert not unmarked, "came twice, and did not say so"
        assert await consumers(rabbitmq, space) == ["inbox", "inbox", AT, LEDGER_ASK]
        assert len(restored) == 1


@pytest.mark.own_broker
async def test_handlers_outlive_the_broker(rabbitmq: RabbitMQ, bus: RabbitBus) -> None:
    started: list[bool] = []
    go, again = asyncio.Event(), asyncio.Event()

    async def long(delivery: Delivery) -> None:
        started.append(delivery.redelivered)
        await go.wait()
        if delivery.redelivered:
            again.set()

    async with bus.serve(AT, long):
        try:
            await bus.send(AT, PING)
            await until(lambda: len(started) == 1)
            await asyncio.sleep(2)  # RabbitMQ 3.10 finds no leader again for a queue that was only just declared
            rabbitmq.kill()
            await restart(rabbitmq)
            await until(lambda: bus.connected, within=BACK)
            await until_async(lambda: nothing_waits(bus))
            assert started == [False]
        finally:
            go.set()
        await until(again.is_set)
    assert started == [False, True]


async def nothing_waits(bus: RabbitBus) -> bool:
    depth = await bus.depth(AT)
    return depth.ready == 0 and depth.consumers == 1


@pytest.mark.own_broker
async def test_closed_connections_come_back_time_and_again(rabbitmq: RabbitMQ, space: RabbitNamespace) -> None:
    handled: set[int] = set()
    restored: list[None] = []
    hearing: list[None] = []

    async def handler(delivery: Delivery) -> None:
        handled.add(number(delivery.message))

    async with (
        space.open() as bus,
        bus.serve(AT, handler, limit=10),
        bus.inbox(lambda _: Pong(), restored=lambda: restored.append(None)),
        bus.listen(["pulse"], lambda _: None, restored=lambda: hearing.append(None)),
    ):
        work = iter(numbered(50_000))
        sent: list[int] = []

        async def sender() -> None:
            for message in work:
                await bus.send(AT, message, timeout=SOON)
                sent.append(number(message))
                await asyncio.sleep(0.01)  # a broker that is flooded may not come to closing anything

        senders = [asyncio.create_task(sender()) for _ in range(5)]
        try:
            for times in range(1, 4):
                await asyncio.to_thread(rabbitmq.ctl, "close_all_connections", "test")
                await until(lambda times=times: len(restored) >= times and bus.connected)  # type: ignore[misc]
                await until(lambda times=times: len(hearing) >= times)  # type: ignore[misc]
        finally:
            for task in senders:
                task.cancel()
            ended = await asyncio.gather(*senders, return_exceptions=True)
        assert None not in ended, "who is told to stop stops, before there is nothing left to send"
        assert await bus.call(bus.address, PING) == Pong()
        await until(lambda: handled.issuperset(sent))
        assert await consumers(rabbitmq, space) == ["inbox", "inbox", AT]  # its inbox and its ear


@pytest.mark.own_broker
async def test_a_frozen_broker_leaves_a_send_unknown(rabbitmq: RabbitMQ, bus: RabbitBus) -> None:
    await bus.send(AT, PING)
    rabbitmq.suspend()
    try:
        began = time.monotonic()
        results = await asyncio.gather(
            *(bus.send(AT, PING, timeout=0.5) for _ in range(20)),
            bus.call(LEDGER_ASK, PING, timeout=0.5),
            bus.depth(AT),
            return_exceptions=True,
        )
        assert time.monotonic() - began < 7
    finally:
        rabbitmq.resume()
    assert {type(result) for result in results[:20]} == {PublishUnknown}
    assert isinstance(results[20], (BusUnavailable, CallTimeout))
    assert isinstance(results[21], BusUnavailable)
    await bus.send(AT, PING, timeout=SOON)


@pytest.mark.own_broker
async def test_a_broker_that_dies_frozen_is_noticed(rabbitmq: RabbitMQ, space: RabbitNamespace) -> None:
    """Heartbeats end such a connection, with what looks like a cancelled task to everyone who waits on it."""
    async with RabbitBus.open(rabbitmq.url, namespace=space.name, heartbeat=1) as bus:
        await bus.send(AT, PING)
        rabbitmq.suspend()
        try:
            waiting = asyncio.create_task(bus.send(AT, PING, timeout=60))
            await until(lambda: not bus.connected)
            assert not waiting.done()
        finally:
            rabbitmq.resume()
        async with asyncio.timeout(SOON):
            await waiting


@pytest.mark.own_broker
async def test_a_broker_short_of_memory_still_takes_acknowledgements(rabbitmq: RabbitMQ, bus: RabbitBus) -> None:
    started, go = asyncio.Event(), asyncio.Event()

    async def handler(_: Delivery) -> None:
        started.set()
        await go.wait()

    async with bus.serve(AT, handler):
        await bus.send(AT, PING)
        await started.wait()
        await asyncio.to_thread(rabbitmq.ctl, "set_vm_memory_high_watermark", "0.00001")
        try:
            with pytest.raises(PublishUnknown):
                await bus.send(AT, PING, timeout=0.5)
            go.set()
        finally:
            await asyncio.to_thread(rabbitmq.ctl, "set_vm_memory_high_watermark", "0.4")
    async with asyncio.timeout(SOON):
        await bus.send(AT, PING)


@pytest.mark.own_broker
async def test_services_may_start_before_the_broker(rabbitmq: RabbitMQ, space: RabbitNamespace) -> None:
    got = asyncio.Event()

    async def handler(_: Delivery) -> None:
        got.set()

    rabbitmq.kill()
    try:
        async with asyncio.timeout(2), space.open() as probe:
            assert not probe.connected
            with pytest.raises(BusUnavailable):
                await probe.send(AT, PING, timeout=0.2)
            with pytest.raises(BusUnavailable):
                await probe.call(LEDGER_ASK, PING, timeout=0.2)
            await probe.post(probe.address, PING)
            await probe.tell("pulse", PING)
        async with space.open() as bus, bus.serve(AT, handler), bus.inbox(lambda _: Pong()):
            sending = asyncio.create_task(bus.send(AT, PING, timeout=60))
            await restart(rabbitmq)
            await until(lambda: bus.connected, within=BACK)
            async with asyncio.timeout(BACK):
                await sending
                await got.wait()
    finally:
        if not rabbitmq.running:
            await restart(rabbitmq)


async def test_a_lost_channel_disturbs_no_handler_and_is_opened_again(bus: RabbitBus) -> None:
    started: list[bool] = []
    go, ended = asyncio.Event(), asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        started.append(delivery.redelivered)
        await go.wait()
        if len(started) == 2:
            ended.set()

    async with bus.serve(AT, handler):
        await bus.send(AT, PING)
        await until(lambda: len(started) == 1)
        connection = bus._in.connection.now
        assert connection is not None
        for channel in list(connection.channels.values()):
            assert channel is not None
            await channel.basic_ack(9999)
        await asyncio.sleep(0.3)
        assert started == [False], "the message that came again waits for its turn"
        go.set()
        await until(ended.is_set)
    assert started == [False, True]
    assert (await bus.depth(AT)).ready == 0


async def test_a_deleted_queue_is_made_again(space: RabbitNamespace, bus: RabbitBus) -> None:
    got: list[Delivery] = []

    async def handler(delivery: Delivery) -> None:
        got.append(delivery)

    async with await aio_pika.connect(space.url) as connection, connection.channel() as channel:
        async with bus.serve(AT, handler):
            await bus.send(AT, PING)
            await channel.queue_delete(space.queue(AT))
            await bus.send(AT, PING)
            await until(lambda: len(got) == 2)
        await channel.queue_delete(space.queue(AT))
        await bus.send(AT, PING)
    assert (await bus.depth(AT)).ready == 1


async def test_a_wrong_password_is_an_error_at_once(rabbitmq: RabbitMQ) -> None:
    parts = urlsplit(rabbitmq.url)
    url = f"amqp://nobody:wrong@{parts.hostname}:{parts.port}{parts.path}"
    with pytest.raises(BusUnavailable, match="refuses"):
        async with RabbitBus.open(url):
            pass


async def test_an_unknown_virtual_host_is_an_error_at_once(rabbitmq: RabbitMQ) -> None:
    with pytest.raises(BusUnavailable, match="refuses"):
        async with RabbitBus.open(rabbitmq.url.rstrip("/") + "/nowhere"):
            pass


@pytest.mark.parametrize("url", ["", "localhost:5672", "http://localhost", "amqp://"])
async def test_a_wrong_url_is_an_error_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="amqp://"):
        async with RabbitBus.open(url):
            pass


async def test_a_broker_that_cannot_be_reached_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    (port,) = free_ports(1)
    async with RabbitBus.open(f"amqp://guest:secret@127.0.0.1:{port}/") as bus:
        assert not bus.connected
    assert f"127.0.0.1:{port} cannot be reached" in caplog.text
    assert "secret" not in caplog.text


async def test_bodies_are_never_logged(
    space: RabbitNamespace, bus: RabbitBus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = Rebuild(response_id="private", account="very", payload=b"confidential")
    failed = asyncio.Event()

    async def fails(delivery: Delivery) -> None:
        failed.set()
        raise ValueError(delivery.message, delivery.message.payload)

    def breaks(message: Message) -> None:
        raise ValueError(message, message.payload)

    async with bus.serve(AT, fails), bus.inbox(breaks):
        await bus.post("inbox.nobody", secret)
        with pytest.raises(BusUnavailable):
            await bus.call("inbox.nobody", secret)
        with pytest.raises(CallTimeout):
            await bus.call(bus.address, secret, timeout=0.1)
        await bus.send(AT, secret)
        await failed.wait()
        await space.throw(AT, b"confidential junk")
    assert "ValueError at" in caplog.text
    assert "private" not in caplog.text
    assert "confidential" not in caplog.text


async def test_a_call_that_nobody_took_is_not_mourned(bus: RabbitBus) -> None:
    """Expired calls of a quorum queue are dead letters to the broker."""
    mourned: list[Delivery] = []

    async def mourns(delivery: Delivery) -> None:
        mourned.append(delivery)

    async with bus.serve(dead(AT), mourns):
        with pytest.raises(CallTimeout):
            await bus.call(AT, PING, timeout=0.2)
        await asyncio.sleep(0.3)
    assert (await bus.depth(dead(AT))).ready == 0
    assert mourned == []


async def test_nothing_is_left_of_a_bus_that_was_closed(space: RabbitNamespace) -> None:
    before = asyncio.all_tasks()

    async def answers(_: Delivery) -> Message:
        return Fetched(found=True, payload=bytes(3_000_000))

    async with space.open() as bus, bus.serve(LEDGER_ASK, answers), bus.listen(["pulse"], lambda _: None):
        await bus.call(LEDGER_ASK, PING)
        with pytest.raises(CallTimeout):
            await bus.call(LEDGER_WRITE, PING, timeout=2)
        assert bus._calls == {}
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_who_is_told_to_stop_while_declaring_stops_and_costs_nobody_the_connection(
    space: RabbitNamespace, bus: RabbitBus, caplog: pytest.LogCaptureFixture
) -> None:
    """aiormq forgets a cancellation while it closes a channel, or asks the broker twice to close it."""

    async def endless(to: str) -> None:
        await bus.send(to, PING)
        await asyncio.sleep(60)

    for number in range(60):
        work = asyncio.create_task(endless(jobs(f"never.used.{number}")))
        await asyncio.sleep(number / 2000)
        work.cancel()
        await asyncio.wait([work], timeout=SOON)
        assert work.cancelled()
    assert not [record for record in caplog.records if "lost" in record.message]
    assert bus.connected


@pytest.mark.own_broker
async def test_a_broker_that_takes_nothing_more_is_asked_once_at_a_time(
    rabbitmq: RabbitMQ, bus: RabbitBus, caplog: pytest.LogCaptureFixture
) -> None:
    """Short of memory, it reads nothing from a connection that has published."""
    await bus.send(AT, PING)
    await asyncio.to_thread(rabbitmq.ctl, "set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        with suppress(PublishUnknown, BusUnavailable):
            await bus.send(AT, PING, timeout=1)
        before = len(asyncio.all_tasks())
        for _ in range(2):
            told = await asyncio.gather(*(bus.depth(AT) for _ in range(100)), return_exceptions=True)
            assert {type(one) for one in told} == {BusUnavailable}
        assert len(asyncio.all_tasks()) < before + 10
    finally:
        await asyncio.to_thread(rabbitmq.ctl, "set_vm_memory_high_watermark", "0.6")
    await bus.send(AT, PING, timeout=SOON)
    assert (await bus.depth(AT)).ready >= 2
    assert not [record for record in caplog.records if "lost" in record.message]
