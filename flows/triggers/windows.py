"""Windows of flow triggers: from when until when satisfied conditions are remembered. Wall clock in, aware UTC out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from flows.primitives.durations import DurationError, parse_duration
from flows.primitives.errors import InvalidError
from flows.triggers.cron import get_zone

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
# A Monday, so that windows of whole weeks start on Mondays.
GRID_ORIGIN = date(1970, 1, 5)


class WindowKind(StrEnum):
    """How a window lies in time: on a grid, rolling back from now, a daily range, or each day until a deadline."""

    EVERY = "every"
    LOOKBACK = "lookback"
    RANGE = "range"
    DEADLINE = "deadline"


OLD_KINDS = {
    "DURATION_WINDOW": WindowKind.EVERY,
    "SLIDING_WINDOW": WindowKind.LOOKBACK,
    "DAILY_TIME_WINDOW": WindowKind.RANGE,
    "DAILY_TIME_DEADLINE": WindowKind.DEADLINE,
}


@dataclass(frozen=True, slots=True)
class Window:
    """
    One kind of window with its measures.

    Attributes:
        length, offset: of a grid or look-back window.
        starts, ends: wall-clock times of a daily range (it may cross midnight); `ends` alone is a deadline. A time with an
            offset of its own keeps it, others are meant in `zone`.
        fire_once: at most one firing per window; otherwise a firing starts the collecting anew.
    """

    kind: WindowKind
    zone: ZoneInfo
    length: timedelta = DAY
    offset: timedelta = timedelta(0)
    starts: time | None = None
    ends: time | None = None
    fire_once: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A window laid on the calendar: aware UTC, both ends inside."""

    start: datetime
    end: datetime

    def __contains__(self, moment: object) -> bool:
        return isinstance(moment, datetime) and self.start <= moment <= self.end


def read_window(written: Mapping[str, Any] | None, *, default_zone: str = "UTC") -> Window:
    """
    Return the window that a `window` or `timeWindow` block describes, or the bare `window` and `windowAdvance` of old.

    Args:
        written: the block as written; None or empty means the grid of one day.
        default_zone: IANA name used when the block names none.

    Raises:
        InvalidError: code `trigger-window`: unknown type, not exactly one kind, or a length or time that cannot be read.

    Source: flow language, 13.7.
    """
    block = dict(written or {})
    zone = get_zone(str(block.get("timezone") or default_zone))
    fire_once = block.get("fireOnce") is True
    old = block.get("type")
    if old is not None:
        kind = OLD_KINDS.get(str(old))
        if kind is None:
            raise _error(f'the type "{old}" is not known; use one of {", ".join(OLD_KINDS)}')
        length, offset = block.get("window"), block.get("windowAdvance")
        starts, ends = block.get("startTime"), block.get("deadline" if kind is WindowKind.DEADLINE else "endTime")
    else:
        kind, length = _read_kind(block)
        offset = block.get("offset", block.get("windowAdvance"))
        starts, ends = block.get("from"), block.get("deadline" if kind is WindowKind.DEADLINE else "to")
    if kind is WindowKind.RANGE and (starts is None or ends is None):
        raise _error("a daily range needs its start and its end")
    if kind is WindowKind.DEADLINE and ends is None:
        raise _error("a deadline window needs its deadline")
    return Window(
        kind=kind,
        zone=zone,
        length=_read_length(length),
        offset=_read_duration(offset) if offset is not None else timedelta(0),
        starts=_read_time(starts),
        ends=_read_time(ends),
        fire_once=fire_once,
    )


def window_span(window: Window, at: datetime) -> Span | None:
    """
    Return the span that is open at a moment, or None when no window is (a daily range or deadline at other times).

    Args:
        at: aware moment, usually the change of the upstream execution.

    Source: flow language, 13.7. Grid windows of up to a day start counting at each midnight, longer ones on a Monday.
    """
    match window.kind:
        case WindowKind.LOOKBACK:
            return Span(at - window.length, at)
        case WindowKind.EVERY:
            return _grid_span(window, at)
        case WindowKind.DEADLINE:
            zone = _zone_of(window.ends, window.zone)
            today = at.astimezone(zone).date()
            span = Span(_on(today, time(0), zone), _on(today, window.ends or time(0), zone))
            return span if at in span else None
        case WindowKind.RANGE:
            return _range_span(window, at)


