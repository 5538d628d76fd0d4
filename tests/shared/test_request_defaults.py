"""What a configuration says for requests that do not say it themselves."""

import json
from typing import Any

import pytest

from warren.config import Config, parse
from warren.requests.bodies import CreateResponse
from warren.requests.defaults import FIELDS, defaults, laid_under
from warren.settings import Complaint


def read(**params: Any) -> Config:
    entry = {"model_name": "m", "litellm_params": {"model": "openai/m", **params}}
    return parse(json.dumps({"model_list": [entry]}))


def test_all_are_fields_of_requests() -> None:
    assert CreateResponse.model_fields.keys() >= FIELDS


def test_they_may_be_called_what_chat_completions_call_them() -> None:
    given = {
        "max_tokens": 9,
        "reasoning_effort": "high",
        "reasoning": {"summary": "auto"},
        "verbosity": "low",
        "rpm": 1,
    }
    assert defaults(given) == {
        "max_output_tokens": 9,
        "reasoning": {"effort": "high", "summary": "auto"},
        "text": {"verbosity": "low"},
    }
    assert defaults({"top_p": None}) == defaults(None) == {}


def test_a_request_that_says_it_goes_before() -> None:
    under = {"temperature": 0, "reasoning": {"effort": "high", "summary": "auto"}, "user": "u"}
    request = {"temperature": 1, "reasoning": {"effort": "low"}, "user": None, "input": "hi"}
    assert laid_under(under, request) == {
        "temperature": 1,
        "reasoning": {"effort": "low", "summary": "auto"},
        "user": "u",
        "input": "hi",
    }
    assert request["reasoning"] == {"effort": "low"}


def test_a_configuration_with_them_has_nothing_to_report() -> None:
    assert read(temperature=0.2, max_tokens=100, reasoning_effort="low").reports == ()
    assert read(temperature=0.2, truncation="auto").reports == (
        "config, line 1: model_list[0].litellm_params.truncation has no effect",
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [({"temperature": 9}, "decimal above max value"), ({"reasoning_effort": "very"}, "'very'")],
)
def test_what_no_request_could_say_is_complained_about(given: dict[str, Any], why: str) -> None:
    (key,) = given
    with pytest.raises(Complaint, match=rf"litellm_params\.{key}: .*{why}"):
        read(**given)
