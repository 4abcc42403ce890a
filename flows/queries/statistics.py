"""Counts over time as the 0.x consoles draw them: executions by state, log lines by level, and how many flows and triggers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, DurationField, ExpressionWrapper, F, Max, Min, Sum
from django.db.models.functions import TruncDay, TruncHour, TruncMinute, TruncMonth, TruncWeek

from flows.models import LogEntry
from flows.primitives.errors import InvalidError
from flows.queries.criteria import Criteria, build_lookup
from flows.queries.executions import filter_executions
from flows.queries.flows import filter_flows
from flows.queries.logs import log_rules
from flows.queries.triggers import filter_triggers
from flows.queries.visibility import visible

EARLIEST_YEAR, LATEST_YEAR = 1970, 2200
_LENGTH = ExpressionWrapper(F("ended_at") - F("created_at"), output_field=DurationField())
_UNITS: tuple[tuple[timedelta, str, Any], ...] = (
    (timedelta(hours=6), "minute", TruncMinute),
    (timedelta(days=1), "hour", TruncHour),
    (timedelta(days=180), "day", TruncDay),
    (timedelta(days=365), "week", TruncWeek),
    (timedelta.max, "month", TruncMonth),
)
_STEPS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}


@dataclass(slots=True)
class ExecutionBucket:
    """Executions that began within one step of time: counts by state, and the lengths in seconds of those that ended."""

    counts: dict[str, int] = field(default_factory=dict)
    ended_count: int = 0
    shortest_seconds: float = 0.0
    longest_seconds: float = 0.0
    total_seconds: float = 0.0

    @property
    def average_seconds(self) -> float:
        """The mean length, 0 when nothing ended."""
        return self.total_seconds / self.ended_count if self.ended_count else 0.0


def count_executions(criteria: Criteria, *, start: datetime, end: datetime) -> tuple[str, list[tuple[datetime, ExecutionBucket]]]:
    """
    Return the unit that suits the length of a window, and one bucket for every step of it, oldest first, empty ones too.

    Args:
        criteria: conditions on executions, see `executions.execution_rules`.
        start, end: aware UTC moments of the creation, both included.

    Raises:
        CriteriaError: see `build_lookup`.
        InvalidError: the window ends before it starts, or leaves the years in which something can have happened.

    Source: REST API, 8.15.
    """
    unit, truncate = _choose_unit(start, end)
    rows = (
        filter_executions(criteria, at=end)
        .filter(created_at__gte=start, created_at__lte=end)
        .order_by()
        .annotate(bucket=truncate("created_at", tzinfo=UTC))
        .values_list("bucket", "state")
        .annotate(count=Count("pk"), ended=Count("ended_at"), least=Min(_LENGTH), most=Max(_LENGTH), total=Sum(_LENGTH))
    )
    found: dict[datetime, ExecutionBucket] = defaultdict(ExecutionBucket)
    for moment, state, count, ended, least, most, total in rows:
        bucket = found[moment]
        bucket.counts[state] = count
        if ended:
            shortest = least.total_seconds()
            bucket.shortest_seconds = min(bucket.shortest_seconds, shortest) if bucket.ended_count else shortest
            bucket.longest_seconds = max(bucket.longest_seconds, most.total_seconds())
            bucket.total_seconds += total.total_seconds()
            bucket.ended_count += ended
    return unit, [(moment, found.get(moment) or ExecutionBucket()) for moment in _list_steps(start, end, unit)]


def count_log_lines(criteria: Criteria, *, start: datetime, end: datetime) -> tuple[str, list[tuple[datetime, dict[int, int]]]]:
    """
    Return the unit of a window, and for every step of it the number of log lines by the number of their level.

    Raises:
        CriteriaError, InvalidError: as `count_executions`.

    Source: REST API, 8.15.
    """
    unit, truncate = _choose_unit(start, end)
    rows = (
        visible(LogEntry)
        .filter(build_lookup(criteria, log_rules(at=end)), timestamp__gte=start, timestamp__lte=end)
        .order_by()
        .annotate(bucket=truncate("timestamp", tzinfo=UTC))
        .values_list("bucket", "level")
        .annotate(count=Count("pk"))
    )
    found: dict[datetime, dict[int, int]] = defaultdict(dict)
    for moment, level, count in rows:
        found[moment][level] = count
    return unit, [(moment, found.get(moment, {})) for moment in _list_steps(start, end, unit)]


def count_flows_and_triggers(of_flows: Criteria, of_triggers: Criteria, *, at: datetime) -> tuple[int, int]:
    """Return how many flows and how many triggers match. Raises CriteriaError."""
    return filter_flows(of_flows).count(), filter_triggers(of_triggers, at=at).count()


def _choose_unit(start: datetime, end: datetime) -> tuple[str, Any]:
    length = end - start
    if length < timedelta(0):
        raise InvalidError('"endDate" lies before "startDate".', code="chart-window")
    if start.year < EARLIEST_YEAR or end.year > LATEST_YEAR:
        raise InvalidError(
            f'"startDate" and "endDate" must lie between the years {EARLIEST_YEAR} and {LATEST_YEAR}.', code="chart-window"
        )
    return next((unit, truncate) for longest, unit, truncate in _UNITS if length <= longest)


def _list_steps(start: datetime, end: datetime, unit: str) -> Iterator[datetime]:
    moment = start.astimezone(UTC).replace(second=0, microsecond=0)
    if unit != "minute":
        moment = moment.replace(minute=0)
    if unit not in ("minute", "hour"):
        moment = moment.replace(hour=0)
    if unit == "week":
        moment -= timedelta(days=moment.weekday())
    if unit == "month":
        moment = moment.replace(day=1)
    while moment <= end:
        yield moment
        moment = _next_month(moment) if unit == "month" else moment + _STEPS[unit]


def _next_month(moment: datetime) -> datetime:
    return (moment + timedelta(days=32)).replace(day=1)
