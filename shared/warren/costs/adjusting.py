"""What is charged for what a provider takes: less by a discount that it gives, more by a margin."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from warren.contracts import CostLine
from warren.costs.bill import MONEY, Bill, billed
from warren.spending import EVERYBODY, Margin, Terms

DISCOUNT, MARGIN, FEE = "discount", "margin", "fee"
"""Lines of a bill that are no use of anything."""
_ADJUSTING = frozenset({DISCOUNT, MARGIN, FEE})


def charged(bill: Bill, provider: str, terms: Terms) -> Bill:
    """A bill of this provider by these terms, to the last digit. What is unknown stays unknown."""
    discount = terms.discounts.get(provider)
    margin = terms.margins.get(provider, terms.margins.get(EVERYBODY))
    if bill.amount is None or not (discount or margin):
        return bill
    taken, lines = bill.amount, list(bill.lines)
    if discount:
        lines.append(CostLine(DISCOUNT, taken, -discount))
        taken = MONEY.subtract(taken, MONEY.multiply(taken, discount))
    amount = taken
    for line in _margin(margin, taken):
        lines.append(line)
        amount = MONEY.add(amount, MONEY.multiply(line.quantity, line.rate))
    return replace(bill, amount=amount, lines=tuple(lines), provider_amount=None if amount == taken else taken)


def _margin(margin: Margin | None, amount: Decimal) -> Iterator[CostLine]:
    if margin is not None and margin.percentage:
        yield CostLine(MARGIN, amount, margin.percentage)
    if margin is not None and margin.fixed_amount:
        yield CostLine(FEE, Decimal(1), margin.fixed_amount)


def again(lines: Sequence[CostLine], unpriced: Iterable[str]) -> Bill:
    """The bill of these lines, of which those of use have changed: a discount and a margin among them are of what the
    others come to now.
    """
    rates = {line.what: line.rate for line in lines if line.what in _ADJUSTING}
    margin = Margin(rates.get(MARGIN, Decimal(0)), rates.get(FEE, Decimal(0)))
    terms = Terms({"": -rates[DISCOUNT]} if DISCOUNT in rates else {}, {"": margin} if rates else {})
    return charged(billed((line for line in lines if line.what not in _ADJUSTING), unpriced), "", terms)


class Adjusted(NamedTuple):
    """What became of list prices, in US dollars."""

    original: Decimal
    discount: Decimal
    margin: Decimal
    percentage: Decimal | None
    """Of the margin, if all of it has the same."""


def adjusted(lines: Iterable[CostLine]) -> Adjusted | None:
    """What these lines say of discounts and margins; None if there are none."""
    sums = dict.fromkeys(("", DISCOUNT, MARGIN, FEE), Decimal(0))
    rates = set()
    found = False
    for line in lines:
        what = line.what if line.what in _ADJUSTING else ""
        found = found or bool(what)
        sums[what] = MONEY.add(sums[what], MONEY.multiply(line.quantity, line.rate))
        if what == MARGIN:
            rates.add(line.rate)
    if not found:
        return None
    margin = MONEY.add(sums[MARGIN], sums[FEE])
    return Adjusted(sums[""], -sums[DISCOUNT], margin, rates.pop() if len(rates) == 1 else None)
