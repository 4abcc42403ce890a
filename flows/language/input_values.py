"""One value of one declared input: from what a caller sends to its stored form, with every bound checked, and back."""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import regex

from flows.language.flow import Input
from flows.language.plain_values import InputValueError, write_moment, write_plain
from flows.language.source import read_document
from flows.primitives.durations import DurationError, format_duration, parse_duration

_LARGEST_INTEGER = 2**63 - 1
_PATTERN_SECONDS = 1.0
_INTEGER = re.compile(r"[-+]?[0-9]{1,19}")
_DATE_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[-+][0-9]{2}:[0-9]{2})")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?")
_URI = re.compile(r"[a-z][a-z0-9+.-]*://([^\s/?#@]*@)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]{1,5})?([/?#]\S*)?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def convert_value(declared: Input, value: Any, *, choices: Sequence[str] | None = None) -> Any:
    """
    Return `value` in the form in which it is stored: JSON-ready, dates and durations as ISO text.

    Args:
        declared: the input, any type but FILE, FORM and REUSABLE_INPUTS; SECRET gives the clear text.
        value: text, or a value that already has a structure; never None.
        choices: what can be chosen, for SELECT, ENUM and MULTISELECT.

    Raises:
        InputValueError: the value cannot be read as the type or breaks a bound.

    Source: flow language, 3.2; REST API, 6.
    """
    reader = _READERS.get(declared.type or "")
    if reader is None:
        return value
    if declared.type in {"SELECT", "ENUM", "MULTISELECT"}:
        return _read_chosen(declared, value, choices)
    return reader(declared, value)


def revive_value(declared_type: str | None, value: Any, *, declared: Input | None = None) -> Any:
    """
    Return a stored value as expressions see it: dates, times and durations as such, everything else unchanged.

    A stored value that no longer fits its type, because the flow has changed since, stays as it is.
    """
    if value is None:
        return None
    try:
        if declared_type == "DATETIME":
            return _read_moment(value)
        if declared_type == "DATE":
            return date.fromisoformat(value)
        if declared_type == "TIME":
            return time.fromisoformat(value)
        if declared_type == "DURATION":
            return parse_duration(value)
    except (ValueError, TypeError, InputValueError):
        return value
    if declared is not None and declared_type in {"ARRAY", "MULTISELECT"} and isinstance(value, list):
        return [revive_value(declared.options.get("itemType"), item) for item in value]
    if declared is not None and declared_type == "OBJECT" and isinstance(value, Mapping):
        return _revive_record(declared, value)
    if declared is not None and declared_type == "TABLE" and isinstance(value, list):
        return [_revive_record(declared, row) if isinstance(row, Mapping) else row for row in value]
    return value


def list_choices(values: Any) -> list[str]:
    """Return what can be chosen as texts, from scalars or `{label, value}` mappings; nulls are left out."""
    found = []
    for item in values if isinstance(values, (list, tuple)) else ():
        plain = item.get("value") if isinstance(item, Mapping) else item
        if plain is not None:
            found.append(write_plain(plain))
    return found


def _revive_record(declared: Input, row: Mapping[str, Any]) -> dict[str, Any]:
    children = {child.id: child for child in declared.children}
    return {
        key: revive_value(children[key].type, item, declared=children[key]) if key in children else item
        for key, item in row.items()
    }


def _read_string(declared: Input, value: Any) -> str:
    text = write_plain(value)
    pattern = declared.options.get("validator")
    if isinstance(pattern, str):
        try:
            matches = regex.fullmatch(pattern, text, timeout=_PATTERN_SECONDS) is not None
        except TimeoutError:
            raise InputValueError(f"matching it with the pattern `{pattern}` takes too long") from None
        except regex.error as error:
            raise InputValueError(f"the pattern `{pattern}` is no regular expression: {error}") from error
        if not matches:
            raise InputValueError(f"it must match the pattern `{pattern}`")
    return text


def _read_integer(declared: Input, value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST_INTEGER:
        raise InputValueError("it must be an integer")
    _check_bounds(declared, value)
    return value


def _read_float(declared: Input, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InputValueError("it must be a number")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        raise InputValueError("it must be a number") from None
    if not math.isfinite(found) or (isinstance(value, str) and "_" in value):
        raise InputValueError("it must be a number")
    _check_bounds(declared, found)
    return found


def _check_bounds(declared: Input, value: float) -> None:
    low, high = declared.options.get("min"), declared.options.get("max")
    if isinstance(low, (int, float)) and value < low:
        raise InputValueError(f"it must be more than `{low}`")
    if isinstance(high, (int, float)) and value > high:
        raise InputValueError(f"it must be less than `{high}`")


def _read_boolean(_declared: Input, value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).strip().lower() == "true"


def _read_moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    if not isinstance(value, str) or _DATE_TIME.fullmatch(value.strip()) is None:
        raise InputValueError("it must be a date and time such as `2031-05-04T10:00:00Z`")
    try:
        return datetime.fromisoformat(value.strip().upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputValueError("it must be a date and time that exists, such as `2031-05-04T10:00:00Z`") from None


def _read_date(value: Any) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or _DATE.fullmatch(value.strip()) is None:
        raise InputValueError("it must be a date such as `2031-05-04`")
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise InputValueError("it must be a date that exists, such as `2031-05-04`") from None


def _read_time(value: Any) -> time:
    if isinstance(value, datetime):
        return value.time()
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or _TIME.fullmatch(value.strip()) is None:
        raise InputValueError("it must be a time such as `10:30:00`")
    try:
        return time.fromisoformat(value.strip())
    except ValueError:
        raise InputValueError("it must be a time of the day, such as `10:30:00`") from None


def _read_length(value: Any) -> timedelta:
    try:
        return parse_duration(value if isinstance(value, (str, int, float, timedelta)) else str(value))
    except DurationError:
        raise InputValueError("it must be a duration such as `PT10S` or `P1DT2H`") from None


def _within(declared: Input, value: Any, read: Callable[[Any], Any], low: str, high: str, words: tuple[str, str]) -> None:
    for name, word, is_outside in ((low, words[0], operator.lt), (high, words[1], operator.gt)):
        written = declared.options.get(name)
        if written is None:
            continue
        try:
            limit = read(written)
        except InputValueError:
            raise InputValueError(f'its bound "{name}" is `{written}`, which is no value of this type') from None
        if is_outside(value, limit):
            raise InputValueError(f"it must be {word} `{written}`")


def _read_period(read: Callable[[Any], Any], write: Callable[[Any], str]) -> Callable[[Input, Any], str]:
    def convert(declared: Input, value: Any) -> str:
        found = read(value)
        _within(declared, found, read, "after", "before", ("after", "before"))
        return write(found)

    return convert


def _read_duration(declared: Input, value: Any) -> str:
    found = _read_length(value)
    _within(declared, found, _read_length, "min", "max", ("more than", "less than"))
    return format_duration(found)


def _read_json(_declared: Input, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InputValueError("it must be JSON") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _read_yaml(_declared: Input, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    document = read_document(value)
    if document.problems:
        raise InputValueError(f"it must be YAML: {document.problems[0]}")
    return document.data


def _read_ion(declared: Input, value: Any) -> Any:
    """Ion text is a superset of JSON; unquoted field names and symbols are read as YAML reads them."""
    try:
        return _read_json(declared, value)
    except InputValueError:
        try:
            return _read_yaml(declared, value)
        except InputValueError:
            raise InputValueError("it must be Ion or JSON") from None


def _read_uri(_declared: Input, value: Any) -> str:
    if not isinstance(value, str) or _URI.fullmatch(value) is None:
        raise InputValueError("it must be an address such as `https://example.com`")
    return value


def _read_email(_declared: Input, value: Any) -> str:
    if not isinstance(value, str) or (value and _EMAIL.fullmatch(value) is None):
        raise InputValueError("it must be an e-mail address")
    return value


def _read_chosen(declared: Input, value: Any, choices: Sequence[str] | None) -> Any:
    allowed = list(choices) if choices is not None else list_choices(declared.options.get("values"))
    found = _read_items(declared, value) if declared.type == "MULTISELECT" else write_plain(value)
    if declared.options.get("allowCustomValue") is not True:
        for item in found if isinstance(found, list) else [found]:
            if write_plain(item) not in allowed:
                raise InputValueError(f"it must match the values `[{', '.join(allowed)}]`")
    return found


def _read_items(declared: Input, value: Any) -> list[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise InputValueError("it must be a list, such as `[1, 2]`") from None
    if not isinstance(value, (list, tuple)):
        raise InputValueError("it must be a list, such as `[1, 2]`")
    item_type = declared.options.get("itemType") or "STRING"
    item = Input(id=declared.id, type=item_type)
    found = []
    for element in value:
        try:
            found.append(None if element is None else convert_value(item, element))
        except InputValueError:
            raise InputValueError(f"Unable to parse array element as `{item_type}` on `{write_plain(element)[:200]}`") from None
    return found


def _read_object(declared: Input, value: Any) -> dict[str, Any]:
    found = _read_json(declared, value)
    if not isinstance(found, Mapping):
        raise InputValueError("it must be a mapping")
    row: dict[str, Any] = {}
    for child in declared.children:
        given = found.get(child.id)
        if given is None:
            if child.required:
                raise InputValueError(f"it must have a value for `{child.id}`")
            row[child.id] = None
            continue
        try:
            row[child.id] = convert_value(child, given)
        except InputValueError as fault:
            raise InputValueError(f"`{child.id}`: {fault.reason}") from None
    unknown = [key for key in found if key not in row]
    if unknown:
        raise InputValueError(f"it has no property `{unknown[0]}`")
    return row


def _read_table(declared: Input, value: Any) -> list[dict[str, Any]]:
    found = _read_json(declared, value)
    if not isinstance(found, list):
        raise InputValueError("it must be a list of rows")
    rows_option = declared.options.get("rows")
    bounds: Mapping[str, Any] = rows_option if isinstance(rows_option, Mapping) else {}
    low, high = bounds.get("min"), bounds.get("max")
    if isinstance(low, int) and len(found) < low:
        raise InputValueError(f"it must have at least `{low}` rows")
    if isinstance(high, int) and len(found) > high:
        raise InputValueError(f"it must have at most `{high}` rows")
    rows = []
    for number, row in enumerate(found, start=1):
        try:
            rows.append(_read_object(declared, row))
        except InputValueError as fault:
            raise InputValueError(f"row {number}: {fault.reason}") from None
    return rows


_READERS: dict[str, Callable[[Input, Any], Any]] = {
    "STRING": _read_string,
    "SECRET": _read_string,
    "INT": _read_integer,
    "FLOAT": _read_float,
    "BOOL": _read_boolean,
    "BOOLEAN": _read_boolean,
    "DATETIME": _read_period(_read_moment, write_moment),
    "DATE": _read_period(_read_date, lambda value: str(value.isoformat())),
    "TIME": _read_period(_read_time, lambda value: str(value.isoformat())),
    "DURATION": _read_duration,
    "FILE": _read_string,
    "JSON": _read_json,
    "YAML": _read_yaml,
    "ION": _read_ion,
    "URI": _read_uri,
    "EMAIL": _read_email,
    "SELECT": _read_string,
    "ENUM": _read_string,
    "MULTISELECT": _read_items,
    "ARRAY": _read_items,
    "OBJECT": _read_object,
    "TABLE": _read_table,
}
