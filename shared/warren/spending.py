"""What a configuration says of end users and of budgets. Names are LiteLLM's."""

from dataclasses import dataclass
from decimal import Decimal


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
