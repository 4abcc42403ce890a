"""Ends that a review of the engine found missing: after kills, Exit, timeouts and faults in properties."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections

from flows.engine import recovery, transitions
from flows.engine.attempts import open_attempt
from flows.engine.turn import Turn
from flows.engine.visits import take_turn
from flows.engine.worker import run_attempt
from flows.models import Execution, TaskRun
from flows.operations.executions import (
    kill_execution,
    pause_execution,
    restart_execution,
    resume_execution,
)
from flows.operations.services import SERVICES
from flows.primitives.states import TERMINAL, State
from tests.support import driving
from tests.support.waiting import eventually

from .families import exit_task, settle

pytestmark = pytest.mark.django_db(transaction=True)

CORE = driving.CORE
FOREVER = {
    "type": "io.kestra.plugin.scripts.shell.Commands",
    "commands": ["sleep 60"],
    "taskRunner": {"type": f"{CORE}.runner.Process"},
}
ONE_RETRY = {"type": "constant", "interval": "PT1S", "maxAttempts": 2}


def begin_child(execution_id: str, parent_id: str) -> str:
    """Begin the first child of a WorkingDirectory as the worker that owns the directory does."""

    def begin(turn: Turn) -> str:
        parent = transitions.read_chain(turn.board, parent_id)
        assert parent is not None and parent.node is not None
        run = turn.board.create(parent.node.list_branch("tasks")[0], parent)
        open_attempt(run, owner="", at=turn.board.at)
        turn.board.move(run, State.RUNNING)
        return run.id

    return take_turn(execution_id, begin, SERVICES) or ""


def test_a_task_after_the_execution_is_tried_again() -> None:
    driving.save(driving.log("a"), afterExecution=[driving.fail("after", retry=ONE_RETRY)])
    execution_id = driving.start()
    driving.visit(execution_id)

    driving.pass_time(execution_id)
    driving.visit(execution_id)

    assert (driving.run_of(execution_id, "after").state, len(driving.run_of(execution_id, "after").attempts)) == ("FAILED", 2)


def test_after_execution_runs_when_the_last_worker_of_a_killed_execution_reports() -> None:
    driving.save(driving.heavy("a"), afterExecution=[driving.log("after")])
    execution_id = driving.start()
    driving.visit(execution_id)
    run = driving.run_of(execution_id, "a")
    token = driving.claim(run.id)
    kill_execution(execution_id, at=datetime.now(UTC))

    driving.report(execution_id, run.id, token, State.KILLED)

    assert (driving.state_of(execution_id), driving.states_of(execution_id).get("after")) == ("KILLED", "SUCCESS")


def test_a_task_after_a_killed_execution_is_not_killed_by_the_heartbeat() -> None:
    slow = {**FOREVER, "commands": ["sleep 2.5"]}
    driving.save(driving.log("a"), driving.pause("wait"), afterExecution=[{"id": "after", **slow}])
    execution_id = driving.start()
    driving.visit(execution_id)
    kill_execution(execution_id, at=datetime.now(UTC))

    driving.work(execution_id)

    assert driving.run_of(execution_id, "after").state == "SUCCESS"


def test_a_retry_that_an_ended_execution_left_behind_is_not_due_for_ever() -> None:
    again = {**ONE_RETRY, "behavior": "CREATE_NEW_EXECUTION"}
    slow = {"type": "constant", "interval": "PT1S"}
    driving.save(driving.flowable("p", "Parallel", [driving.fail("a", retry=slow), driving.fail("b", retry=again)]))
    execution_id = driving.start()
    driving.visit(execution_id)
    assert driving.state_of(execution_id) == "RETRIED"

    driving.pass_time(execution_id)
    driving.visit(execution_id)

    assert recovery.list_due(datetime.now(UTC)) == []


def _directory(**more: Any) -> dict[str, Any]:
    return {"id": "dir", "type": f"{CORE}.flow.WorkingDirectory", "tasks": [{"id": "child", **FOREVER}], **more}


def test_killing_an_execution_whose_directory_lost_its_worker_ends_it() -> None:
    driving.save(_directory())
    execution_id = driving.start()
    driving.visit(execution_id)
    run_id = driving.run_of(execution_id, "dir").id
    driving.claim(run_id)
    begin_child(execution_id, run_id)
    kill_execution(execution_id, at=datetime.now(UTC))

    driving.lose_worker()

    assert (driving.state_of(execution_id), driving.states_of(execution_id)) == ("KILLED", {"dir": "KILLED", "child": "KILLED"})


def test_a_directory_whose_workers_die_again_and_again_ends_with_its_children() -> None:
    driving.save(_directory())
    execution_id = driving.start()
    driving.visit(execution_id)
    run_id = driving.run_of(execution_id, "dir").id
    TaskRun.objects.filter(id=run_id).update(loss_count=2)
    driving.claim(run_id)
    begin_child(execution_id, run_id)

    driving.lose_worker()

    assert (driving.state_of(execution_id), driving.states_of(execution_id)) == ("FAILED", {"dir": "FAILED", "child": "FAILED"})


def test_killing_an_execution_stops_the_child_that_runs_in_a_directory() -> None:
    driving.save(_directory())
    execution_id = driving.start()
    driving.visit(execution_id)
    worker = threading.Thread(target=_run_and_disconnect, args=(execution_id, driving.run_of(execution_id, "dir").id))
    worker.start()
    eventually(lambda: driving.states_of(execution_id).get("child") == "RUNNING")

    kill_execution(execution_id, at=datetime.now(UTC))
    worker.join(20)

    assert (driving.state_of(execution_id), driving.states_of(execution_id)) == ("KILLED", {"dir": "KILLED", "child": "KILLED"})


def test_the_timeout_of_a_child_of_a_directory_ends_its_attempt_and_it_is_tried_again() -> None:
    child = {"id": "child", **FOREVER, "timeout": "PT1S", "retry": {**ONE_RETRY, "interval": "PT0.1S"}, "allowFailure": True}
    driving.save({"id": "dir", "type": f"{CORE}.flow.WorkingDirectory", "tasks": [child, driving.log("next")]})
    execution_id = driving.start()

    driving.run_to_end(execution_id)

    assert (driving.states_of(execution_id), len(driving.run_of(execution_id, "child").attempts)) == (
        {"dir": "WARNING", "child": "WARNING", "next": "SUCCESS"},
        2,
    )


def _run_and_disconnect(execution_id: str, run_id: str) -> None:
    try:
        run_attempt(execution_id, run_id, SERVICES)
    finally:
        connections.close_all()


def test_a_loop_until_whose_condition_cannot_be_rendered_fails_and_runs_its_errors() -> None:
    again = driving.flowable("again", "LoopUntil", [driving.heavy("a")], condition="{{ outputs.nobody.value }}")
    driving.save(again, errors=[driving.log("oops")])
    execution_id = driving.start()
    driving.visit(execution_id)

    driving.work(execution_id)

    assert (driving.state_of(execution_id), driving.states_of(execution_id)) == (
        "FAILED",
        {"again": "FAILED", "a": "SUCCESS", "oops": "SUCCESS"},
    )


def test_a_loop_whose_break_condition_cannot_be_rendered_fails() -> None:
    driving.save(driving.flowable("loop", "Loop", [driving.log("a")], values=["1"], breakWhen="{{ outputs.nobody.value }}"))
    execution_id = driving.start()
    driving.visit(execution_id)

    settle()

    assert (driving.state_of(execution_id), driving.states_of(execution_id)) == ("FAILED", {"loop": "FAILED"})


@pytest.mark.parametrize(
    "properties", [{"scheduleDate": "tomorrow"}, {"scheduleDate": "2031-05-04T10:00:00"}, {"revision": "{{ 'newest' }}"}]
)
def test_a_subflow_with_a_property_that_makes_no_sense_fails_and_says_so(properties: dict[str, str]) -> None:
    driving.save(driving.log("a"), flow_id="child")
    driving.save(driving.subflow("call", "child", allowFailure=True, **properties))
    execution_id = driving.start()

    driving.visit(execution_id)

    expected = ["WARNING"] if "2031-05-04T10:00:00" not in properties.values() else ["RUNNING", "WARNING"]
    assert driving.run_of(execution_id, "call").state in expected
    assert Execution.objects.get(id=execution_id).failures == 0


def test_a_parallel_with_an_unknown_reaction_to_failures_fails() -> None:
    driving.save(driving.flowable("p", "Parallel", [driving.fail("a"), driving.heavy("b")], onChildFailure="{{ 'EXPLODE' }}"))
    execution_id = driving.start()

    driving.visit(execution_id)

    assert (driving.run_of(execution_id, "p").state, Execution.objects.get(id=execution_id).failures) == ("FAILED", 0)


def test_a_timer_that_is_due_during_a_pause_by_hand_does_not_undo_the_pause() -> None:
    sleep = {"id": "sleep", "type": f"{CORE}.flow.Sleep", "duration": "PT1S"}
    driving.save(sleep, driving.log("next"))
    execution_id = driving.start()
    driving.visit(execution_id)
    pause_execution(execution_id, at=datetime.now(UTC))

    driving.pass_time(execution_id)
    driving.visit(execution_id)

    assert driving.state_of(execution_id) == "PAUSED"
    resume_execution(execution_id, at=datetime.now(UTC))
    assert (driving.state_of(execution_id), driving.states_of(execution_id)) == (
        "SUCCESS",
        {"sleep": "SUCCESS", "next": "SUCCESS"},
    )


def test_an_execution_that_was_paused_by_hand_goes_on_after_a_restart() -> None:
    driving.save(driving.flowable("p", "Parallel", [driving.fail("a", allowFailure=False), driving.heavy("b")]), driving.log("c"))
    execution_id = driving.start()
    driving.visit(execution_id)
    pause_execution(execution_id, at=datetime.now(UTC))
    restart_execution(execution_id, at=datetime.now(UTC))

    settle()

    assert driving.state_of(execution_id) == "FAILED"


def test_after_an_exit_the_siblings_finish_what_they_do_and_begin_nothing() -> None:
    other = driving.flowable("other", "Sequential", [driving.heavy("b"), driving.heavy("c")])
    leave = driving.flowable("leave", "Sequential", [driving.heavy("a"), exit_task("exit", "WARNING")])
    driving.save(driving.flowable("p", "Parallel", [leave, other]))
    execution_id = driving.start()
    driving.visit(execution_id)
    run = driving.run_of(execution_id, "b")
    token = driving.claim(run.id)
    driving.work(execution_id)

    driving.report(execution_id, run.id, token, State.SUCCESS)

    states = driving.states_of(execution_id)
    assert (driving.state_of(execution_id), states["b"], "c" in states) == ("WARNING", "SUCCESS", False)
    assert set(states.values()) <= {state.value for state in TERMINAL}


def test_an_exit_ends_what_waits_beside_it() -> None:
    driving.save(
        driving.flowable(
            "p",
            "Parallel",
            [driving.pause("wait", pauseDuration="PT1S"), driving.fail("f", retry={**ONE_RETRY}), exit_task("exit", "SUCCESS")],
        )
    )
    execution_id = driving.start()

    driving.visit(execution_id)

    assert driving.state_of(execution_id) == "SUCCESS"
    assert set(driving.states_of(execution_id).values()) <= {state.value for state in TERMINAL}
    driving.pass_time(execution_id)
    assert recovery.list_due(datetime.now(UTC)) == []


def test_the_errors_of_a_directory_do_not_depend_on_a_lease_that_nobody_renews() -> None:
    driving.save({**_directory(), "tasks": [driving.fail("child")], "errors": [driving.heavy("err")]})
    execution_id = driving.start()
    driving.visit(execution_id)

    run_attempt(execution_id, driving.run_of(execution_id, "dir").id, SERVICES)

    assert driving.states_of(execution_id) == {"dir": "RUNNING", "child": "FAILED", "err": "CREATED"}
    assert driving.run_of(execution_id, "dir").lease_until is None


def test_killing_an_execution_ends_a_directory_whose_worker_is_done() -> None:
    driving.save({**_directory(), "tasks": [driving.fail("child")], "errors": [driving.heavy("err")]})
    execution_id = driving.start()
    driving.visit(execution_id)
    run_attempt(execution_id, driving.run_of(execution_id, "dir").id, SERVICES)

    kill_execution(execution_id, at=datetime.now(UTC))

    assert driving.state_of(execution_id) == "KILLED"


def test_the_tasks_of_an_each_parallel_are_counted_once() -> None:
    tasks = [driving.heavy("a"), driving.heavy("b")]
    driving.save({"id": "each", "type": f"{CORE}.flow.EachParallel", "value": ["1", "2"], "concurrent": 1, "tasks": tasks})
    execution_id = driving.start()
    driving.visit(execution_id)

    for _ in range(3):
        assert (driving.finish_waiting(execution_id), driving.state_of(execution_id)) == (1, "RUNNING")
    driving.finish_waiting(execution_id)

    assert (driving.state_of(execution_id), TaskRun.objects.filter(execution_id=execution_id).count()) == ("SUCCESS", 5)
