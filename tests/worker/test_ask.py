"""Questions that are no response: tokens are counted and conversations compacted, natively or by our own means."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import time
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic_core import from_json, to_json

from tests.rig.vendors import fake, messages
from tests.worker.staging import ACCOUNT, SEALER, Stage, stage
from tests.worker.test_run import said, turns
from warren import config, ids
from warren.blobs import deposit
from warren.bus import RESUME, jobs
from warren.bus.memory import MemoryBroker
from warren.config import PROVIDERS
from warren.contracts import Ask, Cancel, Fetched, Held, Outcome, Rebuild, Rebuilt
from warren.deployments import Deployment
from warren.errors import Cancelled, DeadlineExceeded, InvalidRequest, UpstreamError, UpstreamRefused, WarrenError
from warren.objects import Item
from warren.params import Params
from warren.routing.groups import Groups
from warren.routing.planning import Router
from warren.routing.rules import Rules
from warren_gateway.server import listen, serving
from warren_worker.ask import answer
from warren_worker.dialects.responses import Responses
from warren_worker.provider import Endpoint, endpoint
from warren_worker.upstream import Patience, connect

pytestmark = pytest.mark.anyio

D = Deployment("d", "m", "openai", "m", Params(model="m"))
ROUTER = Router(Groups([D], {}, PROVIDERS), Rules())


def asking(what: Any, request: Item, *plan: str, **more: Any) -> Ask:
    fields = {
        "response_id": ids.new("resp"),
        "account": ACCOUNT,
        "plan": plan,
        "created_at": time(),
        "deadline": time() + 20,
        "payload": to_json(request),
    }
    return Ask(what=what, **{**fields, **more})


async def asked(on: Stage, what: Any, request: Item, **more: Any) -> Item:
    """What the worker answers to this."""
    answer = await on.bus.call(jobs("openai"), asking(what, request, request["model"], **more), timeout=20)
    assert isinstance(answer, Fetched)
    made: Item = from_json(answer.payload)
    return made


async def test_tokens_are_estimated_where_nobody_counts_them() -> None:
    async with stage("words-3") as on:
        short = await asked(on, "input_tokens", {"model": "words-3", "input": "x" * 400})
        long = await asked(on, "input_tokens", {"model": "words-3", "input": "x" * 4000})
        assert short == {"object": "response.input_tokens", "input_tokens": short["input_tokens"], "estimated": True}
        assert 100 <= short["input_tokens"] < 150
        assert long["input_tokens"] - short["input_tokens"] == 900
        assert not on.upstream.calls
        assert not on.ledger.all(Outcome)


async def test_what_came_before_is_counted_in() -> None:
    async with stage("words-3") as on:
        on.ledger.rebuilt = Rebuilt(found=True, payload=to_json([said("user", "x" * 4000)]))
        request = {"model": "words-3", "input": "hi", "previous_response_id": "resp_1"}
        assert (await asked(on, "input_tokens", request))["input_tokens"] > 1000
        assert on.ledger.all(Rebuild) == [Rebuild(account=ACCOUNT, response_id="resp_1")]
        request = {"model": "words-3", "input": "hi"}
        assert (await asked(on, "input_tokens", request, conversation="conv_1"))["input_tokens"] > 1000


async def test_without_any_input_there_is_something_to_count_all_the_same() -> None:
    async with stage("words-3") as on:
        assert (await asked(on, "input_tokens", {"model": "words-3", "instructions": "x" * 400}))["input_tokens"] >= 100


async def test_a_conversation_becomes_what_the_user_said_and_a_summary() -> None:
    async with stage("words-3") as on:
        request = {"model": "words-3", "input": turns(2)}
        made = await asked(on, "compact", request)
        *kept, compaction = made["output"]
        assert made["object"] == "response.compaction"
        assert [item["content"] for item in kept] == [item["content"] for item in turns(2)[::2]]
        opened = SEALER.open(compaction["encrypted_content"], account=ACCOUNT, purpose="compaction")
        assert opened == b"c0w0 c0w1 c0w2 "
        assert len({item["id"] for item in made["output"]}) == 3
        assert made["usage"]["output_tokens"] == 3


async def test_what_a_compaction_took_is_recorded() -> None:
    async with stage("words-3") as on:
        made = await asked(on, "compact", {"model": "words-3", "input": turns(2)})
        (outcome,) = await on.ledger.until(lambda: on.ledger.all(Outcome))
        assert (outcome.response_id, outcome.store, outcome.payload) == (made["id"], False, b"")
        assert [call.usage.output_tokens for call in outcome.calls] == [3]


async def test_a_compacted_conversation_goes_on() -> None:
    async with stage("words-3") as on:
        made = await asked(on, "compact", {"model": "words-3", "input": turns(2)})
        job = on.job({"model": "words-3", "input": [*made["output"], said("user", "go on")]})
        await on.bus.send(jobs("openai"), job)
        await on.ended.wait()
        texts = [str(message["content"]) for message in on.upstream.calls[-1].body["messages"]]
        assert len(texts) == 4
        assert texts[-2].endswith("c0w0 c0w1 c0w2 ")
        assert texts[-1] == "go on"


async def test_a_provider_that_fails_is_an_error_whose_cost_is_kept() -> None:
    async with stage("status-500-9") as on:
        with pytest.raises(UpstreamError):
            await asked(on, "compact", {"model": "status-500-9", "input": turns(2)})
        (outcome,) = await on.ledger.until(lambda: on.ledger.all(Outcome))
        assert (outcome.status, [call.status for call in outcome.calls]) == ("failed", [500])


async def test_without_a_secret_nothing_is_compacted() -> None:
    async with stage("words-3", sealer=None) as on:
        with pytest.raises(InvalidRequest, match="Compacting a conversation needs a secret"):
            await asked(on, "compact", {"model": "words-3", "input": "hi"})
        assert not on.upstream.calls


@pytest.mark.parametrize(
    ("what", "more", "param"),
    [
        ("compact", {"image": {"context_compression": "enabled"}}, "image"),
        ("compact", {"prompt_cache_options": {"mode": "explicit"}}, "prompt_cache_options"),
        ("input_tokens", {"personality": "friendly"}, "personality"),
        ("input_tokens", {"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ],
)
async def test_what_a_chat_cannot_be_asked_is_refused_by_name(what: str, more: Item, param: str) -> None:
    async with stage("words-3") as on:
        with pytest.raises(InvalidRequest) as refused:
            await asked(on, what, {"model": "words-3", "input": "hi", **more})
        assert refused.value.param == param
        assert not on.upstream.calls


async def test_a_question_that_nobody_asks_any_more_is_stopped_and_its_cost_kept() -> None:
    async with stage("think-60000") as on:
        ask = asking("compact", {"model": "think-60000", "input": "hi"}, "think-60000")
        waiting = asyncio.create_task(on.bus.call(jobs("openai"), ask, timeout=20))
        while not on.upstream.calls:
            await asyncio.sleep(0.01)
        await on.bus.tell(RESUME, Cancel(response_id=ask.response_id))
        with pytest.raises(Cancelled):
            await waiting
        (outcome,) = await on.ledger.until(lambda: on.ledger.all(Outcome))
        assert [call.error for call in outcome.calls] == ["cancelled"]


async def test_of_nothing_there_is_no_summary() -> None:
    async with stage("words-3") as on:
        with pytest.raises(InvalidRequest) as refused:
            await asked(on, "compact", {"model": "words-3"})
        assert refused.value.param == "input"
        assert not on.upstream.calls


async def test_a_question_whose_time_is_over_is_not_asked() -> None:
    async with stage("words-3") as on:
        with pytest.raises(DeadlineExceeded):
            await asked(on, "compact", {"model": "words-3", "input": "hi"}, deadline=1.0)
        assert not on.upstream.calls


async def test_a_question_that_the_bus_does_not_carry_is_fetched_from_the_ledger() -> None:
    async with stage("words-3") as on:
        ask = asking("input_tokens", {"model": "words-3", "input": "x" * 9_000_000}, "words-3")
        blob = await deposit(on.bus, ask.response_id, ACCOUNT, "request", ask.payload, until=time() + 60)
        answered = await on.bus.call(jobs("openai"), ask.model_copy(update={"payload": b"", "blob": blob}), timeout=20)
        assert from_json(answered.payload)["input_tokens"] > 2_000_000


@asynccontextmanager
async def native(status: int, body: Item) -> AsyncIterator[tuple[str, list[tuple[str, Item]]]]:
    """A provider with these endpoints of its own."""
    seen: list[tuple[str, Item]] = []

    async def take(request: Request) -> JSONResponse:
        seen.append((request.url.path, await request.json()))
        return JSONResponse(body, status)

    app = FastAPI()
    app.add_api_route("/responses/{what}", take, methods=["POST"])
    bound = listen("127.0.0.1", 0)
    async with serving(app, bound, drain=0):
        yield f"http://127.0.0.1:{bound.getsockname()[1]}", seen


async def natively(on: Stage, url: str, ask: Ask) -> Item:
    endpoint = Endpoint(
        "d", "openai", "gpt-5", url, Responses(stores=True), remembers=True, headers={}, native=True
    )  # fmt: skip

    async def find(_deployment: Deployment) -> Endpoint:
        return endpoint

    async with connect(Patience(), 1) as upstream:
        answered = await answer(ask, on.bus, upstream, find, ROUTER, SEALER)
    made: Item = from_json(answered.payload)
    return made


async def test_a_provider_that_counts_is_asked() -> None:
    counted = {"object": "response.input_tokens", "input_tokens": 42}
    async with stage() as on, native(200, counted) as (url, seen):
        ask = asking(
            "input_tokens",
            {"model": "m", "input": "hi", "previous_response_id": "resp_1"},
            "d",
            held=Held(deployment="d", upstream_id="resp_up"),
        )
        assert await natively(on, url, ask) == counted
        ((path, body),) = seen
        assert path == "/responses/input_tokens"
        assert (body["model"], body["previous_response_id"]) == ("gpt-5", "resp_up")
        assert not {"stream", "store"} & set(body)
        assert not on.ledger.received


async def test_a_provider_that_compacts_is_asked_and_its_cost_recorded() -> None:
    output = [{"id": "cmp_1", "type": "compaction", "encrypted_content": "x"}]
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    made = {"id": "resp_up", "object": "response.compaction", "created_at": 1, "output": output, "usage": usage}
    async with stage() as on, native(200, made) as (url, seen):
        ask = asking("compact", {"model": "m", "input": "hi"}, "d")
        assert await natively(on, url, ask) == {**made, "id": ask.response_id, "created_at": int(ask.created_at)}
        assert [path for path, _ in seen] == ["/responses/compact"]
        (outcome,) = await on.ledger.until(lambda: on.ledger.all(Outcome))
        (call,) = outcome.calls
        assert (call.usage.input_tokens, call.usage.output_tokens, call.usage_source) == (7, 3, "reported")


@pytest.mark.parametrize("status", [400, 500])
async def test_what_the_provider_refuses_is_an_error(status: int) -> None:
    async with stage() as on, native(status, {"error": {"message": "no", "code": None}}) as (url, _):
        with pytest.raises(WarrenError) as failed:
            await natively(on, url, asking("input_tokens", {"model": "m"}, "d"))
        assert type(failed.value) is (UpstreamRefused if status == 400 else UpstreamError)


@pytest.mark.parametrize("there", [True, False])
async def test_a_vendor_that_counts_is_believed_and_one_that_does_not_is_done_without(*, there: bool) -> None:
    mounts = [messages.mount] if there else []
    async with fake(*mounts) as vendor, connect(Patience(), 4) as upstream, MemoryBroker().open() as bus:
        params = {"model": "anthropic/text", "api_base": vendor.url, "api_key": "k"}
        parsed = config.parse(to_json({"model_list": [{"model_name": "m", "litellm_params": params}]}).decode())

        async def find(deployment: Deployment) -> Endpoint:
            return endpoint(deployment, {})

        ask = asking("input_tokens", {"model": "m", "input": "Does it rain?"}, *parsed.deployments)
        counted = from_json((await answer(ask, bus, upstream, find, Router(parsed.groups, parsed.rules), None)).payload)
    assert [call.path for call in vendor.calls] == ["/v1/messages/count_tokens"] * there
    assert counted.pop("input_tokens") > 0
    assert counted == {"object": "response.input_tokens"} | ({} if there else {"estimated": True})
