"""Why an execution is not moving, in one sentence with links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse

from flows.conf import DEFAULT_QUEUE
from flows.engine.catalog import get_flow
from flows.engine.workers import SILENT_SECONDS
from flows.language.flow import Task
from flows.models import Execution, Flow, TaskRun, Worker
from flows.primitives.errors import FlowsError
from flows.primitives.states import TERMINAL, State
from flows.queries.visibility import visible
from flows.ui.wording import write_age, write_duration

PATIENCE = timedelta(seconds=3)
LONG_WORK = timedelta(minutes=1)
STANDSTILL = timedelta(seconds=30)
MOST_LINKS = 3
_SYSTEM = (("Workers and queues", "/ui/system"),)


@dataclass(frozen=True, slots=True)
class Wait:
    """What an execution waits for: a sentence, and pairs of text and address."""

    text: str
    links: tuple[tuple[str, str], ...] = ()


def explain_wait(execution: Execution, runs: list[TaskRun], *, at: datetime) -> Wait | None:
    """Return what an execution waits for, or None when it moves, or has ended and nothing waits after its end."""
    if execution.state in TERMINAL:
        waiting = next((run.task_id for run in runs if run.state == State.PAUSED), None)
        return Wait(f'The execution has ended; task "{waiting}", which comes after it, waits for a person.') if waiting else None
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
    rows = list(holders.order_by("created_at")[: MOST_LINKS + 1])
    links = [(row.id, _url(row)) for row in rows[:MOST_LINKS]]
    if len(rows) > MOST_LINKS:
        queue = reverse("ui:flow-tab", args=[execution.namespace, execution.flow_id, "concurrency"])
        links.append(("and others", queue))
    allowed = next(iter(limit), None)
    return Wait(
        f"Waits in the queue: the flow allows {allowed or 'a limited number of'} executions at once, and all slots are taken by",
        tuple(links),
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
    task = _find_task(execution, run.task_id)
    asked = "approval" if task and task.arrangement == "approval" else "a person"
    text = f'Task "{run.task_id}" waits for {asked} since {since.removesuffix(" ago")}.{until}'
    return Wait(text, (("See the inbox", reverse("ui:inbox")),))


def _explain_retry(runs: list[TaskRun], at: datetime) -> Wait:
    waiting = [run for run in runs if run.state == State.RETRYING]
    wakes = visible(TaskRun).filter(pk__in=[run.pk for run in waiting], wake_at__isnull=False).order_by("wake_at")
    due = wakes.values_list("wake_at", flat=True).first()
    names = ", ".join(f'"{run.task_id}"' for run in waiting[:MOST_LINKS])
    when = f"at {due:%Y-%m-%d %H:%M:%S} UTC, {write_age(due, at=at)}" if due else "soon"
    return Wait(f"The next attempt of {names or 'a task'} comes {when}.")


def _explain_start(execution: Execution, at: datetime) -> Wait | None:
    if execution.schedule_at and execution.schedule_at > at:
        return Wait(f"Planned for {execution.schedule_at:%Y-%m-%d %H:%M:%S} UTC, {write_age(execution.schedule_at, at=at)}.")
    if at - execution.created_at < PATIENCE:
        return None
    if not count_serving([], at=at):
        return Wait("No worker is alive: start one, and the execution goes on by itself.", _SYSTEM)
    return Wait("Waits for a free worker; all of them are busy.", _SYSTEM)


def _explain_running(execution: Execution, runs: list[TaskRun], at: datetime) -> Wait | None:
    alive = [run for run in runs if run.state not in TERMINAL]
    parents = {run.parent_id for run in alive}
    leaves = [run for run in alive if run.id not in parents]
    callees = visible(Execution).filter(caller_execution_id=execution.id).exclude(state__in=[state.value for state in TERMINAL])
    started = list(callees.exclude(kind="LOOP")[:MOST_LINKS])
    if started:
        return Wait("Waits for", tuple((f"{row.flow_id} ({row.state})", _url(row)) for row in started))
    states = {run.state for run in leaves}
    if states == {State.RETRYING}:
        return _explain_retry(leaves, at)
    created = [run for run in leaves if run.state == State.CREATED and at - _last_change(run) > PATIENCE]
    if created and len(created) == len(leaves):
        return _explain_worker(created[0], at)
    running = [run for run in leaves if run.state == State.RUNNING]
    if running:
        return _explain_work(min(running, key=_last_change), at)
    last = max((_last_change(run) for run in runs), default=execution.created_at)
    if not leaves and at - last > STANDSTILL:
        return Wait(
            f"None of its tasks has run or waited for {write_duration(at - last)}. The platform picks such executions up again "
            "by itself; if it does not, something is wrong with it.",
            _SYSTEM,
        )
    return None


def _explain_worker(run: TaskRun, at: datetime) -> Wait:
    """Say for whom a task run waits: for one of busy workers, or for one that nobody has started."""
    progress = visible(TaskRun).filter(pk=run.pk).values_list("progress", flat=True).first() or {}
    queues = [str(name) for name in progress.get("queues", ())]
    count = count_serving(queues, at=at)
    group = " or ".join(f'"{name}"' for name in queues)
    place = f"the worker group {group}" if queues else "a worker"
    if not count:
        lacking = f"no live worker serves {place}" if queues else "no worker is alive"
        return Wait(f'Task "{run.task_id}" cannot begin: {lacking}. It begins by itself as soon as one does.', _SYSTEM)
    alive = "the 1 that is alive is busy" if count == 1 else f"the {count} that are alive are busy"
    return Wait(f'Task "{run.task_id}" waits for {place}; {alive}.', _SYSTEM)


def _explain_work(run: TaskRun, at: datetime) -> Wait | None:
    since = _last_change(run)
    if at - since <= LONG_WORK:
        return None
    owner, until = visible(TaskRun).filter(pk=run.pk).values_list("lease_owner", "lease_until").first() or (None, None)
    if owner and until and until < at:
        return Wait(
            f'Task "{run.task_id}" was begun by worker {owner}, which has not been heard of since '
            f"{write_age(until, at=at).removesuffix(' ago')}. Another worker takes it over.",
            _SYSTEM,
        )
    place = f" on worker {owner}" if owner else ""
    return Wait(f'Task "{run.task_id}" has been running for {write_duration(at - since)}{place}.')


def count_serving(queues: Sequence[str], *, at: datetime) -> int:
    """Return how many live workers take from one of the queues; from the default one when none is named."""
    alive = Worker.objects.filter(
        stopped_at__isnull=True, drain_asked_at__isnull=True, seen_at__gt=at - timedelta(seconds=SILENT_SECONDS)
    )
    wanted = set(queues) or {DEFAULT_QUEUE}
    return sum(bool(wanted & set(served)) for served in alive.values_list("queues", flat=True))


def _last_change(run: TaskRun) -> datetime:
    return datetime.fromisoformat(run.histories[-1][1])


def _find_task(execution: Execution, task_id: str) -> Task | None:
    try:
        flow = get_flow(execution.namespace, execution.flow_id, execution.flow_revision).flow
    except FlowsError:
        return None
    return next((task for task in flow.all_tasks() if task.id == task_id), None)


def _url(execution: Execution) -> str:
    return reverse("ui:execution", args=[execution.namespace, execution.flow_id, execution.id])
