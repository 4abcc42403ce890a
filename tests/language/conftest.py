"""A small registry with one plugin of every kind that the language treats in its own way."""

from __future__ import annotations

import pytest

from flows.plugin_api.registry import PluginEntry, Registry

TEMPLATE = {"type": "string", "pattern": r"\{\{|\{%"}
TEXT = {"type": "string", "$dynamic": True}
NUMBER = {"$dynamic": True, "anyOf": [{"type": "integer", "minimum": 0}, TEMPLATE]}
FLAG = {"$dynamic": True, "anyOf": [{"type": "boolean"}, TEMPLATE]}
LENGTH = {"$dynamic": True, "anyOf": [{"type": "string", "format": "duration"}, {"type": "number"}, TEMPLATE]}
CORE = "io.kestra.plugin.core"


def shape(*required: str, **properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def flowable(name: str, arrangement: str, branches: str, schema: dict[str, object], **rest: object) -> PluginEntry:
    return PluginEntry(
        type=f"{CORE}.flow.{name}",
        role="flowable",
        arrangement=arrangement,
        branches=tuple(branches.split()),
        schema=schema,
        **rest,
    )


def make_entries() -> list[PluginEntry]:
    log = shape(
        "message",
        message={"$dynamic": True, "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        level={"type": "string", "enum": ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]},
    )
    return [
        PluginEntry(type=f"{CORE}.log.Log", aliases=("io.kestra.core.tasks.log.Log",), role="runnable", light=True, schema=log),
        PluginEntry(type=f"{CORE}.debug.Return", role="runnable", light=True, schema=shape(format=TEXT)),
        PluginEntry(type=f"{CORE}.debug.Echo", role="runnable", schema=shape(format=TEXT), deprecated="Use Log."),
        PluginEntry(type=f"{CORE}.flow.Sleep", role="runnable", schema=shape("duration", duration=LENGTH)),
        PluginEntry(
            type="io.kestra.plugin.scripts.python.Script",
            role="runnable",
            schema=shape(
                "script",
                script=TEXT,
                env={"$dynamic": True, "type": "object"},
                commands={"type": "array"},
                taskRunner={"type": "object"},
            ),
        ),
        PluginEntry(
            type=f"{CORE}.flow.Subflow",
            role="executable",
            schema=shape("namespace", "flowId", namespace=TEXT, flowId=TEXT, inputs={"type": "object"}, wait=FLAG),
        ),
        flowable("Sequential", "sequence", "tasks errors finally", shape()),
        flowable("Parallel", "parallel", "tasks errors finally", shape(concurrent=NUMBER)),
        flowable("Dag", "dag", "tasks errors finally", shape(concurrent=NUMBER)),
        flowable("If", "if", "then else errors finally", shape("condition", condition=TEXT)),
        flowable("Switch", "switch", "defaults errors finally", shape("value", value=TEXT)),
        flowable("WorkingDirectory", "working-directory", "tasks errors finally", shape(inputFiles={"type": "object"})),
        flowable(
            "Pause",
            "pause",
            "onPause tasks errors finally",
            shape(pauseDuration=LENGTH, onResume={"type": "array"}, behavior=TEXT),
        ),
        flowable("Approval", "approval", "onWait onApprove onDeny errors finally", shape(inputs={"type": "array"})),
        flowable("Loop", "loop", "tasks errors finally", shape("values", values={"$dynamic": True}, outputs={"type": "array"})),
        flowable("LoopUntil", "loop-until", "tasks errors finally", shape(condition=TEXT), aliases=(f"{CORE}.flow.WaitFor",)),
        flowable("Template", "template", "", shape("namespace", "templateId", namespace=TEXT, templateId=TEXT)),
        flowable("ForEachItem", "for-each-item", "errors", shape("items", items=TEXT, namespace=TEXT, flowId=TEXT)),
        PluginEntry(
            type=f"{CORE}.trigger.Schedule",
            kind="trigger",
            family="schedule",
            schema=shape("cron", cron=TEXT, timezone={"type": "string"}, withSeconds={"type": "boolean"}),
        ),
        PluginEntry(type=f"{CORE}.trigger.Webhook", kind="trigger", family="webhook", schema=shape("key", key=TEXT)),
        PluginEntry(
            type=f"{CORE}.trigger.Flow",
            kind="trigger",
            family="flow",
            schema=shape(
                dependsOn={"type": "array"},
                preconditions={"type": "object"},
                window={"type": "object"},
                mode={"type": "string"},
                minSatisfied={"type": "integer"},
            ),
        ),
        PluginEntry(
            type=f"{CORE}.condition.ExecutionStatus",
            aliases=(f"{CORE}.condition.ExecutionStatusCondition",),
            kind="condition",
            schema=shape(**{"in": {"type": "array"}, "notIn": {"type": "array"}}),
        ),
        PluginEntry(type=f"{CORE}.condition.Expression", kind="condition", schema=shape("expression", expression=TEXT)),
        PluginEntry(type=f"{CORE}.condition.PublicHoliday", kind="condition", schema=shape()),
        PluginEntry(type=f"{CORE}.condition.Not", kind="condition", schema=shape("conditions", conditions={"type": "array"})),
        PluginEntry(type=f"{CORE}.runner.Process", kind="runner", schema=shape(delay=NUMBER)),
    ]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry(make_entries())
