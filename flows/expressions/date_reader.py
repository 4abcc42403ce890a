"""Values into aware moments: date values, epoch seconds, ISO texts, and texts after a pattern. Source: expressions, 4.4."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any

import regex

from flows.expressions.arguments import bad_argument, bad_input, bad_value
from flows.expressions.date_names import get_style_pattern, list_day_halves, list_names
from flows.expressions.date_patterns import STYLES, Field, Item, Optional, parse_date_pattern
from flows.expressions.errors import ExpressionError
from flows.expressions.values import is_integer
from flows.expressions.zones import get_zone, normalize

MAX_DATE_CHARACTERS = 200
MATCH_SECONDS = 0.5
_ISO = regex.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[Tt](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{0,9}))?)?"
    r"(?P<offset>[Zz]|[+-]\d\d:\d\d(?::\d\d)?)?(?:\[(?P<region>[^\]]{1,60})\])?)?",
    regex.ASCII,
)
_NUMBER_FIELDS = {
    "d": "day", "D": "day_of_year", "H": "hour", "k": "hour24", "K": "hour11", "h": "hour12", "m": "minute", "s": "second",
    "n": "nano", "A": "milli_of_day", "N": "nano_of_day", "iso_week_year": "week_year", "iso_week": "week", "iso_day": "weekday",
}  # fmt: skip


def read_moment(what: str, value: Any, zone: str, existing_format: str | None, locale: str) -> datetime:
    """
    Return the aware moment that a value stands for.

    Args:
        what: who asks, for messages (`filter "date"`).
        value: a date value; an integer (seconds since 1970); or a text, ISO-8601 unless `existing_format` is given.
        zone: where a value without offset is read.
        existing_format: pattern or named format of a text, or None.

    Raises:
        ExpressionError: bad_value for a text that cannot be read, bad_input for values of other kinds, bad_argument for an
            unknown zone or pattern.
    """
    target = get_zone(zone)
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else normalize(value.replace(tzinfo=target))
    if isinstance(value, date):
        return normalize(datetime.combine(value, time(), target))
    if is_integer(value):
        try:
            return datetime.fromtimestamp(int(value), UTC).astimezone(target)
        except (OverflowError, ValueError, OSError) as error:
            raise bad_value(f"{value} seconds since 1970 is outside of the years 1 to 9999.") from error
    if not isinstance(value, str):
        raise bad_input(what, "a date, a text or an integer", value)
    if len(value) > MAX_DATE_CHARACTERS:
        raise bad_value(f"A text of {len(value)} characters is no date.")
    try:
        if existing_format is None:
            return _read_iso(value, target)
        return _read_pattern(value, existing_format, target, locale)
    except (ValueError, OverflowError) as error:
        raise bad_value(f'"{value}" is not a date that exists.') from error


def _read_iso(text: str, zone: tzinfo) -> datetime:
    found = _ISO.fullmatch(text)
    if found is None:
        raise bad_value(
            f'"{text}" is not a date. Use ISO-8601 such as 2024-03-05T14:07:09Z, or name its pattern with existingFormat.'
        )
    parts = _Parts({name: int(found[name]) for name in ("year", "month", "day", "hour", "minute", "second") if found[name]})
    if found["fraction"]:
        parts.numbers["nano"] = int(found["fraction"].ljust(9, "0"))
    if found["region"] and not found["offset"]:
        raise bad_value(f'"{text}" has a region but no offset. Write 2024-03-05T14:07:09+01:00[Europe/Paris].')
    parts.offset, parts.region = found["offset"], found["region"]
    return parts.resolve(zone)


@dataclass(slots=True)
class _Parts:
    """What was read from a text; `resolve` makes a moment of it. Raises ValueError for dates that do not exist."""

    numbers: dict[str, int]
    offset: str | None = None
    region: str | None = None
    is_afternoon: bool | None = None

    def resolve(self, zone: tzinfo) -> datetime:
        """Return the moment: in the region if one was read, else at the offset, else in the given zone."""
        naive = datetime.combine(self._day(), time()) + self._time_of_day()
        if self.region is not None:
            region = _zone_of_text(self.region)
            if self.offset is None:
                return normalize(naive.replace(tzinfo=region))
            # The offset decides which of two equal wall times is meant when clocks go back.
            return naive.replace(tzinfo=_read_offset(self.offset)).astimezone(region)
        if self.offset is not None:
            return naive.replace(tzinfo=_read_offset(self.offset))
        return normalize(naive.replace(tzinfo=zone))

    def _day(self) -> date:
        numbers = self.numbers
        if "day_of_year" in numbers:
            start = date(numbers["year"], 1, 1)
            day = start + timedelta(days=numbers["day_of_year"] - 1)
            if day.year != start.year:
                raise ValueError("day of year")
            return day
        if "week" in numbers and "week_year" in numbers:
            return date.fromisocalendar(numbers["week_year"], numbers["week"], numbers.get("weekday", 1))
        if not {"year", "month", "day"} <= numbers.keys():
            raise bad_value("The text has no complete date: year, month and day are needed.")
        return date(numbers["year"], numbers["month"], numbers["day"])

    def _time_of_day(self) -> timedelta:
        numbers = self.numbers
        if "nano_of_day" in numbers:
            return timedelta(microseconds=numbers["nano_of_day"] // 1000)
        if "milli_of_day" in numbers:
            return timedelta(milliseconds=numbers["milli_of_day"])
        clock = time(self._hour(), numbers.get("minute", 0), numbers.get("second", 0))
        return timedelta(
            hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=numbers.get("nano", 0) // 1000
        )

    def _hour(self) -> int:
        numbers = self.numbers
        if "hour" in numbers:
            return numbers["hour"]
        if "hour24" in numbers:
            return numbers["hour24"] % 24
        if "hour12" in numbers or "hour11" in numbers:
            if self.is_afternoon is None:
                raise bad_value("The text has an hour up to 12 but neither AM nor PM.")
            return numbers.get("hour12", numbers.get("hour11", 0)) % 12 + (12 if self.is_afternoon else 0)
        return 0


def _zone_of_text(name: str) -> tzinfo:
    try:
        return get_zone(name)
    except ExpressionError as error:
        raise ValueError(name) from error


def _read_offset(text: str) -> timezone:
    if text in ("Z", "z", "GMT", "UTC"):
        return UTC
    digits = text.removeprefix("GMT")
    sign, digits = digits[0], digits[1:].replace(":", "")
    if len(digits) % 2:
        digits = "0" + digits
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4] or 0), int(digits[4:6] or 0)
    if hours > 18 or minutes > 59 or seconds > 59:
        raise ValueError(text)
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timezone(-offset if sign == "-" else offset)


def _read_pattern(text: str, pattern: str, zone: tzinfo, locale: str) -> datetime:
    compiled = _compile_reader(pattern, locale)
    try:
        found = compiled.expression.fullmatch(text, timeout=MATCH_SECONDS)
    except TimeoutError:
        found = None
    if found is None:
        raise bad_value(f'"{text}" does not fit the pattern "{pattern}".')
    parts = _Parts({})
    for index, field in enumerate(compiled.fields):
        piece = found[f"f{index}"]
        if piece is not None:
            _take(parts, field, piece, locale)
    return parts.resolve(zone)


@dataclass(frozen=True, slots=True)
class _Reader:
    expression: regex.Pattern[str]
    fields: tuple[Field, ...]


@lru_cache(maxsize=256)
def _compile_reader(pattern: str, locale: str) -> _Reader:
    name = pattern.lower()
    if name == "rfc_1123_date_time":
        locale = "en"
    items = parse_date_pattern(get_style_pattern(locale, name) if name in STYLES else pattern)
    fields: list[Field] = []
    expression = _build(items, fields, locale)
    return _Reader(regex.compile(expression), tuple(fields))


def _build(items: Iterable[Item], fields: list[Field], locale: str) -> str:
    pieces: list[str] = []
    for item in items:
        if isinstance(item, str):
            pieces.append(regex.escape(item, literal_spaces=True))
        elif isinstance(item, Optional):
            pieces.append(f"(?:{_build(item.items, fields, locale)})?")
        else:
            expression = _field_expression(item, locale)
            pieces.append(f"(?P<f{len(fields)}>{expression})")
            fields.append(item)
    return "".join(pieces)


def _field_expression(field: Field, locale: str) -> str:
    letter, count = field.letter, field.count
    if letter in "yuY" and len(letter) == 1:
        return r"[0-9]{2}" if count == 2 else rf"[0-9]{{{count},9}}" if count > 2 else r"[0-9]{1,9}"
    if letter in _NUMBER_FIELDS or (letter in "MLQqe" and count <= 2):
        return rf"[0-9]{{{count}}}" if count > 1 else r"[0-9]{1,19}"
    texts = _list_texts(field, locale)
    if texts is not None:
        return "|".join(regex.escape(text, literal_spaces=True) for text in sorted(texts, key=len, reverse=True))
    if letter == "S":
        return rf"[0-9]{{{count}}}"
    expression = _EXPRESSIONS.get(letter)
    if expression is None:
        raise bad_argument(f'The letter "{letter}" of a date pattern can be printed but not read.')
    return expression


_OFFSET = r"[+-][0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2})?)?"
_EXPRESSIONS = {
    "fraction": r"(?:\.[0-9]{1,9})?",
    "groups": r"(?:\.[0-9]{1,9})?",
    "X": rf"Z|{_OFFSET}",
    "x": _OFFSET,
    "Z": rf"Z|{_OFFSET}|GMT(?:[+-][0-9]{{2}}:[0-9]{{2}})?",
    "O": r"GMT(?:[+-][0-9]{1,2}(?::[0-9]{2})?)?",
    "gmt": rf"GMT|{_OFFSET}",
    "V": r"[A-Za-z][A-Za-z0-9_+/-]*|[+-][0-9]{2}:[0-9]{2}",
    "z": r"[A-Za-z][A-Za-z0-9_+/-]*",
    "region": r"(?:\[[^\]]+\])?",
}


def _list_texts(field: Field, locale: str) -> tuple[str, ...] | None:
    letter, count = field.letter, max(field.count, 3)
    context = "stand-alone" if letter in "Lqc" else "format"
    if letter in ("M", "L"):
        return list_names(locale, "months", context, count)
    if letter in ("E", "e", "c"):
        return list_names(locale, "days", context, count)
    if letter in ("Q", "q"):
        return list_names(locale, "quarters", context, count)
    if letter == "G":
        return list_names(locale, "eras", "format", count)
    return list_day_halves(locale) if letter == "a" else None


def _take(parts: _Parts, field: Field, piece: str, locale: str) -> None:
    letter, count, numbers = field.letter, field.count, parts.numbers
    if letter in ("y", "u"):
        # Two digits mean 2000 to 2099.
        numbers["year"] = int(piece) + (2000 if count == 2 else 0)
    elif letter in ("M", "L"):
        numbers["month"] = int(piece) if count <= 2 else list_names(
            locale, "months", "format" if letter == "M" else "stand-alone", count
        ).index(piece) + 1  # fmt: skip
    elif letter in _NUMBER_FIELDS:
        numbers[_NUMBER_FIELDS[letter]] = int(piece)
    elif letter == "S":
        numbers["nano"] = int(piece.ljust(9, "0"))
    elif letter in ("fraction", "groups"):
        numbers["nano"] = int(piece[1:].ljust(9, "0") or 0)
    elif letter == "a":
        parts.is_afternoon = list_day_halves(locale).index(piece) == 1
    elif letter in ("X", "x", "Z", "O", "gmt"):
        parts.offset = piece
    elif letter in ("V", "z", "region") and piece:
        parts.region = piece.strip("[]")
