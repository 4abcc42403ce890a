"""Arrangements inside each other: loops with pauses, groups with retries, restarts of parts of a loop."""

from __future__ import annotations

from typing import Any

from tests.acceptance.building import CORE, FIRST_ATTEMPT, fail, log, retry_at_once, returned, shell, sleep, subflow, task
from tests.acceptance.runs import ENDED
from tests.acceptance.workspace import Workspace
from tests.support import eventually


def each(task_id: str, values: list[str], *tasks: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """Return a ForEach."""
    return task(task_id, "flow.ForEach", values=values, tasks=list(tasks), **properties)


def test_a_limit_keeps_iterations_of_for_each_apart(workspace: Workspace) -> None:
    """Source: flow language, 6.6."""
    run = workspace.run("limited", tasks=[each("e", ["a", "b", "c", "d"], sleep("s", "PT0.3S"), concurrencyLimit=2)])

    naps = run.tasks("s")
    most = max(sum(one.began_at <= nap.began_at < one.ended_at for one in naps) for nap in naps)
    assert (run.state, len(naps)) == ("SUCCESS", 4)
    assert most == 2


def test_a_failure_in_a_serial_loop_ends_it_and_runs_its_error_tasks(workspace: Workspace) -> None:
    """Source: flow language, 6.6."""
    loop = each("e", ["a", "b", "c"], fail("f", condition="{{ taskrun.value == 'b' }}"), errors=[log("handled")])

    run = workspace.run("broken", tasks=[loop, log("after")])

    assert [(one.value, one.state) for one in run.tasks("f")] == [("a", "SUCCESS"), ("b", "FAILED")]
    assert (run.states("e"), run.states("handled"), run.states("after"), run.state) == (["FAILED"], ["SUCCESS"], [], "FAILED")


def test_a_restart_runs_only_the_failed_iteration_again(workspace: Workspace) -> None:
    """Source: flow language, 10.4."""
    condition = "{{ taskrun.value == 'b' and taskrun.attemptsCount == 0 }}"
    loop = each("e", ["a", "b", "c"], fail("f", condition=condition), returned("r", "{{ taskrun.value }}"), concurrencyLimit=0)
    failed = workspace.run("restarted", tasks=[loop, log("after")])

    workspace.act(failed.id, "restart")
    run = workspace.wait_for(failed.id, "SUCCESS")

    assert {one.value: len(one.attempts) for one in run.tasks("f")} == {"a": 1, "b": 2, "c": 1}
    assert sorted(one.outputs["value"] for one in run.tasks("r")) == ["a", "b", "c"]
    assert run.states("after") == ["SUCCESS"]


def test_pauses_in_parallel_are_released_one_by_one(workspace: Workspace) -> None:
    """Source: flow language, 6.12."""
    branches = [
        task("left", "flow.Sequential", tasks=[task("p1", "flow.Pause"), log("a1")]),
        task("right", "flow.Sequential", tasks=[task("p2", "flow.Pause"), log("a2")]),
    ]
    workspace.load("paused", tasks=[task("both", "flow.Parallel", tasks=branches), log("after")])
    execution_id = workspace.start("paused")
    eventually(lambda: workspace.read(execution_id).states("p2") == ["PAUSED"], within=20)

    workspace.act(execution_id, "resume")
    halfway = workspace.wait_for_task(execution_id, "a1", "SUCCESS")
    paused = workspace.wait_for(execution_id, "PAUSED")
    workspace.act(execution_id, "resume")
    run = workspace.wait_for(execution_id)

    assert halfway.states("a2") == []
    assert paused.states("p2") == ["PAUSED"]
    assert (run.state, run.states("after")) == ("SUCCESS", ["SUCCESS"])


def test_a_pause_in_a_loop_pauses_and_releases_its_iteration(workspace: Workspace) -> None:
    """Source: flow language, 6.5."""
    loop = task("loop", "flow.Loop", values=["a", "b"], concurrencyLimit=1, tasks=[task("p", "flow.Pause"), log("s")])
    workspace.load("paused", tasks=[loop, log("after")])
    execution_id = workspace.start("paused")

    for _ in range(2):
        iteration = _wait_for_paused_iteration(workspace)
        workspace.act(iteration, "resume")
        workspace.wait_for(iteration, "SUCCESS")
    run = workspace.wait_for(execution_id)

    assert (run.state, run.summary()) == ("SUCCESS", {"loop": "SUCCESS", "after": "SUCCESS"})


def _wait_for_paused_iteration(workspace: Workspace) -> str:
    def look() -> str:
        query = {"namespace": workspace.namespace, "filters[kind][EQUALS]": "LOOP", "size": 100}
        found = workspace.call("GET", "/executions/search", **query)["results"]
        return next((str(row["id"]) for row in found if row["state"]["current"] == "PAUSED"), "")

    return eventually(look, within=20, every=0.1)


def test_a_retry_inside_a_working_directory_stays_in_the_folder(workspace: Workspace) -> None:
    """Source: flow language, 6.11."""
    flaky = shell("flaky", "test -f marker || { touch marker; exit 1; }", retry=retry_at_once(3))
    folder = task("folder", "flow.WorkingDirectory", tasks=[shell("first", "echo hi > text"), flaky, shell("last", "cat text")])

    run = workspace.run("folder", tasks=[folder])

    assert run.state == "SUCCESS"
    assert run.task("flaky").attempts == ["FAILED", "SUCCESS"]


def test_a_working_directory_stops_at_the_first_failure_and_keeps_its_files(workspace: Workspace) -> None:
    """Source: flow language, 6.11."""
    children = [shell("one", "echo kept > out.txt"), shell("two", "exit 1"), shell("three", "true")]
    folder = task("folder", "flow.WorkingDirectory", tasks=children, outputFiles=["*.txt"], errors=[log("e")])

    run = workspace.run("folder", tasks=[folder])

    assert run.summary() == {"folder": "FAILED", "one": "SUCCESS", "two": "FAILED", "e": "SUCCESS"}
    assert list(run.task("folder").outputs["outputFiles"]) == ["out.txt"]


def test_a_condition_that_cannot_be_rendered_fails_its_task(workspace: Workspace) -> None:
    """Source: flow language, 6.4 and 7.1."""
    tasks = [
        task("i", "flow.If", condition="{{ outputs.none.x }}", then=[log("a")], allowFailure=True),
        log("w", when="{{ outputs.none.x }}", allowFailure=True),
        log("last"),
    ]

    run = workspace.run("unrendered", tasks=tasks)

    assert run.summary() == {"i": "WARNING", "w": "WARNING", "last": "SUCCESS"}


def test_the_branch_of_an_if_does_not_change_under_way(workspace: Workspace) -> None:
    """Source: flow language, 6.4."""
    put = task("put", "kv.Set", key="flag", value="false")
    chosen = task(
        "i", "flow.If", condition="{{ kv('flag') }}", then=[put, sleep("s", "PT0.2S"), log("then")], else_=[log("other")]
    )

    run = workspace.run("steady", tasks=[task("first", "kv.Set", key="flag", value="true"), chosen])

    assert run.state == "SUCCESS"
    assert (run.states("then"), run.states("other")) == (["SUCCESS"], [])


def test_a_switch_compares_texts(workspace: Workspace) -> None:
    """Source: flow language, 6.4."""
    source = f"""
id: compared
namespace: {workspace.namespace}
tasks:
  - id: number
    type: {CORE}.flow.Switch
    value: "{{{{ 1 }}}}"
    cases:
      1: [{{id: one, type: {CORE}.log.Log, message: x}}]
  - id: flag
    type: {CORE}.flow.Switch
    value: "{{{{ 1 == 1 }}}}"
    cases:
      true: [{{id: yes, type: {CORE}.log.Log, message: x}}]
"""
    workspace.save(source)

    run = workspace.wait_for(workspace.start("compared"))

    assert run.summary() == {"number": "SUCCESS", "one": "SUCCESS", "flag": "SUCCESS", "yes": "SUCCESS"}


def test_values_of_a_loop_may_be_maps(workspace: Workspace) -> None:
    """Source: flow language, 6.5 and 6.6."""
    values = '[{"name": "a", "n": 1}, {"name": "b", "n": 2}]'
    read = returned("r", "{{ fromJson(taskrun.value).name }}{{ fromJson(taskrun.value).n }}")

    run = workspace.run("mapped", tasks=[task("e", "flow.ForEach", values=values, tasks=[read])])

    assert [one.outputs["value"] for one in run.tasks("r")] == ["a1", "b2"]


def test_subflows_in_a_loop_each_have_their_outputs(workspace: Workspace) -> None:
    """Source: flow language, 6.9 and 6.10."""
    outputs = [{"id": "text", "type": "STRING", "value": "{{ inputs.name }}!"}]
    workspace.load("child", inputs=[{"id": "name", "type": "STRING"}], tasks=[log("a")], outputs=outputs)
    call = subflow("call", "child", inputs={"name": "{{ taskrun.value }}"})
    seen = returned("seen", "{{ outputs.call['b'].outputs.text }}")

    run = workspace.run("parent", tasks=[each("e", ["a", "b", "c"], call, concurrencyLimit=0), seen])

    assert run.state == "SUCCESS"
    assert run.task("seen").outputs["value"] == "b!"


def test_a_failing_task_after_the_end_changes_nothing(workspace: Workspace) -> None:
    """Source: flow language, 8."""
    workspace.load("ended", tasks=[log("a")], afterExecution=[fail("bad"), log("never")])

    execution_id = workspace.start("ended")
    run = workspace.wait_for_task(execution_id, "bad", "FAILED")

    assert (run.state, run.states("never")) == ("SUCCESS", [])


def test_retries_work_in_error_and_final_tasks(workspace: Workspace) -> None:
    """Source: flow language, 8.5."""
    retried = {"condition": FIRST_ATTEMPT, "retry": retry_at_once(3)}

    run = workspace.run(
        "retried", tasks=[fail("b")], errors=[fail("e", **retried), log("e2")], finally_=[fail("f", **retried), log("f2")]
    )

    assert run.summary() == {"b": "FAILED", "e": "SUCCESS", "e2": "SUCCESS", "f": "SUCCESS", "f2": "SUCCESS"}
    assert run.state == "FAILED"


def test_a_killed_execution_may_be_restarted(workspace: Workspace) -> None:
    """Source: flow language, 10.4."""
    workspace.load("killed", tasks=[log("a"), task("p", "flow.Pause"), log("c")])
    execution_id = workspace.start("killed")
    workspace.wait_for(execution_id, "PAUSED")
    workspace.kill(execution_id)
    workspace.wait_for(execution_id, "KILLED")

    workspace.act(execution_id, "restart")
    workspace.wait_for(execution_id, "PAUSED")
    workspace.act(execution_id, "resume")
    run = workspace.wait_for(execution_id, "SUCCESS")

    assert run.summary() == {"a": "SUCCESS", "p": "SUCCESS", "c": "SUCCESS"}


def test_an_execution_that_waits_for_approval_can_be_killed(workspace: Workspace) -> None:
    """Source: flow language, 10.3."""
    workspace.load("asked", tasks=[task("ask", "flow.Approval", onDeny=[log("no")])], finally_=[log("f")])
    execution_id = workspace.start("asked")
    workspace.wait_for(execution_id, "PAUSED")

    workspace.kill(execution_id)
    run = workspace.wait_for(execution_id)

    assert (run.state, run.summary()) == ("KILLED", {"ask": "KILLED"})


def test_a_loop_until_that_reaches_its_limit_may_fail(workspace: Workspace) -> None:
    """Source: flow language, 6.8."""
    frequency = {"interval": "PT0.05S", "maxIterations": 2}
    common = {"condition": "{{ false }}", "checkFrequency": frequency, "tasks": [log("a")]}
    failing = common | {"tasks": [log("b")], "failOnMaxReached": True}

    run = workspace.run("limited", tasks=[task("soft", "flow.LoopUntil", **common), task("hard", "flow.LoopUntil", **failing)])

    assert (run.states("soft"), run.states("hard"), run.state) == (["SUCCESS"], ["FAILED"], "FAILED")


def test_a_loop_until_inside_a_loop_counts_for_each_value(workspace: Workspace) -> None:
    """Source: flow language, 6.8 and 6.9."""
    until = task(
        "until",
        "flow.LoopUntil",
        condition="{{ outputs.until[taskrun.value].iterationCount >= 2 }}",
        checkFrequency={"interval": "PT0.05S"},
        tasks=[log("a")],
    )

    run = workspace.run("counted", tasks=[each("e", ["x", "y"], until)])

    assert run.state == "SUCCESS"
    assert [one.outputs["iterationCount"] for one in run.tasks("until")] == [2, 2]


def test_a_flow_trigger_passes_outputs_and_correlation_on(workspace: Workspace) -> None:
    """Source: flow language, 5.3 and 13.7."""
    outputs = [{"id": "n", "type": "INT", "value": "{{ outputs.a.value }}"}]
    workspace.load("up", tasks=[returned("a", "7")], outputs=outputs)
    entry = {"flowId": "up", "namespace": workspace.namespace, "states": ["SUCCESS"]}
    after = {"id": "t", "type": f"{CORE}.trigger.Flow", "dependsOn": [entry], "inputs": {"n": "{{ trigger.outputs.n }}"}}
    workspace.load("down", inputs=[{"id": "n", "type": "INT"}], tasks=[returned("b", "{{ inputs.n }}")], triggers=[after])

    first = workspace.wait_for(workspace.start("up"))
    run = workspace.wait_for_executions("down", 1)[0]

    labels = {label["key"]: label["value"] for label in run.data["labels"]}
    assert (run.state, run.task("b").outputs["value"]) == ("SUCCESS", "7")
    assert labels["system.correlationId"] == first.id


def test_a_secret_input_is_hidden_in_answers_and_logs(workspace: Workspace) -> None:
    """Source: flow language, 3.2 and 16.5."""
    workspace.load("hidden", inputs=[{"id": "token", "type": "SECRET"}], tasks=[log("l", "token {{ inputs.token }} used")])

    execution_id = workspace.start("hidden", {"token": "s3cr3t-value"})
    run = workspace.wait_for(execution_id)

    lines = workspace.wait_for_log(execution_id, "used")
    assert run.state == "SUCCESS"
    assert "s3cr3t-value" not in str(run.data) + str(lines)
    assert "token ****** used" in [message for _, message in lines]


def test_hundreds_of_iterations_end(workspace: Workspace) -> None:
    """Source: flow language, 6.6; every iteration has its own outputs."""
    values = "{{ range(1, 300) }}"

    run = workspace.run(
        "many", tasks=[task("e", "flow.ForEach", values=values, concurrencyLimit=0, tasks=[returned("r", "{{ taskrun.value }}")])]
    )

    assert run.state == "SUCCESS"
    assert sorted(int(one.outputs["value"]) for one in run.tasks("r")) == list(range(1, 301))
    assert {one.state for one in run.task_runs} <= ENDED
