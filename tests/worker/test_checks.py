"""Deployments that are asked for no other reason than to know whether they answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic_core import to_json

from tests.rig.parts import Parts, parts
from tests.rig.services import KEY
from tests.rig.upstream import FakeProvider, provider
from warren import config
from warren.bus import LEDGER_ASK, LEDGER_WRITE, Delivery
from warren.config import Config, Deployment, Info, Params
from warren.contracts import Checked, Message, Outcome, Permitted, Survey, Surveyed
from warren_worker import checks
from warren_worker.checks import checked

pytestmark = pytest.mark.anyio
HEADERS = {"authorization": f"Bearer {KEY}"}


@pytest.fixture(params=["embedded", "services"])
async def made(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Parts]:
    async with parts(request.param, request, tmp_path) as made:
        yield made


def configuration(upstream: FakeProvider, *models: str, interval: float = 600, **router: Any) -> Config:
    entries = [
        {
            "model_name": "m",
            "litellm_params": {
                "model": f"openai/{model}", "api_base": upstream.url, "api_key": "k", "use_chat_completions_api": True,
            },
            "model_info": {"id": model},
        }
        for model in models
    ]  # fmt: skip
    general = {"background_health_checks": True, "health_check_interval": interval}
    file = {"model_list": entries, "general_settings": general, "router_settings": router}
    return config.parse(to_json(file).decode())


@dataclass
class Stage:
    upstream: FakeProvider
    gateways: list[httpx.AsyncClient]

    async def health(self, at: int = 0) -> dict[str, dict[str, Any]]:
        """What a gateway tells, by the deployment."""
        answer = await self.gateways[at].get("/health")
        assert answer.status_code == 200, answer.text
        told = answer.json()
        well, ill = told["healthy_endpoints"], told["unhealthy_endpoints"]
        assert (told["healthy_count"], told["unhealthy_count"]) == (len(well), len(ill))
        assert all(one["healthy"] for one in well)
        assert not any(one["healthy"] for one in ill)
        return {one["model_id"]: one for one in (*well, *ill)}

    async def until(self, true: Callable[[dict[str, dict[str, Any]]], bool]) -> dict[str, dict[str, Any]]:
        """What all gateways tell, once they tell this."""
        async with asyncio.timeout(15):
            while not all([true(await self.health(at)) for at in range(len(self.gateways))]):
                await asyncio.sleep(0.05)
        return await self.health()


@asynccontextmanager
async def stage(made: Parts, *models: str, workers: int = 2, gateways: int = 2, **more: Any) -> AsyncIterator[Stage]:
    async with provider() as upstream, AsyncExitStack() as stack:
        given = configuration(upstream, *models, **more)
        await stack.enter_async_context(made.ledger())
        urls = [await stack.enter_async_context(made.gateway(given)) for _ in range(gateways)]
        for _ in range(workers):
            await stack.enter_async_context(made.worker(given))
        clients = [httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=30) for url in urls]
        yield Stage(upstream, [await stack.enter_async_context(client) for client in clients])


def known(told: dict[str, dict[str, Any]]) -> bool:
    return all(one["checked_at"] for one in told.values())


async def test_one_worker_asks_and_all_know(made: Parts) -> None:
    async with stage(made, "words-3", "status-500-99") as there:
        told = await there.until(known)
        assert told["words-3"] == {
            "model": "openai/words-3",
            "model_name": "m",
            "model_id": "words-3",
            "healthy": True,
            "checked_at": told["words-3"]["checked_at"],
            "seconds": told["words-3"]["seconds"],
            "error": None,
            "cooldown": 0,
            "cooldown_error": None,
        }
        assert (told["status-500-99"]["healthy"], told["status-500-99"]["error"]) == (False, "upstream_error")
        await asyncio.sleep(1)  # the other worker has had the time
        assert Counter(call.model for call in there.upstream.calls) == {"words-3": 1, "status-500-99": 1}
        assert all(call.body["max_tokens"] == 16 for call in there.upstream.calls)


async def test_who_comes_later_learns_what_was_found(made: Parts) -> None:
    async with stage(made, "status-500-99") as there:
        await there.until(known)
        given = configuration(there.upstream, "status-500-99")
        async with made.gateway(given) as url, httpx.AsyncClient(base_url=url, headers=HEADERS) as late:
            there.gateways.append(late)
            told = await there.until(known)
        assert told["status-500-99"]["error"] == "upstream_error"
        assert len(there.upstream.calls) == 1


async def test_routing_goes_by_checks_if_that_is_wanted_and_back_when_it_is_well_again(
    made: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "LOOK", 0.1)
    model = "status-500-3"
    wanted = {"enable_health_check_routing": True, "disable_cooldowns": True}
    async with stage(made, model, "words-3", workers=1, gateways=1, interval=1.5, **wanted) as there:
        await there.until(known)
        before = sum(call.model == model for call in there.upstream.calls)
        for _ in range(8):
            answer = await there.gateways[0].post("/v1/responses", json={"model": "m", "input": "hello"})
            assert answer.json()["model"] == "m"
            assert answer.headers["x-warren-attempt"] == "1"
        asked = sum(call.model == model and "hello" in str(call.body) for call in there.upstream.calls)
        assert (before, asked) == (1, 0)
        await there.until(lambda told: told[model]["healthy"])  # its fourth call is answered


async def test_what_checks_cost_is_kept(made: Parts) -> None:
    written: list[Message] = []

    async def write(delivery: Delivery) -> Message | None:
        written.append(delivery.message)
        return None

    async def answer(delivery: Delivery) -> Message | None:
        return Surveyed() if isinstance(delivery.message, Survey) else Permitted(granted=True, seconds=60)

    async with provider() as upstream, made.bus("ledger") as bus:
        given = configuration(upstream, "words-3")
        async with bus.serve(LEDGER_WRITE, write), bus.serve(LEDGER_ASK, answer), made.worker(given):
            async with asyncio.timeout(10):
                while len(written) < 2:
                    await asyncio.sleep(0.02)
    outcome, told = written
    assert isinstance(outcome, Outcome)
    assert (outcome.account, outcome.store, outcome.status) == (checks.ACCOUNT, False, "completed")
    assert [(call.deployment, call.usage_source) for call in outcome.calls] == [("words-3", "reported")]
    assert isinstance(told, Checked)
    assert [(check.deployment, check.up) for check in told.checks] == [("words-3", True)]


async def test_it_takes_a_key_to_see(made: Parts) -> None:
    async with stage(made, "words-3", workers=0, gateways=1) as there:
        (http,) = there.gateways
        assert (await http.get("/health", headers={"authorization": "Bearer wrong"})).status_code == 401
        assert (await there.health())["words-3"]["checked_at"] is None
        assert (await http.get("/health/liveliness", headers={"authorization": ""})).status_code == 200


def deployment(model: str, group: str = "m", **info: Any) -> Deployment:
    provider, _, name = model.partition("/")
    return Deployment("d", group, provider, name, Params(model=model), Info(**info))


@pytest.mark.parametrize(
    ("one", "asked"),
    [
        (deployment("openai/gpt-5"), ("openai", "gpt-5")),
        (deployment("openai/gpt-5", disable_background_health_check=True), None),
        (deployment("openai/tts-1", mode="audio_speech"), None),
        (deployment("openai/*", "openai/*"), None),
        (deployment("openai/*", "openai/*", health_check_model="openai/gpt-5-nano"), ("openai", "gpt-5-nano")),
        (deployment("*/*", "*", health_check_model="anthropic/claude-5"), ("anthropic", "claude-5")),
        (deployment("azure/mine", health_check_model="azure/other"), ("azure", "other")),
    ],
)
def test_what_is_asked_for(one: Deployment, asked: tuple[str, str] | None) -> None:
    made = checked(one)
    assert (None if made is None else (made.provider, made.model)) == asked