def next_deadline_after(window: Window, at: datetime) -> datetime:
    """
    Return the first deadline of a window of that kind after a moment, aware UTC.

    Raises:
        ValueError: the window has no deadline.
    """
    if window.kind is not WindowKind.DEADLINE or window.ends is None:
        raise ValueError("Only a deadline window has deadlines.")
    zone = _zone_of(window.ends, window.zone)
    day = at.astimezone(zone).date()
    while (deadline := _on(day, window.ends, zone)) <= at:
        day += DAY
    return deadline


def _grid_span(window: Window, at: datetime) -> Span:
    wall = at.astimezone(window.zone).replace(tzinfo=None)
    origin_day = wall.date() if window.length <= DAY else GRID_ORIGIN
    origin = datetime.combine(origin_day, time(0)) + window.offset
    start = origin + ((wall - origin) // window.length) * window.length
    end = start + window.length
    return Span(_to_utc(start, window.zone), _to_utc(end, window.zone) - MILLISECOND)


def _range_span(window: Window, at: datetime) -> Span | None:
    starts, ends = window.starts or time(0), window.ends or time(0)
    zone = _zone_of(starts, window.zone)
    today = at.astimezone(zone).date()
    crosses = ends.replace(tzinfo=None) <= starts.replace(tzinfo=None)
    for day in (today, today - DAY):
        span = Span(_on(day, starts, zone), _on(day + DAY if crosses else day, ends, _zone_of(ends, window.zone)))
        if at in span:
            return span
    return None


def _zone_of(clock: time | None, zone: ZoneInfo) -> Any:
    return clock.tzinfo if clock is not None and clock.tzinfo is not None else zone


def _on(day: date, clock: time, zone: Any) -> datetime:
    return _to_utc(datetime.combine(day, clock.replace(tzinfo=None)), zone)


def _to_utc(wall: datetime, zone: Any) -> datetime:
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _read_kind(block: Mapping[str, Any]) -> tuple[WindowKind, Any]:
    """Return the kind by the key that stands there, and the length if it has one. `window` alone is the older spelling."""
    found = [key for key in ("deadline", "every", "lookback", "window") if block.get(key) is not None]
    if block.get("from") is not None or block.get("to") is not None:
        found.append("from")
    if len(found) > 1:
        raise _error(f"only one of deadline, from and to, every, lookback may be set; found {', '.join(found)}")
    match found[0] if found else "every":
        case "deadline":
            return WindowKind.DEADLINE, None
        case "from":
            return WindowKind.RANGE, None
        case "lookback":
            return WindowKind.LOOKBACK, block["lookback"]
    return WindowKind.EVERY, block.get("every", block.get("window"))


def _read_length(value: Any) -> timedelta:
    length = DAY if value is None else _read_duration(value)
    if length <= timedelta(0):
        raise _error(f'the length "{value}" must be longer than nothing')
    return length


def _read_duration(value: Any) -> timedelta:
    try:
        return parse_duration(value)
    except DurationError as error:
        raise _error(f'"{value}" is not a duration such as PT6H: {error}') from error


def _read_time(value: Any) -> time | None:
    if value is None or isinstance(value, time):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 86_400:
        # Readers of YAML 1.1 turn 10:30:00 into a number of seconds.
        return (datetime.min + timedelta(seconds=value)).time()  # noqa: DTZ901 only the clock time is used
    try:
        return time.fromisoformat(str(value).strip())
    except ValueError as error:
        raise _error(f'"{value}" is not a time of day such as 09:00:00') from error


def _error(reason: str) -> InvalidError:
    return InvalidError(f"The window of a Flow trigger cannot be read: {reason}.", code="trigger-window")
