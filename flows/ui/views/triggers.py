"""What can be done with a trigger: its switch, a look that starts nothing, and backfills with a preview of what they start."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from flows.language.source import read_document
from flows.operations import triggers as operations
from flows.operations.dry_polls import ask_for_dry_poll
from flows.primitives.errors import FlowsError, ForbiddenError, InvalidError, NotFoundError
from flows.queries import triggers as queries
from flows.queries.criteria import read_moment
from flows.queries.flows import get_flow_row
from flows.queries.last_runs import find_median_length, list_firings_between
from flows.ui.filters import write_query
from flows.ui.page import Crumb, answer_page, name_of, redirect
from flows.ui.wording import write_duration, write_value

PREVIEWED = 12
MOST_IN_STRIP = 120
MOST_LISTED = 500
MOST_DATES = 10_000
PRESETS = (("24 h", timedelta(hours=24)), ("7 d", timedelta(days=7)), ("30 d", timedelta(days=30)))
"""Ranges that the form of a backfill offers, each back from now."""


def act(request: HttpRequest, namespace: str, flow_id: str, trigger_id: str, action: str) -> HttpResponse:
    """Enable, disable, unlock or restart a trigger, or steer its backfill; then back to where it was asked for."""
    at, actor = timezone.now(), name_of(request)
    names: dict[str, Any] = {"namespace": namespace, "flow_id": flow_id, "trigger_id": trigger_id, "at": at, "actor": actor}

    def go_back(**said: str) -> HttpResponse:
        if request.POST.get("back") == "list":
            kept = [(name, value) for name, value in parse_qsl(request.POST.get("query", "")) if name not in ("note", "problem")]
            return HttpResponseRedirect(f"{reverse('ui:triggers')}?{urlencode([*kept, *said.items()])}")
        return redirect("flow-tab", namespace, flow_id, "triggers", **said)

    try:
        if action == "evaluate":
            names.pop("actor")
            return go_back(note=f"{trigger_id}: {_say_dry(operations.evaluate_dry(**names))}")
        _change(request, action, names)
    except ForbiddenError:
        raise
    except FlowsError as error:
        return go_back(problem=error.message[:500])
    return go_back(note=f"Trigger {trigger_id}: {action.replace('-', ' ')} done")


def _change(request: HttpRequest, action: str, names: dict[str, Any]) -> None:
    match action:
        case "enable" | "disable":
            operations.set_trigger_disabled(**names, disabled=action == "disable")
        case "unlock":
            operations.unlock_trigger(**names)
        case "restart":
            operations.restart_trigger(**names)
        case "delete":
            operations.delete_trigger(**names)
        case "backfill":
            start, end = _read_range(request)
            inputs, labels = _read_backfill_inputs(request)
            operations.create_backfill(**names, start=start, end=end, inputs=inputs, labels=labels)
        case "backfill-pause" | "backfill-continue":
            operations.set_backfill_paused(**names, paused=action == "backfill-pause")
        case "backfill-cancel":
            operations.delete_backfill(**names)
        case _:
            raise NotFoundError(f'A trigger has no action "{action[:60]}".', code="unknown-action")


def show_evaluation(request: HttpRequest, namespace: str, flow_id: str, trigger_id: str) -> HttpResponse:
    """Show what a look of a polling trigger would do; sent as a form, let a worker look and show what it found."""
    row = queries.get_trigger_state(namespace, flow_id, trigger_id)
    if row.family != "polling":
        query = {"dry": trigger_id} if row.family == "schedule" else {}
        return redirect("flow-tab", namespace, flow_id, "triggers", **query)
    view = queries.describe_triggers([row])[0]
    context: dict[str, Any] = {"row": row, "trigger": view.trigger, "problem": view.problem, "found": None, "fault": ""}
    if view.trigger is not None:
        context["properties"] = [(name, write_value(value)) for name, value in view.trigger.properties.items()]
    if request.method == "POST":
        try:
            found = ask_for_dry_poll(namespace=namespace, flow_id=flow_id, trigger_id=trigger_id)
            context |= {"found": found, "took": write_duration(timedelta(seconds=found.seconds))}
        except (ForbiddenError, NotFoundError):
            raise
        except FlowsError as error:
            context["fault"] = error.message
    title = f"Evaluate {trigger_id}"
    crumbs = _list_crumbs(namespace, flow_id, title)
    status = 409 if context["fault"] else 200
    return answer_page(request, "flows/evaluation.html", context, title=title, nav="triggers", crumbs=crumbs, status=status)


def _list_crumbs(namespace: str, flow_id: str, last: str) -> list[Crumb]:
    flow_url = reverse("ui:flow", args=[namespace, flow_id])
    return [Crumb("Flows", reverse("ui:flows")), Crumb(flow_id, flow_url), Crumb("Triggers", f"{flow_url}/triggers"), Crumb(last)]


def _read_range(request: HttpRequest) -> tuple[datetime, datetime | None]:
    given = request.POST if request.method == "POST" else request.GET
    end = given.get("end", "")
    return read_moment(given.get("start", ""), name="from"), read_moment(end, name="until") if end else None


def _say_dry(found: operations.DryEvaluation) -> str:
    when = f" Next: {found.next_at:%Y-%m-%d %H:%M:%S %Z}." if found.next_at else ""
    return f"{found.reason}{when} Nothing was started."


def _read_backfill_inputs(request: HttpRequest) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the inputs (a YAML map) and labels (`key:value`, divided by commas) that lie over those of the trigger."""
    given = request.POST if request.method == "POST" else request.GET
    text, inputs = given.get("inputs", "").strip(), {}
    if text:
        document = read_document(text)
        if not isinstance(document.data, dict):
            raise InvalidError("The inputs must be a YAML map, such as `country: DE`.", code="yaml-shape")
        inputs = document.data
    pairs = [part.strip().partition(":") for part in given.get("labels", "").split(",") if part.strip()]
    wrong = [key for key, _, value in pairs if not key or not value]
    if wrong:
        raise InvalidError(f'Label "{wrong[0][:100]}" must be written as key:value.', code="label-form")
    return inputs, [(key.strip(), value.strip()) for key, _, value in pairs]


