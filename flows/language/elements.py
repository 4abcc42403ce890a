"""The small parts of a flow: labels, retry, worker group, concurrency, quotas, SLA, checks, plugin defaults and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flows.language import definitions
from flows.language.flow import Check, Concurrency, Output, PluginDefault, Quota, Retry, ServiceLevel, WorkerGroup
from flows.language.reading import Reading
from flows.language.shapes import check_shape
from flows.language.source import Path
from flows.primitives.durations import DurationError, format_duration, parse_duration
from flows.primitives.identifiers import RESERVED_FLOW_IDS, NameKind, find_label_fault, find_name_fault, is_system_label
from flows.primitives.problems import Severity

ALLOWED_SYSTEM_LABEL = "system.readOnly"
_SHORTEST_QUOTA = timedelta(minutes=1)


def check_name(reading: Reading, kind: NameKind, name: Any, path: Path, *, noun: str = "id") -> None:
    """Report when `name`, which stands at `path`, may not name a thing of this kind. What is no text was reported before."""
    if not isinstance(name, str):
        return
    fault = find_name_fault(kind, name)
    if fault is not None:
        reading.report("invalid-id", f'The {noun} "{name[:120]}" of the {kind} {fault}.', path)
    elif kind is NameKind.FLOW and name in RESERVED_FLOW_IDS:
        reading.report(
            "reserved-id",
            f'The id "{name}" of the flow is also a word in addresses of the API, where the two can be confused.',
            path,
            hint="Choose another id.",
            severity=Severity.WARNING,
        )


def read_duration(value: Any) -> timedelta | None:
    """Return a checked duration as timedelta; None for what is none, which was reported before."""
    if value is None:
        return None
    try:
        return parse_duration(value)
    except (DurationError, TypeError, AttributeError):
        return None


def list_label_pairs(value: Any) -> list[tuple[str, Any]]:
    """Return labels, written as list or mapping, as pairs in their order; entries of another form are left out."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list):
        return [(item["key"], item["value"]) for item in value if isinstance(item, Mapping) and "key" in item and "value" in item]
    return []


def read_labels(
    reading: Reading, value: Any, path: Path, *, may_set_read_only: bool = False, rendered: bool = False
) -> tuple[tuple[str, str], ...]:
    """
    Return labels as pairs of texts, in order; a later key of the same name stays beside the first.

    Args:
        value: labels whose shape has been checked.
        may_set_read_only: True for the labels of a flow, the only place for `system.readOnly`.
        rendered: True when values are templates, which are checked after rendering.

    Source: flow language, 1.1, 2.1 and 5.3.
    """
    pairs = [(str(key), item if isinstance(item, str) else _write_scalar(item)) for key, item in list_label_pairs(value)]
    refused = [
        (key, item) for key, item in pairs if is_system_label(key) and not (may_set_read_only and key == ALLOWED_SYSTEM_LABEL)
    ]
    if refused:
        shown = ", ".join(f"{key}={item}" for key, item in refused)
        reading.report(
            "system-label",
            f"System labels can only be set by Kestra itself, except {ALLOWED_SYSTEM_LABEL} on a flow: {shown}.",
            path,
            hint="Choose a key that does not begin with `system.`.",
        )
    for key, item in pairs:
        if rendered and "{" in item:
            reading.check_expressions(item, (*path, key) if isinstance(value, Mapping) else path)
            continue
        fault = find_label_fault(key, item)
        if fault is not None:
            reading.report("invalid-label", f'The label "{key[:60]}" {fault}.', path)
    return tuple(pairs)


