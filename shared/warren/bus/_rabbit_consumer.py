"""How one process serves a durable address on RabbitMQ."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from aiormq.abc import AbstractConnection, DeliveredMessage
from aiormq.channel import Channel

from warren.bus import Delivery, Handler
from warren.bus._handling import Crew, attempt, log, pause
from warren.bus._rabbit_link import Held, Link, settle, undisturbed
from warren.bus._rabbit_publisher import AGAIN
from warren.bus._rabbit_topology import Topology
from warren.bus._tracing import processing, waited
from warren.contracts import Message, Undecodable, decode

Answer = Callable[[str, str, Message], Awaitable[None]]
"""Sends an answer: to whom, to which call, what."""


class Consumer:
    """Starts a handler per delivery and settles the delivery when it has ended.

    The handlers run in tasks of ours: aiormq cancels its own when a channel is lost. A delivery of a lost channel
    cannot be settled any more; the broker delivers it again, which then waits here until there is room.
    """

    def __init__(
        self,
        topology: Topology,
        link: Link,
        at: str,
        handler: Handler,
        limit: int,
        answer: Answer,
        server: Mapping[str, Any],
    ) -> None:
        self._topology = topology
        self._at = at
        self._handler = handler
        self._limit = limit
        self._answer = answer
        exchange, key = topology.route(at)
        self._traced_as = {"destination": f"{exchange}:{key}:{topology.queue(at)}", "routing_key": key, **server}
        self._crew = Crew(limit, ended=self._next)
        self._waiting: deque[DeliveredMessage] = deque()
        self._leaving = False
        self._tag = f"{at}.{id(self):x}"
        self._closers: set[asyncio.Task[None]] = set()
        self.held = Held(f"serving {at}", link, self._attach)

    async def _attach(self, connection: AbstractConnection, channel: Channel) -> None:
        self._waiting.clear()
        await self._topology.declare(connection, self._at)
        if self._leaving:
            return
        await channel.basic_qos(prefetch_count=self._limit)
        channel.on_consumer_cancel_callbacks.add(lambda _: self._give_up(channel))
        await channel.basic_consume(self._topology.queue(self._at), self._take, consumer_tag=self._tag)

    def _give_up(self, channel: Channel) -> None:
        """The queue was deleted. The next channel declares it again."""
        closer = asyncio.get_running_loop().create_task(settle(undisturbed(channel.close())))
        self._closers.add(closer)
        closer.add_done_callback(self._closers.discard)

    async def leave(self) -> None:
        """As `serve` promises it."""
        self._leaving = True
        try:
            if channel := self.held.channel.now:
                await settle(undisturbed(channel.basic_cancel(self._tag)))
            while self._waiting:
                await self._give_back(self._waiting.popleft())
            await self._crew.finish()
        except asyncio.CancelledError:
            await self._crew.abort()
            raise

    async def _take(self, message: DeliveredMessage) -> None:
        if self._leaving:
            await self._give_back(message)
        elif self._crew.free and not self._waiting:
            self._crew.start(self._handle(message))
        else:
            self._waiting.append(message)

    def _next(self) -> None:
        while self._waiting and self._crew.free and not self._leaving:
            message = self._waiting.popleft()
            if not message.channel.is_closed:
                self._crew.start(self._handle(message))

    async def _handle(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        headers = properties.headers or {}
        channel, tag = message.channel, message.delivery_tag
        assert tag is not None
        if headers.get("x-first-death-reason") == "expired":
            await settle(channel.basic_ack(tag, wait=False))  # a call whose time was over: nobody waits for it
            return
        try:
            decoded = decode(message.body)
        except Undecodable:
            log.error("%s: a message that cannot be decoded is given up", self._at)
            await settle(channel.basic_reject(tag, requeue=False, wait=False))
            return
        try:
            texts = {key: value for key, value in headers.items() if isinstance(value, str)}
            delivery = Delivery(decoded, bool(message.redelivered) or AGAIN in texts, texts, waited(texts))
            called = properties.reply_to is not None
            done, answer = await attempt(partial(self._traced, tag), delivery, self._at, called=called)
            if not done:
                # Classic queues do not count; a message that is back for the second time waits as for the tenth.
                returns = headers.get("x-delivery-count", 10 * delivery.redelivered)
                await asyncio.sleep(pause(returns if isinstance(returns, int) else 0))
        except asyncio.CancelledError:
            await self._give_back(message)
            raise
        if not done:
            await settle(channel.basic_reject(tag, requeue=True, wait=False))
            return
        if answer is not None and properties.reply_to and properties.correlation_id:
            await self._answer(properties.reply_to, properties.correlation_id, answer)
        await settle(channel.basic_ack(tag, wait=False))

    async def _traced(self, tag: int, delivery: Delivery) -> Message | None:
        with processing(self._at, delivery, delivery_tag=tag, **self._traced_as):
            return await self._handler(delivery)

    async def _give_back(self, message: DeliveredMessage) -> None:
        assert message.delivery_tag is not None
        await settle(message.channel.basic_nack(message.delivery_tag, requeue=True, wait=False))
