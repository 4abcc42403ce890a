"""What a chart shows: its source, columns, filters and order, read from a dashboard document. Nothing is looked up here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flows.language.chart_faults import Faults
from flows.language.reading import list_words, show_value
from flows.language.source import Path

PREFIX = "io.kestra.plugin.core.dashboard.data."
AGGREGATIONS = ("AVG", "COUNT", "MAX", "MIN", "SUM")
FILTER_TYPES = (
    "CONTAINS", "ENDS_WITH", "STARTS_WITH", "EQUAL_TO", "NOT_EQUAL_TO", "GREATER_THAN", "GREATER_THAN_OR_EQUAL_TO", "LESS_THAN",
    "LESS_THAN_OR_EQUAL_TO", "IN", "NOT_IN", "IS_TRUE", "IS_FALSE", "IS_NULL", "IS_NOT_NULL", "REGEX", "OR",
)  # fmt: skip
_WITHOUT_VALUE = frozenset({"IS_TRUE", "IS_FALSE", "IS_NULL", "IS_NOT_NULL"})
_WITH_LIST = frozenset({"IN", "NOT_IN"})
DEEPEST_FILTER = 5
MOST_FILTERS = 100
SINGLE_COLUMN = "value"
"""Key of the column of a figure whose `columns` is the column itself."""


class FieldKind(StrEnum):
    """What the values of a field are, which decides how they may be compared and summed."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    FLAG = "flag"
    LABELS = "labels"
    LEVEL = "level"


_TEXT, _NUMBER, _DATE = FieldKind.TEXT, FieldKind.NUMBER, FieldKind.DATE

SOURCES: Mapping[str, Mapping[str, FieldKind]] = {
    "Executions": {
        "ID": _TEXT, "NAMESPACE": _TEXT, "FLOW_ID": _TEXT, "FLOW_REVISION": _NUMBER, "STATE": _TEXT, "DURATION": _NUMBER,
        "LABELS": FieldKind.LABELS, "START_DATE": _DATE, "END_DATE": _DATE, "TRIGGER_EXECUTION_ID": _TEXT,
    },
    "Logs": {
        "NAMESPACE": _TEXT, "FLOW_ID": _TEXT, "EXECUTION_ID": _TEXT, "TASK_ID": _TEXT, "DATE": _DATE, "TASK_RUN_ID": _TEXT,
        "ATTEMPT_NUMBER": _NUMBER, "TRIGGER_ID": _TEXT, "LEVEL": FieldKind.LEVEL, "MESSAGE": _TEXT,
    },
    "Metrics": {
        "NAMESPACE": _TEXT, "FLOW_ID": _TEXT, "TASK_ID": _TEXT, "EXECUTION_ID": _TEXT, "TASK_RUN_ID": _TEXT, "TYPE": _TEXT,
        "NAME": _TEXT, "VALUE": _NUMBER, "DATE": _DATE,
    },
    "Flows": {
        "ID": _TEXT, "NAMESPACE": _TEXT, "REVISION": _NUMBER, "DISABLED": FieldKind.FLAG, "LABELS": FieldKind.LABELS,
        "UPDATED": _DATE,
    },
    "Triggers": {
        "ID": _TEXT, "TRIGGER_ID": _TEXT, "NAMESPACE": _TEXT, "FLOW_ID": _TEXT, "EXECUTION_ID": _TEXT, "WORKER_ID": _TEXT,
        "TYPE": _TEXT, "DISABLED": FieldKind.FLAG, "NEXT_EXECUTION_DATE": _DATE, "LAST_TRIGGERED_DATE": _DATE,
    },
}  # fmt: skip
"""The fields of every source. Source: catalogue of core tasks, 11."""

