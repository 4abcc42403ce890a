"""Triggers: their states, switches, locks and backfills."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from flows.api.answers import answer, answer_csv, answer_nothing, answer_page, format_moment
from flows.api.auth import name_of
from flows.api.describing import (
    DATE_MEANING,
    PAGING,
    QUERY,
    TEXT,
    describes,
    filtering,
    page_of,
)
from flows.api.endpoint import now, read_object
from flows.api.filters import read_criteria
from flows.api.pagination import read_window
from flows.api.views.execution_actions import read_label_list
from flows.conf import DEFAULT_TENANT
from flows.language.flow import Trigger
from flows.models import TriggerState
from flows.operations import triggers as operations
from flows.primitives.errors import InvalidError
from flows.queries import triggers as queries
from flows.queries.criteria import Condition, Criteria, Operation, read_moment

Name = tuple[str, str, str]

_CSV_COLUMNS = (
    "namespace",
    "flowId",
    "triggerId",
    "kind",
    "disabled",
    "nextEvaluationDate",
    "lastTriggeredDate",
    "executionId",
    "workerId",
)


def present_trigger_state(row: TriggerState) -> dict[str, Any]:
    """Return the state of a trigger under the names of both generations of clients. Source: REST API, 9.5."""
    next_at = format_moment(row.next_at) if row.next_at else None
    data: dict[str, Any] = {
        "tenantId": DEFAULT_TENANT,
        "namespace": row.namespace,
        "flowId": row.flow_id,
        "triggerId": row.trigger_id,
        "flowRevision": row.flow_revision,
        "updatedAt": format_moment(row.updated_at),
        "updatedDate": format_moment(row.updated_at),
        "date": next_at or format_moment(row.updated_at),
        "locked": operations.is_locked(row),
        "disabled": row.disabled or row.source_disabled,
        "kind": queries.kind_of(row),
        "stopAfter": row.stop_after,
    }
    optional = {
        "nextEvaluationDate": next_at,
        "nextExecutionDate": next_at,
        "evaluatedAt": _moment(row.evaluating_since),
        "evaluateRunningDate": _moment(row.evaluating_since),
        "lastTriggeredDate": _moment(row.last_triggered_at),
        "executionId": row.execution_id,
        "workerId": row.worker_id,
        "backfill": _present_backfill(row.backfill),
    }
    return data | {key: value for key, value in optional.items() if value is not None}


def _moment(moment: Any) -> str | None:
    return format_moment(moment) if moment else None


def _present_backfill(backfill: Any) -> dict[str, Any] | None:
    if not backfill:
        return None
    data = {key: value for key, value in dict(backfill).items() if value is not None}
    data["paused"] = bool(data.get("paused"))
    for new, stored in (("currentDate", "current"), ("previousNextExecutionDate", "regular_next")):
        if stored in data:
            data[new] = data.pop(stored)
    labels = data.get("labels")
    if isinstance(labels, list):
        data["labels"] = [{"key": pair[0], "value": pair[1]} if isinstance(pair, (list, tuple)) else pair for pair in labels]
    return data


def _present_trigger(trigger: Trigger | None) -> dict[str, Any] | None:
    if trigger is None:
        return None
    return {"id": trigger.id, "type": trigger.type, "disabled": trigger.disabled, **dict(trigger.properties)}


@describes(PAGING, DATE_MEANING, filtering(queries.TRIGGER_FIELDS), answer=page_of("TriggerRow"))
def search(request: Request) -> HttpResponse:
    """Return one page of triggers: what the flow says of each, and its state."""
    found = queries.search_triggers(
        read_criteria(request, queries.TRIGGER_FIELDS), read_window(request), at=now(), date_filter=read_date_filter(request)
    )
    rows = []
    for view in queries.describe_triggers(found.results):
        state, trigger = present_trigger_state(view.state), _present_trigger(view.trigger)
        trigger = trigger or {"id": view.state.trigger_id, "type": view.state.type}
        rows.append({"trigger": trigger, "state": state, "abstractTrigger": trigger, "triggerContext": state})
    return answer_page(rows, found.total)


def read_date_filter(request: Request) -> str:
    """Return which date the ranges of a query mean."""
    return request.query_params.get("dateFilter") or "NEXT_EXECUTION_DATE"


@describes(PAGING, QUERY, answer=page_of("TriggerState"))
def list_of_flow(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Return one page of the states of the triggers of a flow."""
    members = [
        Condition("namespace", Operation.EQUALS, namespace),
        Condition("flowId", Operation.EQUALS, flow_id),
    ]
    if request.query_params.get("q"):
        members.append(Condition("q", Operation.EQUALS, request.query_params["q"]))
    found = queries.search_triggers(Criteria(members=tuple(members)), read_window(request), at=now())
    return answer_page((present_trigger_state(row) for row in found.results), found.total)


