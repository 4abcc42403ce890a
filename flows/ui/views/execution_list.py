"""The list of all executions, and actions on many of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from flows.models import Execution, Flow, TaskRun
from flows.operations import executions as operations
from flows.primitives.errors import FlowsError
from flows.primitives.states import State
from flows.queries import executions as queries
from flows.queries.criteria import Condition, Criteria, Operation
from flows.queries.flows import list_flow_namespaces
from flows.ui.filters import LISTED_STATES, read_filters
from flows.ui.keyset import count_up_to, take_slice
from flows.ui.page import answer_page, name_of, redirect

FILTERS = ("q", "namespace", "flow", "state", "label", "range", "from", "to")
MOST_AT_ONCE = 500
MOST_FLOWS = 50


def list_executions(request: HttpRequest) -> HttpResponse:
    """Show one page of executions, newest first. No row costs a query of its own, and history is never counted whole."""
    filters = read_filters(request, names=FILTERS, find_text=_find_text)
    rows = queries.filter_executions(filters.criteria, at=timezone.now()).only(
        "id", "namespace", "flow_id", "flow_revision", "state", "created_at", "ended_at", "labels", "trigger", "kind"
    )
    found = take_slice(request, rows, moment="created_at")
    context = {
        "slice": found,
        "filters": filters,
        "total": count_up_to(rows),
        "states": LISTED_STATES,
        "namespaces": list_flow_namespaces(),
        "current_tasks": _list_current_tasks(found.rows),
    }
    return answer_page(request, "flows/execution_list.html", context, title="Executions", nav="executions")


def _find_text(text: str) -> Condition | Criteria:
    """
    Return where a text may stand so that an index finds it among millions: at the beginning of an id, in the name of a flow or
    a namespace, or as a label written as key:value.
    """
    key, colon, value = text.partition(":")
    if colon and key and value:
        return Condition("labels", Operation.EQUALS, value, key)
    by_id = Condition("id", Operation.STARTS_WITH, text)
    matching = Flow.objects.filter(Q(flow_id__icontains=text) | Q(namespace__icontains=text))
    names = list(matching.values_list("namespace", "flow_id")[: MOST_FLOWS + 1])
    if len(names) > MOST_FLOWS:
        # A text that fits so many flows is found everywhere, so that reading on from the newest ends soon.
        return Condition("q", Operation.EQUALS, text)
    by_flow = [
        Criteria(members=(Condition("namespace", Operation.EQUALS, namespace), Condition("flowId", Operation.EQUALS, flow_id)))
        for namespace, flow_id in names
    ]
    return Criteria("or", (by_id, *by_flow))


def _list_current_tasks(rows: Sequence[Execution]) -> dict[str, str]:
    running = [row.id for row in rows if row.state == State.RUNNING]
    found: dict[str, str] = {}
    if running:
        runs = TaskRun.objects.filter(execution_id__in=running, state=State.RUNNING).order_by("seq")
        for execution_id, task_id in runs.values_list("execution_id", "task_id"):
            found[execution_id] = task_id
    return found


def change_executions(request: HttpRequest) -> HttpResponse:
    """Do one thing with the ticked executions, and tell for how many it was done and why not for the others."""
    act = request.POST.get("act", "")
    ids = list(dict.fromkeys(request.POST.getlist("execution")))[:MOST_AT_ONCE]
    done, refused = 0, []
    for execution_id in ids:
        try:
            change_one(execution_id, act, actor=name_of(request))
        except FlowsError as error:
            refused.append(error.message)
        else:
            done += 1
    note = f"{act}: done for {done} of {len(ids)} executions"
    return redirect("executions", note=note if not refused else f"{note}. {refused[0]}"[:600])


def change_one(execution_id: str, act: str, *, actor: str, **extra: Any) -> Execution | None:
    """
    Do one action with one execution.

    Returns:
        The execution to show next; None after it was deleted.

    Raises:
        FlowsError: what the operation says, or an unknown action.
    """
    at = timezone.now()
    match act:
        case "kill":
            return operations.kill_execution(execution_id, at=at, actor=actor)
        case "pause":
            return operations.pause_execution(execution_id, at=at, actor=actor)
        case "resume":
            return operations.resume_execution(execution_id, at=at, actor=actor, **extra)
        case "restart":
            return operations.restart_execution(execution_id, at=at, actor=actor, **extra)
        case "replay":
            return operations.replay_execution(execution_id, at=at, actor=actor, **extra)
        case "unqueue":
            return operations.unqueue_execution(execution_id, at=at, actor=actor)
        case "force-run":
            return operations.force_run_execution(execution_id, at=at, actor=actor)
        case "delete":
            operations.delete_execution(execution_id, at=at, actor=actor)
            return None
    raise FlowsError(f'An execution has no action "{act[:60]}".', code="unknown-action")
