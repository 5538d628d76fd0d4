"""Notes in MongoDB: a document per name."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from warren_ledger.store.mongo.reach import READ, WRITE, Document, index, reaching
from warren_ledger.store.notes import Note


class MongoNotes:
    """See `Notes`."""

    def __init__(self, database: Any, now: Callable[[], float]) -> None:
        self._notes = database["notes"]
        self._now = now

    async def prepare(self) -> None:
        await index(self._notes, "expires", expireAfterSeconds=0)

    async def find(self, name: str) -> Note | None:
        with reaching(READ):
            found = await self._notes.find_one({"_id": name, "expires": {"$gt": self._date()}})
        return None if found is None else _read(found)

    async def replace(self, note: Note, version: str | None) -> bool:
        row = {"version": note.version, "body": note.body, "until": note.until, "expires": _date(note.until)}
        if version is None:
            free: Document = {"_id": note.name, "$or": [{"expires": {"$lte": self._date()}}, {"version": note.version}]}
        else:
            versions = {"$in": [version, note.version]}
            free = {"_id": note.name, "version": versions, "expires": {"$gt": self._date()}}
        with reaching(WRITE):
            try:
                written = await self._notes.update_one(free, {"$set": row}, upsert=version is None)
            except DuplicateKeyError:
                return False
        return bool(written.matched_count) or written.upserted_id is not None

    async def named(self, prefix: str) -> list[Note]:
        wanted = {"_id": {"$gte": prefix, "$lt": prefix + "\U0010ffff"}, "expires": {"$gt": self._date()}}
        with reaching(READ):
            return [_read(found) async for found in self._notes.find(wanted).sort("_id", 1)]

    def _date(self) -> datetime:
        return _date(self._now())


def _date(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _read(found: Document) -> Note:
    return Note(found["_id"], found["version"], found["body"], found["until"])
