"""Which calls cost something else by now, and what."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from pydantic_core import from_json

from tests.costs.making import TABLE
from warren.config import parse
from warren.contracts import CallsOf, Price, UpstreamCall, Usage
from warren.costs import Prices
from warren.spending import Margin, Terms
from warren_gateway.repricing import Found, Repricer

CONFIG = parse(
    """
model_list:
- {model_name: own, litellm_params: {model: openai/own, input_cost_per_token: 0.001}, model_info: {id: own}}
- model_name: azure
  litellm_params: {model: azure/mine, api_base: "http://x"}
  model_info: {id: azure, base_model: gpt-5}
- {model_name: "any/*", litellm_params: {model: "openai/*"}, model_info: {id: wild}}
"""
)


def call(number: int, deployment: str, model: str, cost: str | None, **more: Any) -> UpstreamCall:
    values = {
        "call_id": f"a.{number}", "deployment": deployment, "provider": "openai", "model": model, "started_at": 1.76e9,
        "seconds": 1.0, "usage": Usage(input_tokens=1000), "cost": None if cost is None else Decimal(cost),
    }  # fmt: skip
    return UpstreamCall.model_validate({**values, **more})


def new(*calls: UpstreamCall, found: Found | None = None, terms: Terms | None = None) -> dict[str, Decimal | None]:
    """What calls cost that cost something else."""
    config = CONFIG if terms is None else replace(CONFIG, terms=terms)
    repricer = Repricer(config, Prices(TABLE), lambda _: True)
    made = repricer.corrections([CallsOf(response_id="r", calls=calls)], found or Found())
    return {id_: price.cost for one in made for id_, price in one.prices.items()}


def test_what_is_configured_goes_before_the_price_file() -> None:
    assert new(call(1, "own", "own", None)) == {"a.1": Decimal(1)}


def test_a_deployment_is_priced_as_what_it_is_configured_to_be() -> None:
    assert new(call(1, "azure", "mine", None, provider="azure")) == {"a.1": Decimal("0.00125")}


def test_one_that_is_gone_and_one_of_a_wildcard_are_priced_by_their_model() -> None:
    assert new(call(1, "gone", "gpt-5", None), call(2, "wild", "gpt-4o", None)) == {
        "a.1": Decimal("0.00125"),
        "a.2": Decimal("0.0025"),
    }


def test_what_is_recorded_suffices() -> None:
    usage = Usage(input_tokens=272_001, cached_tokens=1000, tools={"web_search": 2})
    made = call(1, "gone", "gpt-5.4", None, usage=usage, service_tier="flex", region="eu")
    # Above the threshold, at half the price: 2.5 and 0.25 dollars a million, and a tenth for Europe.
    tokens = (271_001 * Decimal("2.5") + 1000 * Decimal("0.25")) * Decimal("1.1") / 1_000_000
    assert new(made) == {"a.1": tokens + 2 * Decimal("0.01")}


def test_what_costs_the_same_is_left_alone() -> None:
    assert new(call(1, "gone", "gpt-5", "0.00125"), call(2, "gone", "gpt-5", None, usage=None)) == {}


def test_who_knows_no_price_takes_none_away() -> None:
    found = Found()
    assert new(call(1, "gone", "unheard-of", "0.5"), call(2, "gone", "unheard-of", None), found=found) == {}
    assert (found.calls, found.unpriced_calls, found.spend, found.spend_before) == (
        2,
        1,
        Decimal("0.5"),
        Decimal("0.5"),
    )


def test_what_was_priced_again_before_stays_so() -> None:
    before = call(1, "gone", "unheard-of", None).priced(Price(cost=Decimal(3)))
    again = new(before, call(2, "gone", "gpt-5", None))
    assert again == {"a.1": Decimal(3), "a.2": Decimal("0.00125")}


def test_terms_are_those_of_today() -> None:
    terms = Terms({}, {"global": Margin(Decimal("0.1"))})
    assert new(call(1, "gone", "gpt-5", "0.00125"), terms=terms) == {"a.1": Decimal("0.001375")}


def test_what_was_found_is_told_exactly() -> None:
    found = Found()
    new(call(1, "gone", "gpt-5", None), call(2, "gone", "gpt-5", "1"), found=found)
    assert from_json(found.told("end", dry_run=True)) == {
        "object": "reprice.end", "dry_run": True, "responses": 1, "calls": 2, "repriced_calls": 2,
        "newly_priced_calls": 1, "unpriced_calls": 0, "spend_before": "1", "spend": "0.0025",
    }  # fmt: skip
