"""The figures that a Prometheus server collects, computed from the database, so that every process answers the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from threading import Lock
from time import monotonic
from typing import Any

from django.db.models import Count, DurationField, ExpressionWrapper, F, Max, Q, QuerySet, Sum
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.registry import Collector

from flows.conf import DEFAULT_TENANT, get_settings
from flows.engine.dispatch import read_dropped_lines
from flows.models import Execution, Firing, TaskRun, TriggerState
from flows.primitives.states import TERMINAL
from flows.queries.health import list_worker_names

KEPT_SECONDS = 15.0
"""How long one computation serves every scrape of a process: counting reads whole tables."""

PREFIX = "kestra_"
_FLOW_TAGS = ("tenant_id", "namespace_id", "flow_id")
_LATE = timedelta(seconds=60)

_lock = Lock()
_kept: tuple[float, bytes] | None = None


def write_metrics(*, at: datetime) -> bytes:
    """
    Return the figures as Prometheus text 0.0.4, at most 15 seconds old.

    Counters count rows, so they fall when executions are purged; Prometheus takes that for a restart.

    Source: REST API, 9.10.
    """
    global _kept
    with _lock:
        if _kept is None or _kept[0] < monotonic():
            registry = CollectorRegistry(auto_describe=False)
            registry.register(_Figures(at))
            _kept = (monotonic() + KEPT_SECONDS, generate_latest(registry))
        return _kept[1]


def forget_metrics() -> None:
    """Have the next call compute anew."""
    global _kept
    with _lock:
        _kept = None


class _Figures(Collector):
    """Computes every family when it is asked."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def collect(self) -> Iterable[Metric]:
        yield from _collect_executions(self._at)
        yield from _collect_task_runs()
        yield from _collect_triggers(self._at)
        dropped = _counter("worker_log_dropped_count", "Log lines dropped while the database did not take entries.", ())
        dropped.add_metric([], read_dropped_lines())
        yield dropped

    def describe(self) -> Iterable[Metric]:
        return []


def _length(end: str, start: str) -> ExpressionWrapper:
    return ExpressionWrapper(F(end) - F(start), output_field=DurationField())


def _seconds(length: timedelta | None) -> float:
    return length.total_seconds() if length else 0.0


def _counter(name: str, words: str, tags: Iterable[str]) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, words, labels=list(tags))


