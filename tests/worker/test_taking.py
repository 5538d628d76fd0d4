"""Which providers' jobs a worker takes, while that changes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rig.parts import Parts, parts
from warren.bus import Bus, Delivery, jobs
from warren.contracts import Message, Rebuild
from warren_worker.taking import Taking

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["embedded", "services"])
async def made(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Parts]:
    async with parts(request.param, request, tmp_path) as made:
        yield made


class Handler:
    """Takes its time."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.go = asyncio.Event()

    async def handle(self, delivery: Delivery) -> Message | None:
        assert isinstance(delivery.message, Rebuild)
        self.begun.append(delivery.message.response_id)
        await self.go.wait()
        self.ended.append(delivery.message.response_id)
        return None

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None:
        """Whatever became of the test, what runs may end."""
        self.go.set()

    async def has(self, *ids: str) -> None:
        async with asyncio.timeout(10):
            while sorted(self.begun) != sorted(ids):
                await asyncio.sleep(0.01)


async def put(bus: Bus, provider: str, id_: str) -> None:
    await bus.send(jobs(provider), Rebuild(response_id=id_, account="a"))


async def test_what_runs_ends_in_peace_and_what_comes_is_for_others(made: Parts) -> None:
    handler = Handler()
    async with made.bus() as bus, made.bus() as sender:
        taking = Taking(bus, handler.handle, 4)
        async with taking.open(["openai", "test"]), handler:
            await put(sender, "openai", "1")
            await handler.has("1")
            taking.change(["test", "hosted_vllm"])
            assert ("openai" in taking, "test" in taking, "hosted_vllm" in taking) == (False, True, True)
            await put(sender, "hosted_vllm", "2")
            await put(sender, "test", "3")
            await handler.has("1", "2", "3")
            await asyncio.sleep(0.5)  # the broker has been told; it counts who still runs something as a consumer
            await put(sender, "openai", "4")
            await asyncio.sleep(0.3)
            assert "4" not in handler.begun
            taking.change(["openai"])
            await handler.has("1", "2", "3", "4")
        assert sorted(handler.ended) == ["1", "2", "3", "4"]


async def test_who_may_not_wait_any_longer_gives_back_what_runs(made: Parts) -> None:
    first, second = Handler(), Handler()

    async def cut_short(bus: Bus, sender: Bus) -> None:
        async with asyncio.timeout(1.5), Taking(bus, first.handle, 4).open(["openai", "test"]):
            await put(sender, "openai", "1")
            await first.has("1")

    async with made.bus() as bus, made.bus() as sender:
        with pytest.raises(TimeoutError):
            await cut_short(bus, sender)
        async with Taking(sender, second.handle, 4).open(["openai"]), second:
            await second.has("1")
        assert (first.ended, second.ended) == ([], ["1"])
