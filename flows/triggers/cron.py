"""Cron expressions: text to `Cron`, and the next or previous moment in a time zone. Knows no trigger and no clock."""

from __future__ import annotations

import calendar
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from flows.primitives.errors import InvalidError

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
SEARCH_YEARS = 10
FIRST_YEAR, LAST_YEAR = 1, 9999

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
WEEKDAYS = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6}


class Field(NamedTuple):
    """One column of an expression: how people call it, its bounds and the names it accepts."""

    label: str
    low: int
    high: int
    names: dict[str, int]


SECONDS = Field("second", 0, 59, {})
UNIX_FIELDS = (
    Field("minute", 0, 59, {}),
    Field("hour", 0, 23, {}),
    Field("day of month", 1, 31, {}),
    Field("month", 1, 12, MONTHS),
    Field("day of week", 0, 7, WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """
    One parsed expression. Every tuple holds allowed values in rising order and is never empty.

    Attributes:
        text: the expression as written.
        seconds, minutes, hours: times of day.
        days, months: days of the month 1-31 and months 1-12.
        weekdays: 0 is Sunday, 6 is Saturday.
        is_hour_wildcard: the hour column starts with `*`; such an expression follows real elapsed time through a clock
            change, while one with fixed hours fires once per wall-clock time.
        matches_either_day: both day columns are restricted, so one of them is enough.
    """

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    is_hour_wildcard: bool
    matches_either_day: bool

    def matches_day(self, day: date) -> bool:
        """Tell whether the expression may fire on this calendar day."""
        if day.month not in self.months:
            return False
        in_month = day.day in self.days
        in_week = day.isoweekday() % 7 in self.weekdays
        return in_month or in_week if self.matches_either_day else in_month and in_week


@lru_cache(maxsize=16_384)
def parse_cron(text: str, *, with_seconds: bool = False) -> Cron:
    """
    Return the parsed expression.

    Args:
        text: five columns (minute, hour, day of month, month, day of week), or a nickname such as `@daily`.
        with_seconds: six columns, seconds first.

    Raises:
        InvalidError: code `cron-syntax`; the message names the expression, the column and what is allowed there.

    Source: flow language, 13.2. A column counts as restricted when it does not allow every value, so that `*/1` is `*`.
    """
    stripped = text.strip()
    if stripped.startswith("@"):
        expanded = NICKNAMES.get(stripped.lower())
        if expanded is None:
            raise _syntax_error(text, f'"{stripped}" is not a known nickname; use one of {", ".join(NICKNAMES)}.')
        columns = ["0", *expanded.split()]
    else:
        columns = stripped.split()
        wanted = 6 if with_seconds else 5
        if len(columns) != wanted:
            raise _syntax_error(text, _column_count_message(len(columns), with_seconds=with_seconds))
        if not with_seconds:
            columns = ["0", *columns]
    seconds, minutes, hours, days, months, weekdays = (
        _parse_column(text, column, field) for column, field in zip(columns, (SECONDS, *UNIX_FIELDS), strict=True)
    )
    weekdays = tuple(sorted({value % 7 for value in weekdays}))
    return Cron(
        text=text,
        seconds=seconds,
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=weekdays,
        is_hour_wildcard=columns[2].startswith("*"),
        matches_either_day=len(days) < 31 and len(weekdays) < 7,
    )


def next_moment(cron: Cron, after: datetime, zone: ZoneInfo) -> datetime | None:
    """
    Return the first moment strictly after `after` at which the expression fires, or None within the next ten years.

    Args:
        after: aware moment in any zone.
        zone: the zone whose wall clock the expression describes.

    Returns:
        Aware UTC, whole seconds. A time that the clock skips fires at the first valid instant after the gap and a time
        that the clock shows twice fires the first time, unless the hour is a wildcard: then every real instant whose
        wall-clock time matches fires.

    Source: reliability, R-54 and R-55.
    """
    start = after.astimezone(UTC).replace(microsecond=0)
    try:
        return _next_real(cron, start, zone) if cron.is_hour_wildcard else _next_fixed(cron, start, zone)
    except OverflowError:
        # The calendar itself ends here.
        return None


def previous_moment(cron: Cron, before: datetime, zone: ZoneInfo) -> datetime | None:
    """
    Return the last moment strictly before `before` at which the expression fires, or None within the past ten years.

    The mirror of `next_moment`: same arguments, same zone rules, aware UTC.
    """
    start = before.astimezone(UTC)
    try:
        if start.microsecond:
            start = start.replace(microsecond=0) + SECOND
        return _previous_real(cron, start, zone) if cron.is_hour_wildcard else _previous_fixed(cron, start, zone)
    except OverflowError:
        # The calendar itself begins here.
        return None


def get_zone(name: str) -> ZoneInfo:
    """
    Return the time zone of this IANA name.

    Raises:
        InvalidError: code `time-zone`, when no such zone is known.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidError(
            f'"{name}" is not a known time zone; use an IANA name such as "Europe/Paris" or "UTC".', code="time-zone"
        ) from error


def _parse_column(text: str, column: str, field: Field) -> tuple[int, ...]:
    values: set[int] = set()
    for item in column.split(","):
        base, slash, step_text = item.partition("/")
        step = 1
        if slash:
            # A step past the end of the column is allowed, as in cron: it leaves the first value only.
            if not (step_text.isascii() and step_text.isdigit() and len(step_text) <= 4 and int(step_text) > 0):
                raise _syntax_error(text, f'the step of "{item}" of the {field.label} must be a number from 1 up.')
            step = int(step_text)
        low, high = _parse_range(text, base, field, is_open=bool(slash))
        values.update(range(low, high + 1, step))
    return tuple(sorted(values))


def _parse_range(text: str, base: str, field: Field, *, is_open: bool) -> tuple[int, int]:
    # Sunday is both 0 and 7: a wildcard must count it once, or a step would land on it twice.
    top = 6 if field.names is WEEKDAYS else field.high
    if base == "*":
        return field.low, top
    first, dash, last = base.partition("-")
    low = _parse_value(text, first, field)
    if not dash:
        return low, max(low, top) if is_open else low
    high = _parse_value(text, last, field)
    if high == 0 and field.names is WEEKDAYS and low > 0:
        high = 7
    if high < low:
        raise _syntax_error(text, f'the range "{base}" of the {field.label} runs backwards; write the smaller value first.')
    return low, high


def _parse_value(text: str, word: str, field: Field) -> int:
    named = field.names.get(word.upper())
    if named is not None:
        return named
    if not (word.isascii() and word.isdigit()) or not field.low <= int(word) <= field.high:
        names = f" or a name such as {next(iter(field.names))}" if field.names else ""
        raise _syntax_error(text, f'"{word}" is not a {field.label}; use {field.low} to {field.high}{names}, or "*".')
    return int(word)


def _column_count_message(count: int, *, with_seconds: bool) -> str:
    if with_seconds:
        return f"it has {count} columns; with withSeconds: true it needs 6: second minute hour day-of-month month day-of-week."
    hint = " Set withSeconds: true to write seconds first." if count == 6 else ""
    return f"it has {count} columns; it needs 5: minute hour day-of-month month day-of-week.{hint}"


def _syntax_error(text: str, reason: str) -> InvalidError:
    return InvalidError(f'Cron expression "{text}" cannot be read: {reason}', code="cron-syntax")


def _next_naive(cron: Cron, after: datetime) -> datetime | None:
    """Return the first matching wall-clock time strictly after a naive one, as if the clock never changed."""
    day = after.date()
    if cron.matches_day(day):
        found = _next_time(cron, after)
        if found is not None:
            return found
    last_year = after.year + SEARCH_YEARS
    while True:
        try:
            day += DAY
            while day.month not in cron.months:
                day = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
        except (OverflowError, ValueError):
            return None
        if day.year > last_year:
            return None
        if cron.matches_day(day):
            return datetime(day.year, day.month, day.day, cron.hours[0], cron.minutes[0], cron.seconds[0])  # noqa: DTZ001 wall clock


def _next_time(cron: Cron, after: datetime) -> datetime | None:
    hour, minute, second = after.hour, after.minute, after.second
    if hour in cron.hours:
        if minute in cron.minutes:
            index = bisect_right(cron.seconds, second)
            if index < len(cron.seconds):
                return after.replace(second=cron.seconds[index])
        index = bisect_right(cron.minutes, minute)
        if index < len(cron.minutes):
            return after.replace(minute=cron.minutes[index], second=cron.seconds[0])
    index = bisect_right(cron.hours, hour)
    if index < len(cron.hours):
        return after.replace(hour=cron.hours[index], minute=cron.minutes[0], second=cron.seconds[0])
    return None


def _previous_naive(cron: Cron, before: datetime) -> datetime | None:
    """Return the last matching wall-clock time strictly before a naive one, as if the clock never changed."""
    day = before.date()
    if cron.matches_day(day):
        found = _previous_time(cron, before)
        if found is not None:
            return found
    first_year = before.year - SEARCH_YEARS
    while True:
        try:
            day -= DAY
            while day.month not in cron.months:
                day = day.replace(day=1) - DAY
        except OverflowError:
            return None
        if day.year < first_year:
            return None
        if cron.matches_day(day):
            return datetime(day.year, day.month, day.day, cron.hours[-1], cron.minutes[-1], cron.seconds[-1])  # noqa: DTZ001 wall clock


def _previous_time(cron: Cron, before: datetime) -> datetime | None:
    hour, minute, second = before.hour, before.minute, before.second
    if hour in cron.hours:
        if minute in cron.minutes:
            index = bisect_left(cron.seconds, second)
            if index > 0:
                return before.replace(second=cron.seconds[index - 1])
        index = bisect_left(cron.minutes, minute)
        if index > 0:
            return before.replace(minute=cron.minutes[index - 1], second=cron.seconds[-1])
    index = bisect_left(cron.hours, hour)
    if index > 0:
        return before.replace(hour=cron.hours[index - 1], minute=cron.minutes[-1], second=cron.seconds[-1])
    return None


def _offset_at(moment: datetime, zone: ZoneInfo) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    return offset if offset is not None else timedelta(0)


def _wall_at(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _find_change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant in (low, high] with another offset than `low`; the caller knows that there is one."""
    before = _offset_at(low, zone)
    while high - low > SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if _offset_at(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def _instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant of a wall-clock time: the first of two, or the end of the gap that swallows it. Never falls."""
    first = wall.replace(tzinfo=zone, fold=0)
    moment = first.astimezone(UTC)
    if _wall_at(moment, zone) == wall:
        return moment
    after = wall.replace(tzinfo=zone, fold=1).utcoffset() or timedelta(0)
    return _find_change((wall - after).replace(tzinfo=UTC), moment, zone)


def _next_fixed(cron: Cron, after: datetime, zone: ZoneInfo) -> datetime | None:
    wall: datetime | None = _wall_at(after, zone)
    # `_instant_of` never falls as the wall clock rises, so the first candidate past `after` is the earliest firing.
    # The loop only turns more than once inside a repeated hour or at the end of a gap.
    while wall is not None:
        wall = _next_naive(cron, wall)
        if wall is not None and (moment := _instant_of(wall, zone)) > after:
            return moment
    return None


def _previous_fixed(cron: Cron, before: datetime, zone: ZoneInfo) -> datetime | None:
    last = (before - SECOND).astimezone(zone)
    wall: datetime | None = last.replace(tzinfo=None, fold=0) + SECOND
    if last.fold and wall is not None:
        # In the second round of a repeated hour every time of the first round is already past.
        first_offset = last.replace(fold=0).utcoffset() or timedelta(0)
        wall += first_offset - (last.utcoffset() or timedelta(0))
    while wall is not None:
        wall = _previous_naive(cron, wall)
        if wall is not None and (moment := _instant_of(wall, zone)) < before:
            return moment
    return None


def _next_real(cron: Cron, after: datetime, zone: ZoneInfo) -> datetime | None:
    position = after
    while position.year <= after.year + SEARCH_YEARS and position.year < LAST_YEAR:
        offset = _offset_at(position + SECOND, zone)
        end = position + DAY
        changes = _offset_at(end, zone) != offset
        if changes:
            end = _find_change(position + SECOND, end, zone) - SECOND
        wall = _next_naive(cron, (position + offset).replace(tzinfo=None))
        if wall is None:
            return None
        moment = wall.replace(tzinfo=UTC) - offset
        if moment <= end:
            return moment
        # Past a change the same wall-clock times may come again, so go on right there. Without one, no offset differs
        # from another by more than a day: nothing can match long before `moment`.
        position = end if changes else max(end, moment - 2 * DAY)
    return None


def _previous_real(cron: Cron, before: datetime, zone: ZoneInfo) -> datetime | None:
    position = before
    while position.year >= before.year - SEARCH_YEARS and position.year > FIRST_YEAR:
        offset = _offset_at(position - SECOND, zone)
        start = position - DAY
        changes = _offset_at(start, zone) != offset
        if changes:
            start = _find_change(start, position - SECOND, zone)
        wall = _previous_naive(cron, (position + offset).replace(tzinfo=None))
        if wall is None:
            return None
        moment = wall.replace(tzinfo=UTC) - offset
        if moment >= start:
            return moment
        position = start if changes else min(start, moment + 2 * DAY)
    return None
