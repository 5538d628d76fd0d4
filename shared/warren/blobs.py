"""Claim check: a payload that the bus does not carry waits in the ledger's store, and the message says where."""

import asyncio
from hashlib import sha256

from warren.bus import LEDGER_ASK, LEDGER_WRITE, Bus
from warren.contracts import Blob, Deposit, Fetched, Withdraw
from warren.errors import LedgerUnavailable, WarrenError

INLINE = 8 * 1024 * 1024
"""Bytes that travel in a message."""
_PIECE = 4 * 1024 * 1024
_PATIENCE = 15.0


async def deposit(bus: Bus, response_id: str, account: str, name: str, data: bytes, *, until: float) -> Blob:
    """Bring these bytes to the ledger; on return it has them. The same call again changes nothing.

    Raises:
        LedgerUnavailable: it does not answer, or cannot reach its store.
    """
    pieces = range(0, len(data), _PIECE)
    for number, at in enumerate(pieces):
        piece = data[at : at + _PIECE]
        message = Deposit(
            response_id=response_id, account=account, name=name, number=number, until=until, payload=piece
        )
        try:
            await bus.call(LEDGER_WRITE, message, timeout=_PATIENCE)
        except WarrenError:
            raise LedgerUnavailable("A large request cannot be kept at the moment.", retry_after=2) from None
    digest = await asyncio.to_thread(sha256, data)
    return Blob(name=name, size=len(data), sha256=digest.hexdigest(), pieces=len(pieces))


async def withdraw(bus: Bus, response_id: str, account: str, blob: Blob) -> bytes:
    """The bytes that were deposited.

    Raises:
        LedgerUnavailable: it does not answer, cannot reach its store, or does not have them (any more).
    """
    pieces = []
    for number in range(blob.pieces):
        question = Withdraw(response_id=response_id, account=account, name=blob.name, number=number)
        try:
            answer = await bus.call(LEDGER_ASK, question, timeout=_PATIENCE)
        except WarrenError:
            raise LedgerUnavailable("A large request cannot be read at the moment.", retry_after=2) from None
        assert isinstance(answer, Fetched)
        pieces.append(answer.payload)
    data = b"".join(pieces)
    if (await asyncio.to_thread(sha256, data)).hexdigest() != blob.sha256:
        raise LedgerUnavailable("A large request is not kept any more.")
    return data
