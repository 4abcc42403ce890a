"""Which queue a task run's message goes to: worker groups, worker selectors, and what happens when nobody serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.conf import DEFAULT_QUEUE
from flows.engine.attempts import end_attempt, open_attempt
from flows.engine.board import Run
from flows.engine.graph import Node
from flows.engine.presence import TAG_JOINER, is_served
from flows.expressions import ExpressionError
from flows.language.flow import Flow, WorkerGroup
from flows.primitives.identifiers import NameKind, find_name_fault
from flows.primitives.states import State

if TYPE_CHECKING:
    from flows.engine.turn import Turn

_QUEUES = "queues"
"""Key in a task run's progress: the queues to which its message goes, absent for the default one."""


def find_group(flow: Flow, node: Node) -> WorkerGroup | None:
    """Return the worker group of a task: its own, else that of the flow, else None."""
    return node.task.worker_group or flow.worker_group


def list_queues(run: Run) -> list[str]:
    """Return the queues of a task run that was routed; empty for the default queue."""
    return list((run.progress or {}).get(_QUEUES, ()))


def route_run(turn: Turn, run: Run) -> bool:
    """
    Choose the queues for a task run that waits for a worker, or end it as the fallback of its group says.

    Returns True when a worker may be asked. Whether one serves a queue is known from the workers' reports; when these cannot
    be read, the message is sent and waits. Source: flow language, 7.1 and 7.3.
    """
    node = run.node
    group = find_group(turn.board.graph.flow, node) if node is not None else None
    if group is None:
        return True
    try:
        queues = _render_queues(turn, run, group)
    except ExpressionError as error:
        turn.end_run(run, State.FAILED, reason=error.message)
        return False
    parts = [part for queue in queues for part in queue.split(TAG_JOINER)]
    fault = next((f'The worker group "{part}" {fault}.' for part in parts if (fault := _find_fault(part))), None)
    if fault is not None:
        turn.end_run(run, State.FAILED, reason=fault)
        return False
    if group.fallback != "WAIT" and not is_served(queues):
        if group.fallback != "IGNORE":
            _refuse(turn, run, queues, group.fallback)
            return False
        queues = [DEFAULT_QUEUE]
    if queues != list_queues(run):
        run.progress = {**(run.progress or {}), _QUEUES: queues}
        turn.board.touch(run)
    return True


def _render_queues(turn: Turn, run: Run, group: WorkerGroup) -> list[str]:
    """
    Return the names of the queues. For a selector that is content with any of its tags, each tag is a queue, and whoever
    comes first takes the run; for one that wants all of them, their combination is the queue.
    """
    if not group.tags:
        return [str(turn.render(run, group.key))]
    tags = sorted({str(turn.render(run, tag)) for tag in group.tags})
    return tags if group.match == "ANY" else [TAG_JOINER.join(tags)]


def _find_fault(name: str) -> str | None:
    return find_name_fault(NameKind.WORKER_GROUP, name)


def _refuse(turn: Turn, run: Run, queues: list[str], fallback: str) -> None:
    names = ", ".join(f'"{queue}"' for queue in queues)
    reason = f'No worker serves the worker group {names}, which task "{run.task_id}" asks for, and its fallback is {fallback}.'
    if fallback == "CANCEL":
        turn.add_log(run, "WARN", reason)
        turn.end_run(run, State.CANCELLED)
        return
    open_attempt(run, owner="", at=turn.board.at)
    end_attempt(turn, run, State.FAILED, reason=f"{reason} Start a worker with this queue in CELESTRA_WORKER_QUEUES.")
