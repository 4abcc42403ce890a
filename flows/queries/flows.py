"""Reads of flows: one revision with its parsed form, searches, and lists of namespaces."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, F, QuerySet

from flows.conf import get_settings
from flows.engine.catalog import LoadedFlow, describe_missing_flow, missing_flow, read_flows, unpublished_flow
from flows.engine.catalog import get_flow as load_flow
from flows.language.flow import Flow as TypedFlow
from flows.models import Flow, FlowRevision
from flows.primitives.callers import current_caller
from flows.primitives.errors import FlowsError, NotFoundError
from flows.primitives.rights import Action, Resource
from flows.queries.criteria import Criteria, Rules, build_lookup, match_labels, match_scope, match_search_text, match_text
from flows.queries.pages import Page, Window, order_rows, take_page
from flows.queries.visibility import can_see, visible

log = logging.getLogger(__name__)

FLOW_FIELDS = frozenset({"q", "scope", "namespace", "flowId", "labels"})
UNUSABLE_DRAFT = "A draft with faults, which has to be repaired before it is published."
SORTABLE = {
    "id": "flow_id",
    "flowId": "flow_id",
    "namespace": "namespace",
    "revision": "revision",
    "updated": "updated_at",
    "disabled": "disabled",
}


@dataclass(frozen=True, slots=True)
class FlowText:
    """One revision of a flow: its rows and its typed form, which is None when the text cannot be used any more."""

    flow: Flow
    revision: FlowRevision
    definition: TypedFlow | None


def get_flow_row(namespace: str, flow_id: str, *, allow_deleted: bool = False) -> Flow:
    """Return the row of a flow. Raises NotFoundError."""
    row = visible(Flow).filter(namespace=namespace, flow_id=flow_id).first()
    if row is None or (row.deleted and not allow_deleted):
        raise NotFoundError(describe_missing_flow(namespace, flow_id), code="flow-not-found")
    return row


def load_startable_flow(namespace: str, flow_id: str, revision: int | None = None) -> LoadedFlow:
    """
    Return a revision of a flow as its executions run it, for who may read flows there or start executions. Raises NotFoundError.
    """
    may_start = current_caller().may(Action.CREATE, Resource.EXECUTION, namespace)
    if not may_start and not can_see(Resource.FLOW, namespace):
        raise missing_flow(namespace, flow_id, revision)
    return load_flow(namespace, flow_id, revision)


def get_flow_text(
    namespace: str,
    flow_id: str,
    revision: int | None = None,
    *,
    prefer_published: bool = False,
    allow_deleted: bool = False,
) -> FlowText:
    """
    Return a revision of a flow, the one saved last when `revision` is None, which may be a draft. `prefer_published` leaves a
    draft aside as long as something is published. Any revision of a deleted flow needs `allow_deleted`.

    Raises:
        NotFoundError: there is no such flow or revision.
    """
    row = get_flow_row(namespace, flow_id, allow_deleted=allow_deleted)
    if revision is None:
        revision = row.revision if prefer_published and row.is_published else row.newest_revision
    found = row.revisions.filter(revision=revision).first()
    if found is None:
        raise NotFoundError(f'Flow "{namespace}/{flow_id}" has no revision {revision}.', code="flow-revision-not-found")
    return FlowText(row, found, find_definition(row, found.revision))


def get_executable_text(namespace: str, flow_id: str, revision: int | None = None) -> FlowText:
    """
    Return a revision of a flow, the published one when `revision` is None.

    Raises:
        NotFoundError: there is no such flow or revision.
        InvalidError: no revision was asked for, and none is published.
    """
    if revision is None:
        row = get_flow_row(namespace, flow_id)
        if not row.is_published:
            raise unpublished_flow(namespace, flow_id)
        revision = row.revision
    return get_flow_text(namespace, flow_id, revision)


def find_definition(row: Flow, revision: int | None = None) -> TypedFlow | None:
    """Return the typed form of a revision (the one saved last by default), or None when its text cannot be used."""
    try:
        return load_flow(row.namespace, row.flow_id, row.newest_revision if revision is None else revision).flow
    except FlowsError as error:
        log.info("flow.unusable", extra={"flow": str(row), "reason": error.code})
        return None


def list_definitions(rows: Iterable[Flow]) -> dict[tuple[str, str], TypedFlow]:
    """Return the typed forms of the published revisions by namespace and id, in at most two statements, without unusable ones."""
    found = read_flows((row.namespace, row.flow_id, row.revision) for row in rows)
    return {(namespace, flow_id): loaded.flow for (namespace, flow_id, _), loaded in found.items()}


def count_flows_by_namespace(criteria: Criteria) -> dict[str, int]:
    """Return how many flows match in each namespace that has one, children left out. Raises CriteriaError."""
    rows = filter_flows(criteria).order_by().values_list("namespace").annotate(count=Count("pk"))
    return dict(rows)


def list_revisions(namespace: str, flow_id: str, *, allow_deleted: bool = False) -> list[FlowText]:
    """Return all revisions, oldest first. Raises NotFoundError."""
    row = get_flow_row(namespace, flow_id, allow_deleted=allow_deleted)
    return [FlowText(row, found, find_definition(row, found.revision)) for found in row.revisions.order_by("revision")]


def flow_rules() -> Rules:
    """Return how each filter of flows reaches the database."""
    return {
        "q": match_search_text("flow_id", "namespace"),
        "scope": match_scope("namespace", system_namespace=get_settings().system_namespace),
        "namespace": match_text("namespace"),
        "flowId": match_text("flow_id"),
        "labels": match_labels(),
    }


def filter_flows(criteria: Criteria) -> QuerySet[Flow]:
    """Return the flows that match and are not deleted, in no order. Raises CriteriaError."""
    return visible(Flow).filter(build_lookup(criteria, flow_rules()), deleted=False)


def search_flows(criteria: Criteria, window: Window) -> Page[Flow]:
    """Return one page of flows by namespace and id, unless `window.sort` says otherwise. Raises CriteriaError, SortError."""
    return take_page(order_rows(filter_flows(criteria), window, SORTABLE, then=("namespace", "flow_id")), window)


def list_flows_of_namespace(namespace: str) -> list[Flow]:
    """Return the flows of exactly this namespace."""
    return list(visible(Flow).filter(namespace=namespace, deleted=False).order_by("flow_id"))


def list_flows_by_names(names: Iterable[tuple[str, str]]) -> list[Flow]:
    """Return the flows with these (namespace, id) pairs that exist; unknown ones are left out."""
    wanted = set(names)
    rows = visible(Flow).filter(namespace__in={name for name, _ in wanted}, deleted=False)
    return [row for row in rows if (row.namespace, row.flow_id) in wanted]


def list_flow_namespaces(text: str = "") -> list[str]:
    """Return the namespaces that hold flows and contain `text`, sorted."""
    rows = visible(Flow).filter(deleted=False)
    if text:
        rows = rows.filter(namespace__icontains=text)
    return list(rows.order_by("namespace").values_list("namespace", flat=True).distinct())


def list_limited_flows() -> list[Flow]:
    """Return the flows whose newest revision limits its concurrency."""
    return list(visible(Flow).filter(deleted=False, concurrency_limit__isnull=False).order_by("namespace", "flow_id"))


def list_newest_sources(rows: Sequence[Flow] | QuerySet[Flow]) -> list[FlowRevision]:
    """Return the published revision of each flow that has one, with the flow at hand, by namespace and id."""
    return list(
        visible(FlowRevision)
        .filter(flow__in=rows, revision=F("flow__revision"))
        .select_related("flow")
        .order_by("flow__namespace", "flow__flow_id")
    )
