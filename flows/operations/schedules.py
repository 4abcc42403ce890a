"""The clock's part of triggers: due schedules fire, locks are released, missed dates are recovered. The rows decide."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import Exists, Min, OuterRef, Q

from flows.engine.catalog import LoadedFlow, get_flow
from flows.language.flow import Trigger
from flows.models import Execution, Firing, TriggerState
from flows.operations.trigger_environment import make_date_filter
from flows.operations.trigger_rows import describe_evaluation, read_state, write_state
from flows.operations.trigger_starts import TriggerStart, fail_by_trigger, find_trigger, start_or_fail
from flows.primitives.errors import FlowsError
from flows.primitives.states import TERMINAL
from flows.triggers.firing import be_lenient, decide_schedule, recover_state
from flows.triggers.schedule import DateFilter, Schedule, read_schedule, schedule_variables

log = logging.getLogger(__name__)

BATCH = 200
STALE_LOCK = timedelta(seconds=60)
FIRINGS_KEPT = timedelta(days=90)
"""How long the record of a date that fired is kept. No schedule looks back further: it goes on from its next date."""

_WRITE_ROW = """
UPDATE flows_triggerstate SET next_at = %s, last_fired_at = %s, last_triggered_at = %s, execution_id = %s, locked_at = %s,
    backfill = %s, evaluation = %s, updated_at = %s WHERE id = %s
"""
_INSERT_FIRINGS = """
INSERT INTO flows_firing (namespace, flow_id, trigger_id, scheduled_at, backfill_id, execution_id, fired_at) VALUES {rows}
ON CONFLICT DO NOTHING RETURNING execution_id
"""
_ENABLED = Q(disabled=False, source_disabled=False)


def fire_due_schedules(*, at: datetime, limit: int = 1000) -> int:
    """
    Start one execution for every date that is due and return how many were started.

    Rows are claimed in batches and skipped when another process holds them; the firing, the execution and the next date commit
    together, and a date that fired already only moves the row on. So any number of processes may call this at once.

    Args:
        at: aware UTC moment, the database's clock where several hosts take part.
        limit: most rows to look at in this call.

    Source: flow language, 13.2 to 13.5 and 13.9; reliability, G6 and R-50 to R-53.
    """
    started = 0
    seen = 0
    while seen < limit:
        size = min(BATCH, limit - seen)
        try:
            keys, count = _fire_batch(size, at=at)
        except (DataError, IntegrityError) as error:
            log.error("schedule.batch_failed", extra={"reason": str(error)})
            keys, count = _fire_one_by_one(size, at=at)
        started += count
        seen += len(keys)
        if not keys:
            break
    return started


def next_due_at() -> datetime | None:
    """Return the next date that any schedule or poll waits for, possibly in the past, or None when nothing waits."""
    waiting = TriggerState.objects.filter(_ENABLED, next_at__isnull=False, execution_id__isnull=True)
    first: datetime | None = waiting.aggregate(first=Min("next_at"))["first"]
    return first


def recover_missed_schedules(*, at: datetime) -> int:
    """
    Apply the recover rule to dates that passed while no scheduler ran, and return how many rows moved.

    Call it when a scheduler starts or wakes after a gap, before `fire_due_schedules`. Rows with the rule ALL keep their date and
    fire every missed one. Safe to call at any time: dates younger than a few seconds are never dropped.

    Source: flow language, 13.3.
    """
    moved = 0
    waiting = TriggerState.objects.filter(_ENABLED, family="schedule", next_at__lt=at).values_list("pk", flat=True)
    for key in list(waiting):
        with transaction.atomic():
            row = TriggerState.objects.select_for_update(skip_locked=True).filter(pk=key).first()
            plan = _read_plan(row) if row is not None else None
            if row is None or plan is None:
                continue
            before = read_state(row)
            after = recover_state(plan[2], before, at=at)
            if after != before:
                write_state(row, after)
                row.save(update_fields=["next_at", "last_fired_at", "backfill", "updated_at"])
                moved += 1
    return moved


def on_execution_ended(execution: Execution) -> None:
    """
    Release the trigger that an ended execution locks, and switch the trigger off when its `stopAfter` says so. Idempotent.

    Source: flow language, 13.1 and 13.9.
    """
    trigger = execution.trigger or {}
    if execution.state not in TERMINAL or not trigger.get("id"):
        return
    with transaction.atomic():
        # A row that neither is held by this execution nor stops after any is left unlocked: webhooks end in great numbers.
        row = (
            TriggerState.objects.select_for_update()
            .filter(~Q(stop_after=[]) | Q(execution_id=execution.pk))
            .filter(
                namespace=execution.namespace, flow_id=execution.flow_id, trigger_id=trigger["id"], type=trigger.get("type", "")
            )
            .first()
        )
        if row is None:
            return
        changed = []
        if row.execution_id == execution.pk:
            row.execution_id = row.locked_at = None
            changed += ["execution_id", "locked_at"]
        if execution.state in row.stop_after and not row.disabled:
            row.disabled = True
            row.next_at = None
            changed += ["disabled", "next_at"]
            log.info("trigger.stopped", extra={"trigger": str(row), "execution": execution.pk, "state": execution.state})
        if changed:
            row.save(update_fields=[*changed, "updated_at"])


def release_stale_locks(*, at: datetime) -> int:
    """
    Release triggers whose locking execution has ended or was deleted without anybody telling us; return how many.

    Source: flow language, 13.9 (clearing by itself is our decision).
    """
    running = Execution.objects.filter(pk=OuterRef("execution_id")).exclude(state__in=[state.value for state in TERMINAL])
    stale = TriggerState.objects.filter(execution_id__isnull=False, locked_at__lt=at - STALE_LOCK).exclude(Exists(running))
    ended = {row.pk: row for row in Execution.objects.filter(pk__in=stale.values("execution_id"))}
    released = 0
    for row in list(stale):
        execution = ended.get(row.execution_id or "")
        if execution is not None:
            on_execution_ended(execution)
        else:
            log.warning("trigger.lock_lost", extra={"trigger": str(row), "execution": row.execution_id})
            TriggerState.objects.filter(pk=row.pk, execution_id=row.execution_id).update(execution_id=None, locked_at=None)
        released += 1
    return released


def purge_firings(*, at: datetime, limit: int = 1000) -> int:
    """
    Delete records of firings that are older than `FIRINGS_KEPT`, at most `limit`, and return how many. Their executions stay.

    Only the first `limit` rows are looked at, so the price does not grow with the table; keys rise with time.
    """
    oldest = Firing.objects.order_by("pk").values_list("pk", "fired_at")[:limit]
    old = [key for key, fired_at in oldest if fired_at < at - FIRINGS_KEPT]
    return Firing.objects.filter(pk__in=old).delete()[0] if old else 0


def date_filter_of(loaded: LoadedFlow, trigger: Trigger, schedule: Schedule, *, at: datetime) -> DateFilter | None:
    """Return the filter of a schedule's dates, None when it has none."""
    return make_date_filter(loaded.flow, trigger, schedule, at=at, revision=loaded.revision)


