"""Rules of triggers beside the numbered scenarios: backfills, dates, polling, windows, switches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.acceptance.building import CORE, fail, log, returned, shell, sleep, task, trigger
from tests.acceptance.workspace import Workspace, read_moment
from tests.plugins.core.http_server import LocalServer
from tests.support import eventually

NEVER = "0 0 1 1 *"


def test_a_backfill_fires_its_dates_in_order(workspace: Workspace) -> None:
    """Source: flow language, 13.4."""
    inputs = [{"id": "who", "type": "STRING", "defaults": "nobody"}]
    schedule = trigger("s", "Schedule", cron="0 0 * * *", inputs={"who": "regular"})
    tasks = [returned("date", "{{ trigger.date }} {{ inputs.who }}"), sleep("s", "PT0.2S")]
    workspace.load("filled", inputs=inputs, tasks=tasks, triggers=[schedule])

    backfill = {"start": "2030-01-01T00:00:00Z", "end": "2030-01-03T00:00:00Z", "inputs": {"who": "me"}}
    backfill |= {"labels": [{"key": "kind", "value": "backfill"}]}
    past = {"start": "2025-01-01T00:00:00Z", "end": "2025-01-03T00:00:00Z"}
    body = {"namespace": workspace.namespace, "flowId": "filled", "triggerId": "s", "backfill": backfill | past}
    workspace.call("PUT", "/triggers/backfill/create", body)
    runs = workspace.wait_for_executions("filled", 3)

    assert [run.task("date").outputs["value"] for run in runs] == [f"2025-01-0{day}T00:00:00Z me" for day in (1, 2, 3)]
    assert [run.labels for run in runs] == [{"kind": "backfill"}] * 3
    assert not runs[0].overlaps(runs[1])
    eventually(lambda: "backfill" not in workspace.trigger_state("filled", "s"), within=10)


def test_a_date_fires_once(workspace: Workspace) -> None:
    """Source: flow language, 13.5."""
    soon = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat(timespec="milliseconds")
    dates = trigger("d", "ScheduleOnDates", dates=[soon, "2099-01-01T00:00:00Z"])
    workspace.load("dated", tasks=[log("a")], triggers=[dates])

    runs = workspace.wait_for_executions("dated", 1)

    assert runs[0].state == "SUCCESS"
    assert runs[0].created_at >= read_moment(soon) - timedelta(seconds=1)
    assert workspace.trigger_state("dated", "d")["nextExecutionDate"].startswith("2099-01-01")


def test_a_disabled_trigger_fires_again_when_it_is_enabled(workspace: Workspace) -> None:
    """Source: flow language, 13.3 and 13.9: it goes on from now, not from the gap."""
    workspace.load("switched", tasks=[log("a")], triggers=[trigger("s", "Schedule", cron="* * * * * *", withSeconds=True)])
    workspace.call("PUT", "/triggers/set-disabled", _switch(workspace, "switched", disabled=True), expect=None)
    workspace.call("PUT", "/triggers", _switch(workspace, "switched", disabled=True))
    eventually(lambda: all(run.state == "SUCCESS" for run in workspace.executions_of("switched")))
    before = len(workspace.executions_of("switched"))
    enabled_at = datetime.now(UTC)
    workspace.call("PUT", "/triggers", _switch(workspace, "switched", disabled=False))

    eventually(lambda: len(workspace.executions_of("switched")) > before, within=10)

    later = workspace.executions_of("switched")[before]
    assert read_moment(later.data["trigger"]["variables"]["date"]) >= enabled_at - timedelta(seconds=1)


def _switch(workspace: Workspace, flow_id: str, *, disabled: bool) -> dict[str, Any]:
    return {"namespace": workspace.namespace, "flowId": flow_id, "triggerId": "s", "disabled": disabled}


def test_a_schedule_whose_condition_fails_to_render_leaves_a_failed_execution(workspace: Workspace) -> None:
    """Source: flow language, 13.2."""
    schedule = trigger("s", "Schedule", cron="* * * * * *", withSeconds=True, when="{{ nothing.there }}", stopAfter=["FAILED"])
    workspace.load("broken", tasks=[log("a")], triggers=[schedule])

    eventually(lambda: workspace.executions_of("broken"), within=10, every=0.2)

    assert workspace.executions_of("broken")[0].state == "FAILED"


def test_a_filter_of_a_schedule_chooses_dates(workspace: Workspace) -> None:
    """Source: flow language, 13.2: previous and next are neighbours for which the filter holds."""
    schedule = trigger("s", "Schedule", cron="0 0 * * *", when="{{ isWeekend(trigger.date) }}")
    tasks = [returned("dates", "{{ trigger.previous }} {{ trigger.date }} {{ trigger.next }}")]
    workspace.load("weekends", tasks=tasks, triggers=[schedule])

    range_ = {"start": "2025-01-03T00:00:00Z", "end": "2025-01-06T00:00:00Z"}
    name = {"namespace": workspace.namespace, "flowId": "weekends", "triggerId": "s"}
    workspace.call("PUT", "/triggers/backfill/create", name | {"backfill": range_})
    runs = workspace.wait_for_executions("weekends", 2)

    days = [[text[:10] for text in run.task("dates").outputs["value"].split()] for run in runs]
    assert days == [["2024-12-29", "2025-01-04", "2025-01-05"], ["2025-01-04", "2025-01-05", "2025-01-11"]]


def test_polling_starts_an_execution_with_the_answer(workspace: Workspace, http_server: LocalServer) -> None:
    """Source: flow language, 13.8; catalogue, 4.4."""
    poll = {
        "id": "p",
        "type": f"{CORE}.http.Trigger",
        "uri": f"{http_server.url}/echo",
        "interval": "PT1S",
        "stopAfter": ["SUCCESS"],
    }
    workspace.load("polled", tasks=[returned("code", "{{ trigger.code }}")], triggers=[poll])

    runs = workspace.wait_for_executions("polled", 1)
    eventually(lambda: workspace.trigger_state("polled", "p")["disabled"], within=10)

    assert (runs[0].state, runs[0].task("code").outputs["value"]) == ("SUCCESS", "200")


def test_a_poll_whose_condition_is_false_starts_nothing(workspace: Workspace, http_server: LocalServer) -> None:
    """Source: catalogue, 4.4: failed statuses are answers, too."""
    poll = {"id": "p", "type": f"{CORE}.http.Trigger", "uri": f"{http_server.url}/missing", "interval": "PT0.5S"}
    workspace.load("polled", tasks=[log("a")], triggers=[poll])

    eventually(lambda: len(http_server.requests) >= 2, within=15)

    assert workspace.executions_of("polled") == []


def test_a_script_trigger_fires_on_the_edge(workspace: Workspace) -> None:
    """Source: catalogue, 10.6."""
    marker = f"/tmp/{workspace.namespace}.marker"
    poll = {
        "id": "p",
        "type": "io.kestra.plugin.scripts.shell.CommandsTrigger",
        "commands": [f"echo x >> {marker}"],
        "exitCondition": "exit 0",
        "interval": "PT0.5S",
    }
    workspace.load("scripted", tasks=[returned("code", "{{ trigger.exitCode }}")], triggers=[poll])

    runs = workspace.wait_for_executions("scripted", 1)
    counted = workspace.run("count", tasks=[shell("c", f"sleep 2; wc -l < {marker}; rm {marker}")])

    assert counted.state == "SUCCESS"
    assert runs[0].task("code").outputs["value"] == "0"
    assert len(workspace.executions_of("scripted")) == 1


def test_any_flow_of_several_fires(workspace: Workspace) -> None:
    """Source: flow language, 13.7."""
    for name in ("left", "right"):
        workspace.load(name, tasks=[log("a")])
    entries = [{"flowId": name, "namespace": workspace.namespace} for name in ("left", "right")]
    either = trigger("t", "Flow", mode="ANY", states=["SUCCESS"], dependsOn=entries)
    workspace.load("joined", tasks=[returned("who", "{{ trigger.flowId }}")], triggers=[either])

    workspace.wait_for(workspace.start("right"))

    runs = workspace.wait_for_executions("joined", 1)
    assert runs[0].task("who").outputs["value"] == "right"


def test_a_flow_trigger_hears_of_failures_and_pauses(workspace: Workspace) -> None:
    """Source: flow language, 13.7: all end states and PAUSED when nothing is said."""
    workspace.load("up", tasks=[task("p", "flow.Pause"), fail("b")])
    entry = {"flowId": "up", "namespace": workspace.namespace}
    workspace.load("down", tasks=[returned("s", "{{ trigger.state }}")], triggers=[trigger("t", "Flow", dependsOn=[entry])])

    up = workspace.start("up")
    workspace.wait_for(up, "PAUSED")
    workspace.wait_for_executions("down", 1)
    workspace.act(up, "resume")
    runs = workspace.wait_for_executions("down", 2)

    assert [run.task("s").outputs["value"] for run in runs] == ["PAUSED", "FAILED"]


def test_a_disabled_flow_is_not_called(workspace: Workspace) -> None:
    """Source: flow language, 13.6."""
    workspace.load("off", tasks=[log("a")], disabled=True, triggers=[trigger("h", "Webhook", key="more-2")])

    status, _ = workspace.status_of("POST", f"/executions/webhook/{workspace.namespace}/off/more-2", {})

    assert 400 <= status < 500
    assert workspace.executions_of("off") == []


def test_wrong_inputs_of_a_webhook_are_answered_with_422(workspace: Workspace) -> None:
    """Source: flow language, 13.6."""
    hook = trigger("h", "Webhook", key="more-3", inputs={"n": "{{ trigger.body.n }}"})
    workspace.load("typed", inputs=[{"id": "n", "type": "INT"}], tasks=[returned("r", "{{ inputs.n }}")], triggers=[hook])
    address = f"/executions/webhook/{workspace.namespace}/typed/more-3"

    statuses = [workspace.status_of("POST", address, body)[0] for body in ({"n": 5}, {"n": "many"}, {})]

    assert statuses == [200, 422, 422]
    assert [run.task("r").outputs["value"] for run in workspace.wait_for_executions("typed", 1)] == ["5"]


def test_a_removed_trigger_stops_firing(workspace: Workspace) -> None:
    """Source: flow language, 13.9."""
    workspace.load("changed", tasks=[log("a")], triggers=[trigger("s", "Schedule", cron="* * * * * *", withSeconds=True)])
    eventually(lambda: workspace.executions_of("changed"), within=10)

    workspace.load("changed", tasks=[log("a")], triggers=[trigger("other", "Schedule", cron=NEVER)])

    rows = workspace.call("GET", f"/triggers/{workspace.namespace}/changed")["results"]
    assert [row["triggerId"] for row in rows] == ["other"]
