"""Checks 1 and 27 of the catalogue: the names of types, and the documents of dashboards."""

from __future__ import annotations

from typing import Any

from tests.acceptance.building import CORE
from tests.acceptance.workspace import Workspace

OLD = "io.kestra.core.tasks"
OLD_TRIGGERS = "io.kestra.core.models.triggers.types"
OLD_CONDITIONS = "io.kestra.core.models.conditions.types"
CHILD = {"id": "child", "type": f"{CORE}.log.Log", "message": "x"}
ROWS = {"from": "{{ inputs.file }}"}
HTTP = {"uri": "http://127.0.0.1/"}
OF_FLOW = {"namespace": "company.team", "flowId": "other"}
SOON = {"endDate": "2030-01-01T00:00:00Z"}

# What a type needs besides its name, as the catalogue says.
NEEDED: dict[str, dict[str, Any]] = {
    "log.Log": {"message": "x"},
    "flow.Sequential": {"tasks": [CHILD]},
    "flow.Parallel": {"tasks": [CHILD]},
    "flow.AllowFailure": {"tasks": [CHILD]},
    "flow.WorkingDirectory": {"tasks": [CHILD]},
    "flow.Dag": {"tasks": [{"task": CHILD}]},
    "flow.If": {"condition": "{{ true }}", "then": [CHILD]},
    "flow.Switch": {"value": "x", "cases": {"x": [CHILD]}},
    "flow.EachSequential": {"value": ["a"], "tasks": [CHILD]},
    "flow.EachParallel": {"value": ["a"], "tasks": [CHILD]},
    "flow.ForEachItem": {"items": "{{ inputs.file }}", **OF_FLOW},
    "flow.Template": {"namespace": "company.team", "templateId": "t"},
    "flow.Subflow": OF_FLOW,
    "flow.LoopUntil": {"condition": "{{ true }}", "tasks": [CHILD]},
    "http.Request": HTTP,
    "http.Download": HTTP,
    "http.Trigger": HTTP,
    "templating.TemplatedTask": {"spec": "x"},
    "execution.Labels": {"labels": {"a": "b"}},
    "execution.Count": {"startDate": "2030-01-01T00:00:00Z", "expression": "{{ true }}", "namespaces": ["company"]},
    "execution.PurgeExecutions": SOON,
    "storage.Size": {"uri": "{{ inputs.file }}"},
    "storage.Delete": {"uri": "{{ inputs.file }}"},
    "storage.Concat": {"files": ["{{ inputs.file }}"]},
    "storage.DeduplicateItems": {**ROWS, "expr": "{{ id }}"},
    "storage.FilterItems": {**ROWS, "filterCondition": "{{ id }}"},
    "storage.Reverse": ROWS,
    "storage.Split": {**ROWS, "rows": 1},
    "trigger.Toggle": {"trigger": "t"},
    "trigger.Schedule": {"cron": "0 0 1 1 *"},
    "trigger.Webhook": {"key": "k"},
    "condition.DateTimeBetween": {"after": "2030-01-01T00:00:00Z"},
    "condition.TimeBetween": {"after": "10:00:00Z"},
    "condition.DayWeek": {"dayOfWeek": "MONDAY"},
    "condition.DayWeekInMonth": {"dayOfWeek": "MONDAY", "dayInMonth": "FIRST"},
    "condition.ExecutionFlow": OF_FLOW,
    "condition.ExecutionLabels": {"labels": {"a": "b"}},
    "condition.ExecutionNamespace": {"namespace": "company"},
    "condition.ExecutionOutputs": {"expression": "{{ true }}"},
    "condition.Expression": {"expression": "{{ true }}"},
    "condition.FlowCondition": OF_FLOW,
    "condition.FlowNamespaceCondition": {"namespace": "company"},
    "condition.Not": {"conditions": [{"type": f"{CORE}.condition.Weekend"}]},
    "condition.Or": {"conditions": [{"type": f"{CORE}.condition.Weekend"}]},
    "condition.MultipleCondition": {
        "id": "both",
        "conditions": {"one": {"type": f"{CORE}.condition.ExecutionFlow", **OF_FLOW}},
    },
}
SAME_FLOW_NAMES = [
    "Sequential", "Parallel", "Dag", "If", "Switch", "Pause", "EachSequential", "EachParallel", "ForEachItem", "AllowFailure",
    "Template", "Subflow", "WorkingDirectory",
]  # fmt: skip
STORAGE_NAMES = ["Size", "Delete", "Concat", "DeduplicateItems", "FilterItems", "Reverse", "Split", "LocalFiles"]
CONDITION_NAMES = [
    "DateTimeBetween", "DayWeek", "DayWeekInMonth", "ExecutionFlow", "ExecutionLabels", "ExecutionNamespace", "ExecutionOutputs",
    "ExecutionStatus", "HasRetryAttempt", "Not", "Or", "PublicHoliday", "TimeBetween", "Weekend",
]  # fmt: skip
RENAMED: dict[str, str] = {
    f"{OLD}.log.Log": "log.Log",
    f"{OLD}.log.Fetch": "log.Fetch",
    f"{OLD}.debugs.Return": "debug.Return",
    f"{OLD}.debugs.Echo": "debug.Echo",
    **{f"{OLD}.flows.{name}": f"flow.{name}" for name in SAME_FLOW_NAMES},
    f"{OLD}.flows.Flow": "flow.Subflow",
    f"{OLD}.flows.Worker": "flow.WorkingDirectory",
    f"{CORE}.flow.WaitFor": "flow.LoopUntil",
    **{f"io.kestra.plugin.fs.http.{name}": f"http.{name}" for name in ("Request", "Download", "Trigger")},
    f"{OLD}.templating.TemplatedTask": "templating.TemplatedTask",
    **{f"{OLD}.executions.{name}": f"execution.{name}" for name in ("Fail", "Labels", "Resume")},
    f"{OLD}.executions.Counts": "execution.Count",
    f"{CORE}.execution.Counts": "execution.Count",
    f"{OLD}.storages.Purge": "execution.PurgeExecutions",
    f"{CORE}.storage.Purge": "execution.PurgeExecutions",
    f"{OLD}.storages.PurgeExecution": "storage.PurgeCurrentExecutionFiles",
    f"{CORE}.storage.PurgeExecution": "storage.PurgeCurrentExecutionFiles",
    **{f"{OLD}.storages.{name}": f"storage.{name}" for name in STORAGE_NAMES},
    **{f"{OLD}.states.{name}": f"state.{name}" for name in ("Set", "Get", "Delete")},
    f"{OLD}.trigger.Toggle": "trigger.Toggle",
    **{f"{OLD_TRIGGERS}.{name}": f"trigger.{name}" for name in ("Schedule", "Flow", "Webhook")},
    **{f"{OLD_CONDITIONS}.{name}Condition": f"condition.{name}" for name in CONDITION_NAMES},
    **{f"{CORE}.condition.{name}Condition": f"condition.{name}" for name in CONDITION_NAMES},
    f"{OLD_CONDITIONS}.VariableCondition": "condition.Expression",
    f"{CORE}.condition.ExpressionCondition": "condition.Expression",
    **{
        f"{OLD_CONDITIONS}.{name}": f"condition.{name}"
        for name in ("FlowCondition", "FlowNamespaceCondition", "MultipleCondition")
    },
}
TRIGGERS = ("trigger.Schedule", "trigger.Flow", "trigger.Webhook", "http.Trigger")


