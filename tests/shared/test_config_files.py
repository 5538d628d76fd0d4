"""Configurations as they are in the world: all of it loads, what has no effect is named, the rest is in force.

What each reports is in the file beside it. The configurations were written after LiteLLM's documented fields.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rig.services import models
from tests.rig.upstream import provider_in_thread
from warren.config import Config, load
from warren.routing.rules import Cause

CONFIGS = Path(__file__).parent / "configs"
NAMES = ("gateway", "product", "research")


def loaded(name: str) -> Config:
    return load(CONFIGS / f"{name}.yaml", {"AZURE_REGION": "x"})


def check(*arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "-c", "from warren.cli import main; main()", "check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_supported_is_named_and_nothing_else(name: str) -> None:
    config = loaded(name)
    told = [report.removeprefix(f"{CONFIGS}/") for report in config.reports]
    assert told == (CONFIGS / f"{name}.unsupported").read_text().splitlines()
    assert len(config.deployments) + sum("is left out" in report for report in told) >= 30


@pytest.mark.parametrize("name", NAMES)
def test_check_tells_all_of_it(name: str) -> None:
    path = CONFIGS / f"{name}.yaml"
    code, out, err = check(str(path))
    assert (code, err) == (0, "")
    config = loaded(name)
    for one in config.deployments.values():
        assert f"{one.id}: {one.provider}/{one.model}" in out
    unsupported = (CONFIGS / f"{name}.unsupported").read_text().splitlines()
    assert out.split(f"not supported: {len(unsupported)}\n")[1].replace(f"  {CONFIGS}/", "").splitlines() == unsupported
    code, out, _ = check(str(path), "--json", "--strict")
    told = json.loads(out)
    assert code == 1
    assert [one["id"] for one in told["deployments"]] == list(config.deployments)
    assert told["routing"]["strategy"] == config.rules.strategy
    assert told["unsupported"] == list(config.reports)


def test_the_gateways_rules_are_in_force() -> None:
    config = loaded("gateway")
    rules = config.rules
    assert (rules.strategy, rules.num_retries, rules.retry_after, rules.max_fallbacks) == (
        "usage-based-routing-v2", 3, 1, 5,
    )  # fmt: skip
    assert rules.retry_policy == {Cause.RATE_LIMIT: 4, Cause.TIMEOUT: 1, Cause.BAD_REQUEST: 0}
    assert rules.group_retry_policy == {"o3": {Cause.TIMEOUT: 0}}
    assert rules.allowed_fails_policy == {Cause.AUTHENTICATION: 0, Cause.INTERNAL: 20}
    assert (rules.allowed_fails, rules.cooldown_time, rules.timeout, rules.stream_timeout) == (3, 20, 300, 30)
    assert (rules.tag_filtering, rules.tags_match_any) == (True, False)
    assert rules.default_max_parallel_requests == 200
    assert [target.model for target in rules.fallbacks["*"]] == ["gpt-5-mini", "gpt-4"]
    gemini = rules.fallbacks["gpt-5"][1]
    assert (gemini.model, gemini.overrides) == ("gemini-pro", {"temperature": 0.2})
    assert (config.health.background, config.health.interval) == (True, 120)
    assert config.variables["LANGFUSE_HOST"] == "https://langfuse.example"
    assert config.environ({"LANGFUSE_HOST": "set"})["LANGFUSE_HOST"] == "set"
    bedrock = config.group("claude-sonnet")[1]
    assert (bedrock.params.aws_region_name, bedrock.params.aws_role_name) == ("us-east-1", "os.environ/AWS_ROLE")
    assert "internal" not in config.models()
    assert [one.id for one in config.group("internal")] == [one.id for one in config.group("gpt-5-mini")]
    assert [path.name for path in config.files] == ["gateway.yaml", "gateway-models.yaml"]


def test_the_products_rules_are_in_force() -> None:
    config = loaded("product")
    rules = config.rules
    assert (rules.strategy, rules.window, rules.latency_buffer) == ("latency-based-routing", 3600, 0.5)
    assert (sorted(rules.affinity), rules.timeout, rules.cooldown_time) == (["session"], 120, 10)
    own = config.group("own")
    assert {(one.params.num_retries, one.params.stream_timeout, one.params.timeout) for one in own} == {(1, 20, 45)}
    assert config.group("retired") == []
    assert not {"quiet", "retired"} & set(config.models())
    (claude,) = config.group("claude-opus-4-1")
    assert (claude.provider, claude.model) == ("anthropic", "claude-opus-4-1")


def test_the_research_groups_rules_are_in_force() -> None:
    config = loaded("research")
    assert (config.rules.strategy, config.rules.num_retries, config.rules.max_fallbacks) == ("cost-based-routing", 0, 2)
    assert (config.rules.disable_cooldowns, config.rules.health_check_routing) == (True, True)
    assert config.rules.litellm_headers
    (llama,) = config.group("groq/llama-3.3-70b-versatile")
    assert (llama.provider, llama.model, llama.group) == ("groq", "llama-3.3-70b-versatile", "groq/*")
    assert config.group("best") == config.group("judge")


def configured(folder: Path, value: dict[str, Any]) -> str:
    path = folder / "c.yaml"
    path.write_text(json.dumps(value))
    return str(path)


def test_a_probe_tells_who_answers(tmp_path: Path) -> None:
    with provider_in_thread() as upstream:
        both = models(upstream.url, "words-3")
        code, out, _ = check(configured(tmp_path, both), "--probe")
        assert (code, out.count(", answers"), out.count("DOES NOT ANSWER")) == (0, len(both["model_list"]), 0)
        assert len(upstream.calls) == len(both["model_list"])
        dead = models("http://127.0.0.1:9/v1", "words-3")
        both["model_list"] += [{**one, "model_name": "dead"} for one in dead["model_list"][:1]]
        for one in both["model_list"]:
            one.pop("model_info", None)
        code, out, _ = check(configured(tmp_path, both), "--probe", "--json")
        told = json.loads(out)["deployments"]
        assert code == 1
        assert [(one["answers"], one["error"]) for one in told if one["group"] == "dead"] == [
            (False, "upstream_unreachable")
        ]


def test_what_cannot_be_used_is_one_sentence_and_code_2(tmp_path: Path) -> None:
    code, out, err = check(configured(tmp_path, {"model_list": [{"model_name": "m"}]}))
    assert (code, out) == (2, "")
    assert err == f"warren check: {tmp_path}/c.yaml, line 1: model_list[0].litellm_params: is missing\n"
    assert check()[0] == 2
    assert check("--help")[0] == 0
