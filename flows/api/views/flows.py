"""Flows: save, read, search, validate, and the actions on many of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from flows.api.answers import answer, answer_bulk, answer_csv, answer_file, answer_nothing, answer_page, format_moment
from flows.api.auth import name_of
from flows.api.describing import (
    BYTES,
    DELETE_OTHERS,
    DRAFT,
    FLAG,
    FLOW_BODIES,
    FORM_TYPE,
    NAMESPACE,
    OBJECT,
    PAGING,
    QUERY,
    REVISION,
    TEXT,
    Value,
    describes,
    filtering,
    list_of,
    object_of,
    page_of,
    sorting,
)
from flows.api.endpoint import now, read_list
from flows.api.errors import BadRequestError, BulkError
from flows.api.filters import read_criteria
from flows.api.multipart import get_upload
from flows.api.pagination import find_number, read_flag, read_window
from flows.api.presenters import present_check, present_flow
from flows.api.sources import read_source
from flows.conf import DEFAULT_TENANT
from flows.models import Flow
from flows.operations import concurrency, flow_bundles, flow_checks
from flows.operations import flows as operations
from flows.primitives.errors import InvalidError
from flows.primitives.problems import Severity
from flows.queries import flows as queries
from flows.queries.criteria import Condition, Criteria, Operation
from flows.queries.expression_names import list_expression_names
from flows.queries.flows import FlowText
from flows.queries.pages import slice_page
from flows.queries.source_search import SourceHit, search_texts

MESSAGE = Value("message", "Why the flow is saved; the history of its revisions shows it.")


def _present_saved(saved: operations.SavedFlow) -> dict[str, Any]:
    return present_flow(saved.flow, saved.definition, source=saved.revision.source)


def _present_text(found: FlowText, *, with_source: bool) -> dict[str, Any]:
    revision = found.revision
    return present_flow(
        found.flow,
        found.definition,
        revision=revision.revision,
        draft=revision.draft,
        updated_at=revision.created_at,
        deleted=revision.deleted,
        source=revision.source if with_source else None,
    )


@describes(DRAFT, MESSAGE, body=FLOW_BODIES, answer="Flow")
def create(request: Request) -> HttpResponse:
    """Save a new flow."""
    saved = operations.save_flow(
        read_source(request),
        mode="create",
        draft=read_flag(request, "draft", default=False),
        at=now(),
        actor=name_of(request),
        message=request.GET.get("message", ""),
    )
    return answer(_present_saved(saved))


@describes(
    Value("source", "Whether the text of the flow comes along.", FLAG),
    REVISION,
    Value("allowDeleted", "Whether a deleted flow is found.", FLAG),
    answer="Flow",
)
def get(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Return a revision of a flow."""
    found = queries.get_flow_text(
        namespace, flow_id, find_number(request, "revision"), allow_deleted=read_flag(request, "allowDeleted", default=False)
    )
    return answer(_present_text(found, with_source=read_flag(request, "source", default=False)))


