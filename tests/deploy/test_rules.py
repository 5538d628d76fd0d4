"""What alerts say to whoever is woken by them. Whether they fire when they should: `tests/verify`."""

import re
from pathlib import Path

import pytest

from tests.rig.codes import by_status
from tests.rig.promql import RULES, rules

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "operations.md").read_text()
ALERTS = [rule for rule in rules() if "alert" in rule]


def sections() -> list[str]:
    """The headings of the runbook under the one of alerts."""
    text = RUNBOOK.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    return re.findall(r"^### (\w+)$", text, re.MULTILINE)


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    assert {rule["alert"] for rule in ALERTS} == set(sections())
    assert len(sections()) == len(set(sections()))


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_where_to_read_on(rule: dict[str, object]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")  # type: ignore[index]
    assert rule["annotations"] == {
        "summary": rule["annotations"]["summary"],  # type: ignore[index]
        "runbook_url": f"docs/operations.md#{str(rule['alert']).lower()}",
    }


def test_a_section_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    for name in sections():
        text = RUNBOOK.partition(f"\n### {name}\n")[2].partition("\n#")[0]
        assert text.count("- **Means**: ") == 1, name
        assert re.search(r"- \*\*Look\*\*: .*- \*\*Do\*\*: |- \*\*Look, do\*\*: ", text, re.DOTALL), name


def test_what_counts_against_the_objective_is_what_is_ours_or_a_providers_fault() -> None:
    [found] = re.findall(r'error_type=~"([^"]+)"', (RULES / "objective.yml").read_text())

    assert found.split("|") == sorted(by_status(500))
