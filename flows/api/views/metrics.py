"""Metrics that tasks sent."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_page
from flows.api.describing import MOMENT, PAGING, TEXT, Value, describes, list_of, page_of
from flows.api.endpoint import now
from flows.api.pagination import find_moment, read_window
from flows.api.presenters import present_metric
from flows.queries import executions as execution_queries
from flows.queries import logs as queries

DEFAULT_SPAN = timedelta(days=30)


@describes(PAGING, Value("taskRunId", "Only of this task run."), Value("taskId", "Only of this task."), answer=page_of("Metric"))
def list_of_execution(request: Request, execution_id: str) -> HttpResponse:
    """Return one page of the metrics of an execution."""
    execution_queries.get_execution(execution_id)
    query = request.query_params
    found = queries.search_metrics(
        execution_id, read_window(request), task_run_id=query.get("taskRunId", ""), task_id=query.get("taskId", "")
    )
    return answer_page((present_metric(metric) for metric in found.results), found.total)


@describes(answer=list_of(TEXT))
def list_names(request: Request, namespace: str, flow_id: str, task_id: str = "") -> HttpResponse:
    """Return the names of the metrics of a flow, or of one of its tasks."""
    return answer(queries.list_metric_names(namespace, flow_id, task_id))


@describes(answer=list_of(TEXT))
def list_tasks(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Return the tasks of a flow that sent metrics."""
    return answer(queries.list_tasks_with_metrics(namespace, flow_id))


@describes(
    Value("startDate", "From when; 30 days before the end when missing.", MOMENT),
    Value("endDate", "Until when; now when missing.", MOMENT),
    Value("aggregation", "How values of one step of time are joined.", {"type": "string", "enum": ["sum", "avg", "min", "max"]}),
    answer="MetricAggregation",
)
def aggregate(request: Request, namespace: str, flow_id: str, metric: str, task_id: str = "") -> HttpResponse:
    """Return a metric over time."""
    end = find_moment(request, "endDate") or now()
    unit, values = queries.aggregate_metric(
        namespace,
        flow_id,
        metric,
        start=find_moment(request, "startDate") or end - DEFAULT_SPAN,
        end=end,
        aggregation=request.query_params.get("aggregation") or "sum",
        task_id=task_id,
    )
    return answer({"groupBy": unit, "aggregations": values})
