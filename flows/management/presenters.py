"""
Rows as the JSON that commands write with `-o json`, in the field names of the REST API. `columns` makes the short columns of
tables from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from flows.conf import DEFAULT_TENANT
from flows.language.flow import Flow as TypedFlow
from flows.language.flow import label_pairs
from flows.models import Execution, Flow, FlowRevision, KeyValue, LogEntry, Secret, TaskRun, TriggerState
from flows.operations.flow_checks import DocumentCheck
from flows.operations.namespace_files import FileFacts
from flows.operations.namespaces import NamespaceInfo
from flows.operations.triggers import is_locked
from flows.primitives.durations import format_duration
from flows.primitives.problems import Severity
from flows.queries.flows import UNUSABLE_DRAFT

Json = dict[str, Any]
Shape = Mapping[str, Any]
"""Which keys of a document are shown, in order; the value is None for all that stands there, or the shape of what does."""

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")

_STATE: Shape = dict.fromkeys(("current", "histories", "startDate", "duration"))
_TASK_RUN: Shape = {
    **dict.fromkeys(("id", "executionId", "namespace", "flowId", "taskId", "parentTaskRunId", "value")),
    "state": _STATE,
    "attempts": {"state": _STATE, "workerId": None, "logFile": None, "cached": None},
    "outputs": None,
    "iteration": None,
}
EXECUTION: Shape = {
    **dict.fromkeys(("id", "tenantId", "namespace", "flowId", "flowRevision")),
    "state": _STATE,
    **dict.fromkeys(("originalId", "parentId", "labels", "inputs", "outputs", "trigger", "scheduleDate", "kind", "error")),
    "metadata": dict.fromkeys(("attemptNumber", "originalCreatedDate")),
    "deleted": None,
    "taskRunList": _TASK_RUN,
}
FLOW: Shape = dict.fromkeys(
    (
        "id", "namespace", "tenantId", "revision", "description", "labels", "disabled", "draft", "deleted", "updated",
        "exception", "source",
    )
)  # fmt: skip
LOG: Shape = dict.fromkeys(
    (
        "namespace", "flowId", "executionId", "taskId", "taskRunId", "triggerId", "attemptNumber", "timestamp", "level", "thread",
        "message",
    )
)  # fmt: skip
KEY: Shape = dict.fromkeys(("namespace", "key", "revision", "description", "creationDate", "updateDate", "expirationDate"))
VALUE: Shape = dict.fromkeys(("namespace", "key", "type", "value", "revision", "updated"))
TRIGGER: Shape = dict.fromkeys(
    (
        "tenantId", "namespace", "flowId", "triggerId", "kind", "disabled", "nextEvaluationDate", "lastTriggeredDate",
        "executionId", "locked", "backfill", "updatedAt",
    )
)  # fmt: skip
NAMESPACE: Shape = dict.fromkeys(("id", "deleted", "description", "variables", "pluginDefaults"))
FILE: Shape = dict.fromkeys(("fileName", "type", "size", "lastModifiedTime", "creationTime"))
SECRET: Shape = dict.fromkeys(("namespace", "key", "description", "tags"))
CHECK: Shape = dict.fromkeys(("outdated", "namespace", "flow", "constraints", "warnings", "infos", "deprecationPaths"))


def narrow(document: Mapping[str, Any], shape: Shape, *, drop_empty: bool = False) -> Json:
    """
    Return the part of a document that commands show, keys in the order of the shape; None and empty texts are left out, with
    `drop_empty` empty lists and maps as well. Thus it does not matter which side made the document.
    """
    found: Json = {}
    for key, inner in shape.items():
        value = document.get(key)
        if value is None or value == "" or (drop_empty and value in ([], {})):
            continue
        if inner is not None:
            value = [narrow(each, inner) for each in value] if isinstance(value, list) else narrow(value, inner)
        found[key] = value
    return found


def format_moment(moment: datetime | None) -> str | None:
    """Return a moment as ISO text with Z, or None."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def present_execution(row: Execution, task_runs: Sequence[TaskRun] | None = None) -> Json:
    """Return an execution; without task runs it is the light row. Source: REST API, 9.2."""
    data: Json = {
        "id": row.id,
        "tenantId": DEFAULT_TENANT,
        "namespace": row.namespace,
        "flowId": row.flow_id,
        "flowRevision": row.flow_revision,
        "state": _present_state(row.state, row.histories or [[row.state, row.created_at.isoformat()]]),
        "originalId": row.original_id,
        "parentId": row.parent_id,
        "labels": row.labels,
        "inputs": row.inputs,
        "outputs": row.outputs,
        "trigger": row.trigger or None,
        "scheduleDate": format_moment(row.schedule_at),
        "kind": row.kind,
        "error": row.error,
        "metadata": {"attemptNumber": row.attempt_number, "originalCreatedDate": format_moment(row.original_created_at)},
        "deleted": False,
    }
    if task_runs is not None:
        data["taskRunList"] = [_present_task_run(run, row) for run in task_runs]
    return narrow(data, EXECUTION)