def _read_plan(row: TriggerState) -> tuple[LoadedFlow, Trigger, Schedule] | None:
    """Return flow, trigger and schedule of a row, or None when they cannot be used; the reason is logged."""
    try:
        loaded = get_flow(row.namespace, row.flow_id, row.flow_revision)
        trigger = find_trigger(loaded, row.trigger_id)
        if trigger is None or trigger.family != "schedule":
            return None
        return loaded, trigger, read_schedule(trigger)
    except FlowsError as error:
        log.warning("trigger.unusable", extra={"trigger": str(row), "reason": str(error)})
        return None


def _claim(size: int, *, at: datetime, key: int | None = None) -> list[TriggerState]:
    due = TriggerState.objects.select_for_update(skip_locked=True).filter(
        _ENABLED, family="schedule", next_at__lte=at, execution_id__isnull=True
    )
    return list((due if key is None else due.filter(pk=key)).order_by("next_at")[:size])


def _fire_batch(size: int, *, at: datetime, key: int | None = None) -> tuple[list[int], int]:
    """Claim and fire due rows in one transaction. Return the keys of the rows looked at and how many executions started."""
    with transaction.atomic():
        rows = _claim(size, at=at, key=key)
        wanted = [plan for row in rows if (plan := _decide_row(row, at=at)) is not None]
        new = record_firings([plan.firing for plan in wanted])
        started = 0
        for plan in wanted:
            if plan.firing.execution_id in new:
                _start(plan, at=at)
                started += 1
        _write_rows(rows, at=at)
    return [row.pk for row in rows], started


