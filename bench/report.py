"""The tables."""

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from bench import usage
from bench.runs import Result

_PARTS = ("embedded", "gateway", "worker", "ledger", "rabbitmq", "mongod")
Memory = list[tuple[str, dict[str, float]]]


def head(load_before: float) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{now}; {usage.machine()}; load average before: {load_before:.1f}"


def load_average() -> float:
    """Of the minute before."""
    return os.getloadavg()[0]


def table(title: str, rows: list[list[str]]) -> str:
    return "\n".join(_section(title, rows)).rstrip()


def tables(results: Sequence[Result]) -> str:
    closed = [result for result in results if result.load.kind == "closed" and not result.load.stream]
    opened = [result for result in results if result.load.kind == "open"]
    streams = [result for result in results if result.load.stream]
    return "\n".join(
        [
            *_section("Requests, not streamed, closed loop", _closed(closed)),
            *_section("Latency at a fixed rate", _open(opened)),
            *_section("Streams of 200 deltas", _streams(streams)),
            *_section("CPU seconds per 1,000 requests", _cpu([*closed, *opened])),
            *_section("CPU microseconds per delta, 64 streams", _cpu_of_streams(streams)),
            *_problems(results),
        ]
    ).rstrip()


def memory(title: str, looks: Memory) -> str:
    """Memory of each process, a row for each look."""
    names = [name for name in _PARTS if any(name in parts for _, parts in looks)]
    rows = [[when, *(f"{parts[name]:.0f}" for name in names)] for when, parts in looks]
    return "\n".join(_section(title, [["", *names], *rows])).rstrip()


def _closed(results: Iterable[Result]) -> list[list[str]]:
    rows = [["system", "upstream", "clients", "requests/s", "p50 ms", "p99 ms", "CPU s/1,000", "errors", "beside"]]
    for result in results:
        seen = result.seen
        cost = _sum(result.per_request())
        rows.append(
            [*_who(result), str(result.load.clients), f"{result.rate:,.0f}", _ms(seen.p50), _ms(seen.p99), cost]
        )
        rows[-1] += [str(seen.errors), f"{result.beside:.1f}"]
    return rows


def _open(results: Sequence[Result]) -> list[list[str]]:
    rows = [
        [
            "system",
            "upstream",
            "rate/s",
            "p50 ms",
            "p99 ms",
            "added p50",
            "added p99",
            "CPU s/1,000",
            "errors",
            "beside",
        ]
    ]
    direct = {result.load.rate: result.seen for result in results if result.system == "direct"}
    for result in results:
        seen = result.seen
        base = direct.get(result.load.rate)
        added = [_ms(seen.p50 - base.p50), _ms(seen.p99 - base.p99)] if base and result.cpu else ["–", "–"]
        rows.append([*_who(result), f"{result.load.rate:g}", _ms(seen.p50), _ms(seen.p99), *added])
        rows[-1] += [_sum(result.per_request()), str(seen.errors), f"{result.beside:.1f}"]
    return rows


def _streams(results: Iterable[Result]) -> list[list[str]]:
    rows = [
        [
            "system",
            "upstream",
            "streams",
            "deltas/s",
            "first delta p50 ms",
            "p99 ms",
            "CPU µs/delta",
            "errors",
            "beside",
        ]
    ]
    for result in results:
        seen = result.seen
        streams = f"{result.load.clients}{', a delta every 10 ms' if result.paced else ''}"
        rows.append([*_who(result), streams, f"{result.deltas:,.0f}", _ms(seen.first_p50), _ms(seen.first_p99)])
        rows[-1] += [_sum(result.per_delta(), 1), str(seen.errors), f"{result.beside:.1f}"]
    return rows


def _cpu(results: Iterable[Result]) -> list[list[str]]:
    rows = [["system", "upstream", "load", "in all", *_PARTS, "behind s"]]
    for result in results:
        load = f"{result.load.rate:g}/s" if result.load.rate else f"{result.load.clients} clients"
        if result.cpu and load != "1 clients":
            parts = result.per_request()
            costs = [f"{parts[name]:.2f}" if name in parts else "–" for name in _PARTS]
            rows.append([*_who(result), load, _sum(parts), *costs, f"{result.behind:.1f}"])
    return rows


def _cpu_of_streams(results: Iterable[Result]) -> list[list[str]]:
    rows = [["system", "upstream", "deltas/s", "in all", *_PARTS]]
    for result in results:
        if result.cpu and result.load.clients == 64:
            parts = result.per_delta()
            costs = [f"{parts[name]:.1f}" if name in parts else "–" for name in _PARTS]
            rows.append([*_who(result), f"{result.deltas:,.0f}", _sum(parts, 1), *costs])
    return rows


def _problems(results: Iterable[Result]) -> list[str]:
    return [
        f"- {result.system}, {result.dialect}, {result.load.kind} {result.load.clients}: "
        f"{result.seen.errors} errors, the first: {result.seen.problem}"
        for result in results
        if result.seen.errors
    ]


def _who(result: Result) -> list[str]:
    return [result.system, result.dialect]


def _sum(parts: dict[str, float], digits: int = 2) -> str:
    return f"{sum(parts.values()):.{digits}f}" if parts else "–"


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _section(title: str, rows: list[list[str]]) -> list[str]:
    """A table, unless there is nothing in it."""
    if len(rows) < 2:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return [f"**{title}**", "", *lines, ""]
