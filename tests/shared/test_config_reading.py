"""What files include, what their entries share, and what of the environment they name."""

from pathlib import Path
from textwrap import dedent

import pytest

from warren.config import Config, load, parse
from warren.settings import Complaint


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(dedent(text))
    return folder / "main.yaml"


ENTRY = "model_list: [{{model_name: {0}, litellm_params: {{model: openai/{0}}}}}]\n"


def test_lists_are_joined_and_of_other_values_the_files_own_hold(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        main="include: [one.yaml, two.yaml]\nrouter_settings: {num_retries: 1}\n" + ENTRY.format("a"),
        one="include: [three.yaml]\nrouter_settings: {num_retries: 9, timeout: 5, odd: 1}\n" + ENTRY.format("b"),
        two="general_settings: {master_key: k}\n" + ENTRY.format("c"),
        three=ENTRY.format("d"),
    )
    config = load(path)
    assert config.models() == ["a", "b", "d", "c"]
    assert (config.rules.num_retries, config.rules.timeout, config.master_key) == (1, 5, "k")
    assert config.reports == (f"{tmp_path}/one.yaml, line 2: router_settings.odd has no effect",)
    assert [file.name for file in config.files] == ["main.yaml", "one.yaml", "three.yaml", "two.yaml"]


def test_a_complaint_names_the_file_that_it_is_about(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        main="include: [one.yaml]\n" + ENTRY.format("a"),
        one="\n\nmodel_list: [{model_name: b}, {model_name: c, litellm_params: {model: gpt-5, timeout: soon}}]\n",
    )
    with pytest.raises(Complaint) as caught:
        load(path)
    assert str(caught.value) == f"{tmp_path}/one.yaml, line 3: model_list[1].litellm_params: is missing"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"main": "include: [main.yaml]\n"}, "main.yaml, line 1: include[0]: this file includes itself"),
        ({"main": "include: [a.yaml]\n", "a": "include: [main.yaml]\n"}, "a.yaml, line 1: include[0]: this file"),
        ({"main": "include: [none.yaml]\n"}, "none.yaml: cannot be read: No such file"),
        ({"main": "include: [a.yaml]\n", "a": "b: ["}, "a.yaml, line 1: "),
        ({"main": "include: 5\nmodel_list: []\n"}, "main.yaml, line 1: include: "),
        ({"main": "include: [5]\nmodel_list: []\n"}, "main.yaml, line 1: include[0]: "),
    ],
)
def test_includes_that_cannot_be_are_complained_about(tmp_path: Path, files: dict[str, str], said: str) -> None:
    with pytest.raises(Complaint) as caught:
        load(written(tmp_path, **files))
    assert str(caught.value).startswith(f"{tmp_path}/{said}")


def parsed(text: str, **environ: str) -> Config:
    return parse(dedent(text), "c.yaml", environ)


def test_the_environment_is_in_place_of_references_but_not_of_secrets() -> None:
    text = """\
        environment_variables: {RPM: "70", OTHER: os.environ/BASE}
        model_list:
          - model_name: m
            litellm_params:
              model: os.environ/MODEL
              api_key: os.environ/KEY
              extra_headers: {x-token: os.environ/KEY}
              rpm: os.environ/RPM
              tags: [os.environ/TAG]
        """
    config = parsed(text, MODEL="openai/gpt-5", KEY="hush", BASE="b", TAG="t")
    (one,) = config.deployments.values()
    assert (one.model, one.params.rpm, one.params.tags) == ("gpt-5", 70, ["t"])
    assert (one.params.api_key, one.params.extra_headers["x-token"]) == ("os.environ/KEY", "os.environ/KEY")
    assert config.environ({"BASE": "b"}) == {"RPM": "70", "OTHER": "b", "BASE": "b"}
    (other,) = parsed(text, MODEL="openai/gpt-5-mini", RPM="9", TAG="t").deployments.values()
    assert other.params.rpm == 9, "what the environment has goes before"
    assert other.id == one.id, "who reads it elsewhere knows it by the same name"
    assert "hush" not in repr(config)


