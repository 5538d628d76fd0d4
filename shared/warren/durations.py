"""Durations as LiteLLM writes them: `30s`, `30m`, `30h`, `30d`, `1w`, `1mo`. Pure."""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta

FORM = "^([1-9][0-9]{0,5}(s|m|h)|[1-9][0-9]{0,4}d|[1-9][0-9]{0,3}(w|mo))$"
"""Centuries at most: every time that is so much later has a date."""
_FORM = re.compile(FORM)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MONTH = 30
"""Days that mean a month of the calendar, as 7 mean a week of it."""


def check(duration: str) -> str:
    """The duration itself.

    Raises:
        ValueError: it is none.
    """
    _read(duration)
    return duration


def after(duration: str, now: float) -> float:
    """The time that is so much later; a month later is the same day of another month, or its last one."""
    number, unit = _read(duration)
    if unit != "mo":
        return now + number * _SECONDS[unit]
    start = datetime.fromtimestamp(now, UTC)
    year, month = divmod(start.year * 12 + start.month - 1 + number, 12)
    day = min(start.day, monthrange(year, month + 1)[1])
    return start.replace(year=year, month=month + 1, day=day).timestamp()


def renewed(duration: str, now: float) -> float:
    """When a period of this length ends that goes on now.

    Periods begin by the clock, in UTC: seconds, minutes and hours at multiples of themselves, a day at midnight, a
    week (`7d`) on Monday, a month (`30d`) on its first; several of these so many midnights, Mondays or firsts later.
    """
    number, unit = _read(duration)
    if unit in ("s", "m", "h"):
        length = number * _SECONDS[unit]
        return (now // length + 1) * length
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "mo" or (unit == "d" and number == _MONTH):
        months = 1 if unit == "d" else number
        year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
        return today.replace(year=year, month=month + 1, day=1).timestamp()
    if unit == "w" or number == 7:
        weeks = 1 if unit == "d" else number
        return (today + timedelta(days=7 * weeks - today.weekday())).timestamp()
    return (today + timedelta(days=number)).timestamp()


def began(duration: str, end: float) -> float:
    """When a period of this length began that ends then."""
    number, unit = _read(duration)
    if unit != "mo" and (number, unit) != (_MONTH, "d"):
        return end - number * _SECONDS[unit]
    last = datetime.fromtimestamp(end, UTC)
    year, month = divmod(last.year * 12 + last.month - 1 - (1 if unit == "d" else number), 12)
    return last.replace(year=year, month=month + 1, day=1).timestamp()


def _read(duration: str) -> tuple[int, str]:
    if _FORM.fullmatch(duration) is None:
        raise ValueError("a duration looks like 30s, 30m, 30h, 30d, 1w or 1mo")
    unit = duration.lstrip("0123456789")
    return int(duration.removesuffix(unit)), unit
