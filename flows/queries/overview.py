"""What the default dashboard shows: figures, history, failures, slow and coming runs, each in one statement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Aggregate, Count, DateTimeField, DurationField, ExpressionWrapper, F, Q, QuerySet, Value
from django.db.models.functions import TruncDay, TruncHour, TruncMinute

from flows.models import Execution, TriggerState
from flows.primitives.states import TERMINAL, State
from flows.queries.criteria import Condition, Criteria, Operation
from flows.queries.executions import filter_executions
from flows.queries.failures import list_messages
from flows.queries.triggers import filter_triggers

FEWEST_RUNS = 4
_UNITS = ((timedelta(hours=2), TruncMinute, timedelta(minutes=1)), (timedelta(days=3), TruncHour, timedelta(hours=1)))
_LENGTH = ExpressionWrapper(F("ended_at") - F("created_at"), output_field=DurationField())


class _Median(Aggregate):
    function = "percentile_cont"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = DurationField()


@dataclass(frozen=True, slots=True)
class Scope:
    """What a viewer looks at: an aware time span and further conditions on executions."""

    start: datetime
    end: datetime
    conditions: tuple[Condition | Criteria, ...] = ()

    def select(self) -> QuerySet[Execution]:
        """Return the executions of the span."""
        return self.select_any().filter(created_at__gte=self.start, created_at__lt=self.end)

    def select_any(self) -> QuerySet[Execution]:
        """Return the executions that match, of all times."""
        return filter_executions(Criteria(members=self.conditions), at=self.end)


@dataclass(frozen=True, slots=True)
class History:
    """Counts by state per bucket, oldest first; `length` is that of a bucket."""

    buckets: list[tuple[datetime, dict[str, int]]]
    length: timedelta
    totals: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """How many executions began."""
        return sum(self.totals.values())

    @property
    def ratio(self) -> float | None:
        """How many per cent of the ended ones ended well; None without any."""
        return ratio_of(self.totals)


def ratio_of(totals: Counter[str]) -> float | None:
    """Return how many per cent of the ended executions ended well; None without any."""
    ended = sum(count for state, count in totals.items() if state in TERMINAL)
    good = totals[State.SUCCESS] + totals[State.WARNING]
    return round(100 * good / ended, 1) if ended else None


def count_history(scope: Scope) -> History:
    """Return the counts of a span, cut to minutes, hours or days as suits its length."""
    return _make_history(scope, _count_by_state(scope, bucket=_find_unit(scope)[0]("created_at")))


def count_history_and_before(scope: Scope) -> tuple[History, Counter[str]]:
    """Return the history of a span, and the counts by state of the equally long span before it. One statement."""
    earlier = Scope(scope.start - (scope.end - scope.start), scope.start, scope.conditions)
    counts = _count_by_state(scope, bucket=_find_unit(scope)[0]("created_at")).union(
        _count_by_state(earlier, bucket=Value(None, output_field=DateTimeField())), all=True
    )
    found = list(counts)
    before = Counter({state: count for bucket, state, count in found if bucket is None})
    return _make_history(scope, [row for row in found if row[0] is not None]), before


def _count_by_state(scope: Scope, *, bucket: Any) -> QuerySet[Execution, Any]:
    return scope.select().order_by().annotate(bucket=bucket).values_list("bucket", "state").annotate(count=Count("pk"))


def _make_history(scope: Scope, rows: Iterable[tuple[datetime, str, int]]) -> History:
    _, step = _find_unit(scope)
    buckets: dict[datetime, dict[str, int]] = {}
    moment = find_first_bucket(scope)
    while moment < scope.end:
        buckets[moment] = {}
        moment += step
    totals: Counter[str] = Counter()
    for bucket, state, count in rows:
        buckets.setdefault(bucket, {})[state] = count
        totals[state] += count
    return History(sorted(buckets.items()), step, totals)


def _find_unit(scope: Scope) -> tuple[Any, timedelta]:
    length = scope.end - scope.start
    return next(((cut, unit) for longest, cut, unit in _UNITS if length <= longest), (TruncDay, timedelta(days=1)))


def find_first_bucket(scope: Scope) -> datetime:
    """Return the begin of the first bucket of the history of a span, which lies before it or begins with it."""
    _, step = _find_unit(scope)
    start = scope.start.replace(second=0, microsecond=0)
    if step >= timedelta(hours=1):
        start = start.replace(minute=0)
    return start.replace(hour=0) if step >= timedelta(days=1) else start


def count_alive(scope: Scope) -> tuple[int, int]:
    """Return how many executions run or wait now, and how many did when the span began, as far as they are still known."""
    alive = scope.select_any().filter(state__in=[state.value for state in State if state not in TERMINAL])
    begun = Q(created_at__lt=scope.start)
    # One statement, but counts of their own, because each has an index of its own.
    counts = _count_as("now", alive).union(
        _count_as("then", alive.filter(begun)),
        _count_as("ended", scope.select_any().filter(begun, ended_at__gt=scope.start)),
        all=True,
    )
    found = dict(counts)
    return found.get("now", 0), found.get("then", 0) + found.get("ended", 0)


def _count_as(name: str, rows: QuerySet[Execution]) -> QuerySet[Execution, Any]:
    return rows.order_by().values_list(Value(name)).annotate(count=Count("pk"))


def list_longest(scope: Scope, count: int) -> list[Execution]:
    """Return the executions that run for the longest time."""
    return list(scope.select_any().filter(state=State.RUNNING).order_by("created_at")[:count])


def list_failures(scope: Scope, count: int) -> list[tuple[Execution, str]]:
    """Return the newest failed executions of the span, each with the message that its failure card begins with."""
    rows = list(scope.select().filter(state=State.FAILED).order_by("-created_at")[:count])
    messages = list_messages(rows)
    return [(row, messages[row.id]) for row in rows]


def list_coming(scope: Scope, count: int) -> list[TriggerState]:
    """Return the schedules that fire next."""
    known = [one for one in scope.conditions if isinstance(one, Condition) and one.field in ("namespace", "flowId", "q")]
    rows = filter_triggers(Criteria(members=tuple(known)), at=scope.end)
    due = rows.filter(disabled=False, source_disabled=False, next_at__gte=scope.end, family="schedule")
    return list(due.order_by("next_at")[:count])


def count_failures_by_namespace(scope: Scope, count: int) -> list[tuple[str, int, int]]:
    """Return namespaces with failures: name, failed, all; the worst first."""
    rows = scope.select().order_by().values_list("namespace", "state").annotate(count=Count("pk"))
    failed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for namespace, state, number in rows:
        total[namespace] += number
        failed[namespace] += number if state == State.FAILED else 0
    return [(name, number, total[name]) for name, number in failed.most_common(count) if number]


def list_slow_flows(scope: Scope, count: int) -> list[dict[str, Any]]:
    """Return flows whose newest run took more than twice their median: namespace, flow_id, median, newest (timedelta), id."""
    rows = (
        scope.select()
        .filter(ended_at__isnull=False)
        .order_by()
        .values("namespace", "flow_id")
        .annotate(
            median=_Median(_LENGTH),
            lengths=ArrayAgg(_LENGTH, order_by="-created_at"),
            ids=ArrayAgg("pk", order_by="-created_at"),
            number=Count("pk"),
        )
        .filter(number__gte=FEWEST_RUNS)
    )
    found = [
        {
            "namespace": row["namespace"],
            "flow_id": row["flow_id"],
            "median": row["median"],
            "newest": row["lengths"][0],
            "id": row["ids"][0],
        }
        for row in rows[:500]
        if row["lengths"][0] > 2 * row["median"] and row["lengths"][0] > timedelta(seconds=1)
    ]
    return sorted(found, key=lambda row: row["newest"] / max(row["median"], timedelta(milliseconds=1)), reverse=True)[:count]


def make_conditions(namespace: str, flow_id: str, labels: Sequence[str]) -> tuple[Condition, ...]:
    """Return what narrows a dashboard: a namespace with what is below it, a flow id, labels as `key:value`."""
    found = [Condition("namespace", Operation.PREFIX, namespace)] if namespace else []
    found += [Condition("flowId", Operation.EQUALS, flow_id)] if flow_id else []
    pairs = [text.partition(":") for text in labels]
    return (*found, *(Condition("labels", Operation.EQUALS, value, key) for key, colon, value in pairs if colon))
