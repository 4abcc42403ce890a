"""The catalogue of core types: every name and older name, counts, roles, and the properties that the engine asks for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from flows.plugin_api.fields import Properties, load_properties
from flows.plugin_api.registry import Registry

CORE = "io.kestra.plugin.core"
TASKS = "io.kestra.core.tasks"
CONDITIONS = "io.kestra.core.models.conditions.types"

FLOWABLES = [
    "Sequential",
    "Parallel",
    "Dag",
    "If",
    "Switch",
    "Pause",
    "EachSequential",
    "EachParallel",
    "ForEachItem",
    "AllowFailure",
]
STORAGE = ["Size", "Delete", "Concat", "DeduplicateItems", "FilterItems", "Reverse", "Split", "LocalFiles"]
RENAMED_CONDITIONS = [
    "DateTimeBetween", "DayWeek", "DayWeekInMonth", "ExecutionFlow", "ExecutionLabels", "ExecutionNamespace", "ExecutionOutputs",
    "ExecutionStatus", "HasRetryAttempt", "Not", "Or", "PublicHoliday", "TimeBetween", "Weekend",
]  # fmt: skip

OLDER_NAMES = {
    f"{TASKS}.log.Log": "log.Log",
    f"{TASKS}.log.Fetch": "log.Fetch",
    f"{TASKS}.debugs.Return": "debug.Return",
    f"{TASKS}.debugs.Echo": "debug.Echo",
    **{f"{TASKS}.flows.{name}": f"flow.{name}" for name in [*FLOWABLES, "Template", "Subflow", "WorkingDirectory"]},
    f"{TASKS}.flows.Flow": "flow.Subflow",
    f"{TASKS}.flows.Worker": "flow.WorkingDirectory",
    f"{CORE}.flow.WaitFor": "flow.LoopUntil",
    **{f"io.kestra.plugin.fs.http.{name}": f"http.{name}" for name in ("Request", "Download", "Trigger")},
    f"{TASKS}.templating.TemplatedTask": "templating.TemplatedTask",
    f"{TASKS}.executions.Fail": "execution.Fail",
    f"{TASKS}.executions.Labels": "execution.Labels",
    f"{TASKS}.executions.Counts": "execution.Count",
    f"{CORE}.execution.Counts": "execution.Count",
    f"{TASKS}.executions.Resume": "execution.Resume",
    f"{TASKS}.storages.Purge": "execution.PurgeExecutions",
    f"{CORE}.storage.Purge": "execution.PurgeExecutions",
    f"{TASKS}.storages.PurgeExecution": "storage.PurgeCurrentExecutionFiles",
    f"{CORE}.storage.PurgeExecution": "storage.PurgeCurrentExecutionFiles",
    **{f"{TASKS}.storages.{name}": f"storage.{name}" for name in STORAGE},
    **{f"{TASKS}.states.{name}": f"state.{name}" for name in ("Set", "Get", "Delete")},
    f"{TASKS}.trigger.Toggle": "trigger.Toggle",
    **{f"io.kestra.core.models.triggers.types.{name}": f"trigger.{name}" for name in ("Schedule", "Flow", "Webhook")},
    **{f"{CONDITIONS}.{name}Condition": f"condition.{name}" for name in RENAMED_CONDITIONS},
    **{f"{CORE}.condition.{name}Condition": f"condition.{name}" for name in RENAMED_CONDITIONS},
    f"{CONDITIONS}.VariableCondition": "condition.Expression",
    f"{CORE}.condition.ExpressionCondition": "condition.Expression",
    **{f"{CONDITIONS}.{name}": f"condition.{name}" for name in ("FlowCondition", "FlowNamespaceCondition", "MultipleCondition")},
}


@pytest.mark.parametrize(("older", "current"), OLDER_NAMES.items())
def test_an_older_name_loads_and_reports_its_replacement(core_plugins, older, current):
    assert core_plugins.get(older).type == f"{CORE}.{current}"


def test_the_catalogue_has_the_types_that_the_specification_counts(core_plugins):
    kinds = Counter(entry.kind for entry in core_plugins.list_entries())

    assert kinds == {"task": 62 + 1, "trigger": 7, "condition": 18}


LIGHT = {
    "log": ["Log"],
    "debug": ["Return", "Echo"],
    "output": ["OutputValues"],
    "metric": ["Publish"],
    "trigger": ["Toggle"],
    "execution": ["Count", "Fail", "Exit", "Labels", "SetVariables", "UnsetVariables", "Assert"],
    "kv": ["Set", "Get", "GetKeys", "Delete"],
    "state": ["Set", "Get", "Delete"],
}


def test_exactly_the_tasks_without_input_and_output_are_light(core_plugins):
    assert {e.type for e in core_plugins.list_entries() if e.light} == {
        f"{CORE}.{group}.{name}" for group, names in LIGHT.items() for name in names
    }


ARRANGEMENTS = {
    "Sequential": "sequence", "Parallel": "parallel", "Dag": "dag", "If": "if", "Switch": "switch", "ForEach": "each",
    "EachSequential": "each", "EachParallel": "each", "Loop": "loop", "LoopUntil": "loop-until", "Pause": "pause",
    "Approval": "approval", "WorkingDirectory": "working-directory", "AllowFailure": "allow-failure", "Subflow": "subflow",
    "ForEachItem": "for-each-item", "Template": "template", "Sleep": "sleep",
}  # fmt: skip


def test_every_flowable_names_its_arrangement(core_plugins):
    found = {e.type.rsplit(".", 1)[-1]: e.arrangement for e in core_plugins.list_entries("task") if e.arrangement}

    assert found == ARRANGEMENTS


def test_child_lists_and_common_properties_are_not_in_the_schemas(core_plugins):
    common = {"id", "type", "retry", "timeout", "when", "runIf", "disabled", "allowFailure", "errors", "finally", "workerGroup"}
    wrong = []
    for entry in core_plugins.list_entries("task"):
        own = set(entry.schema.get("properties", {}))
        if own & (common | set(entry.branches)):
            wrong.append(entry.type)

    assert wrong == []


def load(registry: Registry, name: str, raw: dict[str, Any]) -> Properties:
    props: type[Properties] = registry.load(registry.get(f"{CORE}.{name}")).Props  # type: ignore[attr-defined]
    return load_properties(props, raw, lambda value, **_: value)


@pytest.mark.parametrize(
    ("name", "raw", "attribute", "value"),
    [
        ("flow.Parallel", {"concurrent": "3", "onChildFailure": "fail"}, "on_child_failure", "FAIL"),
        ("flow.If", {"condition": "{{ x }}"}, "condition", "{{ x }}"),
        ("flow.Switch", {"value": 5}, "value", "5"),
        ("flow.ForEach", {"values": ["a", {"b": "{{ x }}"}]}, "values", ["a", {"b": "{{ x }}"}]),
        ("flow.ForEach", {"values": '["a"]'}, "values", '["a"]'),
        ("flow.Loop", {"values": {"a": 1}}, "values", {"a": 1}),
        ("flow.Loop", {"values": "{{ outputs.x }}"}, "concurrency_limit", 0),
        ("flow.ForEachItem", {"items": "kestra:///a", "namespace": "n", "flowId": "f", "batch": {"rows": "5"}}, "wait", True),
        ("flow.Subflow", {"namespace": "n", "flowId": "f", "revision": "2"}, "revision", 2),
        ("flow.Pause", {"behavior": "warn"}, "behavior", "WARN"),
        ("flow.Approval", {"autoApprove": True}, "auto_approve", "true"),
        ("flow.WorkingDirectory", {"namespaceFiles": True}, "namespace_files", True),
        ("flow.Template", {"namespace": "n", "templateId": "t", "args": {"a": 1}}, "args", {"a": 1}),
        ("trigger.Schedule", {"cron": "0 2 * * *"}, "with_seconds", False),
        ("trigger.Flow", {"dependsOn": [{"flowId": "f", "when": "{{ x }}"}]}, "mode", "ALL"),
        ("trigger.Webhook", {"key": "k"}, "fetch_type", "FETCH"),
        ("condition.ExecutionStatus", {"in": ["SUCCESS"], "notIn": ["FAILED"]}, "in_", ["SUCCESS"]),
    ],
)
def test_properties_of_arranged_types_are_read_as_the_engine_asks_for_them(core_plugins, name, raw, attribute, value):
    assert getattr(load(core_plugins, name, raw), attribute) == value


def test_values_written_as_an_expression_stay_as_written(core_plugins):
    assert load(core_plugins, "flow.ForEach", {"values": "{{ outputs.x }}"}).values == "{{ outputs.x }}"
