"""Scenarios 45 to 49 of the flow language: schedules, webhooks and flow triggers."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from tests.acceptance.building import fail, log, returned, sleep, trigger
from tests.acceptance.workspace import Workspace, read_moment
from tests.support import eventually

EVERY_SECOND = {"cron": "* * * * * *", "withSeconds": True}


def test_fl_45_a_busy_schedule_catches_up_without_overlap(workspace: Workspace) -> None:
    """The scenario's minute and three minutes are one second and three seconds here; the rule does not know the difference."""
    schedule = trigger("s", "Schedule", **EVERY_SECOND)
    workspace.load("busy", tasks=[sleep("wait", "PT2.5S"), returned("date", "{{ trigger.date }}")], triggers=[schedule])

    def look() -> bool:
        return len([run for run in workspace.executions_of("busy") if run.state == "SUCCESS"]) >= 3

    eventually(look, within=30, every=0.3)
    workspace.load("busy", tasks=[log("a")])
    first, second, third = [run for run in workspace.executions_of("busy") if run.state == "SUCCESS"][:3]

    dates = [read_moment(run.task("date").outputs["value"]) for run in (first, second, third)]
    assert not first.overlaps(second)
    assert not second.overlaps(third)
    assert [later - earlier for earlier, later in pairwise(dates)] == [timedelta(seconds=1)] * 2
    assert third.created_at - dates[2] > timedelta(seconds=2)


def test_fl_46_a_trigger_stops_after_the_state_it_names(workspace: Workspace) -> None:
    workspace.load("stopping", tasks=[fail("b")], triggers=[trigger("s", "Schedule", **EVERY_SECOND, stopAfter=["FAILED"])])

    eventually(lambda: workspace.trigger_state("stopping", "s")["disabled"], within=20, every=0.1)

    assert [run.state for run in workspace.executions_of("stopping")] == ["FAILED"]


def test_fl_47_a_webhook_whose_condition_is_false_starts_nothing(workspace: Workspace) -> None:
    hook = trigger("hook", "Webhook", key="acceptance-47", when="{{ trigger.body.go }}")
    workspace.load("hooked", tasks=[log("a")], triggers=[hook])
    address = f"/executions/webhook/{workspace.namespace}/hooked/acceptance-47"

    statuses = [workspace.status_of("POST", address, {"go": go})[0] for go in (False, True)]

    assert statuses == [204, 200]
    assert [run.state for run in workspace.wait_for_executions("hooked", 1)] == ["SUCCESS"]


def test_fl_48_a_flow_trigger_waits_for_all_and_starts_over(workspace: Workspace) -> None:
    for name in ("left", "right"):
        workspace.load(name, tasks=[log("a")])
    entries = [{"flowId": name, "namespace": workspace.namespace, "states": ["SUCCESS"]} for name in ("left", "right")]
    both = trigger("both", "Flow", mode="ALL", window={"every": "P1D"}, dependsOn=entries)
    workspace.load("joined", tasks=[log("a")], triggers=[both])
    counts = []

    for name in ("left", "right", "left", "right"):
        workspace.wait_for(workspace.start(name))
        if name == "right":
            workspace.wait_for_executions("joined", len(counts) // 2 + 1)
        counts.append(len(workspace.executions_of("joined")))

    assert counts == [0, 1, 1, 2]


def test_fl_49_a_flow_trigger_whose_inputs_cannot_be_rendered_leaves_a_failed_execution(workspace: Workspace) -> None:
    workspace.load("upstream", tasks=[log("a")])
    entry = {"flowId": "upstream", "namespace": workspace.namespace}
    after = trigger("after", "Flow", dependsOn=[entry], states=["SUCCESS"], inputs={"x": "{{ trigger.outputs.nothing.at.all }}"})
    workspace.load("downstream", inputs=[{"id": "x", "type": "STRING"}], tasks=[log("a")], triggers=[after])

    workspace.wait_for(workspace.start("upstream"))
    run = workspace.wait_for_executions("downstream", 1)[0]

    assert (run.state, run.task_runs) == ("FAILED", [])
