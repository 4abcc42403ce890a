"""Reads of executions: one with its task runs, searches, and the small lists that forms and pages need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, DurationField, ExpressionWrapper, F, Func, IntegerField, Q, QuerySet, Sum

from flows.conf import get_settings
from flows.models import Execution, TaskRun
from flows.primitives.callers import current_caller
from flows.primitives.errors import NotFoundError
from flows.primitives.rights import Resource
from flows.primitives.states import TERMINAL, State
from flows.queries.criteria import (
    Condition,
    Criteria,
    CriteriaError,
    Operation,
    Rules,
    build_lookup,
    match_choice,
    match_labels,
    match_moment,
    match_number,
    match_scope,
    match_text,
    match_time_range,
)
from flows.queries.pages import Page, Window, order_rows, take_page, take_split_page
from flows.queries.snapshots import one_moment
from flows.queries.texts import match_execution_text
from flows.queries.visibility import visible

EXECUTION_FIELDS = frozenset(
    {
        "q", "scope", "namespace", "flowId", "kind", "state", "labels", "startDate", "endDate", "timeRange", "triggerExecutionId",
        "triggerId", "childFilter", "flowRevision", "parentId", "id",
    }
)  # fmt: skip

STATES = {**{state.value: state.value for state in State}, "CANCELED": State.CANCELLED.value}
_KINDS = {kind: kind for kind in ("NORMAL", "TEST", "PLAYGROUND", "LOOP")}
# Iterations of a loop are executions of their own; lists show them only to somebody who asks for their kind.
_LISTED_KINDS = ("NORMAL",)
SHORTEST_PREFIX = 8
"""So many characters of an id may stand for it: fewer would name the time more than the execution."""


DETAILS = ("histories", "attempts", "outputs")
"""Columns of a task run that may be large."""

_MOVES = Func("histories", function="jsonb_array_length", output_field=IntegerField())
_DURATION = ExpressionWrapper(F("ended_at") - F("created_at"), output_field=DurationField())
SORTABLE = {
    "id": "id",
    "namespace": "namespace",
    "flowId": "flow_id",
    "state": "state",
    "state.current": "state",
    "state.startDate": "created_at",
    "startDate": "created_at",
    "state.endDate": "ended_at",
    "endDate": "ended_at",
    "state.duration": _DURATION,
    "flowRevision": "flow_revision",
}

# Executions without an end come last in these orders; indexes hold the others.
_KNOWN_AT_THE_END = frozenset({"endDate", "state.endDate", "state.duration"})

_DATE_COLUMNS = {
    "START_DATE": ("created_at",),
    "END_DATE": ("ended_at",),
    "START_OR_END_DATE": ("created_at", "ended_at"),
}


def get_execution(execution_id: str) -> Execution:
    """Return an execution. Raises NotFoundError."""
    found = visible(Execution).filter(pk=execution_id).first()
    if found is None:
        raise NotFoundError(f'Execution "{execution_id}" does not exist.', code="execution-not-found")
    return found


def get_execution_by_prefix(text: str) -> Execution:
    """Return the execution with an id, or the only one whose id begins with `text`. Raises NotFoundError."""
    found = list(visible(Execution).filter(pk__startswith=text).order_by("pk")[:2]) if len(text) >= SHORTEST_PREFIX else []
    if found and (len(found) == 1 or found[0].pk == text):
        return found[0]
    return get_execution(text)


def get_whole_execution(execution_id: str) -> tuple[Execution, list[TaskRun]]:
    """Return an execution and its task runs as they stand at one moment. Raises NotFoundError."""
    with one_moment():
        return get_execution(execution_id), list_task_runs(execution_id)


def list_task_runs(execution_id: str, *, details: Collection[str] = DETAILS) -> list[TaskRun]:
    """
    Return the task runs of an execution in the order of their creation; unknown executions have none.

    Args:
        details: which of the columns that may be large are read; without one each run reads its own when it is asked.
    """
    read = [
        "seq", "id", "execution_id", "task_id", "parent_id", "iteration", "value", "state", "created_at", "ended_at", "dynamic",
        *details,
    ]  # fmt: skip
    found = visible(TaskRun).filter(execution_id=execution_id).only(*read).order_by("seq")
    return list(found.annotate(move_count=_MOVES))


def get_task_run(execution_id: str, task_run_id: str) -> TaskRun:
    """Return a task run of an execution. Raises NotFoundError when the execution has no such task run."""
    found = visible(TaskRun).filter(execution_id=execution_id, id=task_run_id).first()
    if found is None:
        raise NotFoundError(f'Execution "{execution_id}" has no task run "{task_run_id}".', code="task-run-not-found")
    return found


def is_settled(execution_id: str) -> bool | None:
    """Tell whether an execution and all its task runs have ended; None when there is no such execution."""
    state = visible(Execution).filter(pk=execution_id).values_list("state", flat=True).first()
    if state is None:
        return None
    if state not in TERMINAL:
        return False
    return not visible(TaskRun).filter(execution_id=execution_id).exclude(state__in=TERMINAL).exists()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an execution is. `mark` differs after every move of it or of a task run; `is_settled` once all have ended."""

    mark: str
    is_settled: bool


