"""What all pages of one execution share: its rows, its flow, and addresses that keep the choices of the reader."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from flows.language.flow import Flow as TypedFlow
from flows.language.flow import Task
from flows.models import Execution, TaskRun
from flows.primitives.errors import FlowsError, NotFoundError
from flows.primitives.states import TERMINAL, State
from flows.queries import executions as queries
from flows.queries.asked import find_asked
from flows.queries.flows import get_flow_text
from flows.ui.wording import short_type

_SURE = frozenset({"sequence", "parallel", "dag", "working-directory", "allow-failure"})
"""Arrangements that run every task in them once. Of the others nobody knows beforehand."""

_TOGGLES = frozenset({"fold", "unfold", "open"})


class ExecutionPage:
    """One execution with its task runs and its flow: three queries, whatever the tab. Few tabs need all details of the runs."""

    def __init__(self, execution: Execution, at: datetime, *, details: Collection[str] = queries.DETAILS) -> None:
        self.execution = execution
        self.at = at
        self.runs = queries.list_task_runs(execution.id, details=details)
        self.definition: TypedFlow | None = None
        self.newest_revision = execution.flow_revision
        try:
            found = get_flow_text(execution.namespace, execution.flow_id, execution.flow_revision, allow_deleted=True)
        except FlowsError:
            return
        self.definition, self.newest_revision = found.definition, found.flow.revision or execution.flow_revision
        self.source = found.revision.source

    source = ""

    @property
    def url(self) -> str:
        """The address of the page, without a tab."""
        return reverse("ui:execution", args=[self.execution.namespace, self.execution.flow_id, self.execution.id])

    def types(self) -> dict[str, str]:
        """Return the last part of the type name by task id."""
        return {task.id: short_type(task.type) for task in self.definition.all_tasks()} if self.definition else {}

    def count_ahead(self) -> int:
        """Return how many tasks are sure to come: not begun, and neither in a loop nor in a branch that may not be taken."""
        if self.definition is None or self.execution.state in TERMINAL:
            return 0
        open_tasks = {run.task_id: False for run in self.runs}
        open_tasks |= {run.task_id: True for run in self.runs if run.state not in TERMINAL}

        def count(tasks: Sequence[Task]) -> int:
            found = 0
            for task in tasks:
                if task.disabled or open_tasks.get(task.id) is False:
                    continue
                found += task.id not in open_tasks
                if task.arrangement in _SURE:
                    found += count(task.branches.get("tasks", ()))
            return found

        return count(self.definition.tasks)

    def find_task(self, task_id: str) -> Task | None:
        """Return a task of the revision that ran, None when it cannot be read any more or has no such task."""
        if self.definition is None:
            return None
        return next((task for task in self.definition.all_tasks() if task.id == task_id), None)


def get_named(namespace: str, flow_id: str, execution_id: str) -> Execution:
    """Return an execution under its full name. Raises NotFoundError also when it belongs to another flow."""
    execution = queries.get_execution(execution_id)
    if (execution.namespace, execution.flow_id) != (namespace, flow_id):
        raise NotFoundError(f'Execution "{execution_id}" does not exist.', code="execution-not-found")
    return execution


def find_paused_task(execution: Execution, runs: Sequence[TaskRun]) -> Task | None:
    """
    Return the task that waits for a person, here or in an execution that this one waits for; None when none does or the pause
    was made by hand. After the end of an execution a task of `afterExecution` may wait.
    """
    if execution.pause_asked or all(run.state != State.PAUSED for run in runs):
        return None
    asked = find_asked(execution)
    return asked.task if asked is not None else None


def write_expression(run: TaskRun) -> str:
    """Return the expression that gives the outputs of a task run, without the braces."""
    return f"outputs.{run.task_id}" if run.value is None else f"outputs.{run.task_id}['{run.value}']"


def make_link(request: HttpRequest) -> Callable[..., str]:
    """
    Return a function from changes of the query to an address of the same page.

    An empty value removes a name. `fold`, `unfold` and `open` are lists: what is in one is taken out, what is not is put in.
    """

    def link(**changes: str) -> str:
        pairs = [(name, one) for name, held in request.GET.lists() for one in held if name not in changes or name in _TOGGLES]
        for name, value in changes.items():
            if name in _TOGGLES and (name, value) in pairs:
                pairs.remove((name, value))
            elif value:
                pairs.append((name, value))
        return f"?{urlencode(pairs)}"

    return link
