"""Draining workers, cancelling task runs, and the figures of each minute."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from flows.engine.workers import WorkerRow, forget_gone_workers
from flows.models import AuditEntry, Execution, SystemSample, TaskRun, Worker
from flows.operations.system import cancel_task_run, drain_worker, sample_system, undrain_worker
from flows.primitives.callers import Caller, CallerKind, Door, acting_as
from flows.primitives.errors import ConflictError, ForbiddenError, NotFoundError
from flows.primitives.states import State
from flows.queries.system import list_queues, list_workers, measure_load
from tests.support import driving

AT = datetime(2031, 5, 4, 10, 0, 30, tzinfo=UTC)
NAME = "worker@host:1"

pytestmark = pytest.mark.django_db


def save_worker(**fields: object) -> Worker:
    """Store a worker of two slots that was heard of a second ago."""
    facts = {"host": "host", "queues": ["default"], "slots": 2, "processes": [7, 8], "started_at": AT}
    return Worker.objects.create(**{"name": NAME, "seen_at": AT - timedelta(seconds=1), **facts, **fields})


def lease(process: int, **fields: object) -> TaskRun:
    """Store a task run that a process of the host has."""
    execution = Execution.objects.create(
        id=f"exec{process}", namespace="company.team", flow_id="daily", flow_revision=1, state="RUNNING",
        created_at=AT, original_created_at=AT, original_id=f"exec{process}",
    )  # fmt: skip
    return TaskRun.objects.create(
        id=f"run{process}", execution=execution, task_id="load", state="RUNNING", created_at=AT,
        lease_owner=f"host:{process}", lease_until=AT + timedelta(minutes=1), **fields,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "live"),
        ({"drain_asked_at": AT}, "draining"),
        ({"drain_asked_at": AT, "is_draining": True}, "drained"),
        ({"seen_at": AT - timedelta(seconds=17)}, "stale"),
        ({"stopped_at": AT}, "stopped"),
    ],
)
def test_a_worker_is_what_its_row_says(fields: dict[str, object], state: str) -> None:
    save_worker(**fields)

    assert [worker.state for worker in list_workers(at=AT)] == [state]


def test_a_worker_has_the_task_runs_of_its_processes() -> None:
    save_worker(drain_asked_at=AT, is_draining=True)
    lease(8)
    lease(9)

    [worker] = list_workers(at=AT)

    assert (worker.state, worker.used_count, [run.id for run in worker.runs]) == ("draining", 1, ["run8"])


def test_a_worker_that_stopped_long_ago_is_not_shown() -> None:
    save_worker(stopped_at=AT - timedelta(minutes=11))

    assert list_workers(at=AT) == []


def test_draining_is_asked_once_and_taken_back() -> None:
    save_worker()

    drain_worker(NAME, at=AT, actor="alice")
    drain_worker(NAME, at=AT + timedelta(seconds=1), actor="bob")
    asked = Worker.objects.get()
    undrain_worker(NAME)

    assert (asked.drain_asked_at, asked.drain_asked_by) == (AT, "alice")
    assert Worker.objects.get().drain_asked_at is None


def test_a_silent_worker_cannot_be_drained() -> None:
    save_worker(seen_at=AT - timedelta(minutes=1))

    with pytest.raises(ConflictError, match="does not report any more"):
        drain_worker(NAME, at=AT)
    with pytest.raises(NotFoundError):
        drain_worker("nobody", at=AT)


def test_draining_needs_a_right_and_is_written_down() -> None:
    save_worker()
    charlie = Caller(name="charlie", kind=CallerKind.PERSON, door=Door.API, grants=())

    with acting_as(charlie), pytest.raises(ForbiddenError):
        drain_worker(NAME, at=AT)

    assert [(row.what, row.object_id, row.result) for row in AuditEntry.objects.all()] == [("worker.drain", NAME, "DENIED")]


@pytest.mark.django_db(transaction=True)
def test_a_worker_hears_through_its_row_that_it_should_drain() -> None:
    heard: list[bool] = []
    row = WorkerRow(NAME, queues=["default", "gpu"], slots=2, list_processes=lambda: [7, 8], drain=heard.append)

    def renew() -> None:
        # The row gives its connection back, which must not be that of the test.
        thread = threading.Thread(target=row.renew)
        thread.start()
        thread.join()

    renew()
    Worker.objects.update(drain_asked_at=AT)
    renew()
    told = Worker.objects.get()
    Worker.objects.update(drain_asked_at=None)
    renew()

    assert (told.queues, told.slots, told.processes, told.is_draining) == (["default", "gpu"], 2, [7, 8], True)
    assert heard == [True, False]


@pytest.mark.django_db(transaction=True)
def test_what_was_asked_of_a_worker_is_not_asked_of_the_next_one_of_its_name() -> None:
    heard: list[bool] = []
    save_worker(drain_asked_at=AT)
    row = WorkerRow(NAME, queues=["default"], slots=2, list_processes=list, drain=heard.append)

    thread = threading.Thread(target=row.renew)
    thread.start()
    thread.join()

    assert (heard, Worker.objects.get().drain_asked_at) == ([], None)


def test_workers_that_were_silent_for_long_are_forgotten() -> None:
    save_worker(seen_at=AT - timedelta(hours=25))

    assert forget_gone_workers(AT, after_seconds=24 * 3600) == 1
    assert not Worker.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_task_run_is_stopped_by_its_worker_and_ends_the_execution() -> None:
    driving.save(driving.heavy("load"), driving.log("after"))
    execution_id = driving.start()
    driving.visit(execution_id)
    run = driving.run_of(execution_id, "load")
    token = driving.claim(run.id)

    cancel_task_run(execution_id, task_run_id=run.id, at=AT, actor="alice")
    asked = TaskRun.objects.get(pk=run.pk).progress
    driving.report(execution_id, run.id, token, State.SUCCESS)

    assert asked is not None and asked["interrupt"] == "CANCELLED"
    assert driving.states_of(execution_id) == {"load": "CANCELLED"}
    assert driving.state_of(execution_id) == "CANCELLED"


@pytest.mark.django_db(transaction=True)
def test_only_what_a_worker_runs_can_be_cancelled() -> None:
    driving.save(driving.pause("wait"))
    execution_id = driving.start()
    driving.visit(execution_id)

    with pytest.raises(ConflictError, match="no worker has it"):
        cancel_task_run(execution_id, task_run_id=driving.run_of(execution_id, "wait").id, at=AT)
    with pytest.raises(NotFoundError):
        cancel_task_run(execution_id, task_run_id="nothing", at=AT)


def test_the_figures_of_a_minute_are_written_once() -> None:
    save_worker(memory_bytes=1000)
    lease(7)

    written = [sample_system(at=AT), sample_system(at=AT + timedelta(seconds=10)), sample_system(at=AT + timedelta(minutes=1))]

    first = SystemSample.objects.earliest("at")
    assert written == [True, False, True]
    assert (first.at, first.workers, first.slots, first.running_tasks, first.memory_bytes) == (
        AT.replace(second=0),
        1,
        2,
        1,
        1000,
    )
    assert SystemSample.objects.latest("at").started == 1


def test_figures_are_kept_for_48_hours() -> None:
    SystemSample.objects.create(at=AT - timedelta(hours=49))

    sample_system(at=AT)

    assert [row.at for row in SystemSample.objects.all()] == [AT.replace(second=0)]


def test_work_that_nobody_takes_is_the_lag_of_the_executor() -> None:
    run = lease(7, dispatched_at=AT - timedelta(seconds=40), progress={"queues": ["gpu"]})
    TaskRun.objects.filter(pk=run.pk).update(state="CREATED", lease_until=None, lease_owner=None)

    load = measure_load(at=AT)
    queues = {queue.name: (queue.waiting_count, queue.worker_count) for queue in list_queues([], None)}

    assert (load.waiting_tasks, load.executor_lag_seconds, load.scheduler_lag_seconds) == (1, 40.0, 0.0)
    assert queues == {"default": (0, 0), "gpu": (1, 0)}


def test_the_figures_cost_a_fixed_number_of_statements() -> None:
    save_worker()
    lease(7)
    with CaptureQueriesContext(connection) as few:
        sample_system(at=AT)
    for process in range(20, 40):
        save_worker(name=f"worker@host:{process}", processes=[process])
        lease(process)
    with CaptureQueriesContext(connection) as many:
        sample_system(at=AT + timedelta(minutes=1))

    assert len(many) == len(few) <= 14
