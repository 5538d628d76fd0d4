"""Calls of which nobody says any more what became of them: what is recorded of one whose worker is gone. Pure.

What it was asked is known, about, and so is what was shown of its answer. That is counted as if it were all: what a
provider has said besides, to a worker that died before it told anybody, nobody can know.
"""

from collections.abc import Iterable
from decimal import Decimal

from warren.contracts import Begun, CostLine, Outcome, UpstreamCall
from warren.costs import adjusting
from warren.objects import Item

CHARACTERS = 4
"""Of a token, where nobody has counted."""


def tokens(characters: int) -> int:
    return -(-characters // CHARACTERS)


def shown(output: Iterable[Item]) -> int:
    """Characters that a model has said in these items."""
    return sum(map(_said, output))


def lost(begun: Begun, at: float, said: int = 0) -> tuple[UpstreamCall, ...]:
    """The calls of an attempt whose worker is gone at this time; `said`: characters of the last one's answer."""
    *made, last = begun.calls
    return (*made, _ended(last, at, tokens(said)))


def outcome(begun: Begun, at: float) -> Outcome:
    """What it leaves: its calls, and no end of the response. That others see to."""
    return Outcome(
        response_id=begun.response_id,
        account=begun.account,
        attempt=begun.attempt,
        status="cancelled",
        store=False,
        model=begun.model,
        created_at=begun.created_at,
        ended_at=at,
        split=0,
        calls=lost(begun, at),
        superseded=True,
        payer=begun.payer,
    )


def _ended(call: UpstreamCall, at: float, said: int) -> UpstreamCall:
    seconds = max(at - call.started_at, 0.0)
    bill = adjusting.again([_line(line, said, seconds) for line in call.cost_lines], call.unpriced)
    return call.model_copy(
        update={
            "seconds": seconds,
            "usage": call.usage and call.usage.model_copy(update={"output_tokens": said}),
            "cost": bill.amount,
            "provider_cost": bill.provider_amount,
            "cost_lines": tuple(line for line in bill.lines if line.quantity),
            "lost": True,
        }
    )


def _line(line: CostLine, said: int, seconds: float) -> CostLine:
    match line.what:
        case "output":
            return line._replace(quantity=Decimal(said))
        case "seconds":
            return line._replace(quantity=Decimal(repr(seconds)))
    return line


def _said(item: Item) -> int:
    texts = [item.get("arguments"), item.get("input")]
    for part in (*_parts(item.get("content")), *_parts(item.get("summary"))):
        texts += [part.get("text"), part.get("refusal")]
    return sum(len(text) for text in texts if isinstance(text, str))


def _parts(value: object) -> list[Item]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
