"""The tasks of called flows in the picture of the execution that called them, with the states of what they ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flows.language.flow import Flow as TypedFlow
from flows.models import Execution
from flows.queries.visibility import visible
from flows.ui.called_flows import find_definition, put_inside
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
        definition = inner.definition if inner is not None else find_definition(*called)
        if definition is None:
            continue
        flow = put_inside(flow, task_id, definition.tasks)
        found = list_node_states(inner) if inner is not None else {}
        states |= {f"{task_id}{INSIDE}{name}": replace(state, url="") for name, state in found.items()}
    return flow, states


def _find_inner(page: ExecutionPage, task_id: str) -> ExecutionPage | None:
    runs = [run.id for run in page.runs if run.task_id == task_id]
    called = visible(Execution).filter(caller_execution_id=page.execution.id, caller_task_run_id__in=runs)
    newest = called.order_by("-created_at").first() if runs else None
    return ExecutionPage(newest, page.at, details=()) if newest is not None else None
