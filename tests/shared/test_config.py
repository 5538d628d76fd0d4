"""The configuration file: what it says, and complaints that name the line."""

import copy
import json
import pickle
import pkgutil
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.compatible import ROWS
from warren.config import PROVIDERS, Config, Secret, load, parse
from warren.settings import Complaint
from warren_worker import providers

FULL = """\
general_settings:
  master_key: sk-master-hush
model_list:
  - model_name: gpt-5
    litellm_params:
      model: openai/gpt-5
      api_key: os.environ/OPENAI_API_KEY
      weight: 3
  - model_name: gpt-5
    litellm_params:
      model: gpt-5-mini
      api_key: sk-hush
      api_base: https://hush.example/v1
      extra_headers: {x-token: hush}
      timeout: 30
    model_info:
      id: second
  - model_name: local
    litellm_params:
      model: some/thing
      custom_llm_provider: openai
      api_base: http://127.0.0.1:1/v1
      use_chat_completions_api: true
"""
ENTRY = "model_list:\n  - model_name: m\n    litellm_params:\n"


def one(params: str, name: str = "m") -> Config:
    return parse(f"model_list:\n  - model_name: {name}\n    litellm_params: {{{params}}}\n")


def id_of(params: str) -> str:
    (id_,) = one(params).deployments
    return id_


def complaint(text: str) -> str:
    with pytest.raises(Complaint) as caught:
        parse(dedent(text), "c.yaml")
    assert caught.value.__suppress_context__ or caught.value.__cause__ is None
    return str(caught.value)


def test_a_file_says_which_deployments_there_are(tmp_path: Path) -> None:
    path = tmp_path / "warren.yaml"
    path.write_text(FULL)
    config = load(path)
    assert config.reports == ()
    assert config.models() == ["gpt-5", "local"]
    assert config.providers() == ["openai"]
    assert [deployment.model for deployment in config.group("gpt-5")] == ["gpt-5", "gpt-5-mini"]
    assert config.group("other") == []
    assert config.master_key == "sk-master-hush"
    second = config.deployments["second"]
    assert (second.group, second.provider, second.params.timeout) == ("gpt-5", "openai", 30)
    (local,) = config.group("local")
    assert (local.provider, local.model, local.params.use_chat_completions_api) == ("openai", "some/thing", True)


