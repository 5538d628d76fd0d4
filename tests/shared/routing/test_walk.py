"""What the model of a walk leaves out: whose word holds, what errors mean, and what is told at the end."""

from typing import Any

import pytest

from tests.shared.routing.world import NOW, cooled, deployment, router, to
from warren.contracts import Knobs
from warren.errors import (
    ContextLengthExceeded,
    DeploymentsCoolingDown,
    InvalidRequest,
    Limited,
    ModelNotFound,
    UpstreamAuth,
    UpstreamError,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTimeout,
    WarrenError,
)
from warren.routing.planning import Router, Wish
from warren.routing.rules import Alias, Cause
from warren.routing.walk import Walk

FAILED = UpstreamError("failed")


def walk(
    ours: Router, model: str = "m", *, holder: str | None = None, tags: tuple[str, ...] = (), **knobs: Any
) -> Walk:
    return Walk(ours, model, Knobs(tags=tags, **knobs), Wish(tags=tags, holder=holder), NOW)


def asked(way: Walk, error: WarrenError, status: int | None = None) -> tuple[list[str], WarrenError]:
    """Who is asked while all fail in this way, and what is told at the end."""
    names: list[str] = []
    now = NOW
    while True:
        try:
            step = way.next(now)
        except WarrenError as told:
            return names, told
        now += step.wait
        if step.wait == 0:
            names.append(step.deployment.id)
            way.failed(error, now, status=status)


def tries(way: Walk, error: WarrenError, status: int | None = None) -> int:
    return len(asked(way, error, status)[0])


def test_whose_word_on_retries_holds() -> None:
    plain, own = deployment("a"), deployment("a", num_retries=1)
    old = deployment("a", max_retries=3)
    policy = {Cause.TIMEOUT: 4}
    assert tries(walk(router([plain])), FAILED) == 3
    assert tries(walk(router([plain], num_retries=0)), FAILED) == 1
    assert tries(walk(router([own], num_retries=5)), FAILED) == 2
    assert tries(walk(router([old])), FAILED) == 4
    late = UpstreamTimeout("late")
    assert tries(walk(router([own], retry_policy=policy)), late) == 5
    assert tries(walk(router([own], retry_policy=policy)), FAILED) == 2
    assert tries(walk(router([own], retry_policy=policy, group_retry_policy={"m": {Cause.TIMEOUT: 0}})), late) == 1
    assert tries(walk(router([own], retry_policy=policy), num_retries=2), late) == 3
    busy = {Cause.UNAVAILABLE: 0}
    assert tries(walk(router([plain], retry_policy=busy)), FAILED, 503) == 1
    assert tries(walk(router([plain], retry_policy=busy)), FAILED, 500) == 3


def test_what_another_try_cannot_help_is_not_tried_again_unless_a_policy_says_so() -> None:
    two = [deployment("a", order=1), deployment("b", order=2)]
    refused = UpstreamRefused("no")
    assert asked(walk(router(two)), refused) == (["a"], refused)
    assert tries(walk(router(two, retry_policy={Cause.BAD_REQUEST: 1})), refused, 400) == 2
    for error in (UpstreamAuth("key"), UpstreamQuotaExceeded("money"), UpstreamRefused("gone", status=404)):
        assert asked(walk(router(two)), error) == (["a", "b"], error)
        assert asked(walk(router(two[:1])), error) == (["a"], error)
    unsaid = InvalidRequest("no", code="unsupported_parameter")
    assert asked(walk(router(two)), unsaid) == (["a", "b"], unsaid)
    for final in (InvalidRequest("no"), WarrenError("bug")):
        assert asked(walk(router([*two, deployment("c", "n")], fallbacks=to(m=["n"]))), final) == (["a"], final)


def test_what_a_dialect_cannot_say_falls_back_if_it_may() -> None:
    of = [deployment("a"), deployment("n", "n")]
    unsaid = InvalidRequest("no", code="unsupported_parameter")
    assert asked(walk(router(of, fallbacks=to(m=["n"]))), unsaid)[0] == ["a", "n"]
    never = router(of, fallbacks=to(m=["n"]), fallback_on_unsupported_params=False)
    assert asked(walk(never), unsaid)[0] == ["a"]


def test_too_long_an_input_goes_on_to_who_takes_more() -> None:
    of = [
        deployment("small", order=1, info={"max_input_tokens": 10}),
        deployment("same", order=2, info={"max_input_tokens": 10}),
        deployment("who knows", order=3),
        deployment("large", order=4, info={"max_input_tokens": 100}),
    ]
    long = ContextLengthExceeded("long")
    assert asked(walk(router(of)), long) == (["small", "large"], long)


def test_errors_have_their_own_fallbacks_and_else_those_for_any() -> None:
    of = [deployment(name, name) for name in ("m", "any", "context", "policy", "last")]
    lists: dict[str, Any] = {
        "fallbacks": to(m=["any"], every=["last"]),
        "context_window_fallbacks": to(m=["context"]),
        "content_policy_fallbacks": to(m=["policy"]),
    }
    filtered = UpstreamRefused("no", code="content_filter")
    ours = router(of, num_retries=0, **lists)
    assert asked(walk(ours), ContextLengthExceeded("long"))[0] == ["m", "context", "last"]
    assert asked(walk(ours), filtered)[0] == ["m", "policy", "last"]
    assert asked(walk(ours), FAILED)[0] == ["m", "any", "last"]
    assert asked(walk(ours, disable_fallbacks=True), FAILED)[0] == ["m"]
    assert asked(walk(ours, fallbacks=to(every=["policy"])), FAILED)[0] == ["m", "policy"]
    assert asked(walk(ours, fallbacks={}), FAILED)[0] == ["m"]
    assert asked(walk(ours, content_policy_fallbacks=to(every=["any"])), filtered)[0] == ["m", "any"]


