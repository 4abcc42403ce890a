"""Reads that set an execution against others of its flow: neighbours, usual durations, metrics of the last runs."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models import QuerySet

from flows.models import Execution, Metric, TaskRun
from flows.primitives.rights import Resource
from flows.primitives.states import State
from flows.queries.visibility import can_see, visible

LATEST = 20
MOST_TASK_RUNS = 4000
MOST_METRICS = 5000


# Written by hand, with parameters only: the ORM has no lateral join, and a union of fifty queries takes longer to put together
# than to run.
_MEDIANS = (
    "select wanted.namespace, wanted.flow_id, percentile_cont(0.5) within group (order by e.ended_at - e.created_at) "
    "from unnest(%s::text[], %s::text[]) as wanted(namespace, flow_id) "
    "cross join lateral (select x.created_at, x.ended_at from flows_execution x "
    "where x.namespace = wanted.namespace and x.flow_id = wanted.flow_id and x.ended_at is not null and x.kind = 'NORMAL' "
    "order by x.created_at desc limit %s) e group by wanted.namespace, wanted.flow_id"
)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Ids of the executions of the same flow right before and right after, empty where there is none."""

    previous: str
    following: str


def _of_flow(execution: Execution) -> QuerySet[Execution]:
    return visible(Execution).filter(namespace=execution.namespace, flow_id=execution.flow_id, kind="NORMAL")


def find_neighbours(execution: Execution) -> Neighbours:
    """Return the neighbours of an execution in time. Two queries by index."""
    rows = _of_flow(execution).exclude(pk=execution.pk).values_list("id", flat=True)
    before = rows.filter(created_at__lte=execution.created_at).order_by("-created_at")[:1]
    after = rows.filter(created_at__gt=execution.created_at).order_by("created_at")[:1]
    return Neighbours(next(iter(before), ""), next(iter(after), ""))


def median_durations(flows: Sequence[tuple[str, str]], *, latest: int = LATEST) -> dict[tuple[str, str], timedelta]:
    """
    Return the median length of the newest ended executions of each named flow (namespace, id), of at most fifty flows.

    Flows without an ended execution are left out. One query, which reads `latest` rows of an index for each flow.
    """
    names = [name for name in dict.fromkeys(flows) if can_see(Resource.EXECUTION, name[0])][:50]
    if not names:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_MEDIANS, [[name for name, _ in names], [flow_id for _, flow_id in names], latest])
        return {(namespace, flow_id): median for namespace, flow_id, median in cursor.fetchall()}


def median_task_durations(execution: Execution, *, latest: int = LATEST) -> dict[str, timedelta]:
    """Return the median length of each task in the last successful executions of the same flow before this one, by task id."""
    before = _of_flow(execution).filter(state=State.SUCCESS, created_at__lt=execution.created_at)
    ids = before.order_by("-created_at").values("pk")[:latest]
    rows = visible(TaskRun).filter(execution_id__in=ids, ended_at__isnull=False)
    lengths: dict[str, list[timedelta]] = defaultdict(list)
    for task_id, created_at, ended_at in rows.values_list("task_id", "created_at", "ended_at")[:MOST_TASK_RUNS]:
        if ended_at is not None:
            lengths[task_id].append(ended_at - created_at)
    return {task_id: _median(found) for task_id, found in lengths.items()}


def _median(lengths: Sequence[timedelta]) -> timedelta:
    return timedelta(seconds=statistics.median(length.total_seconds() for length in lengths))


@dataclass(frozen=True, slots=True)
class MetricHistory:
    """
    One metric of one task: its value in this execution (the sum of its entries), and in the last executions of the flow,
    oldest first, as pairs of execution id and value. Timers are in milliseconds.
    """

    task_id: str
    name: str
    kind: str
    value: float
    entry_count: int
    history: tuple[tuple[str, float], ...]

    @property
    def median(self) -> float | None:
        """The median of the other executions, None when there are none."""
        others = [value for _, value in self.history[:-1]]
        return statistics.median(others) if others else None


def list_metric_histories(execution: Execution, *, latest: int = LATEST) -> list[MetricHistory]:
    """Return the metrics of an execution with those of the executions of its flow before it. Three queries."""
    own = list(visible(Metric).filter(execution_id=execution.id).order_by("id")[:MOST_METRICS])
    if not own:
        return []
    before = _of_flow(execution).filter(created_at__lt=execution.created_at).order_by("-created_at")
    ids = list(before.values_list("id", flat=True)[:latest])
    sums: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    rows = visible(Metric).filter(execution_id__in=ids).values_list("execution_id", "task_id", "name", "value")
    for execution_id, task_id, name, value in rows[: MOST_METRICS * 2]:
        sums[task_id or "", name][execution_id] += value
    grouped: dict[tuple[str, str], list[Metric]] = defaultdict(list)
    for metric in own:
        grouped[metric.task_id or "", metric.name].append(metric)
    found = []
    for (task_id, name), entries in grouped.items():
        total = sum(entry.value for entry in entries)
        earlier = [(one, sums[task_id, name][one]) for one in reversed(ids) if one in sums[task_id, name]]
        history = (*earlier, (execution.id, total))
        found.append(MetricHistory(task_id, name, entries[0].kind, total, len(entries), history))
    return found
