"""Detached runs as others meet them: gateways that open and follow them, workers that claim and run them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest

from tests.ledger.making import ACCOUNT, fresh, message, outcome
from tests.rig.legal import check_stream, parse_sse
from warren import blobs, events, ids, sse
from warren.bus import LEDGER_ASK, LEDGER_WRITE, LOGGED, dead, jobs
from warren.bus.memory import MemoryBroker, MemoryBus
from warren.contracts import (
    Cancel,
    CancelBackground,
    Chunks,
    Claim,
    Claimed,
    Delete,
    Deleted,
    Deposit,
    Fetch,
    Fetched,
    Flag,
    Head,
    Job,
    Locate,
    Logged,
    Message,
    Open,
    OpenConversation,
    Opened,
    Outcome,
    Part,
    Ping,
    Pong,
    Rebuild,
    Tail,
    Tailed,
    encode,
)
from warren.errors import InvalidRequest, NotFound, Overloaded
from warren.objects import blank
from warren_ledger import batch, ends, ledger, runs
from warren_ledger.ledger import recording
from warren_ledger.patience import until_there
from warren_ledger.store import Store

pytestmark = pytest.mark.anyio

HELLO = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
    {"type": "output_text", "text": "Hello there", "annotations": [], "logprobs": []}
]}  # fmt: skip


@dataclass
class Worker:
    """A worker that does what a test says."""

    bus: MemoryBus
    jobs: asyncio.Queue[Job] = field(default_factory=asyncio.Queue)
    at: set[str] = field(default_factory=set)
    """The attempts it knows."""
    ends: bool = True
    """Whether it ends what it is told to stop."""
    stopped: list[Cancel] = field(default_factory=list)

    def receive(self, message: Message) -> Message | None:
        match message:
            case Ping(attempt=attempt):
                return Pong(states={"run": "up" if attempt in self.at else "unknown"})
            case Cancel():
                self.stopped.append(message)
                if self.ends:
                    self.ending = asyncio.create_task(self.cancelled(message.response_id))
        return None

    async def take(self, delivery: Any) -> None:
        self.jobs.put_nowait(delivery.message)

    async def cancelled(self, response_id: str) -> None:
        await self.bus.send(LEDGER_WRITE, end(response_id, "a", "cancelled", output=[]))

    async def claim(self, job: Job, attempt: str) -> Any:
        self.at.add(attempt)
        claim = Claim(
            response_id=job.response_id, account=job.account, attempt=attempt, worker=self.bus.address, detached=True,
            handed=job.handed,
        )  # fmt: skip
        return await self.bus.call(LEDGER_WRITE, claim)

    async def settled(self, job: Job, attempt: str) -> Claimed:
        """The verdict, once there is one."""
        async with asyncio.timeout(5):
            while (answer := await self.claim(job, attempt)).verdict == "hold":
                await asyncio.sleep(0.02)
        assert isinstance(answer, Claimed)
        return answer


@dataclass
class Rig:
    gateway: MemoryBus
    worker: Worker
    logged: list[str]
    store: Store

    async def open(self, job: Job, *, background: bool = True, key: str | None = None, asked: str = "f") -> Opened:
        opening = Open(
            response_id=job.response_id, account=job.account, provider="openai", background=background, key=key,
            fingerprint=asked if key else None, payload=encode(job),
        )  # fmt: skip
        answer = await self.gateway.call(LEDGER_WRITE, opening)
        assert isinstance(answer, Opened)
        return answer

    async def started(self, **changes: Any) -> Job:
        """A job that attempt `a` has leave to run."""
        background = changes.pop("background", True)
        await self.open(job(**changes), background=background)
        taken = await self.worker.jobs.get()
        assert (await self.worker.claim(taken, "a")).verdict == "run"
        return taken

    async def tail(self, response_id: str, after: int = -1) -> Tailed:
        answer = await self.gateway.call(LEDGER_ASK, Tail(response_id=response_id, account=ACCOUNT, after=after))
        assert isinstance(answer, Tailed)
        return answer

    async def stream(self, response_id: str) -> list[dict[str, Any]]:
        return parse_sse((await self.tail(response_id)).payload)

    async def fetch(self, response_id: str) -> Any:
        answer = await self.gateway.call(LEDGER_ASK, Fetch(response_id=response_id, account=ACCOUNT))
        assert isinstance(answer, Fetched)
        return json.loads(answer.payload) if answer.found else None

    async def cancel(self, response_id: str) -> Any:
        answer = await self.gateway.call(LEDGER_WRITE, CancelBackground(response_id=response_id, account=ACCOUNT))
        assert isinstance(answer, Fetched)
        return json.loads(answer.payload)

    async def conversation(self) -> str:
        id_ = ids.new("conv")
        await self.gateway.call(LEDGER_WRITE, OpenConversation(conversation_id=id_, account=ACCOUNT, created_at=1.0))
        return id_

    async def end(self, one: Outcome) -> Any:
        return await self.gateway.call(LEDGER_WRITE, one)


@pytest.fixture
async def rig(store: Store, anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(ledger, "_ON_ITS_WAY", 0.1)
    for name, seconds in {"PATIENCE": 0.3, "SURE": 0.05, "_LAST_WORDS": 0.1}.items():
        monkeypatch.setattr(runs, name, seconds)
    for name, seconds in {"_STOPPING": 0.3, "_ROUND": 0.05}.items():
        monkeypatch.setattr(ends, name, seconds)
    broker = MemoryBroker(length=50)
    async with (
        broker.open() as inside,
        broker.open() as outside,
        broker.open() as other,
        recording(inside, store, 600),
    ):
        worker, logged = Worker(other), list[str]()

        def hear(message: Message) -> None:
            assert isinstance(message, Logged)
            logged.extend(message.response_ids)

        async with (
            other.inbox(worker.receive),
            other.serve(jobs("openai"), worker.take),
            outside.listen([LOGGED], hear),
        ):
            yield Rig(outside, worker, logged, store)


def job(response_id: str | None = None, **changes: Any) -> Job:
    request = {"model": "gpt", "input": "Hello", "background": True, "stream": True, "metadata": {"a": "b"}}
    request |= changes.pop("request", {})
    values: dict[str, Any] = {
        "response_id": response_id or fresh(),
        "account": ACCOUNT,
        "plan": ("openai/gpt",),
        "reply_to": LEDGER_WRITE,
        "stream": True,
        "created_at": time.time(),
        "deadline": time.time() + 60,
        "detached": True,
        "payload": json.dumps(request).encode(),
    }
    return Job(**{**values, **changes})


def part(response_id: str, attempt: str, number: int, first: int, *made: dict[str, Any], last: bool = False) -> Chunks:
    data = b"".join(sse.encode({**event, "sequence_number": at}) for at, event in enumerate(made, first))
    data += sse.DONE if last else b""
    shows = any("output" in event["type"] for event in made)
    flags = (Flag.CONTENT if shows else Flag.NONE) | (Flag.LAST if last else Flag.NONE)
    head = Head(worker="w", status=200)
    one = Part(response_id, attempt, number, first, first + len(made) - 1, len(data), int(flags), head)
    return Chunks(parts=(one,), payload=data)


def response(response_id: str, status: str = "completed", output: Any = (HELLO,)) -> dict[str, Any]:
    made = blank(
        {"model": "gpt", "input": "Hello", "background": True, "metadata": {"a": "b"}},
        response_id=response_id, created_at=time.time(),
    )  # fmt: skip
    return {**made, "status": status, "output": list(output)}


def end(response_id: str, attempt: str, status: Any = "completed", output: Any = (HELLO,), **changes: Any) -> Outcome:
    body = json.dumps(response(response_id, status, output)).encode()
    return outcome(response_id, attempt=attempt, status=status, body=body).model_copy(
        update={"background": True, **changes}
    )


async def test_an_opened_run_waits_and_can_be_retrieved(rig: Rig) -> None:
    one = job()
    assert await rig.open(one) == Opened(verdict="opened", response_id=one.response_id)
    assert await rig.worker.jobs.get() == one
    shown = await rig.fetch(one.response_id)
    assert (shown["id"], shown["status"], shown["background"]) == (one.response_id, "queued", True)
    located: Any = await rig.gateway.call(LEDGER_ASK, Locate(response_id=one.response_id, account=ACCOUNT))
    assert (located.found, located.status) == (True, "queued")


async def test_a_stream_in_the_background_begins_with_its_queue(rig: Rig) -> None:
    await rig.open(one := job())
    assert [event["type"] for event in await rig.stream(one.response_id)] == ["response.created", "response.queued"]
    answer = await rig.worker.claim(one, "a")
    assert (answer.verdict, answer.sequence) == ("run", 3)
    made = await rig.stream(one.response_id)
    assert [event["response"]["status"] for event in made] == ["queued", "queued", "in_progress"]
    assert (await rig.fetch(one.response_id))["status"] == "in_progress"


async def test_who_sees_the_end_can_retrieve_the_response(rig: Rig) -> None:
    """Outcomes and parts may be written by different ledgers, in any order."""
    one = await rig.started()
    made = [*events.whole_item(0, HELLO), *events.end(response(one.response_id))]
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 0, 3, *made[:2]))
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 1, 5, *made[2:], last=True))

    async def all_parts() -> bool | None:
        run = await rig.store.runs.find(one.response_id, ACCOUNT)
        assert run is not None
        return ends.over(await rig.store.runs.log(run, bare=True)) or None

    assert await until_there(all_parts, seconds=2)
    tailed = await rig.tail(one.response_id)
    assert tailed.parts
    assert not any(part.flags & Flag.LAST for part in tailed.parts)
    await rig.end(end(one.response_id, "a"))
    assert (await rig.tail(one.response_id)).parts[-1].flags & Flag.LAST
    assert (await rig.fetch(one.response_id))["status"] == "completed"


async def test_what_a_worker_says_can_be_followed_to_its_end(rig: Rig) -> None:
    one = await rig.started()
    made = [*events.whole_item(0, HELLO), *events.end(response(one.response_id))]
    await rig.end(end(one.response_id, "a"))
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 1, 5, *made[2:], last=True))
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 0, 3, *made[:2]))

    async def last() -> Tailed | None:
        tailed = await rig.tail(one.response_id)
        return tailed if tailed.parts[-1].flags & Flag.LAST else None

    tailed = await until_there(last, seconds=2)
    assert tailed is not None
    assert (tailed.found, tailed.kept, tailed.background, tailed.stream) == (True, True, True, True)
    final = check_stream(parse_sse(tailed.payload))
    assert (final["id"], final["status"]) == (one.response_id, "completed")
    assert (await rig.tail(one.response_id, after=4)).parts[0].first == 5
    assert one.response_id in rig.logged


async def test_nobody_else_can_follow_a_run(rig: Rig) -> None:
    one = await rig.started()
    answer: Any = await rig.gateway.call(LEDGER_ASK, Tail(response_id=one.response_id, account="other"))
    assert not answer.found
    assert not (await rig.tail(fresh())).found


async def test_a_run_that_nobody_follows_keeps_no_log(rig: Rig) -> None:
    await rig.open(one := job(stream=False, reply_to=""))
    assert await rig.worker.claim(one, "a") == Claimed(verdict="run")
    tailed = await rig.tail(one.response_id)
    assert (tailed.found, tailed.kept, tailed.parts) == (True, False, ())


async def test_a_run_that_is_opened_twice_is_one_run(rig: Rig) -> None:
    one = job()
    await rig.open(one)
    await rig.open(one)
    assert await rig.worker.jobs.get() == await rig.worker.jobs.get() == one
    await rig.worker.claim(one, "a")
    assert (await rig.open(one)).verdict == "opened"
    assert rig.worker.jobs.empty()
    assert (await rig.worker.claim(one, "b")).verdict == "hold"


async def test_a_job_that_finds_no_room_leaves_nothing_behind(rig: Rig) -> None:
    for _ in range(50):
        await rig.gateway.send(jobs("full"), job())
    one = job()
    opening = Open(
        response_id=one.response_id, account=ACCOUNT, provider="full", background=True, key="k", fingerprint="f",
        payload=encode(one),
    )  # fmt: skip
    with pytest.raises(Overloaded):
        await rig.gateway.call(LEDGER_WRITE, opening)
    assert await rig.fetch(one.response_id) is None
    assert (await rig.open(job(), key="k", asked="other")).verdict == "opened"


async def test_a_claim_is_held_while_another_attempt_lives(rig: Rig) -> None:
    one = await rig.started()
    for _ in range(3):
        assert (await rig.worker.claim(one, "b")).verdict == "hold"
        await asyncio.sleep(0.1)
    assert (await rig.worker.claim(one, "a")).sequence == 3


async def test_what_its_worker_does_not_know_any_more_runs_again(rig: Rig) -> None:
    one = await rig.started()
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 0, 3, {"type": "keepalive"}))
    await until_there(lambda: _reaches(rig, one.response_id, 3), seconds=2)
    rig.worker.at.discard("a")
    assert (await rig.worker.claim(one, "b")).verdict == "hold"
    assert await rig.worker.settled(one, "b") == Claimed(verdict="run", sequence=4)
    assert (await rig.end(end(one.response_id, "a"))).won is False
    assert (await rig.end(end(one.response_id, "b"))).won is True


async def test_who_goes_on_for_the_attempt_that_runs_does_so_at_once_and_only_one(rig: Rig) -> None:
    one = await rig.started()
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 0, 3, {"type": "keepalive"}))
    await until_there(lambda: _reaches(rig, one.response_id, 3), seconds=2)
    handed = one.model_copy(update={"handed": "a"})
    assert await rig.worker.claim(handed, "b") == Claimed(verdict="run", sequence=4)
    assert (await rig.worker.claim(handed, "c")).verdict == "hold"
    assert (await rig.worker.claim(one, "d")).verdict == "hold"
    assert (await rig.end(end(one.response_id, "a"))).won is False
    assert (await rig.end(end(one.response_id, "b"))).won is True
    assert (await rig.worker.claim(handed, "c")).verdict == "ended"


async def test_output_that_was_shown_is_not_handed_on(rig: Rig) -> None:
    one = await rig.started()
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 0, 3, *list(events.whole_item(0, HELLO))[:3]))
    await until_there(lambda: _reaches(rig, one.response_id, 5), seconds=2)
    assert (await rig.worker.claim(one.model_copy(update={"handed": "a"}), "b")).verdict == "hold"


async def _reaches(rig: Rig, response_id: str, number: int) -> bool | None:
    parts = (await rig.tail(response_id)).parts
    return True if parts and parts[-1].last >= number else None


async def test_a_worker_that_is_gone_is_given_some_time(rig: Rig) -> None:
    await rig.open(one := job())
    gone = Claim(response_id=one.response_id, account=ACCOUNT, attempt="a", worker="inbox.nobody", detached=True)
    await rig.gateway.call(LEDGER_WRITE, gone)
    began = time.monotonic()
    assert (await rig.worker.settled(one, "b")).verdict == "run"
    assert time.monotonic() - began >= 0.3


async def test_output_that_was_shown_is_not_begun_again(rig: Rig) -> None:
    one = await rig.started()
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 0, 3, *list(events.whole_item(0, HELLO))[:3]))
    await until_there(lambda: _reaches(rig, one.response_id, 5), seconds=2)
    rig.worker.at.discard("a")
    answer = await rig.worker.settled(one, "b")
    assert answer.verdict == "ended"
    made = await rig.stream(one.response_id)
    final = check_stream(made)
    assert (final["status"], final["error"]["code"]) == ("failed", "interrupted")
    assert final["output"][0]["content"][0]["text"] == "Hello there"
    assert await rig.fetch(one.response_id) == final == json.loads(answer.payload)
    assert (await rig.end(end(one.response_id, "a"))).won is False


async def test_last_words_that_were_lost_are_said_by_the_ledger(rig: Rig) -> None:
    one = await rig.started()
    await rig.end(end(one.response_id, "a"))
    assert (await rig.worker.claim(one, "b")).verdict == "ended"
    final = check_stream(await rig.stream(one.response_id))
    assert (final["status"], final["output"]) == ("completed", [HELLO])
    before = (await rig.tail(one.response_id)).payload
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 0, 3, {"type": "keepalive"}))
    assert (await rig.worker.claim(one, "c")).verdict == "ended"
    assert (await rig.tail(one.response_id)).payload == before


async def test_last_words_that_were_lost_behind_shown_output_end_in_an_error(rig: Rig) -> None:
    one = await rig.started()
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 0, 3, *list(events.whole_item(0, HELLO))[:3]))
    await until_there(lambda: _reaches(rig, one.response_id, 5), seconds=2)
    await rig.end(end(one.response_id, "a"))
    await rig.worker.claim(one, "b")
    made = await rig.stream(one.response_id)
    assert (made[-1]["type"], made[-1]["error"]["code"], made[-1]["sequence_number"]) == ("error", "interrupted", 6)


async def test_what_waits_is_cancelled_at_once(rig: Rig) -> None:
    await rig.open(one := job())
    shown = await rig.cancel(one.response_id)
    assert (shown["status"], shown["error"]) == ("cancelled", None)
    assert (await rig.worker.claim(one, "a")).verdict == "ended"
    made = await rig.stream(one.response_id)
    assert made[-1]["type"] == "response.incomplete"
    assert made[-1]["response"] == shown == await rig.fetch(one.response_id)
    assert await rig.cancel(one.response_id) == shown


async def test_what_runs_is_stopped_by_its_worker(rig: Rig) -> None:
    one = await rig.started()
    shown = await rig.cancel(one.response_id)
    assert shown["status"] == "cancelled"
    assert rig.worker.stopped[0] == Cancel(response_id=one.response_id)


async def test_what_does_not_stop_is_cancelled_all_the_same(rig: Rig) -> None:
    one = await rig.started()
    rig.worker.ends = False
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 0, 3, *list(events.whole_item(0, HELLO))[:3]))
    await until_there(lambda: _reaches(rig, one.response_id, 5), seconds=2)
    shown = await rig.cancel(one.response_id)
    assert (shown["status"], shown["output"][0]["status"]) == ("cancelled", "incomplete")
    assert check_stream(await rig.stream(one.response_id)) == shown
    assert (await rig.end(end(one.response_id, "a"))).status == "cancelled"


async def test_what_has_ended_is_not_cancelled_but_shown(rig: Rig) -> None:
    one = await rig.started()
    await rig.end(end(one.response_id, "a"))
    assert (await rig.cancel(one.response_id))["status"] == "completed"


async def test_only_what_runs_in_the_background_can_be_cancelled(rig: Rig) -> None:
    await rig.end(one := outcome())
    with pytest.raises(InvalidRequest, match="Cannot cancel a synchronous response"):
        await rig.cancel(one.response_id)
    with pytest.raises(NotFound):
        await rig.cancel(fresh())


async def test_deleting_what_runs_cancels_it(rig: Rig) -> None:
    one = await rig.started()
    answer = await rig.gateway.call(LEDGER_WRITE, Delete(response_id=one.response_id, account=ACCOUNT))
    assert answer == Deleted(found=True)
    assert rig.worker.stopped
    assert await rig.fetch(one.response_id) is None
    assert not (await rig.tail(one.response_id)).found


async def test_what_is_overdue_has_failed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "_MARGIN", 0.0)
    await rig.open(one := job(deadline=time.time() + 0.2))

    async def over() -> Any:
        shown = await rig.fetch(one.response_id)
        return shown if shown["status"] == "failed" else None

    shown: Any = await until_there(over, seconds=5)
    assert shown["error"]["code"] == "deadline_exceeded"
    made = await until_there(lambda: _ended(rig, one.response_id), seconds=2)
    assert made is not None
    assert made[-1]["response"] == shown


async def _ended(rig: Rig, response_id: str) -> list[dict[str, Any]] | None:
    made = await rig.stream(response_id)
    return made if made and made[-1]["type"] == "response.failed" else None


async def test_a_job_that_no_worker_could_take_has_failed(rig: Rig) -> None:
    await rig.open(one := job())
    await rig.gateway.send(dead(jobs("openai")), one)
    made = await until_there(lambda: _ended(rig, one.response_id), seconds=2)
    assert made is not None
    assert made[-1]["response"]["error"]["code"] == "server_error"


async def test_a_key_stands_for_one_request(rig: Rig) -> None:
    one, other = job(), job()
    assert (await rig.open(one, background=False, key="k")).verdict == "opened"
    assert await rig.open(other, background=False, key="k") == Opened(verdict="known", response_id=one.response_id)
    assert (await rig.open(other, background=False, key="k", asked="g")).verdict == "other"
    assert (await rig.open(other, background=False, key="l")).verdict == "opened"
    assert await rig.fetch(one.response_id) is None


async def test_equal_requests_share_their_conversation_and_others_wait(rig: Rig) -> None:
    id_ = await rig.conversation()
    one, equal, other = (job(conversation=id_, request={"background": False}) for _ in range(3))
    assert (await rig.open(one, background=False, key="k")).verdict == "opened"
    assert (await rig.open(one, background=False, key="k")).verdict == "opened", "delivered again"
    assert await rig.open(equal, background=False, key="k") == Opened(verdict="known", response_id=one.response_id)
    for key in (None, "l"):
        with pytest.raises(InvalidRequest) as refused:
            await rig.open(other, background=False, key=key)
        assert (refused.value.code, refused.value.param) == ("conversation_locked", "conversation")
    with pytest.raises(NotFound):
        await rig.open(job(conversation="conv_gone"))
    await rig.worker.claim(one, "a")
    await rig.end(end(one.response_id, "a", background=False, conversation=id_))
    assert (await rig.open(other, background=False, key="l")).verdict == "opened", "its key was not used up"


async def test_of_equal_requests_at_the_same_time_one_runs_in_the_conversation(rig: Rig) -> None:
    id_ = await rig.conversation()
    opened = await asyncio.gather(*(rig.open(job(conversation=id_), key="k") for _ in range(8)))
    assert sorted(one.verdict for one in opened) == ["known"] * 7 + ["opened"]
    assert len({one.response_id for one in opened}) == 1


async def test_a_conversation_is_free_when_its_job_cannot_be_sent(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = await rig.conversation()
    send = MemoryBus.send

    async def full(self: MemoryBus, to: str, message: Message, **how: Any) -> None:
        if to == jobs("openai"):
            raise Overloaded("full")
        await send(self, to, message, **how)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryBus, "send", full)
        with pytest.raises(Overloaded):
            await rig.open(job(conversation=id_), key="k")
    assert (await rig.open(job(conversation=id_), key="k")).verdict == "opened"


async def test_a_refused_run_frees_its_key_and_can_still_be_followed(rig: Rig) -> None:
    one = job(request={"background": False})
    await rig.open(one, background=False, key="k")
    assert await rig.worker.claim(one, "a") == Claimed(verdict="run", sequence=0)
    await rig.end(end(one.response_id, "a", "failed", output=[], background=False))
    refusal = b'{"error":{}}'
    head = Head(worker="w", status=429)
    last = Part(one.response_id, "a", 0, 0, -1, len(refusal), int(Flag.LAST), head)
    await rig.worker.bus.send(LEDGER_WRITE, Chunks(parts=(last,), payload=refusal))

    async def shown() -> Tailed | None:
        tailed = await rig.tail(one.response_id)
        return tailed if tailed.parts else None

    tailed = await until_there(shown, seconds=2)
    assert tailed is not None
    assert (tailed.parts[0].head, tailed.payload) == (head, refusal)
    again = job()
    assert await rig.open(again, background=False, key="k") == Opened(verdict="opened", response_id=again.response_id)


@pytest.mark.parametrize("stored", [True, False])
async def test_a_json_answer_that_was_lost_is_given_by_the_ledger(rig: Rig, stored: bool) -> None:
    one = job(stream=False, request={"background": False, "stream": False})
    await rig.open(one, background=False, key="k")
    await rig.worker.claim(one, "a")
    done = end(one.response_id, "a", background=False)
    await rig.end(done if stored else done.model_copy(update={"store": False, "payload": b"", "split": 0}))
    await rig.worker.claim(one, "b")
    tailed = await rig.tail(one.response_id)
    assert tailed.parts[0].flags & Flag.LAST
    assert tailed.parts[0].head is not None
    if stored:
        assert (tailed.parts[0].head.status, tailed.payload) == (200, done.response)
    else:
        assert tailed.parts[0].head.status == 502
        assert json.loads(tailed.payload)["error"]["code"] == "interrupted"


async def test_a_large_request_and_a_large_answer_are_kept_in_pieces(rig: Rig) -> None:
    body = json.dumps({"model": "gpt", "input": "x" * 9_000_000, "background": True}).encode()
    one = job()
    blob = await blobs.deposit(rig.gateway, one.response_id, ACCOUNT, "request", body, until=time.time() + 60)
    await rig.open(one.model_copy(update={"payload": b"", "blob": blob}))
    assert (await rig.fetch(one.response_id))["model"] == "gpt"
    assert await blobs.withdraw(rig.worker.bus, one.response_id, ACCOUNT, blob) == body
    await rig.worker.claim(one, "a")
    done = end(one.response_id, "a", output=[message("y" * 9_000_000, "assistant")])
    kept = await blobs.deposit(
        rig.worker.bus, one.response_id, ACCOUNT, "outcome", done.payload, until=time.time() + 60
    )
    for _ in range(2):
        assert (await rig.end(done.model_copy(update={"payload": b"", "blob": kept}))).won
    assert len(json.dumps(await rig.fetch(one.response_id))) > 9_000_000
    rebuilt: Any = await rig.gateway.call(LEDGER_ASK, Rebuild(response_id=one.response_id, account=ACCOUNT))
    assert json.loads(rebuilt.payload)[1]["content"] == "y" * 9_000_000
    late = Deposit(response_id=one.response_id, account=ACCOUNT, name="outcome", number=0, until=0, payload=b"late")
    await rig.gateway.call(LEDGER_WRITE, late)
    assert (await rig.fetch(one.response_id))["status"] == "completed"
    assert sha256(await blobs.withdraw(rig.gateway, one.response_id, ACCOUNT, kept)).hexdigest() == kept.sha256


async def _last(rig: Rig, response_id: str) -> list[dict[str, Any]] | None:
    """The stream, once it has its last part."""
    tailed = await rig.tail(response_id)
    return parse_sse(tailed.payload) if tailed.parts and tailed.parts[-1].flags & Flag.LAST else None


async def test_an_outcome_that_waits_to_be_written_comes_before_a_new_attempt(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await rig.started()
    monkeypatch.setattr(batch, "_GATHER", 0.6)
    rig.worker.at.discard("a")
    await rig.worker.bus.send(LEDGER_WRITE, end(one.response_id, "a"))
    assert (await rig.worker.settled(one, "b")).verdict == "ended"
    assert (await rig.fetch(one.response_id))["status"] == "completed"


async def test_a_log_that_is_shut_behind_its_last_part_still_shows_it(rig: Rig) -> None:
    one = await rig.started()
    made = [*events.whole_item(0, HELLO), *events.end(response(one.response_id))]
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 0, 3, *made, last=True))
    await until_there(lambda: _last(rig, one.response_id), seconds=2)
    await rig.end(end(one.response_id, "a"))
    row = await rig.store.runs.find(one.response_id, ACCOUNT)
    assert row is not None
    await rig.store.runs.shut(row)
    assert check_stream(await rig.stream(one.response_id))["status"] == "completed"
    behind = await rig.tail(one.response_id, after=len(made) + 2)
    assert behind.payload == b""


async def test_a_json_answer_that_is_shut_behind_still_shows(rig: Rig) -> None:
    one = job(stream=False, request={"background": False, "stream": False})
    await rig.open(one, background=False, key="k")
    await rig.worker.claim(one, "a")
    last = Part(one.response_id, "a", 0, 0, -1, 2, int(Flag.LAST), Head(worker="w", status=200))
    await rig.worker.bus.send(LEDGER_WRITE, Chunks(parts=(last,), payload=b"{}"))
    await until_there(lambda: _last(rig, one.response_id), seconds=2)  # what is sent is not logged yet
    await rig.end(end(one.response_id, "a", background=False))
    row = await rig.store.runs.find(one.response_id, ACCOUNT)
    assert row is not None
    await rig.store.runs.shut(row)
    assert (await rig.tail(one.response_id)).payload == b"{}"


async def test_what_said_its_last_part_has_the_end_that_was_said(rig: Rig) -> None:
    one = await rig.started()
    rig.worker.ends = False
    made = [*events.whole_item(0, HELLO), *events.end(response(one.response_id))]
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 0, 3, *made, last=True))
    await until_there(lambda: _last(rig, one.response_id), seconds=2)
    cancelling = asyncio.create_task(rig.cancel(one.response_id))

    async def shut() -> bool | None:
        row = await rig.store.runs.find(one.response_id, ACCOUNT)
        return True if row is not None and row.fence == "end" else None

    await until_there(shut, seconds=2)
    await rig.end(end(one.response_id, "a"))
    assert (await cancelling)["status"] == "completed"
    assert check_stream(await rig.stream(one.response_id))["status"] == "completed"


async def test_a_part_that_never_comes_does_not_keep_anybody_waiting(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LOST", 0.2)
    one = await rig.started()
    made = [*events.whole_item(0, HELLO), *events.end(response(one.response_id))]
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 0, 3, *made[:3]))
    await rig.worker.bus.send(LEDGER_WRITE, part(one.response_id, "a", 2, 8, *made[5:], last=True))
    await rig.end(end(one.response_id, "a"))

    async def behind() -> Tailed | None:
        tailed = await rig.tail(one.response_id, after=5)
        return tailed if tailed.parts else None

    assert await until_there(behind, seconds=5) is not None
    told = await rig.stream(one.response_id)
    assert (told[-1]["type"], told[-1]["error"]["code"], told[-1]["sequence_number"]) == ("error", "interrupted", 6)


async def test_deleting_a_response_frees_its_key(rig: Rig) -> None:
    one = job(request={"background": False})
    await rig.open(one, background=False, key="k")
    await rig.worker.claim(one, "a")
    await rig.end(end(one.response_id, "a", background=False))
    assert (await rig.open(job(), background=False, key="k")).verdict == "known"
    assert await rig.gateway.call(LEDGER_WRITE, Delete(response_id=one.response_id, account=ACCOUNT)) == Deleted(
        found=True
    )
    assert (await rig.open(job(), background=False, key="k", asked="other")).verdict == "opened"


async def test_a_key_whose_run_was_never_opened_can_be_used(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = fresh()
    await rig.store.runs.reserve(f"{ACCOUNT}\0k", "f", lost, time.time() + 600)
    assert (await rig.open(job(), background=False, key="k")).response_id == lost
    monkeypatch.setattr(runs, "_OPENING", -60.0)
    monkeypatch.setattr(runs, "_LOOKING", 0.05)
    one = job()
    assert await rig.open(one, background=False, key="k") == Opened(verdict="opened", response_id=one.response_id)
    assert (await rig.open(job(), background=False, key="k")).response_id == one.response_id
