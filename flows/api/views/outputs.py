"""Outputs of executions and of their task runs, on addresses of their own."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer
from flows.api.describing import OBJECT, describes, list_of
from flows.queries import executions as queries


@describes(answer=OBJECT)
def of_execution(request: Request, execution_id: str) -> HttpResponse:
    """Return the flow outputs of an execution."""
    return answer(queries.get_execution(execution_id).outputs or {})


@describes(answer=list_of(OBJECT))
def of_tasks(request: Request, execution_id: str) -> HttpResponse:
    """Return which task runs of an execution have outputs."""
    queries.get_execution(execution_id)
    entries = []
    for run in queries.list_task_runs(execution_id):
        if run.outputs is None:
            continue
        entry: dict[str, Any] = {"taskId": run.task_id, "taskRunId": run.id, "inline": True}
        if run.value is not None:
            entry["value"] = run.value
        if run.iteration is not None:
            entry["iteration"] = run.iteration
        entries.append(entry)
    return answer(entries)


@describes(answer=OBJECT)
def of_task_run(request: Request, execution_id: str, task_run_id: str) -> HttpResponse:
    """Return the outputs of one task run."""
    return answer(queries.get_task_run(execution_id, task_run_id).outputs or {})
