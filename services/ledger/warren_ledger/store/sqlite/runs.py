# ruff: noqa: S608 - queries are put together from constants of this file; values are bound, always
"""Detached runs in SQLite: a row and its log change in one transaction."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from warren.contracts import Flag, Head, Part
from warren_ledger.store.runs import END, OPEN, PAGE, QUEUED, Entry, Line, Reach, Run, Span, pairs
from warren_ledger.store.sqlite.file import File

COLUMNS = {
    "detached": "INTEGER",
    "stream": "INTEGER",
    "logged": "INTEGER",
    "deadline": "REAL",
    "log_until": "REAL",
    "key": "TEXT",
    "worker": "TEXT",
    "fence": "TEXT",
    "latched": "INTEGER",
    "doubted_at": "REAL",
    "spans": "TEXT",  # JSON
    "job": "BLOB",
}
"""Of the table of responses, besides those of a record."""
SETUP = f"""
CREATE INDEX IF NOT EXISTS responses_due ON responses (deadline)
    WHERE detached = 1 AND status IN ('{QUEUED}', '{OPEN}');
CREATE TABLE IF NOT EXISTS logs (
    response_id TEXT NOT NULL, attempt TEXT NOT NULL, first INTEGER NOT NULL, number INTEGER NOT NULL,
    last INTEGER NOT NULL, flags INTEGER NOT NULL, head TEXT, expires REAL NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (response_id, attempt, first, number)
);
CREATE INDEX IF NOT EXISTS logs_expire ON logs (expires);
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, response_id TEXT NOT NULL, fingerprint TEXT NOT NULL, expires REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS keys_expire ON keys (expires);
"""
_RUNNING = f"status IN ('{QUEUED}', '{OPEN}')"
_READ = (
    "response_id", "account", "status", "background", "stream", "logged", "created_at", "deadline", "log_until",
    "model", "key", "attempt", "worker", "fence", "latched", "doubted_at", "spans", "job", "body",
)  # fmt: skip
_FIND = f"SELECT {', '.join(_READ)} FROM responses WHERE detached = 1"
_WRITTEN = (*_READ, "detached", "ended_at", "kept", "expires")
_OPEN = f"""
INSERT INTO responses ({", ".join(_WRITTEN)}) VALUES ({", ".join(f":{name}" for name in _WRITTEN)})
ON CONFLICT DO NOTHING
"""
_RESERVE = """
INSERT INTO keys (key, response_id, fingerprint, expires) VALUES (:key, :response_id, :fingerprint, :expires)
ON CONFLICT DO UPDATE SET
    response_id = excluded.response_id, fingerprint = excluded.fingerprint, expires = excluded.expires
WHERE expires <= :now
"""
_TAKE = f"""
UPDATE responses SET status = '{OPEN}', attempt = :attempt, fence = :attempt, worker = :worker, doubted_at = NULL
WHERE response_id = :response_id AND detached = 1 AND {_RUNNING} AND attempt = :before AND fence != '{END}'
    AND (attempt = :attempt OR NOT stream OR NOT latched)
"""
_MAY_WRITE = """
SELECT log_until, stream AND NOT latched FROM responses WHERE response_id = ? AND fence = ? AND detached = 1
"""
_LOG = "INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_PARTS = """
SELECT attempt, number, first, last, length(data), flags, head, {data} FROM logs
WHERE response_id = :id AND attempt = :attempt AND first >= :since AND (:until IS NULL OR first < :until)
    AND expires > :now
