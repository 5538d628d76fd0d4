"""Lines: what is told of a charge or a tally, in reports and in logs. Never what was said. Pure."""

from collections.abc import Iterable
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any

from warren.contracts import Price, UpstreamCall
from warren_ledger.store import Record
from warren_ledger.store.charges import Charge
from warren_ledger.tallies import COUNTS, EXACT, Tally

Line = dict[str, Any]
_TOKENS = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
_TOLD = tuple(name for name in COUNTS if name not in ("priced_calls", "newly_priced_calls"))


def summed(tally: Tally) -> Line:
    """A tally, as reports tell it: money is text, as exact as it is. Null is an amount where something was used and
    nothing has a price.
    """
    counts = {name: getattr(tally, name) for name in _TOLD}
    unknown = bool(tally.unpriced_calls and not tally.priced_calls)
    unpriced, priced = _before(tally)
    return counts | _amounts(tally, unknown=unknown, was_unknown=bool(unpriced and not priced))


def _before(tally: Tally) -> tuple[int, int]:
    """How many calls had no price and how many had one before some were priced again."""
    return tally.unpriced_calls + tally.newly_priced_calls, tally.priced_calls - tally.newly_priced_calls


def _amounts(tally: Tally, *, unknown: bool, was_unknown: bool) -> Line:
    """What was spent; what of it providers got; and what it was before calls were priced again."""
    return {
        "spend": None if unknown else text(tally.cost),
        "provider_spend": None if unknown else text(EXACT.subtract(tally.cost, tally.margin)),
        "original_spend": None if was_unknown else text(EXACT.subtract(tally.cost, tally.corrected)),
    }


def charged(charge: Charge, alias: str | None = None) -> Line:
    """A charge, as it is logged and listed."""
    tally = total(charge.calls)
    first = [call.first_event_seconds for call in charge.calls if call.first_event_seconds is not None]
    return {
        "response_id": charge.response_id,
        "account": charge.account,
        "key": charge.payer.key or None,
        "key_alias": alias,
        "user": charge.payer.end_user or None,
        "tags": charge.payer.tags,
        "model": charge.model,
        "deployment": charge.deployment,
        "provider": charge.provider,
        "served_model": charge.served,
        "status": charge.status,
        "error": charge.error,
        "attempt": charge.attempt,
        "created_at": charge.created_at,
        "ended_at": charge.ended_at,
        "seconds": None if charge.ended_at is None else round(charge.ended_at - charge.created_at, 6),
        "first_event_seconds": first[-1] if first else None,
        **{name: getattr(tally, name) for name in _TOKENS},
        **_amounts(tally, unknown=bool(tally.unpriced_calls), was_unknown=bool(_before(tally)[0])),
        "unpriced_calls": tally.unpriced_calls,
        "repriced_calls": tally.repriced_calls,
        "estimated": any(call.usage_source == "estimated" for call in charge.calls),
        "request_id": charge.request_id,
        "trace_id": charge.trace_id,
        "calls": [_call(call) for call in charge.calls],
    }


def recorded(record: Record | None) -> Line:
    """What is known of a response beside its charge: whether there is content, and what it goes on from."""
    return {
        "stored": record is not None and record.kept,
        "previous_response_id": None if record is None else record.previous_response_id,
        "conversation": None if record is None else record.conversation,
        "background": record is not None and bool(record.background),
    }


def called(call: UpstreamCall) -> Line:
    """A call, with all that it used and how its price was made."""
    return _call(call) | {
        "first_event_seconds": call.first_event_seconds,
        "service_tier": call.service_tier,
        "usage": None if call.usage is None else call.usage.model_dump(mode="json", exclude_defaults=True),
        "price_source": call.price_source,
        "price_date": call.price_date,
        "unpriced": call.unpriced,
        "cost_lines": [
            {"what": one.what, "quantity": text(one.quantity), "rate": text(one.rate)} for one in call.cost_lines
        ],
    }


def total(calls: Iterable[UpstreamCall]) -> Tally:
    return reduce(add, map(Tally.of_call, calls), Tally())


def text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def _call(call: UpstreamCall) -> Line:
    return {
        "id": call.call_id,
        "deployment": call.deployment,
        "provider": call.provider,
        "model": call.model,
        "status": call.status,
        "error": call.error,
        "started_at": call.started_at,
        "seconds": call.seconds,
        "upstream_request_id": call.upstream_request_id,
        "usage_source": call.usage_source,
        "spend": text(call.cost),
        "price_source": call.price_source,
        "price_date": call.price_date,
        **({} if call.original is None else {"original": _original(call.original)}),
    }


def _original(price: Price) -> Line:
    return {"spend": text(price.cost), "price_source": price.price_source, "price_date": price.price_date}
