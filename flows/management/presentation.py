"""Rows as commands show them: short columns for tables, and the field names of the REST API for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from flows.conf import DEFAULT_TENANT
from flows.models import Execution, Flow, FlowRevision, KeyValue, LogEntry, TaskRun, TriggerState
from flows.primitives.durations import format_duration
from flows.primitives.states import TERMINAL

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
EXECUTION_COLUMNS = ("id", "namespace", "flow", "state", "started", "duration")
TASK_RUN_COLUMNS = ("task", "value", "state", "started", "duration", "attempts")


def format_moment(moment: datetime | None) -> str | None:
    """Return a moment as ISO text with Z, or None."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def format_seconds(length: timedelta) -> str:
    """Return a length of time for people: `0.42s`, `1m 05s`, `2h 03m`."""
    seconds = length.total_seconds()
    if seconds < 60:
        return f"{seconds:.2f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m {rest:02d}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02d}m"


def describe_execution(row: Execution, *, at: datetime) -> dict[str, Any]:
    """Return the columns of one execution."""
    return {
        "id": row.id,
        "namespace": row.namespace,
        "flow": row.flow_id,
        "state": row.state,
        "started": f"{row.created_at:%Y-%m-%d %H:%M:%S}",
        "duration": format_seconds((row.ended_at or at) - row.created_at),
    }


def present_execution(row: Execution, task_runs: Sequence[TaskRun] | None = None) -> dict[str, Any]:
    """Return an execution as the API names its fields; without task runs it is the light row. Source: REST API, 9.2."""
    data: dict[str, Any] = {
        "id": row.id,
        "tenantId": DEFAULT_TENANT,
        "namespace": row.namespace,
        "flowId": row.flow_id,
        "flowRevision": row.flow_revision,
        "state": _present_state(row.state, row.histories),
        "originalId": row.original_id,
        "parentId": row.parent_id,
        "labels": row.labels,
        "inputs": row.inputs,
        "outputs": row.outputs,
        "trigger": row.trigger,
        "scheduleDate": format_moment(row.schedule_at),
        "kind": row.kind,
        "error": row.error or None,
        "metadata": {"attemptNumber": row.attempt_number, "originalCreatedDate": format_moment(row.original_created_at)},
        "deleted": False,
    }
    if task_runs is not None:
        data["taskRunList"] = [present_task_run(run, row) for run in task_runs]
    return {key: value for key, value in data.items() if value is not None}


def describe_task_run(run: TaskRun, *, at: datetime) -> dict[str, Any]:
    """Return the columns of one task run."""
    return {
        "task": run.task_id,
        "value": run.value,
        "state": run.state,
        "started": _started(run.histories),
        "duration": format_seconds(_length(run.histories, at)),
        "attempts": len(run.attempts),
    }


def present_task_run(run: TaskRun, execution: Execution) -> dict[str, Any]:
    """Return a task run as the API names its fields. Source: REST API, 9.4."""
    data = {
        "id": run.id,
        "executionId": execution.id,
        "namespace": execution.namespace,
        "flowId": execution.flow_id,
        "taskId": run.task_id,
        "parentTaskRunId": run.parent_id,
        "value": run.value,
        "state": _present_state(run.state, run.histories),
        "attempts": run.attempts,
        "outputs": run.outputs,
        "iteration": run.iteration,
    }
    return {key: value for key, value in data.items() if value is not None}


def describe_flow(row: Flow) -> dict[str, Any]:
    """Return the columns of one flow."""
    return {
        "namespace": row.namespace,
        "id": row.flow_id,
        "revision": row.revision,
        "disabled": row.disabled,
        "updated": f"{row.updated_at:%Y-%m-%d %H:%M:%S}",
        "problem": row.problem,
    }


def present_flow(row: Flow) -> dict[str, Any]:
    """Return a flow as lists of the API name its fields."""
    return {
        "id": row.flow_id,
        "namespace": row.namespace,
        "tenantId": DEFAULT_TENANT,
        "revision": row.revision,
        "description": row.description,
        "labels": row.labels,
        "disabled": row.disabled,
        "deleted": row.deleted,
        "updated": format_moment(row.updated_at),
    }


