"""Whoever is on call finds every code of an error in the runbook, and every link of it leads somewhere."""

import re
from pathlib import Path

from deploy.grafana.source.__main__ import BOARDS
from tests.rig.codes import by_status, codes

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "operations.md"
RUNBOOK = FILE.read_text()
TEXT = RUNBOOK.partition("\n## Error codes\n")[2]


def headings() -> set[str]:
    return set(re.findall(r"^#### `(\w+)`$", TEXT, re.MULTILINE))


def rows() -> set[str]:
    return {
        code for cell in re.findall(r"^\| (`[^|]+) \|", TEXT, re.MULTILINE) for code in re.findall(r"`(\w+)`", cell)
    }


def test_every_code_is_explained_and_no_other() -> None:
    assert headings() | rows() == codes() | {"invalid_request", "not_found"}
    assert not headings() & rows()


def test_what_is_our_fault_has_a_section_of_its_own() -> None:
    assert by_status(500) <= headings()


def test_its_links_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
        for line in re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)
    }

    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) <= anchors


def test_it_names_panels_that_there_are() -> None:
    """As in: `queues`, "Slots" and "In use, by worker"; perhaps with the beginning of a title only."""
    titles = {
        board.name: [row.title for row in board.rows] + [panel.title for row in board.rows for panel in row.panels]
        for board in BOARDS
    }
    named = [
        (board, title)
        for board, said in re.findall(r"`(\w+)`, ((?:\"[^\"]+\"(?: and |, )?)+)", RUNBOOK.replace("\n ", ""))
        if board in titles
        for title in re.findall(r'"([^"]+)"', said)
    ]

    assert len(named) > 20
    for board, title in named:
        assert any(one.startswith(title) for one in titles[board]), (board, title)
