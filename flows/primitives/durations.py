"""Durations as flows write them: ISO 8601 with days, hours, minutes and seconds, or a number of seconds. No calendar units."""

from __future__ import annotations

import math
import re
from datetime import timedelta

_NUMBER = r"([+-]?[0-9]+)"
_DURATION = re.compile(
    rf"([+-]?)P(?:{_NUMBER}D)?(T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:([+-]?[0-9]+(?:[.,][0-9]{{0,9}})?)S)?)?",
    re.IGNORECASE,
)
_LONGEST_TEXT = 100


class DurationError(ValueError):
    """The text or number is not a duration that a flow may use."""


def parse_duration(value: str | int | float | timedelta) -> timedelta:
    """
    Return the length of time that `value` names.

    Args:
        value: ISO 8601 text such as `P1DT2H` or `PT0.25S` in any letter case, a number of seconds, or a timedelta, which is
            returned as it is. Weeks, months and years are refused, because their length is not fixed or not in use.

    Returns:
        A timedelta, negative when the text says so, exact to the microsecond.

    Raises:
        DurationError: not a duration, or longer than a timedelta can hold; the message says what was expected.

    Source: flow language, 1.1; numbers are our decision 0004.
    """
    if isinstance(value, timedelta):
        return value
    try:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise DurationError(_explain(value))
        if isinstance(value, (int, float)):
            if not math.isfinite(value):
                raise DurationError(_explain(value))
            return timedelta(seconds=value)
        return _parse_text(value)
    except OverflowError as error:
        raise DurationError(f'"{str(value)[:40]}" is longer than the 999999999 days that a duration can hold') from error


def format_duration(value: timedelta) -> str:
    """
    Return `value` as ISO 8601 text in hours, minutes and seconds: `PT26H`, `PT5M6S`, `PT0.25S`, `PT0S`.

    Negative lengths carry the sign on every part, as the reference product writes them (`PT-1H-30M`).

    Source: REST API, 6.
    """
    microseconds = round(value / timedelta(microseconds=1))
    sign = "-" if microseconds < 0 else ""
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    text = "PT"
    if hours:
        text += f"{sign}{hours}H"
    if minutes:
        text += f"{sign}{minutes}M"
    if rest:
        text += f"{sign}{seconds}.{rest:06d}".rstrip("0") + "S"
    elif seconds or text == "PT":
        text += f"{sign}{seconds}S"
    return text


def _parse_text(text: str) -> timedelta:
    match = _DURATION.fullmatch(text.strip()) if len(text) <= _LONGEST_TEXT else None
    if match is None:
        raise DurationError(_explain(text))
    sign, days, time, hours, minutes, seconds = match.groups()
    is_time_empty = time is not None and hours is None and minutes is None and seconds is None
    if is_time_empty or (days is None and time is None):
        raise DurationError(_explain(text))
    length = timedelta(
        days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0), seconds=float((seconds or "0").replace(",", "."))
    )
    return -length if sign == "-" else length


def _explain(value: object) -> str:
    return f'"{str(value)[:40]}" is not a duration such as PT10S, PT1H30M or P1D'
