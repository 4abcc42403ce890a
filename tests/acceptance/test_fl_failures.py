"""Scenarios 1 to 9 of the flow language: what a failing task does to its execution."""

from __future__ import annotations

from tests.acceptance.building import fail, log, returned, sleep, task
from tests.acceptance.workspace import Workspace

FAILED_ONLY = "{{ execution.state == 'FAILED' }}"


def test_fl_01_a_failing_task_ends_the_list(workspace: Workspace) -> None:
    run = workspace.run("one", tasks=[log("a"), fail("b"), log("c")])

    assert run.summary() == {"a": "SUCCESS", "b": "FAILED"}
    assert run.state == "FAILED"


def test_fl_02_error_tasks_run_and_the_execution_stays_failed(workspace: Workspace) -> None:
    run = workspace.run("two", tasks=[log("a"), fail("b"), log("c")], errors=[log("e")])

    assert run.summary() == {"a": "SUCCESS", "b": "FAILED", "e": "SUCCESS"}
    assert run.state == "FAILED"


def test_fl_03_an_allowed_failure_is_a_warning(workspace: Workspace) -> None:
    run = workspace.run("three", tasks=[log("a"), fail("b", allowFailure=True), log("c")])

    assert run.summary() == {"a": "SUCCESS", "b": "WARNING", "c": "SUCCESS"}
    assert run.state == "WARNING"


def test_fl_04_an_allowed_failure_with_an_allowed_warning_is_a_success(workspace: Workspace) -> None:
    run = workspace.run("four", tasks=[fail("b", allowFailure=True, allowWarning=True), log("c")])

    assert run.summary() == {"b": "SUCCESS", "c": "SUCCESS"}
    assert run.state == "SUCCESS"


def test_fl_05_local_error_tasks_run_before_those_of_the_flow(workspace: Workspace) -> None:
    group = task("group", "flow.Sequential", tasks=[fail("b")], errors=[log("local")])

    run = workspace.run("five", tasks=[group, log("c")], errors=[log("global")])

    assert run.summary() == {"group": "FAILED", "b": "FAILED", "local": "SUCCESS", "global": "SUCCESS"}
    assert run.task("local").ended_at <= run.task("global").began_at
    assert run.state == "FAILED"


def test_fl_06_a_failing_cleanup_leaves_the_execution_successful(workspace: Workspace) -> None:
    run = workspace.run("six", tasks=[log("a")], finally_=[fail("f")])

    assert run.summary() == {"a": "SUCCESS", "f": "FAILED"}
    assert run.state == "SUCCESS"


def test_fl_07_after_execution_sees_the_end_state_and_does_not_change_it(workspace: Workspace) -> None:
    after = [returned("seen", "{{ execution.state }}", when=FAILED_ONLY)]
    workspace.load("seven", tasks=[fail("b")], afterExecution=after)

    execution_id = workspace.start("seven")
    run = workspace.wait_for_task(execution_id, "seen", "SUCCESS")

    assert run.task("seen").outputs["value"] == "FAILED"
    assert run.task("seen").began_at >= run.task("b").ended_at
    assert run.state == "FAILED"


def test_fl_08_a_failure_inside_allow_failure_goes_no_further(workspace: Workspace) -> None:
    guarded = task("guarded", "flow.AllowFailure", tasks=[fail("b"), log("x")])

    run = workspace.run("eight", tasks=[guarded, log("c")])

    assert run.summary() == {"guarded": "WARNING", "b": "FAILED", "c": "SUCCESS"}
    assert run.state == "WARNING"


def test_fl_09_running_siblings_of_a_failed_branch_finish(workspace: Workspace) -> None:
    branches = task("branches", "flow.Parallel", tasks=[sleep("a", "PT1S"), fail("b")])

    run = workspace.run("nine", tasks=[branches, log("c")])

    assert run.summary() == {"branches": "FAILED", "a": "SUCCESS", "b": "FAILED"}
    assert run.task("a").ended_at > run.task("b").ended_at
    assert run.state == "FAILED"
