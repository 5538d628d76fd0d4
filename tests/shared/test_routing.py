"""Which deployment is tried first, and which then."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.config import Deployment, Params
from warren.routing.planning import plan

CHANCES = st.floats(0, 1, exclude_min=True)
WEIGHTS = st.none() | st.floats(0, exclude_min=True)


def deployments(weights: list[float | None]) -> list[Deployment]:
    return [
        Deployment(f"d{number}", "m", "openai", "m", Params(model="m", weight=weight))
        for number, weight in enumerate(weights)
    ]


@given(st.lists(st.tuples(WEIGHTS, CHANCES), max_size=8), st.integers(0, 9))
def test_a_plan_tries_each_once_and_who_holds_the_session_first(
    given_: list[tuple[float | None, float]], holder: int
) -> None:
    group = deployments([weight for weight, _ in given_])
    order = plan(group, chances=[chance for _, chance in given_], holder=f"d{holder}")
    assert sorted(order) == sorted(deployment.id for deployment in group)
    if holder < len(group):
        assert order[0] == f"d{holder}"
    rest = [id_ for id_ in order if id_ != f"d{holder}"]
    free = plan(group, chances=[chance for _, chance in given_])
    assert rest == [id_ for id_ in free if id_ != f"d{holder}"]


def test_weights_are_how_often_one_is_first() -> None:
    random, group = Random(7), deployments([1, None, 3, 5])
    first = Counter(plan(group, chances=[1 - random.random() for _ in group])[0] for _ in range(20_000))
    for id_, weight in zip(["d0", "d1", "d2", "d3"], [1, 1, 3, 5], strict=True):
        assert first[id_] / 20_000 == pytest.approx(weight / 10, abs=0.012)


def test_weights_are_how_often_one_is_before_another() -> None:
    random, group = Random(8), deployments([1, 4, 2])
    orders = [plan(group, chances=[1 - random.random() for _ in group]) for _ in range(10_000)]
    before = sum(order.index("d1") < order.index("d2") for order in orders)
    assert before / 10_000 == pytest.approx(4 / 6, abs=0.015)


def test_there_must_be_a_chance_for_each() -> None:
    with pytest.raises(ValueError, match="argument"):
        plan(deployments([1, 2]), chances=[0.5])
