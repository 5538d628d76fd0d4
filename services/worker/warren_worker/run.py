"""One start of one job, from the conversation to the recorded outcome."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import time
from typing import Literal

import structlog
from pydantic_core import from_json, to_json

from warren import ids, objects, telemetry
from warren.bus import Bus
from warren.contracts import Begun, Job, Outcome, UpstreamCall
from warren.deployments import Deployment
from warren.errors import (
    Cancelled,
    ContextLengthExceeded,
    DeadlineExceeded,
    Limited,
    UpstreamError,
    UpstreamRefused,
    WarrenError,
)
from warren.events import Event
from warren.objects import Item
from warren.routing.leg import Step
from warren.routing.planning import Router, Wish
from warren.routing.walk import Walk
from warren.seal import Sealer
from warren.telemetry import instruments
from warren.telemetry.measuring import code
from warren_worker import mocking
from warren_worker.assembler import Assembler
from warren_worker.conversation import room, since_compaction, tokens
from warren_worker.dialect import Conversation
from warren_worker.exchange import Calls
from warren_worker.fitting import fitted, overridden, shorter_ones, summarised, threshold, turn
from warren_worker.handing import HandedOver, Handing
from warren_worker.inputs import Inputs
from warren_worker.provider import Endpoint
from warren_worker.recording import LARGEST, record
from warren_worker.relay import Stream
from warren_worker.sealing import COMPACTION, REASONING, Seals
from warren_worker.upstream import Upstream
from warren_worker.voice import Voice

log = structlog.get_logger("warren.worker")

HELD_BACK = 1.0
"""Seconds that a stream waits for the provider's first word before it begins anyway: a refusal that comes by then is
still a plain HTTP error."""

FindEndpoint = Callable[[Deployment], Awaitable[Endpoint]]


class Run:
    """One attempt at a job. `go` returns when its outcome is confirmed and its last part written."""

    def __init__(
        self,
        job: Job,
        bus: Bus,
        upstream: Upstream,
        find: FindEndpoint,
        router: Router,
        stream: Stream,
        sequence: int = 0,
        sealer: Sealer | None = None,
        handing: Handing | None = None,
    ) -> None:
        self.job = job
        self.stream = stream
        self._bus = bus
        self._find = find
        self._router = router
        self._handing = handing
        self._request: Item = from_json(job.request)
        self._request.setdefault("input", [])
        self._background = job.detached and bool(self._request.get("background"))
        self._seals = Seals(sealer, job.account)
        self._inputs = Inputs(
            bus,
            job.account,
            self._request,
            self._seals,
            held=job.held,
            conversation=job.conversation,
            before=job.before,
        )
        self._calls = Calls(upstream, stream.attempt, job.deadline, self._begins, job.account)
        self._calls.latest = telemetry.remote(job.called)
        self._span = telemetry.current()
        self._voice = Voice(job, stream, bus.address, self._calls)
        self._begun = sequence > 0
        self._compaction: Item | None = None
        self._assembler = self._assemble(sequence)
        self._used = False
        """Whether somebody may have said something into it."""
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
        except HandedOver:
            pass
        except WarrenError as error:
            await self._end_badly(error)
        except asyncio.CancelledError:
            if not self.cancelled:
                await self._give_back()
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
        if not self.cancelled and self._assembler.response["status"] == "in_progress":
            self.cancelled = True
            instruments.FENCED.add(int(superseded))
            self.stream.superseded = superseded
            telemetry.event("fenced" if superseded else "cancel", self._span)
            if self._task is not None:
                self._task.cancel()

    def keep_alive(self) -> None:
        self.say(self._assembler.keep_alive())

    def begin(self) -> None:
        """A provider has taken the request: the stream begins, if it has not."""
        self._begin()
        if self._compaction is not None and not self._assembler.response["output"]:
            self.say(self._assembler.compaction(self._compaction))

    def say(self, events: list[Event]) -> None:
        self._voice.say(events, shown=self._assembler.shown)

    async def caught_up(self) -> None:
        await self.stream.caught_up()

    async def _answer(self) -> list[Event]:
        """Ask the deployments of the plan, one after the other, until one answers to its end."""
        if self.cancelled:
            raise Cancelled("Nobody wants this answer any more.")
        if time() >= self.job.deadline:
            raise DeadlineExceeded("The request waited longer than it may.")
        walk = self._walk()
        error: WarrenError | None = None
        while True:
            step = self._next(walk, error)
            if self._used:
                self._anew()
            if step.wait > 0:
                await self._pause(step.wait)
                continue
            made = len(self._calls.made)
            try:
                await self._hand_over(step.deployment, walk)
                endpoint = self._tuned(await self._find(step.deployment))
            except WarrenError as unusable:
                walk.unable(unusable, time())
                continue
            self._voice.asks(endpoint, walk)
            self._used = True
            try:
                return await self._try(endpoint, walk.target.overrides)
            except Limited as full:
                walk.unable(full, time())
            except WarrenError as failed:
                if self._seen:
                    raise
                error = failed
                called = len(self._calls.made) > made
                status = self._calls.made[-1].status if called else None
                walk.failed(error, time(), status=status, called=called)

    def _next(self, walk: Walk, failed: WarrenError | None) -> Step:
        """
        Raises:
            WarrenError: nobody is left to be asked.
        """
        group, retries, fallbacks = walk.group, walk.retries, walk.fallbacks
        step = walk.next(time())
        if walk.fallbacks > fallbacks:
            why = walk.left_for
            instruments.FALLBACKS.add(walk.fallbacks - fallbacks, group, None if why is None else code(why))
            self._goes_on("fallback", walk, step, why)
        elif walk.retries > retries and failed is not None:
            instruments.RETRIES.add(1, group, code(failed))
            self._goes_on("retry", walk, step, failed)
        return step

    def _goes_on(self, how: Literal["retry", "fallback"], walk: Walk, step: Step, failed: WarrenError | None) -> None:
        """A trace tells why somebody else is asked, or the same again."""
        self._calls.again = how
        error = None if failed is None else code(failed)
        telemetry.event(how, self._span, error=error, deployment=step.deployment.id, group=walk.key)

    async def _hand_over(self, to: Deployment, walk: Walk) -> None:
        """Let another worker go on, if it is not for this one to ask this deployment.

        Raises:
            HandedOver: that is so, and it will.
        """
        if self._handing is not None and self._handing.elsewhere(to.provider):
            request, response = self._inputs.request, self._assembler.response
            called = telemetry.traceparent(self._calls.latest)
            await self._handing.over(to.provider, walk.walked, self._calls.made, request, response, called=called)
            raise HandedOver

    async def _give_back(self) -> None:
        """This process leaves, another one goes on: tell what was used until now."""
        if self._handing is not None and self._calls.made:
            await self._handing.back(self._calls.made, self._inputs.request, self._assembler.response)

    def _walk(self) -> Walk:
        job = self.job
        holder = job.held.deployment if job.held is not None else None
        wish = Wish(tags=job.knobs.tags, stream=job.stream, holder=holder, barred=job.barred)
        model, now = self._request["model"], time()
        walk = Walk(self._router, model, job.knobs, wish, now, planned=job.plan, walked=job.walked)
        if job.knobs.mock_testing is not None and job.walked is None:
            walk.abort(mocking.failure(job.knobs.mock_testing))
        return walk

    def _tuned(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, as this request wants it."""
        knobs, rules = self.job.knobs, self._router.rules
        return replace(
            endpoint,
            timeout=knobs.timeout or endpoint.timeout or rules.timeout,
            first_event_timeout=knobs.stream_timeout or endpoint.first_event_timeout or rules.stream_timeout,
            drops=endpoint.drops if knobs.drop_params is None else knobs.drop_params,
        )

    async def _try(self, endpoint: Endpoint, overrides: Item) -> list[Event]:
        if (said := self.job.knobs.mock_response or endpoint.mock_response) is not None:
            return mocking.answer(said, self._assembler, self, time())
        if not endpoint.native and "reasoning.encrypted_content" in (self._request.get("include") or ()):
            self._seals.needed(REASONING, "include")
        conversation = overridden(await self._inputs.conversation(endpoint), overrides)
        try:
            return await self._fit(endpoint, conversation)
        except UpstreamRefused as refused:
            forgot = refused.code == "previous_response_not_found" or refused.status == 404
            if conversation.upstream_previous is None or not forgot:
                raise
        return await self._fit(endpoint, overridden(await self._inputs.rebuilt(endpoint), overrides))

    async def _fit(self, endpoint: Endpoint, conversation: Conversation) -> list[Event]:
        """Ask with as much of the conversation as the request wants, and the model takes."""
        if (most := threshold(endpoint, self._request)) is not None:
            conversation = await self._compacted(endpoint, conversation, most)
        conversation = fitted(endpoint, conversation)
        try:
            return await self._calls.ask(endpoint, conversation, self._assembler, self)
        except ContextLengthExceeded as refused:
            if self._request.get("truncation") != "auto" or self._seen or conversation.upstream_previous is not None:
                raise
            error = refused
        for shorter in shorter_ones(conversation):
            self._anew()
            try:
                return await self._calls.ask(endpoint, shorter, self._assembler, self)
            except ContextLengthExceeded as refused:
                error = refused
                if self._seen:
                    break
        raise error

    async def _compacted(self, endpoint: Endpoint, conversation: Conversation, most: int) -> Conversation:
        """The conversation, with a summary in place of what came before this turn if all of it is too long."""
        at = turn(conversation)
        if at == 0 or tokens(self._request, conversation.items) <= most:
            return conversation
        if self._compaction is None:
            seal = self._seals.needed(COMPACTION, "context_management")
            self._compaction, _ = await summarised(self._calls, endpoint, conversation, seal)
        items = [*conversation.items[:at], self._compaction, *conversation.items[at:]]
        unseal, keep = self._seals.unseal(COMPACTION), room(endpoint.max_input_tokens)
        return replace(conversation, items=since_compaction(items, unseal, keep))

    async def _pause(self, seconds: float) -> None:
        if time() + seconds >= self.job.deadline:
            raise DeadlineExceeded("The request took longer than it may.")
        await asyncio.sleep(seconds)

    def _anew(self) -> None:
        """Forget what was said by a provider that did not come to an end: nobody has seen it."""
        self._used = False
        self._assembler = self._assemble(self._assembler.sequence)

    def _assemble(self, sequence: int) -> Assembler:
        job = self.job
        blank = objects.blank(self._request, response_id=job.response_id, created_at=job.created_at)
        seal = self._seals.seal(REASONING)
        return Assembler(blank, request=self._request, seal=seal, sequence=sequence)

    def _announce(self) -> None:
        """The provider takes its time: let it be known who is at it, and that the response has begun; of one that has
        ended before, the end says all that is said.
        """
        if self.job.stream and self._assembler.response["status"] == "in_progress":
            self._begin()
        else:
            self._voice.appear(None)

    def _begin(self) -> None:
        if self._begun:
            self._voice.appear(200 if self.job.stream else None)  # another attempt may have begun this stream
            return
        self._begun = True
        events = self._assembler.start()
        if self.job.stream:
            self._voice.open(200)
            self.say(events)

    async def _begins(self, calls: tuple[UpstreamCall, ...]) -> None:
        """Should this worker die over the last of these calls, somebody has to know of them."""
        job = self.job
        begun = Begun(
            response_id=job.response_id,
            account=job.account,
            attempt=self.stream.attempt,
            worker=self._bus.address,
            model=self._request["model"],
            created_at=job.created_at,
            deadline=job.deadline,
            payer=job.payer,
            calls=calls,
        )
        await self.stream.begins(begun)

    def _end(self, events: list[Event]) -> None:
        self._voice.end(events, self._assembler.response, shown=self._assembler.shown)

    async def _end_well(self, events: list[Event]) -> None:
        if len(to_json(self._assembler.response, inf_nan_mode="null")) > LARGEST:
            self._assembler.empty(events[0]["sequence_number"])  # these are not sent
            await self._end_badly(UpstreamError("The provider's answer is too large.", code="upstream_too_large"))
            return
        await self._record()
        self._end(events)

    async def _end_badly(self, error: WarrenError) -> None:
        """Fail: as an HTTP error as long as nothing has begun, as events after that.

        In the background it is the response that fails, not the request for it.
        """
        if isinstance(error, Cancelled):
            await self._end_cancelled()
            return
        if self._background:
            self._begin()
        events = self._assembler.fail(error)
        telemetry.fail(error, self._span)
        await self._record(error)
        if self._background or (self.job.stream and self._begun):
            self._end(events)
        else:
            self._voice.refuse(error)

    async def _end_cancelled(self) -> None:
        self._begin()
        events = self._assembler.cancel()
        await self._record()
        self._end(events)

    async def _record(self, error: WarrenError | None = None) -> None:
        """Hand the outcome to the ledger. Until the broker has it, this job is not over: it is tried for ever."""
        if self.job.detached:
            await self.stream.emptied()  # whatever dies from here on, the log lacks nothing but its end
        self._calls.tell(self._assembler.response)
        self._tell()
        outcome = Outcome.of(
            self.job,
            self._inputs.request,
            self._assembler.response,
            attempt=self.stream.attempt,
            error=error,
            deployment=self._voice.deployment,
            upstream_id=self._assembler.upstream_id,
            calls=tuple(self._calls.made),
            superseded=self.stream.superseded,
            shown=self._seen,
            kept={**self._inputs.kept, **self._assembler.kept},
            trace_id=telemetry.trace_id(),
        )
        # Who sees a refusal may try again at once with the same Idempotency-Key: it must be free by then.
        await record(self._bus, outcome, called=self.job.detached and error is not None)

    def _tell(self) -> None:
        """A trace tells how it ended."""
        if telemetry.on():
            telemetry.say(
                self._span,
                status=self._assembler.response["status"],
                deployment=self._voice.deployment,
                attempts=len(self._calls.made),
                cost=self._calls.cost,
                stream=self.job.stream,
                conversation_id=self.job.conversation,
                previous_response_id=self._request.get("previous_response_id"),
            )


def attempt_id() -> str:
    return ids.new("att")
