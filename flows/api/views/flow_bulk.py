"""Many flows at once: saved together, imported, exported, deleted, switched off and on."""

from __future__ import annotations

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from flows.api.answers import answer, answer_bulk, answer_csv, answer_file, format_moment
from flows.api.auth import name_of
from flows.api.describing import (
    BYTES,
    DELETE_OTHERS,
    FLAG,
    FLOW_BODIES,
    FORM_TYPE,
    NAMESPACE,
    TEXT,
    Value,
    describes,
    filtering,
    list_of,
    object_of,
)
from flows.api.endpoint import now, read_list
from flows.api.errors import BulkError
from flows.api.filters import read_criteria
from flows.api.multipart import get_upload
from flows.api.pagination import read_flag
from flows.api.presenters import present_flow
from flows.api.sources import read_source
from flows.models import Flow
from flows.operations import flow_bulk, flow_bundles
from flows.operations.flows import SavedFlow
from flows.queries import flows as queries


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


def _answer_applied(deleted: list[Flow], saved: list[SavedFlow]) -> HttpResponse:
    gone = [present_flow(row, queries.find_definition(row, row.revision), deleted=True) for row in deleted]
    return answer([*gone, *(present_flow(one.flow, one.definition) for one in saved)])


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
    return _answer_zip(_get_matching(request))


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
    done = flow_bulk.delete_flows(names, at=now(), actor=name_of(request))
    return answer_bulk(len(done.done), "flows-delete")


def _switch_all(request: Request, rows: list[Flow], *, disabled: bool) -> HttpResponse:
    names = [(row.namespace, row.flow_id) for row in rows]
    done = flow_bulk.set_flows_disabled(names, disabled=disabled, at=now(), actor=name_of(request))
    return answer_bulk(len(done.done), "flows-disable" if disabled else "flows-enable")


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
