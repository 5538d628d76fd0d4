"""Entries in MongoDB: a collection per shelf. Names are unique in it, by an index over the array that they are in."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, get_args

from bson.decimal128 import Decimal128
from pymongo.errors import DuplicateKeyError

from warren_ledger.store.entries import Entry, Shelf
from warren_ledger.store.mongo.documents import exact
from warren_ledger.store.mongo.reach import READ, WRITE, Document, index, reaching

_SOME = 100


class MongoEntries:
    """See `Entries`."""

    def __init__(self, database: Any) -> None:
        self._shelves = {shelf: database[shelf] for shelf in get_args(Shelf)}

    async def prepare(self) -> None:
        for shelf in self._shelves.values():
            await index(shelf, "names", unique=True, partialFilterExpression={"names": {"$exists": True}})
            await index(shelf, "due", partialFilterExpression={"due": {"$exists": True}})
        await index(self._shelves["virtual_keys"], [("account", 1), ("_id", 1)])

    async def find(self, shelf: Shelf, id_: str) -> Entry | None:
        with reaching(READ):
            found = await self._shelves[shelf].find_one({"_id": id_})
        return None if found is None else _read(shelf, found)

    async def named(self, shelf: Shelf, names: Sequence[str]) -> Entry | None:
        with reaching(READ):
            found = await self._shelves[shelf].find_one({"names": {"$in": list(names)}})
        return None if found is None else _read(shelf, found)

    async def some(self, shelf: Shelf, ids: Sequence[str]) -> list[Entry]:
        with reaching(READ):
            found = self._shelves[shelf].find({"_id": {"$in": list(ids)}})
            return [_read(shelf, document) async for document in found] if ids else []

    async def put(self, entry: Entry) -> bool:
        written, documents = _written(entry), self._shelves[entry.shelf]
        with reaching(WRITE):
            try:
                if entry.version == 0:
                    await documents.insert_one(written)
                    return True
                before = {"_id": entry.id, "version": entry.version - 1}
                if (await documents.replace_one(before, written)).matched_count:
                    return True
            except DuplicateKeyError:
                pass
            there = await documents.find_one({"_id": entry.id})
        return bool(there == written)  # it was before, though it seemed to fail

    async def remove(self, shelf: Shelf, id_: str) -> bool:
        with reaching(WRITE):
            return bool((await self._shelves[shelf].delete_one({"_id": id_})).deleted_count)

    async def page(
        self, shelf: Shelf, *, account: str | None = None, after: str | None = None, limit: int = 100
    ) -> list[Entry]:
        wanted: Document = {} if after is None else {"_id": {"$gt": after}}
        if account is not None:
            wanted["account"] = account
        with reaching(READ):
            found = self._shelves[shelf].find(wanted).sort("_id", 1).limit(limit)
            return [_read(shelf, document) async for document in found]

    async def any(self, shelf: Shelf) -> bool:
        with reaching(READ):
            return await self._shelves[shelf].find_one({}, {"_id": True}) is not None

    async def due(self, shelf: Shelf, before: float) -> list[Entry]:
        with reaching(READ):
            found = self._shelves[shelf].find({"due": {"$lt": before}}).sort("due", 1).limit(_SOME)
            return [_read(shelf, document) async for document in found]


def _written(entry: Entry) -> Document:
    document = {"_id": entry.id, "version": entry.version, "account": entry.account, "state": _money(entry.state)}
    if entry.names:
        document["names"] = list(entry.names)
    if entry.due is not None:
        document["due"] = entry.due
    return document


def _read(shelf: Shelf, document: Document) -> Entry:
    return Entry(
        shelf=shelf,
        id=document["_id"],
        version=document["version"],
        account=document["account"],
        state=_plain(document["state"]),
        names=tuple(document.get("names", ())),
        due=document.get("due"),
    )


def _money(value: Any) -> Any:
    match value:
        case Decimal():
            return exact(value)
        case dict():
            return {name: _money(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_money(inner) for inner in value]
        case _:
            return value


def _plain(value: Any) -> Any:
    match value:
        case Decimal128():
            return value.to_decimal()
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case _:
            return value
