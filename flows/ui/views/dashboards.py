"""Dashboards: the default one, and those that people write as YAML, with their editor, live preview and CSV files."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from flows.language.chart_data import SOURCES, FieldKind
from flows.language.dashboards import Chart, parse_dashboard
from flows.language.dashboards import Dashboard as TypedDashboard
from flows.operations import dashboards as operations
from flows.primitives.callers import current_caller
from flows.primitives.errors import ConflictError, FlowsError, InvalidError, NotFoundError
from flows.primitives.rights import Resource
from flows.queries import dashboards as queries
from flows.queries import overview
from flows.queries.blueprints import get_blueprint
from flows.queries.charts import MOST_ROWS, ChartScope, fetch_chart
from flows.queries.criteria import CriteriaError, read_moment
from flows.queries.flows import list_flow_namespaces
from flows.queries.pages import Window
from flows.ui.page import Crumb, answer_page, redirect
from flows.ui.painters.charts import draw_history
from flows.ui.painters.figures import draw_chart, paint_table, title_of
from flows.ui.views.editor import present_problem, read_body

RANGES = (
    ("1h", "1 h", timedelta(hours=1)),
    ("24h", "24 h", timedelta(days=1)),
    ("7d", "7 d", timedelta(days=7)),
    ("30d", "30 d", timedelta(days=30)),
)
DEFAULT, HISTORY = "default", "executions-over-time"
"""Names of the dashboard that everybody has and of its chart, as addresses hold them."""

LISTED = 6
KEPT_SECONDS = 10
TABLE_ROWS = 25
_LINKED = {"NAMESPACE": "namespace", "FLOW_ID": "flow", "STATE": "state"}
_EXAMPLE = """title: Our executions
description: What ran lately
timeWindow:
  default: P7D
charts:
  - id: total
    type: io.kestra.plugin.core.dashboard.chart.KPI
    chartOptions:
      displayName: Executions
      width: 4
    data:
      type: io.kestra.plugin.core.dashboard.data.ExecutionsKPI
      columns:
        field: ID
        agg: COUNT

  - id: by_state
    type: io.kestra.plugin.core.dashboard.chart.Pie
    chartOptions:
      displayName: By state
      width: 8
    data:
      type: io.kestra.plugin.core.dashboard.data.Executions
      columns:
        state:
          field: STATE
        count:
          agg: COUNT

  - id: over_time
    type: io.kestra.plugin.core.dashboard.chart.TimeSeries
    chartOptions:
      displayName: Over time
      column: date
      colorByColumn: state
      width: 12
    data:
      type: io.kestra.plugin.core.dashboard.data.Executions
      columns:
        date:
          field: START_DATE
        state:
          field: STATE
        count:
          agg: COUNT