@pytest.mark.parametrize(
    ("params", "provider", "model"),
    [
        ("model: openai/gpt-5", "openai", "gpt-5"),
        ("model: openai/org/model", "openai", "org/model"),
        ("model: gpt-5", "openai", "gpt-5"),
        ("model: o3-mini", "openai", "o3-mini"),
        ("model: llama, api_base: 'http://x'", "openai", "llama"),
        ("model: llama, base_url: 'http://x'", "openai", "llama"),
        ("model: openai/x, custom_llm_provider: openai", "openai", "x"),
        ("model: x/y, custom_llm_provider: openai", "openai", "x/y"),
        ("model: openai/responses/x", "openai", "responses/x"),
        ("model: openai/chat_completions/x", "openai", "chat_completions/x"),
        ("model: custom_openai/x, api_base: 'http://x'", "custom_openai", "x"),
        ("model: openai_like/x, api_base: 'http://x'", "custom_openai", "x"),
        ("model: 'ft:gpt-4o:org::id'", "openai", "ft:gpt-4o:org::id"),
        ("model: claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("model: claude-sonnet-4-5, api_base: 'http://x'", "anthropic", "claude-sonnet-4-5"),
        ("model: gemini-2.5-pro", "vertex_ai", "gemini-2.5-pro"),
        ("model: gemini/gemini-2.5-pro", "gemini", "gemini-2.5-pro"),
        ("model: vertex_ai_beta/gemini-2.5-pro", "vertex_ai", "gemini-2.5-pro"),
        ("model: command-r-plus", "cohere", "command-r-plus"),
        ("model: cohere_chat/command-a", "cohere", "command-a"),
        ("model: command-a, custom_llm_provider: cohere_chat", "cohere", "command-a"),
        ("model: cohere_chat/command-a, custom_llm_provider: cohere_chat", "cohere", "command-a"),
        ("model: ollama_chat/llama3", "ollama", "llama3"),
        ("model: 'anthropic.claude-3-haiku-20240307-v1:0'", "bedrock", "anthropic.claude-3-haiku-20240307-v1:0"),
        ("model: 'us.amazon.nova-pro-v1:0'", "bedrock", "us.amazon.nova-pro-v1:0"),
        ("model: global.openai.gpt-6-sol", "bedrock", "global.openai.gpt-6-sol"),
        ("model: bedrock/converse/meta.llama3-1-8b", "bedrock", "converse/meta.llama3-1-8b"),
        ("model: bedrock_converse/meta.llama3-1-8b", "bedrock", "meta.llama3-1-8b"),
        ("model: 'arn:aws:bedrock:us-east-1:1:inference-profile/x.y'", "bedrock",
         "arn:aws:bedrock:us-east-1:1:inference-profile/x.y"),
        ("model: 'meta.llama3', api_base: 'http://x'", "openai", "meta.llama3"),
        ("model: llama3, api_base: 'https://api.groq.com/openai/v1'", "groq", "llama3"),
        ("model: llama3, api_base: 'http://[x'", "openai", "llama3"),
        ("model: azure/my-deployment", "azure", "my-deployment"),
    ],
)  # fmt: skip
def test_a_model_tells_its_provider(params: str, provider: str, model: str) -> None:
    (deployment,) = one(params).deployments.values()
    assert (deployment.provider, deployment.model) == (provider, model)


def test_every_provider_of_the_workers_is_served_and_no_other() -> None:
    modules = {name for _, name, _ in pkgutil.iter_modules(providers.__path__)} - {"compatible"}
    assert modules | ROWS.keys() == PROVIDERS
    assert not modules & ROWS.keys()


def test_a_model_of_nobody_is_left_out() -> None:
    for params in ("model: llama3", "model: antropic/claude", "model: x, custom_llm_provider: nobody"):
        config = one(params)
        assert config.deployments == {}
        assert "there is no adapter for the provider" in config.reports[0]


def test_what_litellm_calls_otherwise_is_read_as_well() -> None:
    (other,) = one(
        "model: vertex_ai/gemini-2.5-pro, vertex_ai_project: p, vertex_ai_location: l, base_model: b,"
        "vertex_ai_credentials: {type: service_account, private_key: hush}, region_name: r,"
        "additional_drop_params: null, allowed_openai_params: null"
    ).deployments.values()
    params = other.params
    assert (params.vertex_project, params.vertex_location, params.aws_region_name) == ("p", "l", "r")
    assert json.loads(params.vertex_credentials or "") == {"type": "service_account", "private_key": "hush"}
    assert "hush" not in repr(other)
    assert (params.additional_drop_params, params.allowed_openai_params) == ([], [])
    assert other.info.base_model == "b"


def test_names_of_parameters_that_mean_nothing_are_reported() -> None:
    config = one(
        "model: gpt-5, additional_drop_params: [user, seed, 'input[*].x', messages, 'tools[*].strict', max_tokens],"
        "allowed_openai_params: [reasoning_effort, stop, tools]"
    )
    told = [report.partition("litellm_params.")[2].removesuffix(" has no effect") for report in config.reports]
    assert told == [
        "additional_drop_params[1]",
        "additional_drop_params[2]",
        "additional_drop_params[3]",
        "allowed_openai_params[1]",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "c.yaml: a configuration is a mapping"),
        ("- 1", "c.yaml: a configuration is a mapping"),
        ("a: [", "c.yaml, line 1: "),
        ("a: 1\nb: {\n", "c.yaml, line 3: "),
        ("a: 1\n\tb: 2", "c.yaml, line 2: "),
        ("a: 1\na: 2", "c.yaml, line 2: 'a' stands here twice"),
        ("a: \x00", "c.yaml: this is not YAML"),
        ("? [a]\n: 1", "c.yaml, line 1: a key must be a plain value"),
        ("x: 1\nday: 2024-99-99\nmodel_list: []", "c.yaml, line 2: month must be in 1..12"),
        ("x: !!int many\nmodel_list: []", "c.yaml, line 1: "),
        ("x: !!python/name:os.system ''\nmodel_list: []", "c.yaml, line 1: "),
        ("model_list: &a [*a]", "c.yaml: this is nested too deep, or holds itself"),
        ("x: " + "[" * 5000, "c.yaml: this is nested too deep, or holds itself"),
        ("other: 1", "c.yaml, line 1: model_list: is missing"),
        ("x: 1\nmodel_list: 5", "c.yaml, line 2: model_list: "),
        (ENTRY.replace("model_name: m", "a: 1"), "c.yaml, line 2: model_list[0].model_name: is missing"),
        ("model_list:\n  - model_name: m\n", "c.yaml, line 2: model_list[0].litellm_params: is missing"),
        (ENTRY + "      timeout: 1", "c.yaml, line 3: model_list[0].litellm_params.model: is missing"),
        (ENTRY + "      model: 5", "c.yaml, line 4: "),
        (ENTRY + "      model: ''", "c.yaml, line 4: "),
        (ENTRY + "      model: gpt-5\n      timeout: soon", "c.yaml, line 5: "),
        (ENTRY + "      model: gpt-5\n      timeout: 0", "c.yaml, line 5: "),
        (ENTRY + "      model: gpt-5\n      weight: -1", "c.yaml, line 5: "),
        (ENTRY + "      model: gpt-5\n      api_key: [a]", "c.yaml, line 5: "),
        (ENTRY.replace("name: m", "name: ''") + "      model: gpt-5", "c.yaml, line 2: "),
        ("1: 2\nmodel_list: []", "c.yaml, line 1: "),
    ],
)
def test_a_file_that_cannot_be_used_is_complained_about_by_its_line(text: str, said: str) -> None:
    message = complaint(text)
    assert message.startswith(said), message
    assert "\n" not in message


