"""What is recorded of calls whose worker is gone."""

from decimal import Decimal

import pytest

from warren.contracts import Begun, CostLine, Payer, UpstreamCall, Usage, charge
from warren.costs.adjusting import charged
from warren.costs.bill import billed
from warren.losses import lost, outcome, shown, tokens
from warren.objects import Item
from warren.spending import Margin, Terms

NOW = 1_763_000_010.0


def call(number: int = 1, *lines: CostLine, unpriced: tuple[str, ...] = ()) -> UpstreamCall:
    bill = billed(lines, unpriced, "config")
    return UpstreamCall(
        call_id=f"att_1.{number}",
        deployment="d",
        provider="openai",
        model="m",
        started_at=NOW - 10,
        seconds=0.0,
        usage=Usage(input_tokens=100, output_tokens=1),
        usage_source="estimated",
        cost=bill.amount,
        cost_lines=bill.lines,
        price_source="config",
        unpriced=unpriced,
    )


READ = CostLine("input", Decimal(100), Decimal("0.00000125"))
SAID = CostLine("output", Decimal(1), Decimal("0.00001"))


def begun(*calls: UpstreamCall) -> Begun:
    return Begun(
        response_id="resp_1",
        account="acme",
        attempt="att_1",
        worker="inbox.worker_1",
        model="m",
        created_at=NOW - 11,
        deadline=NOW + 60,
        payer=Payer(key="key_1", budgets=("key:key_1",)),
        calls=calls,
    )


@pytest.mark.parametrize(("characters", "said"), [(0, 0), (1, 1), (40, 10), (41, 11)])
def test_a_lost_call_is_charged_for_what_it_was_asked_and_what_was_shown(characters: int, said: int) -> None:
    (made,) = lost(begun(call(1, READ, SAID)), NOW, characters)
    assert made.usage == Usage(input_tokens=100, output_tokens=said)
    assert made.cost == Decimal("0.000125") + said * Decimal("0.00001")
    assert sum(line.quantity * line.rate for line in made.cost_lines) == made.cost
    assert (made.lost, made.usage_source, made.seconds) == (True, "estimated", 10.0)


def test_a_discount_and_a_margin_are_of_what_it_comes_to() -> None:
    terms = Terms({"openai": Decimal("0.1")}, {"openai": Margin(Decimal("0.5"), Decimal("0.01"))})
    bill = charged(billed((READ, SAID), ()), "openai", terms)
    whole = call(1, READ, SAID).model_copy(update={"cost": bill.amount, "cost_lines": bill.lines})
    (made,) = lost(begun(whole), NOW, 40)
    listed = Decimal("0.000125") + 10 * Decimal("0.00001")
    assert made.provider_cost == listed * Decimal("0.9")
    assert made.cost == listed * Decimal("0.9") * Decimal("1.5") + Decimal("0.01")


def test_calls_before_the_last_one_are_what_they_were() -> None:
    first = call(1, READ, SAID).model_copy(update={"usage_source": "reported", "seconds": 1.5})
    made = lost(begun(first, call(2, READ, SAID)), NOW)
    assert made[0] == first
    assert charge(made) == Decimal("0.000135") + Decimal("0.000125")


def test_a_lost_call_of_unknown_price_is_no_free_one() -> None:
    (made,) = lost(begun(call(1, unpriced=("model",))), NOW, 40)
    assert (made.cost, made.unpriced, made.lost) == (None, ("model",), True)


def test_what_is_charged_by_time_is_charged_until_it_was_missed() -> None:
    (made,) = lost(begun(call(1, CostLine("seconds", Decimal(0), Decimal("0.002")))), NOW)
    assert made.cost == Decimal("0.02")


def test_it_is_recorded_as_what_another_attempt_goes_on_for() -> None:
    told = outcome(begun(call(1, READ, SAID)), NOW)
    assert (told.superseded, told.store, told.payload, told.attempt) == (True, False, b"", "att_1")
    assert told.payer == Payer(key="key_1", budgets=("key:key_1",))
    assert told.charge == Decimal("0.000125")


def test_characters_are_counted_wherever_a_model_says_them() -> None:
    output: list[Item] = [
        {"type": "reasoning", "summary": [{"text": "ab"}], "content": None},
        {"type": "message", "content": [{"text": "cde"}, {"refusal": "f"}, "?"]},
        {"type": "function_call", "name": "not said", "arguments": "{}"},
        {"type": "custom_tool_call", "input": "xyz"},
    ]
    assert (shown(output), tokens(9)) == (11, 3)
