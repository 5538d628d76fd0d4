"""Calls of a time, priced again: what is recorded stays, and what they cost by these prices is written beside it.

Responses are gone through from the latest to the first. What costs the same is left as it is, so whoever is stopped, or
does not know whether he came to the end, does all of it again; what was done by then does not change.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from time import time
from typing import Any

from pydantic_core import to_json

from warren.bus import LEDGER_ASK, LEDGER_WRITE
from warren.config import Config, Deployment, Params
from warren.contracts import Calls, CallsOf, Correction, ListCalls, Message, Price, Reprice, UpstreamCall
from warren.costs import Prices, Served
from warren.costs.bill import digits
from warren.errors import WarrenError

Ask = Callable[[str, Message], Awaitable[Message]]
Which = Callable[[UpstreamCall], bool]

_AT_ONCE = 500
"""Responses."""


@dataclass(slots=True)
class Found:
    """What came of it by now. Amounts are in US dollars, of all calls that were looked at and have a price."""

    responses: int = 0
    calls: int = 0
    repriced_calls: int = 0
    """That cost something else than was known."""
    newly_priced_calls: int = 0
    """Of these, that had no price."""
    unpriced_calls: int = 0
    """That have none now either."""
    spend_before: Decimal = field(default=Decimal(0))
    spend: Decimal = field(default=Decimal(0))

    def told(self, what: str, **more: Any) -> bytes:
        values = {name: getattr(self, name) for name in self.__slots__}
        amounts = {name: digits(value) for name, value in values.items() if isinstance(value, Decimal)}
        return to_json({"object": f"reprice.{what}", **more, **values, **amounts}) + b"\n"


class Repricer:
    """By which prices, and of which calls."""

    def __init__(self, config: Config, prices: Prices, which: Which) -> None:
        self._config = config
        self._prices = prices
        self._which = which
        self._deployments: dict[tuple[str, str, str], Deployment] = {}

    def corrections(self, responses: Iterable[CallsOf], found: Found) -> list[Correction]:
        """Of those that cost something else; `found` learns of all."""
        made = []
        for one in responses:
            found.responses += 1
            prices = {call.call_id: price for call in one.calls if (price := self._price(call, found)) is not None}
            if prices:
                before = {call.call_id: _price_of(call) for call in one.calls if call.original is not None}
                number = one.corrections + 1
                made.append(Correction(response_id=one.response_id, number=number, at=time(), prices=before | prices))
        return made

    def _price(self, call: UpstreamCall, found: Found) -> Price | None:
        """What a call costs, if that is something else. Who knows no price does not take away the one that it has."""
        if call.usage is None or not self._which(call):
            return None
        served = Served(
            call.started_at, call.seconds, call.service_tier, call.search_size, call.picture_model, call.region
        )
        bill = self._prices.bill(self._deployment(call), call.usage, served, self._config.terms)
        found.calls += 1
        found.spend_before += call.cost or 0
        if bill.amount is None:
            found.spend += call.cost or 0
            found.unpriced_calls += call.cost is None
            return None
        found.spend += bill.amount
        if (bill.amount, bill.provider_amount) == (call.cost, call.provider_cost):
            return None
        found.repriced_calls += 1
        found.newly_priced_calls += call.cost is None
        return Price(
            cost=bill.amount,
            provider_cost=bill.provider_amount,
            cost_lines=bill.lines,
            price_source=bill.source,
            price_date=bill.date,
        )

    def _deployment(self, call: UpstreamCall) -> Deployment:
        """The one that was called, as it is configured now; one that is not any more is known by its model only."""
        place = call.deployment, call.provider, call.model
        if (known := self._deployments.get(place)) is None:
            found = self._config.deployments.get(call.deployment)
            if found is not None and found.wild:
                found = replace(found, provider=call.provider, model=call.model)
            if found is None or found.provider != call.provider:
                params = Params(model=f"{call.provider}/{call.model}")
                found = Deployment(call.deployment, call.model, call.provider, call.model, params)
            known = self._deployments[place] = found
        return known


async def repriced(ask: Ask, repricer: Repricer, since: float, until: float, *, dry: bool) -> AsyncIterator[bytes]:
    """Do it; gives a line of JSON whenever some are done, and one at the end. A failure on the way is the last."""
    found, asked = Found(), ListCalls(since=since, until=until, limit=_AT_ONCE)
    try:
        while True:
            page = await ask(LEDGER_ASK, asked)
            assert isinstance(page, Calls)
            made = await asyncio.to_thread(repricer.corrections, page.responses, found)
            if made and not dry:
                await ask(LEDGER_WRITE, Reprice(corrections=tuple(made)))
            if not page.has_more:
                break
            yield found.told("progress")
            asked = asked.model_copy(update={"after": page.last_id})
    except WarrenError as error:
        if not found.responses:
            raise
        yield to_json({"object": "reprice.error", **error.body()}) + b"\n"
        return
    yield found.told("end", dry_run=dry)


def _price_of(call: UpstreamCall) -> Price:
    return Price(**{name: getattr(call, name) for name in Price.model_fields})
