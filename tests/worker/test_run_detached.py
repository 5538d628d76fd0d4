"""Runs that nobody's connection keeps alive: claimed first, told to the log, ended for good."""

import asyncio

import pytest
from pydantic_core import from_json

from tests.worker.staging import Stage, stage
from warren import ids
from warren.bus import jobs
from warren.contracts import Begun, Cancel, Chunks, Claim, Claimed, Flag, Job, Outcome, Ping, Pong
from warren.objects import Item

pytestmark = pytest.mark.anyio

BACKGROUND = {"model": "words-3", "background": True}


def attempt(on: Stage) -> str:
    return on.ledger.all(Claim)[-1].attempt


async def started(on: Stage, job: Job) -> None:
    """Send this job; returns when its model has said some words."""
    await on.bus.send(jobs("openai"), job)
    async with asyncio.timeout(20):
        while not (on.upstream.calls and on.upstream.calls[-1].words > 5):
            await asyncio.sleep(0.01)


async def state(on: Stage, job: Job, attempt: str | None) -> str:
    answer = await on.bus.call(on.address, Ping(response_id=job.response_id, attempt=attempt))
    assert isinstance(answer, Pong)
    return answer.states["run"]


async def test_a_detached_job_is_claimed_before_it_calls() -> None:
    async with stage("words-3") as on:
        on.ledger.verdicts = [Claimed(verdict="hold"), Claimed(verdict="run")]
        outcome = await on.ran(on.job(BACKGROUND, detached=True, reply_to=""))
        first, second = on.ledger.all(Claim)
        assert first == second
        assert (first.detached, first.worker, first.attempt) == (True, on.address, outcome.attempt)
        assert (outcome.status, outcome.background) == ("completed", True)
        assert len(on.upstream.calls) == 1


@pytest.mark.parametrize("verdict", ["ended", "unknown"])
async def test_what_has_ended_is_not_run_again(verdict: str) -> None:
    async with stage("words-3") as on:
        on.ledger.verdicts = [Claimed(verdict=verdict)]
        job = on.job(BACKGROUND, detached=True)
        await on.bus.send(jobs("openai"), job)
        await on.ledger.until(lambda: on.ledger.all(Claim))
        while job.response_id in on.worker._taken:
            await asyncio.sleep(0.01)
        assert len(on.ledger.received) == 1
        assert not on.upstream.calls


async def test_of_what_nobody_listens_to_there_is_only_the_outcome() -> None:
    async with stage("words-3") as on:
        await on.ran(on.job(BACKGROUND, detached=True, reply_to=""))
        assert [type(message) for message in on.ledger.received] == [Claim, Begun, Outcome]


async def test_a_background_stream_goes_on_where_the_ledger_began_it() -> None:
    async with stage("words-20") as on:
        on.ledger.verdicts = [Claimed(verdict="run", sequence=3)]
        outcome = await on.ran(on.job({**BACKGROUND, "model": "words-20", "stream": True}, detached=True))
        events = on.ledger.logged()
        assert events[0]["type"] == "response.output_item.added"
        assert [event["sequence_number"] for event in events] == list(range(3, 3 + len(events)))
        assert events[-1] == {
            "type": "response.completed",
            "sequence_number": 2 + len(events),
            "response": from_json(outcome.response),
        }
        parts = [part for part, _ in on.ledger.log]
        assert [part.number for part in parts] == list(range(len(parts)))
        assert {part.attempt for part in parts} == {outcome.attempt}
        assert parts[0].head is not None
        assert parts[0].head.status == 200
        assert parts[-1].flags & Flag.LAST


async def test_the_outcome_comes_before_the_last_part_and_after_all_others() -> None:
    async with stage("words-40-5") as on:
        on.ledger.verdicts = [Claimed(verdict="run", sequence=3)]
        await on.ran(on.job({**BACKGROUND, "model": "words-40-5", "stream": True}, detached=True))
        kinds = [type(message) for message in on.ledger.received]
        assert kinds == [Claim, Begun, *[Chunks] * (len(kinds) - 4), Outcome, Chunks]
        assert len(kinds) < 30, "parts gather"


async def test_a_keyed_stream_begins_itself() -> None:
    async with stage("words-3") as on:
        await on.ran(on.job({"model": "words-3", "stream": True}, detached=True))
        assert [event["type"] for event in on.ledger.logged()][:2] == ["response.created", "response.in_progress"]


async def test_a_keyed_answer_is_one_part() -> None:
    async with stage("think-1500") as on:
        outcome = await on.ran(on.job({"model": "think-1500"}, detached=True))
        ((part, data),) = on.ledger.log
        assert (part.number, part.flags) == (0, Flag.LAST)
        assert part.head is not None
        assert (part.head.status, data) == (200, outcome.response)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_keyed_refusal_is_an_http_error(stream: bool) -> None:
    async with stage("status-400-9") as on:
        outcome = await on.ran(on.job({"model": "status-400-9", "stream": stream}, detached=True))
        ((part, data),) = on.ledger.log
        assert part.head is not None
        assert (part.head.status, part.flags) == (400, Flag.LAST)
        assert from_json(data)["error"]["message"] == "scripted 400"
        assert outcome.status == "failed"


async def test_in_the_background_a_refusal_is_a_failed_response() -> None:
    async with stage("status-400-9") as on:
        on.ledger.verdicts = [Claimed(verdict="run", sequence=3)]
        request = {**BACKGROUND, "model": "status-400-9", "stream": True}
        outcome = await on.ran(on.job(request, detached=True))
        events = on.ledger.logged()
        assert [(event["type"], event["sequence_number"]) for event in events] == [("error", 3), ("response.failed", 4)]
        assert events[-1]["response"] == from_json(outcome.response)
        assert outcome.status == "failed"


