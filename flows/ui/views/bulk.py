"""One action on many executions, flows or triggers: what it would do in numbers, and the beginning of the job that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from flows.operations.bulk_acts import ACTS, EXECUTION, FLOW, RESOURCES, TRIGGER, BulkAct, get_act, read_options
from flows.operations.bulk_jobs import MOST_NAMES, start_job
from flows.operations.flow_bundles import export_flows
from flows.primitives.callers import current_caller
from flows.primitives.errors import InvalidError
from flows.queries import executions as execution_queries
from flows.queries import flows as flow_queries
from flows.queries.triggers import filter_triggers
from flows.ui.filters import Filters, read_filters
from flows.ui.keyset import count_up_to
from flows.ui.page import Crumb, answer_page, redirect
from flows.ui.views.execution_list import FILTERS, find_text
from flows.ui.views.trigger_list import read_trigger_filters

SAMPLE = 5


@dataclass(frozen=True, slots=True)
class _List:
    """The list from which an action is asked: its name and address, which filters it knows, and the order of its rows."""

    title: str
    route: str
    filters: tuple[str, ...] = ()
    order: tuple[str, ...] = ("-created_at",)


_LISTS: Mapping[str, _List] = {
    EXECUTION: _List("Executions", "executions", FILTERS),
    FLOW: _List("Flows", "flows", ("q", "namespace", "label"), ("namespace", "flow_id")),
    TRIGGER: _List("Triggers", "triggers", order=("namespace", "flow_id", "trigger_id")),
}


def change_executions(request: HttpRequest) -> HttpResponse:
    """Begin one action with the ticked executions and lead to its progress."""
    return _start_on_ticked(request, EXECUTION, request.POST.getlist("execution"))


def change_flows(request: HttpRequest) -> HttpResponse:
    """Begin one action with the ticked flows and lead to its progress; an export is sent at once."""
    names = request.POST.getlist("flow")[:MOST_NAMES]
    if request.POST.get("act") == "export":
        pairs = [(namespace, flow_id) for namespace, _, flow_id in (name.partition("/") for name in names)]
        response = HttpResponse(export_flows(flow_queries.list_flows_by_names(pairs)), content_type="application/zip")
        response["Content-Disposition"] = 'attachment; filename="flows.zip"'
        return response
    return _start_on_ticked(request, FLOW, [name for name in names if "/" in name])


def change_triggers(request: HttpRequest) -> HttpResponse:
    """Begin one action with the ticked triggers and lead to its progress."""
    return _start_on_ticked(request, TRIGGER, [name for name in request.POST.getlist("trigger") if name.count("/") == 2])


def _start_on_ticked(request: HttpRequest, kind: str, names: list[str]) -> HttpResponse:
    act = request.POST.get("act", "")
    options = read_options(kind, act, request.POST.dict())
    query = request.POST.get("query", "")
    return redirect("job", start_job(kind=kind, act=act, options=options, names=names, query=query, at=timezone.now()).id)


def show_bulk(request: HttpRequest, kind: str) -> HttpResponse:
    """Show what an action on everything that matches would do, in numbers, before it is confirmed."""
    filters, rows = _select(request, kind)
    allowed = list_allowed_acts(kind)
    wanted = request.GET.get("act", "")
    act = next((one for one in allowed if one.name == wanted), None)
    query = request.GET.copy()
    query.pop("act", None)
    place = _LISTS[kind]
    back_url = f"{reverse(f'ui:{place.route}')}?{query.urlencode()}"
    context = {
        "kind": kind,
        "act": act,
        "acts": allowed,
        "total": count_up_to(rows),
        "sample": list(rows.order_by(*place.order)[:SAMPLE]),
        "filters": filters,
        "query": query.urlencode(),
        "back_url": back_url,
    }
    crumbs = [Crumb(place.title, back_url), Crumb("Many at once")]
    return answer_page(request, "flows/bulk.html", context, title=f"Many {place.title.lower()}", nav=place.route, crumbs=crumbs)


def start_on_search(request: HttpRequest, kind: str) -> HttpResponse:
    """Begin one action with everything that matches and lead to its progress."""
    act = request.POST.get("act", "")
    options = read_options(kind, act, request.POST.dict())
    if kind == TRIGGER:
        options["events"] = True
    filters, _ = _select(request, kind)
    query = request.GET.urlencode()
    job = start_job(kind=kind, act=act, options=options, criteria=filters.criteria, query=query, at=timezone.now())
    return redirect("job", job.id)


def _select(request: HttpRequest, kind: str) -> tuple[Filters, QuerySet[Any]]:
    if kind == TRIGGER:
        filters = read_trigger_filters(request)
        return filters, filter_triggers(filters.criteria, at=timezone.now(), with_events=True)
    finder = find_text if kind == EXECUTION else None
    filters = read_filters(request, names=_LISTS[kind].filters, find_text=finder)
    if kind == FLOW:
        return filters, flow_queries.filter_flows(filters.criteria)
    return filters, execution_queries.filter_executions(filters.criteria, at=timezone.now())


def list_allowed_acts(kind: str) -> list[BulkAct]:
    """Return the actions that the caller may do with some objects of a kind, in the order of the menus."""
    caller = current_caller()
    found = [one for one in ACTS[kind].values() if caller.list_reached(RESOURCES[kind], one.right) != ()]
    return [one for one in found if one.name != "restore"]


def describe_count(kind: str, count: int | None) -> str:
    """Return a number of executions, flows or triggers in words."""
    if kind not in ACTS:
        raise InvalidError(f'There is no kind of object "{kind}".', code="bulk-kind")
    return f"all matching {kind}s" if count is None else f"{count:,} {kind}{'' if count == 1 else 's'}"


def describe_act(kind: str, act: str, count: int | None) -> str:
    """Return an action with its number of objects, such as `Kill 3 executions`."""
    wanted = get_act(kind, act)
    joiner = " of " if wanted.is_part else " "
    return f"{wanted.label}{joiner}{describe_count(kind, count)}"
