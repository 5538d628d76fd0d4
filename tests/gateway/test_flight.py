"""The fence: whatever comes from however many attempts, the client reads one stream without gap, repeat or mixture."""

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from warren.contracts import Flag, Head, Part
from warren.errors import Interrupted
from warren_gateway.flight import DOUBT, KEPT, REPEATED, UNREAD, Flight, Taken

ATTEMPTS = st.sampled_from(["a", "b", "c"])
CLAIMANTS = st.sampled_from(["a", "b", "c", "d", "e"])


def flight(*, stream: bool = True) -> Flight:
    return Flight("r", "acme", stream=stream, deadline=1e9, now=0.0)


def head(attempt: str) -> Head:
    return Head(status=200, worker=f"worker of {attempt}")


def part(attempt: str, number: int, first: int = 0, last: int = -1, flags: Flag = Flag.NONE) -> Part:
    return Part("r", attempt, number, first, last, 4, int(flags), head(attempt) if number == 0 else None)


def unread(one: Flight) -> bytes:
    """What its client would read now."""
    return b"".join(one._unread)


@dataclass
class Attempt:
    """A worker's side: the parts it has written. Each part holds one event, and says whose and which it is."""

    name: str
    start: int = 0
    parts: list[tuple[Part, bytes]] = field(default_factory=list)
    content: bool = False

    def write(self, *, content: bool, last: bool) -> None:
        if self.parts and self.parts[-1][0].flags & Flag.LAST:
            return
        self.content = self.content or content
        flags = (Flag.CONTENT if self.content else Flag.NONE) | (Flag.LAST if last else Flag.NONE)
        number, sequence = len(self.parts), self.start + len(self.parts)
        data = f"<{self.name}{sequence}>".encode()
        self.parts.append((part(self.name, number, sequence, sequence, flags), data))


