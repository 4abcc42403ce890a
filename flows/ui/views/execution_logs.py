"""The log of one execution: its filters, its panel, its lines for scripts, its stream, and the lines as a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from flows.models import Execution, LogEntry
from flows.primitives.states import TERMINAL
from flows.queries.executions import get_execution
from flows.queries.logs import check_pattern, filter_logs, iterate_logs
from flows.queries.visibility import visible
from flows.streams import answer_stream
from flows.ui.filters import write_query
from flows.ui.log_panel import Log, answer_lines, make_panel, stream_log
from flows.ui.painters.log_lines import paint_log_chunks
from flows.ui.views.execution_page import ExecutionPage, get_named

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


def make_logs(request: HttpRequest, page: ExecutionPage) -> dict[str, Any]:
    """Return what the tab "Logs" shows."""
    query = request.GET
    is_live = page.execution.state not in TERMINAL and query.get("order") != "task"
    panel = make_panel(request, read_log(request, page.execution.id, is_live=is_live))
    return {
        "log": panel,
        "level": query.get("level", "").upper(),
        "levels": LEVELS,
        "task_id": query.get("task_id", ""),
        "attempt": query.get("attempt", ""),
        "text": query.get("q", ""),
        "order": query.get("order", ""),
        "with_context": bool(query.get("context")),
        "task_ids": list(dict.fromkeys(run.task_id for run in page.runs)),
        "attempts": range(1, max((len(run.attempts) for run in page.runs), default=1) + 1),
        "lines_url": _write_lines_url(request, page),
        "groups": _group_by_task(panel["entries"]) if query.get("order") == "task" else (),
    }


def _write_lines_url(request: HttpRequest, page: ExecutionPage) -> str:
    execution = page.execution
    url = reverse("ui:execution-log-lines", args=[execution.namespace, execution.flow_id, execution.id])
    return f"{url}{write_query(request)}"


def read_log(request: HttpRequest, execution_id: str, *, is_live: bool = False) -> Log:
    """Return the log of an execution as the filters of the address leave it. Raises CriteriaError for a wrong pattern."""
    query = request.GET
    text = query.get("q", "").replace("\0", "").strip()
    rows = filter_log_window(request, execution_id)
    return Log(
        rows=_filter_lines(request, execution_id) if text and query.get("context") else rows,
        hits=rows,
        searched=text,
        is_filtered=any(query.get(name) for name in ("level", "q", "task_id", "attempt")),
        live_url=reverse("ui:live-log", args=[execution_id]) if is_live else "",
    )


def answer_log_lines(request: HttpRequest, execution_id: str) -> HttpResponse:
    """Answer a script that asks for more lines of an execution."""
    return answer_lines(request, read_log(request, execution_id))


def follow_log(request: HttpRequest, execution_id: str) -> HttpResponseBase:
    """Stream the lines of an execution as they are written. Raises NotFoundError, and CriteriaError for a wrong pattern."""
    execution = get_execution(execution_id)
    return answer_stream(
        stream_log(
            request,
            lambda: read_log(request, execution_id),
            lambda: _read_mark(execution_id),
            channel=execution_id,
            namespace=execution.namespace,
        )
    )


def _read_mark(execution_id: str) -> tuple[Any, bool]:
    found = visible(Execution).filter(pk=execution_id).values_list("state", "version").first()
    return found, found is None or found[0] in TERMINAL


def download_log(request: HttpRequest, namespace: str, flow_id: str, execution_id: str) -> HttpResponseBase:
    """Answer with the lines that the filters leave, as a text file, written while it is read."""
    execution = get_named(namespace, flow_id, execution_id)
    rows = filter_log_window(request, execution.id)
    lines = (_write_line(entry).encode("utf-8", "replace") for entry in iterate_logs(rows))
    response = StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{execution.id}.log"'
    return response


def _write_line(entry: LogEntry) -> str:
    return f"{entry.timestamp.isoformat()} {LEVELS[min(entry.level, 4)]} [{entry.task_id or '-'}] {entry.message}\n"


def filter_log_window(request: HttpRequest, execution_id: str) -> QuerySet[LogEntry]:
    """Return the lines of an execution that the filters of the address leave. Raises CriteriaError for a wrong pattern."""
    text = request.GET.get("q", "").replace("\0", "").strip()
    rows = _filter_lines(request, execution_id)
    return rows.filter(_match_text(text)) if text else rows


def _filter_lines(request: HttpRequest, execution_id: str) -> QuerySet[LogEntry]:
    query = request.GET
    level = query.get("level", "").upper()
    attempt = query.get("attempt", "")
    return filter_logs(
        execution_id,
        min_level=level if level in LEVELS else "",
        task_id=query.get("task_id", "").replace("\0", ""),
        attempt=int(attempt) - 1 if attempt.isascii() and attempt.isdigit() and 0 < int(attempt) < 1000 else None,
    )


def _match_text(text: str) -> Q:
    """Return what a text asks for: `/pattern/`, `"a phrase"`, or words that all stand in the line."""
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        check_pattern(text[1:-1])
        return Q(message__iregex=text[1:-1])
    if len(text) > 2 and text.startswith('"') and text.endswith('"'):
        return Q(message__icontains=text[1:-1])
    found = Q()
    for word in text.split()[:20]:
        found &= Q(message__icontains=word)
    return found


def _group_by_task(entries: Sequence[LogEntry]) -> list[tuple[str, str]]:
    groups: dict[str, list[LogEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.task_id or "the execution itself", []).append(entry)
    return [(name, paint_log_chunks(lines)) for name, lines in groups.items()]
