"""The values of the language: number kinds, texts of values (print form and Java form), JSON. Hosts' objects are not values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from json.encoder import encode_basestring
from typing import Any
from uuid import UUID

from flows.expressions.errors import ExpressionError, Kind
from flows.expressions.limits import MAX_DEPTH, Budget, limit_error

INTEGER_MIN, INTEGER_MAX = -(2**31), 2**31 - 1
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
MAX_DECIMAL_DIGITS = 10_000

quote_json: Callable[[str], str] = encode_basestring
"""Returns a text as a JSON text with its quotes; non-ASCII characters stay."""


class Long(int):
    """A 64-bit integer as literals and `number('LONG')` give; a plain int is a 32-bit one while it fits."""

    __slots__ = ()


class BigInteger(int):
    """An integer without a width, from `number('BIGINTEGER')`."""

    __slots__ = ()


class Float(float):
    """A 32-bit decimal number, from `number` without a type."""

    __slots__ = ()


def is_number(value: object) -> bool:
    """Return whether the value is a number; booleans are none."""
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def is_integer(value: object) -> bool:
    """Return whether the value is an integer of any width; booleans are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_list(value: object) -> bool:
    """Return whether the value is a list, tuple or set."""
    return isinstance(value, (list, tuple, set, frozenset))


def to_plain(value: Any) -> Any:
    """
    Return the value without our number kinds, for callers outside the language.

    Lists and dicts that need no change are returned as they are, other mappings (which may be lazy) always.
    """
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is Long or kind is BigInteger:
        return int(value)
    if kind is Float:
        return float(value)
    if kind is list:
        items = [to_plain(item) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    if kind is dict:
        entries = {to_plain(key): to_plain(item) for key, item in value.items()}
        unchanged = all(entries[key] is item for key, item in value.items()) and not any(type(key) is Long for key in value)
        return value if unchanged else entries
    return value


def describe_type(value: object) -> str:
    """Return how error messages call the kind of a value: "a text", "an integer", "a list" and so on."""
    if value is None:
        return "null"
    for kinds, name in _TYPE_NAMES:
        if isinstance(value, kinds):
            return name
    return "a value of another kind"


_TYPE_NAMES: tuple[tuple[Any, str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    ((float, Decimal), "a decimal number"),
    (str, "a text"),
    (Mapping, "a map"),
    ((list, tuple, set, frozenset), "a list"),
    ((date, time), "a date"),
    (timedelta, "a duration"),
)


def java_class_name(value: object) -> str:
    """Return the name of the Java class that the original product has for this value."""
    if isinstance(value, int) and type(value) is int:
        return "java.lang.Integer" if INTEGER_MIN <= value <= INTEGER_MAX else "java.lang.Long"
    for kinds, name in _JAVA_CLASSES:
        if isinstance(value, kinds):
            return name
    return "java.lang.Object"


_JAVA_CLASSES: tuple[tuple[Any, str], ...] = (
    (bool, "java.lang.Boolean"),
    (str, "java.lang.String"),
    (BigInteger, "java.math.BigInteger"),
    (int, "java.lang.Long"),
    (Float, "java.lang.Float"),
    (float, "java.lang.Double"),
    (Decimal, "java.math.BigDecimal"),
    (Mapping, "java.util.LinkedHashMap"),
    ((list, tuple), "java.util.ArrayList"),
    ((set, frozenset), "java.util.LinkedHashSet"),
    (datetime, "java.time.ZonedDateTime"),
    (date, "java.time.LocalDate"),
    (time, "java.time.LocalTime"),
    (timedelta, "java.time.Duration"),
)


def format_double(value: float) -> str:
    """Return the shortest text that reads back: `1.0`, `1.23456789E7` from 10^7 on, `1.2E-4` below 10^-3."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    text = float.__repr__(value)
    magnitude = abs(value)
    if magnitude == 0 or 1e-3 <= magnitude < 1e7:
        return text if "e" not in text else format(Decimal(text), "f")
    sign, digits, exponent = Decimal(text).as_tuple()
    shown = "".join(map(str, digits)).rstrip("0") or "0"
    power = len(digits) - 1 + int(exponent)
    return f"{'-' if sign else ''}{shown[0]}.{shown[1:] or '0'}E{power}"


def format_decimal(value: Decimal) -> str:
    """Return a big decimal in plain notation, never with an exponent."""
    if not value.is_finite():
        return str(value)
    if abs(value.adjusted()) > MAX_DECIMAL_DIGITS or len(value.as_tuple().digits) > MAX_DECIMAL_DIGITS:
        raise limit_error("A decimal number", f"{MAX_DECIMAL_DIGITS} digits")
    return format(value, "f")


def _fraction(microsecond: int) -> str:
    if not microsecond:
        return ""
    return f".{microsecond // 1000:03d}" if microsecond % 1000 == 0 else f".{microsecond:06d}"


def format_offset(value: datetime | time) -> str:
    """Return `Z` or `+02:00` for the offset of a moment, empty when it has none."""
    offset = value.utcoffset()
    if offset is None:
        return ""
    seconds = int(offset.total_seconds())
    if seconds == 0:
        return "Z"
    sign, seconds = ("-", -seconds) if seconds < 0 else ("+", seconds)
    text = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}"
    return text + (f":{seconds % 60:02d}" if seconds % 60 else "")


def format_temporal(value: date | time) -> str:
    """Return the ISO-8601 text of a date value; a fraction has three or six digits and only appears when it is not zero."""
    if isinstance(value, datetime):
        day = f"{value.year:04d}-{value.month:02d}-{value.day:02d}"
        return f"{day}T{value.hour:02d}:{value.minute:02d}:{value.second:02d}{_fraction(value.microsecond)}{format_offset(value)}"
    if isinstance(value, time):
        return f"{value.hour:02d}:{value.minute:02d}:{value.second:02d}{_fraction(value.microsecond)}{format_offset(value)}"
    return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"


def format_duration(value: timedelta) -> str:
    """Return the ISO-8601 text of a duration in hours, minutes and seconds: `PT26H1.5S`, `PT0S`."""
    micros = value // timedelta(microseconds=1)
    if micros == 0:
        return "PT0S"
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    seconds, rest = divmod(micros, 1_000_000)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    text = "PT" + (f"{sign}{hours}H" if hours else "") + (f"{sign}{minutes}M" if minutes else "")
    if seconds or rest:
        fraction = f".{rest:06d}".rstrip("0") if rest else ""
        text += f"{sign}{seconds}{fraction}S"
    return text


def format_scalar(value: Any) -> str:
    """Return the text of anything that is no null, list or map. Raises `bad_input` for objects that are no values."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return format_double(value)
    if isinstance(value, Decimal):
        return format_decimal(value)
    if isinstance(value, (date, time)):
        return format_temporal(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.name
    raise ExpressionError(
        Kind.BAD_INPUT,
        "An expression met an object that is neither a text, number, boolean, date, list nor map and cannot show it. "
        "Use one of its plain fields instead.",
    )


def to_text(budget: Budget, value: Any) -> str:
    """Return how `{{ value }}` prints: null is empty, lists and maps are compact JSON. Source: expressions, 5."""
    kind = type(value)
    if kind is str:
        return value
    if kind is int:
        return str(value)
    if value is None:
        return ""
    if isinstance(value, Mapping) or is_list(value):
        return to_json(budget, value)
    return format_scalar(value)


def to_json(budget: Budget, value: Any) -> str:
    """
    Return compact JSON: null map entries are left out, null list items kept, non-ASCII and `/` are not escaped.

    Raises `limit` when the text would pass 4 Mi characters, nests deeper than 100 levels or takes too long: shared parts
    are written again at every place, so a small value can have a huge text.
    """
    return _write(budget, value, _json_scalar, _json_map, ("[", ",", "]"))


def to_java_text(budget: Budget, value: Any) -> str:
    """Return the text that Java's String.valueOf has: `null`, `[1, x]`, `{k=v}`. `~`, `join` and `upper` use it."""
    if type(value) is str:
        return value
    if value is None:
        return "null"
    if isinstance(value, Mapping) or is_list(value):
        return _write(budget, value, _java_scalar, _java_map, ("[", ", ", "]"))
    return format_scalar(value)


def _json_scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return quote_json(value)
    if isinstance(value, (bool, int, Decimal)):
        return format_scalar(value)
    if isinstance(value, float):
        text = format_double(value)
        return text if text[-1].isdigit() else f'"{text}"'
    return quote_json(format_scalar(value))


def _json_map(mapping: Mapping[Any, Any]) -> tuple[str, str, list[tuple[str, Any]]]:
    entries = [(quote_json(k if type(k) is str else _key_text(k)) + ":", v) for k, v in mapping.items() if v is not None]
    return ",", "{}", entries


def _java_scalar(value: Any) -> str:
    return "null" if value is None else format_scalar(value)


def _java_map(mapping: Mapping[Any, Any]) -> tuple[str, str, list[tuple[str, Any]]]:
    return ", ", "{}", [(_key_text(key) + "=", item) for key, item in mapping.items()]


def _key_text(key: Any) -> str:
    return "null" if key is None else format_scalar(key)


def _write(
    budget: Budget,
    value: Any,
    scalar: Callable[[Any], str],
    list_entries: Callable[[Mapping[Any, Any]], tuple[str, str, list[tuple[str, Any]]]],
    list_marks: tuple[str, str, str],
) -> str:
    chunks: list[str] = []
    pieces: list[str] = []
    write = pieces.append
    unpaid = 0
    opening, comma, closing = list_marks

    def put(item: Any, depth: int) -> None:
        nonlocal unpaid
        if depth > MAX_DEPTH:
            raise limit_error("The nesting of a value", f"{MAX_DEPTH} levels")
        if isinstance(item, Mapping):
            separator, braces, entries = list_entries(item)
            write(braces[0])
            for index, (label, entry) in enumerate(entries):
                write(separator + label if index else label)
                unpaid += len(label) + 2
                put(entry, depth + 1)
            write(braces[1])
        elif is_list(item):
            write(opening)
            for index, entry in enumerate(item):
                if index:
                    write(comma)
                put(entry, depth + 1)
            write(closing)
        else:
            text = scalar(item)
            write(text)
            unpaid += len(text)
        unpaid += 3
        if unpaid > 4096:
            budget.spend_text(unpaid)
            budget.tick_many(unpaid >> 6)
            unpaid = 0
            # One long text takes less memory than its many short pieces.
            chunks.append("".join(pieces))
            pieces.clear()

    put(value, 1)
    budget.tick_many(len(pieces) >> 2)
    text = "".join(chunks) + "".join(pieces)
    budget.account(text)
    return text
