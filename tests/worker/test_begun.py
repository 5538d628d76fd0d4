"""Calls are told of before they are made, and those that are given up are paid for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from time import time
from typing import Any, cast

import pytest
from pydantic_core import to_json

from tests.rig.rabbitmq import free_ports
from tests.rig.upstream import FakeProvider, provider
from tests.worker.test_relay import opened, relaying, settled
from warren import config, objects
from warren.bus import LEDGER_WRITE, Bus
from warren.contracts import Begun, Flag, Message, UpstreamCall, Usage
from warren.costs import Prices
from warren.errors import BusUnavailable, UpstreamRateLimited, UpstreamTimeout, UpstreamUnreachable
from warren_worker.assembler import Assembler
from warren_worker.dialect import Conversation
from warren_worker.exchange import Calls
from warren_worker.journal import Silence
from warren_worker.provider import Endpoint, endpoint
from warren_worker.upstream import Patience, connect

pytestmark = pytest.mark.anyio
ASKED = {"model": "m", "input": "one two three four five"}
ITEMS = [{"role": "user", "content": ASKED["input"]}]
READ = (len(to_json(ITEMS[0]))) // 4
RATE, SAID = Decimal("0.000001"), Decimal("0.00001")


class Stage:
    def __init__(self, calls: Calls, fake: FakeProvider, told: list[tuple[UpstreamCall, ...]]) -> None:
        self.calls = calls
        self.fake = fake
        self.told = told

    async def ask(self, model: str, url: str | None = None) -> None:
        assembler = Assembler(objects.blank(ASKED, response_id="resp_1", created_at=0), request=ASKED)
        await self.calls.ask(_endpoint(url or self.fake.url, model), Conversation(ASKED, ITEMS), assembler)

    @property
    def made(self) -> UpstreamCall:
        return self.calls.made[-1]


def _endpoint(url: str, model: str) -> Endpoint:
    params = {
        "model": f"openai/{model}", "api_base": url, "api_key": "k", "use_chat_completions_api": True,
        "input_cost_per_token": float(RATE), "output_cost_per_token": float(SAID),
    }  # fmt: skip
    parsed = config.parse(to_json({"model_list": [{"model_name": "m", "litellm_params": params}]}).decode())
    (deployment,) = parsed.deployments.values()
    return endpoint(deployment, {}, prices=Prices())


@asynccontextmanager
async def stage(**patience: float) -> AsyncIterator[Stage]:
    told: list[tuple[UpstreamCall, ...]] = []

    async def tell(calls: tuple[UpstreamCall, ...]) -> None:
        told.append(calls)

    async with provider() as fake, connect(Patience(**patience), 4) as upstream:
        yield Stage(Calls(upstream, "att_1", time() + 60, tell), fake, told)


async def test_a_call_is_told_of_before_the_provider_is_asked() -> None:
    async with stage() as there:
        await there.ask("words-3")
        await there.ask("words-3")
        first, second = there.told
        assert [call.call_id for call in second] == ["att_1.1", "att_1.2"]
        assert second[0] == there.calls.made[0], "all that is known of those before it"
        (call,) = first
        assert (call.usage, call.usage_source) == (Usage(input_tokens=READ, output_tokens=1), "estimated")
        assert call.cost == READ * RATE + SAID
        assert [one.call_id for one in there.fake.calls] == ["att_1.1", "att_1.2"]


async def test_what_the_provider_reports_is_what_it_costs() -> None:
    async with stage() as there:
        await there.ask("words-3")
        assert (there.made.usage, there.made.cost) == (Usage(input_tokens=7, output_tokens=3), 7 * RATE + 3 * SAID)
        assert not there.made.lost


async def test_a_call_that_is_given_up_has_read_what_it_was_asked() -> None:
    async with stage(first_event=2.0) as there:
        with pytest.raises(UpstreamTimeout):
            await there.ask("drip")
        assert (there.made.usage, there.made.usage_source) == (Usage(input_tokens=READ), "estimated")
        assert (there.made.cost, there.made.error) == (READ * RATE, "upstream_timeout")


async def test_a_call_that_nobody_wants_any_more_has_read_it_too() -> None:
    async with stage() as there:
        asking = asyncio.create_task(there.ask("think-60000"))
        while not there.fake.calls:
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait([asking])
        assert (there.made.usage, there.made.cost) == (Usage(input_tokens=READ), READ * RATE)


async def test_a_call_that_is_refused_or_cannot_be_made_costs_nothing() -> None:
    async with stage(connect=0.5) as there:
        with pytest.raises(UpstreamRateLimited):
            await there.ask("status-429-1")
        assert (there.made.usage, there.made.cost, len(there.told)) == (None, None, 1)
        with pytest.raises(UpstreamUnreachable):
            await there.ask("words-3", f"http://127.0.0.1:{free_ports(1)[0]}/v1")
        assert (there.made.usage, there.made.cost, len(there.told)) == (None, None, 1)
        assert there.calls.cost == 0


def begun(attempt: str = "a") -> Begun:
    return Begun(
        response_id="r", account="acme", attempt=attempt, worker="w", model="m", created_at=1.0, deadline=2.0, calls=()
    )


async def test_a_gateway_is_told_of_all_that_begins_at_a_time() -> None:
    recorder, relay = relaying()
    recorder.open.clear()
    streams = [opened(relay, id_) for id_ in "abc"]
    streams[0].write(b"x", 0, 0, Flag.CONTENT)
    telling = [asyncio.create_task(one.begins(begun(one.response_id))) for one in streams]
    await asyncio.sleep(0.01)
    assert not any(task.done() for task in telling), "nobody is called before that has left"
    recorder.open.set()
    await asyncio.gather(*telling)
    await settled(relay)
    assert [[one.attempt for one in chunks.begun] for _, chunks in recorder.posted] == [[], ["a", "b", "c"]]


class Ledger:
    """Takes what it is sent, or cannot be reached."""

    def __init__(self, *, there: bool) -> None:
        self.there = there
        self.sent: list[tuple[str, Message]] = []

    async def send(self, to: str, message: Message, **_: Any) -> None:
        if not self.there:
            raise BusUnavailable("x")
        self.sent.append((to, message))


@pytest.mark.parametrize("there", [True, False])
async def test_of_what_runs_detached_the_ledger_is_told_if_that_can_be(there: bool) -> None:
    ledger = Ledger(there=there)
    await Silence(cast("Bus", ledger)).open("r", "a").begins(begun())
    assert ledger.sent == ([(LEDGER_WRITE, begun())] if there else [])
