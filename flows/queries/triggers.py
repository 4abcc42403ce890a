"""Reads of triggers: their state rows with what the flow says of them, and the dates that come next."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from flows.conf import get_settings
from flows.engine.catalog import get_flow
from flows.language.flow import Trigger
from flows.models import TriggerState
from flows.primitives.errors import FlowsError, NotFoundError
from flows.queries.criteria import (
    Criteria,
    Rules,
    build_lookup,
    match_choice,
    match_flag,
    match_moment,
    match_scope,
    match_search_text,
    match_text,
)
from flows.queries.pages import Page, Window, order_rows, take_page
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
        "workerId",
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


@dataclass(frozen=True, slots=True)
class TriggerView:
    """A state row and the trigger that the newest revision describes; None when the flow cannot be used or lost the trigger."""

    state: TriggerState
    trigger: Trigger | None
    flow_revision: int | None = None


def get_trigger_state(namespace: str, flow_id: str, trigger_id: str) -> TriggerState:
    """Return the state row of a trigger. Raises NotFoundError."""
    row = TriggerState.objects.filter(namespace=namespace, flow_id=flow_id, trigger_id=trigger_id).first()
    if row is None:
        raise NotFoundError(
            f'Trigger not found: flow "{namespace}/{flow_id}" has no trigger "{trigger_id}" with a state.',
            code="trigger-not-found",
        )
    return row


def trigger_rules() -> Rules:
    """Return how each filter of triggers reaches the database."""
    return {
        "q": match_search_text("trigger_id", "flow_id", "namespace"),
        "scope": match_scope("namespace", system_namespace=get_settings().system_namespace),
        "namespace": match_text("namespace"),
        "flowId": match_text("flow_id"),
        "triggerId": match_text("trigger_id"),
        "type": match_text("type"),
        "kind": match_choice("family", _KINDS),
        "disabled": match_flag("disabled"),
        "workerId": match_text("worker_id"),
        "nextExecutionDate": match_moment("next_at"),
        "lastTriggeredDate": match_moment("last_triggered_at"),
    }


def filter_triggers(criteria: Criteria) -> QuerySet[TriggerState]:
    """Return the state rows that match, in no order. Raises CriteriaError."""
    return TriggerState.objects.filter(build_lookup(criteria, trigger_rules()))


def search_triggers(criteria: Criteria, window: Window) -> Page[TriggerState]:
    """Return one page of state rows, by namespace, flow and id unless `window.sort` says otherwise."""
    rows = order_rows(filter_triggers(criteria), window, SORTABLE, then=("namespace", "flow_id", "trigger_id"))
    return take_page(rows, window)


def list_triggers_of_flow(namespace: str, flow_id: str) -> list[TriggerState]:
    """Return the state rows of one flow by id, may be empty."""
    return list(TriggerState.objects.filter(namespace=namespace, flow_id=flow_id).order_by("trigger_id"))


def list_triggers_by_names(names: Sequence[tuple[str, str, str]]) -> list[TriggerState]:
    """Return the rows with these (namespace, flow id, trigger id) that exist; unknown ones are left out."""
    wanted = set(names)
    rows = TriggerState.objects.filter(namespace__in={namespace for namespace, _, _ in wanted})
    return [row for row in rows if (row.namespace, row.flow_id, row.trigger_id) in wanted]


def describe_triggers(rows: Sequence[TriggerState]) -> list[TriggerView]:
    """Return the rows with the triggers of their flows; a flow that cannot be used leaves its triggers out."""
    return [_describe(row) for row in rows]


def list_next_dates(row: TriggerState, *, at: datetime, count: int = 10) -> list[datetime]:
    """
    Return the next dates of a schedule after `at`, filters not applied, at most `count`; empty for other triggers.

    Returns:
        Aware datetimes in the zone of the schedule.
    """
    trigger = _describe(row).trigger
    if trigger is None or trigger.family != "schedule":
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
        return TriggerView(row, None)
    found = next((trigger for trigger in loaded.flow.triggers if trigger.id == row.trigger_id), None)
    return TriggerView(row, found, loaded.revision)
