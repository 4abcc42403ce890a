"""What people do with the parts of the installation: drain a worker, cancel one task run; and the figures of each minute."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Q

from flows.engine import transitions
from flows.engine.endings import needs_worker
from flows.engine.turn import Turn
from flows.engine.workers import SILENT_SECONDS, forget_gone_workers
from flows.models import Execution, SystemSample, Worker
from flows.operations.acts import act
from flows.operations.executions.reach import act_on_execution, reload_execution, turn_execution
from flows.primitives.errors import ConflictError, NotFoundError
from flows.primitives.rights import Action, Resource
from flows.primitives.states import State
from flows.queries.system import list_workers, measure_load

KEPT_SAMPLES = timedelta(hours=48)
_KEPT_WORKERS_SECONDS = 24 * 3600.0
_MINUTE = timedelta(minutes=1)


def drain_worker(name: str, *, at: datetime, actor: str = "") -> Worker:
    """
    Ask a worker to take no more work: it finishes what it has, and its queues are served by others. It hears of it within five
    seconds. Asking twice changes nothing.

    Raises:
        NotFoundError: no worker of this name reported in the last day.
        ConflictError: the worker has stopped or is silent, so that nobody would hear it.
        ForbiddenError: the caller may not change the installation.
    """
    with act("worker.drain", Action.UPDATE, Resource.SETTING, object_id=name[:255]) as doing:
        row = _lock_worker(name)
        if row.stopped_at is not None or (at - row.seen_at).total_seconds() > SILENT_SECONDS:
            raise ConflictError(
                f'Worker "{name}" does not report any more, so it cannot be drained. Choose one that is alive.',
                code="worker-gone",
            )
        doing.before, doing.after = {"draining": row.drain_asked_at is not None}, {"draining": True}
        if row.drain_asked_at is None:
            row.drain_asked_at, row.drain_asked_by = at, actor[:254]
            row.save(update_fields=["drain_asked_at", "drain_asked_by"])
    return row


def undrain_worker(name: str) -> Worker:
    """Let a drained worker take work again. Errors as `drain_worker`, but for ConflictError."""
    with act("worker.undrain", Action.UPDATE, Resource.SETTING, object_id=name[:255]) as doing:
        row = _lock_worker(name)
        doing.before, doing.after = {"draining": row.drain_asked_at is not None}, {"draining": False}
        row.drain_asked_at, row.drain_asked_by = None, ""
        row.save(update_fields=["drain_asked_at", "drain_asked_by"])
    return row


def _lock_worker(name: str) -> Worker:
    row = Worker.objects.select_for_update().filter(name=name).first()
    if row is None:
        raise NotFoundError(f'No worker reports as "{name[:100]}".', code="worker-not-found")
    return row


def cancel_task_run(execution_id: str, *, task_run_id: str, at: datetime, actor: str = "") -> Execution:
    """
    Stop one task run that a worker has. It ends as CANCELLED, and the execution goes on as after any task that was cancelled.

    Raises:
        NotFoundError: there is no such execution or task run, or the caller may not know of it.
        ConflictError: no worker runs it at the moment.
        ForbiddenError: the caller may not change executions of the namespace.
    """

    def cancel(turn: Turn) -> None:
        transitions.read_all(turn.board)
        run = turn.board.runs.get(task_run_id)
        if run is None:
            raise NotFoundError(f'Execution {execution_id} has no task run "{task_run_id[:100]}".', code="task-run-not-found")
        if run.state != State.RUNNING or not needs_worker(run):
            raise ConflictError(
                f'Task "{run.task_id}" is {run.state} and no worker has it; only what a worker runs can be cancelled.',
                code="task-run-not-running",
            )
        turn.add_log(run, "WARN", f"Cancelled by {actor or 'a person'}.")
        turn.interrupt(run, State.CANCELLED)

    with act_on_execution("task-run.cancel", execution_id) as (_, doing):
        doing.after = {"taskRun": task_run_id, "state": State.CANCELLED}
        turn_execution(execution_id, cancel, doing=doing, at=at)
    return reload_execution(execution_id)


def sample_system(*, at: datetime) -> bool:
    """
    Write the figures of the minute of `at`, once, whoever asks, and forget those of more than 48 hours ago and workers that
    were silent for a day. Returns whether this call wrote the row.
    """
    minute = at.replace(second=0, microsecond=0)
    if SystemSample.objects.filter(pk=minute).exists():
        return False
    load = measure_load(at=at)
    live = [worker for worker in list_workers(at=at) if worker.state in ("live", "draining", "drained")]
    before = Q(ended_at__gte=minute - _MINUTE, ended_at__lt=minute)
    ends = (
        Execution.objects.filter(before).order_by().aggregate(all=Count("pk"), failed=Count("pk", filter=Q(state=State.FAILED)))
    )
    sample = SystemSample(
        at=minute,
        workers=len(live),
        slots=sum(worker.row.slots for worker in live),
        running_tasks=load.running_tasks,
        waiting_tasks=load.waiting_tasks,
        running_executions=load.running_executions,
        waiting_executions=load.waiting_executions,
        started=Execution.objects.filter(created_at__gte=minute - _MINUTE, created_at__lt=minute).count(),
        ended=ends["all"],
        failed=ends["failed"],
        executor_lag_seconds=load.executor_lag_seconds,
        scheduler_lag_seconds=load.scheduler_lag_seconds,
        memory_bytes=sum(worker.row.memory_bytes for worker in live),
        database_bytes=_measure_database(),
    )
    written = SystemSample.objects.bulk_create([sample], ignore_conflicts=True)
    SystemSample.objects.filter(at__lt=minute - KEPT_SAMPLES).delete()
    forget_gone_workers(at, after_seconds=_KEPT_WORKERS_SECONDS)
    return bool(written)


def _measure_database() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])
