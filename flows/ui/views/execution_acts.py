"""What the buttons of an execution's page do."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from flows.operations import executions as operations
from flows.operations.bulk_acts import change_execution
from flows.primitives.errors import FlowsError, ForbiddenError, InvalidError
from flows.queries import executions as queries
from flows.queries.flows import get_flow_text
from flows.ui.input_fields import PREFIX, read_changed, read_inputs
from flows.ui.page import name_of, redirect
from flows.ui.views.execution_page import find_paused_task, get_named

_NOTES = {
    "kill": "Being killed",
    "pause": "Paused",
    "resume": "Resumed",
    "restart": "Restarted",
    "replay": "Replayed: this is the new execution",
    "unqueue": "Taken out of the queue",
    "force-run": "Pushed",
    "approve": "Approved",
    "deny": "Denied",
    "labels": "Labels saved",
    "state": "State changed",
    "task-state": "State of the task changed",
}


def act(request: HttpRequest, namespace: str, flow_id: str, execution_id: str, action: str) -> HttpResponse:
    """Do one action and lead to the execution that results from it; what the operation refuses is told on the same page."""
    execution = get_named(namespace, flow_id, execution_id)
    actor, at = name_of(request), timezone.now()
    try:
        if action in ("approve", "deny"):
            changed = operations.review_execution(
                execution_id,
                decision=action,
                comment=request.POST.get("comment") or None,
                inputs=_read_asked(request, execution_id),
                at=at,
                actor=actor,
            )
        elif action == "labels":
            changed = operations.set_execution_labels(execution_id, labels=read_labels(request), at=at, actor=actor)
        elif action == "task-state":
            changed = operations.change_task_run_state(
                execution_id,
                task_run_id=request.POST.get("task_run", ""),
                state=request.POST.get("state", ""),
                at=at,
                actor=actor,
            )
        elif action == "state":
            changed = operations.change_execution_status(execution_id, status=request.POST.get("state", ""), at=at, actor=actor)
        else:
            result = change_execution(execution_id, action, at=at, actor=actor, **_read_extra(request, action, execution_id))
            if result is None:
                return redirect("executions", note=f"Execution {execution_id} deleted")
            changed = result
    except ForbiddenError:
        raise
    except FlowsError as error:
        return redirect("execution", namespace, flow_id, execution.id, problem=error.message[:500])
    return redirect("execution", namespace, flow_id, changed.id, note=_NOTES.get(action, "Done"))


def _read_extra(request: HttpRequest, action: str, execution_id: str) -> dict[str, Any]:
    if action == "resume":
        return {"inputs": _read_asked(request, execution_id)}
    extra: dict[str, Any] = {}
    if action in ("replay", "restart") and (number := request.POST.get("revision", "")):
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise InvalidError(f'The revision must be a whole number; got "{number[:20]}".', code="revision")
        extra["revision"] = int(number)
    if action in ("replay", "restart") and request.POST.get("task_run"):
        extra["task_run_id"] = request.POST["task_run"]
    if action == "replay" and (changed := _read_changed(request, execution_id)):
        extra["inputs"] = changed
    return extra


def _read_changed(request: HttpRequest, execution_id: str) -> dict[str, Any]:
    """Return the inputs that somebody gave a replay instead of those of the execution."""
    if not any(name.startswith(PREFIX) for name in (*request.POST, *request.FILES)):
        return {}
    execution = queries.get_execution(execution_id)
    found = get_flow_text(execution.namespace, execution.flow_id, execution.flow_revision, allow_deleted=True)
    return read_changed(request, found.definition.inputs, execution.inputs) if found.definition else {}


def _read_asked(request: HttpRequest, execution_id: str) -> dict[str, Any]:
    if not any(name.startswith(PREFIX) for name in (*request.POST, *request.FILES)):
        return {}
    execution = queries.get_execution(execution_id)
    task = find_paused_task(execution, queries.list_task_runs(execution_id))
    return read_inputs(request, task.inputs) if task else {}


def read_labels(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the labels of a form, written as `key:value` with commas between them. Raises InvalidError."""
    pairs = []
    for part in request.POST.get("labels", "").replace("\n", ",").split(","):
        key, colon, value = part.strip().partition(":")
        if part.strip():
            if not colon:
                raise InvalidError(f'Label "{part.strip()[:100]}" must be written as key:value.', code="label-form")
            pairs.append((key.strip(), value.strip()))
    return pairs
