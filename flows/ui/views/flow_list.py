"""The list of flows, its file, and the search in their sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from flows.language.flow import Flow as TypedFlow
from flows.models import Flow, TriggerState
from flows.models.key_values import list_namespace_chain
from flows.primitives.callers import current_caller
from flows.primitives.rights import Action, Resource
from flows.queries import flows as queries
from flows.queries.criteria import Criteria, CriteriaError
from flows.queries.last_runs import digest_last_runs, list_last_runs
from flows.queries.pages import Window
from flows.queries.preferences import find_preferences
from flows.queries.source_search import search_texts
from flows.queries.triggers import say_trigger
from flows.queries.visibility import visible
from flows.ui.choices import lead_to_defaults
from flows.ui.exports import send_table
from flows.ui.filters import read_filters, write_query
from flows.ui.kept_views import find_default_query, keep_view, read_columns, read_saved
from flows.ui.marks import check_mark, cut_to_minute
from flows.ui.page import FRAGMENT_HEADER, Crumb, answer_page
from flows.ui.painters.flow_rows import COLUMNS, DEFAULT_COLUMNS, FlowRow, TreeHeading, TriggerMark, paint_flows
from flows.ui.painters.source_hits import paint_hits
from flows.ui.sorting import make_heads, read_sort
from flows.ui.trigger_facts import ICONS
from flows.ui.wording import short_type, split_labels

PAGE_SIZE = 50
RUNS_IN_STRIP = 20
FILTERS = ("q", "namespace", "label")
SORTED = {"flow": "id", "namespace": "namespace", "updated": "updated"}
"""Columns that sort the list, and what they are called there."""

EXPORTED = ("namespace", "id", "revision", "disabled", "labels", "description", "saved")
_RIGHTS = (
    ("run", Action.CREATE, Resource.EXECUTION),
    ("update", Action.UPDATE, Resource.FLOW),
    ("delete", Action.DELETE, Resource.FLOW),
)
MOST_FLOWS_WITH_HITS = 100


def list_flows(request: HttpRequest) -> HttpResponse:
    """Show one page of flows with their last runs and their triggers: a fixed number of queries."""
    at = timezone.now()
    preferences = find_preferences(request.user.pk)
    saved = read_saved(preferences, "flows")
    if (default := find_default_query(saved)) and not request.GET and FRAGMENT_HEADER not in request.headers:
        return HttpResponseRedirect(f"{reverse('ui:flows')}?{default}")
    if (away := lead_to_defaults(request, namespace="home-namespace")) is not None:
        return away
    filters = read_filters(request, names=FILTERS)
    number = _read_page(request)
    is_tree = request.GET.get("view") == "tree"
    # The tree is an order of its own.
    sort = None if is_tree else read_sort(request, SORTED)
    order = ((SORTED[sort[0]], sort[1]),) if sort is not None else ()
    page = queries.search_flows(filters.criteria, Window(number, PAGE_SIZE, order))
    names = [(row.namespace, row.flow_id) for row in page.results]
    states = _list_triggers(names)
    runs_digest, is_running = digest_last_runs(names, count=RUNS_IN_STRIP)
    counts = queries.count_flows_by_namespace(filters.criteria) if is_tree else {}
    chosen = read_columns(preferences, "flows", known=COLUMNS, usual=DEFAULT_COLUMNS)
    # What else a row tells stands in the text of its revision.
    facts = (page, [states[name] for name in names if name in states], runs_digest, counts, chosen)
    mark = check_mark(request, *facts, cut_to_minute(at) if is_running else None)
    rows = _describe(page.results, states)
    shown = [name for name in chosen if not (is_tree and name == "namespace")]
    heads = make_heads(
        request,
        [("flow", "Flow"), *((name, COLUMNS[name]) for name in shown)],
        sort=sort,
        sortable=() if is_tree else SORTED,
        numbers=("revision",),
    )
    query = request.GET.copy()
    query.pop("page", None)
    lines: Sequence[FlowRow | TreeHeading] = _add_headings(request, rows, counts) if is_tree else rows
    context = {
        "mark": mark,
        "rows": lines,
        "table": paint_flows(lines, at=at, heads=heads, rights=_list_rights(page.results)),
        "is_tree": is_tree,
        "filters": filters,
        "query": query.urlencode(),
        "saved": saved,
        "columns": chosen,
        "all_columns": [(name, COLUMNS[name]) for name in dict.fromkeys((*chosen, *COLUMNS))],
        "total": page.total,
        "namespaces": queries.list_flow_namespaces(),
        "older_url": write_query(request, page=str(number + 1)) if number * PAGE_SIZE < page.total else "",
        "newer_url": write_query(request, page=str(number - 1) if number > 2 else "") if number > 1 else "",
    }
    return answer_page(request, "flows/flow_list.html", context, title="Flows", nav="flows")


def _describe(flows: Sequence[Flow], states: Mapping[tuple[str, str], Sequence[TriggerState]]) -> list[FlowRow]:
    names = [(row.namespace, row.flow_id) for row in flows]
    runs = list_last_runs(names, count=RUNS_IN_STRIP)
    definitions = queries.list_definitions(flows)
    return [
        FlowRow(
            row,
            runs.get(name, ()),
            _present_triggers(definitions.get(name)),
            min((one.next_at for one in states.get(name, []) if one.next_at and not one.disabled), default=None),
        )
        for name, row in zip(names, flows, strict=True)
    ]


def _list_rights(flows: Sequence[Flow]) -> dict[str, frozenset[str]]:
    """Return which acts the caller may do with flows, asked once for each namespace of a page."""
    caller = current_caller()
    return {
        namespace: frozenset(word for word, action, resource in _RIGHTS if caller.may(action, resource, namespace))
        for namespace in {row.namespace for row in flows}
    }


def _present_triggers(definition: TypedFlow | None) -> list[TriggerMark]:
    """Return icon and words of each trigger of a flow, also of those that keep no state."""
    if definition is None:
        return []
    found = []
    for trigger in definition.triggers:
        words = say_trigger(trigger) or short_type(trigger.type)
        off = ", disabled" if trigger.disabled else ""
        found.append(TriggerMark(ICONS.get(trigger.family, "trigger"), f"{trigger.id}: {words}{off}"))
    return found


def _add_headings(request: HttpRequest, rows: Sequence[FlowRow], counts: Mapping[str, int]) -> list[FlowRow | TreeHeading]:
    """Return the rows with one above them for each namespace that begins there, its parents included."""
    found: list[FlowRow | TreeHeading] = []
    open_names: list[str] = []
    for row in rows:
        chain = list_namespace_chain(row.flow.namespace)[::-1]
        for depth, name in enumerate(chain):
            if name not in open_names[depth : depth + 1]:
                below = sum(count for each, count in counts.items() if each == name or each.startswith(f"{name}."))
                found.append(TreeHeading(name, min(depth, 8), below, write_query(request, namespace=name, page="")))
        open_names = chain
        found.append(replace(row, depth=min(len(chain), 8)))
    return found


def _read_page(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 100_000 else 1


def _list_triggers(names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[TriggerState]]:
    found: dict[tuple[str, str], list[TriggerState]] = defaultdict(list)
    wanted = set(names)
    rows = visible(TriggerState).filter(namespace__in={name for name, _ in wanted}, flow_id__in={flow for _, flow in wanted})
    columns = ("namespace", "flow_id", "trigger_id", "family", "type", "next_at", "disabled")
    for row in rows.only(*columns).order_by("namespace", "flow_id", "trigger_id"):
        if (row.namespace, row.flow_id) in wanted:
            found[row.namespace, row.flow_id].append(row)
    return found


def save_view(request: HttpRequest) -> HttpResponse:
    """Keep or drop a saved filter, or keep the choice of columns, and lead back to the list with its filters."""
    return HttpResponseRedirect(f"{reverse('ui:flows')}?{keep_view(request, 'flows', columns=COLUMNS)}")


def export_list(request: HttpRequest) -> HttpResponseBase:
    """Answer with all flows that match, as CSV or as one JSON object per line."""
    rows = queries.filter_flows(read_filters(request, names=FILTERS).criteria).order_by("namespace", "flow_id")
    return send_table(request.GET.get("form", ""), "flows", EXPORTED, _list_facts(rows.iterator(chunk_size=1000)))


def _list_facts(rows: Iterator[Flow]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {
            "namespace": row.namespace,
            "id": row.flow_id,
            "revision": row.newest_revision,
            "disabled": row.disabled,
            "labels": ",".join(f"{key}:{value}" for key, value in split_labels(row.labels)),
            "description": row.description,
            "saved": row.updated_at.isoformat(),
        }


def search_sources(request: HttpRequest) -> HttpResponse:
    """Show which lines of which flows hold a text, with the lines around them; a pattern that is none is told as such."""
    text = request.GET.get("q", "").replace("\0", "")
    is_pattern = request.GET.get("regex") == "1"
    hits: list[dict[str, Any]] = []
    problem = ""
    flow_count = 0
    if text:
        revisions = queries.list_newest_sources(queries.filter_flows(Criteria()))
        try:
            found = search_texts(revisions, text, case_sensitive=False, whole_word=False, is_pattern=is_pattern)
        except CriteriaError as error:
            found, problem = [], error.message
        flow_count = len(found)
        hits = [
            {"flow": hit.revision.flow, "count": len(hit.lines), "lines": paint_hits(hit, text, is_pattern=is_pattern)}
            for hit in found[:MOST_FLOWS_WITH_HITS]
        ]
    crumbs = [Crumb("Flows", "/ui/flows"), Crumb("Source search")]
    context = {
        "hits": hits,
        "text": text,
        "is_pattern": is_pattern,
        "problem": problem,
        "flow_count": flow_count,
        "left_out": max(0, flow_count - MOST_FLOWS_WITH_HITS),
    }
    return answer_page(request, "flows/source_search.html", context, title="Source search", nav="flows", crumbs=crumbs)
