"""Whole executions in this process: visits and attempts are called directly, in the place of beat and workers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flows.engine.visits import visit_execution
from flows.engine.worker import run_attempt
from flows.models import Execution, TaskRun
from flows.operations.executions import start_execution
from flows.operations.flows import save_flow
from flows.operations.services import SERVICES
from flows.primitives.states import TERMINAL

NAMESPACE = "company.team"
LOG = "io.kestra.plugin.core.log.Log"
RETURN = "io.kestra.plugin.core.debug.Return"


def save(source: str) -> None:
    """Save a flow; `namespace: company.team` is put in front of the text."""
    save_flow(f"namespace: {NAMESPACE}\n{source}", at=datetime.now(UTC))


def start(flow_id: str, *, inputs: Mapping[str, Any] | None = None) -> str:
    """Create an execution that nobody has looked at yet and return its id."""
    return start_execution(namespace=NAMESPACE, flow_id=flow_id, inputs=inputs, at=datetime.now(UTC)).id


def visit(execution_id: str) -> Execution:
    """Look at an execution once, without running what waits for a worker; return its row."""
    visit_execution(execution_id, SERVICES)
    return Execution.objects.get(id=execution_id)


def work_on(execution_id: str) -> Execution:
    """Look at an execution and run what waits for a worker until nothing moves; return its row."""
    visit_execution(execution_id, SERVICES)
    for _ in range(20):
        waiting = TaskRun.objects.filter(execution_id=execution_id, state__in=["CREATED", "RESTARTED"])
        ran = [run_attempt(execution_id, run_id, SERVICES) for run_id in waiting.values_list("id", flat=True)]
        if not any(ran):
            break
    return Execution.objects.get(id=execution_id)


def run(flow_id: str, *, inputs: Mapping[str, Any] | None = None) -> Execution:
    """Start an execution and work on it to its end."""
    execution = work_on(start(flow_id, inputs=inputs))
    assert execution.state in TERMINAL, f"{flow_id} is {execution.state}"
    return execution


def task_run(execution: Execution, task_id: str) -> TaskRun:
    """Return the only run of a task."""
    return TaskRun.objects.get(execution=execution, task_id=task_id)


def list_states(execution: Execution) -> dict[str, str]:
    """Return the state of every task run by task id."""
    return dict(TaskRun.objects.filter(execution=execution).order_by("seq").values_list("task_id", "state"))
