"""Blobs in MongoDB: a document per piece."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from warren.contracts import Deposit
from warren_ledger.store.mongo.reach import READ, WRITE, index, reaching


class MongoBlobs:
    """See `Blobs`."""

    def __init__(self, database: Any, now: Callable[[], float]) -> None:
        self._blobs = database["blobs"]
        self._now = now

    async def prepare(self) -> None:
        await index(self._blobs, "expires", expireAfterSeconds=0)

    async def deposit(self, piece: Deposit) -> None:
        name = _name(piece.response_id, piece.account, piece.name, piece.number)
        row = {
            "response_id": piece.response_id,
            "account": piece.account,
            "expires": datetime.fromtimestamp(piece.until, UTC),
            "data": piece.payload,
        }
        with reaching(WRITE), suppress(DuplicateKeyError):  # a record is in it
            await self._blobs.update_one({"_id": name, "held": {"$exists": False}}, {"$set": row}, upsert=True)

    async def withdraw(self, response_id: str, account: str, name: str, number: int) -> bytes | None:
        with reaching(READ):
            found = await self._blobs.find_one({"_id": _name(response_id, account, name, number)})
        if found is None or found["expires"].replace(tzinfo=UTC).timestamp() <= self._now():
            return None
        data: bytes = found["data"]
        return data

    async def whole(self, response_id: str, account: str, name: str) -> bytes | None:
        """All pieces."""
        prefix = _name(response_id, account, name)
        with reaching(WRITE):
            found = self._blobs.find({"_id": {"$gte": prefix, "$lt": prefix + ":"}}).sort("_id", 1)
            pieces = [piece["data"] async for piece in found]
        return b"".join(pieces) if pieces else None

    async def hold(self, response_id: str, account: str, name: str, expires: datetime) -> None:
        """Keep a blob as it is, as long as the record that is in it."""
        prefix = _name(response_id, account, name)
        change = {"$set": {"held": True, "expires": expires}}
        await self._blobs.update_many({"_id": {"$gte": prefix, "$lt": prefix + ":"}}, change)

    async def forget(self, response_id: str, account: str) -> None:
        prefix = f"{account}\0{response_id}\0"
        await self._blobs.delete_many({"_id": {"$gte": prefix, "$lt": prefix + "\x7f"}})


def _name(response_id: str, account: str, name: str, number: int | None = None) -> str:
    """The id of a piece, or how those of all pieces begin: what follows is digits."""
    return f"{account}\0{response_id}\0{name}\0" + ("" if number is None else f"{number:06d}")
