"""The list of flows and the search in their sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from flows.language.text_edits import set_label
from flows.models import Execution, TriggerState
from flows.operations import flows as operations
from flows.operations.flow_bundles import export_flows
from flows.primitives.errors import FlowsError
from flows.primitives.rights import Resource
from flows.queries import flows as queries
from flows.queries.criteria import Criteria
from flows.queries.pages import Window
from flows.queries.source_search import search_texts
from flows.queries.visibility import can_see, visible
from flows.ui.filters import read_filters, write_query
from flows.ui.page import Crumb, answer_page, name_of, redirect
from flows.ui.painters.charts import draw_run_strip

PAGE_SIZE = 50
RUNS_IN_STRIP = 20


def list_flows(request: HttpRequest) -> HttpResponse:
    """Show one page of flows with their last runs and their triggers: a fixed number of queries."""
    at = timezone.now()
    filters = read_filters(request, names=("q", "namespace", "label"))
    number = _read_page(request)
    page = queries.search_flows(filters.criteria, Window(number, PAGE_SIZE))
    names = [(row.namespace, row.flow_id) for row in page.results]
    runs = list_last_runs(names)
    triggers = _list_triggers(names)
    rows = [
        {
            "flow": row,
            "strip": draw_run_strip(runs.get(name, [])[::-1], at=at),
            "last": next(iter(runs.get(name, [])), None),
            "triggers": triggers.get(name, []),
            "next_at": min((one.next_at for one in triggers.get(name, []) if one.next_at and not one.disabled), default=None),
        }
        for name, row in zip(names, page.results, strict=True)
    ]
    context = {
        "rows": rows,
        "filters": filters,
        "total": page.total,
        "namespaces": queries.list_flow_namespaces(),
        "older_url": write_query(request, page=str(number + 1)) if number * PAGE_SIZE < page.total else "",
        "newer_url": write_query(request, page=str(number - 1) if number > 2 else "") if number > 1 else "",
    }
    return answer_page(request, "flows/flow_list.html", context, title="Flows", nav="flows")


def _read_page(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 100_000 else 1


def list_last_runs(names: Sequence[tuple[str, str]], count: int = RUNS_IN_STRIP) -> dict[tuple[str, str], list[Execution]]:
    """
    Return the newest executions of each flow, newest first, in one query that takes each flow's rows from its index.

    Args:
        names: pairs of namespace and flow id, at most a page of them.
    """
    names = [name for name in names if can_see(Resource.EXECUTION, name[0])]
    if not names:
        return {}
    # Written by hand, with parameters only: the ORM has no lateral join, and a window over all runs would read the whole history.
    statement = (
        "select e.id, e.namespace, e.flow_id, e.state, e.created_at, e.ended_at, e.flow_revision, e.labels "
        "from unnest(%s::text[], %s::text[]) as wanted(namespace, flow_id) "
        "cross join lateral (select * from flows_execution x "
        "where x.namespace = wanted.namespace and x.flow_id = wanted.flow_id and x.kind = 'NORMAL' "
        "order by x.created_at desc limit %s) e order by e.created_at desc"
    )
    found: dict[tuple[str, str], list[Execution]] = defaultdict(list)
    for row in Execution.objects.raw(statement, [[name for name, _ in names], [flow_id for _, flow_id in names], count]):
        found[row.namespace, row.flow_id].append(row)
    return found


def _list_triggers(names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[TriggerState]]:
    found: dict[tuple[str, str], list[TriggerState]] = defaultdict(list)
    wanted = set(names)
    rows = visible(TriggerState).filter(namespace__in={name for name, _ in wanted}, flow_id__in={flow for _, flow in wanted})
    for row in rows.only("namespace", "flow_id", "trigger_id", "family", "type", "next_at", "disabled"):
        if (row.namespace, row.flow_id) in wanted:
            found[row.namespace, row.flow_id].append(row)
    return found


def change_flows(request: HttpRequest) -> HttpResponse:
    """Enable, disable or delete the ticked flows, and tell for how many it was done and why not for the others."""
    act, at, actor = request.POST.get("act", ""), timezone.now(), name_of(request)
    parts = [text.partition("/") for text in request.POST.getlist("flow")[:1000]]
    names = [(namespace, flow_id) for namespace, _, flow_id in parts]
    if act == "export":
        return _export(names)
    done, refused = 0, []
    if act in ("enable", "disable", "delete"):
        if act == "delete":
            result = operations.delete_flows(names, at=at, actor=actor)
        else:
            result = operations.set_flows_disabled(names, disabled=act == "disable", at=at, actor=actor)
        done = len(names) - len(result.refused)
        refused = [f"{namespace}/{flow_id}: {error.message}" for (namespace, flow_id), error in result.refused]
    elif act == "labels":
        done, refused = _set_labels(request, names)
    words = {"enable": "enabled", "disable": "disabled", "delete": "deleted", "labels": "labelled"}.get(act, "changed")
    note = f"{done} {'flow' if done == 1 else 'flows'} {words}"
    return redirect("flows", note=note if not refused else f"{note}; {'; '.join(refused)}"[:600])


def _export(names: Sequence[tuple[str, str]]) -> HttpResponse:
    response = HttpResponse(export_flows(queries.list_flows_by_names(names)), content_type="application/zip")
    response["Content-Disposition"] = 'attachment; filename="flows.zip"'
    return response


def _set_labels(request: HttpRequest, names: Sequence[tuple[str, str]]) -> tuple[int, list[str]]:
    """Write the labels into the text of each flow, which makes a revision; returns how many, and why not for the others."""
    pairs = [text.strip().partition(":") for text in request.POST.get("labels", "").split(",") if text.strip()]
    if not pairs or any(not key.strip() or not value.strip() for key, _, value in pairs):
        return 0, ["labels are written as key:value, divided by commas"]
    done, refused = 0, []
    for namespace, flow_id in names:
        try:
            source = queries.get_flow_text(namespace, flow_id).revision.source
            for key, _, value in pairs:
                source = set_label(source, key.strip(), value.strip())
            operations.save_flow(
                source, namespace=namespace, flow_id=flow_id, mode="update", at=timezone.now(), actor=name_of(request)
            )
            done += 1
        except FlowsError as error:
            refused.append(f"{namespace}/{flow_id}: {error.message}")
    return done, refused


def search_sources(request: HttpRequest) -> HttpResponse:
    """Show which lines of which flows hold a text."""
    text = request.GET.get("q", "").replace("\0", "")
    hits: list[dict[str, Any]] = []
    if text:
        revisions = queries.list_newest_sources(queries.filter_flows(Criteria()))
        found = search_texts(revisions, text, case_sensitive=False, whole_word=False, is_pattern=request.GET.get("regex") == "1")
        hits = [{"flow": hit.revision.flow, "lines": hit.lines[:8], "more": max(0, len(hit.lines) - 8)} for hit in found[:100]]
    crumbs = [Crumb("Flows", "/ui/flows"), Crumb("Source search")]
    context = {"hits": hits, "text": text, "is_pattern": request.GET.get("regex") == "1"}
    return answer_page(request, "flows/source_search.html", context, title="Source search", nav="flows", crumbs=crumbs)
