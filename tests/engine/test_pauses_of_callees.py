"""A Loop or Subflow whose executions are paused: it shows that to its own execution, and goes on with the first that does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.engine import recovery
from flows.models import Execution
from flows.operations.executions import kill_execution, pause_execution, restart_execution, resume_execution, review_execution
from flows.operations.resume_checks import validate_resume_inputs
from flows.operations.services import SERVICES
from flows.primitives.errors import ConflictError
from flows.primitives.states import EXECUTION_MACHINE, TASK_RUN_MACHINE
from flows.queries.asked import find_asked
from tests.support import driving

from .families import children_of, exit_task, settle
from .rehearsal import check_history

pytestmark = pytest.mark.django_db(transaction=True)


def start_loop(*tasks: dict[str, Any], values: list[str], **more: Any) -> tuple[str, list[str]]:
    """Start an execution of one Loop, settle it, and return its id and those of its iterations."""
    driving.save(driving.flowable("loop", "Loop", list(tasks), values=values, **more))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    return execution_id, [child.id for child in sorted(children_of(execution_id), key=lambda child: child.loop["index"])]


def start_caller(*tasks: dict[str, Any], **more: Any) -> tuple[str, str]:
    """Start an execution with one Subflow of these tasks, settle both, and return their ids."""
    driving.save(*tasks, flow_id="child")
    driving.save(driving.subflow("call", "child", **more))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    return execution_id, children_of(execution_id)[0].id


def check_histories() -> None:
    for execution in Execution.objects.all():
        check_history(execution.histories, EXECUTION_MACHINE)
        for run in execution.task_runs.all():
            check_history(run.histories, TASK_RUN_MACHINE)


def test_a_paused_subflow_pauses_its_caller_until_it_is_resumed() -> None:
    execution_id, child_id = start_caller(driving.pause("wait"))
    paused = (driving.state_of(execution_id), driving.states_of(execution_id))

    resume_execution(child_id, at=datetime.now(UTC))

    assert paused == ("PAUSED", {"call": "PAUSED"})
    assert (driving.state_of(execution_id), driving.states_of(execution_id)) == ("SUCCESS", {"call": "SUCCESS"})
    check_histories()


def test_a_resume_of_the_caller_resumes_what_it_waits_for() -> None:
    execution_id, _ = start_caller(driving.pause("wait"), driving.heavy("h"))

    resume_execution(execution_id, at=datetime.now(UTC))
    going_on = driving.state_of(execution_id)
    settle()

    assert (going_on, driving.state_of(execution_id)) == ("RUNNING", "SUCCESS")


def test_a_subflow_that_transmits_nothing_does_not_show_that_it_is_paused() -> None:
    execution_id, _ = start_caller(driving.pause("wait"), transmitFailed=False)

    assert (driving.state_of(execution_id), driving.states_of(execution_id)) == ("RUNNING", {"call": "RUNNING"})


def test_a_pause_two_callers_down_reaches_the_outermost_one() -> None:
    driving.save(driving.flowable("loop", "Loop", [driving.pause("wait")], values=["1"]), flow_id="child")
    driving.save(driving.subflow("call", "child"))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    paused = set(Execution.objects.values_list("state", flat=True))

    resume_execution(execution_id, at=datetime.now(UTC))

    assert paused == {"PAUSED"}
    assert set(Execution.objects.values_list("state", flat=True)) == {"SUCCESS"}
    check_histories()


def test_a_loop_is_paused_only_while_none_of_its_iterations_runs() -> None:
    when = "{{ item.value == '1' }}"
    execution_id, (first, second) = start_loop(driving.pause("wait", when=when), driving.heavy("h"), values=["1", "2"])
    after_the_end_of_the_other = (driving.state_of(execution_id), driving.state_of(second))

    resume_execution(first, at=datetime.now(UTC))
    going_on = (driving.state_of(execution_id), driving.states_of(execution_id))
    settle()

    assert after_the_end_of_the_other == ("PAUSED", "SUCCESS")
    assert going_on == ("RUNNING", {"loop": "RUNNING"})
    assert driving.state_of(execution_id) == "SUCCESS"
    check_histories()


def test_a_loop_with_a_limit_pauses_once_for_each_iteration() -> None:
    execution_id, _ = start_loop(driving.pause("wait"), values=["1", "2", "3"], concurrencyLimit=1)
    states = []
    while driving.state_of(execution_id) == "PAUSED":
        states.append(driving.run_of(execution_id, "loop").state)
        resume_execution(execution_id, at=datetime.now(UTC))
        settle()

    assert (states, driving.state_of(execution_id)) == (["PAUSED"] * 3, "SUCCESS")


def test_a_task_beside_a_paused_loop_keeps_the_execution_running() -> None:
    loop = driving.flowable("loop", "Loop", [driving.pause("wait")], values=["1"])
    driving.save(driving.flowable("p", "Parallel", [loop, driving.heavy("h")]))
    execution_id = driving.start()
    driving.visit(execution_id)
    driving.visit(children_of(execution_id)[0].id)
    beside = (driving.state_of(execution_id), driving.run_of(execution_id, "loop").state)

    driving.work(execution_id)

    assert beside == ("RUNNING", "PAUSED")
    assert driving.state_of(execution_id) == "PAUSED"


def test_a_pause_by_hand_of_a_subflow_pauses_its_caller() -> None:
    driving.save(driving.heavy("h"), flow_id="child")
    driving.save(driving.subflow("call", "child"))
    execution_id = driving.start()
    driving.visit(execution_id)
    child_id = children_of(execution_id)[0].id
    driving.visit(child_id)

    pause_execution(child_id, at=datetime.now(UTC))
    paused = driving.state_of(execution_id)
    resume_execution(execution_id, at=datetime.now(UTC))
    settle()

    assert (paused, driving.state_of(execution_id)) == ("PAUSED", "SUCCESS")


def test_a_kill_ends_a_paused_loop_and_its_iterations() -> None:
    execution_id, children = start_loop(driving.pause("wait"), values=["1", "2"])

    kill_execution(execution_id, at=datetime.now(UTC))

    assert {driving.state_of(each) for each in (execution_id, *children)} == {"KILLED"}
    assert driving.states_of(execution_id) == {"loop": "KILLED"}


def test_a_kill_of_the_paused_iteration_goes_to_its_caller() -> None:
    execution_id, (child_id,) = start_loop(driving.pause("wait"), values=["1"])

    kill_execution(child_id, at=datetime.now(UTC))
    settle()

    assert (driving.state_of(execution_id), driving.states_of(execution_id)) == ("KILLED", {"loop": "KILLED"})
    check_histories()


def test_a_paused_subflow_still_has_its_timeout() -> None:
    execution_id, child_id = start_caller(driving.pause("wait"), timeout="PT1S")

    driving.pass_time(execution_id)
    driving.visit(execution_id)

    assert (driving.state_of(execution_id), driving.state_of(child_id)) == ("FAILED", "KILLED")
    check_histories()


def test_a_paused_subflow_that_runs_into_its_timeout_is_retried() -> None:
    retry = {"type": "constant", "interval": "PT1S", "maxAttempts": 2}
    execution_id, child_id = start_caller(driving.pause("wait"), timeout="PT1S", retry=retry)

    driving.pass_time(execution_id)
    driving.visit(execution_id)

    assert (driving.state_of(execution_id), driving.states_of(execution_id)) == ("RUNNING", {"call": "RETRYING"})
    assert driving.state_of(child_id) == "KILLED"


def test_an_exit_beside_a_paused_loop_ends_both() -> None:
    loop = driving.flowable("loop", "Loop", [driving.pause("wait")], values=["1"])
    leave = driving.flowable("leave", "Sequential", [driving.heavy("x"), exit_task("exit", "WARNING")])
    driving.save(driving.flowable("p", "Parallel", [loop, leave]))
    execution_id = driving.start()
    driving.visit(execution_id)
    child_id = children_of(execution_id)[0].id
    driving.visit(child_id)

    driving.work(execution_id)

    assert (driving.state_of(execution_id), driving.state_of(child_id)) == ("WARNING", "KILLED")


def test_a_loop_that_pauses_after_an_exit_is_ended_with_the_execution() -> None:
    loop = driving.flowable("loop", "Loop", [driving.heavy("h"), driving.pause("wait")], values=["1"])
    leave = driving.flowable("leave", "Sequential", [driving.heavy("x"), exit_task("exit", "WARNING")])
    driving.save(driving.flowable("p", "Parallel", [loop, leave]))
    execution_id = driving.start()
    driving.visit(execution_id)
    child_id = children_of(execution_id)[0].id
    driving.visit(child_id)
    driving.work(execution_id)
    before = driving.state_of(child_id)

    driving.work(child_id)

    assert (before, driving.state_of(execution_id), driving.state_of(child_id)) == ("RUNNING", "WARNING", "KILLED")
    assert driving.run_of(execution_id, "loop").state == "CANCELLED"


def test_a_pause_that_nobody_told_is_told_by_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    driving.save(driving.pause("wait"), flow_id="child")
    driving.save(driving.subflow("call", "child"))
    execution_id = driving.start()
    driving.visit(execution_id)
    with monkeypatch.context() as patch:
        # The process dies between the commit and what comes after it.
        patch.setattr("flows.engine.visits._after_commit", lambda turn: None)
        driving.visit(children_of(execution_id)[0].id)
    untold = driving.state_of(execution_id)

    recovery.announce_untold(SERVICES, datetime.now(UTC) + timedelta(seconds=10))

    assert (untold, driving.state_of(execution_id)) == ("RUNNING", "PAUSED")


def test_resume_and_kill_of_the_same_paused_subflow_leave_one_end() -> None:
    execution_id, child_id = start_caller(driving.pause("wait"), driving.heavy("h"))

    driving.at_once(
        lambda: resume_execution(child_id, at=datetime.now(UTC)),
        lambda: kill_execution(child_id, at=datetime.now(UTC)),
    )
    settle()

    assert driving.state_of(child_id) in ("KILLED", "SUCCESS")
    assert driving.state_of(execution_id) == driving.state_of(child_id)
    check_histories()


def test_a_paused_caller_has_nothing_of_its_own_to_restart() -> None:
    execution_id, _ = start_caller(driving.pause("wait"))

    with pytest.raises(Exception, match="none of its task runs failed"):
        restart_execution(execution_id, at=datetime.now(UTC))

    assert driving.state_of(execution_id) == "PAUSED"


def test_an_approval_in_a_subflow_is_not_resumed_through_its_caller() -> None:
    execution_id, _ = start_caller({"id": "ask", "type": f"{driving.CORE}.flow.Approval"})

    with pytest.raises(ConflictError, match="send a review"):
        resume_execution(execution_id, at=datetime.now(UTC))

    assert driving.state_of(execution_id) == "PAUSED"


ASK = {"id": "ask", "type": f"{driving.CORE}.flow.Approval", "inputs": [{"id": "reason", "type": "STRING"}]}


@pytest.mark.parametrize("named", [None, "call"])
def test_an_approval_in_a_subflow_is_decided_through_its_caller(named: str | None) -> None:
    execution_id, child_id = start_caller(ASK)

    review_execution(
        execution_id, decision="APPROVED", inputs={"reason": "fine"}, task_run_id=named, at=datetime.now(UTC), actor="alice"
    )
    settle()

    outputs = driving.run_of(child_id, "ask").outputs
    assert (outputs["decision"], outputs["by"], outputs["inputs"]) == ("APPROVED", "alice", {"reason": "fine"})
    assert driving.state_of(execution_id) == "SUCCESS"
    check_histories()


def test_a_decision_for_another_task_is_not_passed_on() -> None:
    execution_id, child_id = start_caller(ASK)

    with pytest.raises(ConflictError, match="no approval"):
        review_execution(execution_id, decision="APPROVED", task_run_id="other", at=datetime.now(UTC))

    assert driving.state_of(child_id) == "PAUSED"


def test_a_caller_asks_for_the_inputs_of_the_pause_that_it_waits_for() -> None:
    execution_id, child_id = start_caller(driving.pause("wait", onResume=[{"id": "count", "type": "INT"}]))
    at = datetime.now(UTC)

    found = find_asked(Execution.objects.get(id=execution_id))
    wrong = validate_resume_inputs(execution_id, inputs={"count": "many"}, at=at)
    right = validate_resume_inputs(execution_id, inputs={"count": "3"}, at=at)

    assert found is not None and found.task is not None
    assert (found.execution.id, [one.id for one in found.task.inputs]) == (child_id, ["count"])
    assert ([problem.input_id for problem in wrong.problems], dict(right.values)) == (["count"], {"count": 3})