def measure_progress(execution: Execution, runs: Iterable[TaskRun]) -> Progress:
    """Return how far an execution is whose task runs `list_task_runs` has read."""
    found = list(runs)
    moves = sum(run.move_count for run in found)  # type: ignore[attr-defined]  # counted by the query
    settled = execution.state in TERMINAL and all(run.state in TERMINAL for run in found)
    return _make_progress(execution.state, execution.version, len(found), moves, is_settled=settled)


def find_progress(execution_id: str) -> Progress | None:
    """Return how far an execution is, without its task runs, or None when there is no such execution. Two queries."""
    found = visible(Execution).filter(pk=execution_id).values_list("state", "version").first()
    if found is None:
        return None
    facts = visible(TaskRun).filter(execution_id=execution_id).order_by()
    counts = facts.aggregate(count=Count("pk"), moves=Sum(_MOVES), live=Count("pk", filter=~Q(state__in=TERMINAL)))
    settled = found[0] in TERMINAL and not counts["live"]
    return _make_progress(found[0], found[1], counts["count"], counts["moves"] or 0, is_settled=settled)


def _make_progress(state: str, version: int, count: int, moves: int, *, is_settled: bool) -> Progress:
    return Progress(f"{state}.{version}.{count}.{moves}", is_settled)


def _match_child(condition: Condition) -> Q:
    word = condition.value.upper()
    if word not in ("CHILD", "MAIN") or condition.operation not in (Operation.EQUALS, Operation.NOT_EQUALS):
        raise CriteriaError(f'"childFilter" must be CHILD or MAIN with EQUALS; got "{condition.value[:60]}".')
    # Written out for both sides: the opposite of a comparison with a missing JSON value is unknown, not true.
    if (word == "CHILD") is (condition.operation is Operation.EQUALS):
        return Q(caller_execution_id__isnull=False) | Q(trigger__variables__executionId__isnull=False)
    return Q(caller_execution_id__isnull=True) & Q(trigger__variables__executionId__isnull=True)


def _match_starter(condition: Condition) -> Q:
    by_caller = match_text("caller_execution_id")(condition)
    return by_caller | match_text("trigger__variables__executionId")(condition)


def execution_rules(*, at: datetime, date_filter: str = "START_DATE") -> Rules:
    """
    Return how each filter of executions reaches the database.

    Args:
        at: now, for ranges that reach back from it.
        date_filter: whether dates mean the start, the end or either: START_DATE, END_DATE or START_OR_END_DATE.

    Raises:
        CriteriaError: an unknown `date_filter`.
    """
    columns = _DATE_COLUMNS.get(date_filter.upper())
    if columns is None:
        raise CriteriaError(f'"dateFilter" must be one of {", ".join(_DATE_COLUMNS)}; got "{date_filter[:60]}".')
    return {
        "q": match_execution_text,
        "scope": match_scope("namespace", system_namespace=get_settings().system_namespace),
        "namespace": match_text("namespace"),
        "flowId": match_text("flow_id"),
        "kind": match_choice("kind", _KINDS),
        "state": match_choice("state", STATES),
        "labels": match_labels(),
        "startDate": match_moment(*columns),
        "endDate": match_moment(*columns),
        "timeRange": match_time_range(*columns, at=at),
        "triggerExecutionId": _match_starter,
        "triggerId": match_text("trigger__id"),
        "childFilter": _match_child,
        "flowRevision": match_number("flow_revision"),
        "parentId": match_text("parent_id"),
        "id": match_text("id"),
    }


def filter_executions(criteria: Criteria, *, at: datetime, date_filter: str = "START_DATE") -> QuerySet[Execution]:
    """Return the executions that match, in no order. Raises CriteriaError."""
    rows = visible(Execution).filter(build_lookup(criteria, execution_rules(at=at, date_filter=date_filter)))
    if not any(condition.field == "kind" for condition in criteria.conditions()):
        rows = rows.filter(kind__in=_LISTED_KINDS)
    return rows


