"""Scenarios 22 to 27 of the flow language: subflows, pauses and approvals."""

from __future__ import annotations

from tests.acceptance.building import fail, log, returned, subflow, task
from tests.acceptance.workspace import Workspace


def test_fl_22_a_failed_subflow_fails_its_task(workspace: Workspace) -> None:
    workspace.load("child", tasks=[fail("b")])

    run = workspace.run("parent", tasks=[subflow("s", "child"), log("c")])

    assert run.summary() == {"s": "FAILED"}
    assert run.state == "FAILED"


def test_fl_23_a_failed_subflow_may_leave_its_task_successful(workspace: Workspace) -> None:
    workspace.load("child", tasks=[fail("b")])

    run = workspace.run("parent", tasks=[subflow("s", "child", transmitFailed=False), returned("seen", "{{ outputs.s.state }}")])

    assert run.summary() == {"s": "SUCCESS", "seen": "SUCCESS"}
    assert run.task("seen").outputs["value"] == "FAILED"


def test_fl_24_a_disabled_subflow_fails_its_task(workspace: Workspace) -> None:
    workspace.load("child", tasks=[log("a")], disabled=True)

    run = workspace.run("parent", tasks=[subflow("s", "child")])

    assert run.summary() == {"s": "FAILED"}
    assert workspace.executions_of("child") == []


def test_fl_25_bad_answers_leave_a_pause_paused(workspace: Workspace) -> None:
    asked = [{"id": "count", "type": "INT"}]
    workspace.load("asking", tasks=[task("p", "flow.Pause", onResume=asked), returned("n", "{{ outputs.p.onResume.count }}")])
    execution_id = workspace.start("asking")
    workspace.wait_for(execution_id, "PAUSED")

    refused = workspace.status_of("POST", f"/executions/{execution_id}/actions/resume", {"count": "many"})
    still = workspace.read(execution_id)
    workspace.act(execution_id, "resume", {"count": "3"})
    run = workspace.wait_for(execution_id)

    assert refused[0] == 422
    assert (still.state, still.summary()) == ("PAUSED", {"p": "PAUSED"})
    assert (run.state, run.task("n").outputs["value"]) == ("SUCCESS", "3")


def test_fl_26_a_pause_that_runs_out_may_warn(workspace: Workspace) -> None:
    run = workspace.run("warned", tasks=[task("p", "flow.Pause", pauseDuration="PT2S", behavior="WARN"), log("c")])

    assert run.summary() == {"p": "WARNING", "c": "SUCCESS"}
    assert run.state == "WARNING"
    assert (run.task("p").ended_at - run.task("p").began_at).total_seconds() >= 2


def test_fl_27_a_denied_approval_cancels_the_execution(workspace: Workspace) -> None:
    workspace.load("approved", tasks=[task("ask", "flow.Approval", onDeny=[log("no")], onApprove=[log("yes")]), log("c")])
    execution_id = workspace.start("approved")
    paused = workspace.wait_for(execution_id, "PAUSED")

    decision = {"decision": "DENIED", "comment": "not today"}
    workspace.call("POST", f"/executions/{execution_id}/actions/review/{paused.task('ask').id}", decision)
    run = workspace.wait_for(execution_id)

    assert run.state == "CANCELLED"
    assert run.summary() == {"ask": "CANCELLED", "no": "SUCCESS"}
    assert run.task("ask").outputs["decision"] == "DENIED"
    assert run.task("ask").outputs["comment"] == "not today"
