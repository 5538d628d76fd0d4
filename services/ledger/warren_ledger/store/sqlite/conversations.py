# ruff: noqa: S608 - queries are put together from constants of this file; values are bound, always
"""Conversations in SQLite: every change is one transaction, so nothing half done is ever there."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from warren.errors import ContextLengthExceeded
from warren_ledger.store import MAX_HISTORY
from warren_ledger.store.conversations import BURIED, PAGE, REMEMBERED, Conversation, Entry, Stretch, UnknownCursor
from warren_ledger.store.sqlite.file import File

SETUP = """
CREATE TABLE IF NOT EXISTS conversations (
    conversation_id TEXT PRIMARY KEY, account TEXT NOT NULL, created_at REAL NOT NULL, metadata TEXT NOT NULL,
    holder TEXT, until REAL, gone TEXT NOT NULL,  -- JSON: who held it last, and left
    buried REAL  -- deleted; until then it cannot be made again
);
CREATE INDEX IF NOT EXISTS conversations_account ON conversations (account, conversation_id);
CREATE INDEX IF NOT EXISTS conversations_buried ON conversations (buried) WHERE buried IS NOT NULL;
CREATE TABLE IF NOT EXISTS conversation_items (
    place INTEGER PRIMARY KEY AUTOINCREMENT, conversation_id TEXT NOT NULL, account TEXT NOT NULL,
    item_id TEXT NOT NULL, body BLOB NOT NULL, kept TEXT
);
CREATE INDEX IF NOT EXISTS conversation_items_order ON conversation_items (conversation_id, place);
CREATE UNIQUE INDEX IF NOT EXISTS conversation_items_id ON conversation_items (account, item_id, conversation_id);
"""
_THERE = "conversation_id = :id AND account = :account AND buried IS NULL"


class SqliteConversations:
    """See `Conversations`. Methods with a leading underscore run on the thread."""

    def __init__(self, file: File) -> None:
        self._file = file

    async def open(self, conversation: Conversation, entries: Sequence[Entry]) -> Conversation | None:
        return await self._file.run(self._open, conversation, entries)

    async def find(self, conversation_id: str, account: str) -> Conversation | None:
        return await self._file.run(self._find, conversation_id, account)

    async def of(self, account: str, *, limit: int, after: str | None = None) -> list[Conversation]:
        return await self._file.run(self._of, account, limit, after or "")

    async def update(self, conversation_id: str, account: str, metadata: Mapping[str, str]) -> Conversation | None:
        return await self._file.run(self._update, conversation_id, account, metadata)

    async def delete(self, conversation_id: str, account: str) -> bool:
        return await self._file.run(self._delete, conversation_id, account)

    async def enter(self, conversation_id: str, account: str, holder: str, until: float) -> bool | None:
        return await self._file.run(self._enter, conversation_id, account, holder, until)

    async def leave(self, conversation_id: str, account: str, holder: str) -> None:
        await self._file.run(self._leave, conversation_id, account, holder)

    async def append(self, conversation_id: str, account: str, holder: str, entries: Sequence[Entry]) -> bool | None:
        return await self._file.run(self._append, conversation_id, account, holder, entries)

    async def entries(
        self, conversation_id: str, account: str, *, limit: int, ascending: bool, after: str | None = None
    ) -> Stretch | None:
        return await self._file.run(self._entries, conversation_id, account, limit, ascending, after)

    async def entry(self, conversation_id: str, account: str, item_id: str) -> bytes | None:
        return await self._file.run(self._entry, conversation_id, account, item_id)

    async def remove(self, conversation_id: str, account: str, item_id: str) -> Conversation | None:
        return await self._file.run(self._remove, conversation_id, account, item_id)

    async def history(self, conversation_id: str, account: str) -> list[Entry] | None:
        return await self._file.run(self._history, conversation_id, account)

    async def named(self, account: str, item_ids: Sequence[str]) -> dict[str, Entry]:
        return await self._file.run(self._named, account, item_ids)

    def _open(self, conversation: Conversation, entries: Sequence[Entry]) -> Conversation | None:
        id_, account = conversation.conversation_id, conversation.account
        row = (id_, account, conversation.created_at, json.dumps(dict(conversation.metadata)), "[]")
        with self._file.writing():
            self._file.db.execute("DELETE FROM conversations WHERE buried <= ?", (self._file.now(),))
            made = self._file.db.execute(
                "INSERT INTO conversations (conversation_id, account, created_at, metadata, gone)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                row,
            )
            if made.rowcount:
                self._write(id_, account, entries)
        return self._find(id_, account)

    def _find(self, conversation_id: str, account: str) -> Conversation | None:
        query = f"SELECT created_at, metadata FROM conversations WHERE {_THERE}"
        row = self._file.db.execute(query, {"id": conversation_id, "account": account}).fetchone()
        return Conversation(conversation_id, account, row[0], json.loads(row[1])) if row else None

    def _of(self, account: str, limit: int, after: str) -> list[Conversation]:
        query = """
        SELECT conversation_id, created_at, metadata FROM conversations
        WHERE account = ? AND buried IS NULL AND conversation_id > ? ORDER BY conversation_id LIMIT ?
        """
        rows = self._file.db.execute(query, (account, after, limit))
        return [Conversation(id_, account, created_at, json.loads(metadata)) for id_, created_at, metadata in rows]

    def _update(self, conversation_id: str, account: str, metadata: Mapping[str, str]) -> Conversation | None:
        given = {"id": conversation_id, "account": account, "metadata": json.dumps(dict(metadata))}
        with self._file.writing():
            self._file.db.execute(f"UPDATE conversations SET metadata = :metadata WHERE {_THERE}", given)
        return self._find(conversation_id, account)

    def _delete(self, conversation_id: str, account: str) -> bool:
        buried = self._file.now() + BURIED.total_seconds()
        with self._file.writing():
            gone = self._file.db.execute(
                f"UPDATE conversations SET metadata = '{{}}', holder = NULL, buried = :buried WHERE {_THERE}",
                {"id": conversation_id, "account": account, "buried": buried},
            )
            if gone.rowcount:
                self._file.db.execute("DELETE FROM conversation_items WHERE conversation_id = ?", (conversation_id,))
        return bool(gone.rowcount)

    def _enter(self, conversation_id: str, account: str, holder: str, until: float) -> bool | None:
        with self._file.writing():
            found = self._held(conversation_id, account)
            if found is None:
                return None
            holds, expires, gone = found
            if holder in gone:
                return True
            if holds not in {None, holder} and expires > self._file.now():
                return False
            self._file.db.execute(
                "UPDATE conversations SET holder = ?, until = ? WHERE conversation_id = ?",
                (holder, until, conversation_id),
            )
            return True

    def _leave(self, conversation_id: str, account: str, holder: str) -> None:
        with self._file.writing():
            found = self._held(conversation_id, account)
            if found is not None and holder not in found[2]:
                self._free(conversation_id, holder, found)

    def _append(self, conversation_id: str, account: str, holder: str, entries: Sequence[Entry]) -> bool | None:
        with self._file.writing():
            found = self._held(conversation_id, account)
            if found is None:
                return None
            holds, _, gone = found
            if holder in gone:
                return True
            if holds != holder:
                return False
            self._write(conversation_id, account, entries)
            self._free(conversation_id, holder, found)
            return True

    def _held(self, conversation_id: str, account: str) -> tuple[str | None, float, list[str]] | None:
        """Who holds it, until when, and who has left it."""
        query = f"SELECT holder, until, gone FROM conversations WHERE {_THERE}"
        row = self._file.db.execute(query, {"id": conversation_id, "account": account}).fetchone()
        return (row[0], row[1] or 0.0, json.loads(row[2])) if row else None

    def _free(self, conversation_id: str, holder: str, found: tuple[str | None, float, list[str]]) -> None:
        holds, _, gone = found
        self._file.db.execute(
            "UPDATE conversations SET holder = ?, gone = ? WHERE conversation_id = ?",
            (None if holds == holder else holds, json.dumps([*gone, holder][-REMEMBERED:]), conversation_id),
        )

    def _write(self, conversation_id: str, account: str, entries: Sequence[Entry]) -> None:
        self._file.db.executemany(
            "INSERT INTO conversation_items (conversation_id, account, item_id, body, kept)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(conversation_id, account, *entry) for entry in entries],
        )

    def _entries(
        self, conversation_id: str, account: str, limit: int, ascending: bool, after: str | None
    ) -> Stretch | None:
        if self._find(conversation_id, account) is None:
            return None
        given: dict[str, Any] = {"id": conversation_id, "limit": limit + 1}
        where, order = "conversation_id = :id", "ASC" if ascending else "DESC"
        if after is not None:
            row = self._place(conversation_id, account, after)
            if row is None:
                raise UnknownCursor
            given["place"] = row[0]
            where += f" AND place {'>' if ascending else '<'} :place"
        query = f"SELECT item_id, body FROM conversation_items WHERE {where} ORDER BY place {order} LIMIT :limit"
        found: list[Entry] = []
        size = 0
        for item_id, body in self._file.db.execute(query, given):
            size += len(body)
            if len(found) == limit or (found and size > PAGE):
                return Stretch(found, more=True)
            found.append(Entry(item_id, body))
        return Stretch(found, more=False)

    def _entry(self, conversation_id: str, account: str, item_id: str) -> bytes | None:
        row = self._place(conversation_id, account, item_id)
        return row[1] if row else None

    def _place(self, conversation_id: str, account: str, item_id: str) -> tuple[int, bytes] | None:
        row: tuple[int, bytes] | None = self._file.db.execute(
            "SELECT place, body FROM conversation_items WHERE account = ? AND item_id = ? AND conversation_id = ?",
            (account, item_id, conversation_id),
        ).fetchone()
        return row

    def _remove(self, conversation_id: str, account: str, item_id: str) -> Conversation | None:
        with self._file.writing():
            gone = self._file.db.execute(
                "DELETE FROM conversation_items WHERE account = ? AND item_id = ? AND conversation_id = ?",
                (account, item_id, conversation_id),
            )
        return self._find(conversation_id, account) if gone.rowcount else None

    def _history(self, conversation_id: str, account: str) -> list[Entry] | None:
        if self._find(conversation_id, account) is None:
            return None
        found: list[Entry] = []
        size = 0
        query = "SELECT item_id, body, kept FROM conversation_items WHERE conversation_id = ? ORDER BY place"
        for row in self._file.db.execute(query, (conversation_id,)):
            found.append(Entry(*row))
            size += len(row[1]) + len(row[2] or "")
            if size > MAX_HISTORY:
                raise ContextLengthExceeded("The items of this conversation are too large together.")
        return found

    def _named(self, account: str, item_ids: Sequence[str]) -> dict[str, Entry]:
        query = (
            "SELECT item_id, body, kept FROM conversation_items"
            " WHERE account = ? AND item_id IN (SELECT value FROM json_each(?)) ORDER BY place"
        )
        return {row[0]: Entry(*row) for row in self._file.db.execute(query, (account, json.dumps(item_ids)))}
