# ruff: noqa: S608 - queries are put together from constants of this file; values are bound, always
"""Charges in SQLite. Money is text, and summed up by Python's decimals."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic_core import to_json

from warren.contracts import Outcome, Payer, Recorded, UpstreamCall
from warren_ledger.store.charges import Batch, Charge, Question, Wanted
from warren_ledger.store.sqlite.file import File
from warren_ledger.tallies import COUNTS, EXACT, VIEWS, Fact, Row, Tally

_VALUES = tuple(dict.fromkeys(name for values in VIEWS.values() for name in values))
_END = ("status", "ended_at", "attempt", "error", "deployment", "provider", "served", "request_id", "trace_id")
_COLUMNS = ("response_id", "account", "key", "end_user", "tags", "model", "created_at", *_END)
_ALWAYS = ("account", "model", "key", "end_user")
_SOMETIMES = ("deployment", "provider", "status", "error", "request_id")
_INDEXES = "\n".join(
    f"CREATE INDEX IF NOT EXISTS charges_{name} ON charges ({name}, created_at, response_id) {only.format(name)};"
    for names, only in ((_ALWAYS, ""), (_SOMETIMES, "WHERE {} IS NOT NULL"))
    for name in names
)
LATER = {"request_id": "TEXT", "trace_id": "TEXT"}
SETUP = f"""
CREATE TABLE IF NOT EXISTS charges (
    response_id TEXT PRIMARY KEY, account TEXT NOT NULL, key TEXT NOT NULL, end_user TEXT NOT NULL, tags TEXT NOT NULL,
    model TEXT NOT NULL, created_at REAL NOT NULL, status TEXT, ended_at REAL, attempt TEXT, error TEXT,
    deployment TEXT, provider TEXT, served TEXT, request_id TEXT, trace_id TEXT, uncounted INTEGER
);
CREATE INDEX IF NOT EXISTS charges_created ON charges (created_at, response_id);
{_INDEXES}
CREATE INDEX IF NOT EXISTS charges_uncounted ON charges (uncounted) WHERE uncounted;
CREATE INDEX IF NOT EXISTS costs_uncounted ON costs (uncounted) WHERE uncounted;
CREATE TABLE IF NOT EXISTS rollups (
    view TEXT NOT NULL, period TEXT NOT NULL, {", ".join(f"{name} TEXT NOT NULL DEFAULT ''" for name in _VALUES)},
    number INTEGER NOT NULL, {", ".join(f"{name} INTEGER NOT NULL" for name in COUNTS)}, cost TEXT NOT NULL,
    PRIMARY KEY (view, period, {", ".join(_VALUES)})
) WITHOUT ROWID;
"""
_WRITE = f"""
INSERT INTO charges ({", ".join(_COLUMNS)}, uncounted) VALUES ({", ".join(f":{name}" for name in _COLUMNS)}, :uncounted)
ON CONFLICT (response_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in (*_END, "uncounted"))}
WHERE status IS NULL AND excluded.status IS NOT NULL
"""
_SUMS = f"{', '.join(f'SUM({name})' for name in COUNTS)}, money(cost)"
_EQUAL = (
    "account", "key", "end_user", "model", "deployment", "provider", "status", "error", "request_id", "response_id",
)  # fmt: skip
_WHERE = {name: f"{name} = :{name}" for name in _EQUAL} | {
    "tag": "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = :tag)",
    "prefix": "response_id >= :prefix AND response_id < :prefix || '~'",
}


class _Money:
    """The aggregate `money`: an exact sum of texts."""

    def __init__(self) -> None:
        self._sum = Decimal(0)

    def step(self, text: str) -> None:
        self._sum = EXACT.add(self._sum, Decimal(text))

    def finalize(self) -> str:
        return str(self._sum)


class SqliteCharges:
    """See `Charges`. Methods with a leading underscore run on the thread, and so does `write`."""

    def __init__(self, file: File) -> None:
        self._file = file

    async def uncounted(self, limit: int) -> Batch:
        return await self._file.run(self._uncounted, limit // 2)

    async def facts(self, batch: Batch) -> list[Fact]:
        return await self._file.run(self._facts, batch)

    async def count(self, number: int, rows: Mapping[Row, Tally]) -> None:
        await self._file.run(self._count, number, rows)

    async def counted(self, batch: Batch) -> None:
        await self._file.run(self._counted, batch)

    async def report(self, asked: Question) -> list[tuple[tuple[str, ...], Tally]]:
        return await self._file.run(self._report, asked)

    async def some(self, ids: Sequence[str]) -> Sequence[Charge]:
        return await self._file.run(self._some, ids)

    async def page(self, wanted: Wanted) -> Sequence[Charge]:
        return await self._file.run(self._page, wanted)

    def write(self, outcomes: Sequence[Outcome], answers: Sequence[Recorded]) -> None:
        """Called by the store, in its transaction, when it is known which outcomes are the records."""
        made = [
            _written(Charge.of(outcome, answer.won))
            for outcome, answer in zip(outcomes, answers, strict=True)
            if answer.won or outcome.calls
        ]
        self._file.db.executemany(_WRITE, made)

    def opened(self) -> None:
        """Called by the store, when the file is open."""
        self._file.db.create_aggregate("money", 1, _Money)  # type: ignore[arg-type]

    def _uncounted(self, limit: int) -> Batch:
        calls = self._file.db.execute("SELECT call_id FROM costs WHERE uncounted LIMIT ?", (limit,))
        requests = self._file.db.execute("SELECT response_id FROM charges WHERE uncounted LIMIT ?", (limit,))
        return Batch(tuple(id_ for (id_,) in calls), tuple(id_ for (id_,) in requests))

    def _facts(self, batch: Batch) -> list[Fact]:
        calls = "SELECT account, key, end_user, tags, day, call FROM costs WHERE call_id = ?"
        requests = f"SELECT {', '.join(_COLUMNS)} FROM charges WHERE response_id = ?"
        return [
            *(_called(*row) for id_ in batch.calls for row in self._file.db.execute(calls, (id_,))),
            *(_read(row, ()).fact() for id_ in batch.requests for row in self._file.db.execute(requests, (id_,))),
        ]

    def _count(self, number: int, rows: Mapping[Row, Tally]) -> None:
        with self._file.writing():
            for row, tally in rows.items():
                self._add(number, row, tally)

    def _add(self, number: int, row: Row, tally: Tally) -> None:
        about = {"view": row.view, "period": row.period, **dict.fromkeys(_VALUES, "")}
        about |= dict(zip(VIEWS[row.view], row.values, strict=True))
        same = " AND ".join(f"{name} = :{name}" for name in about)
        query = f"SELECT number, {', '.join(COUNTS)}, cost FROM rollups WHERE {same}"
        there = self._file.db.execute(query, about).fetchone()
        if there is not None:
            if there[0] >= number:
                return
            tally = _tally(there[1:]) + tally
        values = {**about, "number": number, **{name: getattr(tally, name) for name in COUNTS}, "cost": str(tally.cost)}
        self._file.db.execute(
            f"INSERT OR REPLACE INTO rollups ({', '.join(values)}) VALUES ({', '.join(f':{name}' for name in values)})",
            values,
        )

    def _counted(self, batch: Batch) -> None:
        with self._file.writing():
            for query, ids in (
                ("UPDATE costs SET uncounted = NULL WHERE call_id = ?", batch.calls),
                ("UPDATE charges SET uncounted = NULL WHERE response_id = ?", batch.requests),
            ):
                self._file.db.executemany(query, [(id_,) for id_ in ids])

    def _report(self, asked: Question) -> list[tuple[tuple[str, ...], Tally]]:
        values = {"view": asked.view, "periods": json.dumps(asked.periods), **asked.where}
        these = "period IN (SELECT value FROM json_each(:periods))"
        which = " AND ".join(("view = :view", these, *(f"{name} = :{name}" for name in asked.where)))
        groups = f" GROUP BY {', '.join(asked.by)}" if asked.by else ""
        columns = "".join(f"{name}, " for name in asked.by)
        found = self._file.db.execute(f"SELECT {columns}{_SUMS} FROM rollups WHERE {which}{groups}", values)
        # Without groups, SQLite has a row of nothing for what is not there.
        return [(row[: len(asked.by)], _tally(row[len(asked.by) :])) for row in found if row[-2] is not None]

    def _some(self, ids: Sequence[str]) -> Sequence[Charge]:
        query = f"SELECT {', '.join(_COLUMNS)} FROM charges WHERE response_id IN (SELECT value FROM json_each(?))"
        rows = self._file.db.execute(query, (json.dumps(list(ids)),)).fetchall()
        return [_read(row, self._calls(row[0])) for row in rows]

    def _page(self, wanted: Wanted) -> Sequence[Charge]:
        values: dict[str, Any] = {**wanted.where, "since": wanted.since, "until": wanted.until, "limit": wanted.limit}
        which = [_WHERE[name] for name in wanted.where]
        if wanted.since is not None:
            which.append("created_at >= :since")
        if wanted.until is not None:
            which.append("created_at < :until")
        if wanted.before is not None:
            values |= dict(zip(("at", "id"), wanted.before, strict=True))
            which.append("(created_at, response_id) < (:at, :id)")
        query = f"SELECT {', '.join(_COLUMNS)} FROM charges {'WHERE ' * bool(which)}{' AND '.join(which)}"
        rows = self._file.db.execute(f"{query} ORDER BY created_at DESC, response_id DESC LIMIT :limit", values)
        return [_read(row, self._calls(row[0])) for row in rows.fetchall()]

    def _calls(self, response_id: str) -> Iterable[UpstreamCall]:
        rows = self._file.db.execute("SELECT call FROM costs WHERE response_id = ? ORDER BY call_id", (response_id,))
        return [UpstreamCall.model_validate_json(call) for (call,) in rows]


def _written(charge: Charge) -> dict[str, Any]:
    values = {name: getattr(charge, name) for name in ("response_id", "account", "model", "created_at", *_END)}
    payer = charge.payer
    return values | {
        "key": payer.key,
        "end_user": payer.end_user,
        "tags": to_json(payer.tags).decode(),
        "uncounted": charge.status is not None or None,
    }


def _read(row: sqlite3.Row | tuple[Any, ...], calls: Iterable[UpstreamCall]) -> Charge:
    values = dict(zip(_COLUMNS, row, strict=True))
    payer = _payer(values.pop("key"), values.pop("end_user"), values.pop("tags"))
    return Charge(**values, payer=payer, calls=tuple(calls))


def _payer(key: str | None, end_user: str | None, tags: str | None) -> Payer:
    return Payer(key=key or "", end_user=end_user or "", tags=tuple(json.loads(tags or "[]")))


def _called(account: str, key: str | None, end_user: str | None, tags: str | None, day: str, call: str) -> Fact:
    return Fact.of_call(UpstreamCall.model_validate_json(call), day, account, _payer(key, end_user, tags))


def _tally(values: Sequence[Any]) -> Tally:
    return Tally(**dict(zip(COUNTS, values[:-1], strict=True)), cost=Decimal(values[-1]))
