"""Other objects of the platform as core tasks may act on them, with the rights of the running flow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from flows.engine.recording import LEVELS, level_number
from flows.models import Execution, LogEntry
from flows.operations.flow_revisions import purge_revisions
from flows.operations.purges import purge_ended_executions, purge_execution_folders
from flows.operations.triggers import set_trigger_disabled
from flows.primitives.errors import ConflictError, NotFoundError
from flows.primitives.states import State


class FlowPlatform:
    """The plugin contract's `Platform` for a flow."""

    def __init__(self, namespace: str, flow_id: str) -> None:
        self._namespace, self._flow_id = namespace, flow_id

    def count_executions(
        self,
        *,
        flows: list[Mapping[str, str]] | None,
        namespaces: list[str] | None,
        states: list[str] | None,
        start: datetime,
        end: datetime | None,
    ) -> list[dict[str, Any]]:
        """Return one row for each listed flow (also with 0), or for each listed namespace that has executions."""
        rows = Execution.objects.filter(created_at__gte=start, created_at__lte=end or timezone.now(), kind="NORMAL")
        if states:
            rows = rows.filter(state__in=states)
        if flows:
            return [
                {
                    "namespace": flow["namespace"],
                    "flowId": flow["flowId"],
                    "count": rows.filter(namespace=flow["namespace"], flow_id=flow["flowId"]).count(),
                }
                for flow in flows
            ]
        grouped = (
            rows.filter(namespace__in=namespaces or []).values("namespace").annotate(count=Count("id")).order_by("namespace")
        )
        return [{"namespace": row["namespace"], "flowId": None, "count": row["count"]} for row in grouped]

    def resume_execution(
        self, execution_id: str, inputs: Mapping[str, Any], *, namespace: str | None = None, flow_id: str | None = None
    ) -> None:
        """Resume every paused task run of an execution."""
        from flows.operations.executions import get_execution, resume_execution

        row = get_execution(execution_id)
        if namespace and (row.namespace, row.flow_id) != (namespace, flow_id):
            raise NotFoundError(f'Execution not found: flow "{namespace}/{flow_id}" has no execution "{execution_id}".')
        if row.state != State.PAUSED:
            raise ConflictError(f"Execution {execution_id} is {row.state}; only a paused execution can be resumed.")
        while row.state == State.PAUSED:
            row = resume_execution(execution_id, inputs=inputs, at=timezone.now(), actor=f"{self._namespace}/{self._flow_id}")

    def kill_execution(self, execution_id: str, *, cascade: bool) -> None:
        """Kill an execution."""
        from flows.operations.executions import kill_execution

        kill_execution(execution_id, cascade=cascade, at=timezone.now(), actor=f"{self._namespace}/{self._flow_id}")

    def purge_executions(self, **options: Any) -> dict[str, int]:
        """Delete ended executions by the options of `PurgeExecutions`."""
        return purge_ended_executions(**options)

    def fetch_logs(
        self,
        *,
        execution_id: str,
        task_ids: list[str] | None,
        min_level: str,
        namespace: str | None = None,
        flow_id: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return log entries in the shape of the API, by task in the order of `task_ids`, else by time."""
        rows = LogEntry.objects.filter(execution_id=execution_id, level__gte=level_number(min_level)).order_by("timestamp", "id")
        if namespace:
            rows = rows.filter(namespace=namespace, flow_id=flow_id)
        if task_ids is None:
            return [_present_log(row) for row in rows]
        return [_present_log(row) for task_id in task_ids for row in rows.filter(task_id=task_id)]

    def purge_logs(self, **options: Any) -> int:
        """Delete logs by the options of `PurgeLogs`."""
        rows: QuerySet[LogEntry] = LogEntry.objects.all()
        namespace, flow_id = options.get("namespace"), options.get("flow_id")
        if namespace and flow_id:
            rows = rows.filter(namespace=namespace, flow_id=flow_id)
        elif namespace:
            rows = rows.filter(Q(namespace=namespace) | Q(namespace__startswith=f"{namespace}."))
        if options.get("execution_id"):
            rows = rows.filter(execution_id=options["execution_id"])
        if options.get("levels"):
            rows = rows.filter(level__in=[level_number(level) for level in options["levels"]])
        if options.get("start"):
            rows = rows.filter(timestamp__gte=options["start"])
        return int(rows.filter(timestamp__lte=options["end"]).delete()[0])

    def toggle_trigger(self, *, namespace: str, flow_id: str, trigger_id: str, enabled: bool) -> None:
        """Set the run-time switch of a trigger."""
        set_trigger_disabled(
            namespace=namespace, flow_id=flow_id, trigger_id=trigger_id, disabled=not enabled, at=timezone.now(), actor=str(self)
        )

    def purge_flows(self, **options: Any) -> int:
        """Delete old revisions by the options of `PurgeFlows`."""
        return purge_revisions(**options)

    def purge_storage(self, **options: Any) -> dict[str, int]:
        """Delete folders of executions by the options of `PurgeStorage`."""
        return purge_execution_folders(**options)

    def __str__(self) -> str:
        return f"flow {self._namespace}/{self._flow_id}"


def _present_log(row: LogEntry) -> dict[str, Any]:
    return {
        "namespace": row.namespace,
        "flowId": row.flow_id,
        "taskId": row.task_id,
        "executionId": row.execution_id,
        "taskRunId": row.task_run_id,
        "attemptNumber": row.attempt_number,
        "triggerId": row.trigger_id,
        "timestamp": row.timestamp.isoformat(),
        "level": LEVELS[row.level],
        "thread": row.thread,
        "message": row.message,
    }
