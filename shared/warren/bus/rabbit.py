"""The bus on RabbitMQ.

Two connections, one to publish and one to consume: a broker short of memory stops reading from publishers, and
acknowledgements must still get through. A channel per concern: one mistake on a channel costs everything on it.
aio_pika connects; publishing and consuming go to aiormq's channels below it, which costs a third less CPU.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, suppress
from itertools import count
from typing import Any, Literal

from aiormq.abc import AbstractConnection, DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed
from pamqp.commands import Basic

from warren import ids
from warren.brokers import host_and_port, nodes
from warren.bus import LEDGER_WRITE, NAMESPACE, Depth, Handler, Receiver
from warren.bus._handling import INBOX, Operation, receive, sized
from warren.bus._rabbit_consumer import Consumer
from warren.bus._rabbit_link import ConnectionLost, Held, Link, Undisguised, settle, undisturbed
from warren.bus._rabbit_publisher import Publisher
from warren.bus._rabbit_topology import Topology
from warren.bus._tracing import sending
from warren.contracts import Fault, Message, Undecodable, decode, encode
from warren.errors import BusUnavailable, CallTimeout, Unroutable, WarrenError
from warren.telemetry import instruments

_PERSISTENT = 2
_PART = 1_000_000
"""Bytes of an answer in one AMQP message."""
_LOOK = 2.0
"""Seconds that a look at a queue may take."""
_TOGETHER = 50
"""Messages to this process that are acknowledged at once."""
_PATIENCE = 5.0
"""Seconds: the longest that an answer waits for a connection, and an opening for its channel."""
_DECLARING = 15.0
"""Seconds in which whoever declares must get a connection: enough for three tries."""


class _Call:
    """Somebody waits for an answer."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._pieces: dict[str, dict[int, bytes]] = {}

    def take(self, message: DeliveredMessage) -> None:
        """A whole answer, or a part: of several that come, the first that is complete counts."""
        match message.header.properties.headers:
            case {"answer": str(answer), "part": int(part), "parts": int(parts)}:
                pieces = self._pieces.setdefault(answer, {})
                pieces[part] = message.body
                if len(pieces) < parts:
                    return
                body = b"".join(pieces[number] for number in range(parts))
            case _:
                body = message.body
        if not self.answered.done():
            self.answered.set_result(body)


