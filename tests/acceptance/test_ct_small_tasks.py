"""Checks 2, 3, 8 to 10 and 16 to 18 of the catalogue: logs, outputs, counts, labels, keys, assertions."""

from __future__ import annotations

import pytest

from tests.acceptance.building import fail, log, returned, sleep, task, trigger
from tests.acceptance.workspace import Workspace

LONG_AGO = "2020-01-01T00:00:00Z"


def test_ct_02_a_log_writes_one_line_for_each_message_and_an_error_line_fails_nothing(workspace: Workspace) -> None:
    run = workspace.run("logged", tasks=[log("many", ["one", "two {{ flow.id }}"]), log("bad", "wrong", level="ERROR")])

    workspace.wait_for_log(run.id, "wrong")
    assert workspace.logs(run.id, "many") == [("INFO", "one"), ("INFO", "two logged")]
    assert workspace.logs(run.id, "bad") == [("ERROR", "wrong")]
    assert (run.state, run.summary()) == ("SUCCESS", {"many": "SUCCESS", "bad": "SUCCESS"})


def test_ct_03_return_needs_its_variables_but_not_its_format(workspace: Workspace) -> None:
    run = workspace.run("returned", tasks=[task("nothing", "debug.Return"), returned("missing", "{{ outputs.no.value }}")])

    assert run.summary() == {"nothing": "SUCCESS", "missing": "FAILED"}
    assert run.task("nothing").outputs == {"value": None}


def test_ct_08_count_lists_a_named_flow_that_never_ran_but_no_empty_namespace(workspace: Workspace) -> None:
    workspace.load("never", tasks=[log("a")])
    common = {"startDate": LONG_AGO, "expression": "{{ count == 0 }}"}
    by_flow = task("by_flow", "execution.Count", flows=[{"namespace": workspace.namespace, "flowId": "never"}], **common)
    by_namespace = task("by_namespace", "execution.Count", namespaces=[f"{workspace.namespace}.empty"], **common)

    run = workspace.run("counting", tasks=[by_flow, by_namespace])

    row = {"namespace": workspace.namespace, "flowId": "never", "count": 0}
    assert run.state == "SUCCESS"
    assert run.task("by_flow").outputs == {"results": [row], "total": 0}
    assert run.task("by_namespace").outputs == {"results": [], "total": 0}


@pytest.mark.parametrize(
    "written",
    [
        {"team": "data", "tier": 2},
        [{"key": "team", "value": "data"}, {"key": "tier", "value": "2"}],
        '{"team": "data", "tier": 2}',
    ],
    ids=["map", "list", "text"],
)
def test_ct_09_labels_are_the_same_in_every_form(workspace: Workspace, written: object) -> None:
    run = workspace.run("labelled", tasks=[task("l", "execution.Labels", labels=written)])

    assert run.state == "SUCCESS"
    assert run.labels == {"team": "data", "tier": "2"}


def test_ct_09_a_task_may_not_set_labels_of_the_system(workspace: Workspace) -> None:
    run = workspace.run("labelled", tasks=[task("l", "execution.Labels", labels={"system.x": "1"})])

    assert (run.state, run.summary()) == ("FAILED", {"l": "FAILED"})


def test_ct_10_a_key_keeps_the_type_of_its_value(workspace: Workspace) -> None:
    stored = task("stored", "kv.Set", key="object", value="{{ {'a': 1} }}")
    read = task("read", "kv.Get", key="object")

    run = workspace.run("keys", tasks=[stored, read, returned("a", "{{ outputs.read.value.a }}")])

    assert run.state == "SUCCESS"
    assert run.task("read").outputs["value"] == {"a": 1}
    assert run.task("a").outputs["value"] == "1"


def test_ct_10_a_text_is_no_number(workspace: Workspace) -> None:
    run = workspace.run("keys", tasks=[task("stored", "kv.Set", key="n", value="abc", kvType="NUMBER")])

    assert (run.state, run.summary()) == ("FAILED", {"stored": "FAILED"})


def test_ct_10_a_key_is_gone_after_its_time(workspace: Workspace) -> None:
    tasks = [
        task("stored", "kv.Set", key="brief", value="x", ttl="PT0.8S"),
        task("soon", "kv.Get", key="brief"),
        sleep("wait", "PT1S"),
        task("late", "kv.Get", key="brief"),
    ]

    run = workspace.run("keys", tasks=tasks)

    assert run.summary() == {"stored": "SUCCESS", "soon": "SUCCESS", "wait": "SUCCESS", "late": "FAILED"}


def test_ct_16_an_assertion_says_everything_that_does_not_hold(workspace: Workspace) -> None:
    conditions = ["{{ 1 == 2 }}", "{{ true }}", "{{ 2 == 3 }}"]

    run = workspace.run("asserted", tasks=[task("check", "execution.Assert", conditions=conditions, errorMessage="not so")])

    workspace.wait_for_log(run.id, "not so")
    lines = [message for level, message in workspace.logs(run.id, "check") if level == "ERROR"]
    assert (run.state, run.summary()) == ("FAILED", {"check": "FAILED"})
    assert len([line for line in lines if "1 == 2" in line]) == 1
    assert len([line for line in lines if "2 == 3" in line]) == 1
    assert workspace.metrics(run.id) == {"failed": 2, "success": 1}


def test_ct_17_a_templated_task_runs_what_a_worker_can_run(workspace: Workspace) -> None:
    spec = "id: inner\ntype: io.kestra.plugin.core.debug.Return\nformat: {{ flow.id }}"
    arranging = "id: inner\ntype: io.kestra.plugin.core.flow.If\ncondition: 'true'\nthen: []"

    run = workspace.run(
        "templated",
        tasks=[task("good", "templating.TemplatedTask", spec=spec), task("bad", "templating.TemplatedTask", spec=arranging)],
    )

    assert run.summary() == {"good": "SUCCESS", "bad": "FAILED"}
    assert run.task("good").outputs == {"value": "templated"}


def test_ct_18_toggle_disables_when_nothing_else_is_said(workspace: Workspace) -> None:
    workspace.load("scheduled", tasks=[log("a")], triggers=[trigger("s", "Schedule", cron="0 0 1 1 *")])

    run = workspace.run("switching", tasks=[task("off", "trigger.Toggle", flowId="scheduled", trigger="s")])

    assert run.state == "SUCCESS"
    assert workspace.trigger_state("scheduled", "s")["disabled"] is True


def test_ct_18_an_unknown_trigger_cannot_be_toggled(workspace: Workspace) -> None:
    workspace.load("scheduled", tasks=[log("a")], triggers=[trigger("s", "Schedule", cron="0 0 1 1 *")])

    run = workspace.run("switching", tasks=[task("off", "trigger.Toggle", flowId="scheduled", trigger="other"), fail("never")])

    assert (run.state, run.summary()) == ("FAILED", {"off": "FAILED"})