def present_revision(row: FlowRevision, flow: Flow) -> dict[str, Any]:
    """Return one revision with its source."""
    return {**present_flow(flow), "revision": row.revision, "deleted": row.deleted, "source": row.source}


def describe_revision(row: FlowRevision) -> dict[str, Any]:
    """Return the columns of one revision."""
    return {
        "revision": row.revision,
        "saved": f"{row.created_at:%Y-%m-%d %H:%M:%S}",
        "by": row.saved_by,
        "deleted": row.deleted,
        "lines": row.source.count("\n") + 1,
    }


def format_log(entry: LogEntry) -> str:
    """Return `TIMESTAMP LEVEL MESSAGE`. Source: command line, 2.3."""
    level = LEVELS[entry.level] if entry.level < len(LEVELS) else str(entry.level)
    return f"{format_moment(entry.timestamp)} {level:5} {entry.message}"


def present_log(entry: LogEntry) -> dict[str, Any]:
    """Return a log line as the API names its fields. Source: REST API, 9.6."""
    data = {
        "namespace": entry.namespace,
        "flowId": entry.flow_id,
        "executionId": entry.execution_id,
        "taskId": entry.task_id,
        "taskRunId": entry.task_run_id,
        "triggerId": entry.trigger_id,
        "attemptNumber": entry.attempt_number,
        "timestamp": format_moment(entry.timestamp),
        "level": LEVELS[entry.level] if entry.level < len(LEVELS) else str(entry.level),
        "thread": entry.thread or None,
        "message": entry.message,
    }
    return {key: value for key, value in data.items() if value is not None}


def present_key_value(row: KeyValue) -> dict[str, Any]:
    """Return the entry of a key. Source: REST API, 9.7."""
    data = {
        "namespace": row.namespace,
        "key": row.key,
        "type": row.kind,
        "revision": row.revision,
        "description": row.description or None,
        "creationDate": format_moment(row.created_at),
        "updateDate": format_moment(row.updated_at),
        "expirationDate": format_moment(row.expires_at),
    }
    return {key: value for key, value in data.items() if value is not None}


def describe_trigger(row: TriggerState) -> dict[str, Any]:
    """Return the columns of one trigger."""
    return {
        "namespace": row.namespace,
        "flow": row.flow_id,
        "trigger": row.trigger_id,
        "kind": row.family.upper(),
        "disabled": row.disabled or row.source_disabled,
        "next": format_moment(row.next_at),
        "last": format_moment(row.last_triggered_at),
        "locked_by": row.execution_id,
    }


def present_trigger(row: TriggerState) -> dict[str, Any]:
    """Return the state of a trigger. Source: REST API, 9.5."""
    data = {
        "tenantId": DEFAULT_TENANT,
        "namespace": row.namespace,
        "flowId": row.flow_id,
        "triggerId": row.trigger_id,
        "kind": row.family.upper(),
        "disabled": row.disabled or row.source_disabled,
        "nextEvaluationDate": format_moment(row.next_at),
        "lastTriggeredDate": format_moment(row.last_triggered_at),
        "executionId": row.execution_id,
        "locked": bool(row.execution_id),
        "backfill": row.backfill,
        "updatedAt": format_moment(row.updated_at),
    }
    return {key: value for key, value in data.items() if value is not None}


def _present_state(current: str, histories: Iterable[Sequence[str]]) -> dict[str, Any]:
    steps = [(str(state), str(date).replace("+00:00", "Z")) for state, date, *_ in histories]
    length = datetime.fromisoformat(steps[-1][1]) - datetime.fromisoformat(steps[0][1]) if len(steps) > 1 else timedelta(0)
    state: dict[str, Any] = {"current": current, "histories": [{"state": name, "date": date} for name, date in steps]}
    if steps:
        state["startDate"] = steps[0][1]
    state["duration"] = format_duration(length)
    return state


def _started(histories: Sequence[Sequence[str]]) -> str:
    return str(histories[0][1])[:19].replace("T", " ") if histories else ""


def _length(histories: Sequence[Sequence[str]], at: datetime) -> timedelta:
    if not histories:
        return timedelta(0)
    first, last = histories[0], histories[-1]
    end = datetime.fromisoformat(str(last[1])) if last[0] in TERMINAL else at
    return end - datetime.fromisoformat(str(first[1]))
