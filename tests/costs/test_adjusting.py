"""Discounts and margins, to the last digit and in LiteLLM's order."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.costs.making import deployment, prices
from warren import config
from warren.contracts import CostLine, Usage
from warren.costs import Bill, Served
from warren.costs.adjusting import adjusted, charged
from warren.settings import Complaint
from warren.spending import Margin, Terms

SHARES = st.decimals(0, 1, places=4)
AMOUNTS = st.decimals(0, 10**4, places=12)


def bill(amount: Decimal | None) -> Bill:
    return Bill(amount, () if amount is None else (CostLine("input", Decimal(1), amount),), "config", None)


@given(AMOUNTS, SHARES, SHARES, AMOUNTS)
def test_a_margin_is_on_top_of_what_is_left_by_a_discount(
    amount: Decimal, discount: Decimal, percentage: Decimal, fixed: Decimal
) -> None:
    made = charged(bill(amount), "openai", Terms({"openai": discount}, {"openai": Margin(percentage, fixed)}))
    taken = Fraction(amount) * (1 - Fraction(discount))
    expected = taken * (1 + Fraction(percentage)) + Fraction(fixed)
    assert made.amount is not None
    assert Fraction(made.amount) == expected
    assert Fraction(made.amount if made.provider_amount is None else made.provider_amount) == taken
    assert sum(Fraction(line.quantity) * Fraction(line.rate) for line in made.lines) == expected
    told = adjusted(made.lines)
    if told is None:
        assert [discount, percentage, fixed] == [Decimal(0)] * 3
    else:
        assert (told.original, Fraction(told.discount)) == (amount, Fraction(amount) - taken)
        assert Fraction(told.margin) == expected - taken


def test_who_has_no_terms_of_his_own_has_those_of_everybody() -> None:
    terms = Terms({}, {"global": Margin(Decimal("0.05")), "openai": Margin(Decimal("0.1")), "groq": Margin()})
    amounts = {name: charged(bill(Decimal(2)), name, terms).amount for name in ("azure", "openai", "groq")}
    assert amounts == {"azure": Decimal("2.1"), "openai": Decimal("2.2"), "groq": Decimal(2)}


def test_what_is_unknown_stays_unknown() -> None:
    terms = Terms({"openai": Decimal("0.5")}, {"global": Margin(fixed_amount=Decimal(1))})
    assert charged(bill(None), "openai", terms) == bill(None)


def test_what_is_looked_up_is_charged_by_the_terms() -> None:
    usage, terms = Usage(input_tokens=1000), Terms({"openai": Decimal("0.2")})
    made = prices().bill(deployment("openai/gpt-5"), usage, Served(at=1.8e9), terms)
    assert (made.amount, made.provider_amount) == (Decimal("0.001"), None)
    assert [line.what for line in made.lines] == ["input", "discount"]


def test_a_bill_says_where_it_was_served_and_can_be_made_again_by_that() -> None:
    here = deployment("openai/gpt-5.4", api_base="https://eu.api.openai.com/v1")
    usage = Usage(input_tokens=1000)
    made = prices().bill(here, usage, Served(at=1.8e9))
    assert (made.region, made.amount) == ("eu", Decimal("0.00275"))
    again = prices().bill(deployment("openai/gpt-5.4"), usage, Served(at=1.8e9, region=made.region))
    assert again == made


YAML = """
model_list: [{model_name: m, litellm_params: {model: openai/m}}]
litellm_settings:
  cost_discount_config: {openai: 0.05, nobody: 0.1}
  cost_margin_config:
    global: 0.1
    anthropic: {percentage: "0.08", fixed_amount: 0.0005, more: 1}
"""


def test_terms_are_read_as_litellm_writes_them() -> None:
    made = config.parse(YAML)
    assert made.terms.discounts["openai"] == Decimal("0.05")
    assert made.terms.margins == {
        "global": Margin(Decimal("0.1")),
        "anthropic": Margin(Decimal("0.08"), Decimal("0.0005")),
    }
    assert [report.partition(": ")[2] for report in made.reports] == [
        "litellm_settings.cost_discount_config.nobody has no effect",
        "litellm_settings.cost_margin_config.anthropic.more has no effect",
    ]


@pytest.mark.parametrize("wrong", ["openai: 1.5", "openai: -0.1", "openai: much"])
def test_a_discount_is_a_share(wrong: str) -> None:
    with pytest.raises(Complaint, match="cost_discount_config"):
        config.parse(f"model_list: []\nlitellm_settings:\n  cost_discount_config:\n    {wrong}\n")
