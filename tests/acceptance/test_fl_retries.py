"""Scenarios 28 to 31 of the flow language: retries and timeouts."""

from __future__ import annotations

from tests.acceptance.building import FIRST_ATTEMPT, fail, log, retry_at_once, shell
from tests.acceptance.workspace import Workspace


def test_fl_28_the_error_tasks_run_after_the_last_attempt(workspace: Workspace) -> None:
    run = workspace.run("three", tasks=[fail("b", retry=retry_at_once(3))], errors=[log("e")])

    assert run.task("b").attempts == ["FAILED", "FAILED", "FAILED"]
    assert run.summary() == {"b": "FAILED", "e": "SUCCESS"}
    assert run.task("e").began_at >= run.task("b").ended_at
    assert run.state == "FAILED"
    assert (run.ended_at - run.created_at).total_seconds() < 3


def test_fl_29_a_success_after_a_retry_may_be_a_warning(workspace: Workspace) -> None:
    run = workspace.run("warned", tasks=[fail("b", condition=FIRST_ATTEMPT, retry=retry_at_once(3, warningOnRetry=True))])

    assert len(run.task("b").attempts) == 2
    assert run.summary() == {"b": "WARNING"}
    assert run.state == "WARNING"


def test_fl_30_a_retry_may_be_a_new_execution(workspace: Workspace) -> None:
    workspace.load("again", tasks=[fail("b", retry=retry_at_once(3, behavior="CREATE_NEW_EXECUTION"))], errors=[log("e")])

    first = workspace.start("again")
    runs = workspace.wait_for_executions("again", 3)

    assert [run.state for run in runs] == ["RETRIED", "RETRIED", "FAILED"]
    assert {run.data["originalId"] for run in runs} == {first}
    assert [run.data["metadata"]["attemptNumber"] for run in runs] == [1, 2, 3]
    assert [run.states("e") for run in runs] == [[], [], ["SUCCESS"]]


def test_fl_31_a_timeout_counts_for_each_attempt(workspace: Workspace) -> None:
    run = workspace.run("late", tasks=[shell("t", "sleep 30", timeout="PT1S", retry=retry_at_once(2))])

    assert run.task("t").attempts == ["FAILED", "FAILED"]
    assert run.state == "FAILED"
    assert (run.ended_at - run.created_at).total_seconds() < 10
