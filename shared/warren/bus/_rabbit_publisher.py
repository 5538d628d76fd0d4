"""What leaves a process for RabbitMQ: confirmed, or simply let go."""

import asyncio
from enum import Enum, auto
from itertools import count

from aiormq.abc import AbstractConnection
from aiormq.channel import Channel
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from warren.bus import MAX_MESSAGE
from warren.bus._handling import INBOX, log, place
from warren.bus._rabbit_link import ConnectionLost, Held, Link, Trouble, Undisguised, undisturbed
from warren.bus._rabbit_topology import Topology
from warren.errors import BusUnavailable, Overloaded, PublishUnknown, Unroutable
from warren.telemetry import instruments

AGAIN = "x-warren-again"
"""Header of a message that may have arrived before: the connection was lost before the broker's word on it."""
_UNFLUSHED = 256 * 1024
"""Bytes that may be let go before somebody waits for the socket."""
_PATIENCE = 5.0
"""Seconds: the longest that what is let go waits for the socket."""
_AGAIN = 0.02
"""Seconds before a publish is tried again."""
_GONE = 0.5
"""Seconds until consumers know for certain that their queue was deleted; RabbitMQ 3.10 needed less than 0.05."""


class Fate(Enum):
    """What became of one attempt to publish."""

    TAKEN = auto()
    REFUSED = auto()
    """The queue is full."""
    RETURNED = auto()
    """There is no queue."""
    OPEN = auto()
    """The connection or the time was over before the broker said anything."""


class Publisher:
    """Two channels: on one every message is confirmed, on the other none."""

    def __init__(self, topology: Topology, link: Link) -> None:
        self._topology = topology
        self._link = link
        self._declared: set[str] = set()
        self._declaring = asyncio.Lock()
        self._trouble = Trouble("declaring")
        self._numbers = count()
        self._unflushed = 0
        self.confirmed = Held("publishing", link, self._attach, confirms=True)
        self.plain = Held("posting", link, self._attach)

    async def send(
        self, to: str, body: bytes, properties: Basic.Properties, deadline: float, *, expires: bool = False
    ) -> None:
        """Publish until the broker has said yes or no. What the loss of a connection leaves open is tried again.

        What `expires` is dropped by the broker when it still waits at the deadline.
        """
        exchange, key = self._topology.route(to)
        inbox = to.startswith(INBOX)
        properties.message_id = f"{next(self._numbers):x}"  # aiormq finds what comes back by it
        clock = asyncio.get_running_loop().time
        unknown = False
        while (left := deadline - clock()) > 0:
            channel = self.confirmed.channel.now
            if channel is None or not (inbox or to in self._declared):
                await self._prepare(to, left)
                continue
            if expires:
                properties.expiration = str(int(left * 1000))
            match await _publish(channel, exchange, key, body, properties, left):
                case Fate.TAKEN:
                    instruments.SENT.add(1, place(to))
                    return
                case Fate.RETURNED if inbox:
                    raise Unroutable("Nobody is at that address.")
                case Fate.RETURNED:
                    # Somebody has deleted the queue. Were it back at once, its consumers would not be told.
                    self._declared.discard(to)
                    await asyncio.sleep(_GONE)
                case Fate.REFUSED if unknown:
                    break
                case Fate.REFUSED:
                    raise Overloaded("The queue is full.", retry_after=1)
                case Fate.OPEN:
                    unknown = True
                    properties.headers = {**(properties.headers or {}), AGAIN: "1"}
            await asyncio.sleep(_AGAIN)
        if unknown:
            raise PublishUnknown("The broker did not confirm in time.")
        raise BusUnavailable("The broker cannot be reached.")

    async def drop(self, exchange: str, key: str, body: bytes, properties: Basic.Properties) -> None:
        """Let a message go. Now and then this waits for the socket, or what is under way would grow without bound."""
        channel = self.plain.channel.now
        if channel is None:
            return
        if len(body) > MAX_MESSAGE:
            log.error("%s: a message is too large to be posted", exchange)
            return
        self._unflushed += len(body)
        if flush := self._unflushed > _UNFLUSHED:
            self._unflushed = 0
        try:
            with Undisguised():
                await channel.basic_publish(
                    body, exchange=exchange, routing_key=key, properties=properties, timeout=_PATIENCE, wait=flush
                )
        except Exception as error:  # noqa: BLE001 - aiormq fails what is under way with whatever ended the connection
            log.debug("a post is lost: %s", type(error).__name__)

    async def _prepare(self, to: str, left: float) -> None:
        """Wait for a channel and for the address to be there, as long as there is time."""
        try:
            with Undisguised():
                async with asyncio.timeout(left):
                    await self.confirmed.channel.get()
                    async with self._declaring:
                        if not to.startswith(INBOX) and to not in self._declared:
                            connection = await self._link.connection.get()
                            await undisturbed(self._topology.declare(connection, to))
                            self._declared.add(to)
        except (TimeoutError, ConnectionLost):
            return
        except Exception as error:  # noqa: BLE001 - aiormq fails what is under way with whatever ended the connection
            self._trouble.say(error)
            await asyncio.sleep(_AGAIN)

    async def _attach(self, connection: AbstractConnection, _: Channel) -> None:
        await self._topology.declare_exchanges(connection)
        self._declared.clear()


async def _publish(
    channel: Channel, exchange: str, key: str, body: bytes, properties: Basic.Properties, left: float
) -> Fate:
    """Publish once, and wait for the broker's word. Does not wait for the socket: whoever waits here holds the body."""
    try:
        with Undisguised():
            await channel.basic_publish(
                body,
                exchange=exchange,
                routing_key=key,
                properties=properties,
                mandatory=True,
                timeout=left,
                wait=False,
            )
    except PublishError:
        return Fate.RETURNED
    except DeliveryError:
        return Fate.REFUSED
    except (TypeError, ValueError):
        raise  # never sent: AMQP cannot express such an address
    except Exception as error:  # noqa: BLE001 - aiormq fails what is under way with whatever ended the connection
        log.debug("a publish is open: %s", type(error).__name__)
        return Fate.OPEN
    return Fate.TAKEN