def _gauge(name: str, words: str, value: float | None = None, tags: Iterable[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, words, value=value, labels=None if value is not None else list(tags))


def _timer(name: str, words: str, tags: Iterable[str]) -> tuple[SummaryMetricFamily, GaugeMetricFamily]:
    """Return the families of a timer: count and sum of seconds, and the longest."""
    tags = list(tags)
    return (
        SummaryMetricFamily(f"{PREFIX}{name}_seconds", words, labels=tags),
        GaugeMetricFamily(f"{PREFIX}{name}_seconds_max", words, labels=tags),
    )


def _collect_executions(at: datetime) -> Iterator[Metric]:
    length = _length("ended_at", "created_at")
    rows = (
        Execution.objects.filter(kind="NORMAL")
        .order_by()
        .values("namespace", "flow_id", "state")
        .annotate(count=Count("pk"), total=Sum(length), longest=Max(length))
    )
    started = _counter("executor_execution_started_count", "Executions that were started.", _FLOW_TAGS)
    ended = _counter("executor_execution_end_count", "Executions that ended, by state.", (*_FLOW_TAGS, "state"))
    lengths, longest = _timer(
        "executor_execution_duration", "Length of executions, from creation to end.", (*_FLOW_TAGS, "state")
    )
    running = _gauge("executor_execution_running_count", "Executions that have not ended, by state.", tags=(*_FLOW_TAGS, "state"))
    starts: dict[tuple[str, str], int] = {}
    for row in rows:
        flow = (row["namespace"], row["flow_id"])
        tags = [DEFAULT_TENANT, *flow, row["state"]]
        starts[flow] = starts.get(flow, 0) + row["count"]
        if row["state"] in TERMINAL:
            ended.add_metric(tags, row["count"])
            lengths.add_metric(tags, row["count"], _seconds(row["total"]))
            longest.add_metric(tags, _seconds(row["longest"]))
        else:
            running.add_metric(tags, row["count"])
    for flow, count in starts.items():
        started.add_metric([DEFAULT_TENANT, *flow], count)
    yield from (started, ended, lengths, longest, running)


def _collect_task_runs() -> Iterator[Metric]:
    active = TaskRun.objects.filter(lease_until__isnull=False)
    workers = len(list_worker_names())
    pending = TaskRun.objects.filter(state="CREATED").count()
    running = active.count()
    yield _gauge("worker_job_pending", "Task runs that wait for a worker.", pending)
    yield _gauge("worker_job_running", "Task runs that a worker has.", running)
    yield _gauge("worker_running_count", "Task runs that a worker has.", running)
    yield _gauge("worker_job_thread", "Task runs that all workers can have at once.", workers * get_settings().worker_concurrency)
    length = _length("ended_at", "created_at")
    rows = list(TaskRun.objects.order_by().values("state").annotate(count=Count("pk"), total=Sum(length), longest=Max(length)))
    tags = ("tenant_id", "state")
    created = _counter("executor_taskrun_next_count", "Task runs that were created.", ("tenant_id",))
    created.add_metric([DEFAULT_TENANT], sum(row["count"] for row in rows))
    yield created
    for prefix in ("executor_taskrun_ended", "worker_ended"):
        ended = _counter(f"{prefix}_count", "Task runs that ended, by state.", tags)
        lengths, longest = _timer(f"{prefix}_duration", "Length of task runs, from creation to end.", tags)
        for row in rows:
            if row["state"] in TERMINAL:
                values = [DEFAULT_TENANT, row["state"]]
                ended.add_metric(values, row["count"])
                lengths.add_metric(values, row["count"], _seconds(row["total"]))
                longest.add_metric(values, _seconds(row["longest"]))
        yield from (ended, lengths, longest)


def _collect_triggers(at: datetime) -> Iterator[Metric]:
    delay = _length("fired_at", "scheduled_at")
    # Calls of webhooks leave marks without a date, so that none is taken twice; nothing was late there.
    dated = Firing.objects.filter(scheduled_at__year__gt=1970)
    rows: QuerySet[Any, Any] = (
        dated.order_by().values("namespace", "flow_id").annotate(count=Count("pk"), total=Sum(delay), longest=Max(delay))
    )
    fired = _counter("scheduler_trigger_count", "Executions that schedules and polls started.", _FLOW_TAGS)
    delays, longest = _timer("scheduler_trigger_delay_duration", "How late triggers fired.", _FLOW_TAGS)
    for row in rows:
        tags = [DEFAULT_TENANT, row["namespace"], row["flow_id"]]
        fired.add_metric(tags, row["count"])
        delays.add_metric(tags, row["count"], _seconds(row["total"]))
        longest.add_metric(tags, _seconds(row["longest"]))
    yield from (fired, delays, longest)
    active = Q(disabled=False, source_disabled=False)
    figures = TriggerState.objects.aggregate(
        known=Count("pk"),
        active=Count("pk", filter=active),
        running=Count("pk", filter=Q(evaluating_since__isnull=False)),
        locked=Count("pk", filter=Q(execution_id__isnull=False)),
        late=Count("pk", filter=active & Q(next_at__lt=at - _LATE)),
    )
    yield _gauge("scheduler_trigger_known", "Triggers with a state.", figures["known"])
    yield _gauge("scheduler_trigger_active", "Triggers that are switched on.", figures["active"])
    yield _gauge("scheduler_trigger_late", "Triggers whose date passed more than a minute ago.", figures["late"])
    yield _gauge("worker_trigger_running_count", "Polls that run now.", figures["running"])
    yield _gauge("scheduler_execution_running", "Triggers that wait for the execution they started.", figures["locked"])