def search_executions(criteria: Criteria, window: Window, *, at: datetime, date_filter: str = "START_DATE") -> Page[Execution]:
    """
    Return one page of executions, newest first unless `window.sort` says otherwise. Loop iterations and tests are left out
    unless the criteria ask for a kind.

    Raises:
        CriteriaError, SortError: see `build_lookup` and `order_rows`.
    """
    rows = filter_executions(criteria, at=at, date_filter=date_filter).defer("variables", "progress", "breakpoints", "loop")
    if window.sort == (("namespace", "asc"),):
        # The order of an index, so that the first page does not sort all rows.
        return take_page(rows.order_by("namespace", "flow_id", "-created_at", "id"), window)
    then = ("-created_at", "id") if not any("startDate" in name.removeprefix("state.") for name, _ in window.sort) else ("id",)
    if window.sort and window.sort[0][0] in _KNOWN_AT_THE_END:
        ended = order_rows(rows.filter(ended_at__isnull=False), window, SORTABLE, then=then, nulls_last=False)
        return take_split_page(ended, rows.filter(ended_at__isnull=True).order_by(*then), window, both=rows)
    return take_page(order_rows(rows, window, SORTABLE, then=then), window)


def list_execution_ids(criteria: Criteria, *, at: datetime, limit: int = 100_000) -> list[str]:
    """Return the ids of the executions that match, oldest first. Raises CriteriaError."""
    rows = filter_executions(criteria, at=at).order_by("created_at", "id")
    return list(rows.values_list("id", flat=True)[:limit])


def list_latest_executions(flows: Sequence[tuple[str, str]]) -> list[Execution]:
    """Return the newest execution of each named flow (namespace, id); flows without executions are left out."""
    if not flows:
        return []
    wanted = Q()
    for namespace, flow_id in flows:
        wanted |= Q(namespace=namespace, flow_id=flow_id)
    rows = visible(Execution).filter(wanted, kind__in=_LISTED_KINDS)
    return list(rows.order_by("namespace", "flow_id", "-created_at").distinct("namespace", "flow_id"))


def list_distinct_values(column: str, criteria: Criteria, *, at: datetime, limit: int) -> list[str]:
    """Return the different values of a column of the executions that match, sorted. `column` never comes from a client."""
    rows = filter_executions(criteria, at=at).exclude(**{f"{column}__isnull": True})
    return [str(value) for value in rows.order_by(column).values_list(column, flat=True).distinct()[:limit]]


def average_duration(namespace: str, flow_id: str, *, latest: int = 50) -> tuple[timedelta | None, int]:
    """Return the mean length of the newest ended executions of a flow, and how many they are; None without any."""
    ended = visible(Execution).filter(namespace=namespace, flow_id=flow_id, ended_at__isnull=False, kind__in=_LISTED_KINDS)
    recent = ended.order_by("-created_at").values("pk")[:latest]
    figures = visible(Execution).filter(pk__in=recent).aggregate(total=Sum(_DURATION), count=Count("pk"))
    count = figures["count"]
    return (figures["total"] / count if count else None), count


def list_related_ids(execution: Execution) -> set[str]:
    """
    Return the ids of the executions whose files an execution may read: its caller and that one's callers, and what it was
    replayed from. Somebody who asks sees of those only the ones that are theirs to see.

    Source: flow language, 16.1.
    """
    related: set[str] = set()
    frontier = _sources_of(execution.caller_execution_id, execution.parent_id, execution.original_id, execution.trigger)
    while frontier - related and len(related) < 100:
        fresh = frontier - related
        related |= fresh
        frontier = set()
        rows = visible(Execution).filter(pk__in=fresh).values_list("caller_execution_id", "parent_id", "original_id", "trigger")
        for row in rows:
            frontier |= _sources_of(*row)
    if current_caller().list_reached(Resource.EXECUTION) is None:
        return related
    return set(visible(Execution).filter(pk__in=related).values_list("pk", flat=True))


def _sources_of(caller: str | None, parent: str | None, original: str, trigger: dict[str, Any] | None) -> set[str]:
    variables = (trigger or {}).get("variables")
    by_trigger = variables.get("executionId") if isinstance(variables, dict) else None
    return {found for found in (caller, parent, original, by_trigger) if isinstance(found, str) and found}


def list_dependent_executions(execution: Execution) -> list[Execution]:
    """Return the execution and those that it started or that started it, at every distance, oldest first."""
    found = {execution.id: execution}
    frontier = {execution.id}
    upwards = _sources_of(execution.caller_execution_id, None, "", execution.trigger)
    while (frontier or upwards) and len(found) < 1000:
        rows = visible(Execution).filter(Q(caller_execution_id__in=frontier) | Q(pk__in=upwards)).exclude(kind="LOOP")
        fresh = [row for row in rows if row.id not in found]
        found |= {row.id: row for row in fresh}
        frontier = {row.id for row in fresh}
        upwards = set().union(*(_sources_of(row.caller_execution_id, None, "", row.trigger) for row in fresh)) - set(found)
    return sorted(found.values(), key=lambda row: (row.created_at, row.id))
