"""How the fields of charts reach the database: a closed list of expressions, and conditions on them. No client text is a name."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from functools import reduce
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F, Func, Model, Q, QuerySet, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Extract

from flows.language.chart_data import SOURCES, FieldKind, Filter
from flows.models import Execution, Flow, LogEntry, Metric, TriggerState
from flows.queries.criteria import CriteriaError, read_moment
from flows.queries.logs import read_level
from flows.queries.visibility import visible

_LEVEL_NAMES = {0: "TRACE", 1: "DEBUG", 2: "INFO", 3: "WARN", 4: "ERROR"}
_LENGTH = Extract(ExpressionWrapper(F("ended_at") - F("created_at"), output_field=DurationField()), "epoch")

_COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "Executions": {
        "ID": "id", "NAMESPACE": "namespace", "FLOW_ID": "flow_id", "FLOW_REVISION": "flow_revision", "STATE": "state",
        "DURATION": _LENGTH, "START_DATE": "created_at", "END_DATE": "ended_at", "TRIGGER_EXECUTION_ID": "caller_execution_id",
    },
    "Logs": {
        "NAMESPACE": "namespace", "FLOW_ID": "flow_id", "EXECUTION_ID": "execution_id", "TASK_ID": "task_id",
        "DATE": "timestamp", "TASK_RUN_ID": "task_run_id", "ATTEMPT_NUMBER": "attempt_number", "TRIGGER_ID": "trigger_id",
        "LEVEL": "level", "MESSAGE": "message",
    },
    "Metrics": {
        "NAMESPACE": "namespace", "FLOW_ID": "flow_id", "TASK_ID": "task_id", "EXECUTION_ID": "execution_id",
        "TASK_RUN_ID": "task_run_id", "TYPE": "kind", "NAME": "name", "VALUE": "value", "DATE": "timestamp",
    },
    "Flows": {
        "ID": "flow_id", "NAMESPACE": "namespace", "REVISION": "revision", "DISABLED": "disabled", "UPDATED": "updated_at",
    },
    "Triggers": {
        "ID": "trigger_id", "TRIGGER_ID": "trigger_id", "NAMESPACE": "namespace", "FLOW_ID": "flow_id",
        "EXECUTION_ID": "execution_id", "WORKER_ID": "worker_id", "TYPE": "type", "DISABLED": "disabled",
        "NEXT_EXECUTION_DATE": "next_at", "LAST_TRIGGERED_DATE": "last_triggered_at",
    },
}  # fmt: skip

WINDOW_COLUMNS: Mapping[str, str | None] = {
    "Executions": "created_at", "Logs": "timestamp", "Metrics": "timestamp", "Flows": None, "Triggers": None,
}  # fmt: skip
"""The column that the time window of a chart means, None where a source has no time."""

NEWEST_FIRST: Mapping[str, tuple[str, ...]] = {
    "Executions": ("-created_at", "id"), "Logs": ("-timestamp", "-id"), "Metrics": ("-timestamp", "-id"),
    "Flows": ("namespace", "flow_id"), "Triggers": ("namespace", "flow_id", "trigger_id"),
}  # fmt: skip

_MODELS: Mapping[str, type[Model]] = {
    "Executions": Execution, "Logs": LogEntry, "Metrics": Metric, "Flows": Flow, "Triggers": TriggerState,
}  # fmt: skip


def list_rows(source: str) -> QuerySet[Any]:
    """Return the rows that a source shows: executions without loop iterations, flows that are not deleted."""
    rows: QuerySet[Any] = visible(_MODELS[source])
    if source == "Executions":
        return rows.filter(kind="NORMAL")
    return rows.filter(deleted=False) if source == "Flows" else rows


def make_expression(source: str, field: str, label_key: str | None = None) -> Combinable:
    """Return the database expression of a field; `label_key` names the label when the field is LABELS."""
    if SOURCES[source][field] is FieldKind.LABELS:
        return _label_value(label_key or "")
    column = _COLUMNS[source][field]
    if isinstance(column, str):
        return F(column)
    expression: Combinable = column
    return expression


def _label_value(key: str) -> Func:
    # The key travels as a JSON variable of the path, never as a part of its text.
    return Func(
        F("labels"),
        Value("$[*] ? (@.key == $key).value"),
        Value(json.dumps({"key": key})),
        template="(jsonb_path_query_first(%(expressions)s) #>> '{}')",
        arg_joiner=", ",
        output_field=TextField(),
        function="",
    )


def match_filters(rows: QuerySet[Any], source: str, filters: tuple[Filter, ...]) -> QuerySet[Any]:
    """
    Return the rows that pass every filter.

    Raises:
        CriteriaError: a value that the field cannot have.

    Source: catalogue of core tasks, 11; security S-14.
    """
    condition, names = _build(source, filters, [])
    return rows.alias(**names).filter(condition)


def _build(source: str, filters: tuple[Filter, ...], taken: list[str]) -> tuple[Q, dict[str, Combinable]]:
    names: dict[str, Combinable] = {}
    parts = []
    for one in filters:
        if one.type == "OR":
            members = [_build(source, (member,), taken) for member in one.members]
            for _, inner in members:
                names |= inner
            parts.append(reduce(operator.or_, (condition for condition, _ in members), Q(pk__in=[])))
            continue
        column = _COLUMNS[source].get(one.field)
        if not isinstance(column, str):
            column = f"filtered_{len(taken)}"
            taken.append(column)
            names[column] = make_expression(source, one.field, one.label_key)
        parts.append(_compare(column, one, SOURCES[source][one.field]))
    return reduce(operator.and_, parts, Q()), names


_TEXT_LOOKUPS = {"CONTAINS": "contains", "ENDS_WITH": "endswith", "STARTS_WITH": "startswith", "REGEX": "regex"}
_ORDER_LOOKUPS = {
    "EQUAL_TO": "exact", "GREATER_THAN": "gt", "GREATER_THAN_OR_EQUAL_TO": "gte", "LESS_THAN": "lt",
    "LESS_THAN_OR_EQUAL_TO": "lte",
}  # fmt: skip


def _compare(column: str, one: Filter, kind: FieldKind) -> Q:
    if one.type in ("IS_NULL", "IS_NOT_NULL"):
        return Q(**{f"{column}__isnull": one.type == "IS_NULL"})
    if one.type in ("IS_TRUE", "IS_FALSE"):
        if kind is not FieldKind.FLAG:
            raise CriteriaError(f'The filter {one.type} needs a field that is true or false; "{one.field}" is none.')
        return Q(**{column: one.type == "IS_TRUE"})
    if one.type in _TEXT_LOOKUPS:
        if kind not in (FieldKind.TEXT, FieldKind.LABELS):
            raise CriteriaError(f'The filter {one.type} needs a field of text; "{one.field}" is none.')
        return Q(**{f"{column}__{_TEXT_LOOKUPS[one.type]}": str(one.values[0])})
    values = [_read_value(value, one.field, kind) for value in one.values]
    match one.type:
        case "IN":
            return Q(**{f"{column}__in": values})
        case "NOT_IN":
            return ~Q(**{f"{column}__in": values})
        case "NOT_EQUAL_TO":
            return ~Q(**{column: values[0]})
    return Q(**{f"{column}__{_ORDER_LOOKUPS[one.type]}": values[0]})


def _read_value(value: Any, field: str, kind: FieldKind) -> Any:
    match kind:
        case FieldKind.NUMBER:
            try:
                number = float(value)
            except (TypeError, ValueError) as error:
                raise CriteriaError(f'"{field}" is compared with numbers; got "{str(value)[:60]}".') from error
            if number != number or abs(number) > 1e15:
                raise CriteriaError(f'"{field}" is compared with numbers; got "{str(value)[:60]}".')
            return number
        case FieldKind.DATE:
            return read_moment(str(value), name=field)
        case FieldKind.LEVEL:
            return read_level(str(value))
        case FieldKind.FLAG:
            return str(value).lower() == "true"
    return str(value)


def present_value(value: Any, kind: FieldKind | None) -> Any:
    """Return a value of the database as charts show it: levels by name, moments as they are."""
    return _LEVEL_NAMES.get(value, value) if kind is FieldKind.LEVEL and isinstance(value, int) else value
