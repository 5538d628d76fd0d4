"""Connections and channels that come back.

aio_pika's RobustConnection restores its objects one by one, and consumers have been lost and doubled that way. Here
nothing is restored: a lost connection is replaced, and everyone who had a channel on the old one opens a new one.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from itertools import cycle
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar, cast

import aio_pika
from aio_pika.connection import make_url
from aiormq.abc import AbstractConnection
from aiormq.channel import Channel
from aiormq.exceptions import (
    AuthenticationError,
    IncompatibleProtocolError,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from warren.brokers import place
from warren.bus._handling import log
from warren.errors import BusUnavailable

RETRY = 0.3
"""Seconds between two attempts to connect, or to open a channel; somewhat more or less, or all would come at once."""
_CONNECT = 5.0
_SETUP = 10.0
_LAST_STEP = 5.0
_REPEAT = 5.0
"""Seconds between two lines on the same trouble."""


class _Closable(Protocol):
    @property
    def is_closed(self) -> bool: ...


T = TypeVar("T", bound=_Closable)
R = TypeVar("R")


class Current(Generic[T]):
    """The latest of something that comes and goes."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._here = asyncio.Event()

    @property
    def now(self) -> T | None:
        """It, if it is usable."""
        value = self._value
        return None if value is None or value.is_closed else value

    async def get(self) -> T:
        """It, as soon as there is one."""
        while (value := self.now) is None:
            self._here.clear()
            await self._here.wait()
        return value

    def set(self, value: T | None) -> None:
        self._value = value
        if value is not None:
            self._here.set()


class Undisguised:
    """Within it, a lost connection and a task that is asked to stop look like what they are.

    aiormq tells of a lost connection by CancelledError, and makes another error of a cancellation, or none at all: one
    that comes while a channel is being closed is forgotten. Only the task's own count can be trusted.

    Raises:
        CancelledError: the task was asked to stop meanwhile, whatever else came of it.
        ConnectionLost: it was not, and what was under way was cancelled.
    """

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = _cancellations()

    def __exit__(self, _kind: object, error: BaseException | None, _: TracebackType | None) -> None:
        asked = _cancellations() > self._before
        if isinstance(error, asyncio.CancelledError):
            if not asked:
                raise ConnectionLost("The connection was lost.") from error
        elif asked and (error is None or isinstance(error, Exception)):
            raise asyncio.CancelledError from error


class ConnectionLost(ConnectionError):
    """What was under way ended with its channel or connection."""


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


async def settle(step: Awaitable[object]) -> None:
    """Take a last step with a channel or connection; when that is gone already, there is nothing left to do."""
    try:
        with Undisguised():
            async with asyncio.timeout(_LAST_STEP):
                await step
    except Exception as error:  # noqa: BLE001 - aiormq fails what is under way with whatever ended the connection
        log.debug("on a lost connection: %s", type(error).__name__)


async def undisturbed(work: Coroutine[Any, Any, R] | asyncio.Task[R]) -> R:
    """Wait for calls on a connection. Who is cancelled meanwhile leaves them to themselves.

    aiormq closes the channel of a call that is cancelled. Where that was being opened or closed, the broker sees a
    second `channel.open` or `channel.close`, and ends the whole connection for it (504), with all that is under way
    on other channels.
    """
    task = work if isinstance(work, asyncio.Task) else asyncio.get_running_loop().create_task(work)
    _under_way.add(task)
    task.add_done_callback(_done)
    await asyncio.wait([task])
    return task.result()


_under_way = set[asyncio.Task[Any]]()


def _done(task: asyncio.Task[Any]) -> None:
    _under_way.discard(task)
    if not task.cancelled() and (error := task.exception()):
        log.debug("on a channel: %s", type(error).__name__)  # also where nobody waits for it any more


