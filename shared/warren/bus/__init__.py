"""The bus: how services reach each other, whatever carries the messages.

The port is a protocol; its prose is its contract, and one test suite holds every adapter to it
(`memory` for one process, `rabbit` for RabbitMQ).

Addresses are names. A durable address (`jobs.openai`, `ledger.write`, `ledger.ask`) is a queue that any number of
processes serve; a process's own address (`Bus.address`) reaches that process and no other.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from warren.contracts import Message

NAMESPACE = "warren.v1"
"""What all names at a broker begin with. The arguments of queues never change under one."""
LEDGER_WRITE = "ledger.write"
LEDGER_ASK = "ledger.ask"
RESUME = "resume"
"""The topic on which workers are told what is about a stream, or a question, whose worker is not known."""
LOGGED = "logged"
"""The topic on which the ledger tells which logs have grown."""
PARTIES = "parties"
"""The topic on which the ledger tells whose keys, limits and budgets have changed."""
ROUTING = "routing"
"""The topic on which processes tell how deployments do."""
TRAFFIC = "traffic"
"""The topic on which processes tell what they have seen end."""
DELIVERY_LIMIT = 20
"""How often a message comes back before it is taken for poison. A backstop only: every give-back counts."""
MAX_MESSAGE = 15 * 1024 * 1024
"""Bytes. RabbitMQ 4 closes the channel on more than 16 MiB."""


def jobs(provider: str) -> str:
    """The address where this provider's workers take jobs."""
    return f"jobs.{provider}"


def dead(at: str) -> str:
    """Where messages of a durable address end up that no handler could take: one place per family of queues."""
    return f"dead.{at.partition('.')[0]}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it reached a handler."""

    message: Message
    redelivered: bool = False
    """It may have been handled before, wholly or in part."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Trace context, as `telemetry.headers()` gave it on the other side."""
    waited: float | None = field(default=None, repr=False, compare=False)
    """Seconds since it was sent, as far as clocks agree."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How a queue stands: messages that wait, and processes that take them."""

    ready: int
    consumers: int


Handler = Callable[[Delivery], Awaitable[Message | None]]
"""Handles a delivery; what it returns is the answer, if the message was called."""
Receiver = Callable[[Message], Message | None]
"""Takes a message addressed to this process. Must not block; what it returns is the answer, if it was called."""


class Bus(Protocol):
    """One process's way to all others."""

    @property
    def address(self) -> str:
        """This process's own address: stable for its life, whatever happens to connections."""

    @property
    def connected(self) -> bool:
        """Whether messages can leave right now."""

    async def send(self, to: str, message: Message, *, timeout: float = 10.0) -> None:
        """Hand over one message to a durable address; on return the broker has it, and keeps it over a restart.

        While the broker is away this waits, up to `timeout` seconds. A message that the broker may have taken before
        it went away is sent again, and may arrive twice; the second one is `redelivered`.

        Raises:
            Overloaded: the queue is full; the message was not taken.
            RequestTooLarge: the message is larger than the bus carries; it was not sent, nothing else suffers.
            BusUnavailable: the broker could not be reached in time; the message was not sent.
            PublishUnknown: the broker did not confirm in time; the message may still arrive.
        """

    def serve(self, at: str, handler: Handler, *, limit: int = 1) -> AbstractAsyncContextManager[None]:
        """While open, handle messages at a durable address, each in a task of its own, at most `limit` at a time.

        A message is gone once its handler returns. If the process dies first, or loses the broker, it comes
        again, here or elsewhere, with `redelivered` set; the handlers that run go on undisturbed. A handler that
        raises gives its message back; after DELIVERY_LIMIT times, or if it cannot be decoded, it goes to `dead(at)`.
        If the message was called, a `WarrenError` is the answer instead, and the message is gone.

        Messages are started in the order in which they were sent. Leaving stops taking, gives back what has not
        started and waits for the handlers that run; being cancelled while it waits, it cancels those and gives
        their messages back.
        """

    def inbox(
        self, receiver: Receiver, *, restored: Callable[[], None] | None = None
    ) -> AbstractAsyncContextManager[None]:
        """While open, take messages addressed to this process: in order per sender, at most once.

        Only so much is kept for a process that does not read; the rest is lost. `restored` is called after every
        reconnection: what was posted in between is gone and must be asked for again.
        """

    async def post(self, to: str, message: Message) -> None:
        """Send to a process, unconfirmed: what cannot be delivered now is lost, without a word."""

    async def call(self, to: str, message: Message, *, timeout: float = 5.0) -> Message:
        """Send to a durable address or a process, and wait for the one answer, of whatever size.

        A call to a durable address that nobody takes within `timeout` is dropped by the broker, not handled late;
        `ledger.write` is the exception: what is written there is handled whenever it can be.

        Raises:
            WarrenError: what the handler raised.
            Unroutable: nobody is at that address, known at once for a process that is gone.
            CallTimeout: no answer within `timeout` seconds.
            BusUnavailable, Overloaded, RequestTooLarge: as for `send`.
        """

    async def tell(self, topic: str, message: Message) -> None:
        """Broadcast, at most once."""

    def listen(
        self, topics: Iterable[str], receiver: Receiver, *, restored: Callable[[], None] | None = None
    ) -> AbstractAsyncContextManager[None]:
        """While open, take broadcasts on these topics; answers are not sent.

        `restored` is called after every reconnection, once broadcasts come again: those in between are lost.
        """

    async def depth(self, at: str) -> Depth:
        """How a durable address stands.

        Raises:
            BusUnavailable: the broker could not be asked.
        """
