"""Search in the log lines of all executions."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from flows.models import LogEntry
from flows.queries.criteria import build_lookup
from flows.queries.flows import list_flow_namespaces
from flows.queries.logs import log_rules
from flows.queries.visibility import visible
from flows.ui.filters import LEVELS, read_filters, write_query
from flows.ui.page import answer_page
from flows.ui.painters.log_lines import paint_log_lines

PAGE_SIZE = 200


def search_logs(request: HttpRequest) -> HttpResponse:
    """Show the newest lines that match, newest first; older ones by the id of the last line."""
    filters = read_filters(request, names=("q", "namespace", "flow", "task", "execution", "level", "range", "from", "to"))
    rows = visible(LogEntry).filter(build_lookup(filters.criteria, log_rules(at=timezone.now())))
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        rows = rows.filter(id__lt=int(before))
    entries = list(rows.order_by("-id")[: PAGE_SIZE + 1])
    page = entries[:PAGE_SIZE]
    context = {
        "filters": filters,
        "lines": paint_log_lines(page, with_flow=True),
        "count": len(page),
        "levels": LEVELS,
        "namespaces": list_flow_namespaces(),
        "older_url": write_query(request, before=str(page[-1].id)) if len(entries) > PAGE_SIZE else "",
    }
    return answer_page(request, "flows/logs.html", context, title="Logs", nav="logs")
