"""Searches for task runs over all executions, as old consoles list them. Reads within one execution live in `executions`."""

from __future__ import annotations

from datetime import datetime

from django.db.models import DurationField, ExpressionWrapper, F

from flows.conf import get_settings
from flows.models import TaskRun
from flows.queries.criteria import (
    Criteria,
    Rules,
    build_lookup,
    match_choice,
    match_labels,
    match_moment,
    match_scope,
    match_search_text,
    match_text,
    match_time_range,
)
from flows.queries.executions import STATES
from flows.queries.pages import Page, Window, order_rows, take_page
from flows.queries.visibility import visible

TASK_RUN_FIELDS = frozenset(
    {
        "q", "scope", "namespace", "flowId", "executionId", "taskId", "state", "labels", "startDate", "endDate", "timeRange",
        "triggerExecutionId",
    }
)  # fmt: skip
MOST_COUNTED = 10_000

# What runs inside a loop belongs to an execution of its own; tests of flows do not show up among real work.
_LISTED_KINDS = ("NORMAL", "LOOP")
SORTABLE = {
    "id": "id",
    "taskId": "task_id",
    "executionId": "execution_id",
    "namespace": "execution__namespace",
    "flowId": "execution__flow_id",
    "state": "state",
    "state.current": "state",
    # Rows are numbered as they are created, and the number has an index.
    "state.startDate": "seq",
    "state.endDate": "ended_at",
    "state.duration": ExpressionWrapper(F("ended_at") - F("created_at"), output_field=DurationField()),
}


def task_run_rules(*, at: datetime) -> Rules:
    """Return how each filter of task runs reaches the database; `at` is now, for ranges that reach back from it."""
    return {
        "q": match_search_text("task_id", "execution__flow_id", "execution__namespace"),
        "scope": match_scope("execution__namespace", system_namespace=get_settings().system_namespace),
        "namespace": match_text("execution__namespace"),
        "flowId": match_text("execution__flow_id"),
        "executionId": match_text("execution_id"),
        "taskId": match_text("task_id"),
        "state": match_choice("state", STATES),
        "labels": match_labels("execution__labels"),
        "startDate": match_moment("created_at"),
        "endDate": match_moment("created_at"),
        "timeRange": match_time_range("created_at", at=at),
        "triggerExecutionId": match_text("execution__caller_execution_id"),
    }


def search_task_runs(criteria: Criteria, window: Window, *, at: datetime) -> Page[TaskRun]:
    """
    Return one page of task runs with their executions at hand, newest first unless `window.sort` says otherwise. A total above
    10,000 is an estimate.

    Raises:
        CriteriaError, SortError: see `build_lookup` and `order_rows`.

    Source: REST API, 8.15.
    """
    rows = visible(TaskRun).filter(build_lookup(criteria, task_run_rules(at=at)), execution__kind__in=_LISTED_KINDS)
    rows = rows.select_related("execution").only(
        "seq", "id", "task_id", "parent_id", "iteration", "value", "state", "histories", "attempts", "outputs", "dynamic",
        "execution__id", "execution__namespace", "execution__flow_id",
    )  # fmt: skip
    return take_page(order_rows(rows, window, SORTABLE, then=("-seq",)), window, most_counted=MOST_COUNTED)
