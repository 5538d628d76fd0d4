"""The way of requests through a whole Warren: retries, fallbacks, knobs and sessions, whatever form it has."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic_core import to_json

from tests.rig.legal import check_stream, parse_sse
from tests.rig.parts import Parts, parts
from tests.rig.services import KEY
from tests.rig.upstream import FakeProvider, provider
from warren import config
from warren.contracts import UpstreamCall
from warren_gateway.auth import ACCOUNT
from warren_ledger.store import Store

pytestmark = pytest.mark.anyio
Json = dict[str, Any]


@pytest.fixture(params=["embedded", "services"])
async def made(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Parts]:
    async with parts(request.param, request, tmp_path) as made:
        yield made


@dataclass
class Stage:
    http: httpx.AsyncClient
    upstream: FakeProvider
    store: Store

    async def ask(self, model: str, headers: Mapping[str, str] | None = None, **more: Any) -> httpx.Response:
        body = {"model": model, "input": "hello", **more}
        return await self.http.post("/v1/responses", json=body, headers=dict(headers or {}))

    async def calls(self, answer: httpx.Response) -> list[UpstreamCall]:
        id_ = response(answer)["id"]
        assert (await self.http.get(f"/v1/responses/{id_}")).json() == response(answer)  # it is recorded by now
        return sorted(await self.store.calls(id_, ACCOUNT), key=lambda call: call.started_at)

    def called(self) -> Counter[str]:
        return Counter(call.model for call in self.upstream.calls)


def response(answer: httpx.Response) -> Json:
    """What was answered, streamed or not; a stream is checked for its order."""
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"].startswith("text/event-stream"):
        return check_stream(parse_sse(answer.content))
    found: Json = answer.json()
    return found


def text(answer: httpx.Response) -> str:
    return "".join(part["text"] for item in response(answer)["output"] for part in item["content"])


def entry(upstream: FakeProvider, group: str, model: str, **more: Any) -> Json:
    info = {"id": more.pop("id", group), **more.pop("info", {})}
    params = {"model": f"openai/{model}", "api_base": upstream.url, "api_key": "k", "use_chat_completions_api": True}
    return {"model_name": group, "litellm_params": params | more, "model_info": info}


@asynccontextmanager
async def stage(made: Parts, entries: Any, **sections: Json) -> AsyncIterator[Stage]:
    """A Warren for the deployments that `entries` makes of an upstream."""
    async with provider() as upstream, AsyncExitStack() as stack:
        given = config.parse(to_json({"model_list": entries(upstream), **sections}).decode())
        assert given.reports == ()
        store = await stack.enter_async_context(made.ledger())
        await stack.enter_async_context(made.worker(given))
        url = await stack.enter_async_context(made.gateway(given))
        headers = {"authorization": f"Bearer {KEY}"}
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=headers, timeout=30))
        yield Stage(http, upstream, store)


FAILING = {
    "limited": ("status-429-999", {}, "plain", "rate_limit_exceeded"),
    "broken": ("status-500-999", {}, "plain", "upstream_error"),
    "silent": ("think-60000", {"timeout": 0.4}, "plain", "upstream_timeout"),
    "hanging": ("drip", {"stream_timeout": 0.3}, "plain", "upstream_timeout"),
    "small": ("short-0", {}, "large", "context_length_exceeded"),
    "prude": ("policy", {}, "frank", "content_filter"),
    "cut": ("cut-0", {}, "plain", "upstream_truncated"),
    "inside": ("fail-0", {}, "plain", "upstream_error"),
    "keyless": ("status-401-999", {}, "plain", "upstream_auth"),
    "gone": ("status-404-999", {}, "plain", "upstream_refused"),
}
LATE = ("silent", "hanging", "cut", "inside")
"""They fail when a stream has begun: its headers name who began it."""
STREAMED: tuple[Json, ...] = ({}, {"stream": True})
CALM: Json = {"router_settings": {"disable_cooldowns": True}}
WORDS = {"plain": 3, "large": 4, "frank": 5}


def failing(upstream: FakeProvider) -> list[Json]:
    return [
        *(entry(upstream, name, model, num_retries=1, **more) for name, (model, more, _, _) in FAILING.items()),
        *(entry(upstream, name, f"words-{count}") for name, count in WORDS.items()),
    ]


@pytest.mark.parametrize("more", [{}, {"stream": True}, {"background": True, "stream": True}], ids=str)
async def test_the_right_fallback_answers_and_what_failed_is_recorded(made: Parts, more: Json) -> None:
    async with stage(
        made,
        failing,
        router_settings={
            "default_fallbacks": ["plain"],
            "context_window_fallbacks": [{"small": ["large"]}],
            "content_policy_fallbacks": [{"prude": ["frank"]}],
            "disable_cooldowns": True,
        },
    ) as there:
        for name, (_, _, target, code) in FAILING.items():
            answer = await there.ask(name, **more)
            assert len(text(answer).split()) == WORDS[target], name
            assert response(answer)["model"] == name
            if not more or (more == {"stream": True} and name not in LATE):
                said = answer.headers
                assert (said["x-warren-model"], said["x-warren-fallbacks"]) == (target, "1")
            *failed, last = await there.calls(answer)
            assert {call.error for call in failed} == {code}, name
            assert (last.error, last.deployment) == (None, target)
            tries = 2 if target == "plain" and name not in ("keyless", "gone") else 1
            assert len(failed) == tries, name


async def test_a_stream_that_had_shown_text_is_not_started_again(made: Parts) -> None:
    async with stage(
        made,
        lambda upstream: [entry(upstream, "cut", "cut-3"), entry(upstream, "plain", "words-3")],
        router_settings={"default_fallbacks": ["plain"]},
    ) as there:
        assert response(await there.ask("cut", stream=True))["status"] == "failed"
        assert there.called() == {"cut-3": 1}
        assert text(await there.ask("cut")) == "c4w0 c4w1 c4w2 "
        assert there.called() == {"cut-3": 4, "words-3": 1}


async def test_tries_go_through_the_group_before_anybody_is_asked_again(made: Parts) -> None:
    def entries(upstream: FakeProvider) -> list[Json]:
        return [entry(upstream, "m", "status-500-1", id="a", order=1), entry(upstream, "m", "words-3", id="b", order=2)]

    async with stage(made, entries) as there:
        answer = await there.ask("m")
        assert [call.deployment for call in await there.calls(answer)] == ["a", "b"]
        assert (answer.headers["x-warren-deployment"], answer.headers["x-warren-retries"]) == ("b", "1")


async def test_a_request_says_its_way_itself(made: Parts) -> None:
    def entries(upstream: FakeProvider) -> list[Json]:
        return [
            entry(upstream, "broken", "status-500-999", num_retries=0),
            entry(upstream, "slow", "think-60000"),
            entry(upstream, "plain", "words-3"),
            entry(upstream, "other", "words-4"),
        ]

    async with stage(made, entries, litellm_settings={"fallbacks": [{"broken": ["plain"]}]}, **CALM) as there:
        assert len(text(await there.ask("broken", fallbacks=["other"])).split()) == 4
        assert (await there.ask("broken", fallbacks=["nobody"])).json()["error"]["code"] == "upstream_error"
        assert (await there.ask("broken", disable_fallbacks=True)).status_code == 502
        before = there.called()["status-500-999"]
        await there.ask("broken", num_retries=2, headers={"x-litellm-num-retries": "9"})
        assert there.called()["status-500-999"] - before == 3
        for answer in (
            await there.ask("slow", timeout=0.2, num_retries=0),
            await there.ask("slow", headers={"x-litellm-timeout": "0.2", "x-warren-num-retries": "0"}),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
        changed = await there.ask("broken", fallbacks=[{"model": "plain", "temperature": 0.25, "input": "bye"}])
        body = there.upstream.calls[-1].body
        assert (body["temperature"], body["messages"][-1]["content"]) == (0.25, "bye")
        assert response(changed)["model"] == "broken"
        refused = await there.ask("plain", top_logprobs=3, truncation="auto", moderation={"model": "x"})
        assert refused.json()["error"]["code"] == "unsupported_parameter"
        dropped = await there.ask("plain", moderation={"model": "x"}, drop_params=True)
        assert (dropped.status_code, dropped.headers["x-warren-dropped"]) == (200, "moderation")
        assert all(not {"fallbacks", "num_retries", "timeout"} & call.body.keys() for call in there.upstream.calls)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"api_base": "http://evil"}, "api_base"),
        ({"api_key": "k"}, "api_key"),
        ({"base_url": "http://evil"}, "base_url"),
        ({"extra_headers": {}}, "extra_headers"),
        ({"extra_body": {}}, "extra_body"),
        ({"custom_llm_provider": "openai"}, "custom_llm_provider"),
        ({"api_version": "1"}, "api_version"),
        ({"fallbacks": "plain"}, "fallbacks"),
        ({"fallbacks": [5]}, "fallbacks[0]"),
        ({"fallbacks": [{"model": "plain", "api_base": "http://evil"}]}, "fallbacks[0].api_base"),
        ({"fallbacks": [{"model": "plain", "temperature": 9}]}, "fallbacks[0].temperature"),
        ({"fallbacks": [{"model": "plain", "store": False}]}, "fallbacks[0].store"),
        ({"num_retries": -1}, "num_retries"),
        ({"num_retries": True}, "num_retries"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"tags": [1]}, "tags[0]"),
        ({"metadata": {"tags": [{}]}}, "metadata.tags[0]"),
        ({"litellm_metadata": []}, "litellm_metadata"),
        ({"drop_params": 1}, "drop_params"),
        ({"mock_response": {}}, "mock_response"),
    ],
)
async def test_what_a_request_may_not_say_is_refused_by_name(tmp_path: Path, given: Json, param: str) -> None:
    async with (
        parts("embedded", None, tmp_path) as made,  # type: ignore[arg-type]
        stage(made, lambda upstream: [entry(upstream, "plain", "words-3")]) as there,
    ):
        answer = await there.ask("plain", **given)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
        assert there.upstream.calls == []


async def test_answers_that_nobody_gave(made: Parts) -> None:
    def entries(upstream: FakeProvider) -> list[Json]:
        return [entry(upstream, "a", "words-3"), entry(upstream, "b", "words-4"), entry(upstream, "c", "words-5"),
                entry(upstream, "fixed", "words-6", mock_response="Always this.")]  # fmt: skip

    async with stage(
        made,
        entries,
        router_settings={
            "fallbacks": [{"a": ["b"]}],
            "context_window_fallbacks": [{"a": ["c"]}],
            "content_policy_fallbacks": [{"a": ["c"]}],
        },
    ) as there:
        for more in STREAMED:
            assert text(await there.ask("a", mock_response="Said by nobody.", **more)) == "Said by nobody."
            assert text(await there.ask("fixed", **more)) == "Always this."
        assert not there.upstream.calls
        assert (await there.ask("a", mock_response="litellm.RateLimitError", disable_fallbacks=True)).status_code == 429
        for name, words in (
            ("mock_testing_fallbacks", 4),
            ("mock_testing_context_fallbacks", 5),
            ("mock_testing_content_policy_fallbacks", 5),
        ):
            asked: Json = {name: True}
            assert len(text(await there.ask("a", **asked)).split()) == words


async def test_tags_and_aliases_and_wildcards(made: Parts) -> None:
    def entries(upstream: FakeProvider) -> list[Json]:
        return [
            entry(upstream, "m", "words-3", id="paid", tags=["paid"]),
            entry(upstream, "m", "words-4", id="free", tags=["free", "default"]),
            entry(upstream, "words/*", "words-*", id="wild"),
        ]

    async with stage(
        made,
        entries,
        router_settings={
            "enable_tag_filtering": True,
            "model_group_alias": {"nick": "m", "shy": {"model": "m", "hidden": True}},
        },
    ) as there:
        for more in (
            {"tags": ["paid"]},
            {"metadata": {"tags": ["paid"], "k": "v"}},
            {"litellm_metadata": {"tags": ["paid"]}},
        ):
            answer = await there.ask("m", **more)
            assert len(text(answer).split()) == 3
            assert response(answer)["metadata"] == ({"k": "v"} if "metadata" in more else {})
        assert len(text(await there.ask("m", headers={"x-litellm-tags": "paid, other"})).split()) == 3
        for name in ("m", "nick", "shy"):
            assert len(text(await there.ask(name)).split()) == 4
        answer = await there.ask("words/7")
        assert (len(text(answer).split()), answer.headers["x-warren-model"]) == (7, "words/7")
        assert (await there.ask("word/7")).status_code == 404
        for name, status in (("m", 200), ("shy", 200), ("words/7", 200), ("word/7", 404)):
            assert (await there.http.get(f"/v1/models/{name}")).status_code == status
        listed = (await there.http.get("/v1/models")).json()["data"]
        assert [one["id"] for one in listed] == ["m", "words/*", "nick"]


async def test_litellms_headers_by_a_switch(made: Parts) -> None:
    def entries(upstream: FakeProvider) -> list[Json]:
        return [entry(upstream, "m", "words-3", id="d")]

    async with stage(made, entries, general_settings={"litellm_headers": True}) as there:
        for more in STREAMED:
            said = (await there.ask("m", **more)).headers
            assert said["x-litellm-call-id"] == said["x-request-id"]
            assert said["x-litellm-model-id"] == "d"
            assert said["x-litellm-model-api-base"] == there.upstream.url
            assert (said["x-litellm-attempted-retries"], said["x-litellm-attempted-fallbacks"]) == ("0", "0")
    async with stage(made, entries) as there:
        assert not [name for name in (await there.ask("m")).headers if name.startswith("x-litellm")]


async def test_affinity_keeps_together_what_belongs_together(made: Parts) -> None:
    def entries(upstream: FakeProvider) -> list[Json]:
        return [entry(upstream, "m", "words-3", id=f"d{number}") for number in range(4)]

    async with stage(made, entries, router_settings={"optional_pre_call_checks": ["session_affinity"]}) as there:
        places = {}
        for session in range(8):
            said = [
                (await there.ask("m", headers={"x-litellm-session-id": f"s{session}"})).headers["x-warren-deployment"]
                for _ in range(3)
            ]
            assert len(set(said)) == 1
            places[session] = said[0]
        assert len(set(places.values())) > 1
