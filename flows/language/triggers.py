"""Triggers: YAML to `Trigger` values. Whether one fires is decided elsewhere."""

from __future__ import annotations

from typing import Any

from flows.language.cron import find_cron_fault
from flows.language.elements import check_name, read_labels, read_worker_group
from flows.language.flow import Trigger
from flows.language.plugins import PluginReading, read_conditions, read_plugin
from flows.language.reading import Reading
from flows.language.source import Path
from flows.primitives.identifiers import NameKind
from flows.primitives.problems import Severity

_WINDOWS = ("deadline", "every", "lookback", "from")
_FLOW_FILTERS = ("dependsOn", "preconditions", "states")


def read_triggers(reading: Reading, value: Any, path: Path) -> tuple[Trigger, ...]:
    """Return the triggers of a flow and report what is wrong with them."""
    if value is None:
        return ()
    if not isinstance(value, list):
        reading.report("wrong-type", 'Property "triggers" of the flow must be a list of triggers.', path)
        return ()
    found = (read_trigger(reading, item, (*path, index)) for index, item in enumerate(value))
    return tuple(trigger for trigger in found if trigger is not None)


def read_trigger(reading: Reading, value: Any, path: Path) -> Trigger | None:
    """Return one trigger, or None when its type is not known or it is no mapping. Source: flow language, 13."""
    read = read_plugin(reading, value, path, "trigger", parts=("scheduleConditions",))
    if read is None:
        if isinstance(value, dict):
            check_name(reading, NameKind.TRIGGER, value.get("id"), (*path, "id"))
        return None
    common = read.common
    check_name(reading, NameKind.TRIGGER, common.get("id"), (*path, "id"))
    reading.check_expressions(common.get("when"), (*path, "when"))
    reading.check_expressions(common.get("inputs"), (*path, "inputs"))
    conditions = read_conditions(reading, common.get("conditions"), (*path, "conditions"))
    conditions += read_conditions(reading, read.branches.get("scheduleConditions"), (*path, "scheduleConditions"))
    for name in ("conditions", "scheduleConditions", "preconditions"):
        if value.get(name) is not None:
            reading.deprecate(
                f'Property "{name}" of {read.owner} is an old form.', (*path, name), hint='Write "when" or "dependsOn".'
            )
    family = read.entry.family or "polling"
    if family == "schedule":
        _check_schedule(reading, read, path)
    elif family == "flow":
        _check_flow_trigger(reading, read, conditions, path)
    place = reading.place(path)
    inputs = common.get("inputs")
    return Trigger(
        id=str(common.get("id") or ""),
        type=read.entry.type,
        family=family,
        properties=read.own,
        description=common.get("description"),
        disabled=bool(common.get("disabled", False)),
        when=common.get("when"),
        conditions=conditions,
        inputs=inputs if isinstance(inputs, dict) else None,
        labels=read_labels(reading, common.get("labels"), (*path, "labels"), rendered=True),
        stop_after=tuple(common.get("stopAfter") or ()),
        allow_concurrent=bool(common.get("allowConcurrent", False)),
        fail_on_trigger_error=bool(common.get("failOnTriggerError", False)),
        log_level=common.get("logLevel"),
        worker_group=read_worker_group(reading, common, path),
        position=(place.line, place.column),
    )


def _check_schedule(reading: Reading, read: PluginReading, path: Path) -> None:
    cron = read.own.get("cron")
    if isinstance(cron, str) and "{{" not in cron:
        fault = find_cron_fault(cron, with_seconds=read.own.get("withSeconds") is True)
        if fault is not None:
            reading.report(
                "invalid-cron",
                f'Property "cron" of {read.owner} is "{cron[:80]}", but {fault}.',
                (*path, "cron"),
                hint='Write minute, hour, day, month and weekday, such as "0 9 * * MON-FRI".',
            )


def _check_flow_trigger(reading: Reading, read: PluginReading, conditions: tuple[Any, ...], path: Path) -> None:
    own = read.own
    if not conditions and not any(own.get(name) for name in _FLOW_FILTERS) and not read.common.get("when"):
        reading.report(
            "unfiltered-flow-trigger",
            f"{read.owner[:1].upper()}{read.owner[1:]} has no filter and reacts to every execution of every flow.",
            path,
            hint='Name the flows in "dependsOn".',
            severity=Severity.WARNING,
        )
    window = own.get("window")
    if isinstance(window, dict):
        given = [name for name in _WINDOWS if window.get(name) is not None]
        if len(given) != 1:
            what = f"has {', '.join(given)}" if given else "has none of them"
            reading.report(
                "window",
                f"The window of {read.owner} must have exactly one of deadline, every, lookback, or from with to, but {what}.",
                (*path, "window"),
            )
        if (window.get("from") is None) != (window.get("to") is None):
            reading.report("window", f'The window of {read.owner} must have both "from" and "to".', (*path, "window"))
    older = own.get("preconditions")
    span = older.get("timeWindow") if isinstance(older, dict) else None
    has_deadline = any(isinstance(one, dict) and one.get("deadline") is not None for one in (window, span))
    if own.get("onMiss") is not None and not has_deadline:
        reading.report(
            "window",
            f'Property "onMiss" of {read.owner} has no effect: only a window with a deadline can be missed.',
            (*path, "onMiss"),
            hint='Write "window: {deadline: 09:00:00}".',
            severity=Severity.WARNING,
        )
    least, entries = own.get("minSatisfied"), own.get("dependsOn")
    if str(own.get("mode", "")).upper() == "AT_LEAST" and isinstance(entries, list):
        if not isinstance(least, int):
            reading.report("required", f'Mode AT_LEAST of {read.owner} needs a property "minSatisfied".', path)
        elif not 1 <= least <= len(entries):
            reading.report(
                "bounds", f'Property "minSatisfied" of {read.owner} must be from 1 to {len(entries)}, but is {least}.',
                (*path, "minSatisfied"),
            )  # fmt: skip
