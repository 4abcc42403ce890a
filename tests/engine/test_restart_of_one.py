"""A restart that names one task run of those that failed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.operations.executions import kill_execution, restart_execution
from flows.primitives.errors import InvalidError, NotFoundError
from tests.support import driving

from .families import settle

pytestmark = pytest.mark.django_db(transaction=True)

ONCE = {"type": f"{driving.CORE}.execution.Fail", "condition": "{{ taskrun.attemptsCount == 0 }}"}


def _fail_twice() -> str:
    """Return an execution of which the two tasks of a Parallel failed, and of which a task follows them."""
    both = driving.flowable("both", "Parallel", [{"id": "a", **ONCE}, {"id": "b", **ONCE}])
    driving.save(both, driving.log("after"))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    assert driving.state_of(execution_id) == "FAILED"
    return execution_id


def _attempts(execution_id: str) -> dict[str, tuple[str, int]]:
    return {name: (driving.run_of(execution_id, name).state, len(driving.run_of(execution_id, name).attempts)) for name in "ab"}


def _restart(execution_id: str, task_id: str) -> None:
    restart_execution(execution_id, task_run_id=driving.run_of(execution_id, task_id).id, at=datetime.now(UTC))
    settle()


def test_only_the_named_task_run_begins_again_and_the_other_one_stays_failed() -> None:
    execution_id = _fail_twice()

    _restart(execution_id, "a")

    assert _attempts(execution_id) == {"a": ("SUCCESS", 2), "b": ("FAILED", 1)}
    assert driving.state_of(execution_id) == "FAILED"


def test_what_follows_runs_when_the_last_failed_task_run_was_restarted() -> None:
    execution_id = _fail_twice()

    _restart(execution_id, "a")
    _restart(execution_id, "b")

    assert _attempts(execution_id) == {"a": ("SUCCESS", 2), "b": ("SUCCESS", 2)}
    assert driving.run_of(execution_id, "after").state == "SUCCESS"
    assert driving.state_of(execution_id) == "SUCCESS"


def test_a_task_run_above_names_all_that_failed_below_it() -> None:
    execution_id = _fail_twice()

    _restart(execution_id, "both")

    assert driving.state_of(execution_id) == "SUCCESS"


def test_a_task_run_that_did_not_fail_or_does_not_exist_is_refused() -> None:
    execution_id = _fail_twice()
    _restart(execution_id, "a")

    with pytest.raises(InvalidError, match="did not fail"):
        _restart(execution_id, "a")
    with pytest.raises(NotFoundError):
        restart_execution(execution_id, task_run_id="unknown", at=datetime.now(UTC))


def test_what_else_waits_goes_on_waiting() -> None:
    both = driving.flowable("both", "Parallel", [{"id": "a", **ONCE}, driving.pause("b")])
    driving.save(both, driving.log("after"))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    assert driving.states_of(execution_id)["b"] == "PAUSED"

    _restart(execution_id, "a")

    assert driving.states_of(execution_id) == {"both": "RUNNING", "a": "SUCCESS", "b": "PAUSED"}
    assert driving.state_of(execution_id) == "PAUSED"


def test_a_killed_task_run_beside_the_named_one_stays_killed() -> None:
    both = driving.flowable("both", "Parallel", [driving.heavy("a"), driving.heavy("b")])
    driving.save(both)
    execution_id = driving.start()
    driving.visit(execution_id)
    kill_execution(execution_id, at=datetime.now(UTC))
    settle()
    assert driving.state_of(execution_id) == "KILLED"

    _restart(execution_id, "a")

    assert {name: driving.run_of(execution_id, name).state for name in "ab"} == {"a": "SUCCESS", "b": "KILLED"}
    assert driving.state_of(execution_id) == "KILLED"
