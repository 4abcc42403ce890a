"""The pages of one execution: overview, Gantt, topology, logs, outputs, metrics, dependencies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from flows.language.flow import Flow as TypedFlow
from flows.language.flow import Task
from flows.models import Execution, LogEntry, Metric, TaskRun
from flows.primitives.errors import FlowsError, NotFoundError
from flows.primitives.states import TERMINAL, State
from flows.queries import executions as queries
from flows.queries.flows import get_flow_text
from flows.queries.logs import filter_logs
from flows.ui.actions import list_actions
from flows.ui.failures import find_failure
from flows.ui.input_fields import make_fields
from flows.ui.page import Crumb, answer_page
from flows.ui.painters.gantt import list_rows, paint_gantt
from flows.ui.painters.log_lines import in_time_order, paint_log_lines
from flows.ui.painters.topology import NodeState, draw_topology
from flows.ui.stored_values import list_entries
from flows.ui.waiting import explain_wait
from flows.ui.wording import read_history, short_type, write_duration

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
LOG_WINDOW = 500
DRAWER_LINES = 100
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


def show_execution(request: HttpRequest, namespace: str, flow_id: str, execution_id: str, tab: str = "overview") -> HttpResponse:
    """Show one tab of an execution."""
    execution = get_named(namespace, flow_id, execution_id)
    makers = {
        "overview": _overview,
        "gantt": _gantt,
        "topology": _topology,
        "logs": _logs,
        "outputs": _outputs,
        "metrics": _metrics,
        "dependencies": _dependencies,
    }
    maker = makers.get(tab)
    if maker is None:
        raise NotFoundError(f'An execution has no tab "{tab}".', code="unknown-tab")
    at = timezone.now()
    page = _Page(execution, at)
    url = reverse("ui:execution", args=[namespace, flow_id, execution_id])
    paused = find_paused_task(execution, page.runs, page.definition)
    context = {
        "execution": execution,
        "url": url,
        "tab": tab,
        "tabs": TABS,
        "definition": page.definition,
        "newest_revision": page.newest_revision,
        "ended": execution.state in TERMINAL,
        "task_count": len(page.runs),
        "done_count": sum(run.state in TERMINAL for run in page.runs),
        "failed_count": sum(run.state == State.FAILED for run in page.runs),
        "actions": list_actions(execution, waits_for_approval=paused is not None and paused.arrangement == "approval"),
        "wait": explain_wait(execution, page.runs, at=at),
        "resume_fields": make_fields(paused.inputs, given={}) if paused else (),
        "replay_runs": page.runs[:300],
        "end_states": END_STATES,
        **maker(request, page),
        **_drawer(request, page),
    }
    list_url = reverse("ui:executions")
    crumbs = [
        Crumb("Executions", list_url),
        Crumb(namespace, f"{list_url}?namespace={namespace}"),
        Crumb(flow_id, reverse("ui:flow", args=[namespace, flow_id])),
        Crumb(execution_id),
    ]
    return answer_page(
        request, f"flows/execution/{tab}.html", context, title=f"{flow_id} · {execution_id[:8]}", nav="executions", crumbs=crumbs
    )


class _Page:
    """One execution with its task runs and its flow: three queries, whatever the tab."""

    def __init__(self, execution: Execution, at: datetime) -> None:
        self.execution = execution
        self.at = at
        self.runs = queries.list_task_runs(execution.id)
        self.definition: TypedFlow | None = None
        self.newest_revision = execution.flow_revision
        try:
            found = get_flow_text(execution.namespace, execution.flow_id, execution.flow_revision, allow_deleted=True)
        except FlowsError:
            return
        self.definition, self.newest_revision = found.definition, found.flow.revision

    @property
    def url(self) -> str:
        """The address of the page, without a tab."""
        return reverse("ui:execution", args=[self.execution.namespace, self.execution.flow_id, self.execution.id])

    def types(self) -> dict[str, str]:
        """Return the last part of the type name by task id."""
        return {task.id: short_type(task.type) for task in self.definition.all_tasks()} if self.definition else {}


def get_named(namespace: str, flow_id: str, execution_id: str) -> Execution:
    """Return an execution under its full name. Raises NotFoundError also when it belongs to another flow."""
    execution = queries.get_execution(execution_id)
    if (execution.namespace, execution.flow_id) != (namespace, flow_id):
        raise NotFoundError(f'Execution "{execution_id}" does not exist.', code="execution-not-found")
    return execution


def find_paused_task(execution: Execution, runs: Sequence[TaskRun], definition: TypedFlow | None) -> Task | None:
    """Return the task that waits for a person, None when none does or the pause was made by hand."""
    if execution.state != State.PAUSED or execution.pause_asked or definition is None:
        return None
    paused = next((run.task_id for run in runs if run.state == State.PAUSED), None)
    return next((task for task in definition.all_tasks() if task.id == paused), None)


def _overview(request: HttpRequest, page: _Page) -> dict[str, Any]:
    execution = page.execution
    history = read_history(execution.histories)
    moments = [moment for _, moment in history[1:]]
    end = history[-1][1] if execution.state in TERMINAL else page.at
    steps = [(state, moment, following - moment) for (state, moment), following in zip(history, [*moments, end], strict=True)]
    failure = find_failure(execution, page.runs, page.definition)
    related = Execution.objects.filter(parent_id=execution.id).order_by("created_at")[:10]
    return {
        "history": steps,
        "failure": failure,
        "failure_logs": paint_log_lines(failure.logs) if failure else "",
        "picture": draw_topology(page.definition, _list_node_states(page)) if page.definition else "",
        "inputs": list_entries(execution.inputs, url=page.url),
        "outputs": list_entries(execution.outputs or {}, url=page.url),
        "variables": list_entries(execution.variables, url=page.url),
        "trigger_values": list_entries((execution.trigger or {}).get("variables") or {}, url=page.url),
        "replays": list(related),
    }


def _gantt(request: HttpRequest, page: _Page) -> dict[str, Any]:
    execution = page.execution
    rows = list_rows(page.runs, page.types(), unfolded=request.GET.getlist("unfold"))
    end = execution.ended_at if execution.state in TERMINAL else None
    url = f"{page.url}/gantt?"
    return {"gantt": paint_gantt(rows, start=execution.created_at, end=end, at=page.at, url=url), "row_count": len(rows)}


def _topology(request: HttpRequest, page: _Page) -> dict[str, Any]:
    picture = draw_topology(page.definition, _list_node_states(page)) if page.definition else ""
    return {"picture": picture}


def _list_node_states(page: _Page) -> dict[str, NodeState]:
    """Return what the picture says of each task: one run by its state and length, many by the worst state and a count."""
    by_task: dict[str, list[TaskRun]] = defaultdict(list)
    for run in page.runs:
        by_task[run.task_id].append(run)
    states = {}
    for task_id, runs in by_task.items():
        counts = Counter(run.state for run in runs)
        state = next((one.value for one in _WORST_FIRST if counts[one.value]), runs[-1].state)
        if len(runs) == 1:
            history = read_history(runs[0].histories)
            end = history[-1][1] if state in TERMINAL else page.at
            note = write_duration(end - history[0][1])
        else:
            note = f"{sum(run.state in TERMINAL for run in runs)} / {len(runs)}"
        states[task_id] = NodeState(state, note, f"?task={runs[0].id}")
    return states


_WORST_FIRST = (
    State.RUNNING, State.RETRYING, State.PAUSED, State.BREAKPOINT, State.KILLING, State.FAILED, State.KILLED, State.CANCELLED,
    State.WARNING, State.CREATED, State.RESTARTED, State.SUCCESS,
)  # fmt: skip


def _logs(request: HttpRequest, page: _Page) -> dict[str, Any]:
    execution = page.execution
    level = request.GET.get("level", "").upper()
    level = level if level in LEVELS else ""
    task, text = request.GET.get("task_id", ""), request.GET.get("q", "").replace("\0", "")
    rows = filter_logs(execution.id, min_level=level, task_id=task).order_by("id")
    if text:
        rows = rows.filter(message__icontains=text)
    after, before = _read_id(request, "after"), _read_id(request, "before")
    if "after" in request.GET:
        entries = list(rows.filter(id__gt=after)[:LOG_WINDOW])
        has_earlier = False
    else:
        newest = rows.filter(id__lt=before) if before else rows
        entries = list(newest.order_by("-id")[: LOG_WINDOW + 1])
        has_earlier = len(entries) > LOG_WINDOW
        entries = entries[:LOG_WINDOW]
    ids = [entry.id for entry in entries]
    return {
        "lines": paint_log_lines(in_time_order(entries)),
        "last_id": max(ids, default=after),
        "first_id": min(ids) if ids and has_earlier else "",
        "level": level,
        "levels": LEVELS,
        "task_id": task,
        "text": text,
        "task_ids": list(dict.fromkeys(run.task_id for run in page.runs)),
    }


def _read_id(request: HttpRequest, name: str) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _outputs(request: HttpRequest, page: _Page) -> dict[str, Any]:
    types = page.types()
    groups = [
        {
            "run": run,
            "type": types.get(run.task_id, ""),
            "entries": list_entries(run.outputs, url=page.url, path=_expression(run)),
        }
        for run in page.runs
        if run.outputs
    ]
    return {
        "groups": groups[:300],
        "left_out": max(0, len(groups) - 300),
        "flow_outputs": list_entries(page.execution.outputs or {}, url=page.url),
    }


def _expression(run: TaskRun) -> str:
    return f"outputs.{run.task_id}" if run.value is None else f"outputs.{run.task_id}['{run.value}']"


def _metrics(request: HttpRequest, page: _Page) -> dict[str, Any]:
    return {"metrics": list(Metric.objects.filter(execution_id=page.execution.id).order_by("id")[:1000])}


def _dependencies(request: HttpRequest, page: _Page) -> dict[str, Any]:
    return {"related": queries.list_dependent_executions(page.execution)}


def _drawer(request: HttpRequest, page: _Page) -> dict[str, Any]:
    """Return the task run that the address names, with everything that its drawer shows."""
    wanted = request.GET.get("task", "")
    run = next((one for one in page.runs if one.id == wanted), None) if wanted else None
    if run is None:
        return {"drawer": None}
    history = read_history(run.histories)
    moments = [moment for _, moment in history[1:]]
    end = history[-1][1] if run.state in TERMINAL else page.at
    task = next((task for task in page.definition.all_tasks() if task.id == run.task_id), None) if page.definition else None
    logs = list(LogEntry.objects.filter(execution_id=page.execution.id, task_run_id=run.id).order_by("-id")[:DRAWER_LINES])
    return {
        "drawer": run,
        "drawer_type": task.type if task else "",
        "drawer_line": task.position[0] if task else 0,
        "drawer_history": [
            (state, moment, following - moment) for (state, moment), following in zip(history, [*moments, end], strict=True)
        ],
        "drawer_length": end - history[0][1] if history else timedelta(0),
        "drawer_logs": paint_log_lines(in_time_order(logs)),
        "drawer_outputs": list_entries(run.outputs or {}, url=page.url, path=_expression(run)),
        "drawer_attempts": [_read_attempt(number, attempt) for number, attempt in enumerate(run.attempts, 1)],
        "drawer_siblings": [one for one in page.runs if one.task_id == run.task_id][:50],
    }


def _read_attempt(number: int, attempt: dict[str, Any]) -> dict[str, Any]:
    start, end = attempt.get("startDate"), attempt.get("endDate")
    length = datetime.fromisoformat(end) - datetime.fromisoformat(start) if start and end else None
    return {"number": number, "state": attempt.get("state", ""), "length": length, "worker": attempt.get("workerId", "")}


def redirect_short(request: HttpRequest, execution_id: str) -> HttpResponse:
    """Lead the short address to the page of the execution."""
    execution = queries.get_execution(execution_id)
    return HttpResponseRedirect(reverse("ui:execution", args=[execution.namespace, execution.flow_id, execution.id]))


def redirect_tenant(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Lead addresses with the tenant, as alerts and other clients write them, to the same page without it."""
    query = request.META.get("QUERY_STRING", "")
    target = f"/ui/{rest.lstrip('/')}"
    return HttpResponsePermanentRedirect(f"{target}?{query}" if query else target)