def read_name(item: dict[str, Any]) -> Name:
    """Return namespace, flow and trigger of a body; older clients send a whole trigger. Raises InvalidError."""
    names = item.get("namespace"), item.get("flowId"), item.get("triggerId")
    if not all(isinstance(name, str) and name for name in names):
        raise InvalidError('A trigger is named by the texts "namespace", "flowId" and "triggerId".', code="json-shape")
    return str(names[0]), str(names[1]), str(names[2])


def _as_arguments(name: Name) -> dict[str, str]:
    return {"namespace": name[0], "flow_id": name[1], "trigger_id": name[2]}


def read_switch(body: dict[str, Any]) -> bool:
    """Return whether a body switches off. Raises InvalidError."""
    disabled = body.get("disabled")
    if not isinstance(disabled, bool):
        raise InvalidError('The body must hold "disabled", true or false.', code="json-shape")
    return disabled


@describes(body="TriggerName", answer="TriggerState")
def set_disabled(request: Request) -> HttpResponse:
    """Switch a trigger off or on."""
    body = read_object(request)
    row = operations.set_trigger_disabled(
        **_as_arguments(read_name(body)), disabled=read_switch(body), at=now(), actor=name_of(request)
    )
    return answer(present_trigger_state(row))


@describes(body="TriggerName", answer="TriggerState")
def update(request: Request) -> HttpResponse:
    """Bring a trigger into the state that an older client sends: switched off or on, with or without a backfill."""
    body = read_object(request)
    name = read_name(body)
    with operations.act_on_trigger("trigger.update", *name):
        return answer(present_trigger_state(_bring_into_state(request, name, body)))


def _bring_into_state(request: Request, name: Name, body: dict[str, Any]) -> TriggerState:
    row = queries.get_trigger_state(*name)
    at, actor = now(), name_of(request)
    if isinstance(body.get("disabled"), bool) and body["disabled"] != (row.disabled or row.source_disabled):
        row = operations.set_trigger_disabled(**_as_arguments(name), disabled=body["disabled"], at=at, actor=actor)
    backfill = body.get("backfill")
    if isinstance(backfill, dict) and not row.backfill:
        row = _create_backfill(name, backfill, request)
    elif isinstance(backfill, dict) and isinstance(backfill.get("paused"), bool):
        row = operations.set_backfill_paused(**_as_arguments(name), paused=backfill["paused"], at=at, actor=actor)
    return row


@describes(answer="TriggerState")
def unlock(request: Request, namespace: str, flow_id: str, trigger_id: str) -> HttpResponse:
    """Release a trigger from what holds it."""
    row = operations.unlock_trigger(**_as_arguments((namespace, flow_id, trigger_id)), at=now(), actor=name_of(request))
    return answer(present_trigger_state(row))


@describes(answer="TriggerState")
def restart(request: Request, namespace: str, flow_id: str, trigger_id: str) -> HttpResponse:
    """Reset a trigger, so that it waits for its next date from now."""
    row = operations.restart_trigger(**_as_arguments((namespace, flow_id, trigger_id)), at=now(), actor=name_of(request))
    return answer(present_trigger_state(row))


