# ruff: noqa: S608 - queries are put together from constants of this file; values are bound, always
"""The store in one file, for one process or several on one machine: SQLite on a thread of its own.

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

from pydantic_core import to_json

from warren.contracts import Blob, Claim, Outcome, Recorded, UpstreamCall
from warren.errors import ContextLengthExceeded, LedgerUnavailable
from warren.settings import Complaint
from warren_ledger.history import walk
from warren_ledger.store import KEEP, KEEP_OPEN, MAX_HISTORY, MAX_TURNS, OPEN, Chain, Record, known
from warren_ledger.store.runs import QUEUED, pairs
from warren_ledger.store.sqlite import blobs, charges, conversations, entries, lists, notes, runs
from warren_ledger.store.sqlite.file import File
from warren_ledger.tallies import day

_PURGE = 600.0
"""Seconds between two looks for what has expired."""

_SETUP = """
BEGIN IMMEDIATE;  -- several processes may make the file at once
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
CREATE TABLE IF NOT EXISTS response_metadata (
    pair TEXT NOT NULL, response_id TEXT NOT NULL, PRIMARY KEY (pair, response_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS response_metadata_of ON response_metadata (response_id);
CREATE TABLE IF NOT EXISTS response_items (
    item_id TEXT NOT NULL, response_id TEXT NOT NULL, PRIMARY KEY (item_id, response_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS response_items_of ON response_items (response_id);
"""
_LATER: dict[str, dict[str, str]] = {
    "responses": {
        "background": "INTEGER", "conversation": "TEXT", "blob": "TEXT", "split": "INTEGER", "beside": "TEXT",
        **runs.COLUMNS,
    },
    "conversation_items": {"kept": "TEXT"},
    "costs": {"key": "TEXT", "end_user": "TEXT", "tags": "TEXT", "day": "TEXT", "uncounted": "INTEGER"},
    **charges.LATER,
}  # fmt: skip
"""Columns that a file made before they were needed gets when it is opened."""
_COLUMNS = tuple(field.name for field in fields(Record))
_LEAN = tuple(name for name in _COLUMNS if name not in {"body", "input", "beside"})
_OVER = f"status NOT IN ('{QUEUED}', '{OPEN}')"
_ENDED = f"response_id = :id AND account = :account AND {_OVER} AND expires > :now"
_THERE = f"response_id = :id AND account = :account AND ({_OVER} OR background) AND expires > :now"
_PUT = f"""
INSERT INTO responses ({", ".join(_COLUMNS)}, expires) VALUES ({", ".join(f":{name}" for name in _COLUMNS)}, :expires)
ON CONFLICT (response_id) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in (*_COLUMNS, "expires"))}, job = NULL
WHERE NOT {_OVER} AND account = excluded.account AND excluded.attempt IN (attempt, '')
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
    WHERE account = :account AND {_OVER} AND expires > :now
    LIMIT {MAX_TURNS + 1}
)
SELECT {", ".join(_COLUMNS)} FROM line JOIN responses ON response_id = id
"""
_COST = """
INSERT INTO costs (call_id, response_id, account, attempt, call, key, end_user, tags, day, uncounted)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, TRUE)
ON CONFLICT DO NOTHING
"""
_DELETE = f"""
UPDATE responses SET kept = 0, model = NULL, deployment = NULL, upstream_id = NULL, created_at = NULL, error = NULL,
    body = NULL, input = NULL, conversation = NULL, blob = NULL, split = NULL, beside = NULL, detached = NULL,
    logged = NULL
