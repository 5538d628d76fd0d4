"""LiteLLM's Router, its deployments inside of this process."""

import logging
from pathlib import Path
from typing import Any

import pytest

import warren
from tests.rig.upstream import FakeProvider
from warren import Router

pytestmark = pytest.mark.anyio


def deployment(url: str, key: str, **more: Any) -> dict[str, Any]:
    params = {"model": "azure/words-3", "api_key": key, "api_version": "2024-06-01", "api_base": url, **more}
    return {"model_name": "group", "litellm_params": params}


def azure(upstream: FakeProvider) -> list[dict[str, Any]]:
    """Two resources that are one fake: their keys tell them apart."""
    base = upstream.url.removesuffix("/v1")
    return [deployment(base, "key-1"), deployment(f"{base}/", "key-2")]


async def test_a_session_stays_where_it_began(upstream: FakeProvider, data: Path) -> None:
    async with Router(
        azure(upstream), data=data, optional_pre_call_checks=["responses_api_deployment_check"]
    ) as router:
        held: set[str] = set()
        while len(held) < 2:  # each session begins at either
            first = await router.aresponses(model="group", input="Hello, who are you?", truncation="auto")
            key = upstream.calls[-1].headers["api-key"]
            held.add(key)
            for _ in range(4):
                following = await router.aresponses(
                    model="group", input="Tell me more", truncation="auto", previous_response_id=first.id
                )
                assert upstream.calls[-1].headers["api-key"] == key
                assert following.headers["x-warren-deployment"] == first.headers["x-warren-deployment"]
                assert len(upstream.calls[-1].said) == 3


async def test_it_has_all_methods_twice(upstream: FakeProvider, data: Path) -> None:
    async with Router(model_list=azure(upstream), data=data) as router:
        made = router.responses("hello", "group")
        assert await router.aget_responses(made.id) == router.get_responses(made.id) == made
        assert router.responses("hello", "group", stream=True).until_done().output_text
        assert (await router.alist_input_items(made.id)).data == router.list_input_items(made.id).data
        assert router.compact_responses("hello", "group").output
        assert (await router.acompact_responses("hello", "group")).output
        waiting = router.responses("hello", "group", background=True)
        assert router.cancel_responses(waiting.id).id == (await router.acancel_responses(waiting.id)).id
        assert (await router.adelete_responses(made.id)).deleted
        with pytest.raises(warren.NotFoundError):
            router.delete_responses(made.id)


def test_two_routers_with_one_name_are_two(upstream: FakeProvider, data: Path) -> None:
    base = upstream.url.removesuffix("/v1")
    with Router([deployment(base, "a")], data=data) as one, Router([deployment(base, "b")], data=data) as other:
        first = one.responses("hello", "group")
        assert upstream.calls[-1].headers["api-key"] == "a"
        second = other.responses("and now?", "group", previous_response_id=first.id)
        assert upstream.calls[-1].headers["api-key"] == "b"
        assert one.get_responses(second.id) == second


def test_a_group_that_is_not_there(upstream: FakeProvider, data: Path) -> None:
    with Router(azure(upstream), data=data) as router, pytest.raises(warren.NotFoundError):
        router.responses("hello", "another")


def test_its_deployments_say_how_they_are_reached(upstream: FakeProvider, data: Path) -> None:
    with Router(azure(upstream), data=data) as router, pytest.raises(warren.UnsupportedParamsError, match="api_key"):
        router.responses("hello", "group", api_key="another")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"model_name": "x"}, r"model_list\[0\]\.litellm_params: is missing"),
        ({"model_name": "x", "litellm_params": {"model": "nobody/x"}}, "no adapter for the provider 'nobody'"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_at_once(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(warren.BadRequestError, match=said) as refused:
        Router([entry])
    assert refused.value.code == "invalid_configuration"


def test_what_has_no_effect_is_told_once(upstream: FakeProvider, data: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "warren")
    with Router([{**azure(upstream)[0], "colour": "red"}], data=data) as router:
        router.responses("hello", "group")
    assert caplog.messages == ["model_list[0].colour has no effect"]
