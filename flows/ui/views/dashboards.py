"""Dashboards that people write as YAML, with their editor and live preview; and the files of all dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from flows.language.chart_data import SOURCES, FieldKind
from flows.language.dashboards import Chart, parse_dashboard
from flows.language.dashboards import Dashboard as TypedDashboard
from flows.models import Dashboard
from flows.operations import dashboards as operations
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.queries import dashboards as queries
from flows.queries.blueprints import get_blueprint
from flows.queries.changes import have_sources_changed, list_source_facts
from flows.queries.charts import MOST_ROWS, ChartScope, fetch_chart
from flows.queries.pages import Window
from flows.ui.exports import send_table
from flows.ui.marks import check_dated_mark
from flows.ui.page import Crumb, answer_page, redirect
from flows.ui.painters.figures import draw_chart, paint_table, title_of
from flows.ui.panels import Fault, guard
from flows.ui.views.dashboard_view import View, describe_bar, read_view
from flows.ui.views.default_dashboard import CHARTS, DEFAULT, show_default
from flows.ui.views.editor import present_problem, read_body

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
    mark = _check_mark(request, row, typed, view)
    cards = draw_cards(typed, view, url=reverse("ui:dashboard", args=[dashboard_id])) if typed else []
    context = {
        # What could not be drawn now may come the next time.
        "mark": "" if any("fault" in card for card in cards) else mark,
        "row": row,
        "cards": cards,
        "problems": problems if typed is None else [],
        "query": request.GET.urlencode(),
        **describe_bar(view),
    }
    crumbs = [Crumb("Dashboard", reverse("ui:home")), Crumb(row.title)]
    return answer_page(request, "flows/dashboard/show.html", context, title=row.title, nav="home", crumbs=crumbs)


def _check_mark(request: HttpRequest, row: Dashboard, typed: TypedDashboard | None, view: View) -> str:
    """Return the mark of a dashboard, unless its text and what its charts are made of have not changed."""
    sources = {chart.data.source for chart in typed.charts if chart.data is not None} if typed is not None else set()
    if typed is not None and any(chart.described_flow for chart in typed.charts):
        sources.add("Flows")
    facts = guard(lambda: list_source_facts(sources, namespace=view.namespace))

    def has_changed(made_at: datetime) -> bool:
        span = (view.find_start_at(made_at), view.start)
        found = guard(lambda: have_sources_changed(sources, namespace=view.namespace, since=made_at, span=span))
        return isinstance(found, Fault) or found

    return check_dated_mark(request, row, facts, at=timezone.now(), has_changed=has_changed)


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
        made = guard(partial(_draw, chart, view, width=card["width"]))
        card |= {"fault": made} if isinstance(made, Fault) else made
        cards.append(card)
    return cards


def _draw(chart: Chart, view: View, *, width: int) -> dict[str, Any]:
    rows = _fetch(chart, view, TABLE_ROWS if chart.pages else MOST_ROWS)
    link = partial(link_of, chart, view)
    drawn: dict[str, Any] = {"picture": draw_chart(chart, rows, link=link, width=1280 if width > 8 else 640)}
    if rows and chart.kind in ("TimeSeries", "Bar", "Pie"):
        drawn["table"] = paint_table(chart, rows, link=link)
    return drawn


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


def download_chart(request: HttpRequest, dashboard_id: str, chart_id: str) -> HttpResponseBase:
    """Answer with the rows of a chart as a CSV file."""
    if dashboard_id == DEFAULT and chart_id in CHARTS:
        return _answer_csv(CHARTS[chart_id](read_view(request).scope), chart_id)
    typed = operations.read_dashboard(queries.get_dashboard(dashboard_id).source)
    chart = typed.find_chart(chart_id)
    if chart is None:
        raise NotFoundError(f'Dashboard "{dashboard_id[:100]}" has no chart "{chart_id[:100]}".', code="chart-not-found")
    return _answer_csv(_fetch(chart, read_view(request, window=typed.window), MOST_ROWS), chart.id)


def _answer_csv(rows: list[dict[str, Any]], name: str) -> HttpResponseBase:
    return send_table("csv", name, list(rows[0]) if rows else [], rows)


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
        answer["picture"] = render_to_string("flows/dashboard/cards.html", {"cards": cards, "is_preview": True}, request)
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
