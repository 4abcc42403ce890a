"""What people write for moments and durations (`now`, `-1d`, `tomorrow 9:30`, `90s`), as the exact text that a flow takes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from flows.primitives.durations import format_duration

_UNITS = {
    "s": "seconds", "sec": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "hour": "hours", "hours": "hours",
    "d": "days", "day": "days", "days": "days", "w": "weeks", "week": "weeks", "weeks": "weeks",
}  # fmt: skip
_PART = re.compile(r"(\d{1,6})\s*([a-z]+)")
_SPAN = re.compile(r"(?:\d{1,6}\s*[a-z]+\s*)+")
_MOMENT = re.compile(
    r"(?P<base>now|today|tomorrow|yesterday)?\s*"
    r"(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)?\s*"
    r"(?:(?P<sign>[+-])\s*(?P<span>(?:\d{1,6}\s*[a-z]+\s*)+))?"
)
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T]+(\d{1,2}:\d{2})(:\d{2})?)?")
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
LONGEST = 60


def resolve_text(kind: str, text: str, *, at: datetime) -> str:
    """
    Return the exact form of what somebody wrote for an input; what is no free text comes back as it is, for the flow to judge.

    Args:
        kind: type of the input; only DATE, TIME, DATETIME and DURATION know free text.
        at: aware UTC moment that `now` means. Days and clocks are those of UTC.

    Source: console, 4.6.
    """
    words = text.strip().lower()
    if not words or len(words) > LONGEST or kind not in ("DATE", "TIME", "DATETIME", "DURATION"):
        return text
    try:
        if kind == "DURATION":
            span = _read_span(words)
            return text if span is None else format_duration(span)
        moment = _read_moment(words, at, is_time=kind == "TIME")
    except OverflowError:
        return text
    if moment is None:
        return text
    if kind == "DATE":
        return moment.date().isoformat()
    if kind == "TIME":
        return moment.time().isoformat(timespec="seconds")
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _read_span(words: str) -> timedelta | None:
    if _SPAN.fullmatch(words) is None:
        return None
    total = timedelta()
    for number, unit in _PART.findall(words):
        if unit not in _UNITS:
            return None
        total += timedelta(**{_UNITS[unit]: int(number)})
    return total


def _read_moment(words: str, at: datetime, *, is_time: bool) -> datetime | None:
    day = _DAY.fullmatch(words)
    if day is not None:
        return _set_clock(_read_day(day[1]), f"{day[2]}{day[3] or ''}" if day[2] else "0:00")
    found = _MOMENT.fullmatch(words)
    if found is None:
        return None
    base, clock, span = found["base"], found["clock"], found["span"]
    if clock and not base and not is_time:
        return None
    start: datetime | None = at.astimezone(UTC)
    if start is not None and base in _DAYS:
        start = _set_clock(start + timedelta(days=_DAYS[base]), clock or "0:00")
    elif clock:
        start = _set_clock(start, clock)
    if start is None or span is None:
        return start
    length = _read_span(span.strip())
    if length is None:
        return None
    return start - length if found["sign"] == "-" else start + length


def _read_day(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def _set_clock(day: datetime | None, clock: str) -> datetime | None:
    parts = [int(part) for part in clock.split(":")]
    hour, minute, second = (*parts, 0)[:3]
    if day is None or hour > 23 or minute > 59 or second > 59:
        return None
    return day.replace(hour=hour, minute=minute, second=second, microsecond=0)
