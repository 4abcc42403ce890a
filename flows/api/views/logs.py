"""Log lines: lists, search, download and the live stream."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing, format_moment
from flows.api.describing import LEVEL_VALUE, NUMBER, PAGING, STREAM_TYPE, TEXT, Value, describes, filtering, list_of, sorting
from flows.api.endpoint import now
from flows.api.filters import read_criteria
from flows.api.pagination import find_number, read_window
from flows.api.presenters import LEVELS, present_log
from flows.api.sse import follow_rows, make_viewer
from flows.models import LogEntry
from flows.operations import logs as operations
from flows.primitives.states import TERMINAL
from flows.queries import executions as execution_queries
from flows.queries import logs as queries
from flows.streams import answer_stream


def _read_selection(request: Request, execution_id: str) -> QuerySet[LogEntry]:
    query = request.query_params
    return queries.filter_logs(
        execution_id,
        min_level=query.get("minLevel", ""),
        task_run_id=query.get("taskRunId", ""),
        task_id=query.get("taskId", ""),
        attempt=find_number(request, "attempt"),
    )


@describes(
    LEVEL_VALUE,
    Value("taskRunId", "Only of this task run."),
    Value("taskId", "Only of this task."),
    Value("attempt", "Only of this attempt, from 0.", NUMBER),
    answer=list_of("LogEntry"),
)
def list_of_execution(request: Request, execution_id: str) -> HttpResponse:
    """Return the log lines of an execution in time order."""
    lines = [present_log(entry) for entry in _read_selection(request, execution_id)]
    if not lines and not queries.has_logs(execution_id):
        execution_queries.get_execution(execution_id)
    return answer(lines)


@describes(PAGING, sorting(("timestamp", "level")), filtering(queries.LOG_FIELDS), answer="LogPage")
def search(request: Request) -> HttpResponse:
    """Return one page of log lines of all executions."""
    found = queries.search_logs(read_criteria(request, queries.LOG_FIELDS), read_window(request), at=now())
    return answer({"results": [present_log(entry) for entry in found.results], "total": found.total, "type": "OFFSET"})


@describes(
    LEVEL_VALUE,
    Value("taskRunId", "Only of this task run."),
    Value("taskId", "Only of this task."),
    Value("attempt", "Only of this attempt, from 0.", NUMBER),
    answer=TEXT,
    media="text/plain",
)
def download(request: Request, execution_id: str) -> HttpResponseBase:
    """Return the log of an execution as a text file."""
    execution = execution_queries.get_execution(execution_id)
    response = StreamingHttpResponse(
        _write_lines(_read_selection(request, execution_id)), content_type="text/plain; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{execution_id}.log"'
    response["X-Content-Type-Options"] = "nosniff"
    if execution.state not in TERMINAL:
        response["Cache-Control"] = "no-cache"
    return response


def _write_lines(rows: QuerySet[LogEntry]) -> Iterator[bytes]:
    for entry in queries.iterate_logs(rows):
        yield f"{format_moment(entry.timestamp)} {LEVELS[entry.level]} {entry.message}\n".encode("utf-8", "replace")


@describes(LEVEL_VALUE, answer=TEXT, media=STREAM_TYPE)
def follow(request: Request, execution_id: str) -> HttpResponseBase:
    """Stream the stored log lines of an execution, then those that come."""
    viewer = make_viewer(request, execution_queries.get_execution(execution_id).namespace)
    min_level = request.query_params.get("minLevel", "")
    if min_level:
        queries.read_level(min_level)
    return answer_stream(follow_rows(execution_id, partial(_read_after, min_level), viewer))


def _read_after(min_level: str, execution_id: str, after_id: int) -> list[tuple[int, dict[str, Any]]]:
    rows = queries.filter_logs(execution_id, min_level=min_level, after_id=after_id)
    return [(entry.id, present_log(entry)) for entry in rows]


@describes(
    LEVEL_VALUE,
    Value("taskRunId", "Only of this task run."),
    Value("taskId", "Only of this task."),
    Value("attempt", "Only of this attempt, from 0.", NUMBER),
    answer=None,
)
def delete_of_execution(request: Request, execution_id: str) -> HttpResponse:
    """Delete log lines of an execution."""
    operations.delete_execution_logs(execution_id, _read_selection(request, execution_id))
    return answer_nothing(200)


@describes(Value("triggerId", "Only of this trigger."), answer=None)
def delete_of_flow(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Delete the log lines of a flow, or of one of its triggers."""
    operations.delete_flow_logs(namespace, flow_id, trigger_id=request.query_params.get("triggerId", ""))
    return answer_nothing(200)
