"""Values as plain JSON data: how scalars are written as text, what can be stored, and how dotted ids nest."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flows.primitives.durations import format_duration

_DEEPEST = 100


class InputValueError(Exception):
    """A value does not fit its input; `reason` is the middle part of the message for the caller."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def write_plain(value: Any) -> str:
    """Return a value as text: scalars as JSON writes them, text as it is, structures as compact JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return write_moment(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return format_duration(value)
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except (ValueError, RecursionError):
        return str(type(value).__name__)


def write_moment(moment: datetime) -> str:
    """Return an aware moment as UTC text with `Z`; a fraction has three or six digits and is left out when zero."""
    plain = moment.astimezone(UTC).replace(tzinfo=None)
    if plain.microsecond == 0:
        return plain.isoformat(timespec="seconds") + "Z"
    return plain.isoformat(timespec="milliseconds" if plain.microsecond % 1000 == 0 else "microseconds") + "Z"


def nest_values(flat: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return values by dotted id as nested mappings: `a.b: 1` becomes `{a: {b: 1}}`.

    A value that stands where another id needs a level gives way; the parser refuses such ids.
    """
    nested: dict[str, Any] = {}
    levels = {id(nested)}
    for name, value in flat.items():
        *steps, last = name.split(".")
        level = nested
        for step in steps:
            inner = level.get(step)
            if not isinstance(inner, dict) or id(inner) not in levels:
                inner = level[step] = {}
                levels.add(id(inner))
            level = inner
        if id(level.get(last)) not in levels:
            level[last] = value
    return nested


def make_storable(value: Any, depth: int = _DEEPEST) -> Any:
    """
    Return a value as plain JSON data: dates and durations as text, sets and tuples as lists, keys as text.

    Raises:
        InputValueError: something in it cannot be stored: a text with U+0000 or half a character pair, a number that is not
            finite, more than a hundred levels, or an object of another kind.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        if "\x00" in value or not _is_unicode(value):
            raise InputValueError("it holds a character that cannot be stored")
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputValueError("it holds a number that is not finite")
        return value
    if isinstance(value, (date, time, timedelta)):
        return write_plain(value)
    if depth <= 0:
        raise InputValueError(f"it is nested more than {_DEEPEST} levels deep")
    if isinstance(value, Mapping):
        return {make_storable(str(key)): make_storable(item, depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [make_storable(item, depth - 1) for item in value]
    raise InputValueError("it holds a value that JSON cannot express")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