def test_ct_01_every_old_name_is_read_and_names_its_successor(workspace: Workspace) -> None:
    sources = [_flow_with(workspace, number, old, new) for number, (old, new) in enumerate(RENAMED.items())]

    checks = workspace.call("POST", "/flows/validate", "\n---\n".join(sources))

    refused = {old: check["constraints"] for old, check in zip(RENAMED, checks, strict=True) if "constraints" in check}
    unnamed = [
        old
        for (old, new), check in zip(RENAMED.items(), checks, strict=True)
        if not any(old in text and f"{CORE}.{new}" in text for text in [*check["infos"], *check["warnings"]])
    ]
    assert refused == {}
    assert [old for old, check in zip(RENAMED, checks, strict=True) if not check["deprecationPaths"]] == []
    assert unnamed == []


def _flow_with(workspace: Workspace, number: int, old: str, new: str) -> str:
    typed = {"type": old, **NEEDED.get(new, {})}
    file = [{"id": "file", "type": "FILE"}]
    if new.startswith("condition."):
        schedule = {"id": "t", "type": f"{CORE}.trigger.Flow", "conditions": [typed]}
        return workspace.write(f"old-{number}", inputs=file, tasks=[CHILD], triggers=[schedule])
    if new in TRIGGERS:
        return workspace.write(f"old-{number}", inputs=file, tasks=[CHILD], triggers=[{"id": "t", **typed}])
    return workspace.write(f"old-{number}", inputs=file, tasks=[{"id": "t", **typed}])


def test_ct_27_every_fault_of_a_dashboard_is_reported_at_once(workspace: Workspace) -> None:
    answer = workspace.call("POST", "/dashboards/validate", FAULTY_DASHBOARD)

    for words in (
        "needs a title",
        "366 days",
        "A chart needs an id",
        '"missing"',
        '"COLOUR"',
        '"nothing"',
        "labelKey",
        "MEDIAN",
        "unknown",
        "Radar",
    ):
        assert words in answer["constraints"], words


FAULTY_DASHBOARD = """\
title: ""
timeWindow: {default: P400D, max: P1D}
charts:
  - id: "no spaces"
    type: io.kestra.plugin.core.dashboard.chart.Bar
    chartOptions: {column: missing, width: 13}
    data:
      type: io.kestra.plugin.core.dashboard.data.Executions
      columns:
        state: {field: STATE}
        colour: {field: COLOUR}
        nothing: {displayName: Nothing}
        label: {field: LABELS}
        odd: {field: DURATION, agg: MEDIAN}
      orderBy: [{column: unknown}]
  - {id: what, type: io.kestra.plugin.core.dashboard.chart.Radar}
"""
"""What Source core-tasks 11 lists as validation errors, several at once."""
