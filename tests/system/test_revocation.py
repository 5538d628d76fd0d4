"""Three gateways: what one of them is told holds at all of them within a second."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.rabbitmq import ExternalRabbitMQ, RabbitMQ
from tests.rig.services import Stack, models, ready, stack
from tests.rig.upstream import FakeProvider
from tests.system.managing import Manager, client, code

pytestmark = pytest.mark.anyio
WITHIN = 1.0
PRICE = {"input_cost_per_token": 0, "output_cost_per_token": 0.01}


@dataclass
class Three:
    """Three gateways, and a client of each that stays connected."""

    urls: list[str]
    clients: list[httpx.AsyncClient]
    services: Stack

    @property
    def manager(self) -> Manager:
        return Manager(self.urls[0])

    async def each(self, key: str, **body: Any) -> list[tuple[int, str | None]]:
        """What each gateway says to this request."""
        asked = {"model": "words-3", "input": "x", "max_output_tokens": 16, **body}
        headers = {"authorization": f"Bearer {key}"}
        answers = await asyncio.gather(
            *(http.post("/v1/responses", json=asked, headers=headers) for http in self.clients)
        )
        return [code(answer) for answer in answers]

    async def until(self, expected: tuple[int, str | None], ask: Callable[[], Awaitable[Any]]) -> float:
        """Seconds until all say this; they must not say it before."""
        began = time.monotonic()
        while set(await ask()) != {expected}:
            assert time.monotonic() - began < 10, f"it is not {expected} everywhere"
        return time.monotonic() - began


@pytest.fixture(scope="module")
async def three(
    upstream: FakeProvider,
    rabbitmq: RabbitMQ | ExternalRabbitMQ,
    mongod: Mongod | ExternalMongod,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Three]:
    config = models(upstream.url, "words-3", **PRICE)
    folder = tmp_path_factory.mktemp("three")
    with stack(rabbitmq.url, f"{mongod.url}three_{uuid4().hex[:8]}", config, folder) as services:
        await services.ledger()
        await services.worker()
        urls = [(await services.gateway())[1] for _ in range(3)]
        clients = [client(url, None) for url in urls]
        try:
            yield Three(urls, clients, services)
        finally:
            for http in clients:
                await http.aclose()


OK = (200, None)


async def test_an_old_secret_overlaps_with_the_new_one_everywhere_and_then_stops(three: Three) -> None:
    old = await three.manager.key()
    assert set(await three.each(old)) == {OK}
    began = time.monotonic()
    new = (await three.manager.post("/key/regenerate", key=old, grace_period="4s"))["key"]
    for _ in range(3):
        assert set(await three.each(new)) == {OK}
        if time.monotonic() > began + 3:
            break
        assert set(await three.each(old)) == {OK}
    await three.until((401, "key_expired"), lambda: three.each(old))
    assert time.monotonic() - began > 3  # it was good until then
    assert set(await three.each(new)) == {OK}


async def test_a_revoked_key_is_good_nowhere_within_a_second(three: Three) -> None:
    key = await three.manager.key()
    assert set(await three.each(key)) == {OK}
    await three.manager.post("/key/delete", keys=[key])
    assert await three.until((401, "invalid_api_key"), lambda: three.each(key)) < WITHIN


async def test_a_blocked_key_is_blocked_and_unblocked_everywhere_within_a_second(three: Three) -> None:
    key = await three.manager.key()
    assert set(await three.each(key)) == {OK}
    await three.manager.post("/key/block", key=key)
    assert await three.until((401, "key_blocked"), lambda: three.each(key)) < WITHIN
    await three.manager.post("/key/unblock", key=key)
    assert await three.until(OK, lambda: three.each(key)) < WITHIN


async def test_a_new_key_is_good_everywhere_at_once(three: Three) -> None:
    own = f"sk-of-my-own-{uuid4().hex}"
    assert set(await three.each(own)) == {(401, "invalid_api_key")}
    await three.manager.post("/key/generate", key=own)
    assert await three.until(OK, lambda: three.each(own)) < WITHIN


async def test_an_account_is_blocked_everywhere_within_a_second(three: Three) -> None:
    keys = [await three.manager.key(account="blocked") for _ in range(2)]
    assert set(await three.each(keys[0])) == set(await three.each(keys[1])) == {OK}
    await three.manager.post("/account/block", accounts=["blocked"])
    for key in keys:
        assert await three.until((403, "account_blocked"), lambda key=key: three.each(key)) < WITHIN  # type: ignore[misc]


async def test_a_blocked_end_user_is_blocked_everywhere_within_a_second(three: Three) -> None:
    key = await three.manager.key()
    assert set(await three.each(key, user="mallory")) == {OK}
    await three.manager.post("/customer/block", user_ids=["mallory"])
    assert await three.until((403, "end_user_blocked"), lambda: three.each(key, user="mallory")) < WITHIN
    assert set(await three.each(key, user="alice")) == {OK}
    await three.manager.post("/end_user/unblock", user_ids=["mallory"])
    assert await three.until(OK, lambda: three.each(key, user="mallory")) < WITHIN


async def test_a_changed_budget_holds_everywhere_within_a_second(three: Three) -> None:
    key = await three.manager.key(max_budget=1000)
    assert set(await three.each(key)) == {OK}
    await three.manager.post("/key/update", key=key, max_budget=0.01)
    assert await three.until((429, "insufficient_quota"), lambda: three.each(key)) < WITHIN
    await three.manager.post("/key/update", key=key, max_budget=None)
    assert await three.until(OK, lambda: three.each(key)) < WITHIN


async def test_changed_models_and_routes_hold_everywhere_within_a_second(three: Three) -> None:
    key = await three.manager.key()
    assert set(await three.each(key)) == {OK}
    await three.manager.post("/key/update", key=key, models=["another"])
    assert await three.until((404, "model_not_found"), lambda: three.each(key)) < WITHIN
    await three.manager.post("/key/update", key=key, models=None, allowed_routes=["/models"])
    assert await three.until((403, "permission_denied"), lambda: three.each(key)) < WITHIN


async def test_what_is_known_is_not_asked_for_again(three: Three) -> None:
    """While the ledger stands still, keys and end users that are known go on."""
    key = await three.manager.key()
    assert set(await three.each(key, user="alice")) == {OK}
    (ledger,) = [service for service in three.services.services if service.name == "ledger"]
    ledger.suspend()
    try:
        assert set(await three.each(key, user="alice", store=False)) == {OK}
    finally:
        ledger.resume()


@pytest.mark.own_broker
async def test_what_was_revoked_while_a_gateway_was_cut_off_is_good_nowhere(three: Three, rabbitmq: RabbitMQ) -> None:
    for _ in range(3):
        key = await three.manager.key()
        assert set(await three.each(key)) == {OK}
        await asyncio.to_thread(rabbitmq.ctl, "close_all_connections", "test")
        while (await three.manager.send("POST", "/key/block", json={"key": key})).status_code != 200:
            await asyncio.sleep(0.05)

        async def each(key: str = key) -> list[tuple[int, str | None]]:
            said = await three.each(key)
            return [answer for answer in said if answer[0] != 503]  # it is still on its way back

        assert await three.until((401, "key_blocked"), each) < 5


async def test_while_the_ledger_is_away_known_keys_are_good_without_limits_and_budgets_are_not(three: Three) -> None:
    limited, paying = await three.manager.key(rpm_limit=1), await three.manager.key(max_budget=100)
    for key in (limited, paying):
        await three.each(key)
    [ledger] = [service for service in three.services.services if service.name == "ledger"]
    ledger.kill()
    try:
        began = time.monotonic()
        assert set(await three.each(limited)) == {OK}
        assert set(await three.each(limited)) == {OK}  # the first minute's one was used up
        assert time.monotonic() - began < 15
        assert set(await three.each(paying)) == {(503, "ledger_unavailable")}
        assert set(await three.each("sk-nobody-has-ever-seen-this")) == {(503, "ledger_unavailable")}
    finally:
        ledger.start()
    for url in three.urls:
        await ready(url)
    await three.until((401, "invalid_api_key"), lambda: three.each("sk-nobody-has-ever-seen-this"))
    limited_again = {answer for _ in range(2) for answer in await three.each(limited)}
    assert (429, "rate_limit_exceeded") in limited_again
