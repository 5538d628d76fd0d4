"""Whether somebody may have a request run: he, his account and his end user are not blocked, and all budgets that it
would be charged to have room for it. What it may cost is held there until its outcome is recorded.
"""

from collections.abc import Iterable, Iterator
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
    Party,
    Payer,
    Permit,
    Permitted,
    Reservation,
    Reserve,
    Reserved,
)
from warren.errors import EndUserBlocked, Forbidden, LedgerUnavailable, ModelNotFound, WarrenError
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
    asked = Asked(job.response_id, job.plan, job.deadline, len(job.payload), job.knobs)
    try:
        payer, plan = await pay(gateway, connection, wanted, asked)
    except BaseException:
        gateway.dispatch.free(job)
        raise
    if payer == job.payer and plan == job.plan:
        return prepared
    (first,) = _deployments(gateway, wanted.model, plan[:1])
    provider = prepared.provider if plan[0] == job.plan[0] else first.provider
    changes: dict[str, Any] = {"payer": payer, "plan": plan}
    if job.walked is not None:
        changes["walked"] = job.walked.model_copy(update={"plan": plan})
    return Prepared(job.model_copy(update=changes), provider)


async def pay(gateway: Gateway, connection: HTTPConnection, wanted: Any, asked: Asked) -> tuple[Payer, tuple[str, ...]]:
    """Who pays, once what this may cost is held, and which deployments of its plan have a budget for it.

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
    deployments = _deployments(gateway, wanted.model, asked.plan)
    if not budgets and not limits and not any(one.params.max_budget is not None for one in deployments):
        return payer, asked.plan
    tokens = estimating.input_tokens(wanted, asked.size), estimating.output_tokens(wanted)
    if limits:
        payer = payer.model_copy(update={"limits": (f"key:{key}",)})
        await _permitted(gateway, asked, payer, limits, estimating.likely_tokens(wanted, asked.size))
    try:
        return await _reserved(gateway, asked, payer, budgets, deployments, tokens)
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
        answer = await gateway.ask_ledger(LEDGER_ASK, question, _PATIENCE)
    except LedgerUnavailable:
        log.warning("the limits of a key cannot be looked at", key=payer.key)
        return
    assert isinstance(answer, Permitted)
    if not answer.granted:
        wait = 60.0 if answer.retry_after is None else answer.retry_after
        raise _limited("This API key has reached its rate limit.", "rate_limit_exceeded", "rate_limit_error", wait)


async def _reserved(
    gateway: Gateway,
    asked: Asked,
    payer: Payer,
    budgets: list[_Budget],
    deployments: list[Deployment],
    tokens: tuple[int, int],
) -> tuple[Payer, tuple[str, ...]]:
    """Have the most that it may cost held in all these budgets.

    Raises:
        WarrenError: one of them has not enough left; nothing is held.
    """
    costs = {one.id: _cost(gateway, one, tokens) for one in deployments}
    known = [one for one in deployments if costs[one.id] is not None or not (budgets or one.params.max_budget)]
    if not known:
        raise Forbidden("The price of this model is not known, so nothing of it fits a budget.", code="price_unknown")
    wanted = (*_together(budgets, costs.values()), *_apart(known, costs))
    plan = tuple(one.id for one in known)
    if not wanted:
        return payer, plan
    held = _held(payer, wanted)
    question = Reserve(response_id=asked.response_id, until=asked.deadline + _MARGIN, reservations=wanted)
    try:
        answer = await gateway.ask_ledger(LEDGER_ASK, question)
    except LedgerUnavailable:
        await gateway.dispatch.unreserve(asked.response_id, held)  # it may be held all the same
        raise
    assert isinstance(answer, Reserved)
    held = _held(payer, [one for one in wanted if one.budget not in answer.refused])
    plan = tuple(id_ for id_ in plan if f"deployment:{id_}" not in answer.refused)
    if not plan:
        await gateway.dispatch.unreserve(asked.response_id, held)
        raise _limited("A budget is used up.", "insufficient_quota", "insufficient_quota", None)
    return held, plan


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


def _together(budgets: Iterable[_Budget], costs: Iterable[Decimal | None]) -> Iterator[Reservation]:
    """In budgets that pay for whichever deployment it will be: the most that any of them may cost."""
    most = max((cost for cost in costs if cost is not None), default=Decimal(0))
    for budget, limit, duration in budgets:
        yield Reservation(budget=budget, amount=most, limit=limit, duration=duration)


def _apart(deployments: Iterable[Deployment], costs: dict[str, Decimal | None]) -> Iterator[Reservation]:
    for one in deployments:
        limit, cost = one.params.max_budget, costs[one.id]
        if limit is not None and cost is not None:
            yield Reservation(
                budget=f"deployment:{one.id}",
                amount=cost,
                limit=limit,
                duration=one.params.budget_duration,
                needed=False,
            )


def _cost(gateway: Gateway, deployment: Deployment, tokens: tuple[int, int]) -> Decimal | None:
    """The most that this may cost there; None if nobody knows, and nobody says what to take for it."""
    cost = gateway.price(deployment, *tokens)
    return gateway.config.spending.unknown_price if cost is None else cost


def _limited(message: str, code: str, type_: str, retry_after: float | None) -> WarrenError:
    error = WarrenError(message, code=code, status=429, retry_after=retry_after)
    error.type = type_
    return error
