"""Handing a job on: to the workers of another provider, when the next deployment to ask is theirs; or back, when this
process leaves before the answer is complete.

The job keeps its id, its trace and its place in its plan. Whoever gets it claims it, and names this attempt: where
nothing was shown, and this is the attempt that is known, it runs at once. However often it comes, one runs.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from warren import telemetry
from warren.bus import Bus, jobs
from warren.contracts import Job, Outcome, UpstreamCall, Walked
from warren.errors import PublishUnknown, UpstreamUnreachable, WarrenError
from warren.objects import Item
from warren_worker.recording import record
from warren_worker.relay import Stream

log = structlog.get_logger("warren.worker")

_LAST_WORDS = 2.0
"""Seconds that a process takes that should be gone."""


class HandedOver(Exception):
    """This attempt is over without an end: another worker goes on."""


class Handing:
    """How one attempt at a job can hand it on. `job` is what came, not with all that was fetched for it."""

    def __init__(self, bus: Bus, job: Job, stream: Stream, takes: Callable[[str], bool]) -> None:
        self._bus = bus
        self._job = job
        self._stream = stream
        self._takes = takes

    def elsewhere(self, provider: str) -> bool:
        """Whether this worker does not take the jobs of this provider."""
        return not self._takes(provider)

    async def over(
        self,
        provider: str,
        walked: Walked,
        calls: Sequence[UpstreamCall],
        request: Item,
        response: Item,
        *,
        called: str = "",
    ) -> None:
        """Hand the job on, to where `walked` says. On return it is this attempt's no more: it must end without a word.

        `calls` were made until now, for this request; they are recorded first. `response` is what it stands at;
        `called` as in the job.

        Raises:
            WarrenError: nobody takes it, or it could not be sent. This attempt may go on: if the job was sent all the
                same, one of the two is shown.
        """
        if (await self._bus.depth(jobs(provider))).consumers == 0:
            raise UpstreamUnreachable(f"No worker takes jobs for the provider {provider!r}.")
        if self._job.detached:
            await self._stream.emptied()  # what was logged counts, whoever goes on
        await record(self._bus, self._outcome(calls, request, response))
        telemetry.event("handed_on", to=provider)
        job = self._job.model_copy(update={"handed": self._stream.attempt, "walked": walked, "called": called})
        log.info("handed on", response_id=job.response_id, provider=provider, deployment=walked.plan)
        with suppress(PublishUnknown):
            await self._bus.send(jobs(provider), job)
            return
        await self._bus.send(jobs(provider), job)  # it may come twice now; one of them runs

    async def back(self, calls: Sequence[UpstreamCall], request: Item, response: Item) -> None:
        """Record the calls made until now. The job goes back to its queue by itself; what of this cannot be recorded
        while this process may still live is lost.
        """
        with suppress(WarrenError, TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await record(self._bus, self._outcome(calls, request, response))

    def _outcome(self, calls: Sequence[UpstreamCall], request: Item, response: Item) -> Outcome:
        return Outcome.of(
            self._job,
            {**request, "store": False},
            {**response, "status": "cancelled"},
            attempt=self._stream.attempt,
            calls=tuple(calls),
            superseded=True,
        )
