"""The state rows of triggers: made, reset and removed when a revision of their flow is saved or the flow is deleted."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from flows.engine.catalog import list_namespace_defaults
from flows.language.flow import Flow as TypedFlow
from flows.language.flow import Trigger
from flows.language.parse import parse_flow
from flows.models import Flow, FlowTriggerWindow, TriggerState, WebhookEvent
from flows.operations.trigger_environment import make_date_filter
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import FlowsError
from flows.primitives.storable import make_storable
from flows.triggers.backfill import dump_backfill, load_backfill
from flows.triggers.firing import ScheduleState, date_after_change, first_waiting_date
from flows.triggers.flow_entries import read_flow_trigger
from flows.triggers.schedule import read_schedule

LONGEST_MESSAGE = 500
STATEFUL_FAMILIES = ("schedule", "polling", "realtime")


def sync_triggers(row: Flow, definition: TypedFlow | None = None) -> None:
    """
    Bring the state rows of a flow in line with its newest revision. Call it in the transaction that wrote the revision.

    A new trigger gets a row, a removed one loses it; a schedule whose rule changed waits for the next date by the new rule; a
    changed polling or realtime trigger starts afresh. Rows of a disabled flow or trigger stay and wait for nothing; enabled
    again, a schedule goes on from now.

    Args:
        row: the flow as written, `updated_at` is the moment of the change.
        definition: the typed revision; read from the stored text when it is not given.

    Source: flow language, 13.9; reliability, R-53.
    """
    names = {"namespace": row.namespace, "flow_id": row.flow_id}
    if row.deleted:
        TriggerState.objects.filter(**names).delete()
        FlowTriggerWindow.objects.filter(**names).delete()
        WebhookEvent.objects.filter(**names).delete()
        _mark_listening(row, False)
        return
    flow = definition or _read_definition(row)
    if flow is None:
        return
    stored = {state.trigger_id: state for state in TriggerState.objects.select_for_update().filter(**names)}
    for trigger in flow.triggers:
        if trigger.family in STATEFUL_FAMILIES:
            _sync_row(row, flow, trigger, stored.pop(trigger.id, None))
    TriggerState.objects.filter(pk__in=[state.pk for state in stored.values()]).delete()
    _mark_listening(row, any(trigger.family == "flow" and not trigger.disabled for trigger in flow.triggers))
    _forget_windows(row, flow)


def fingerprint_of(trigger: Trigger) -> str:
    """Return a hash that changes with everything of a trigger that decides when it fires."""
    parts = {
        "type": trigger.type,
        "properties": trigger.properties,
        "when": trigger.when,
        "conditions": [dict(condition) for condition in trigger.conditions],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _read_definition(row: Flow) -> TypedFlow | None:
    # Not through the catalogue: its cache outlives a transaction that is rolled back.
    source = row.revisions.values_list("source", flat=True).get(revision=row.revision)
    return parse_flow(source, get_registry(), namespace_defaults=list_namespace_defaults(row.namespace)).flow


def _mark_listening(row: Flow, listens: bool) -> None:
    if row.listens != listens:
        Flow.objects.filter(pk=row.pk).update(listens=listens)
        row.listens = listens


def _forget_windows(row: Flow, flow: TypedFlow) -> None:
    """Drop what windows of conditions remember that the flow does not have any more."""
    known: set[str] = set()
    for trigger in flow.triggers:
        if trigger.family == "flow":
            try:
                known.update(group.id for group in read_flow_trigger(trigger).groups)
            except FlowsError:
                continue
    FlowTriggerWindow.objects.filter(namespace=row.namespace, flow_id=row.flow_id).exclude(condition_id__in=known).delete()


def _sync_row(row: Flow, flow: TypedFlow, trigger: Trigger, state: TriggerState | None) -> None:
    at, off = row.updated_at, trigger.disabled or row.disabled
    print_now = fingerprint_of(trigger)
    is_new = state is None or state.type != trigger.type
    if state is None:
        state = TriggerState(namespace=row.namespace, flow_id=row.flow_id, trigger_id=trigger.id)
    changed = is_new or state.fingerprint != print_now
    was_off = state.source_disabled or state.disabled
    state.type, state.family, state.fingerprint = trigger.type, trigger.family, print_now
    state.flow_revision = row.revision
    state.source_disabled = off
    state.stop_after = list(trigger.stop_after)
    if trigger.allow_concurrent:
        state.execution_id = state.locked_at = None
    if off or state.disabled:
        state.next_at = None
    elif trigger.family == "schedule":
        _sync_schedule(state, flow, trigger, at=at, starts_afresh=is_new or was_off, changed=changed)
    elif changed or was_off:
        reset_row(state, at=at)
    state.save()


def _sync_schedule(
    state: TriggerState, flow: TypedFlow, trigger: Trigger, *, at: datetime, starts_afresh: bool, changed: bool
) -> None:
    try:
        schedule = read_schedule(trigger)
        accepts = make_date_filter(flow, trigger, schedule, at=at)
        if starts_afresh and state.backfill is None:
            state.next_at = first_waiting_date(schedule, accepts, at=at)
        elif changed and state.backfill is None:
            state.next_at = date_after_change(schedule, read_state(state), accepts, at=at)
    except FlowsError:
        # The save reports the fault; a row that cannot tell its dates waits for the next save.
        state.next_at = None


def reset_row(state: TriggerState, *, at: datetime) -> None:
    """Let a polling or realtime trigger start from nothing; what it kept between polls goes too. The caller saves."""
    state.next_at = at if state.family == "polling" else None
    state.evaluating_since = None
    state.worker_id = None
    state.state = None


def describe_evaluation(
    *, at: datetime, seconds: float, execution_id: str | None = None, failure: str = "", message: str = ""
) -> dict[str, Any]:
    """
    Return what a row keeps of its last evaluation.

    Args:
        seconds: how long it took.
        execution_id: what it started; also a failed evaluation starts something when its trigger says so.
        failure: why it could not be done, empty when it could.
        message: what it found, for one that did not fail.
    """
    result = "FAILED" if failure else "STARTED" if execution_id else "NOTHING"
    words = failure or message
    return {
        "at": at.isoformat(),
        "seconds": round(seconds, 3),
        "result": result,
        "message": make_storable(words[:LONGEST_MESSAGE]),
        "executionId": execution_id,
    }


def read_state(row: TriggerState) -> ScheduleState:
    """Return what the row of a schedule remembers as a value for the pure rules."""
    return ScheduleState(
        next_at=row.next_at, last_fired_at=row.last_fired_at, backfill=load_backfill(row.backfill) if row.backfill else None
    )


def write_state(row: TriggerState, state: ScheduleState) -> None:
    """Put a decided state into the row. The caller saves."""
    row.next_at = state.next_at
    row.last_fired_at = state.last_fired_at
    row.backfill = dump_backfill(state.backfill) if state.backfill else None
