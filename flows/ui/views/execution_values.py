"""What an execution left behind: outputs as trees, metrics beside those of earlier runs, related executions, evaluation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from flows.models import Execution
from flows.operations import executions as operations
from flows.primitives.errors import FlowsError, InvalidError
from flows.queries import executions as queries
from flows.queries.comparisons import list_metric_histories
from flows.ui.gantt_rows import worst_state
from flows.ui.painters.charts import draw_value_bars
from flows.ui.painters.dependency_graph import GraphNode, draw_dependencies
from flows.ui.painters.json_tree import find_value, paint_branch
from flows.ui.stored_values import FileSizes, list_entries
from flows.ui.views.execution_page import ExecutionPage, get_named, write_expression
from flows.ui.wording import write_duration

MOST_GROUPS = 200
LONGEST_EXPRESSION = 20_000


def make_outputs(request: HttpRequest, page: ExecutionPage) -> dict[str, Any]:
    """Return what the tab "Outputs" shows: one group per task, or the part of one value that the address asks for."""
    types = page.types()
    text = request.GET.get("q", "").strip().lower()
    runs = [run for run in page.runs if run.outputs and (not text or text in f"{run.task_id} {run.value or ''}".lower())]
    groups: dict[str, list[dict[str, Any]]] = {}
    sizes = FileSizes(page.execution.id)
    for run in runs[:MOST_GROUPS]:
        entries = list_entries(run.outputs, url=page.url, path=write_expression(run), owner=run.id, sizes=sizes)
        groups.setdefault(run.task_id, []).append({"run": run, "entries": entries})
    return {
        "groups": [
            {
                "task_id": task_id,
                "type": types.get(task_id, ""),
                "state": worst_state([one["run"].state for one in held]),
                "runs": held,
            }
            for task_id, held in groups.items()
        ],
        "left_out": max(0, len(runs) - MOST_GROUPS),
        "flow_outputs": list_entries(page.execution.outputs or {}, url=page.url, owner="flow") if not text else (),
        "text": request.GET.get("q", ""),
        "branch": _paint_asked(request, page),
        "evaluate_url": f"{page.url}/evaluate",
        "examples": _list_examples(page),
    }


def _paint_asked(request: HttpRequest, page: ExecutionPage) -> str:
    owner = request.GET.get("of", "")
    if not owner:
        return ""
    run = next((one for one in page.runs if one.id == owner), None)
    values = page.execution.outputs if owner == "flow" else run.outputs if run else None
    start = request.GET.get("start", "0")
    way = _read_way(request.GET.get("at", "[]"))
    root = "outputs" if owner == "flow" else write_expression(run) if run else ""
    return paint_branch(
        find_value(values or {}, way),
        owner=owner,
        way=way,
        root=root,
        start=int(start) if start.isascii() and start.isdigit() and len(start) < 8 else 0,
    )


def _read_way(text: str) -> tuple[str | int, ...]:
    try:
        way = json.loads(text)
    except ValueError:
        way = None
    if not isinstance(way, list) or not all(isinstance(step, str | int) for step in way):
        raise InvalidError('The place of a value must be a list of keys and numbers, such as ["rows",0].', code="value-place")
    return tuple(way)


def _list_examples(page: ExecutionPage) -> list[str]:
    found = [f"{{{{ inputs.{name} }}}}" for name in list(page.execution.inputs)[:1]]
    found += [f"{{{{ {write_expression(run)} }}}}" for run in page.runs if run.outputs][:2]
    return [*found, "{{ execution.startDate }}"][:3]


def evaluate(request: HttpRequest, namespace: str, flow_id: str, execution_id: str) -> HttpResponse:
    """Answer what an expression gives in an execution, as JSON; a fault in it is an answer and not an error of the page."""
    get_named(namespace, flow_id, execution_id)
    expression = request.POST.get("expression", "")
    if len(expression) > LONGEST_EXPRESSION:
        raise InvalidError(f"An expression may have {LONGEST_EXPRESSION:,} characters; this one has {len(expression):,}.")
    try:
        answer = {"result": operations.eval_expression(execution_id, expression, task_run_id=request.POST.get("run") or None)}
    except FlowsError as error:
        answer = {"error": error.message}
    return HttpResponse(json.dumps(answer), content_type="application/json")


def make_metrics(request: HttpRequest, page: ExecutionPage) -> dict[str, Any]:
    """Return what the tab "Metrics" shows: each metric with a bar for every one of the last runs."""
    histories = list_metric_histories(page.execution)
    tasks = sorted({one.task_id for one in histories})
    wanted = request.GET.get("task_id", "")
    rows = [
        {
            "metric": one,
            "chart": draw_value_bars(one.history, own=page.execution.id),
            "share": _write_share(one.value, one.median),
        }
        for one in histories
        if not wanted or one.task_id == wanted
    ]
    return {"metrics": rows, "metric_tasks": tasks, "task_id": wanted}


def _write_share(value: float, median: float | None) -> str:
    if median is None:
        return ""
    if median == 0:
        return "as usual" if value == 0 else "usually 0"
    share = (value - median) / abs(median)
    return "as usual" if abs(share) < 0.005 else f"{share:+.0%}"


def make_dependencies(request: HttpRequest, page: ExecutionPage) -> dict[str, Any]:
    """Return what the tab "Dependencies" shows: executions that started one another, as a picture and as a list."""
    related = queries.list_dependent_executions(page.execution)
    return {"related": related, "graph": _draw(related, page) if len(related) > 1 else ""}


def _draw(related: Sequence[Execution], page: ExecutionPage) -> str:
    nodes = [
        GraphNode(
            row.id,
            row.flow_id,
            f"{row.id[:8]} · {write_duration((row.ended_at or page.at) - row.created_at)}",
            row.state,
            reverse("ui:execution-tab", args=[row.namespace, row.flow_id, row.id, "dependencies"]),
            is_here=row.id == page.execution.id,
        )
        for row in related
    ]
    edges = []
    for row in related:
        source = row.caller_execution_id or ((row.trigger or {}).get("variables") or {}).get("executionId")
        if isinstance(source, str):
            edges.append((source, row.id))
    return draw_dependencies(nodes, edges)
