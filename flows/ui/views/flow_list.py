"""The list of flows and the search in their sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from flows.language.flow import Flow as TypedFlow
from flows.models import TriggerState
from flows.models.key_values import list_namespace_chain
from flows.queries import flows as queries
from flows.queries.criteria import Criteria
from flows.queries.last_runs import list_last_runs
from flows.queries.pages import Window
from flows.queries.source_search import search_texts
from flows.queries.triggers import say_schedule
from flows.queries.visibility import visible
from flows.ui.choices import lead_to_defaults
from flows.ui.filters import read_filters, write_query
from flows.ui.page import Crumb, answer_page
from flows.ui.painters.charts import draw_run_strip
from flows.ui.wording import short_type

PAGE_SIZE = 50
RUNS_IN_STRIP = 20
TRIGGER_ICONS = {"schedule": "clock", "polling": "loop", "webhook": "globe", "flow": "flow"}
"""Symbols of icons.svg by family of triggers."""


def list_flows(request: HttpRequest) -> HttpResponse:
    """Show one page of flows with their last runs and their triggers: a fixed number of queries."""
    at = timezone.now()
    if (away := lead_to_defaults(request, namespace="home-namespace")) is not None:
        return away
    filters = read_filters(request, names=("q", "namespace", "label"))
    number = _read_page(request)
    page = queries.search_flows(filters.criteria, Window(number, PAGE_SIZE))
    names = [(row.namespace, row.flow_id) for row in page.results]
    runs = list_last_runs(names, count=RUNS_IN_STRIP)
    states = _list_triggers(names)
    definitions = queries.list_definitions(page.results)
    rows = [
        {
            "flow": row,
            "strip": draw_run_strip(runs.get(name, [])[::-1], at=at),
            "last": next(iter(runs.get(name, [])), None),
            "triggers": _present_triggers(definitions.get(name)),
            "next_at": min((one.next_at for one in states.get(name, []) if one.next_at and not one.disabled), default=None),
        }
        for name, row in zip(names, page.results, strict=True)
    ]
    is_tree = request.GET.get("view") == "tree"
    counts = queries.count_flows_by_namespace(filters.criteria) if is_tree else {}
    context = {
        "rows": _add_headings(request, rows, counts) if is_tree else rows,
        "is_tree": is_tree,
        "filters": filters,
        "total": page.total,
        "namespaces": queries.list_flow_namespaces(),
        "older_url": write_query(request, page=str(number + 1)) if number * PAGE_SIZE < page.total else "",
        "newer_url": write_query(request, page=str(number - 1) if number > 2 else "") if number > 1 else "",
    }
    return answer_page(request, "flows/flow_list.html", context, title="Flows", nav="flows")


def _present_triggers(definition: TypedFlow | None) -> list[dict[str, str]]:
    """Return icon and words of each trigger of a flow, also of those that keep no state."""
    if definition is None:
        return []
    found = []
    for trigger in definition.triggers:
        words = say_schedule(trigger) or short_type(trigger.type)
        off = ", disabled" if trigger.disabled else ""
        found.append({"icon": TRIGGER_ICONS.get(trigger.family, "trigger"), "words": f"{trigger.id}: {words}{off}"})
    return found


def _add_headings(request: HttpRequest, rows: Sequence[dict[str, Any]], counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the rows with one above them for each namespace that begins there, its parents included."""
    found: list[dict[str, Any]] = []
    open_names: list[str] = []
    for row in rows:
        chain = list_namespace_chain(row["flow"].namespace)[::-1]
        for depth, name in enumerate(chain):
            if name not in open_names[depth : depth + 1]:
                below = sum(count for each, count in counts.items() if each == name or each.startswith(f"{name}."))
                url = write_query(request, namespace=name, page="")
                found.append(
                    {"namespace": name, "last": name.rpartition(".")[2], "depth": min(depth, 8), "count": below, "url": url}
                )
        open_names = chain
        found.append({**row, "depth": min(len(chain), 8)})
    return found


def _read_page(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 100_000 else 1


def _list_triggers(names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[TriggerState]]:
    found: dict[tuple[str, str], list[TriggerState]] = defaultdict(list)
    wanted = set(names)
    rows = visible(TriggerState).filter(namespace__in={name for name, _ in wanted}, flow_id__in={flow for _, flow in wanted})
    for row in rows.only("namespace", "flow_id", "trigger_id", "family", "type", "next_at", "disabled"):
        if (row.namespace, row.flow_id) in wanted:
            found[row.namespace, row.flow_id].append(row)
    return found


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
