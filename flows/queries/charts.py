"""The data of charts: rows, groups and single figures of what the system stores, within a time window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, F, Max, Min, Q, QuerySet, Sum
from django.db.models.expressions import OrderBy
from django.db.models.functions import TruncDay, TruncHour, TruncMinute, TruncMonth, TruncWeek

from flows.language.chart_data import SOURCES, ChartData, Column, FieldKind
from flows.language.dashboards import Chart
from flows.models import Flow
from flows.primitives.errors import InvalidError
from flows.queries import executions, flows, logs, triggers
from flows.queries.chart_fields import NEWEST_FIRST, WINDOW_COLUMNS, list_rows, make_expression, match_filters, present_value
from flows.queries.criteria import Criteria, Rules, build_lookup, match_text
from flows.queries.pages import Page
from flows.queries.visibility import visible

MOST_ROWS = 10_000
_AGGREGATES: Mapping[str, Any] = {"COUNT": Count, "SUM": Sum, "AVG": Avg, "MIN": Min, "MAX": Max}
_WITH_LABELS = frozenset({"Executions", "Flows"})


@dataclass(frozen=True, slots=True)
class ChartScope:
    """
    What a viewer narrows a chart to.

    Attributes:
        start, end: aware moments, the end included.
        namespace: this one and what is below, empty for all.
        labels: label key to value, all of them must be there; ignored where a source has no labels.
        criteria: filters of the page; they must name fields of `filterable_fields` only.
        page, size: which part of the rows; `size` None means as many as are allowed.
    """

    start: datetime
    end: datetime
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    criteria: Criteria = field(default_factory=Criteria)
    page: int = 1
    size: int | None = None


def filterable_fields(source: str, *, at: datetime) -> frozenset[str]:
    """Return the names of the page filters that a source understands."""
    return frozenset(_rules(source, at))


def fetch_chart(chart: Chart, scope: ChartScope) -> Page[dict[str, Any]]:
    """
    Return what a chart shows: rows keyed by the keys of its columns.

    A chart that aggregates groups by its other columns; dates among them are cut to a unit that suits the length of the
    window. A figure (KPI) gives one row. Markdown gives its text.

    Raises:
        CriteriaError: a filter's value does not fit its field.
        InvalidError: the window ends before it starts.

    Source: catalogue of core tasks, 11; REST API, 8.11.
    """
    if scope.end < scope.start:
        raise InvalidError("The end of the time window lies before its start.", code="chart-window")
    if chart.data is None:
        return Page([_read_text(chart)], 1)
    rows = _select(chart.data, scope)
    if chart.kind == "KPI":
        return Page([_count_figure(chart, rows)], 1)
    if chart.data.aggregated:
        return _group(chart, rows, scope)
    return _list(chart.data, rows, scope)


def _read_text(chart: Chart) -> dict[str, Any]:
    if chart.described_flow is None:
        return {"content": chart.content or ""}
    namespace, flow_id = chart.described_flow
    rows = visible(Flow).filter(namespace=namespace, flow_id=flow_id, deleted=False)
    found = rows.values_list("description", flat=True).first()
    return {"description": found or ""}


def _rules(source: str, at: datetime) -> Rules:
    match source:
        case "Executions":
            return executions.execution_rules(at=at)
        case "Logs":
            return logs.log_rules(at=at)
        case "Flows":
            return flows.flow_rules()
        case "Triggers":
            return triggers.trigger_rules(at=at)
    return {
        "namespace": match_text("namespace"),
        "flowId": match_text("flow_id"),
        "taskId": match_text("task_id"),
        "executionId": match_text("execution_id"),
    }


def _select(data: ChartData, scope: ChartScope) -> QuerySet[Any]:
    rows = list_rows(data.source)
    column = WINDOW_COLUMNS[data.source]
    if column is not None:
        rows = rows.filter(**{f"{column}__gte": scope.start, f"{column}__lte": scope.end})
    if scope.namespace:
        rows = rows.filter(Q(namespace=scope.namespace) | Q(namespace__startswith=f"{scope.namespace}."))
    if scope.labels and data.source in _WITH_LABELS:
        rows = rows.filter(labels__contains=[{"key": key, "value": value} for key, value in scope.labels.items()])
    if scope.criteria.members:
        rows = rows.filter(build_lookup(scope.criteria, _rules(data.source, scope.end)))
    return match_filters(rows, data.source, data.where)


def _aggregate(data: ChartData, column: Column) -> Any:
    function = _AGGREGATES[column.agg or "COUNT"]
    if column.field is None:
        return Count("*")
    return function(make_expression(data.source, column.field, column.label_key))


def _count_figure(chart: Chart, rows: QuerySet[Any]) -> dict[str, Any]:
    data = chart.data
    assert data is not None
    column = data.columns[0]
    whole = rows.aggregate(found=_aggregate(data, column))["found"]
    if chart.options.get("numberType") != "PERCENTAGE" or data.numerator is None:
        return {column.key: present_value(whole, _kind(data, column))}
    part = match_filters(rows, data.source, data.numerator).aggregate(found=_aggregate(data, column))["found"]
    is_ratio = isinstance(whole, (int, float)) and isinstance(part, (int, float)) and whole != 0
    return {column.key: round(100 * part / whole, 4) if is_ratio else 0}


def _kind(data: ChartData, column: Column) -> FieldKind | None:
    if column.field is None or column.agg == "COUNT":
        return None
    return SOURCES[data.source][column.field]


def _group(chart: Chart, rows: QuerySet[Any], scope: ChartScope) -> Page[dict[str, Any]]:
    data = chart.data
    assert data is not None
    truncate = _choose_unit(scope.end - scope.start)
    names = {column.key: f"c{index}" for index, column in enumerate(data.columns)}
    groups: dict[str, Any] = {}
    for column in data.columns:
        if column.agg is None and column.field is not None:
            expression = make_expression(data.source, column.field, column.label_key)
            is_date = SOURCES[data.source][column.field] is FieldKind.DATE
            groups[names[column.key]] = truncate(expression) if is_date else expression
    figures = {names[column.key]: _aggregate(data, column) for column in data.aggregated}
    if not groups:
        return _present(data, [rows.aggregate(**figures)], names, 1)
    grouped = rows.order_by().values(**groups).annotate(**figures).order_by(*_order_groups(chart, data, names))
    return _take(data, grouped, names, scope)


def _order_groups(chart: Chart, data: ChartData, names: Mapping[str, str]) -> list[OrderBy]:
    order = [(key, is_descending) for key, is_descending in data.order_by]
    if not order and chart.kind == "TimeSeries":
        order = [(str(chart.options["column"]), False)]
    elif not order:
        order = [(data.aggregated[0].key, True)]
    ordered = {key for key, _ in order}
    order += [(column.key, False) for column in data.columns if column.agg is None and column.key not in ordered]
    return [OrderBy(F(names[key]), descending=is_descending, nulls_last=True) for key, is_descending in order]


def _list(data: ChartData, rows: QuerySet[Any], scope: ChartScope) -> Page[dict[str, Any]]:
    names = {column.key: f"c{index}" for index, column in enumerate(data.columns)}
    shown = {
        names[column.key]: make_expression(data.source, column.field, column.label_key)
        for column in data.columns
        if column.field is not None
    }
    order = [OrderBy(F(names[key]), descending=is_descending, nulls_last=True) for key, is_descending in data.order_by]
    return _take(data, rows.annotate(**shown).order_by(*order, *NEWEST_FIRST[data.source]).values(*shown), names, scope)


def _take(data: ChartData, found: QuerySet[Any], names: Mapping[str, str], scope: ChartScope) -> Page[dict[str, Any]]:
    size = min(scope.size or MOST_ROWS, MOST_ROWS)
    first = (scope.page - 1) * size
    rows = list(found[first : first + size])
    total = first + len(rows) if len(rows) < size and (rows or first == 0) else found.order_by().count()
    return _present(data, rows, names, total)


def _present(data: ChartData, rows: list[Any], names: Mapping[str, str], total: int) -> Page[dict[str, Any]]:
    kinds = [(column.key, names[column.key], _kind(data, column)) for column in data.columns]
    return Page([{key: present_value(row.get(name), kind) for key, name, kind in kinds} for row in rows], total)


def _choose_unit(length: timedelta) -> Any:
    """Return the function that cuts moments to a unit of which a window of this length shows a fair number."""
    for longest, truncate in (
        (timedelta(hours=6), TruncMinute),
        (timedelta(days=1), TruncHour),
        (timedelta(days=180), TruncDay),
        (timedelta(days=365), TruncWeek),
    ):
        if length <= longest:
            return truncate
    return TruncMonth
