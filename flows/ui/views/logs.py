"""The log lines of all executions: searched, followed, and the lines found as a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from flows.models import LogEntry
from flows.queries.criteria import Condition, Criteria, build_lookup
from flows.queries.flows import list_flow_namespaces
from flows.queries.logs import is_pattern, iterate_logs, log_rules, match_searched
from flows.queries.preferences import find_preferences
from flows.queries.visibility import visible
from flows.streams import answer_stream
from flows.ui.choices import lead_to_defaults
from flows.ui.filters import LEVELS, Filters, read_filters, write_query
from flows.ui.kept_views import find_default_query, keep_view, read_columns, read_saved
from flows.ui.log_panel import PLACE_NAMES, Log, answer_lines, make_panel, stream_log, wants_lines
from flows.ui.page import FRAGMENT_HEADER, answer_page
from flows.ui.painters.log_lines import Origin

PAGE = "logs"
"""The name of this list, under which its reader's choices are kept."""

COLUMNS = {"time": "Time", "level": "Level", "flow": "Flow and execution", "task": "Task"}
"""What a line shows before its message; a style sheet leaves out the others, so that lines that come later are the same."""

MOST_DOWNLOADED = 100_000
PATTERN_SPAN = timedelta(days=1)
EVERY_EXECUTION = ""
FILTERS = ("q", "namespace", "flow", "task", "execution", "level", "range", "from", "to")


def search_logs(request: HttpRequest) -> HttpResponse:
    """Show the newest lines that match, and those that come as they are written; older ones while scrolling up."""
    # A script that asks for lines alone needs none of what the page around them shows.
    preferences = {} if wants_lines(request) else find_preferences(request.user.pk)
    saved = read_saved(preferences, PAGE)
    if (default := find_default_query(saved)) and not request.GET and FRAGMENT_HEADER not in request.headers:
        return HttpResponseRedirect(f"{reverse('ui:logs')}?{default}")
    if (away := lead_to_defaults(request, namespace="home-namespace", level="log-level")) is not None:
        return away
    filters, log = _read_log(request)
    if wants_lines(request):
        return answer_lines(request, log)
    columns = read_columns(preferences, PAGE, known=COLUMNS, usual=tuple(COLUMNS))
    query = request.GET.copy()
    for name in PLACE_NAMES:
        query.pop(name, None)
    context = {
        "saved": saved,
        "columns": columns,
        "all_columns": list(COLUMNS.items()),
        "left_out": " ".join(f"no-{name}" for name in COLUMNS if name not in columns),
        "query": query.urlencode(),
        "filters": filters,
        # Filters that have no field of their own stay while others change.
        "kept_filters": [(name, filters.values[name]) for name in ("flow", "task", "execution") if filters.values[name]],
        "log": make_panel(request, log),
        "levels": LEVELS,
        "namespaces": list_flow_namespaces(),
        "download_url": f"{reverse('ui:logs-download')}{write_query(request)}",
    }
    return answer_page(request, "flows/logs.html", context, title="Logs", nav="logs")


def save_view(request: HttpRequest) -> HttpResponse:
    """Keep or drop a saved filter, or keep what lines show, and lead back to the log with its filters."""
    return HttpResponseRedirect(f"{reverse('ui:logs')}?{keep_view(request, PAGE, columns=COLUMNS)}")


def follow_logs(request: HttpRequest) -> HttpResponseBase:
    """Stream the lines of all executions that match, as they are written."""
    return answer_stream(
        stream_log(request, lambda: _read_log(request)[1], lambda: (None, False), channel=EVERY_EXECUTION, namespace=None)
    )


def _read_log(request: HttpRequest) -> tuple[Filters, Log]:
    filters, rows, note = find_lines(request, FILTERS)
    return filters, Log(
        rows=rows,
        hits=rows,
        searched=filters.values["q"],
        note=note,
        origin=Origin.FLOW,
        is_filtered=bool(filters.chips),
        live_url=reverse("ui:live-logs"),
    )


def find_lines(
    request: HttpRequest, names: Sequence[str], *, fixed: Sequence[Condition] = ()
) -> tuple[Filters, QuerySet[LogEntry], str]:
    """
    Return the filters of a log of many executions, the lines that they leave, and what to say about that.

    Lines are searched for words, a phrase or a pattern. No index finds a pattern, so it is looked for in a span of time only.
    Raises CriteriaError for a pattern that cannot be read.
    """
    at = timezone.now()
    filters = read_filters(request, names=names, fixed=fixed, find_text=lambda _: Criteria())
    text = filters.values["q"]
    rows = visible(LogEntry).filter(build_lookup(filters.criteria, log_rules(at=at)))
    note = ""
    if is_pattern(text) and not any(filters.values.get(name) for name in ("range", "from", "execution")):
        rows = rows.filter(timestamp__gte=at - PATTERN_SPAN)
        note = "The pattern was looked for in the last 24 hours; choose a time range for others."
    return filters, rows.filter(match_searched(text)) if text else rows, note


def download_logs(request: HttpRequest) -> HttpResponseBase:
    """Answer with the newest lines that match as a text file, newest first, at most 100,000, written while they are read."""
    return send_lines(find_lines(request, FILTERS)[1])


def send_lines(rows: QuerySet[LogEntry]) -> HttpResponseBase:
    """Return the answer that `download_logs` gives, for lines that were found otherwise."""
    lines = (_write_line(entry).encode("utf-8", "replace") for entry in iterate_logs(rows.order_by("-id")[:MOST_DOWNLOADED]))
    response = StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="logs.txt"'
    return response


def _write_line(entry: LogEntry) -> str:
    where = f"{entry.namespace}/{entry.flow_id}/{entry.execution_id or '-'}"
    return f"{entry.timestamp.isoformat()} {LEVELS[min(entry.level, 4)]} {where} [{entry.task_id or '-'}] {entry.message}\n"
