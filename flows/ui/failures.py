"""What the failure card of an execution says: which task and attempt, the message, the lines around it, what is different now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from flows.language.flow import Flow as TypedFlow
from flows.language.flow import Task
from flows.models import Execution, LogEntry, TaskRun
from flows.primitives.states import TERMINAL, State
from flows.queries.failures import ERROR, pick_message
from flows.queries.log_windows import in_time_order
from flows.queries.visibility import visible
from flows.ui.wording import read_history, write_duration

LOG_LINES = 20
WARN = 3
SHORTEST_SLOW = timedelta(seconds=1)
MOST_SLOW = 5


@dataclass(frozen=True, slots=True)
class Failure:
    """
    Why an execution failed or warned. `run` is None when the engine ended it before or beside its tasks; `line` is the line
    of the task in the source, `attempt_limit` how many attempts its retry allows, both 0 when not known; `logs` are the last
    lines, oldest first.
    """

    message: str
    run: TaskRun | None = None
    attempt_count: int = 0
    attempt_limit: int = 0
    line: int = 0
    logs: Sequence[LogEntry] = ()
    changes: Sequence[str] = ()


def find_failure(execution: Execution, runs: Sequence[TaskRun], definition: TypedFlow | None) -> Failure | None:
    """Return what went wrong, or None for an execution that neither failed nor warned. At most three queries."""
    if execution.state not in (State.FAILED, State.WARNING, State.KILLED):
        return None
    run = _find_culprit(runs, execution.state)
    if run is None and execution.state == State.KILLED:
        return None
    logs = _list_logs(execution, run)
    task = _find_task(definition, run)
    return Failure(
        message=pick_message(execution.error, logs, least=ERROR if execution.state == State.FAILED else WARN),
        run=run,
        attempt_count=len(run.attempts) if run else 0,
        attempt_limit=(task.retry.max_attempts or 0) if task and task.retry else 0,
        line=task.position[0] if task else 0,
        logs=logs,
        changes=_list_changes(execution),
    )


def list_slow_tasks(runs: Sequence[TaskRun], medians: Mapping[str, timedelta]) -> list[str]:
    """Return sentences about the tasks that took at least twice as long as usual; short ones are left out."""
    found = []
    for run in runs:
        usual = medians.get(run.task_id)
        length = run_length(run)
        if usual is None or length is None or length < SHORTEST_SLOW or length < 2 * usual:
            continue
        place = f" ({run.value[:40]})" if run.value else ""
        found.append(f'Task "{run.task_id}"{place} took {write_duration(length)}, usually {write_duration(usual)}.')
    return found[:MOST_SLOW]


def run_length(run: TaskRun) -> timedelta | None:
    """Return how long a task run took from its creation to its end, None while it goes on."""
    history = read_history(run.histories)
    return history[-1][1] - history[0][1] if run.state in TERMINAL and history else None


def _find_culprit(runs: Sequence[TaskRun], state: str) -> TaskRun | None:
    """Return the first task run in that state whose children are not to blame."""
    guilty = [run for run in runs if run.state == state]
    parents = {run.parent_id for run in guilty}
    leaves = [run for run in guilty if run.id not in parents]
    return leaves[0] if leaves else None


def _list_logs(execution: Execution, run: TaskRun | None) -> list[LogEntry]:
    rows = visible(LogEntry).filter(execution_id=execution.id)
    rows = rows.filter(task_run_id=run.id) if run else rows.filter(level__gte=WARN)
    newest = list(rows.order_by("-id")[:LOG_LINES])
    # Earlier attempts said the same; only the last one counts here.
    last = max((entry.attempt_number for entry in newest), default=0)
    return in_time_order([entry for entry in newest if entry.attempt_number == last])


def _find_task(definition: TypedFlow | None, run: TaskRun | None) -> Task | None:
    if definition is None or run is None:
        return None
    return next((task for task in definition.all_tasks() if task.id == run.task_id), None)


def _list_changes(execution: Execution) -> list[str]:
    """Return what is different from the newest execution of the flow that succeeded before this one."""
    before = visible(Execution).filter(
        namespace=execution.namespace,
        flow_id=execution.flow_id,
        state=State.SUCCESS,
        kind="NORMAL",
        created_at__lt=execution.created_at,
    )
    last = before.order_by("-created_at").only("id", "flow_revision", "inputs", "created_at").first()
    if last is None:
        return ["This flow has not succeeded before."]
    found = []
    if last.flow_revision != execution.flow_revision:
        found.append(f"The last success ran revision {last.flow_revision}, this one revision {execution.flow_revision}.")
    names = sorted(name for name in {*last.inputs, *execution.inputs} if last.inputs.get(name) != execution.inputs.get(name))
    if names:
        found.append(f"Inputs that differ from the last success: {', '.join(names)}.")
    return found or ["The last success had the same revision and the same inputs."]
