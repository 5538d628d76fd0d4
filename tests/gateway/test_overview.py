"""How it goes, as the ops page is told."""

import json
from decimal import Decimal

from warren import config
from warren.contracts import Check, Checked, Cooldown, Gauge, Pulse, Slice, Traffic
from warren.routing.board import Board
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


def test_a_deployment_is_told_with_what_is_known_of_it() -> None:
    params = {"model": "openai/gpt-5", "api_key": "k"}
    entry = {"model_name": "gpt", "litellm_params": params, "model_info": {"id": "east"}}
    east = config.parse(json.dumps({"model_list": [entry]})).deployments["east"]
    board = Board()
    fresh = overview.deployment(east, board, NOW)
    assert (fresh["id"], fresh["group"], fresh["provider"], fresh["model"]) == ("east", "gpt", "openai", "gpt-5")
    assert (fresh["cooling_until"], fresh["cooling_for"], fresh["check"], fresh["first_event"]) == (None,) * 4
    gauge = Gauge(deployment="east", in_flight=2, requests=7, tokens=90, first_event=0.25, per_token=0.01, samples=5)
    board.take(Pulse(address="w", service="worker", version="1", slots=4, in_flight=2, gauges=(gauge,)), NOW)
    board.take(Cooldown(deployment="east", until=NOW + 30, code="rate_limit_exceeded"), NOW)
    board.take(Checked(checks=(Check(deployment="east", up=False, at=NOW - 9, until=NOW + 9, code="timeout"),)), NOW)
    told = overview.deployment(east, board, NOW)
    assert (told["cooling_until"], told["cooling_for"]) == (NOW + 30, "rate_limit_exceeded")
    assert (told["check"], told["checked_at"]) == ("timeout", NOW - 9)
    assert (told["in_flight"], told["requests"], told["tokens"]) == (2, 7, 90)
    assert (told["first_event"], told["per_token"]) == (0.25, 0.01)


def test_who_is_no_worker_is_none() -> None:
    board = Board()
    for service in ("gateway", "ledger", "worker"):
        board.take(Pulse(address=service, service=service, version="1", slots=0, in_flight=0), NOW)
    assert [one.service for one in board.workers(NOW)] == ["worker"]
    assert sorted(one.service for one in board.processes(NOW)) == ["gateway", "ledger", "worker"]
