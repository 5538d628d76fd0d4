"""What a configuration says of end users, of budgets, and of what is charged for what providers take. Names are
LiteLLM's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

EVERYBODY = "global"
"""Whose margin is that of all providers without their own."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Money is in US dollars; None is no limit."""

    max_budget: Decimal | None = None
    """Of everything together."""
    budget_duration: str | None = None
    max_end_user_budget: Decimal | None = None
    """Of every end user who has none of his own."""
    end_user_budget_duration: str | None = None
    unknown_price: Decimal | None = None
    """What is reserved, and charged, for a request whose price nobody knows; None: it is refused under a budget."""
    user_header_name: str | None = None
    customer_headers: tuple[str, ...] = ()
    """Those that `user_header_mappings` say name a customer."""
    enforce_user_param: bool = False


@dataclass(frozen=True, slots=True)
class Margin:
    percentage: Decimal = Decimal(0)
    """Of what the provider takes: 0.1 is a tenth of it."""
    fixed_amount: Decimal = Decimal(0)
    """US dollars for a call."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Discounts that providers give, and margins that are charged on top of what they take; by provider."""

    discounts: Mapping[str, Decimal] = field(default_factory=dict)
    """0.05 is a twentieth off."""
    margins: Mapping[str, Margin] = field(default_factory=dict)
