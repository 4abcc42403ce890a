"""Flows one by one: saved, read, searched and deleted, with the history of their revisions."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing, answer_page
from flows.api.auth import name_of
from flows.api.describing import (
    DRAFT,
    FLAG,
    FLOW_BODIES,
    PAGING,
    QUERY,
    REVISION,
    TEXT,
    Value,
    describes,
    filtering,
    list_of,
    page_of,
    sorting,
)
from flows.api.endpoint import now
from flows.api.filters import read_criteria
from flows.api.pagination import find_number, read_flag, read_window
from flows.api.presenters import present_flow
from flows.api.sources import read_source
from flows.operations import flow_revisions
from flows.operations import flows as operations
from flows.primitives.errors import InvalidError
from flows.queries import flows as queries
from flows.queries.flows import FlowText

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


@describes(answer=list_of("Flow"))
def list_of_namespace(request: Request, namespace: str) -> HttpResponse:
    """Return all flows of a namespace."""
    rows = queries.list_flows_of_namespace(namespace)
    return answer([present_flow(row, queries.find_definition(row)) for row in rows])


@describes(QUERY, answer=list_of(TEXT))
def list_namespaces(request: Request) -> HttpResponse:
    """Return the namespaces that hold flows."""
    return answer(queries.list_flow_namespaces(request.query_params.get("q", "")))


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
    flow_revisions.delete_revisions(namespace, flow_id, [int(word) for word in words])
    return answer_nothing()
