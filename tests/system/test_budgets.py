"""Budgets and limits, end to end: what may be spent is not exceeded, whoever asks where, and whatever dies."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.rabbitmq import ExternalRabbitMQ, RabbitMQ, free_ports
from tests.rig.services import KEY, embedded, models, ready, stack
from tests.rig.upstream import FakeProvider
from tests.system.managing import Json, Manager, client, code

pytestmark = pytest.mark.anyio
CENT_A_TOKEN = {"input_cost_per_token": 0, "output_cost_per_token": 0.01}
MODELS = ("words-3", "words-20", "words-40-50", "status-500-999")
OK, USED_UP, LIMITED = (200, None), (429, "insufficient_quota"), (429, "rate_limit_exceeded")


def config(url: str) -> Json:
    """Models whose every token of output costs a cent; one whose price nobody knows; one with a budget of its own."""
    made = models(url, *MODELS, num_retries=0, **CENT_A_TOKEN)
    unknown = {"model": "openai/words-3", "api_base": url, "api_key": "k", "use_chat_completions_api": True}
    bounded = {**unknown, "model": "openai/words-40-50", **CENT_A_TOKEN, "max_budget": 1.5, "budget_duration": "30d"}
    made["model_list"] += [
        {"model_name": "unknown", "litellm_params": unknown},
        {"model_name": "bounded", "litellm_params": bounded},
        {"model_name": "either", "litellm_params": {**bounded, "max_budget": 0.5, "order": 1},
         "model_info": {"id": "poor"}},
        {"model_name": "either", "litellm_params": {**unknown, **CENT_A_TOKEN, "order": 2},
         "model_info": {"id": "rich"}},
        {"model_name": "cheap", "litellm_params": {**unknown, "model": "openai/status-500-999", "num_retries": 0,
                                                   "input_cost_per_token": 0, "output_cost_per_token": 0.0001}},
        {"model_name": "frugal", "litellm_params": {**unknown, "model": "openai/status-500-999", "num_retries": 0,
                                                    "input_cost_per_token": 0, "output_cost_per_token": 0.0001}},
        {"model_name": "spent", "litellm_params": {**bounded, "model": "openai/words-3", "max_budget": 0.5}},
    ]  # fmt: skip
    made["router_settings"] = {"fallbacks": [{"cheap": ["words-20"]}, {"frugal": ["spent"]}]}
    return made


@dataclass
class World:
    """Some gateways that are one Warren."""

    urls: list[str]
    clients: list[httpx.AsyncClient]

    @property
    def manager(self) -> Manager:
        return Manager(self.urls[0])

    async def ask(self, key: str, at: int = 0, *, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        asked = {"model": "words-3", "input": "x", "max_output_tokens": 100, **body}
        given = {"authorization": f"Bearer {key}", **(headers or {})}
        return await self.clients[at % len(self.clients)].post("/v1/responses", json=asked, headers=given)

    async def many(self, count: int, key: str, **body: Any) -> Counter[tuple[int, str | None]]:
        """The same at the same time, at all gateways in turn; how often which answer came."""
        answers = await asyncio.gather(*(self.ask(key, at, **body) for at in range(count)))
        return Counter(map(code, answers))

    async def figures(self, key: str) -> tuple[float, float]:
        """What is spent, and what is held, of the budget of a key; once nothing is held any more."""
        info: Json = {}
        for _ in range(100):
            info = (await self.manager.get("/key/info", key=key))["info"]
            if info["reserved"] == 0:
                break
            await asyncio.sleep(0.1)
        return info["spend"], info["reserved"]


@pytest.fixture(scope="module", params=["embedded", "services"])
async def world(
    request: pytest.FixtureRequest, upstream: FakeProvider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("budgets")
    if request.param == "embedded":
        (port,) = free_ports(1)
        service = embedded(config(upstream.url), folder, port)
        try:
            await ready(url := f"http://127.0.0.1:{port}")
            async with client(url, None) as http:
                yield World([url], [http])
        finally:
            service.kill()
        return
    rabbitmq: RabbitMQ | ExternalRabbitMQ = request.getfixturevalue("rabbitmq")
    mongod: Mongod | ExternalMongod = request.getfixturevalue("mongod")
    database = f"{mongod.url}budgets_{uuid4().hex[:8]}"
    with stack(rabbitmq.url, database, config(upstream.url), folder) as services:
        for _ in range(2):
            await services.ledger()
        await services.worker()
        urls = [(await services.gateway())[1] for _ in range(3)]
        clients = [client(url, None) for url in urls]
        yield World(urls, clients)
        for http in clients:
            await http.aclose()


async def test_of_fifty_at_once_a_budget_for_ten_lets_ten_pass(world: World) -> None:
    key = await world.manager.key(max_budget=10)
    assert await world.many(50, key, model="words-40-50") == {OK: 10, USED_UP: 40}


async def test_what_was_held_is_replaced_by_what_it_cost(world: World) -> None:
    key = await world.manager.key(max_budget=10)
    for _ in range(3):
        assert code(await world.ask(key, model="words-20")) == OK
    spent, held = await world.figures(key)
    assert 0 < spent <= 3
    assert held == 0


@pytest.mark.parametrize("background", [False, True])
async def test_what_an_idempotency_key_stands_for_is_not_paid_again(world: World, background: bool) -> None:
    key, again = await world.manager.key(max_budget=1), {"idempotency-key": uuid4().hex}
    first = await world.ask(key, headers=again, background=background)
    assert code(first) == OK
    assert code(await world.ask(key, headers={"idempotency-key": uuid4().hex})) == USED_UP
    replayed = await world.ask(key, headers=again, background=background)
    assert code(replayed) == OK
    assert (replayed.json()["id"], replayed.headers["idempotent-replayed"]) == (first.json()["id"], "true")
    other = await world.ask(key, headers=again, input="something else")
    assert (other.status_code, other.json()["error"]["param"]) == (422, "Idempotency-Key")


async def test_what_failed_costs_nothing(world: World) -> None:
    key = await world.manager.key(max_budget=1)
    for _ in range(3):
        assert (await world.ask(key, model="status-500-999")).status_code == 502
    assert await world.figures(key) == (0, 0)
    assert code(await world.ask(key)) == OK


async def test_what_is_held_is_enough_for_a_dearer_fallback(world: World) -> None:
    key = await world.manager.key(max_budget=1.5)
    assert code(await world.ask(key, model="cheap")) == OK
    spent, held = await world.figures(key)
    assert spent == pytest.approx(0.2)
    assert held == 0
    poor = await world.manager.key(max_budget=0.5)
    assert code(await world.ask(poor, model="cheap")) == USED_UP, "its own price is a cent for all that it may say"


async def test_nobody_falls_back_to_a_deployment_whose_budget_is_used_up(world: World) -> None:
    answer = await world.ask(await world.manager.key(max_budget=5), model="frugal")
    assert answer.status_code == 502, "that is what became of the first"


async def test_what_is_refused_holds_nothing(world: World) -> None:
    key = await world.manager.key(max_budget=1)
    for body in (
        {"conversation": "conv_unknown"}, {"previous_response_id": "resp_unknown"}, {"model": "none"},
        {"input": "x" * 10, "temperature": 99},
    ):  # fmt: skip
        assert (await world.ask(key, **body)).status_code in (400, 404)
    assert code(await world.ask(key)) == OK


@pytest.mark.parametrize("more", [{}, {"stream": True}, {"background": True}, {"background": True, "stream": True}])
async def test_every_way_to_ask_is_charged(world: World, more: Json) -> None:
    key = await world.manager.key(max_budget=1)
    answer = await world.ask(key, **more)
    assert answer.status_code == 200
    spent, held = await world.figures(key)
    assert 0 < spent <= 1
    assert held == 0


async def test_the_same_request_under_one_idempotency_key_is_charged_once(world: World) -> None:
    key = await world.manager.key(max_budget=2)
    headers = {"idempotency-key": uuid4().hex}
    first = await world.ask(key, headers=headers)
    spent, _ = await world.figures(key)
    for at in range(3):
        again = await world.ask(key, at, headers=headers)
        assert again.json() == first.json()
    assert await world.figures(key) == (spent, 0)


async def test_who_is_refused_is_told_when_there_is_more(world: World) -> None:
    key = await world.manager.key(max_budget=1.2, budget_duration="1d")
    running = asyncio.create_task(world.ask(key, model="words-40-50"))
    while (await world.manager.get("/key/info", key=key))["info"]["reserved"] != 1:
        await asyncio.sleep(0.02)
    answer = await world.ask(key)
    assert code(answer) == USED_UP
    error = answer.json()["error"]
    assert error["type"] == "insufficient_quota"
    assert "may cost up to $1.00, and of $1.2 there is $0.20 left. It starts anew at 20" in error["message"]
    assert 0 < int(answer.headers["retry-after"]) <= 86_400
    assert code(await world.ask(key, max_output_tokens=20)) == OK
    assert code(await running) == OK


async def test_what_no_period_is_long_enough_for_is_not_to_be_tried_again(world: World) -> None:
    key = await world.manager.key(max_budget=0.5, budget_duration="1d")
    answer = await world.ask(key)
    assert code(answer) == USED_UP
    assert "retry-after" not in answer.headers


async def test_an_account_has_one_budget_for_all_its_keys(world: World) -> None:
    account = uuid4().hex
    keys = [await world.manager.key(account=account) for _ in range(2)]
    await world.manager.post("/account/new", account=account, max_budget=3)
    await asyncio.sleep(0.5)
    counts = await asyncio.gather(*(world.many(10, key, model="words-40-50") for key in keys))
    assert counts[0] + counts[1] == Counter({OK: 3, USED_UP: 17})
    info = await world.manager.get("/account/info", account=account)
    assert info["max_budget"] == 3


async def test_an_end_user_has_a_budget_whichever_key_asks_for_him(world: World) -> None:
    user, keys = uuid4().hex, [await world.manager.key() for _ in range(2)]
    await world.manager.post("/customer/new", user_id=user, max_budget=2)
    await asyncio.sleep(0.5)
    counts = await asyncio.gather(*(world.many(5, key, model="words-40-50", user=user) for key in keys))
    assert counts[0] + counts[1] == Counter({OK: 2, USED_UP: 8})
    assert code(await world.ask(keys[0], user="another")) == OK
    assert (await world.manager.get("/end_user/info", end_user_id=user))["max_budget"] == 2


@pytest.mark.parametrize("more", [
    {"headers": {"x-litellm-customer-id": "named"}}, {"headers": {"x-litellm-end-user-id": "named"}},
    {"user": "named"}, {"metadata": {"user_id": "named"}}, {"litellm_metadata": {"user": "named"}},
    {"safety_identifier": "named"},
])  # fmt: skip
async def test_an_end_user_is_known_wherever_he_is_named(world: World, more: Json) -> None:
    await world.manager.post("/customer/block", user_ids=["named"])
    await asyncio.sleep(0.5)
    ways: list[Json] = [{}, {"stream": True}, {"background": True}]
    for way in ways:
        assert code(await world.ask(KEY, **more, **way)) == (403, "end_user_blocked")


async def test_a_model_of_unknown_price_fits_no_budget(world: World) -> None:
    key = await world.manager.key(max_budget=10)
    assert code(await world.ask(key, model="unknown")) == (403, "price_unknown")
    free = await world.manager.key()
    assert code(await world.ask(free, model="unknown")) == OK


async def test_a_deployment_has_a_budget_whoever_asks(world: World) -> None:
    key = await world.manager.key()
    assert await world.many(5, key, model="bounded", stream=False) == {OK: 1, USED_UP: 4}


async def test_a_deployment_without_money_leaves_it_to_another(world: World) -> None:
    key = await world.manager.key()
    answer = await world.ask(key, model="either")
    assert (code(answer), answer.headers["x-warren-deployment"]) == (OK, "rich")


async def test_a_key_may_ask_so_often_in_a_minute(world: World) -> None:
    key = await world.manager.key(rpm_limit=5)
    assert await world.many(12, key) == {OK: 5, LIMITED: 7}
    answer = await world.ask(key)
    assert 0 < int(answer.headers["retry-after"]) <= 62


async def test_a_key_may_have_so_many_requests_at_a_time(world: World) -> None:
    key = await world.manager.key(max_parallel_requests=3)
    for _ in range(2):
        assert await world.many(9, key, model="words-40-50") == {OK: 3, LIMITED: 6}
        await asyncio.sleep(1)  # the outcomes are on their way


async def test_a_key_may_use_so_many_tokens_in_a_minute(world: World) -> None:
    key = await world.manager.key(tpm_limit=50)
    assert code(await world.ask(key, model="words-20", max_output_tokens=20)) == OK
    await asyncio.sleep(1)
    assert code(await world.ask(key, model="words-20", max_output_tokens=20)) == LIMITED
