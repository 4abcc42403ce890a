"""How database values appear in outputs and row files. Source: plugins, 2.1, "Values out"."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any

Convert = Callable[[Any], Any]


def make_output_conversion(zone: tzinfo | None) -> Convert:
    """Return the conversion of a value for task outputs, where everything must be JSON: moments as ISO text, bytes as base64."""

    def convert(value: Any) -> Any:
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, bytes | memoryview):
            return base64.b64encode(value).decode()
        if isinstance(value, datetime):
            return _format_moment(_apply_zone(value, zone))
        if isinstance(value, date | time):
            return value.isoformat()
        return _convert_common(value, convert)

    return convert


def make_row_conversion(zone: tzinfo | None) -> Convert:
    """Return the conversion of a value for row files, which keep moments and bytes as such."""

    def convert(value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | str | bytes):
            return value
        if isinstance(value, datetime):
            return _apply_zone(value, zone)
        if isinstance(value, date):
            return value
        if isinstance(value, time):
            return value.isoformat()
        if isinstance(value, memoryview):
            return bytes(value)
        return _convert_common(value, convert)

    return convert


def _convert_common(value: Any, convert: Convert) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, Mapping):
        return {str(k): convert(v) for k, v in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [convert(v) for v in value]
    return str(value.total_seconds()) if isinstance(value, timedelta) else str(value)


def _apply_zone(value: datetime, zone: tzinfo | None) -> datetime:
    return value.replace(tzinfo=zone) if zone is not None and value.tzinfo is None else value


def _format_moment(value: datetime) -> str:
    text = value.isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text
