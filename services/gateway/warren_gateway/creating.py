"""From the body of a request to a job on its way: what it is about is found, locked and planned first."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import TypeVar

from starlette.requests import Request

from warren import blobs, telemetry
from warren.bus import LEDGER_ASK, LEDGER_WRITE
from warren.contracts import Enter, Entered, Held, Job, Knobs, Locate, Located, Open, Opened, Walked, encode
from warren.errors import (
    CallTimeout,
    InvalidRequest,
    LedgerUnavailable,
    NotFound,
    Overloaded,
    PreviousNotFound,
    PublishUnknown,
    RequestTooLarge,
    WarrenError,
)
from warren.objects import TERMINAL
from warren.requests import CreateResponse
from warren.routing.knobs import UNSAID
from warren.routing.planning import Wish
from warren.routing.walk import Walk
from warren.telemetry import instruments
from warren.telemetry.measuring import code
from warren_gateway import repeated
from warren_gateway.flight import Flight
from warren_gateway.gateway import Gateway, of
from warren_gateway.orders import Order

T = TypeVar("T")

LARGEST = 32 * 1024 * 1024
SLOW = 256 * 1024
"""Bytes from which on reading a body takes so long that it is done in a thread."""
_LOCK_MARGIN = 30.0
"""Seconds after the deadline for the outcome to arrive, which frees the conversation."""
_OPENING = 10.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that can be sent."""

    job: Job
    """With its payload, however large."""
    provider: str


@dataclass(frozen=True, slots=True)
class Planned:
    """Whom to ask, as far as this gateway knows."""

    plan: tuple[str, ...]
    provider: str
    """Whose queue the job goes to."""
    held: Held | None
    """Who holds the previous response."""
    walked: Walked | None
    """Where to begin, if that is not the group that was asked for."""


async def read_body(request: Request) -> bytes:
    """The body, if it is small enough. It is not read any further than it may be long.

    Raises:
        RequestTooLarge: it is, or claims to be, larger than 32 MB.
        Overloaded: there are too many large ones under way.
    """
    room, scope = of(request).room, request.scope
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() and len(declared) < 20 else 0
    pieces: list[bytes] = []
    if size <= LARGEST:
        room.hold(scope, size)
        size = 0
        async for piece in request.stream():
            size += len(piece)
            if size > LARGEST:
                break
            room.hold(scope, size)
            pieces.append(piece)
    if size > LARGEST:
        raise RequestTooLarge("The body of a request may have 32 MB at the most.")
    return b"".join(pieces)


async def reading(read: Callable[[bytes], T], body: bytes) -> T:
    """What this function makes of a body; the loop does not wait for a large one."""
    return read(body) if len(body) < SLOW else await asyncio.to_thread(read, body)


async def prepare(
    gateway: Gateway,
    account: str,
    made: Order,
    *,
    before: bytes | None = None,
    stream: bool | None = None,
    keyed: bool = False,
    request_id: str = "",
) -> Prepared:
    """Find what the request is about, plan it, and lock its conversation; that of a detached one the ledger locks,
    which knows whether it runs already.

    `before`: the items that a WebSocket remembers, a JSON array; the ledger is not asked for the previous response
    then. `stream` overrides what the body says. A `keyed` request runs detached, as one in the background does.
    `request_id` is what the client calls it. Whoever prepares a job sends it (`launch`, `start`).

    Raises:
        WarrenError: why there can be no such job; nothing is locked then.
    """
    wanted, body = made.wanted, made.body
    await reading(repeated.check, body)
    previous = wanted.previous_response_id if before is None else None
    background = bool(wanted.background)
    streams = bool(wanted.stream) if stream is None else stream
    sticky = _sticky(gateway, account, wanted, made.knobs)
    way = await planned(gateway, account, wanted.model, previous, made.knobs, stream=streams, sticky=sticky)
    detached = background or keyed
    reply_to = gateway.bus.address
    if detached:
        reply_to = LEDGER_WRITE if streams or keyed else ""
    now = time()
    job = Job(
        response_id=gateway.signer.new("resp", account),
        account=account,
        plan=way.plan,
        walked=way.walked,
        knobs=made.knobs,
        reply_to=reply_to,
        stream=streams,
        created_at=now,
        deadline=now + (gateway.background_timeout if background else gateway.request_timeout),
        held=way.held,
        detached=detached,
        conversation=wanted.conversation_id,
        split=None if before is None else len(body),
        request_id=request_id,
        payload=body if before is None else body + before,
    )
    if job.conversation is not None:
        if not gateway.owns(account, job.conversation, "conv"):
            raise unknown_conversation(job.conversation)
        if not detached:
            await _enter(gateway, job, job.conversation)
    return Prepared(job, way.provider)


async def planned(
    gateway: Gateway,
    account: str,
    model: str,
    previous: str | None,
    knobs: Knobs = UNSAID,
    *,
    stream: bool = False,
    sticky: str | None = None,
) -> Planned:
    """The way that a request takes at first.

    Raises:
        InvalidRequest: there is no such model, or no such previous response.
        WarrenError: nobody may be asked at the moment.
    """
    gateway.router.known(model)
    held = None
    if previous is not None:
        held = (await _locate(gateway, account, previous)).held
    wish = Wish(tags=knobs.tags, stream=stream, holder=held.deployment if held is not None else None, sticky=sticky)
    now = time()
    walk = Walk(gateway.router, model, knobs, wish, now)
    group = walk.group
    first = walk.next(now).deployment
    if walk.fallbacks:
        why = None if walk.left_for is None else code(walk.left_for)
        instruments.FALLBACKS.add(walk.fallbacks, group, why)
        telemetry.event("fallback", error=why, deployment=first.id, group=walk.key)
    gateway.board.sent(first.id, now)
    return Planned(walk.planned, first.provider, held, walk.walked if walk.fallbacks else None)