ORDER BY first, number
"""
_SINCE = """
SELECT max(first) FROM logs WHERE response_id = :id AND attempt = :attempt AND first >= :since AND first <= :next
"""


class SqliteRuns:
    """See `Runs`. Methods with a leading underscore run on the thread."""

    def __init__(self, file: File) -> None:
        self._file = file

    async def holder(self, key: str) -> tuple[str, str] | None:
        return await self._file.run(self._holder, key)

    async def reserve(self, key: str, fingerprint: str, response_id: str, until: float) -> tuple[str, str]:
        return await self._file.run(self._reserve, key, fingerprint, response_id, until)

    async def release(self, key: str, response_id: str) -> None:
        await self._file.run(self._release, key, response_id)

    async def open(self, run: Run, beginning: Entry | None) -> Run:
        return await self._file.run(self._open, run, beginning)

    async def abandon(self, run: Run) -> bool:
        return await self._file.run(self._abandon, run)

    async def find(self, response_id: str, account: str) -> Run | None:
        return await self._file.run(self._find, response_id, account)

    async def take(self, run: Run, attempt: str, worker: str, beginning: Entry | None) -> int | None:
        return await self._file.run(self._take, run, attempt, worker, beginning)

    async def doubt(self, run: Run, at: float | None) -> None:
        await self._file.run(self._doubt, run, at)

    async def append(self, entries: Sequence[Entry]) -> set[str]:
        return await self._file.run(self._append, entries)

    async def shut(self, run: Run) -> Run | None:
        return await self._file.run(self._shut, run)

    async def close(self, run: Run, end: Entry) -> None:
        await self._file.run(self._close, run, end)

    async def log(self, run: Run, *, bare: bool = False) -> list[Entry]:
        return await self._file.run(lambda: list(self._parts(run, -1, whole=True, bare=bare)))

    async def tail(self, response_id: str, account: str, after: int) -> tuple[Run, list[Entry]] | None:
        return await self._file.run(self._tail, response_id, account, after)

    async def due(self, before: float) -> list[Run]:
        return await self._file.run(self._due, before)

    def _holder(self, key: str) -> tuple[str, str] | None:
        query = "SELECT response_id, fingerprint FROM keys WHERE key = ? AND expires > ?"
        found: tuple[str, str] | None = self._file.db.execute(query, (key, self._file.now())).fetchone()
        return found

    def _reserve(self, key: str, fingerprint: str, response_id: str, until: float) -> tuple[str, str]:
        row = {"key": key, "response_id": response_id, "fingerprint": fingerprint, "expires": until}
        with self._file.writing():
            self._file.db.execute(_RESERVE, {**row, "now": self._file.now()})
            query = "SELECT response_id, fingerprint FROM keys WHERE key = ?"
            holder, asked = self._file.db.execute(query, (key,)).fetchone()
        return holder, asked

    def _release(self, key: str, response_id: str) -> None:
        with self._file.writing():
            self._file.db.execute("DELETE FROM keys WHERE key = ? AND response_id = ?", (key, response_id))

    def _open(self, run: Run, beginning: Entry | None) -> Run:
        spans = [Span(beginning[0].attempt, beginning[0].first)] if beginning is not None else []
        row = {name: getattr(run, name) for name in _READ} | {"spans": json.dumps(spans)}
        more = {"detached": 1, "ended_at": 0.0, "kept": run.background, "expires": run.expires}
        with self._file.writing():
            if self._file.db.execute(_OPEN, {**row, **more}).rowcount:
                self._file.db.executemany(
                    "INSERT INTO response_metadata (pair, response_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    [(pair, run.response_id) for pair in pairs(run.metadata)],
                )
            if beginning is not None:
                self._write(beginning, run.log_until)
        return self._find(run.response_id, run.account) or run

    def _abandon(self, run: Run) -> bool:
        with self._file.writing():
            query = f"DELETE FROM responses WHERE response_id = ? AND detached = 1 AND status = '{QUEUED}'"
            if not self._file.db.execute(query, (run.response_id,)).rowcount:
                query = "SELECT 1 FROM responses WHERE response_id = ?"
                return self._file.db.execute(query, (run.response_id,)).fetchone() is None
            for table in ("logs", "response_metadata"):
                self._file.db.execute(f"DELETE FROM {table} WHERE response_id = ?", (run.response_id,))
            query = "DELETE FROM keys WHERE key = ? AND response_id = ?"
            self._file.db.execute(query, (run.key, run.response_id))
        return True

    def _find(self, response_id: str, account: str) -> Run | None:
        query = f"{_FIND} AND response_id = ? AND account = ? AND expires > ?"
        row = self._file.db.execute(query, (response_id, account, self._file.now())).fetchone()
        return None if row is None else _run(row)

    def _take(self, run: Run, attempt: str, worker: str, beginning: Entry | None) -> int | None:
        claimed = {"attempt": attempt, "worker": worker, "response_id": run.response_id, "before": run.attempt}
        with self._file.writing():
            if not self._file.db.execute(_TAKE, claimed).rowcount:
                return None
            row = self._find(run.response_id, run.account)
            if row is None:
                return None
            if (first := row.first) is not None:
                return first
            if beginning is not None and len(row.spans) == 1:
                self._write(beginning, row.log_until)
            line = Line()
            if row.stream:
                for part, _ in self._parts(row, -1, whole=True, bare=True):
                    line.next = part.last + 1
            self._span(row, Span(attempt, line.next))
        return line.next

    def _doubt(self, run: Run, at: float | None) -> None:
        with self._file.writing():
            query = "UPDATE responses SET doubted_at = ? WHERE response_id = ? AND detached = 1 AND attempt = ?"
            self._file.db.execute(query, (at, run.response_id, run.attempt))

    def _append(self, entries: Sequence[Entry]) -> set[str]:
        streams: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in entries:
            streams[entry[0].response_id, entry[0].attempt].append(entry)
        grown: set[str] = set()
        with self._file.writing():
            for (response_id, attempt), parts in streams.items():
                row = self._file.db.execute(_MAY_WRITE, (response_id, attempt)).fetchone()
                if row is None:
                    continue
                if row[1] and any(part.flags & Flag.CONTENT for part, _ in parts):
                    self._file.db.execute("UPDATE responses SET latched = 1 WHERE response_id = ?", (response_id,))
                for entry in parts:
                    self._write(entry, row[0])
                grown.add(response_id)
        return grown

    def _shut(self, run: Run) -> Run | None:
        with self._file.writing():
            query = "UPDATE responses SET fence = ? WHERE response_id = ? AND account = ? AND detached = 1"
            self._file.db.execute(query, (END, run.response_id, run.account))
        return self._find(run.response_id, run.account)

    def _close(self, run: Run, end: Entry) -> None:
        with self._file.writing():
            row = self._find(run.response_id, run.account)
            if row is None or row.fence != END or row.closed:
                return
            self._write(end, row.log_until)
            self._span(row, Span(END, end[0].first))

    def _tail(self, response_id: str, account: str, after: int) -> tuple[Run, list[Entry]] | None:
        run = self._find(response_id, account)
        if run is None:
            return None
        entries: list[Entry] = []
        size = 0
        for entry in self._parts(run, after):
            entries.append(entry)
            size += len(entry[1])
            if size >= PAGE:
                break
        return run, entries

    def _due(self, before: float) -> list[Run]:
        rows = self._file.db.execute(f"{_FIND} AND {_RUNNING} AND deadline < ? ORDER BY deadline LIMIT 100", (before,))
        return [_run(row) for row in rows.fetchall()]

    def _parts(self, run: Run, after: int, *, whole: bool = False, bare: bool = False) -> Iterator[Entry]:
        query = _PARTS.format(data="x''" if bare else "data")
        line = Line(after)
        for reach in run.reaches(after, whole=whole):
            for row in self._file.db.execute(query, self._window(run, reach, line.next)):
                head = None if row[6] is None else Head.model_validate_json(row[6])
                part = Part._make((run.response_id, *row[:6], head))
                if line.take(part):
                    yield part, row[7]
                if line.over:
                    return

    def _window(self, run: Run, reach: Reach, next_: int) -> dict[str, Any]:
        """Where to read: from the part on that holds the number."""
        key = {"id": run.response_id, "attempt": reach.attempt, "since": reach.first, "next": next_}
        (since,) = self._file.db.execute(_SINCE, key).fetchone()
        return {**key, "since": reach.first if since is None else since, "until": reach.until, "now": self._file.now()}

    def _write(self, entry: Entry, expires: float) -> None:
        part, data = entry
        head = None if part.head is None else part.head.model_dump_json()
        row = (part.response_id, part.attempt, part.first, part.number, part.last, part.flags, head, expires, data)
        self._file.db.execute(_LOG, row)

    def _span(self, row: Run, span: Span) -> None:
        query = "UPDATE responses SET spans = ? WHERE response_id = ?"
        self._file.db.execute(query, (json.dumps([*row.spans, span]), row.response_id))

    # Inside a transaction of the store:

    def free(self, response_id: str) -> None:
        """Free the key of a run that has failed, if no output of it was shown, nor its id."""
        run = (
            "SELECT key FROM responses WHERE response_id = :id AND detached = 1 AND NOT latched AND background IS NOT 1"
        )
        self._file.db.execute(f"DELETE FROM keys WHERE response_id = :id AND key = ({run})", {"id": response_id})

    def forget(self, response_id: str) -> None:
        """Remove the log, and free the key."""
        self._file.db.execute("DELETE FROM logs WHERE response_id = ?", (response_id,))
        query = "SELECT key FROM responses WHERE response_id = :id"
        self._file.db.execute(f"DELETE FROM keys WHERE key = ({query}) AND response_id = :id", {"id": response_id})

    def purge(self) -> None:
        for table in ("logs", "keys"):
            self._file.db.execute(f"DELETE FROM {table} WHERE expires <= ?", (self._file.now(),))


def _run(row: tuple[Any, ...]) -> Run:
    values = dict(zip(_READ, row, strict=True))
    for name in ("background", "stream", "logged", "latched"):
        values[name] = bool(values[name])
    values["spans"] = tuple(Span(*span) for span in json.loads(values["spans"]))
    values["job"] = values["job"] or b""
    values["created_at"] = values["created_at"] or 0.0
    return Run(**values)
