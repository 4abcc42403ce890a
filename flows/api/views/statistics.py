"""Addresses of the 0.x line that no present client calls: counts over time, and task runs of all executions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_page, format_moment
from flows.api.describing import MOMENT, PAGING, TEXT, Schema, describes, filtering, list_of, map_of, object_of, page_of, sorting
from flows.api.endpoint import now, read_object
from flows.api.filters import read_criteria, read_old_body
from flows.api.pagination import read_window
from flows.api.presenters import LEVELS, present_task_run
from flows.primitives.durations import DurationError, parse_duration
from flows.primitives.errors import InvalidError
from flows.primitives.states import State
from flows.queries import executions, flows, logs, statistics, task_runs, triggers
from flows.queries.criteria import read_moment

DEFAULT_SPAN = timedelta(days=30)
_DATES = frozenset({"startDate", "endDate", "timeRange"})
COUNT: Schema = {"type": "integer", "minimum": 0}
SECONDS: Schema = {"type": "number", "minimum": 0}
_FILTERS = object_of(
    q=TEXT, namespace=TEXT, flowId=TEXT, scope=TEXT, state=list_of(TEXT), labels=list_of(TEXT), startDate=MOMENT, endDate=MOMENT,
    timeRange=TEXT,
)  # fmt: skip
_LENGTHS = object_of(min=SECONDS, avg=SECONDS, max=SECONDS, sum=SECONDS, count=COUNT)
_BUCKET = object_of(
    ["startDate", "executionCounts"], startDate=TEXT, groupBy=TEXT, duration=_LENGTHS, executionCounts=map_of(COUNT)
)


@describes(
    body=_FILTERS,
    needs_body=False,
    is_deprecated=True,
    answer=list_of(_BUCKET),
)
def count_executions(request: Request) -> HttpResponse:
    """Return how many executions began in each step of a window, by state, and how long they took in seconds."""
    body = read_object(request, default={})
    start, end = _read_span(body)
    criteria = read_old_body(body, executions.EXECUTION_FIELDS - _DATES)
    unit, buckets = statistics.count_executions(criteria, start=start, end=end)
    return answer(
        [
            {
                "startDate": _format_step(moment, unit),
                "groupBy": unit,
                "duration": {
                    "min": bucket.shortest_seconds,
                    "avg": bucket.average_seconds,
                    "max": bucket.longest_seconds,
                    "sum": bucket.total_seconds,
                    "count": bucket.ended_count,
                },
                "executionCounts": {state.value: bucket.counts.get(state.value, 0) for state in State},
            }
            for moment, bucket in buckets
        ]
    )


@describes(
    body=_FILTERS,
    needs_body=False,
    is_deprecated=True,
    answer=list_of(object_of(["timestamp", "counts"], timestamp=TEXT, groupBy=TEXT, counts=map_of(COUNT))),
)
def count_log_lines(request: Request) -> HttpResponse:
    """Return how many log lines were written in each step of a window, by level."""
    body = read_object(request, default={})
    start, end = _read_span(body)
    unit, buckets = statistics.count_log_lines(read_old_body(body, logs.LOG_FIELDS - _DATES), start=start, end=end)
    return answer(
        [
            {
                "timestamp": format_moment(moment),
                "groupBy": unit,
                "counts": {name: counts.get(number, 0) for number, name in enumerate(LEVELS)},
            }
            for moment, counts in buckets
        ]
    )


@describes(
    body=_FILTERS,
    needs_body=False,
    is_deprecated=True,
    answer=object_of(["flows", "triggers"], flows=COUNT, triggers=COUNT),
)
def summarize(request: Request) -> HttpResponse:
    """Return how many flows and triggers there are. Of the filters, those that flows know are heeded."""
    body = read_object(request, default={})
    of_triggers = read_old_body(body, triggers.TRIGGER_FIELDS & flows.FLOW_FIELDS)
    flow_count, trigger_count = statistics.count_flows_and_triggers(read_old_body(body, flows.FLOW_FIELDS), of_triggers, at=now())
    return answer({"flows": flow_count, "triggers": trigger_count})


@describes(
    PAGING,
    sorting(task_runs.SORTABLE),
    filtering(task_runs.TASK_RUN_FIELDS),
    is_deprecated=True,
    answer=page_of("TaskRun"),
)
def search_task_runs(request: Request) -> HttpResponse:
    """Return one page of the task runs of all executions, newest first."""
    found = task_runs.search_task_runs(read_criteria(request, task_runs.TASK_RUN_FIELDS), read_window(request), at=now())
    return answer_page((present_task_run(run, run.execution) for run in found.results), found.total)


def _read_span(body: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return the window of a request: `startDate` or `timeRange` before `endDate`, which is now when it is missing."""
    end = _find_moment(body, "endDate") or now()
    start = _find_moment(body, "startDate")
    if start is not None and not body.get("timeRange"):
        return start, end
    try:
        return end - (parse_duration(str(body["timeRange"])) if body.get("timeRange") else DEFAULT_SPAN), end
    except (DurationError, OverflowError) as error:
        raise InvalidError(
            '"timeRange" must be a duration such as PT24H or P7D that does not reach back before the year 1970.',
            code="chart-window",
        ) from error


def _find_moment(body: dict[str, Any], name: str) -> datetime | None:
    return read_moment(str(body[name]), name=name) if body.get(name) else None


def _format_step(moment: datetime, unit: str) -> str:
    return format_moment(moment) if unit in ("minute", "hour") else moment.date().isoformat()
