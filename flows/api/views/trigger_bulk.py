"""
Actions on many triggers at once: named, or found by a query. Those that cannot take it are left out.

A query that finds many starts a job, which `bulk_operations.py` shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer_bulk
from flows.api.auth import name_of
from flows.api.describing import DATE_MEANING, FLAG, OBJECT, Value, describes, filtering, list_of, object_of
from flows.api.endpoint import now, read_list, read_object
from flows.api.filters import read_body_criteria, read_criteria
from flows.api.pagination import read_flag
from flows.api.views.execution_bulk import MOST_AT_ONCE
from flows.api.views.triggers import Name, read_date_filter, read_name, read_switch
from flows.operations.bulk_acts import TRIGGER, do_with_one, get_act
from flows.operations.bulk_jobs import start_job
from flows.operations.triggers import act_on_triggers
from flows.primitives.errors import InvalidError
from flows.queries import triggers as queries
from flows.queries.criteria import Criteria


def _run(request: Request, names: Sequence[Name], act: str, operation_id: str) -> HttpResponse:
    """Do it for every trigger that exists and can take it; count those."""
    kind, _, verb = operation_id.partition("s-")
    at, actor = now(), name_of(request)

    def do(name: Name) -> None:
        do_with_one(TRIGGER, act, "/".join(name), {}, at=at, actor=actor)

    return answer_bulk(act_on_triggers(f"{kind}.{verb}", names, do, get_act(TRIGGER, act).right), operation_id)


def _run_on_named(request: Request, items: Sequence[dict[str, Any]], act: str, operation_id: str) -> HttpResponse:
    """Do it for the named triggers, each once. More than `MOST_AT_ONCE` become a job of the caller, as of a query."""
    names = list(dict.fromkeys(read_name(item) for item in items))
    if len(names) <= MOST_AT_ONCE:
        return _run(request, names, act, operation_id)
    job = start_job(kind=TRIGGER, act=act, options={}, names=["/".join(name) for name in names], at=now())
    return answer_bulk(len(names), job.id)


def _run_on_found(request: Request, criteria: Criteria, act: str, operation_id: str) -> HttpResponse:
    """
    Do it for every trigger that matches and can take it, and count those. More than `MOST_AT_ONCE` become a job of the caller,
    and the answer counts what matched.
    """
    at, date_filter = now(), read_date_filter(request)
    rows = queries.filter_triggers(criteria, at=at, date_filter=date_filter).order_by("namespace", "flow_id", "trigger_id")
    names = list(rows.values_list("namespace", "flow_id", "trigger_id")[: MOST_AT_ONCE + 1])
    if len(names) <= MOST_AT_ONCE:
        return _run(request, names, act, operation_id)
    job = start_job(kind=TRIGGER, act=act, options={"dates": date_filter}, criteria=criteria, is_counted=True, at=at)
    return answer_bulk(job.total or 0, job.id)


def _by_triggers(act: str, operation_id: str) -> Callable[[Request], HttpResponse]:
    @describes(body=list_of("TriggerName"), answer="Bulk")
    def view(request: Request) -> HttpResponse:
        return _run_on_named(request, read_list(request, of=dict), act, operation_id)

    view.__doc__ = (
        f"Do {operation_id} for the named triggers that can take it; more than {MOST_AT_ONCE} go on as the bulk operation that "
        "the answer names."
    )
    return view


def _by_query(act: str, operation_id: str) -> Callable[[Request], HttpResponse]:
    @describes(DATE_MEANING, filtering(queries.TRIGGER_FIELDS), answer="Bulk")
    def view(request: Request) -> HttpResponse:
        return _run_on_found(request, read_criteria(request, queries.TRIGGER_FIELDS), act, operation_id)

    view.__doc__ = (
        f"Do {operation_id} for the triggers that match and can take it; more than {MOST_AT_ONCE} go on as the bulk operation "
        "that the answer names."
    )
    return view


unlock_by_triggers = _by_triggers("unlock", "triggers-unlock")
unlock_by_query = _by_query("unlock", "triggers-unlock")
delete_by_triggers = _by_triggers("delete", "triggers-delete")
pause_backfill_by_triggers = _by_triggers("pause-backfill", "backfills-pause")
pause_backfill_by_query = _by_query("pause-backfill", "backfills-pause")
unpause_backfill_by_triggers = _by_triggers("continue-backfill", "backfills-unpause")
unpause_backfill_by_query = _by_query("continue-backfill", "backfills-unpause")
delete_backfill_by_triggers = _by_triggers("delete-backfill", "backfills-delete")
delete_backfill_by_query = _by_query("delete-backfill", "backfills-delete")


@describes(body=object_of([], filters=list_of(OBJECT)), needs_body=False, answer="Bulk")
def delete_by_query(request: Request) -> HttpResponse:
    """Delete the states that match; the filters stand in the body. Many go on as the bulk operation that the answer names."""
    criteria = read_body_criteria(read_object(request, default={}), queries.TRIGGER_FIELDS)
    return _run_on_found(request, criteria, "delete", "triggers-delete")


def _choose_switch(disabled: bool) -> str:
    return "disable" if disabled else "enable"


@describes(body=object_of(["triggers"], triggers=list_of("TriggerName"), disabled=FLAG), answer="Bulk")
def set_disabled_by_triggers(request: Request) -> HttpResponse:
    """Switch the named triggers off or on; many go on as the bulk operation that the answer names."""
    body = read_object(request)
    items = body.get("triggers")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidError('The body must hold "triggers", a list of objects.', code="json-shape")
    return _run_on_named(request, items, _choose_switch(read_switch(body)), "triggers-set-disabled")


@describes(Value("disabled", "Off or on.", FLAG), DATE_MEANING, filtering(queries.TRIGGER_FIELDS), answer="Bulk")
def set_disabled_by_query(request: Request) -> HttpResponse:
    """Switch the triggers that match off or on; many go on as the bulk operation that the answer names."""
    act = _choose_switch(read_flag(request, "disabled", default=True))
    return _run_on_found(request, read_criteria(request, queries.TRIGGER_FIELDS), act, "triggers-set-disabled")
