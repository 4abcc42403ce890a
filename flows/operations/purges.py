"""Deleting what is no longer wanted, in small batches so that nobody waits for a lock: executions, and folders without one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from flows.models import Execution, LogEntry, Metric
from flows.primitives.states import TERMINAL
from flows.storage import get_storage
from flows.storage.uri import execution_folder, parse_address

_BATCH = 500


def purge_ended_executions(
    *,
    end: datetime,
    start: datetime | None = None,
    namespace: str | None = None,
    flow_id: str | None = None,
    states: list[str] | None = None,
    execution: bool = True,
    log: bool = True,
    metric: bool = True,
    storage: bool = True,
    **_: Any,
) -> dict[str, int]:
    """
    Delete ended executions created in [start, end], and as asked their logs, metrics and files.

    Returns the counts `executions`, `logs`, `storages` (files) and `metrics`. Running executions are never touched.
    Source: core tasks, PurgeExecutions.
    """
    rows = _select_ended(start, end, namespace, flow_id, states)
    counts = {"executions": 0, "logs": 0, "storages": 0, "metrics": 0}
    last = ""
    while batch := list(rows.filter(id__gt=last).order_by("id").values_list("id", "namespace", "flow_id")[:_BATCH]):
        last = batch[-1][0]
        ids = [row[0] for row in batch]
        if log:
            counts["logs"] += LogEntry.objects.filter(execution_id__in=ids).delete()[0]
        if metric:
            counts["metrics"] += Metric.objects.filter(execution_id__in=ids).delete()[0]
        if storage:
            for execution_id, owner, flow in batch:
                counts["storages"] += len(get_storage().delete_prefix(str(execution_folder(owner, flow, execution_id))))
        if execution:
            Execution.objects.filter(id__in=ids).delete()
            counts["executions"] += len(ids)
    return counts


def count_purgeable_executions(*, end: datetime, namespace: str | None = None, states: list[str] | None = None) -> dict[str, int]:
    """Return the counts that `purge_ended_executions` would return, and delete nothing."""
    rows = _select_ended(None, end, namespace, None, states)
    ids = rows.values("id")
    storages = 0
    for execution_id, owner, flow in rows.values_list("id", "namespace", "flow_id").iterator(_BATCH):
        storages += sum(1 for _ in get_storage().list(str(execution_folder(owner, flow, execution_id))))
    return {
        "executions": rows.count(),
        "logs": LogEntry.objects.filter(execution_id__in=ids).count(),
        "storages": storages,
        "metrics": Metric.objects.filter(execution_id__in=ids).count(),
    }


def purge_execution_folders(
    *,
    end: datetime,
    start: datetime | None = None,
    namespace: str | None = None,
    flow_id: str | None = None,
    dry_run: bool = True,
    **_: Any,
) -> dict[str, int]:
    """
    Delete folders whose execution is gone or ended before `end`. Returns `scanned`, `purged`, `deleted_files`.

    With `dry_run` nothing is deleted and the counts say what would be. Source: core tasks, PurgeStorage.
    """
    storage = get_storage()
    found = storage.list(f"kestra:///{namespace.replace('.', '/')}") if namespace else storage.list_all()
    files: dict[str, list[str]] = {}
    for stored in found:
        parts = parse_address(stored.uri).parts
        if "executions" not in parts[:-1]:
            continue
        position = parts.index("executions")
        if start is not None and stored.modified_at < start:
            continue
        files.setdefault("/".join(parts[: position + 2]), []).append(stored.uri)
    counts = {"scanned": len(files), "purged": 0, "deleted_files": 0}
    wanted = _select(None, end, namespace, flow_id).filter(state__in=[state.value for state in TERMINAL])
    for folder, uris in files.items():
        execution_id = folder.rsplit("/", 1)[-1]
        exists = Execution.objects.filter(id=execution_id).exists()
        if exists and not wanted.filter(id=execution_id).exists():
            continue
        counts["purged"] += 1
        counts["deleted_files"] += len(uris)
        if not dry_run:
            for uri in uris:
                get_storage().delete(uri)
    return counts


def _select_ended(
    start: datetime | None, end: datetime, namespace: str | None, flow_id: str | None, states: list[str] | None
) -> QuerySet[Execution]:
    # An end that was not told yet is somebody's business still.
    rows = _select(start, end, namespace, flow_id).filter(state__in=[state.value for state in TERMINAL], announce_at=None)
    return rows.filter(state__in=states) if states else rows


def _select(start: datetime | None, end: datetime, namespace: str | None, flow_id: str | None) -> QuerySet[Execution]:
    rows = Execution.objects.filter(created_at__lte=end)
    if start is not None:
        rows = rows.filter(created_at__gte=start)
    if namespace and flow_id:
        return rows.filter(namespace=namespace, flow_id=flow_id)
    if namespace:
        rows = rows.filter(Q(namespace=namespace) | Q(namespace__startswith=f"{namespace}."))
    return rows
