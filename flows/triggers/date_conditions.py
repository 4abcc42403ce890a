"""Questions about one date: weekday, weekend, place in the month, public holiday, between bounds. Plain values in and out."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

import holidays

WEEKDAYS = tuple(name.upper() for name in calendar.day_name)
POSITIONS = {"FIRST": 1, "SECOND": 2, "THIRD": 3, "FOURTH": 4}


class DateConditionError(ValueError):
    """A bound, weekday or country is not one; the message says what was expected."""


def read_moment(value: Any, name: str) -> datetime:
    """
    Return the date-time that `value` is or names, with its own offset; a bare date is its midnight, no offset means UTC.

    Raises:
        DateConditionError: it is neither.
    """
    moment: datetime | None = None
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day)  # noqa: DTZ001 the offset follows below
    else:
        try:
            moment = datetime.fromisoformat(str(value).strip().partition("[")[0])
        except ValueError as error:
            raise DateConditionError(f'"{name}" must be a date-time such as 2031-05-04T10:00:00+02:00; got "{value}".') from error
    if moment.utcoffset() is None:
        return moment.replace(tzinfo=UTC)
    return moment


def is_between(moment: datetime, after: str | None, before: str | None) -> bool:
    """
    Tell whether a moment is strictly after one bound and strictly before the other; one of them may be None.

    Raises:
        DateConditionError: no bound at all, or one that cannot be read.
    """
    _check_bounds(after, before)
    return (after is None or moment > read_moment(after, "after")) and (before is None or moment < read_moment(before, "before"))


def is_time_between(moment: datetime, after: str | None, before: str | None) -> bool:
    """
    Tell whether the time of day is strictly after one bound and strictly before the other; one of them may be None.

    A bound with an offset (`16:00:00+02:00`) is compared with the clock of that offset, one without with the moment's own.

    Raises:
        DateConditionError: no bound at all, or one that cannot be read.
    """
    _check_bounds(after, before)
    return (after is None or _seconds_past(moment, after, "after") > 0) and (
        before is None or _seconds_past(moment, before, "before") < 0
    )


def is_weekday(moment: date, weekday: str) -> bool:
    """Tell whether the date falls on MONDAY ... SUNDAY, in any letter case. Raises DateConditionError for another word."""
    return moment.weekday() == _weekday_number(weekday)


def is_weekday_in_month(moment: date, weekday: str, position: str) -> bool:
    """
    Tell whether the date is the FIRST, SECOND, THIRD, FOURTH or LAST such weekday of its month.

    Raises:
        DateConditionError: another weekday or position.
    """
    if moment.weekday() != _weekday_number(weekday):
        return False
    word = position.strip().upper()
    if word == "LAST":
        return moment.day + 7 > calendar.monthrange(moment.year, moment.month)[1]
    if word not in POSITIONS:
        raise DateConditionError(f'"{position}" is not a position in a month; use FIRST, SECOND, THIRD, FOURTH or LAST.')
    return (moment.day - 1) // 7 + 1 == POSITIONS[word]


def is_weekend(moment: date) -> bool:
    """Tell whether the date is a Saturday or a Sunday."""
    return moment.weekday() >= 5


def is_public_holiday(moment: date, country: str, subdivision: str | None = None) -> bool:
    """
    Tell whether the date is a public holiday.

    Args:
        moment: a date, or a date-time whose own calendar day counts.
        country: ISO 3166-1 alpha-2 code, any letter case.
        subdivision: ISO 3166-2 part, with or without the country in front. The calendar knows only regions with holidays of
            their own: any other one has the days of its country.

    Raises:
        DateConditionError: no calendar for that country.
    """
    day = moment.date() if isinstance(moment, datetime) else moment
    return day in _holidays_of(country.strip().upper(), (subdivision or "").strip().upper(), day.year)


@lru_cache(maxsize=256)
def _holidays_of(country: str, subdivision: str, year: int) -> frozenset[date]:
    try:
        known = {name.upper(): name for name in holidays.list_supported_countries()[country]}
    except KeyError as error:
        raise DateConditionError(
            f'no holiday calendar is known for the country "{country}"; use an ISO code such as FR.'
        ) from error
    region = known.get(subdivision.removeprefix(f"{country}-"))
    return frozenset(holidays.country_holidays(country, subdiv=region, years=year))


def _check_bounds(after: str | None, before: str | None) -> None:
    if after is None and before is None:
        raise DateConditionError('at least one of "after" and "before" must be set.')


def _seconds_past(moment: datetime, bound: str, name: str) -> float:
    """Return by how many seconds the time of day of `moment` is past the bound, negative when it is not yet there."""
    try:
        limit = time.fromisoformat(bound.strip())
    except ValueError as error:
        raise DateConditionError(f'"{name}" must be a time such as 16:00:00+02:00; got "{bound}".') from error
    local = moment.astimezone(limit.tzinfo) if limit.tzinfo else moment
    return (_since_midnight(local.time()) - _since_midnight(limit)).total_seconds()


def _since_midnight(clock: time) -> timedelta:
    return timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond)


def _weekday_number(word: str) -> int:
    try:
        return WEEKDAYS.index(word.strip().upper())
    except ValueError as error:
        raise DateConditionError(f'"{word}" is not a weekday; use MONDAY to SUNDAY.') from error