def show_backfill(request: HttpRequest, namespace: str, flow_id: str, trigger_id: str) -> HttpResponse:
    """Show exactly which dates a backfill will start, before it starts any."""
    row = queries.get_trigger_state(namespace, flow_id, trigger_id)
    context: dict[str, Any] = {"trigger": row, "start": request.GET.get("start", ""), "end": request.GET.get("end", "")}
    context |= {name: request.GET.get(name, "") for name in ("inputs", "labels")}
    now = timezone.now().replace(second=0, microsecond=0)
    context["presets"] = [
        (word, write_query(request, start=f"{now - length:%Y-%m-%dT%H:%M:%SZ}", end="")) for word, length in PRESETS
    ]
    if context["start"]:
        try:
            start, end = _read_range(request)
            dates = operations.preview_backfill(
                namespace=namespace,
                flow_id=flow_id,
                trigger_id=trigger_id,
                start=start,
                end=end,
                at=timezone.now(),
                limit=MOST_DATES,
            )
            _read_backfill_inputs(request)
            length = find_median_length(namespace, flow_id)
            known = list_firings_between(namespace, flow_id, trigger_id, start=dates[0], end=dates[-1]) if dates else {}
            flow_row = get_flow_row(namespace, flow_id)
            # One after the other, whatever the concurrency of the flow is: a schedule fires its dates in turn.
            context["overlap"] = [(date, known[date]) for date in dates if date in known][:PREVIEWED]
            context["overlap_count"] = sum(date in known for date in dates)
            context["limit"] = flow_row.concurrency_limit
            context["strip"] = [(date, known.get(date)) for date in dates[:MOST_IN_STRIP]]
            context |= {
                "dates": dates[:PREVIEWED],
                "count": len(dates),
                "is_more": len(dates) >= MOST_DATES,
                "more": max(0, len(dates) - PREVIEWED),
                "more_dates": dates[PREVIEWED:MOST_LISTED],
                "listed": min(len(dates), MOST_LISTED),
                "left_out": len(dates) > MOST_LISTED,
                "estimate": write_duration(length * len(dates)) if length else "",
            }
        except FlowsError as error:
            context["problem"] = error.message
    crumbs = _list_crumbs(namespace, flow_id, f"Backfill {trigger_id}")
    return answer_page(request, "flows/backfill.html", context, title=f"Backfill {trigger_id}", nav="triggers", crumbs=crumbs)
