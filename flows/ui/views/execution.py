"""The pages of one execution: overview, Gantt, topology, logs, outputs, metrics, dependencies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from flows.models import Execution
from flows.primitives.callers import current_caller
from flows.primitives.errors import NotFoundError
from flows.primitives.rights import Action, Resource
from flows.primitives.states import TERMINAL, State
from flows.queries import executions as queries
from flows.queries.comparisons import find_neighbours, median_task_durations
from flows.queries.visibility import visible
from flows.ui.actions import list_allowed_actions
from flows.ui.choices import lead_to_defaults
from flows.ui.failures import find_failure, list_slow_tasks
from flows.ui.input_fields import InputField, make_fields, show_stored
from flows.ui.log_panel import wants_lines
from flows.ui.page import FRAGMENT_HEADER, Crumb, answer_page
from flows.ui.painters.log_lines import paint_log_lines
from flows.ui.painters.replay_points import paint_replay_points
from flows.ui.painters.topology import draw_topology
from flows.ui.stored_values import list_entries
from flows.ui.views.execution_drawer import make_drawer
from flows.ui.views.execution_logs import answer_log_lines, make_logs
from flows.ui.views.execution_page import ExecutionPage, find_paused_task, get_named
from flows.ui.views.execution_pictures import make_gantt, make_topology
from flows.ui.views.execution_values import make_dependencies, make_metrics, make_outputs
from flows.ui.views.node_states import list_node_states
from flows.ui.waiting import explain_wait
from flows.ui.wording import read_history, split_labels

TABS = (
    ("overview", "Overview"),
    ("gantt", "Gantt"),
    ("topology", "Topology"),
    ("logs", "Logs"),
    ("outputs", "Outputs"),
    ("metrics", "Metrics"),
    ("dependencies", "Dependencies"),
)
END_STATES = (State.SUCCESS, State.WARNING, State.FAILED, State.KILLED, State.CANCELLED)
HEAD = "head"
DRAWER = "drawer"
"""Values of the fragment header with which a script asks for what stands above the tabs only, or for the drawer."""

MOST_REPLAYS = 10
MOST_REPLAY_POINTS = 300
DETAILS_OF_TABS = {
    "overview": queries.DETAILS,
    "gantt": ("histories", "attempts"),
    "logs": ("attempts",),
    "outputs": queries.DETAILS,
}


def show_execution(request: HttpRequest, namespace: str, flow_id: str, execution_id: str, tab: str = "overview") -> HttpResponse:
    """Show one tab of an execution."""
    execution = get_named(namespace, flow_id, execution_id)
    if tab == "logs" and wants_lines(request):
        return answer_log_lines(request, execution_id)
    if tab == "logs" and (away := lead_to_defaults(request, level="log-level", order="log-order")) is not None:
        return away
    if tab not in dict(TABS):
        raise NotFoundError(f'An execution has no tab "{tab}".', code="unknown-tab")
    asked = request.headers.get(FRAGMENT_HEADER)
    context = make_context(request, execution, tab, has_tab=asked not in (HEAD, DRAWER), has_drawer=asked != HEAD)
    list_url = reverse("ui:executions")
    crumbs = [
        Crumb("Executions", list_url),
        Crumb(namespace, f"{list_url}?namespace={namespace}"),
        Crumb(flow_id, reverse("ui:flow", args=[namespace, flow_id])),
        Crumb(execution_id, copies=execution_id),
    ]
    return answer_page(
        request, f"flows/execution/{tab}.html", context, title=f"{flow_id} · {execution_id[:8]}", nav="executions", crumbs=crumbs
    )


def make_context(
    request: HttpRequest, execution: Execution, tab: str, *, has_tab: bool = True, has_drawer: bool = True
) -> dict[str, Any]:
    """Return what the page of an execution needs, or with `has_tab` or `has_drawer` switched off a part of it."""
    makers = {
        "overview": _overview,
        "gantt": make_gantt,
        "topology": make_topology,
        "logs": make_logs,
        "outputs": make_outputs,
        "metrics": make_metrics,
        "dependencies": make_dependencies,
    }
    at = timezone.now()
    page = ExecutionPage(execution, at, details=DETAILS_OF_TABS.get(tab, ()) if has_tab else ())
    caller = current_caller()
    paused = find_paused_task(execution, page.runs)
    return {
        "execution": execution,
        "url": page.url,
        "tab": tab,
        "tabs": TABS,
        "definition": page.definition,
        "newest_revision": page.newest_revision,
        "ended": execution.state in TERMINAL,
        "progress": queries.measure_progress(execution, page.runs),
        "task_count": len(page.runs) + page.count_ahead(),
        "done_count": sum(run.state in TERMINAL for run in page.runs),
        "failed_count": sum(run.state == State.FAILED for run in page.runs),
        "actions": list_allowed_actions(
            execution,
            caller,
            waits_for_approval=paused is not None and paused.arrangement == "approval",
            after_end={State(run.state) for run in page.runs} - TERMINAL if execution.state in TERMINAL else (),
        ),
        "may_change": caller.may(Action.UPDATE, Resource.EXECUTION, execution.namespace),
        "may_replay": caller.may(Action.CREATE, Resource.EXECUTION, execution.namespace),
        "wait": explain_wait(execution, page.runs, at=at),
        "resume_fields": make_fields(paused.inputs, given={}) if paused else (),
        "replay_fields": make_replay_fields(page) if execution.state in TERMINAL else (),
        "neighbours": find_neighbours(execution),
        "labels_text": ", ".join(f"{key}:{value}" for key, value in split_labels(execution.labels)),
        "replay_points": paint_replay_points(page.runs[:MOST_REPLAY_POINTS]) if execution.state in TERMINAL else "",
        "end_states": END_STATES,
        **(makers[tab](request, page) if has_tab else {}),
        **(make_drawer(request, page) if has_drawer else {}),
    }


def make_replay_fields(page: ExecutionPage) -> list[InputField]:
    """Return the fields with the inputs of an execution, by which a replay may get others."""
    inputs = page.definition.inputs if page.definition else ()
    fields = make_fields(inputs, given=show_stored(inputs, page.execution.inputs))
    # Another form of the page may ask for an input of the same name.
    return [replace(one, id=f"replay-{one.id}") for one in fields]


def _overview(request: HttpRequest, page: ExecutionPage) -> dict[str, Any]:
    execution = page.execution
    history = read_history(execution.histories)
    # The last state of what goes on has no end: its duration ticks.
    ends = [*(moment for _, moment in history[1:]), history[-1][1] if execution.state in TERMINAL else None]
    steps = [(state, moment, end) for (state, moment), end in zip(history, ends, strict=True)]
    failure = find_failure(execution, page.runs, page.definition)
    if failure:
        slow = list_slow_tasks(page.runs, median_task_durations(execution))
        failure = replace(failure, changes=[*failure.changes, *slow])
    related = visible(Execution).filter(parent_id=execution.id).order_by("created_at")[:MOST_REPLAYS]
    return {
        "history": steps,
        "failure": failure,
        "failure_logs": paint_log_lines(failure.logs) if failure else "",
        "picture": draw_topology(page.definition, list_node_states(page)) if page.definition else "",
        "inputs": list_entries(execution.inputs, url=page.url),
        "outputs": list_entries(execution.outputs or {}, url=page.url),
        "variables": list_entries(execution.variables, url=page.url),
        "trigger_values": list_entries((execution.trigger or {}).get("variables") or {}, url=page.url),
        "replays": list(related),
    }


def redirect_short(request: HttpRequest, execution_id: str) -> HttpResponse:
    """
    Lead the short address to the page of the execution; `tab` names one of its tabs, the other choices go with it.

    The begin of an id is enough where only one execution has it.
    """
    execution = queries.get_execution_by_prefix(execution_id)
    query = request.GET.copy()
    tab = query.pop("tab", ["overview"])[-1]
    address = reverse("ui:execution-tab", args=[execution.namespace, execution.flow_id, execution.id, tab])
    if tab not in dict(TABS) or tab == "overview":
        address = reverse("ui:execution", args=[execution.namespace, execution.flow_id, execution.id])
    return HttpResponseRedirect(f"{address}?{query.urlencode()}" if query else address)


def redirect_tenant(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Lead addresses with the tenant, as alerts and other clients write them, to the same page without it."""
    query = request.META.get("QUERY_STRING", "")
    target = f"/ui/{rest.lstrip('/')}"
    return HttpResponsePermanentRedirect(f"{target}?{query}" if query else target)
