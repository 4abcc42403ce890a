"""The Celery tasks: thin shells that hand ids to the engine. Unknown keywords are accepted, so that old and new code can meet."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.exceptions import WorkerLostError
from celery.signals import celeryd_after_setup, task_failure, worker_ready, worker_shutdown, worker_shutting_down

from flows.engine import dispatch, presence
from flows.engine.canvas import VISIT
from flows.engine.recovery import expire_leases_of
from flows.engine.runner_sweep import sweep_runners
from flows.engine.visits import visit_execution, visit_scope
from flows.engine.worker import find_run, list_gone_owners, run_attempt
from flows.operations import bulk_jobs
from flows.operations.dry_polls import DRY_POLL, poll_dry
from flows.operations.polling import poll_trigger
from flows.operations.services import SERVICES


@shared_task(bind=True, name=VISIT)
def visit(self: Any, *, execution_id: str, scope: str | None = None, task_id: str | None = None, **_: Any) -> str:
    """
    Look at an execution, at a scope of it, or at one task run: there may be work.

    Returns the execution's id: a signal for the chord, never data.
    """
    if scope is None:
        visit_execution(execution_id, SERVICES)
        return execution_id
    if task_id is None:
        for waiting_scope, waiting_task, queues in visit_scope(execution_id, scope):
            dispatch.send_run(execution_id, waiting_scope, waiting_task, queues)
        return execution_id
    run_id = find_run(execution_id, scope, task_id)
    if run_id is not None:
        run_attempt(execution_id, run_id, SERVICES, carried=_list_carried(self.request))
    return execution_id


@shared_task(name="flows.poll")
def poll(*, namespace: str, flow_id: str, trigger_id: str, **_: Any) -> None:
    """Ask one polling trigger whether something is there."""
    poll_trigger(namespace=namespace, flow_id=flow_id, trigger_id=trigger_id)


@shared_task(name=DRY_POLL)
def look(*, namespace: str, flow_id: str, trigger_id: str, **_: Any) -> dict[str, Any]:
    """Let one polling trigger look without starting anything, and tell what it found."""
    return poll_dry(namespace=namespace, flow_id=flow_id, trigger_id=trigger_id)


@shared_task(name=dispatch.BULK)
def bulk(*, job_id: str, **_: Any) -> None:
    """Do the next objects of an action on many."""
    bulk_jobs.run_job_step(job_id)


@shared_task(name=dispatch.SWEEP)
def sweep(**_: Any) -> None:
    """Remove what lost workers left behind at the places where scripts run."""
    sweep_runners()


def _list_carried(request: Any) -> frozenset[str]:
    """Return what the rest of the canvas will reach by itself: the next link of the chain, or the body of the chord."""
    following = request.chain[-1] if request.chain else request.chord
    arguments = (following or {}).get("kwargs") or {}
    if "scope" not in arguments:
        return frozenset()
    return frozenset({f"{arguments['scope']}/{arguments.get('task_id', '*')}"})


celeryd_after_setup.connect(presence.listen_to_combined_tags)
worker_ready.connect(presence.announce_worker)
worker_shutting_down.connect(presence.withdraw_worker)
worker_shutdown.connect(presence.withdraw_worker)


@task_failure.connect
def _release_lost(*, exception: BaseException | None = None, **_: Any) -> None:
    """The pool says that a child died: end its leases now instead of waiting for them to run out."""
    if isinstance(exception, WorkerLostError):
        expire_leases_of_lost_children()


def expire_leases_of_lost_children() -> int:
    """End the leases of processes of this host that do not exist any more. Returns how many."""
    return sum(expire_leases_of(owner) for owner in list_gone_owners())
