"""Two executions side by side: inputs, revisions, tasks with states and durations, outputs that differ."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from flows.models import Execution, TaskRun
from flows.models.encryption import is_envelope
from flows.queries import executions as queries
from flows.queries.comparisons import find_neighbours
from flows.ui.failures import run_length
from flows.ui.gantt_rows import worst_state
from flows.ui.page import Crumb, answer_page
from flows.ui.painters.diff import paint_difference
from flows.ui.stored_values import HIDDEN
from flows.ui.views.execution_page import ExecutionPage
from flows.ui.wording import write_duration

LONGEST_VALUE = 600
MOST_TASKS = 500


def compare(request: HttpRequest) -> HttpResponse:
    """Show what is different between two executions; without a second one the run before the first is taken."""
    first_id, second_id = request.GET.get("a", "").strip(), request.GET.get("b", "").strip()
    context: dict[str, Any] = {"a": first_id, "b": second_id, "pages": ()}
    if first_id:
        first = queries.get_execution(first_id)
        if not second_id:
            neighbours = find_neighbours(first)
            second_id = neighbours.previous or neighbours.following
            context["b"] = second_id
        if second_id:
            context |= _compare(first, queries.get_execution(second_id))
    crumbs = [Crumb("Executions", "/ui/executions"), Crumb("Compare")]
    return answer_page(request, "flows/execution_compare.html", context, title="Compare", nav="executions", crumbs=crumbs)


def _compare(first: Execution, second: Execution) -> dict[str, Any]:
    at = timezone.now()
    left, right = ExecutionPage(first, at), ExecutionPage(second, at)
    same_flow = (first.namespace, first.flow_id) == (second.namespace, second.flow_id)
    return {
        "pages": (left, right),
        "same_flow": same_flow,
        "inputs": _pair_values(first.inputs, second.inputs),
        "outputs": [row for row in _pair_values(_all_outputs(left), _all_outputs(right)) if row["differs"]],
        "tasks": _pair_tasks(left.runs, right.runs),
        "difference": paint_difference(left.source, right.source) if left.source != right.source else "",
        "length_change": _write_change(_length(first), _length(second)),
    }


def _length(execution: Execution) -> timedelta | None:
    return execution.ended_at - execution.created_at if execution.ended_at else None


def _all_outputs(page: ExecutionPage) -> dict[str, Any]:
    found: dict[str, Any] = {f"outputs of the flow · {name}": value for name, value in (page.execution.outputs or {}).items()}
    for run in page.runs:
        place = f"{run.task_id}[{run.value}]" if run.value is not None else run.task_id
        found |= {f"{place} · {name}": value for name, value in (run.outputs or {}).items()}
    return found


def _pair_values(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "left": _write(left[name]) if name in left else None,
            "right": _write(right[name]) if name in right else None,
            "differs": left.get(name) != right.get(name) or (name in left) != (name in right),
        }
        for name in list(dict.fromkeys([*left, *right]))[:MOST_TASKS]
    ]


def _write(value: Any) -> str:
    if is_envelope(value):
        return HIDDEN
    text = value if isinstance(value, str) else json.dumps(_hide(value), ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _hide(value: Any) -> Any:
    if is_envelope(value):
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: _hide(one) for key, one in value.items()}
    return [_hide(one) for one in value] if isinstance(value, list | tuple) else value


def _pair_tasks(left: Sequence[TaskRun], right: Sequence[TaskRun]) -> list[dict[str, Any]]:
    sides = (_group(left), _group(right))
    rows = []
    for key in list(dict.fromkeys([*sides[0], *sides[1]]))[:MOST_TASKS]:
        cells = [_summarize(side.get(key, ())) for side in sides]
        lengths = [cell["length"] for cell in cells]
        rows.append(
            {
                "task_id": key[0],
                "value": key[1],
                "cells": cells,
                "change": _write_change(lengths[0], lengths[1]),
                "differs": cells[0]["state"] != cells[1]["state"],
            }
        )
    return rows


def _group(runs: Sequence[TaskRun]) -> dict[tuple[str, str], list[TaskRun]]:
    found: dict[tuple[str, str], list[TaskRun]] = defaultdict(list)
    for run in runs:
        found[run.task_id, (run.value or "")[:60]].append(run)
    return found


def _summarize(runs: Sequence[TaskRun]) -> dict[str, Any]:
    if not runs:
        return {"state": "", "length": None, "count": 0, "id": ""}
    lengths = [length for run in runs if (length := run_length(run)) is not None]
    total = sum(lengths, timedelta(0)) if lengths else None
    return {"state": worst_state([run.state for run in runs]), "length": total, "count": len(runs), "id": runs[0].id}


def _write_change(left: timedelta | None, right: timedelta | None) -> str:
    """Return how much longer or shorter the first one took, empty when that cannot be said or is no difference."""
    if left is None or right is None or abs(left - right) < timedelta(milliseconds=1):
        return ""
    sign = "+" if left > right else "−"
    return f"{sign}{write_duration(abs(left - right))}"
