"""What an execution that waits asks of a person, also when the question stands in an execution that it waits for."""

from __future__ import annotations

from dataclasses import dataclass

from flows.engine.catalog import get_flow
from flows.language.flow import Task
from flows.models import Execution, TaskRun
from flows.primitives.errors import FlowsError
from flows.primitives.states import State
from flows.queries.visibility import visible

DEEPEST_CALL = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """The paused task run that a resume or a review reaches first; `task` is None when its flow cannot be read any more."""

    execution: Execution
    run: TaskRun
    task: Task | None


def find_asked(execution: Execution) -> Asked | None:
    """
    Return what a resume of an execution answers, or None when nothing waits, or only a pause by hand.

    A task that is paused because the executions it waits for are leads on to the first of those, as a resume does. One that
    the caller may not see ends the search: its resume would be refused as well.

    Source: flow language, 6.10 and 6.12.
    """
    for _ in range(DEEPEST_CALL):
        run = visible(TaskRun).filter(execution_id=execution.id, state=State.PAUSED).order_by("seq").first()
        if run is None or execution.pause_asked:
            return None
        below = visible(Execution).filter(
            caller_execution_id=execution.id, caller_task_run_id=run.id, caller_waits=True, state=State.PAUSED
        )
        child = below.order_by("created_at", "loop__index", "id").first()
        if child is None:
            return Asked(execution, run, _find_task(execution, run.task_id))
        execution = child
    return None


def _find_task(execution: Execution, task_id: str) -> Task | None:
    try:
        node = get_flow(execution.namespace, execution.flow_id, execution.flow_revision).graph.get(task_id)
    except FlowsError:
        return None
    return node.task if node is not None else None
