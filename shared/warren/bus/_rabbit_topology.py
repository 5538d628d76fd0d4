"""How addresses map to RabbitMQ: exchanges, queues and their arguments.

The arguments of a queue can never change while it lives, so the version is in every name (`warren.v1`). All of it
works the same on RabbitMQ 3.10 and on 4.x. Nobody publishes to the default exchange: it reaches every queue by name.
"""

from functools import cached_property
from typing import Any

from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity
from pamqp.commands import Queue

from warren.bus import DELIVERY_LIMIT, Depth, dead
from warren.bus._handling import log

INBOX_BYTES = 64 * 1024 * 1024
_NEVER = 1_000_000
"""As a delivery limit. Brokers before 4.0 do not know -1, later ones take nothing for 20."""


class Topology:
    """The names under one namespace. `length` bounds every queue but those of the dead.

    What asks the broker must not be cancelled: see `undisturbed`.
    """

    def __init__(self, namespace: str, length: int) -> None:
        self._namespace = namespace
        self._length = length

    def route(self, to: str) -> tuple[str, str]:
        """Exchange and routing key of an address: `jobs.openai` is `openai` at `warren.v1.jobs`."""
        family, _, key = to.partition(".")
        return f"{self._namespace}.{family}", key

    def queue(self, at: str) -> str:
        return f"{self._namespace}.{at}"

    @cached_property
    def events(self) -> str:
        return f"{self._namespace}.events"

    @cached_property
    def inboxes(self) -> str:
        return f"{self._namespace}.inbox"

    async def declare(self, connection: AbstractConnection, at: str, *, exactly: bool = False) -> None:
        """Make sure that a durable address is there, and the place of its dead.

        A queue that is there stays as it is, whatever its arguments: an earlier version may have made it. That is an
        error if it must be `exactly` as we would make it.
        """
        try:
            for address in [at] if at.startswith("dead.") else [dead(at), at]:
                await self._make(connection, address, exactly=exactly)
        except ChannelAccessRefused:
            if exactly:
                raise
            # A user of least privilege: then the topology was made by somebody else.
            log.debug("%s: not allowed to declare", at)

    async def _make(self, connection: AbstractConnection, address: str, *, exactly: bool) -> None:
        exchange, key = self.route(address)
        queue = self.queue(address)
        found = not exactly and await _look(connection, queue)
        channel = await connection.channel(publisher_confirms=False)
        try:
            await channel.exchange_declare(exchange, exchange_type="direct", durable=True)
            if not found:
                await channel.queue_declare(queue, durable=True, arguments=self._arguments(address))
            await channel.queue_bind(queue, exchange, key)
        finally:
            await channel.close()

    async def depth(self, connection: AbstractConnection, at: str) -> Depth:
        """Of an address that nobody has declared: nothing."""
        found = await _look(connection, self.queue(at))
        return Depth(found.message_count or 0, found.consumer_count or 0) if found else Depth(0, 0)

    async def declare_exchanges(self, connection: AbstractConnection) -> None:
        """Those that take what is not kept: publishing to a missing exchange would cost the channel."""
        channel = await connection.channel(publisher_confirms=False)
        try:
            await channel.exchange_declare(self.inboxes, exchange_type="direct", durable=True)
            await channel.exchange_declare(self.events, exchange_type="topic", durable=True)
        except ChannelAccessRefused:
            log.debug("not allowed to declare exchanges")
        finally:
            await channel.close()

    async def declare_own(self, channel: AbstractChannel, queue: str, exchange: str, keys: list[str]) -> None:
        """A queue that lives and dies with this connection; the oldest messages go when there are too many."""
        arguments: dict[str, Any] = {
            "x-queue-type": "classic",
            "x-max-length": self._length,
            "x-max-length-bytes": INBOX_BYTES,
            "x-overflow": "drop-head",
        }
        await channel.queue_declare(queue, exclusive=True, arguments=arguments)
        for key in keys:
            await channel.queue_bind(queue, exchange, key)

    def _arguments(self, at: str) -> dict[str, Any]:
        family, _, key = at.partition(".")
        if family == "dead":
            return {"x-queue-type": "quorum", "x-delivery-limit": _NEVER}
        bounded = {"x-max-length": self._length, "x-overflow": "reject-publish"}
        replicated = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT, **bounded}
        if key.endswith("ask"):
            return replicated  # questions: gone with the call, and not mourned
        exchange, place = self.route(dead(at))
        return {
            **replicated,
            "x-dead-letter-exchange": exchange,
            "x-dead-letter-routing-key": place,
            "x-dead-letter-strategy": "at-least-once",
        }


async def _look(connection: AbstractConnection, queue: str) -> Queue.DeclareOk | None:
    """What the broker says of a queue, if there is one."""
    channel = await connection.channel(publisher_confirms=False)
    try:
        return await channel.queue_declare(queue, passive=True)
    except ChannelNotFoundEntity:
        return None
    finally:
        await channel.close()
