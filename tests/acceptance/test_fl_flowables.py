"""Scenarios 10 to 21 of the flow language: tasks that arrange other tasks."""

from __future__ import annotations

from tests.acceptance.building import FIRST_ATTEMPT, fail, log, retry_at_once, returned, sleep, task
from tests.acceptance.workspace import Workspace


def test_fl_10_a_waiting_retry_keeps_its_place_in_parallel(workspace: Workspace) -> None:
    first = fail("first", condition=FIRST_ATTEMPT, retry=retry_at_once(3) | {"interval": "PT1S"})

    run = workspace.run("ten", tasks=[task("p", "flow.Parallel", concurrent=1, tasks=[first, log("second")])])

    assert run.state == "SUCCESS"
    assert "RETRYING" in run.task("first").history
    assert run.task("second").began_at >= run.task("first").ended_at


def test_fl_11_a_dag_runs_what_has_all_it_needs(workspace: Workspace) -> None:
    nodes = [
        {"task": log("a")},
        {"task": sleep("b", "PT0.5S"), "dependsOn": ["a"]},
        {"task": sleep("c", "PT0.5S"), "dependsOn": ["a"]},
        {"task": log("d"), "dependsOn": ["b", "c"]},
    ]

    run = workspace.run("eleven", tasks=[task("dag", "flow.Dag", tasks=nodes)])

    assert run.state == "SUCCESS"
    assert run.task("b").overlaps(run.task("c"))
    assert run.task("a").ended_at <= min(run.task("b").began_at, run.task("c").began_at)
    assert run.task("d").began_at >= max(run.task("b").ended_at, run.task("c").ended_at)


def test_fl_12_a_switch_without_a_match_and_defaults_fails(workspace: Workspace) -> None:
    run = workspace.run("twelve", tasks=[task("s", "flow.Switch", value="other", cases={"known": [log("a")]})])

    assert run.summary() == {"s": "FAILED"}
    assert run.state == "FAILED"


def test_fl_13_an_if_without_else_succeeds_when_its_condition_is_false(workspace: Workspace) -> None:
    run = workspace.run("thirteen", tasks=[task("i", "flow.If", condition="{{ 1 == 2 }}", then=[log("a")])])

    assert run.summary() == {"i": "SUCCESS"}
    assert run.task("i").outputs == {"evaluationResult": False}
    assert run.state == "SUCCESS"


def test_fl_14_a_loop_over_nothing_succeeds(workspace: Workspace) -> None:
    run = workspace.run("fourteen", tasks=[task("each", "flow.ForEach", values="[]", tasks=[log("a")]), log("next")])

    assert run.summary() == {"each": "SUCCESS", "next": "SUCCESS"}
    assert run.state == "SUCCESS"


def test_fl_15_a_null_among_the_values_fails_the_loop(workspace: Workspace) -> None:
    run = workspace.run("fifteen", tasks=[task("each", "flow.ForEach", values='["a", null]', tasks=[log("a")])])

    assert run.summary() == {"each": "FAILED"}
    assert run.state == "FAILED"


def test_fl_16_equal_values_make_one_iteration(workspace: Workspace) -> None:
    child = returned("leaf", "{{ taskrun.value }}")

    run = workspace.run("sixteen", tasks=[task("each", "flow.ForEach", values='["a", "a", "b"]', tasks=[child])])

    assert [leaf.outputs["value"] for leaf in run.tasks("leaf")] == ["a", "b"]
    assert run.state == "SUCCESS"


def test_fl_17_outputs_of_nested_loops_are_found_by_both_values(workspace: Workspace) -> None:
    leaf = returned("leaf", "{{ parent.taskrun.value }}-{{ taskrun.value }}")
    inner = task("inner", "flow.ForEach", values='["x", "y"]', tasks=[leaf])
    outer = task("outer", "flow.ForEach", values='["a", "b"]', tasks=[inner])

    run = workspace.run("seventeen", tasks=[outer, returned("seen", "{{ outputs.leaf['b']['x'].value }}")])

    assert run.state == "SUCCESS"
    assert len(run.tasks("leaf")) == 4
    assert run.task("seen").outputs["value"] == "b-x"


def test_fl_18_a_loop_over_a_map_has_an_execution_for_each_key(workspace: Workspace) -> None:
    step = returned("step", "{{ item.key }}={{ item.value }}")
    declared = [{"id": "seen", "type": "STRING", "value": "{{ outputs.step.value }}"}]
    values = {"one": "first", "two": "second"}

    run = workspace.run("eighteen", tasks=[task("loop", "flow.Loop", values=values, tasks=[step], outputs=declared)])

    rows = run.task("loop").outputs["outputs"]
    assert run.state == "SUCCESS"
    assert run.task("loop").outputs["iterationCount"] == 2
    assert [row["outputs"]["seen"] for row in rows] == ["one=first", "two=second"]
    assert [row["item"]["key"] for row in rows] == ["one", "two"]
    assert run.states("step") == []


def test_fl_19_failed_iterations_do_not_fail_a_loop_that_does_not_transmit_them(workspace: Workspace) -> None:
    """
    The corpus states `terminatedIterations` as one number (LoopCaseTest), so the count of each state that the scenario asks for
    is read from `iterationStates`.
    """
    step = fail("step", condition="{{ item.value == 'b' }}")
    loop = task("loop", "flow.Loop", values=["a", "b", "c"], concurrencyLimit=1, transmitFailed=False, tasks=[step])

    run = workspace.run("nineteen", tasks=[loop])

    outputs = run.task("loop").outputs
    assert run.summary() == {"loop": "SUCCESS"}
    assert outputs["terminatedIterations"] == 3
    assert outputs["iterationStates"] == {"SUCCESS": 2, "FAILED": 1}


def test_fl_20_a_loop_over_a_file_has_an_iteration_for_each_line(workspace: Workspace) -> None:
    declared = [{"id": "line", "type": "STRING", "value": "{{ item.value }}"}]
    lines = task("lines", "storage.Write", content="one\ntwo\nthree\n", extension=".txt")
    loop = task("loop", "flow.Loop", values="{{ outputs.lines.uri }}", tasks=[log("step")], outputs=declared)

    run = workspace.run("twenty", tasks=[lines, loop])

    outputs = run.task("loop").outputs
    assert run.state == "SUCCESS"
    assert outputs["iterationCount"] == 3
    stored = workspace.read_file(run.id, outputs["uri"])
    assert [word for word in ("one", "two", "three") if word in stored] == ["one", "two", "three"]


def test_fl_21_loop_until_keeps_the_children_of_its_last_pass(workspace: Workspace) -> None:
    loop = task(
        "loop",
        "flow.LoopUntil",
        condition="{{ outputs.loop.iterationCount >= 3 }}",
        checkFrequency={"interval": "PT0.1S", "maxIterations": 10},
        tasks=[returned("step", "pass {{ taskrun.id }}")],
    )

    run = workspace.run("twenty-one", tasks=[loop])

    assert run.state == "SUCCESS"
    assert run.task("loop").outputs["iterationCount"] == 3
    assert len(run.tasks("step")) == 1
