"""What recovery, limits and rows do in the cases that a review of the engine found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from flows.engine import recovery, transitions
from flows.engine.recording import Recorder, Subject, write_entries
from flows.engine.turn import Turn
from flows.engine.visits import take_turn
from flows.engine.worker import run_attempt
from flows.models import Execution, Flow, LogEntry, TaskRun
from flows.operations.executions import (
    kill_execution,
    pause_execution,
    replay_execution,
    restart_execution,
)
from flows.operations.services import SERVICES
from flows.primitives.states import TERMINAL, State
from tests.support import driving

from .families import settle

pytestmark = pytest.mark.django_db(transaction=True)

CORE = driving.CORE


def lapse_visit(execution_id: str) -> None:
    """Let the lease of a visit that will not come back run out."""
    Execution.objects.filter(id=execution_id).update(visit_until=datetime.now(UTC) - timedelta(seconds=1))


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


def test_reading_one_value_of_a_long_loop_does_not_unfold_all_of_them() -> None:
    driving.save(driving.flowable("each", "ForEach", [driving.heavy("a")], values="{{ range(1, 1000) }}"))
    execution_id = driving.start()
    driving.visit(execution_id)
    run = take_turn(
        execution_id, lambda turn: transitions.read_chain(turn.board, driving.run_of(execution_id, "each").id), SERVICES
    )
    assert run is not None

    with CaptureQueriesContext(transitions.connection) as queries:
        values = transitions.read_items(run, 990, 3)

    assert (values, len(queries)) == (["991", "992", "993"], 1)
    assert transitions.read_items(run, 998, 5) == ["999", "1000"]
    assert transitions.read_items(run, 0, 0) == []
