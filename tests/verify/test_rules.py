"""What Prometheus itself says of the rules, and when alerts fire: the cases in `prometheus/`."""

import subprocess
from pathlib import Path

import pytest

from tests.rig.prometheus import binary
from tests.rig.promql import DEPLOY, RULES

CASES = Path(__file__).parent / "prometheus"


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run([binary("promtool"), *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", *sorted(RULES.glob("*.yml")))


def test_prometheus_takes_its_configuration() -> None:
    promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yml")


@pytest.mark.parametrize("case", sorted(CASES.glob("*.yml")), ids=lambda case: case.stem)
def test_alerts_fire_when_they_should_and_only_then(case: Path) -> None:
    promtool("test", "rules", case)
