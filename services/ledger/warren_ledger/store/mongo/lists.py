"""Lists of responses in MongoDB."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from warren.contracts import ListResponses
from warren_ledger.store.lists import PAGE, Listed, span
from warren_ledger.store.mongo.reach import READ, Document, index, reaching, settle
from warren_ledger.store.runs import RUNNING, pairs

_PRESENT = {"metadata": [("_id", 1)], "conversation": [("_id", 1)], "item_ids": []}
"""Fields that many responses lack: only who has one is in its index. What it ends with is the order of lists."""


class MongoLists:
    """See `Lists`."""

    def __init__(self, database: Any, now: Callable[[], float]) -> None:
        self._responses = database["responses"]
        self._now = now

    async def prepare(self) -> None:
        """Make the indexes. Each costs those responses something that are in it, so most are in few."""
        await index(self._responses, [("account", 1), ("_id", 1)])
        await index(self._responses, [("account", 1), ("model", 1), ("_id", 1)])
        for name, order in _PRESENT.items():
            there = {name: {"$exists": True}}
            await index(self._responses, [("account", 1), (name, 1), *order], partialFilterExpression=there)
        for side in ("$lt", "$gt"):  # not completed
            await index(
                self._responses,
                [("account", 1), ("status", 1), ("_id", 1)],
                name=f"status_{side[1:]}_completed",
                partialFilterExpression={"status": {side: "completed"}},
            )

    async def responses(self, asked: ListResponses) -> tuple[list[Listed], bool]:
        found: list[Listed] = []
        size = 0
        with reaching(READ):
            cursor = self._responses.find(self._wanted(asked), {"body": True, "status": True})
            cursor = cursor.sort("_id", 1 if asked.ascending else -1).limit(asked.limit + 1)
            async for row in cursor.batch_size(min(asked.limit + 1, 16)):  # each may be large
                size += len(row.get("body") or b"")
                if len(found) == asked.limit or (found and size > PAGE):
                    return found, True
                found.append(Listed(row["_id"], None if row["status"] in RUNNING else row.get("body")))
        return found, False

    async def holders(self, account: str, item_ids: Sequence[str]) -> dict[str, str]:
        wanted = {"item_ids": {"$in": list(item_ids)}}
        steps: list[Document] = [
            {"$match": self._seen(account) | wanted},
            {"$project": {"item_ids": True}},
            {"$unwind": "$item_ids"},
            {"$match": wanted},
            {"$group": {"_id": "$item_ids", "newest": {"$max": "$_id"}}},
        ]
        with reaching(READ):
            found = await settle(self._responses.aggregate(steps))
            return {row["_id"]: row["newest"] async for row in found}

    async def beside(self, account: str, item_ids: Sequence[str]) -> dict[str, str | None]:
        wanted, found = set(item_ids), dict[str, str | None]()
        with reaching(READ):
            cursor = self._responses.find(
                self._seen(account) | {"item_ids": {"$in": list(wanted)}}, {"item_ids": True, "beside": True}
            )
            async for row in cursor.sort("_id", 1):
                kept = from_json(row["beside"]) if "beside" in row else {}
                found |= {id_: kept.get(id_) for id_ in row["item_ids"] if id_ in wanted}
        return found

    def _wanted(self, asked: ListResponses) -> Document:
        oldest, newest = span(asked)
        bounds: dict[str, Document] = {
            "_id": {"$gte": oldest, "$lte": newest, "$gt" if asked.ascending else "$lt": asked.after},
            "created_at": {"$gte": asked.created_after, "$lt": asked.created_before},
        }
        given = {name: value for name in ("model", "conversation") if (value := getattr(asked, name)) is not None}
        wanted = self._seen(asked.account) | given
        for name, tests in bounds.items():
            if tests := {test: value for test, value in tests.items() if value is not None}:
                wanted[name] = tests
        if asked.metadata:
            wanted["metadata"] = {"$all": pairs(asked.metadata)}
        if asked.status is not None:
            wanted["status"] = asked.status
        return wanted

    def _seen(self, account: str) -> Document:
        return {
            "account": account,
            "kept": True,
            "$or": [{"status": {"$nin": list(RUNNING)}}, {"background": True}],
            "expires": {"$gt": datetime.fromtimestamp(self._now(), UTC)},
        }
