"""The triggers of one flow: what each waits for, its dates, its last evaluation, and its backfill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from flows.language.flow import Trigger
from flows.models import TriggerState
from flows.operations.triggers import evaluate_dry, list_accepted
from flows.primitives.errors import FlowsError
from flows.queries.flows import FlowText
from flows.queries.triggers import (
    TriggerView,
    count_backfill_runs,
    describe_triggers,
    list_backfill_runs,
    list_last_executions,
    list_schedule_dates,
    list_triggers_of_flow,
    list_windows,
    pick_met,
    say_trigger,
)
from flows.triggers.backfill import Backfill, load_backfill
from flows.triggers.conditions import has_filters
from flows.triggers.flow_entries import read_flow_trigger
from flows.triggers.flow_words import say_entry, say_window
from flows.ui.marks import check_mark
from flows.ui.trigger_facts import ICONS, find_address, read_evaluation
from flows.ui.wording import short_type, write_value

Windows = Mapping[str, Mapping[str, Mapping[str, Any]]]

NEXT_DATES = 10
_SAID_OTHERWISE = {
    "webhook": ("key", "signature"),
    "flow": ("dependsOn", "preconditions", "window", "mode", "minSatisfied", "onMiss"),
}
"""Properties that the card of a trigger tells in its own words, or that hold what only the address shows, by family."""


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
                "icon": ICONS.get(trigger.family, "trigger"),
                "words": say_trigger(trigger) or short_type(trigger.type),
                "is_off": trigger.disabled or (state is not None and state.disabled),
                "next_at": state.next_at if state is not None else None,
            }
        )
    return rows


def show_triggers(request: HttpRequest, found: FlowText) -> dict[str, Any]:
    """Return what the tab "Triggers" shows; `?dry=` names the schedule that is evaluated without a start."""
    at = timezone.now()
    dry = request.GET.get("dry", "")
    rows = []
    views = _list_views(found)
    executions = list_last_executions([view.state for view in views])
    has_listeners = any(view.state.family == "flow" for view in views)
    windows = list_windows(found.flow.namespace, found.flow.flow_id, at=at) if has_listeners else {}
    for view in views:
        row = {
            "evaluation": read_evaluation(view.state),
            "execution": executions.get(view.state.pk),
            "problem": view.problem,
            **_describe_trigger(request, view, at=at),
        }
        if view.trigger is not None and view.trigger.family == "flow":
            row |= _describe_flow_trigger(view.trigger, windows, at=at)
        if view.state.backfill:
            row |= _describe_backfill(view.state, load_backfill(view.state.backfill))
        if dry == view.state.trigger_id:
            row |= _evaluate(view.state, at=at)
        rows.append(row)
    # What a schedule would do now is another answer each time.
    return {"rows": rows, "mark": "" if dry else check_mark(request, rows)}


def _list_views(found: FlowText) -> list[TriggerView]:
    """Return all triggers of a flow. One that was saved before its kind had a row gets one that is not stored."""
    flow = found.flow
    views = describe_triggers(list_triggers_of_flow(flow.namespace, flow.flow_id))
    known = {view.state.trigger_id for view in views}
    names = {"namespace": flow.namespace, "flow_id": flow.flow_id, "flow_revision": flow.revision}
    for trigger in found.definition.triggers if found.definition else ():
        if trigger.id not in known:
            state = TriggerState(
                **names, trigger_id=trigger.id, type=trigger.type, family=trigger.family, source_disabled=trigger.disabled
            )
            views.append(TriggerView(state, trigger, flow.revision))
    return views


def _describe_trigger(request: HttpRequest, view: TriggerView, *, at: datetime) -> dict[str, Any]:
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
        hidden = _SAID_OTHERWISE.get(trigger.family, ())
        row["words"] = say_trigger(trigger)
        row["address"] = find_address(request, state.namespace, state.flow_id, trigger)
        row["properties"] = [(name, write_value(value)) for name, value in trigger.properties.items() if name not in hidden]
        row["when"] = trigger.when if trigger.family != "flow" else None
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


def _describe_flow_trigger(trigger: Trigger, windows: Windows, *, at: datetime) -> dict[str, Any]:
    """Return the conditions of a Flow trigger in words, each with the execution that met it in the window that is open now."""
    try:
        listening = read_flow_trigger(trigger)
    except FlowsError as error:
        return {"problem": error.message}
    groups = []
    for group in listening.groups:
        met = pick_met(group, windows, at=at)
        entries = [{"words": say_entry(entry), "met": _read_met(met.get(entry.key))} for entry in group.entries]
        groups.append(
            {
                "window": say_window(group.window),
                "wanted_count": group.wanted_count,
                "met_count": len(met),
                "entries": entries,
            }
        )
    has_deadline = listening.deadline_group is not None
    return {"groups": groups, "has_deadline": has_deadline, "miss_labels": listening.miss_labels if has_deadline else ()}


def _read_met(kept: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {"execution_id": kept["executionId"], "at": datetime.fromisoformat(kept["at"])} if kept else None
