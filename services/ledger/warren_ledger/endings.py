"""How the log of a detached run begins and ends, where it is the ledger that says so."""

from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from pydantic_core import from_json, to_json

from warren import events, sse
from warren.bus import MAX_MESSAGE
from warren.contracts import Flag, Head, Part
from warren.errors import Interrupted, WarrenError
from warren.objects import Item
from warren_ledger.store import Record
from warren_ledger.store.runs import END, LEDGER, Entry, Run

_LARGEST_LINE = 64 * 1024 * 1024


class Ending(NamedTuple):
    """What a stream, or whoever waits for a JSON answer, is told at last."""

    events: list[events.Event]
    body: bytes
    """Instead of events: an answer, or why there is none."""
    status: int


def queued(run: Run, blank: Item, worker: str) -> Entry:
    """What a stream says of a run that waits."""
    waiting = {**blank, "status": "queued"}
    made = [{"type": f"response.{what}", "response": waiting} for what in ("created", "queued")]
    head = Head(status=200, worker=worker)
    return _entry(run, LEDGER, 0, made, 0, head=head)


def in_progress(run: Run) -> Entry:
    """What a stream says of a run that is taken."""
    working = {**from_json(run.body or b"{}"), "status": "in_progress"}
    return _entry(run, LEDGER, 1, [{"type": "response.in_progress", "response": working}], 2)


def so_far(blank: Item, entries: Iterable[Entry]) -> events.Fold:
    """The response as its stream has shown it."""
    reader = sse.Reader(_LARGEST_LINE)
    state = events.Fold({**blank, "status": "in_progress", "output": []})
    for _, data in entries:
        for event in reader.feed(data):
            with suppress(LookupError, TypeError, ValueError):  # what does not fit changes nothing
                state.feed(from_json(event.data))
    state.response["status"] = "in_progress"
    return state


def closed(blank: Item, entries: Iterable[Entry]) -> Item:
    """The response as its stream has shown it, once all is closed that is open in it."""
    state = so_far(blank, entries)
    for event in state.closing():
        state.feed(event)
    return state.response


def ending(run: Run, blank: Item, entries: list[Entry], record: Record, ours: Item | None) -> Ending:
    """The end of a run that is stored as `record`, behind what its log has shown.

    `ours` is what the ledger made it, in case its content is not stored.
    """
    final = from_json(record.body) if record.body is not None else ours
    if final is None:
        lost = Interrupted("The answer was given, but not stored, and its last part was lost.")
        final = events.interrupted(closed(blank, entries), lost.code or "", lost.message)
    begun = any(part.last >= part.first for part, _ in entries)
    if not run.stream or not begun:
        if final["status"] == "failed":
            error = WarrenError.from_detail(final["error"])
            return Ending([], to_json(error.body()), error.status)
        if not run.stream:
            return Ending([], record.body or to_json(final, inf_nan_mode="null"), 200)
        return Ending(list(events.replay(final)), b"", 200)
    state = so_far(blank, entries)
    if record.attempt == "" or record.body is None:
        return Ending([*state.closing(), *events.end(final)], b"", 200)
    if not state.response["output"]:
        return Ending(list(events.replay(final))[2:], b"", 200)
    return _cut()


def closing(run: Run, end: Ending, first: int, worker: str) -> Entry:
    """The last part of a log."""
    head = Head(status=end.status, worker=worker)
    if end.events:
        entry = _entry(run, END, 0, end.events, first, head=head, last=True)
        if len(entry[1]) <= MAX_MESSAGE:
            return entry
        return _entry(run, END, 0, _cut().events, first, head=head, last=True)
    part = Part(run.response_id, END, 0, first, first - 1, len(end.body), int(Flag.LAST), head)
    return part, end.body


def nothing(run: Run, entries: list[Entry]) -> Entry:
    """What closes a log that has its last part already: nobody reads on behind that."""
    last = entries[-1][0]
    first = max(last.first, last.last) + 1
    return Part(run.response_id, END, 0, first, first - 1, 0, int(Flag.LAST)), b""


def _cut() -> Ending:
    """An end for a stream whose response has another one, which cannot be told."""
    lost = Interrupted("The rest of this stream was lost; the response can be retrieved.")
    failed = events.interrupted({}, lost.code or "", lost.message)
    return Ending(events.failure(failed)[:1], b"", 200)


def _entry(
    run: Run,
    attempt: str,
    number: int,
    made: list[events.Event],
    first: int,
    *,
    head: Head | None = None,
    last: bool = False,
) -> Entry:
    data = b"".join(sse.encode({**event, "sequence_number": at}) for at, event in enumerate(made, first))
    if last:
        data += sse.DONE
    flags = int(Flag.LAST) if last else 0
    return Part(run.response_id, attempt, number, first, first + len(made) - 1, len(data), flags, head), data