class RabbitBus:
    """The port, on RabbitMQ. See `open`."""

    def __init__(self, brokers: list[str], name: str, namespace: str, length: int, heartbeat: int) -> None:
        self._address = f"{INBOX}{ids.new(name or 'process')}"
        self._topology = Topology(namespace, length)
        self._server: dict[str, str | int] = {"messaging": "rabbitmq"}
        if len(brokers) == 1:  # of several, connections choose by chance
            self._server["server"], self._server["port"] = host_and_port(brokers[0])
        self._out = Link(brokers, f"{name or 'warren'} publishes", heartbeat)
        self._in = Link(brokers, f"{name or 'warren'} consumes", heartbeat)
        self._publisher = Publisher(self._topology, self._out)
        self._inbox = self._own("inbox", self._topology.inboxes, [self._address.removeprefix(INBOX)], self._on_inbox)
        self._numbers = count()
        self._calls: dict[str, _Call] = {}
        self._receiver: Receiver | None = None
        self._restored: Callable[[], None] | None = None
        self._inboxes = 0
        self._looks: dict[str, asyncio.Task[Depth]] = {}
        """Those under way. Who asks meanwhile joins: a broker that is blocked answers nobody, and channels are few."""
        self._restoring: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        name: str = "",
        namespace: str = NAMESPACE,
        length: int = 10_000,
        heartbeat: int = 10,
    ) -> AsyncIterator["RabbitBus"]:
        """A bus of its own address. `length` bounds the queues that it makes.

        The URL may name several nodes of one cluster. Each connection goes to any of them, and to another when it is
        lost.

        Returns after the first attempt to connect, with each node if need be. A broker that is away is waited for from
        then on, `connected` tells; what has been opened meanwhile starts to work with the connection.

        Raises:
            ValueError: the URL is none of AMQP's.
            BusUnavailable: there is a broker, and it does not let us in.
        """
        brokers = nodes(url)
        for library in ("aio_pika", "aiormq"):
            # They print message bodies, and complain at every attempt to connect. What matters is said here.
            logging.getLogger(library).setLevel(logging.CRITICAL)
        bus = cls(brokers, name, namespace, length, heartbeat)
        async with AsyncExitStack() as stack:
            for link in (bus._out, bus._in):
                await stack.enter_async_context(_background(link.run()))
            await asyncio.gather(bus._out.tried, bus._in.tried)
            for held in (bus._publisher.confirmed, bus._publisher.plain, bus._inbox):
                await stack.enter_async_context(bus._holding(held))
            stack.callback(lambda: bus._restoring and bus._restoring.cancel())
            stack.enter_context(instruments.CONNECTED.told(lambda: [(int(bus.connected),)]))
            yield bus

    @property
    def address(self) -> str:
        return self._address

    @property
    def connected(self) -> bool:
        held = (self._publisher.confirmed, self._publisher.plain, self._inbox)
        return all(one.channel.now for one in held)

    async def declare(self, addresses: Iterable[str]) -> None:
        """Make durable addresses for others, whose users may not; exactly as this version wants them.

        Raises:
            BusUnavailable: the broker cannot be reached.
            WarrenError: our user may not either, or there is such a queue with other arguments.
        """
        try:
            async with asyncio.timeout(_DECLARING):
                connection = await self._out.connection.get()
            for address in addresses:
                with Undisguised():
                    await undisturbed(self._topology.declare(connection, address, exactly=True))
        except (TimeoutError, ConnectionLost):
            raise BusUnavailable("The broker cannot be reached.") from None
        except (ChannelAccessRefused, ChannelPreconditionFailed) as refusal:
            raise WarrenError(f"The broker refuses: {refusal}") from None

    async def send(self, to: str, message: Message, *, timeout: float = 10.0) -> None:
        with Operation("send", to), self._sending(to, message, "publish") as headers:
            properties = Basic.Properties(delivery_mode=_PERSISTENT, headers={**headers} or None)
            await self._publisher.send(to, sized(message), properties, asyncio.get_running_loop().time() + timeout)

    @asynccontextmanager
    async def serve(self, at: str, handler: Handler, *, limit: int = 1) -> AsyncIterator[None]:
        consumer = Consumer(self._topology, self._in, at, handler, limit, self._answer, self._server)
        async with self._holding(consumer.held):
            try:
                yield
            finally:
                await consumer.leave()

    @asynccontextmanager
    async def inbox(self, receiver: Receiver, *, restored: Callable[[], None] | None = None) -> AsyncIterator[None]:
        self._receiver, self._restored = receiver, restored
        try:
            yield
        finally:
            self._receiver = self._restored = None

    async def post(self, to: str, message: Message) -> None:
        instruments.SENT.add(1, "inbox")
        await self._publisher.drop(*self._topology.route(to), encode(message), Basic.Properties())

    async def call(self, to: str, message: Message, *, timeout: float = 5.0) -> Message:
        with Operation("call", to), self._sending(to, message, "call") as headers:
            return await self._call(to, message, timeout, headers)

    async def _call(self, to: str, message: Message, timeout: float, headers: dict[str, str]) -> Message:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        body = sized(message)
        number = f"{next(self._numbers):x}"
        properties = Basic.Properties(
            delivery_mode=_PERSISTENT,
            headers={**headers} or None,
            reply_to=self._address,
            correlation_id=number,
        )
        call = self._calls[number] = _Call()
        try:
            await self._listening(deadline)
            await self._publisher.send(to, body, properties, deadline, expires=to != LEDGER_WRITE)
            async with asyncio.timeout_at(deadline):
                answer = decode(await call.answered)
        except TimeoutError:
            raise CallTimeout(f"No answer to {message.kind} within {timeout:g} s.") from None
        except Undecodable:
            raise WarrenError("The answer of another service cannot be read.") from None
        finally:
            del self._calls[number]
        if isinstance(answer, Fault):
            raise answer.error()
        return answer

    async def tell(self, topic: str, message: Message) -> None:
        instruments.SENT.add(1, "events")
        await self._publisher.drop(self._topology.events, topic, encode(message), Basic.Properties())

    @asynccontextmanager
    async def listen(
        self, topics: Iterable[str], receiver: Receiver, *, restored: Callable[[], None] | None = None
    ) -> AsyncIterator[None]:
        async def hear(message: DeliveredMessage) -> None:
            receive(receiver, message.body, "events", called=False)

        async with self._holding(self._own("events", self._topology.events, list(topics), hear, restored)):
            yield

    async def depth(self, at: str) -> Depth:
        try:
            with Undisguised():
                async with asyncio.timeout(_LOOK):
                    connection = await self._out.connection.get()
                    if (look := self._looks.get(at)) is None or look.done():
                        look = self._looks[at] = asyncio.create_task(self._topology.depth(connection, at))
                    return await undisturbed(look)
        except Exception:  # noqa: BLE001 - aiormq fails what is under way with whatever ended the connection
            raise BusUnavailable("The broker could not be asked.") from None

    def _sending(
        self, to: str, message: Message, operation: Literal["publish", "call"]
    ) -> AbstractContextManager[dict[str, str]]:
        exchange, key = self._topology.route(to)
        place = {"destination": f"{exchange}:{key}", "routing_key": key, **self._server}
        return sending(to, message, operation, **place)

    async def _answer(self, to: str, call: str, message: Message) -> None:
        """Answer a call, in as many parts as it takes. A new connection is waited for: an answer is not asked twice."""
        if self._publisher.plain.channel.now is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._publisher.plain.channel.get()
        exchange, key = self._topology.route(to)
        body = encode(message)
        if len(body) <= _PART:
            await self._publisher.drop(exchange, key, body, Basic.Properties(correlation_id=call))
            return
        answer = f"{self._address} {next(self._numbers):x}"
        parts = -(-len(body) // _PART)
        for part in range(parts):
            piece = body[part * _PART : (part + 1) * _PART]
            properties = Basic.Properties(correlation_id=call, headers={"answer": answer, "part": part, "parts": parts})
            await self._publisher.drop(exchange, key, piece, properties)

    def _own(
        self,
        what: str,
        exchange: str,
        keys: list[str],
        take: Callable[[DeliveredMessage], Coroutine[Any, Any, None]],
        restored: Callable[[], None] | None = None,
    ) -> Held:
        """A channel that reads a queue of this process alone. Each has a fresh name: the last may not be gone yet.

        It acknowledges, many at a time: for a consumer that does not, the broker pushes without end into the memory
        of the connection, past every bound of the queue.
        """
        attached = False

        async def taking(message: DeliveredMessage) -> None:
            if (tag := message.delivery_tag or 0) % _TOGETHER == 0:
                await settle(message.channel.basic_ack(tag, multiple=True, wait=False))
            await take(message)

        async def attach(connection: AbstractConnection, channel: Channel) -> None:
            await self._topology.declare_exchanges(connection)
            queue = f"{self._topology.queue(self._address)}.{what}.{next(self._numbers):x}"
            await self._topology.declare_own(channel, queue, exchange, keys)
            await channel.basic_qos(prefetch_count=4 * _TOGETHER)
            await channel.basic_consume(queue, taking, exclusive=True)
            nonlocal attached
            if attached and restored is not None:
                restored()
            attached = True
            if what == "inbox":
                self._inboxes += 1
                if self._inboxes > 1:
                    self._restoring = asyncio.get_running_loop().create_task(self._tell_restored())

        return Held(what, self._in, attach)

    async def _tell_restored(self) -> None:
        """Whoever hears of it will want to ask for what was lost, so there must be a way out, too."""
        await self._publisher.plain.channel.get()
        if self._restored:
            self._restored()

    async def _on_inbox(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        number, reply_to = properties.correlation_id, properties.reply_to
        if number and not reply_to:
            if call := self._calls.get(number):
                call.take(message)
            return
        answer: Message | None
        if self._receiver:
            answer = receive(self._receiver, message.body, "inbox", called=reply_to is not None)
        else:
            answer = Fault.of(Unroutable("Nobody is at that address."))
        if answer is not None and number and reply_to:
            await self._answer(reply_to, number, answer)

    async def _listening(self, deadline: float) -> None:
        """A call without an inbox would never see its answer."""
        if self._inbox.channel.now is None:
            try:
                async with asyncio.timeout_at(deadline):
                    await self._inbox.channel.get()
            except TimeoutError:
                raise BusUnavailable("The broker cannot be reached.") from None

    @asynccontextmanager
    async def _holding(self, held: Held) -> AsyncIterator[None]:
        """Keep a channel; when there is a connection, it works from the start."""
        async with _background(held.run()):
            if self._out.connection.now and self._in.connection.now:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PATIENCE):
                        await held.channel.get()
            yield


@asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something beside the block, and end it with the block."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
