"""Executions on real rows, driven by hand: what messages would cause is called here, one visit or attempt at a time."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from django.db import DatabaseError, connection, connections

from flows.engine import recovery, transitions
from flows.engine.light import settle_outcome
from flows.engine.results import Outcome
from flows.engine.transitions import LostRaceError
from flows.engine.turn import Turn
from flows.engine.visits import take_turn, visit_execution
from flows.engine.worker import run_attempt
from flows.models import Execution, TaskRun
from flows.operations.executions import start_execution
from flows.operations.flows import save_flow
from flows.operations.services import SERVICES
from flows.primitives.errors import FlowsError
from flows.primitives.states import TERMINAL, State

NAMESPACE = "company.team"
CORE = "io.kestra.plugin.core"
HEAVY = {"type": f"{CORE}.storage.Write", "content": "x"}
"""A task that a worker runs."""


def log(task_id: str, **more: Any) -> dict[str, Any]:
    """Return a light task."""
    return {"id": task_id, "type": f"{CORE}.log.Log", "message": "hello", **more}


def heavy(task_id: str, **more: Any) -> dict[str, Any]:
    """Return a task that a worker runs, and that succeeds."""
    return {"id": task_id, **HEAVY, **more}


def fail(task_id: str, **more: Any) -> dict[str, Any]:
    """Return a light task that fails."""
    return {"id": task_id, "type": f"{CORE}.execution.Fail", **more}


def pause(task_id: str, **more: Any) -> dict[str, Any]:
    """Return a task that waits for a person."""
    return {"id": task_id, "type": f"{CORE}.flow.Pause", **more}


def flowable(task_id: str, kind: str, tasks: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """Return a flowable of a kind (`Sequential`, `Parallel` ...)."""
    return {"id": task_id, "type": f"{CORE}.flow.{kind}", "tasks": list(tasks), **more}


def subflow(task_id: str, flow_id: str, **more: Any) -> dict[str, Any]:
    """Return a task that starts an execution of another flow and waits for it."""
    return {"id": task_id, "type": f"{CORE}.flow.Subflow", "namespace": NAMESPACE, "flowId": flow_id, **more}


def save(*tasks: Mapping[str, Any], flow_id: str = "driven", **more: Any) -> None:
    """Save a flow of these tasks."""
    flow = {"id": flow_id, "namespace": NAMESPACE, "tasks": list(tasks), **more}
    save_flow(yaml.safe_dump(flow, sort_keys=False), at=datetime.now(UTC), actor="alice@example.org")


def start(flow_id: str = "driven", **more: Any) -> str:
    """Start an execution and return its id."""
    return start_execution(namespace=NAMESPACE, flow_id=flow_id, at=datetime.now(UTC), **more).id


def visit(execution_id: str) -> str:
    """Look at an execution once, as for its message, and return its state."""
    visit_execution(execution_id, SERVICES)
    return state_of(execution_id)


def work(execution_id: str) -> int:
    """Run every task run that waits for a worker, and those that follow; returns how many attempts were made."""
    done = 0
    while waiting := list(TaskRun.objects.filter(execution_id=execution_id, state__in=["CREATED", "RESTARTED"]).order_by("seq")):
        ran = [run_attempt(execution_id, run.id, SERVICES) for run in waiting]
        if not any(ran):
            break
        done += sum(ran)
    return done


def run_to_end(execution_id: str) -> str:
    """Visit and work until nothing waits for either; returns the state."""
    visit(execution_id)
    work(execution_id)
    return state_of(execution_id)


def claim(run_id: str) -> str:
    """Take a task run as a worker does that then goes silent; returns its token."""
    token = uuid.uuid4().hex
    assert transitions.claim_run(run_id, token=token, owner="gone:1", lease_seconds=30, at=datetime.now(UTC))
    return token


def finish_waiting(execution_id: str, state: State = State.SUCCESS) -> int:
    """Claim what waits for a worker and report this end for each; returns how many."""
    waiting = list(TaskRun.objects.filter(execution_id=execution_id, state__in=["CREATED", "RESTARTED"]).order_by("seq"))
    return sum(report(execution_id, run.id, claim(run.id), state) for run in waiting)


def report(execution_id: str, run_id: str, token: str, state: State) -> bool:
    """Report the end of an attempt as its worker would; False when the token does not hold any more."""

    def finish(turn: Turn) -> bool:
        if not transitions.holds_lease(run_id, token):
            return False
        run = transitions.read_chain(turn.board, run_id)
        if run is None or run.state in TERMINAL:
            return False
        settle_outcome(turn, run, Outcome(State((run.progress or {}).get("interrupt") or state), None, ""))
        return True

    return bool(take_turn(execution_id, finish, SERVICES))


def at_once(*actions: Callable[[], object]) -> list[object]:
    """Call all actions at the same moment, each in a thread with a connection of its own; returns results or errors."""
    gate, answers = threading.Barrier(len(actions)), [None] * len(actions)

    def call(position: int, action: Callable[[], object]) -> None:
        gate.wait()
        try:
            answers[position] = action()
        except (FlowsError, LostRaceError, DatabaseError) as error:
            answers[position] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=call, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def lose_worker(owner: str = "gone:1") -> None:
    """The worker that claimed is found to be gone, and the sweep takes its attempts over."""
    recovery.expire_leases_of(owner)
    recovery.reap_lost_attempts(SERVICES)


def pass_time(execution_id: str) -> None:
    """Make every timer of an execution due."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE flows_taskrun SET wake_at = %s WHERE execution_id = %s AND wake_at IS NOT NULL", [past, execution_id]
        )
        cursor.execute("UPDATE flows_execution SET wake_at = %s WHERE id = %s AND wake_at IS NOT NULL", [past, execution_id])


def state_of(execution_id: str) -> str:
    """Return the state of an execution."""
    return str(Execution.objects.values_list("state", flat=True).get(id=execution_id))


def states_of(execution_id: str) -> dict[str, str]:
    """Return the state of every task run by task; of the iterations of a task only the last one's."""
    return dict(TaskRun.objects.filter(execution_id=execution_id).order_by("seq").values_list("task_id", "state"))


def run_of(execution_id: str, task_id: str) -> TaskRun:
    """Return the only task run of a task."""
    return TaskRun.objects.get(execution_id=execution_id, task_id=task_id)


def picture(execution_id: str) -> list[Any]:
    """Return everything that a needless visit must not change."""
    fields = ("id", "state", "histories", "attempts", "outputs", "ended_at")
    execution = Execution.objects.filter(id=execution_id).values_list("state", "histories", "outputs", "ended_at")
    return [*execution, *TaskRun.objects.filter(execution_id=execution_id).order_by("seq").values_list(*fields)]
