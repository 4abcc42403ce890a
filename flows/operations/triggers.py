"""What people do with triggers: switch on and off, unlock, restart, delete, and run backfills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from flows.engine.catalog import get_flow
from flows.language.flow import Trigger
from flows.models import TriggerState
from flows.operations.schedules import date_filter_of
from flows.operations.trigger_rows import read_state, reset_row, write_state
from flows.operations.trigger_starts import find_trigger
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.primitives.ids import new_id
from flows.triggers.backfill import list_backfill_dates, start_backfill
from flows.triggers.firing import ScheduleState, end_backfill, first_waiting_date
from flows.triggers.schedule import DateFilter, Schedule, read_schedule

SYSTEM_PREFIX = "system."


def get_trigger_for_update(namespace: str, flow_id: str, trigger_id: str) -> TriggerState:
    """Return the locked state row of a trigger. Raises NotFoundError. Call it in a transaction."""
    row = TriggerState.objects.select_for_update().filter(namespace=namespace, flow_id=flow_id, trigger_id=trigger_id).first()
    if row is None:
        raise NotFoundError(
            f'Trigger not found: flow "{namespace}/{flow_id}" has no trigger "{trigger_id}" with a state.',
            code="trigger-not-found",
        )
    return row


def set_trigger_disabled(
    *, namespace: str, flow_id: str, trigger_id: str, disabled: bool, at: datetime, actor: str = ""
) -> TriggerState:
    """
    Switch a trigger off or on at run time and return its row; the source stays as it is. Idempotent.

    A schedule that is switched on goes on from now, not from the gap.

    Raises:
        NotFoundError: no such trigger has a state.
        ConflictError: the source says `disabled: true`, so it cannot be switched on here.

    Source: flow language, 13.3 and 13.9.
    """
    with transaction.atomic():
        row = get_trigger_for_update(namespace, flow_id, trigger_id)
        if not disabled and row.source_disabled:
            raise ConflictError(
                f'Trigger "{trigger_id}" of flow "{namespace}/{flow_id}" is disabled in the source: enable it there.',
                code="trigger-disabled-in-source",
            )
        if row.disabled != disabled:
            row.disabled = disabled
            if disabled:
                row.next_at = None
            else:
                _start_waiting(row, at=at)
            row.save()
    return row


def unlock_trigger(*, namespace: str, flow_id: str, trigger_id: str, at: datetime, actor: str = "") -> TriggerState:
    """
    Release a trigger from the execution or the evaluation that holds it, and return its row.

    Raises:
        NotFoundError: no such trigger has a state.
        ConflictError: nothing holds it.
    """
    with transaction.atomic():
        row = get_trigger_for_update(namespace, flow_id, trigger_id)
        if not is_locked(row):
            raise ConflictError(
                f'Trigger "{trigger_id}" of flow "{namespace}/{flow_id}" is not locked.', code="trigger-not-locked"
            )
        _unlock(row)
        row.save()
    return row


def restart_trigger(*, namespace: str, flow_id: str, trigger_id: str, at: datetime, actor: str = "") -> TriggerState:
    """
    Reset a trigger: locks go, a backfill ends, what a poll remembered is forgotten, and it waits for its next date from now.

    Raises:
        NotFoundError: no such trigger has a state.

    Source: flow language, 13.9.
    """
    with transaction.atomic():
        row = get_trigger_for_update(namespace, flow_id, trigger_id)
        _unlock(row)
        row.backfill = None
        row.state = None
        row.next_at = None
        if not (row.disabled or row.source_disabled):
            _start_waiting(row, at=at)
        row.save()
    return row


def delete_trigger(*, namespace: str, flow_id: str, trigger_id: str, at: datetime, actor: str = "") -> None:
    """
    Delete the state of a trigger that its flow does not have any more.

    Raises:
        NotFoundError: no such trigger has a state.
        ConflictError: the flow still has the trigger.
    """
    with transaction.atomic():
        row = get_trigger_for_update(namespace, flow_id, trigger_id)
        try:
            still_there = find_trigger(get_flow(namespace, flow_id), trigger_id) is not None
        except (NotFoundError, InvalidError):
            still_there = False
        if still_there:
            raise ConflictError(
                f'Flow "{namespace}/{flow_id}" still has the trigger "{trigger_id}". Remove it from the source, or disable it.',
                code="trigger-in-use",
            )
        row.delete()


def create_backfill(
    *,
    namespace: str,
    flow_id: str,
    trigger_id: str,
    start: datetime,
    end: datetime | None = None,
    inputs: Mapping[str, Any] | None = None,
    labels: Sequence[tuple[str, str]] = (),
    at: datetime,
    actor: str = "",
) -> TriggerState:
    """
    Let a schedule fire its dates in [start, end], one after the other, and return its row.

    Args:
        start, end: aware moments; `end` None means now.
        inputs, labels: laid over those of the trigger.

    Raises:
        NotFoundError: no such trigger has a state.
        ConflictError: it is no schedule, is disabled, or has a backfill already.
        InvalidError: the range holds no date, or a label is a system label.

    Source: flow language, 13.4.
    """
    wrong = [key for key, _ in labels if key.startswith(SYSTEM_PREFIX)]
    if wrong:
        raise InvalidError(f'Label "{wrong[0]}" belongs to the system; choose another key.', code="system-label")
    with transaction.atomic():
        row = get_trigger_for_update(namespace, flow_id, trigger_id)
        if row.disabled or row.source_disabled:
            raise ConflictError(f'Trigger "{trigger_id}" is disabled. Enable it to run a backfill.', code="trigger-disabled")
        if row.backfill:
            raise ConflictError(f'Trigger "{trigger_id}" has a backfill already. Delete it first.', code="backfill-exists")
        _, schedule, accepts = _get_schedule(row, at)
        backfill = start_backfill(
            schedule,
            backfill_id=new_id(),
            start=start,
            end=end,
            inputs=dict(inputs or {}),
            labels=tuple(labels),
            regular_next=row.next_at,
            accepts=accepts,
            at=at,
        )
        write_state(row, ScheduleState(backfill.current, row.last_fired_at, backfill))
        row.save()
    return row


def set_backfill_paused(
    *, namespace: str, flow_id: str, trigger_id: str, paused: bool, at: datetime, actor: str = ""
) -> TriggerState:
    """
    Pause a backfill or let it go on, and return the row. Idempotent. Regular dates wait in both cases.

    Raises:
        NotFoundError: no such trigger has a state.
        ConflictError: it has no backfill.
    """
    with transaction.atomic():
        row = _get_with_backfill(namespace, flow_id, trigger_id)
        row.backfill = {**(row.backfill or {}), "paused": paused}
        state = read_state(row)
        row.next_at = None if paused or state.backfill is None else state.backfill.current
        row.save()
    return row


def delete_backfill(*, namespace: str, flow_id: str, trigger_id: str, at: datetime, actor: str = "") -> TriggerState:
    """
    End a backfill before its time and return the row: the saved regular date comes back, past ones by the recover rule.

    Raises:
        NotFoundError: no such trigger has a state.
        ConflictError: it has no backfill.
    """
    with transaction.atomic():
        row = _get_with_backfill(namespace, flow_id, trigger_id)
        _, schedule, _ = _get_schedule(row, at)
        write_state(row, end_backfill(schedule, read_state(row), at=at))
        row.save()
    return row


def preview_backfill(
    *, namespace: str, flow_id: str, trigger_id: str, start: datetime, end: datetime | None, at: datetime, limit: int = 1000
) -> list[datetime]:
    """Return the dates that a backfill would fire, in order, at most `limit`. Raises NotFoundError, ConflictError."""
    with transaction.atomic():
        row = get_trigger_for_update(namespace, flow_id, trigger_id)
    _, schedule, accepts = _get_schedule(row, at)
    return list_backfill_dates(schedule, start=start, end=min(end or at, at), accepts=accepts, limit=limit)


def is_locked(row: TriggerState) -> bool:
    """Tell whether an execution or a running evaluation holds the trigger."""
    return row.execution_id is not None or row.evaluating_since is not None


def _unlock(row: TriggerState) -> None:
    row.execution_id = row.locked_at = row.evaluating_since = row.worker_id = None


def _start_waiting(row: TriggerState, *, at: datetime) -> None:
    if row.family != "schedule":
        reset_row(row, at=at)
        return
    _, schedule, accepts = _get_schedule(row, at)
    state = read_state(row)
    if state.backfill is not None:
        row.next_at = None if state.backfill.paused else state.backfill.current
    else:
        row.next_at = first_waiting_date(schedule, accepts, at=at)


def _get_with_backfill(namespace: str, flow_id: str, trigger_id: str) -> TriggerState:
    row = get_trigger_for_update(namespace, flow_id, trigger_id)
    if not row.backfill:
        raise ConflictError(f'Trigger "{trigger_id}" of flow "{namespace}/{flow_id}" has no backfill.', code="backfill-missing")
    return row


def _get_schedule(row: TriggerState, at: datetime) -> tuple[Trigger, Schedule, DateFilter | None]:
    loaded = get_flow(row.namespace, row.flow_id)
    trigger = find_trigger(loaded, row.trigger_id)
    if trigger is None or trigger.family != "schedule":
        raise ConflictError(f'Trigger "{row.trigger_id}" is no schedule, so it has no dates to fill.', code="trigger-no-schedule")
    schedule = read_schedule(trigger)
    return trigger, schedule, date_filter_of(loaded, trigger, schedule, at=at)