class Trouble:
    """Reports the same trouble every few seconds, not at every attempt."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._said = -_REPEAT

    def say(self, error: BaseException | None, level: int = logging.WARNING) -> None:
        if time.monotonic() - self._said >= _REPEAT:
            self._said = time.monotonic()
            log.log(level, "%s: %s %s", self._what, type(error).__name__, error)

    def over(self) -> None:
        self._said = -_REPEAT


class Link:
    """One connection to the broker, made anew whenever it is lost: to each node in turn, from any of them on."""

    def __init__(self, brokers: Sequence[str], name: str, heartbeat: int) -> None:
        self._brokers = random.sample(brokers, len(brokers))
        self._name = name
        self._heartbeat = heartbeat
        self.connection = Current[AbstractConnection]()
        self.tried: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when there is a connection, or every node was tried; failed if the last was a broker that does not want
        us."""

    async def run(self) -> None:
        troubles = {url: Trouble(f"broker {place(url)} cannot be reached") for url in self._brokers}
        for number, url in enumerate(cycle(self._brokers), start=1):
            trouble = troubles[url]
            refusal: BusUnavailable | None = None
            try:
                with Undisguised():
                    await self._once(url)
                trouble.over()
                log.warning("%s: connection to the broker lost", self._name)
            except (AuthenticationError, ProbableAuthenticationError, InvalidFrameError) as error:
                # InvalidFrameError: a close, where the virtual host should have been opened.
                trouble.say(error, logging.ERROR)
                refusal = BusUnavailable("The broker refuses our user, password or virtual host.")
            except IncompatibleProtocolError as error:
                trouble.say(error, logging.ERROR)
                refusal = BusUnavailable("What listens there does not speak AMQP 0-9-1.")
            except Exception as error:  # noqa: BLE001 - aiormq has no one family of connection errors
                trouble.say(error)
            if number >= len(self._brokers):
                self._tell(refusal)
            await asyncio.sleep(RETRY * random.uniform(0.7, 1.3))

    async def _once(self, url: str) -> None:
        """Connect, and stay until the connection is lost."""
        connection = aio_pika.Connection(
            make_url(url, heartbeat=self._heartbeat),
            client_properties={"connection_name": self._name},
        )
        try:
            # Not by its own timeout: who is cancelled in Python 3.11's wait_for leaves a task whose error nobody hears.
            async with asyncio.timeout(_CONNECT):
                await connection.connect()
            assert connection.transport is not None
            underlying = connection.transport.connection
            self.connection.set(underlying)
            self._tell(None)
            log.info("%s: connected to the broker at %s", self._name, place(url))
            await asyncio.wait([underlying.closing])
        finally:
            self.connection.set(None)
            # Also where connecting failed: one that is not closed makes a task of its own when it is collected.
            await settle(connection.close())

    def _tell(self, error: BusUnavailable | None) -> None:
        if self.tried.done():
            return
        if error:
            self.tried.set_exception(error)
        else:
            self.tried.set_result(None)


class Held:
    """A channel on a link, opened again whenever it is lost. `attach` makes it useful, each time from nothing."""

    def __init__(
        self,
        what: str,
        link: Link,
        attach: Callable[[AbstractConnection, Channel], Coroutine[Any, Any, None]],
        *,
        confirms: bool = False,
    ) -> None:
        self._what = what
        self._link = link
        self._attach = attach
        self._confirms = confirms
        self.channel = Current[Channel]()

    async def run(self) -> None:
        trouble = Trouble(self._what)
        while True:
            connection = await self._link.connection.get()
            try:
                with Undisguised():
                    reason = await self._once(connection)
                if connection.is_opened:
                    trouble.say(reason)
            except ConnectionLost:
                pass  # the link tells of it
            except Exception as error:  # noqa: BLE001 - aiormq fails what is under way with whatever ended the connection
                trouble.say(error)
            await asyncio.sleep(RETRY / 3)

    async def _once(self, connection: AbstractConnection) -> BaseException | None:
        """Open the channel, and stay until it is lost."""
        # As long as it takes: a blocked connection opens none, a dead one is ended by its heartbeat.
        opened = await undisturbed(connection.channel(publisher_confirms=self._confirms, on_return_raises=True))
        channel = cast("Channel", opened)  # the abstract one does not know all arguments of basic_publish
        try:
            async with asyncio.timeout(_SETUP):
                await undisturbed(self._attach(connection, channel))
            self.channel.set(channel)
            (closed,), _ = await asyncio.wait([channel.closing])
            return None if closed.cancelled() else closed.exception()
        finally:
            self.channel.set(None)
            await settle(undisturbed(channel.close()))
