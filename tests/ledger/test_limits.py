"""Limits: never more than may be in any minute, and never less than there is room for."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ledger.making import Clock
from warren.contracts import Limits, Permit, Permitted, Release
from warren_ledger.limits import LEASE, Used
from warren_ledger.permits import Permits
from warren_ledger.store import Store


def permit(id_: str, *, tokens: int = 0, granted: bool = False, **limits: int) -> Permit:
    return Permit(permit_id=id_, deployment="d", limits=Limits(**limits), tokens=tokens, granted=granted)


def release(id_: str, tokens: int | None = None) -> Release:
    return Release(permit_id=id_, deployment="d", tokens=tokens)


TIMES = st.lists(st.floats(0, 400), max_size=80).map(sorted)


@given(TIMES, st.integers(0, 8))
def test_no_sixty_seconds_have_more_requests_than_the_limit(times: list[float], rpm: int) -> None:
    used, granted = Used(), list[float]()
    for number, at in enumerate(times):
        answer = used.permit(permit(str(number), rpm=rpm), at)
        used = Used.read(used.written())
        in_reach = sum(at - one < 63 for one in granted)
        if answer.granted:
            granted.append(at)
            assert sum(at - one < 61 for one in granted) <= rpm
        else:
            assert in_reach >= rpm  # there was no room
            assert (answer.retry_after is None) == (rpm == 0)
            assert answer.retry_after is None or 0 < answer.retry_after <= 62


@given(st.lists(st.tuples(st.floats(0, 400), st.integers(0, 60), st.integers(0, 90) | st.none()), max_size=60))
def test_no_sixty_seconds_begin_what_would_use_more_tokens(calls: list[tuple[float, int, int | None]]) -> None:
    used, counted = Used(), list[tuple[float, int]]()
    for number, (at, likely, really) in enumerate(sorted(calls, key=lambda call: call[0])):
        answer = used.permit(permit(str(number), tokens=likely, tpm=100), at)
        if answer.granted:
            assert sum(tokens for one, tokens in counted if at - one < 61) + likely <= 100
            used.release(release(str(number), really), at)
            counted.append((at, likely if really is None else really))
        else:
            assert sum(tokens for one, tokens in counted if at - one < 63) + likely > 100


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0.01, 50)), max_size=60), st.integers(1, 5))
def test_never_do_more_run_at_once(calls: list[tuple[float, float]], most: int) -> None:
    events = [(at, 1, number) for number, (at, _) in enumerate(calls)]
    events += [(at + seconds, 0, number) for number, (at, seconds) in enumerate(calls)]
    used, running = Used(), set[int]()
    for at, begins, number in sorted(events):
        if not begins:
            used.release(release(str(number)), at)
            running.discard(number)
        elif used.permit(permit(str(number), parallel=most), at).granted:
            running.add(number)
            assert len(running) <= most
        else:
            assert len(running) == most


@given(st.lists(st.tuples(st.floats(0, 200), st.integers(0, 40)), max_size=40), st.integers(1, 5), st.integers(1, 60))
def test_there_is_room_when_it_was_said_that_there_would_be(calls: list[tuple[float, int]], rpm: int, tpm: int) -> None:
    used = Used()
    for number, (at, tokens) in enumerate(sorted(calls)):
        asked = permit(str(number), tokens=tokens, rpm=rpm, tpm=tpm)
        answer = used.permit(asked, at)
        if answer.retry_after is not None:
            before, then = Used.read(used.written()), Used.read(used.written())  # to look ahead moves their clocks
            assert not before.permit(asked, max(at, at + answer.retry_after - 1.01)).granted
            assert then.permit(asked, at + answer.retry_after).granted


def test_who_asks_twice_has_asked_once() -> None:
    used = Used()
    assert used.permit(permit("a", rpm=2), 100).granted
    assert used.permit(permit("a", rpm=2), 101).granted
    assert used.permit(permit("b", rpm=2), 102).granted
    assert not used.permit(permit("c", rpm=2), 103).granted


def test_a_lease_runs_out_unless_it_is_made_longer() -> None:
    used = Used()
    for id_ in ("dies", "lives"):
        assert used.permit(permit(id_, parallel=2), 0).granted
    for at in (20, 40):
        assert used.permit(permit("lives", parallel=2, granted=True), at).granted
    assert used.permit(permit("new", parallel=2), LEASE + 0.1).granted
    assert not used.permit(permit("too many", parallel=2), LEASE + 0.2).granted


def test_a_lease_that_was_lost_is_taken_up_again_and_counts_no_second_time() -> None:
    used = Used()
    assert used.permit(permit("a", rpm=1, granted=True), 100).granted
    assert used.permit(permit("b", rpm=1), 100).granted


def test_what_it_used_is_settled_once_and_in_its_own_second() -> None:
    used = Used()
    assert used.permit(permit("a", tokens=60, tpm=100), 100).granted
    assert not used.permit(permit("b", tokens=60, tpm=100), 101).granted
    for _ in range(2):
        used.release(release("a", 40), 102)
    assert used.permit(permit("b", tokens=60, tpm=100), 103).granted
    used.release(release("b", 500), 150)
    assert not used.permit(permit("c", tokens=1, tpm=100), 164).granted
    assert used.permit(permit("c", tokens=1, tpm=100), 165).granted


def test_a_request_that_can_never_be_is_told_so() -> None:
    answer = Used().permit(permit("a", tokens=101, tpm=100, rpm=5), 100)
    assert (answer.granted, answer.retry_after) == (False, None)


def test_a_clock_that_was_wrong_blocks_nothing_for_long() -> None:
    used = Used()
    assert used.permit(permit("a", rpm=1), 10_000).granted
    assert not used.permit(permit("b", rpm=1), 9_996).granted
    assert used.permit(permit("b", rpm=1), 5_000).granted


@pytest.mark.anyio
async def test_several_ledgers_keep_one_count(store: Store, clock: Clock) -> None:
    now = clock()
    ledgers = [Permits(store.notes, lambda: now) for _ in range(3)]
    answers = await asyncio.gather(*(ledgers[n % 3].answer(permit(str(n), rpm=25)) for n in range(60)))
    assert Counter(isinstance(one, Permitted) and one.granted for one in answers) == {True: 25, False: 35}
    assert all(isinstance(one, Permitted) and (one.granted or 61 <= (one.retry_after or 0) <= 62) for one in answers)


@pytest.mark.anyio
async def test_room_that_was_made_at_another_ledger_is_found(store: Store, clock: Clock) -> None:
    here, there = Permits(store.notes, clock), Permits(store.notes, clock)
    assert await here.answer(permit("a", parallel=1)) == Permitted(granted=True, seconds=LEASE)
    assert await there.answer(permit("b", parallel=1)) == Permitted(granted=False, retry_after=1.0)
    await there.answer(release("a"))
    assert await here.answer(permit("b", parallel=1)) == Permitted(granted=True, seconds=LEASE)
    assert await there.answer(permit("c", parallel=1)) == Permitted(granted=False, retry_after=1.0)
    clock.ahead = 3600
    assert await here.answer(permit("d", parallel=1)) == Permitted(granted=True, seconds=LEASE)
