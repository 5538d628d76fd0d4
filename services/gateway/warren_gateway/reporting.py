"""What is asked about money, and how it is told: as JSON or as CSV. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic_core import to_json
from starlette.datastructures import QueryParams

from warren.errors import InvalidRequest
from warren_gateway import queries

Json = dict[str, Any]

DIMENSIONS = ("day", "model", "provider", "deployment", "key", "account", "user", "tag")
FORMATS = ("json", "csv")
DATES = frozenset({"start_date", "end_date", "format", "limit"})
FILTERS: dict[str, str] = {
    "model": "model",
    "provider": "provider",
    "deployment": "deployment",
    "key": "key",
    "api_key": "key",
    "account": "account",
    "user": "user",
    "end_user": "user",
    "customer_id": "user",
    "tag": "tag",
}
"""What a report may be of only, with LiteLLM's words for it."""
_GROUPS: dict[str, str] = {name: name for name in DIMENSIONS} | {
    "api_key": "key", "end_user": "user", "customer": "user"
}  # fmt: skip
_DAYS = 30
_MOST = 10_000
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def days(query: QueryParams) -> tuple[date, date]:
    """The first and the last day; of the last thirty ones if nothing is said.

    Raises:
        InvalidRequest: these are no days, or the wrong way round.
    """
    last = _day(query, "end_date") or datetime.now(UTC).date()
    first = _day(query, "start_date") or last - timedelta(days=_DAYS - 1)
    if first > last:
        raise _invalid("start_date", "it is after 'end_date'")
    return first, last


def _day(query: QueryParams, name: str) -> date | None:
    if not (given := query.get(name)):
        return None
    try:
        return date.fromisoformat(given[:10] if len(given) == 10 else "")
    except ValueError:
        raise _invalid(name, "Expected a day like 2026-01-31") from None


def midnight(day: date) -> float:
    """When a day begins, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def groups(query: QueryParams) -> tuple[str, ...]:
    """`group_by`, by commas or several times.

    Raises:
        InvalidRequest: nothing can be grouped by one of them.
    """
    names = [name.strip() for given in query.getlist("group_by") for name in given.split(",")]
    for name in names:
        if name not in _GROUPS:
            known = ", ".join(f"'{one}'" for one in DIMENSIONS)
            raise InvalidRequest(
                f"Invalid value: '{name[:200]}'. Supported values are: {known}.", param="group_by", code="invalid_value"
            )
    return tuple(dict.fromkeys(_GROUPS[name] for name in names)) or ("day",)


def filters(query: QueryParams) -> dict[str, str]:
    return {dimension: value for name, dimension in FILTERS.items() if (value := query.get(name)) is not None}


def limit(query: QueryParams, default: int) -> int:
    wanted = queries.whole(query, "limit")
    if wanted is None:
        return default
    if not 1 <= wanted <= _MOST:
        raise _invalid("limit", f"Expected a value from 1 to {_MOST}")
    return wanted


def rendered(rows: Iterable[Json], form: str, about: Json) -> tuple[bytes, str]:
    """Rows as they were asked for, and of which media type."""
    if form == "csv":
        return _csv(list(rows)), "text/csv; charset=utf-8"
    return to_json({**about, "data": [_shown(row) for row in rows]}), "application/json"


def _shown(row: Json) -> Json:
    """Money as a number, which is LiteLLM's, and as text, which is exact."""
    told: Json = {}
    for name, value in row.items():
        told[name] = value
        if name.endswith("spend"):
            told[name] = None if value is None else float(value)
            told[f"{name}_exact"] = value
        elif name == "original":
            told[name] = _shown(value)
        elif name == "calls" and isinstance(value, list):
            told[name] = [_shown(call) for call in value]
        elif name.endswith("_at") and value is not None:
            told[name] = f"{datetime.fromtimestamp(value, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    return told


def _csv(rows: Sequence[Json]) -> bytes:
    """Money is exact. Whoever opens it in a spreadsheet runs no formula that a client has written as its name."""
    file = io.StringIO()
    if rows:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return file.getvalue().encode()


def _cell(value: Any) -> Any:
    match value:
        case str() if value.startswith(_FORMULAS):
            return f"'{value}"
        case [Mapping(), *_]:
            return len(value)
        case list():
            return _cell(" ".join(value))
    return value


def _invalid(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{name}': {message}.", param=name, code="invalid_value")
