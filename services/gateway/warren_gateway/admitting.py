"""Whether somebody may have a request run: he, his account and his end user are not blocked, and all budgets that it
would be charged to have room for it. What it may cost is held there until its outcome is recorded.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from time import time
from typing import Any

import structlog
from starlette.requests import HTTPConnection

from warren import scopes
from warren.bus import LEDGER_ASK
from warren.config import Deployment
from warren.contracts import (
    Knobs,
    Limits,
    Message,
    Party,
    Payer,
    Permit,
    Permitted,
    Reservation,
    Reserve,
    Reserved,
)
from warren.errors import EndUserBlocked, Forbidden, LedgerUnavailable, ModelNotFound, WarrenError
from warren.routing.fallbacks import reachable
from warren.routing.knobs import UNSAID
from warren_gateway import endusers, estimating
from warren_gateway.auth import Caller
from warren_gateway.creating import Prepared
from warren_gateway.gateway import Gateway

log = structlog.get_logger("warren.gateway")

_PATIENCE = 1.0
"""Seconds that the limits of a key may take: a limit spares an error, and is not worth a long wait."""
_MARGIN = 120.0
"""Seconds behind a deadline in which an outcome may still come."""
_Budget = tuple[str, Decimal, str | None]
"""Its name, its limit, and how long its period is."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to run."""

    response_id: str
    plan: tuple[str, ...]
    deadline: float
    size: int
    """Bytes of its body."""
    knobs: Knobs = UNSAID
    falls_back: bool = False
    """If its plan fails, it goes on to fallbacks."""


@dataclass(frozen=True, slots=True)
class Paid:
    """Who pays, and which deployments there is a budget for."""

    payer: Payer
    plan: tuple[str, ...]
    barred: tuple[str, ...] = ()
    """Of those that the request would fall back to."""


def permit(gateway: Gateway, connection: HTTPConnection, model: str, knobs: Knobs = UNSAID) -> None:
    """
    Raises:
        ModelNotFound: the caller's key is not for this model, or not for one that the request would fall back to.
    """
    key = gateway.keys.caller(connection).key
    if key is None or not key.models:
        return
    for name, field in _names(model, knobs):
        deployment = gateway.config.deployments.get(name)
        if not scopes.allows_model(key.models, name if deployment is None else deployment.group):
            raise ModelNotFound(f"The model '{name}' does not exist or you do not have access to it.", param=field)


def _names(model: str, knobs: Knobs) -> Iterator[tuple[str, str]]:
    """All that a request itself says it may be answered by. What the configuration says besides is for everybody."""
    yield model, "model"
    for field in ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks"):
        for targets in (getattr(knobs, field) or {}).values():
            yield from ((target.model, field) for target in targets)


async def admit(gateway: Gateway, connection: HTTPConnection, wanted: Any, prepared: Prepared) -> Prepared:
    """The job with who pays for it; a job that is not sent after this must be freed (`Dispatch.free`).

    Raises:
        WarrenError: why it may not run; it is freed.
    """
    job = prepared.job
    asked = Asked(job.response_id, job.plan, job.deadline, len(job.payload), job.knobs, falls_back=True)
    try:
        paid = await pay(gateway, connection, wanted, asked)
    except BaseException:
        gateway.dispatch.free(job)
        raise
    if paid == Paid(job.payer, job.plan):
        return prepared
    (first,) = _deployments(gateway, wanted.model, paid.plan[:1])
    provider = prepared.provider if paid.plan[0] == job.plan[0] else first.provider
    changes: dict[str, Any] = {"payer": paid.payer, "plan": paid.plan, "barred": paid.barred}
    if job.walked is not None:
        changes["walked"] = job.walked.model_copy(update={"plan": paid.plan})
    return Prepared(job.model_copy(update=changes), provider)


