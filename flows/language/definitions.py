"""The shapes of everything the language itself defines, as JSON schemas. Parser, validation and editor all read these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.plugin_api.schemas import TEMPLATE
from flows.primitives.identifiers import TYPE_NAME_PATTERN

Shape = dict[str, Any]

LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
STATES = (
    "CREATED", "QUEUED", "SUBMITTED", "RUNNING", "PAUSING", "PAUSED", "BREAKPOINT", "RESTARTED", "RETRYING", "KILLING",
    "SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED", "SKIPPED", "RESUBMITTED",
)  # fmt: skip
INPUT_TYPES = (
    "STRING", "INT", "FLOAT", "BOOL", "BOOLEAN", "DATETIME", "DATE", "TIME", "DURATION", "FILE", "JSON", "YAML", "ION", "URI",
    "SECRET", "EMAIL", "SELECT", "ENUM", "MULTISELECT", "ARRAY", "OBJECT", "TABLE", "FORM", "REUSABLE_INPUTS",
)  # fmt: skip
ITEM_TYPES = tuple(name for name in INPUT_TYPES if name not in {"ARRAY", "MULTISELECT", "FORM", "REUSABLE_INPUTS", "TABLE"})
INPUT_ITEM_TYPES = tuple(name for name in ITEM_TYPES if name not in {"SECRET", "SELECT", "OBJECT"})
OUTPUT_TYPES = tuple(name for name in INPUT_TYPES if name not in {"SELECT", "FORM", "REUSABLE_INPUTS"})
COLUMN_TYPES = tuple(
    name
    for name in INPUT_TYPES
    if name not in {"OBJECT", "TABLE", "ARRAY", "FORM", "FILE", "SECRET", "JSON", "ION", "YAML", "REUSABLE_INPUTS"}
)


def text(description: str = "", **rest: Any) -> Shape:
    """Return the shape of a text."""
    return _described({"type": "string", **rest}, description)


def flag(description: str = "", *, default: bool = False) -> Shape:
    """Return the shape of a true-or-false property."""
    return _described({"type": "boolean", "default": default}, description)


def number(description: str = "", *, kind: str = "integer", **rest: Any) -> Shape:
    """Return the shape of a number, an integer unless `kind` says otherwise."""
    return _described({"type": kind, **rest}, description)


def choice(*words: str, description: str = "", **rest: Any) -> Shape:
    """Return the shape of a word out of a list."""
    return _described({"type": "string", "enum": list(words), **rest}, description)


def many(items: Shape, description: str = "", **rest: Any) -> Shape:
    """Return the shape of a list."""
    return _described({"type": "array", "items": items, **rest}, description)


def duration(description: str = "") -> Shape:
    """Return the shape of a fixed duration: ISO 8601 text or a number of seconds."""
    return _described({"anyOf": [{"type": "string", "format": "duration"}, {"type": "number", "minimum": 0}]}, description)


def expression(description: str = "") -> Shape:
    """Return the shape of a text that is rendered; a literal true, false or number is taken as its text."""
    return _described({"type": "string", "$dynamic": True}, description)


def record(
    properties: Mapping[str, Shape],
    *,
    required: Sequence[str] = (),
    aliases: Mapping[str, str] | None = None,
    description: str = "",
) -> Shape:
    """Return the shape of a mapping with known keys only; `aliases` maps old names to new ones."""
    shape: Shape = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if required:
        shape["required"] = list(required)
    if aliases:
        shape["x-aliases"] = dict(aliases)
    return _described(shape, description)


def part(name: str, description: str = "") -> Shape:
    """Return a reference to a part that has a reader of its own; `flows.language.schema` says what it is."""
    return _described({"$ref": f"#/$defs/{name}"}, description)


def _described(shape: Shape, description: str) -> Shape:
    return {**shape, "description": description} if description else shape


TEMPLATE_TEXT: Shape = {"type": "string", "pattern": TEMPLATE}
ANYTHING: Shape = {}

LABELS: Shape = {
    "anyOf": [
        many(record({"key": text(), "value": {"type": ["string", "number", "boolean"]}}, required=("key", "value"))),
        {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    ],
    "description": "A list of key and value, or a mapping.",
}

RETRY: Shape = record(
    {
        "type": choice("constant", "exponential", "random", description="How the waits between attempts grow."),
        "interval": duration("Wait before the next attempt (constant), or before the first repetition (exponential)."),
        "minInterval": duration("Shortest wait (random)."),
        "maxInterval": duration("Longest wait (exponential and random)."),
        "delayFactor": number("Factor from one wait to the next (exponential).", kind="number", exclusiveMinimum=0, default=2),
        "maxAttempts": number("How many attempts in all, the first one included.", minimum=1),
        "maxDuration": duration("No attempt starts later than this after the first one."),
        "warningOnRetry": flag("End with WARNING when more than one attempt was needed."),
        "behavior": choice("RETRY_FAILED_TASK", "CREATE_NEW_EXECUTION", default="RETRY_FAILED_TASK"),
    },
    required=("type",),
    aliases={"maxAttempt": "maxAttempts"},
    description="When and how often a failed task is tried again.",
)

WORKER_GROUP: Shape = record(
    {"key": text("Name of the group."), "fallback": choice("WAIT", "FAIL", "CANCEL", "IGNORE", default="WAIT")},
    required=("key",),
    description="Which workers may run this, and what happens when none of them is alive.",
)

WORKER_SELECTOR: Shape = record(
    {
        "tags": many(text(), minItems=1),
        "match": choice("ALL", "ANY", default="ALL"),
        "fallback": choice("FAIL", "WAIT", "CANCEL", "IGNORE", default="FAIL"),
    },
    required=("tags",),
    description="Which workers may run this, by their tags.",
)

_ROUTING: dict[str, Shape] = {"workerGroup": WORKER_GROUP, "workerSelector": WORKER_SELECTOR}

_GOVERNANCE: dict[str, Shape] = {
    "assets": record(
        {"inputs": {"type": "array"}, "outputs": {"type": "array"}}, description="Declared lineage; no effect on a run."
    ),
    "policyRefs": many(text()),
    "pluginDefaultsRef": {"anyOf": [text(), many(text())], "description": "Names the defaults with a `ref` that apply here."},
}

TASK: Shape = record(
    {
        "id": text("Unique in the flow: letters, digits, dashes and underscores."),
        "type": text("Full name of the task type.", pattern=f"^{TYPE_NAME_PATTERN}$"),
        "version": text("Pinned plugin version; ignored."),
        "description": text("Markdown."),
        "retry": RETRY,
        "timeout": {
            "anyOf": [{"type": "string", "format": "duration"}, {"type": "number", "minimum": 0}, TEMPLATE_TEXT],
            "description": "Longest time of one attempt.",
        },
        "when": expression("The task is skipped when this renders to a false value."),
        "disabled": flag("Leave the task out, without a trace."),
        "allowFailure": flag("End with WARNING instead of FAILED."),
        "allowWarning": flag("End with SUCCESS instead of WARNING."),
        "logLevel": choice(*LOG_LEVELS, description="Lowest level that is stored."),
        "logToFile": flag("Write the log to a file of the storage."),
        **_ROUTING,
        "taskCache": record({"enabled": flag(), "ttl": duration()}, description="Reuse the result of an equal earlier run."),
        **_GOVERNANCE,
    },
    required=("id", "type"),
    aliases={"runIf": "when"},
)

TRIGGER: Shape = record(
    {
        "id": text("Unique among the triggers of the flow."),
        "type": text("Full name of the trigger type.", pattern=f"^{TYPE_NAME_PATTERN}$"),
        "version": text("Pinned plugin version; ignored."),
        "description": text("Markdown."),
        "disabled": flag("Never fire."),
        "when": expression("The trigger does not fire when this renders to a false value."),
        "conditions": part("conditions", "Old form of `when`: all must hold."),
        "inputs": {"type": "object", "description": "Inputs of the execution, rendered."},
        "labels": LABELS,
        "stopAfter": many(choice(*STATES), "Disable the trigger when its execution ends in one of these states."),
        "allowConcurrent": flag("Fire although the last execution is still running."),
        "failOnTriggerError": flag("Create a FAILED execution when the trigger cannot be evaluated."),
        "logLevel": choice(*LOG_LEVELS, description="Lowest level that is stored."),
        "logToFile": flag("Write the log to a file of the storage."),
        **_ROUTING,
        **_GOVERNANCE,
    },
    required=("id", "type"),
    aliases={"minLogLevel": "logLevel"},
)

CONCURRENCY: Shape = record(
    {
        "limit": number("How many executions may run at once.", minimum=1),
        "behavior": choice("QUEUE", "CANCEL", "FAIL", description="What happens to the next one.", default="QUEUE"),
    },
    required=("limit",),
)

SERVICE_LEVEL: Shape = record(
    {
        "id": text(),
        "type": choice("MAX_DURATION", "EXECUTION_ASSERTION"),
        "behavior": choice("FAIL", "CANCEL", "NONE"),
        "labels": LABELS,
        "duration": duration("Longest time of an execution (MAX_DURATION)."),
        "assert": expression("What must hold (EXECUTION_ASSERTION)."),
    },
    required=("id", "type", "behavior"),
)

CHECK: Shape = record(
    {
        "when": expression("What must be true for an execution to be created."),
        "message": text("Shown when it is not."),
        "style": choice("INFO", "SUCCESS", "WARNING", "ERROR", default="INFO"),
        "behavior": choice("BLOCK_EXECUTION", "FAIL_EXECUTION", "CREATE_EXECUTION", default="BLOCK_EXECUTION"),
    },
    required=("when", "message"),
    aliases={"condition": "when"},
)

QUOTA: Shape = record(
    {"duration": duration(), "limit": number(minimum=1), "behavior": choice("FAIL", "CANCEL")}, required=("duration", "limit")
)

PLUGIN_DEFAULT: Shape = record(
    {
        "type": text("A plugin type, or the beginning of several."),
        "values": {"type": "object", "description": "Properties and their values."},
        "forced": flag("Win over what the task itself says; only for defaults of a namespace or the server."),
        "ref": text("Apply only to plugins that name it in `pluginDefaultsRef`."),
    },
    required=("type", "values"),
)

LISTENER: Shape = record(
    {"description": text(), "conditions": part("conditions"), "tasks": part("tasks")},
    required=("tasks",),
)

OUTPUT: Shape = record(
    {
        "id": text("Unique; dots make nested maps."),
        "type": choice(*OUTPUT_TYPES),
        "itemType": choice(*ITEM_TYPES),
        "value": {"description": "Any value; rendered when the execution ends."},
        "required": flag("A null value is an error.", default=True),
        "description": text("Markdown."),
        "displayName": text(),
    },
    required=("id", "value"),
)

FLOW: Shape = record(
    {
        "id": text("Name of the flow in its namespace; never changes."),
        "namespace": text("Owner of the flow; dots make levels."),
        "tenantId": text("Ignored."),
        "revision": number("Ignored: computed on save."),
        "description": text("Markdown."),
        "labels": LABELS,
        "inputs": part("inputs", "What an execution asks for."),
        "variables": {"type": "object", "description": "Values for expressions, as `vars`."},
        "tasks": part("tasks", "Run one after the other."),
        "errors": part("tasks", "Run when a task has failed."),
        "finally": part("tasks", "Run at the end, whatever happened."),
        "afterExecution": part("tasks", "Run after the execution has its final state."),
        "triggers": part("triggers", "What starts executions."),
        "outputs": part("outputs", "What an execution gives."),
        "pluginDefaults": many(PLUGIN_DEFAULT, "Values for properties of several tasks."),
        "concurrency": CONCURRENCY,
        "retry": RETRY,
        "sla": many(SERVICE_LEVEL, "What an execution must keep to."),
        "checks": many(CHECK, "What must hold before an execution is created."),
        "quotas": many(QUOTA, "How many executions may start in a period."),
        "disabled": flag("No execution can be created."),
        **_ROUTING,
        "policyRefs": many(text()),
        "deleted": flag("Internal."),
        "listeners": many(LISTENER, "Old form of `afterExecution`."),
    },
    required=("id", "namespace"),
    aliases={"taskDefaults": "pluginDefaults"},
)

_DEFAULT = {"description": "Used when no value is given; may be an expression."}

INPUT_COMMON: dict[str, Shape] = {
    "id": text("Unique; dots make nested maps."),
    "type": choice(*INPUT_TYPES),
    "description": text("Markdown."),
    "displayName": text("Label in the form.", maxLength=64),
    "required": flag("Whether a value must be given.", default=True),
    "defaults": dict(_DEFAULT),
    "prefill": {"description": "Value that the form starts with and the user may clear."},
    "dependsOn": record(
        {"inputs": many(text()), "condition": expression("The input exists only when this is true.")},
        description="Other inputs that this one depends on.",
    ),
}

INPUT_ALIASES: dict[str, dict[str, str]] = {
    "": {"name": "id"},
    "FILE": {"accept": "allowedFileExtensions"},
    "MULTISELECT": {"options": "values"},
}

_SELECTABLE: Shape = {
    "anyOf": [
        {"type": ["string", "number", "boolean"]},
        record({"label": text(), "value": {"type": ["string", "number", "boolean"]}}, required=("value",)),
    ]
}
_SELECT: dict[str, Shape] = {
    "values": many(_SELECTABLE, "What can be chosen."),
    "expression": expression("Gives the list of what can be chosen."),
    "allowCustomValue": flag("Accept other values too."),
    "autoSelectFirst": flag("The first value acts as default."),
    "isRadio": flag("Show as radio buttons."),
}
_VALIDATOR: dict[str, Shape] = {"validator": text("Pattern that the whole text must match.", format="regex")}
_LENGTH_BOUND = {"anyOf": [{"type": "string", "format": "duration"}, {"type": "number"}]}
_PERIOD: dict[str, Shape] = {"after": text("Earliest value."), "before": text("Latest value.")}

INPUT_OPTIONS: dict[str, dict[str, Shape]] = {
    "STRING": _VALIDATOR,
    "SECRET": _VALIDATOR,
    "INT": {"min": number("Smallest value."), "max": number("Largest value.")},
    "FLOAT": {"min": number("Smallest value.", kind="number"), "max": number("Largest value.", kind="number")},
    "DATETIME": _PERIOD,
    "DATE": _PERIOD,
    "TIME": _PERIOD,
    "DURATION": {"min": _LENGTH_BOUND, "max": _LENGTH_BOUND},
    "FILE": {
        "extension": text("Ending of the stored name; no longer used."),
        "allowedFileExtensions": many(text(), "Endings that are accepted, such as .csv."),
    },
    "SELECT": _SELECT,
    "ENUM": {"values": _SELECT["values"]},
    "MULTISELECT": {**_SELECT, "itemType": choice(*INPUT_ITEM_TYPES)},
    "ARRAY": {"itemType": choice(*INPUT_ITEM_TYPES)},
    "OBJECT": {"properties": part("columns", "The entries of the mapping.")},
    "TABLE": {
        "columns": part("columns", "The columns of every row."),
        "rows": record({"min": number(minimum=0), "max": number(minimum=0)}, description="How many rows are allowed."),
    },
    "FORM": {"inputs": part("inputs", "The fields of the form.")},
    "REUSABLE_INPUTS": {"ref": text(), "namespace": text(), "revision": number()},
}

INPUT_REQUIRED: dict[str, tuple[str, ...]] = {
    "ENUM": ("values",),
    "ARRAY": ("itemType",),
    "OBJECT": ("properties",),
    "TABLE": ("columns",),
    "FORM": ("inputs",),
    "REUSABLE_INPUTS": ("ref",),
}


def _shape_input(type_name: str) -> Shape:
    properties = {**INPUT_COMMON, **INPUT_OPTIONS.get(type_name, {})}
    required = ("id", *INPUT_REQUIRED.get(type_name, ()))
    return record(properties, required=required, aliases={**INPUT_ALIASES[""], **INPUT_ALIASES.get(type_name, {})})


INPUT_SHAPES: dict[str, Shape] = {name: _shape_input(name) for name in INPUT_TYPES}
"""Shape of an input by its type."""

UNTYPED_INPUT: Shape = _shape_input("")
"""Shape of an input of very old flows, which has no type."""

PROPERTY_ALIASES: dict[str, dict[str, str]] = {"pause": {"delay": "pauseDuration"}}
"""Old names of plugin properties, by the arrangement of the task."""

REQUIRED_BRANCHES: dict[str, tuple[str, ...]] = {
    "sequence": ("tasks",),
    "parallel": ("tasks",),
    "dag": ("tasks",),
    "if": ("then",),
    "each": ("tasks",),
    "loop": ("tasks",),
    "loop-until": ("tasks",),
    "working-directory": ("tasks",),
    "allow-failure": ("tasks",),
}
"""Task lists that may not be missing or empty, by the arrangement of the task."""
