"""The contract of detached runs in the store: every test runs against both."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from tests.ledger.making import ACCOUNT, Clock, fresh, outcome
from warren.contracts import Flag, Head, Part
from warren_ledger.store import Store
from warren_ledger.store.runs import END, LEDGER, Entry, Run, Span

pytestmark = pytest.mark.anyio


def run(response_id: str | None = None, **changes: Any) -> Run:
    values: dict[str, Any] = {
        "response_id": response_id or fresh(),
        "account": ACCOUNT,
        "status": "queued",
        "background": True,
        "stream": True,
        "logged": True,
        "created_at": time.time(),
        "deadline": time.time() + 60,
        "log_until": time.time() + 600,
        "model": "gpt",
        "metadata": {"a": "1"},
        "job": b'{"kind":"job"}\n{}',
        "body": b'{"id":"x","status":"queued"}',
    }
    return Run(**{**values, **changes})


def part(
    response_id: str, attempt: str, number: int, first: int, last: int, flags: Flag = Flag.NONE, data: bytes = b""
) -> Entry:
    data = data or f"{attempt}:{first}-{last};".encode()
    head = Head(worker="w", status=200) if number == 0 else None
    return Part(response_id, attempt, number, first, last, len(data), int(flags), head), data


def begin(response_id: str) -> Entry:
    return part(response_id, LEDGER, 0, 0, 1)


def working(response_id: str) -> Entry:
    return part(response_id, LEDGER, 1, 2, 2)


async def started(store: Store, attempt: str = "a", **changes: Any) -> Run:
    """A run in the background that this attempt has taken, its stream at number 3."""
    row = await store.runs.open(one := run(**changes), begin(one.response_id))
    assert await store.runs.take(row, attempt, "worker", working(row.response_id)) == 3
    return await there(store, row)


async def there(store: Store, row: Run) -> Run:
    found = await store.runs.find(row.response_id, row.account)
    assert found is not None
    return found


async def shown(store: Store, row: Run, after: int = -1) -> str:
    found = await store.runs.tail(row.response_id, row.account, after)
    assert found is not None
    return b"".join(data for _, data in found[1]).decode()


async def test_a_row_is_found_as_it_was_opened(store: Store) -> None:
    one = run(key="k")
    assert await store.runs.open(one, None) == replace(one, metadata={})
    assert await store.runs.find(one.response_id, "other") is None
    assert await store.find(one.response_id, ACCOUNT) is None


async def test_a_row_is_opened_once(store: Store) -> None:
    row = await started(store)
    again = await store.runs.open(run(row.response_id, model="other"), begin(row.response_id))
    assert again == row
    assert await shown(store, row) == ":0-1;:2-2;"


async def test_what_runs_in_the_background_is_visible_and_nothing_else(store: Store) -> None:
    visible, hidden = run(), run(background=False, body=None)
    for one in (visible, hidden):
        await store.runs.open(one, None)
    record = await store.find(visible.response_id, ACCOUNT, content=True, running=True)
    assert record is not None
    assert (record.status, record.background, record.shown()) == ("queued", True, b'{"id":"x","status":"queued"}')
    await store.runs.take(visible, "a", "w", None)
    record = await store.find(visible.response_id, ACCOUNT, content=True, running=True)
    assert record is not None
    assert record.shown() == b'{"id":"x","status":"in_progress"}'
    assert await store.find(visible.response_id, "other", running=True) is None
    assert await store.find(hidden.response_id, ACCOUNT, running=True) is None
    assert await store.chain(visible.response_id, ACCOUNT) is None
    assert await store.delete(visible.response_id, ACCOUNT) is None


async def test_a_key_stands_for_the_first_response(store: Store, clock: Clock) -> None:
    until = clock() + 60
    assert await store.runs.holder("acme\0k") is None
    assert await store.runs.reserve("acme\0k", "f", "resp_1", until) == ("resp_1", "f")
    assert await store.runs.reserve("acme\0k", "f", "resp_1", until) == ("resp_1", "f")
    assert await store.runs.holder("acme\0k") == ("resp_1", "f")
    assert await store.runs.reserve("acme\0k", "g", "resp_2", until) == ("resp_1", "f")
    assert await store.runs.reserve("other\0k", "g", "resp_2", until) == ("resp_2", "g")
    clock.ahead = 61
    assert await store.runs.holder("acme\0k") is None
    assert await store.runs.reserve("acme\0k", "g", "resp_2", until + 60) == ("resp_2", "g")


async def test_one_of_many_gets_a_key(store: Store, clock: Clock) -> None:
    holders = await asyncio.gather(
        *(store.runs.reserve("acme\0k", "f", f"resp_{number}", clock() + 60) for number in range(20))
    )
    assert len(set(holders)) == 1


@pytest.mark.parametrize(
    ("status", "changes", "latched", "freed"),
    [
        ("failed", {"background": False}, False, True),
        ("failed", {"background": False}, True, False),
        ("failed", {"background": True}, False, False),
        ("completed", {"background": False}, False, False),
    ],
)
async def test_a_run_that_failed_before_anything_was_shown_frees_its_key(
    store: Store, clock: Clock, status: Any, changes: dict[str, Any], latched: bool, freed: bool
) -> None:
    one = run(key="acme\0k", **changes)
    await store.runs.reserve("acme\0k", "f", one.response_id, clock() + 60)
    row = await store.runs.open(one, None)
    await store.runs.take(row, "a", "w", None)
    if latched:
        await store.runs.append([part(one.response_id, "a", 0, 0, 3, Flag.CONTENT)])
    end = outcome(one.response_id, status=status).model_copy(update={"background": changes["background"]})
    for _ in range(2):
        assert (await store.put([end]))[0].won
    holder, _ = await store.runs.reserve("acme\0k", "f", "resp_2", clock() + 60)
    assert holder == ("resp_2" if freed else one.response_id)
    assert (await store.put([end]))[0].won
    assert (await store.runs.reserve("acme\0k", "f", "resp_3", clock() + 60))[0] == holder


async def test_what_nobody_has_taken_can_be_abandoned(store: Store, clock: Clock) -> None:
    one = run(key="k")
    await store.runs.reserve("k", "f", one.response_id, clock() + 60)
    row = await store.runs.open(one, begin(one.response_id))
    assert await store.runs.abandon(row)
    assert await store.runs.find(one.response_id, ACCOUNT) is None
    assert await store.runs.reserve("k", "f", "resp_2", clock() + 60) == ("resp_2", "f")
    assert not await store.runs.abandon(await started(store))


async def test_the_first_to_take_a_run_logs_that_it_has_begun(store: Store) -> None:
    row = await started(store)
    assert (row.status, row.attempt, row.worker, row.spans) == ("in_progress", "a", "worker", (("", 0), ("a", 3)))
    assert await shown(store, row) == ":0-1;:2-2;"


async def test_the_same_attempt_gets_the_same_number_again(store: Store) -> None:
    row = await started(store)
    for _ in range(2):
        assert await store.runs.take(row, "a", "worker", working(row.response_id)) == 3
    assert (await there(store, row)).spans == (Span("", 0), Span("a", 3))


async def test_one_of_many_takes_a_run(store: Store) -> None:
    row = await store.runs.open(one := run(), begin(one.response_id))
    numbers = await asyncio.gather(
        *(store.runs.take(row, str(attempt), "w", working(row.response_id)) for attempt in range(20))
    )
    assert sorted(filter(None, numbers)) == [3]


async def test_what_has_ended_cannot_be_taken(store: Store) -> None:
    row = await started(store)
    await store.put([outcome(row.response_id, attempt="a")])
    assert await store.runs.take(row, "b", "w", None) is None
    ended = await there(store, row)
    assert (ended.status, ended.job) == ("completed", b"")


async def test_parts_are_logged_once_and_shown_in_order(store: Store) -> None:
    row = await started(store)
    one, two, three = (part(row.response_id, "a", number, 3 + number, 3 + number) for number in range(3))
    assert await store.runs.append([three, one]) == {row.response_id}
    assert await shown(store, row) == ":0-1;:2-2;a:3-3;"
    await store.runs.append([two, one])
    assert await shown(store, row) == ":0-1;:2-2;a:3-3;a:4-4;a:5-5;"
    assert await shown(store, row, 3) == "a:4-4;a:5-5;"
    assert await shown(store, row, 5) == ""


async def test_a_part_that_begins_before_what_is_asked_for_comes_whole(store: Store) -> None:
    row = await started(store)
    await store.runs.append([part(row.response_id, "a", 0, 3, 9), part(row.response_id, "a", 1, 10, 12)])
    assert await shown(store, row, 5) == "a:3-9;a:10-12;"
    assert await shown(store, row, 0) == ":0-1;:2-2;a:3-9;a:10-12;"
    assert await shown(store, row, 10) == "a:10-12;"


async def test_heads_come_with_their_parts(store: Store) -> None:
    row = await started(store)
    await store.runs.append([one := part(row.response_id, "a", 0, 3, 3)])
    found = await store.runs.tail(row.response_id, ACCOUNT, 2)
    assert found is not None
    assert found[1] == [one]
    assert await store.runs.log(row, bare=True) == [
        (begin(row.response_id)[0], b""), (working(row.response_id)[0], b""), (one[0], b"")
    ]  # fmt: skip


async def test_a_json_answer_is_one_part(store: Store) -> None:
    one = run(stream=False, background=False, body=None)
    row = await store.runs.open(one, None)
    assert await store.runs.take(row, "a", "w", None) == 0
    await store.runs.append([part(row.response_id, "a", 0, 0, -1, data=b"early")])
    assert await store.runs.take(await there(store, row), "b", "w", None) == 0
    await store.runs.append([part(row.response_id, "a", 1, 0, -1, Flag.LAST, b"late")])
    assert await shown(store, row) == ""
    await store.runs.append([part(row.response_id, "b", 0, 0, -1, Flag.LAST, b"{}")])
    assert await shown(store, row) == "{}"


async def test_an_attempt_that_was_replaced_is_not_shown_any_more(store: Store) -> None:
    row = await started(store)
    await store.runs.append([part(row.response_id, "a", 0, 3, 4)])
    assert await store.runs.take(await there(store, row), "b", "w", None) == 5
    assert await store.runs.append([part(row.response_id, "a", 1, 5, 6)]) == set()
    await store.runs.append([part(row.response_id, "b", 0, 5, 5)])
    assert await shown(store, row) == ":0-1;:2-2;a:3-4;b:5-5;"
    assert (await store.put([outcome(row.response_id, attempt="a")]))[0].won is False
    assert (await store.put([outcome(row.response_id, attempt="b")]))[0].won is True


async def test_shown_output_latches_a_stream(store: Store) -> None:
    row = await started(store)
    await store.runs.append([part(row.response_id, "a", 0, 3, 4, Flag.CONTENT)])
    latched = await there(store, row)
    assert latched.latched
    assert await store.runs.take(latched, "b", "w", None) is None
    assert await store.runs.take(row, "b", "w", None) is None


async def test_a_doubt_is_kept_until_it_is_settled(store: Store) -> None:
    row = await started(store)
    await store.runs.doubt(row, 5.0)
    assert (await there(store, row)).doubted_at == 5.0
    await store.runs.doubt(row, None)
    assert (await there(store, row)).doubted_at is None
    await store.runs.doubt(row, 5.0)
    await store.runs.take(row, "b", "w", None)
    assert (await there(store, row)).doubted_at is None


async def test_what_is_shut_takes_nothing_and_nobody(store: Store) -> None:
    row = await started(store)
    await store.runs.append([one := part(row.response_id, "a", 0, 3, 4, Flag.CONTENT)])
    shut = await store.runs.shut(row)
    assert shut is not None
    assert shut.fence == END
    assert await store.runs.append([part(row.response_id, "a", 1, 5, 5)]) == set()
    assert await store.runs.take(shut, "a", "w", None) is None
    assert [entry[0].first for entry in await store.runs.log(shut)] == [0, 2, one[0].first]


async def test_what_is_closed_is_closed_once(store: Store) -> None:
    row = await started(store)
    await store.runs.append([part(row.response_id, "a", 0, 3, 4, Flag.CONTENT)])
    shut = await store.runs.shut(row)
    assert shut is not None
    assert await shown(store, row) == ":0-1;:2-2;"
    for said in (b"end", b"another"):
        await store.runs.close(shut, part(row.response_id, END, 0, 5, 6, Flag.LAST, said))
    assert await shown(store, row) == ":0-1;:2-2;a:3-4;end"
    assert (await there(store, row)).closed


async def test_the_last_part_may_come_after_the_outcome(store: Store) -> None:
    row = await started(store)
    await store.put([outcome(row.response_id, attempt="a")])
    await store.runs.append([part(row.response_id, "a", 0, 3, 4, Flag.CONTENT | Flag.LAST)])
    assert await shown(store, row) == ":0-1;:2-2;a:3-4;"


async def test_what_is_overdue_is_told(store: Store, clock: Clock) -> None:
    late, ended, young = await started(store), await started(store), await started(store, deadline=clock() + 900)
    await store.put([outcome(ended.response_id)])
    due = await store.runs.due(clock() + 61)
    assert late.response_id in {one.response_id for one in due}
    assert not {ended.response_id, young.response_id} & {one.response_id for one in due}


async def test_a_deleted_response_has_no_log(store: Store) -> None:
    row = await started(store)
    await store.runs.append([part(row.response_id, "a", 0, 3, 4, Flag.LAST)])
    await store.put([outcome(row.response_id)])
    for expected in (True, False):
        assert await store.delete(row.response_id, ACCOUNT) is expected
        assert await store.runs.tail(row.response_id, ACCOUNT, -1) is None
        assert await store.runs.log(row) == []


async def test_what_was_not_to_be_stored_keeps_its_log(store: Store) -> None:
    row = await store.runs.open(run(background=False, body=None), None)
    await store.runs.take(row, "a", "w", None)
    await store.runs.append([part(row.response_id, "a", 0, 0, 4, Flag.LAST)])
    await store.put([outcome(row.response_id, store=False)])
    assert await store.delete(row.response_id, ACCOUNT) is False
    assert await shown(store, row) == "a:0-4;"


async def test_a_log_is_kept_for_its_time(store: Store, clock: Clock) -> None:
    row = await started(store, log_until=clock() + 100)
    assert await shown(store, row) != ""
    clock.ahead = 101
    assert await shown(store, row) == ""


async def test_a_long_log_comes_in_pages(store: Store) -> None:
    row = await started(store)
    large = b"x" * 300_000
    await store.runs.append(
        [part(row.response_id, "a", number, 3 + number, 3 + number, data=large) for number in range(9)]
    )
    after, sizes = -1, []
    while True:
        found = await store.runs.tail(row.response_id, ACCOUNT, after)
        assert found is not None
        if not found[1]:
            break
        sizes.append(sum(len(data) for _, data in found[1]))
        after = found[1][-1][0].last
    assert after == 11
    assert sum(sizes) > 9 * 300_000
    assert max(sizes) < 1_400_000
    assert len(await store.runs.log(row)) == 11


async def test_nobody_ever_sees_two_attempts_mixed(store: Store) -> None:
    row = await store.runs.open(one := run(), begin(one.response_id))
    id_, seen, over = row.response_id, list[Entry](), asyncio.Event()

    async def work(attempt: str) -> None:
        """An attempt that claims the run until it gets it, then says more and more, whether it may or not."""
        now = await there(store, row)
        while (first := await store.runs.take(now, attempt, "w", working(id_))) is None:
            now = await there(store, row)
        for number in range(20):
            await store.runs.append([part(id_, attempt, number, first + number, first + number)])

    async def follow() -> None:
        while not over.is_set():
            after = seen[-1][0].last if seen else -1
            found = await store.runs.tail(id_, ACCOUNT, after)
            assert found is not None
            seen.extend(found[1])

    following = asyncio.create_task(follow())
    for wave in range(4):
        await asyncio.gather(*(work(f"{wave}{attempt}") for attempt in "abc"))
    over.set()
    await following
    shut = await store.runs.shut(row)
    assert shut is not None
    await store.runs.close(shut, part(id_, END, 0, (await store.runs.log(shut))[-1][0].last + 1, 999, Flag.LAST))
    found = await store.runs.tail(id_, ACCOUNT, -1)
    assert found is not None
    everything = found[1]
    assert seen == everything[: len(seen)]
    assert [entry[0].first for entry in everything[1:]] == list(range(2, len(everything) + 1))
    assert everything[-1][0].attempt == END
