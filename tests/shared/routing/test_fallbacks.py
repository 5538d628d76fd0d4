"""Where a request may end up, whatever goes wrong on its way."""

from typing import Any

import pytest
from pydantic_core import to_json

from warren import config
from warren.contracts import Knobs, Target
from warren.routing.fallbacks import reachable

PARAMS = {"model": "openai/x", "api_key": "k"}


def parsed(**router: Any) -> config.Config:
    models = [{"model_name": name, "litellm_params": PARAMS} for name in "abcd"]
    return config.parse(to_json({"model_list": models, "router_settings": router}).decode())


def reached(model: str, knobs: Knobs | None = None, **router: Any) -> list[str]:
    made = parsed(**router)
    return sorted(group.key for _, group in reachable(model, made.groups, made.rules, knobs or Knobs()))


def test_who_has_no_fallbacks_stays_where_it_is() -> None:
    assert reached("a") == reached("unknown") == []


@pytest.mark.parametrize("kind", ["fallbacks", "context_window_fallbacks", "content_policy_fallbacks"])
def test_fallbacks_of_every_kind_lead_on(kind: str) -> None:
    rules: dict[str, Any] = {kind: [{"a": ["b"]}]}
    assert reached("a", None, **rules) == ["b"]


def test_fallbacks_have_fallbacks_and_may_lead_back() -> None:
    assert reached("a", fallbacks=[{"a": ["b"]}, {"b": ["c", "a"]}, {"c": ["b", "gone"]}]) == ["b", "c"]


def test_what_a_request_says_stands_in_place_of_the_configuration() -> None:
    rules = [{"a": ["b"]}]
    assert reached("a", Knobs(disable_fallbacks=True), fallbacks=rules) == []
    assert reached("a", Knobs(fallbacks={"*": (Target(model="c"),)}), fallbacks=rules) == ["c"]
