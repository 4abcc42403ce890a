"""Reads of triggers: their state rows with what the flow says of them, and the dates that come next."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from flows.conf import get_settings
from flows.engine.catalog import get_flow, read_flows
from flows.language.flow import Trigger
from flows.models import Execution, Firing, TriggerState
from flows.primitives.errors import FlowsError, NotFoundError
from flows.queries.criteria import (
    Condition,
    Criteria,
    CriteriaError,
    Operation,
    Rules,
    build_lookup,
    match_choice,
    match_condition,
    match_moment,
    match_scope,
    match_search_text,
    match_text,
    match_time_range,
    split_list,
)
from flows.queries.pages import Page, Window, order_rows, take_page
from flows.queries.visibility import visible
from flows.triggers.cron_words import say_cron
from flows.triggers.schedule import next_fire_after, read_schedule

log = logging.getLogger(__name__)

TRIGGER_FIELDS = frozenset(
    {
        "q",
        "scope",
        "namespace",
        "flowId",
        "triggerId",
        "type",
        "kind",
        "disabled",
        "triggerState",
        "locked",
        "workerId",
        "startDate",
        "endDate",
        "timeRange",
        "nextExecutionDate",
        "lastTriggeredDate",
    }
)
SORTABLE = {
    "triggerId": "trigger_id",
    "id": "trigger_id",
    "flowId": "flow_id",
    "namespace": "namespace",
    "executionId": "execution_id",
    "nextExecutionDate": "next_at",
    "nextEvaluationDate": "next_at",
    "lastTriggeredDate": "last_triggered_at",
    "date": "last_fired_at",
    "updatedDate": "updated_at",
    "updatedAt": "updated_at",
    "disabled": "disabled",
}
_KINDS = {"SCHEDULE": "schedule", "POLLING": "polling", "REALTIME": "realtime"}
_DATE_COLUMNS = {"NEXT_EXECUTION_DATE": "next_at", "LAST_TRIGGERED_DATE": "last_triggered_at"}
MOST_BACKFILL_RUNS = 120
_EVALUATIONS = {"STARTED": "STARTED", "NOTHING": "NOTHING", "FAILED": "FAILED"}
_DISABLED = Q(disabled=True) | Q(source_disabled=True)
_LOCKED = Q(execution_id__isnull=False) | Q(evaluating_since__isnull=False)


@dataclass(frozen=True, slots=True)
class TriggerView:
    """
    A state row and the trigger that the newest revision describes; None when the flow cannot be used or lost the trigger, and
    `problem` says why.
    """

    state: TriggerState
    trigger: Trigger | None
    flow_revision: int | None = None
    problem: str = ""


def get_trigger_state(namespace: str, flow_id: str, trigger_id: str) -> TriggerState:
    """Return the state row of a trigger. Raises NotFoundError."""
    row = visible(TriggerState).filter(namespace=namespace, flow_id=flow_id, trigger_id=trigger_id).first()
    if row is None:
        raise NotFoundError(
            f'Trigger not found: flow "{namespace}/{flow_id}" has no trigger "{trigger_id}" with a state.',
            code="trigger-not-found",
        )
    return row


def _match_state(condition: Condition) -> Q:
    words = {word.upper() for word in split_list(condition.value)}
    if not words or words - {"ENABLED", "DISABLED"}:
        raise CriteriaError(f'"triggerState" must be ENABLED or DISABLED; got "{condition.value[:60]}".')
    if condition.operation not in (Operation.EQUALS, Operation.NOT_EQUALS, Operation.IN, Operation.NOT_IN):
        raise CriteriaError(f'The field "triggerState" does not take the operation {condition.operation}.')
    if condition.operation in (Operation.NOT_EQUALS, Operation.NOT_IN):
        words = {"ENABLED", "DISABLED"} - words
    if len(words) != 1:
        return Q() if words else Q(pk__in=[])
    return _DISABLED if "DISABLED" in words else ~_DISABLED


def trigger_rules(*, at: datetime, date_filter: str = "NEXT_EXECUTION_DATE") -> Rules:
    """
    Return how each filter of triggers reaches the database.

    Args:
        at: now, for ranges that reach back from it.
        date_filter: which date `startDate`, `endDate` and `timeRange` mean: NEXT_EXECUTION_DATE or LAST_TRIGGERED_DATE.

    Raises:
        CriteriaError: an unknown `date_filter`.
    """
    column = _DATE_COLUMNS.get(date_filter.upper())
    if column is None:
        raise CriteriaError(f'"dateFilter" must be one of {", ".join(_DATE_COLUMNS)}; got "{date_filter[:60]}".')
    return {
        "q": match_search_text("trigger_id", "flow_id", "namespace"),
        "scope": match_scope("namespace", system_namespace=get_settings().system_namespace),
        "namespace": match_text("namespace"),
        "flowId": match_text("flow_id"),
        "triggerId": match_text("trigger_id"),
        "type": match_text("type"),
        "kind": match_choice("family", _KINDS),
        "disabled": match_condition(_DISABLED),
        "triggerState": _match_state,
        "locked": match_condition(_LOCKED),
        "workerId": match_text("worker_id"),
        "evaluation": match_choice("evaluation__result", _EVALUATIONS),
        "startDate": match_moment(column),
        "endDate": match_moment(column),
        "timeRange": match_time_range(column, at=at),
        "nextExecutionDate": match_moment("next_at"),
        "lastTriggeredDate": match_moment("last_triggered_at"),
    }


def filter_triggers(criteria: Criteria, *, at: datetime, date_filter: str = "NEXT_EXECUTION_DATE") -> QuerySet[TriggerState]:
    """Return the state rows that match, in no order. Raises CriteriaError."""
    return visible(TriggerState).filter(build_lookup(criteria, trigger_rules(at=at, date_filter=date_filter)))


def search_triggers(
    criteria: Criteria, window: Window, *, at: datetime, date_filter: str = "NEXT_EXECUTION_DATE"
) -> Page[TriggerState]:
    """
    Return one page of state rows, by namespace, flow and id unless `window.sort` says otherwise.

    Raises:
        CriteriaError, SortError: see `trigger_rules` and `order_rows`.
    """
    rows = filter_triggers(criteria, at=at, date_filter=date_filter)
    return take_page(order_rows(rows, window, SORTABLE, then=("namespace", "flow_id", "trigger_id")), window)


def list_triggers_of_flow(namespace: str, flow_id: str) -> list[TriggerState]:
    """Return the state rows of one flow by id, may be empty."""
    return list(visible(TriggerState).filter(namespace=namespace, flow_id=flow_id).order_by("trigger_id"))


def list_triggers_by_names(names: Sequence[tuple[str, str, str]]) -> list[TriggerState]:
    """Return the rows with these (namespace, flow id, trigger id) that exist; unknown ones are left out."""
    wanted = set(names)
    rows = visible(TriggerState).filter(namespace__in={namespace for namespace, _, _ in wanted})
    return [row for row in rows if (row.namespace, row.flow_id, row.trigger_id) in wanted]


def describe_triggers(rows: Sequence[TriggerState]) -> list[TriggerView]:
    """Return the rows with the triggers of their flows; a flow that cannot be used leaves its triggers out."""
    # All texts at once; what is still unknown afterwards cannot be used, and is asked for its reason.
    read_flows((row.namespace, row.flow_id, row.flow_revision) for row in rows)
    return [_describe(row) for row in rows]


def list_backfill_runs(row: TriggerState) -> list[tuple[datetime, Execution | None]]:
    """Return the newest dates that the backfill of a row has fired, oldest first, with the executions that the caller sees."""
    backfill_id = (row.backfill or {}).get("id")
    if not backfill_id:
        return []
    firings = _list_firings(row, backfill_id).order_by("-scheduled_at")
    pairs = list(firings.values_list("scheduled_at", "execution_id")[:MOST_BACKFILL_RUNS])[::-1]
    found = visible(Execution).only("id", "namespace", "flow_id", "state").in_bulk([execution_id for _, execution_id in pairs])
    return [(date, found.get(execution_id)) for date, execution_id in pairs]


def count_backfill_runs(row: TriggerState) -> int:
    """Return how many dates the backfill of a row has fired."""
    backfill_id = (row.backfill or {}).get("id")
    return _list_firings(row, backfill_id).count() if backfill_id else 0


def _list_firings(row: TriggerState, backfill_id: str) -> QuerySet[Firing]:
    names = {"namespace": row.namespace, "flow_id": row.flow_id, "trigger_id": row.trigger_id}
    return Firing.objects.filter(**names, backfill_id=backfill_id)


def list_next_dates(row: TriggerState, *, at: datetime, count: int = 10) -> list[datetime]:
    """
    Return the next dates of a schedule after `at`, filters not applied, at most `count`; empty for other triggers.

    Returns:
        Aware datetimes in the zone of the schedule.
    """
    trigger = _describe(row).trigger
    return [] if trigger is None else list_schedule_dates(trigger, at=at, count=count)


def list_schedule_dates(trigger: Trigger, *, at: datetime, count: int = 10) -> list[datetime]:
    """Return what `list_next_dates` does, for a trigger as its flow describes it."""
    if trigger.family != "schedule":
        return []
    try:
        schedule = read_schedule(trigger)
    except FlowsError:
        return []
    dates: list[datetime] = []
    moment = next_fire_after(schedule, at)
    while moment is not None and len(dates) < count:
        dates.append(moment.astimezone(schedule.zone))
        moment = next_fire_after(schedule, moment)
    return dates


def kind_of(row: TriggerState) -> str:
    """Return SCHEDULE, POLLING or REALTIME."""
    return str(row.family).upper()


def export_columns(row: TriggerState) -> dict[str, Any]:
    """Return one line of the CSV export by column name."""
    return {
        "namespace": row.namespace,
        "flowId": row.flow_id,
        "triggerId": row.trigger_id,
        "kind": kind_of(row),
        "disabled": row.disabled or row.source_disabled,
        "nextEvaluationDate": row.next_at,
        "lastTriggeredDate": row.last_triggered_at,
        "executionId": row.execution_id,
        "workerId": row.worker_id,
    }


def _describe(row: TriggerState) -> TriggerView:
    try:
        loaded = get_flow(row.namespace, row.flow_id, row.flow_revision)
    except FlowsError as error:
        log.info("trigger.unusable", extra={"trigger": str(row), "reason": error.code})
        return TriggerView(row, None, problem=error.message)
    found = next((trigger for trigger in loaded.flow.triggers if trigger.id == row.trigger_id), None)
    return TriggerView(row, found, loaded.revision, "" if found else "The newest revision does not describe this trigger.")


def say_schedule(trigger: Trigger) -> str:
    """Return when a schedule fires, in words with its zone; empty for other triggers."""
    if trigger.family != "schedule":
        return ""
    properties = trigger.properties
    if not properties.get("cron"):
        return f"on {len(properties.get('dates') or ())} written dates"
    words = say_cron(str(properties["cron"]), with_seconds=bool(properties.get("withSeconds")))
    return f"{words}, {properties.get('timezone') or 'UTC'}"
