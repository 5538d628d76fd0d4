"""Messages that come twice: an echo on RabbitMQ hears what is sent to some addresses, and sends some of it again."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel


class Echo:
    """Repeats so many of a hundred messages of these kinds, within some seconds."""

    def __init__(self, channel: AbstractRobustChannel, kinds: Sequence[str], percent: int, seconds: float) -> None:
        self.repeated: Counter[str] = Counter()
        self._channel = channel
        self._kinds = kinds
        self._share = percent / 100
        self._seconds = seconds
        self._random = Random(1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def hear(self, message: AbstractIncomingMessage) -> None:
        kind = json.loads(message.body.partition(b"\n")[0])["kind"]
        if message.headers.get("echo") or kind not in self._kinds or self._random.random() >= self._share:
            return
        self.repeated[kind] += 1
        task = asyncio.create_task(self._again(message, self._random.uniform(0, self._seconds)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _again(self, message: AbstractIncomingMessage, seconds: float) -> None:
        await asyncio.sleep(seconds)
        exchange = await self._channel.get_exchange(message.exchange or "", ensure=False)
        same = aio_pika.Message(message.body, headers={**message.headers, "echo": "1"}, delivery_mode=2)
        await exchange.publish(same, message.routing_key or "")


@asynccontextmanager
async def echoing(
    url: str, addresses: Sequence[str], kinds: Sequence[str], *, percent: int, seconds: float
) -> AsyncIterator[Echo]:
    """An echo of these addresses (`jobs.openai`), while open."""
    async with await aio_pika.connect_robust(url) as connection:
        channel = await connection.channel()
        echo = Echo(channel, kinds, percent, seconds)
        queue = await channel.declare_queue(exclusive=True)
        for address in addresses:
            family, _, key = address.partition(".")
            await queue.bind(f"warren.v1.{family}", key)
        await queue.consume(echo.hear, no_ack=True)
        yield echo
        await queue.cancel(queue.name)