def test_the_first_line_that_is_wrong_is_named_however_it_came_there() -> None:
    message = complaint("""\
        base: &base
          model: gpt-5
          timeout: never
        model_list:
          - model_name: m
            litellm_params:
              <<: *base
        """)
    assert message.startswith("c.yaml, line 3: model_list[0].litellm_params.timeout: ")


def test_two_deployments_cannot_be_named_the_same() -> None:
    entry = "  - {model_name: m, litellm_params: {model: gpt-5}, model_info: {id: twin}}\n"
    assert complaint("model_list:\n" + entry * 2) == "c.yaml, line 3: two deployments have the id 'twin'"


def test_a_file_that_is_not_there_is_complained_about(tmp_path: Path) -> None:
    with pytest.raises(Complaint, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(Complaint, match="cannot be read: Is a directory"):
        load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    with pytest.raises(Complaint, match="it is not UTF-8 text"):
        load(tmp_path / "latin.yaml")


def test_what_has_no_effect_is_reported_with_its_line() -> None:
    config = parse(
        dedent("""\
        litellm_settings: {set_verbose: true}
        general_settings:
          database_url: hush
        model_list:
          - model_name: m
            tpm: 5
            litellm_params:
              model: gpt-5
              aws_secrets: hush
            model_info:
              input_cost: x
          - model_name: n
            litellm_params: {model: nowhere/claude}
        """),
        "c.yaml",
    )
    assert config.reports == (
        "c.yaml, line 1: litellm_settings.set_verbose has no effect",
        "c.yaml, line 3: general_settings.database_url has no effect",
        "c.yaml, line 6: model_list[0].tpm has no effect",
        "c.yaml, line 9: model_list[0].litellm_params.aws_secrets has no effect",
        "c.yaml, line 11: model_list[0].model_info.input_cost has no effect",
        "c.yaml, line 13: 'nowhere/claude' is left out: there is no adapter for the provider 'nowhere'",
    )
    assert config.models() == ["m"]


def test_no_secret_shows_when_printed() -> None:
    text = FULL.replace("    model_info:", "      aws_secret_access_key: hush\n    model_info:")
    config = parse(text)
    printed = f"{config} {config!r} {config.deployments} {[d.params for d in config.deployments.values()]}"
    assert "hush" not in printed
    assert "'***'" in printed


def test_a_complaint_never_quotes_a_value() -> None:
    for params in ("api_key: [hush]", "timeout: hush", "weight: hush", "extra_headers: hush", "api_base: {a: hush}"):
        assert "hush" not in complaint(
            f"model_list:\n  - model_name: m\n    litellm_params: {{model: gpt-5, {params}}}"
        )


def test_a_reference_is_resolved_when_somebody_asks() -> None:
    secret = Secret("os.environ/NAME")
    assert secret.variable == "NAME"
    assert secret.resolve({"NAME": "value"}) == "value"
    assert secret.resolve({"NAME": ""}) is None
    assert secret.resolve({}) is None
    plain = Secret("sk-1")
    assert (plain.variable, plain.resolve({})) == (None, "sk-1")
    for other in (copy.deepcopy(secret), pickle.loads(pickle.dumps(secret))):
        assert other == secret
        assert repr(other) == "'***'"


def test_an_id_stays_when_keys_and_limits_change() -> None:
    known = id_of("model: openai/gpt-5, api_key: a")
    for params in (
        "model: openai/gpt-5",
        "model: openai/gpt-5, api_key: b",
        "api_key: os.environ/X, model: openai/gpt-5",
        "model: openai/gpt-5, weight: 2",
        "model: openai/gpt-5, timeout: 5, stream_timeout: 5, max_retries: 1",
        "model: openai/gpt-5, extra_headers: {a: b}",
        "model: openai/gpt-5, rpm: 5",
        "model: openai/gpt-5, aws_secret_access_key: k, client_secret: s, vertex_credentials: c, azure_ad_token: t",
    ):
        assert id_of(params) == known


def test_an_id_changes_with_the_place_it_points_to() -> None:
    params = (
        "model: openai/gpt-5",
        "model: openai/gpt-5-mini",
        "model: openai/gpt-5, api_base: 'http://a'",
        "model: openai/gpt-5, api_base: 'http://b'",
        "model: openai/gpt-5, organization: o",
        "model: openai/gpt-5, use_chat_completions_api: true",
        "model: openai/gpt-5, extra_body: {a: 1}",
        "model: openai/gpt-5, api_version: v1",
        "model: openai/gpt-5, vertex_project: p",
        "model: openai/gpt-5, vertex_location: l",
        "model: openai/gpt-5, aws_region_name: r",
        "model: openai/gpt-5, aws_bedrock_runtime_endpoint: 'http://a'",
    )
    assert len({id_of(one) for one in params}) == len(params)


def test_one_place_with_several_keys_is_several_deployments() -> None:
    entries = "".join(
        f"  - {{model_name: m, litellm_params: {{model: gpt-5, api_key: {key}}}}}\n" for key in ("a", "b", "c")
    )
    config = parse("model_list:\n" + entries)
    first, second, third = config.deployments
    assert (second, third) == (f"{first}-2", f"{first}-3")
    assert [deployment.params.api_key for deployment in config.group("m")] == ["a", "b", "c"]


def test_anchors_and_merge_keys_are_followed_and_give_way() -> None:
    config = parse(
        dedent("""\
        one: &one {api_base: "http://one", timeout: 1}
        two: &two {<<: *one, timeout: 2, weight: 2}
        model_list:
          - &entry
            model_name: a
            litellm_params: &params
              <<: [*two, *one]
              model: openai/x
              timeout: 3
          - model_name: b
            litellm_params: {<<: *params, model: openai/y}
          - *entry
        """)
    )
    assert config.reports == ("config, line 1: one has no effect", "config, line 2: two has no effect")
    (x, again), (y,) = config.group("a"), config.group("b")
    assert (x.params.api_base, x.params.timeout, x.params.weight) == ("http://one", 3, 2)
    assert (y.params.model, y.params.timeout) == ("openai/y", 3)
    assert again.params == x.params


@given(st.text())
def test_any_text_is_a_configuration_or_a_complaint(text: str) -> None:
    with suppress(Complaint):
        assert isinstance(parse(text), Config)


@given(st.lists(st.sampled_from([*FULL.splitlines(), "  - a", "    b: 1", "<<: *a", "x: &a", "]"])))
def test_any_lines_are_a_configuration_or_a_complaint(lines: list[str]) -> None:
    with suppress(Complaint):
        assert isinstance(parse("\n".join(lines)), Config)


def test_a_deployment_may_say_otherwise_than_all() -> None:
    text = """
    litellm_settings: {drop_params: true}
    model_list:
      - {model_name: a, litellm_params: {model: openai/a}}
      - {model_name: b, litellm_params: {model: openai/b, drop_params: false}}
    """
    config = parse(text)
    assert config.reports == ()
    assert [one.params.drop_params for one in config.deployments.values()] == [True, False]
