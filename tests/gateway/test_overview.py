"""How it goes, as the ops page is told."""

from decimal import Decimal

from warren.contracts import Pulse, Slice, Traffic
from warren.traffic import Traffics, bucket
from warren_gateway import overview

NOW = 1_793_880_007.0


def traffics(*slices: Slice) -> Traffics:
    made = Traffics()
    made.take(Traffic(address="ledger", slices=slices), NOW)
    return made


def test_points_are_of_whole_steps_and_the_last_minute_of_whole_slices() -> None:
    at = int(NOW) // 15 * 15
    told = overview.traffic(
        traffics(
            Slice(at=at - 5, requests=2, failed=1, cost=Decimal("0.1"), errors={"interrupted": 1}),
            Slice(at=at - 15, requests=1, seconds={bucket(2.0): 3}),
            Slice(at=at, requests=4),
            Slice(at=at - 900, requests=8),
            Slice(at=at - 905, requests=100),
        ),
        NOW,
        900,
    )
    assert [point["requests"] for point in told["points"]] == [8, *[0] * 58, 3]
    assert (told["total"]["requests"], told["total"]["cost"], told["total"]["errors"]) == (
        11,
        "0.1",
        {"interrupted": 1},
    )
    assert told["minute"]["requests"] == 7
    assert told["points"][-1]["first"] is None
    assert [round(one) for one in told["points"][-1]["seconds"]] == [2, 2, 2]


def test_nothing_is_told_of_when_nothing_ended() -> None:
    told = overview.traffic(Traffics(), NOW, 300)
    assert (told["since"], len(told["points"]), told["total"]["requests"]) == (None, 60, 0)


def test_a_process_is_told_with_what_it_does() -> None:
    pulse = Pulse(address="inbox.w", service="worker", version="1", slots=4, in_flight=1, takes=("openai",))
    assert overview.process(pulse) == {
        "service": "worker", "address": "inbox.w", "version": "1", "slots": 4, "in_flight": 1, "started_at": None,
        "takes": ("openai",), "lag": None,
    }  # fmt: skip