def _present_task_run(run: TaskRun, execution: Execution) -> Json:
    return {
        "id": run.id,
        "executionId": execution.id,
        "namespace": execution.namespace,
        "flowId": execution.flow_id,
        "taskId": run.task_id,
        "parentTaskRunId": run.parent_id,
        "value": run.value,
        "state": _present_state(run.state, run.histories),
        "attempts": [_present_attempt(attempt) for attempt in run.attempts],
        "outputs": run.outputs,
        "iteration": run.iteration,
    }


def _present_attempt(attempt: Mapping[str, Any]) -> Json:
    start, end = attempt.get("startDate"), attempt.get("endDate")
    current = str(attempt.get("state", "CREATED"))
    steps = [("CREATED", start), ("RUNNING", start)] if start else []
    if end:
        steps.append((current, end))
    elif steps and current != "RUNNING":
        steps.append((current, start))
    noted = {key: attempt.get(key) or None for key in ("workerId", "logFile", "cached")}
    return {"state": _present_state(current, steps), **noted}


def present_flow(row: Flow) -> Json:
    """Return a flow as lists of the API name its fields."""
    data = {
        "id": row.flow_id,
        "namespace": row.namespace,
        "tenantId": DEFAULT_TENANT,
        "revision": row.newest_revision,
        "description": row.description,
        "labels": row.labels,
        "disabled": row.disabled,
        "draft": row.draft_revision is not None,
        "deleted": row.deleted,
        "updated": format_moment(row.updated_at),
        "exception": row.problem,
    }
    return narrow(data, FLOW, drop_empty=True)


def present_revision(row: FlowRevision, flow: Flow, definition: TypedFlow | None) -> Json:
    """Return one revision with its source; `definition` is None when the source cannot be used any more."""
    written: Json = {
        "revision": row.revision,
        "draft": row.draft,
        "deleted": row.deleted,
        "updated": format_moment(row.created_at),
        "source": row.source,
        "description": definition.description if definition else None,
        "labels": label_pairs(definition.labels) if definition else None,
        "disabled": definition.disabled if definition else flow.disabled,
        "exception": UNUSABLE_DRAFT if row.draft and definition is None else flow.problem,
    }
    return narrow({**present_flow(flow), **written}, FLOW, drop_empty=True)


