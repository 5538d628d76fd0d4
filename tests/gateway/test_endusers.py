"""On whose behalf a request is made: LiteLLM's order."""

import json
from typing import Any

import pytest
from starlette.datastructures import Headers

from warren.config import parse
from warren.errors import InvalidRequest
from warren.spending import Spending
from warren_gateway.endusers import LONGEST, named
from warren_gateway.orders import order

EVERYWHERE: list[tuple[str, dict[str, Any]]] = [
    ("x-litellm-customer-id", {}), ("x-litellm-end-user-id", {}), ("x-mapped", {}), ("x-user", {}),
    ("", {"user": "user"}), ("", {"litellm_metadata": {"user": "litellm_metadata"}}),
    ("", {"metadata": {"user_id": "metadata"}}),
    ("", {"safety_identifier": "safety_identifier"}),
]  # fmt: skip
"""Each place, as a header or as fields of the body, the first one first."""
SPENDING = Spending(user_header_name="X-User", customer_headers=("X-Mapped",))


def who(headers: dict[str, str], body: dict[str, Any], spending: Spending = SPENDING) -> str:
    """As a gateway reads it: what is about its way is taken out of a body first."""
    made = order(json.dumps({"model": "m", "input": "x", **body}).encode(), headers)
    return named(Headers(headers), made.wanted, spending, made.knobs.user)


@pytest.mark.parametrize("first", range(len(EVERYWHERE)))
def test_the_first_place_that_names_somebody_counts(first: int) -> None:
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}
    for header, fields in EVERYWHERE[first:]:
        headers |= {header: header} if header else {}
        body |= fields
    header, fields = EVERYWHERE[first]
    assert who(headers, body) == (header or next(iter(fields)))


def test_nobody_is_named_by_headers_that_no_configuration_knows() -> None:
    assert who({"x-user": "a", "x-mapped": "b"}, {}, Spending()) == ""


def test_somebody_must_be_named_if_the_configuration_says_so() -> None:
    with pytest.raises(InvalidRequest) as refused:
        who({}, {}, Spending(enforce_user_param=True))
    assert (refused.value.param, refused.value.code) == ("user", "missing_required_parameter")
    assert who({"x-litellm-customer-id": "a"}, {}, Spending(enforce_user_param=True)) == "a"


def test_a_name_has_an_end() -> None:
    assert who({}, {"user": "x" * LONGEST}) == "x" * LONGEST
    with pytest.raises(InvalidRequest) as refused:
        who({}, {"user": "x" * (LONGEST + 1)})
    assert refused.value.param == "user"


def test_the_configuration_says_it_in_litellms_words() -> None:
    config = parse(
        """
model_list: []
general_settings:
  user_header_name: X-Who
  user_header_mappings:
    - {header_name: X-Staff, litellm_user_role: internal_user}
    - {header_name: X-Customer, litellm_user_role: customer}
  enforce_user_param: true
  unknown_price: 0.5
litellm_settings:
  max_budget: 100.10
  budget_duration: 30d
  max_end_user_budget: 1
"""
    )
    assert config.reports == ()
    said = config.spending
    assert (said.user_header_name, said.customer_headers, said.enforce_user_param) == ("X-Who", ("X-Customer",), True)
    assert [str(said.max_budget), said.budget_duration, str(said.max_end_user_budget)] == ["100.1", "30d", "1"]
    assert str(said.unknown_price) == "0.5"
