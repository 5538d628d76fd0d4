"""The bill of one call: what, how many, at which rate, and whose prices these are."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal

from warren.contracts import CostLine

MONEY = Context(prec=34)
"""Digits of MongoDB's decimals. Counts have ten digits, rates rarely more than twelve: nothing is rounded."""


@dataclass(frozen=True, slots=True)
class Served:
    """How a call was served, as far as that decides what it costs."""

    at: float
    """When it began, in seconds since the epoch."""
    seconds: float = 0.0
    tier: str | None = None
    """The service tier that the provider names, or else the one that was asked for."""
    search_size: str | None = None
    """The `search_context_size` that was asked for."""
    picture_model: str | None = None
    """Which model the provider's tool that makes pictures has used."""
    region: str | None = None
    """Where, of a deployment whose prices depend on that; None: where its configuration says."""


@dataclass(frozen=True, slots=True)
class Bill:
    """`amount` is the sum of the lines; None if there is no price for something that was used, named in `unpriced`."""

    amount: Decimal | None
    lines: tuple[CostLine, ...] = ()
    source: str | None = None
    """Whose prices: `config`, `provider`, the name of a price file, `genai-prices 0.2.3`."""
    date: str | None = None
    """Of when they are, ISO 8601; None where nobody says."""
    unpriced: tuple[str, ...] = ()
    provider_amount: Decimal | None = None
    """What the provider takes, if that is another amount."""
    region: str | None = None
    """Where it was served, if prices depend on that."""


def digits(amount: Decimal) -> str:
    """An amount of money as its digits, none too many."""
    return f"{MONEY.normalize(amount):f}"


def billed(
    lines: Iterable[CostLine], unpriced: Iterable[str], source: str | None = None, date: str | None = None
) -> Bill:
    """The bill of these lines."""
    lines, missing = tuple(lines), tuple(unpriced)
    amount = None
    if not missing:
        amount = Decimal(0)
        for line in lines:
            amount = MONEY.add(amount, MONEY.multiply(line.quantity, line.rate))
    return Bill(amount, lines, source, date, missing)