def _fire_one_by_one(size: int, *, at: datetime) -> tuple[list[int], int]:
    """
    Fire due rows in a transaction each, because one of them cannot be written and must not hold up the others.

    The faulty one is put off by a minute, and says so in the log.
    """
    due = TriggerState.objects.filter(_ENABLED, family="schedule", next_at__lte=at, execution_id__isnull=True)
    keys = list(due.order_by("next_at").values_list("pk", flat=True)[:size])
    started = 0
    for key in keys:
        try:
            started += _fire_batch(1, at=at, key=key)[1]
        except (DataError, IntegrityError):
            log.exception("schedule.row_failed", extra={"trigger": key})
            TriggerState.objects.filter(pk=key).update(next_at=at + STALE_LOCK)
    return keys, started


@dataclass(frozen=True, slots=True)
class _Plan:
    """A row whose date fires, with everything that its execution needs."""

    row: TriggerState
    start: TriggerStart
    firing: Firing
    failure: str


def _decide_row(row: TriggerState, *, at: datetime) -> _Plan | None:
    """Move a claimed row on, without writing it, and return what to start; None when nothing does."""
    begun = perf_counter()
    found = _read_plan(row)
    if found is None:
        row.evaluation = describe_evaluation(at=at, seconds=0.0, failure="The flow cannot be used, or has lost this trigger.")
        # Waits for the next save of its flow; until then it would be claimed in vain again and again.
        row.next_at = None
        return None
    loaded, trigger, schedule = found
    accepts = date_filter_of(loaded, trigger, schedule, at=at)
    decision = decide_schedule(schedule, read_state(row), accepts, at=at)
    write_state(row, decision.after)
    seconds = perf_counter() - begun
    if decision.fire_date is None:
        row.evaluation = describe_evaluation(at=at, seconds=seconds, message="The conditions accepted no date that was due.")
        return None
    start = TriggerStart(
        loaded=loaded,
        trigger=trigger,
        at=at,
        variables=_as_json(schedule_variables(schedule, decision.fire_date, be_lenient(accepts))),
        inputs=decision.backfill.inputs if decision.backfill else {},
        labels=decision.backfill.labels if decision.backfill else (),
        scheduled_at=decision.fire_date,
    )
    firing = Firing(
        namespace=row.namespace,
        flow_id=row.flow_id,
        trigger_id=row.trigger_id,
        scheduled_at=decision.fire_date,
        backfill_id=decision.backfill.id if decision.backfill else "",
        execution_id=start.execution_id,
        fired_at=at,
    )
    said = f"{decision.fire_date.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC fired."
    row.evaluation = describe_evaluation(
        at=at, seconds=seconds, execution_id=start.execution_id, failure=decision.failure, message=said
    )
    return _Plan(row, start, firing, decision.failure)


def _start(plan: _Plan, *, at: datetime) -> None:
    if plan.failure:
        fail_by_trigger(plan.start, plan.failure)
        is_running = False
    else:
        _, is_running = start_or_fail(plan.start)
    plan.row.last_triggered_at = at
    if is_running and not plan.start.trigger.allow_concurrent:
        plan.row.execution_id, plan.row.locked_at = plan.start.execution_id, at


def _write_rows(rows: list[TriggerState], *, at: datetime) -> None:
    """Write what firing changed. One prepared statement for all rows: building a bulk update costs more than running it."""
    values = [
        [
            row.next_at, row.last_fired_at, row.last_triggered_at, row.execution_id, row.locked_at,
            None if row.backfill is None else json.dumps(row.backfill),
            None if row.evaluation is None else json.dumps(row.evaluation), at, row.pk,
        ]
        for row in rows
    ]  # fmt: skip
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(_WRITE_ROW, values)


def record_firings(firings: Sequence[Firing]) -> set[str]:
    """
    Write firings unless ones with the same trigger, date and cause exist; return the execution ids of the new ones.

    Waits for other transactions that write the same ones. Call it in the transaction that creates the executions.
    """
    if not firings:
        return set()
    values = [
        (
            firing.namespace, firing.flow_id, firing.trigger_id, firing.scheduled_at, firing.backfill_id, firing.execution_id,
            firing.fired_at,
        )
        for firing in firings
    ]  # fmt: skip
    rows = ", ".join(["(%s, %s, %s, %s, %s, %s, %s)"] * len(values))
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_FIRINGS.format(rows=rows), [value for row in values for value in row])
        return {execution_id for (execution_id,) in cursor.fetchall()}


def _as_json(variables: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat().replace("+00:00", "Z") for name, value in variables.items()}
