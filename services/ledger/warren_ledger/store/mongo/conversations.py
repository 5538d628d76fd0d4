"""Conversations in MongoDB, which has no transactions everywhere: items first, then one update that shows them.

A conversation's document counts how often it was held (`turn`). Items are written under the turn of their holder; they
are visible once `head` has reached it. A turn that ended without an end of its own is `void`: whatever its holder
writes still, late, is never seen. So nothing that is visible is ever written over or removed by somebody who is late.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from warren.errors import ContextLengthExceeded
from warren_ledger.store import MAX_HISTORY
from warren_ledger.store.conversations import BURIED, PAGE, REMEMBERED, Conversation, Entry, Stretch, UnknownCursor
from warren_ledger.store.mongo.reach import READ, WRITE, Document, index, insert, reaching

_PIECE = 8 * 1024 * 1024
"""Bytes of an item in one document: no document may be larger than 16 MB."""
_LAST = {"$slice": -REMEMBERED}


class MongoConversations:
    """See `Conversations`."""

    def __init__(self, database: Any, now: Callable[[], float]) -> None:
        self._conversations = database["conversations"]
        self._items = database["conversation_items"]
        self._now = now

    async def prepare(self) -> None:
        """Make the indexes. The order of items needs none: it is that of their ids."""
        await index(self._conversations, "expires", expireAfterSeconds=0)
        await index(self._items, [("account", 1), ("item_id", 1)])
        await index(self._conversations, [("account", 1), ("_id", 1)])

    async def open(self, conversation: Conversation, entries: Sequence[Entry]) -> Conversation | None:
        id_, account = conversation.conversation_id, conversation.account
        row: Document = {
            "_id": id_,
            "account": account,
            "created_at": conversation.created_at,
            "metadata": json.dumps(dict(conversation.metadata)),
            "turn": 0,
            "head": 0,
            "void": [],
            "holder": None,
            "gone": [],
        }
        with reaching(WRITE):
            if await self._conversations.find_one({"_id": id_}) is None:
                await insert(self._items, list(_written(id_, account, 0, entries)))
                await insert(self._conversations, [row])
        return await self.find(id_, account)

    async def find(self, conversation_id: str, account: str) -> Conversation | None:
        with reaching(READ):
            row = await self._row(conversation_id, account)
        return None if row is None else _read(row)

    async def of(self, account: str, *, limit: int, after: str | None = None) -> list[Conversation]:
        there: Document = {"account": account, "created_at": {"$exists": True}}  # a grave has none
        if after is not None:
            there["_id"] = {"$gt": after}
        with reaching(READ):
            return [_read(row) async for row in self._conversations.find(there).sort("_id", 1).limit(limit)]

    async def update(self, conversation_id: str, account: str, metadata: Mapping[str, str]) -> Conversation | None:
        text = json.dumps(dict(metadata))  # keys with dots and dollars stay what they are
        with reaching(WRITE):
            await self._conversations.update_one(_there(conversation_id, account), {"$set": {"metadata": text}})
        return await self.find(conversation_id, account)

    async def delete(self, conversation_id: str, account: str) -> bool:
        grave = {"account": account, "expires": datetime.fromtimestamp(self._now(), UTC) + BURIED}
        with reaching(WRITE):
            gone = await self._conversations.replace_one(_there(conversation_id, account), grave)
            if gone.modified_count or await self._conversations.find_one({"_id": conversation_id, "account": account}):
                await self._items.delete_many({"_id": _between(conversation_id)})
        return bool(gone.modified_count)

    async def enter(self, conversation_id: str, account: str, holder: str, until: float) -> bool | None:
        while True:
            with reaching(WRITE):
                row = await self._row(conversation_id, account)
                if row is None:
                    return None
                if holder in row["gone"]:
                    return True
                held = {"holder": holder, "until": until}
                if row["holder"] == holder:
                    change: Document = {"$set": held}
                elif row["holder"] is None:
                    change = {"$set": held, "$inc": {"turn": 1}}
                elif row["until"] <= self._now():
                    change = {"$set": held, "$inc": {"turn": 1}, "$push": {"void": row["turn"]}}
                else:
                    return False
                if await self._change(row, change):
                    return True

    async def leave(self, conversation_id: str, account: str, holder: str) -> None:
        while True:
            with reaching(WRITE):
                row = await self._row(conversation_id, account)
                if row is None or holder in row["gone"]:
                    return
                left: Document = {"$push": {"gone": {"$each": [holder], **_LAST}}}
                if row["holder"] == holder:
                    left["$push"]["void"] = row["turn"]
                    left["$set"] = {"holder": None}
                if await self._change(row, left):
                    return

    async def append(self, conversation_id: str, account: str, holder: str, entries: Sequence[Entry]) -> bool | None:
        written: list[Document] = []
        while True:
            with reaching(WRITE):
                row = await self._row(conversation_id, account)
                if row is not None and holder in row["gone"]:
                    return True
                if row is None or row["holder"] != holder:
                    if written:  # of no use to anybody
                        await self._items.delete_many({"_id": {"$in": [one["_id"] for one in written]}})
                    return None if row is None else False
                written = await self._new(row, entries)
                await insert(self._items, written)
                shown = {
                    "$set": {"holder": None, "head": row["turn"]},
                    "$push": {"gone": {"$each": [holder], **_LAST}},
                }
                if await self._change(row, shown):
                    return True

    async def _new(self, row: Document, entries: Sequence[Entry]) -> list[Document]:
        """The documents of those entries that are not there yet. Their ids are the same every time."""
        named = {"account": row["account"], "item_id": {"$in": [entry.item_id for entry in entries]}, **_seen(row)}
        known = set(await self._items.distinct("item_id", named)) if entries else set()
        return [
            document
            for document in _written(row["_id"], row["account"], row["turn"], entries)
            if document.get("item_id") not in known and document.get("of") not in known
        ]

    async def _change(self, row: Document, change: Document) -> bool:
        """Change a conversation if it is held as it was when this was read."""
        unchanged = {"_id": row["_id"], "turn": row["turn"], "holder": row["holder"], "expires": None}
        return bool((await self._conversations.update_one(unchanged, change)).matched_count)

    async def entries(
        self, conversation_id: str, account: str, *, limit: int, ascending: bool, after: str | None = None
    ) -> Stretch | None:
        with reaching(READ):
            row = await self._row(conversation_id, account)
            if row is None:
                return None
            where = _seen(row) | {"item_id": {"$ne": None}}
            if after is not None:
                passed = await self._items.find_one({"account": account, "item_id": after, **_seen(row)}, {"_id": 1})
                if passed is None:
                    raise UnknownCursor
                where["_id"] = where["_id"] | {"$gt" if ascending else "$lt": passed["_id"]}
            return await self._page(where, limit, ascending)

    async def _page(self, where: Document, limit: int, ascending: bool) -> Stretch:
        found: list[Entry] = []
        size = 0
        at_a_time = min(limit + 1, 16)  # each may be large
        cursor = self._items.find(where).sort("_id", 1 if ascending else -1).limit(limit + 1).batch_size(at_a_time)
        async for document in cursor:
            size += document["size"]
            if len(found) == limit or (found and size > PAGE):
                return Stretch(found, more=True)
            found.append(Entry(document["item_id"], await self._body(document)))
        return Stretch(found, more=False)

    async def entry(self, conversation_id: str, account: str, item_id: str) -> bytes | None:
        with reaching(READ):
            row = await self._row(conversation_id, account)
            if row is None:
                return None
            document = await self._items.find_one({"account": account, "item_id": item_id, **_seen(row)})
            return None if document is None else await self._body(document)

    async def remove(self, conversation_id: str, account: str, item_id: str) -> Conversation | None:
        with reaching(WRITE):
            row = await self._row(conversation_id, account)
            if row is None:
                return None
            document = await self._items.find_one({"account": account, "item_id": item_id, **_seen(row)}, {"_id": 1})
            if document is None:
                return None
            await self._items.delete_many({"_id": _rest(document)})
            gone = await self._items.delete_one({"_id": document["_id"]})
        return _read(row) if gone.deleted_count else None

    async def history(self, conversation_id: str, account: str) -> list[Entry] | None:
        found: list[Entry] = []
        size = 0
        with reaching(WRITE):  # as long as a large one takes
            row = await self._row(conversation_id, account)
            if row is None:
                return None
            async for document in self._items.find(_seen(row)).sort("_id", 1):
                if "of" in document:
                    found[-1] = found[-1]._replace(body=found[-1].body + document["body"])
                else:
                    found.append(Entry(document["item_id"], document["body"], document.get("kept")))
                size += len(document["body"]) + len(document.get("kept") or "")
                if size > MAX_HISTORY:
                    raise ContextLengthExceeded("The items of this conversation are too large together.")
        return found

    async def named(self, account: str, item_ids: Sequence[str]) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        with reaching(WRITE):
            asked = {"account": account, "item_id": {"$in": list(item_ids)}}
            ids = await self._items.distinct("conversation", asked)
            async for row in self._conversations.find({"_id": {"$in": ids}, "account": account, "expires": None}):
                async for document in self._items.find(asked | _seen(row)):
                    id_ = document["item_id"]
                    found[id_] = Entry(id_, await self._body(document), document.get("kept"))
        return found

    async def _row(self, conversation_id: str, account: str) -> Document | None:
        row: Document | None = await self._conversations.find_one(_there(conversation_id, account))
        return row

    async def _body(self, document: Document) -> bytes:
        """An item's JSON, put together if it is in pieces."""
        body: bytes = document["body"]
        if document["size"] == len(body):
            return body
        rest = self._items.find({"_id": _rest(document)}).sort("_id", 1)
        return body + b"".join([piece["body"] async for piece in rest])


