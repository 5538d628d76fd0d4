"""What can be said of the compose file and the Dockerfile without an engine."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic_settings import BaseSettings
from pymongo import uri_parser

from warren import config
from warren.brokers import nodes
from warren_gateway.settings import GatewaySettings
from warren_ledger.settings import LedgerSettings
from warren_worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CLUSTER: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "cluster.yml").read_text())
SETTINGS: dict[str, type[BaseSettings]] = {
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
    "ledger": LedgerSettings,
}
OURS = [*SETTINGS, "model"]
OBSERVERS = [service for service, options in SERVICES.items() if options.get("profiles") == ["observability"]]
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def stages() -> dict[str, list[str]]:
    """The instructions of each stage of the Dockerfile, by the name of the stage."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("FROM "):
            name = line.rpartition(" AS ")[2]
        found.setdefault(name, []).append(line)
    return found


def by_default(text: str) -> str:
    """What compose makes of a value without a .env."""
    return VARIABLE.sub(lambda match: match[2], text)


@pytest.mark.parametrize("service", OURS)
def test_each_service_is_built_by_the_one_dockerfile(service: str) -> None:
    assert SERVICES[service]["build"]["args"] == {"SERVICE": service}
    assert "command" not in SERVICES[service]
    assert "entrypoint" not in SERVICES[service]


@pytest.mark.parametrize("service", OURS)
def test_each_image_runs_a_module_that_exists_as_nobody_special(service: str) -> None:
    stage = stages()[f"run-{service}"]
    [command] = [line for line in stage if line.startswith("CMD ")]
    python, flag, module, *_ = yaml.safe_load(command.removeprefix("CMD "))
    users = [line.split()[1] for line in [*stages()["base"], *stage] if line.startswith("USER ")]

    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(module)
    assert users[-1] == "10001:10001"


