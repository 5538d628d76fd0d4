"""Detached runs in MongoDB, which has no transactions on a single server.

What one update cannot do is done in an order that makes every state in between a harmless one. The row changes first:
its fence keeps an attempt from writing before another is let run, and it is latched before model output is logged.
Who reads looks at the parts first and then at the row, and shows only what the row vouches for. A part that passed
the fence just before it changed may come late; it lies behind the first number of the next span, or is counted in it.
"""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from warren.contracts import Flag, Head, Part
from warren_ledger.store.mongo.reach import READ, WRITE, Document, index, insert, reaching
from warren_ledger.store.runs import END, OPEN, PAGE, QUEUED, RUNNING, Entry, Line, Reach, Run, Span, pairs

_FIELDS = (
    "account", "status", "background", "stream", "logged", "created_at", "deadline", "log_until", "model", "key",
    "attempt", "worker", "fence", "latched", "doubted_at", "job", "body",
)  # fmt: skip
_READ = dict.fromkeys((*_FIELDS, "spans"), True)
_BARE = {"data": False}
_LAST_DIGIT = ":"
"""Sorts behind every digit."""


class MongoRuns:
    """See `Runs`."""

    def __init__(self, database: Any, now: Callable[[], float] = time.time) -> None:
        self._responses = database["responses"]
        self._log = database["logs"]
        self._keys = database["keys"]
        self._now = now

    async def prepare(self) -> None:
        for collection in (self._log, self._keys):
            await index(collection, "expires", expireAfterSeconds=0)
        await index(self._responses, "deadline", partialFilterExpression={"job": {"$exists": True}})

    async def holder(self, key: str) -> tuple[str, str] | None:
        with reaching(READ):
            found = await self._keys.find_one({"_id": key, "expires": {"$gt": _date(self._now())}})
        return None if found is None else (found["response_id"], found["fingerprint"])

    async def reserve(self, key: str, fingerprint: str, response_id: str, until: float) -> tuple[str, str]:
        holder = {"response_id": response_id, "fingerprint": fingerprint, "expires": _date(until)}
        free = {"_id": key, "expires": {"$lte": _date(self._now())}}
        with reaching(WRITE):
            with suppress(DuplicateKeyError):
                await self._keys.update_one(free, {"$set": holder}, upsert=True)
            found = await self._keys.find_one({"_id": key})
        return (response_id, fingerprint) if found is None else (found["response_id"], found["fingerprint"])

    async def release(self, key: str, response_id: str) -> None:
        with reaching(WRITE):
            await self._keys.delete_one({"_id": key, "response_id": response_id})

    async def open(self, run: Run, beginning: Entry | None) -> Run:
        spans = [] if beginning is None else [Span(beginning[0].attempt, beginning[0].first)]
        given = {name: value for name in _FIELDS if (value := getattr(run, name)) is not None}
        row = {
            "_id": run.response_id,
            **given,
            "spans": [list(span) for span in spans],
            "metadata": pairs(run.metadata),
            "ended_at": 0.0,
            "kept": run.background,
            "detached": True,
            "expires": _date(run.expires),
        }
        with reaching(WRITE):
            if beginning is not None:
                await self._write([(beginning, run.log_until)])
            await insert(self._responses, [row])
        return await self.find(run.response_id, run.account) or run

    async def abandon(self, run: Run) -> bool:
        with reaching(WRITE):
            ours = {"_id": run.response_id, "detached": True, "status": QUEUED}
            if not (await self._responses.delete_one(ours)).deleted_count:
                return await self._responses.find_one({"_id": run.response_id}, {"_id": True}) is None
            await self._log.delete_many(_parts_of(run.response_id))
            if run.key is not None:
                await self.release(run.key, run.response_id)
        return True

    async def find(self, response_id: str, account: str) -> Run | None:
        row = {"_id": response_id, "account": account, "detached": True, "expires": {"$gt": _date(self._now())}}
        with reaching(READ):
            found = await self._responses.find_one(row, _READ)
        return None if found is None else _run(found)

    async def take(self, run: Run, attempt: str, worker: str, beginning: Entry | None) -> int | None:
        free: Document = {"_id": run.response_id, "detached": True, "status": {"$in": RUNNING}, "attempt": run.attempt}
        free["fence"] = {"$ne": END}
        if run.stream and attempt != run.attempt:
            free["latched"] = False
        taken = {"status": OPEN, "attempt": attempt, "fence": attempt, "worker": worker}
        with reaching(WRITE):
            change = {"$set": taken, "$unset": {"doubted_at": ""}}
            if not (await self._responses.update_one(free, change)).matched_count:
                return None
            row = await self.find(run.response_id, run.account)
            if row is None or row.fence != attempt:
                return None
            if row.first is not None:
                return row.first
            if beginning is not None and len(row.spans) == 1:
                await self._write([(beginning, row.log_until)])
            next_ = 0
            if row.stream:
                async for part, _ in self._parts(row, -1, whole=True, bare=True):
                    next_ = part.last + 1
            return next_ if await self._span(row, Span(attempt, next_)) else None

    async def doubt(self, run: Run, at: float | None) -> None:
        change = {"$unset": {"doubted_at": ""}} if at is None else {"$set": {"doubted_at": at}}
        with reaching(WRITE):
            ours = {"_id": run.response_id, "detached": True, "attempt": run.attempt}
            await self._responses.update_one(ours, change)

    async def append(self, entries: Sequence[Entry]) -> set[str]:
        streams: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in entries:
            streams[entry[0].response_id, entry[0].attempt].append(entry)
        with reaching(WRITE):
            rows = await self._rows({response_id for response_id, _ in streams})
            written: list[tuple[Entry, float]] = []
            for (response_id, attempt), parts in streams.items():
                row = rows.get(response_id)
                if row is None or row["fence"] != attempt:
                    continue
                latches = row["stream"] and not row["latched"] and any(part.flags & Flag.CONTENT for part, _ in parts)
                if not latches or await self._latch(response_id, attempt):
                    written += [(entry, row["log_until"]) for entry in parts]
            await self._write(written)
        return {entry[0].response_id for entry, _ in written}

    async def shut(self, run: Run) -> Run | None:
        with reaching(WRITE):
            ours = {"_id": run.response_id, "account": run.account, "detached": True}
            await self._responses.update_one(ours, {"$set": {"fence": END}})
            return await self.find(run.response_id, run.account)

    async def close(self, run: Run, end: Entry) -> None:
        with reaching(WRITE):
            row = await self.find(run.response_id, run.account)
            if row is not None and row.fence == END and not row.closed:
                await self._write([(end, row.log_until)])
                await self._span(row, Span(END, end[0].first))

    async def log(self, run: Run, *, bare: bool = False) -> list[Entry]:
        with reaching(WRITE):
            return [entry async for entry in self._parts(run, -1, whole=True, bare=bare)]

    async def tail(self, response_id: str, account: str, after: int) -> tuple[Run, list[Entry]] | None:
        with reaching(WRITE):
            before = await self.find(response_id, account)
            if before is None:
                return None
            found: list[Entry] = []
            size = 0
            async for entry in self._parts(before, after):
                found.append(entry)
                size += len(entry[1])
                if size >= PAGE:
                    break
            if not found:
                return before, []
            now = await self.find(response_id, account)
        return None if now is None else (now, [entry for entry in found if now.shows(entry[0])])

    async def due(self, before: float) -> list[Run]:
        overdue = {"job": {"$exists": True}, "deadline": {"$lt": before}, "detached": True, "status": {"$in": RUNNING}}
        with reaching(READ):
            return [_run(row) async for row in self._responses.find(overdue, _READ).sort("deadline", 1).limit(100)]

    async def forget(self, response_id: str) -> None:
        """Remove the log, and free the key."""
        with reaching(WRITE):
            await self._log.delete_many(_parts_of(response_id))
            row = await self._responses.find_one({"_id": response_id, "key": {"$exists": True}}, {"key": True})
            if row is not None:
                await self.release(row["key"], response_id)

    async def _rows(self, response_ids: set[str]) -> dict[str, Document]:
        wanted = {"_id": {"$in": list(response_ids)}, "detached": True}
        shown = {"fence": True, "stream": True, "latched": True, "log_until": True}
        return {row["_id"]: row async for row in self._responses.find(wanted, shown)}

    async def _latch(self, response_id: str, attempt: str) -> bool:
        ours = {"_id": response_id, "fence": attempt}
        return bool((await self._responses.update_one(ours, {"$set": {"latched": True}})).matched_count)

    async def _span(self, row: Run, span: Span) -> bool:
        """Show what this attempt writes, unless it may not any more, or the row shows something else by now."""
        ours = {"_id": row.response_id, "fence": span.attempt, "spans": {"$size": len(row.spans)}}
        return bool((await self._responses.update_one(ours, {"$push": {"spans": list(span)}})).modified_count)

    async def _parts(self, run: Run, after: int, *, whole: bool = False, bare: bool = False) -> AsyncIterator[Entry]:
        line = Line(after)
        for reach in run.reaches(after, whole=whole):
            found = self._log.find(await self._window(run, reach, line.next), _BARE if bare else None).sort("_id", 1)
            async for document in found:
                part = _part(document)
                if line.take(part):
                    yield part, document.get("data", b"")
                if line.over:
                    return

    async def _window(self, run: Run, reach: Reach, next_: int) -> Document:
        """Where to read: from the part on that holds the number."""
        prefix = f"{run.response_id}.{reach.attempt}."
        begin = prefix + _digits(reach.first)
        end = prefix + (_LAST_DIGIT if reach.until is None else _digits(reach.until))
        behind = prefix + _digits(next_ + 1)
        if next_ > reach.first:
            ids = {"$gte": begin, "$lt": min(behind, end)}
            holder = await self._log.find_one({"_id": ids}, {"first": True}, sort=[("_id", -1)])
            if holder is not None:
                begin = prefix + _digits(holder["first"])
        return {"_id": {"$gte": begin, "$lt": end}, "expires": {"$gt": _date(self._now())}}

    async def _write(self, entries: Sequence[tuple[Entry, float]]) -> None:
        await insert(self._log, [_document(part, data, until) for (part, data), until in entries])


def _parts_of(response_id: str) -> Document:
    return {"_id": {"$gte": f"{response_id}.", "$lt": f"{response_id}/"}}


def _document(part: Part, data: bytes, until: float) -> Document:
    document = {
        "_id": f"{part.response_id}.{part.attempt}.{_digits(part.first)}.{part.number:08d}",
        "response_id": part.response_id,
        "attempt": part.attempt,
        "number": part.number,
        "first": part.first,
        "last": part.last,
        "size": part.size,
        "flags": part.flags,
        "data": data,
        "expires": _date(until),
    }
    return document if part.head is None else {**document, "head": part.head.model_dump_json()}


def _part(document: Document) -> Part:
    head = None if "head" not in document else Head.model_validate_json(document["head"])
    names = ("response_id", "attempt", "number", "first", "last", "size", "flags")
    return Part._make((*(document[name] for name in names), head))


def _digits(number: int) -> str:
    return f"{number:010d}"


def _run(row: Document) -> Run:
    given = {name: row[name] for name in _FIELDS if name in row}
    spans = tuple(Span(*span) for span in row["spans"])
    return Run(**{"background": False, "created_at": 0.0, **given}, response_id=row["_id"], spans=spans)


def _date(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
