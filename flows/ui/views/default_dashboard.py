"""The dashboard that everybody has: figures, history, failures, what runs long, what comes; each part may fail alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from flows.models import TriggerState
from flows.primitives.callers import current_caller
from flows.primitives.rights import Resource
from flows.queries import overview
from flows.queries.changes import digest_alive, have_begun_or_ended
from flows.ui.marks import check_dated_mark
from flows.ui.page import answer_page
from flows.ui.painters.charts import draw_history
from flows.ui.painters.figures import paint_table
from flows.ui.panels import Fault, guard
from flows.ui.views.dashboard_view import View, describe_bar, read_view, write_moment

T = TypeVar("T")

DEFAULT = "default"
"""The name of this dashboard in addresses."""

LISTED = 6
EXPORTED = 200
KEPT_SECONDS = 10
"""How old a figure may be that many ask for."""


@dataclass(slots=True)
class _Figures:
    """The counts of a view; `are_kept` tells whether one of them was not made for this page, but kept from a moment ago."""

    view: View
    are_kept: bool = False

    def count(self, name: str, make: Callable[[], T]) -> T:
        """Return a count that many open dashboards ask for, at most some seconds old; never across rights."""
        view, reached = self.view, current_caller().list_reached(Resource.EXECUTION)
        span = view.range or f"{view.start} {view.end}"
        facts = repr((reached, span, view.namespace, view.flow, view.labels))
        key = f"ui.dashboard.{name}.{hashlib.sha256(facts.encode()).hexdigest()}"
        found: T | None = cache.get(key)
        if found is not None:
            self.are_kept = True
            return found
        found = make()
        cache.set(key, found, KEPT_SECONDS)
        return found


def show_default(request: HttpRequest) -> HttpResponse:
    """Show the dashboard that everybody has."""
    view = read_view(request)
    scope = view.scope
    url = reverse("ui:executions")
    query = request.GET.urlencode()
    due = guard(lambda: overview.list_coming(scope, LISTED))
    mark, figures = _check_mark(request, view, due), _Figures(view)
    context = {
        **describe_bar(view),
        **_describe_figures(figures),
        "failures": guard(lambda: overview.list_failures(scope, LISTED)),
        "longest": guard(lambda: overview.list_longest(scope, LISTED)),
        "due": due,
        "worst": guard(lambda: figures.count("worst", lambda: overview.count_failures_by_namespace(scope, LISTED))),
        "slow": guard(lambda: figures.count("slow", lambda: overview.list_slow_flows(scope, LISTED))),
        "list_url": f"{url}?{view.write_span_query()}",
        "due_url": reverse("ui:triggers") + (f"?{urlencode({'namespace': view.namespace})}" if view.namespace else ""),
        "alive_url": f"{url}?state=RUNNING&state=QUEUED&state=CREATED&state=PAUSED&{view.write_list_query()}".rstrip("&"),
        "worst_url": f"{url}?{view.write_span_query(with_namespace=False)}",
        "csv": {name.replace("-", "_"): f"{reverse('ui:dashboard-csv', args=[DEFAULT, name])}?{query}" for name in CHARTS},
    }
    # A figure from before the mark may be older than what the mark stands for, and what is missing now may come the next time.
    is_whole = not figures.are_kept and not any(isinstance(part, Fault) for part in context.values())
    context["mark"] = mark if is_whole else ""
    return answer_page(request, "flows/dashboard/default.html", context, title="Dashboard", nav="home")


def _check_mark(request: HttpRequest, view: View, due: Sequence[TriggerState] | Fault) -> str:
    """Return the mark of this dashboard, unless it has not changed: nothing began, ended or moved, nor left its time."""
    scope = view.scope
    alive = guard(lambda: digest_alive(scope.select_any()))

    def has_changed(made_at: datetime) -> bool:
        start, length = view.find_start_at(made_at), scope.end - scope.start
        spans = [(start, scope.start), (start - length, scope.start - length)]
        found = guard(lambda: have_begun_or_ended(scope.select_any(), since=made_at, spans=spans))
        return isinstance(found, Fault) or found

    facts = (alive, due, overview.find_first_bucket(scope))
    return check_dated_mark(request, *facts, at=timezone.now(), has_changed=has_changed)


def _describe_figures(figures: _Figures) -> dict[str, Any]:
    """Return the four figures with their change against the span before, and the history that they come from."""
    view, scope = figures.view, figures.view.scope
    counted = guard(
        lambda: figures.count("history", lambda: (*overview.count_history_and_before(scope), overview.count_alive(scope)))
    )
    if isinstance(counted, Fault):
        return {"figures_fault": counted}
    history, before, (alive, alive_before) = counted
    ratio, old_ratio = history.ratio, overview.ratio_of(before)
    own = view.write_list_query()
    url = f"{reverse('ui:executions')}?{own}{'&' if own else ''}"

    def link(row: Mapping[str, Any]) -> str:
        begin: datetime = row["begin"]
        return f"{url}from={write_moment(begin)}&to={write_moment(begin + history.length)}"

    rows = list_history_rows(history)
    return {
        "history": history,
        "chart": draw_history(history.buckets, url=url, length=history.length),
        "table": paint_table(None, rows, link=link) if rows else "",
        "total_change": _say_change(history.total, sum(before.values())),
        "failed": history.totals["FAILED"],
        "failed_change": _say_change(history.totals["FAILED"], before["FAILED"]),
        "ratio": ratio,
        "ratio_change": _sign(f"{ratio - old_ratio:+.1f}", " points") if ratio is not None and old_ratio is not None else "",
        "alive": alive,
        "alive_change": _say_difference(alive, alive_before),
    }


def _say_change(now: int, before: int) -> str:
    return _sign(f"{100 * (now - before) / before:+.0f}", " %") if before else ""


def _say_difference(now: int, before: int) -> str:
    return _sign(f"{now - before:+,}")


def _sign(written: str, unit: str = "") -> str:
    return f"±0{unit}" if not written.strip("+-0.") else f"{written}{unit}"


def list_history_rows(history: overview.History) -> list[dict[str, Any]]:
    """Return the counts of a history as rows, one per bucket in which something began."""
    states = sorted(history.totals)
    return [
        {"begin": start, "all": sum(counts.values()), **{state: counts.get(state, 0) for state in states}}
        for start, counts in history.buckets
        if counts
    ]


def _list_failures(scope: overview.Scope) -> list[dict[str, Any]]:
    return [
        {"namespace": row.namespace, "flow": row.flow_id, "execution": row.id, "began": row.created_at, "message": message}
        for row, message in overview.list_failures(scope, EXPORTED)
    ]


def _list_longest(scope: overview.Scope) -> list[dict[str, Any]]:
    return [
        {"namespace": row.namespace, "flow": row.flow_id, "execution": row.id, "state": row.state, "began": row.created_at}
        for row in overview.list_longest(scope, EXPORTED)
    ]


def _list_due(scope: overview.Scope) -> list[dict[str, Any]]:
    return [
        {"namespace": row.namespace, "flow": row.flow_id, "trigger": row.trigger_id, "next": row.next_at}
        for row in overview.list_coming(scope, EXPORTED)
    ]


def _list_worst(scope: overview.Scope) -> list[dict[str, Any]]:
    found = overview.count_failures_by_namespace(scope, EXPORTED)
    return [{"namespace": name, "failed": failed, "all": total} for name, failed, total in found]


def _list_slow(scope: overview.Scope) -> list[dict[str, Any]]:
    return [
        {
            "namespace": row["namespace"],
            "flow": row["flow_id"],
            "execution": row["id"],
            "seconds": round(row["newest"].total_seconds(), 3),
            "median_seconds": round(row["median"].total_seconds(), 3),
        }
        for row in overview.list_slow_flows(scope, EXPORTED)
    ]


CHARTS: Mapping[str, Callable[[overview.Scope], list[dict[str, Any]]]] = {
    "executions-over-time": lambda scope: list_history_rows(overview.count_history(scope)),
    "latest-failures": _list_failures,
    "running-longest": _list_longest,
    "next-scheduled": _list_due,
    "failures-by-namespace": _list_worst,
    "slower-than-usual": _list_slow,
}
"""What each part of this dashboard holds as rows, for its file, by the name that its address has."""
