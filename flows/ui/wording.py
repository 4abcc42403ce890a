"""Moments, durations, sizes and labels as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

_ONE_LINE = 1_000_000
_SIZE_UNITS = ("B", "KB", "MB", "GB", "TB")


def write_duration(length: timedelta | None) -> str:
    """Return `840 ms`, `12.4 s`, `3m 08s`, `2h 05m` or `3d 04h`; a dash for None."""
    if length is None:
        return "–"
    seconds = max(0.0, length.total_seconds())
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


def write_age(moment: datetime, *, at: datetime) -> str:
    """Return how long ago a moment was, or how far it lies ahead: `3 min ago`, `in 2 h`, `just now`."""
    seconds = (at - moment).total_seconds()
    ahead, seconds = seconds < 0, abs(seconds)
    if seconds < 5:
        return "just now"
    for size, unit in ((60, "s"), (3600, "min"), (86400, "h"), (float("inf"), "d")):
        if seconds < size:
            step = {"s": 1, "min": 60, "h": 3600, "d": 86400}[unit]
            words = f"{int(seconds // step)} {unit}"
            return f"in {words}" if ahead else f"{words} ago"
    return ""


def write_size(count: int) -> str:
    """Return a number of bytes as `12.3 KB`."""
    size = float(count)
    for unit in _SIZE_UNITS:
        if size < 1024 or unit == _SIZE_UNITS[-1]:
            return f"{int(size)} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return ""


def read_history(histories: Iterable[Iterable[str]]) -> list[tuple[str, datetime]]:
    """Return stored histories as pairs of state and aware moment, in order."""
    return [(state, datetime.fromisoformat(moment).astimezone(UTC)) for state, moment in histories]


def write_value(value: Any) -> str:
    """Return a value of a source as people read it: a text as it stands, everything else as YAML in one line."""
    if isinstance(value, str):
        return value
    return yaml.safe_dump(make_plain(value), default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6).strip(
        " .\n"
    )


def make_plain(value: Any) -> Any:
    """Return maps, lists and simple values as YAML knows them, everything else as text."""
    if isinstance(value, Mapping):
        return {str(key): make_plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [make_plain(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def short_type(type_name: str) -> str:
    """Return the last part of a type name."""
    return type_name.rpartition(".")[2]


def split_labels(labels: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the labels that people gave, as pairs; those of the system are left out."""
    pairs = [(str(label.get("key", "")), str(label.get("value", ""))) for label in labels]
    return [pair for pair in pairs if not pair[0].startswith("system.")]
