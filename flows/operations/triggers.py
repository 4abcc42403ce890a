"""What people do with triggers: switch on and off, unlock, restart, delete, and run backfills."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from flows.engine.catalog import get_flow
from flows.language.flow import Trigger
from flows.models import FlowTriggerWindow, TriggerState
from flows.operations.acts import Act, act, act_on_many, check_right, describe_many
from flows.operations.schedules import date_filter_of
from flows.operations.trigger_locks import lock_named_trigger
from flows.operations.trigger_rows import find_next_deadline, read_state, reset_row, write_state
from flows.operations.trigger_starts import find_trigger
from flows.primitives.errors import ConflictError, FlowsError, ForbiddenError, InvalidError, NotFoundError
from flows.primitives.ids import new_id
from flows.primitives.rights import Action, Resource
from flows.queries.triggers import get_trigger_state
from flows.triggers.backfill import list_backfill_dates, start_backfill
from flows.triggers.firing import ScheduleState, end_backfill, first_waiting_date
from flows.triggers.flow_entries import read_flow_trigger
from flows.triggers.schedule import (
    DateFilter,
    Schedule,
    find_next_accepted,
    next_fire_after,
    read_schedule,
    schedule_variables,
)

SYSTEM_PREFIX = "system."


def get_trigger_for_update(namespace: str, flow_id: str, trigger_id: str) -> TriggerState:
    """Return the locked state row of a trigger. Raises NotFoundError. Call it in a transaction."""
    row = TriggerState.objects.select_for_update().filter(namespace=namespace, flow_id=flow_id, trigger_id=trigger_id).first()
    if row is None:
        raise _no_such_trigger(namespace, flow_id, trigger_id)
    return row


def _no_such_trigger(namespace: str, flow_id: str, trigger_id: str) -> NotFoundError:
    return NotFoundError(
        f'Trigger not found: flow "{namespace}/{flow_id}" has no trigger "{trigger_id}" with a state.', code="trigger-not-found"
    )


def act_on_trigger(
    what: str, namespace: str, flow_id: str, trigger_id: str, action: Action = Action.UPDATE
) -> AbstractContextManager[Act]:
    """
    Let the block do something with a trigger. Arguments and errors as `flows.operations.acts.act`; unknown triggers and those
    of strangers give the same NotFoundError.
    """
    missing = _no_such_trigger(namespace, flow_id, trigger_id)
    return act(what, action, Resource.TRIGGER, namespace, f"{flow_id}/{trigger_id}", missing=missing)


def act_on_triggers(
    what: str, names: Sequence[tuple[str, str, str]], do: Callable[[tuple[str, str, str]], Any], action: Action = Action.UPDATE
) -> int:
    """
    Do something with every trigger (namespace, flow, id) that exists and can take it, and return with how many. One act.

    Raises:
        ForbiddenError: the caller may do it with none of them.
        InvalidError: as `do` raises it.
    """
    done: list[tuple[str, str, str]] = []
    forbidden: list[ForbiddenError] = []
    with act_on_many(what, action, Resource.TRIGGER) as doing:
        for name in names:
            try:
                do(name)
            except ForbiddenError as error:
                forbidden.append(error)
            except (ConflictError, NotFoundError):
                continue
            else:
                done.append(name)
        if forbidden and not done and len(forbidden) == len(names):
            raise forbidden[0]
        doing.after = describe_many(Resource.TRIGGER, done)
    return len(done)


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
    with (
        act_on_trigger("trigger.disable" if disabled else "trigger.enable", namespace, flow_id, trigger_id) as doing,
        transaction.atomic(),
    ):
        row = get_trigger_for_update(namespace, flow_id, trigger_id)
        if not disabled and row.source_disabled:
            raise ConflictError(
                f'Trigger "{trigger_id}" of flow "{namespace}/{flow_id}" is disabled in the source: enable it there.',
                code="trigger-disabled-in-source",
            )
        doing.before, doing.after = {"disabled": row.disabled}, {"disabled": disabled}
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
    with act_on_trigger("trigger.unlock", namespace, flow_id, trigger_id) as doing, transaction.atomic():
        row = get_trigger_for_update(namespace, flow_id, trigger_id)
        if not is_locked(row):
            raise ConflictError(
                f'Trigger "{trigger_id}" of flow "{namespace}/{flow_id}" is not locked.', code="trigger-not-locked"
            )
        doing.before = {"execution": row.execution_id, "worker": row.worker_id}
        _unlock(row)
        row.save()
    return row


def restart_trigger(*, namespace: str, flow_id: str, trigger_id: str, at: datetime, actor: str = "") -> TriggerState:
    """
    Reset a trigger: locks go, a backfill ends, what a poll or the windows of a Flow trigger remembered is forgotten, and it
    waits for its next date from now.

    Raises:
        NotFoundError: no such trigger has a state.

    Source: flow language, 13.9.
    """
    with act_on_trigger("trigger.restart", namespace, flow_id, trigger_id), transaction.atomic():
        # As an event does, before the row: what it remembers now would come back after it was forgotten.
        lock_named_trigger(namespace, flow_id, trigger_id)
        row = get_trigger_for_update(namespace, flow_id, trigger_id)
        _unlock(row)
        row.backfill = None
        row.state = None
        row.next_at = None
        _forget_windows(row)
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
    with act_on_trigger("trigger.delete", namespace, flow_id, trigger_id, Action.DELETE), transaction.atomic():
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
    with act_on_trigger("backfill.create", namespace, flow_id, trigger_id) as doing, transaction.atomic():
        row = get_trigger_for_update(namespace, flow_id, trigger_id)
        # Every date of it starts an execution, so this needs what a start needs.
        check_right(Action.CREATE, Resource.EXECUTION, namespace, what="backfill.create", object_id=f"{flow_id}/{trigger_id}")
        doing.after = {"start": start.isoformat(), "end": end.isoformat() if end else None}
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
    with (
        act_on_trigger("backfill.pause" if paused else "backfill.continue", namespace, flow_id, trigger_id),
        transaction.atomic(),
    ):
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
    with act_on_trigger("backfill.delete", namespace, flow_id, trigger_id), transaction.atomic():
        row = _get_with_backfill(namespace, flow_id, trigger_id)
        _, schedule, _ = _get_schedule(row, at)
        write_state(row, end_backfill(schedule, read_state(row), at=at))
        row.save()
    return row


def preview_backfill(
    *, namespace: str, flow_id: str, trigger_id: str, start: datetime, end: datetime | None, at: datetime, limit: int = 1000
) -> list[datetime]:
    """Return the dates that a backfill would fire, in order, at most `limit`. Raises NotFoundError, ConflictError."""
    missing = _no_such_trigger(namespace, flow_id, trigger_id)
    check_right(Action.READ, Resource.TRIGGER, namespace, missing=missing)
    with transaction.atomic():
        row = get_trigger_for_update(namespace, flow_id, trigger_id)
    _, schedule, accepts = _get_schedule(row, at)
    return list_backfill_dates(schedule, start=start, end=min(end or at, at), accepts=accepts, limit=limit)


def is_locked(row: TriggerState) -> bool:
    """Tell whether an execution or a running evaluation holds the trigger."""
    return row.execution_id is not None or row.evaluating_since is not None


def _forget_windows(row: TriggerState) -> None:
    """Drop what a Flow trigger remembers of the executions that it has heard of; other triggers have no windows."""
    if row.family != "flow":
        return
    try:
        trigger = find_trigger(get_flow(row.namespace, row.flow_id), row.trigger_id)
        groups = read_flow_trigger(trigger).groups if trigger is not None else ()
    except FlowsError:
        return
    names = {"namespace": row.namespace, "flow_id": row.flow_id}
    FlowTriggerWindow.objects.filter(**names, condition_id__in=[group.id for group in groups]).delete()


def _unlock(row: TriggerState) -> None:
    row.execution_id = row.locked_at = row.evaluating_since = row.worker_id = None


def _start_waiting(row: TriggerState, *, at: datetime) -> None:
    if row.family != "schedule":
        reset_row(row, at=at)
        if row.family == "flow" and (trigger := find_trigger(get_flow(row.namespace, row.flow_id), row.trigger_id)) is not None:
            row.next_at = find_next_deadline(trigger, at=at)
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


@dataclass(frozen=True, slots=True)
class DryEvaluation:
    """What a trigger would do now: whether it would start an execution, why, and with which variables and next date."""

    fires: bool
    reason: str
    next_at: datetime | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)


def evaluate_dry(*, namespace: str, flow_id: str, trigger_id: str, at: datetime) -> DryEvaluation:
    """
    Tell what a schedule would do at its next date, without starting anything. Source: console, triggers.

    Raises:
        NotFoundError: no such trigger has a state.
        ConflictError: it is no schedule; looking for messages or files cannot be done without taking them.
    """
    row = get_trigger_state(namespace, flow_id, trigger_id)
    _, schedule, accepts = _get_schedule(row, at)
    if row.disabled or row.source_disabled:
        return DryEvaluation(False, "It is disabled, so it never fires.")
    plain = next_fire_after(schedule, at)
    found = find_next_accepted(schedule, at, accepts)
    if plain is None or found is None:
        return DryEvaluation(False, "It has no further date that its conditions accept.")
    variables = schedule_variables(schedule, found.date, accepts) if schedule.has_variables else {}
    reason = "It starts an execution at its next date."
    if found.date != plain:
        reason = f"Its conditions leave out the date {plain:%Y-%m-%d %H:%M} and accept the one after."
    if row.execution_id:
        reason += f" Execution {row.execution_id} still holds it: the date waits until that one has ended."
    return DryEvaluation(not row.execution_id, reason, found.date, variables)


def list_accepted(*, namespace: str, flow_id: str, trigger_id: str, dates: Sequence[datetime], at: datetime) -> list[bool]:
    """Return for each date of a schedule whether the conditions of the trigger accept it."""
    row = get_trigger_state(namespace, flow_id, trigger_id)
    _, _, accepts = _get_schedule(row, at)
    return [accepts is None or bool(accepts(date)) for date in dates]
