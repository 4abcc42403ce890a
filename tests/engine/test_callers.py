"""Executions that start executions: their ends, restarts, kills and pauses meet in the rows. Found by a review."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.engine.visits import begin, take_turn
from flows.models import Execution
from flows.operations import executions
from flows.operations.executions import (
    delete_execution,
    kill_execution,
    pause_execution,
    replay_execution,
    restart_execution,
    resume_execution,
)
from flows.operations.services import SERVICES
from flows.primitives.states import State
from flows.storage import get_storage
from tests.support import driving

from .families import children_of, exit_task, settle, settle_visits_only

pytestmark = pytest.mark.django_db(transaction=True)

CORE = driving.CORE
ONE_RETRY = {"type": "constant", "interval": "PT1S", "maxAttempts": 2}


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

    def die(*_: object) -> None:
        raise SystemExit

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


def test_a_kill_reaches_every_callee_when_one_of_them_ends_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_after_an_exit_a_loop_beside_it_begins_no_more_iterations() -> None:
    loop = driving.flowable("loop", "Loop", [driving.heavy("a")], values=["1", "2"], concurrencyLimit=1)
    leave = driving.flowable("leave", "Sequential", [driving.heavy("x"), exit_task("exit", "WARNING")])
    driving.save(driving.flowable("p", "Parallel", [loop, leave]))
    execution_id = driving.start()
    driving.visit(execution_id)
    driving.work(execution_id)

    settle()

    assert (driving.state_of(execution_id), len(children_of(execution_id))) == ("WARNING", 1)
    assert set(driving.states_of(execution_id).values()) <= {"SUCCESS", "WARNING"}


def _for_each_item(**more: Any) -> list[dict[str, Any]]:
    rows = {"id": "rows", "type": f"{CORE}.storage.Write", "content": "a\nb\nc\n", "extension": ".txt"}
    target = {"namespace": driving.NAMESPACE, "flowId": "child", "inputs": {"n": "{{ taskrun.iteration }}"}}
    each = {"id": "each", "type": f"{CORE}.flow.ForEachItem", "items": "{{ outputs.rows.uri }}", "batch": {"rows": 1}}
    return [rows, {**each, **target, **more}]


@pytest.mark.parametrize(
    ("behavior", "expected"),
    [("RETRY_FAILED", ["SUCCESS"] * 3), ("NEW_EXECUTION", ["SUCCESS", "FAILED", "SUCCESS", "SUCCESS"])],
)
def test_a_restart_runs_only_the_failed_batches_of_a_for_each_item_again(behavior: str, expected: list[str]) -> None:
    condition = "{{ inputs.n == 1 and kv('go', errorOnMissing=false) != 'yes' }}"
    outputs = [{"id": "n", "type": "INT", "value": "{{ inputs.n }}"}]
    fail_once = driving.fail("a", condition=condition)
    driving.save(fail_once, flow_id="child", inputs=[{"id": "n", "type": "INT"}], outputs=outputs)
    driving.save({"id": "set", "type": f"{CORE}.kv.Set", "key": "go", "value": "yes"}, flow_id="setter")
    driving.save(*_for_each_item(restartBehavior=behavior))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    assert driving.state_of(execution_id) == "FAILED"
    driving.visit(driving.start("setter"))

    restart_execution(execution_id, at=datetime.now(UTC))
    settle()

    assert (driving.state_of(execution_id), [child.state for child in children_of(execution_id)]) == ("SUCCESS", expected)
    with get_storage().open_read(driving.run_of(execution_id, "each_merge").outputs["subflowOutputs"]) as stream:
        assert len(stream.read().splitlines()) == 3


def test_the_batches_of_a_for_each_item_begin_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.engine.arrangements.callees._PAGE", 1)
    driving.save(driving.log("a"), flow_id="child", inputs=[{"id": "n", "type": "INT"}])
    driving.save(*_for_each_item())
    execution_id = driving.start()
    driving.visit(execution_id)

    settle()

    assert (driving.state_of(execution_id), len(children_of(execution_id))) == ("SUCCESS", 3)


def test_a_subflow_whose_sibling_failed_is_killed_with_its_task() -> None:
    driving.save(driving.heavy("a"), flow_id="child")
    tasks = [driving.subflow("call", "child"), driving.heavy("b")]
    driving.save(driving.flowable("p", "Parallel", tasks, onChildFailure="CANCEL"))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle_visits_only()

    driving.finish_waiting(execution_id, State.FAILED)

    assert (driving.state_of(execution_id), [child.state for child in children_of(execution_id)]) == ("FAILED", ["KILLED"])


def test_a_broken_sla_ends_the_iterations_of_a_loop_and_runs_what_comes_after() -> None:
    sla = [{"id": "fast", "type": "MAX_DURATION", "duration": "PT1S", "behavior": "FAIL"}]
    loop = driving.flowable("loop", "Loop", [driving.heavy("a")], values=["1", "2"])
    driving.save(loop, sla=sla, afterExecution=[driving.log("after")])
    execution_id = driving.start()
    driving.visit(execution_id)
    settle_visits_only()
    past = datetime.now(UTC) - timedelta(seconds=10)
    Execution.objects.filter(id=execution_id).update(created_at=past, wake_at=past)

    driving.visit(execution_id)

    assert (driving.state_of(execution_id), {child.state for child in children_of(execution_id)}) == ("FAILED", {"KILLED"})
    assert driving.states_of(execution_id)["after"] == "SUCCESS"
