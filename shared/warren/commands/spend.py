"""`warren spend`: what was spent, as a table with a bar for each row; `warren spend reprice` is another command. Needs
the master key of a gateway.
"""

import shutil
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlencode

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from warren.commands import reprice
from warren.commands.managing import Answer, Json, Managing, ask, opened, run
from warren.errors import WarrenError

_BLOCKS = "▏▎▍▌▋▊▉█"
_BAR = 40
_NAMES = ("day", "model", "provider", "deployment", "key", "account", "user", "tag")


class Spending(Managing):
    """Show what was spent, in US dollars. `warren spend reprice` prices again what was called."""

    model_config = SettingsConfigDict(cli_prog_name="warren spend")

    by: str = "model"
    """What to tell apart, by commas: day, model, provider, deployment, key, account, user, tag."""

    since: str | None = None
    """The first day, like 2026-01-31; 30 days by default."""

    until: str | None = None
    """The last day; today by default. Days are those of UTC."""

    model: str | None = None
    """Only of this one, as the provider calls it."""

    provider: str | None = None
    """Only of this one."""

    deployment: str | None = None
    """Only of this one."""

    key: str | None = None
    """Only of this one: a key, its id or its alias."""

    account: str | None = None
    """Only of this one."""

    user: str | None = None
    """Only of this end user."""

    tag: str | None = None
    """Only of what has it."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000
    """How many rows."""

    csv: bool = False
    """Write CSV."""

    def path(self) -> str:
        filters = self.model_dump(include={*_NAMES} & {*type(self).model_fields}, exclude_none=True)
        dates = {"start_date": self.since, "end_date": self.until}
        query = {"group_by": self.by, "limit": self.limit, **filters}
        return f"global/spend/report?{urlencode(query | {name: day for name, day in dates.items() if day})}"


def main(arguments: list[str]) -> None:
    match arguments:
        case ["reprice", *rest]:
            reprice.main(rest)
        case _:
            run(Spending, arguments, _report)


def _report(wanted: Spending) -> Answer:
    if wanted.csv and wanted.as_json:
        raise WarrenError("It is --json or --csv, not both.", code="invalid_value")
    if wanted.csv:
        with opened(wanted, f"{wanted.path()}&format=csv") as answer:
            return None, answer.read().decode().replace("\r\n", "\n")
    report = ask(wanted, wanted.path())
    width = shutil.get_terminal_size((100, 24)).columns
    return report, table(report, width, plain=not _unicode())


def _unicode() -> bool:
    return "utf" in (sys.stdout.encoding or "").lower()


def table(report: Json, width: int, *, plain: bool = False) -> str:
    """The rows of a report, with what they have cost as bars. `plain`: without what only Unicode has."""
    rows: list[Json] = report["data"]
    head = f"{report['start_date']} to {report['end_date']}, by {', '.join(report['group_by'])}\n"
    if not rows:
        return f"{head}\nNothing was asked for.\n"
    cells = [[*_names(row, report["group_by"]), *_figures(row)] for row in rows]
    if "tag" not in report["group_by"]:  # a request may have several
        total = _total(rows)
        cells.append(["total", *[""] * (len(report["group_by"]) - 1), *_figures(total)])
    titles = [*report["group_by"], "requests", "tokens in", "out", "spent"]
    sizes = [max(len(line[at]) for line in [titles, *cells]) for at in range(len(titles))]
    lines = [_line(line, sizes, len(report["group_by"])) for line in [titles, *cells]]
    room = min(_BAR, width - len(lines[0]) - 2)
    most = max(_spent(row) for row in rows)
    bars = ["", *(_bar(_spent(row), most, room, plain=plain) for row in rows), ""]
    text = "\n".join(f"{line}  {bar}".rstrip() for line, bar in zip(lines, bars, strict=False))
    return f"{head}\n{text}\n{_notes(rows, more=report['has_more'])}"


def _names(row: Json, by: Sequence[str]) -> list[str]:
    return [str(row.get("key_alias") or row[name] or "–") if name == "key" else row[name] or "–" for name in by]


def _figures(row: Json) -> list[str]:
    spent = "unknown" if row["spend_exact"] is None else f"${_spent(row):,.4f}"
    return [
        f"{row['requests']:,}",
        f"{row['input_tokens']:,}",
        f"{row['output_tokens']:,}",
        spent + ("+" if row["unpriced_calls"] and row["spend_exact"] is not None else ""),
    ]


def _spent(row: Json) -> Decimal:
    return Decimal(row["spend_exact"] or 0)


def _total(rows: Sequence[Json]) -> Json:
    summed = {name: sum(row[name] for row in rows) for name in ("requests", "input_tokens", "output_tokens")}
    known = [_spent(row) for row in rows if row["spend_exact"] is not None]
    unpriced = sum(row["unpriced_calls"] for row in rows)
    return {**summed, "unpriced_calls": unpriced, "spend_exact": str(sum(known, Decimal(0))) if known else None}


def _line(cells: Sequence[str], sizes: Sequence[int], names: int) -> str:
    """Names to the left, figures to the right."""
    return "  ".join(
        cell.ljust(size) if at < names else cell.rjust(size)
        for at, (cell, size) in enumerate(zip(cells, sizes, strict=True))
    )


def _bar(amount: Decimal, most: Decimal, room: int, *, plain: bool) -> str:
    if not amount or room < 1:
        return ""
    eighths = max(1, round(amount / most * room * 8))
    if plain:
        return "#" * max(1, eighths // 8)
    return "█" * (eighths // 8) + (_BLOCKS[eighths % 8 - 1] if eighths % 8 else "")


def _notes(rows: Sequence[Json], *, more: bool) -> str:
    unpriced = sum(row["unpriced_calls"] for row in rows)
    said = f"\n+ and what {unpriced:,} calls cost that have no known price\n" if unpriced else ""
    return said + ("\n… there are more rows; see --limit\n" if more else "")
