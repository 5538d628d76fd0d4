"""A job whose next deployment is for another provider's workers: they go on with it, as if nothing had been."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from pydantic_core import to_json

from tests.rig.journal import Call
from tests.rig.legal import check_stream, parse_sse
from tests.rig.parts import Parts, parts
from tests.rig.services import KEY
from tests.rig.upstream import FakeProvider, provider
from warren import config
from warren.bus import Bus, jobs
from warren.config import Config
from warren.contracts import Job, Message
from warren.errors import PublishUnknown
from warren_gateway.auth import ACCOUNT
from warren_ledger.store import Store

pytestmark = pytest.mark.anyio

SOON = 1.2
"""Less than a gateway doubts a worker, or a ledger does."""


@pytest.fixture(params=["embedded", "services"])
async def made(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Parts]:
    async with parts(request.param, request, tmp_path) as made:
        yield made


def configuration(upstream: FakeProvider, first: str, second: str = "words-3") -> Config:
    both = {"api_base": upstream.url, "api_key": "k", "use_chat_completions_api": True}
    entries = [
        {
            "model_name": "m",
            "litellm_params": {"model": f"{who}/{model}", "order": order, **both},
            "model_info": {"id": who},
        }
        for order, (who, model) in enumerate((("openai", first), ("hosted_vllm", second)))
    ]
    return config.parse(to_json({"model_list": entries}).decode())


@dataclass
class Stage:
    """A gateway, a worker for the first provider, one for the second, and the ledger's store."""

    http: httpx.AsyncClient
    upstream: FakeProvider
    store: Store

    async def ask(self, **more: Any) -> dict[str, Any]:
        """The response, in whichever way it comes."""
        answer = await self.http.post("/v1/responses", json={"model": "m", "input": "hello", **more})
        assert answer.status_code == 200, answer.text
        if more.get("stream"):
            return check_stream(parse_sse(answer.content))
        response: dict[str, Any] = answer.json()
        return response

    def calls(self, model: str) -> list[Call]:
        return [call for call in self.upstream.calls if call.model == model]


class Carrier:
    """A bus on which what is sent to another provider's workers has a fate of its own."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.jobs: list[Job] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def send(self, to: str, message: Message, *, timeout: float = 10.0) -> None:
        if to != jobs("hosted_vllm"):
            await self._bus.send(to, message, timeout=timeout)
            return
        assert isinstance(message, Job)
        self.jobs.append(message)
        await self.hand(to, message)

    async def hand(self, to: str, job: Job) -> None:
        await self._bus.send(to, job)


class Twice(Carrier):
    async def hand(self, to: str, job: Job) -> None:
        await self._bus.send(to, job)
        await self._bus.send(to, job)


class Unsure(Carrier):
    """The first time it does not know, though it was sent."""

    async def hand(self, to: str, job: Job) -> None:
        await self._bus.send(to, job)
        if len(self.jobs) == 1:
            raise PublishUnknown("who knows")


class Forgetful(Carrier):
    """Whoever hands on dies before he says so: his own job comes again, too."""

    async def hand(self, to: str, job: Job) -> None:
        again = job.model_copy(update={"again": True, "handed": None, "walked": None})
        await self._bus.send(jobs("openai"), again)
        await self._bus.send(to, job)


@asynccontextmanager
async def stage(
    made: Parts, first: str, second: str = "words-3", *, kind: type[Carrier] = Carrier, there: bool = True
) -> AsyncIterator[Stage]:
    async with provider() as upstream, AsyncExitStack() as stack:
        given = configuration(upstream, first, second)
        store = await stack.enter_async_context(made.ledger())
        await stack.enter_async_context(made.worker(given, ["openai"], kind))
        if there:
            await stack.enter_async_context(made.worker(given, ["hosted_vllm"]))
        url = await stack.enter_async_context(made.gateway(given))
        headers = {"authorization": f"Bearer {KEY}"}
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=headers, timeout=30))
        yield Stage(http, upstream, store)


@pytest.mark.parametrize("more", [{}, {"stream": True}, {"background": True, "stream": True}])
async def test_another_provider_s_worker_goes_on_at_once(made: Parts, more: dict[str, Any]) -> None:
    async with stage(made, "status-500-99") as there:
        await there.ask()  # connections are made, and queues declared
        began = monotonic()
        response = await there.ask(**more)
        assert monotonic() - began < SOON
        assert response["status"] == "completed"
        again = await there.http.get(f"/v1/responses/{response['id']}")
        assert again.json() == response
        calls = await there.store.calls(response["id"], ACCOUNT)
        assert {(call.deployment, call.error) for call in calls} == {
            ("openai", "upstream_error"),
            ("hosted_vllm", None),
        }


async def test_a_stream_that_had_begun_goes_on_with_the_next_number(made: Parts) -> None:
    async with stage(made, "fail-0") as there:
        response = await there.ask(stream=True)
        assert response["status"] == "completed"
        assert len(there.calls("words-3")) == 1


async def test_what_was_shown_is_not_replaced(made: Parts) -> None:
    async with stage(made, "fail-3") as there:
        response = await there.ask(stream=True)
        assert response["status"] == "failed"
        assert there.calls("words-3") == []


@pytest.mark.parametrize("kind", [Twice, Unsure, Forgetful])
@pytest.mark.parametrize("more", [{"stream": True}, {"background": True, "stream": True}])
async def test_however_often_it_comes_one_runs(made: Parts, kind: type[Carrier], more: dict[str, Any]) -> None:
    async with stage(made, "status-500-99", "words-20-20", kind=kind) as there:
        response = await there.ask(**more)
        assert response["status"] == "completed"
        words = [word for item in response["output"] for part in item["content"] for word in part["text"].split()]
        assert [word.partition("w")[2] for word in words] == [str(number) for number in range(20)]
        assert sum(call.finished for call in there.calls("words-20-20")) == 1


async def test_where_nobody_takes_it_the_walk_goes_on(made: Parts) -> None:
    async with stage(made, "status-500-2", there=False) as there:
        response = await there.ask()
        assert response["status"] == "completed"
        assert len(there.calls("status-500-2")) == 3
