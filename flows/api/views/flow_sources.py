"""What is to be said about texts of flows: faults, what is outdated, where words stand, and what expressions may name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_page
from flows.api.describing import (
    FLAG,
    FLOW_BODIES,
    FORM_TYPE,
    NAMESPACE,
    OBJECT,
    PAGING,
    QUERY,
    Value,
    describes,
    list_of,
    object_of,
    page_of,
)
from flows.api.errors import BadRequestError
from flows.api.pagination import read_flag, read_window
from flows.api.presenters import present_check, present_flow
from flows.api.sources import read_source
from flows.models import FlowRevision
from flows.operations import flow_checks
from flows.queries import flows as queries
from flows.queries.criteria import Condition, Criteria, Operation
from flows.queries.expression_names import list_expression_names
from flows.queries.pages import slice_page
from flows.queries.source_search import SourceHit, search_texts


@describes(body={**FLOW_BODIES, FORM_TYPE: OBJECT}, answer=list_of("Check"))
def validate(request: Request) -> HttpResponse:
    """Check every document of the body. Nothing is stored."""
    return answer([present_check(check) for check in flow_checks.validate_source(read_source(request))])


@describes(
    Value("section", "What the body holds.", {"type": "string", "enum": ["TASKS", "TRIGGERS"], "default": "TASKS"}),
    body=FLOW_BODIES,
    answer="Check",
)
def validate_task(request: Request) -> HttpResponse:
    """Check one task, or one trigger with `section=TRIGGERS`."""
    section = (request.query_params.get("section") or "TASKS").upper()
    if section not in ("TASKS", "TRIGGERS"):
        raise BadRequestError(f'"section" must be TASKS or TRIGGERS; got "{section[:60]}".')
    return _answer_checked(flow_checks.check_trigger if section == "TRIGGERS" else flow_checks.check_task, request)


@describes(body=FLOW_BODIES, answer="Check")
def validate_trigger(request: Request) -> HttpResponse:
    """Check one trigger."""
    return _answer_checked(flow_checks.check_trigger, request)


def _answer_checked(check: Callable[[str], flow_checks.DocumentCheck], request: Request) -> HttpResponse:
    return answer(present_check(check(read_source(request))))


@describes(NAMESPACE, answer=list_of(OBJECT))
def list_deprecated(request: Request) -> HttpResponse:
    """Return the flows that use types or properties which will go away, with their places."""
    entries = []
    for revision in _list_sources(request):
        paths = present_check(flow_checks.check_document(revision.source))["deprecationPaths"]
        if paths:
            row = revision.flow
            entries.append(
                {"namespace": row.namespace, "flowId": row.flow_id, "revision": row.revision, "deprecatedTasks": paths}
            )
    return answer(entries)


@describes(
    PAGING,
    QUERY,
    NAMESPACE,
    Value("caseSensitive", "Whether letter case counts.", FLAG),
    Value("wholeWord", "Whether only whole words count.", FLAG),
    Value("regex", "Whether `q` is a regular expression.", FLAG),
    answer=page_of(OBJECT),
)
def search_sources(request: Request) -> HttpResponse:
    """Return one page of flows whose source holds a text, with the lines that hold it."""
    found = search_texts(
        _list_sources(request),
        request.query_params.get("q", ""),
        case_sensitive=read_flag(request, "caseSensitive", default=False),
        whole_word=read_flag(request, "wholeWord", default=False),
        is_pattern=read_flag(request, "regex", default=False),
    )
    page = slice_page(found, read_window(request))
    return answer_page((_present_hit(hit) for hit in page.results), page.total)


def _list_sources(request: Request) -> list[FlowRevision]:
    """Return the newest texts of the flows in the namespace of the query and below it; of all flows without one."""
    namespace = request.query_params.get("namespace", "")
    members = (Condition("namespace", Operation.PREFIX, namespace),) if namespace else ()
    return queries.list_newest_sources(queries.filter_flows(Criteria(members=members)))


def _present_hit(hit: SourceHit) -> dict[str, Any]:
    row = hit.revision.flow
    return {
        "model": present_flow(row, queries.find_definition(row, row.revision), revision=row.revision),
        "fragments": [f"[mark]{line}[/mark]" for _, line in hit.lines],
        "namespace": row.namespace,
        "id": row.flow_id,
        "flowId": row.flow_id,
        "revision": row.revision,
        "editable": True,
        "matches": [{"line": number, "column": 0, "snippet": line} for number, line in hit.lines],
        "lines": [{"line": number, "content": line} for number, line in hit.lines],
    }


@describes(
    Value("taskId", "The task in which the expression would stand."),
    body=FLOW_BODIES,
    answer=object_of(["categories"], categories=OBJECT),
)
def list_expressions(request: Request) -> HttpResponse:
    """Return the names that expressions in a document may use."""
    definition = flow_checks.get_definition(read_source(request))
    return answer({"categories": list_expression_names(definition, task_id=request.query_params.get("taskId", ""))})
