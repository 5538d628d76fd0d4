"""Calls that are priced again: both figures stay, and sums and budgets follow, once each."""

import asyncio
import random
from decimal import Decimal

import pytest

from tests.ledger.making import Clock, call
from tests.ledger.test_charges import DAY, NOON, ended, found, reported
from tests.ledger.test_counting import Failing
from warren.contracts import Correction, Outcome, Payer, Price, Reservation, Reserve
from warren.errors import LedgerUnavailable
from warren_ledger import lines
from warren_ledger.budgets import Budgets
from warren_ledger.counting import Counting
from warren_ledger.store import Store
from warren_ledger.tallies import Tally, rows

pytestmark = pytest.mark.anyio


def correction(one: Outcome, number: int, *costs: str, source: str = "new.json") -> Correction:
    """Prices of its first calls."""
    prices = {
        made.call_id: Price(cost=Decimal(cost), price_source=source, price_date="2026-11-20")
        for made, cost in zip(one.calls, costs, strict=False)
    }
    return Correction(response_id=one.response_id, number=number, at=NOON, prices=prices)


async def counted(store: Store, clock: Clock) -> None:
    clock.ahead += 60
    one = Counting(store, clock, recharge=Budgets(store.entries).recharge)
    while await one.count():
        pass


async def test_both_figures_stay(store: Store) -> None:
    one = ended(None, call("a.1", None, unpriced=("model",)), call("a.2", Decimal("0.5"), price_source="old.json"))
    await store.put([one])
    await store.charges.correct([correction(one, 1, "0.25")])
    [charge] = await found(store)
    assert [(made.cost, made.price_source, made.unpriced) for made in charge.calls] == [
        (Decimal("0.25"), "new.json", ()),
        (Decimal("0.5"), "old.json", ()),
    ]
    assert charge.calls[0].original == Price(unpriced=("model",))
    assert (charge.calls[1].original, charge.corrections) == (None, 1)
    line = lines.charged(charge)
    assert (line["spend"], line["original_spend"], line["repriced_calls"]) == ("0.75", None, 1)
    assert line["calls"][0]["original"] == {"spend": None, "price_source": None, "price_date": None}
    assert await store.calls(one.response_id, one.account) == list(one.calls)
    await store.charges.correct([correction(one, 2, "0.25", "1")])
    [charge] = await store.charges.some([one.response_id])
    assert [made.cost for made in charge.calls] == [Decimal("0.25"), Decimal(1)]
    assert charge.calls[1].original is not None
    assert charge.calls[1].original.price_source == "old.json"


async def test_of_each_number_the_first_counts(store: Store, clock: Clock) -> None:
    one = ended(None, call("a.1", Decimal(1)))
    await store.put([one])
    for cost in ("2", "3"):
        await store.charges.correct([correction(one, 1, cost)])
    await counted(store, clock)
    [charge] = await found(store)
    assert charge.calls[0].cost == 2
    assert (await reported(store))[()].cost == 2


async def test_sums_follow_and_tell_both(store: Store, clock: Clock) -> None:
    made = [ended(None, call(None, Decimal(1))), ended(None, call(None, None)), ended(None, call(None, None))]
    await store.put(made)
    await counted(store, clock)
    await store.charges.correct([correction(made[0], 1, "0.4"), correction(made[1], 1, "2")])
    await counted(store, clock)
    for view in ("models", "keys", "users"):
        tally = (await reported(store, view))[()]
        assert (tally.cost, tally.calls, tally.requests, tally.input_tokens) == (Decimal("2.4"), 3, 3, 6)
        assert (tally.priced_calls, tally.unpriced_calls) == (2, 1)
        told = lines.summed(tally)
        assert (told["spend"], told["original_spend"], told["repriced_calls"]) == ("2.4", "1.0", 2)


async def test_it_makes_no_difference_what_is_counted_first(store: Store, clock: Clock) -> None:
    one = ended(None, call("a.1", None))
    await store.put([one])
    await store.charges.correct([correction(one, 1, "0.125")])
    await store.charges.correct([correction(one, 2, "0.25")])
    await counted(store, clock)
    tally = (await reported(store))[()]
    assert (tally.cost, tally.priced_calls, tally.unpriced_calls) == (Decimal("0.25"), 1, 0)
    assert (tally.repriced_calls, tally.newly_priced_calls, tally.calls) == (1, 1, 1)


