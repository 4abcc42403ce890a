"""Names of months, days, eras, zones and week rules per locale, and the localized styles; CLDR data through Babel."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from babel.dates import get_period_id, get_timezone_name

from flows.expressions.locales import get_locale
from flows.expressions.zones import get_region

WIDTHS = {3: "abbreviated", 4: "wide", 5: "narrow"}


@lru_cache(maxsize=512)
def list_names(locale: str, table: str, context: str, width: int) -> tuple[str, ...]:
    """
    Return names in their calendar order: `months` January first, `days` Monday first, `quarters`, or `eras`.

    `context` is `format` or `stand-alone`, `width` the number of pattern letters (3 short, 4 full, 5 narrow).
    """
    data: Any = getattr(get_locale(locale), table)
    names = data[WIDTHS[width]] if table == "eras" else data[context][WIDTHS[width]]
    return tuple(str(names[key]) for key in sorted(names))


@lru_cache(maxsize=256)
def list_day_halves(locale: str) -> tuple[str, str]:
    """Return the words for before and after noon, such as AM and PM."""
    periods = get_locale(locale).day_periods["format"]
    names = periods.get("abbreviated") or periods["wide"]
    return str(names["am"]), str(names["pm"])


def name_day_period(locale: str, moment: datetime, count: int) -> str:
    """Return the part of the day in words, such as "in the afternoon"."""
    width = {1: "abbreviated", 4: "wide", 5: "narrow"}[count]
    names = get_locale(locale).day_periods["format"]
    period = get_period_id(moment.time(), locale=get_locale(locale), type=None)
    return str(names.get(width, names["wide"]).get(period) or names["wide"].get(period, period))


def name_zone(locale: str, moment: datetime, count: int) -> str:
    """Return the name of the zone: short (`CET`) for up to three letters, full for four; the offset when it has no region."""
    region = get_region(moment)
    if region is None:
        offset = moment.strftime("%z")
        return "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:5]}"
    if count == 4:
        return str(get_timezone_name(moment, width="long", locale=get_locale(locale)))
    abbreviation = moment.tzname() or ""
    return abbreviation if abbreviation.isalpha() else f"GMT{moment:%z}"


@lru_cache(maxsize=256)
def get_style_pattern(locale: str, style: str) -> str:
    """Return the pattern of the localized style `full`, `long`, `medium` or `short` for date and time together."""
    data = get_locale(locale)
    day, clock = str(data.date_formats[style].pattern), str(data.time_formats[style].pattern)
    return str(data.datetime_formats[style]).replace("'", "''").replace("{1}", day).replace("{0}", clock).replace("''", "'")


@lru_cache(maxsize=256)
def get_week_rule(locale: str) -> tuple[int, int]:
    """Return the first day of the week (0 is Monday) and how many days of a year make its first week."""
    data = get_locale(locale)
    return data.first_week_day, data.min_week_days


def find_week(day: date, locale: str) -> tuple[int, int]:
    """Return week-based year and week number of a day after the rules of the locale."""
    for year in (day.year + 1, day.year, day.year - 1):
        start = _first_week_start(year, locale)
        if start is not None and day >= start:
            return year, (day - start).days // 7 + 1
    return day.year, 1


def _first_week_start(year: int, locale: str) -> date | None:
    if not 1 <= year <= 9999:
        return None
    first_day, min_days = get_week_rule(locale)
    new_year = date(year, 1, 1)
    into_week = (new_year.weekday() - first_day) % 7
    if 7 - into_week >= min_days:
        return None if into_week and year == 1 else new_year - timedelta(days=into_week)
    return new_year + timedelta(days=7 - into_week)


def find_week_of_month(day: date, locale: str) -> int:
    """Return the number of the week within the month; 0 for days before the first week that has enough days."""
    first_day, min_days = get_week_rule(locale)
    into_week = (day.replace(day=1).weekday() - first_day) % 7
    week = (day.day - 1 + into_week) // 7
    return week + 1 if 7 - into_week >= min_days else week