FIGURE_SOURCES = ("Executions", "Logs", "Metrics", "Flows")
"""Sources that may also feed a single figure, under their name with KPI at its end."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: a field, or a count of rows when `field` is None; `agg` None shows the value itself."""

    key: str
    field: str | None
    agg: str | None = None
    label_key: str | None = None
    display_name: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on a field. `values` holds the one value or the list of them; for `OR` it is empty and `members` are set."""

    field: str
    type: str
    values: tuple[Any, ...] = ()
    label_key: str | None = None
    members: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class ChartData:
    """What to fetch: `numerator` is the part of the whole when a figure is a percentage, else None."""

    source: str
    columns: tuple[Column, ...]
    where: tuple[Filter, ...] = ()
    order_by: tuple[tuple[str, bool], ...] = ()
    numerator: tuple[Filter, ...] | None = None

    def find_column(self, key: str) -> Column | None:
        """Return the column of that key, or None."""
        return next((column for column in self.columns if column.key == key), None)

    @property
    def aggregated(self) -> tuple[Column, ...]:
        """The columns that aggregate."""
        return tuple(column for column in self.columns if column.agg)


def read_chart_data(value: Any, path: Path, faults: Faults, *, is_figure: bool) -> ChartData | None:
    """
    Return what a chart shows, or None when its source is unknown. Every fault is reported with its place.

    Args:
        is_figure: whether the chart is a single figure, which takes the KPI sources only.

    Source: catalogue of core tasks, 11.
    """
    if not isinstance(value, dict):
        faults.report("chart-data", f"The data of a chart must be a mapping with a type; got {show_value(value)}.", path)
        return None
    faults.check_keys(value, ("type", "columns", "where", "orderBy", "numerator"), path)
    source = _read_source(value.get("type"), (*path, "type"), faults, is_figure=is_figure)
    if source is None:
        return None
    columns = _read_columns(value.get("columns"), source, (*path, "columns"), faults, is_figure=is_figure)
    _check_repetition(columns, (*path, "columns"), faults)
    if source == "Logs" and any(column.agg for column in columns):
        for column in columns:
            if column.field == "MESSAGE":
                message = f'The column "{column.key}" shows MESSAGE, which cannot stand beside an aggregation.'
                faults.report("chart-message", message, (*path, "columns", column.key))
    counter = [0]
    where = _read_filters(value.get("where"), source, (*path, "where"), faults, counter)
    numerator = None
    if value.get("numerator") is not None:
        if is_figure:
            numerator = _read_filters(value["numerator"], source, (*path, "numerator"), faults, counter)
        else:
            faults.report("chart-numerator", 'Only a figure (KPI) has a "numerator".', (*path, "numerator"))
    order_by = _read_order(value.get("orderBy"), columns, (*path, "orderBy"), faults)
    return ChartData(source, columns, where, order_by, numerator)


def _read_source(value: Any, path: Path, faults: Faults, *, is_figure: bool) -> str | None:
    known = [f"{name}KPI" for name in FIGURE_SOURCES] if is_figure else list(SOURCES)
    name = value.removeprefix(PREFIX) if isinstance(value, str) and value.startswith(PREFIX) else None
    if name not in known:
        words = list_words([PREFIX + word for word in known])
        faults.report(
            "chart-data-type", f"The data of this chart must have one of the types {words}; got {show_value(value)}.", path
        )
        return None
    return name.removesuffix("KPI")


def _read_columns(value: Any, source: str, path: Path, faults: Faults, *, is_figure: bool) -> tuple[Column, ...]:
    if not isinstance(value, dict) or not value:
        faults.report("chart-columns", f'"columns" must be a mapping of at least one column; got {show_value(value)}.', path)
        return ()
    if is_figure and not any(isinstance(item, dict) for item in value.values()):
        column = _read_column(SINGLE_COLUMN, value, source, path, faults)
        return (column,) if column else ()
    found = [_read_column(str(key), item, source, (*path, key), faults) for key, item in value.items()]
    if is_figure and len(value) != 1:
        faults.report("chart-columns", f"A figure (KPI) has exactly one column; this one has {len(value)}.", path)
    return tuple(column for column in found if column)


def _read_column(key: str, value: Any, source: str, path: Path, faults: Faults) -> Column | None:
    if not isinstance(value, dict):
        faults.report("chart-column", f'The column "{key}" must be a mapping; got {show_value(value)}.', path)
        return None
    fields = SOURCES[source]
    field, agg, label_key = value.get("field"), value.get("agg"), value.get("labelKey")
    known_keys = ("field", "displayName", "agg", "labelKey", "graphStyle", "columnAlignment")
    faults.check_keys(value, known_keys, path)
    if agg is not None and agg not in AGGREGATIONS:
        message = f'The column "{key}" aggregates by {show_value(agg)}; known ways: {list_words(AGGREGATIONS)}.'
        faults.report("chart-aggregation", message, (*path, "agg"))
        agg = None
    if field is None and agg != "COUNT":
        faults.report("chart-field", f'The column "{key}" needs a "field"; only a COUNT can do without.', path)
    elif field is not None and not (isinstance(field, str) and field in fields):
        message = f'The column "{key}" shows {show_value(field)}; fields of {source}: {list_words(list(fields), at_most=20)}.'
        faults.report("chart-field", message, (*path, "field"))
        field = None
    kind = fields.get(field) if field else None
    if kind is FieldKind.LABELS and not (isinstance(label_key, str) and label_key):
        faults.report("chart-label", f'The column "{key}" shows LABELS, so it needs a "labelKey".', path)
    if agg in ("SUM", "AVG") and kind is not None and kind is not _NUMBER:
        faults.report("chart-aggregation", f'The column "{key}": {agg} needs a field of numbers, and {field} is none.', path)
    faults.check_choice(value, "graphStyle", ("LINES", "BARS", "POINTS"), path)
    faults.check_choice(value, "columnAlignment", ("LEFT", "RIGHT", "CENTER"), path)
    display_name = value.get("displayName")
    return Column(
        key,
        field,
        agg,
        label_key if isinstance(label_key, str) and kind is FieldKind.LABELS else None,
        display_name if isinstance(display_name, str) else None,
    )


def _check_repetition(columns: tuple[Column, ...], path: Path, faults: Faults) -> None:
    seen: dict[tuple[str | None, str | None, str | None], str] = {}
    for column in columns:
        if column.agg is None and column.field is None:
            continue
        name = (column.agg, column.field, column.label_key)
        if name in seen:
            message = f'The columns "{seen[name]}" and "{column.key}" show the same: field, aggregation and label are equal.'
            faults.report("chart-repetition", message, (*path, column.key))
        else:
            seen[name] = column.key


def _read_order(value: Any, columns: tuple[Column, ...], path: Path, faults: Faults) -> tuple[tuple[str, bool], ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        faults.report("chart-order", f'"orderBy" must be a list; got {show_value(value)}.', path)
        return ()
    known = [column.key for column in columns]
    found = []
    for index, item in enumerate(value):
        column = item.get("column") if isinstance(item, dict) else None
        if column not in known:
            message = f'"orderBy" names the column {show_value(column)}, which is not in "columns" ({list_words(known)}).'
            faults.report("chart-order", message, (*path, index))
            continue
        faults.check_choice(item, "order", ("ASC", "DESC"), (*path, index))
        found.append((str(column), item.get("order") == "DESC"))
    return tuple(found)


def _read_filters(value: Any, source: str, path: Path, faults: Faults, counter: list[int], depth: int = 0) -> tuple[Filter, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        faults.report("chart-filter", f"Filters must be a list; got {show_value(value)}.", path)
        return ()
    found = [_read_filter(item, source, (*path, index), faults, counter, depth) for index, item in enumerate(value)]
    return tuple(one for one in found if one)


def _read_filter(value: Any, source: str, path: Path, faults: Faults, counter: list[int], depth: int) -> Filter | None:
    counter[0] += 1
    if counter[0] > MOST_FILTERS or depth > DEEPEST_FILTER:
        if counter[0] == MOST_FILTERS + 1 or depth > DEEPEST_FILTER:
            limits = f"At most {MOST_FILTERS} filters, nested at most {DEEPEST_FILTER} times, are allowed."
            faults.report("chart-filter", limits, path)
        return None
    if not isinstance(value, dict):
        faults.report("chart-filter", f"A filter must be a mapping; got {show_value(value)}.", path)
        return None
    faults.check_keys(value, ("field", "type", "value", "values", "labelKey"), path)
    kind, field, label_key = value.get("type"), value.get("field"), value.get("labelKey")
    if kind not in FILTER_TYPES:
        message = f"A filter has the type {show_value(kind)}; known ones: {list_words(FILTER_TYPES, at_most=20)}."
        faults.report("chart-filter", message, (*path, "type"))
        return None
    if kind == "OR":
        members = _read_filters(value.get("values"), source, (*path, "values"), faults, counter, depth + 1)
        if not value.get("values"):
            faults.report("chart-filter", 'A filter of the type OR needs "values", a list of filters.', path)
        return Filter("", "OR", members=members)
    if not isinstance(field, str) or field not in SOURCES[source]:
        message = (
            f"A filter names the field {show_value(field)}; fields of {source}: {list_words(list(SOURCES[source]), at_most=20)}."
        )
        faults.report("chart-filter", message, (*path, "field"))
        return None
    if SOURCES[source][field] is FieldKind.LABELS and not (isinstance(label_key, str) and label_key):
        faults.report("chart-label", 'A filter on LABELS needs a "labelKey".', path)
        return None
    values = _read_values(value, str(kind), path, faults)
    return None if values is None else Filter(field, str(kind), values, label_key if isinstance(label_key, str) else None)


def _read_values(value: Mapping[str, Any], kind: str, path: Path, faults: Faults) -> tuple[Any, ...] | None:
    if kind in _WITHOUT_VALUE:
        return ()
    if kind in _WITH_LIST:
        values = value.get("values", value.get("value"))
        if not isinstance(values, list) or not values or any(isinstance(item, (dict, list)) for item in values):
            faults.report("chart-filter", f'A filter of the type {kind} needs "values", a list of at least one value.', path)
            return None
        return tuple(values)
    single = value.get("value")
    if single is None or isinstance(single, (dict, list)):
        faults.report("chart-filter", f'A filter of the type {kind} needs a "value".', path)
        return None
    return (single,)