@pytest.mark.parametrize("service", [service for service in SERVICES if service != "collector"])
def test_each_service_says_when_it_is_well(service: str) -> None:
    if service in OURS:
        assert any(line.startswith("HEALTHCHECK ") and "CMD [" in line for line in stages()[f"run-{service}"])
    else:
        assert SERVICES[service]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_bounded_and_comes_back(service: str) -> None:
    options = SERVICES[service]

    assert options["restart"] == "unless-stopped"
    assert options["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert options["logging"]["options"]["max-size"]
    assert "no-new-privileges:true" in options["security_opt"]


@pytest.mark.parametrize("service", OURS)
def test_our_services_can_write_nowhere_but_tmp(service: str) -> None:
    assert SERVICES[service]["read_only"] is True
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert all(volume.endswith(":ro") for volume in SERVICES[service].get("volumes", []))


@pytest.mark.parametrize("service", SETTINGS)
def test_the_environment_names_settings_and_its_defaults_are_good(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = SERVICES[service]["environment"]
    known = {f"WARREN_{name.upper()}" for name in SETTINGS[service].model_fields}
    assert environment.keys() <= known | {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}  # the SDK reads its own

    for name in [name for name in os.environ if name.startswith("WARREN_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, by_default(value))
    SETTINGS[service]()


def test_a_stopping_service_has_longer_than_it_takes_to_drain() -> None:
    for service in SETTINGS:
        drain = int(by_default(SERVICES[service]["environment"]["WARREN_DRAIN"]))
        assert int(SERVICES[service]["stop_grace_period"].removesuffix("s")) > drain


def test_only_what_people_look_at_is_reachable_and_only_from_this_machine() -> None:
    ports = {service: by_default(*options["ports"]) for service, options in SERVICES.items() if "ports" in options}

    assert ports == {
        "gateway": "127.0.0.1:4000:4000", "grafana": "127.0.0.1:3000:3000", "jaeger": "127.0.0.1:16686:16686",
        "prometheus": "127.0.0.1:9090:9090",
    }  # fmt: skip


def test_only_the_worker_gets_provider_keys() -> None:
    files = {service: [one["path"] for one in options.get("env_file", [])] for service, options in SERVICES.items()}
    assert {service: paths for service, paths in files.items() if paths} == {
        "worker": [".env.providers"], "ledger": [".env.sinks"],
    }  # fmt: skip


def test_a_service_meets_those_it_talks_to_and_nobody_else() -> None:
    def shared(one: str, other: str) -> set[str]:
        return {*SERVICES[one]["networks"]} & {*SERVICES[other]["networks"]} - {"out"}

    met = {one: {other for other in SERVICES if other != one and shared(one, other)} for one in SERVICES}

    assert met["mongo"] == {"ledger"}
    assert met["model"] == {"worker"}
    assert met["rabbitmq"] == {"gateway", "worker", "ledger", "collector", "prometheus"}
    assert met["grafana"] == {"collector", "jaeger", "prometheus"}
    assert {name for name, options in COMPOSE["networks"].items() if options.get("internal")} == {
        "bus", "store", "model", "telemetry",
    }  # fmt: skip


def test_services_can_be_scaled() -> None:
    assert not any("container_name" in options for options in SERVICES.values())


def test_the_example_env_tells_every_variable_with_its_default() -> None:
    example = dict(
        line.split("=", 1)
        for line in (ROOT / ".env.example").read_text().splitlines()
        if line and not line.startswith("#")
    )

    assert example == dict(VARIABLE.findall((ROOT / "docker-compose.yml").read_text()))


def test_the_default_configuration_is_one_that_we_can_read() -> None:
    read = config.load(ROOT / "deploy" / "config.yaml")

    assert read.models() == ["smollm2"]
    assert not read.reports


def test_what_is_mounted_exists() -> None:
    for options in SERVICES.values():
        for volume in options.get("volumes", []):
            source = by_default(volume).partition(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_what_observes_is_started_when_wanted_only() -> None:
    assert OBSERVERS == ["collector", "jaeger", "prometheus", "grafana"]
    assert not any("profiles" in SERVICES[service] for service in SERVICES if service not in OBSERVERS)
    assert not any({*SERVICES[service].get("depends_on", ())} & {*OBSERVERS} for service in [*OURS, "rabbitmq"])
    assert all(re.search(r":v?\d+\.\d+\.\d+$", SERVICES[service]["image"]) for service in OBSERVERS)


def test_prometheus_meets_what_it_scrapes_at_the_port_that_is_served() -> None:
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    found = {
        (name, discovery["port"])
        for job in scraped
        for discovery in job.get("dns_sd_configs", [])
        for name in discovery["names"]
    }

    brokers = {(name, 15692) for name in CLUSTER["services"] if name.startswith("rabbitmq")}
    assert found == {("gateway", 9464), ("worker", 9464), ("ledger", 9464), *brokers}
    assert all("telemetry" in {**CLUSTER["services"], **SERVICES}[name]["networks"] for name, _ in found)
    assert "telemetry" in SERVICES["prometheus"]["networks"]
    assert {SERVICES[service]["environment"]["WARREN_METRICS_PORT"] for service in SETTINGS} == {"9464"}


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1628 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:9C40 0200007F:1628 {state} 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
"""


@pytest.mark.parametrize(("state", "well"), [("01", True), ("06", False)])
def test_a_service_is_well_while_it_is_connected(tmp_path: Path, state: str, *, well: bool) -> None:
    health = importlib.util.spec_from_file_location("health", ROOT / "deploy" / "health.py")
    assert health
    assert health.loader
    module = importlib.util.module_from_spec(health)
    health.loader.exec_module(module)
    table = tmp_path / "tcp"
    table.write_text(TABLE.format(state=state))

    assert module.connected("amqp://guest:guest@rabbitmq", (table, tmp_path / "none")) is well
    assert not module.connected("amqp://guest:guest@rabbitmq:5673/", (table,))
    assert not module.connected("amqps://guest:guest@rabbitmq", (table,))
    assert module.connected("amqp://guest:gu,est@one:5673, two/", (table,)) is well


def test_nobody_answers_on_a_free_port() -> None:
    done = subprocess.run([sys.executable, "-I", ROOT / "deploy" / "health.py", "http", "1", "/"], check=False)

    assert done.returncode == 1


def test_a_cluster_is_what_the_services_are_told_of() -> None:
    services: dict[str, dict[str, Any]] = CLUSTER["services"]
    brokers = [name for name in services if name.startswith("rabbitmq")]
    databases = [name for name in services if name.startswith("mongo") and name != "mongo-set"]
    assert len(brokers) == len(databases) == 3
    for service in SETTINGS:
        url = by_default(services[service]["environment"]["WARREN_AMQP_URL"])
        assert [urlsplit(node).hostname for node in nodes(url)] == brokers
    formed = (ROOT / "deploy" / "rabbitmq" / "cluster.conf").read_text()
    assert re.findall(r"rabbit@(\S+)", formed) == brokers
    members = uri_parser.parse_uri(services["ledger"]["environment"]["WARREN_MONGO_URL"])["nodelist"]
    assert [host for host, _ in members] == services["mongo-set"]["command"][3:] == databases


def test_what_a_cluster_mounts_exists() -> None:
    for options in CLUSTER["services"].values():
        for volume in options.get("volumes", []):
            source = volume.partition(":")[0]
            assert (ROOT / source).is_file() if source.startswith(".") else source in CLUSTER["volumes"]