"""


@dataclass(frozen=True, slots=True)
class View:
    """What the filter bar of a dashboard says."""

    start: datetime
    end: datetime
    range: str
    namespace: str
    flow: str
    labels: tuple[str, ...]

    @property
    def scope(self) -> overview.Scope:
        """The same for the default dashboard."""
        return overview.Scope(self.start, self.end, overview.make_conditions(self.namespace, self.flow, self.labels))

    def write_list_query(self, **more: str) -> str:
        """Return the query of the executions list for the same filters."""
        pairs = [("namespace", self.namespace), ("flow", self.flow), *(("label", label) for label in self.labels)]
        return urlencode([pair for pair in (*pairs, *more.items()) if pair[1]])


def read_view(request: HttpRequest, *, window: timedelta = timedelta(days=1)) -> View:
    """Return the filters of a request; a range that cannot be read is the default one."""
    given, at = request.GET, timezone.now()
    known = {name: length for name, _, length in RANGES}
    chosen = given.get("range", "")
    start, end = at - known.get(chosen, window), at
    if given.get("from"):
        try:
            start = read_moment(given["from"], name="from")
            end = read_moment(given["to"], name="to") if given.get("to") else at
        except (CriteriaError, InvalidError):
            start, end = at - window, at
        if not timedelta(0) < end - start <= timedelta(days=366):
            start, end = at - window, at
    if chosen not in known:
        chosen = next((name for name, length in known.items() if length == window), "") if not given.get("from") else ""
    texts = {name: given.get(name, "").replace("\0", "").strip()[:150] for name in ("namespace", "flow")}
    labels = tuple(text[:200] for text in given.getlist("label") if ":" in text and "\0" not in text)[:10]
    return View(start, end, chosen, texts["namespace"], texts["flow"], labels)


def show_default(request: HttpRequest) -> HttpResponse:
    """Show the dashboard that everybody has: figures, history, failures, what runs long, what comes."""
    view = read_view(request)
    scope = view.scope
    history, before = _keep(view, "history", lambda: (overview.count_history(scope), overview.count_before(scope)))
    ratio, old_ratio = history.ratio, overview.ratio_of(before)
    url = f"{reverse('ui:executions')}?"
    context = {
        "view": view,
        "history": history,
        "chart": draw_history(
            history.buckets, url=f"{url}{view.write_list_query()}&" if view.write_list_query() else url, length=history.length
        ),
        "table": paint_table(None, table) if (table := list_history_rows(history)) else "",
        "csv_url": f"{reverse('ui:dashboard-csv', args=[DEFAULT, HISTORY])}?{request.GET.urlencode()}",
        "total_change": _say_change(history.total, sum(before.values())),
        "failed": history.totals["FAILED"],
        "failed_change": _say_change(history.totals["FAILED"], before["FAILED"]),
        "ratio": ratio,
        "ratio_change": f"{ratio - old_ratio:+.1f} points" if ratio is not None and old_ratio is not None else "",
        "alive": overview.count_alive(scope),
        "failures": overview.list_failures(scope, LISTED),
        "longest": overview.list_longest(scope, LISTED),
        "due": overview.list_coming(scope, LISTED),
        "worst": _keep(view, "worst", lambda: overview.count_failures_by_namespace(scope, LISTED)),
        "slow": _keep(view, "slow", lambda: overview.list_slow_flows(scope, LISTED)),
        "list_url": f"{url}{view.write_list_query(range=view.range)}",
        **_share(view),
    }
    return answer_page(request, "flows/dashboard/default.html", context, title="Dashboard", nav="home")


def list_history_rows(history: overview.History) -> list[dict[str, Any]]:
    """Return the counts of a history as rows, one per bucket in which something began."""
    states = sorted(history.totals)
    return [
        {"begin": start, "all": sum(counts.values()), **{state: counts.get(state, 0) for state in states}}
        for start, counts in history.buckets
        if counts
    ]


def _keep(view: View, name: str, make: Any) -> Any:
    """Return a figure that many open dashboards ask for, at most some seconds old; never across rights."""
    reached = current_caller().list_reached(Resource.EXECUTION)
    span = view.range or f"{view.start} {view.end}"
    facts = repr((reached, span, view.namespace, view.flow, view.labels))
    key = f"ui.dashboard.{name}.{hashlib.sha256(facts.encode()).hexdigest()}"
    found = cache.get(key)
    if found is None:
        found = make()
        cache.set(key, found, KEPT_SECONDS)
    return found


def _say_change(now: int, before: int) -> str:
    if not before:
        return ""
    return f"{100 * (now - before) / before:+.0f} %"


def _share(view: View) -> dict[str, Any]:
    return {
        "ranges": [(name, word) for name, word, _ in RANGES],
        "namespaces": list_flow_namespaces(),
        "dashboards": queries.search_dashboards("", Window(1, 12)).results,
    }


def list_dashboards(request: HttpRequest) -> HttpResponse:
    """Show all custom dashboards."""
    text = request.GET.get("q", "").replace("\0", "")[:100]
    page = queries.search_dashboards(text, Window(1, 100))
    crumbs = [Crumb("Dashboard", reverse("ui:home")), Crumb("All dashboards")]
    context = {"rows": page.results, "total": page.total, "text": text}
    return answer_page(request, "flows/dashboard/list.html", context, title="Dashboards", nav="home", crumbs=crumbs)


def show_dashboard(request: HttpRequest, dashboard_id: str) -> HttpResponse:
    """Show one custom dashboard; a chart that cannot be drawn says so in its own place."""
    if dashboard_id == DEFAULT:
        return show_default(request)
    row = queries.get_dashboard(dashboard_id)
    typed, problems = parse_dashboard(row.source)
    view = read_view(request, window=typed.window if typed else timedelta(days=7))
    context = {
        "row": row,
        "view": view,
        "cards": draw_cards(typed, view, url=reverse("ui:dashboard", args=[dashboard_id])) if typed else [],
        "problems": problems if typed is None else [],
        "query": request.GET.urlencode(),
        **_share(view),
    }
    crumbs = [Crumb("Dashboard", reverse("ui:home")), Crumb(row.title)]
    return answer_page(request, "flows/dashboard/show.html", context, title=row.title, nav="home", crumbs=crumbs)


def draw_cards(typed: TypedDashboard, view: View, *, url: str = "") -> list[dict[str, Any]]:
    """Return the charts of a dashboard as cards: title, width of twelve parts, picture, table, or the fault of this one."""
    cards = []
    for chart in typed.charts:
        card: dict[str, Any] = {
            "id": chart.id,
            "title": title_of(chart),
            "description": str(chart.options.get("description") or ""),
            "width": _width_of(chart),
            "csv": f"{url}/{chart.id}.csv" if url and chart.data is not None else "",
        }
        try:
            rows = _fetch(chart, view, TABLE_ROWS if chart.pages else MOST_ROWS)
            card["picture"] = draw_chart(
                chart, rows, link=partial(link_of, chart, view), width=1280 if card["width"] > 8 else 640
            )
            if rows and chart.kind in ("TimeSeries", "Bar", "Pie"):
                card["table"] = paint_table(chart, rows)
        except FlowsError as error:
            card["fault"] = error.message
        cards.append(card)
    return cards


def _width_of(chart: Chart) -> int:
    width = chart.options.get("width")
    return width if isinstance(width, int) and 1 <= width <= 12 else 4 if chart.kind == "KPI" else 6


def _fetch(chart: Chart, view: View, size: int) -> list[dict[str, Any]]:
    pairs = dict(text.partition(":")[::2] for text in view.labels)
    scope = ChartScope(view.start, view.end, namespace=view.namespace, labels=pairs, size=size)
    return list(fetch_chart(chart, scope).results)


def link_of(chart: Chart, view: View, row: Mapping[str, Any]) -> str:
    """Return the executions that a part of a chart counts, when it counts executions; else nothing."""
    if chart.data is None or chart.data.source != "Executions":
        return ""
    pairs = {"namespace": view.namespace, "from": f"{view.start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    pairs["to"] = f"{view.end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    for column in chart.data.columns:
        value = row.get(column.key)
        if column.agg is not None or column.field is None or value is None:
            continue
        if column.field in _LINKED:
            pairs[_LINKED[column.field]] = str(value)
        elif SOURCES["Executions"].get(column.field) is FieldKind.DATE:
            pairs["from"] = _write_moment(value)
            pairs["to"] = ""
    return f"{reverse('ui:executions')}?{urlencode([pair for pair in pairs.items() if pair[1]])}"


def _write_moment(value: Any) -> str:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if isinstance(moment, datetime) else ""


def download_chart(request: HttpRequest, dashboard_id: str, chart_id: str) -> HttpResponse:
    """Answer with the rows of a chart as a CSV file."""
    if (dashboard_id, chart_id) == (DEFAULT, HISTORY):
        return _answer_csv(list_history_rows(overview.count_history(read_view(request).scope)), HISTORY)
    typed = operations.read_dashboard(queries.get_dashboard(dashboard_id).source)
    chart = typed.find_chart(chart_id)
    if chart is None:
        raise NotFoundError(f'Dashboard "{dashboard_id[:100]}" has no chart "{chart_id[:100]}".', code="chart-not-found")
    return _answer_csv(_fetch(chart, read_view(request, window=typed.window), MOST_ROWS), chart.id)


def _answer_csv(rows: list[dict[str, Any]], name: str) -> HttpResponse:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    keys = list(rows[0]) if rows else []
    writer.writerow(keys)
    # A spreadsheet must not take a text for a formula.
    writer.writerows(
        [[f"'{value}" if isinstance(value, str) and value[:1] in "=+-@" else value for value in row.values()] for row in rows]
    )
    response = HttpResponse(buffer.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def show_new(request: HttpRequest) -> HttpResponse:
    """Show the editor with an example, or with the dashboard of a blueprint."""
    blueprint = request.GET.get("blueprint", "")
    source = get_blueprint(blueprint, kind="dashboard").source if blueprint else _EXAMPLE
    return _answer_editor(request, source, None)


def show_edit(request: HttpRequest, dashboard_id: str) -> HttpResponse:
    """Show the editor with the text of a dashboard."""
    row = queries.get_dashboard(dashboard_id)
    return _answer_editor(request, row.source, row)


def _answer_editor(request: HttpRequest, source: str, row: Any) -> HttpResponse:
    title = f"Edit {row.title}" if row else "New dashboard"
    crumbs = [Crumb("Dashboard", reverse("ui:home"))]
    crumbs += [Crumb(row.title, reverse("ui:dashboard", args=[row.id])), Crumb("Edit")] if row else [Crumb("New dashboard")]
    context = {"source": source, "row": row}
    return answer_page(request, "flows/dashboard/edit.html", context, title=title, nav="home", crumbs=crumbs)


def check_text(request: HttpRequest) -> HttpResponse:
    """Check the text of a dashboard and draw it as it would be shown now."""
    source = request.body.decode("utf-8", "replace")
    typed, problems = parse_dashboard(source)
    answer: dict[str, Any] = {"problems": [present_problem(problem, source) for problem in problems]}
    if typed is not None:
        cards = draw_cards(typed, read_view(request, window=typed.window))
        answer["picture"] = render_to_string("flows/dashboard/cards.html", {"cards": cards}, request)
    return JsonResponse(answer)


def save_text(request: HttpRequest) -> HttpResponse:
    """Store the text of the editor: `{source, flow}` as JSON, where `flow` is the id of the dashboard, empty for a new one."""
    body = read_body(request)
    source, at = body["source"], timezone.now()
    try:
        known = str(body.get("flow") or "")
        row = operations.update_dashboard(known, source, at=at) if known else operations.create_dashboard(source, at=at)
    except InvalidError as error:
        problems = [present_problem(problem, source) for problem in error.problems]
        return JsonResponse({"message": error.message, "problems": problems, "code": error.code}, status=422)
    except ConflictError as error:
        return JsonResponse({"message": error.message, "code": error.code}, status=409)
    return JsonResponse({"url": reverse("ui:dashboard", args=[row.id]), "changed": True})


def delete(request: HttpRequest, dashboard_id: str) -> HttpResponse:
    """Delete a dashboard."""
    operations.delete_dashboard(dashboard_id)
    return redirect("dashboards", note="Dashboard deleted")
