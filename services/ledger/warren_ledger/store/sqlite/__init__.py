# ruff: noqa: S608 - queries are put together from constants of this file; values are bound, always
"""The store in one file, for one process: SQLite on a thread of its own.

What belongs together is one transaction, and on disk when it is acknowledged: it survives kill -9 and power cuts.
"""

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from warren.contracts import Claim, Outcome, Recorded, UpstreamCall
from warren.errors import ContextLengthExceeded, LedgerUnavailable
from warren.settings import Complaint
from warren_ledger.history import walk
from warren_ledger.store import KEEP, KEEP_OPEN, MAX_HISTORY, MAX_TURNS, OPEN, Chain, Record
from warren_ledger.store.sqlite.file import File

_PURGE = 600.0
"""Seconds between two looks for what has expired."""

_SETUP = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS responses (
    response_id TEXT PRIMARY KEY, account TEXT NOT NULL, status TEXT NOT NULL, attempt TEXT NOT NULL,
    ended_at REAL, kept INTEGER, model TEXT, deployment TEXT, upstream_id TEXT, previous_response_id TEXT,
    created_at REAL, error TEXT, body BLOB, input BLOB, expires REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS responses_expire ON responses (expires);
CREATE TABLE IF NOT EXISTS costs (
    call_id TEXT PRIMARY KEY, response_id TEXT NOT NULL, account TEXT NOT NULL, attempt TEXT NOT NULL,
    call TEXT NOT NULL  -- JSON; money in it is text
);
CREATE INDEX IF NOT EXISTS costs_response ON costs (response_id);
"""
_COLUMNS = tuple(field.name for field in fields(Record))
_LEAN = tuple(name for name in _COLUMNS if name not in {"body", "input"})
_ENDED = f"response_id = :id AND account = :account AND status != '{OPEN}' AND expires > :now"
_PUT = f"""
INSERT INTO responses ({", ".join(_COLUMNS)}, expires) VALUES ({", ".join(f":{name}" for name in _COLUMNS)}, :expires)
ON CONFLICT (response_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in (*_COLUMNS, "expires"))}
WHERE status = '{OPEN}' AND account = excluded.account AND excluded.attempt IN (attempt, '')
"""
_CLAIM = f"""
INSERT INTO responses (response_id, account, status, attempt, expires)
VALUES (:response_id, :account, '{OPEN}', :attempt, :expires)
ON CONFLICT (response_id) DO UPDATE SET attempt = excluded.attempt, expires = excluded.expires
WHERE status = '{OPEN}' AND account = excluded.account
"""
# UNION drops what it has seen, so a circle ends; LIMIT ends what is too long.
_CHAIN = f"""
WITH RECURSIVE line (id, previous) AS (
    SELECT response_id, previous_response_id FROM responses WHERE {_ENDED}
    UNION
    SELECT response_id, previous_response_id FROM responses JOIN line ON response_id = previous
    WHERE account = :account AND status != '{OPEN}' AND expires > :now
    LIMIT {MAX_TURNS + 1}
)
SELECT {", ".join(_COLUMNS)} FROM line JOIN responses ON response_id = id
"""
_DELETE = f"""
UPDATE responses SET kept = 0, model = NULL, deployment = NULL, upstream_id = NULL, created_at = NULL, error = NULL,
    body = NULL, input = NULL
