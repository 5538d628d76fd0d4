"""Which deployment is tried first, and which then."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shared.routing.world import NOW, cooled, deployment, group, loaded, router
from warren.deployments import Deployment
from warren.errors import InvalidRequest
from warren.routing.planning import Router, Wish, plan

WEIGHTS = st.none() | st.floats(0)


def deployments(weights: list[float | None], name: str = "weight") -> list[Deployment]:
    return [deployment(f"d{number}", "m", "openai/m", **{name: weight}) for number, weight in enumerate(weights)]


def planned(ours: Router, of: list[Deployment], **wish: Any) -> list[str]:
    return [one.id for one in plan(ours, group(of), Wish(**wish), NOW)]


@given(st.lists(WEIGHTS, max_size=8), st.integers(0, 9), st.integers())
def test_a_plan_tries_each_once_and_who_holds_the_session_first(
    weights: list[float | None], holder: int, seed: int
) -> None:
    of = deployments(weights)
    order = planned(router(of, seed), of, holder=f"d{holder}")
    assert sorted(order) == sorted(one.id for one in of)
    if holder < len(of):
        assert order[0] == f"d{holder}"
    free = planned(router(of, seed), of)
    assert [id_ for id_ in order if id_ != f"d{holder}"] == [id_ for id_ in free if id_ != f"d{holder}"]


def test_weights_are_how_often_one_is_first() -> None:
    of = deployments([1, None, 3, 5])
    ours = router(of, 7)
    first = Counter(planned(ours, of)[0] for _ in range(20_000))
    for id_, weight in zip(["d0", "d1", "d2", "d3"], [1, 1, 3, 5], strict=True):
        assert first[id_] / 20_000 == pytest.approx(weight / 10, abs=0.012)


@pytest.mark.parametrize("name", ["weight", "rpm", "tpm"])
def test_10000_requests_are_spread_one_to_three_within_2_percent(name: str) -> None:
    of = deployments([100, 300], name)
    ours = router(of, 3)
    first = Counter(planned(ours, of)[0] for _ in range(10_000))
    assert first["d0"] / 10_000 == pytest.approx(0.25, abs=0.01)
    assert first["d1"] / 10_000 == pytest.approx(0.75, abs=0.01)


def test_weights_are_how_often_one_is_before_another() -> None:
    of = deployments([1, 4, 2])
    ours = router(of, 8)
    orders = [planned(ours, of) for _ in range(10_000)]
    before = sum(order.index("d1") < order.index("d2") for order in orders)
    assert before / 10_000 == pytest.approx(4 / 6, abs=0.015)


def test_who_has_no_weight_left_is_the_last_resort_and_who_has_no_limit_takes_most() -> None:
    of = deployments([0, 1, 1])
    assert {planned(router(of, seed), of)[-1] for seed in range(50)} == {"d0"}
    free = deployments([10, None], "rpm")
    first = Counter(planned(router(free, seed), free)[0] for seed in range(2_000))
    assert first["d1"] / 2_000 == pytest.approx(0.5, abs=0.05)


def test_lower_orders_come_first_whatever_the_strategy_says() -> None:
    of = [deployment("c"), deployment("b", order=2, weight=100), deployment("a", order=1)]
    for strategy in ("simple-shuffle", "least-busy", "latency-based-routing"):
        for seed in range(20):
            assert planned(router(of, seed, strategy=strategy), of) == ["a", "b", "c"]


def test_the_least_busy_comes_first() -> None:
    of = deployments([None] * 3)
    board = loaded(d0={"in_flight": 5}, d1={"in_flight": 1}, d2={"in_flight": 3})
    assert planned(router(of, board=board, strategy="least-busy"), of) == ["d1", "d2", "d0"]


def test_who_was_used_least_this_minute_comes_first_and_who_is_full_last() -> None:
    of = [deployment("a", tpm=100), deployment("b"), deployment("c")]
    board = loaded(a={"tokens": 100}, b={"tokens": 900}, c={"tokens": 500})
    for strategy in ("usage-based-routing", "usage-based-routing-v2"):
        assert planned(router(of, board=board, strategy=strategy), of) == ["c", "b", "a"]


def test_the_fastest_comes_first_by_what_matters_to_the_request() -> None:
    of = deployments([None] * 3)
    board = loaded(
        d0={"first_event": 0.9, "per_token": 0.01, "samples": 5},
        d1={"first_event": 0.2, "per_token": 0.09, "samples": 5},
        d2={"first_event": 0.5, "per_token": 0.05, "samples": 5},
    )
    ours = router(of, board=board, strategy="latency-based-routing")
    assert planned(ours, of, stream=True) == ["d1", "d2", "d0"]
    assert planned(ours, of, stream=False) == ["d0", "d2", "d1"]


def test_who_is_about_as_fast_as_the_fastest_takes_turns_with_it() -> None:
    of = deployments([None] * 3)
    board = loaded(**{f"d{number}": {"per_token": mean, "samples": 5} for number, mean in enumerate([1.0, 1.2, 2.0])})
    ours = router(of, board=board, strategy="latency-based-routing", latency_buffer=0.25)
    orders = [planned(ours, of) for _ in range(400)]
    assert Counter(order[0] for order in orders)["d0"] / 400 == pytest.approx(0.5, abs=0.1)
    assert {order[2] for order in orders} == {"d2"}


def test_who_is_not_known_is_tried_now_and_then() -> None:
    of = deployments([None] * 2)
    ours = router(of, board=loaded(d0={"per_token": 1.0, "samples": 5}), strategy="latency-based-routing")
    first = Counter(planned(ours, of)[0] for _ in range(4_000))
    assert first["d1"] / 4_000 == pytest.approx(0.25, abs=0.03)


def test_the_cheapest_comes_first_and_whose_price_nobody_knows_last() -> None:
    of = deployments([None] * 3)
    rates = {"d0": None, "d1": Decimal("0.2"), "d2": Decimal("0.1")}
    ours = router(of, strategy="cost-based-routing", rate=lambda one: rates[one.id])
    assert planned(ours, of) == ["d2", "d1", "d0"]


def test_what_sticks_goes_to_one_place_and_is_spread_by_weight() -> None:
    of = deployments([1, 3])
    assert len({tuple(planned(router(of, seed), of, sticky="s")) for seed in range(20)}) == 1
    first = Counter(planned(router(of), of, sticky=f"s{number}")[0] for number in range(4_000))
    assert first["d1"] / 4_000 == pytest.approx(0.75, abs=0.03)
    more = deployments([1, 3, 1])
    for number in range(200):  # who comes in new takes some, and nobody else loses any to another one
        before, after = (
            planned(router(of), of, sticky=f"s{number}")[0],
            planned(router(more), more, sticky=f"s{number}")[0],
        )
        assert after in (before, "d2")


def test_tags_say_for_whom_a_deployment_is() -> None:
    of = [
        deployment("paid", tags=["paid", "eu"]),
        deployment("free", tags=["free"]),
        deployment("rest", tags=["default"]),
        deployment("plain"),
    ]
    ours = router(of, tag_filtering=True)
    assert planned(ours, of, tags=["paid"]) == ["paid"]
    assert set(planned(ours, of, tags=["free", "eu"])) == {"free", "paid"}
    assert planned(router(of, tag_filtering=True, tags_match_any=False), of, tags=["paid", "eu"]) == ["paid"]
    assert planned(ours, of, tags=["other"]) == ["rest"]
    assert planned(ours, of) == ["rest"]
    assert set(planned(router(of), of, tags=["paid"])) == {"paid", "free", "rest", "plain"}
    with pytest.raises(InvalidRequest) as refused:
        planned(ours, of[:2], tags=["other"])
    assert (refused.value.param, refused.value.code) == ("tags", "no_tagged_deployment")
    assert set(planned(ours, [of[0], of[3]])) == {"paid", "plain"}, "nothing is for those without tags: all are"


def test_who_is_left_alone_stays_in_the_plan() -> None:
    of = deployments([None] * 2)
    assert sorted(planned(router(of, board=cooled("d0")), of)) == ["d0", "d1"]
