"""A flow with the tasks of the flows that it calls in the places of the calls, for the pictures that open them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flows.language.flow import Flow, Task
from flows.primitives.errors import FlowsError
from flows.queries.flows import get_flow_text
from flows.ui.painters.topology import INSIDE, find_called_flow


def find_definition(namespace: str, flow_id: str) -> Flow | None:
    """
    Return the flow that a call names as it would run, or None when there is none, it cannot be drawn, or it is not for the
    reader's eyes.
    """
    try:
        return get_flow_text(namespace, flow_id, prefer_published=True).definition
    except FlowsError:
        return None


def open_calls(flow: Flow, wanted: Sequence[str], *, most: int) -> tuple[Flow, list[str]]:
    """
    Return a flow with groups in the places of calls, and the ids of those that were opened.

    Args:
        wanted: ids of the tasks that call a flow; a call inside an opened one has both ids with a `/` between them. What names
            no call, or a flow that cannot be shown, stays as it is.
        most: how many calls are opened at most; each one costs a query or two.
    """
    opened: list[str] = []
    # What stands inside another call can be found only after that one was opened.
    for task_id in sorted(dict.fromkeys(wanted), key=lambda name: name.count(INSIDE))[:most]:
        task = next((one for one in flow.all_tasks() if one.id == task_id), None)
        called = find_called_flow(task) if task is not None else None
        definition = find_definition(*called) if called is not None else None
        if definition is not None:
            flow = put_inside(flow, task_id, definition.tasks)
            opened.append(task_id)
    return flow, opened


def put_inside(flow: Flow, task_id: str, inner: Sequence[Task]) -> Flow:
    """Return a flow in which a call is a group of the tasks that it runs; their ids begin with that of the call and a `/`."""

    def rename(task: Task, call: Task) -> Task:
        return replace(
            task,
            id=f"{task_id}{INSIDE}{task.id}",
            # The lines of another text would lead astray in this one.
            position=call.position,
            branches={name: tuple(rename(each, call) for each in tasks) for name, tasks in task.branches.items()},
            depends_on={
                f"{task_id}{INSIDE}{name}": tuple(f"{task_id}{INSIDE}{other}" for other in others)
                for name, others in task.depends_on.items()
            },
        )

    def open_in(tasks: Sequence[Task]) -> tuple[Task, ...]:
        return tuple(map(open_one, tasks))

    def open_one(task: Task) -> Task:
        if task.id == task_id:
            return replace(task, arrangement="sequence", branches={"tasks": tuple(rename(each, task) for each in inner)})
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
