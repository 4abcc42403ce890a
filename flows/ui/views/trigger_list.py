"""The list of all triggers: filters that are kept, columns, and export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from flows.models import Execution, TriggerState
from flows.queries import triggers as queries
from flows.queries.criteria import Condition, Operation
from flows.queries.flows import list_flow_namespaces
from flows.queries.pages import Window
from flows.queries.preferences import find_preferences
from flows.ui.choices import lead_to_defaults
from flows.ui.exports import send_table
from flows.ui.filters import Chip, Filters, read_filters, write_query
from flows.ui.kept_views import find_default_query, keep_view, read_columns, read_saved
from flows.ui.marks import check_mark
from flows.ui.page import FRAGMENT_HEADER, answer_page
from flows.ui.sorting import make_heads, paint_heads, read_sort
from flows.ui.trigger_facts import ICONS, KINDS, find_address, read_evaluation

PAGE = "triggers"
"""The name of this list, under which its reader's choices are kept."""

PAGE_SIZE = 50
EXPORTED = (
    "namespace", "flowId", "triggerId", "kind", "type", "disabled", "nextEvaluationDate", "lastTriggeredDate", "executionId",
    "workerId",
)  # fmt: skip
STATES = {
    "active": ("active", Condition("disabled", Operation.EQUALS, "false")),
    "off": ("switched off", Condition("disabled", Operation.EQUALS, "true")),
    "held": ("held or evaluating", Condition("locked", Operation.EQUALS, "true")),
    "failed": ("last evaluation failed", Condition("evaluation", Operation.EQUALS, "FAILED")),
}
"""What the filter "State" of the list offers: its word, and what it means."""

COLUMNS = {
    "flow": "Flow",
    "namespace": "Namespace",
    "kind": "Kind",
    "when": "Waits for",
    "state": "State",
    "evaluation": "Last evaluation",
    "fired": "Last execution",
    "next": "Next",
    "took": "Took",
    "type": "Type",
}
DEFAULT_COLUMNS = ("flow", "when", "state", "evaluation", "next", "fired")
SORTED = {
    "trigger": "triggerId",
    "flow": "flowId",
    "namespace": "namespace",
    "fired": "lastTriggeredDate",
    "next": "nextExecutionDate",
}
"""Columns that sort the list, and what they are called there."""


def list_triggers(request: HttpRequest) -> HttpResponse:
    """Show one page of triggers of every kind: what each waits for, its state, what it found and started last."""
    preferences = find_preferences(request.user.pk)
    saved = read_saved(preferences, PAGE)
    if (default := find_default_query(saved)) and not request.GET and FRAGMENT_HEADER not in request.headers:
        return HttpResponseRedirect(f"{reverse('ui:triggers')}?{default}")
    if (away := lead_to_defaults(request, namespace="home-namespace")) is not None:
        return away
    sort, filters = read_sort(request, SORTED), read_trigger_filters(request)
    text = request.GET.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 100_000 else 1
    order = ((SORTED[sort[0]], sort[1]),) if sort is not None else ()
    page = queries.search_triggers(filters.criteria, Window(number, PAGE_SIZE, order), at=timezone.now(), with_events=True)
    columns = read_columns(preferences, PAGE, known=COLUMNS, usual=DEFAULT_COLUMNS)
    executions = queries.list_last_executions(page.results)
    # What else a row tells stands in the text of its revision.
    mark = check_mark(request, page, sorted(executions.items()), columns)
    heads = make_heads(
        request, [("trigger", "Trigger"), *((name, COLUMNS[name]) for name in columns)], sort=sort, sortable=SORTED
    )
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "mark": mark,
        "heads": SafeString(paint_heads(heads)),
        "query": query.urlencode(),
        "saved": saved,
        "columns": columns,
        "span": len(columns) + 3,
        "all_columns": [(name, COLUMNS[name]) for name in dict.fromkeys((*columns, *COLUMNS))],
        "rows": _describe(request, page.results, executions),
        "total": page.total,
        "filters": filters,
        "state": request.GET.get("is", ""),
        "states": [(name, word) for name, (word, _) in STATES.items()],
        "kind": request.GET.get("kind", ""),
        "kinds": list(KINDS.items()),
        "namespaces": list_flow_namespaces(),
        "older_url": write_query(request, page=str(number + 1)) if number * PAGE_SIZE < page.total else "",
        "newer_url": write_query(request, page=str(number - 1) if number > 2 else "") if number > 1 else "",
    }
    return answer_page(request, "flows/trigger_list.html", context, title="Triggers", nav="triggers")


def _describe(request: HttpRequest, rows: Sequence[TriggerState], executions: Mapping[int, Execution]) -> list[dict[str, Any]]:
    return [
        {
            "state": view.state,
            "kind": KINDS.get(view.state.family, view.state.family),
            "icon": ICONS.get(view.state.family, "trigger"),
            "words": queries.say_trigger(view.trigger) if view.trigger else "",
            "address": find_address(request, view.state.namespace, view.state.flow_id, view.trigger),
            "problem": view.problem,
            "evaluation": read_evaluation(view.state),
            "execution": executions.get(view.state.pk),
            "has_memory": view.state.family != "webhook",
        }
        for view in queries.describe_triggers(rows)
    ]


def read_trigger_filters(request: HttpRequest) -> Filters:
    """Return what the address asks for, with a chip for each part of it."""
    state, kind = request.GET.get("is", ""), request.GET.get("kind", "")
    fixed, chips = [], []
    if state in STATES:
        word, condition = STATES[state]
        fixed.append(condition)
        chips.append(Chip(f"is: {word}", _without(request, "is")))
    if kind in KINDS:
        fixed.append(Condition("kind", Operation.EQUALS, kind.upper()))
        chips.append(Chip(f"kind: {kind}", _without(request, "kind")))
    filters = read_filters(request, names=("q", "namespace", "flow"), fixed=fixed)
    return replace(filters, chips=[*filters.chips, *chips])


def _without(request: HttpRequest, name: str) -> str:
    url = write_query(request, page="", **{name: ""})
    return "?q=" if url == "?" else url


def save_view(request: HttpRequest) -> HttpResponse:
    """Keep or drop a saved filter, or keep the choice of columns, and lead back to the list with its filters."""
    return HttpResponseRedirect(f"{reverse('ui:triggers')}?{keep_view(request, PAGE, columns=COLUMNS)}")


def export_list(request: HttpRequest) -> HttpResponseBase:
    """Answer with all triggers that match, as CSV or as one JSON object per line."""
    rows = queries.filter_triggers(read_trigger_filters(request).criteria, at=timezone.now(), with_events=True)
    ordered = rows.order_by("namespace", "flow_id", "trigger_id").iterator(chunk_size=1000)
    facts = ({name: _write_fact(value) for name, value in queries.export_columns(row).items()} for row in ordered)
    return send_table(request.GET.get("form", ""), "triggers", EXPORTED, facts)


def _write_fact(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
