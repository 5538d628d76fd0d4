"""When a model is cheaper: the `off_peak_pricing` of a price file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WINDOW = re.compile(r"\s*(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class _Window:
    """Minutes of the day, in UTC, from the first up to the last; around midnight, or all day, if that is not later."""

    first: int
    last: int
    days: frozenset[int] | None
    """1 is Monday; None is every day."""

    def holds(self, minute: int, day: int) -> bool:
        if self.days is not None and day not in self.days:
            return False
        if self.first < self.last:
            return self.first <= minute < self.last
        return minute >= self.first or minute < self.last


@dataclass(frozen=True, slots=True)
class Hours:
    """When prices hold that are not always the same."""

    windows: tuple[_Window, ...]
    zone: tzinfo
    """Whose days of the week are meant."""

    @classmethod
    def of(cls, block: Mapping[str, Any]) -> "Hours":
        """What this block says: `hours_utc` of every day, and `windows` of certain days.

        Raises:
            ValueError: it says something else.
        """
        windows = [*_windows(block.get("hours_utc"), None)]
        for rule in block.get("windows") or ():
            days = None if rule.get("weekdays") is None else frozenset(map(_day, rule["weekdays"]))
            windows += _windows(rule.get("hours_utc"), days)
        return cls(tuple(windows), _zone(block.get("weekday_timezone")))

    def hold(self, at: float) -> bool:
        """Whether they do at this time, in seconds since the epoch."""
        now = datetime.fromtimestamp(at, UTC)
        day = now.astimezone(self.zone).isoweekday()
        return any(window.holds(now.hour * 60 + now.minute, day) for window in self.windows)


def _windows(texts: str | list[str] | None, days: frozenset[int] | None) -> list[_Window]:
    made = []
    for text in [texts] if isinstance(texts, str) else texts or ():
        found = _WINDOW.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} are no hours of a day")
        first, first_minute, last, last_minute = map(int, found.groups())
        made.append(_Window(first * 60 + first_minute, last * 60 + last_minute, days))
    return made


def _day(value: int | str) -> int:
    if isinstance(value, str) and value.strip().lower()[:3] in _DAYS:
        return _DAYS.index(value.strip().lower()[:3]) + 1
    if isinstance(value, int) and 1 <= value <= 7:
        return value
    raise ValueError(f"{value!r} is no day of the week")


def _zone(name: str | None) -> tzinfo:
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, ZoneInfoNotFoundError):
        raise ValueError(f"{name!r} is no time zone") from None
