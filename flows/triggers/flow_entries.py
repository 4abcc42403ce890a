"""What a Flow trigger listens to, read once from its properties: groups of entries with a window, and filters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import regex

from flows.language.flow import Trigger
from flows.primitives.errors import InvalidError
from flows.triggers.conditions import (
    MULTIPLE,
    ConditionError,
    Situation,
    condition_name,
    is_truthy,
    label_pairs_of,
    render_in,
    state_names,
)
from flows.triggers.upstream import UpstreamExecution
from flows.triggers.windows import Window, WindowKind, read_window

REGEX_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Filter:
    """One comparison of `where`: a field of the execution, or a rendered expression, against values."""

    field: str
    type: str
    value: Any = None
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class FilterSet:
    """The filters of one `where` element; all hold (AND) or one does (OR)."""

    filters: tuple[Filter, ...]
    is_any: bool = False

    def hold(self, execution: UpstreamExecution, situation: Situation) -> bool:
        """Tell whether the execution passes. Raises ConditionError when a filter cannot be answered."""
        answers = (holds(item, execution, situation) for item in self.filters)
        return any(answers) if self.is_any else all(answers)


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One condition of a group under its stable `key`: a legacy `condition`, a set of `filters`, or facts that must match.

    A fact that is None is not looked at.
    """

    key: str
    namespace: str | None = None
    flow_id: str | None = None
    states: frozenset[str] | None = None
    labels: tuple[tuple[str, str], ...] = ()
    when: str | None = None
    condition: Mapping[str, Any] | None = None
    filters: FilterSet | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """
    Entries that belong together inside one window.

    `id` keys the stored row and is unique in the flow; `wanted_count` entries must be satisfied (never 0); `resets` empties the
    window after a firing.
    """

    id: str
    entries: tuple[Entry, ...]
    window: Window
    wanted_count: int
    resets: bool = True


@dataclass(frozen=True, slots=True)
class FlowTrigger:
    """
    A Flow trigger ready for decisions. `states` None means the default list; `groups` may be empty; `miss_labels` are those of
    the execution that a missed deadline leaves, None when a missed deadline is nothing to tell.
    """

    id: str
    states: frozenset[str] | None
    when: str | None
    conditions: tuple[Mapping[str, Any], ...]
    groups: tuple[Group, ...]
    reads_task_outputs: bool = False
    miss_labels: tuple[tuple[str, str], ...] | None = None

    @property
    def deadline_group(self) -> Group | None:
        """The group whose deadline may be missed, None when nothing is to be told of that."""
        if self.miss_labels is None:
            return None
        return next((group for group in self.groups if group.window.kind is WindowKind.DEADLINE), None)


def read_flow_trigger(trigger: Trigger, *, default_zone: str = "UTC") -> FlowTrigger:
    """
    Return what a trigger of family `flow` listens to, whatever form it is written in.

    Raises:
        InvalidError: codes `trigger-window`, `trigger-mode` or `trigger-condition`; the message names the trigger.

    Source: flow language, 13.7; MultipleCondition from core tasks, 9.
    """
    properties = trigger.properties
    groups: list[Group] = []
    if properties.get("dependsOn"):
        groups.append(_read_depends_on(trigger, default_zone))
    if properties.get("preconditions"):
        groups.append(_read_preconditions(trigger, default_zone))
    single = [raw for raw in trigger.conditions if condition_name(raw) != MULTIPLE]
    groups += [_read_multiple(trigger, raw, default_zone) for raw in trigger.conditions if condition_name(raw) == MULTIPLE]
    texts = [trigger.when, *trigger.conditions, properties.get("dependsOn"), properties.get("preconditions")]
    return FlowTrigger(
        id=trigger.id,
        states=_states(trigger, properties),
        when=trigger.when,
        conditions=tuple(single),
        groups=tuple(groups),
        reads_task_outputs=any("outputs" in str(text) for text in texts if text is not None),
        miss_labels=_read_on_miss(trigger, properties.get("onMiss")),
    )


