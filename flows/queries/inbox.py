"""Which executions wait for a person, and what they ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from flows.engine.board import CALLEES
from flows.engine.catalog import get_flow
from flows.language.flow import Flow, Task
from flows.models import Execution, TaskRun
from flows.primitives.errors import FlowsError
from flows.primitives.states import TERMINAL, State
from flows.queries.visibility import visible

MOST_QUESTIONS = 100
_STATES = (State.PAUSED, State.BREAKPOINT)


@dataclass(frozen=True, slots=True)
class Question:
    """
    One thing that waits for a person. `task` is None for an execution that was paused by hand, or whose flow cannot be read;
    `goes_on_at` is when it goes on by itself; `caller` is the execution that waits for this one.
    """

    execution: Execution
    run: TaskRun | None
    task: Task | None
    since: datetime
    goes_on_at: datetime | None = None
    caller: Execution | None = None

    @property
    def comes_after_end(self) -> bool:
        """Whether the execution has ended, and only a task that comes after its end waits."""
        return self.execution.state in TERMINAL

    @property
    def wants_approval(self) -> bool:
        """Whether the answer is a decision."""
        return self.task is not None and self.task.arrangement == "approval"


def _list_asking() -> QuerySet[Execution]:
    """Executions that wait themselves: one that only waits for a paused child is asked about there."""
    return visible(Execution).filter(state__in=_STATES).exclude(Exists(_paused_children()))


def _list_asking_after_end() -> QuerySet[Execution]:
    """Executions that have ended, and of which a task of `afterExecution` waits. An index holds the task runs that wait."""
    waiting = TaskRun.objects.filter(state__in=_STATES).values("execution_id")
    return visible(Execution).filter(state__in=TERMINAL, pk__in=waiting).exclude(Exists(_paused_children()))


def _paused_children() -> QuerySet[Execution]:
    return Execution.objects.filter(caller_execution_id=OuterRef("pk"), state__in=_STATES)


def count_questions() -> int:
    """Return how many executions wait for a person, at most 100, as far as the caller may see them. One query."""
    asking, after_end = (rows.order_by().values("pk")[:MOST_QUESTIONS] for rows in (_list_asking(), _list_asking_after_end()))
    return min(asking.union(after_end, all=True).count(), MOST_QUESTIONS)


def list_questions() -> list[Question]:
    """Return what waits for a person, the oldest question first: at most 100 executions, in four queries."""
    asking, after_end = (rows.order_by("created_at")[:MOST_QUESTIONS] for rows in (_list_asking(), _list_asking_after_end()))
    oldest = asking.union(after_end, all=True).order_by("created_at")[:MOST_QUESTIONS]
    executions = {row.id: row for row in oldest}
    paused = visible(TaskRun).filter(execution_id__in=list(executions), state__in=_STATES).order_by("seq")
    runs: dict[str, list[TaskRun]] = {}
    for run in paused:
        runs.setdefault(run.execution_id, []).append(run)
    callers = {row.caller_execution_id for row in executions.values() if row.caller_execution_id}
    named = {row.id: row for row in visible(Execution).filter(pk__in=callers)} if callers else {}
    found = []
    for execution in executions.values():
        caller = named.get(execution.caller_execution_id or "")
        found += _list_questions_of(execution, runs.get(execution.id, ()), caller)
    return sorted(found, key=lambda question: question.since)


def _list_questions_of(execution: Execution, runs: Sequence[TaskRun], caller: Execution | None) -> list[Question]:
    flow = _find_flow(execution)
    tasks = {task.id: task for task in flow.all_tasks()} if flow is not None else {}
    asking = [run for run in runs if (task := tasks.get(run.task_id)) is None or task.arrangement not in CALLEES]
    if execution.state not in TERMINAL and (execution.pause_asked or not asking):
        return [Question(execution, None, None, _last_change(execution.histories), caller=caller)]
    return [Question(execution, run, tasks.get(run.task_id), _last_change(run.histories), run.wake_at, caller) for run in asking]


def _find_flow(execution: Execution) -> Flow | None:
    try:
        return get_flow(execution.namespace, execution.flow_id, execution.flow_revision).flow
    except FlowsError:
        return None


def _last_change(histories: Sequence[Sequence[str]]) -> datetime:
    return datetime.fromisoformat(histories[-1][1])
