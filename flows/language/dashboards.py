"""Dashboard documents: YAML text to a typed dashboard, with every fault at once. What charts fetch is in `chart_data`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flows.language.chart_data import SOURCES, ChartData, FieldKind, read_chart_data
from flows.language.chart_faults import Faults
from flows.language.reading import list_words, show_value
from flows.language.source import Path, read_document
from flows.primitives.durations import DurationError, parse_duration
from flows.primitives.identifiers import NameKind, find_name_fault
from flows.primitives.problems import Problem

CHART_PREFIX = "io.kestra.plugin.core.dashboard.chart."
DEFAULT_WINDOW = timedelta(days=30)
LONGEST_WINDOW = timedelta(days=366)
LONGEST_TITLE = 250
MOST_CHARTS = 100
WIDEST = 12

# How many aggregating columns a chart may have: least and most, None without a limit.
_AGGREGATIONS: Mapping[str, tuple[int, int | None]] = {
    "Bar": (1, 1),
    "Pie": (1, 1),
    "Table": (0, None),
    "TimeSeries": (1, 2),
    "KPI": (1, 1),
}
CHART_KINDS = (*_AGGREGATIONS, "Markdown")
CHART_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "Bar": ("column", "tooltip", "legend"),
    "Pie": ("graphStyle", "colorByColumn", "legend", "tooltip"),
    "Table": ("header", "pagination"),
    "TimeSeries": ("column", "colorByColumn", "legend", "tooltip"),
    "Markdown": (),
    "KPI": ("numberType",),
}
_CHART_ID = re.compile("[a-zA-Z0-9][a-zA-Z0-9_-]*")
_LONGEST_CHART_ID = 256
_ID_RULE = "letters, digits, dashes and underscores, beginning with a letter or digit"


@dataclass(frozen=True, slots=True)
class Chart:
    """
    One chart. `kind` is the last word of its type; `data` is None for Markdown; `content` is the text that Markdown shows, and
    `described_flow` the (namespace, flow id) whose description it shows instead.
    """

    id: str
    kind: str
    options: Mapping[str, Any]
    data: ChartData | None = None
    content: str | None = None
    described_flow: tuple[str, str] | None = None

    @property
    def pages(self) -> bool:
        """Whether the chart shows its rows page by page: tables do, unless they aggregate or say otherwise."""
        if self.kind != "Table" or self.data is None or self.data.aggregated:
            return False
        pagination = self.options.get("pagination")
        return not (isinstance(pagination, Mapping) and pagination.get("enabled") is False)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard without faults. `raw` is the document as data; `id` is None when the document has none."""

    id: str | None
    title: str
    description: str
    window: timedelta
    longest_window: timedelta
    charts: tuple[Chart, ...]
    raw: Mapping[str, Any] = field(default_factory=dict)

    def find_chart(self, chart_id: str) -> Chart | None:
        """Return the chart of that id, or None."""
        return next((chart for chart in self.charts if chart.id == chart_id), None)


def parse_dashboard(text: str) -> tuple[Dashboard | None, list[Problem]]:
    """
    Read a dashboard.

    Returns:
        The dashboard, or None when an error keeps it from being used, and every problem found, in order.

    Source: catalogue of core tasks, 11.
    """
    document = read_document(text)
    faults = Faults(document)
    data = document.data
    if not isinstance(data, dict):
        if not faults.has_errors:
            faults.report("dashboard-shape", "A dashboard must be a mapping with a title and charts.", ())
        return None, faults.problems
    faults.check_keys(data, ("id", "title", "description", "timeWindow", "charts"), ())
    dashboard_id = _read_id(data.get("id"), faults)
    title = data.get("title")
    if not isinstance(title, str) or not title.strip() or len(title) > LONGEST_TITLE:
        faults.report("dashboard-title", f"A dashboard needs a title, a text of at most {LONGEST_TITLE} characters.", ("title",))
    description = data.get("description")
    if description is not None and not isinstance(description, str):
        faults.report(
            "dashboard-description", f"The description must be a text; got {show_value(description)}.", ("description",)
        )
    window, longest = _read_window(data.get("timeWindow"), faults)
    charts = _read_charts(data.get("charts"), faults)
    if faults.has_errors:
        return None, faults.problems
    return Dashboard(dashboard_id, str(title), description or "", window, longest, charts, data), faults.problems


def parse_chart(text: str) -> tuple[Chart | None, list[Problem]]:
    """Read one chart alone; the result as of `parse_dashboard`."""
    document = read_document(text)
    faults = Faults(document)
    if not isinstance(document.data, dict):
        if not faults.has_errors:
            faults.report("chart-shape", "A chart must be a mapping with an id and a type.", ())
        return None, faults.problems
    chart = _read_chart(document.data, (), faults)
    return (None if faults.has_errors else chart), faults.problems


