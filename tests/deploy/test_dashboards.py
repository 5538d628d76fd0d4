"""The dashboards and the rules ask for what there is, and Grafana can read them. What they get: `tests/verify`."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.source.__main__ import files
from tests.rig.promql import DASHBOARDS, Asked, alerts, labels, panels, recorded, selectors
from warren.telemetry.measuring import ALL
from warren.telemetry.page import prometheus

ROOT = Path(__file__).parents[2]
SUFFIXES = {False: ("",), True: ("_bucket", "_sum", "_count")}
ELSEWHERE = re.compile(r"rabbitmq_\w+|up|ALERTS")
"""Metrics that others have."""
EXPOSED = {f"{prometheus(one)}{suffix}": one for one in ALL.values() for suffix in SUFFIXES[one.kind == "histogram"]}
"""Our instruments, by what Prometheus calls their series."""
THEIRS = {"job", "instance", "queue", "alertstate", "le"}
"""Labels that others give."""


def test_the_files_are_what_their_source_says() -> None:
    assert {file.name: file.read_text() for file in DASHBOARDS.iterdir()} == files(), "run `make dashboards`"


@pytest.mark.parametrize("asked", [*panels(), *alerts(), *recorded()], ids=str)
def test_what_is_asked_for_exists(asked: Asked) -> None:
    made = {rule.where for rule in recorded()}
    names = {name for name, _ in selectors(asked.expression)}
    ours = {name for name in names if name not in made and not ELSEWHERE.fullmatch(name)}

    assert names
    assert ours <= EXPOSED.keys()
    if not names & made:
        known = {label.replace(".", "_") for name in ours for label in EXPOSED[name].labels}
        assert labels(asked.expression) <= THEIRS | known


def test_what_is_measured_is_looked_at() -> None:
    """Some instruments are there for the dashboards of others."""
    asked = {name for one in [*panels(), *alerts(), *recorded()] for name, _ in selectors(one.expression)}
    looked_at = {EXPOSED[name].name for name in asked if name in EXPOSED}

    assert ALL.keys() - looked_at == {"gen_ai.client.token.usage", "http.server.active_requests"}


@pytest.mark.parametrize("file", sorted(DASHBOARDS.iterdir()), ids=lambda file: file.stem)
def test_a_dashboard_is_one_that_grafana_can_show(file: Path) -> None:
    board: dict[str, Any] = json.loads(file.read_text())
    variables = {one["name"] for one in board["templating"]["list"]}
    places = [panel["gridPos"] for panel in board["panels"]]

    assert board["uid"] == f"warren-{file.stem}"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert not any(map(overlap, *zip(*combinations(places, 2), strict=True)))
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            used = set(re.findall(r"\$\{?(\w+)", target["expr"] + target["datasource"]["uid"]))
            assert used <= variables | {"__rate_interval", "__range"}


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size] for at, size in (("x", "w"), ("y", "h"))
    )


def test_grafana_finds_the_dashboards_and_who_answers_them() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    [provider] = yaml.safe_load((folder / "dashboards" / "warren.yaml").read_text())["providers"]
    sources = yaml.safe_load((folder / "datasources" / "warren.yaml").read_text())["datasources"]
    mounted = dict(volume.split(":")[:2][::-1] for volume in services["grafana"]["volumes"])

    assert mounted[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    assert mounted["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"
    for source in sources:
        host, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()  # type: ignore[union-attr]
        assert services[host]["ports"][0].endswith(f":{port}")
