"""On whose behalf a request is made, in LiteLLM's order. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from warren.errors import InvalidRequest
from warren.spending import Spending

HEADERS = ("x-litellm-customer-id", "x-litellm-end-user-id")
LONGEST = 512


def named(headers: Mapping[str, str], wanted: Any, spending: Spending, told: str | None = None) -> str:
    """Who is named; empty if nobody is. `told` is what `litellm_metadata` says.

    Raises:
        InvalidRequest: somebody must be named, or the name is too long.
    """
    for where, name in _places(headers, wanted, spending, told):
        if name:
            if len(name) > LONGEST:
                raise InvalidRequest(
                    f"Invalid '{where}': an end user's id has {LONGEST} characters at the most.",
                    param=where,
                    code="string_above_max_length",
                )
            return name
    if spending.enforce_user_param:
        raise InvalidRequest("Missing required parameter: 'user'.", param="user", code="missing_required_parameter")
    return ""


def _places(
    headers: Mapping[str, str], wanted: Any, spending: Spending, told: str | None
) -> Iterator[tuple[str, str | None]]:
    configured = () if spending.user_header_name is None else (spending.user_header_name,)
    for header in (*HEADERS, *spending.customer_headers, *configured):
        yield header, headers.get(header)
    yield "user", getattr(wanted, "user", None)
    yield "litellm_metadata.user", told
    yield "metadata.user_id", (getattr(wanted, "metadata", None) or {}).get("user_id")
    yield "safety_identifier", getattr(wanted, "safety_identifier", None)