async def test_in_the_background_a_refusal_for_a_key_is_a_failed_response_too() -> None:
    async with stage("status-400-9") as on:
        outcome = await on.ran(on.job({**BACKGROUND, "model": "status-400-9"}, detached=True))
        ((part, data),) = on.ledger.log
        assert part.head is not None
        assert (part.head.status, data) == (200, outcome.response)
        assert from_json(data)["status"] == "failed"


async def test_a_job_past_its_deadline_fails_without_a_call() -> None:
    async with stage("words-3") as on:
        on.ledger.verdicts = [Claimed(verdict="run", sequence=3)]
        outcome = await on.ran(on.job({**BACKGROUND, "stream": True}, detached=True, deadline=1.0))
        assert (outcome.status, outcome.error) == ("failed", "deadline_exceeded")
        assert on.ledger.logged()[-1]["type"] == "response.failed"
        assert not on.upstream.calls


async def test_who_asks_learns_whether_a_run_is_alive() -> None:
    async with stage("words-200-20") as on:
        job = on.job({**BACKGROUND, "model": "words-200-20"}, detached=True, reply_to="")
        await started(on, job)
        assert await state(on, job, attempt(on)) == "up"
        assert await state(on, job, ids.new("att")) == "unknown"
        await on.bus.post(on.address, Cancel(response_id=job.response_id))
        await on.ledger.until(lambda: on.ledger.all(Outcome))
        while job.response_id in on.worker._taken:
            await asyncio.sleep(0.01)
        assert await state(on, job, attempt(on)) == "unknown"


@pytest.mark.parametrize("stream", [True, False])
async def test_cancelling_stops_a_run_and_what_it_used_is_recorded(stream: bool) -> None:
    async with stage("words-200-20") as on:
        on.ledger.verdicts = [Claimed(verdict="run", sequence=3 if stream else 0)]
        request: Item = {**BACKGROUND, "model": "words-200-20", "stream": stream}
        job = on.job(request, detached=True, **({} if stream else {"reply_to": ""}))
        await started(on, job)
        await on.bus.post(on.address, Cancel(response_id=job.response_id))
        (outcome,) = await on.ledger.until(lambda: on.ledger.all(Outcome))
        assert outcome.status == "cancelled"
        (call,) = outcome.calls
        assert call.usage.output_tokens > 0
        assert call.usage_source == "estimated"
        if stream:
            await on.ledger.until(lambda: on.ledger.log[-1][0].flags & Flag.LAST)
            last = on.ledger.logged()[-1]
            assert (last["type"], last["response"]["status"]) == ("response.incomplete", "cancelled")


async def test_a_run_that_is_cancelled_while_it_gets_leave_calls_nobody() -> None:
    async with stage("words-3") as on:
        on.ledger.verdicts = [Claimed(verdict="hold")]
        job = on.job(BACKGROUND, detached=True, reply_to="")
        await on.bus.send(jobs("openai"), job)
        await on.ledger.until(lambda: on.ledger.all(Claim))
        await on.bus.post(on.address, Cancel(response_id=job.response_id))
        await state(on, job, None)  # what was posted before is read by now
        on.ledger.verdicts = [Claimed(verdict="run")]
        (outcome,) = await on.ledger.until(lambda: on.ledger.all(Outcome))
        assert outcome.status == "cancelled"
        assert not on.upstream.calls


async def test_a_job_that_comes_again_while_it_runs_stands_for_itself() -> None:
    async with stage("words-20") as on:
        job = on.job({**BACKGROUND, "model": "words-20"}, detached=True, reply_to="")
        await on.bus.send(jobs("openai"), job)
        await on.ran(job)
        assert len(on.ledger.all(Claim)) == len(on.upstream.calls) == 1


async def test_an_attempt_that_is_replaced_before_it_starts_is_no_end() -> None:
    async with stage("words-3") as on:
        on.ledger.verdicts = [Claimed(verdict="hold")]
        job = on.job(BACKGROUND, detached=True, reply_to="")
        await on.bus.send(jobs("openai"), job)
        await on.ledger.until(lambda: on.ledger.all(Claim))
        await on.bus.post(on.address, Cancel(response_id=job.response_id, attempt="att_of_another"))
        await on.bus.post(on.address, Cancel(response_id=job.response_id, attempt=attempt(on)))
        await state(on, job, None)
        on.ledger.verdicts = [Claimed(verdict="run")]
        (outcome,) = await on.ledger.until(lambda: on.ledger.all(Outcome))
        assert (outcome.status, outcome.superseded) == ("cancelled", True)
        assert not on.upstream.calls


@pytest.mark.parametrize(("model", "shown"), [("cut-3", True), ("status-500-9", False)])
async def test_an_outcome_says_whether_output_was_shown(model: str, shown: bool) -> None:
    async with stage(model) as on:
        outcome = await on.ran(on.job({"model": model, "stream": True}, detached=True))
        assert (outcome.status, outcome.shown) == ("failed", shown)


async def test_a_large_request_that_cannot_be_had_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren_worker.handler._BLOB_PATIENCE", {True: 0.0, False: 0.0})
    async with stage("words-3") as on:
        job = await on.kept(on.job(BACKGROUND, detached=True, reply_to=""))
        on.ledger.blobs["request", 0] = b"something else"
        outcome = await on.ran(job)
        assert (outcome.status, outcome.error) == ("failed", "ledger_unavailable")
        assert not on.upstream.calls
