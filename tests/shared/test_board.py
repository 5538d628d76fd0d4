"""What a process makes of what all tell about deployments."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.config import Deployment, Info, Params
from warren.contracts import Cooldown, Failed, Gauge, Pulse
from warren.routing.board import LIVES, Board, Load
from warren.routing.cooling import Terms, terms
from warren.routing.meter import Meter
from warren.routing.rules import Cause, Rules

LIMITED = ("rate_limit_exceeded", 429)
UNREACHABLE = ("upstream_unreachable", None)
BROKEN = ("upstream_error", 500)
UNACCEPTED = ("upstream_auth", 401)
REFUSED = ("upstream_refused", 400)


def failed(code: str, status: int | None, retry_after: float | None = None, deployment: str = "d") -> Failed:
    return Failed(deployment=deployment, address="w", code=code, status=status, retry_after=retry_after)


def pulse(address: str, *gauges: Gauge) -> Pulse:
    return Pulse(address=address, service="worker", version="1", slots=8, in_flight=0, gauges=gauges)


def on(terms: Terms) -> Callable[[str], Terms | None]:
    return {"d": terms}.get


def board(**terms: object) -> Board:
    return Board(on(Terms(**terms)))  # type: ignore[arg-type]


def cooled_by(board: Board, code: str, status: int | None, most: int = 20, succeeded: int = 0) -> int | None:
    """How many of these failures, one after the other, it takes."""
    board.take(pulse("w", Gauge(deployment="d", succeeded=succeeded)), 100)
    for count in range(1, most + 1):
        board.take(failed(code, status), 100)
        if board.cooling("d", 100):
            return count
    return None


@pytest.mark.parametrize(
    ("terms", "failure", "succeeded", "count"),
    [
        ({}, LIMITED, 1000, 1),
        ({}, UNACCEPTED, 1000, 1),
        ({}, UNREACHABLE, 0, 4),
        ({}, BROKEN, 3, 4),
        ({}, BROKEN, 4, 5),
        ({}, BROKEN, 10, 11),
        ({}, BROKEN, 1000, None),
        ({}, ("upstream_timeout", 408), 0, 4),
        ({}, ("upstream_refused", 404), 0, 4),
        ({}, REFUSED, 0, None),
        ({}, ("context_length_exceeded", 400), 0, None),
        ({}, ("content_filter", 400), 0, None),
        ({"alone": True}, LIMITED, 0, 4),
        ({"alone": True}, LIMITED, 1, None),
        ({"alone": True}, UNREACHABLE, 0, 4),
        ({"alone": True}, BROKEN, 1, None),
        ({"allowed": 2}, LIMITED, 1000, 3),
        ({"allowed": 0}, BROKEN, 1000, 1),
        ({"allowed": 1, "alone": True}, BROKEN, 1000, 2),
        ({"allowed_by": {Cause.RATE_LIMIT: 5}}, LIMITED, 0, 6),
        ({"allowed_by": {Cause.RATE_LIMIT: 5}}, BROKEN, 0, 4),
        ({"allowed_by": {Cause.BAD_REQUEST: 2}}, REFUSED, 1000, 3),
        ({"seconds": 0.0}, LIMITED, 0, None),
        ({"never": True}, UNREACHABLE, 0, None),
    ],
)
def test_how_many_failures_cool_a_deployment_down(
    terms: dict[str, object], failure: tuple[str, int | None], succeeded: int, count: int | None
) -> None:
    assert cooled_by(board(**terms), *failure, succeeded=succeeded) == count


@pytest.mark.parametrize(
    ("terms", "failure", "asked", "seconds"),
    [
        ({}, LIMITED, None, 5),
        ({}, LIMITED, 30.0, 30),
        ({"seconds_by_default": 7.0}, LIMITED, None, 7),
        ({"seconds": 60.0}, LIMITED, 30.0, 60),
        ({"seconds": 1.0}, LIMITED, 30.0, 1),
        ({"seconds": 1.0}, ("insufficient_quota", 429), 3600.0, 3600),
        ({"alone": True}, ("insufficient_quota", 429), 3600.0, 3600),
        ({}, ("insufficient_quota", 429), 1e9, 86_400),
    ],
)
def test_how_long_it_is_left_alone(
    terms: dict[str, object], failure: tuple[str, int | None], asked: float | None, seconds: float
) -> None:
    ours = board(**terms)
    made = ours.take(failed(*failure, retry_after=asked), 100)
    assert made == Cooldown(deployment="d", until=100 + seconds, code=failure[0])
    assert ours.cooling("d", 100) == seconds
    assert ours.cooling("d", 100 + seconds) == 0
    assert ours.why("d") == failure[0]


def test_failures_of_more_than_a_minute_ago_do_not_count() -> None:
    ours = board()
    for at in (0, 1, 2, 61.5, 62.5):
        ours.take(failed(*BROKEN), at)
    assert ours.cooling("d", 62.5) == 0


def test_calls_that_fail_in_a_cooldown_are_no_news() -> None:
    ours = board()
    assert ours.take(failed(*LIMITED), 100) is not None
    assert ours.take(failed(*LIMITED), 100.5) is None
    assert ours.take(failed(*LIMITED), 103) is not None


def test_a_cooldown_that_others_tell_holds_and_never_gets_shorter() -> None:
    ours = board()
    ours.take(Cooldown(deployment="d", until=130, code="x"), 100)
    ours.take(Cooldown(deployment="d", until=110, code="y"), 100)
    assert (ours.cooling("d", 100), ours.why("d")) == (30, "x")


@pytest.mark.parametrize("terms", [Terms(never=True), Terms(seconds=0), None])
def test_nobody_cools_down_what_is_not_to_be(terms: Terms | None) -> None:
    ours = Board(lambda _: terms)
    ours.take(Cooldown(deployment="d", until=130), 100)
    ours.take(failed(*LIMITED), 100)
    assert ours.cooling("d", 100) == 0


def test_what_is_not_configured_any_more_is_forgotten() -> None:
    ours = Board()
    ours.take(failed(*LIMITED, deployment="d"), 100)
    ours.take(failed(*LIMITED, deployment="other"), 100)
    ours.configure(on(Terms()))
    assert (ours.cooling("d", 100), ours.cooling("other", 100)) == (5, 0)


def test_a_deployment_s_own_word_goes_before_the_router_s() -> None:
    rules = Rules(allowed_fails=5, allowed_fails_policy={Cause.TIMEOUT: 9, Cause.RATE_LIMIT: 8}, cooldown_time=30)
    policy = {"RateLimitErrorAllowedFails": 2, "UnheardOfAllowedFails": 1}
    made = terms(
        rules,
        [
            Deployment("a", "m", "openai", "m", Params(model="m")),
            Deployment("b", "m", "openai", "m", Params(model="m", cooldown_time=1), Info(allowed_fails=0)),
            Deployment("c", "n", "openai", "n", Params(model="n"), Info(allowed_fails_policy=policy)),
        ],
    )
    timeout = {Cause.TIMEOUT: 9}
    assert made == {
        "a": Terms(allowed=5, allowed_by={**timeout, Cause.RATE_LIMIT: 8}, seconds_by_default=30),
        "b": Terms(allowed=0, allowed_by={**timeout, Cause.RATE_LIMIT: 8}, seconds_by_default=30, seconds=1),
        "c": Terms(alone=True, allowed=5, allowed_by={**timeout, Cause.RATE_LIMIT: 2}, seconds_by_default=30),
    }
    assert terms(Rules(disable_cooldowns=True), [Deployment("a", "m", "openai", "m", Params(model="m"))])["a"].never


def test_the_load_is_that_of_all_workers_that_live() -> None:
    ours = board()
    ours.take(
        pulse(
            "w1", Gauge(deployment="d", in_flight=2, requests=10, tokens=50, first_event=1.0, per_token=0.5, samples=3)
        ),
        100,
    )
    ours.take(
        pulse("w2", Gauge(deployment="d", in_flight=1, requests=5, tokens=7, first_event=2.0, samples=1)),
        100 + LIVES / 2,
    )
    assert ours.load("d", 100) == Load(3, 15, 57, 1.25, 0.5, 4)
    assert ours.load("d", 100 + LIVES) == Load(1, 5, 7, 2.0, None, 1)
    ours.take(pulse("w2"), 100 + LIVES)
    assert ours.load("d", 100 + LIVES) == Load()
    assert [pulse.address for pulse in ours.workers(100 + LIVES)] == ["w2"]
    assert ours.load("unheard of", 100) == Load()


def test_what_was_just_sent_counts_until_its_pulse_may_be_there() -> None:
    ours = board()
    ours.sent("d", 100)
    ours.sent("d", 100.5)
    assert ours.load("d", 100.6)[:2] == (2, 2)
    assert ours.load("d", 101.5)[:2] == (1, 1)
    assert ours.load("d", 102)[:2] == (0, 0)


def test_a_meter_tells_what_runs_and_what_came_of_it() -> None:
    meter = Meter()
    meter.begin("d", 100)
    meter.begin("d", 100.5)
    meter.begin("d", 130)
    meter.end("d", 131, seconds=1.0, first_event=0.25, succeeded=True, tokens=30, output=10)
    meter.end("d", 132, seconds=2.0, first_event=None, succeeded=False)
    assert meter.in_flight == 1
    (gauge,) = meter.gauges(133)
    assert (gauge.in_flight, gauge.requests, gauge.succeeded, gauge.tokens) == (1, 3, 1, 30)
    assert (gauge.first_event, gauge.per_token, gauge.samples) == (1.125, 0.1, 2)
    (gauge,) = meter.gauges(161)
    assert (gauge.requests, gauge.succeeded) == (1, 1)
    meter.end("d", 162, seconds=1.0, first_event=0.5, succeeded=True, sample=False)
    (gauge,) = meter.gauges(300)
    assert (gauge.in_flight, gauge.requests, gauge.samples) == (0, 0, 2)
    assert meter.gauges(132 + 3600) == ()


@given(st.lists(st.floats(0, 300), max_size=60))
def test_a_meter_counts_every_request_of_the_last_minute_and_none_older(times: list[float]) -> None:
    meter = Meter()
    for at in sorted(times):
        meter.begin("d", at)
        meter.end("d", at, seconds=0.0, first_event=0.0, succeeded=True)
    now = max(times, default=0.0)
    counted = sum(gauge.requests for gauge in meter.gauges(now))
    assert sum(now - at < 59 for at in times) <= counted <= sum(now - at < 61 for at in times)