async def pay(gateway: Gateway, connection: HTTPConnection, wanted: Any, asked: Asked) -> Paid:
    """Who pays, once what this may cost is held, and which deployments have a budget for it.

    Raises:
        WarrenError: why it may not run; nothing is held.
    """
    caller = gateway.keys.caller(connection)
    name = endusers.named(connection.headers, wanted, gateway.config.spending, asked.knobs.user)
    end_user = await gateway.parties.end_user(name) if name else None
    if end_user is not None and end_user.blocked:
        raise EndUserBlocked("This end user is blocked.", param="user")
    key, tags = ("", ()) if caller.key is None else (caller.key.id, caller.key.tags)
    payer = Payer(key=key, end_user=name, tags=tuple(dict.fromkeys((*tags, *asked.knobs.tags))))
    budgets = list(_budgets(gateway, caller, name, end_user))
    limits = Limits() if caller.key is None else _limits(caller.key)
    ways = [*_ways(gateway, wanted, asked)]
    if not budgets and not limits and not any(one.params.max_budget is not None for one, _ in ways):
        return Paid(payer, asked.plan)
    read, said = estimating.input_tokens(wanted, asked.size), estimating.output_tokens(wanted)
    if limits:
        payer = payer.model_copy(update={"limits": (f"key:{key}",)})
        await _permitted(gateway, asked, payer, limits, estimating.likely_tokens(wanted, asked.size))
    try:
        tier = getattr(wanted, "service_tier", None)
        offers = [_Offer(one, _cost(gateway, one, (read, said if most is None else most), tier)) for one, most in ways]
        return await _reserved(gateway, asked, payer, budgets, offers)
    except BaseException:
        await gateway.dispatch.unreserve(asked.response_id, payer)
        raise


def _deployments(gateway: Gateway, model: str, plan: Iterable[str]) -> list[Deployment]:
    """Those of a plan; of a wildcard, for the model that was asked for."""
    group = {one.id: one for one in gateway.config.group(model)}
    return [group.get(id_) or gateway.config.deployments[id_] for id_ in plan]


async def _permitted(gateway: Gateway, asked: Asked, payer: Payer, limits: Limits, tokens: int) -> None:
    """Count it against the limits of its key. While the ledger is away, nobody counts.

    Raises:
        WarrenError: 429 `rate_limit_exceeded`.
    """
    question = Permit(
        permit_id=asked.response_id,
        deployment=payer.limits[0],
        limits=limits,
        tokens=min(tokens, limits.tpm or 0),
        seconds=asked.deadline + _MARGIN - time(),
    )
    try:
        answer = await _held_meanwhile(gateway, asked, payer, gateway.ask_ledger(LEDGER_ASK, question, _PATIENCE))
    except LedgerUnavailable:
        log.warning("the limits of a key cannot be looked at", key=payer.key)
        return
    assert isinstance(answer, Permitted)
    if not answer.granted:
        wait = 60.0 if answer.retry_after is None else answer.retry_after
        raise _limited("This API key has reached its rate limit.", "rate_limit_exceeded", "rate_limit_error", wait)


async def _held_meanwhile(gateway: Gateway, asked: Asked, payer: Payer, asking: Awaitable[Message]) -> Message:
    """The answer to a question that holds something. Nobody may be there any more to hear it: then it is let go of,
    behind the answer, for what is let go of before it is held stays held.
    """
    answering = asyncio.ensure_future(asking)
    try:
        return await asyncio.shield(answering)
    except asyncio.CancelledError:
        await asyncio.wait([answering])
        await gateway.dispatch.unreserve(asked.response_id, payer)
        raise


@dataclass(frozen=True, slots=True)
class _Offer:
    """A deployment that may serve a request, and the most that it may cost there."""

    deployment: Deployment
    cost: Decimal | None
    """None: nobody knows, and nobody says what to take for it."""

    @property
    def id(self) -> str:
        return self.deployment.id


def _ways(gateway: Gateway, wanted: Any, asked: Asked) -> Iterator[tuple[Deployment, int | None]]:
    """The deployments of the plan, then those of all fallbacks, each once; and the tokens that they may say, if that is
    not what the request says.
    """
    planned = _deployments(gateway, wanted.model, asked.plan)
    yield from ((one, None) for one in planned)
    if not asked.falls_back:
        return
    seen, config = {one.id for one in planned}, gateway.config
    for target, group in reachable(wanted.model, config.groups, config.rules, asked.knobs):
        most = target.overrides.get("max_output_tokens")
        for one in group.deployments:
            if one.id not in seen:
                seen.add(one.id)
                yield one, most if isinstance(most, int) else None


