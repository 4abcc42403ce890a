"""Corners of the flow language where two rules meet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.building import FIRST_ATTEMPT, Task, fail, log, retry_at_once, returned, shell, sleep, subflow, task
from tests.acceptance.workspace import Workspace
from tests.support import eventually


def test_a_sleep_has_a_timeout_like_any_task(workspace: Workspace) -> None:
    """Source: flow language, 7.4."""
    run = workspace.run("late", tasks=[sleep("s", "PT1M", timeout="PT0.5S")])

    assert (run.state, run.summary()) == ("FAILED", {"s": "FAILED"})


def test_a_subflow_that_takes_too_long_is_killed(workspace: Workspace) -> None:
    """Source: flow language, 6.10."""
    workspace.load("child", tasks=[sleep("s", "PT1M")])

    run = workspace.run("parent", tasks=[subflow("c", "child", timeout="PT1S")])

    assert (run.state, run.summary()) == ("FAILED", {"c": "FAILED"})
    assert [child.state for child in workspace.wait_for_executions("child", 1)] == ["KILLED"]


def test_a_cancelled_subflow_cancels_its_task(workspace: Workspace) -> None:
    """Source: flow language, 6.10."""
    workspace.load("child", tasks=[task("p", "flow.Pause", pauseDuration="PT0.2S", behavior="CANCEL")])

    run = workspace.run("parent", tasks=[subflow("c", "child"), log("after")])

    assert run.states("c") == ["CANCELLED"]
    assert run.state == "CANCELLED"


def test_a_failed_subflow_is_tried_again(workspace: Workspace) -> None:
    """Source: flow language, 9.2."""
    workspace.load("child", tasks=[fail("b")])

    run = workspace.run("parent", tasks=[subflow("c", "child", retry=retry_at_once(3))])

    assert (run.state, len(run.task("c").attempts)) == ("FAILED", 3)
    assert len(workspace.wait_for_executions("child", 3)) == 3


@pytest.mark.parametrize("kind", ["Sequential", "Parallel"])
def test_a_group_of_disabled_tasks_succeeds(workspace: Workspace, kind: str) -> None:
    """Source: flow language, 6.3."""
    run = workspace.run("idle", tasks=[task("g", f"flow.{kind}", tasks=[log("a", disabled=True)]), log("after")])

    assert (run.state, run.summary()) == ("SUCCESS", {"g": "SUCCESS", "after": "SUCCESS"})


def test_a_dag_counts_an_allowed_failure_as_an_end(workspace: Workspace) -> None:
    """Source: flow language, 6.4."""
    nodes = [{"task": fail("a", allowFailure=True)}, {"task": log("b"), "dependsOn": ["a"]}]

    run = workspace.run("graph", tasks=[task("d", "flow.Dag", tasks=nodes)])

    assert run.summary() == {"d": "WARNING", "a": "WARNING", "b": "SUCCESS"}


def test_nothing_new_starts_in_a_dag_after_a_failure(workspace: Workspace) -> None:
    """Source: flow language, 6.4."""
    nodes = [{"task": fail("a")}, {"task": sleep("b", "PT0.3S")}, {"task": log("c"), "dependsOn": ["b"]}]

    run = workspace.run("graph", tasks=[task("d", "flow.Dag", tasks=nodes, errors=[log("e")])])

    assert run.summary() == {"d": "FAILED", "a": "FAILED", "b": "SUCCESS", "e": "SUCCESS"}


def test_groups_may_stand_in_error_tasks(workspace: Workspace) -> None:
    """Source: flow language, 8."""
    handling = task("h", "flow.Parallel", tasks=[log("one"), task("i", "flow.If", condition="{{ true }}", then=[log("two")])])

    run = workspace.run("handled", tasks=[fail("b")], errors=[handling])

    assert run.summary() == {"b": "FAILED", "h": "SUCCESS", "one": "SUCCESS", "i": "SUCCESS", "two": "SUCCESS"}
    assert run.state == "FAILED"


def test_a_group_may_be_allowed_to_fail(workspace: Workspace) -> None:
    """Source: flow language, 6.3."""
    group = task("g", "flow.Sequential", tasks=[fail("b"), log("x")], allowFailure=True)

    run = workspace.run("allowed", tasks=[group, log("after")])

    assert (run.summary(), run.state) == ({"g": "WARNING", "b": "FAILED", "after": "SUCCESS"}, "WARNING")


def test_a_skipped_group_runs_none_of_its_tasks(workspace: Workspace) -> None:
    """Source: flow language, 7.1."""
    skipped = {"when": "{{ false }}"}
    groups = [
        task("p", "flow.Parallel", tasks=[log("a")], **skipped),
        task("e", "flow.ForEach", values=["x"], tasks=[log("b")], **skipped),
        task("w", "flow.WorkingDirectory", tasks=[shell("c", "true")], **skipped),
        task("z", "flow.Pause", **skipped),
        task("l", "flow.Loop", values=["x"], tasks=[log("d")], **skipped),
    ]

    run = workspace.run("skipped", tasks=groups)

    assert (run.state, run.summary()) == ("SUCCESS", dict.fromkeys("pewzl", "SKIPPED"))


def test_a_killed_execution_still_runs_what_comes_after_it(workspace: Workspace) -> None:
    """Source: flow language, 8.3."""
    workspace.load("killed", tasks=[task("p", "flow.Pause")], afterExecution=[returned("a", "{{ execution.state }}")])
    execution_id = workspace.start("killed")
    workspace.wait_for(execution_id, "PAUSED")

    workspace.kill(execution_id)
    run = workspace.wait_for_task(execution_id, "a", "SUCCESS")

    assert (run.state, run.task("a").outputs["value"]) == ("KILLED", "KILLED")


def test_a_restart_keeps_the_revision_of_its_execution(workspace: Workspace) -> None:
    """Source: flow language, 2.5 and 10.4."""
    workspace.load("revised", tasks=[fail("b", condition=FIRST_ATTEMPT), returned("r", "old")])
    failed = workspace.wait_for(workspace.start("revised"))
    workspace.load("revised", tasks=[log("b"), returned("r", "new")])

    workspace.act(failed.id, "restart")
    same = workspace.wait_for(failed.id, "SUCCESS")

    assert (same.data["flowRevision"], same.task("r").outputs["value"]) == (1, "old")


def test_a_restart_with_another_revision_is_another_execution(workspace: Workspace) -> None:
    """Source: flow language, 10.4."""
    workspace.load("revised", tasks=[log("a"), fail("b")])
    failed = workspace.wait_for(workspace.start("revised"))
    workspace.load("revised", tasks=[log("a"), returned("b", "repaired")])

    other = workspace.act(failed.id, "restart", revision=2)
    run = workspace.wait_for(other.id)

    assert (run.id != failed.id, run.data["parentId"], run.data["flowRevision"]) == (True, failed.id, 2)
    assert (run.state, run.task("b").outputs) == ("SUCCESS", {"value": "repaired"})


def test_a_replay_of_a_failed_execution_starts_over(workspace: Workspace) -> None:
    """Source: flow language, 10.5."""
    failed = workspace.run("again", tasks=[log("a"), fail("b")], errors=[log("e")])

    run = workspace.wait_for(workspace.act(failed.id, "replay").id)

    assert (run.data["parentId"], run.summary()) == (failed.id, {"a": "SUCCESS", "b": "FAILED", "e": "SUCCESS"})


def test_labels_of_the_caller_win(workspace: Workspace) -> None:
    """Source: flow language, 5.3."""
    workspace.load("labelled", labels={"team": "data", "kind": "flow"}, tasks=[returned("l", "{{ labels.kind }}")])

    run = workspace.wait_for(workspace.start("labelled", labels=["kind:call", "url:http://a:1"]))

    assert run.labels == {"team": "data", "kind": "call", "url": "http://a:1"}
    assert run.task("l").outputs["value"] == "call"


@pytest.mark.parametrize(("transmit", "state"), [(True, "FAILED"), (False, "SUCCESS")])
def test_a_failed_batch_fails_the_loop_that_transmits_it(workspace: Workspace, transmit: bool, state: str) -> None:
    """Source: flow language, 6.7."""
    inputs = [{"id": "file", "type": "FILE"}]
    workspace.load("batch", inputs=inputs, tasks=[fail("b", condition="{{ read(inputs.file) == '2\n' }}")])
    each: Task = task(
        "each",
        "flow.ForEachItem",
        items="{{ outputs.lines.uri }}",
        namespace=workspace.namespace,
        flowId="batch",
        inputs={"file": "{{ taskrun.items }}"},
        transmitFailed=transmit,
    )

    run = workspace.run("batches", tasks=[task("lines", "storage.Write", content="1\n2\n3\n", extension=".txt"), each])

    outputs = run.task("each_items").outputs
    assert (run.state, run.states("each_items")) == (state, [state])
    assert (outputs["numberOfBatches"], outputs["iterations"]["FAILED"], outputs["iterations"]["SUCCESS"]) == (3, 1, 2)


def test_a_warning_in_an_iteration_warns_the_loop(workspace: Workspace) -> None:
    """Source: flow language, 6.5."""
    run = workspace.run("warned", tasks=[task("l", "flow.Loop", values=["a", "b"], tasks=[fail("f", allowFailure=True)])])

    assert (run.state, run.states("l")) == ("WARNING", ["WARNING"])


def test_a_loop_over_rows_gives_one_field_of_all(workspace: Workspace) -> None:
    """Source: flow language, 6.5."""
    rows = task("rows", "storage.Write", content='{"n": 1}\n{"n": 2}\n', extension=".ion")
    declared = [{"id": "n", "type": "INT", "value": "{{ fromJson(item.value).n }}"}]
    loop = task("l", "flow.Loop", values="{{ outputs.rows.uri }}", fetchType="FETCH", tasks=[log("a")], outputs=declared)

    run = workspace.run("fields", tasks=[rows, loop, returned("all", "{{ loopOutputs(outputs.l.outputs, 'n') }}")])

    assert (run.state, run.task("all").outputs["value"]) == ("SUCCESS", "[1,2]")


def test_iterations_of_a_loop_see_what_ran_before_it(workspace: Workspace) -> None:
    """Source: flow language, 6.5."""
    seen = returned("seen", "{{ outputs.before.value }} {{ inputs.x }} {{ vars.v }} {{ item.index }}")
    declared = [{"id": "seen", "type": "STRING", "value": "{{ outputs.seen.value }}"}]
    loop = task("l", "flow.Loop", values=["a"], tasks=[seen], outputs=declared)

    inputs = [{"id": "x", "type": "STRING", "defaults": "in"}]
    workspace.load("inherited", inputs=inputs, variables={"v": 1}, tasks=[returned("before", "b"), loop])

    run = workspace.wait_for(workspace.start("inherited"))

    assert run.task("l").outputs["outputs"][0]["outputs"]["seen"] == "b in 1 0"


def test_exit_in_a_loop_ends_everything(workspace: Workspace) -> None:
    """Source: catalogue, section 5."""
    leaving = task("x", "execution.Exit", state="CANCELED", when="{{ taskrun.value == 'b' }}")

    run = workspace.run("left", tasks=[task("e", "flow.ForEach", values=["a", "b", "c"], tasks=[leaving]), log("after")])

    assert run.state == "CANCELLED"
    assert [one.state for one in run.tasks("x")] == ["SKIPPED", "CANCELLED"]
    assert run.states("after") == []


def test_a_running_execution_pauses_by_hand(workspace: Workspace) -> None:
    """Source: flow language, 6.12."""
    workspace.load("stopped", tasks=[sleep("s", "PT1S"), log("after")])
    execution_id = workspace.start("stopped")
    workspace.wait_for_task(execution_id, "s", "RUNNING")

    workspace.act(execution_id, "pause")
    paused = workspace.wait_for_task(execution_id, "s", "SUCCESS")
    workspace.act(execution_id, "resume")
    run = workspace.wait_for(execution_id)

    assert (paused.state, paused.states("after")) == ("PAUSED", [])
    assert (run.state, run.states("after")) == ("SUCCESS", ["SUCCESS"])


def test_a_raised_limit_lets_queued_executions_go(workspace: Workspace) -> None:
    """Source: flow language, 11."""
    tasks = [task("p", "flow.Pause")]
    workspace.load("limited", concurrency={"limit": 1}, tasks=tasks)
    ids = [workspace.start("limited") for _ in range(3)]
    eventually(lambda: [workspace.read(one).state for one in ids] == ["PAUSED", "QUEUED", "QUEUED"], within=10)

    workspace.load("limited", concurrency={"limit": 2}, tasks=tasks)
    eventually(lambda: [workspace.read(one).state for one in ids] == ["PAUSED", "PAUSED", "QUEUED"], within=20)
    workspace.load("limited", tasks=tasks)

    eventually(lambda: [workspace.read(one).state for one in ids] == ["PAUSED"] * 3, within=20)


def test_a_scheduled_execution_can_be_forced_to_run(workspace: Workspace) -> None:
    """Source: flow language, 10.7."""
    workspace.load("later", tasks=[log("a")])
    execution_id = workspace.start("later", scheduleDate=(datetime.now(UTC) + timedelta(hours=1)).isoformat())

    workspace.act(execution_id, "force-run")

    assert workspace.wait_for(execution_id).state == "SUCCESS"


def test_a_running_execution_is_not_deleted(workspace: Workspace) -> None:
    """Source: flow language, 10.7."""
    workspace.load("kept", tasks=[task("p", "flow.Pause")])
    execution_id = workspace.start("kept")
    workspace.wait_for(execution_id, "PAUSED")

    status, _ = workspace.status_of("DELETE", f"/executions/{execution_id}")

    assert (status, workspace.read(execution_id).state) == (409, "PAUSED")


def test_a_broken_assertion_only_labels_when_it_shall_do_nothing(workspace: Workspace) -> None:
    """Source: flow language, 12."""
    sla = {"id": "s", "type": "EXECUTION_ASSERTION", "assert": "{{ outputs.r.value == 'good' }}", "behavior": "NONE"}

    run = workspace.run("labelled", sla=[sla | {"labels": {"sla": "broken"}}], tasks=[returned("r", "bad"), log("a"), log("b")])

    assert (run.state, run.labels) == ("SUCCESS", {"sla": "broken"})


def test_a_secret_is_hidden_wherever_it_comes_from(workspace: Workspace) -> None:
    """Source: flow language, 16.5."""
    workspace.call("PUT", f"/namespaces/{workspace.namespace}/secrets", {"key": "TOKEN", "value": "very-hidden-1"}, expect=None)
    tasks = [log("l", "with {{ secret('TOKEN') }}"), shell("s", "echo in a script {{ secret('TOKEN') }}")]

    run = workspace.run("hidden", tasks=tasks)

    lines = workspace.wait_for_log(run.id, "in a script")
    assert run.state == "SUCCESS"
    assert "very-hidden-1" not in str(lines)


def test_an_answer_to_a_pause_that_is_secret_is_hidden(workspace: Workspace) -> None:
    """Source: flow language, 3.6 and 16.5."""
    asked = [{"id": "token", "type": "SECRET"}]
    workspace.load("asked", tasks=[task("p", "flow.Pause", onResume=asked), log("l", "with {{ outputs.p.onResume.token }} used")])
    execution_id = workspace.start("asked")
    workspace.wait_for(execution_id, "PAUSED")

    workspace.act(execution_id, "resume", {"token": "very-hidden-2"})
    run = workspace.wait_for(execution_id)

    assert "very-hidden-2" not in str(run.data) + str(workspace.wait_for_log(execution_id, "used"))


def test_the_old_list_of_listeners_runs_after_the_end(workspace: Workspace) -> None:
    """Source: flow language, 8.4."""
    failed = {"type": "io.kestra.plugin.core.condition.ExecutionStatus", "in": ["FAILED"]}
    listeners = [
        {"conditions": [failed], "tasks": [log("heard")]},
        {"conditions": [failed | {"in": ["SUCCESS"]}], "tasks": [log("silent")]},
    ]
    workspace.load("heard", tasks=[fail("b")], listeners=listeners)

    run = workspace.wait_for_task(workspace.start("heard"), "heard", "SUCCESS")

    assert run.state == "FAILED"
    assert run.states("silent") in ([], ["SKIPPED"])
