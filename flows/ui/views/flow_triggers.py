"""The triggers of one flow: what each waits for, its dates, its last evaluation, and its backfill."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest
from django.utils import timezone

from flows.conf import DEFAULT_TENANT
from flows.language.flow import Trigger
from flows.models import Flow, TriggerState
from flows.operations.triggers import evaluate_dry, list_accepted
from flows.primitives.errors import FlowsError
from flows.queries.flows import FlowText
from flows.queries.triggers import (
    TriggerView,
    count_backfill_runs,
    describe_triggers,
    list_backfill_runs,
    list_schedule_dates,
    list_triggers_of_flow,
    say_schedule,
)
from flows.triggers.backfill import Backfill, load_backfill
from flows.triggers.conditions import has_filters
from flows.ui.views.flow_list import TRIGGER_ICONS
from flows.ui.views.triggers import read_evaluation
from flows.ui.wording import short_type, write_value

NEXT_DATES = 10


def list_trigger_lines(found: FlowText) -> list[dict[str, Any]]:
    """Return one line for each trigger of a flow, also for those that keep no state, with its next date."""
    states = {state.trigger_id: state for state in list_triggers_of_flow(found.flow.namespace, found.flow.flow_id)}
    rows = []
    for trigger in found.definition.triggers if found.definition else ():
        state = states.get(trigger.id)
        rows.append(
            {
                "id": trigger.id,
                "type": trigger.type,
                "icon": TRIGGER_ICONS.get(trigger.family, "trigger"),
                "words": say_schedule(trigger) or short_type(trigger.type),
                "is_off": trigger.disabled or (state is not None and state.disabled),
                "next_at": state.next_at if state is not None else None,
            }
        )
    return rows


def show_triggers(request: HttpRequest, found: FlowText) -> dict[str, Any]:
    """Return what the tab "Triggers" shows; `?dry=` names the schedule that is evaluated without a start."""
    flow, at = found.flow, timezone.now()
    dry = request.GET.get("dry", "")
    rows = []
    for view in describe_triggers(list_triggers_of_flow(flow.namespace, flow.flow_id)):
        row = {**_describe_trigger(view, at=at), "evaluation": read_evaluation(view.state), "problem": view.problem}
        if view.state.backfill:
            row |= _describe_backfill(view.state, load_backfill(view.state.backfill))
        if dry == view.state.trigger_id:
            row |= _evaluate(view.state, at=at)
        rows.append(row)
    known = {row["state"].trigger_id for row in rows}
    others = [trigger for trigger in found.definition.triggers if trigger.id not in known] if found.definition else []
    return {"rows": rows, "others": [_describe_other(request, flow, trigger) for trigger in others]}


def _describe_trigger(view: TriggerView, *, at: datetime) -> dict[str, Any]:
    state, trigger = view.state, view.trigger
    dates = list_schedule_dates(trigger, at=at, count=NEXT_DATES) if trigger else []
    name = f"{state.namespace} {state.flow_id} {state.trigger_id}"
    row: dict[str, Any] = {
        "state": state,
        "trigger": trigger,
        "dates": [(date, True) for date in dates],
        "commands": {"restart": f"manage.py triggers restart {name}", "cancel": f"manage.py triggers backfill {name} --cancel"},
    }
    if trigger is not None:
        row["words"] = say_schedule(trigger)
        row["properties"] = [(name, write_value(value)) for name, value in trigger.properties.items()]
        names = {"namespace": state.namespace, "flow_id": state.flow_id, "trigger_id": state.trigger_id}
        if dates and has_filters(trigger):
            row["dates"] = list(zip(dates, list_accepted(**names, dates=dates, at=at), strict=True))
    return row


def _describe_backfill(state: TriggerState, kept: Backfill) -> dict[str, Any]:
    """Return how far a backfill is, by the part of its range that has passed, and what it started."""
    passed = 1.0
    if kept.current is not None and kept.end > kept.start:
        passed = min(1.0, max(0.0, (kept.current - kept.start) / (kept.end - kept.start)))
    count, left = count_backfill_runs(state), 100 - round(100 * passed)
    kept_runs = "The execution that it started stays" if count == 1 else f"The {count:,} executions that it started stay"
    return {
        "backfill": kept,
        "percent": round(100 * passed),
        "runs": list_backfill_runs(state),
        "fired_count": count,
        "cancel_says": f"{kept_runs if count else 'It has started nothing'}; {left} % of the range is left and will not run.",
    }


def _evaluate(state: TriggerState, *, at: datetime) -> dict[str, Any]:
    try:
        found = evaluate_dry(namespace=state.namespace, flow_id=state.flow_id, trigger_id=state.trigger_id, at=at)
    except FlowsError as error:
        return {"dry_problem": error.message}
    variables = json.dumps(dict(found.variables), indent=2, default=lambda value: value.isoformat()) if found.variables else ""
    return {"dry": found, "dry_variables": variables}


def _describe_other(request: HttpRequest, flow: Flow, trigger: Trigger) -> dict[str, Any]:
    """Return what is to be said of a trigger that keeps no state: a webhook's address, or what a flow trigger waits for."""
    row: dict[str, Any] = {"trigger": trigger, "properties": [], "url": ""}
    key = trigger.properties.get("key")
    if trigger.family == "webhook":
        if isinstance(key, str) and "{{" not in key:
            path = f"/api/v1/{DEFAULT_TENANT}/executions/webhook/{flow.namespace}/{flow.flow_id}/{quote(key)}"
            row["url"] = request.build_absolute_uri(path)
    else:
        shown = {**trigger.properties, "conditions": list(trigger.conditions)} if trigger.conditions else trigger.properties
        row["properties"] = [(name, write_value(value)) for name, value in shown.items()]
    return row
