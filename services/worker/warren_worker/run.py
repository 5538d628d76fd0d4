"""One start of one job, from the conversation to the recorded outcome."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from random import uniform
from time import monotonic, time
from typing import Any

import structlog
from opentelemetry.trace import SpanKind
from pydantic_core import from_json, to_json

from warren import ids, responses, telemetry
from warren.bus import LEDGER_ASK, LEDGER_WRITE, MAX_MESSAGE, Bus
from warren.contracts import Flag, Head, Job, Outcome, Rebuild, Rebuilt, UpstreamCall
from warren.errors import (
    BusUnavailable,
    CallTimeout,
    Cancelled,
    DeadlineExceeded,
    InvalidRequest,
    LedgerUnavailable,
    Overloaded,
    PreviousNotFound,
    UpstreamError,
    UpstreamRefused,
    WarrenError,
)
from warren.events import Event
from warren.responses import Item
from warren.sse import DONE, encode
from warren_worker.assembler import Assembler
from warren_worker.dialect import Call, Conversation
from warren_worker.provider import Endpoint
from warren_worker.relay import Stream
from warren_worker.upstream import Upstream

log = structlog.get_logger("warren.worker")

HELD_BACK = 1.0
"""Seconds that a stream waits for the provider's first word before it begins anyway: a refusal that comes by then is
still a plain HTTP error."""
LARGEST = MAX_MESSAGE - 1024 * 1024
"""Bytes of an answer, and of what the ledger is given of it."""
_LONGEST_WAIT = 60.0
_RETRIES = 2

FindEndpoint = Callable[[str], Awaitable[Endpoint]]


class Run:
    """One attempt at a job. `go` returns when its outcome is confirmed and its last part written."""

    def __init__(
        self, job: Job, bus: Bus, upstream: Upstream, find: FindEndpoint, stream: Stream, sequence: int = 0
    ) -> None:
        self.job = job
        self.stream = stream
        self._bus = bus
        self._upstream = upstream
        self._find = find
        self._request: Item = from_json(job.payload)
        self._calls: list[UpstreamCall] = []
        self._deployment: str | None = None
        self._begun = sequence > 0
        self._history: list[Item] | None = None
        self._assembler = self._assemble(sequence)
        self._task: asyncio.Task[None] | None = None
        self.cancelled = False

    @property
    def silent(self) -> bool:
        """Whether a client that streams waits for a sign of life."""
        return self.job.stream and self._begun and not self.stream.ended

    @property
    def _seen(self) -> bool:
        """Whether a client has been shown output: from here on no other answer may take its place."""
        return self.job.stream and self._assembler.shown

    async def go(self) -> None:
        self._task = asyncio.current_task()
        hold = asyncio.get_running_loop().call_later(HELD_BACK, self._announce)
        try:
            events = await self._answer()
        except WarrenError as error:
            await self._end_badly(error)
        except asyncio.CancelledError:
            if not self.cancelled:
                raise
            await self._end_cancelled()
        except Exception:
            log.exception("run failed", response_id=self.job.response_id)
            await self._end_badly(WarrenError("The worker failed on this request."))
        else:
            await self._end_well(events)
        finally:
            hold.cancel()

    def cancel(self, *, superseded: bool = False) -> None:
        """Stop the upstream call and record what was used until now. Does nothing once the answer is complete.

        `superseded`: this is not the end of the response, another attempt, or its gateway, has taken over.
        """
        if not self.cancelled and self._task is not None and self._assembler.response["status"] == "in_progress":
            self.cancelled = True
            self.stream.superseded = superseded
            self._task.cancel()

    def keep_alive(self) -> None:
        self._say(self._assembler.keep_alive())

    async def _answer(self) -> list[Event]:
        """Ask the deployments of the plan, one after the other, until one answers to its end."""
        error: WarrenError = UpstreamError("No deployment of this model can be reached by this worker.")
        for name in self.job.plan:
            try:
                endpoint = await self._find(name)
            except WarrenError as unusable:
                error = unusable
                continue
            self._deployment = name
            retries = _RETRIES if endpoint.retries is None else endpoint.retries
            for tries in range(retries + 1):
                try:
                    return await self._try(endpoint)
                except UpstreamError as failed:
                    error = failed
                if self._seen or not error.retry:
                    break
                self._assembler = self._assemble(self._assembler.sequence)
                if tries < retries:
                    await self._pause(tries, error.retry_after)
            if self._seen or isinstance(error, UpstreamRefused):
                break
        raise error

    async def _try(self, endpoint: Endpoint) -> list[Event]:
        conversation = await self._conversation(endpoint)
        try:
            return await self._call(endpoint, conversation)
        except UpstreamRefused as refused:
            forgot = refused.code == "previous_response_not_found" or refused.status == 404
            if conversation.upstream_previous is None or not forgot:
                raise
        return await self._call(endpoint, await self._rebuilt())

    async def _call(self, endpoint: Endpoint, conversation: Conversation) -> list[Event]:
        call = endpoint.dialect.call(conversation, endpoint.model)
        started, clock = time(), monotonic()
        seen: dict[str, Any] = {}
        error: WarrenError | None = None
        with telemetry.span(f"chat {endpoint.model}", SpanKind.CLIENT, provider=endpoint.provider):
            try:
                return await self._read(endpoint, call, clock, seen)
            except WarrenError as failed:
                error = failed
                raise
            except asyncio.CancelledError:
                error = Cancelled("Nobody wants this answer any more.")
                raise
            finally:
                answered = bool(seen.get("first_event_seconds"))
                self._calls.append(
                    UpstreamCall(
                        call_id=f"{self.stream.attempt}.{len(self._calls) + 1}",
                        deployment=endpoint.deployment,
                        provider=endpoint.provider,
                        model=endpoint.model,
                        started_at=started,
                        seconds=monotonic() - clock,
                        error=error.code if error is not None else None,
                        usage=self._assembler.usage if answered else None,
                        usage_source=self._assembler.usage_source if answered else None,
                        **seen,
                    )
                )

    async def _read(self, endpoint: Endpoint, call: Call, clock: float, seen: dict[str, Any]) -> list[Event]:
        reader = endpoint.dialect.reader()
        async with self._upstream.ask(endpoint, call, self.job.deadline) as answer:
            seen["status"] = answer.status
            seen["upstream_request_id"] = answer.request_id
            self._begin()
            async for batch in answer:
                seen.setdefault("first_event_seconds", monotonic() - clock)
                made: list[Event] = []
                try:
                    for event in batch:
                        for delta in reader.feed(event):
                            made += self._assembler.feed(delta)
                finally:
                    self._say(made)
                await self.stream.caught_up()
        return self._assembler.finish(time())

    async def _conversation(self, endpoint: Endpoint) -> Conversation:
        held = self.job.held
        items = responses.items(self._request["input"])
        if self._request.get("previous_response_id") is None:
            return Conversation(self._request, items)
        if held is not None and endpoint.remembers and held.deployment == endpoint.deployment:
            return Conversation(self._request, items, held.upstream_id)
        return await self._rebuilt()

    async def _rebuilt(self) -> Conversation:
        """The whole conversation, from the ledger: this provider does not know how it began."""
        if self._history is None:
            previous = self._request["previous_response_id"]
            question = Rebuild(response_id=previous, account=self.job.account)
            try:
                answer = await self._bus.call(LEDGER_ASK, question, timeout=15)
            except (CallTimeout, BusUnavailable):
                raise LedgerUnavailable("The conversation cannot be read at the moment.", retry_after=2) from None
            assert isinstance(answer, Rebuilt)
            if not answer.found:
                raise PreviousNotFound.of(previous)
            if answer.hole is not None:
                raise InvalidRequest(
                    f"The content of response '{answer.hole}' in this conversation is gone; it cannot be continued.",
                    param="previous_response_id",
                    code="previous_response_incomplete",
                )
            self._history = from_json(answer.payload)
        items = [*self._history, *responses.items(self._request["input"])]
        return Conversation(self._request, items)

    async def _pause(self, tries: int, asked: float | None) -> None:
        """Before the next try: as long as the provider asks for, else a growing time, a minute at most."""
        wait = asked if asked is not None else 0.2 * 4**tries * uniform(0.75, 1.25)
        wait = min(wait, _LONGEST_WAIT)
        if time() + wait >= self.job.deadline:
            raise DeadlineExceeded("The request took longer than it may.")
        await asyncio.sleep(wait)

    def _assemble(self, sequence: int) -> Assembler:
        job = self.job
        blank = responses.blank(self._request, response_id=job.response_id, created_at=job.created_at)
        return Assembler(blank, sequence=sequence, prompt=len(job.payload))

    def _announce(self) -> None:
        """The provider takes its time: let the gateway know who is at it, and the client that it has begun."""
        if self.job.stream:
            self._begin()
        elif self.stream.head is None:
            self.stream.head = self._head(None)
            self.stream.write(b"")

    def _begin(self) -> None:
        if self._begun:
            if self.stream.head is None:  # another attempt began this stream; the gateway must learn of this one
                self.stream.head = self._head(200)
                self.stream.write(b"")
            return
        self._begun = True
        if self.job.stream:
            self.stream.head = self._head(200)
            self._say(self._assembler.start())
        else:
            self._assembler.start()

    def _say(self, events: list[Event], flags: Flag = Flag.NONE) -> None:
        if self.job.stream and events:
            if self._assembler.shown:
                flags |= Flag.CONTENT
            data = b"".join(map(encode, events))
            if flags & Flag.LAST:
                data += DONE
            self.stream.write(data, events[0]["sequence_number"], events[-1]["sequence_number"], flags)

    def _last(self, events: list[Event]) -> None:
        if self.job.stream:
            self._say(events, Flag.LAST)
        else:
            self.stream.head = self._head(200)
            self.stream.write(to_json(self._assembler.response, inf_nan_mode="null"), flags=Flag.LAST)

    async def _end_well(self, events: list[Event]) -> None:
        if len(to_json(self._assembler.response, inf_nan_mode="null")) > LARGEST:
            self._assembler.empty(events[0]["sequence_number"])  # these are not sent
            await self._end_badly(UpstreamError("The provider's answer is too large.", code="upstream_too_large"))
            return
        await self._record()
        self._last(events)

    async def _end_badly(self, error: WarrenError) -> None:
        """Fail: as an HTTP error as long as nothing has begun, as events after that."""
        if isinstance(error, Cancelled):
            await self._end_cancelled()
            return
        events = self._assembler.fail(error)
        await self._record(error)
        if self.job.stream and self._begun:
            self._say(events, Flag.LAST)
            return
        headers = {} if error.retry_after is None else {"retry-after": str(max(1, round(error.retry_after)))}
        self.stream.head = self._head(error.status, headers)
        self.stream.write(to_json(error.body()), flags=Flag.LAST)

    async def _end_cancelled(self) -> None:
        self._begin()
        events = self._assembler.cancel()
        await self._record()
        self._last(events)

    def _head(self, status: int | None, headers: Mapping[str, str] | None = None) -> Head:
        return Head(
            status=status,
            headers=dict(headers or {}),
            worker=self._bus.address,
            deployment=self._deployment,
            tries=max(1, len(self._calls)),
        )

    async def _record(self, error: WarrenError | None = None) -> None:
        """Hand the outcome to the ledger. Until the broker has it, this job is not over: it is tried for ever."""
        outcome = Outcome.of(
            self.job,
            self._request,
            self._assembler.response,
            attempt=self.stream.attempt,
            error=error,
            deployment=self._deployment,
            upstream_id=self._assembler.upstream_id,
            calls=tuple(self._calls),
            superseded=self.stream.superseded,
        )
        if len(outcome.payload) > LARGEST:
            log.warning("a response is too large to be stored", response_id=self.job.response_id)
            outcome = outcome.model_copy(update={"store": False, "payload": b"", "split": 0})
        await confirm(self._bus, outcome)


async def confirm(bus: Bus, outcome: Outcome) -> None:
    pause = 0.1
    while True:
        with suppress(BusUnavailable, Overloaded):
            await bus.send(LEDGER_WRITE, outcome, timeout=30)
            return
        log.warning("the ledger's queue does not take outcomes", response_id=outcome.response_id)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 5)


def attempt_id() -> str:
    return ids.new("att")