def holds(item: Filter, execution: UpstreamExecution, situation: Situation) -> bool:
    """
    Tell whether one filter of `where` holds.

    Raises:
        ConditionError: unknown field or type, missing value, a failing expression, or a pattern that cannot be used.
    """
    subject = _subject(item, execution, situation)
    wanted = item.values or ((item.value,) if item.field != "EXPRESSION" and item.value is not None else ())
    text = "" if subject is None else str(subject)
    match item.type:
        case "IS_TRUE":
            return is_truthy(subject)
        case "IS_FALSE":
            return not is_truthy(subject)
        case "IS_NULL":
            return subject is None or text == ""
        case "IS_NOT_NULL":
            return subject is not None and text != ""
    if not wanted:
        raise ConditionError(f"The filter {item.field} {item.type} needs a value to compare with.")
    candidates = [str(value) for value in wanted]
    match item.type:
        case "EQUAL_TO" | "IN":
            return text in candidates
        case "NOT_EQUAL_TO" | "NOT_IN":
            return text not in candidates
        case "STARTS_WITH":
            return text.startswith(tuple(candidates))
        case "ENDS_WITH":
            return text.endswith(tuple(candidates))
        case "CONTAINS":
            return any(value in text for value in candidates)
        case "REGEX":
            return any(_matches(pattern, text) for pattern in candidates)
    raise ConditionError(f'"{item.type}" is not a type of filter; use EQUAL_TO, IN, STARTS_WITH, REGEX, IS_TRUE and their like.')


def _subject(item: Filter, execution: UpstreamExecution, situation: Situation) -> Any:
    match item.field:
        case "FLOW_ID":
            return execution.flow_id
        case "NAMESPACE":
            return execution.namespace
        case "STATE":
            return execution.state
        case "EXPRESSION":
            return render_in(situation, item.value)
    raise ConditionError(f'"{item.field}" is not a field of a filter; use FLOW_ID, NAMESPACE, STATE or EXPRESSION.')


def _matches(pattern: str, text: str) -> bool:
    try:
        return regex.fullmatch(pattern, text, timeout=REGEX_SECONDS) is not None
    except (regex.error, TimeoutError) as error:
        raise ConditionError(f'The pattern "{pattern}" cannot be used: {error}') from error


def _read_depends_on(trigger: Trigger, default_zone: str) -> Group:
    properties = trigger.properties
    written = _list_of_maps(trigger, properties["dependsOn"], "dependsOn")
    keys = _name_entries(written, "dependsOn")
    entries = tuple(_read_entry(trigger, raw, key) for raw, key in zip(written, keys, strict=True))
    return Group(
        id=trigger.id,
        entries=entries,
        window=_read_window(trigger, properties.get("window"), default_zone),
        wanted_count=_wanted_count(trigger, len(entries)),
    )


def _name_entries(written: Sequence[Mapping[str, Any]], noun: str) -> list[str]:
    """Return keys that follow from what entries say, so that what is met already stays met when entries change places."""
    found: list[str] = []
    for raw in written:
        said = json.dumps(raw, sort_keys=True, default=str)
        name = ".".join(str(raw[part]) for part in ("namespace", "flowId") if raw.get(part) is not None)
        found.append(f"{noun}[{name}:{hashlib.sha256(said.encode()).hexdigest()[:8]}]")
    # The same entry twice counts twice.
    return [f"{key}#{before}" if (before := found[:index].count(key)) else key for index, key in enumerate(found)]


def _wanted_count(trigger: Trigger, count: int) -> int:
    mode = str(trigger.properties.get("mode") or "ALL")
    if mode == "ALL":
        return count
    if mode == "ANY":
        return 1
    least = trigger.properties.get("minSatisfied")
    if mode == "AT_LEAST" and isinstance(least, int) and 1 <= least <= count:
        return least
    if mode == "AT_LEAST":
        message = f'Trigger "{trigger.id}" has minSatisfied "{least}"; with {count} dependencies use 1 to {count}.'
    else:
        message = f'Trigger "{trigger.id}" has mode "{mode}"; use ALL, ANY or AT_LEAST.'
    raise InvalidError(message, code="trigger-mode")