async def _reserved(
    gateway: Gateway, asked: Asked, payer: Payer, budgets: list[_Budget], offers: Sequence[_Offer]
) -> Paid:
    """Have the most that it may cost held in all these budgets.

    Raises:
        WarrenError: one of them has not enough left; nothing is held.
    """
    known = [
        one for one in offers if one.cost is not None or not (budgets or one.deployment.params.max_budget is not None)
    ]
    if not any(one.id in asked.plan for one in known):
        raise Forbidden("The price of this model is not known, so nothing of it fits a budget.", code="price_unknown")
    wanted = (*_together(budgets, known), *_apart(known))
    if not wanted:
        return _paid(asked, payer, offers, known)
    held = _held(payer, wanted)
    question = Reserve(response_id=asked.response_id, until=asked.deadline + _MARGIN, reservations=wanted)
    try:
        answer = await _held_meanwhile(gateway, asked, held, gateway.ask_ledger(LEDGER_ASK, question))
    except LedgerUnavailable:
        await gateway.dispatch.unreserve(asked.response_id, held)  # it may be held all the same
        raise
    assert isinstance(answer, Reserved)
    held = _held(payer, [one for one in wanted if one.budget not in answer.refused])
    paid = _paid(asked, held, offers, [one for one in known if f"deployment:{one.id}" not in answer.refused])
    if not paid.plan:
        await gateway.dispatch.unreserve(asked.response_id, held)
        raise _limited("A budget is used up.", "insufficient_quota", "insufficient_quota", None)
    return paid


def _paid(asked: Asked, payer: Payer, offers: Iterable[_Offer], good: Iterable[_Offer]) -> Paid:
    left = {one.id for one in good}
    plan = tuple(id_ for id_ in asked.plan if id_ in left)
    return Paid(payer, plan, tuple(one.id for one in offers if one.id not in left and one.id not in asked.plan))


def _held(payer: Payer, reservations: Iterable[Reservation]) -> Payer:
    made = [(one.budget, one.amount) for one in reservations]
    return payer.model_copy(update={"budgets": tuple(one for one, _ in made), "held": tuple(one for _, one in made)})


def _limits(key: Party) -> Limits:
    return Limits(rpm=key.rpm_limit, tpm=key.tpm_limit, parallel=key.max_parallel_requests)


def _budgets(gateway: Gateway, caller: Caller, name: str, end_user: Party | None) -> Iterator[_Budget]:
    """The budgets of all that a request is charged to, whichever deployment serves it."""
    spending = gateway.config.spending
    for party in (caller.key, end_user, caller.holder):
        if party is not None and party.max_budget is not None:
            yield f"{party.what}:{party.id}", party.max_budget, party.budget_duration
    if name and spending.max_end_user_budget is not None and (end_user is None or end_user.max_budget is None):
        yield f"end_user:{name}", spending.max_end_user_budget, spending.end_user_budget_duration
    if spending.max_budget is not None:
        yield "global", spending.max_budget, spending.budget_duration


def _together(budgets: Iterable[_Budget], offers: Iterable[_Offer]) -> Iterator[Reservation]:
    """In budgets that pay for whichever deployment it will be: the most that any of them may cost."""
    most = max((one.cost for one in offers if one.cost is not None), default=Decimal(0))
    for budget, limit, duration in budgets:
        yield Reservation(budget=budget, amount=most, limit=limit, duration=duration)


def _apart(offers: Iterable[_Offer]) -> Iterator[Reservation]:
    for one in offers:
        params = one.deployment.params
        if params.max_budget is not None and one.cost is not None:
            yield Reservation(
                budget=f"deployment:{one.id}",
                amount=one.cost,
                limit=params.max_budget,
                duration=params.budget_duration,
                needed=False,
            )


def _cost(gateway: Gateway, deployment: Deployment, tokens: tuple[int, int], tier: str | None) -> Decimal | None:
    """The most that this may cost there; None if nobody knows, and nobody says what to take for it."""
    cost = gateway.price(deployment, *tokens, tier)
    return gateway.config.spending.unknown_price if cost is None else cost


def _limited(message: str, code: str, type_: str, retry_after: float | None) -> WarrenError:
    error = WarrenError(message, code=code, status=429, retry_after=retry_after)
    error.type = type_
    return error
