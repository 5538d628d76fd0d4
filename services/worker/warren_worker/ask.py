"""Questions to a provider that are no response: how many tokens this would be, and a conversation made short."""

import asyncio
from time import time

from pydantic_core import from_json, to_json

from warren import ids
from warren.bus import Bus
from warren.contracts import Ask, Begun, Fetched, Outcome, Terminal, UpstreamCall
from warren.errors import (
    DeadlineExceeded,
    InvalidRequest,
    LedgerUnavailable,
    Limited,
    UpstreamError,
    UpstreamRefused,
    WarrenError,
)
from warren.objects import OTHER_PREFIX, PREFIXES, Item
from warren.routing.planning import Router
from warren.seal import Sealer
from warren_worker import dropping
from warren_worker.conversation import kept_by_compaction, room, tokens
from warren_worker.dialect import Conversation, Counting
from warren_worker.exchange import Calls
from warren_worker.fitting import summarised
from warren_worker.inputs import Inputs, whole
from warren_worker.provider import Endpoint
from warren_worker.recording import confirm, register
from warren_worker.run import FindEndpoint
from warren_worker.sealing import COMPACTION, Seals
from warren_worker.upstream import Upstream

_PATIENCE = 10.0
_COUNTED = frozenset(
    {
        "model", "input", "previous_response_id", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text",
        "reasoning", "truncation", "personality",
    }
)  # fmt: skip
_COMPACTED = frozenset(
    {
        "model", "input", "previous_response_id", "instructions", "prompt_cache_key", "prompt_cache_retention",
        "prompt_cache_options", "service_tier", "image",
    }
)  # fmt: skip
"""What the provider's own endpoints take."""


async def answer(
    ask: Ask, bus: Bus, upstream: Upstream, find: FindEndpoint, router: Router, sealer: Sealer | None
) -> Fetched:
    """The object to show. Each deployment of the plan is asked once.

    Raises:
        WarrenError: none of them has an answer, or there is none in time.
    """
    try:
        async with asyncio.timeout(ask.deadline - time()):
            ask = await whole(bus, ask, _PATIENCE)
            return await _Answer(ask, bus, upstream, sealer).found(find, router)
    except TimeoutError:
        raise DeadlineExceeded("The request took longer than it may.") from None


class _Answer:
    """One question on its way to an answer."""

    def __init__(self, ask: Ask, bus: Bus, upstream: Upstream, sealer: Sealer | None) -> None:
        self._ask = ask
        self._bus = bus
        self._attempt = ids.new("att")
        self._request: Item = from_json(ask.payload)
        self._seals = Seals(sealer, ask.account)
        self._inputs = Inputs(
            bus, ask.account, self._request, self._seals, held=ask.held, conversation=ask.conversation
        )
        self._calls = Calls(upstream, self._attempt, ask.deadline, self._begins)

    async def found(self, find: FindEndpoint, router: Router) -> Fetched:
        try:
            made = await self._first(find, router)
        except (WarrenError, asyncio.CancelledError):
            await self._record("failed")
            raise
        if not await self._record("completed"):
            raise LedgerUnavailable("The cost of this cannot be kept at the moment.", retry_after=2)
        return Fetched(found=True, payload=to_json(made, inf_nan_mode="null"))

    async def _first(self, find: FindEndpoint, router: Router) -> Item:
        """What the first deployment says that has an answer."""
        error: WarrenError = UpstreamError("No deployment of this model can be reached by this worker.")
        here = {one.id: one for one in router.known(self._request["model"]).deployments}
        for name in self._ask.plan:
            if name not in here:
                continue
            try:
                return await self._made(await find(here[name]))
            except UpstreamRefused:
                raise
            except (UpstreamError, Limited) as failed:
                error = failed
        raise error

    async def _made(self, endpoint: Endpoint) -> Item:
        conversation = await self._inputs.conversation(endpoint)
        if self._ask.what == "input_tokens":
            return await self._counted(endpoint, conversation)
        return await self._compacted(endpoint, conversation)

    async def _counted(self, endpoint: Endpoint, conversation: Conversation) -> Item:
        if endpoint.remembers:
            return await self._native(endpoint, conversation, "/responses/input_tokens", _COUNTED)
        # What cannot be asked is refused here, too.
        _, told, _ = dropping.call(endpoint, conversation)
        if isinstance(endpoint.dialect, Counting):
            count = await self._calls.count(endpoint, endpoint.dialect, told)
            if count is not None:
                return {"object": "response.input_tokens", "input_tokens": count}
        estimate = tokens(told.request, told.items)
        return {"object": "response.input_tokens", "input_tokens": estimate, "estimated": True}

    async def _compacted(self, endpoint: Endpoint, conversation: Conversation) -> Item:
        ours = {"id": self._ask.response_id, "object": "response.compaction", "created_at": int(self._ask.created_at)}
        if endpoint.remembers:
            return {**await self._native(endpoint, conversation, "/responses/compact", _COMPACTED), **ours}
        if not conversation.items:
            raise InvalidRequest(
                "There is nothing to compact: neither 'input' nor 'previous_response_id' is given.",
                param="input",
                code="missing_required_parameter",
            )
        seal = self._seals.needed(COMPACTION, None)
        item, assembler = await summarised(self._calls, endpoint, conversation, seal)
        output = [*kept_by_compaction(conversation.items, room(endpoint.max_input_tokens)), item]
        return {**ours, "output": _named(output, self._ask.response_id), "usage": assembler.response["usage"]}

    async def _native(self, endpoint: Endpoint, conversation: Conversation, path: str, allowed: frozenset[str]) -> Item:
        """What the provider itself says, asked in its words."""
        request = {"model": endpoint.model, **self._request, "input": self._inputs.request.get("input") or []}
        told = Conversation(request, conversation.items, conversation.upstream_previous)
        body = endpoint.dialect.call(told, endpoint.model).body
        return await self._calls.fetch(endpoint, path, {key: body[key] for key in body if key in allowed})

    async def _begins(self, calls: tuple[UpstreamCall, ...]) -> None:
        """The gateway waits for the answer, but has no part in it: should this worker die, the ledger must know."""
        ask = self._ask
        begun = Begun(
            response_id=ask.response_id,
            account=ask.account,
            attempt=self._attempt,
            worker=self._bus.address,
            model=self._request.get("model") or "",
            created_at=ask.created_at,
            deadline=ask.deadline,
            payer=ask.payer,
            calls=calls,
        )
        await register(self._bus, begun)

    async def _record(self, status: Terminal) -> bool:
        """Have it kept what was paid for; there is nothing to keep but that, and what is held for it is free then."""
        if not self._calls.made and not self._ask.payer.owes:
            return True
        outcome = Outcome(
            response_id=self._ask.response_id,
            account=self._ask.account,
            attempt=self._attempt,
            status=status,
            store=False,
            model=self._request.get("model") or "",
            created_at=self._ask.created_at,
            ended_at=time(),
            split=0,
            calls=tuple(self._calls.made),
            payer=self._ask.payer,
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                await confirm(self._bus, outcome)
        except TimeoutError:
            return False
        return True


def _named(output: list[Item], response_id: str) -> list[Item]:
    """Every item with an id."""
    return [
        item
        if item.get("id")
        else {**item, "id": ids.derived(PREFIXES.get(item["type"], OTHER_PREFIX), response_id, at)}
        for at, item in enumerate(output)
    ]
