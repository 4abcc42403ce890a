"""Tasks of `afterExecution` that wait for a person, after the execution itself has ended: they are resumed, decided or killed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.operations.executions import kill_execution, resume_execution, review_execution
from flows.operations.resume_checks import validate_resume_inputs
from flows.primitives.errors import ConflictError, InvalidError
from tests.support import driving

from .families import children_of, settle

pytestmark = pytest.mark.django_db(transaction=True)

ASKS = {"onResume": [{"id": "reason", "type": "STRING"}]}


def end_with(*after: dict[str, object]) -> str:
    """Run an execution to its end, with these tasks after it, and return its id."""
    driving.save(driving.log("a"), afterExecution=list(after))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    return execution_id


def test_a_pause_after_the_end_is_resumed_with_its_inputs_and_the_end_stays() -> None:
    execution_id = end_with(driving.pause("wait", **ASKS), driving.log("last"))
    waiting = (driving.state_of(execution_id), driving.run_of(execution_id, "wait").state)

    resume_execution(execution_id, inputs={"reason": "done"}, at=datetime.now(UTC))

    assert waiting == ("SUCCESS", "PAUSED")
    assert driving.states_of(execution_id) == {"a": "SUCCESS", "wait": "SUCCESS", "last": "SUCCESS"}
    assert driving.run_of(execution_id, "wait").outputs["onResume"] == {"reason": "done"}
    assert driving.state_of(execution_id) == "SUCCESS"


def test_a_pause_after_the_end_asks_for_its_inputs() -> None:
    execution_id = end_with(driving.pause("wait", **ASKS))
    checked = validate_resume_inputs(execution_id, inputs={}, at=datetime.now(UTC))

    with pytest.raises(InvalidError):
        resume_execution(execution_id, at=datetime.now(UTC))

    assert [problem.input_id for problem in checked.problems] == ["reason"]
    assert driving.run_of(execution_id, "wait").state == "PAUSED"


def test_a_kill_ends_what_waits_after_the_end_and_nothing_follows() -> None:
    execution_id = end_with(driving.pause("wait"), driving.log("last"))

    kill_execution(execution_id, at=datetime.now(UTC))

    assert driving.states_of(execution_id) == {"a": "SUCCESS", "wait": "KILLED"}
    assert driving.state_of(execution_id) == "SUCCESS"
    with pytest.raises(ConflictError, match="already finished"):
        kill_execution(execution_id, at=datetime.now(UTC))


def test_a_kill_ends_a_subflow_that_waits_after_the_end() -> None:
    driving.save(driving.pause("wait"), flow_id="child")
    execution_id = end_with(driving.flowable("group", "Sequential", [driving.subflow("call", "child")]))
    (child,) = children_of(execution_id)
    assert driving.state_of(child.id) == "PAUSED"

    kill_execution(execution_id, at=datetime.now(UTC))
    settle()

    assert (driving.state_of(child.id), driving.states_of(execution_id)["group"]) == ("KILLED", "KILLED")


def test_a_task_after_the_end_that_waits_for_a_worker_is_killed() -> None:
    driving.save(driving.log("a"), afterExecution=[driving.heavy("h"), driving.log("last")])
    execution_id = driving.start()
    driving.visit(execution_id)

    kill_execution(execution_id, at=datetime.now(UTC))

    assert driving.work(execution_id) == 0
    assert driving.states_of(execution_id) == {"a": "SUCCESS", "h": "KILLED"}


def test_a_subflow_that_waits_after_the_end_is_resumed_through_its_caller() -> None:
    driving.save(driving.pause("wait"), flow_id="child")
    execution_id = end_with(driving.subflow("call", "child"))

    resume_execution(execution_id, at=datetime.now(UTC))
    settle()

    assert driving.states_of(execution_id) == {"a": "SUCCESS", "call": "SUCCESS"}


@pytest.mark.parametrize(("behavior", "end"), [("CONTINUE", "SUCCESS"), ("KILL", "KILLED"), ("CANCEL", "CANCELLED")])
def test_an_approval_after_the_end_is_decided_and_the_end_stays(behavior: str, end: str) -> None:
    execution_id = end_with({"id": "ask", "type": f"{driving.CORE}.flow.Approval", "denyBehavior": behavior})

    review_execution(execution_id, decision="DENIED", at=datetime.now(UTC))

    assert (driving.state_of(execution_id), driving.run_of(execution_id, "ask").state) == ("SUCCESS", end)


def test_an_execution_that_has_ended_with_nothing_after_it_is_not_resumed() -> None:
    execution_id = end_with(driving.log("last"))

    with pytest.raises(ConflictError, match="only a paused execution"):
        resume_execution(execution_id, at=datetime.now(UTC))
    with pytest.raises(ConflictError, match="no approval"):
        review_execution(execution_id, decision="APPROVED", at=datetime.now(UTC))