WHERE {_ENDED} AND kept
"""


class SqliteStore:
    """See `Store`. Methods with a leading underscore run on the thread."""

    def __init__(self, file: File, keep: timedelta) -> None:
        self._file = file
        self._keep = keep.total_seconds()
        self._purged = 0.0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: Path | str, *, keep: timedelta = KEEP, now: Callable[[], float] = time.time
    ) -> AsyncIterator[Self]:
        """A store in this file, which is made if it is not there.

        Raises:
            Complaint: this can be no file of ours.
        """
        with ThreadPoolExecutor(1, "ledger") as thread:
            file = File(thread, now)
            store = cls(file, keep)
            try:
                await file.run(store._open, str(path))
            except (sqlite3.DatabaseError, LedgerUnavailable):
                raise Complaint(f"{path} cannot be opened as a store of responses") from None
            try:
                yield store
            finally:
                await file.run(file.db.close)

    async def put(self, outcomes: Sequence[Outcome]) -> list[Recorded]:
        return await self._file.run(self._put, outcomes)

    async def claim(self, claim: Claim) -> Record | None:
        return await self._file.run(self._claim, claim)

    async def find(self, response_id: str, account: str, *, content: bool = False) -> Record | None:
        return await self._file.run(self._find, response_id, account, _COLUMNS if content else _LEAN)

    async def chain(self, response_id: str, account: str) -> Chain | None:
        return await self._file.run(self._chain, response_id, account)

    async def delete(self, response_id: str, account: str) -> bool | None:
        return await self._file.run(self._delete, response_id, account)

    async def calls(self, response_id: str, account: str) -> list[UpstreamCall]:
        return await self._file.run(self._calls, response_id, account)

    async def ping(self) -> None:
        await self._file.run(lambda: self._file.db.execute("SELECT 1"))

    def _open(self, path: str) -> None:
        self._file.open(path)
        self._file.db.executescript(_SETUP)
        with self._file.writing():
            self._purge()

    def _put(self, outcomes: Sequence[Outcome]) -> list[Recorded]:
        with self._file.writing():
            if self._file.now() > self._purged + _PURGE:
                self._purge()
            self._file.db.executemany(
                "INSERT INTO costs VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [
                    (call.call_id, outcome.response_id, outcome.account, outcome.attempt, call.model_dump_json())
                    for outcome in outcomes
                    for call in outcome.calls
                ],
            )
            return [self._record(outcome) for outcome in outcomes]

    def _record(self, outcome: Outcome) -> Recorded:
        if outcome.superseded:
            return Recorded(won=False, status=OPEN)
        record = Record.of(outcome)
        values = {name: getattr(record, name) for name in _COLUMNS}
        if self._file.db.execute(_PUT, {**values, "expires": self._file.now() + self._keep}).rowcount:
            return Recorded(won=True, status=outcome.status)
        account, attempt, status, ended_at = self._file.db.execute(
            "SELECT account, attempt, status, ended_at FROM responses WHERE response_id = ?", (outcome.response_id,)
        ).fetchone()
        ours = (outcome.account, outcome.attempt, outcome.status, outcome.ended_at)
        return Recorded(won=(account, attempt, status, ended_at) == ours, status=status)

    def _claim(self, claim: Claim) -> Record | None:
        row = {**claim.model_dump(), "expires": self._file.now() + KEEP_OPEN.total_seconds()}
        with self._file.writing():
            if self._file.db.execute(_CLAIM, row).rowcount:
                return None
        return self._find(claim.response_id, claim.account, _COLUMNS)

    def _find(self, response_id: str, account: str, columns: tuple[str, ...]) -> Record | None:
        query = f"SELECT {', '.join(columns)} FROM responses WHERE {_ENDED}"
        row = self._file.db.execute(query, self._key(response_id, account)).fetchone()
        return _read(columns, row) if row else None

    def _chain(self, response_id: str, account: str) -> Chain | None:
        records: dict[str, Record] = {}
        size = 0
        for row in self._file.db.execute(_CHAIN, self._key(response_id, account)):
            record = _read(_COLUMNS, row)
            records[record.response_id] = record
            size += len(record.body or b"") + len(record.input or b"")
            if len(records) > MAX_TURNS:
                raise ContextLengthExceeded(f"There are more than {MAX_TURNS} responses before this one.")
            if size > MAX_HISTORY:
                raise ContextLengthExceeded("The responses before this one are too large together.")
        if not records:
            return None
        previous = {record.response_id: record.previous_response_id for record in records.values()}
        return Chain.of(walk(response_id, previous), records)

    def _delete(self, response_id: str, account: str) -> bool | None:
        with self._file.writing():
            if self._file.db.execute(_DELETE, self._key(response_id, account)).rowcount:
                return True
        return None if self._find(response_id, account, _LEAN) is None else False

    def _calls(self, response_id: str, account: str) -> list[UpstreamCall]:
        rows = self._file.db.execute(
            "SELECT call FROM costs WHERE response_id = ? AND account = ? ORDER BY call_id", (response_id, account)
        )
        return [UpstreamCall.model_validate_json(call) for (call,) in rows]

    def _purge(self) -> None:
        self._purged = self._file.now()
        self._file.db.execute("DELETE FROM responses WHERE expires <= ?", (self._purged,))

    def _key(self, response_id: str, account: str) -> dict[str, Any]:
        return {"id": response_id, "account": account, "now": self._file.now()}


def _read(columns: tuple[str, ...], row: tuple[Any, ...]) -> Record:
    values = dict(zip(columns, row, strict=True))
    return Record(**{**values, "kept": bool(values["kept"])})
