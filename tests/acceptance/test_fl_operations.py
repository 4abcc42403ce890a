"""Scenarios 32 to 38 of the flow language: what people do with executions, limits and deadlines."""

from __future__ import annotations

import pytest

from tests.acceptance.building import FIRST_ATTEMPT, fail, log, returned, shell, sleep, subflow, task
from tests.acceptance.processes import is_running
from tests.acceptance.workspace import Workspace
from tests.support import eventually


def test_fl_32_a_kill_stops_everything_and_runs_no_cleanup(workspace: Workspace) -> None:
    workspace.load("child", tasks=[sleep("long", "PT1M")])
    branches = task("branches", "flow.Parallel", tasks=[shell("script", "exec sleep 61.0032"), subflow("sub", "child")])
    workspace.load("parent", tasks=[branches], errors=[log("e")], finally_=[log("f")])
    execution_id = workspace.start("parent")
    eventually(lambda: is_running("sleep", "61.0032"), within=20)
    workspace.wait_for_task(execution_id, "sub", "RUNNING")

    workspace.kill(execution_id)
    run = workspace.wait_for(execution_id)
    child = workspace.wait_for_executions("child", 1)[0]

    assert run.state == "KILLED"
    eventually(lambda: workspace.read(execution_id).summary() == {"branches": "KILLED", "script": "KILLED", "sub": "KILLED"})
    assert (child.state, child.summary()) == ("KILLED", {"long": "KILLED"})
    eventually(lambda: not is_running("sleep", "61.0032"), within=10)


def test_fl_33_a_restart_goes_on_from_the_failed_task(workspace: Workspace) -> None:
    tasks = [log("a"), fail("b", condition=FIRST_ATTEMPT), log("c")]
    failed = workspace.run("restarted", tasks=tasks, errors=[log("e")])

    workspace.act(failed.id, "restart")
    run = workspace.wait_for(failed.id, "SUCCESS")

    assert failed.summary() == {"a": "SUCCESS", "b": "FAILED", "e": "SUCCESS"}
    assert run.summary() == {"a": "SUCCESS", "b": "SUCCESS", "c": "SUCCESS"}
    assert run.task("a").data == failed.task("a").data
    assert run.task("b").id == failed.task("b").id
    assert run.task("b").attempts == ["FAILED", "SUCCESS"]
    assert "RESTARTED" in run.history


def test_fl_34_a_replay_is_a_new_execution(workspace: Workspace) -> None:
    source = workspace.run("replayed", tasks=[returned(name, "{{ execution.id }}") for name in ("a", "b", "c")])

    replay = workspace.act(source.id, "replay", taskRunId=source.task("a").id)
    run = workspace.wait_for(replay.id)

    assert run.id != source.id
    assert run.data["parentId"] == source.id
    assert run.summary() == {"a": "SUCCESS", "b": "SUCCESS", "c": "SUCCESS"}
    assert {one.outputs["value"] for one in run.task_runs} == {run.id}
    assert not {one.id for one in run.task_runs} & {one.id for one in source.task_runs}
    assert workspace.read(source.id).data == source.data


def test_fl_35_a_failed_task_set_to_success_lets_the_flow_go_on(workspace: Workspace) -> None:
    failed = workspace.run("repaired", tasks=[log("a"), fail("b"), log("c")])

    workspace.act(failed.id, "state", {"taskRunId": failed.task("b").id, "state": "SUCCESS"})
    run = workspace.wait_for(failed.id, "SUCCESS")

    assert run.summary() == {"a": "SUCCESS", "b": "SUCCESS", "c": "SUCCESS"}
    assert len(run.task("b").attempts) == 1


def test_fl_36_a_full_flow_queues_and_the_oldest_goes_first(workspace: Workspace) -> None:
    workspace.load("queued", concurrency={"limit": 1, "behavior": "QUEUE"}, tasks=[task("p", "flow.Pause")])
    first = workspace.start("queued")
    workspace.wait_for(first, "PAUSED")
    second, third = workspace.start("queued"), workspace.start("queued")

    waiting = [workspace.wait_for(one, "QUEUED").state for one in (second, third)]
    order = []
    for expected in (first, second, third):
        workspace.wait_for(expected, "PAUSED")
        order.append([workspace.read(one).state for one in (first, second, third)])
        workspace.act(expected, "resume")
        workspace.wait_for(expected, "SUCCESS")

    assert waiting == ["QUEUED", "QUEUED"]
    assert order == [["PAUSED", "QUEUED", "QUEUED"], ["SUCCESS", "PAUSED", "QUEUED"], ["SUCCESS", "SUCCESS", "PAUSED"]]


@pytest.mark.parametrize(("behavior", "state"), [("CANCEL", "CANCELLED"), ("FAIL", "FAILED")])
def test_fl_37_a_full_flow_may_refuse(workspace: Workspace, behavior: str, state: str) -> None:
    tasks = [task("p", "flow.Pause")]
    workspace.load("refused", concurrency={"limit": 1, "behavior": behavior}, tasks=tasks, errors=[log("e")])
    workspace.wait_for(workspace.start("refused"), "PAUSED")

    run = workspace.wait_for(workspace.start("refused"))

    assert (run.state, run.task_runs) == (state, [])


def test_fl_38_a_missed_deadline_cancels_and_labels_the_execution(workspace: Workspace) -> None:
    sla = {"id": "quick", "type": "MAX_DURATION", "duration": "PT1S", "behavior": "CANCEL", "labels": {"sla": "missed"}}

    run = workspace.run("bounded", sla=[sla], tasks=[shell("script", "exec sleep 61.0038"), log("c")])

    assert run.state == "CANCELLED"
    assert run.labels == {"sla": "missed"}
    assert run.states("c") == []
    eventually(lambda: not is_running("sleep", "61.0038"), within=15)
