"""How an outcome reaches the ledger: whatever happens to the broker, and however large it is."""

import asyncio
from contextlib import suppress
from time import time

import structlog

from warren.blobs import INLINE, deposit
from warren.bus import LEDGER_WRITE, MAX_MESSAGE, Bus
from warren.contracts import Begun, Message, Outcome
from warren.errors import BusUnavailable, LedgerUnavailable, Overloaded, WarrenError

log = structlog.get_logger("warren.worker")

LARGEST = MAX_MESSAGE - 1024 * 1024
"""Bytes of an answer, and of a payload that need not be deposited if it cannot be."""
_KEPT_SECONDS = 86_400.0
"""For what no outcome ends up naming."""
_TRIES = 3
_PATIENCE = 2.0


async def record(bus: Bus, outcome: Outcome, *, called: bool = False) -> None:
    """Hand over an outcome; on return the broker has it.

    `called`, or with a conversation, the ledger has dealt with it, too: what follows from it is there for who comes
    next. If the ledger does not say so in time, it will do that later.
    """
    outcome = await _light(bus, outcome)
    if (called or outcome.conversation is not None) and not outcome.superseded:
        with suppress(WarrenError):
            await bus.call(LEDGER_WRITE, outcome, timeout=5)
            return
    await confirm(bus, outcome)


async def confirm(bus: Bus, message: Message) -> None:
    """Hand a message to the ledger. It is tried for ever: until the broker has it, the job is not over.

    Raises:
        RequestTooLarge: the bus does not carry it.
    """
    pause = 0.1
    while True:
        with suppress(BusUnavailable, Overloaded):
            await bus.send(LEDGER_WRITE, message, timeout=30)
            return
        log.warning("the ledger's queue takes nothing", kind=message.kind)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 5)


async def register(bus: Bus, begun: Begun) -> None:
    """Have the ledger know of a call that is about to be made. If it cannot be told, the call is made all the same."""
    try:
        await bus.send(LEDGER_WRITE, begun, timeout=_PATIENCE)
    except WarrenError as error:
        log.warning("a call is not known to the ledger", response_id=begun.response_id, error=error.code)


async def _light(bus: Bus, outcome: Outcome) -> Outcome:
    """The outcome as the bus can carry it. Attempts do not share a blob: what they say differs."""
    if len(outcome.payload) <= INLINE:
        return outcome
    name, until = f"outcome-{outcome.attempt}", time() + _KEPT_SECONDS
    for _ in range(_TRIES):
        with suppress(LedgerUnavailable):
            blob = await deposit(bus, outcome.response_id, outcome.account, name, outcome.payload, until=until)
            return outcome.model_copy(update={"blob": blob, "payload": b""})
    if len(outcome.payload) + 2 * sum(map(len, outcome.kept.values())) <= LARGEST:
        return outcome
    log.warning("a response is too large to be stored", response_id=outcome.response_id)
    return outcome.model_copy(update={"store": False, "payload": b"", "split": 0, "kept": {}})