def read_retry(reading: Reading, value: Any, path: Path, owner: str) -> Retry | None:
    """Return a retry block and report bounds that do not fit together. Source: flow language, 9.1."""
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        return None
    kind = value["type"]
    needed = {"constant": ("interval",), "exponential": ("interval", "maxInterval"), "random": ("minInterval", "maxInterval")}
    for name in needed.get(kind, ()):
        if value.get(name) is None:
            reading.report("required", f'The {kind} retry of {owner} must have a property "{name}", which is missing.', path)
    interval, shortest = read_duration(value.get("interval")), read_duration(value.get("minInterval"))
    longest, whole = read_duration(value.get("maxInterval")), read_duration(value.get("maxDuration"))
    for name, length in (("interval", interval), ("minInterval", shortest), ("maxInterval", longest), ("maxDuration", whole)):
        if length is not None and length <= timedelta(0) and not (name == "minInterval" and length == timedelta(0)):
            reading.report("retry-bounds", f'Property "retry.{name}" of {owner} must be longer than zero.', (*path, name))
    if kind == "exponential":
        _check_order(reading, "interval", interval, "maxInterval", longest, path, owner)
    elif kind == "random":
        _check_order(reading, "minInterval", shortest, "maxInterval", longest, path, owner)
    if kind == "constant":
        _check_order(reading, "interval", interval, "maxDuration", whole, path, owner)
    else:
        _check_order(reading, "maxInterval", longest, "maxDuration", whole, path, owner)
    factor = value.get("delayFactor")
    return Retry(
        type=kind,
        interval=interval,
        min_interval=shortest,
        max_interval=longest,
        delay_factor=float(factor) if isinstance(factor, (int, float)) else 2.0,
        max_attempts=value.get("maxAttempts"),
        max_duration=whole,
        warning_on_retry=bool(value.get("warningOnRetry", False)),
        behavior=value.get("behavior") or "RETRY_FAILED_TASK",
    )


def _check_order(
    reading: Reading, small: str, less: timedelta | None, large: str, more: timedelta | None, path: Path, owner: str
) -> None:
    if less is not None and more is not None and less >= more:
        reading.report(
            "retry-bounds",
            f'Property "retry.{large}" of {owner} is {format_duration(more)}, but must be longer than "{small}", '
            f"which is {format_duration(less)}.",
            (*path, large),
        )


def read_worker_group(reading: Reading, values: Mapping[str, Any], path: Path) -> WorkerGroup | None:
    """Return where the element may run, from `workerGroup` or `workerSelector`; the selector wins when both are there."""
    selector = values.get("workerSelector")
    if isinstance(selector, Mapping) and isinstance(selector.get("tags"), list):
        tags = tuple(tag for tag in selector["tags"] if isinstance(tag, str))
        for index, tag in enumerate(tags):
            if "{{" not in tag:
                check_name(reading, NameKind.WORKER_GROUP, tag, (*path, "workerSelector", "tags", index), noun="tag")
        return WorkerGroup(
            key=",".join(sorted(tags)), fallback=selector.get("fallback", "FAIL"), tags=tags, match=selector.get("match", "ALL")
        )
    group = values.get("workerGroup")
    if not isinstance(group, Mapping) or not isinstance(group.get("key"), str):
        return None
    if "{{" not in group["key"]:
        check_name(reading, NameKind.WORKER_GROUP, group["key"], (*path, "workerGroup", "key"), noun="key")
    return WorkerGroup(key=group["key"], fallback=group.get("fallback", "WAIT"))


def read_concurrency(value: Any) -> Concurrency | None:
    """Return the concurrency block, whose shape has been checked."""
    if not isinstance(value, Mapping) or not isinstance(value.get("limit"), int):
        return None
    return Concurrency(limit=value["limit"], behavior=value.get("behavior") or "QUEUE")


def read_quotas(reading: Reading, value: Any, path: Path) -> tuple[Quota, ...]:
    """Return the limits of starts per period; the period is what tells them apart. Source: flow language, 2.1."""
    found: dict[timedelta, Quota] = {}
    for index, item in enumerate(value if isinstance(value, list) else ()):
        period = read_duration(item.get("duration")) if isinstance(item, Mapping) else None
        if period is None or not isinstance(item.get("limit"), int):
            continue
        here = (*path, index, "duration")
        if period < _SHORTEST_QUOTA:
            reading.report("quota-duration", f"A quota must be for PT1M or longer; got {format_duration(period)}.", here)
        elif period in found:
            reading.report("duplicate-quota", f"There are two quotas for {format_duration(period)}: keep one of them.", here)
        else:
            found[period] = Quota(duration=period, limit=item["limit"], behavior=item.get("behavior") or "FAIL")
    return tuple(found.values())


def read_service_levels(reading: Reading, value: Any, path: Path) -> tuple[ServiceLevel, ...]:
    """Return the SLAs; every type has one property that it cannot do without. Source: flow language, 12."""
    found = []
    for index, item in enumerate(value if isinstance(value, list) else ()):
        here = (*path, index)
        if not isinstance(item, Mapping) or not all(isinstance(item.get(key), str) for key in ("id", "type", "behavior")):
            continue
        needed = {"MAX_DURATION": "duration", "EXECUTION_ASSERTION": "assert"}.get(item["type"])
        if needed and item.get(needed) is None:
            reading.report("required", f'SLA "{item["id"]}" of type {item["type"]} must have a property "{needed}".', here)
        reading.check_expressions(item.get("assert"), (*here, "assert"))
        found.append(
            ServiceLevel(
                id=item["id"],
                type=item["type"],
                behavior=item["behavior"],
                duration=read_duration(item.get("duration")),
                assertion=item.get("assert"),
                labels=read_labels(reading, item.get("labels"), (*here, "labels")),
            )
        )
    return tuple(found)


