"""What becomes of a message in a process, the same for every adapter."""

import asyncio
import logging
import traceback
from collections.abc import Callable, Coroutine
from time import monotonic
from types import TracebackType
from typing import Any, Self

from warren.bus import MAX_MESSAGE, Delivery, Handler, Receiver
from warren.contracts import Fault, Message, Undecodable, decode, encode
from warren.errors import RequestTooLarge, WarrenError
from warren.telemetry import instruments
from warren.telemetry.measuring import SWITCH, code

log = logging.getLogger("warren.bus")

INBOX = "inbox."
"""How the address of a process begins."""


def place(address: str) -> str:
    """An address as metrics have it: processes are not told apart."""
    return "inbox" if address.startswith(INBOX) else address


class Operation:
    """A `send` or a `call`: what it takes while this is open."""

    __slots__ = ("_began", "_name", "_to")

    def __init__(self, name: str, to: str) -> None:
        self._name = name
        self._to = to

    def __enter__(self) -> Self:
        self._began = monotonic()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _where: TracebackType | None) -> None:
        if SWITCH.on:
            failed = None if error is None else code(error)
            instruments.OPERATION_DURATION.record(monotonic() - self._began, self._name, place(self._to), failed)


def sized(message: Message) -> bytes:
    """The bytes of a message, if the bus carries as many.

    Raises:
        RequestTooLarge: it does not.
    """
    body = encode(message)
    if len(body) > MAX_MESSAGE:
        raise RequestTooLarge(f"The request takes {len(body)} bytes inside; at most {MAX_MESSAGE} are possible.")
    return body


async def attempt(handler: Handler, delivery: Delivery, at: str, *, called: bool) -> tuple[bool, Message | None]:
    """Whether the message is dealt with, and the answer to it."""
    began = monotonic()
    failed: BaseException | None = None
    instruments.CONSUMED.add(1, at)
    if delivery.redelivered:
        instruments.REDELIVERIES.add(1, at)
    try:
        return True, await handler(delivery)
    except asyncio.CancelledError as error:
        failed = error
        if _cancelled():
            raise
        _report(at, error)
    except WarrenError as error:
        failed = error
        if called:
            return True, Fault.of(error)
        _report(at, error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the message must go back
        failed = error
        _report(at, error)
    finally:
        instruments.PROCESS_DURATION.record(monotonic() - began, at, None if failed is None else code(failed))
    return False, None


def receive(receiver: Receiver, body: bytes, at: str, *, called: bool) -> Message | None:
    """Show a message to a receiver. What fails is lost, as posts may be."""
    instruments.CONSUMED.add(1, place(at))
    try:
        return receiver(decode(body))
    except Undecodable:
        log.warning("%s: dropped a message that cannot be decoded", at)
    except WarrenError as error:
        if called:
            return Fault.of(error)
        _report(at, error)
    except Exception as error:  # noqa: BLE001 - the next message is not to blame
        _report(at, error)
    return None


def pause(returns: int) -> float:
    """How long to hold a message that failed before it goes back, in seconds: poison must not spin."""
    return min(1.0, 0.01 * (returns + 1))


class Crew:
    """The handlers that run for one `serve`, at most `limit` of them."""

    def __init__(self, limit: int, ended: Callable[[], None]) -> None:
        self._limit = limit
        self._ended = ended
        self._running: dict[asyncio.Task[None], None] = {}

    @property
    def free(self) -> bool:
        return len(self._running) < self._limit

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._running[task] = None
        task.add_done_callback(self._done)

    async def finish(self) -> None:
        """Wait for all that run."""
        while self._running:
            await asyncio.wait(self._running)

    async def abort(self) -> None:
        """Cancel all that run, the latest first: what goes back to the head of a queue is then in its old order."""
        for task in reversed(list(self._running)):
            task.cancel()
        await self.finish()

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        if not task.cancelled() and (error := task.exception()):
            _report("bus", error)
        self._ended()


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _report(at: str, error: BaseException) -> None:
    """Say what failed and where, not with which words: an exception's text may quote a message."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
    log.error("%s: %s at %s", at, type(error).__name__, where)
