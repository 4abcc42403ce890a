"""Search in the log lines of all executions, and the lines found as a file."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from flows.models import LogEntry
from flows.queries.criteria import build_lookup
from flows.queries.flows import list_flow_namespaces
from flows.queries.logs import iterate_logs, log_rules
from flows.queries.visibility import visible
from flows.ui.filters import LEVELS, Filters, read_filters, write_query
from flows.ui.page import answer_page
from flows.ui.painters.log_lines import paint_log_lines

PAGE_SIZE = 200
MOST_DOWNLOADED = 100_000
FILTERS = ("q", "namespace", "flow", "task", "execution", "level", "range", "from", "to")


def search_logs(request: HttpRequest) -> HttpResponse:
    """Show the newest lines that match, newest first; older ones by the id of the last line."""
    filters, rows = _find_lines(request)
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        rows = rows.filter(id__lt=int(before))
    entries = list(rows.order_by("-id")[: PAGE_SIZE + 1])
    page = entries[:PAGE_SIZE]
    context = {
        "filters": filters,
        "lines": paint_log_lines(page, with_flow=True, marked=f'"{filters.values["q"]}"' if filters.values["q"] else ""),
        "count": len(page),
        "levels": LEVELS,
        "namespaces": list_flow_namespaces(),
        "query": request.GET.urlencode(),
        "most_downloaded": MOST_DOWNLOADED,
        "older_url": write_query(request, before=str(page[-1].id)) if len(entries) > PAGE_SIZE else "",
    }
    return answer_page(request, "flows/logs.html", context, title="Logs", nav="logs")


def _find_lines(request: HttpRequest) -> tuple[Filters, QuerySet[LogEntry]]:
    filters = read_filters(request, names=FILTERS)
    return filters, visible(LogEntry).filter(build_lookup(filters.criteria, log_rules(at=timezone.now())))


def download_logs(request: HttpRequest) -> HttpResponseBase:
    """Answer with the newest lines that match as a text file, newest first, at most 100,000, written while they are read."""
    _, rows = _find_lines(request)
    lines = (_write_line(entry).encode("utf-8", "replace") for entry in iterate_logs(rows.order_by("-id")[:MOST_DOWNLOADED]))
    response = StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="logs.txt"'
    return response


def _write_line(entry: LogEntry) -> str:
    where = f"{entry.namespace}/{entry.flow_id}/{entry.execution_id or '-'}"
    return f"{entry.timestamp.isoformat()} {LEVELS[min(entry.level, 4)]} {where} [{entry.task_id or '-'}] {entry.message}\n"
