"""What runs the installation and how it does: workers, queues, lags, the services behind it, and the last day in figures."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import Count, Q, Sum
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis
from redis.exceptions import RedisError

from flows.conf import DEFAULT_QUEUE, get_settings
from flows.engine.presence import PartPresence, list_parts
from flows.engine.workers import SILENT_SECONDS
from flows.models import NamespaceFile, SystemSample, TaskRun, TriggerState, Worker
from flows.queries.health import ANSWER_SECONDS, check_storage
from flows.queries.visibility import visible

MOST_RUNS = 200
MOST_WORKERS = 200
GONE_AFTER = timedelta(minutes=10)
"""How long a worker that ended as it should stays in the list."""
_LIVE_SCHEDULES = Q(disabled=False, source_disabled=False, next_at__isnull=False, execution_id__isnull=True)


@dataclass(frozen=True, slots=True)
class WorkerView:
    """
    One worker. `state` is live, draining (somebody asked), drained (it has nothing left), stale (silent although it did not
    stop), stopping or stopped. `runs` are the task runs that it has and the caller may see; `used_count` counts all.
    """

    row: Worker
    state: str
    used_count: int
    runs: tuple[TaskRun, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueView:
    """
    One queue. `message_count` is None when the broker cannot be asked; `waiting_count` and `oldest_at` come from the task
    runs whose message was sent and that nobody took.
    """

    name: str
    message_count: int | None
    waiting_count: int = 0
    oldest_at: datetime | None = None
    worker_count: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """What waits, and since when: seconds are 0 when nothing is late."""

    running_executions: int = 0
    waiting_executions: int = 0
    running_tasks: int = 0
    waiting_tasks: int = 0
    executor_lag_seconds: float = 0.0
    scheduler_lag_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Service:
    """One service: whether it answers, after how many milliseconds, and facts about it, of which whole numbers are bytes."""

    name: str
    is_up: bool
    answer_ms: float | None = None
    facts: tuple[tuple[str, str | int], ...] = ()


def list_workers(*, at: datetime) -> list[WorkerView]:
    """Return the workers, lively ones first: those that report, those that fell silent, and those that ended lately."""
    rows = Worker.objects.filter(Q(stopped_at__isnull=True) | Q(stopped_at__gt=at - GONE_AFTER))[:MOST_WORKERS]
    leased = TaskRun.objects.filter(lease_until__isnull=False).order_by()
    counts = {str(row["lease_owner"]): row["count"] for row in leased.values("lease_owner").annotate(count=Count("pk"))}
    shown = visible(TaskRun).filter(lease_until__isnull=False).select_related("execution").order_by("seq")[:MOST_RUNS]
    runs: dict[str, list[TaskRun]] = {}
    for run in shown:
        runs.setdefault(run.lease_owner or "", []).append(run)
    found = [_view_worker(row, counts, runs, at) for row in rows]
    order = {"live": 0, "draining": 0, "drained": 0, "stale": 1, "stopping": 2, "stopped": 3}
    return sorted(found, key=lambda each: (order[each.state], each.row.name))


def _view_worker(row: Worker, counts: Mapping[str, int], runs: Mapping[str, Sequence[TaskRun]], at: datetime) -> WorkerView:
    owners = [f"{row.host}:{process}" for process in row.processes]
    used = sum(counts.get(owner, 0) for owner in owners)
    if row.stopped_at is not None:
        state = "stopping" if used else "stopped"
    elif (at - row.seen_at).total_seconds() > SILENT_SECONDS:
        state = "stale"
    elif row.drain_asked_at is not None:
        state = "draining" if used or not row.is_draining else "drained"
    else:
        state = "live"
    return WorkerView(row, state, used, tuple(run for owner in owners for run in runs.get(owner, ())))


def list_draining_names() -> set[str]:
    """Return the names of the workers that were asked to take no more work."""
    return set(Worker.objects.filter(drain_asked_at__isnull=False, stopped_at__isnull=True).values_list("name", flat=True))


def list_queues(workers: Iterable[WorkerView], broker: Redis | None) -> list[QueueView]:
    """Return the queues that a worker serves or something waits in, the default one first."""
    serving: dict[str, int] = {DEFAULT_QUEUE: 0}
    for worker in workers:
        for name in worker.row.queues if worker.state == "live" else ():
            serving[str(name)] = serving.get(str(name), 0) + 1
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(progress->'queues'->>0, %s), count(*), min(dispatched_at) FROM flows_taskrun"
            " WHERE state = 'CREATED' AND dispatched_at IS NOT NULL GROUP BY 1",
            [DEFAULT_QUEUE],
        )
        waiting = {row[0]: (row[1], row[2]) for row in cursor.fetchall()}
    names = sorted({*serving, *waiting}, key=lambda name: (name != DEFAULT_QUEUE, name))
    depths = _read_depths(names, broker)
    return [QueueView(name, depths.get(name), *waiting.get(name, (0, None)), worker_count=serving.get(name, 0)) for name in names]


def _read_depths(names: Sequence[str], broker: Redis | None) -> dict[str, int]:
    if broker is None:
        return {}
    try:
        pipe = broker.pipeline(transaction=False)
        for name in names:
            pipe.llen(name)
        return dict(zip(names, pipe.execute(), strict=True))
    except RedisError:
        return {}


def measure_load(*, at: datetime) -> Load:
    """
    Return what runs and waits in the whole installation.

    The executor's lag is the age of the oldest execution that could begin and was not begun, or task run that was sent and
    not taken; the scheduler's is how long the oldest date of a trigger or timer is over. Counts stop at 10,000.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM flows_execution WHERE state = 'RUNNING' LIMIT 10000) r),"
            " (SELECT count(*) FROM (SELECT 1 FROM flows_execution WHERE state IN ('CREATED', 'QUEUED', 'RESTARTED')"
            "  LIMIT 10000) w),"
            " (SELECT count(*) FROM flows_taskrun WHERE lease_until IS NOT NULL),"
            " (SELECT count(*) FROM (SELECT 1 FROM flows_taskrun WHERE state = 'CREATED' LIMIT 10000) c),"
            " least((SELECT min(greatest(created_at, schedule_at)) FROM flows_execution WHERE state IN ('CREATED', 'RESTARTED')"
            "  AND (schedule_at IS NULL OR schedule_at <= %(at)s)),"
            " (SELECT min(dispatched_at) FROM flows_taskrun WHERE state = 'CREATED' AND dispatched_at IS NOT NULL)),"
            " (SELECT min(wake_at) FROM flows_taskrun WHERE wake_at <= %(at)s)",
            {"at": at},
        )
        running, waiting, leased, created, oldest, timer = cursor.fetchone()
    due = TriggerState.objects.filter(_LIVE_SCHEDULES, next_at__lte=at).order_by("next_at").values_list("next_at", flat=True)
    late = [moment for moment in (due.first(), timer) if moment is not None]
    return Load(running, waiting, leased, created, _age(oldest, at), _age(min(late, default=None), at))


