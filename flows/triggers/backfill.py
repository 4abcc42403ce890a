"""Backfills: the past dates of a schedule fired one after the other, and the return to regular firing afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.primitives.errors import InvalidError
from flows.triggers.schedule import DateFilter, Schedule, find_next_accepted, next_date_after_gap

TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Backfill:
    """
    A running backfill. All moments are aware UTC.

    Attributes:
        id: tells the firings of one backfill from those of another and from regular ones.
        start, end: both inside; dates outside do not fire.
        current: the next date to fire, None when the range holds none any more.
        previous_next: the regular date that waited when the backfill began.
        inputs, labels: added to every execution; labels are (key, value) pairs.
    """

    id: str
    start: datetime
    end: datetime
    current: datetime | None = None
    paused: bool = False
    inputs: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[tuple[str, str], ...] = ()
    previous_next: datetime | None = None


def start_backfill(
    schedule: Schedule,
    *,
    backfill_id: str,
    start: datetime,
    end: datetime | None,
    inputs: Mapping[str, Any],
    labels: tuple[tuple[str, str], ...],
    regular_next: datetime | None,
    accepts: DateFilter | None,
    at: datetime,
) -> Backfill:
    """
    Return a backfill that stands on its first date.

    Args:
        start, end: aware moments, both inside; `end` None means now.
        regular_next: the date the trigger waits for now; it comes back at the end.
        at: now, aware UTC.

    Raises:
        InvalidError: code `backfill-range`: the range is empty, ends in the future, or holds no date of the schedule.

    Source: flow language, 13.4.
    """
    start, last = start.astimezone(UTC), (end or at).astimezone(UTC)
    if start > last:
        raise InvalidError(
            f"The backfill starts at {start.isoformat()}, after its end {last.isoformat()}; choose an earlier start.",
            code="backfill-range",
        )
    if last > at:
        raise InvalidError(
            f"The backfill ends at {last.isoformat()}, which is in the future; only dates that have passed can be filled.",
            code="backfill-range",
        )
    backfill = Backfill(id=backfill_id, start=start, end=last, inputs=inputs, labels=labels, previous_next=regular_next)
    first = _next_inside(schedule, start - TICK, last, accepts)
    if first is None:
        raise InvalidError(
            f"The schedule has no date between {start.isoformat()} and {last.isoformat()}; choose another range.",
            code="backfill-range",
        )
    return replace(backfill, current=first)


def advance_backfill(schedule: Schedule, backfill: Backfill, fired: datetime, accepts: DateFilter | None) -> Backfill:
    """Return the backfill standing on the next date after `fired`; its `current` is None when that was the last one."""
    return replace(backfill, current=_next_inside(schedule, fired, backfill.end, accepts))


def date_after_backfill(schedule: Schedule, backfill: Backfill, *, last_fired: datetime | None, at: datetime) -> datetime | None:
    """
    Return the regular date to wait for once a backfill is over: the saved one, past dates by the recover rule.

    Source: flow language, 13.4.
    """
    return next_date_after_gap(schedule, stored=backfill.previous_next, last_fired=last_fired, at=at)


def list_backfill_dates(
    schedule: Schedule, *, start: datetime, end: datetime, accepts: DateFilter | None, limit: int
) -> list[datetime]:
    """Return the dates a backfill over [start, end] would fire, in order, at most `limit`, for the preview."""
    dates: list[datetime] = []
    moment = _next_inside(schedule, start.astimezone(UTC) - TICK, end, accepts)
    while moment is not None and len(dates) < limit:
        dates.append(moment)
        moment = _next_inside(schedule, moment, end, accepts)
    return dates


def dump_backfill(backfill: Backfill) -> dict[str, Any]:
    """Return the backfill as the JSON map that the API shows and the trigger row stores, with its `id`."""
    return {
        "id": backfill.id,
        "start": _iso(backfill.start),
        "end": _iso(backfill.end),
        "currentDate": _iso(backfill.current),
        "paused": backfill.paused,
        "inputs": dict(backfill.inputs),
        "labels": [{"key": key, "value": value} for key, value in backfill.labels],
        "previousNextExecutionDate": _iso(backfill.previous_next),
    }


def load_backfill(stored: Mapping[str, Any]) -> Backfill:
    """Return the backfill that `dump_backfill` wrote."""
    return Backfill(
        id=str(stored["id"]),
        start=datetime.fromisoformat(stored["start"]),
        end=datetime.fromisoformat(stored["end"]),
        current=_moment(stored.get("currentDate")),
        paused=bool(stored.get("paused")),
        inputs=stored.get("inputs") or {},
        labels=tuple((str(item["key"]), str(item["value"])) for item in stored.get("labels") or ()),
        previous_next=_moment(stored.get("previousNextExecutionDate")),
    )


def _next_inside(schedule: Schedule, after: datetime, end: datetime, accepts: DateFilter | None) -> datetime | None:
    while (found := find_next_accepted(schedule, after, accepts)) is not None and found.date <= end:
        if found.is_certain:
            return found.date
        after = found.date
    return None


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment is not None else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
