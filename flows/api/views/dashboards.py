"""Dashboards: the documents, their checks, and the data and tables of their charts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from flows.api.answers import answer, answer_csv, answer_nothing, answer_page, encode_json, format_moment
from flows.api.describing import NUMBER, OBJECT, PAGING, QUERY, TEXT, YAML_BODIES, describes, list_of, object_of, page_of, sorting
from flows.api.endpoint import now, read_object
from flows.api.filters import read_body_criteria
from flows.api.pagination import read_window
from flows.api.sources import read_source
from flows.conf import DEFAULT_TENANT
from flows.language.dashboards import DEFAULT_WINDOW, LONGEST_WINDOW, Chart, parse_chart, parse_dashboard
from flows.models import Dashboard
from flows.operations import dashboards as operations
from flows.primitives.errors import InvalidError, NotFoundError
from flows.primitives.problems import Problem, Severity
from flows.queries import dashboards as queries
from flows.queries.charts import MOST_ROWS, ChartScope, fetch_chart, filterable_fields
from flows.queries.criteria import Criteria, read_moment
from flows.queries.pages import Page

TABLE_PAGE_SIZE = 25

_SCOPE = object_of(
    [],
    startDate=TEXT,
    endDate=TEXT,
    pageSize=NUMBER,
    pageNumber=NUMBER,
    namespace=TEXT,
    labels=OBJECT,
    filters=list_of(OBJECT),
)
"""What a reader of a chart narrows it to."""


def _present(row: Dashboard) -> dict[str, Any]:
    typed, problems = parse_dashboard(row.source)
    raw = dict(typed.raw) if typed is not None else {}
    data: dict[str, Any] = {
        **raw,
        "id": row.id,
        "tenantId": DEFAULT_TENANT,
        "title": row.title,
        "deleted": False,
        "charts": raw.get("charts") or [],
        "sourceCode": row.source,
        "created": format_moment(row.created_at),
        "updated": format_moment(row.updated_at),
    }
    window = raw.get("timeWindow") or {}
    data["timeWindow"] = {"default": window.get("default") or "P30D", "max": window.get("max") or "P366D"}
    if typed is None:
        data["exception"] = str(operations.refuse(problems))
    return data


@describes(PAGING, sorting(("id", "title")), QUERY, answer=page_of("Dashboard"))
def search(request: Request) -> HttpResponse:
    """Return one page of dashboards."""
    found = queries.search_dashboards(request.query_params.get("q", ""), read_window(request))
    return answer_page((_present(row) for row in found.results), found.total)


@describes(body=YAML_BODIES, answer="Dashboard")
def create(request: Request) -> HttpResponse:
    """Save a new dashboard."""
    return answer(_present(operations.create_dashboard(read_source(request), at=now())))


@describes(answer="Dashboard")
def get(request: Request, dashboard_id: str) -> HttpResponse:
    """Return a dashboard with its text."""
    return answer(_present(queries.get_dashboard(dashboard_id)))


@describes(body=YAML_BODIES, answer="Dashboard")
def update(request: Request, dashboard_id: str) -> HttpResponse:
    """Replace the text of a dashboard."""
    return answer(_present(operations.update_dashboard(dashboard_id, read_source(request), at=now())))


@describes(answer={204: None})
def delete(request: Request, dashboard_id: str) -> HttpResponse:
    """Delete a dashboard."""
    operations.delete_dashboard(dashboard_id)
    return answer_nothing()


@describes(answer=OBJECT)
def show_defaults(request: Request) -> HttpResponse:
    """Return which dashboards stand in for the built-in ones: none do."""
    return answer({})


@describes(body=YAML_BODIES, answer="Check")
def validate(request: Request) -> HttpResponse:
    """Check a dashboard. Nothing is stored."""
    return answer(_present_check(parse_dashboard(read_source(request))[1]))


@describes(body=YAML_BODIES, answer="Check")
def validate_chart(request: Request) -> HttpResponse:
    """Check one chart. Nothing is stored."""
    return answer(_present_check(parse_chart(read_source(request))[1]))


def _present_check(problems: Sequence[Problem]) -> dict[str, Any]:
    errors = [str(problem) for problem in problems if problem.severity is Severity.ERROR]
    data: dict[str, Any] = {
        "index": 0,
        "outdated": False,
        "deprecationPaths": [],
        "warnings": [str(problem) for problem in problems if problem.severity is Severity.WARNING],
        "infos": [],
    }
    if errors:
        data["constraints"] = "\n".join(errors)
    return data


@describes(
    body=_SCOPE,
    needs_body=False,
    answer=page_of(OBJECT),
)
def show_chart(request: Request, dashboard_id: str, chart_id: str) -> HttpResponse:
    """Return the data of one chart of a dashboard."""
    _, found = _fetch_stored(request, dashboard_id, chart_id, size=None)
    return answer_page(found.results, found.total)


@describes(
    body=_SCOPE,
    needs_body=False,
    answer=TEXT,
    media="text/csv",
)
def export_chart(request: Request, dashboard_id: str, chart_id: str) -> HttpResponseBase:
    """Return the data of one chart of a dashboard as a table."""
    return _answer_table(*_fetch_stored(request, dashboard_id, chart_id, size=MOST_ROWS))


@describes(body=object_of(["chart"], chart=TEXT, globalFilter=OBJECT), answer=page_of(OBJECT))
def preview(request: Request) -> HttpResponse:
    """Return the data of a chart that is not stored."""
    _, found = _fetch_sent(request, size=None)
    return answer_page(found.results, found.total)


@describes(body=object_of(["chart"], chart=TEXT, globalFilter=OBJECT), answer=TEXT, media="text/csv")
def export_preview(request: Request) -> HttpResponseBase:
    """Return the data of a chart that is not stored as a table."""
    return _answer_table(*_fetch_sent(request, size=MOST_ROWS))


def _fetch_stored(request: Request, dashboard_id: str, chart_id: str, *, size: int | None) -> tuple[Chart, Page[dict[str, Any]]]:
    typed = operations.read_dashboard(queries.get_dashboard(dashboard_id).source)
    chart = typed.find_chart(chart_id)
    if chart is None:
        raise NotFoundError(f'Dashboard "{dashboard_id}" has no chart "{chart_id[:100]}".', code="chart-not-found")
    scope = _read_scope(read_object(request, default={}), chart, size=size, window=typed.window, longest=typed.longest_window)
    return chart, fetch_chart(chart, scope)


def _fetch_sent(request: Request, *, size: int | None) -> tuple[Chart, Page[dict[str, Any]]]:
    body = read_object(request)
    text, wanted = body.get("chart"), body.get("globalFilter") or {}
    if not isinstance(text, str) or not isinstance(wanted, dict):
        raise InvalidError('The body must hold "chart", a YAML text, and may hold "globalFilter", an object.', code="json-shape")
    chart, problems = parse_chart(text)
    if chart is None:
        raise operations.refuse(problems)
    return chart, fetch_chart(chart, _read_scope(wanted, chart, size=size, window=DEFAULT_WINDOW, longest=LONGEST_WINDOW))


def _read_scope(body: dict[str, Any], chart: Chart, *, size: int | None, window: Any, longest: Any) -> ChartScope:
    at = now()
    end = _read_date(body, "endDate") or at
    start = _read_date(body, "startDate") or end - window
    if end - start > longest:
        raise InvalidError(
            f"The time window is {end - start} long; this dashboard allows at most {longest}.", code="chart-window"
        )
    namespace, labels = body.get("namespace") or "", body.get("labels") or {}
    if not isinstance(namespace, str) or not isinstance(labels, dict):
        raise InvalidError('"namespace" must be a text and "labels" an object.', code="json-shape")
    number = _read_number(body, "pageNumber", 1)
    if size is None:
        size = _read_number(body, "pageSize", TABLE_PAGE_SIZE) if chart.pages or body.get("pageSize") is not None else MOST_ROWS
    return ChartScope(
        start,
        end,
        namespace,
        {str(key): str(value) for key, value in labels.items()},
        _read_filters(body.get("filters"), chart, at),
        number,
        size,
    )


def _read_filters(filters: Any, chart: Chart, at: datetime) -> Criteria:
    """Return the page's filters that mean something for the chart; one page shows charts of several sources."""
    if not filters or chart.data is None:
        return Criteria()
    if not isinstance(filters, list) or not all(isinstance(item, dict) for item in filters):
        raise InvalidError('"filters" must be a list of objects.', code="json-shape")
    known = filterable_fields(chart.data.source, at=at)
    return read_body_criteria({"filters": [item for item in filters if item.get("field") in known]}, known)


def _read_date(body: dict[str, Any], name: str) -> datetime | None:
    value = body.get(name)
    return read_moment(str(value), name=name) if value is not None else None


def _read_number(body: dict[str, Any], name: str, default: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_ROWS:
        raise InvalidError(f'"{name}" must be a whole number from 1 to {MOST_ROWS}.', code="json-shape")
    return value


def _answer_table(chart: Chart, found: Page[dict[str, Any]]) -> HttpResponseBase:
    columns = list(found.results[0]) if found.results else [column.key for column in chart.data.columns] if chart.data else []
    rows = ([_as_cell(row.get(column)) for column in columns] for row in found.results)
    return answer_csv(f"{chart.id}.csv", columns, rows)


def _as_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return format_moment(value) if isinstance(value, datetime) else encode_json(value).strip('"')
