"""The drawer of one task run: log, inputs, outputs, attempts, history, source, and what can be done with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest

from flows.language.flow import Task
from flows.models import Execution, TaskRun
from flows.operations.executions import render_inputs
from flows.primitives.callers import current_caller
from flows.primitives.rights import Action, Resource
from flows.primitives.states import TERMINAL
from flows.queries.executions import DETAILS
from flows.queries.log_windows import in_time_order
from flows.queries.logs import filter_logs, list_task_metrics
from flows.queries.visibility import visible
from flows.ui.painters.log_lines import paint_log_lines
from flows.ui.stored_values import list_entries
from flows.ui.views.execution_page import ExecutionPage, make_link, write_expression
from flows.ui.views.files import make_file_preview
from flows.ui.wording import read_history

DRAWER_LINES = 100
MOST_SIBLINGS = 50
LONGEST_SOURCE = 60
MOST_CALLED = 20
_STARTS_OTHERS = frozenset({"subflow", "for-each-item", "loop", "template"})
_CHANGEABLE_TO = ("SUCCESS", "WARNING", "FAILED", "SKIPPED", "CANCELLED")


def make_drawer(request: HttpRequest, page: ExecutionPage) -> dict[str, Any]:
    """Return the task run or the file that the address names, with everything that its drawer shows."""
    if request.GET.get("file"):
        return {"drawer": None, "file_drawer": make_file_preview(request, page.execution, request.GET["file"])}
    wanted = request.GET.get("task", "")
    run = next((one for one in page.runs if one.id == wanted), None) if wanted else None
    if run is None:
        return {"drawer": None}
    if missing := run.get_deferred_fields() & set(DETAILS):
        run.refresh_from_db(fields=missing)
    history = read_history(run.histories)
    moments = [moment for _, moment in history[1:]]
    end = history[-1][1] if run.state in TERMINAL else page.at
    task = page.find_task(run.task_id)
    logs = list(filter_logs(page.execution.id, task_run_id=run.id).order_by("-id")[:DRAWER_LINES])
    siblings = [one for one in page.runs if one.task_id == run.task_id]
    return {
        "drawer": run,
        "drawer_type": task.type if task else "",
        "drawer_line": task.position[0] if task else 0,
        "drawer_source": _cut_source(page.source, task.position[0]) if task else "",
        "drawer_history": [
            (state, moment, following - moment) for (state, moment), following in zip(history, [*moments, end], strict=True)
        ],
        "drawer_length": end - history[0][1] if history else timedelta(0),
        "drawer_logs": paint_log_lines(in_time_order(logs)),
        "drawer_outputs": list_entries(run.outputs or {}, url=page.url, path=write_expression(run), owner=run.id),
        "drawer_attempts": [_read_attempt(number, attempt) for number, attempt in enumerate(run.attempts, 1)],
        "drawer_metrics": list_task_metrics(page.execution.id, run.id),
        "drawer_siblings": siblings[:MOST_SIBLINGS] if len(siblings) > 1 else [],
        "drawer_can_change": page.execution.state in TERMINAL and run.state in TERMINAL,
        "drawer_states": [state for state in _CHANGEABLE_TO if state != run.state],
        "drawer_bounds": _find_bounds(run),
        **_make_called(run, task),
        **_make_inputs(request, page, run, task),
    }


def _make_called(run: TaskRun, task: Task | None) -> dict[str, Any]:
    """Return the executions that a task run started, the newest ones of many."""
    if task is None or task.arrangement not in _STARTS_OTHERS:
        return {"drawer_called": []}
    called = visible(Execution).filter(caller_execution_id=run.execution_id, caller_task_run_id=run.id)
    return {"drawer_called": list(called.order_by("-created_at")[:MOST_CALLED])}


def _make_inputs(request: HttpRequest, page: ExecutionPage, run: TaskRun, task: Task | None) -> dict[str, Any]:
    """Return the inputs of the task, rendered only when they are asked for: that may read secrets and costs queries."""
    may_render = task is not None and current_caller().may(Action.UPDATE, Resource.EXECUTION, page.execution.namespace)
    wants = may_render and request.GET.get("inputs") == "rendered"
    found = render_inputs(page.execution.id, run.id) if wants else []
    values = {one.name: one.value for one in found if not one.fault}
    link = make_link(request)
    return {
        "drawer_may_render": may_render,
        "drawer_is_rendered": wants,
        "drawer_inputs": list_entries(values, url=page.url),
        "drawer_faults": [(one.name, one.fault) for one in found if one.fault],
        "drawer_inputs_url": link(inputs="" if wants else "rendered"),
    }


def _read_attempt(number: int, attempt: dict[str, Any]) -> dict[str, Any]:
    start, end = attempt.get("startDate"), attempt.get("endDate")
    length = datetime.fromisoformat(end) - datetime.fromisoformat(start) if start and end else None
    return {"number": number, "state": attempt.get("state", ""), "length": length, "worker": attempt.get("workerId", "")}


def _find_bounds(run: TaskRun) -> timedelta | None:
    """Return how long a task run waited for a worker, None while it waits."""
    history = read_history(run.histories)
    began = next((moment for state, moment in history if state not in ("CREATED", "RESTARTED", "QUEUED")), None)
    return began - history[0][1] if began else None


def _cut_source(source: str, line: int) -> str:
    """Return the lines of one task: from its own line to the next one that stands as far left."""
    lines = source.splitlines()
    if not 0 < line <= len(lines):
        return ""
    first = lines[line - 1]
    indent = len(first) - len(first.lstrip())
    found = [first[indent:]]
    for text in lines[line : line + LONGEST_SOURCE]:
        if text.strip() and len(text) - len(text.lstrip()) <= indent:
            break
        found.append(text[indent:])
    return "\n".join(found).rstrip()
