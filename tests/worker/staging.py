"""A worker on stage: a fake provider behind it, and around it a gateway and a ledger that do as the test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import time
from typing import Any, TypeVar

from pydantic_core import from_json, to_json

from tests.rig.legal import check_stream
from tests.rig.upstream import FakeProvider, provider
from warren import config, ids
from warren.blobs import deposit
from warren.bus import LEDGER_ASK, LEDGER_WRITE, Delivery, jobs
from warren.bus.memory import MemoryBroker, MemoryBus
from warren.contracts import (
    Chunks,
    Claim,
    Claimed,
    Deposit,
    Done,
    Fetched,
    Flag,
    Job,
    Message,
    Outcome,
    Part,
    Ping,
    Pong,
    Rebuild,
    Rebuilt,
    Recorded,
    Survey,
    Surveyed,
    Withdraw,
)
from warren.objects import Item
from warren.seal import Sealer
from warren_worker.handler import Worker, working
from warren_worker.upstream import Patience

T = TypeVar("T", bound=Message)
ACCOUNT = "acc"
SEALER = Sealer([b"a secret of the tests"])


@dataclass
class Ledger:
    """Answers what it was told to, and keeps all that it is sent, in order."""

    verdicts: list[Claimed] = field(default_factory=lambda: [Claimed(verdict="run")])
    rebuilt: Rebuilt = field(default_factory=lambda: Rebuilt(found=False))
    received: list[Message] = field(default_factory=list)
    blobs: dict[tuple[str, int], bytes] = field(default_factory=dict)
    first: Callable[[Message], Awaitable[None]] | None = None
    """What happens before a message is looked at."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, delivery: Delivery) -> Message | None:
        if isinstance(delivery.message, Survey):
            return Surveyed()
        if self.first is not None:
            await self.first(delivery.message)
        async with self.changed:
            self.received.append(delivery.message)
            self.changed.notify_all()
        match delivery.message:
            case Claim():
                return self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]
            case Outcome(status=status):
                return Recorded(won=True, status=status)
            case Rebuild():
                return self.rebuilt
            case Deposit(name=name, number=number, payload=payload):
                self.blobs[name, number] = payload
                return Done()
            case Withdraw(name=name, number=number):
                return Fetched(found=True, payload=self.blobs[name, number])
        return None

    async def until(self, found: Callable[[], Any]) -> Any:
        """Whatever `found` gives, once it gives something."""
        async with asyncio.timeout(20), self.changed:
            while not (value := found()):
                await self.changed.wait()
        return value

    def all(self, kind: type[T]) -> list[T]:
        return [message for message in self.received if isinstance(message, kind)]

    @property
    def log(self) -> list[tuple[Part, bytes]]:
        """The parts that it was sent."""
        return [pair for chunks in self.all(Chunks) for pair in chunks.split()]

    def logged(self) -> list[Item]:
        """The events in its log, once that has ended; they are checked for their order."""
        return _events(self.log)


@dataclass
class Stage:
    broker: MemoryBroker
    bus: MemoryBus
    """The gateway's."""
    ledger: Ledger
    upstream: FakeProvider
    worker: Worker
    address: str
    """The worker's."""
    parts: list[tuple[Part, bytes]] = field(default_factory=list)
    """What reached the gateway."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """The last part did."""

    def job(self, request: Item, *, detached: bool = False, **more: Any) -> Job:
        payload = to_json({"input": "hi", **request}) + more.pop("before", b"")
        fields = {
            "response_id": ids.new("resp"),
            "account": ACCOUNT,
            "plan": (request["model"],),
            "reply_to": LEDGER_WRITE if detached else self.bus.address,
            "stream": bool(request.get("stream")),
            "created_at": time(),
            "deadline": time() + 60,
            "payload": payload,
            **more,
        }
        return Job(detached=detached, **fields)

    async def ran(self, job: Job) -> Outcome:
        """Have this job run to its end; gives its outcome."""
        await self.bus.send(jobs("openai"), job)
        outcome: Outcome = (await self.ledger.until(lambda: self.ledger.all(Outcome)))[0]
        async with asyncio.timeout(20):
            if not job.detached:
                await self.ended.wait()
            elif job.reply_to:
                await self.ledger.until(lambda: self.ledger.log and self.ledger.log[-1][0].flags & Flag.LAST)
            while (taken := self.worker._taken.get(job.response_id)) is not None:
                await taken[0].wait()
        return outcome

    def answer(self) -> tuple[int | None, Item]:
        """Status and body of what a client would be answered that does not stream."""
        part, data = self.parts[-1]
        assert part.flags & Flag.LAST
        assert part.head is not None
        return part.head.status, from_json(data)

    def events(self) -> list[Item]:
        """What a client would be streamed, checked for its order."""
        return _events(self.parts)

    async def kept(self, job: Job) -> Job:
        """The same job, its request too large for the bus."""
        blob = await deposit(self.bus, job.response_id, ACCOUNT, "request", job.payload, until=time() + 60)
        return job.model_copy(update={"payload": b"", "blob": blob})


def _events(parts: list[tuple[Part, bytes]]) -> list[Item]:
    data = b"".join(data for _, data in parts)
    events = [
        from_json(line.removeprefix(b"data: "))
        for line in data.splitlines()
        if line.startswith(b"data: ") and line != b"data: [DONE]"
    ]
    if events and events[0]["sequence_number"] == 0:
        check_stream(events)
    return events


@asynccontextmanager
async def stage(
    *models: str,
    sealer: Sealer | None = SEALER,
    info: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
) -> AsyncIterator[Stage]:
    """A worker for these models of the fake provider, in Chat Completions; each is its own deployment."""
    broker = MemoryBroker()
    async with provider() as upstream, broker.open() as gateway, broker.open() as store, broker.open() as bus:
        ledger = Ledger()
        parts: list[tuple[Part, bytes]] = []
        ended = asyncio.Event()

        def receive(message: Message) -> Message | None:
            match message:
                case Chunks():
                    parts.extend(message.split())
                    if parts[-1][0].flags & Flag.LAST:
                        ended.set()
                case Ping():
                    return Pong()
            return None

        entries = [
            {
                "model_name": model,
                "litellm_params": {
                    "model": f"openai/{model}", "api_base": upstream.url, "api_key": "k",
                    "use_chat_completions_api": True, "max_retries": 0, **(params or {}),
                },
                "model_info": {"id": model, **(info or {})},
            }
            for model in models
        ]  # fmt: skip
        configuration = config.parse(to_json({"model_list": entries}).decode())
        async with (
            gateway.inbox(receive),
            store.serve(LEDGER_WRITE, ledger.handle, limit=1),
            store.serve(LEDGER_ASK, ledger.handle, limit=1),
            working(
                bus,
                configuration,
                {},
                reload=lambda: configuration,
                providers=["openai"],
                concurrency=8,
                patience=Patience(),
                sealer=sealer,
            ) as worker,
        ):
            yield Stage(broker, gateway, ledger, upstream, worker, bus.address, parts, ended)
