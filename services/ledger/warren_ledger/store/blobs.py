"""Blobs: payloads that are too large for the bus, in pieces."""

import asyncio
from hashlib import sha256
from typing import Protocol

from warren.contracts import Blob, Deposit


class Blobs(Protocol):
    """Pieces of what belongs to a response and does not fit into one message. Errors are the store's."""

    async def deposit(self, piece: Deposit) -> None:
        """Keep a piece until the time it says. The same number again replaces it, unless a record is in it."""

    async def withdraw(self, response_id: str, account: str, name: str, number: int) -> bytes | None:
        """A piece; None if it is not there (any more)."""


async def content(blobs: Blobs, response_id: str, account: str, blob: Blob) -> bytes | None:
    """All that was deposited; None if it is not what it was."""
    pieces = [await blobs.withdraw(response_id, account, blob.name, number) for number in range(blob.pieces)]
    data = b"".join(piece or b"" for piece in pieces)
    same = (await asyncio.to_thread(sha256, data)).hexdigest() == blob.sha256
    return data if same else None