def read_checks(reading: Reading, value: Any, path: Path) -> tuple[Check, ...]:
    """Return the checks made before an execution is created. Source: flow language, 3.7."""
    found = []
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(item, Mapping) or not isinstance(item.get("when"), str) or not isinstance(item.get("message"), str):
            continue
        reading.check_expressions(item["when"], (*path, index, "when"))
        found.append(
            Check(
                when=item["when"],
                message=item["message"],
                style=item.get("style") or "INFO",
                behavior=item.get("behavior") or "BLOCK_EXECUTION",
            )
        )
    return tuple(found)


def read_plugin_defaults(reading: Reading, value: Any, path: Path) -> tuple[PluginDefault, ...]:
    """Return the plugin defaults of a flow and report what they name in vain. Source: flow language, 5.2."""
    found = []
    for index, item in enumerate(value if isinstance(value, list) else ()):
        here = (*path, index)
        if not isinstance(item, Mapping) or not isinstance(item.get("type"), str) or not isinstance(item.get("values"), Mapping):
            continue
        check_default_values(reading, item["type"], item["values"], (*here, "values"))
        if item.get("forced"):
            reading.report(
                "forced-default",
                f'The plugin defaults for "{item["type"]}" are forced, which a flow cannot do; they apply as ordinary ones.',
                (*here, "forced"),
                hint="Force them in the defaults of the namespace or the server.",
                severity=Severity.WARNING,
            )
        found.append(PluginDefault(type=item["type"], values=item["values"], forced=False, ref=item.get("ref")))
    return tuple(found)


def check_default_values(reading: Reading, type_name: str, values: Mapping[str, Any], path: Path) -> None:
    """Report the values of one plugin default that are empty, or that no property of its type takes."""
    entry = reading.registry.find(type_name)
    for key, item in values.items():
        if item is None:
            reading.report(
                "empty-default",
                f'The plugin defaults for "{type_name}" give "{key}" no value.',
                (*path, key),
                hint="Remove the key.",
            )
    if entry is None:
        return
    common = definitions.TASK if entry.kind == "task" else definitions.TRIGGER if entry.kind == "trigger" else {"properties": {}}
    known = {*common["properties"], *entry.schema.get("properties", {}), *entry.branches, *common.get("x-aliases", {})}
    known.update(definitions.PROPERTY_ALIASES.get(entry.arrangement or "", {}))
    shape = {"type": "object", "properties": {name: {} for name in sorted(known)}, "additionalProperties": False}
    check_shape(reading, shape, dict(values), path, f'the plugin defaults for "{type_name}"')


def read_outputs(reading: Reading, value: Any, path: Path) -> tuple[Output, ...]:
    """Return the outputs of a flow or a Loop; ids are unique. Source: flow language, 4."""
    if value is None:
        return ()
    checked = check_shape(reading, definitions.many(definitions.OUTPUT), value, path, "the outputs")
    found: list[Output] = []
    seen: set[str] = set()
    for index, item in enumerate(checked if isinstance(checked, list) else ()):
        here = (*path, index)
        if not isinstance(item, Mapping) or not isinstance(item.get("id"), str):
            continue
        check_name(reading, NameKind.OUTPUT, item["id"], (*here, "id"))
        if item["id"] in seen:
            reading.report(
                "duplicate-output", f"Duplicate output with name [{item['id']}].", (*here, "id"), hint="Rename one of the two."
            )
        seen.add(item["id"])
        if item.get("type") in {"ARRAY", "MULTISELECT"} and item.get("itemType") is None and item["type"] == "ARRAY":
            reading.report("required", f'Output "{item["id"]}" of type ARRAY must have a property "itemType".', here)
        reading.check_expressions(item.get("value"), (*here, "value"))
        found.append(
            Output(
                id=item["id"],
                value=item.get("value"),
                type=item.get("type"),
                item_type=item.get("itemType"),
                required=bool(item.get("required", True)),
                description=item.get("description"),
                display_name=item.get("displayName"),
            )
        )
    return tuple(found)


def _write_scalar(value: Any) -> str:
    return "true" if value is True else "false" if value is False else str(value)