class Fence(RuleBasedStateMachine):
    """A flight beside a slow and obvious model of it: which attempt is shown, from where, and what was read."""

    @initialize()
    def begin(self) -> None:
        self.flight = flight()
        self.now = 0.0
        self.attempts: dict[str, Attempt] = {}
        self.shown: str | None = None
        self.next = 0  # the number of the part that must come next
        self.read: list[bytes] = []
        self.sequence = 0
        self.latched = False
        self.latched_by: str | None = None
        self.ended = False
        self.doubted: float | None = None
        self.heard = 0.0

    def attempt(self, name: str) -> Attempt:
        return self.attempts.setdefault(name, Attempt(name))

    @rule(name=ATTEMPTS, content=st.booleans(), last=st.sampled_from([False] * 9 + [True]))
    def a_worker_writes(self, name: str, content: bool, last: bool) -> None:
        self.attempt(name).write(content=content, last=last)

    @rule(content=st.sampled_from([False, False, True]), lost=st.booleans())
    def the_worker_that_is_shown_writes(self, content: bool, lost: bool) -> None:
        shown = self.attempt(self.shown or "a")
        shown.write(content=content, last=False)
        if not lost:
            self._arrives(shown.name, len(shown.parts) - 1)

    @rule(data=st.data(), name=ATTEMPTS, of_the_shown=st.booleans())
    def a_part_arrives(self, data: st.DataObject, name: str, of_the_shown: bool) -> None:
        """Any part that was written, at any time, as often as one likes."""
        name = self.shown or name if of_the_shown else name
        if parts := self.attempt(name).parts:
            self._arrives(name, data.draw(st.integers(0, len(parts) - 1)))

    @rule()
    def what_is_missing_arrives(self) -> None:
        for number in range(self.next, len(self.attempt(self.shown or "a").parts)):
            self._arrives(self.shown or "a", number)

    def _arrives(self, name: str, number: int) -> None:
        one, data = self.attempt(name).parts[number]
        taken = self.flight.take(one, data, self.now)
        if self.ended:
            assert taken is Taken.OLD
            return
        self.shown = self.shown or name
        if name != self.shown:
            assert taken is Taken.FOREIGN
            return
        self.heard = self.now
        if one.number < self.next:
            assert taken is Taken.OLD
        elif one.number > self.next:
            assert taken in (Taken.GAP, Taken.ASKED)
        else:
            assert taken is Taken.YES
            self.next += 1
            self.read.append(data)
            self.sequence = one.last + 1
            self.latched = self.latched or bool(one.flags & Flag.CONTENT)
            if self.latched:
                self.latched_by = self.latched_by or name
            self.ended = bool(one.flags & Flag.LAST)

    @rule(name=ATTEMPTS)
    def a_worker_says_how_far_it_is(self, name: str) -> None:
        written = len(self.attempt(name).parts)
        echo = Part("r", name, written, 0, -1, 0, int(Flag.ECHO), head(name))
        taken = self.flight.take(echo, b"", self.now)
        if self.ended:
            assert taken is Taken.OLD
            return
        self.shown = self.shown or name
        if name == self.shown:
            self.heard = self.now
            assert taken in ((Taken.GAP, Taken.ASKED) if written > self.next else (Taken.OLD,))
        else:
            assert taken is Taken.FOREIGN

    @rule(name=CLAIMANTS)
    def an_attempt_claims(self, name: str) -> None:
        """A worker claims before it has written anything; one that has does not ask any more."""
        if self.attempt(name).parts and name != self.shown:
            return
        before = self.latched
        match self.flight.claim(name, self.now):
            case "ended":
                assert self.ended
                return
            case "run":
                if name != self.shown:
                    assert not before, "a latched stream was given away"
                    assert self.doubted is not None, "a worker was replaced without a question"
                    assert self.heard <= self.doubted, "a worker that lives was replaced"
                    self.shown, self.next, self.doubted = name, 0, None
                    self.heard = self.now
                    assert self.flight.sequence == self.sequence
                    self.attempts[name] = Attempt(name, start=self.sequence)
            case "probe":
                assert name != self.shown
                self.doubted = self.now
            case "hold":
                assert self.doubted is not None
                assert self.now - self.doubted < DOUBT
            case "interrupt":
                assert before
                assert self.doubted is not None
                assert self.heard <= self.doubted, "a worker that lives was given up"
                assert self.now - self.doubted >= DOUBT
        assert not self.ended

    @rule(name=CLAIMANTS, handed=ATTEMPTS)
    def an_attempt_goes_on_for_another(self, name: str, handed: str) -> None:
        """Whoever it goes on for has stopped by itself: nobody need be doubted, unless he is not who is known."""
        if self.attempt(name).parts and name != self.shown:
            return
        free = self.shown in (None, handed) and not self.latched
        if self.ended or name == self.shown or not free:
            self.an_attempt_claims(name)
            return
        assert self.flight.claim(name, self.now, handed=handed) == "run"
        self.shown, self.next, self.doubted = name, 0, None
        self.heard = self.now
        self.attempts[name] = Attempt(name, start=self.sequence)

    @rule(name=CLAIMANTS, life=st.booleans())
    def an_attempt_claims_until_it_knows(self, name: str, life: bool) -> None:
        """It asks, waits, and asks again; meanwhile the other may say that it lives."""
        self.an_attempt_claims(name)
        if life and self.shown is not None:
            self.now += 0.1
            self.a_worker_says_how_far_it_is(self.shown)
        self.now += DOUBT
        self.an_attempt_claims(name)

    @rule(seconds=st.sampled_from([0.1, 2.0, 2.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(really=st.sampled_from([False] * 19 + [True]))
    def it_is_ended_from_here(self, really: bool) -> None:
        if not really:
            return
        self.flight.finish(b"<end>")
        if not self.ended:
            self.read.append(b"<end>")
            self.ended = True

    @invariant()
    def the_client_reads_what_the_model_reads(self) -> None:
        assert unread(self.flight) == b"".join(self.read)
        assert self.flight.ended == self.ended
        assert self.flight.latched == self.latched
        assert self.flight.sequence == self.sequence

    @invariant()
    def the_numbers_have_no_gap(self) -> None:
        numbers = [int(data[2:-1]) for data in self.read if data != b"<end>"]
        assert numbers == list(range(len(numbers)))

    @invariant()
    def what_follows_output_is_of_the_same_attempt(self) -> None:
        if self.latched_by is not None:
            names = [data[1:2].decode() for data in self.read if data != b"<end>"]
            at = names.index(self.latched_by)
            assert set(names[at:]) == {self.latched_by}


test_the_fence = Fence.TestCase
test_the_fence.settings = settings(max_examples=100, stateful_step_count=30, deadline=None, database=None)


def test_a_worker_that_is_silent_loses_a_stream_of_which_nothing_was_shown() -> None:
    one = flight()
    assert one.take(part("a", 0, 0, 1), b"aaaa", 0.0) is Taken.YES
    assert one.claim("b", 10.0) == "probe"
    assert one.claim("b", 10.0 + DOUBT / 2) == "hold"
    assert one.claim("b", 10.0 + DOUBT) == "run"
    assert one.sequence == 2
    assert one.take(part("a", 1, 2, 2), b"aaaa", 12.0) is Taken.FOREIGN
    assert one.take(part("b", 0, 2, 2), b"bbbb", 12.0) is Taken.YES


def test_who_goes_on_for_the_attempt_that_is_shown_does_so_at_once() -> None:
    one = flight()
    one.take(part("a", 0, 0, 1), b"aaaa", 0.0)
    assert one.claim("b", 0.1, handed="a") == "run"
    assert one.sequence == 2
    assert one.take(part("a", 1, 2, 2), b"aaaa", 0.2) is Taken.FOREIGN
    assert one.claim("c", 0.2, handed="a") == "probe"  # the same job once more
    assert one.take(part("b", 0, 2, 2), b"bbbb", 0.3) is Taken.YES
    assert one.claim("c", 0.4, handed="a") == "probe"


def test_a_stream_that_has_shown_output_is_not_handed_on() -> None:
    one = flight()
    one.take(part("a", 0, 0, 2, Flag.CONTENT), b"aaaa", 0.0)
    assert one.claim("b", 0.1, handed="a") == "probe"


def test_a_doubted_worker_that_shows_life_keeps_its_stream() -> None:
    one = flight()
    one.take(part("a", 0, 0, 1), b"aaaa", 0.0)
    now = 10.0
    for _ in range(20):
        assert one.claim("b", now) == "probe"
        one.take(Part("r", "a", 1, 0, -1, 0, int(Flag.ECHO), head("a")), b"", now + 0.1)
        now += DOUBT + 1
    assert one.take(part("a", 1, 2, 2), b"aaaa", now) is Taken.YES


@pytest.mark.parametrize("named", [True, False])
def test_shown_output_is_never_given_to_another_attempt(named: bool) -> None:
    one = flight()
    first = part("a", 0, 0, 2, Flag.CONTENT)
    one.take(first if named else first._replace(head=None), b"aaaa", 0.0)
    assert one.claim("b", 10.0) == "probe"
    for now in (20.0, 30.0, 1000.0):
        assert one.claim("b", now) == "interrupt"
    assert one.claim("a", 1000.0) == "run"


def test_a_job_that_nobody_has_begun_is_given_after_a_question() -> None:
    one = flight()
    assert one.claim("a", 0.0) == "probe"
    assert one.claim("a", DOUBT / 2) == "hold"
    assert one.claim("a", DOUBT) == "run"
    assert one.claim("a", DOUBT) == "run"
    assert one.claim("b", DOUBT) == "probe"
    assert one.take(part("b", 0), b"bbbb", DOUBT) is Taken.FOREIGN
    assert one.take(part("a", 0), b"aaaa", DOUBT) is Taken.YES


def test_a_gap_is_asked_for_once() -> None:
    one = flight()
    one.take(part("a", 0, 0, 0), b"0000", 0.0)
    assert [one.take(part("a", number, number, number), b"", 1.0) for number in (2, 3, 4)] == [
        Taken.GAP,
        Taken.ASKED,
        Taken.ASKED,
    ]
    assert [one.take(part("a", number, number, number), b"", 2.0) for number in (1, 2, 3, 4)] == [Taken.YES] * 4
    assert one.take(part("a", 6, 6, 6), b"", 3.0) is Taken.GAP


def test_a_part_without_events_leaves_the_numbers_alone() -> None:
    one = flight()
    one.take(part("a", 0, 0, 1), b"aaaa", 0.0)
    one.take(part("a", 1), b"", 0.0)
    assert (one.number, one.sequence, one.latched) == (2, 2, False)


def test_while_it_is_being_ended_nothing_more_is_taken() -> None:
    one = flight()
    one.closing = True
    assert one.take(part("a", 0), b"aaaa", 0.0) is Taken.OLD
    assert unread(one) == b""


def test_a_client_that_does_not_read_is_given_up() -> None:
    one = flight()
    size = 64 * 1024
    for number in range(UNREAD // size + REPEATED):
        one.take(part("a", number, number, number), b"x" * size, 0.0)
    assert not one.overrun
    one.take(part("a", one.number, one.number, one.number), b"x", 0.0)
    assert one.overrun
    assert one.abandoned


def test_what_is_large_may_be_repeated_before_the_client_has_read_it() -> None:
    one = flight()
    size = 4 * UNREAD
    for number in range(REPEATED):
        one.take(part("a", number, number, number), b"x" * size, 0.0)
    assert not one.overrun


def test_a_json_answer_may_be_of_any_size() -> None:
    one = flight(stream=False)
    one.take(part("a", 0, flags=Flag.LAST), b"x" * (2 * UNREAD), 0.0)
    assert one.ended
    assert not one.overrun
    assert one.sent == []


def test_only_so_much_of_a_stream_is_kept() -> None:
    one = flight()
    for number in range(100):
        one.take(part("a", number, number, number), b"x" * 100_000, 0.0)
        one._unread.clear()
        one._unread_size = 0
    assert KEPT <= sum(map(len, one.sent)) < KEPT + 100_000


@pytest.mark.anyio
async def test_reading_waits_for_what_comes_and_ends_with_it() -> None:
    one = flight()
    reading = asyncio.create_task(one.read())
    beginning = asyncio.create_task(one.begun())
    await asyncio.sleep(0)
    reading.cancel()
    one.take(part("a", 0, 0, 0), b"one", 0.0)
    assert await beginning == head("a")
    one.take(part("a", 1, 1, 1, Flag.LAST), b"two", 0.0)
    assert await one.read() == b"onetwo"
    assert await one.read() is None


@pytest.mark.anyio
async def test_an_error_is_told_before_the_head_and_in_a_json_answer() -> None:
    one = flight(stream=False)
    one.fail(Interrupted("Gone."))
    one.fail(Interrupted("Again."))
    with pytest.raises(Interrupted, match=r"Gone\."):
        await one.begun()
    with pytest.raises(Interrupted, match=r"Gone\."):
        await one.whole()


@pytest.mark.anyio
async def test_an_abandoned_flight_gives_nothing_more() -> None:
    one = flight()
    one.take(part("a", 0, 0, 0), b"one", 0.0)
    one.abandon()
    assert await one.read() is None
    assert one.take(part("a", 1, 1, 1), b"two", 0.0) is Taken.YES


@given(st.lists(st.tuples(ATTEMPTS, st.integers(0, 3)), max_size=20))
def test_an_ended_flight_stays_as_it_is(parts: list[tuple[str, int]]) -> None:
    one = flight()
    one.take(part("a", 0, 0, 0, Flag.LAST), b"end", 0.0)
    for name, number in parts:
        assert one.take(part(name, number), b"more", 1.0) is Taken.OLD
        assert one.claim(name, 100.0) == "ended"
    one.finish(b"more")
    assert unread(one) == b"end"
