# ruff: noqa: S608 - queries are put together from constants of this file; values are bound, always
"""Charges in SQLite. Money is text, and summed up by Python's decimals."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic_core import to_json

from warren.contracts import Correction, Outcome, Payer, Recorded, UpstreamCall
from warren_ledger.store.charges import Batch, Charge, Corrected, Question, Wanted
from warren_ledger.store.sqlite.file import File
from warren_ledger.tallies import AMOUNTS, COUNTS, EXACT, VIEWS, Fact, Row, Tally, order

_VALUES = tuple(dict.fromkeys(name for values in VIEWS.values() for name in values))
_SUMMED = dict.fromkeys(COUNTS, "INTEGER NOT NULL DEFAULT 0") | dict.fromkeys(AMOUNTS, "TEXT NOT NULL DEFAULT '0'")
LATER = {
    "rollups": {name: _SUMMED[name] for name in ("repriced_calls", "newly_priced_calls", "corrected", "margin")},
    "charges": dict.fromkeys(("budgets", "held", "request_id", "trace_id"), "TEXT"),
}
"""Columns that a file made before they were needed gets when it is opened."""
_END = ("status", "ended_at", "attempt", "error", "deployment", "provider", "served", "request_id", "trace_id")
_LISTS = ("tags", "budgets", "held")
_COLUMNS = ("response_id", "account", "key", "end_user", *_LISTS, "model", "created_at", *_END)
_ALWAYS = ("account", "model", "key", "end_user")
_SOMETIMES = ("deployment", "provider", "status", "error", "request_id")
_INDEXES = "\n".join(
    f"CREATE INDEX IF NOT EXISTS charges_{name} ON charges ({name}, created_at, response_id) {only.format(name)};"
    for names, only in ((_ALWAYS, ""), (_SOMETIMES, "WHERE {} IS NOT NULL"))
    for name in names
)
SETUP = f"""
CREATE TABLE IF NOT EXISTS charges (
    response_id TEXT PRIMARY KEY, account TEXT NOT NULL, key TEXT NOT NULL, end_user TEXT NOT NULL, tags TEXT NOT NULL,
    model TEXT NOT NULL, created_at REAL NOT NULL, status TEXT, ended_at REAL, attempt TEXT, error TEXT,
    deployment TEXT, provider TEXT, served TEXT, uncounted INTEGER, budgets TEXT, held TEXT, request_id TEXT,
    trace_id TEXT
);
CREATE INDEX IF NOT EXISTS charges_created ON charges (created_at, response_id);
{_INDEXES}
CREATE INDEX IF NOT EXISTS charges_uncounted ON charges (uncounted) WHERE uncounted;
CREATE INDEX IF NOT EXISTS costs_uncounted ON costs (uncounted) WHERE uncounted;
CREATE TABLE IF NOT EXISTS corrections (
    response_id TEXT NOT NULL, number INTEGER NOT NULL, correction TEXT NOT NULL,  -- JSON; money in it is text
    uncounted INTEGER, PRIMARY KEY (response_id, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS corrections_uncounted ON corrections (uncounted) WHERE uncounted;
CREATE TABLE IF NOT EXISTS rollups (
    view TEXT NOT NULL, period TEXT NOT NULL, {", ".join(f"{name} TEXT NOT NULL DEFAULT ''" for name in _VALUES)},
    number INTEGER NOT NULL, {", ".join(f"{name} {kind}" for name, kind in _SUMMED.items())},
    PRIMARY KEY (view, period, {", ".join(_VALUES)})
) WITHOUT ROWID;
"""
_WRITE = f"""
INSERT INTO charges ({", ".join(_COLUMNS)}, uncounted) VALUES ({", ".join(f":{name}" for name in _COLUMNS)}, :uncounted)
ON CONFLICT (response_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in (*_END, "uncounted"))}
WHERE status IS NULL AND excluded.status IS NOT NULL
"""
_SUMS = ", ".join((*(f"SUM({name})" for name in COUNTS), *(f"money({name})" for name in AMOUNTS)))
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

    async def corrected(self, batch: Batch) -> list[Corrected]:
        return await self._file.run(self._corrected, batch)

    async def correct(self, corrections: Sequence[Correction]) -> None:
        await self._file.run(self._correct, corrections)

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
        corrections = "SELECT response_id || '#' || number FROM corrections WHERE uncounted LIMIT ?"
        found = (calls, requests, self._file.db.execute(corrections, (limit,)))
        return Batch(*(tuple(id_ for (id_,) in rows) for rows in found))

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
        query = f"SELECT number, {', '.join(_SUMMED)} FROM rollups WHERE {same}"
        there = self._file.db.execute(query, about).fetchone()
        if there is not None:
            if there[0] >= number:
                return
            tally = _tally(there[1:]) + tally
        counts = {name: getattr(tally, name) for name in COUNTS}
        values = {**about, "number": number, **counts, **{name: str(getattr(tally, name)) for name in AMOUNTS}}
        self._file.db.execute(
            f"INSERT OR REPLACE INTO rollups ({', '.join(values)}) VALUES ({', '.join(f':{name}' for name in values)})",
            values,
        )

    def _corrected(self, batch: Batch) -> list[Corrected]:
        made = []
        for id_ in batch.corrections:
            response_id, _, number = id_.rpartition("#")
            for charge in self._recorded([response_id]):
                before, after = (self._correction(response_id, int(number) - back) for back in (1, 0))
                made.append(Corrected(charge.corrected(before), charge.corrected(after)))
        return made

    def _correction(self, response_id: str, number: int) -> Correction | None:
        query = "SELECT correction FROM corrections WHERE response_id = ? AND number = ?"
        found = self._file.db.execute(query, (response_id, number)).fetchone()
        return None if found is None else Correction.model_validate_json(found[0])

    def _correct(self, corrections: Sequence[Correction]) -> None:
        with self._file.writing():
            self._file.db.executemany(
                "INSERT INTO corrections VALUES (?, ?, ?, TRUE) ON CONFLICT DO NOTHING",
                [(one.response_id, one.number, one.model_dump_json()) for one in corrections],
            )

    def _counted(self, batch: Batch) -> None:
        corrections = [id_.rpartition("#")[::2] for id_ in batch.corrections]
        with self._file.writing():
            clear = "UPDATE corrections SET uncounted = NULL WHERE response_id = ? AND number = ?"
            self._file.db.executemany(clear, corrections)
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
        names = len(asked.by)
        # Without groups, SQLite has a row of nothing for what is not there.
        rows = [(row[:names], _tally(row[names:])) for row in found if row[names] is not None]
        return sorted(rows, key=lambda row: order(asked.by, *row))[: asked.limit]

    def _some(self, ids: Sequence[str]) -> Sequence[Charge]:
        return list(map(self._latest, self._recorded(ids)))

    def _recorded(self, ids: Sequence[str]) -> list[Charge]:
        query = f"SELECT {', '.join(_COLUMNS)} FROM charges WHERE response_id IN (SELECT value FROM json_each(?))"
        rows = self._file.db.execute(query, (json.dumps(list(ids)),)).fetchall()
        return [_read(row, self._calls(row[0])) for row in rows]

    def _latest(self, charge: Charge) -> Charge:
        """As its calls are priced by now."""
        query = "SELECT correction FROM corrections WHERE response_id = ? ORDER BY number DESC LIMIT 1"
        found = self._file.db.execute(query, (charge.response_id,)).fetchone()
        return charge if found is None else charge.corrected(Correction.model_validate_json(found[0]))

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
        return [self._latest(_read(row, self._calls(row[0]))) for row in rows.fetchall()]

    def _calls(self, response_id: str) -> Iterable[UpstreamCall]:
        rows = self._file.db.execute("SELECT call FROM costs WHERE response_id = ? ORDER BY call_id", (response_id,))
        return [UpstreamCall.model_validate_json(call) for (call,) in rows]


def _written(charge: Charge) -> dict[str, Any]:
    values = {name: getattr(charge, name) for name in ("response_id", "account", "model", "created_at", *_END)}
    payer = charge.payer
    return values | {
        "key": payer.key,
        "end_user": payer.end_user,
        **{name: to_json(getattr(payer, name)).decode() for name in _LISTS},
        "uncounted": charge.status is not None or None,
    }


def _read(row: sqlite3.Row | tuple[Any, ...], calls: Iterable[UpstreamCall]) -> Charge:
    values = dict(zip(_COLUMNS, row, strict=True))
    payer = _payer(*(values.pop(name) for name in ("key", "end_user", *_LISTS)))
    return Charge(**values, payer=payer, calls=tuple(calls))


def _payer(key: str | None, end_user: str | None, *lists: str | None) -> Payer:
    given = {name: json.loads(value or "[]") for name, value in zip(_LISTS, lists, strict=False)}
    return Payer(key=key or "", end_user=end_user or "", **given)


def _called(account: str, key: str | None, end_user: str | None, tags: str | None, day: str, call: str) -> Fact:
    return Fact.of_call(UpstreamCall.model_validate_json(call), day, account, _payer(key, end_user, tags))


def _tally(values: Sequence[Any]) -> Tally:
    counts = len(COUNTS)
    return Tally(*values[:counts], *map(Decimal, values[counts:]))
