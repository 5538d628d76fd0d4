"""What the files in `deploy/` ask Prometheus, and the little of PromQL that is needed to look into it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARDS = DEPLOY / "grafana" / "dashboards"
RULES = DEPLOY / "prometheus" / "rules"

_WORDS = frozenset({"and", "or", "unless", "by", "without", "on", "ignoring", "offset", "bool", "group_left", "inf"})
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_LABELS = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"(?<![\w:.])([a-zA-Z_][\w:]*)(\{[^}]*\})?(?![\w:]*\s*\()")
_COMPARISON = re.compile(r"(?<=[\w)}\]]) (>=|<=|==|!=|>|<) (?!bool)")


@dataclass(frozen=True)
class Asked:
    """One expression, and where it stands."""

    where: str
    expression: str

    def __str__(self) -> str:
        return self.where


def panels() -> list[Asked]:
    return [
        Asked(f"{file.stem}: {panel['title']}: {target['refId']}", target["expr"])
        for file in sorted(DASHBOARDS.glob("*.json"))
        for panel in json.loads(file.read_text())["panels"]
        for target in panel.get("targets", [])
    ]


def rules() -> list[dict[str, Any]]:
    """Of all files, in their order."""
    return [
        rule
        for file in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[Asked]:
    return [Asked(rule["alert"], rule["expr"]) for rule in rules() if "alert" in rule]


def recorded() -> list[Asked]:
    return [Asked(rule["record"], rule["expr"]) for rule in rules() if "record" in rule]


def selectors(expression: str) -> set[tuple[str, str]]:
    """The names of metrics, each with its matchers in braces or nothing."""
    text = re.sub(r"\[[^\]]*\]|\boffset \w+", "", _LABELS.sub("", expression))
    hidden: list[str] = []

    def hide(found: re.Match[str]) -> str:
        hidden.append(found[0])
        return f'"{len(hidden) - 1}"'

    text = _STRING.sub(hide, text)
    return {
        (name, re.sub(r'"(\d+)"', lambda one: hidden[int(one[1])], braces))
        for name, braces in _SELECTOR.findall(text)
        if name not in _WORDS
    }


def labels(expression: str) -> set[str]:
    """All labels that it goes by."""
    grouped = {label.strip() for clause in _LABELS.findall(expression) for label in clause.split(",")}
    matched = {
        label
        for _, braces in selectors(expression)
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", _STRING.sub("", braces))
    }
    return (grouped | matched) - {""}


def without_comparisons(expression: str) -> str:
    """The same, telling 1 or 0 where it would tell nothing: what an alert looks at, whether it fires or not."""
    return _COMPARISON.sub(r" \1 bool ", expression)