WHERE {_ENDED} AND kept
"""


class SqliteStore:
    """See `Store`. Methods with a leading underscore run on the thread."""

    def __init__(self, file: File, keep: timedelta) -> None:
        self._file = file
        self._keep = keep.total_seconds()
        self._purged = 0.0
        self.system = "sqlite"
        self.shaky = False
        self.runs = runs.SqliteRuns(file)
        self.blobs = blobs.SqliteBlobs(file)
        self.conversations = conversations.SqliteConversations(file)
        self.lists = lists.SqliteLists(file)
        self.entries = entries.SqliteEntries(file)
        self.charges = charges.SqliteCharges(file)
        self.notes = notes.SqliteNotes(file)

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
                await file.run(file.close)

    async def put(self, outcomes: Sequence[Outcome]) -> list[Recorded]:
        return await self._file.run(self._put, outcomes)

    async def claim(self, claim: Claim) -> Record | None:
        return await self._file.run(self._claim, claim)

    async def find(
        self, response_id: str, account: str, *, content: bool = False, running: bool = False
    ) -> Record | None:
        columns = _COLUMNS if content else _LEAN
        return await self._file.run(self._find, response_id, account, columns, _THERE if running else _ENDED)

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
        self._file.db.executescript(_SETUP + blobs.SETUP + conversations.SETUP + entries.SETUP + notes.SETUP)
        for table, columns in _LATER.items():
            there = {name for _, name, *_ in self._file.db.execute(f"PRAGMA table_info({table})")}
            for name in columns.keys() - there if there else ():
                self._file.db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {columns[name]}")
        self._file.db.executescript(runs.SETUP + lists.SETUP + charges.SETUP)  # which commits what came before
        self.charges.opened()
        with self._file.writing():
            self._purge()

    def _put(self, outcomes: Sequence[Outcome]) -> list[Recorded]:
        with self._file.writing():
            if self._file.now() > self._purged + _PURGE:
                self._purge()
            there = dict(
                filter(None, [self._keep_call(outcome, call) for outcome in outcomes for call in outcome.calls])
            )
            answers = [self._record(outcome) for outcome in outcomes]
            self.charges.write(outcomes, answers)
        return [known(outcome, answer, there) for outcome, answer in zip(outcomes, answers, strict=True)]

    def _keep_call(self, outcome: Outcome, call: UpstreamCall) -> tuple[str, bool] | None:
        """Its id, if it is on record already, and whether as a lost one."""
        if self._file.db.execute(_COST, _cost(outcome, call)).rowcount:
            return None
        (there,) = self._file.db.execute("SELECT call FROM costs WHERE call_id = ?", (call.call_id,)).fetchone()
        return call.call_id, UpstreamCall.model_validate_json(there).lost

    def _record(self, outcome: Outcome) -> Recorded:
        if outcome.superseded:
            return Recorded(won=False, status=OPEN)
        values = _written(Record.of(outcome))
        expires = self._file.now() + self._keep
        if self._file.db.execute(_PUT, {**values, "expires": expires}).rowcount:
            won, status = True, str(outcome.status)
        else:
            account, attempt, status, ended_at = self._file.db.execute(
                "SELECT account, attempt, status, ended_at FROM responses WHERE response_id = ?",
                (outcome.response_id,),
            ).fetchone()
            won = (account, attempt, status, ended_at) == (
                outcome.account, outcome.attempt, outcome.status, outcome.ended_at
            )  # fmt: skip
        if won:
            self._follow(outcome, expires)
        return Recorded(won=won, status=status)

    def _follow(self, outcome: Outcome, expires: float) -> None:
        """What comes with a record, again and again the same."""
        if outcome.store:
            self._file.db.executemany(
                "INSERT INTO response_items VALUES (?, ?) ON CONFLICT DO NOTHING",
                [(item_id, outcome.response_id) for item_id in outcome.item_ids],
            )
            self._file.db.executemany(
                "INSERT INTO response_metadata VALUES (?, ?) ON CONFLICT DO NOTHING",
                [(pair, outcome.response_id) for pair in pairs(outcome.metadata)],
            )
            if outcome.blob is not None:
                self.blobs.hold(outcome.response_id, outcome.account, outcome.blob.name, expires)
        if outcome.status == "failed" and not outcome.shown:
            self.runs.free(outcome.response_id)

    def _claim(self, claim: Claim) -> Record | None:
        row = {**claim.model_dump(), "expires": self._file.now() + KEEP_OPEN.total_seconds()}
        with self._file.writing():
            if self._file.db.execute(_CLAIM, row).rowcount:
                return None
        return self._find(claim.response_id, claim.account, _COLUMNS)

    def _find(self, response_id: str, account: str, columns: tuple[str, ...], which: str = _ENDED) -> Record | None:
        query = f"SELECT {', '.join(columns)} FROM responses WHERE {which}"
        row = self._file.db.execute(query, self._key(response_id, account)).fetchone()
        if row is None:
            return None
        record = _read(columns, row)
        return self._filled(record) if columns is _COLUMNS else record

    def _filled(self, record: Record) -> Record:
        """With its content, if that is in a blob."""
        if record.blob is None:
            return record
        return record.filled(self.blobs.whole(record.response_id, record.account, record.blob.name))

    def _chain(self, response_id: str, account: str) -> Chain | None:
        records: dict[str, Record] = {}
        size = 0
        for row in self._file.db.execute(_CHAIN, self._key(response_id, account)):
            record = _read(_COLUMNS, row)
            records[record.response_id] = record
            size += record.size
            if len(records) > MAX_TURNS:
                raise ContextLengthExceeded(f"There are more than {MAX_TURNS} responses before this one.")
            if size > MAX_HISTORY:
                raise ContextLengthExceeded("The responses before this one are too large together.")
        if not records:
            return None
        previous = {record.response_id: record.previous_response_id for record in records.values()}
        return Chain.of(walk(response_id, previous), {id_: self._filled(record) for id_, record in records.items()})

    def _delete(self, response_id: str, account: str) -> bool | None:
        with self._file.writing():
            if self._file.db.execute(_DELETE, self._key(response_id, account)).rowcount:
                self.runs.forget(response_id)
                self.blobs.forget(response_id, account)
                for table in ("response_items", "response_metadata"):
                    self._file.db.execute(f"DELETE FROM {table} WHERE response_id = ?", (response_id,))
                return True
        return None if self._find(response_id, account, _LEAN) is None else False

    def _calls(self, response_id: str, account: str) -> list[UpstreamCall]:
        rows = self._file.db.execute(
            "SELECT call FROM costs WHERE response_id = ? AND account = ? ORDER BY call_id", (response_id, account)
        )
        return [UpstreamCall.model_validate_json(call) for (call,) in rows]

    def _purge(self) -> None:
        self._purged = self._file.now()
        gone = "response_id IN (SELECT response_id FROM responses WHERE expires <= ?)"
        for table in ("response_items", "response_metadata", "responses"):
            self._file.db.execute(f"DELETE FROM {table} WHERE {gone}", (self._purged,))
        self.runs.purge()
        self.blobs.purge()
        self.notes.purge()

    def _key(self, response_id: str, account: str) -> dict[str, Any]:
        return {"id": response_id, "account": account, "now": self._file.now()}


def _cost(outcome: Outcome, call: UpstreamCall) -> tuple[str, ...]:
    payer, whose = outcome.payer, (outcome.response_id, outcome.account, outcome.attempt)
    tags = to_json(payer.tags).decode()
    return (call.call_id, *whose, call.model_dump_json(), payer.key, payer.end_user, tags, day(outcome.created_at))


def _written(record: Record) -> dict[str, Any]:
    blob = None if record.blob is None else record.blob.model_dump_json()
    return {name: getattr(record, name) for name in _COLUMNS} | {"blob": blob}


def _read(columns: tuple[str, ...], row: tuple[Any, ...]) -> Record:
    values = dict(zip(columns, row, strict=True))
    blob = None if values["blob"] is None else Blob.model_validate_json(values["blob"])
    background = None if values["background"] is None else bool(values["background"])
    return Record(**{**values, "kept": bool(values["kept"]), "blob": blob, "background": background})
