"""Scenarios 39 to 44 and 50 of the flow language: skipped tasks, saving, inputs, outputs, defaults."""

from __future__ import annotations

from tests.acceptance.building import CORE, log, returned
from tests.acceptance.workspace import Workspace


def test_fl_39_a_task_whose_condition_is_false_is_skipped(workspace: Workspace) -> None:
    run = workspace.run("skipped", tasks=[log("x", when="{{ false }}"), returned("seen", "{{ tasks.x.state }}")])

    assert run.summary() == {"x": "SKIPPED", "seen": "SUCCESS"}
    assert run.task("seen").outputs["value"] == "SKIPPED"
    assert run.state == "SUCCESS"


def test_fl_40_a_disabled_task_leaves_no_trace(workspace: Workspace) -> None:
    run = workspace.run("disabled", tasks=[log("x", disabled=True), log("y")])

    assert run.summary() == {"y": "SUCCESS"}
    assert run.state == "SUCCESS"


def test_fl_41_saving_the_same_text_makes_no_revision(workspace: Workspace) -> None:
    source = workspace.write("saved", tasks=[log("a")])

    revisions = [workspace.save(text)["revision"] for text in (source, source, f"# a comment\n{source}")]

    assert revisions == [1, 1, 2]


def test_fl_42_a_value_that_is_not_offered_starts_nothing(workspace: Workspace) -> None:
    workspace.load("chosen", inputs=[{"id": "size", "type": "SELECT", "values": ["S", "M"]}], tasks=[log("a")])

    status, answer = workspace.status_of("POST", f"/executions/{workspace.namespace}/chosen", {"size": "XL"})

    assert status == 422
    assert "size" in str(answer)
    assert workspace.executions_of("chosen") == []


def test_fl_43_an_input_that_is_not_asked_is_absent(workspace: Workspace) -> None:
    inputs = [
        {"id": "target", "type": "SELECT", "values": ["local", "cloud"]},
        {
            "id": "region",
            "type": "SELECT",
            "values": ["eu", "us"],
            "dependsOn": {"inputs": ["target"], "condition": "{{ inputs.target == 'cloud' }}"},
        },
    ]
    workspace.load("asked", inputs=inputs, tasks=[returned("seen", "{{ inputs.region ?? 'absent' }}")])

    run = workspace.wait_for(workspace.start("asked", {"target": "local"}))

    assert run.inputs == {"target": "local"}
    assert run.task("seen").outputs["value"] == "absent"


def test_fl_44_a_flow_output_that_cannot_be_rendered_fails_the_execution(workspace: Workspace) -> None:
    outputs = [
        {"id": "good", "type": "STRING", "value": "{{ outputs.a.value }}"},
        {"id": "bad", "type": "STRING", "value": "{{ outputs.nothing.value }}"},
    ]

    run = workspace.run("broken", tasks=[returned("a", "x")], outputs=outputs)

    assert run.states("a") == ["SUCCESS"]
    assert (run.state, run.outputs or {}) == ("FAILED", {})


def test_fl_50_defaults_fill_what_a_task_leaves_open(workspace: Workspace) -> None:
    defaults = [
        {"type": f"{CORE}.log", "values": {"level": "WARN", "message": ["from the defaults"]}},
        {"type": f"{CORE}.debug.Return", "values": {"format": "default"}},
    ]
    tasks = [log("all", ["from the task"], level="ERROR"), log("level", ["second"]), returned("own", "explicit")]
    tasks.append({"id": "open", "type": f"{CORE}.debug.Return"})

    run = workspace.run("defaulted", pluginDefaults=defaults, tasks=tasks)

    assert run.state == "SUCCESS"
    assert (run.task("own").outputs["value"], run.task("open").outputs["value"]) == ("explicit", "default")
    workspace.wait_for_log(run.id, "second")
    assert workspace.logs(run.id, "all") == [("ERROR", "from the defaults"), ("ERROR", "from the task")]
    assert workspace.logs(run.id, "level") == [("WARN", "from the defaults"), ("WARN", "second")]
