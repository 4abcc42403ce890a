"""Why an execution is not moving, in one sentence with links."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse

from flows.engine.catalog import get_flow
from flows.models import Execution, Flow, TaskRun
from flows.primitives.errors import FlowsError
from flows.primitives.states import TERMINAL, State
from flows.queries.health import list_worker_names
from flows.queries.visibility import visible
from flows.ui.wording import write_age, write_duration

PATIENCE = timedelta(seconds=3)
MOST_LINKS = 3


@dataclass(frozen=True, slots=True)
class Wait:
    """What an execution waits for: a sentence, and pairs of text and address."""

    text: str
    links: tuple[tuple[str, str], ...] = ()


def explain_wait(execution: Execution, runs: list[TaskRun], *, at: datetime) -> Wait | None:
    """Return what an execution waits for, or None when it has ended or moves."""
    if execution.state in TERMINAL:
        return None
    match execution.state:
        case State.QUEUED:
            return _explain_queue(execution)
        case State.PAUSED | State.PAUSING:
            return _explain_pause(execution, runs, at)
        case State.BREAKPOINT:
            waiting = ", ".join(f'"{run.task_id}"' for run in runs if run.state == State.BREAKPOINT)
            return Wait(f"Stopped at the breakpoint before {waiting or 'the next task'}. Resume it to go on.")
        case State.RETRYING:
            return _explain_retry(runs, at)
        case State.KILLING:
            return Wait("Being killed: the workers stop its running tasks.")
        case State.CREATED | State.RESTARTED:
            return _explain_start(execution, at)
    return _explain_running(execution, runs, at)


def _explain_queue(execution: Execution) -> Wait:
    limit = (
        visible(Flow).filter(namespace=execution.namespace, flow_id=execution.flow_id).values_list("concurrency_limit", flat=True)
    )
    holders = visible(Execution).filter(namespace=execution.namespace, flow_id=execution.flow_id, slot_held=True)
    links = tuple((row.id, _url(row)) for row in holders.order_by("created_at")[:MOST_LINKS])
    allowed = next(iter(limit), None)
    return Wait(
        f"Waits in the queue: the flow allows {allowed or 'a limited number of'} executions at once, and all slots are taken by",
        links,
    )


def _explain_pause(execution: Execution, runs: list[TaskRun], at: datetime) -> Wait:
    if execution.pause_asked:
        return Wait("Paused by hand: nothing new starts until somebody resumes it.")
    paused = [run for run in runs if run.state == State.PAUSED]
    if not paused:
        return Wait("Paused: the tasks that were running finish first.")
    run = paused[0]
    since = write_age(_last_change(run), at=at)
    wake_at = visible(TaskRun).filter(pk=run.pk).values_list("wake_at", flat=True).first()
    until = f" It goes on by itself {write_age(wake_at, at=at)}." if wake_at else ""
    return Wait(f'Task "{run.task_id}" waits for a person since {since.removesuffix(" ago")}.{until}')


def _explain_retry(runs: list[TaskRun], at: datetime) -> Wait:
    waiting = [run for run in runs if run.state == State.RETRYING]
    wakes = visible(TaskRun).filter(pk__in=[run.pk for run in waiting], wake_at__isnull=False).order_by("wake_at")
    due = wakes.values_list("wake_at", flat=True).first()
    names = ", ".join(f'"{run.task_id}"' for run in waiting[:MOST_LINKS])
    return Wait(f"The next attempt of {names or 'a task'} comes {write_age(due, at=at) if due else 'soon'}.")


def _explain_start(execution: Execution, at: datetime) -> Wait | None:
    if execution.schedule_at and execution.schedule_at > at:
        return Wait(f"Planned for {execution.schedule_at:%Y-%m-%d %H:%M:%S} UTC, {write_age(execution.schedule_at, at=at)}.")
    if at - execution.created_at < PATIENCE:
        return None
    if not list_worker_names():
        return Wait("No worker is alive: start one, and the execution goes on by itself.")
    return Wait("Waits for a free worker; all of them are busy.")


def _explain_running(execution: Execution, runs: list[TaskRun], at: datetime) -> Wait | None:
    alive = [run for run in runs if run.state not in TERMINAL]
    parents = {run.parent_id for run in runs}
    leaves = [run for run in alive if run.id not in parents]
    callees = visible(Execution).filter(caller_execution_id=execution.id).exclude(state__in=[state.value for state in TERMINAL])
    started = list(callees.exclude(kind="LOOP")[:MOST_LINKS])
    if started:
        return Wait("Waits for", tuple((f"{row.flow_id} ({row.state})", _url(row)) for row in started))
    created = [run for run in leaves if run.state == State.CREATED and at - _last_change(run) > PATIENCE]
    if created and len(created) == len(leaves):
        group = _worker_group(execution, created[0].task_id)
        place = f'the worker group "{group}"' if group else "a worker"
        count = len(list_worker_names())
        alive_words = "1 worker is alive" if count == 1 else f"{count} workers are alive"
        return Wait(f'Task "{created[0].task_id}" waits for {place}; {alive_words}.')
    for run in leaves:
        if run.state == State.RUNNING:
            since = _last_change(run)
            if at - since > timedelta(minutes=1):
                found = visible(TaskRun).filter(pk=run.pk).values_list("lease_owner", flat=True).first()
                owner = f" on worker {found}" if found else ""
                return Wait(f'Task "{run.task_id}" has been running for {write_duration(at - since)}{owner}.')
    return None


def _last_change(run: TaskRun) -> datetime:
    return datetime.fromisoformat(run.histories[-1][1])


def _worker_group(execution: Execution, task_id: str) -> str:
    try:
        flow = get_flow(execution.namespace, execution.flow_id, execution.flow_revision).flow
    except FlowsError:
        return ""
    return next((task.worker_group.key for task in flow.all_tasks() if task.id == task_id and task.worker_group), "")


def _url(execution: Execution) -> str:
    return reverse("ui:execution", args=[execution.namespace, execution.flow_id, execution.id])