async def test_sums_are_those_of_all_that_is_known(store: Store, clock: Clock) -> None:
    """What is summed up bit by bit is what would be summed up from the start."""
    chance = random.Random(7)
    made = [
        ended(None, *(call(None, chance.choice([None, Decimal("0.1")])) for _ in range(chance.randrange(3))))
        for _ in range(30)
    ]
    numbers = dict.fromkeys(range(30), 0)
    for at in range(0, 30, 10):
        await store.put(made[at : at + 10])
        for which in chance.sample(range(at + 10), 6):
            numbers[which] += 1
            new = [str(Decimal(chance.randrange(9)) / 8) for _ in made[which].calls]
            await store.charges.correct([correction(made[which], numbers[which], *new)])
        await counted(store, clock)
    charges = await store.charges.some([one.response_id for one in made])
    whole = rows(fact for charge in charges for fact in (charge.fact(), *charge.facts()))
    for view, values in (("models", ("deployment", "provider", "model")), ("users", ("account", "end_user"))):
        expected = {row.values: tally for row, tally in whole.items() if (row.view, row.period) == (view, DAY)}
        assert await reported(store, view, *values) == expected


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", ["corrected", "count", "recharge", "counted"])
async def test_who_dies_at_any_step_leaves_it_to_another(store: Store, clock: Clock, step: str, after: bool) -> None:
    budgets = Budgets(store.entries)
    made = [await charged(budgets, Decimal(1)) for _ in range(4)]
    await store.put(made)
    await counted(store, clock)
    await store.charges.correct([correction(one, 1, "1.5") for one in made])
    clock.ahead += 60
    dying = Counting(store, clock, recharge=Failing(budgets, step, at=1, after=after).recharge)
    dying._charges = Failing(store.charges, step, at=1, after=after)
    with pytest.raises(LedgerUnavailable):
        await dying.count()
    await store.charges.correct([correction(one, 2, "2.5") for one in made[:2]])
    await counted(store, clock)
    assert (await reported(store))[()].cost == 8
    book = await budgets.book("key:k")
    assert book is not None
    assert [book.spent, book.held] == [Decimal(8), Decimal(0)]


async def charged(budgets: Budgets, cost: Decimal | None, *, held: str = "3", **changes: object) -> Outcome:
    """An outcome that a budget was charged for."""
    one = ended(None, call(None, cost), payer=Payer(key="k", budgets=("key:k",), held=(Decimal(held),)), **changes)
    one = one.model_copy(update={"attempt": one.calls[0].call_id.rpartition(".")[0]})
    wanted = Reservation(budget="key:k", amount=Decimal(held), limit=Decimal(100))
    await budgets.reserve(Reserve(response_id=one.response_id, until=2e9, reservations=(wanted,)))
    await budgets.settle(one, won=True)
    return one


async def spent(store: Store) -> Decimal:
    book = await Budgets(store.entries).book("key:k")
    assert book is not None
    return book.spent


async def test_a_budget_has_what_it_would_have_been_charged(store: Store, clock: Clock) -> None:
    budgets = Budgets(store.entries)
    made = [await charged(budgets, cost) for cost in (Decimal("0.5"), None)]
    assert await spent(store) == Decimal("3.5")  # of the unknown one what was held for it
    await store.put(made)
    await counted(store, clock)
    await store.charges.correct([correction(made[0], 1, "0.75"), correction(made[1], 1, "0.25")])
    await counted(store, clock)
    await counted(store, clock)
    assert await spent(store) == Decimal("1.00")


async def test_what_a_budget_was_not_charged_for_changes_nothing_there(store: Store, clock: Clock) -> None:
    budgets = Budgets(store.entries)
    one = await charged(budgets, Decimal(1))
    lost = ended(one.response_id, call("lost.1", Decimal(5)), attempt="lost", superseded=True, payer=one.payer)
    free = ended(None, call(None, Decimal(1)), payer=Payer(key="k"))
    await store.put([one, lost, free])
    await store.charges.correct([correction(lost, 1, "7"), correction(free, 1, "9")])
    await counted(store, clock)
    assert await spent(store) == 1
    assert (await reported(store))[()].cost == 17


async def test_two_reprice_and_several_count_at_the_same_time(store: Store, clock: Clock) -> None:
    made = [ended(None, call(None, None)) for _ in range(60)]
    await store.put(made)

    async def reprice(cost: str) -> None:
        for one in made:
            await store.charges.correct([correction(one, 1, cost)])

    async def count() -> None:
        one = Counting(store, clock)
        for _ in range(30):
            await one.count()
            await asyncio.sleep(0)

    await asyncio.gather(reprice("0.5"), reprice("0.5"), count(), count())
    await counted(store, clock)
    tally = (await reported(store))[()]
    assert (tally.cost, tally.repriced_calls, tally.unpriced_calls) == (Decimal(30), 60, 0)


def test_margins_are_told_apart_from_what_providers_get() -> None:
    made = [call(None, Decimal("1.1"), provider_cost=Decimal(1)), call(None, Decimal(2))]
    tally = sum(map(Tally.of_call, made), Tally())
    told = lines.summed(tally)
    assert (told["spend"], told["provider_spend"], told["original_spend"]) == ("3.1", "3.0", "3.1")