def _read_id(value: Any, faults: Faults) -> str | None:
    if value is None:
        return None
    fault = find_name_fault(NameKind.FLOW, value) if isinstance(value, str) else "must be a text"
    if fault:
        faults.report("dashboard-id", f"The id of the dashboard {fault}.", ("id",))
        return None
    return str(value)


def _read_window(value: Any, faults: Faults) -> tuple[timedelta, timedelta]:
    if value is None:
        return DEFAULT_WINDOW, LONGEST_WINDOW
    if not isinstance(value, dict):
        message = f'"timeWindow" must be a mapping with "default" and "max"; got {show_value(value)}.'
        faults.report("dashboard-window", message, ("timeWindow",))
        return DEFAULT_WINDOW, LONGEST_WINDOW
    faults.check_keys(value, ("default", "max"), ("timeWindow",))
    default = _read_length(value.get("default"), DEFAULT_WINDOW, ("timeWindow", "default"), faults)
    longest = _read_length(value.get("max"), LONGEST_WINDOW, ("timeWindow", "max"), faults)
    if default > longest:
        faults.report("dashboard-window", 'The "default" of the time window is longer than its "max".', ("timeWindow", "default"))
    return default, longest


def _read_length(value: Any, default: timedelta, path: Path, faults: Faults) -> timedelta:
    if value is None:
        return default
    try:
        length = parse_duration(value)
    except DurationError:
        faults.report("dashboard-window", f"A time window must be a duration such as P30D; got {show_value(value)}.", path)
        return default
    if not timedelta(0) < length <= LONGEST_WINDOW:
        faults.report(
            "dashboard-window", f"A time window must be longer than nothing and at most {LONGEST_WINDOW.days} days.", path
        )
        return default
    return length


