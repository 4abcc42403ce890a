"""The state rows of triggers: made, reset and removed when a revision of their flow is saved or the flow is deleted."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q

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
from flows.triggers.windows import next_deadline_after

log = logging.getLogger(__name__)

LONGEST_MESSAGE = 500
STATEFUL_FAMILIES = ("schedule", "polling", "realtime")
"""Triggers that remember something between two evaluations. Rows of the others only tell how things stand."""
EVENT_FAMILIES = ("webhook", "flow")

_NOTE = """
UPDATE flows_triggerstate SET evaluation = %s, last_triggered_at = COALESCE(%s, last_triggered_at),
    last_fired_at = COALESCE(%s, last_fired_at)
WHERE id = (SELECT id FROM flows_triggerstate WHERE namespace = %s AND flow_id = %s AND trigger_id = %s {lock})
"""


def sync_triggers(row: Flow, definition: TypedFlow | None = None) -> None:
    """
    Bring the state rows of a flow in line with its newest revision. Call it in the transaction that wrote the revision.

    A new trigger gets a row, a removed one loses it; a schedule whose rule changed waits for the next date by the new rule; a
    changed polling or realtime trigger starts afresh; a Flow trigger with `onMiss` waits for its next deadline. Rows of a
    disabled flow or trigger stay and wait for nothing; enabled again, a schedule goes on from now.

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
    else:
        if changed or was_off:
            reset_row(state, at=at)
        # A trigger that could not be read for a while has lost its deadline without having changed.
        if trigger.family == "flow" and state.next_at is None:
            state.next_at = find_next_deadline(trigger, at=at)
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


def find_next_deadline(trigger: Trigger, *, at: datetime) -> datetime | None:
    """Return the next deadline that a Flow trigger could miss, aware UTC; None when it has none, or cannot be read."""
    try:
        group = read_flow_trigger(trigger).deadline_group
    except FlowsError:
        # The save reports the fault; a row that cannot tell its deadline waits for the next save.
        return None
    return next_deadline_after(group.window, at) if group is not None else None


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


def note_event(
    name: tuple[str, str, str],
    evaluation: Mapping[str, Any],
    *,
    fired_at: datetime | None = None,
    date: datetime | None = None,
    may_skip: bool = True,
) -> None:
    """
    Keep on the row of a webhook or Flow trigger what became of the last thing that it heard.

    Args:
        name: namespace, flow id, trigger id. A trigger without a row is passed over.
        evaluation: as `describe_evaluation` returns it.
        fired_at: when it started something, None when it did not; `date` is the moment of the event that did it.
        may_skip: leave the row alone when another transaction holds it. Calls of one webhook then never wait for one another;
            one of those that come at the same time is kept.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _NOTE.format(lock="FOR NO KEY UPDATE SKIP LOCKED" if may_skip else "FOR NO KEY UPDATE"),
            [json.dumps(dict(evaluation)), fired_at, date, *name],
        )


def list_switched_off(names: Iterable[tuple[str, str]]) -> set[tuple[str, str, str]]:
    """Return which triggers of some flows, given by namespace and id, are switched off at run time, by their full names."""
    wanted = set(names)
    rows = TriggerState.objects.filter(
        disabled=True, namespace__in={name for name, _ in wanted}, flow_id__in={flow_id for _, flow_id in wanted}
    )
    return {name for name in rows.values_list("namespace", "flow_id", "trigger_id") if name[:2] in wanted}


def add_missing_rows() -> int:
    """
    Give rows to the webhooks and Flow triggers of flows that were saved before such triggers had any; return to how many flows.

    Only flows whose text names such a type and that have no such row are read, so a second call finds next to nothing.
    """
    entries = [entry for entry in get_registry().list_entries("trigger") if entry.family in EVENT_FAMILIES]
    names = [name for entry in entries for name in (entry.type, *entry.aliases)]
    named = reduce(or_, (Q(revisions__source__contains=name) for name in names), Q(pk__in=[]))
    has_row = TriggerState.objects.filter(namespace=OuterRef("namespace"), flow_id=OuterRef("flow_id"), family__in=EVENT_FAMILIES)
    rows = Flow.objects.filter(named, ~Exists(has_row), revisions__revision=F("revision"), deleted=False, problem="")
    count = 0
    for key in list(rows.values_list("pk", flat=True).distinct()):
        try:
            with transaction.atomic():
                row = Flow.objects.select_for_update().get(pk=key)
                sync_triggers(row)
        except FlowsError as error:
            log.warning("trigger.rows-missing", extra={"flow": key, "reason": str(error)})
            continue
        count += 1
    return count


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
