"""Values with a named type, as key-value pairs hold them: how a type is deduced, and how values become JSON and come back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from flows.primitives.durations import DurationError, format_duration, parse_duration
from flows.primitives.errors import InvalidError

MAX_VALUE_BYTES = 1024 * 1024
_DURATION_START = re.compile(r"[+-]?P(T?[+-]?\d)", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")


class Kind(StrEnum):
    """The types that a stored value can have. Source: flow language, 16.3."""

    STRING = "STRING"
    NUMBER = "NUMBER"
    BOOLEAN = "BOOLEAN"
    DATETIME = "DATETIME"
    DATE = "DATE"
    DURATION = "DURATION"
    JSON = "JSON"


class ValueTypeError(InvalidError):
    """The value is not of the type that was asked for, or cannot be stored."""

    code = "value-type"


def deduce_kind(value: Any) -> Kind:
    """Return the type that a value has when none is named. Text that is an ISO duration counts as one, as the spec demands."""
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, int | float | Decimal):
        return Kind.NUMBER
    if isinstance(value, datetime):
        return Kind.DATETIME
    if isinstance(value, date):
        return Kind.DATE
    if isinstance(value, timedelta):
        return Kind.DURATION
    if isinstance(value, str):
        return Kind.DURATION if _DURATION_START.match(value) and _is_duration(value) else Kind.STRING
    return Kind.JSON


def parse_value_text(text: str) -> tuple[Kind, Any]:
    """
    Read the body of a request: JSON text, or a bare ISO date, date-time or duration.

    Returns:
        The deduced type and the value as it is stored.

    Raises:
        ValueTypeError: the text is none of these.

    Source: REST API, 8.7.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        value = None
    else:
        kind = deduce_kind(value)
        return kind, to_stored(value, kind)
    bare = text.strip()
    for kind in (Kind.DATE, Kind.DATETIME, Kind.DURATION):
        try:
            return kind, to_stored(bare, kind)
        except ValueTypeError:
            continue
    raise ValueTypeError(
        'The value is neither JSON nor a date, a date-time or a duration: write text in quotes, such as "hello", '
        "dates as 2031-05-04, moments as 2031-05-04T10:00:00Z and durations as PT1H."
    )


def to_stored(value: Any, kind: Kind) -> Any:
    """
    Return `value` as the JSON column keeps it for this type: moments, dates and durations as ISO text.

    Raises:
        ValueTypeError: the value cannot be of this type, or takes more than 1 MiB.

    Source: core tasks, 6.1: BOOLEAN takes anything, and what is not `true` is false.
    """
    try:
        stored = _convert(value, kind)
    except RecursionError as error:
        raise ValueTypeError("The value is nested too deeply: use at most a few hundred levels.") from error
    size = len(json.dumps(stored))
    if size > MAX_VALUE_BYTES:
        raise ValueTypeError(
            f"The value takes {size} bytes as JSON; at most {MAX_VALUE_BYTES} are allowed. Keep large values in a file."
        )
    return stored


def from_stored(stored: Any, kind: Kind) -> Any:
    """Return a stored value as expressions see it: datetime, date and timedelta for these types, plain data else."""
    if stored is None:
        return None
    match kind:
        case Kind.DATETIME:
            return datetime.fromisoformat(stored)
        case Kind.DATE:
            return date.fromisoformat(stored)
        case Kind.DURATION:
            return parse_duration(stored)
        case _:
            return stored


def parse_kind(name: str) -> Kind:
    """Return the type with this name, in any letter case. Raises ValueTypeError naming the known ones."""
    try:
        return Kind(name.upper())
    except ValueError:
        raise ValueTypeError(f'A value has one of the types {", ".join(Kind)}; got "{name}".') from None


def _convert(value: Any, kind: Kind) -> Any:
    match kind:
        case Kind.STRING:
            return _check_text(value) if isinstance(value, str) else _to_text(value)
        case Kind.NUMBER:
            return _to_number(value)
        case Kind.BOOLEAN:
            return value if isinstance(value, bool) else str(value).strip().lower() == "true"
        case Kind.DATETIME:
            return _to_moment(value).isoformat().replace("+00:00", "Z")
        case Kind.DATE:
            return _to_date(value).isoformat()
        case Kind.DURATION:
            try:
                return format_duration(parse_duration(value))
            except (DurationError, TypeError, AttributeError) as error:
                raise ValueTypeError(f'The value "{_show(value)}" is no duration such as PT1H30M.') from error
        case Kind.JSON:
            return _to_json(value)


def _to_text(value: Any) -> str:
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _to_number(value: Any) -> int | float:
    if isinstance(value, str):
        for read in (int, float):
            try:
                number = read(value.strip())
            except ValueError:
                continue
            return _finite(number)
    elif isinstance(value, Decimal):
        return _finite(int(value) if value == value.to_integral_value() else float(value))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(value)
    raise ValueTypeError(f'The value "{_show(value)}" is no number such as 42 or 3.5.')


def _finite(number: int | float) -> int | float:
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueTypeError("The value is no finite number: infinity and not-a-number cannot be stored.")
    return number


def _to_moment(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise ValueTypeError(f'The value "{_show(value)}" is no moment such as 2031-05-04T10:00:00Z.') from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueTypeError(f'The value "{_show(value)}" is no moment such as 2031-05-04T10:00:00Z.')
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _to_date(value: Any) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value).strip())
    except ValueError as error:
        raise ValueTypeError(f'The value "{_show(value)}" is no date such as 2031-05-04.') from error


def _to_json(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return _plain(json.loads(value, parse_constant=_refuse_constant))
        except ValueError as error:
            raise ValueTypeError(f'The value "{_show(value)}" is no JSON text.') from error
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_check_text(str(key)): _plain(content) for key, content in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(content) for content in value]
    if isinstance(value, str):
        return _check_text(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float | Decimal):
        return _to_number(value)
    if isinstance(value, datetime):
        return _to_moment(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return format_duration(value)
    raise ValueTypeError("The value holds something that JSON cannot express.")


def _check_text(text: str) -> str:
    # The database refuses both inside JSON.
    if "\x00" in text or _SURROGATE.search(text):
        raise ValueTypeError("The value holds a NUL character or half a character: text must be valid Unicode without NUL.")
    return text


def _is_duration(text: str) -> bool:
    try:
        parse_duration(text)
    except DurationError:
        return False
    return True


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _show(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
