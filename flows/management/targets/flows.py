"""The flows that commands work on: those of this database, or those of another installation."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Protocol

from django.db import transaction
from django.utils import timezone

from flows.conf import DEFAULT_TENANT
from flows.engine.catalog import get_flow
from flows.language.schema import element_schema, flow_schema
from flows.management.presenters import CHECK, FLOW, Json, narrow, present_check, present_flow, present_revision
from flows.management.targets.actor import ACTOR, undone_if
from flows.management.targets.server import Server, Upload, write_criteria
from flows.models import Flow
from flows.operations.flow_bundles import export_flows, import_flows, list_import_sources
from flows.operations.flow_checks import check_document
from flows.operations.flow_rewriting import set_flow_disabled
from flows.operations.flows import SaveMode, delete_flow, save_flow
from flows.operations.triggers import set_trigger_disabled
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import InvalidError, NotFoundError
from flows.queries.criteria import Criteria
from flows.queries.flows import filter_flows, get_flow_text, list_flows_of_namespace, list_revisions, search_flows
from flows.queries.graphs import draw_flow
from flows.queries.pages import Window
from flows.queries.topology import find_topology

SCHEMA_KINDS = ("flow", "task", "trigger")
GRAPH_PARTS = ("nodes", "edges", "clusters", "flowables")
Name = tuple[str, str]


def _uid(name: Name) -> str:
    return f"{DEFAULT_TENANT}_{name[0]}_{name[1]}"


class Flows(Protocol):
    """What commands do with flows. Documents are those of the REST API, narrowed; every source is the stored YAML."""

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        """Return one page of flows without sources."""

    def list_names(self, criteria: Criteria) -> list[Name]:
        """Return namespace and id of every flow that matches, sorted."""

    def list_of_namespace(self, namespace: str) -> list[Name]:
        """Return the flows of exactly this namespace."""

    def get(self, namespace: str, flow_id: str, revision: int | None = None) -> Json:
        """Return a flow with its source, the revision saved last when none is named. Raises NotFoundError."""

    def find(self, namespace: str, flow_id: str) -> Json | None:
        """Return the newest revision with its source, or None."""

    def list_revisions(self, namespace: str, flow_id: str) -> list[Json]:
        """Return all revisions with their sources, oldest first; of a deleted flow as well."""

    def check(self, text: str) -> Json:
        """Return what validation says about one document."""

    def save(self, text: str, name: Name, *, is_new: bool, draft: bool = False, stopped_triggers: Sequence[str] = ()) -> Json:
        """Save a document as the newest revision, and switch triggers of the flow off. Raises InvalidError, NotFoundError."""

    def delete(self, name: Name) -> None:
        """Delete a flow. Raises NotFoundError."""

    def switch(self, name: Name, *, disabled: bool) -> None:
        """Switch a flow off or on. Raises NotFoundError, InvalidError."""

    def import_file(self, path: Path, *, fail_on_error: bool, dry_run: bool) -> list[str]:
        """Save the flows of a zip or YAML file and return what could not be saved."""

    def export(self, criteria: Criteria, target: IO[bytes]) -> None:
        """Write a zip with the published sources."""

    def draw(self, namespace: str, flow_id: str, revision: int | None) -> Json:
        """Return the graph of a revision."""

    def list_relations(self, namespace: str, flow_id: str | None, *, expand: bool) -> Json:
        """Return nodes and edges of the flows around one flow, or around all of a namespace. Raises NotFoundError."""

    def get_schema(self, kind: str) -> Json:
        """Return the JSON schema of a kind of document."""


class LocalFlows:
    """The flows of this database."""

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        return [self._present(row) for row in search_flows(criteria, window).results]

    def _present(self, row: Flow) -> Json:
        if row.draft_revision is None:
            return present_flow(row)
        draft = self.get(row.namespace, row.flow_id)
        return {key: value for key, value in draft.items() if key != "source"}

    def list_names(self, criteria: Criteria) -> list[Name]:
        rows = filter_flows(criteria).order_by("namespace", "flow_id")
        return list(rows.values_list("namespace", "flow_id"))

    def list_of_namespace(self, namespace: str) -> list[Name]:
        return [(row.namespace, row.flow_id) for row in list_flows_of_namespace(namespace)]

    def get(self, namespace: str, flow_id: str, revision: int | None = None) -> Json:
        text = get_flow_text(namespace, flow_id, revision)
        return present_revision(text.revision, text.flow, text.definition)

    def find(self, namespace: str, flow_id: str) -> Json | None:
        try:
            return self.get(namespace, flow_id)
        except NotFoundError:
            return None

    def list_revisions(self, namespace: str, flow_id: str) -> list[Json]:
        texts = list_revisions(namespace, flow_id, allow_deleted=True)
        return [present_revision(text.revision, text.flow, text.definition) for text in texts]

    def check(self, text: str) -> Json:
        return present_check(check_document(text))

    def save(self, text: str, name: Name, *, is_new: bool, draft: bool = False, stopped_triggers: Sequence[str] = ()) -> Json:
        at = timezone.now()
        mode: SaveMode = "create" if is_new else "update"
        # Together, so that no trigger fires between its flow's new revision and its stop.
        with transaction.atomic():
            saved = save_flow(text, at=at, actor=ACTOR, namespace=name[0], flow_id=name[1], mode=mode, draft=draft)
            for trigger_id in stopped_triggers:
                set_trigger_disabled(namespace=name[0], flow_id=name[1], trigger_id=trigger_id, disabled=True, at=at, actor=ACTOR)
        return present_revision(saved.revision, saved.flow, saved.definition)

    def delete(self, name: Name) -> None:
        delete_flow(*name, at=timezone.now(), actor=ACTOR)

    def switch(self, name: Name, *, disabled: bool) -> None:
        set_flow_disabled(*name, disabled=disabled, at=timezone.now(), actor=ACTOR)

    def import_file(self, path: Path, *, fail_on_error: bool, dry_run: bool) -> list[str]:
        with undone_if(dry_run):
            return import_flows(path.read_bytes(), name=path.name, at=timezone.now(), actor=ACTOR, fail_on_error=fail_on_error)

    def export(self, criteria: Criteria, target: IO[bytes]) -> None:
        target.write(export_flows(list(filter_flows(criteria))))

    def draw(self, namespace: str, flow_id: str, revision: int | None) -> Json:
        graph = draw_flow(get_flow(namespace, flow_id, revision).flow)
        return {name: getattr(graph, name) for name in GRAPH_PARTS}

    def list_relations(self, namespace: str, flow_id: str | None, *, expand: bool) -> Json:
        if flow_id is not None:
            self.get(namespace, flow_id)
        start = self.list_of_namespace(namespace) if flow_id is None else [(namespace, flow_id)]
        topology = find_topology(start, expand=expand)
        return {
            "nodes": [{"uid": _uid(name), "namespace": name[0], "id": name[1]} for name in topology.flows],
            "edges": [
                {"source": _uid(source), "target": _uid(target), "relation": kind} for source, target, kind in topology.relations
            ],
        }

    def get_schema(self, kind: str) -> Json:
        return flow_schema(get_registry()) if kind == "flow" else element_schema(get_registry(), kind)


class RemoteFlows:
    """The flows of another installation."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        rows = self._server.search("flows", "search", criteria=criteria, window=window)
        return [narrow(row, FLOW, drop_empty=True) for row in rows]

    def list_names(self, criteria: Criteria) -> list[Name]:
        return sorted((row["namespace"], row["id"]) for row in self._server.list_all("flows", "search", criteria=criteria))

    def list_of_namespace(self, namespace: str) -> list[Name]:
        return sorted((row["namespace"], row["id"]) for row in self._server.get("flows", namespace))

    def get(self, namespace: str, flow_id: str, revision: int | None = None) -> Json:
        query: list[tuple[str, Any]] = [("source", True)]
        if revision is not None:
            query.append(("revision", revision))
        return narrow(self._server.get("flows", namespace, flow_id, query=query), FLOW, drop_empty=True)

    def find(self, namespace: str, flow_id: str) -> Json | None:
        try:
            return self.get(namespace, flow_id)
        except NotFoundError:
            return None

    def list_revisions(self, namespace: str, flow_id: str) -> list[Json]:
        rows = self._server.get("flows", namespace, flow_id, "revisions", query=[("allowDelete", True)])
        return [narrow(row, FLOW, drop_empty=True) for row in rows]

    def check(self, text: str) -> Json:
        return narrow(self._server.send("POST", "flows", "validate", text=text)[0], CHECK)

    def save(self, text: str, name: Name, *, is_new: bool, draft: bool = False, stopped_triggers: Sequence[str] = ()) -> Json:
        method, parts = ("POST", ()) if is_new else ("PUT", name)
        saved = self._server.send(method, "flows", *parts, query=[("draft", True)] if draft else [], text=text)
        for trigger_id in stopped_triggers:
            body = {"namespace": name[0], "flowId": name[1], "triggerId": trigger_id, "disabled": True}
            self._server.send("PUT", "triggers", "set-disabled", body=body)
        return narrow(saved, FLOW, drop_empty=True)

    def delete(self, name: Name) -> None:
        self._server.send("DELETE", "flows", *name)

    def switch(self, name: Name, *, disabled: bool) -> None:
        word = "disable" if disabled else "enable"
        self.get(*name)
        self._server.send("POST", "flows", word, "by-ids", body=[{"namespace": name[0], "id": name[1]}])

    def import_file(self, path: Path, *, fail_on_error: bool, dry_run: bool) -> list[str]:
        if dry_run:
            return self._list_invalid(path, fail_on_error=fail_on_error)
        with path.open("rb") as stream:
            upload = Upload(path.name, stream)
            query = [("failOnError", fail_on_error)]
            return list(self._server.send_form("flows", "import", query=query, files={"fileUpload": upload}) or [])

    def _list_invalid(self, path: Path, *, fail_on_error: bool) -> list[str]:
        failed = []
        for label, source in list_import_sources(path.read_bytes(), name=path.name):
            constraints = self.check(source).get("constraints")
            if constraints and fail_on_error:
                raise InvalidError(f"{label}: {constraints}", code="import")
            failed += [label] if constraints else []
        return failed

    def export(self, criteria: Criteria, target: IO[bytes]) -> None:
        with closing(self._server.open("flows", "export", "by-query", query=write_criteria(criteria))) as stream:
            shutil.copyfileobj(stream, target)

    def draw(self, namespace: str, flow_id: str, revision: int | None) -> Json:
        query = [("revision", revision)] if revision is not None else []
        graph = self._server.get("flows", namespace, flow_id, "graph", query=query)
        return {name: graph.get(name) for name in GRAPH_PARTS}

    def list_relations(self, namespace: str, flow_id: str | None, *, expand: bool) -> Json:
        parts = ("namespaces", namespace) if flow_id is None else ("flows", namespace, flow_id)
        found = self._server.get(*parts, "dependencies", query=[("expandAll", expand)])
        return {
            "nodes": [{key: node[key] for key in ("uid", "namespace", "id")} for node in found["nodes"]],
            "edges": [{key: edge[key] for key in ("source", "target", "relation")} for edge in found["edges"]],
        }

    def get_schema(self, kind: str) -> Json:
        return dict(self._server.get("plugins", "schemas", kind, of_tenant=False))
