"""Moments written after date patterns. Source: expressions, 4.4."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from flows.expressions.date_names import (
    find_week,
    find_week_of_month,
    get_style_pattern,
    get_week_rule,
    list_day_halves,
    list_names,
    name_day_period,
    name_zone,
)
from flows.expressions.date_patterns import STYLES, Field, Item, Optional, parse_date_pattern
from flows.expressions.zones import get_region, get_zone


def format_moment(moment: datetime, pattern: str, locale: str) -> str:
    """
    Return an aware moment after a pattern, a named format (`iso`, `sql`, `iso_instant`...) or a style (`full`... `short`).

    Raises ExpressionError of kind bad_argument for an unknown pattern.
    """
    name = pattern.lower()
    if name in STYLES:
        return _print(moment, parse_date_pattern(get_style_pattern(locale, name)), locale)
    if name == "iso_instant":
        moment = moment.astimezone(get_zone("Z"))
    # The format of mail headers is English whatever the locale.
    return _print(moment, parse_date_pattern(pattern), "en" if name == "rfc_1123_date_time" else locale)


def _print(moment: datetime, items: Iterable[Item], locale: str) -> str:
    pieces: list[str] = []
    for item in items:
        if isinstance(item, str):
            pieces.append(item)
        elif isinstance(item, Optional):
            pieces.append(_print(moment, item.items, locale))
        else:
            pieces.append(_print_field(moment, item, locale))
    return "".join(pieces)


def _print_field(moment: datetime, field: Field, locale: str) -> str:
    letter, count = field.letter, field.count
    numeric = _NUMBERS.get(letter)
    if numeric is not None:
        return f"{numeric(moment):0{count}d}"
    return _PRINTERS[letter](moment, count, locale)


def _nano_of_day(moment: datetime) -> int:
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 10**9 + moment.microsecond * 1000


def _day_number(moment: datetime, locale: str) -> int:
    return (moment.weekday() - get_week_rule(locale)[0]) % 7 + 1


_NUMBERS: dict[str, Callable[[datetime], int]] = {
    "d": lambda m: m.day,
    "D": lambda m: m.timetuple().tm_yday,
    "F": lambda m: (m.day - 1) % 7 + 1,
    "H": lambda m: m.hour,
    "k": lambda m: m.hour or 24,
    "K": lambda m: m.hour % 12,
    "h": lambda m: m.hour % 12 or 12,
    "m": lambda m: m.minute,
    "s": lambda m: m.second,
    "A": lambda m: _nano_of_day(m) // 10**6,
    "n": lambda m: m.microsecond * 1000,
    "N": _nano_of_day,
    "iso_week_year": lambda m: m.isocalendar().year,
    "iso_week": lambda m: m.isocalendar().week,
    "iso_day": lambda m: m.isoweekday(),
}


def _print_year(year: int, count: int) -> str:
    return f"{year % 100:02d}" if count == 2 else f"{year:0{count}d}"


def _print_month(moment: datetime, count: int, locale: str, context: str) -> str:
    if count <= 2:
        return f"{moment.month:0{count}d}"
    return list_names(locale, "months", context, count)[moment.month - 1]


def _print_quarter(moment: datetime, count: int, locale: str, context: str) -> str:
    quarter = (moment.month + 2) // 3
    return f"{quarter:0{count}d}" if count <= 2 else list_names(locale, "quarters", context, count)[quarter - 1]


def _print_day_name(moment: datetime, count: int, locale: str, context: str = "format") -> str:
    return list_names(locale, "days", context, max(count, 3))[moment.weekday()]


def _print_day_of_week(moment: datetime, count: int, locale: str, context: str) -> str:
    if count <= 2:
        return f"{_day_number(moment, locale):0{count}d}"
    return _print_day_name(moment, count, locale, context)


def _print_fraction(moment: datetime, count: int, _: str) -> str:
    return f"{moment.microsecond:06d}000"[:count]


def _print_needed_fraction(moment: datetime, _: int, __: str) -> str:
    return f".{moment.microsecond:06d}".rstrip("0").rstrip(".") if moment.microsecond else ""


def _print_fraction_groups(moment: datetime, _: int, __: str) -> str:
    micros = moment.microsecond
    if not micros:
        return ""
    return f".{micros // 1000:03d}" if micros % 1000 == 0 else f".{micros:06d}"


def _offset_seconds(moment: datetime) -> int:
    offset = moment.utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _print_offset(moment: datetime, count: int, zero: str) -> str:
    """Write the offset as X and x do: hours, with minutes if needed (1), `+0530` (2, 4), `+05:30` (3, 5); seconds for 4 and 5."""
    total = _offset_seconds(moment)
    if total == 0 and zero:
        return zero
    sign, total = ("-", -total) if total < 0 else ("+", total)
    hours, minutes, seconds = f"{total // 3600:02d}", f"{total // 60 % 60:02d}", f"{total % 60:02d}"
    if count == 1:
        return sign + hours + (minutes if minutes != "00" else "")
    colon = ":" if count in (3, 5) else ""
    text = sign + hours + colon + minutes
    return text + colon + seconds if count >= 4 and seconds != "00" else text


def _print_gmt_offset(moment: datetime, count: int) -> str:
    total = _offset_seconds(moment)
    if total == 0:
        return "GMT"
    sign, total = ("-", -total) if total < 0 else ("+", total)
    hours, minutes = total // 3600, total // 60 % 60
    if count == 4:
        return f"GMT{sign}{hours:02d}:{minutes:02d}"
    return f"GMT{sign}{hours}" + (f":{minutes:02d}" if minutes else "")


def _print_basic_offset(moment: datetime, count: int, _: str) -> str:
    if count == 4:
        return _print_gmt_offset(moment, 4)
    return _print_offset(moment, 5, "Z") if count == 5 else _print_offset(moment, 2, "")


def _print_zone_id(moment: datetime, _: int, __: str) -> str:
    return get_region(moment) or _print_offset(moment, 5, "Z")


def _print_region(moment: datetime, _: int, __: str) -> str:
    region = get_region(moment)
    return f"[{region}]" if region else ""


def _print_half(moment: datetime, _: int, locale: str) -> str:
    return list_day_halves(locale)[moment.hour >= 12]


def _print_era(_: datetime, count: int, locale: str) -> str:
    return list_names(locale, "eras", "format", max(count, 3))[1]


_PRINTERS: dict[str, Callable[[datetime, int, str], str]] = {
    "y": lambda m, count, _: _print_year(m.year, count),
    "u": lambda m, count, _: _print_year(m.year, count),
    "Y": lambda m, count, locale: _print_year(find_week(m.date(), locale)[0], count),
    "w": lambda m, count, locale: f"{find_week(m.date(), locale)[1]:0{count}d}",
    "W": lambda m, _, locale: str(find_week_of_month(m.date(), locale)),
    "M": lambda m, count, locale: _print_month(m, count, locale, "format"),
    "L": lambda m, count, locale: _print_month(m, count, locale, "stand-alone"),
    "Q": lambda m, count, locale: _print_quarter(m, count, locale, "format"),
    "q": lambda m, count, locale: _print_quarter(m, count, locale, "stand-alone"),
    "E": _print_day_name,
    "e": lambda m, count, locale: _print_day_of_week(m, count, locale, "format"),
    "c": lambda m, count, locale: _print_day_of_week(m, count, locale, "stand-alone"),
    "G": _print_era,
    "a": _print_half,
    "B": lambda m, count, locale: name_day_period(locale, m, count),
    "S": _print_fraction,
    "fraction": _print_needed_fraction,
    "groups": _print_fraction_groups,
    "X": lambda m, count, _: _print_offset(m, count, "Z"),
    "x": lambda m, count, _: _print_offset(m, count, ""),
    "Z": _print_basic_offset,
    "O": lambda m, count, _: _print_gmt_offset(m, count),
    "V": _print_zone_id,
    "z": lambda m, count, locale: name_zone(locale, m, count),
    "region": _print_region,
    "gmt": lambda m, _, __: "GMT" if _offset_seconds(m) == 0 else _print_offset(m, 2, ""),
}
