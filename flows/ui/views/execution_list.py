"""The list of all executions: filters that are kept, columns, and export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from flows.models import Execution, Flow, TaskRun
from flows.primitives.states import State
from flows.queries import executions as queries
from flows.queries.comparisons import median_durations
from flows.queries.criteria import Condition, Criteria, Operation
from flows.queries.flows import list_flow_namespaces
from flows.queries.preferences import find_preferences
from flows.queries.visibility import visible
from flows.ui.choices import lead_to_defaults
from flows.ui.exports import send_table
from flows.ui.filters import LISTED_STATES, read_filters
from flows.ui.kept_views import find_default_query, keep_view, read_columns, read_saved
from flows.ui.keyset import count_up_to, take_slice
from flows.ui.marks import check_mark
from flows.ui.page import FRAGMENT_HEADER, answer_page
from flows.ui.painters.execution_rows import COLUMNS, DEFAULT_COLUMNS, Facts, paint_executions
from flows.ui.wording import split_labels

PAGE = "executions"
"""The name of this list, under which its reader's choices are kept."""

EXPORTED = ("id", "namespace", "flow", "revision", "state", "started", "ended", "seconds", "trigger", "labels")
SHOWN_FIELDS = (
    "id", "namespace", "flow_id", "flow_revision", "state", "created_at", "ended_at", "labels", "trigger", "kind", "parent_id",
    "caller_execution_id",
)  # fmt: skip
"""The columns that lists of executions read."""

FILTERS = ("q", "namespace", "flow", "state", "label", "range", "from", "to")
MOST_FLOWS = 50


def list_executions(request: HttpRequest) -> HttpResponseBase:
    """Show one page of executions, newest first. No row costs a query of its own, and history is never counted whole."""
    preferences = find_preferences(request.user.pk)
    saved = read_saved(preferences, PAGE)
    if (default := find_default_query(saved)) and not request.GET and FRAGMENT_HEADER not in request.headers:
        return HttpResponseRedirect(f"{reverse('ui:executions')}?{default}")
    if (away := lead_to_defaults(request, namespace="home-namespace")) is not None:
        return away
    at = timezone.now()
    filters = read_filters(request, names=FILTERS, find_text=find_text)
    rows = queries.filter_executions(filters.criteria, at=at).only(*SHOWN_FIELDS)
    found = take_slice(request, rows, moment="created_at")
    total, current_tasks = count_up_to(rows), _list_current_tasks(found.rows)
    medians = median_durations([(row.namespace, row.flow_id) for row in found.rows])
    columns = read_columns(preferences, PAGE, known=COLUMNS, usual=DEFAULT_COLUMNS)
    mark = check_mark(request, found, total, current_tasks, sorted(medians.items()), columns)
    facts = Facts(at, medians, current_tasks)
    query = request.GET.copy()
    for name in ("before", "after"):
        query.pop(name, None)
    context = {
        "mark": mark,
        "slice": found,
        "table": paint_executions(found.rows, facts, columns=columns),
        "columns": columns,
        "all_columns": [(name, COLUMNS[name]) for name in dict.fromkeys((*columns, *COLUMNS))],
        "filters": filters,
        "saved": saved,
        "query": query.urlencode(),
        "total": total,
        "states": LISTED_STATES,
        "namespaces": list_flow_namespaces(),
    }
    return answer_page(request, "flows/execution_list.html", context, title="Executions", nav="executions")


def save_view(request: HttpRequest) -> HttpResponse:
    """Keep or drop a saved filter, or keep the choice of columns, and lead back to the list with its filters."""
    return HttpResponseRedirect(f"{reverse('ui:executions')}?{keep_view(request, PAGE, columns=COLUMNS)}")


def export_executions(request: HttpRequest) -> HttpResponseBase:
    """Answer with all executions that match, as CSV or as one JSON object per line, written while they are read."""
    filters = read_filters(request, names=FILTERS, find_text=find_text)
    rows = queries.filter_executions(filters.criteria, at=timezone.now()).order_by("-created_at", "id").only(*SHOWN_FIELDS)
    facts = (_list_facts(row) for row in rows.iterator(chunk_size=1000))
    return send_table(request.GET.get("form", ""), "executions", EXPORTED, facts)


def _list_facts(row: Execution) -> dict[str, Any]:
    return {
        "id": row.id,
        "namespace": row.namespace,
        "flow": row.flow_id,
        "revision": row.flow_revision,
        "state": row.state,
        "started": row.created_at.isoformat(),
        "ended": row.ended_at.isoformat() if row.ended_at else "",
        "seconds": round((row.ended_at - row.created_at).total_seconds(), 3) if row.ended_at else "",
        "trigger": (row.trigger or {}).get("id") or "",
        "labels": ",".join(f"{key}:{value}" for key, value in split_labels(row.labels)),
    }


def find_text(text: str) -> Condition | Criteria:
    """
    Return where a text may stand so that an index finds it among millions: at the beginning of an id, in the name of a flow or
    a namespace, or as a label written as key:value.
    """
    key, colon, value = text.partition(":")
    if colon and key and value:
        return Condition("labels", Operation.EQUALS, value, key)
    by_id = Condition("id", Operation.STARTS_WITH, text)
    matching = visible(Flow).filter(Q(flow_id__icontains=text) | Q(namespace__icontains=text))
    names = list(matching.values_list("namespace", "flow_id")[: MOST_FLOWS + 1])
    if len(names) > MOST_FLOWS:
        # A text that fits so many flows is found everywhere, so that reading on from the newest ends soon.
        return Condition("q", Operation.EQUALS, text)
    by_flow = [
        Criteria(members=(Condition("namespace", Operation.EQUALS, namespace), Condition("flowId", Operation.EQUALS, flow_id)))
        for namespace, flow_id in names
    ]
    return Criteria("or", (by_id, *by_flow))


def _list_current_tasks(rows: Sequence[Execution]) -> dict[str, str]:
    running = [row.id for row in rows if row.state == State.RUNNING]
    found: dict[str, str] = {}
    if running:
        runs = visible(TaskRun).filter(execution_id__in=running, state=State.RUNNING).order_by("seq")
        for execution_id, task_id in runs.values_list("execution_id", "task_id"):
            found[execution_id] = task_id
    return found
