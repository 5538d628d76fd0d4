"""Entries in SQLite."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json, to_json

from warren_ledger.store.entries import Entry, Shelf
from warren_ledger.store.sqlite.file import File

SETUP = """
CREATE TABLE IF NOT EXISTS entries (
    shelf TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, account TEXT NOT NULL, due REAL,
    state TEXT NOT NULL,  -- JSON; money in it is text
    PRIMARY KEY (shelf, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_due ON entries (shelf, due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS entries_account ON entries (shelf, account, id);
CREATE TABLE IF NOT EXISTS entry_names (
    shelf TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (shelf, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_names_of ON entry_names (shelf, id);
"""
_SELECT = "SELECT id, version, account, due, state FROM entries WHERE shelf = :shelf"
_NAMED = "SELECT id FROM entry_names WHERE shelf = ? AND name = ?"
_NAMES = "SELECT name FROM entry_names WHERE shelf = ? AND id = ? ORDER BY place"
_INSERT = "INSERT INTO entries (shelf, id, version, account, due, state) VALUES (?, ?, 0, ?, ?, ?)"
_REPLACE = "UPDATE entries SET version = ?, account = ?, due = ?, state = ? WHERE shelf = ? AND id = ? AND version = ?"
_PAGE = " AND (:account IS NULL OR account = :account) AND (:after IS NULL OR id > :after) ORDER BY id LIMIT :limit"
_SOME = 100


class SqliteEntries:
    """See `Entries`. Methods with a leading underscore run on the thread."""

    def __init__(self, file: File) -> None:
        self._file = file

    async def find(self, shelf: Shelf, id_: str) -> Entry | None:
        return await self._file.run(self._find, shelf, id_)

    async def named(self, shelf: Shelf, names: Sequence[str]) -> Entry | None:
        return await self._file.run(self._named, shelf, names)

    async def some(self, shelf: Shelf, ids: Sequence[str]) -> list[Entry]:
        return [entry for id_ in ids if (entry := await self.find(shelf, id_)) is not None]

    async def put(self, entry: Entry) -> bool:
        return await self._file.run(self._put, entry)

    async def remove(self, shelf: Shelf, id_: str) -> bool:
        return await self._file.run(self._remove, shelf, id_)

    async def page(
        self, shelf: Shelf, *, account: str | None = None, after: str | None = None, limit: int = 100
    ) -> list[Entry]:
        return await self._file.run(self._select, shelf, _PAGE, {"account": account, "after": after, "limit": limit})

    async def any(self, shelf: Shelf) -> bool:
        return bool(await self._file.run(self._select, shelf, " LIMIT 1", {}))

    async def due(self, shelf: Shelf, before: float) -> list[Entry]:
        return await self._file.run(self._select, shelf, f" AND due < :due ORDER BY due LIMIT {_SOME}", {"due": before})

    def _select(self, shelf: Shelf, which: str, values: dict[str, Any]) -> list[Entry]:
        rows = self._file.db.execute(_SELECT + which, {"shelf": shelf, **values}).fetchall()
        return [self._read(shelf, *row) for row in rows]

    def _find(self, shelf: Shelf, id_: str) -> Entry | None:
        return next(iter(self._select(shelf, " AND id = :id", {"id": id_})), None)

    def _named(self, shelf: Shelf, names: Sequence[str]) -> Entry | None:
        for name in names:
            if (row := self._file.db.execute(_NAMED, (shelf, name)).fetchone()) is not None:
                return self._find(shelf, row[0])
        return None

    def _put(self, entry: Entry) -> bool:
        state = to_json(entry.state).decode()
        try:
            with self._file.writing():
                if entry.version == 0:
                    self._file.db.execute(_INSERT, (entry.shelf, entry.id, entry.account, entry.due, state))
                else:
                    row = (entry.version, entry.account, entry.due, state, entry.shelf, entry.id, entry.version - 1)
                    if not self._file.db.execute(_REPLACE, row).rowcount:
                        return False
                self._name(entry)
        except sqlite3.IntegrityError:  # nothing of it is there
            return False
        return True

    def _name(self, entry: Entry) -> None:
        self._file.db.execute("DELETE FROM entry_names WHERE shelf = ? AND id = ?", (entry.shelf, entry.id))
        names = [(entry.shelf, name, entry.id, place) for place, name in enumerate(entry.names)]
        self._file.db.executemany("INSERT INTO entry_names (shelf, name, id, place) VALUES (?, ?, ?, ?)", names)

    def _remove(self, shelf: Shelf, id_: str) -> bool:
        with self._file.writing():
            self._file.db.execute("DELETE FROM entry_names WHERE shelf = ? AND id = ?", (shelf, id_))
            return bool(self._file.db.execute("DELETE FROM entries WHERE shelf = ? AND id = ?", (shelf, id_)).rowcount)

    def _read(self, shelf: Shelf, id_: str, version: int, account: str, due: float | None, state: str) -> Entry:
        names = tuple(name for (name,) in self._file.db.execute(_NAMES, (shelf, id_)))
        return Entry(
            shelf=shelf, id=id_, version=version, account=account, due=due, state=from_json(state), names=names
        )
