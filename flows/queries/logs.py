"""Reads of log lines and metrics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import DataError, connection, transaction
from django.db.models import Avg, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncDay, TruncHour, TruncMonth, TruncWeek

from flows.conf import get_settings
from flows.models import LogEntry, Metric
from flows.queries.criteria import (
    Condition,
    Criteria,
    CriteriaError,
    Operation,
    Rules,
    build_lookup,
    match_moment,
    match_number,
    match_scope,
    match_text,
    match_time_range,
    split_list,
)
from flows.queries.pages import Page, Window, estimate_rows, order_rows, take_page
from flows.queries.texts import match_log_text, match_log_words, match_namespace
from flows.queries.visibility import visible

LEVEL_NUMBERS = {"TRACE": 0, "DEBUG": 1, "INFO": 2, "WARN": 3, "WARNING": 3, "ERROR": 4}
LOG_FIELDS = frozenset(
    {
        "q", "scope", "namespace", "flowId", "executionId", "triggerId", "taskId", "taskRunId", "attemptNumber", "level",
        "startDate", "endDate", "timeRange",
    }
)  # fmt: skip
SORTABLE = {"timestamp": "timestamp", "level": "level"}
METRIC_SORTABLE = {"timestamp": "timestamp", "name": "name", "value": "value", "taskId": "task_id"}
MOST_COUNTED = 10_000
NEWEST_LINES = 20_000
SAMPLED_LINES = 4_000
LONGEST_PATTERN = 200
AGGREGATIONS = {"sum": Sum, "avg": Avg, "min": Min, "max": Max}


def read_level(word: str) -> int:
    """Return the number of a level. Raises CriteriaError for an unknown word."""
    number = LEVEL_NUMBERS.get(word.strip().upper())
    if number is None:
        raise CriteriaError(f'"{word[:60]}" is no level; known ones: TRACE, DEBUG, INFO, WARN, ERROR.')
    return number


def _match_level(condition: Condition) -> Q:
    match condition.operation:
        case Operation.EQUALS | Operation.GREATER_THAN_OR_EQUAL_TO:
            return Q(level__gte=read_level(condition.value))
        case Operation.GREATER_THAN:
            return Q(level__gt=read_level(condition.value))
        case Operation.LESS_THAN:
            return Q(level__lt=read_level(condition.value))
        case Operation.LESS_THAN_OR_EQUAL_TO:
            return Q(level__lte=read_level(condition.value))
        case Operation.NOT_EQUALS:
            return ~Q(level=read_level(condition.value))
        case Operation.IN:
            return Q(level__in=[read_level(word) for word in split_list(condition.value)])
        case Operation.NOT_IN:
            return ~Q(level__in=[read_level(word) for word in split_list(condition.value)])
    raise CriteriaError(f'The field "level" does not take the operation {condition.operation}.')


def log_rules(*, at: datetime) -> Rules:
    """Return how each filter of logs reaches the database."""
    return {
        "q": match_log_text,
        "scope": match_scope("namespace", system_namespace=get_settings().system_namespace),
        "namespace": match_namespace,
        "flowId": match_text("flow_id"),
        "executionId": match_text("execution_id"),
        "triggerId": match_text("trigger_id"),
        "taskId": match_text("task_id"),
        "taskRunId": match_text("task_run_id"),
        "attemptNumber": match_number("attempt_number"),
        "level": _match_level,
        "startDate": match_moment("timestamp"),
        "endDate": match_moment("timestamp"),
        "timeRange": match_time_range("timestamp", at=at),
    }


def search_logs(criteria: Criteria, window: Window, *, at: datetime) -> Page[LogEntry]:
    """
    Return one page of log lines, newest first unless `window.sort` says otherwise. A total above 10,000 is an estimate.

    Raises:
        CriteriaError, SortError: see `build_lookup` and `order_rows`.
    """
    rows = visible(LogEntry).filter(build_lookup(criteria, log_rules(at=at)))
    then = ("-timestamp", "-id") if not window.sort else ("-id",)
    ordered = order_rows(rows, window, SORTABLE, then=then)
    if not window.sort and any(condition.field == "q" for condition in criteria.conditions()):
        return _find_among_newest(ordered, window) or take_page(ordered, window, most_counted=MOST_COUNTED)
    return take_page(ordered, window, most_counted=MOST_COUNTED)


def _find_among_newest(rows: QuerySet[LogEntry], window: Window) -> Page[LogEntry] | None:
    """
    Return a page of a text search if the newest lines alone fill it, else None.

    A text that stands in many lines is found here at once, where its index would first gather all of them; one that stands in
    few lines is found by its index. The total is the share of the newest lines, taken for all lines.
    """
    oldest = _find_nth_newest(NEWEST_LINES)
    if oldest is None:
        return None
    first = (window.page - 1) * window.size
    with transaction.atomic():
        # The index of words is read as a whole for each search; here the lines are to be walked instead.
        with connection.cursor() as cursor:
            cursor.execute("set local enable_bitmapscan = off")
        results = list(rows.filter(timestamp__gte=oldest)[first : first + window.size])
        if len(results) < window.size:
            return None
        # A sample is enough for an estimate.
        sampled = rows.filter(timestamp__gte=_find_nth_newest(SAMPLED_LINES)).order_by().count()
    total = int(sampled / SAMPLED_LINES * estimate_rows(LogEntry.objects.all()))
    return Page(results, max(first + len(results), total))


def _find_nth_newest(number: int) -> datetime | None:
    return LogEntry.objects.order_by("-timestamp").values_list("timestamp", flat=True)[number : number + 1].first()


def filter_logs(
    execution_id: str,
    *,
    min_level: str = "",
    task_run_id: str = "",
    task_id: str = "",
    attempt: int | None = None,
    after_id: int = 0,
) -> QuerySet[LogEntry]:
    """
    Return the log lines of one execution in the order in which they happened.

    Args:
        min_level: least severe level to include, empty for all.
        after_id: only lines that were stored after the one with this id.

    Raises:
        CriteriaError: an unknown level.
    """
    rows = visible(LogEntry).filter(execution_id=execution_id)
    if min_level:
        rows = rows.filter(level__gte=read_level(min_level))
    if task_run_id:
        rows = rows.filter(task_run_id=task_run_id)
    if task_id:
        rows = rows.filter(task_id=task_id)
    if attempt is not None:
        rows = rows.filter(attempt_number=attempt)
    if after_id:
        rows = rows.filter(id__gt=after_id)
    return rows.order_by("timestamp", "id")


def has_logs(execution_id: str) -> bool:
    """Tell whether any line of an execution is stored; lines may outlive their execution."""
    return visible(LogEntry).filter(execution_id=execution_id).exists()


def iterate_logs(rows: QuerySet[LogEntry]) -> Iterator[LogEntry]:
    """Yield log lines without holding all of them in memory."""
    return rows.iterator(chunk_size=2000)


def search_metrics(execution_id: str, window: Window, *, task_run_id: str = "", task_id: str = "") -> Page[Metric]:
    """Return one page of the metrics of an execution, oldest first. Raises SortError."""
    rows = visible(Metric).filter(execution_id=execution_id)
    if task_run_id:
        rows = rows.filter(task_run_id=task_run_id)
    if task_id:
        rows = rows.filter(task_id=task_id)
    return take_page(order_rows(rows, window, METRIC_SORTABLE, then=("id",)), window)


def check_pattern(pattern: str) -> None:
    """
    Let the database read a regular expression before lines are searched with it.

    Raises:
        CriteriaError: it cannot be read, or is longer than 200 characters.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise CriteriaError(f"A pattern may have {LONGEST_PATTERN} characters; this one has {len(pattern)}.")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("select '' ~ %s", [pattern])
    except DataError as error:
        raise CriteriaError(f'The pattern "{pattern[:60]}" cannot be read: {str(error).splitlines()[0]}.') from error


