"""Blobs in SQLite."""

from warren.contracts import Deposit
from warren_ledger.store.sqlite.file import File

SETUP = """
CREATE TABLE IF NOT EXISTS blobs (
    response_id TEXT NOT NULL, account TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL,
    held INTEGER NOT NULL DEFAULT 0,  -- a record is in it
    expires REAL NOT NULL, data BLOB NOT NULL, PRIMARY KEY (response_id, account, name, number)
);
CREATE INDEX IF NOT EXISTS blobs_expire ON blobs (expires);
"""
_DEPOSIT = """
INSERT INTO blobs (response_id, account, name, number, expires, data) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET data = excluded.data, expires = excluded.expires WHERE NOT held
"""
_WITHDRAW = """
SELECT data FROM blobs WHERE response_id = ? AND account = ? AND name = ? AND number = ? AND expires > ?
"""


class SqliteBlobs:
    """See `Blobs`. Methods with a leading underscore run on the thread."""

    def __init__(self, file: File) -> None:
        self._file = file

    async def deposit(self, piece: Deposit) -> None:
        await self._file.run(self._deposit, piece)

    async def withdraw(self, response_id: str, account: str, name: str, number: int) -> bytes | None:
        return await self._file.run(self._withdraw, response_id, account, name, number)

    def _deposit(self, piece: Deposit) -> None:
        row = (piece.response_id, piece.account, piece.name, piece.number, piece.until, piece.payload)
        with self._file.writing():
            self._file.db.execute(_DEPOSIT, row)

    def _withdraw(self, response_id: str, account: str, name: str, number: int) -> bytes | None:
        key = (response_id, account, name, number, self._file.now())
        row = self._file.db.execute(_WITHDRAW, key).fetchone()
        return None if row is None else row[0]

    def whole(self, response_id: str, account: str, name: str) -> bytes | None:
        """All pieces, for the store, on the thread."""
        query = "SELECT data FROM blobs WHERE response_id = ? AND account = ? AND name = ? ORDER BY number"
        pieces = self._file.db.execute(query, (response_id, account, name)).fetchall()
        return b"".join(data for (data,) in pieces) if pieces else None

    # Inside a transaction of the store:

    def hold(self, response_id: str, account: str, name: str, expires: float) -> None:
        """Keep a blob as it is, as long as the record that is in it."""
        query = "UPDATE blobs SET held = 1, expires = ? WHERE response_id = ? AND account = ? AND name = ?"
        self._file.db.execute(query, (expires, response_id, account, name))

    def forget(self, response_id: str, account: str) -> None:
        self._file.db.execute("DELETE FROM blobs WHERE response_id = ? AND account = ?", (response_id, account))

    def purge(self) -> None:
        self._file.db.execute("DELETE FROM blobs WHERE expires <= ?", (self._file.now(),))
