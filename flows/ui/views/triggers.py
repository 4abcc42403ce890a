"""All triggers, what can be done with one, and backfills with a preview of what they will start."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from flows.language.source import read_document
from flows.models import TriggerState
from flows.operations import triggers as operations
from flows.primitives.errors import FlowsError, ForbiddenError, InvalidError, NotFoundError
from flows.queries import triggers as queries
from flows.queries.criteria import Condition, Operation, read_moment
from flows.queries.flows import get_flow_row, list_flow_namespaces
from flows.queries.last_runs import find_median_length, list_firings_between
from flows.queries.pages import Window
from flows.queries.triggers import say_schedule
from flows.ui.choices import lead_to_defaults
from flows.ui.exports import send_table
from flows.ui.filters import Filters, read_filters, write_query
from flows.ui.page import Crumb, answer_page, name_of, redirect
from flows.ui.sorting import make_heads, paint_heads, read_sort
from flows.ui.wording import write_duration

PAGE_SIZE = 50
PREVIEWED = 12
MOST_IN_STRIP = 120
MOST_LISTED = 500
MOST_DATES = 10_000
EXPORTED = (
    "namespace", "flowId", "triggerId", "kind", "disabled", "nextEvaluationDate", "lastTriggeredDate", "executionId", "workerId",
)  # fmt: skip
PRESETS = (("24 h", timedelta(hours=24)), ("7 d", timedelta(days=7)), ("30 d", timedelta(days=30)))
"""Ranges that the form of a backfill offers, each back from now."""


STATES = {
    "active": Condition("disabled", Operation.EQUALS, "false"),
    "off": Condition("disabled", Operation.EQUALS, "true"),
    "held": Condition("locked", Operation.EQUALS, "true"),
    "failed": Condition("evaluation", Operation.EQUALS, "FAILED"),
}
"""What the filter "State" of the list means."""


COLUMNS = (
    ("trigger", "Trigger"),
    ("flow", "Flow"),
    ("when", "When"),
    ("state", "State"),
    ("evaluation", "Last evaluation"),
    ("fired", "Last fired"),
    ("next", "Next"),
)
SORTED = {"trigger": "triggerId", "flow": "flowId", "fired": "lastTriggeredDate", "next": "nextExecutionDate"}
"""Columns that sort the list, and what they are called there."""


def list_triggers(request: HttpRequest) -> HttpResponse:
    """Show one page of triggers with their state, what their last evaluation found, and why one cannot be used."""
    if (away := lead_to_defaults(request, namespace="home-namespace")) is not None:
        return away
    state, sort = request.GET.get("is", ""), read_sort(request, SORTED)
    filters = _read_filters(request)
    text = request.GET.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 100_000 else 1
    order = ((SORTED[sort[0]], sort[1]),) if sort is not None else ()
    page = queries.search_triggers(filters.criteria, Window(number, PAGE_SIZE, order), at=timezone.now())
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "heads": SafeString(paint_heads(make_heads(request, COLUMNS, sort=sort, sortable=SORTED))),
        "query": query.urlencode(),
        "rows": [
            {
                "state": view.state,
                "words": say_schedule(view.trigger) if view.trigger else "",
                "problem": view.problem,
                "evaluation": read_evaluation(view.state),
            }
            for view in queries.describe_triggers(page.results)
        ],
        "total": page.total,
        "filters": filters,
        "state": state,
        "namespaces": list_flow_namespaces(),
        "older_url": write_query(request, page=str(number + 1)) if number * PAGE_SIZE < page.total else "",
        "newer_url": write_query(request, page=str(number - 1) if number > 2 else "") if number > 1 else "",
    }
    return answer_page(request, "flows/trigger_list.html", context, title="Triggers", nav="triggers")


def _read_filters(request: HttpRequest) -> Filters:
    state = request.GET.get("is", "")
    return read_filters(request, names=("q", "namespace"), fixed=(STATES[state],) if state in STATES else ())


def export_list(request: HttpRequest) -> HttpResponseBase:
    """Answer with all triggers that match, as CSV or as one JSON object per line."""
    rows = queries.filter_triggers(_read_filters(request).criteria, at=timezone.now())
    ordered = rows.order_by("namespace", "flow_id", "trigger_id").iterator(chunk_size=1000)
    facts = ({name: _write_fact(value) for name, value in queries.export_columns(row).items()} for row in ordered)
    return send_table(request.GET.get("form", ""), "triggers", EXPORTED, facts)


def _write_fact(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def read_evaluation(row: TriggerState) -> dict[str, Any] | None:
    """Return what a row keeps of its last evaluation, as pages show it; None before the first one."""
    kept = row.evaluation
    if not kept:
        return None
    words = {"STARTED": "started", "NOTHING": "nothing found", "FAILED": "failed"}
    return {
        "at": datetime.fromisoformat(kept["at"]),
        "duration": write_duration(timedelta(seconds=kept["seconds"])),
        "result": words.get(kept["result"], kept["result"]),
        "has_failed": kept["result"] == "FAILED",
        "message": kept["message"],
        "execution_id": kept["executionId"] or "",
    }


def act(request: HttpRequest, namespace: str, flow_id: str, trigger_id: str, action: str) -> HttpResponse:
    """Enable, disable, unlock or restart a trigger, or steer its backfill; then back to where it was asked for."""
    at, actor = timezone.now(), name_of(request)
    names: dict[str, Any] = {"namespace": namespace, "flow_id": flow_id, "trigger_id": trigger_id, "at": at, "actor": actor}

    def go_back(**said: str) -> HttpResponse:
        if request.POST.get("back") == "list":
            return redirect("triggers", **said)
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
    flow_url = reverse("ui:flow", args=[namespace, flow_id])
    crumbs = [
        Crumb("Flows", reverse("ui:flows")),
        Crumb(flow_id, flow_url),
        Crumb("Triggers", f"{flow_url}/triggers"),
        Crumb(f"Backfill {trigger_id}"),
    ]
    return answer_page(request, "flows/backfill.html", context, title=f"Backfill {trigger_id}", nav="triggers", crumbs=crumbs)