def test_a_variable_that_is_not_set_is_nothing_and_told() -> None:
    config = parsed(
        "model_list: [{model_name: m, litellm_params: {model: gpt-5, rpm: os.environ/RPM, odd: os.environ/X}}]"
    )
    assert next(iter(config.deployments.values())).params.rpm is None
    assert config.reports == (
        "c.yaml, line 1: model_list[0].litellm_params.odd has no effect",
        "c.yaml, line 1: model_list[0].litellm_params.rpm: RPM is not set",
    )
    with pytest.raises(Complaint, match=r"c.yaml, line 1: model_list\[0\].litellm_params.model: MODEL is not set"):
        parsed("model_list: [{model_name: m, litellm_params: {model: os.environ/MODEL}}]")


def test_what_entries_share_lies_under_what_they_say() -> None:
    config = parsed("""\
        model_list:
          - {model_name: a, litellm_params: {model: gpt-5, litellm_credential_name: c, timeout: 1}}
          - {model_name: b, litellm_params: {model: gpt-5, api_key: own}}
        credential_list:
          - credential_name: c
            credential_values: {api_key: shared, timeout: 2, api_base: "http://x", odd: 1}
        router_settings:
          default_litellm_params: {timeout: 3, api_base: "http://y", strange: 1}
        """)
    (a,), (b,) = config.group("a"), config.group("b")
    assert (a.params.api_key, a.params.timeout, a.params.api_base) == ("shared", 1, "http://x")
    assert (b.params.api_key, b.params.timeout, b.params.api_base) == ("own", 3, "http://y")
    assert config.reports == (
        "c.yaml, line 6: model_list[0].litellm_params.odd has no effect",
        "c.yaml, line 8: model_list[0].litellm_params.strange has no effect",
        "c.yaml, line 8: model_list[1].litellm_params.strange has no effect",
    )
    with pytest.raises(Complaint, match=r"c.yaml, line 1: .*litellm_credential_name: there are no such credentials"):
        parsed("model_list: [{model_name: m, litellm_params: {model: gpt-5, litellm_credential_name: none}}]")


def test_the_routers_settings_go_before_those_for_everything() -> None:
    config = parsed("""\
        model_list: []
        router_settings: {num_retries: 0, default_fallbacks: []}
        litellm_settings:
        """)
    assert config.rules.num_retries == 0
    config = parsed("""\
        model_list: []
        router_settings: {retry_policy: {DefaultRetries: 4}}
        litellm_settings: {num_retries: 5, allowed_fails: 6, cooldown_time: 7, request_timeout: 8}
        """)
    rules = config.rules
    assert (rules.num_retries, rules.allowed_fails, rules.cooldown_time, rules.timeout) == (4, 6, 7, 8)
    assert parsed("model_list: []").rules.num_retries == 2


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("openai/gpt-4o", "openai/gpt-4o"),
        ("openai/gpt-5", "openai/gpt-5-exact"),
        ("claude-x", "anthropic/claude-x"),
        ("team/anything", "openai/fixed"),
        ("team/special-7", "openai/s-7"),
        ("groq/llama", "groq/llama"),
        ("gpt-4o", "openai/gpt-4o"),
        ("nick", "openai/gpt-5-exact"),
        ("by-id", "openai/gpt-5-exact"),
        ("nowhere/x", None),
        ("team/", None),
    ],
)
def test_the_name_that_says_the_most_is_meant(name: str, model: str | None) -> None:
    config = parsed("""\
        model_list:
          - {model_name: "*", litellm_params: {model: "*"}}
          - {model_name: "openai/*", litellm_params: {model: "openai/*"}}
          - {model_name: "claude-*", litellm_params: {model: "anthropic/claude-*"}}
          - {model_name: "team/*", litellm_params: {model: openai/fixed}}
          - {model_name: "team/special-*", litellm_params: {model: "openai/s-*"}}
          - {model_name: "openai/gpt-5", litellm_params: {model: openai/gpt-5-exact}, model_info: {id: by-id}}
        router_settings: {model_group_alias: {nick: openai/gpt-5, loop: loop}}
        """)
    assert [f"{one.provider}/{one.model}" for one in config.group(name)] == ([model] if model else [])