@describes(DRAFT, MESSAGE, body=FLOW_BODIES, answer="Flow")
def update(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Save a new revision of a flow."""
    saved = operations.save_flow(
        read_source(request),
        namespace=namespace,
        flow_id=flow_id,
        mode="update",
        draft=read_flag(request, "draft", default=False),
        at=now(),
        actor=name_of(request),
        message=request.GET.get("message", ""),
    )
    return answer(_present_saved(saved))


@describes(answer={204: None})
def delete(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Delete a flow."""
    operations.delete_flow(namespace, flow_id, at=now(), actor=name_of(request))
    return answer_nothing()


@describes(PAGING, sorting(queries.SORTABLE), filtering(queries.FLOW_FIELDS), answer=page_of("Flow"))
def search(request: Request) -> HttpResponse:
    """Return one page of flows."""
    found = queries.search_flows(read_criteria(request, queries.FLOW_FIELDS), read_window(request))
    return answer_page((present_flow(row, queries.find_definition(row)) for row in found.results), found.total)


@describes(body={**FLOW_BODIES, FORM_TYPE: OBJECT}, answer=list_of("Check"))
def validate(request: Request) -> HttpResponse:
    """Check every document of the body. Nothing is stored."""
    return answer([present_check(check) for check in flow_checks.validate_source(read_source(request))])


@describes(answer=list_of("Flow"))
def list_of_namespace(request: Request, namespace: str) -> HttpResponse:
    """Return all flows of a namespace."""
    rows = queries.list_flows_of_namespace(namespace)
    return answer([present_flow(row, queries.find_definition(row)) for row in rows])


@describes(QUERY, answer=list_of(TEXT))
def list_namespaces(request: Request) -> HttpResponse:
    """Return the namespaces that hold flows."""
    return answer(queries.list_flow_namespaces(request.query_params.get("q", "")))


@describes(
    DELETE_OTHERS,
    Value("override", "Whether the namespace of the documents is replaced by that of the address.", FLAG),
    body=FLOW_BODIES,
    answer=list_of("Flow"),
)
def update_namespace(request: Request, namespace: str) -> HttpResponse:
    """Make the flows of a namespace equal to the documents of the body."""
    deleted, saved = flow_bundles.apply_documents(
        read_source(request),
        namespace=namespace,
        delete=read_flag(request, "delete", default=True),
        override=read_flag(request, "override", default=False),
        at=now(),
        actor=name_of(request),
    )
    return _answer_applied(deleted, saved)


@describes(
    NAMESPACE,
    DELETE_OTHERS,
    Value("allowNamespaceChild", "Whether documents of namespaces below are taken.", FLAG),
    body=FLOW_BODIES,
    answer=list_of("Flow"),
)
def update_bulk(request: Request) -> HttpResponse:
    """Save many flows; those of the namespace that are not sent are deleted unless `delete` is false."""
    deleted, saved = flow_bundles.apply_documents(
        read_source(request),
        namespace=request.query_params.get("namespace") or None,
        delete=read_flag(request, "delete", default=True),
        allow_children=read_flag(request, "allowNamespaceChild", default=False),
        at=now(),
        actor=name_of(request),
    )
    return _answer_applied(deleted, saved)


def _answer_applied(deleted: list[Flow], saved: list[operations.SavedFlow]) -> HttpResponse:
    gone = [present_flow(row, queries.find_definition(row, row.revision), deleted=True) for row in deleted]
    return answer([*gone, *(present_flow(one.flow, one.definition) for one in saved)])


@describes(Value("allowDelete", "Whether the history of a deleted flow is shown.", FLAG), answer=list_of("Flow"))
def list_revisions(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Return all revisions of a flow with their sources, oldest first."""
    allow_deleted = read_flag(request, "allowDelete", default=False)
    found = queries.list_revisions(namespace, flow_id, allow_deleted=allow_deleted)
    return answer([_present_text(one, with_source=True) for one in found])


@describes(Value("revisions", "Numbers, divided by commas.", required=True), answer={204: None})
def delete_revisions(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Delete old revisions of a flow."""
    words = [word.strip() for text in request.query_params.getlist("revisions") for word in text.split(",") if word.strip()]
    if not words or not all(word.isascii() and word.isdigit() and len(word) < 10 for word in words):
        raise InvalidError('"revisions" must list numbers, such as revisions=1,2.', code="revisions")
    operations.delete_revisions(namespace, flow_id, [int(word) for word in words])
    return answer_nothing()


@describes(
    Value("failOnError", "Whether one bad flow refuses all.", FLAG),
    body={FORM_TYPE: object_of(["fileUpload"], fileUpload=BYTES)},
    answer=list_of(TEXT),
)
def import_file(request: Request) -> HttpResponse:
    """Save the flows of an uploaded file and return which of them failed."""
    upload = get_upload(request, "fileUpload")
    failed = flow_bundles.import_flows(
        upload.read(),
        name=upload.name or "flows.yml",
        fail_on_error=read_flag(request, "failOnError", default=False),
        at=now(),
        actor=name_of(request),
    )
    return answer(failed)


@describes(body=list_of("FlowName"), answer=BYTES, media="application/octet-stream")
def export_by_ids(request: Request) -> HttpResponseBase:
    """Return a zip of the named flows."""
    return _answer_zip(queries.list_flows_by_names(_read_names(request)))


@describes(filtering(queries.FLOW_FIELDS), answer=BYTES, media="application/octet-stream")
def export_by_query(request: Request) -> HttpResponseBase:
    """Return a zip of the flows that match."""
    return _answer_zip(list(queries.filter_flows(read_criteria(request, queries.FLOW_FIELDS))))


def _answer_zip(rows: list[Flow]) -> HttpResponseBase:
    return answer_file(flow_bundles.export_flows(rows), name="flows.zip")


def _read_names(request: Request) -> list[tuple[str, str]]:
    return [(str(item.get("namespace", "")), str(item.get("id", ""))) for item in read_list(request, of=dict)]


def _get_named(request: Request, action: str) -> list[Flow]:
    """Return the flows that the body names. One unknown name refuses all of them."""
    names = list(dict.fromkeys(_read_names(request)))
    rows = {(row.namespace, row.flow_id): row for row in queries.list_flows_by_names(names)}
    unknown = [name for name in names if name not in rows]
    if unknown:
        raise BulkError(
            f"invalid bulk {action}",
            [
                {"message": "flow not found", "invalidValue": f"{namespace}.{flow_id}", "path": "flow"}
                for namespace, flow_id in unknown
            ],
        )
    return list(rows.values())


def _get_matching(request: Request) -> list[Flow]:
    return list(queries.filter_flows(read_criteria(request, queries.FLOW_FIELDS)))


@describes(body=list_of("FlowName"), answer="Bulk")
def delete_by_ids(request: Request) -> HttpResponse:
    """Delete the named flows."""
    return _delete_all(request, _get_named(request, "delete"))


@describes(filtering(queries.FLOW_FIELDS), answer="Bulk")
def delete_by_query(request: Request) -> HttpResponse:
    """Delete the flows that match."""
    return _delete_all(request, _get_matching(request))


def _delete_all(request: Request, rows: list[Flow]) -> HttpResponse:
    names = [(row.namespace, row.flow_id) for row in rows]
    done = operations.delete_flows(names, at=now(), actor=name_of(request))
    return answer_bulk(len(done.changed), "flows-delete")


def _switch_all(request: Request, rows: list[Flow], *, disabled: bool) -> HttpResponse:
    names = [(row.namespace, row.flow_id) for row in rows]
    done = operations.set_flows_disabled(names, disabled=disabled, at=now(), actor=name_of(request))
    return answer_bulk(len(done.changed), "flows-disable" if disabled else "flows-enable")


@describes(body=list_of("FlowName"), answer="Bulk")
def disable_by_ids(request: Request) -> HttpResponse:
    """Switch the named flows off and count those that changed."""
    return _switch_all(request, _get_named(request, "disable"), disabled=True)


@describes(filtering(queries.FLOW_FIELDS), answer="Bulk")
def disable_by_query(request: Request) -> HttpResponse:
    """Switch the flows that match off and count those that changed."""
    return _switch_all(request, _get_matching(request), disabled=True)


@describes(body=list_of("FlowName"), answer="Bulk")
def enable_by_ids(request: Request) -> HttpResponse:
    """Switch the named flows on and count those that changed."""
    return _switch_all(request, _get_named(request, "enable"), disabled=False)


@describes(filtering(queries.FLOW_FIELDS), answer="Bulk")
def enable_by_query(request: Request) -> HttpResponse:
    """Switch the flows that match on and count those that changed."""
    return _switch_all(request, _get_matching(request), disabled=False)


@describes(answer=page_of(OBJECT))
def search_concurrency_limits(request: Request) -> HttpResponse:
    """Return how many executions of each limited flow hold a slot now."""
    rows = queries.list_limited_flows()
    return answer_page((_present_limit(row) for row in rows), len(rows))


def _present_limit(row: Flow) -> dict[str, Any]:
    return {
        "tenantId": DEFAULT_TENANT,
        "namespace": row.namespace,
        "flowId": row.flow_id,
        "running": row.running_count,
        "limit": row.concurrency_limit,
    }


@describes(body=OBJECT, needs_body=False, answer=OBJECT)
def recount_slots(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Set the count of a flow's taken slots to what its executions hold."""
    return answer(_present_limit(concurrency.recount_slots(namespace, flow_id)))


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
    namespace = request.query_params.get("namespace", "")
    members = (Condition("namespace", Operation.PREFIX, namespace),) if namespace else ()
    entries = []
    for revision in queries.list_newest_sources(queries.filter_flows(Criteria(members=members))):
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
    query = request.query_params
    namespace = query.get("namespace", "")
    members = (Condition("namespace", Operation.PREFIX, namespace),) if namespace else ()
    found = search_texts(
        queries.list_newest_sources(queries.filter_flows(Criteria(members=members))),
        query.get("q", ""),
        case_sensitive=read_flag(request, "caseSensitive", default=False),
        whole_word=read_flag(request, "wholeWord", default=False),
        is_pattern=read_flag(request, "regex", default=False),
    )
    page = slice_page(found, read_window(request))
    return answer_page((_present_hit(hit) for hit in page.results), page.total)


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
    check = flow_checks.check_document(read_source(request))
    if check.definition is None:
        errors = check.list_problems(Severity.ERROR)
        raise InvalidError("; ".join(str(error) for error in errors), code="invalid-flow", problems=errors)
    return answer({"categories": list_expression_names(check.definition, task_id=request.query_params.get("taskId", ""))})


_CSV_COLUMNS = ("namespace", "id", "revision", "disabled", "description", "updated", "labels")


@describes(filtering(queries.FLOW_FIELDS), answer=TEXT, media="text/csv")
def export_csv(request: Request) -> HttpResponseBase:
    """Return the flows that match as a table."""
    rows = queries.filter_flows(read_criteria(request, queries.FLOW_FIELDS)).order_by("namespace", "flow_id")
    return answer_csv("flows.csv", _CSV_COLUMNS, (_csv_row(row) for row in rows.iterator(chunk_size=1000)))


def _csv_row(row: Flow) -> list[str]:
    labels = ",".join(f"{label['key']}:{label['value']}" for label in row.labels)
    disabled = "true" if row.disabled else "false"
    return [
        row.namespace,
        row.flow_id,
        str(row.newest_revision),
        disabled,
        row.description,
        format_moment(row.updated_at),
        labels,
    ]
