"""How executions, flows, logs and the rest look in answers. Rows go in, plain dictionaries come out; nothing is queried here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from flows.api.answers import encode_json, format_moment
from flows.conf import DEFAULT_TENANT, get_settings
from flows.language.flow import Flow as TypedFlow
from flows.language.flow import label_pairs
from flows.models import Execution, Flow, FlowRevision, KeyValue, LogEntry, Metric, TaskRun
from flows.operations.flow_checks import DocumentCheck
from flows.primitives.durations import format_duration
from flows.primitives.problems import Severity
from flows.primitives.states import TERMINAL, State
from flows.queries.flows import UNUSABLE_DRAFT

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
_NO_TIME = timedelta(0)
_OPEN_ENDED = frozenset({*TERMINAL, State.PAUSED})


def _zulu(text: str) -> str:
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def present_state(current: str, histories: Sequence[Sequence[str]], created_at: datetime | None = None) -> dict[str, Any]:
    """
    Return a state with its history. `histories` are pairs of state and ISO moment, the first one CREATED.

    Source: REST API, 9.3.
    """
    dates = [(state, _zulu(date)) for state, date in histories]
    if not dates and created_at is not None:
        dates = [(current, format_moment(created_at))]
    start = dates[0][1] if dates else ""
    end = dates[-1][1] if dates else ""
    duration = format_duration(_length(start, end))
    state = {
        "current": current,
        "histories": [{"state": name, "date": date} for name, date in dates],
        "startDate": start,
        "duration": duration,
        # Copies under the names that the published document of the API demands; strict readers fail without them.
        "getDuration": duration,
        "getStartDate": start,
        "getEndDate": end,
    }
    if current in _OPEN_ENDED:
        state["endDate"] = end
    return state


def _length(start: str, end: str) -> timedelta:
    return datetime.fromisoformat(end) - datetime.fromisoformat(start) if start and end != start else _NO_TIME


def present_execution(execution: Execution, task_runs: Iterable[TaskRun] | None = None) -> dict[str, Any]:
    """
    Return an execution as clients of both generations read it; without `task_runs` it is the light row of lists.

    Source: REST API, 9.2.
    """
    data: dict[str, Any] = {
        "id": execution.id,
        "tenantId": DEFAULT_TENANT,
        "namespace": execution.namespace,
        "flowId": execution.flow_id,
        "flowRevision": execution.flow_revision,
        "state": present_state(execution.state, execution.histories, execution.created_at),
        "originalId": execution.original_id,
        "labels": execution.labels,
        "inputs": execution.inputs,
        "metadata": {
            "attemptNumber": execution.attempt_number,
            "originalCreatedDate": format_moment(execution.original_created_at),
            "executionDepth": execution.depth,
        },
        "deleted": False,
        "kind": execution.kind,
    }
    if execution.parent_id:
        data["parentId"] = execution.parent_id
    if execution.outputs is not None:
        data["outputs"] = execution.outputs
    if execution.trigger:
        data["trigger"] = execution.trigger
    if execution.schedule_at:
        data["scheduleDate"] = format_moment(execution.schedule_at)
    if execution.error:
        data["error"] = execution.error
    if task_runs is None:
        return data
    if execution.variables:
        data["variables"] = execution.variables
    if execution.breakpoints:
        data["breakpoints"] = execution.breakpoints
    if execution.loop:
        data["loopRun"] = execution.loop
    data["taskRunList"] = [present_task_run(run, execution) for run in task_runs]
    return data


def present_task_run(run: TaskRun, execution: Execution) -> dict[str, Any]:
    """Return one task run. Source: REST API, 9.4."""
    data: dict[str, Any] = {
        "id": run.id,
        "taskId": run.task_id,
        "executionId": execution.id,
        "namespace": execution.namespace,
        "flowId": execution.flow_id,
        "tenantId": DEFAULT_TENANT,
        "state": present_state(run.state, run.histories),
        "attempts": [_present_attempt(attempt) for attempt in run.attempts],
    }
    if run.parent_id:
        data["parentTaskRunId"] = run.parent_id
    if run.value is not None:
        data["value"] = run.value
    if run.outputs is not None:
        data["outputs"] = run.outputs
    if run.iteration is not None:
        data["iteration"] = run.iteration
    if run.dynamic:
        data["dynamic"] = True
    return data


def _present_attempt(attempt: Mapping[str, Any]) -> dict[str, Any]:
    start, end = attempt.get("startDate"), attempt.get("endDate")
    current = str(attempt.get("state", State.CREATED))
    histories = [("CREATED", start), ("RUNNING", start)] if start else []
    if end:
        histories.append((current, end))
    elif histories and current != "RUNNING":
        histories.append((current, start))
    data: dict[str, Any] = {"state": present_state(current, histories)}
    if attempt.get("workerId"):
        data["workerId"] = attempt["workerId"]
    if attempt.get("logFile"):
        data["logFile"] = attempt["logFile"]
    if attempt.get("cached"):
        data["cached"] = True
    return data


def execution_url(execution: Execution) -> str:
    """Return the address of the page of an execution."""
    return f"{get_settings().public_url}/ui/{DEFAULT_TENANT}/executions/{execution.namespace}/{execution.flow_id}/{execution.id}"


def present_status_event(execution: Execution) -> dict[str, Any]:
    """Return the state of one execution among related ones. Source: REST API, 9.9."""
    return {
        "executionId": execution.id,
        "tenantId": DEFAULT_TENANT,
        "namespace": execution.namespace,
        "flowId": execution.flow_id,
        "state": present_state(execution.state, execution.histories, execution.created_at),
    }


def present_flow(
    row: Flow, definition: TypedFlow | None, *, revision: int | None = None, updated_at: datetime | None = None,
    draft: bool | None = None, deleted: bool | None = None, source: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """
    Return a flow: its document as data, with the server's own fields laid over it.

    Args:
        definition: None for a stored text that cannot be used any more; then only the names and the reason are known.
        revision, draft: its number and whether it is a draft, for another one than that saved last.
        source: the text, when it was asked for.

    Source: REST API, 9.1.
    """
    data: dict[str, Any] = dict(definition.raw) if definition is not None else {}
    data |= {
        "id": row.flow_id,
        "namespace": row.namespace,
        "tenantId": DEFAULT_TENANT,
        "revision": revision if revision is not None else row.newest_revision,
        "updated": format_moment(updated_at or row.updated_at),
        "disabled": definition.disabled if definition is not None else row.disabled,
        "draft": (revision is None and row.draft_revision is not None) if draft is None else draft,
        "deleted": row.deleted if deleted is None else deleted,
    }
    if isinstance(data.get("inputs"), list):
        data["inputs"] = [_present_input(declared) for declared in data["inputs"]]
    if definition is not None and definition.labels:
        data["labels"] = label_pairs(definition.labels)
    elif definition is None:
        unusable = UNUSABLE_DRAFT if data["draft"] else "The stored source cannot be used any more."
        data |= {"tasks": [], "exception": row.problem or unusable}
    if source is not None:
        data["source"] = source
    return data


_PRESENT_INPUT_TYPES = {"BOOLEAN": "BOOL", "ENUM": "SELECT"}


def _present_input(declared: Any) -> Any:
    """
    Return a declared input as strict readers take it: under the present name of its type, with a default that is a text or a map.

    Source: REST API, 9.1 and 10.2.
    """
    if not isinstance(declared, dict):
        return declared
    data = dict(declared)
    present = _PRESENT_INPUT_TYPES.get(str(data.get("type")))
    if present is not None:
        data["type"] = present
    for name in ("defaults", "prefill"):
        if isinstance(data.get(name), bool | int | float | list):
            data[name] = encode_json(data[name])
    if isinstance(data.get("inputs"), list):
        data["inputs"] = [_present_input(child) for child in data["inputs"]]
    return data


_REDUCED_TASK = ("id", "type", "version", "inputs")
_TASK_LISTS = ("tasks", "then", "else", "errors", "finally", "afterExecution")


def present_executable_flow(row: Flow, definition: TypedFlow | None, *, of: FlowRevision | None = None) -> dict[str, Any]:
    """
    Return a flow as a form for executions needs it: tasks and triggers reduced to what they are. `of` is another revision than
    the published one.
    """
    data = present_flow(row, definition, revision=of.revision if of else row.revision, draft=of is not None and of.draft)
    for name in ("tasks", "errors", "finally", "afterExecution"):
        if isinstance(data.get(name), list):
            data[name] = [_reduce_task(task) for task in data[name]]
    if isinstance(data.get("triggers"), list):
        data["triggers"] = [
            {key: trigger[key] for key in ("id", "type", "version") if key in trigger}
            for trigger in data["triggers"]
            if isinstance(trigger, dict)
        ]
    return data


def _reduce_task(task: Any) -> dict[str, Any]:
    if not isinstance(task, dict):
        return {}
    wrapped = task.get("task")
    inner: dict[str, Any] = wrapped if isinstance(wrapped, dict) and "id" not in task else task
    reduced = {key: inner[key] for key in _REDUCED_TASK if key in inner}
    children = [_reduce_task(child) for name in _TASK_LISTS if isinstance(inner.get(name), list) for child in inner[name]]
    if isinstance(inner.get("cases"), dict):
        children += [_reduce_task(child) for tasks in inner["cases"].values() if isinstance(tasks, list) for child in tasks]
    if children:
        reduced["tasks"] = children
    if "flowId" in inner and "namespace" in inner:
        reduced["subflowId"] = {"namespace": inner["namespace"], "flowId": inner["flowId"]}
    return reduced


def present_check(check: DocumentCheck) -> dict[str, Any]:
    """Return what validation says about one document. `constraints` is absent when it is valid. Source: REST API, 9.9."""
    deprecations = check.list_problems(Severity.DEPRECATION)
    # The paths alone do not say what to write instead, so the old names of types stand among the remarks as well.
    old_types = [problem for problem in deprecations if problem.code == "old-type"]
    paths = [problem.place.path if problem.place and problem.place.path else problem.message for problem in deprecations]
    data: dict[str, Any] = {
        "index": check.index,
        "outdated": check.outdated,
        "deprecationPaths": list(dict.fromkeys(paths)),
        "warnings": [str(problem) for problem in check.list_problems(Severity.WARNING)],
        "infos": [str(problem) for problem in [*check.list_problems(Severity.INFO), *old_types]],
    }
    if check.namespace:
        data["namespace"] = check.namespace
    if check.flow_id:
        data["flow"] = check.flow_id
    errors = check.list_problems(Severity.ERROR)
    if errors:
        data["constraints"] = "\n".join(str(error) for error in errors)
    return data


def present_log(entry: LogEntry) -> dict[str, Any]:
    """Return one log line. Source: REST API, 9.6."""
    data: dict[str, Any] = {
        "namespace": entry.namespace,
        "flowId": entry.flow_id,
        "tenantId": DEFAULT_TENANT,
        "attemptNumber": entry.attempt_number,
        "timestamp": format_moment(entry.timestamp),
        "level": LEVELS[min(entry.level, len(LEVELS) - 1)],
        "thread": entry.thread,
        "message": entry.message,
    }
    for key, value in (
        ("executionId", entry.execution_id), ("taskId", entry.task_id), ("taskRunId", entry.task_run_id),
        ("triggerId", entry.trigger_id),
    ):  # fmt: skip
        if value:
            data[key] = value
    return data


def present_metric(metric: Metric) -> dict[str, Any]:
    """Return one metric entry; timers are in milliseconds. Source: REST API, 9.6."""
    data: dict[str, Any] = {
        "namespace": metric.namespace,
        "flowId": metric.flow_id,
        "executionId": metric.execution_id,
        "tenantId": DEFAULT_TENANT,
        "type": metric.kind,
        "name": metric.name,
        "value": metric.value,
        "timestamp": format_moment(metric.timestamp),
        "tags": metric.tags,
    }
    if metric.task_id:
        data["taskId"] = metric.task_id
    if metric.task_run_id:
        data["taskRunId"] = metric.task_run_id
    return data


def present_key(pair: KeyValue) -> dict[str, Any]:
    """Return a key without its value. Source: REST API, 9.7."""
    data: dict[str, Any] = {
        "namespace": pair.namespace,
        "key": pair.key,
        "revision": pair.revision,
        "creationDate": format_moment(pair.created_at),
        "updateDate": format_moment(pair.updated_at),
    }
    if pair.description:
        data["description"] = pair.description
    if pair.expires_at:
        data["expirationDate"] = format_moment(pair.expires_at)
    return data