def _read_charts(value: Any, faults: Faults) -> tuple[Chart, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST_CHARTS:
        faults.report("dashboard-charts", f'"charts" must be a list of at most {MOST_CHARTS} charts.', ("charts",))
        return ()
    charts: list[Chart] = []
    seen: set[str] = set()
    for index, item in enumerate(value):
        path: Path = ("charts", index)
        if not isinstance(item, dict):
            faults.report("chart-shape", f"A chart must be a mapping; got {show_value(item)}.", path)
            continue
        chart = _read_chart(item, path, faults)
        if chart is None:
            continue
        if chart.id and chart.id in seen:
            faults.report("chart-id", f'Two charts have the id "{chart.id}".', (*path, "id"))
        seen.add(chart.id)
        charts.append(chart)
    return tuple(charts)


def _read_chart(item: Mapping[str, Any], path: Path, faults: Faults) -> Chart | None:
    chart_id = item.get("id")
    if not isinstance(chart_id, str) or not _CHART_ID.fullmatch(chart_id) or len(chart_id) > _LONGEST_CHART_ID:
        faults.report("chart-id", f"A chart needs an id of {_ID_RULE}; got {show_value(chart_id)}.", (*path, "id"))
        chart_id = ""
    kind = _read_kind(item.get("type"), (*path, "type"), faults)
    options = _read_options(item.get("chartOptions"), kind, (*path, "chartOptions"), faults)
    if kind is None:
        # The rest is read all the same, so that one answer names every fault.
        if item.get("data") is not None:
            read_chart_data(item["data"], (*path, "data"), faults, is_figure=False)
        return None
    if kind == "Markdown":
        faults.check_keys(item, ("id", "type", "chartOptions", "content", "source"), path)
        content, described = _read_markdown(item, path, faults)
        return Chart(chart_id, kind, options, None, content, described)
    faults.check_keys(item, ("id", "type", "chartOptions", "data"), path)
    data = read_chart_data(item.get("data"), (*path, "data"), faults, is_figure=kind == "KPI")
    if data is not None:
        _check_aggregations(kind, data, path, faults)
        _check_option_columns(kind, options, data, path, faults)
    return Chart(chart_id, kind, options, data)


def _read_kind(value: Any, path: Path, faults: Faults) -> str | None:
    kind = value.removeprefix(CHART_PREFIX) if isinstance(value, str) and value.startswith(CHART_PREFIX) else None
    if kind not in CHART_KINDS:
        words = list_words([CHART_PREFIX + name for name in CHART_KINDS])
        faults.report("chart-type", f"A chart must have one of the types {words}; got {show_value(value)}.", path)
        return None
    return kind


def _read_options(value: Any, kind: str | None, path: Path, faults: Faults) -> Mapping[str, Any]:
    needs_column = kind in ("Bar", "TimeSeries")
    if value is None:
        if needs_column:
            faults.report("chart-option", f'A {kind} chart needs "chartOptions" with a displayName and a column.', path)
        return {}
    if not isinstance(value, dict):
        faults.report("chart-option", f'"chartOptions" must be a mapping; got {show_value(value)}.', path)
        return {}
    if kind is not None:
        faults.check_keys(value, ("displayName", "description", "width", *CHART_OPTIONS[kind]), path)
    if not isinstance(value.get("displayName"), str) or not value["displayName"].strip():
        faults.report("chart-option", 'The options of a chart need a "displayName", a text.', path)
    width = value.get("width")
    if width is not None and (not isinstance(width, int) or isinstance(width, bool) or not 1 <= width <= WIDEST):
        faults.report(
            "chart-option", f'"width" must be a whole number from 1 to {WIDEST}; got {show_value(width)}.', (*path, "width")
        )
    if needs_column and value.get("column") is None:
        faults.report("chart-option", f'The options of a {kind} chart need a "column".', path)
    faults.check_choice(value, "tooltip", ("NONE", "ALL", "SINGLE"), path)
    if kind == "Pie":
        faults.check_choice(value, "graphStyle", ("DONUT", "PIE"), path)
    faults.check_choice(value, "numberType", ("FLAT", "PERCENTAGE"), path)
    for name in ("legend", "header", "pagination"):
        if value.get(name) is not None:
            if isinstance(value[name], dict):
                faults.check_flag(value[name], "enabled", (*path, name))
            else:
                faults.report("chart-option", f'"{name}" must be a mapping with "enabled".', (*path, name))
    return value


def _check_aggregations(kind: str, data: ChartData, path: Path, faults: Faults) -> None:
    least, most = _AGGREGATIONS[kind]
    count = len(data.aggregated)
    if count < least or (most is not None and count > most):
        wanted = f"exactly {least}" if least == most else f"{least} to {most}"
        message = f"A {kind} chart needs {wanted} aggregating column{'s' if most != 1 else ''}; this one has {count}."
        faults.report("chart-aggregations", message, (*path, "data", "columns"))


def _check_option_columns(kind: str, options: Mapping[str, Any], data: ChartData, path: Path, faults: Faults) -> None:
    place = (*path, "chartOptions")
    for name in ("column", "colorByColumn"):
        wanted = options.get(name)
        if wanted is None or name not in CHART_OPTIONS[kind]:
            continue
        column = data.find_column(wanted) if isinstance(wanted, str) else None
        if column is None:
            keys = list_words([one.key for one in data.columns])
            message = f'"{name}" names {show_value(wanted)}, which is not in "columns" of the data ({keys}).'
            faults.report("chart-option", message, (*place, name))
        elif kind == "TimeSeries" and name == "column":
            is_date = column.agg is None and SOURCES[data.source].get(column.field or "") is FieldKind.DATE
            if not is_date:
                faults.report("chart-option", f'"{name}" of a TimeSeries chart must be a column with a date.', (*place, name))
    pagination = options.get("pagination")
    if kind == "Table" and data.aggregated and isinstance(pagination, Mapping) and pagination.get("enabled") is True:
        message = "A table whose columns aggregate cannot show pages: set pagination.enabled to false."
        faults.report("chart-pagination", message, (*place, "pagination"))
    if kind == "KPI" and options.get("numberType") == "PERCENTAGE" and data.numerator is None:
        faults.report("chart-numerator", 'A percentage needs a "numerator", the filters of the part.', (*path, "data"))


def _read_markdown(item: Mapping[str, Any], path: Path, faults: Faults) -> tuple[str | None, tuple[str, str] | None]:
    content, source = item.get("content"), item.get("source")
    if source is None:
        if not isinstance(content, str):
            faults.report("chart-markdown", 'A Markdown chart needs "content", a text, or a "source".', path)
            return None, None
        return content, None
    place = (*path, "source")
    kind = str(source.get("type", "")).rpartition(".")[2] if isinstance(source, dict) else ""
    if not isinstance(source, dict) or kind not in ("Text", "FlowDescription"):
        faults.report("chart-markdown", 'The "source" of a Markdown chart must have the type Text or FlowDescription.', place)
        return None, None
    if kind == "Text":
        if not isinstance(source.get("content"), str):
            faults.report("chart-markdown", 'A source of the type Text needs "content", a text.', place)
            return None, None
        return source["content"], None
    namespace, flow_id = source.get("namespace"), source.get("flowId")
    if not isinstance(namespace, str) or not isinstance(flow_id, str):
        faults.report("chart-markdown", 'A source of the type FlowDescription needs "namespace" and "flowId".', place)
        return None, None
    return None, (namespace, flow_id)
