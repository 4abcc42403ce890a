"""Rules of the flow language beside its numbered scenarios: siblings, loops, retries, checks, approvals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.building import FIRST_ATTEMPT, fail, log, retry_at_once, returned, shell, sleep, subflow, task, trigger
from tests.acceptance.workspace import Workspace


@pytest.mark.parametrize(
    ("behavior", "sibling"), [("CANCEL", "CANCELLED"), ("FAIL", "FAILED"), ("CONTINUE", "SUCCESS"), (None, "SUCCESS")]
)
def test_a_failing_child_of_parallel_treats_its_siblings_as_told(
    workspace: Workspace, behavior: str | None, sibling: str
) -> None:
    """Source: flow language, 6.4."""
    given = {"onChildFailure": behavior} if behavior else {}
    children = [shell("slow", "sleep 2"), shell("bad", "sleep 0.5; exit 1")]

    run = workspace.run("siblings", tasks=[task("p", "flow.Parallel", tasks=children, errors=[log("e")], **given)])

    assert run.summary() == {"p": "FAILED", "slow": sibling, "bad": "FAILED", "e": "SUCCESS"}
    assert run.state == "FAILED"


def test_a_pause_without_a_duration_fails_after_its_timeout(workspace: Workspace) -> None:
    """Source: flow language, 6.12."""
    run = workspace.run("impatient", tasks=[task("p", "flow.Pause", timeout="PT1S"), log("never")])

    assert (run.state, run.summary()) == ("FAILED", {"p": "FAILED"})


@pytest.mark.parametrize(
    ("behavior", "task_state", "state"),
    [("RESUME", "SUCCESS", "SUCCESS"), ("FAIL", "FAILED", "FAILED"), ("CANCEL", "CANCELLED", "CANCELLED")],
)
def test_a_pause_ends_by_itself_as_told(workspace: Workspace, behavior: str, task_state: str, state: str) -> None:
    """Source: flow language, 6.12."""
    run = workspace.run("paused", tasks=[task("p", "flow.Pause", pauseDuration="PT0.3S", behavior=behavior)])

    assert (run.state, run.states("p")) == (state, [task_state])


def test_a_task_runs_when_its_pause_begins(workspace: Workspace) -> None:
    """Source: flow language, 6.12."""
    workspace.load("announced", tasks=[task("p", "flow.Pause", onPause=log("told"))])

    execution_id = workspace.start("announced")
    run = workspace.wait_for_task(execution_id, "told", "SUCCESS")

    assert run.states("p") == ["PAUSED"]


def test_nested_loops_see_the_values_around_them(workspace: Workspace) -> None:
    """Source: flow language, 6.5."""
    seen = returned("seen", "{{ item.parent.value }}{{ item.value }}")
    declared = [{"id": "seen", "type": "STRING", "value": "{{ outputs.seen.value }}"}]
    inner = task("inner", "flow.Loop", values=["x", "y"], tasks=[seen], outputs=declared)
    up = [{"id": "rows", "type": "JSON", "value": "{{ outputs.inner.outputs }}"}]

    run = workspace.run("nested", tasks=[task("outer", "flow.Loop", values=["a", "b"], tasks=[inner], outputs=up)])

    rows = run.task("outer").outputs["outputs"]
    assert run.state == "SUCCESS"
    assert [[leaf["outputs"]["seen"] for leaf in row["outputs"]["rows"]] for row in rows] == [["ax", "ay"], ["bx", "by"]]


def test_a_loop_may_break_early(workspace: Workspace) -> None:
    """Source: flow language, 6.5."""
    loop = task(
        "loop", "flow.Loop", values=["a", "b", "c"], concurrencyLimit=1, breakWhen="{{ item.value == 'b' }}", tasks=[log("s")]
    )

    run = workspace.run("broken", tasks=[loop])

    assert run.state == "SUCCESS"
    assert run.task("loop").outputs["terminatedIterations"] == 2


def test_a_failed_iteration_stops_a_loop_that_transmits_it(workspace: Workspace) -> None:
    """Source: flow language, 6.5."""
    step = fail("step", condition="{{ item.value == 'b' }}")

    run = workspace.run("stopped", tasks=[task("loop", "flow.Loop", values=["a", "b", "c"], concurrencyLimit=1, tasks=[step])])

    assert (run.state, run.summary()) == ("FAILED", {"loop": "FAILED"})
    assert run.task("loop").outputs["terminatedIterations"] == 2


def test_killing_a_loop_kills_its_iterations(workspace: Workspace) -> None:
    """Source: flow language, 6.5 and 10.3."""
    workspace.load("killed", tasks=[task("loop", "flow.Loop", values=["a", "b"], tasks=[sleep("long", "PT1M")])])
    execution_id = workspace.start("killed")
    workspace.wait_for_task(execution_id, "loop", "RUNNING")

    workspace.kill(execution_id)
    run = workspace.wait_for(execution_id)

    assert (run.state, run.summary()) == ("KILLED", {"loop": "KILLED"})


@pytest.mark.parametrize("place", ["group", "flow"])
def test_a_task_inherits_the_retry_around_it(workspace: Workspace, place: str) -> None:
    """Source: flow language, 9.2."""
    failing = fail("b", condition=FIRST_ATTEMPT)
    on_flow = {"retry": retry_at_once(3)} if place == "flow" else {}
    on_group = {"retry": retry_at_once(3)} if place == "group" else {}

    run = workspace.run("inherited", tasks=[task("g", "flow.Sequential", tasks=[log("a"), failing], **on_group)], **on_flow)

    assert run.state == "SUCCESS"
    assert (run.task("b").attempts, run.task("a").attempts) == (["FAILED", "SUCCESS"], ["SUCCESS"])


def test_the_retry_of_a_task_goes_before_that_of_the_flow(workspace: Workspace) -> None:
    """Source: flow language, 9.2."""
    run = workspace.run("own", tasks=[fail("b", retry=retry_at_once(2))], retry=retry_at_once(4))

    assert run.task("b").attempts == ["FAILED", "FAILED"]


def test_a_retry_of_the_flow_may_be_a_new_execution(workspace: Workspace) -> None:
    """Source: flow language, 9.4."""
    workspace.load("again", tasks=[log("a"), fail("b")], retry=retry_at_once(2, behavior="CREATE_NEW_EXECUTION"))

    first = workspace.start("again", labels=["who:me"])
    runs = workspace.wait_for_executions("again", 2)

    assert [run.state for run in runs] == ["RETRIED", "FAILED"]
    assert (runs[1].data["parentId"], runs[1].data["originalId"]) == (first, first)
    assert [run.labels for run in runs] == [{"who": "me"}] * 2


def test_a_retry_later_than_its_longest_time_is_not_made(workspace: Workspace) -> None:
    """Source: flow language, 9.1."""
    retry = {"type": "constant", "interval": "PT0.4S", "maxDuration": "PT1S"}

    run = workspace.run("bounded", tasks=[fail("b", retry=retry)])

    assert run.state == "FAILED"
    assert 2 <= len(run.task("b").attempts) <= 3


def test_an_exponential_retry_doubles_its_wait(workspace: Workspace) -> None:
    """Source: flow language, 9.1."""
    retry = {"type": "exponential", "interval": "PT0.4S", "maxInterval": "PT10S", "maxAttempts": 3}

    run = workspace.run("growing", tasks=[fail("b", retry=retry)])

    seconds = (run.task("b").ended_at - run.task("b").began_at).total_seconds()
    assert len(run.task("b").attempts) == 3
    assert 1.2 <= seconds < 3


@pytest.mark.parametrize(
    ("behavior", "state", "after"),
    [("CONTINUE", "SUCCESS", ["SUCCESS"]), ("WARN", "WARNING", ["SUCCESS"]), ("FAIL", "FAILED", []), ("SUCCEED", "SUCCESS", [])],
)
def test_an_approval_ends_as_its_behavior_says(workspace: Workspace, behavior: str, state: str, after: list[str]) -> None:
    """Source: flow language, 6.13."""
    ask = task("ask", "flow.Approval", onApprove=[log("yes")], approveBehavior=behavior)
    workspace.load("asked", tasks=[ask, log("after")])
    execution_id = workspace.start("asked")
    workspace.wait_for(execution_id, "PAUSED")

    workspace.act(execution_id, "review", {"decision": "APPROVED"})
    run = workspace.wait_for(execution_id)

    assert (run.state, run.states("yes"), run.states("after")) == (state, ["SUCCESS"], after)


def test_an_approval_may_need_a_comment(workspace: Workspace) -> None:
    """Source: flow language, 6.13."""
    workspace.load("asked", tasks=[task("ask", "flow.Approval", commentRequired="ON_DENY")])
    execution_id = workspace.start("asked")
    workspace.wait_for(execution_id, "PAUSED")

    status, _ = workspace.status_of("POST", f"/executions/{execution_id}/actions/review", {"decision": "DENIED"})

    assert (status, workspace.read(execution_id).state) == (422, "PAUSED")


@pytest.mark.parametrize(
    ("behavior", "status", "states"),
    [("BLOCK_EXECUTION", 422, []), ("FAIL_EXECUTION", 200, ["FAILED"]), ("CREATE_EXECUTION", 200, ["SUCCESS"])],
)
def test_a_failed_check_does_what_it_says(workspace: Workspace, behavior: str, status: int, states: list[str]) -> None:
    """Source: flow language, 3.7."""
    check = {"when": "{{ inputs.n > 3 }}", "message": "n is too small", "behavior": behavior}
    workspace.load("checked", inputs=[{"id": "n", "type": "INT"}], checks=[check], tasks=[log("a")])

    code, answer = workspace.status_of("POST", f"/executions/{workspace.namespace}/checked", {"n": 1})

    runs = workspace.wait_for_executions("checked", len(states)) if states else workspace.executions_of("checked")
    assert code == status
    assert code == 200 or "n is too small" in str(answer)
    assert [run.state for run in runs] == states


def test_a_subflow_knows_its_caller_and_shares_its_correlation(workspace: Workspace) -> None:
    """Source: flow language, 5.3 and 6.10."""
    workspace.load("child", tasks=[returned("who", "{{ trigger.flowId }} {{ trigger.executionId }}")])

    run = workspace.run("parent", tasks=[subflow("s", "child", labels={"step": "one"})], labels={"own": "x"})
    child = workspace.wait_for_executions("child", 1)[0]

    labels = {label["key"]: label["value"] for label in child.data["labels"]}
    assert child.task("who").outputs["value"] == f"parent {run.id}"
    assert labels["system.correlationId"] == run.id
    assert child.labels == {"step": "one"}


def test_a_subflow_that_is_not_awaited_ends_at_once(workspace: Workspace) -> None:
    """Source: flow language, 6.10."""
    workspace.load("child", tasks=[sleep("long", "PT1M")])

    run = workspace.run("parent", tasks=[subflow("s", "child", wait=False)])

    assert (run.state, run.summary()) == ("SUCCESS", {"s": "SUCCESS"})
    assert workspace.read(run.task("s").outputs["executionId"]).state in {"CREATED", "RUNNING"}


def test_a_restart_goes_on_in_the_failed_subflow(workspace: Workspace) -> None:
    """Source: flow language, 6.10 and 10.4."""
    workspace.load("child", tasks=[log("a"), fail("b", condition=FIRST_ATTEMPT)])
    failed = workspace.run("parent", tasks=[subflow("s", "child")])

    workspace.act(failed.id, "restart")
    run = workspace.wait_for(failed.id, "SUCCESS")

    children = workspace.executions_of("child")
    assert run.summary() == {"s": "SUCCESS"}
    assert [(child.state, child.task("b").attempts) for child in children] == [("SUCCESS", ["FAILED", "SUCCESS"])]


def test_a_webhook_may_answer_with_the_outputs_of_the_flow(workspace: Workspace) -> None:
    """Source: flow language, 13.6."""
    hook = trigger("hook", "Webhook", key="more-1", wait=True, returnOutputs=True)
    outputs = [{"id": "double", "type": "INT", "value": "{{ trigger.body.n * 2 }}"}]
    workspace.load("asked", tasks=[log("a")], triggers=[hook], outputs=outputs)

    status, answer = workspace.status_of("POST", f"/executions/webhook/{workspace.namespace}/asked/more-1", {"n": 21})

    assert (status, answer) == (200, {"double": 42})


def test_replay_from_the_middle_keeps_what_came_before(workspace: Workspace) -> None:
    """Source: flow language, 10.5."""
    source = workspace.run("steps", tasks=[returned(name, "{{ execution.id }}") for name in ("a", "b", "c")])

    replay = workspace.act(source.id, "replay", taskRunId=source.task("b").id)
    run = workspace.wait_for(replay.id)

    values = {one.task_id: one.outputs["value"] for one in run.task_runs}
    assert values == {"a": source.id, "b": run.id, "c": run.id}


def test_an_execution_waits_for_its_date(workspace: Workspace) -> None:
    """Source: flow language, 10.2."""
    from_now = _in_seconds(1.5)
    workspace.load("dated", tasks=[log("a")])

    execution_id = workspace.start("dated", scheduleDate=from_now)
    held = workspace.read(execution_id)
    run = workspace.wait_for(execution_id)

    assert (held.state, held.task_runs) == ("CREATED", [])
    assert run.began_running_at().isoformat() >= from_now


def _in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_exit_ends_the_execution_and_runs_the_cleanup(workspace: Workspace) -> None:
    """Source: catalogue, section 5."""
    run = workspace.run("left", tasks=[task("x", "execution.Exit", state="WARNING"), log("never")], finally_=[log("f")])

    assert run.state == "WARNING"
    assert run.summary() == {"x": "WARNING", "f": "SUCCESS"}


def test_variables_that_a_task_sets_survive_a_restart(workspace: Workspace) -> None:
    """Source: flow language, 5.1."""
    tasks: list[Any] = [
        task("set", "execution.SetVariables", variables={"n": 2, "deep": {"b": 2}}),
        fail("b", condition=FIRST_ATTEMPT),
        returned("seen", "{{ vars.n }} {{ vars.deep.a }} {{ vars.deep.b }}"),
    ]
    failed = workspace.run("kept", variables={"n": 1, "deep": {"a": 1}}, tasks=tasks)

    workspace.act(failed.id, "restart")
    run = workspace.wait_for(failed.id, "SUCCESS")

    assert run.task("seen").outputs["value"] == "2 1 2"


def test_a_killed_queued_execution_leaves_the_queue(workspace: Workspace) -> None:
    """Source: flow language, 10.3."""
    workspace.load("queued", concurrency={"limit": 1}, tasks=[task("p", "flow.Pause")])
    first = workspace.start("queued")
    workspace.wait_for(first, "PAUSED")
    second, third = workspace.start("queued"), workspace.start("queued")
    workspace.wait_for(third, "QUEUED")

    workspace.kill(second)
    workspace.wait_for(second, "KILLED")
    workspace.act(first, "resume")

    assert workspace.wait_for(third, "PAUSED").task_runs
    assert workspace.read(second).task_runs == []


def test_killing_an_execution_ends_its_waiting_retry(workspace: Workspace) -> None:
    """Source: flow language, 10.3."""
    workspace.load("retrying", tasks=[fail("b", retry={"type": "constant", "interval": "PT1M"})])
    execution_id = workspace.start("retrying")
    workspace.wait_for_task(execution_id, "b", "RETRYING")

    workspace.kill(execution_id)
    run = workspace.wait_for(execution_id)

    assert (run.state, run.summary()) == ("KILLED", {"b": "KILLED"})
