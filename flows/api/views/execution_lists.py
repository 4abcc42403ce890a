"""Lists of executions, and what the form for a new one needs to know."""

from __future__ import annotations

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from flows.api.answers import answer, answer_csv, answer_page, format_moment
from flows.api.describing import NUMBER, OBJECT, PAGING, REVISION, TEXT, Value, describes, filtering, list_of, page_of, sorting
from flows.api.endpoint import now, read_list
from flows.api.errors import BadRequestError
from flows.api.filters import read_criteria
from flows.api.pagination import find_number, read_required, read_window
from flows.api.presenters import (
    present_executable_flow,
    present_execution,
)
from flows.models import Execution
from flows.primitives.durations import format_duration
from flows.queries import executions as queries
from flows.queries import flows as flow_queries
from flows.queries.criteria import Condition, Criteria, Operation


@describes(
    PAGING,
    sorting(queries.SORTABLE),
    filtering(queries.EXECUTION_FIELDS),
    Value("dateFilter", "What the dates mean.", {"type": "string", "enum": ["START_DATE", "END_DATE", "START_OR_END_DATE"]}),
    answer=page_of("Execution"),
)
def search(request: Request) -> HttpResponse:
    """Return one page of executions as light rows."""
    found = queries.search_executions(
        read_criteria(request, queries.EXECUTION_FIELDS),
        read_window(request),
        at=now(),
        date_filter=request.query_params.get("dateFilter") or "START_DATE",
    )
    return answer_page((present_execution(row) for row in found.results), found.total)


@describes(
    PAGING,
    Value("namespace", "The namespace of the flow.", required=True),
    Value("flowId", "The id of the flow.", required=True),
    answer=page_of("Execution"),
)
def list_of_flow(request: Request) -> HttpResponse:
    """Return one page of the executions of one flow."""
    criteria = Criteria(
        members=(
            Condition("namespace", Operation.EQUALS, read_required(request, "namespace")),
            Condition("flowId", Operation.EQUALS, read_required(request, "flowId")),
        )
    )
    found = queries.search_executions(criteria, read_window(request), at=now())
    return answer_page((present_execution(row) for row in found.results), found.total)


@describes(body=list_of("FlowName"), answer=list_of(OBJECT))
def list_latest(request: Request) -> HttpResponse:
    """Return the newest execution of each named flow."""
    names = [(str(item.get("namespace", "")), str(item.get("id", ""))) for item in read_list(request, of=dict)]
    if len(names) > 1000:
        raise BadRequestError(f"At most 1000 flows can be asked for at once; got {len(names)}.")
    return answer(
        [
            {
                "id": row.id,
                "flowId": row.flow_id,
                "namespace": row.namespace,
                "startDate": format_moment(row.created_at),
                "status": row.state,
            }
            for row in queries.list_latest_executions(names)
        ]
    )


@describes(answer="FlowForExecution")
def get_flow_of_execution(request: Request, execution_id: str) -> HttpResponse:
    """Return the flow as the execution runs it."""
    execution = queries.get_execution(execution_id)
    found = flow_queries.get_flow_text(execution.namespace, execution.flow_id, execution.flow_revision, allow_deleted=True)
    return answer(present_executable_flow(found.flow, found.definition, of=found.revision))


@describes(REVISION, answer="FlowForExecution")
def get_executable_flow(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Return a flow as the form for its executions needs it: the newest published revision, unless another one is named."""
    found = flow_queries.get_executable_text(namespace, flow_id, find_number(request, "revision"))
    return answer(present_executable_flow(found.flow, found.definition, of=found.revision))


@describes(answer=list_of(TEXT))
def list_executable_namespaces(request: Request) -> HttpResponse:
    """Return the namespaces that hold flows."""
    return answer(flow_queries.list_flow_namespaces())


@describes(answer=list_of("FlowForExecution"))
def list_executable_flows(request: Request, namespace: str) -> HttpResponse:
    """Return the flows of a namespace that may be started."""
    rows = [row for row in flow_queries.list_flows_of_namespace(namespace) if row.is_published and not row.disabled]
    return answer([present_executable_flow(row, flow_queries.find_definition(row, row.revision)) for row in rows])


@describes(answer=OBJECT)
def get_average_duration(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Return how long the newest executions of a flow took."""
    flow_queries.get_flow_row(namespace, flow_id)
    length, count = queries.average_duration(namespace, flow_id)
    return answer({"averageDuration": format_duration(length) if length is not None else None, "count": count})


_DISTINCT_COLUMNS = {
    "FLOW_ID": "flow_id",
    "NAMESPACE": "namespace",
    "STATE": "state",
    "KIND": "kind",
    "TRIGGER_ID": "trigger__id",
}


@describes(
    Value("field", "Such as FLOW_ID.", required=True),
    Value("size", "How many values at most.", NUMBER),
    filtering(queries.EXECUTION_FIELDS),
    answer=list_of(TEXT),
)
def list_distinct_values(request: Request) -> HttpResponse:
    """Return the different values of a field of the executions that match."""
    column = _DISTINCT_COLUMNS.get(read_required(request, "field").upper())
    if column is None:
        raise BadRequestError(f'"field" must be one of {", ".join(_DISTINCT_COLUMNS)}.')
    criteria = read_criteria(request, queries.EXECUTION_FIELDS)
    limit = read_window(request, size=100).size
    return answer(queries.list_distinct_values(column, criteria, at=now(), limit=limit))


_CSV_COLUMNS = ("id", "namespace", "flowId", "flowRevision", "state", "startDate", "endDate", "duration", "labels")


@describes(filtering(queries.EXECUTION_FIELDS), answer=TEXT, media="text/csv")
def export_csv(request: Request) -> HttpResponseBase:
    """Return the executions that match as a table."""
    rows = queries.filter_executions(read_criteria(request, queries.EXECUTION_FIELDS), at=now()).order_by("-created_at", "id")
    return answer_csv("executions.csv", _CSV_COLUMNS, (_csv_row(row) for row in rows.iterator(chunk_size=1000)))


def _csv_row(execution: Execution) -> list[str]:
    data = present_execution(execution)
    state = data["state"]
    labels = ",".join(f"{label['key']}:{label['value']}" for label in execution.labels)
    return [
        execution.id, execution.namespace, execution.flow_id, str(execution.flow_revision), execution.state, state["startDate"],
        state.get("endDate", ""), state["duration"], labels,
    ]  # fmt: skip
