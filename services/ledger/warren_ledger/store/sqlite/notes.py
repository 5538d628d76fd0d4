"""Notes in SQLite."""

from warren_ledger.store.notes import Note
from warren_ledger.store.sqlite.file import File

SETUP = """
CREATE TABLE IF NOT EXISTS notes (
    name TEXT PRIMARY KEY, version TEXT NOT NULL, body BLOB NOT NULL, expires REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS notes_expire ON notes (expires);
"""
_MAKE = """
INSERT INTO notes (name, version, body, expires) VALUES (:name, :version, :body, :until)
ON CONFLICT (name) DO UPDATE SET version = excluded.version, body = excluded.body, expires = excluded.expires
WHERE expires <= :now OR version = excluded.version
"""
_CHANGE = """
UPDATE notes SET version = :version, body = :body, expires = :until
WHERE name = :name AND version IN (:before, :version) AND expires > :now
"""
_NAMED = """
SELECT name, version, body, expires FROM notes
WHERE name >= :prefix AND name < :prefix || char(1114111) AND expires > :now ORDER BY name
"""


class SqliteNotes:
    """See `Notes`. Methods with a leading underscore run on the thread."""

    def __init__(self, file: File) -> None:
        self._file = file

    async def find(self, name: str) -> Note | None:
        return await self._file.run(self._find, name)

    async def replace(self, note: Note, version: str | None) -> bool:
        return await self._file.run(self._replace, note, version)

    async def named(self, prefix: str) -> list[Note]:
        return await self._file.run(self._named, prefix)

    def _find(self, name: str) -> Note | None:
        query = "SELECT name, version, body, expires FROM notes WHERE name = ? AND expires > ?"
        row = self._file.db.execute(query, (name, self._file.now())).fetchone()
        return None if row is None else Note(*row)

    def _replace(self, note: Note, version: str | None) -> bool:
        row = {
            "name": note.name,
            "version": note.version,
            "body": note.body,
            "until": note.until,
            "before": version,
            "now": self._file.now(),
        }
        with self._file.writing():
            return self._file.db.execute(_MAKE if version is None else _CHANGE, row).rowcount == 1

    def _named(self, prefix: str) -> list[Note]:
        rows = self._file.db.execute(_NAMED, {"prefix": prefix, "now": self._file.now()})
        return [Note(*row) for row in rows]

    # Inside a transaction of the store:

    def purge(self) -> None:
        self._file.db.execute("DELETE FROM notes WHERE expires <= ?", (self._file.now(),))