def present_check(check: DocumentCheck) -> Json:
    """Return what validation says about one document; `constraints` is absent when it is valid. Source: REST API, 9.9."""
    deprecations = check.list_problems(Severity.DEPRECATION)
    # The paths alone do not say what to write instead, so the old names of types stand among the remarks as well.
    old_types = [problem for problem in deprecations if problem.code == "old-type"]
    paths = [problem.place.path if problem.place and problem.place.path else problem.message for problem in deprecations]
    data = {
        "outdated": check.outdated,
        "namespace": check.namespace,
        "flow": check.flow_id,
        "constraints": "\n".join(str(problem) for problem in check.list_problems(Severity.ERROR)),
        "warnings": [str(problem) for problem in check.list_problems(Severity.WARNING)],
        "infos": [str(problem) for problem in [*check.list_problems(Severity.INFO), *old_types]],
        "deprecationPaths": list(dict.fromkeys(paths)),
    }
    return narrow(data, CHECK)


def present_log(entry: LogEntry) -> Json:
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
        "level": LEVELS[min(entry.level, len(LEVELS) - 1)],
        "thread": entry.thread,
        "message": entry.message,
    }
    return narrow(data, LOG)


def present_key(row: KeyValue) -> Json:
    """Return the entry of a key, without its value. Source: REST API, 9.7."""
    data = {
        "namespace": row.namespace,
        "key": row.key,
        "revision": row.revision,
        "description": row.description,
        "creationDate": format_moment(row.created_at),
        "updateDate": format_moment(row.updated_at),
        "expirationDate": format_moment(row.expires_at),
    }
    return narrow(data, KEY)


def present_value(row: KeyValue) -> Json:
    """Return a value with its type. Source: REST API, 8.7."""
    return {
        "namespace": row.namespace,
        "key": row.key,
        "type": row.kind,
        "value": row.value,
        "revision": row.revision,
        "updated": format_moment(row.updated_at),
    }


def present_trigger(row: TriggerState) -> Json:
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
        "locked": is_locked(row),
        "backfill": _present_backfill(row.backfill),
        "updatedAt": format_moment(row.updated_at),
    }
    return narrow(data, TRIGGER)


def _present_backfill(stored: Mapping[str, Any] | None) -> Json | None:
    if not stored:
        return None
    data = {key: value for key, value in stored.items() if value is not None}
    data["paused"] = bool(data.get("paused"))
    for shown, kept in (("currentDate", "current"), ("previousNextExecutionDate", "regular_next")):
        if kept in data:
            data[shown] = data.pop(kept)
    if isinstance(data.get("labels"), list):
        pairs = (pair if isinstance(pair, dict) else {"key": pair[0], "value": pair[1]} for pair in data["labels"])
        data["labels"] = list(pairs)
    return data


def present_namespace(info: NamespaceInfo) -> Json:
    """Return a namespace."""
    data = {
        "id": info.id,
        "deleted": False,
        "description": info.description,
        "variables": dict(info.variables),
        "pluginDefaults": list(info.plugin_defaults),
    }
    return narrow(data, NAMESPACE, drop_empty=True)


def present_file(facts: FileFacts) -> Json:
    """Return what is known of a file or folder; moments are milliseconds. Source: REST API, 9.9."""
    return {
        "fileName": facts.name,
        "type": "Directory" if facts.is_directory else "File",
        "size": facts.size_bytes,
        "lastModifiedTime": _milliseconds(facts.modified_at),
        "creationTime": _milliseconds(facts.created_at),
    }


def _milliseconds(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment else 0


def present_secret(row: Secret) -> Json:
    """Return a secret without its value."""
    data = {"namespace": row.namespace, "key": row.key, "description": row.description, "tags": row.tags}
    return narrow(data, SECRET, drop_empty=True)


def _present_state(current: str, histories: Sequence[Sequence[str]]) -> Json:
    steps = [(str(state), str(date).replace("+00:00", "Z")) for state, date, *_ in histories]
    length = datetime.fromisoformat(steps[-1][1]) - datetime.fromisoformat(steps[0][1]) if len(steps) > 1 else timedelta(0)
    state: Json = {"current": current, "histories": [{"state": name, "date": date} for name, date in steps]}
    if steps:
        state["startDate"] = steps[0][1]
    state["duration"] = format_duration(length)
    return state