def _read_preconditions(trigger: Trigger, default_zone: str) -> Group:
    block = trigger.properties["preconditions"]
    if not isinstance(block, Mapping):
        raise _condition_error(trigger, "preconditions must be a map")
    flows = _list_of_maps(trigger, block.get("flows") or [], "preconditions.flows")
    where = _list_of_maps(trigger, block.get("where") or [], "preconditions.where")
    keys = _name_entries(flows, "flows")
    entries = [_read_entry(trigger, raw, key) for raw, key in zip(flows, keys, strict=True)]
    entries += [
        Entry(key=f"where[{raw.get('id', index)}]", filters=_read_filters(trigger, raw)) for index, raw in enumerate(where)
    ]
    if not entries:
        raise _condition_error(trigger, "preconditions need at least one element under flows or where")
    return Group(
        id=str(block.get("id") or trigger.id),
        entries=tuple(entries),
        window=_read_window(trigger, block.get("timeWindow"), default_zone),
        wanted_count=len(entries),
        resets=block.get("resetOnSuccess") is not False,
    )


def _read_multiple(trigger: Trigger, raw: Mapping[str, Any], default_zone: str) -> Group:
    children = raw.get("conditions")
    if not isinstance(children, Mapping) or not children:
        raise _condition_error(trigger, "a MultipleCondition needs a map of conditions by name")
    entries = []
    for key, child in children.items():
        if not isinstance(child, Mapping):
            raise _condition_error(trigger, f'the condition "{key}" of a MultipleCondition must be a map with a type')
        entries.append(Entry(key=str(key), condition=child))
    written = raw.get("timeWindow")
    if written is None:
        written = {key: raw[key] for key in ("window", "windowAdvance") if raw.get(key) is not None}
    return Group(
        id=str(raw.get("id") or trigger.id),
        entries=tuple(entries),
        window=_read_window(trigger, written, default_zone),
        wanted_count=len(entries),
        resets=raw.get("resetOnSuccess") is not False,
    )


def _read_entry(trigger: Trigger, raw: Mapping[str, Any], key: str) -> Entry:
    namespace, flow_id, when = raw.get("namespace"), raw.get("flowId"), raw.get("when")
    labels = raw.get("labels")
    try:
        pairs = label_pairs_of(labels) if labels else ()
    except ConditionError as error:
        raise _condition_error(trigger, f"{key}.labels: {error}") from error
    return Entry(
        key=key,
        namespace=str(namespace) if namespace is not None else None,
        flow_id=str(flow_id) if flow_id is not None else None,
        states=_states(trigger, raw),
        labels=pairs,
        when=str(when) if when is not None else None,
    )


def _read_filters(trigger: Trigger, raw: Mapping[str, Any]) -> FilterSet:
    written = _list_of_maps(trigger, raw.get("filters") or [], "preconditions.where.filters")
    if not written:
        raise _condition_error(trigger, f'"{raw.get("id")}" under where needs at least one filter')
    filters = tuple(
        Filter(
            field=str(item.get("field", "")),
            type=str(item.get("type", "")),
            value=item.get("value"),
            values=tuple(item.get("values") or ()),
        )
        for item in written
    )
    return FilterSet(filters, is_any=str(raw.get("operand") or "AND").upper() == "OR")


def _states(trigger: Trigger, raw: Mapping[str, Any]) -> frozenset[str] | None:
    try:
        return state_names(raw, "states")
    except ConditionError as error:
        raise _condition_error(trigger, str(error)) from error


def _read_on_miss(trigger: Trigger, written: Any) -> tuple[tuple[str, str], ...] | None:
    if written is None:
        return None
    if not isinstance(written, Mapping):
        raise _condition_error(trigger, "onMiss must be a map such as {behavior: FAIL}")
    try:
        return label_pairs_of(written["labels"]) if written.get("labels") else ()
    except ConditionError as error:
        raise _condition_error(trigger, f"onMiss.labels: {error}") from error


def _read_window(trigger: Trigger, written: Any, default_zone: str) -> Window:
    if written is not None and not isinstance(written, Mapping):
        raise _condition_error(trigger, "the window must be a map such as {every: P1D}")
    try:
        return read_window(written, default_zone=default_zone)
    except InvalidError as error:
        raise InvalidError(f'Trigger "{trigger.id}": {error.message}', code=error.code) from error


def _list_of_maps(trigger: Trigger, written: Any, name: str) -> Sequence[Mapping[str, Any]]:
    if isinstance(written, (list, tuple)) and all(isinstance(item, Mapping) for item in written):
        return written
    raise _condition_error(trigger, f"{name} must be a list of maps")


def _condition_error(trigger: Trigger, reason: str) -> InvalidError:
    return InvalidError(f'Trigger "{trigger.id}" cannot be read: {reason}.', code="trigger-condition")
