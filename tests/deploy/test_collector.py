"""The collector's configuration, as far as it can be judged without a collector."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COLLECTOR: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "otel" / "collector.yaml").read_text())
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def test_pipelines_are_made_of_what_is_configured_and_nothing_is_left_over() -> None:
    used: dict[str, set[str]] = {"receivers": set(), "processors": set(), "exporters": set()}
    for pipeline in COLLECTOR["service"]["pipelines"].values():
        assert pipeline["processors"][0] == "memory_limiter"
        assert pipeline["processors"][-1] == "batch"
        for kind, names in pipeline.items():
            used[kind].update(names)

    assert used == {kind: set(COLLECTOR[kind]) for kind in used}


def test_failed_and_slow_traces_are_kept_whatever_else_is() -> None:
    policies = {one["type"]: one[one["type"]] for one in COLLECTOR["processors"]["tail_sampling"]["policies"]}

    assert policies.keys() == {"status_code", "latency", "probabilistic"}
    assert policies["status_code"] == {"status_codes": ["ERROR"]}


def test_traces_go_to_whom_the_compose_file_starts() -> None:
    host, port = COLLECTOR["exporters"]["otlp/jaeger"]["endpoint"].split(":")
    example = (ROOT / ".env.example").read_text()
    [(receiver, at)] = set(re.findall(r"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://(\w+):(\d+)/v1/traces", example))

    assert host in SERVICES
    assert port == "4317"
    assert receiver in SERVICES
    assert COLLECTOR["receivers"]["otlp"]["protocols"]["http"]["endpoint"].endswith(f":{at}")


def test_prometheus_scrapes_what_is_pushed_and_the_collector_itself() -> None:
    jobs = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    [targets] = [one["static_configs"][0]["targets"] for one in jobs if one["job_name"] == "collector"]
    [reader] = COLLECTOR["service"]["telemetry"]["metrics"]["readers"]
    pushed = COLLECTOR["exporters"]["prometheus"]["endpoint"].rpartition(":")[2]

    assert targets == [f"collector:{reader['pull']['exporter']['prometheus']['port']}", f"collector:{pushed}"]
