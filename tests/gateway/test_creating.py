"""From a body to a job: what is looked up and locked, what is freed again, and what large bodies do."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from warren import blobs, config
from warren.bus import LEDGER_ASK, LEDGER_WRITE, Delivery, jobs
from warren.bus.memory import MemoryBroker
from warren.contracts import (
    Blob,
    Deposit,
    Done,
    Enter,
    Entered,
    Held,
    Job,
    Leave,
    Locate,
    Located,
    Message,
    Open,
    Opened,
    decode,
)
from warren.errors import InvalidRequest, ModelNotFound, NotFound, Overloaded, RequestTooLarge, WarrenError
from warren.ids import Signer
from warren_gateway import repeated
from warren_gateway.auth import Keys
from warren_gateway.creating import LARGEST, Prepared, launch, prepare, read_body, start
from warren_gateway.dispatch import dispatching
from warren_gateway.gateway import Gateway
from warren_gateway.orders import order
from warren_gateway.parties import Parties
from warren_gateway.room import Room
from warren_gateway.tail import following

pytestmark = pytest.mark.anyio

CONFIG = config.parse(
    json.dumps(
        {"model_list": [{"model_name": "m", "litellm_params": {"model": "openai/m"}, "model_info": {"id": name}}
                        for name in ("d1", "d2")]}
    )
)  # fmt: skip
SIGNER = Signer([b"secret"])


@dataclass
class Ledger:
    """Answers as it is told to, and keeps what it was told."""

    answers: dict[str, Message | WarrenError] = field(default_factory=dict)
    told: list[Message] = field(default_factory=list)

    async def handle(self, delivery: Delivery) -> Message:
        self.told.append(delivery.message)
        answer = self.answers.get(delivery.message.kind, Done())
        if isinstance(answer, WarrenError):
            raise answer
        return answer

    def kinds(self) -> list[str]:
        return [message.kind for message in self.told]


@dataclass
class World:
    gateway: Gateway
    ledger: Ledger
    jobs: list[Job]

    async def prepare(self, *, keyed: bool = False, before: bytes | None = None, **wanted: Any) -> Prepared:
        body = json.dumps({"model": "m", "input": "x"} | wanted).encode()
        return await prepare(self.gateway, "acme", order(body), keyed=keyed, before=before)

    async def settled(self) -> None:
        """Until nothing is under way any more."""
        for _ in range(50):
            await self.gateway.bus.call(LEDGER_ASK, Locate(response_id="", account=""))


@asynccontextmanager
async def world(**answers: Message | WarrenError) -> AsyncIterator[World]:
    ledger, taken = Ledger({"locate": Located(found=True), **answers}), list[Job]()

    async def work(delivery: Delivery) -> None:
        assert isinstance(delivery.message, Job)
        taken.append(delivery.message)

    broker = MemoryBroker()
    async with (
        broker.open() as bus,
        broker.open() as other,
        other.serve(LEDGER_ASK, ledger.handle, limit=8),
        other.serve(LEDGER_WRITE, ledger.handle, limit=8),
        other.serve(jobs("openai"), work, limit=8),
        dispatching(bus) as dispatch,
        following(bus) as logs,
    ):
        gateway = Gateway(bus, dispatch, logs, CONFIG, Keys(None), Parties(bus, [b"secret"]), SIGNER, 10.0, 100.0)
        yield World(gateway, ledger, taken)


def request(body: bytes, declared: str | None = None, piece: int = 1024 * 1024) -> tuple[Request, list[int]]:
    """A request whose body comes in pieces; the list grows as they are read."""
    read: list[int] = []
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)] or [b""]

    async def receive() -> dict[str, Any]:
        number = len(read)
        read.append(len(pieces[number]))
        return {"type": "http.request", "body": pieces[number], "more_body": number + 1 < len(pieces)}

    headers = [(b"content-length", declared.encode())] if declared is not None else []
    app = SimpleNamespace(state=SimpleNamespace(gateway=SimpleNamespace(room=Room(64 * 1024 * 1024))))
    return Request({"type": "http", "method": "POST", "headers": headers, "app": app}, receive), read


async def test_a_body_is_read_to_32_mb_and_no_further() -> None:
    whole = b"x" * LARGEST
    assert await read_body(request(whole)[0]) == whole
    for declared in (None, "5", "nonsense"):
        too_large, read = request(whole + b"xx" * 1024 * 1024, declared)
        with pytest.raises(RequestTooLarge):
            await read_body(too_large)
        assert sum(read) <= LARGEST + 1024 * 1024


async def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    too_large, read = request(b"x", str(LARGEST + 1))
    with pytest.raises(RequestTooLarge):
        await read_body(too_large)
    assert read == []


async def test_a_request_becomes_a_job_for_its_models_deployments() -> None:
    async with world() as w:
        prepared = await w.prepare(stream=True)
        job = prepared.job
        assert (set(job.plan), prepared.provider, job.stream, job.detached) == ({"d1", "d2"}, "openai", True, False)
        assert job.reply_to == w.gateway.bus.address
        assert job.deadline - job.created_at == 10
        assert SIGNER.owns("acme", job.response_id)
        flight = await launch(w.gateway, prepared)
        await w.settled()
        assert [one.response_id for one in w.jobs] == [flight.response_id]
        w.gateway.dispatch.leave(flight)


@pytest.mark.parametrize(
    ("wanted", "keyed", "reply_to", "seconds"),
    [
        ({"background": True}, False, "", 100),
        ({"background": True, "stream": True}, False, LEDGER_WRITE, 100),
        ({"background": True}, True, LEDGER_WRITE, 100),
        ({}, True, LEDGER_WRITE, 10),
    ],
)
async def test_what_runs_detached_answers_to_the_log_or_to_nobody(
    wanted: dict[str, Any], keyed: bool, reply_to: str, seconds: float
) -> None:
    async with world() as w:
        job = (await w.prepare(keyed=keyed, **wanted)).job
    assert (job.detached, job.reply_to, job.deadline - job.created_at) == (True, reply_to, seconds)


async def test_an_unknown_model_is_refused_before_anything_is_asked() -> None:
    async with world() as w:
        with pytest.raises(ModelNotFound):
            await w.prepare(model="other", conversation=SIGNER.new("conv", "acme"))
        assert w.ledger.told == []


async def test_who_holds_the_previous_response_is_tried_first() -> None:
    async with world(locate=Located(found=True, status="completed", held=Held(deployment="d2", upstream_id="u"))) as w:
        for _ in range(8):
            job = (await w.prepare(previous_response_id=SIGNER.new("resp", "acme"))).job
            assert job.plan == ("d2", "d1")


@pytest.mark.parametrize("status", ["queued", "in_progress"])
async def test_what_has_not_ended_cannot_be_followed_up(status: str) -> None:
    async with world(locate=Located(found=True, status=status)) as w:
        with pytest.raises(InvalidRequest) as refused:
            await w.prepare(previous_response_id=SIGNER.new("resp", "acme"))
    assert refused.value.param == "previous_response_id"


async def test_what_a_socket_remembers_is_not_asked_for() -> None:
    async with world() as w:
        job = (await w.prepare(before=b"[1]", previous_response_id="resp_of_the_socket")).job
        assert w.ledger.told == []
    assert (json.loads(job.request)["model"], job.before) == ("m", b"[1]")


CONVERSATION = SIGNER.new("conv", "acme")


async def test_a_conversation_is_locked_for_its_response() -> None:
    async with world(enter=Entered(verdict="entered")) as w:
        job = (await w.prepare(conversation={"id": CONVERSATION})).job
        (enter,) = w.ledger.told
        assert isinstance(enter, Enter)
    assert (enter.conversation_id, enter.response_id, enter.account) == (CONVERSATION, job.response_id, "acme")
    assert enter.until > job.deadline
    assert job.conversation == CONVERSATION


async def test_a_conversation_that_is_locked_or_unknown_is_refused_in_openais_words() -> None:
    async with world(enter=Entered(verdict="locked")) as w:
        with pytest.raises(InvalidRequest) as refused:
            await w.prepare(conversation=CONVERSATION)
        assert (refused.value.status, refused.value.code) == (400, "conversation_locked")
        assert refused.value.param == "conversation"
        for unknown in ("conv_123", SIGNER.new("conv", "another"), SIGNER.new("resp", "acme")):
            with pytest.raises(NotFound, match=unknown):
                await w.prepare(conversation=unknown)
        assert w.ledger.kinds() == ["enter"], "a foreign id needs no look-up"
        w.ledger.answers["enter"] = Entered(verdict="unknown")
        with pytest.raises(NotFound, match=f"Conversation with id '{CONVERSATION}' not found.") as gone:
            await w.prepare(conversation=CONVERSATION)
    assert (gone.value.param, gone.value.code) == (None, None)


async def test_a_conversation_is_freed_when_its_job_cannot_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(enter=Entered(verdict="entered")) as w:
        prepared = await w.prepare(conversation=CONVERSATION)
        missing = Prepared(prepared.job, "x")
        bus = w.gateway.bus
        send = bus.send

        async def full(to: str, message: Message, *, timeout: float = 10.0) -> None:
            if to == jobs("x"):
                raise Overloaded("full")
            await send(to, message, timeout=timeout)

        monkeypatch.setattr(bus, "send", full)
        flight = await launch(w.gateway, missing)
        with pytest.raises(Overloaded):
            await flight.begun()
        await w.settled()
        (leave,) = [message for message in w.ledger.told if isinstance(message, Leave)]
        assert (leave.conversation_id, leave.response_id) == (CONVERSATION, prepared.job.response_id)


async def test_the_conversation_of_a_detached_job_is_the_ledgers_to_lock() -> None:
    async with world(open=InvalidRequest("locked", code="conversation_locked")) as w:
        prepared = await w.prepare(conversation=CONVERSATION, keyed=True)
        with pytest.raises(InvalidRequest) as refused:
            await start(w.gateway, prepared, background=False, key="k", fingerprint="f")
        assert refused.value.code == "conversation_locked"
        await w.settled()
        assert not {"enter", "leave"} & set(w.ledger.kinds())
        with pytest.raises(NotFound):
            await w.prepare(conversation="conv_123", keyed=True)


async def test_a_full_queue_is_told_of() -> None:
    async with world(open=Overloaded("full")) as w:
        prepared = await w.prepare(background=True)
        with pytest.raises(Overloaded) as refused:
            await start(w.gateway, prepared, background=True)
        assert refused.value.retry_after


@pytest.mark.parametrize("field", ["instructions", "user"])
async def test_what_is_repeated_in_every_response_is_not_too_large(field: str) -> None:
    large: Any = {field: "x" * repeated.LARGEST}
    async with world() as w:
        await w.prepare(input="x" * repeated.LARGEST)
        with pytest.raises(RequestTooLarge) as refused:
            await w.prepare(**large)
        assert (refused.value.status, refused.value.param) == (413, field)


async def test_a_detached_job_travels_in_its_opening() -> None:
    async with world(open=Opened(verdict="opened", response_id="r")) as w:
        prepared = await w.prepare(background=True)
        await start(w.gateway, prepared, background=True, key="k", fingerprint="f")
        (opening,) = w.ledger.told
        assert isinstance(opening, Open)
        assert decode(opening.payload) == prepared.job
        assert (opening.provider, opening.background, opening.key, opening.fingerprint) == ("openai", True, "k", "f")
        assert w.jobs == [], "the ledger sends it"


@pytest.mark.parametrize("background", [False, True])
async def test_a_large_body_waits_at_the_ledger(background: bool) -> None:
    async with world(open=Opened(verdict="opened", response_id="r")) as w:
        prepared = await w.prepare(input="x" * blobs.INLINE, background=background)
        if background:
            await start(w.gateway, prepared, background=True)
            opening = w.ledger.told[-1]
            assert isinstance(opening, Open)
            sent = decode(opening.payload)
        else:
            flight = await launch(w.gateway, prepared)
            await w.settled()
            (sent,) = w.jobs
            w.gateway.dispatch.leave(flight)
        assert isinstance(sent, Job)
        assert isinstance(sent.blob, Blob)
        pieces = [message for message in w.ledger.told if isinstance(message, Deposit)]
        assert b"".join(piece.payload for piece in pieces) == prepared.job.payload
        assert (sent.payload, sent.blob.size, sent.blob.name) == (b"", len(prepared.job.payload), "request")
