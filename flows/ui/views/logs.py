"""The log lines of all executions: searched, followed, and the lines found as a file."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from flows.models import LogEntry
from flows.queries.criteria import build_lookup
from flows.queries.flows import list_flow_namespaces
from flows.queries.logs import iterate_logs, log_rules
from flows.queries.visibility import visible
from flows.streams import answer_stream
from flows.ui.choices import lead_to_defaults
from flows.ui.filters import LEVELS, Filters, read_filters, write_query
from flows.ui.log_panel import Log, answer_lines, make_panel, stream_log, wants_lines
from flows.ui.page import answer_page
from flows.ui.painters.log_lines import Origin

MOST_DOWNLOADED = 100_000
EVERY_EXECUTION = ""
FILTERS = ("q", "namespace", "flow", "task", "execution", "level", "range", "from", "to")


def search_logs(request: HttpRequest) -> HttpResponse:
    """Show the newest lines that match, and those that come as they are written; older ones while scrolling up."""
    if (away := lead_to_defaults(request, namespace="home-namespace", level="log-level")) is not None:
        return away
    filters, log = _read_log(request)
    if wants_lines(request):
        return answer_lines(request, log)
    context = {
        "filters": filters,
        "log": make_panel(request, log),
        "levels": LEVELS,
        "namespaces": list_flow_namespaces(),
        "download_url": f"{reverse('ui:logs-download')}{write_query(request)}",
    }
    return answer_page(request, "flows/logs.html", context, title="Logs", nav="logs")


def follow_logs(request: HttpRequest) -> HttpResponseBase:
    """Stream the lines of all executions that match, as they are written."""
    return answer_stream(
        stream_log(request, lambda: _read_log(request)[1], lambda: (None, False), channel=EVERY_EXECUTION, namespace=None)
    )


def _read_log(request: HttpRequest) -> tuple[Filters, Log]:
    filters, rows = _find_lines(request)
    searched = filters.values["q"]
    return filters, Log(
        rows=rows,
        hits=rows,
        searched=f'"{searched}"' if searched else "",
        origin=Origin.FLOW,
        is_filtered=bool(filters.chips),
        live_url=reverse("ui:live-logs"),
    )


def _find_lines(request: HttpRequest) -> tuple[Filters, QuerySet[LogEntry]]:
    filters = read_filters(request, names=FILTERS)
    return filters, visible(LogEntry).filter(build_lookup(filters.criteria, log_rules(at=timezone.now())))


def download_logs(request: HttpRequest) -> HttpResponseBase:
    """Answer with the newest lines that match as a text file, newest first, at most 100,000, written while they are read."""
    return send_lines(_find_lines(request)[1])


def send_lines(rows: QuerySet[LogEntry]) -> HttpResponseBase:
    """Return the answer that `download_logs` gives, for lines that were found otherwise."""
    lines = (_write_line(entry).encode("utf-8", "replace") for entry in iterate_logs(rows.order_by("-id")[:MOST_DOWNLOADED]))
    response = StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="logs.txt"'
    return response


def _write_line(entry: LogEntry) -> str:
    where = f"{entry.namespace}/{entry.flow_id}/{entry.execution_id or '-'}"
    return f"{entry.timestamp.isoformat()} {LEVELS[min(entry.level, 4)]} {where} [{entry.task_id or '-'}] {entry.message}\n"
