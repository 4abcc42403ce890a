"""Reads of triggers: their state rows with what the flow says of them, and the dates that come next."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from flows.conf import get_settings
from flows.engine.catalog import get_flow, read_flows
from flows.language.flow import Trigger
from flows.models import Execution, Firing, FlowTriggerWindow, TriggerState
from flows.primitives.durations import DurationError, parse_duration
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
from flows.triggers.flow_entries import Group, read_flow_trigger
from flows.triggers.flow_words import say_flow_trigger, say_length
from flows.triggers.schedule import next_fire_after, read_schedule
from flows.triggers.windows import window_span

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
_KINDS = {"SCHEDULE": "schedule", "POLLING": "polling", "REALTIME": "realtime", "WEBHOOK": "webhook", "FLOW": "flow"}
_STATEFUL = ("schedule", "polling", "realtime")
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


def filter_triggers(
    criteria: Criteria, *, at: datetime, date_filter: str = "NEXT_EXECUTION_DATE", with_events: bool = False
) -> QuerySet[TriggerState]:
    """
    Return the rows that match, in no order. Raises CriteriaError.

    Args:
        with_events: also webhooks and Flow triggers, whose rows hold no state that clients of the API know.
    """
    rows = visible(TriggerState).filter(build_lookup(criteria, trigger_rules(at=at, date_filter=date_filter)))
    return rows if with_events else rows.filter(family__in=_STATEFUL)


def search_triggers(
    criteria: Criteria,
    window: Window,
    *,
    at: datetime,
    date_filter: str = "NEXT_EXECUTION_DATE",
    with_events: bool = False,
) -> Page[TriggerState]:
    """
    Return one page of rows, by namespace, flow and id unless `window.sort` says otherwise.

    Raises:
        CriteriaError, SortError: see `trigger_rules` and `order_rows`.
    """
    rows = filter_triggers(criteria, at=at, date_filter=date_filter, with_events=with_events)
    return take_page(order_rows(rows, window, SORTABLE, then=("namespace", "flow_id", "trigger_id")), window)


def list_triggers_of_flow(namespace: str, flow_id: str) -> list[TriggerState]:
    """Return the rows of one flow by id, those of webhooks and Flow triggers included; may be empty."""
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
    """Return SCHEDULE, POLLING, REALTIME, WEBHOOK or FLOW."""
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


def list_last_executions(rows: Sequence[TriggerState]) -> dict[int, Execution]:
    """
    Return the execution that each trigger started last, by the key of its row, as far as the caller sees it. One query.

    A trigger and what it starts carry the same moment, so an index of the executions finds each one.
    """
    fired = [row for row in rows if row.last_triggered_at is not None]
    if not fired:
        return {}
    moments = {row.last_triggered_at for row in fired if row.last_triggered_at is not None}
    found = visible(Execution).filter(
        namespace__in={row.namespace for row in fired}, flow_id__in={row.flow_id for row in fired}, created_at__in=moments
    )
    shown = found.only("id", "namespace", "flow_id", "state", "created_at", "trigger")[: 4 * len(fired)]
    by_name = {(one.namespace, one.flow_id, (one.trigger or {}).get("id"), one.created_at): one for one in shown}
    wanted = {row.pk: (row.namespace, row.flow_id, row.trigger_id, row.last_triggered_at) for row in fired}
    return {key: by_name[name] for key, name in wanted.items() if name in by_name}


def list_windows(namespace: str, flow_id: str, *, at: datetime) -> dict[str, dict[str, Mapping[str, Any]]]:
    """
    Return what the windows of the Flow triggers of a flow hold: per id of the group, by key of the condition, a map of
    `executionId`, `flowId`, `at` and `outputs` of the execution that met it. Windows that are over are left out.
    """
    kept = FlowTriggerWindow.objects.filter(namespace=namespace, flow_id=flow_id, ends_at__gte=at)
    return {window.condition_id: window.results.get("satisfied", {}) for window in kept}


def pick_met(
    group: Group, windows: Mapping[str, Mapping[str, Mapping[str, Any]]], *, at: datetime
) -> dict[str, Mapping[str, Any]]:
    """Return which conditions of a group are met in the window that is open now, as `list_windows` tells them."""
    span, met = window_span(group.window, at), windows.get(group.id, {})
    known = {entry.key: met[entry.key] for entry in group.entries if entry.key in met}
    return {key: one for key, one in known.items() if span is not None and datetime.fromisoformat(one["at"]) in span}


def say_trigger(trigger: Trigger) -> str:
    """Return in words what a trigger waits for; empty when that is said best by its type."""
    match trigger.family:
        case "schedule":
            return say_schedule(trigger)
        case "flow":
            try:
                return say_flow_trigger(read_flow_trigger(trigger))
            except FlowsError as error:
                return error.message
        case "webhook":
            return _say_webhook(trigger)
        case "polling":
            length = _say_length(trigger.properties.get("interval"), "PT60S")
            return f"looks every {length if ' and ' in length else length.removeprefix('1 ')}"
        case "realtime":
            return "listens all the time"
    return ""


def _say_webhook(trigger: Trigger) -> str:
    own = trigger.properties
    if own.get("toolName") or own.get("toolDescription"):
        return f"offered to AI clients as {own.get('toolName') or trigger.id}"
    if not (own.get("eventsCount") or own.get("pollingInterval")):
        return "a call of its address"
    parts = [f"{own['eventsCount']} calls of its address"] if own.get("eventsCount") else []
    if own.get("pollingInterval"):
        parts.append(f"{_say_length(own['pollingInterval'], '')} after the first call")
    return " or ".join(parts)


def _say_length(written: Any, usual: str) -> str:
    try:
        return say_length(parse_duration(written or usual))
    except DurationError:
        return str(written)


def say_schedule(trigger: Trigger) -> str:
    """Return when a schedule fires, in words with its zone; empty for other triggers."""
    if trigger.family != "schedule":
        return ""
    properties = trigger.properties
    if not properties.get("cron"):
        return f"on {len(properties.get('dates') or ())} written dates"
    words = say_cron(str(properties["cron"]), with_seconds=bool(properties.get("withSeconds")))
    return f"{words}, {properties.get('timezone') or 'UTC'}"