def _there(conversation_id: str, account: str) -> Document:
    return {"_id": conversation_id, "account": account, "expires": None}


def _between(conversation_id: str, turn: int | None = None) -> Document:
    """Ids of the items of a conversation, those of this turn and before."""
    end = f"{conversation_id}/" if turn is None else f"{conversation_id}.{turn + 1:08x}"
    return {"$gt": f"{conversation_id}.", "$lt": end}


def _rest(item: Document) -> Document:
    """Ids of the further pieces of an item."""
    return {"$gt": f"{item['_id']}.", "$lt": f"{item['_id']}/"}


def _seen(row: Document) -> Document:
    """The items of a conversation that are visible."""
    return {"_id": _between(row["_id"], row["head"]), "turn": {"$nin": row["void"]}}


def _written(conversation_id: str, account: str, turn: int, entries: Sequence[Entry]) -> Iterator[Document]:
    seen: set[str] = set()
    for number, (item_id, body, kept) in enumerate(entries):
        if item_id in seen:
            continue
        seen.add(item_id)
        id_ = f"{conversation_id}.{turn:08x}.{number:06x}"
        pieces = [body[at : at + _PIECE] for at in range(0, len(body), _PIECE)]
        whose = {"conversation": conversation_id, "account": account, "turn": turn}
        beside = {} if kept is None else {"kept": kept}
        yield {"_id": id_, **whose, "item_id": item_id, "body": pieces[0], "size": len(body), **beside}
        for at, piece in enumerate(pieces[1:], 1):
            yield {"_id": f"{id_}.{at:04x}", **whose, "of": item_id, "body": piece}


def _read(row: Document) -> Conversation:
    return Conversation(row["_id"], row["account"], row["created_at"], json.loads(row["metadata"]))
