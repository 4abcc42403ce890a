"""Executions: start, read, search, follow, and single actions on one of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from flows.api.answers import answer, answer_csv, answer_nothing, answer_page, format_moment
from flows.api.auth import name_of
from flows.api.endpoint import now, read_list, read_object, read_text
from flows.api.errors import BadRequestError
from flows.api.filters import read_criteria
from flows.api.multipart import read_inputs
from flows.api.pagination import find_moment, find_number, read_flag, read_required, read_window
from flows.api.presenters import (
    execution_url,
    present_executable_flow,
    present_execution,
    present_status_event,
)
from flows.api.sse import answer_slow_json, answer_stream, follow, follow_each, wait_for_end
from flows.engine.catalog import get_flow
from flows.language.flow import Input
from flows.language.inputs import ResolvedInputs
from flows.models import Execution
from flows.operations import executions as operations
from flows.operations.resume_checks import validate_resume_inputs as check_resume_inputs
from flows.primitives.durations import format_duration
from flows.primitives.errors import FlowsError, InvalidError, NotFoundError
from flows.primitives.states import TERMINAL
from flows.queries import executions as queries
from flows.queries import flows as flow_queries
from flows.queries.criteria import Condition, Criteria, Operation

STARTABLE_KINDS = frozenset({"NORMAL", "TEST", "PLAYGROUND"})


def present_whole(execution_id: str) -> dict[str, Any]:
    """Return an execution with its task runs as it is now: two queries."""
    execution = queries.get_execution(execution_id)
    return present_execution(execution, queries.list_task_runs(execution_id))


def read_labels(texts: Collection[str]) -> list[tuple[str, str]]:
    """Return labels of the form `key:value`; only the first colon divides. Raises InvalidError."""
    labels = []
    for text in texts:
        key, colon, value = text.partition(":")
        if not colon or not key or not value:
            raise InvalidError(f'Label "{text[:100]}" must be written as key:value.', code="label-form")
        labels.append((key, value))
    return labels


def read_breakpoints(request: Request) -> list[dict[str, str]]:
    """Return the tasks before which the execution stops: `task` or `task.value`, divided by commas."""
    found = []
    for text in ",".join(request.query_params.getlist("breakpoints")).split(","):
        task_id, dot, value = text.strip().partition(".")
        if task_id:
            found.append({"id": task_id, "value": value} if dot else {"id": task_id})
    return found


def list_input_ids(inputs: Collection[Input], prefix: str = "") -> list[str]:
    """Return the dotted ids of declared inputs; the parts of a form are inputs of their own."""
    found = []
    for one in inputs:
        found.append(prefix + one.id)
        if one.type == "FORM":
            found.extend(list_input_ids(one.children, f"{prefix}{one.id}."))
    return found


def _declared_inputs(namespace: str, flow_id: str, revision: int | None) -> Callable[[], Collection[str]]:
    return lambda: list_input_ids(get_flow(namespace, flow_id, revision).flow.inputs)


def start(request: Request, namespace: str, flow_id: str) -> HttpResponseBase:
    """Start an execution; with `wait=true` the answer comes after its end."""
    revision = find_number(request, "revision")
    kind = request.query_params.get("kind") or "NORMAL"
    if kind not in STARTABLE_KINDS:
        raise InvalidError(
            f'"kind" must be one of {", ".join(sorted(STARTABLE_KINDS))}; got "{kind[:60]}".', code="execution-kind"
        )
    execution = operations.start_execution(
        namespace=namespace,
        flow_id=flow_id,
        revision=revision,
        inputs=read_inputs(request, _declared_inputs(namespace, flow_id, revision)),
        labels=read_labels(request.query_params.getlist("labels")),
        schedule_at=find_moment(request, "scheduleDate"),
        breakpoints=read_breakpoints(request),
        kind=kind,
        at=now(),
        actor=name_of(request),
    )
    if read_flag(request, "wait", default=False):
        return answer_after_end(execution.id)
    return answer({**present_execution(execution, ()), "url": execution_url(execution)})


def answer_after_end(execution_id: str) -> HttpResponseBase:
    """Answer with the execution once it has ended."""
    return answer_slow_json(wait_for_end(execution_id, _read_ended))


def _read_ended(execution_id: str) -> tuple[dict[str, Any], bool] | None:
    execution = Execution.objects.filter(pk=execution_id).first()
    if execution is None:
        return None
    ended = execution.state in TERMINAL
    runs = queries.list_task_runs(execution_id) if ended else ()
    return {**present_execution(execution, runs), "url": execution_url(execution)}, ended


def validate_inputs(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Say for every input whether it is enabled, which value it has and what is wrong with it. Nothing starts."""
    revision = find_number(request, "revision")
    resolved = operations.validate_inputs(
        namespace=namespace,
        flow_id=flow_id,
        revision=revision,
        inputs=read_inputs(request, _declared_inputs(namespace, flow_id, revision)),
    )
    declared = get_flow(namespace, flow_id, revision).flow.raw.get("inputs")
    return answer({"id": flow_id, "namespace": namespace, "inputs": present_resolved(resolved, declared), "checks": []})