def _sticky(gateway: Gateway, account: str, wanted: CreateResponse, knobs: Knobs) -> str | None:
    """What belongs together and goes to one place, if the configuration wants that."""
    affinity = gateway.config.rules.affinity
    for kind, text in (("session", knobs.session), ("prompt", wanted.prompt_cache_key), ("account", account)):
        if kind in affinity and text is not None:
            return f"{account}\0{kind}\0{text}"
    return None


async def launch(gateway: Gateway, prepared: Prepared) -> Flight:
    """Send the job of a request in the foreground. Leave the flight (`Dispatch.leave`) when it is over.

    Raises:
        LedgerUnavailable: a large body could not be left there.
    """
    sent = prepared.job if len(prepared.job.payload) <= blobs.INLINE else await _light(gateway, prepared)
    return gateway.dispatch.launch(prepared.job, prepared.provider, sent)


async def start(
    gateway: Gateway, prepared: Prepared, *, background: bool, key: str | None = None, fingerprint: str | None = None
) -> Opened:
    """Have the ledger open the row of a detached job and send it. If the key was used before, this one is dropped.

    Raises:
        LedgerUnavailable: it did not answer. The job may run all the same.
        Overloaded: too many wait already.
    """
    job = prepared.job if len(prepared.job.payload) <= blobs.INLINE else await _light(gateway, prepared)
    opening = Open(
        response_id=job.response_id,
        account=job.account,
        provider=prepared.provider,
        background=background,
        key=key,
        fingerprint=fingerprint,
        payload=encode(job),
    )
    try:
        opened = await gateway.bus.call(LEDGER_WRITE, opening, timeout=_OPENING)
    except (CallTimeout, PublishUnknown):
        raise _unreachable() from None
    except WarrenError as error:
        gateway.dispatch.free(job)
        raise await gateway.dispatch.overloaded(prepared.provider) if isinstance(error, Overloaded) else error from None
    assert isinstance(opened, Opened)
    if opened.verdict != "opened":
        gateway.dispatch.free(job)
    return opened


async def standing(gateway: Gateway, prepared: Prepared, key: str, fingerprint: str) -> Opened | None:
    """What a key stands for; None: nothing.

    Raises:
        LedgerUnavailable: it does not say.
    """
    job = prepared.job
    looking = Open(
        response_id=job.response_id,
        account=job.account,
        provider=prepared.provider,
        background=False,
        key=key,
        fingerprint=fingerprint,
        looks=True,
        payload=encode(job.model_copy(update={"payload": b""})),
    )
    answer = await gateway.ask_ledger(LEDGER_WRITE, looking)
    assert isinstance(answer, Opened)
    return None if answer.verdict == "opened" else answer


async def _light(gateway: Gateway, prepared: Prepared) -> Job:
    """The job as it travels, its large payload left with the ledger."""
    job = prepared.job
    try:
        blob = await blobs.deposit(
            gateway.bus, job.response_id, job.account, "request", job.payload, until=job.deadline + _LOCK_MARGIN
        )
    except BaseException:
        gateway.dispatch.free(job)
        raise
    return job.model_copy(update={"payload": b"", "blob": blob})


async def _locate(gateway: Gateway, account: str, previous: str) -> Located:
    if not gateway.owns(account, previous, "resp"):
        raise PreviousNotFound.of(previous)
    answer = await gateway.ask_ledger(LEDGER_ASK, Locate(response_id=previous, account=account))
    assert isinstance(answer, Located)
    if not answer.found:
        raise PreviousNotFound.of(previous)
    if answer.status is not None and answer.status not in TERMINAL:
        raise InvalidRequest(
            f"Previous response with id '{previous}' has not ended, its status is '{answer.status}'.",
            param="previous_response_id",
            code="previous_response_not_ended",
        )
    return answer


async def _enter(gateway: Gateway, job: Job, conversation: str) -> None:
    entering = Enter(
        conversation_id=conversation,
        account=job.account,
        response_id=job.response_id,
        until=job.deadline + _LOCK_MARGIN,
    )
    try:
        answer = await gateway.ask_ledger(LEDGER_WRITE, entering)
    except BaseException:  # it may be locked all the same, or will be
        gateway.dispatch.free(job)
        raise
    assert isinstance(answer, Entered)
    match answer.verdict:
        case "unknown":
            raise unknown_conversation(conversation)
        case "locked":
            raise InvalidRequest(
                "Another process is currently operating on this conversation. Please retry in a few seconds.",
                param="conversation",
                code="conversation_locked",
            )


def unknown_conversation(conversation: str) -> NotFound:
    return NotFound(f"Conversation with id '{conversation}' not found.")


def _unreachable() -> LedgerUnavailable:
    return LedgerUnavailable("The request could not be written down at the moment.", retry_after=2)
