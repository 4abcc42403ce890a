"""What a Flow trigger waits for, in words, for people who do not read its block of conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import time, timedelta
from typing import Any

from flows.triggers.conditions import condition_name
from flows.triggers.flow_entries import Entry, Filter, FilterSet, FlowTrigger, Group
from flows.triggers.windows import Window, WindowKind

LONGEST_TEXT = 80
_COMPARISONS = {
    "EQUAL_TO": "is", "NOT_EQUAL_TO": "is not", "IN": "is one of", "NOT_IN": "is none of", "IS_TRUE": "is true",
    "IS_FALSE": "is false", "IS_NULL": "is empty", "IS_NOT_NULL": "is not empty", "STARTS_WITH": "begins with",
    "ENDS_WITH": "ends with", "REGEX": "matches", "CONTAINS": "contains",
}  # fmt: skip
_FIELDS = {"FLOW_ID": "the flow", "NAMESPACE": "the namespace", "STATE": "the state"}
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def say_flow_trigger(trigger: FlowTrigger) -> str:
    """
    Return in one line after which executions a flow starts, such as "after acme.load and acme.clean, within the same day".
    """
    conditions = [*(say_condition(raw) for raw in trigger.conditions)]
    for group in trigger.groups:
        entries = [say_entry(entry) for entry in group.entries]
        count = group.wanted_count
        if count == len(entries):
            said = _join(entries, "and")
        elif count == 1:
            said = _join(entries, "or")
        else:
            said = f"at least {count} of {_join(entries, 'and')}"
        conditions.append(f"{said}, {say_window(group.window)}" if len(entries) > 1 or _has_edges(group) else said)
    after = "; ".join(conditions) or "every execution of other flows"
    states = f" ({_join(sorted(trigger.states), 'or')})" if trigger.states else ""
    when = f", if {_cut(trigger.when)}" if trigger.when is not None else ""
    return f"after {after}{states}{when}"


def say_entry(entry: Entry) -> str:
    """Return what satisfies one condition of a group, such as "company.team.load with SUCCESS"."""
    if entry.condition is not None:
        return say_condition(entry.condition)
    if entry.filters is not None:
        return _say_filters(entry.filters)
    if entry.flow_id is None:
        subject = f"any flow of {entry.namespace}" if entry.namespace is not None else "any other flow"
    else:
        subject = f"{entry.namespace}.{entry.flow_id}" if entry.namespace is not None else f"any flow called {entry.flow_id}"
    states = f" with {_join(sorted(entry.states), 'or')}" if entry.states else ""
    labels = f" labelled {', '.join(f'{key}: {value}' for key, value in entry.labels)}" if entry.labels else ""
    when = f" if {_cut(entry.when)}" if entry.when is not None else ""
    return f"{subject}{states}{labels}{when}"


def say_condition(raw: Mapping[str, Any]) -> str:
    """Return one condition of the older form in words; those that look at other things by their name."""
    name = condition_name(raw)
    match name:
        case "ExecutionFlow":
            return f"{raw.get('namespace')}.{raw.get('flowId')}"
        case "ExecutionNamespace":
            word = {"PREFIX": "below", "SUFFIX": "ending with"}.get(
                str(raw.get("comparison") or ("PREFIX" if raw.get("prefix") is True else "")), "of"
            )
            return f"any flow {word} {raw.get('namespace')}"
        case "ExecutionStatus" | "ExecutionState":
            wanted, unwanted = _texts(raw.get("in")), _texts(raw.get("notIn"))
            parts = [f"a state of {_join(wanted, 'or')}"] if wanted else []
            parts += [f"no state of {_join(unwanted, 'or')}"] if unwanted else []
            return " and ".join(parts) or "any state"
        case "Expression" | "ExecutionOutputs":
            return f"{_cut(raw.get('expression'))} holds"
        case "Or" | "Not":
            children = [say_condition(child) for child in raw.get("conditions") or () if isinstance(child, Mapping)]
            return f"not ({_join(children, 'or')})" if name == "Not" else f"({_join(children, 'or')})"
    return f"the condition {name}"


def say_window(window: Window) -> str:
    """Return within which time all conditions of a group must be met."""
    zone = window.zone.key
    match window.kind:
        case WindowKind.LOOKBACK:
            return f"within {say_length(window.length)} of one another"
        case WindowKind.RANGE:
            return f"between {_clock(window.starts)} and {_clock(window.ends)} {zone}"
        case WindowKind.DEADLINE:
            return f"before {_clock(window.ends)} {zone} of the same day"
    offset = f", counted {say_length(window.offset)} after midnight" if window.offset else ""
    return f"within the same {say_length(window.length).removeprefix('1 ')}{offset}"


def say_length(length: timedelta) -> str:
    """Return a length of time in its largest units: "1 day", "1 hour and 30 minutes"."""
    seconds, parts = int(length.total_seconds()), []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return _join(parts, "and") or "no time"


def _has_edges(group: Group) -> bool:
    return group.window.kind in (WindowKind.RANGE, WindowKind.DEADLINE)


def _say_filters(filters: FilterSet) -> str:
    return _join([_say_filter(one) for one in filters.filters], "or" if filters.is_any else "and")


def _say_filter(one: Filter) -> str:
    values = one.values or (() if one.value is None or one.field == "EXPRESSION" else (one.value,))
    subject = _FIELDS.get(one.field) or _cut(one.value)
    compared = _COMPARISONS.get(one.type, one.type)
    return f"{subject} {compared} {_join([str(value) for value in values], 'or')}".rstrip()


def _join(words: Sequence[str], last: str) -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, Iterable) and not isinstance(value, str | Mapping) else []


def _cut(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def _clock(moment: time | None) -> str:
    if moment is None:
        return "00:00"
    return f"{moment:%H:%M}" if not moment.second else f"{moment:%H:%M:%S}"
