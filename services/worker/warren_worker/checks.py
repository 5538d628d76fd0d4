"""Health checks: deployments are asked now and then, for no other reason than to know whether they answer.

Of all workers of a provider one asks, whose turn it is by the ledger's word, and tells the others what came of it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from time import monotonic, time

import structlog

from warren import ids, naming, objects
from warren.bus import LEDGER_ASK, LEDGER_WRITE, ROUTING, Bus
from warren.config import Config
from warren.contracts import Check, Checked, Outcome, Permitted, Turn
from warren.deployments import Deployment
from warren.errors import Limited, WarrenError
from warren.objects import Item
from warren_worker.assembler import Assembler
from warren_worker.dialect import Conversation
from warren_worker.exchange import Calls
from warren_worker.provider import Endpoint
from warren_worker.upstream import Upstream

log = structlog.get_logger("warren.worker")

ACCOUNT = "health"
"""Whose the cost of checks is."""
LOOK = 5.0
"""Seconds from one look whether something is to be checked to the next."""
PATIENCE = 60.0
"""Seconds that an answer may take."""
_AT_ONCE = 4
_ROUNDS = 2
"""For which a check counts, until it is too old to go by."""
_MODES = (None, "chat", "completion", "responses")
_REQUEST: Item = {"input": "Say: ok", "max_output_tokens": 16}

Find = Callable[[Deployment], Awaitable[Endpoint]]


class Checks:
    """What one worker does of them."""

    def __init__(self, bus: Bus, upstream: Upstream, find: Find, takes: Callable[[str], bool]) -> None:
        self._bus = bus
        self._upstream = upstream
        self._find = find
        self._takes = takes
        self._next: dict[str, float] = {}
        """When it may be somebody's turn again, by the provider."""

    async def watch(self, config: Callable[[], Config]) -> None:
        """Check whenever it is time and this worker's turn. Never returns."""
        while True:
            now = config()
            if now.health.background:
                try:
                    await self._look(now)
                except Exception:
                    log.exception("checks failed")
            await asyncio.sleep(min(LOOK, now.health.interval))

    async def _look(self, config: Config) -> None:
        by_provider: defaultdict[str, list[Deployment]] = defaultdict(list)
        for deployment in map(checked, config.deployments.values()):
            if deployment is not None and self._takes(deployment.provider):
                by_provider[deployment.provider].append(deployment)
        for provider, deployments in by_provider.items():
            if monotonic() >= self._next.get(provider, 0.0) and await self._turn(provider, config.health.interval):
                await self._round(deployments, config.health.interval)

    async def _turn(self, provider: str, interval: float) -> bool:
        wanted = Turn(name=f"health of {provider}", seconds=interval)
        with suppress(WarrenError):
            answer = await self._bus.call(LEDGER_ASK, wanted)
            if isinstance(answer, Permitted):
                self._next[provider] = monotonic() + (interval if answer.granted else answer.retry_after or 0.0)
                return answer.granted
        return False

    async def _round(self, deployments: Iterable[Deployment], interval: float) -> None:
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(deployment: Deployment) -> Check | None:
            async with room:
                return await self.check(deployment, interval)

        made = await asyncio.gather(*(one(deployment) for deployment in deployments))
        told = Checked(checks=tuple(check for check in made if check is not None))
        await self._bus.tell(ROUTING, told)
        with suppress(WarrenError):
            await self._bus.send(LEDGER_WRITE, told)

    async def check(self, deployment: Deployment, interval: float) -> Check | None:
        """Whether it answers; None if that is not known, because it has no room even for this."""
        began, clock = time(), monotonic()
        calls = Calls(self._upstream, ids.new("att"), began + PATIENCE)
        error: WarrenError | None = None
        try:
            await say_something(calls, await self._find(deployment))
        except Limited:
            return None
        except WarrenError as failed:
            error = failed
            log.warning("does not answer", deployment=deployment.id, code=failed.code)
        await self._record(calls, deployment, began)
        return Check(
            deployment=deployment.id,
            up=error is None,
            at=began,
            until=time() + _ROUNDS * interval + PATIENCE,
            seconds=monotonic() - clock,
            code=None if error is None else error.code,
            status=calls.made[-1].status if calls.made else None,
        )

    async def _record(self, calls: Calls, deployment: Deployment, began: float) -> None:
        """What it cost is kept as of any call; if that fails, there is no answer to hold back."""
        if not calls.made:
            return
        outcome = Outcome(
            response_id=ids.new("check"),
            account=ACCOUNT,
            attempt=calls.made[-1].call_id.rpartition(".")[0],
            status="completed" if calls.made[-1].error is None else "failed",
            store=False,
            model=deployment.group,
            created_at=began,
            ended_at=time(),
            split=0,
            calls=tuple(calls.made),
        )
        with suppress(WarrenError):
            await self._bus.send(LEDGER_WRITE, outcome)


async def say_something(calls: Calls, endpoint: Endpoint) -> None:
    """Have it say something, whatever that is.

    Raises:
        WarrenError: it does not.
    """
    if endpoint.mock_response is not None:
        return
    request = {**_REQUEST, "model": endpoint.model}
    items = objects.items(request["input"])
    assembler = Assembler(objects.blank(request, response_id="", created_at=0), request=request)
    await calls.ask(replace(endpoint, drops=True), Conversation(request, items), assembler)


def checked(deployment: Deployment) -> Deployment | None:
    """What is asked when this deployment is checked; None if it is not."""
    params, info = deployment.params, deployment.info
    if info.disable_background_health_check or info.mode not in _MODES:
        return None
    if info.health_check_model is None:
        return None if deployment.wild else deployment
    provider, model = naming.provider(info.health_check_model, None, params.api_base or params.base_url)
    return replace(deployment, provider=provider, model=model)
