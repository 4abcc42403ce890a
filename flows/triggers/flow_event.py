"""Flow triggers: does the change of one execution start another flow? Pure: event and remembered windows in, answer out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from flows.primitives.errors import FlowsError
from flows.primitives.states import TERMINAL, State
from flows.triggers.conditions import Render, Situation, evaluate_all, evaluate_condition, evaluate_when
from flows.triggers.flow_entries import Entry, FlowTrigger, Group
from flows.triggers.upstream import UpstreamExecution, nest_labels, upstream_variables
from flows.triggers.windows import Span, WindowKind, window_span

DEFAULT_STATES = frozenset({*TERMINAL, State.PAUSED})
SILENT_KINDS = frozenset({"LOOP", "TEST", "PLAYGROUND"})


@dataclass(frozen=True, slots=True)
class Memory:
    """
    What a window remembers between events.

    `satisfied` maps the key of a condition to a JSON map `{executionId, flowId, at, outputs}` of the execution that satisfied it
    last; `has_fired` is True in a window that fires once and did.
    """

    span: Span
    satisfied: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    has_fired: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    The answer to one event.

    Attributes:
        fires: True when an execution starts.
        reason: why, or why not, in words.
        memories: per window group what to store now; None means that the stored row goes. Groups that did not change are absent.
        variables: `trigger.*` of the new execution when it fires.
        warning: a condition that could not be answered and therefore counted as false; empty otherwise.
    """

    fires: bool
    reason: str
    memories: Mapping[str, Memory | None] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    warning: str = ""


def decide_flow_trigger(
    trigger: FlowTrigger,
    event: UpstreamExecution,
    memories: Mapping[str, Memory],
    *,
    namespace: str,
    flow_id: str,
    render: Render,
    at: datetime,
) -> Outcome:
    """
    Return whether the change of an execution fires a flow trigger, and what its windows remember from now on.

    Args:
        trigger: the trigger, read once per revision.
        event: the execution in its new state.
        memories: per group id what was stored; a missing or expired one counts as empty.
        namespace, flow_id: the flow that owns the trigger.
        render: renders expressions with the given names only.
        at: aware UTC moment of the change.

    Returns:
        An Outcome. The same event given twice to a window that keeps collecting satisfies the same condition again and
        changes nothing else.

    Source: flow language, 13.7.
    """
    refusal = _refuse_at_once(trigger, event, namespace, flow_id)
    if refusal:
        return Outcome(False, refusal)
    situation = _situation(trigger, event, namespace, flow_id, render)
    try:
        verdict = evaluate_when(trigger.when, situation)
        if verdict:
            verdict = evaluate_all(trigger.conditions, situation)
    except FlowsError as error:
        return Outcome(False, str(error), warning=str(error))
    if not verdict:
        return Outcome(False, verdict.reason)
    if not trigger.groups:
        return Outcome(True, verdict.reason, variables=trigger_variables(event, {}))
    return _decide_groups(trigger, event, memories, situation, at)


