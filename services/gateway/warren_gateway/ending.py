"""How a gateway ends what nobody else can end: what its client has seen is the response."""

import asyncio
from collections.abc import Iterable

import structlog
from pydantic_core import from_json

from warren import events, sse
from warren.blobs import INLINE, deposit
from warren.bus import LEDGER_WRITE, Bus
from warren.contracts import Job, Outcome, Recorded, UpstreamCall
from warren.errors import WarrenError
from warren.objects import Item, blank

log = structlog.get_logger("warren.gateway")

_SLOW = 256 * 1024
_KEPT = 3600.0
"""Seconds that the ledger has to take an outcome which names what was left there."""


async def request_of(job: Job) -> Item:
    """What was asked; nobody waits while a large request is read."""
    request: Item = (
        from_json(job.request) if len(job.request) < _SLOW else await asyncio.to_thread(from_json, job.request)
    )
    return request


def so_far(job: Job, request: Item, sent: Iterable[bytes]) -> events.Fold:
    """The response as its client has seen it."""
    state = events.Fold(blank(request, response_id=job.response_id, created_at=job.created_at))
    data = b"".join(sent)
    for event in sse.Reader(limit=len(data)).feed(data):
        state.feed(from_json(event.data))
    return state


async def record(
    bus: Bus,
    job: Job,
    request: Item,
    response: Item,
    attempt: str,
    error: WarrenError,
    calls: tuple[UpstreamCall, ...] = (),
) -> Recorded | None:
    """Tell the ledger, with calls that nobody else will tell of; None if it does not answer now. It gets to know all
    the same.
    """
    outcome = Outcome.of(job, request, response, attempt=attempt, error=error, calls=calls)
    if len(outcome.payload) > INLINE:
        outcome = await _light(bus, job, outcome)
    try:
        answer = await bus.call(LEDGER_WRITE, outcome, timeout=2)
    except WarrenError as failed:
        log.warning("an outcome waits for the ledger", response_id=job.response_id, error=failed.code)
        return None
    assert isinstance(answer, Recorded)
    return answer


async def _light(bus: Bus, job: Job, outcome: Outcome) -> Outcome:
    """It as it travels, its large payload left with the ledger; without content if that cannot be had now: that it
    ended is what must be known.
    """
    until = job.deadline + _KEPT
    try:
        blob = await deposit(bus, job.response_id, job.account, "outcome", outcome.payload, until=until)
    except WarrenError:
        log.warning("a response is not stored", response_id=job.response_id)
        return outcome.model_copy(update={"payload": b"", "split": 0, "store": False})
    return outcome.model_copy(update={"payload": b"", "blob": blob})
