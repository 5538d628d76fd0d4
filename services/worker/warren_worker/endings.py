"""How a job ends that is not run: refused, given up, or ended by an attempt whose last words were lost."""

from pydantic_core import from_json, to_json

from warren import events, objects
from warren.bus import Bus
from warren.contracts import Flag, Head, Job, Outcome
from warren.errors import Interrupted, WarrenError
from warren.objects import Item
from warren.sse import DONE, encode
from warren_worker.recording import record
from warren_worker.relay import Stream


async def refuse(bus: Bus, job: Job, stream: Stream, error: WarrenError | None) -> None:
    """End this job as failed, or, without an error, as cancelled, which nobody is told."""
    request = _request(job)
    blank = objects.blank(request, response_id=job.response_id, created_at=job.created_at)
    response = {**blank, "status": "cancelled"} if error is None else _failed(blank, error)
    outcome = Outcome.of(job, request, response, attempt=stream.attempt, error=error)
    # As in a run: who sees this may try again at once with the same Idempotency-Key.
    await record(bus, outcome, called=job.detached and error is not None)
    if error is not None:
        _say_failed(bus, job, stream, error, response)


def deliver(bus: Bus, job: Job, stream: Stream, stored: bytes) -> None:
    """Show the end that the ledger has."""
    stream.head = Head(status=200, worker=bus.address)
    if not stored:
        error = Interrupted("The answer was given, but not stored, and its last part was lost.")
        blank = objects.blank(_request(job), response_id=job.response_id, created_at=job.created_at)
        _say_failed(bus, job, stream, error, _failed(blank, error))
    elif not job.stream:
        stream.write(stored, flags=Flag.LAST)
    else:
        _say(stream, list(events.replay(from_json(stored)))[2 if stream.sequence else 0 :])


def _say_failed(bus: Bus, job: Job, stream: Stream, error: WarrenError, response: Item) -> None:
    """Tell the client: as an HTTP error as long as nothing has begun, as events after that."""
    if job.stream and stream.sequence:
        stream.head = Head(status=200, worker=bus.address, error=error.code)
        _say(stream, events.failure(response))
    else:
        stream.head = Head(status=error.status, worker=bus.address, error=error.code)
        stream.write(to_json(error.body()), flags=Flag.LAST)


def _say(stream: Stream, made: list[events.Event]) -> None:
    first = stream.sequence
    for number, event in enumerate(made, first):
        event["sequence_number"] = number
    data = b"".join(map(encode, made)) + DONE
    stream.write(data, first, first + len(made) - 1, Flag.CONTENT | Flag.LAST)


def _request(job: Job) -> Item:
    """What was asked; of a request that cannot be had, that there was one."""
    if job.blob is not None:
        return {"model": "", "input": []}
    request: Item = from_json(job.request)
    return request


def _failed(blank: Item, error: WarrenError) -> Item:
    return events.interrupted(blank, error.code or "server_error", error.message)