def _age(moment: datetime | None, at: datetime) -> float:
    return max(0.0, (at - moment).total_seconds()) if moment is not None else 0.0


def find_broker() -> Redis | None:
    """Return a client of the broker that waits two seconds at most, None when the broker is of another kind."""
    url = get_settings().redis_url
    return None if url is None else Redis.from_url(url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS)


def describe_services(broker: Redis | None) -> list[Service]:
    """Ask the database, the broker and the storage how they are."""
    return [_describe_database(), _describe_broker(broker), _describe_storage()]


def _describe_database() -> Service:
    began = time.perf_counter()
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version'), pg_database_size(current_database()),"
                " (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()), current_setting('max_connections')"
            )
            version, size, used, most = cursor.fetchone()
    except DatabaseError:
        return Service("Database", False)
    facts = (
        ("PostgreSQL", str(version).split(" ")[0]),
        ("size", int(size)),
        ("connections", f"{used} of {most}"),
    )
    return Service("Database", True, (time.perf_counter() - began) * 1000, facts)


def _describe_broker(broker: Redis | None) -> Service:
    began = time.perf_counter()
    try:
        if broker is None:
            with current_app.connection_for_write() as other:
                other.ensure_connection(max_retries=1, timeout=ANSWER_SECONDS)
            return Service("Broker", True, (time.perf_counter() - began) * 1000)
        facts: Any = broker.info()
    except (RedisError, BrokerError, OSError):
        return Service("Broker", False)
    name = "Valkey" if "valkey_version" in facts else "Redis"
    version = facts.get("valkey_version") or facts.get("redis_version", "")
    words = (
        (name, str(version)),
        ("memory", int(facts.get("used_memory", 0))),
        ("clients", str(facts.get("connected_clients", ""))),
    )
    return Service("Broker", True, (time.perf_counter() - began) * 1000, words)


def _describe_storage() -> Service:
    began = time.perf_counter()
    is_up = check_storage().is_up
    answer_ms = (time.perf_counter() - began) * 1000
    url = get_settings().storage_url
    kept = NamespaceFile.objects.filter(is_directory=False).aggregate(count=Count("pk"), size=Sum("size_bytes"))
    facts: list[tuple[str, str | int]] = [("files of namespaces", f"{kept['count']:,}"), ("their size", int(kept["size"] or 0))]
    if url.startswith("file://"):
        try:
            disk = shutil.disk_usage(url.removeprefix("file://"))
        except OSError:
            return Service("Storage", False, None, tuple(facts))
        facts = [("free", disk.free), ("disk", disk.total), *facts]
    return Service("Storage", is_up, answer_ms, tuple(facts))


def list_other_parts() -> list[PartPresence] | None:
    """Return the web and scheduler processes that report; None when the broker cannot be asked."""
    parts = list_parts()
    return None if parts is None else [part for part in parts if part.kind != "worker"]


def list_samples(*, at: datetime, length: timedelta = timedelta(hours=24)) -> list[SystemSample]:
    """Return one row for each minute that was counted, oldest first."""
    return list(SystemSample.objects.filter(at__gt=at - length, at__lte=at).order_by("at"))
