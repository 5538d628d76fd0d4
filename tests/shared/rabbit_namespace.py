"""Exchanges and queues of their own for one test, on a broker that others use too."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Self

import aio_pika

from warren import ids
from warren.bus.rabbit import RabbitBus

QUEUES = (
    "jobs.test", "jobs.openai", "jobs.hosted_vllm", "ledger.write", "ledger.ask", "dead.jobs", "dead.ledger",
)  # fmt: skip


class RabbitNamespace:
    def __init__(self, url: str, name: str, length: int) -> None:
        self.url = url
        self.name = name
        self.length = length

    @classmethod
    @asynccontextmanager
    async def fresh(cls, url: str, length: int = 10_000) -> AsyncIterator[Self]:
        """Under a new name; what is left there goes in the end."""
        namespace = cls(url, ids.new("test"), length)
        yield namespace
        async with await aio_pika.connect(url) as connection, connection.channel() as channel:
            for queue in QUEUES:
                await channel.queue_delete(f"{namespace.name}.{queue}")
            for exchange in ("jobs", "ledger", "dead", "inbox", "events"):
                await channel.exchange_delete(f"{namespace.name}.{exchange}")

    def open(self, name: str = "") -> AbstractAsyncContextManager[RabbitBus]:
        return RabbitBus.open(self.url, name=name, namespace=self.name, length=self.length)

    def queue(self, at: str) -> str:
        return f"{self.name}.{at}"

    async def throw(self, at: str, body: bytes) -> None:
        """Put bytes into a queue, whatever they are."""
        family, _, key = at.partition(".")
        async with await aio_pika.connect(self.url) as connection, connection.channel() as channel:
            exchange = await channel.get_exchange(f"{self.name}.{family}")
            await exchange.publish(aio_pika.Message(body, delivery_mode=2), key)
