"""Where lines about requests go, by the names of the settings and of LiteLLM."""

import base64

import pytest

from warren import config, sinks
from warren.settings import Complaint
from warren.sinks import Callback


def test_a_sink_is_what_its_name_looks_like() -> None:
    assert sinks.sink("stdout", {}).form == "stdout"
    assert sinks.sink("file:/var/log/w.log", {}).place == "/var/log/w.log"
    made = sinks.sink("https://siem.example/in", {"WARREN_WEBHOOK_SECRET": "whsec_" + base64.b64encode(b"x").decode()})
    assert (made.form, made.place, made.secret) == ("webhook", "https://siem.example/in", b"x")
    assert sinks.sink("otlp", {}).place == "http://localhost:4318/v1/logs"


def test_opentelemetrys_variables_are_read() -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/",
        "OTEL_EXPORTER_OTLP_HEADERS": "X-Key=a%20b, y=z",
    }
    logs = sinks.sink("otlp", environ)
    assert (logs.place, logs.headers) == ("http://collector:4318/v1/logs", {"x-key": "a b", "y": "z"})
    assert sinks.sink("otel", environ).place == "http://collector:4318/v1/traces"
    assert sinks.sink("otel", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x"}).place == "http://t/x"


@pytest.mark.parametrize(
    ("name", "environ", "place", "header"),
    [
        ("langfuse", {"LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk"},
         "https://cloud.langfuse.com/api/public/otel/v1/traces", ("authorization", "Basic cGs6c2s=")),
        ("langfuse_otel", {"LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk", "LANGFUSE_HOST": "http://lf:3000/"},
         "http://lf:3000/api/public/otel/v1/traces", ("authorization", "Basic cGs6c2s=")),
        ("arize", {"ARIZE_SPACE_ID": "s", "ARIZE_API_KEY": "k"}, "https://otlp.arize.com/v1/traces", ("api_key", "k")),
        ("arize_phoenix", {"PHOENIX_API_KEY": "k"}, "https://app.phoenix.arize.com/v1/traces",
         ("authorization", "Bearer k")),
        ("arize_phoenix", {"PHOENIX_COLLECTOR_HTTP_ENDPOINT": "http://p:1/v1/traces"}, "http://p:1/v1/traces", None),
        ("generic_api", {"GENERIC_LOGGER_ENDPOINT": "https://in.example", "GENERIC_LOGGER_HEADERS": "a=b"},
         "https://in.example", ("a", "b")),
    ],
)  # fmt: skip
def test_litellms_callbacks_read_their_variables(
    name: str, environ: dict[str, str], place: str, header: tuple[str, str] | None
) -> None:
    made = sinks.sink(name, environ)
    assert made.place == place
    assert header is None or made.headers[header[0]] == header[1]


@pytest.mark.parametrize("name", ["langfuse", "arize", "generic_api"])
def test_a_variable_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(Complaint, match="needs the variable"):
        sinks.sink(name, {})


def test_what_is_no_sink_is_complained_about() -> None:
    with pytest.raises(Complaint, match="datadog"):
        sinks.sink("datadog", {})
    with pytest.raises(Complaint, match="WARREN_WEBHOOK_SECRET"):
        sinks.sink("https://x.example", {"WARREN_WEBHOOK_SECRET": "whsec_???"})


def test_secrets_do_not_show() -> None:
    made = sinks.sink("langfuse", {"LANGFUSE_PUBLIC_KEY": "pk-1", "LANGFUSE_SECRET_KEY": "sk-2"})
    assert "Basic" not in repr(made)


FILE = """
model_list: []
litellm_settings:
  success_callback: [langfuse, datadog]
  failure_callback: [otel]
  callbacks: generic_api
general_settings:
  store_prompts_in_spend_logs: true
"""


def test_callbacks_of_the_configuration_are_known_or_reported_by_their_line() -> None:
    made = config.parse(FILE, "config.yaml", {})
    assert set(made.callbacks) == {
        Callback("generic_api"), Callback("langfuse", failed=False), Callback("otel", others=False),
    }  # fmt: skip
    [report] = made.reports
    assert report.startswith("config.yaml, line 4: litellm_settings.success_callback[1]: 'datadog' is told nothing")


def test_of_success_and_of_failure_is_of_all() -> None:
    text = "model_list: []\nlitellm_settings: {success_callback: [otel], failure_callback: [otel]}"
    assert config.parse(text, "c", {}).callbacks == (Callback("otel"),)


def test_each_sink_is_there_once() -> None:
    made, reports = sinks.all_of(["stdout", "otel", "none"], [Callback("otel", failed=False)], {})
    assert [(one.name, one.failed) for one in made] == [("stdout", True), ("otel", True)]
    assert reports == []


def test_a_callback_without_its_variables_is_no_reason_not_to_start() -> None:
    made, [report] = sinks.all_of([], [Callback("langfuse"), Callback("otel")], {})
    assert [one.name for one in made] == ["otel"]
    assert "LANGFUSE_PUBLIC_KEY" in report
    with pytest.raises(Complaint):
        sinks.all_of(["langfuse"], [], {})