def present_resolved(resolved: ResolvedInputs, declared: Any) -> list[dict[str, Any]]:
    """Return resolved inputs, one entry per input that holds a value, with its declaration and its faults."""
    faults: dict[str, list[dict[str, str]]] = {}
    for problem in resolved.problems:
        faults.setdefault(problem.input_id, []).append({"message": problem.message})
    known = dict(_index_inputs(declared, ""))
    entries = []
    for state in resolved.states:
        entry: dict[str, Any] = {
            "input": known.get(state.id, {"id": state.id, "type": state.type}),
            "enabled": state.enabled,
            "isDefault": state.is_default,
            "errors": faults.get(state.id, []),
        }
        if state.value is not None:
            entry["value"] = state.value
        entries.append(entry)
    return entries


def _index_inputs(declared: Any, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in declared if isinstance(declared, (list, tuple)) else ():
        if not isinstance(one, dict):
            continue
        input_id = f"{prefix}{one.get('id') or one.get('name') or ''}"
        yield input_id, one
        yield from _index_inputs(one.get("inputs"), f"{input_id}.")


def get(request: Request, execution_id: str) -> HttpResponse:
    """Return an execution with its task runs."""
    return answer(present_whole(execution_id))


def search(request: Request) -> HttpResponse:
    """Return one page of executions as light rows."""
    found = queries.search_executions(
        read_criteria(request, queries.EXECUTION_FIELDS),
        read_window(request),
        at=now(),
        date_filter=request.query_params.get("dateFilter") or "START_DATE",
    )
    return answer_page((present_execution(row) for row in found.results), found.total)


def list_of_flow(request: Request) -> HttpResponse:
    """Return one page of the executions of one flow."""
    criteria = Criteria(
        members=(
            Condition("namespace", Operation.EQUALS, read_required(request, "namespace")),
            Condition("flowId", Operation.EQUALS, read_required(request, "flowId")),
        )
    )
    found = queries.search_executions(criteria, read_window(request), at=now())
    return answer_page((present_execution(row) for row in found.results), found.total)


def list_latest(request: Request) -> HttpResponse:
    """Return the newest execution of each named flow."""
    names = [(str(item.get("namespace", "")), str(item.get("id", ""))) for item in read_list(request, of=dict)]
    if len(names) > 1000:
        raise BadRequestError(f"At most 1000 flows can be asked for at once; got {len(names)}.")
    return answer(
        [
            {
                "id": row.id,
                "flowId": row.flow_id,
                "namespace": row.namespace,
                "startDate": format_moment(row.created_at),
                "status": row.state,
            }
            for row in queries.list_latest_executions(names)
        ]
    )


def delete(request: Request, execution_id: str) -> HttpResponse:
    """Delete an execution with what belongs to it."""
    operations.delete_execution(execution_id, **read_delete_flags(request), at=now(), actor=name_of(request))
    return answer_nothing()


def read_delete_flags(request: Request) -> dict[str, bool]:
    """Return what goes together with a deleted execution."""
    return {
        "logs": read_flag(request, "deleteLogs", default=True),
        "metrics": read_flag(request, "deleteMetrics", default=True),
        "files": read_flag(request, "deleteStorage", default=True),
    }


def kill(request: Request, execution_id: str) -> HttpResponse:
    """Kill an execution, and those that it started unless `isOnKillCascade` is false."""
    operations.kill_execution(
        execution_id, cascade=read_flag(request, "isOnKillCascade", default=True), at=now(), actor=name_of(request)
    )
    return answer(present_whole(execution_id))


def act(request: Request, execution_id: str, action: str) -> HttpResponse:
    """Do one of the actions that POST asks for, and return the execution (the new one for a replay)."""
    execution = ACTIONS[action](request, execution_id)
    return answer(present_whole(execution.id))


def _pause(request: Request, execution_id: str) -> Execution:
    return operations.pause_execution(execution_id, at=now(), actor=name_of(request))


def _resume(request: Request, execution_id: str) -> Execution:
    inputs = read_inputs(request, partial(_resume_input_ids, execution_id))
    return operations.resume_execution(execution_id, inputs=inputs, at=now(), actor=name_of(request))


def _resume_input_ids(execution_id: str) -> list[str]:
    """Return the ids of all inputs that pauses of the flow may ask for."""
    execution = queries.get_execution(execution_id)
    definition = get_flow(execution.namespace, execution.flow_id, execution.flow_revision).flow
    return [input_id for task in definition.all_tasks() for input_id in list_input_ids(task.inputs)]


def _restart(request: Request, execution_id: str) -> Execution:
    return operations.restart_execution(execution_id, revision=find_number(request, "revision"), at=now(), actor=name_of(request))


def _replay(request: Request, execution_id: str) -> Execution:
    return operations.replay_execution(
        execution_id,
        task_run_id=request.query_params.get("taskRunId") or None,
        revision=find_number(request, "revision"),
        breakpoints=read_breakpoints(request),
        at=now(),
        actor=name_of(request),
    )


def _replay_with_inputs(request: Request, execution_id: str) -> Execution:
    old = queries.get_execution(execution_id)
    revision = find_number(request, "revision")
    declared = _declared_inputs(old.namespace, old.flow_id, revision or old.flow_revision)
    return operations.replay_execution(
        execution_id,
        task_run_id=request.query_params.get("taskRunId") or None,
        revision=revision,
        inputs=read_inputs(request, declared),
        breakpoints=read_breakpoints(request),
        at=now(),
        actor=name_of(request),
    )


def _resume_from_breakpoint(request: Request, execution_id: str) -> Execution:
    return operations.resume_execution(execution_id, inputs=None, at=now(), actor=name_of(request))


def _change_status(request: Request, execution_id: str) -> Execution:
    status = request.query_params.get("status") or request.query_params.get("newStatus") or read_required(request, "status")
    return operations.change_execution_status(execution_id, status=read_state(status), at=now(), actor=name_of(request))


def read_state(word: str) -> str:
    """Return a state by its name in any letter case. Raises InvalidError."""
    state = queries.STATES.get(word.upper())
    if state is None:
        raise InvalidError(f'"{word[:60]}" is no state; known ones: {", ".join(queries.STATES)}.', code="unknown-state")
    return state


def _change_task_state(request: Request, execution_id: str) -> Execution:
    body = read_object(request)
    task_run_id, state = body.get("taskRunId"), body.get("state")
    if not isinstance(task_run_id, str) or not isinstance(state, str):
        raise InvalidError('The body must name "taskRunId" and "state", both texts.', code="json-shape")
    return operations.change_task_run_state(
        execution_id, task_run_id=task_run_id, state=read_state(state), at=now(), actor=name_of(request)
    )


def _set_labels(request: Request, execution_id: str) -> Execution:
    labels = read_label_list(read_list(request, of=dict))
    return operations.set_execution_labels(execution_id, labels=labels, at=now(), actor=name_of(request))


def read_label_list(items: Collection[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return labels of the form `{key, value}`; other keys are ignored. Raises InvalidError."""
    labels = []
    for item in items:
        key, value = item.get("key"), item.get("value")
        if not isinstance(key, str) or not key or value is None or isinstance(value, (dict, list)):
            raise InvalidError('Every label must be an object with the texts "key" and "value".', code="label-form")
        labels.append((key, value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)))
    return labels


def _force_run(request: Request, execution_id: str) -> Execution:
    return operations.force_run_execution(execution_id, at=now(), actor=name_of(request))


def _unqueue(request: Request, execution_id: str) -> Execution:
    state = read_state(request.query_params.get("state") or "RUNNING")
    return operations.unqueue_execution(execution_id, state=state, at=now(), actor=name_of(request))


def _review(request: Request, execution_id: str) -> Execution:
    return _decide(request, execution_id, None)


def _decide(request: Request, execution_id: str, task_run_id: str | None) -> Execution:
    body = read_object(request)
    decision, comment, inputs = body.get("decision"), body.get("comment"), body.get("inputs")
    if not isinstance(decision, str):
        raise InvalidError('The body must name the "decision": APPROVED or DENIED.', code="json-shape")
    if (comment is not None and not isinstance(comment, str)) or (inputs is not None and not isinstance(inputs, dict)):
        raise InvalidError('"comment" must be a text and "inputs" an object.', code="json-shape")
    chosen = task_run_id or body.get("taskRunId")
    return operations.review_execution(
        execution_id,
        decision=decision,
        comment=comment,
        inputs=inputs or {},
        task_run_id=chosen if isinstance(chosen, str) else None,
        at=now(),
        actor=name_of(request),
    )


def review_task_run(request: Request, execution_id: str, task_run_id: str) -> HttpResponse:
    """Answer the approval that one task run waits for."""
    return answer(present_whole(_decide(request, execution_id, task_run_id).id))


ACTIONS: dict[str, Callable[[Request, str], Execution]] = {
    "restart": _restart,
    "replay": _replay,
    "replay-with-inputs": _replay_with_inputs,
    "pause": _pause,
    "resume": _resume,
    "resume-from-breakpoint": _resume_from_breakpoint,
    "change-status": _change_status,
    "state": _change_task_state,
    "labels": _set_labels,
    "force-run": _force_run,
    "unqueue": _unqueue,
    "review": _review,
}


def evaluate(request: Request, execution_id: str, task_run_id: str | None = None) -> HttpResponse:
    """Render an expression with the variables of an execution or task run; a fault in it is an answer, not an error."""
    expression = read_text(request)
    queries.get_execution(execution_id)
    if task_run_id is not None:
        queries.get_task_run(execution_id, task_run_id)
    try:
        return answer({"result": operations.eval_expression(execution_id, expression, task_run_id=task_run_id)})
    except NotFoundError as error:
        return answer({"result": None, "error": error.message, "stackTrace": error.message})
    except FlowsError as error:
        return answer({"result": None, "error": error.message, "stackTrace": f"{error.code}: {error.message}"})


def validate_resume_inputs(request: Request, execution_id: str) -> HttpResponse:
    """Say whether the inputs of a resume are right. Nothing is resumed."""
    resolved = check_resume_inputs(execution_id, inputs=read_inputs(request, partial(_resume_input_ids, execution_id)), at=now())
    execution = queries.get_execution(execution_id)
    entries = present_resolved(resolved, None)
    return answer({"id": execution.flow_id, "namespace": execution.namespace, "inputs": entries, "checks": []})


def follow_execution(request: Request, execution_id: str) -> HttpResponseBase:
    """Stream an execution until it and all its task runs have ended."""
    queries.get_execution(execution_id)
    return answer_stream(follow(execution_id, _read_followed))


def _read_followed(execution_id: str) -> tuple[dict[str, Any], bool] | None:
    # Asked before reading: what ends in between is then seen by the next look, and nothing is cut off.
    settled = queries.is_settled(execution_id)
    execution = Execution.objects.filter(pk=execution_id).first()
    if settled is None or execution is None:
        return None
    return present_execution(execution, queries.list_task_runs(execution_id)), settled


def follow_dependencies(request: Request, execution_id: str) -> HttpResponseBase:
    """Stream the states of an execution and of its relatives until all have ended."""
    queries.get_execution(execution_id)
    return answer_stream(follow_each(execution_id, _read_relatives))


def _read_relatives(execution_id: str) -> tuple[dict[str, Any], bool] | None:
    execution = Execution.objects.filter(pk=execution_id).first()
    if execution is None:
        return None
    relatives = queries.list_dependent_executions(execution)
    return {row.id: present_status_event(row) for row in relatives}, all(row.state in TERMINAL for row in relatives)


def get_flow_of_execution(request: Request, execution_id: str) -> HttpResponse:
    """Return the flow as the execution runs it."""
    execution = queries.get_execution(execution_id)
    found = flow_queries.get_flow_text(execution.namespace, execution.flow_id, execution.flow_revision, allow_deleted=True)
    return answer(present_executable_flow(found.flow, found.definition, revision=execution.flow_revision))


def get_executable_flow(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Return a flow as the form for its executions needs it."""
    found = flow_queries.get_flow_text(namespace, flow_id, find_number(request, "revision"))
    return answer(present_executable_flow(found.flow, found.definition, revision=found.revision.revision))


def list_executable_namespaces(request: Request) -> HttpResponse:
    """Return the namespaces that hold flows."""
    return answer(flow_queries.list_flow_namespaces())


def list_executable_flows(request: Request, namespace: str) -> HttpResponse:
    """Return the flows of a namespace that may be started."""
    rows = [row for row in flow_queries.list_flows_of_namespace(namespace) if not row.disabled]
    return answer([present_executable_flow(row, flow_queries.find_definition(row)) for row in rows])


def get_average_duration(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Return how long the newest executions of a flow took."""
    flow_queries.get_flow_row(namespace, flow_id)
    length, count = queries.average_duration(namespace, flow_id)
    return answer({"averageDuration": format_duration(length) if length is not None else None, "count": count})


_DISTINCT_COLUMNS = {
    "FLOW_ID": "flow_id",
    "NAMESPACE": "namespace",
    "STATE": "state",
    "KIND": "kind",
    "TRIGGER_ID": "trigger__id",
}


def list_distinct_values(request: Request) -> HttpResponse:
    """Return the different values of a field of the executions that match."""
    column = _DISTINCT_COLUMNS.get(read_required(request, "field").upper())
    if column is None:
        raise BadRequestError(f'"field" must be one of {", ".join(_DISTINCT_COLUMNS)}.')
    criteria = read_criteria(request, queries.EXECUTION_FIELDS)
    limit = read_window(request, size=100).size
    return answer(queries.list_distinct_values(column, criteria, at=now(), limit=limit))


_CSV_COLUMNS = ("id", "namespace", "flowId", "flowRevision", "state", "startDate", "endDate", "duration", "labels")


def export_csv(request: Request) -> HttpResponseBase:
    """Return the executions that match as a table."""
    rows = queries.filter_executions(read_criteria(request, queries.EXECUTION_FIELDS), at=now()).order_by("-created_at", "id")
    return answer_csv("executions.csv", _CSV_COLUMNS, (_csv_row(row) for row in rows.iterator(chunk_size=1000)))


def _csv_row(execution: Execution) -> list[str]:
    data = present_execution(execution)
    state = data["state"]
    labels = ",".join(f"{label['key']}:{label['value']}" for label in execution.labels)
    return [
        execution.id, execution.namespace, execution.flow_id, str(execution.flow_revision), execution.state, state["startDate"],
        state.get("endDate", ""), state["duration"], labels,
    ]  # fmt: skip
