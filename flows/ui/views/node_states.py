"""What the picture of an execution says of each task."""

from __future__ import annotations

from collections import Counter, defaultdict

from flows.models import TaskRun
from flows.primitives.states import TERMINAL
from flows.ui.gantt_rows import list_iteration_states, worst_state
from flows.ui.painters.topology import NodeState
from flows.ui.views.execution_page import ExecutionPage
from flows.ui.wording import write_duration

LONGEST_STRIP = 60


def list_node_states(page: ExecutionPage) -> dict[str, NodeState]:
    """Return what the picture says of each task: one run by its state and length, many by the worst state and a count."""
    by_task: dict[str, list[TaskRun]] = defaultdict(list)
    loops: dict[str, list[TaskRun]] = defaultdict(list)
    for run in page.runs:
        by_task[run.task_id].append(run)
        if run.iteration is not None and run.parent_id:
            loops[run.parent_id].append(run)
    states = {}
    for task_id, runs in by_task.items():
        state = worst_state([run.state for run in runs])
        strip: tuple[str, ...] = ()
        began_at = None
        if len(runs) == 1 and runs[0].id in loops:
            iterations = list_iteration_states(loops[runs[0].id])
            note = f"{sum(one in TERMINAL for one in iterations)} / {len(iterations)}"
            size = -(-len(iterations) // LONGEST_STRIP)
            strip = tuple(worst_state(iterations[index : index + size]) for index in range(0, len(iterations), size))
        elif len(runs) == 1:
            ended_at = runs[0].ended_at if state in TERMINAL else None
            note = write_duration((ended_at or page.at) - runs[0].created_at)
            began_at = None if state in TERMINAL else runs[0].created_at
        else:
            counts = Counter(run.state in TERMINAL for run in runs)
            note = f"{counts[True]} / {len(runs)}"
        states[task_id] = NodeState(state, note, f"?task={runs[0].id}", strip, began_at)
    return states
