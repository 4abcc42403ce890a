"""Faults that a review of the engine found, each as the behaviour that was missing. Real rows, visits and attempts called here."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.engine import recovery, transitions
from flows.engine.attempts import open_attempt
from flows.engine.recording import Recorder, Subject, write_entries
from flows.engine.turn import Turn
from flows.engine.visits import take_turn
from flows.engine.worker import run_attempt
from flows.models import Execution, Flow, LogEntry, TaskRun
from flows.operations.executions import (
    delete_execution,
    kill_execution,
    pause_execution,
    replay_execution,
    restart_execution,
    resume_execution,
)
from flows.operations.services import SERVICES
from flows.primitives.states import TERMINAL, State
from tests.support import driving
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

CORE = driving.CORE
FOREVER = {
    "type": "io.kestra.plugin.scripts.shell.Commands",
    "commands": ["sleep 60"],
    "taskRunner": {"type": f"{CORE}.runner.Process"},
}
ONE_RETRY = {"type": "constant", "interval": "PT1S", "maxAttempts": 2}


def settle(*, rounds: int = 30) -> None:
    """Do what messages would do for every execution until nothing waits any more."""
    for _ in range(rounds):
        waiting = list(
            Execution.objects.filter(state__in=["CREATED", "RESTARTED", "QUEUED"], schedule_at=None).values_list("id", flat=True)
        )
        before = [(row.id, row.state) for row in Execution.objects.all()]
        for execution_id in waiting:
            driving.visit(execution_id)
        done = sum(driving.work(execution_id) for execution_id in Execution.objects.values_list("id", flat=True))
        recovery.announce_untold(SERVICES, datetime.now(UTC) + timedelta(seconds=10))
        if not done and before == [(row.id, row.state) for row in Execution.objects.all()]:
            return


def children_of(execution_id: str) -> list[Execution]:
    """Return the executions that an execution started, oldest first."""
    return list(Execution.objects.filter(caller_execution_id=execution_id).order_by("created_at", "id"))


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


def lapse_visit(execution_id: str) -> None:
    """Let the lease of a visit that will not come back run out."""
    Execution.objects.filter(id=execution_id).update(visit_until=datetime.now(UTC) - timedelta(seconds=1))


def exit_task(task_id: str, state: str) -> dict[str, Any]:
    """Return a task that ends the execution."""
    return {"id": task_id, "type": f"{CORE}.execution.Exit", "state": state}


# What comes after the end


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


# Working directories


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
    from django.db import connections

    try:
        run_attempt(execution_id, run_id, SERVICES)
    finally:
        connections.close_all()


# Properties that cannot be rendered when a flowable goes on


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


# Executions that start executions


def test_the_end_of_a_subflow_that_was_retried_in_a_new_execution_reaches_the_caller() -> None:
    once_more = {**ONE_RETRY, "behavior": "CREATE_NEW_EXECUTION"}
    driving.save(driving.fail("a", retry=once_more), flow_id="child")
    driving.save(driving.subflow("call", "child"))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    Execution.objects.exclude(schedule_at=None).update(schedule_at=None)

    settle()

    assert [child.state for child in children_of(execution_id)] == ["RETRIED", "FAILED"]
    assert driving.state_of(execution_id) == "FAILED"


def test_an_iteration_that_is_retried_in_a_new_execution_runs_the_iteration_again() -> None:
    once_more = {**ONE_RETRY, "behavior": "CREATE_NEW_EXECUTION"}
    driving.save(driving.flowable("loop", "Loop", [driving.fail("a", retry=once_more)], values=["1"]))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    Execution.objects.exclude(schedule_at=None).update(schedule_at=None)

    settle()

    assert [(child.kind, child.state, list(driving.states_of(child.id))) for child in children_of(execution_id)] == [
        ("LOOP", "RETRIED", ["a"]),
        ("LOOP", "FAILED", ["a"]),
    ]
    assert driving.state_of(execution_id) == "FAILED"


def test_a_restart_runs_only_the_failed_iterations_of_a_loop_again() -> None:
    task = {"id": "a", "type": f"{CORE}.execution.Fail", "condition": "{{ item.value == '2' and taskrun.attemptsCount == 0 }}"}
    outputs = [{"id": "v", "type": "STRING", "value": "{{ item.value }}"}]
    driving.save(driving.flowable("loop", "Loop", [task], values=["1", "2", "3"], outputs=outputs))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    assert driving.state_of(execution_id) == "FAILED"

    restart_execution(execution_id, at=datetime.now(UTC))
    settle()

    loop = driving.run_of(execution_id, "loop")
    assert driving.state_of(execution_id) == "SUCCESS"
    assert [
        len(driving.run_of(child.id, "a").attempts) for child in sorted(children_of(execution_id), key=lambda c: c.loop["index"])
    ] == [1, 2, 1]
    assert [row["outputs"]["v"] for row in loop.outputs["outputs"]] == ["1", "2", "3"]


def test_a_late_iteration_of_an_earlier_pass_is_not_counted_in_the_new_one() -> None:
    driving.save(driving.flowable("loop", "Loop", [driving.heavy("a")], values=["1", "2"]))
    execution_id = driving.start()
    driving.visit(execution_id)
    kill_execution(execution_id, cascade=False, at=datetime.now(UTC))
    restart_execution(execution_id, at=datetime.now(UTC))
    driving.visit(execution_id)

    settle()

    assert driving.state_of(execution_id) == "SUCCESS"
    assert driving.run_of(execution_id, "loop").outputs["terminatedIterations"] == 2


def test_a_failed_subflow_is_restarted_in_the_transaction_of_its_caller() -> None:
    driving.save({"id": "a", "type": f"{CORE}.execution.Fail", "condition": "{{ taskrun.attemptsCount == 0 }}"}, flow_id="child")
    driving.save(driving.subflow("call", "child"))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    assert driving.state_of(execution_id) == "FAILED"
    restart_execution(execution_id, at=datetime.now(UTC))

    # The process that visits dies as soon as the caller's row is committed.
    take_turn_and_die(execution_id)

    assert [child.state for child in children_of(execution_id)] == ["RESTARTED"]
    settle()
    assert driving.state_of(execution_id) == "SUCCESS"


def take_turn_and_die(execution_id: str) -> None:
    """Visit an execution with services that do nothing after the commit."""
    from flows.engine.visits import begin

    def die(*_: object) -> None:
        raise SystemExit

    from dataclasses import replace

    names = {name: die for name in SERVICES.__dataclass_fields__ if name not in ("make_platform",)}
    try:
        take_turn(execution_id, begin, replace(SERVICES, **names))
    except SystemExit:
        return


def test_a_restarted_caller_starts_a_new_child_when_the_failed_one_was_deleted() -> None:
    driving.save(driving.fail("a"), flow_id="child")
    driving.save(driving.subflow("call", "child"))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    delete_execution(children_of(execution_id)[0].id, at=datetime.now(UTC))
    driving.save(driving.log("a"), flow_id="child")
    restart_execution(execution_id, at=datetime.now(UTC))

    settle()

    assert driving.state_of(execution_id) == "SUCCESS"


def test_a_replayed_iteration_of_a_loop_runs_the_tasks_of_the_loop() -> None:
    driving.save(driving.log("before"), driving.flowable("loop", "Loop", [driving.log("a")], values=["1"]))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()

    replayed = replay_execution(children_of(execution_id)[0].id, at=datetime.now(UTC))
    settle()

    assert driving.states_of(replayed.id) == {"a": "SUCCESS"}


def test_deleting_a_running_subflow_by_force_ends_the_task_that_waits_for_it() -> None:
    driving.save(driving.heavy("a"), flow_id="child")
    driving.save(driving.subflow("call", "child"))
    execution_id = driving.start()
    driving.visit(execution_id)

    delete_execution(children_of(execution_id)[0].id, force=True, at=datetime.now(UTC))

    assert driving.state_of(execution_id) == "KILLED"


def test_a_subflow_that_takes_longer_than_its_timeout_is_killed_and_the_task_fails() -> None:
    driving.save(driving.heavy("a"), flow_id="child")
    driving.save(driving.subflow("call", "child", timeout="PT1S"))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle_visits_only()

    driving.pass_time(execution_id)
    driving.visit(execution_id)

    assert (driving.state_of(execution_id), [child.state for child in children_of(execution_id)]) == ("FAILED", ["KILLED"])


def settle_visits_only() -> None:
    """Visit every execution that waits for its first visit."""
    for execution_id in Execution.objects.filter(state="CREATED").values_list("id", flat=True):
        driving.visit(execution_id)


# Kill


def test_a_kill_reaches_every_callee_when_one_of_them_ends_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.operations import executions

    driving.save(driving.heavy("a"), flow_id="child")
    driving.save(driving.flowable("p", "Parallel", [driving.subflow("one", "child"), driving.subflow("two", "child")]))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle_visits_only()
    listed = executions.list_callees

    def list_and_let_one_end(caller_id: str) -> list[str]:
        found = listed(caller_id)
        if caller_id == execution_id and found:
            Execution.objects.filter(id=found[0]).update(state="SUCCESS", ended_at=datetime.now(UTC), caller_waits=False)
        return found

    monkeypatch.setattr(executions, "list_callees", list_and_let_one_end)
    kill_execution(execution_id, at=datetime.now(UTC))

    assert {child.state for child in children_of(execution_id)} <= {"SUCCESS", "KILLED"}
    assert driving.state_of(execution_id) == "KILLED"


def test_a_kill_goes_through_a_callee_that_ended_to_those_that_it_started() -> None:
    driving.save(driving.heavy("a"), flow_id="grandchild")
    driving.save(driving.subflow("call", "grandchild", wait=False), flow_id="child")
    driving.save(driving.subflow("call", "child"), driving.pause("wait"))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle_visits_only()
    settle_visits_only()
    grandchild = Execution.objects.get(flow_id="grandchild")
    assert (driving.state_of(execution_id), grandchild.state) == ("PAUSED", "RUNNING")

    kill_execution(execution_id, at=datetime.now(UTC))

    assert driving.state_of(grandchild.id) == "KILLED"


def test_a_loop_that_is_paused_by_hand_starts_no_more_iterations() -> None:
    driving.save(driving.flowable("loop", "Loop", [driving.heavy("a")], values=["1", "2"], concurrencyLimit=1))
    execution_id = driving.start()
    driving.visit(execution_id)
    pause_execution(execution_id, at=datetime.now(UTC))
    first = children_of(execution_id)[0].id
    driving.run_to_end(first)
    assert len(children_of(execution_id)) == 1

    resume_execution(execution_id, at=datetime.now(UTC))
    settle()

    assert (driving.state_of(execution_id), len(children_of(execution_id))) == ("SUCCESS", 2)


# Pause by hand


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


# Messages and recovery


def test_the_sweep_leaves_task_runs_alone_whose_execution_waits_to_be_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    driving.save(driving.fail("a"), flow_id="child")
    driving.save(driving.subflow("call", "child"))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    restart_execution(execution_id, at=datetime.now(UTC))
    sent: list[Any] = []
    monkeypatch.setattr("flows.engine.dispatch.send_run", lambda *args: bool(sent.append(args)) or True)

    recovery.resend_unsent(datetime.now(UTC) + timedelta(seconds=10))

    assert sent == []


def test_a_message_for_a_flowable_opens_it() -> None:
    """A visit that died in the middle leaves flowables in state CREATED, which the sweep sends like everything that waits."""
    driving.save(driving.flowable("s", "Sequential", [driving.log("a")]))
    execution_id = driving.start()
    leave_unopened(execution_id)

    run_attempt(execution_id, driving.run_of(execution_id, "s").id, SERVICES)

    assert (driving.state_of(execution_id), driving.states_of(execution_id)) == ("SUCCESS", {"s": "SUCCESS", "a": "SUCCESS"})


def leave_unopened(execution_id: str) -> None:
    """Create the first task run and stop there, as a visit does that dies between two slices."""

    def create(turn: Turn) -> None:
        turn.board.move_root(State.RUNNING)
        turn.board.create(turn.board.graph.list_branch("tasks")[0], None)

    take_turn(execution_id, create, SERVICES)


def test_an_attempt_that_was_lost_after_the_end_of_its_execution_is_not_made_again() -> None:
    driving.save(driving.flowable("p", "Parallel", [driving.heavy("a"), driving.heavy("b"), driving.pause("wait")]))
    execution_id = driving.start()
    driving.visit(execution_id)
    run = driving.run_of(execution_id, "a")
    driving.claim(run.id)
    Execution.objects.filter(id=execution_id).update(state="SUCCESS", ended_at=datetime.now(UTC))

    driving.lose_worker()

    assert driving.run_of(execution_id, "a").state in {state.value for state in TERMINAL}


def test_an_engine_error_while_a_result_is_recorded_sets_the_execution_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    driving.save(driving.flowable("s", "Sequential", [driving.heavy("a")]))
    execution_id = driving.start()
    driving.visit(execution_id)
    monkeypatch.setattr("flows.engine.arrangements.base.decide_scope", _break)

    driving.work(execution_id)

    row = Execution.objects.get(id=execution_id)
    assert (row.state, "out of order" in row.error) == ("FAILED", True)


def _break(*_: object) -> None:
    raise RuntimeError("out of order")


def test_an_engine_error_while_a_lost_attempt_is_taken_over_sets_the_execution_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    driving.save(driving.flowable("s", "Sequential", [driving.heavy("a")]))
    execution_id = driving.start()
    driving.visit(execution_id)
    run_id = driving.run_of(execution_id, "a").id
    TaskRun.objects.filter(id=run_id).update(loss_count=2)
    driving.claim(run_id)
    monkeypatch.setattr("flows.engine.arrangements.base.decide_scope", _break)

    for _ in range(6):
        driving.lose_worker()

    assert driving.state_of(execution_id) == "FAILED"


def test_one_broken_execution_does_not_keep_other_kills_from_being_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    driving.save(driving.heavy("a"))
    killed = [driving.start() for _ in range(2)]
    for execution_id in killed:
        driving.visit(execution_id)
        driving.claim(driving.run_of(execution_id, "a").id)
        kill_execution(execution_id, at=datetime.now(UTC))
        TaskRun.objects.filter(execution_id=execution_id).update(lease_until=None, lease_token=None, state="KILLED")
    real = recovery._finish_kill

    def finish(turn: Turn) -> None:
        if turn.board.root.id == min(killed):
            _break()
        real(turn)

    monkeypatch.setattr(recovery, "_finish_kill", finish)
    recovery.settle_kills(SERVICES, datetime.now(UTC))

    assert driving.state_of(max(killed)) == "KILLED"


# Exit


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


# Limits and deadlines


def test_a_newcomer_does_not_overtake_an_execution_that_is_queued() -> None:
    driving.save(driving.heavy("a"), concurrency={"limit": 1, "behavior": "QUEUE"})
    first, second = driving.start(), driving.start()
    driving.visit(first)
    driving.visit(second)
    third = driving.start()
    run = driving.run_of(first, "a")
    token = driving.claim(run.id)
    # The slot is free, and nobody has told the queue yet.
    Execution.objects.filter(id=second).update(state="RUNNING")
    driving.report(first, run.id, token, State.SUCCESS)
    Execution.objects.filter(id=second).update(state="QUEUED")

    driving.visit(third)

    assert (driving.state_of(first), driving.state_of(third)) == ("SUCCESS", "QUEUED")
    assert (driving.visit(second), Flow.objects.get(flow_id="driven").running_count) == ("RUNNING", 1)


def test_a_queued_execution_that_waits_longer_than_its_sla_allows_fails() -> None:
    sla = [{"id": "fast", "type": "MAX_DURATION", "duration": "PT1S", "behavior": "FAIL"}]
    driving.save(driving.heavy("a"), concurrency={"limit": 1, "behavior": "QUEUE"}, sla=sla)
    first, second = driving.start(), driving.start()
    driving.visit(first)
    driving.visit(second)
    past = datetime.now(UTC) - timedelta(seconds=10)
    Execution.objects.filter(id=second).update(created_at=past, wake_at=past)

    driving.visit(second)

    assert driving.state_of(second) == "FAILED"


def test_a_replay_has_the_deadline_of_its_flow() -> None:
    sla = [{"id": "fast", "type": "MAX_DURATION", "duration": "PT1H", "behavior": "FAIL"}]
    driving.save(driving.log("a"), sla=sla)
    execution_id = driving.start()
    driving.visit(execution_id)

    replayed = replay_execution(execution_id, at=datetime.now(UTC))

    assert Execution.objects.get(id=replayed.id).wake_at is not None


def test_an_execution_that_is_refused_a_slot_is_told_to_the_trigger_that_started_it() -> None:
    driving.save(driving.heavy("a"), concurrency={"limit": 1, "behavior": "CANCEL"})
    first = driving.start()
    driving.visit(first)
    trigger = {"id": "t", "type": "x.Schedule", "family": "schedule", "variables": {}}
    second = driving.start(trigger=trigger)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.engine.visits.announce_changes", lambda *_: None)
        driving.visit(second)

    row = Execution.objects.get(id=second)
    assert (row.state, row.announce_at is not None) == ("CANCELLED", True)


# Replay


def test_a_replay_does_not_wait_for_what_still_ran_in_its_source() -> None:
    left = driving.flowable("left", "Sequential", [driving.log("a"), driving.pause("wait")])
    driving.save(
        driving.flowable(
            "p", "Parallel", [left, driving.heavy("b"), {"id": "s", "type": f"{CORE}.flow.Sleep", "duration": "PT1H"}]
        )
    )
    execution_id = driving.start()
    driving.visit(execution_id)
    driving.claim(driving.run_of(execution_id, "b").id)
    pause_execution(execution_id, at=datetime.now(UTC))

    replayed = replay_execution(execution_id, task_run_id=driving.run_of(execution_id, "a").id, at=datetime.now(UTC))
    driving.run_to_end(replayed.id)

    assert driving.states_of(replayed.id)["b"] == "SUCCESS"
    assert driving.run_of(replayed.id, "s").wake_at is not None


# What rows and logs can hold


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "half \ud83d emoji", "nul \x00 inside"])
def test_whatever_a_task_gives_out_can_be_written(value: Any) -> None:
    text = transitions.dump({"v": value, "nested": [{"w": value}]})

    with transitions.connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb", [text])
        assert cursor.fetchone() is not None


def test_metrics_that_a_row_cannot_hold_do_not_keep_others_from_being_written() -> None:
    recorder = Recorder()
    subject = Subject("company.team", "driven", "execution")
    recorder.add_metric(subject, "counter", "x" * 300, 1.0, {})
    recorder.add_metric(subject, "counter", "endless", float("inf"), {})
    recorder.add_log(subject, "INFO", "half \ud83d emoji", thread="t" * 200)
    logs, metrics = recorder.take()

    with transitions.connection.cursor() as cursor:
        write_entries(cursor.execute, logs, metrics)

    assert LogEntry.objects.filter(execution_id="execution").count() == 1


def test_a_light_task_that_the_database_refuses_fails_alone() -> None:
    driving.save(
        {"id": "set", "type": f"{CORE}.kv.Set", "key": "k" * 3000, "value": "x", "allowFailure": True}, driving.log("next")
    )
    execution_id = driving.start()

    driving.visit(execution_id)

    assert (driving.state_of(execution_id), driving.states_of(execution_id)) == ("WARNING", {"set": "WARNING", "next": "SUCCESS"})


def test_a_lost_visit_of_an_ended_execution_is_taken_up_for_what_comes_after() -> None:
    driving.save(driving.log("a"), afterExecution=[driving.log("after")])
    execution_id = driving.start()
    driving.visit(execution_id)
    TaskRun.objects.filter(execution_id=execution_id, task_id="after").delete()
    lapse_visit(execution_id)

    driving.visit(execution_id)

    assert driving.states_of(execution_id).get("after") == "SUCCESS"
