"""Deadlines of Flow triggers: one that passes before its conditions are met leaves a FAILED execution, for everybody to see."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from flows.engine.catalog import LoadedFlow, get_flow
from flows.language.flow import Trigger
from flows.models import Execution, Firing, FlowTriggerWindow, TriggerState
from flows.operations.schedules import record_firings
from flows.operations.trigger_environment import TriggerRenderer, render_labels
from flows.operations.trigger_locks import lock_trigger
from flows.operations.trigger_rows import describe_evaluation
from flows.operations.trigger_starts import TriggerStart, fail_by_trigger, find_trigger
from flows.primitives.errors import FlowsError
from flows.primitives.ids import new_id
from flows.triggers.flow_entries import Group, read_flow_trigger
from flows.triggers.flow_words import say_entry
from flows.triggers.windows import next_deadline_after, window_span

log = logging.getLogger(__name__)

MISSED = "deadline"
"""Cause of the firing of a missed deadline; other firings of the trigger carry the id of the execution that was heard of."""

_BATCH = 200
# What ended in time but was not told yet may still meet the deadline.
_LONGEST_PATIENCE = timedelta(minutes=1)


def fail_missed_deadlines(*, at: datetime) -> int:
    """
    Create a FAILED execution for every deadline of a Flow trigger with `onMiss` that has passed unmet; return how many.

    A deadline is met when the trigger fired between the midnight before and the deadline. Each one is settled once, whoever
    asks and however often; of those that passed while nothing ran, only the first is told.

    Source: flow language, 13.7.
    """
    due = TriggerState.objects.filter(family="flow", disabled=False, source_disabled=False, next_at__lte=at)
    failed = 0
    for row in list(due.order_by("next_at")[:_BATCH]):
        if row.next_at is not None and at - row.next_at < _LONGEST_PATIENCE and _has_untold(row.next_at):
            continue
        try:
            loaded = get_flow(row.namespace, row.flow_id, row.flow_revision)
            trigger = find_trigger(loaded, row.trigger_id)
            group = read_flow_trigger(trigger).deadline_group if trigger is not None else None
        except FlowsError as error:
            log.warning("trigger.unusable", extra={"trigger": str(row), "reason": str(error)})
            trigger = group = None
        if trigger is None or group is None:
            # Waits for the next save of its flow.
            TriggerState.objects.filter(pk=row.pk, next_at=row.next_at).update(next_at=None)
            continue
        failed += _settle(row.pk, loaded, trigger, group, at)
    return failed


def _has_untold(deadline: datetime) -> bool:
    return Execution.objects.filter(announce_at__lte=deadline).exists()


def _settle(key: int, loaded: LoadedFlow, trigger: Trigger, group: Group, at: datetime) -> bool:
    """Move a row on to its next deadline, and tell the one that passed if it was missed."""
    with transaction.atomic():
        # The same order of locks as for an event: the trigger first, its row after it.
        lock_trigger(loaded, trigger)
        row = (
            TriggerState.objects.select_for_update()
            .filter(pk=key, disabled=False, source_disabled=False, next_at__lte=at)
            .first()
        )
        if row is None or row.next_at is None:
            return False
        deadline = row.next_at
        span = window_span(group.window, deadline)
        is_met = row.last_fired_at is not None and span is not None and row.last_fired_at in span
        row.next_at = next_deadline_after(group.window, at)
        execution_id = None if is_met else _fail(loaded, trigger, group, deadline, at)
        if execution_id is not None:
            row.last_triggered_at = at
            said = f"The deadline of {_write(deadline)} was missed."
            row.evaluation = describe_evaluation(at=at, seconds=0.0, execution_id=execution_id, failure=said)
        row.save(update_fields=["next_at", "last_triggered_at", "evaluation", "updated_at"])
    return execution_id is not None


def _fail(loaded: LoadedFlow, trigger: Trigger, group: Group, deadline: datetime, at: datetime) -> str | None:
    """Create the FAILED execution of a missed deadline and return its id; None when it was told before."""
    names = {"namespace": loaded.flow.namespace, "flow_id": loaded.flow.id}
    execution_id = new_id()
    firing = Firing(
        **names, trigger_id=trigger.id, scheduled_at=deadline, backfill_id=MISSED, execution_id=execution_id, fired_at=at
    )
    if not record_firings([firing]):
        return None
    met_count, missing = _count_met(names, group, deadline)
    variables = {"date": deadline.isoformat().replace("+00:00", "Z"), "missing": missing}
    renderer = TriggerRenderer(loaded.flow, revision=loaded.revision, at=at)
    pairs = read_flow_trigger(trigger).miss_labels or ()
    labels, warnings = render_labels(replace(trigger, labels=pairs), renderer, {"trigger": variables})
    for warning in warnings:
        log.warning("trigger.label", extra={"trigger": f"{loaded.flow.namespace}/{loaded.flow.id}", "reason": warning})
    start = TriggerStart(loaded=loaded, trigger=trigger, at=at, variables=variables, labels=labels, execution_id=execution_id)
    fail_by_trigger(
        start,
        f"the deadline of {_write(deadline)} was missed. It needs {group.wanted_count} of its conditions, {met_count} were "
        f"met; not met: {'; '.join(missing)}.",
    )
    # Flows that listen for failures hear of it like of any other.
    Execution.objects.filter(pk=execution_id).update(announce_at=at)
    return execution_id


def _count_met(names: dict[str, str], group: Group, deadline: datetime) -> tuple[int, list[str]]:
    """Return how many conditions of the window were met, and the others in words."""
    window = FlowTriggerWindow.objects.filter(
        **names, condition_id=group.id, starts_at__lte=deadline, ends_at__gte=deadline
    ).first()
    satisfied = window.results.get("satisfied", {}) if window is not None else {}
    missing = [say_entry(entry) for entry in group.entries if entry.key not in satisfied]
    return len(group.entries) - len(missing), missing


def _write(deadline: datetime) -> str:
    return f"{deadline:%Y-%m-%d %H:%M} UTC"
