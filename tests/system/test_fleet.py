"""What holds across processes: three gateways, two workers and two ledgers act as one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.rig.services import KEY, Stack, stack
from tests.rig.upstream import FakeProvider, provider

pytestmark = pytest.mark.anyio


class Fleet:
    def __init__(self, services: Stack, upstream: FakeProvider, urls: list[str], http: httpx.AsyncClient) -> None:
        self.services = services
        self.upstream = upstream
        self._urls = urls
        self._http = http
        self._turn = 0

    async def ask(self) -> httpx.Response:
        """A request, of each gateway in turn."""
        self._turn += 1
        url = self._urls[self._turn % len(self._urls)]
        return await self._http.post(f"{url}/v1/responses", json={"model": "m", "input": "hello"})

    def times(self, model: str) -> list[float]:
        """When this model of the provider was called."""
        return [call.started for call in self.upstream.calls if call.model == model]


@asynccontextmanager
async def fleet(
    request: pytest.FixtureRequest, folder: Path, deployments: dict[str, dict[str, Any]], **settings: Any
) -> AsyncIterator[Fleet]:
    """Three gateways, two workers and two ledgers for one model, that several deployments answer."""
    async with provider() as upstream:
        entries = [
            {
                "model_name": "m",
                "litellm_params": {
                    "model": f"openai/{model}", "api_base": upstream.url, "api_key": "k",
                    "use_chat_completions_api": True, **params,
                },
            }
            for model, params in deployments.items()
        ]  # fmt: skip
        url = f"{request.getfixturevalue('mongod').url}fleet_{uuid4().hex[:8]}"
        config = {"model_list": entries, "router_settings": settings}
        with stack(request.getfixturevalue("rabbitmq").url, url, config, folder) as services:
            await asyncio.gather(*(services.ledger() for _ in range(2)))
            await asyncio.gather(*(services.worker() for _ in range(2)))
            gateways = await asyncio.gather(*(services.gateway() for _ in range(3)))
            headers = {"authorization": f"Bearer {KEY}"}
            async with httpx.AsyncClient(headers=headers, timeout=60) as http:
                yield Fleet(services, upstream, [address for _, address in gateways], http)
            assert services.errors() == []


async def test_a_limit_is_one_for_all(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    async with fleet(request, tmp_path, {"words-3": {"rpm": 60}}) as all_:
        answers = await asyncio.gather(*(all_.ask() for _ in range(150)))
        assert sorted(answer.status_code for answer in answers) == [200] * 60 + [429] * 90
        assert len(all_.upstream.calls) == 60
        for answer in answers:
            if answer.status_code == 429:
                assert answer.json()["error"]["code"] == "rate_limit_exceeded"
                assert 1 <= int(answer.headers["retry-after"]) <= 62


async def test_who_has_no_room_is_passed_over(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    async with fleet(request, tmp_path, {"words-3": {"rpm": 10}, "words-20": {"rpm": 20}}) as all_:
        answers = await asyncio.gather(*(all_.ask() for _ in range(30)))
        assert {answer.status_code for answer in answers} == {200}
        assert (len(all_.times("words-3")), len(all_.times("words-20"))) == (10, 20)
        assert (await all_.ask()).status_code == 429


async def test_who_is_left_alone_is_asked_by_nobody_within_a_second(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    async with fleet(request, tmp_path, {"status-429-9999": {}, "words-3": {}}, cooldown_time=8) as all_:
        until, answers = monotonic() + 7, list[asyncio.Task[httpx.Response]]()
        while monotonic() < until:
            answers.append(asyncio.create_task(all_.ask()))
            await asyncio.sleep(0.03)
        assert {answer.status_code for answer in await asyncio.gather(*answers)} == {200}
        first, *others = all_.times("status-429-9999")
        assert all(at - first < 1 for at in others)
        assert len(all_.times("words-3")) == len(answers)
        async with asyncio.timeout(30):
            while len(all_.times("status-429-9999")) == 1 + len(others):
                await all_.ask()  # it is asked again when its time is over
                await asyncio.sleep(0.1)
        assert all_.times("status-429-9999")[1 + len(others)] - first >= 7.9
