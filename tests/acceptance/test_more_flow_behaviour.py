"""Behaviour of flows in the corners where tasks wait, fail beside each other, or are told about to other flows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.building import Task, fail, log, returned, sleep, task, trigger
from tests.acceptance.runs import Run
from tests.acceptance.workspace import Workspace


def _decide(workspace: Workspace, run: Run, decision: str, task_id: str = "ask") -> None:
    body = {"decision": decision, "comment": "said"}
    workspace.call("POST", f"/executions/{run.id}/actions/review/{run.task(task_id).id}", body)


def _beside(*tasks: Task) -> list[Task]:
    return [task("both", "flow.Parallel", tasks=list(tasks))]


@pytest.mark.parametrize(
    ("decision", "properties", "state", "sibling"),
    [
        ("APPROVED", {}, "SUCCESS", "SUCCESS"),
        ("DENIED", {}, "CANCELLED", "SUCCESS"),
        ("DENIED", {"denyBehavior": "KILL"}, "KILLED", "KILLED"),
    ],
)
def test_an_approval_can_be_decided_while_another_task_runs(
    workspace: Workspace, decision: str, properties: dict[str, Any], state: str, sibling: str
) -> None:
    ask = task("ask", "flow.Approval", onApprove=[log("yes")], onDeny=[log("no")], **properties)
    workspace.load("decided", tasks=_beside(ask, sleep("busy", "PT2S")))
    execution_id = workspace.start("decided")
    asking = workspace.wait_for_task(execution_id, "ask", "PAUSED")

    _decide(workspace, asking, decision)
    workspace.wait_for(execution_id)
    run = workspace.wait_for_task(execution_id, "busy", sibling)

    assert asking.state == "RUNNING"
    assert run.state == state
    assert run.task("ask").outputs["decision"] == decision


def test_an_approval_waits_although_what_it_does_before_failed_when_failures_are_allowed(workspace: Workspace) -> None:
    ask = task("ask", "flow.Approval", allowFailure=True, onWait=[fail("tell")], onApprove=[log("yes")], finally_=[log("tidy")])
    workspace.load("forgiving", tasks=[ask])
    execution_id = workspace.start("forgiving")
    asking = workspace.wait_for(execution_id, "PAUSED")

    _decide(workspace, asking, "APPROVED")
    run = workspace.wait_for(execution_id)

    assert asking.states("tidy") == []
    assert run.summary() == {"ask": "SUCCESS", "tell": "FAILED", "yes": "SUCCESS", "tidy": "SUCCESS"}
    assert run.state == "SUCCESS"


def test_a_resume_releases_the_pause_and_leaves_the_approval_before_it_waiting(workspace: Workspace) -> None:
    workspace.load("mixed", tasks=_beside(task("ask", "flow.Approval"), task("p", "flow.Pause")))
    execution_id = workspace.start("mixed")
    workspace.wait_for(execution_id, "PAUSED")

    workspace.act(execution_id, "resume")
    asking = workspace.wait_for_task(execution_id, "p", "SUCCESS")
    asking = workspace.wait_for(asking.id, "PAUSED")
    _decide(workspace, asking, "APPROVED")
    run = workspace.wait_for(execution_id)

    assert asking.states("ask") == ["PAUSED"]
    assert run.state == "SUCCESS"


def test_a_pause_can_be_resumed_while_another_task_runs(workspace: Workspace) -> None:
    workspace.load("released", tasks=_beside(task("p", "flow.Pause"), sleep("busy", "PT2S")))
    execution_id = workspace.start("released")
    workspace.wait_for_task(execution_id, "p", "PAUSED")

    workspace.act(execution_id, "resume")
    released = workspace.wait_for_task(execution_id, "p", "SUCCESS")
    run = workspace.wait_for(execution_id)

    assert released.states("busy") == ["RUNNING"]
    assert run.state == "SUCCESS"


def test_errors_of_a_pause_run_when_it_runs_out(workspace: Workspace) -> None:
    pause = task("p", "flow.Pause", timeout="PT0.2S", errors=[log("alert")], finally_=[log("tidy")])

    run = workspace.run("late", tasks=[pause, log("never")], afterExecution=[log("end")])

    assert run.summary() == {"p": "FAILED", "alert": "SUCCESS", "tidy": "SUCCESS", "end": "SUCCESS"}
    assert run.state == "FAILED"


def test_children_of_a_loop_until_see_the_number_of_their_pass_from_one(workspace: Workspace) -> None:
    inner = task(
        "inner",
        "flow.LoopUntil",
        condition="{{ outputs.b.value | number >= 2 }}",
        checkFrequency={"interval": "PT0.1S"},
        tasks=[returned("b", "{{ outputs.inner.iterationCount }}")],
    )
    outer = task(
        "outer",
        "flow.LoopUntil",
        condition="{{ outputs.a.value | number >= 2 }}",
        checkFrequency={"interval": "PT0.1S"},
        tasks=[returned("a", "{{ outputs.outer.iterationCount }}"), inner],
    )

    run = workspace.run("counted", tasks=[outer])

    assert run.state == "SUCCESS"
    assert [run.task(name).outputs["iterationCount"] for name in ("outer", "inner")] == [2, 2]
    assert [run.task(name).outputs["value"] for name in ("a", "b")] == ["2", "2"]


@pytest.mark.parametrize(("written", "state"), [("CANCELLED", "CANCELLED"), ("FAIL", "FAILED")])
def test_a_dag_stops_the_siblings_of_a_child_that_failed_where_that_is_asked_for(
    workspace: Workspace, written: str, state: str
) -> None:
    nodes = [{"task": fail("broken")}, {"task": sleep("slow", "PT20S")}]

    run = workspace.run("stopped", tasks=[task("dag", "flow.Dag", onChildFailure=written, tasks=nodes)])

    assert run.summary() == {"dag": "FAILED", "broken": "FAILED", "slow": state}
    assert run.state == "FAILED"


def test_a_negative_limit_fails_a_parallel_instead_of_starting_nothing_for_ever(workspace: Workspace) -> None:
    run = workspace.run("limited", tasks=[task("p", "flow.Parallel", concurrent="{{ 0 - 1 }}", tasks=[log("a")])])

    assert run.summary() == {"p": "FAILED"}
    workspace.wait_for_log(run.id, "must be 0 or more")


def test_a_skipped_task_has_one_attempt_that_says_so(workspace: Workspace) -> None:
    directory = task("w", "flow.WorkingDirectory", tasks=[log("inside", when="{{ false }}")])

    run = workspace.run("skipping", tasks=[log("light", when="{{ false }}"), directory])

    assert [run.task(name).attempts for name in ("light", "inside")] == [["SKIPPED"], ["SKIPPED"]]


def test_listeners_run_before_what_comes_after_the_execution(workspace: Workspace) -> None:
    listeners = [{"tasks": [log("listener")]}]

    run = workspace.run("listened", tasks=[log("a")], listeners=listeners, afterExecution=[log("end")])

    assert list(run.summary()) == ["a", "listener", "end"]
    assert run.task("end").began_at >= run.task("listener").ended_at


def test_batches_that_nobody_waits_for_count_as_done(workspace: Workspace) -> None:
    workspace.load("batch", tasks=[sleep("s", "PT0.2S")])
    items = task(
        "each", "flow.ForEachItem", items="{{ outputs.lines.uri }}", namespace=workspace.namespace, flowId="batch", wait=False
    )

    run = workspace.run("sent", tasks=[task("lines", "storage.Write", content="1\n2\n3\n", extension=".txt"), items])

    assert run.state == "SUCCESS"
    assert run.task("each_items").outputs["iterations"] == {"RUNNING": 0, "SUCCESS": 3}
    assert [one.state for one in workspace.wait_for_executions("batch", 3)] == ["SUCCESS"] * 3


def test_a_restarted_execution_is_labelled(workspace: Workspace) -> None:
    workspace.load("again", tasks=[fail("once", condition="{{ taskrun.attemptsCount == 0 }}")])
    failed = workspace.wait_for(workspace.start("again"))

    workspace.act(failed.id, "restart")
    run = workspace.wait_for(failed.id, "SUCCESS")

    assert "system.restarted" not in _all_labels(workspace, failed)
    assert _all_labels(workspace, run)["system.restarted"] == "true"


def test_a_restarted_loop_until_has_its_whole_time_again(workspace: Workspace) -> None:
    limits = {"interval": "PT0.2S", "maxDuration": "PT1S"}
    loop = task(
        "again", "flow.LoopUntil", condition="{{ false }}", checkFrequency=limits, failOnMaxReached=True, tasks=[log("a")]
    )
    failed = workspace.run("patient", tasks=[loop])

    workspace.act(failed.id, "restart")
    run = workspace.wait_for(failed.id)

    assert failed.state == "FAILED"
    assert run.task("again").outputs["iterationCount"] > 2


def _all_labels(workspace: Workspace, run: Run) -> dict[str, str]:
    return {label["key"]: label["value"] for label in run.data["labels"]}


def test_a_task_that_kills_needs_no_id_to_kill_its_own_execution(workspace: Workspace) -> None:
    run = workspace.run("ending", tasks=[log("first"), task("stop", "execution.Kill"), log("never")])

    assert run.state == "KILLED"
    assert run.summary() == {"first": "SUCCESS", "stop": "KILLED"}


@pytest.mark.parametrize("labels", [{"stage": {"name": "done"}}, [{"key": "stage", "value": {"name": "done"}}]])
def test_a_label_with_a_map_becomes_text(workspace: Workspace, labels: Any) -> None:
    run = workspace.run("marked", tasks=[task("mark", "execution.Labels", labels=labels)])

    assert run.labels == {"stage": '{"name":"done"}'}


def _listener(workspace: Workspace, watched: str, states: list[str]) -> dict[str, Any]:
    listens = trigger("t", "Flow", states=states, dependsOn=[{"namespace": workspace.namespace, "flowId": watched}])
    return {"tasks": [returned("seen", "{{ trigger.state }}")], "triggers": [listens]}


def test_a_flow_hears_of_states_that_another_only_passes_through(workspace: Workspace) -> None:
    workspace.load("ear", **_listener(workspace, "watched", ["RUNNING", "PAUSED", "SUCCESS"]))
    workspace.run("watched", tasks=[log("a"), task("p", "flow.Pause", pauseDuration="PT0.5S"), log("b")])

    runs = workspace.wait_for_executions("ear", 4)

    assert sorted(run.task("seen").outputs["value"] for run in runs) == ["PAUSED", "RUNNING", "RUNNING", "SUCCESS"]


def test_a_flow_hears_that_another_waits_in_the_queue(workspace: Workspace) -> None:
    workspace.load("ear", **_listener(workspace, "narrow", ["QUEUED"]))
    workspace.load("narrow", tasks=[sleep("s", "PT0.5S")], concurrency={"limit": 1, "behavior": "QUEUE"})
    workspace.start("narrow")
    second = workspace.wait_for(workspace.start("narrow"))

    runs = workspace.wait_for_executions("ear", 1)

    assert "QUEUED" in [entry["state"] for entry in second.data["state"]["histories"]]
    assert [run.task("seen").outputs["value"] for run in runs] == ["QUEUED"]


def test_what_is_met_already_stays_met_when_dependencies_change_places(workspace: Workspace) -> None:
    entries = [{"namespace": workspace.namespace, "flowId": name, "states": ["SUCCESS"]} for name in ("one", "two")]
    workspace.load("ear", tasks=[log("a")], triggers=[trigger("t", "Flow", dependsOn=entries)])
    workspace.run("one", tasks=[log("a")])
    workspace.load("ear", tasks=[log("a")], triggers=[trigger("t", "Flow", dependsOn=entries[::-1])])
    workspace.run("two", tasks=[log("a")])

    assert [run.state for run in workspace.wait_for_executions("ear", 1)] == ["SUCCESS"]