def test_chains_are_gone_through_once_and_not_for_ever() -> None:
    of = [deployment(name, name) for name in "mabcdefg"]
    ring = to(m=["a"], a=["b", "m"], b=["c", "a"], c=["d"], d=["e"], e=["f"], f=["g"])
    assert asked(walk(router(of, num_retries=0, fallbacks=ring)), FAILED)[0] == list("mabcde")
    assert asked(walk(router(of, num_retries=0, fallbacks=ring, max_fallbacks=2)), FAILED)[0] == list("mab")
    assert asked(walk(router(of, num_retries=0, fallbacks=ring, max_fallbacks=0)), FAILED)[0] == ["m"]


def test_targets_may_be_deployments_aliases_and_wildcards() -> None:
    of = [deployment("a"), deployment("b", "n"), deployment("w", "x/*", "openai/*"), deployment("one", "n")]
    ours = router(of, num_retries=0, fallbacks=to(m=["one", "nick", "x/y", "x/z"]), aliases={"nick": Alias("n")})
    assert sorted(asked(walk(ours), FAILED)[0][:3]) in (["a", "b", "one"], ["a", "one", "one"])
    assert asked(walk(ours), FAILED)[0][-2:] == ["w", "w"]
    way = walk(ours, "x/model")
    assert (way.next(NOW).deployment.model, way.key, way.group) == ("model", "x/model", "x/*")


def test_what_is_told_is_what_became_of_what_was_asked_for() -> None:
    of = [deployment("a"), deployment("n", "n")]
    way = walk(router(of, num_retries=0, fallbacks=to(m=["n"])))
    way.next(NOW)
    way.failed(FAILED, NOW)
    assert way.next(NOW).deployment.id == "n"
    way.failed(UpstreamAuth("the other's"), NOW)
    with pytest.raises(UpstreamError) as told:
        way.next(NOW)
    assert told.value is FAILED
    assert (way.fallbacks, way.retries) == (1, 0)


def test_where_all_are_left_alone_it_is_told_until_when() -> None:
    of = [deployment("a"), deployment("b")]
    with pytest.raises(UpstreamRateLimited) as limited:
        walk(router(of, board=cooled("a", "b"))).next(NOW)
    assert limited.value.retry_after == pytest.approx(30)
    with pytest.raises(DeploymentsCoolingDown) as cooling:
        walk(router(of, board=cooled("a", "b", code="upstream_error"))).next(NOW)
    assert cooling.value.retry_after == pytest.approx(30)
    assert cooling.value.status == 503
    assert walk(router(of, board=cooled("a"))).next(NOW).deployment.id == "b"
    assert walk(router([*of, deployment("n", "n")], board=cooled("a", "b"), fallbacks=to(m=["n"]))).next(NOW).wait == 0


def test_who_is_full_costs_no_try() -> None:
    way = walk(router([deployment("a", order=1), deployment("b", order=2)], num_retries=0))
    assert way.next(NOW).deployment.id == "a"
    way.unable(Limited("full", retry_after=7), NOW)
    assert way.next(NOW).deployment.id == "b"
    way.unable(Limited("full", retry_after=9), NOW)
    with pytest.raises(UpstreamRateLimited) as told:
        way.next(NOW)
    assert told.value.retry_after == pytest.approx(7)


def test_a_session_s_holder_is_asked_first_unless_it_is_left_alone() -> None:
    of = [deployment(f"d{number}", weight=1 if number else 100) for number in range(4)]
    assert walk(router(of), holder="d3").next(NOW).deployment.id == "d3"
    assert walk(router(of, board=cooled("d3")), holder="d3").next(NOW).deployment.id == "d0"


def test_pauses_grow_and_retry_after_and_the_rules_are_the_least() -> None:
    def waits(error: WarrenError, **rules: Any) -> list[float]:
        way, now = walk(router([deployment("a")], num_retries=3, **rules)), NOW
        found: list[float] = []
        while True:
            try:
                step = way.next(now)
            except WarrenError:
                return found
            now += step.wait
            if step.wait:
                found.append(step.wait)
            else:
                way.failed(error, now)

    grown = waits(FAILED)
    assert [pytest.approx(wait, rel=0.26) for wait in grown] == [0.2, 0.8, 3.2]
    assert [pytest.approx(wait) for wait in waits(UpstreamRateLimited("later", retry_after=2))] == [2, 2, 2]
    assert all(wait >= 1 for wait in waits(FAILED, retry_after=1))
    assert waits(UpstreamRateLimited("much later", retry_after=61)) == []


def test_there_must_be_such_a_model_and_somebody_for_the_tags() -> None:
    with pytest.raises(ModelNotFound):
        walk(router([]))
    with pytest.raises(ModelNotFound):
        walk(router([deployment("a", info={"blocked": True})]))
    with pytest.raises(InvalidRequest):
        walk(router([deployment("a")], tag_filtering=True), tags=("t",))
    of = [deployment("a", tags=["t"]), deployment("n", "n"), deployment("o", "o", tags=["t"])]
    ours = router(of, tag_filtering=True, num_retries=0, fallbacks=to(m=["n", "o"]))
    assert asked(walk(ours, tags=("t",)), FAILED)[0] == ["a", "o"], "a fallback has nobody for them: the next one"
