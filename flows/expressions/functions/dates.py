"""Functions on dates: the current time, parts of a date, comparisons, holidays. Source: expressions, 3."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import holidays

from flows.expressions.arguments import bad_argument, text_argument
from flows.expressions.date_reader import read_moment
from flows.expressions.filters.dates import print_moment
from flows.expressions.library import register_function
from flows.expressions.scope import Render
from flows.expressions.values import describe_type

DAY_NAMES = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
POSITIONS = {"FIRST": 1, "SECOND": 2, "THIRD": 3, "FOURTH": 4}
_CODE = re.compile(r"[A-Za-z0-9 _-]{1,60}\Z")
SATURDAY = 5


@register_function("now", "format", "timeZone", "existingFormat", "locale")
def print_now(
    render: Render,
    format: Any = None,
    time_zone: Any = None,
    existing_format: Any = None,
    locale: Any = None,
) -> str:
    """The current time as text, written as the filter date does."""
    return print_moment(render, render.environment.now().astimezone(UTC), format, time_zone, locale)


def _read(render: Render, name: str, value: Any) -> datetime:
    """Return the moment as written, without any change of zone. Null and other kinds are bad arguments."""
    if not isinstance(value, (str, date, int)) or isinstance(value, bool):
        raise bad_argument(f'The function "{name}" needs a date but got {describe_type(value)}.')
    return read_moment(f'function "{name}"', value, render.environment.zone, None, render.environment.locale)


@register_function("isWeekend", "date", required=1)
def is_weekend(render: Render, date: Any) -> bool:
    """Whether a date is a Saturday or Sunday."""
    return _read(render, "isWeekend", date).weekday() >= SATURDAY


@lru_cache(maxsize=64)
def _find_calendar(country: str, subdivision: str | None) -> holidays.HolidayBase:
    if not _CODE.match(country) or (subdivision is not None and not _CODE.match(subdivision)):
        raise bad_argument("Country and subdivision are short codes such as DE and BY.")
    try:
        return holidays.country_holidays(country.upper(), subdiv=subdivision, expand=True)
    except (NotImplementedError, AttributeError, KeyError) as error:
        place = country if subdivision is None else f"{country}/{subdivision}"
        raise bad_argument(
            f'"{place}" is no country and subdivision whose holidays are known. Use codes such as DE and BY.'
        ) from error


def _is_public_holiday(day: date, country: Any, subdivision: Any) -> bool:
    code = text_argument("countryCode", country)
    part = None if subdivision is None else text_argument("subDivision", subdivision)
    return day in _find_calendar(code, part)


@register_function("isPublicHoliday", "date", "countryCode", "subDivision", required=1)
def is_public_holiday(render: Render, date: Any, country_code: Any = None, sub_division: Any = None) -> bool:
    """Whether a date is a public holiday of a country."""
    country = render.environment.locale.replace("_", "-").partition("-")[2] if country_code is None else country_code
    if not country:
        raise bad_argument('The argument "countryCode" is needed, for instance "DE".')
    return _is_public_holiday(_read(render, "isPublicHoliday", date).date(), country, sub_division)


@register_function("isDayWeekInMonth", "date", "dayOfWeek", "position", required=3)
def is_day_week_in_month(render: Render, date: Any, day_of_week: Any, position: Any) -> bool:
    """Whether a date is, for instance, the first Monday of its month."""
    day = _read(render, "isDayWeekInMonth", date)
    weekday, place = text_argument("dayOfWeek", day_of_week).upper(), text_argument("position", position).upper()
    if weekday not in DAY_NAMES:
        raise bad_argument(f'"{weekday[:40]}" is no day of the week. Use {", ".join(DAY_NAMES)}.')
    if place not in POSITIONS and place != "LAST":
        raise bad_argument(f'"{place[:40]}" is no position. Use {", ".join(POSITIONS)} or LAST.')
    if day.weekday() != DAY_NAMES.index(weekday):
        return False
    if place == "LAST":
        return day.day + 7 > calendar.monthrange(day.year, day.month)[1]
    return (day.day - 1) // 7 + 1 == POSITIONS[place]


@register_function("isLastWorkingDay", "date", "countryCode", "subDivision", required=1)
def is_last_working_day(render: Render, date: Any, country_code: Any = None, sub_division: Any = None) -> bool:
    """Whether a date is the last working day of its month; holidays count when a country is given."""
    day = _read(render, "isLastWorkingDay", date).date()
    last = day.replace(day=calendar.monthrange(day.year, day.month)[1])
    while last.weekday() >= SATURDAY or (country_code is not None and _is_public_holiday(last, country_code, sub_division)):
        last -= timedelta(days=1)
    return day == last


@register_function("isDateBefore", "date", "before", required=2)
def is_date_before(render: Render, date: Any, before: Any) -> bool:
    """Whether a date is before another one."""
    return _read(render, "isDateBefore", date) < _read(render, "isDateBefore", before)


@register_function("isDateAfter", "date", "after", required=2)
def is_date_after(render: Render, date: Any, after: Any) -> bool:
    """Whether a date is after another one."""
    return _read(render, "isDateAfter", date) > _read(render, "isDateAfter", after)


@register_function("isDateBetween", "date", "after", "before", required=3)
def is_date_between(render: Render, date: Any, after: Any, before: Any) -> bool:
    """Whether a date lies between two others, both excluded."""
    name = "isDateBetween"
    return _read(render, name, after) < _read(render, name, date) < _read(render, name, before)


@register_function("dayOfWeek", "date", required=1)
def get_day_of_week(render: Render, date: Any) -> str:
    """The English name of the day in upper case."""
    return DAY_NAMES[_read(render, "dayOfWeek", date).weekday()]


@register_function("dayOfMonth", "date", required=1)
def get_day_of_month(render: Render, date: Any) -> int:
    """The day of the month, from 1."""
    return _read(render, "dayOfMonth", date).day


@register_function("monthOfYear", "date", required=1)
def get_month_of_year(render: Render, date: Any) -> int:
    """The month, from 1."""
    return _read(render, "monthOfYear", date).month


@register_function("hourOfDay", "date", required=1)
def get_hour_of_day(render: Render, date: Any) -> int:
    """The hour, from 0 to 23."""
    return _read(render, "hourOfDay", date).hour
