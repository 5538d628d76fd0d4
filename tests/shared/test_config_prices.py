"""Prices in a configuration: taken where LiteLLM takes them, and complained about where they are none."""

from typing import Any

import pytest
from pydantic_core import to_json

from warren import price_keys
from warren.config import Config, parse
from warren.settings import Complaint


def read(params: dict[str, Any] | None = None, info: dict[str, Any] | None = None, **settings: Any) -> Config:
    entry = {"model_name": "m", "litellm_params": {"model": "openai/m", **(params or {})}, "model_info": info or {}}
    return parse(to_json({"model_list": [entry], "litellm_settings": settings}).decode())


def test_prices_have_an_effect_and_others_none() -> None:
    known = {
        "input_cost_per_token": "1e-6",
        "cache_read_input_token_cost_above_200k_tokens_priority": "1e-7",  # to YAML that is a text
        "tiered_pricing": [{"range": [0, 100], "input_cost_per_token": 0.5}],
        "search_context_cost_per_query": {"search_context_size_low": 0.01},
    }
    config = read(known, {**known, "output_cost_per_pixel": 1})
    assert config.reports == ("config, line 1: model_list[0].model_info.output_cost_per_pixel has no effect",)
    (deployment,) = config.deployments.values()
    own = price_keys.own(deployment.params.model_extra, deployment.info.model_extra)
    assert own == known


def test_prices_do_not_make_another_deployment() -> None:
    assert read({"input_cost_per_token": 1}).deployments.keys() == read({"input_cost_per_token": 2}).deployments.keys()


def test_litellm_params_go_before_model_info() -> None:
    (deployment,) = read({"input_cost_per_token": 1}, {"input_cost_per_token": 2}).deployments.values()
    assert price_keys.own(deployment.params.model_extra, deployment.info.model_extra) == {"input_cost_per_token": 1}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"input_cost_per_token": -1}, "input_cost_per_token: a price is a number, 0 or more"),
        ({"input_cost_per_token": "cheap"}, "input_cost_per_token: a price is a number"),
        ({"output_cost_per_token_flex": True}, "output_cost_per_token_flex: a price is a number"),
        ({"tiered_pricing": [{"input_cost_per_token": "x"}]}, "tiered_pricing: a price is a number"),
        ({"off_peak_pricing": []}, "off_peak_pricing: this is not what LiteLLM's price file has here"),
        ({"search_context_cost_per_query": 0.01}, "search_context_cost_per_query: this is not"),
    ],
)
@pytest.mark.parametrize("place", ["litellm_params", "model_info"])
def test_what_is_no_price_is_complained_about(place: str, given: dict[str, Any], why: str) -> None:
    with pytest.raises(Complaint, match=rf"^config, line 1: model_list\[0\]\.{place}\.{why}"):
        read(*((given,) if place == "litellm_params" else ({}, given)))


def test_where_prices_are_and_whether_clients_are_told() -> None:
    config = read(model_cost_map_url="os.environ/PRICES", include_cost_in_streaming_usage=True)
    assert config.price_file is not None
    assert (config.price_file.resolve({"PRICES": "p.json"}), config.tells_cost, config.reports) == ("p.json", True, ())
    assert (read().price_file, read().tells_cost) == (None, False)