def trigger_variables(event: UpstreamExecution, outputs_by_flow: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """
    Return the `trigger.*` variables of the execution that an upstream one starts, as JSON-ready values.

    Args:
        event: the execution that completed the conditions.
        outputs_by_flow: flow outputs of every upstream execution of the window by flow id, the event's own may be missing.

    Returns:
        The names of flow language 13.7. `outputs` holds one map per flow id; with a single upstream flow its keys stand there
        directly as well, unless one of them is the flow id itself.
    """
    own = dict(event.outputs or {})
    scoped: dict[str, Any] = {name: dict(outputs) for name, outputs in outputs_by_flow.items()}
    if own or event.flow_id not in scoped:
        scoped[event.flow_id] = own
    outputs = {**own, **scoped} if len(scoped) == 1 else scoped
    variables: dict[str, Any] = {
        "executionId": event.id,
        "executionLabels": nest_labels(event.labels),
        "state": event.state,
        "namespace": event.namespace,
        "flowId": event.flow_id,
        "flowRevision": event.revision,
        "outputs": outputs,
    }
    optional = {
        "startDate": _iso(event.start_at),
        "endDate": _iso(event.end_at),
        "firstFailedTaskId": event.first_failed_task_id,
        "lastTaskId": event.last_task_id,
    }
    variables.update({name: value for name, value in optional.items() if value is not None})
    return variables


def mentions_task_outputs(value: Any) -> bool:
    """Tell whether any expression inside a value, map or list names `outputs`, so that loading them is worth the read."""
    if isinstance(value, str):
        return "outputs" in value and ("{{" in value or "{%" in value)
    if isinstance(value, Mapping):
        return any(mentions_task_outputs(item) for item in value.values())
    return isinstance(value, (list, tuple)) and any(mentions_task_outputs(item) for item in value)


def _refuse_at_once(trigger: FlowTrigger, event: UpstreamExecution, namespace: str, flow_id: str) -> str:
    if (event.namespace, event.flow_id) == (namespace, flow_id):
        return "a flow does not trigger itself"
    if event.kind in SILENT_KINDS:
        return f"executions of kind {event.kind} start no other flow"
    if event.state not in (trigger.states or DEFAULT_STATES):
        return f"the trigger does not listen to the state {event.state}"
    return ""


def _situation(trigger: FlowTrigger, event: UpstreamExecution, namespace: str, flow_id: str, render: Render) -> Situation:
    variables = upstream_variables(event, with_task_outputs=trigger.reads_task_outputs)
    variables["trigger"] = trigger_variables(event, {})
    return Situation(render=render, variables=variables, execution=event, namespace=namespace, flow_id=flow_id)


def _decide_groups(
    trigger: FlowTrigger, event: UpstreamExecution, memories: Mapping[str, Memory], situation: Situation, at: datetime
) -> Outcome:
    changed: dict[str, Memory | None] = {}
    current: list[tuple[Group, Memory]] = []
    missing: list[str] = []
    warning = ""
    satisfied_now = False
    for group in trigger.groups:
        span = window_span(group.window, at)
        if span is None:
            return Outcome(False, f'the window "{group.id}" is not open now')
        before = _recall(group, memories.get(group.id), span)
        keys, problem = _satisfied_keys(group, situation)
        warning = warning or problem
        memory = replace(before, satisfied={**before.satisfied, **{key: _record(event, at) for key in keys}})
        if keys:
            changed[group.id] = memory
        satisfied_now = satisfied_now or bool(keys)
        current.append((group, memory))
        if not _is_complete(group, memory):
            missing.append(f'"{group.id}" has {len(memory.satisfied)} of {group.wanted_count} conditions')
        elif memory.has_fired:
            missing.append(f'"{group.id}" fired already in this window')
    if missing or not satisfied_now:
        return Outcome(False, "; ".join(missing) or "the event satisfies no condition", changed, warning=warning)
    outputs: dict[str, Mapping[str, Any]] = {}
    for group, memory in current:
        for record in memory.satisfied.values():
            outputs[str(record["flowId"])] = record.get("outputs") or {}
        changed[group.id] = _after_firing(group, memory)
    return Outcome(True, "every condition is satisfied", changed, trigger_variables(event, outputs), warning)


def _recall(group: Group, stored: Memory | None, span: Span) -> Memory:
    """Return what is still valid: nothing of another window, and in a rolling window only what is recent enough."""
    is_rolling = group.window.kind is WindowKind.LOOKBACK
    # What is met now still counts until it is as old as the window is long.
    span_kept = Span(span.start, span.end + group.window.length) if is_rolling else span
    if stored is None:
        return Memory(span_kept)
    # What an edited trigger does not ask for any more must not count for it.
    known = {entry.key for entry in group.entries}
    stored = replace(stored, satisfied={key: record for key, record in stored.satisfied.items() if key in known})
    if is_rolling:
        recent = {key: record for key, record in stored.satisfied.items() if datetime.fromisoformat(record["at"]) in span}
        # A rolling window that fires once is over when nothing that made it fire is left in it.
        return Memory(span_kept, recent, stored.has_fired and bool(recent))
    if stored.span.start != span.start:
        return Memory(span)
    return replace(stored, span=span)


def _satisfied_keys(group: Group, situation: Situation) -> tuple[list[str], str]:
    keys: list[str] = []
    warning = ""
    for entry in group.entries:
        try:
            if _entry_holds(entry, situation):
                keys.append(entry.key)
        except FlowsError as error:
            warning = warning or f'condition "{entry.key}": {error}'
    return keys, warning


def _entry_holds(entry: Entry, situation: Situation) -> bool:
    event = situation.execution
    if event is None:
        return False
    if entry.condition is not None:
        return bool(evaluate_condition(entry.condition, situation))
    if entry.filters is not None:
        return entry.filters.hold(event, situation)
    matches = (
        (entry.namespace is None or event.namespace == entry.namespace)
        and (entry.flow_id is None or event.flow_id == entry.flow_id)
        and (entry.states is None or event.state in entry.states)
        and all(pair in event.labels for pair in entry.labels)
    )
    return matches and bool(evaluate_when(entry.when, situation))


def _is_complete(group: Group, memory: Memory) -> bool:
    return len(memory.satisfied) >= group.wanted_count


def _after_firing(group: Group, memory: Memory) -> Memory | None:
    if group.window.fire_once:
        return replace(memory, has_fired=True)
    return None if group.resets else memory


def _record(event: UpstreamExecution, at: datetime) -> dict[str, Any]:
    return {
        "executionId": event.id,
        "flowId": event.flow_id,
        "at": at.astimezone(UTC).isoformat(),
        "outputs": dict(event.outputs or {}),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment is not None else None
