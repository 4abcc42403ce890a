"""Filters on moments. Source: expressions, 4.4."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.expressions.arguments import bad_argument, bad_value, text_argument
from flows.expressions.date_printer import format_moment
from flows.expressions.date_reader import read_moment
from flows.expressions.library import register_filter
from flows.expressions.scope import Render
from flows.expressions.values import Long, describe_type, is_integer
from flows.expressions.zones import get_zone, normalize

MAX_AMOUNT = 10**15
_INTEGER = re.compile(r"\s*[+-]?\d{1,16}\s*\Z", re.ASCII)
# Units that keep the wall time, in months or days; all others are exact lengths of time.
_MONTHS = {"MONTHS": 1, "YEARS": 12, "DECADES": 120, "CENTURIES": 1200, "MILLENNIA": 12_000}
_DAYS = {"DAYS": 1, "WEEKS": 7}
_LENGTHS: dict[str, Callable[[int], timedelta]] = {
    "NANOS": lambda n: timedelta(microseconds=int(n / 1000)),
    "MICROS": lambda n: timedelta(microseconds=n),
    "MILLIS": lambda n: timedelta(milliseconds=n),
    "SECONDS": lambda n: timedelta(seconds=n),
    "MINUTES": lambda n: timedelta(minutes=n),
    "HOURS": lambda n: timedelta(hours=n),
    "HALF_DAYS": lambda n: timedelta(hours=12 * n),
}


def _optional_text(name: str, value: Any) -> str | None:
    return None if value is None else text_argument(name, value)


def _read(render: Render, name: str, value: Any, zone: Any, existing_format: Any, locale: Any = None) -> datetime:
    if existing_format is not None:
        render.budget.check_clock()
    return read_moment(
        f'filter "{name}"',
        value,
        _optional_text("timeZone", zone) or render.environment.zone,
        _optional_text("existingFormat", existing_format),
        _optional_text("locale", locale) or render.environment.locale,
    )


def print_moment(render: Render, moment: datetime, format: Any, zone: Any, locale: Any) -> str:
    """Return a moment as the arguments of `date`, `dateAdd` and `now` ask; raises bad_argument for unknown ones."""
    target = get_zone(_optional_text("timeZone", zone) or render.environment.zone)
    try:
        shown = moment.astimezone(target)
    except (OverflowError, ValueError) as error:
        raise bad_value("The date is outside of the years 1 to 9999.") from error
    pattern = _optional_text("format", format) or "iso"
    return format_moment(shown, pattern, _optional_text("locale", locale) or render.environment.locale)


@register_filter("date", "format", "timeZone", "existingFormat", "locale")
def format_date(
    render: Render,
    value: Any,
    format: Any = None,
    time_zone: Any = None,
    existing_format: Any = None,
    locale: Any = None,
) -> str:
    """The moment as text, after a pattern or a named format."""
    moment = _read(render, "date", value, time_zone, existing_format, locale)
    return print_moment(render, moment, format, time_zone, locale)


@register_filter("dateAdd", "amount", "unit", "format", "timeZone", "existingFormat", "locale", required=2)
def add_to_date(
    render: Render,
    value: Any,
    amount: Any,
    unit: Any,
    format: Any = None,
    time_zone: Any = None,
    existing_format: Any = None,
    locale: Any = None,
) -> str:
    """The moment moved by an amount of a unit such as DAYS, as text."""
    moment = _read(render, "dateAdd", value, time_zone, existing_format, locale)
    moved = shift_moment(moment, _read_amount(amount), text_argument("unit", unit))
    return print_moment(render, moved, format, time_zone, locale)


def _read_amount(amount: Any) -> int:
    if isinstance(amount, str) and _INTEGER.match(amount):
        amount = int(amount)
    if not is_integer(amount):
        raise bad_argument(f'The argument "amount" must be an integer, got {describe_type(amount)}.')
    if abs(amount) > MAX_AMOUNT:
        raise bad_argument(f'The argument "amount" must be between -10^15 and 10^15, got {amount}.')
    return int(amount)


def shift_moment(moment: datetime, amount: int, unit: str) -> datetime:
    """
    Return a moment moved in its own zone: days, weeks and longer keep the wall time, shorter units are exact lengths.

    Months end at their last day. Raises ExpressionError: bad_argument for an unknown unit, bad_value outside of the years
    1 to 9999.
    """
    try:
        if unit in _MONTHS:
            return normalize(_add_months(moment, amount * _MONTHS[unit]))
        if unit in _DAYS:
            return normalize(moment + timedelta(days=amount * _DAYS[unit]))
        if unit in _LENGTHS:
            return (moment.astimezone(UTC) + _LENGTHS[unit](amount)).astimezone(moment.tzinfo)
    except (OverflowError, ValueError) as error:
        raise bad_value(f"Adding {amount} {unit} leaves the years 1 to 9999.") from error
    known = ", ".join([*_LENGTHS, *_DAYS, *_MONTHS])
    raise bad_argument(f'"{unit[:40]}" is no unit of time. Use one of {known}.')


def _add_months(moment: datetime, count: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + count, 12)
    if not 1 <= year <= 9999:
        raise OverflowError(year)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))


def _epoch_micros(render: Render, name: str, value: Any, zone: Any, existing_format: Any) -> int:
    moment = _read(render, name, value, zone, existing_format)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@register_filter("timestamp", "timeZone", "existingFormat")
def to_timestamp(render: Render, value: Any, time_zone: Any = None, existing_format: Any = None) -> int:
    """Whole seconds since 1970."""
    return Long(_epoch_micros(render, "timestamp", value, time_zone, existing_format) // 10**6)


@register_filter("timestampMilli", "timeZone", "existingFormat")
def to_timestamp_milli(render: Render, value: Any, time_zone: Any = None, existing_format: Any = None) -> int:
    """Milliseconds since 1970."""
    return Long(_epoch_micros(render, "timestampMilli", value, time_zone, existing_format) // 1000)


@register_filter("timestampMicro", "timeZone", "existingFormat")
def to_timestamp_micro(render: Render, value: Any, time_zone: Any = None, existing_format: Any = None) -> str:
    """Seconds since 1970 times 10^9 plus the microseconds of the second, as the original product gives it."""
    micros = _epoch_micros(render, "timestampMicro", value, time_zone, existing_format)
    return str(micros // 10**6 * 10**9 + micros % 10**6)


@register_filter("timestampNano", "timeZone", "existingFormat")
def to_timestamp_nano(render: Render, value: Any, time_zone: Any = None, existing_format: Any = None) -> str:
    """Nanoseconds since 1970, as a text."""
    return str(_epoch_micros(render, "timestampNano", value, time_zone, existing_format) * 1000)
