"""How addresses map to RabbitMQ: exchanges, queues and their arguments.

The arguments of a queue can never change while it lives, so the version is in every name (`warren.v1`). All of it
works the same on RabbitMQ 3.10 and on 4.x. Nobody publishes to the default exchange: it reaches every queue by name.
"""

from functools import cached_property
from typing import Any

from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused

from warren.bus import DELIVERY_LIMIT, dead
from warren.bus._handling import log

INBOX_BYTES = 64 * 1024 * 1024
_NEVER = 1_000_000
"""As a delivery limit. Brokers before 4.0 do not know -1, later ones take nothing for 20."""


class Topology:
    """The names under one namespace. `length` bounds every queue but those of the dead."""

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

    async def declare(self, connection: AbstractConnection, at: str) -> None:
        """Make sure that a durable address is there, and the place of its dead."""
        wanted = [at] if at.startswith("dead.") else [dead(at), at]
        channel = await connection.channel(publisher_confirms=False)
        try:
            for address in wanted:
                exchange, key = self.route(address)
                queue = self.queue(address)
                await channel.exchange_declare(exchange, exchange_type="direct", durable=True)
                await channel.queue_declare(queue, durable=True, arguments=self._arguments(address))
                await channel.queue_bind(queue, exchange, key)
        except ChannelAccessRefused:
            # A user of least privilege: then the topology was made by somebody else.
            log.debug("%s: not allowed to declare", at)
        finally:
            await channel.close()

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
        if key.endswith("ask"):
            # Questions: gone with the call, so neither replicated nor mourned.
            return {"x-queue-type": "classic", **bounded}
        exchange, place = self.route(dead(at))
        return {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": exchange,
            "x-dead-letter-routing-key": place,
            "x-dead-letter-strategy": "at-least-once",
            **bounded,
        }