@describes(answer={204: None})
def delete(request: Request, namespace: str, flow_id: str, trigger_id: str) -> HttpResponse:
    """Delete the state of a trigger that its flow has no more."""
    operations.delete_trigger(**_as_arguments((namespace, flow_id, trigger_id)), at=now(), actor=name_of(request))
    return answer_nothing()


@describes(body="TriggerName", answer="TriggerState")
def create_backfill(request: Request) -> HttpResponse:
    """Let a schedule fire the dates of a range."""
    body = read_object(request)
    backfill = body.get("backfill")
    if not isinstance(backfill, dict):
        raise InvalidError('The body must hold "backfill", an object with "start" and perhaps "end".', code="json-shape")
    return answer(present_trigger_state(_create_backfill(read_name(body), backfill, request)))


def _create_backfill(name: Name, backfill: dict[str, Any], request: Request) -> TriggerState:
    start, end, inputs, labels = (backfill.get(key) for key in ("start", "end", "inputs", "labels"))
    if not isinstance(start, str) or (end is not None and not isinstance(end, str)):
        raise InvalidError('"start" and "end" of a backfill must be date-times such as 2031-05-04T00:00:00Z.', code="json-shape")
    if (inputs is not None and not isinstance(inputs, dict)) or (labels is not None and not isinstance(labels, list)):
        raise InvalidError('"inputs" of a backfill must be an object and "labels" a list.', code="json-shape")
    return operations.create_backfill(
        **_as_arguments(name),
        start=read_moment(start, name="start"),
        end=read_moment(end, name="end") if end else None,
        inputs=inputs or {},
        labels=read_label_list([item for item in labels or [] if isinstance(item, dict)]),
        at=now(),
        actor=name_of(request),
    )


@describes(body="TriggerName", answer="TriggerState")
def pause_backfill(request: Request) -> HttpResponse:
    """Let a backfill wait."""
    return answer(present_trigger_state(_pause(request, read_name(read_object(request)))))


@describes(body="TriggerName", answer="TriggerState")
def unpause_backfill(request: Request) -> HttpResponse:
    """Let a backfill go on."""
    return answer(present_trigger_state(_unpause(request, read_name(read_object(request)))))


@describes(body="TriggerName", answer="TriggerState")
def delete_backfill(request: Request) -> HttpResponse:
    """End a backfill before its time."""
    return answer(present_trigger_state(_end_backfill(request, read_name(read_object(request)))))


def _pause(request: Request, name: Name) -> TriggerState:
    return operations.set_backfill_paused(**_as_arguments(name), paused=True, at=now(), actor=name_of(request))


def _unpause(request: Request, name: Name) -> TriggerState:
    return operations.set_backfill_paused(**_as_arguments(name), paused=False, at=now(), actor=name_of(request))


def _end_backfill(request: Request, name: Name) -> TriggerState:
    return operations.delete_backfill(**_as_arguments(name), at=now(), actor=name_of(request))


@describes(DATE_MEANING, filtering(queries.TRIGGER_FIELDS), answer=TEXT, media="text/csv")
def export_csv(request: Request) -> HttpResponseBase:
    """Return the triggers that match as a table."""
    criteria = read_criteria(request, queries.TRIGGER_FIELDS)
    found = queries.filter_triggers(criteria, at=now(), date_filter=read_date_filter(request))
    rows = found.order_by("namespace", "flow_id", "trigger_id")
    lines = (queries.export_columns(row) for row in rows.iterator(chunk_size=1000))
    return answer_csv("triggers.csv", _CSV_COLUMNS, ([_as_cell(line.get(name)) for name in _CSV_COLUMNS] for line in lines))


def _as_cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format_moment(value) if isinstance(value, datetime) else "" if value is None else str(value)
