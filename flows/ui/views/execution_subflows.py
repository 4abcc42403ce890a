"""The tasks of called flows in the picture of the execution that called them, with the states of what they ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flows.language.flow import Flow as TypedFlow
from flows.language.flow import Task
from flows.models import Execution
from flows.primitives.errors import FlowsError
from flows.queries.flows import get_flow_text
from flows.queries.visibility import visible
from flows.ui.painters.topology import INSIDE, NodeState, find_called_flow
from flows.ui.views.execution_page import ExecutionPage
from flows.ui.views.node_states import list_node_states

MOST_OPENED = 2
"""So many calls can be open at once; each one costs a few queries."""


def open_subflows(page: ExecutionPage, flow: TypedFlow, wanted: Sequence[str]) -> tuple[TypedFlow, dict[str, NodeState]]:
    """
    Return a flow with groups in the places of calls, and the states of all its tasks.

    Args:
        flow: the one that the execution ran.
        wanted: ids of the tasks that call a flow; what names no call, or a flow that the reader may not see, stays as it is.
    """
    states = list_node_states(page)
    for task_id in list(dict.fromkeys(wanted))[:MOST_OPENED]:
        task = page.find_task(task_id)
        called = find_called_flow(task) if task is not None else None
        if called is None:
            continue
        inner = _find_inner(page, task_id)
        definition = inner.definition if inner is not None else _find_definition(*called)
        if definition is None:
            continue
        flow = _put_inside(flow, task_id, definition.tasks)
        found = list_node_states(inner) if inner is not None else {}
        states |= {f"{task_id}{INSIDE}{name}": replace(state, url="") for name, state in found.items()}
    return flow, states


def _find_inner(page: ExecutionPage, task_id: str) -> ExecutionPage | None:
    runs = [run.id for run in page.runs if run.task_id == task_id]
    called = visible(Execution).filter(caller_execution_id=page.execution.id, caller_task_run_id__in=runs)
    newest = called.order_by("-created_at").first() if runs else None
    return ExecutionPage(newest, page.at) if newest is not None else None


def _find_definition(namespace: str, flow_id: str) -> TypedFlow | None:
    try:
        return get_flow_text(namespace, flow_id).definition
    except FlowsError:
        return None


def _put_inside(flow: TypedFlow, task_id: str, inner: Sequence[Task]) -> TypedFlow:
    def rename(task: Task) -> Task:
        return replace(
            task,
            id=f"{task_id}{INSIDE}{task.id}",
            branches={name: tuple(map(rename, tasks)) for name, tasks in task.branches.items()},
            depends_on={
                f"{task_id}{INSIDE}{name}": tuple(f"{task_id}{INSIDE}{other}" for other in others)
                for name, others in task.depends_on.items()
            },
        )

    def open_in(tasks: Sequence[Task]) -> tuple[Task, ...]:
        return tuple(map(open_one, tasks))

    def open_one(task: Task) -> Task:
        if task.id == task_id:
            return replace(task, arrangement="sequence", branches={"tasks": tuple(map(rename, inner))})
        if not task.branches:
            return task
        return replace(task, branches={name: open_in(tasks) for name, tasks in task.branches.items()})

    return replace(
        flow,
        tasks=open_in(flow.tasks),
        errors=open_in(flow.errors),
        finally_=open_in(flow.finally_),
        after_execution=open_in(flow.after_execution),
    )