def is_pattern(text: str) -> bool:
    """Tell whether a searched text is a regular expression, which is written between slashes."""
    return len(text) > 2 and text[0] == text[-1] == "/"


def match_searched(text: str) -> Q:
    """
    Return what somebody searches in the lines of many executions: `/a pattern/`, `"a phrase"`, several words that all stand in a
    line, or one word, which may also be the id of an execution or a part of the name of a flow.

    A pattern has no index: narrow the lines down before. Raises CriteriaError for a pattern that cannot be read.
    """
    if is_pattern(text):
        check_pattern(text[1:-1])
        return Q(message__iregex=text[1:-1])
    if len(text) > 2 and text[0] == text[-1] == '"':
        return match_log_text(Condition("q", Operation.EQUALS, text[1:-1]))
    if len(text.split()) > 1:
        return match_log_words(text)
    return match_log_text(Condition("q", Operation.EQUALS, text))


def list_task_metrics(execution_id: str, task_run_id: str, *, limit: int = 50) -> list[Metric]:
    """Return the first metrics of one task run, in the order in which they came."""
    return list(visible(Metric).filter(execution_id=execution_id, task_run_id=task_run_id).order_by("id")[:limit])


def list_metric_names(namespace: str, flow_id: str, task_id: str = "") -> list[str]:
    """Return the names of the metrics of a flow, or of one of its tasks, sorted."""
    rows = visible(Metric).filter(namespace=namespace, flow_id=flow_id)
    if task_id:
        rows = rows.filter(task_id=task_id)
    return list(rows.order_by("name").values_list("name", flat=True).distinct())


def list_tasks_with_metrics(namespace: str, flow_id: str) -> list[str]:
    """Return the ids of the tasks of a flow that ever sent a metric, sorted."""
    rows = visible(Metric).filter(namespace=namespace, flow_id=flow_id, task_id__isnull=False)
    return [str(name) for name in rows.order_by("task_id").values_list("task_id", flat=True).distinct()]


def aggregate_metric(
    namespace: str, flow_id: str, name: str, *, start: datetime, end: datetime, aggregation: str, task_id: str = ""
) -> tuple[str, list[dict[str, Any]]]:
    """
    Return a metric over time: the unit of time, and `{name, value, date}` for each unit that has values.

    Args:
        aggregation: `sum`, `avg`, `min` or `max`.

    Raises:
        CriteriaError: another aggregation, or an end before the start.
    """
    function = AGGREGATIONS.get(aggregation.lower())
    if function is None:
        raise CriteriaError(f'"aggregation" must be one of {", ".join(AGGREGATIONS)}; got "{aggregation[:60]}".')
    if end < start:
        raise CriteriaError('"endDate" must not lie before "startDate".')
    unit, truncate = _choose_unit(end - start)
    rows = visible(Metric).filter(namespace=namespace, flow_id=flow_id, name=name, timestamp__gte=start, timestamp__lte=end)
    if task_id:
        rows = rows.filter(task_id=task_id)
    values = rows.annotate(date=truncate("timestamp")).values("date").annotate(total=function("value")).order_by("date")
    return unit, [{"name": name, "value": row["total"], "date": row["date"]} for row in values]


def _choose_unit(length: timedelta) -> tuple[str, Any]:
    if length > timedelta(days=365):
        return "month", TruncMonth
    if length > timedelta(days=180):
        return "week", TruncWeek
    return ("day", TruncDay) if length > timedelta(days=1) else ("hour", TruncHour)
