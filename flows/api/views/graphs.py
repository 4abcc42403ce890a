"""Graphs of flows and executions, and dependencies between flows."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer
from flows.api.describing import AROUND, FLOW_BODIES, REVISION, describes
from flows.api.pagination import find_number, read_flag
from flows.api.sources import read_source
from flows.conf import DEFAULT_TENANT
from flows.language.flow import Flow as TypedFlow
from flows.operations.flow_checks import get_definition
from flows.primitives.errors import InvalidError, NotFoundError
from flows.queries import executions as execution_queries
from flows.queries import flows as queries
from flows.queries.graphs import draw_flow
from flows.queries.topology import Topology, find_topology, find_whole_topology


def _present_graph(definition: TypedFlow | None, execution_id: str | None = None) -> dict[str, Any]:
    if definition is None:
        raise InvalidError("The stored source of this flow cannot be used any more, so it has no graph.", code="invalid-flow")
    graph = draw_flow(definition, execution_id=execution_id)
    return {"nodes": graph.nodes, "edges": graph.edges, "clusters": graph.clusters, "flowables": graph.flowables}


@describes(REVISION, answer="Graph")
def of_flow(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Return the graph of a revision."""
    return answer(_present_graph(queries.get_flow_text(namespace, flow_id, find_number(request, "revision")).definition))


@describes(body=FLOW_BODIES, answer="Graph")
def of_source(request: Request) -> HttpResponse:
    """Return the graph of a document that need not be stored."""
    return answer_graph_of_text(read_source(request))


def answer_graph_of_text(source: str) -> HttpResponse:
    """Answer with the graph of a document. Raises InvalidError with its faults."""
    return answer(_present_graph(get_definition(source)))


@describes(answer="Graph")
def of_execution(request: Request, execution_id: str) -> HttpResponse:
    """Return the graph of the revision that an execution runs."""
    execution = execution_queries.get_execution(execution_id)
    found = queries.get_flow_text(execution.namespace, execution.flow_id, execution.flow_revision, allow_deleted=True)
    return answer(_present_graph(found.definition, execution.id))


@describes(REVISION, answer="Task")
def get_task(request: Request, namespace: str, flow_id: str, task_id: str) -> HttpResponse:
    """Return one task of a flow as written, at any depth."""
    found = queries.get_flow_text(namespace, flow_id, find_number(request, "revision"))
    task = _find_task(dict(found.definition.raw), task_id) if found.definition else None
    if task is None:
        raise NotFoundError(f'Flow "{namespace}/{flow_id}" has no task "{task_id}".', code="task-not-found")
    return answer(task)


_WITHOUT_TASKS = frozenset({"inputs", "outputs", "triggers", "labels", "variables", "pluginDefaults", "taskDefaults"})


def _find_task(node: Any, task_id: str) -> dict[str, Any] | None:
    """Look for a task by its id; lists of other things with ids and types are left out."""
    children: list[Any] = []
    if isinstance(node, dict):
        # The flow itself has an id and a namespace but no type; a subflow task has all three.
        if node.get("id") == task_id and "type" in node:
            return node
        children = [value for key, value in node.items() if key not in _WITHOUT_TASKS]
    elif isinstance(node, (list, tuple)):
        children = list(node)
    for child in children:
        found = _find_task(child, task_id)
        if found is not None:
            return found
    return None


def _present_topology(topology: Topology) -> dict[str, Any]:
    def uid(name: tuple[str, str]) -> str:
        return f"{DEFAULT_TENANT}_{name[0]}_{name[1]}"

    return {
        "nodes": [{"uid": uid(name), "tenantId": DEFAULT_TENANT, "namespace": name[0], "id": name[1]} for name in topology.flows],
        "edges": [
            {"source": uid(source), "target": uid(target), "relation": kind} for source, target, kind in topology.relations
        ],
    }


@describes(AROUND, answer="Dependencies")
def dependencies_of_flow(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Return the flows around a flow."""
    queries.get_flow_row(namespace, flow_id)
    topology = find_topology(
        [(namespace, flow_id)],
        upwards=not read_flag(request, "destinationOnly", default=False),
        expand=read_flag(request, "expandAll", default=False),
    )
    return answer(_present_topology(topology))


@describes(AROUND, answer="Dependencies")
def dependencies_of_namespace(request: Request, namespace: str) -> HttpResponse:
    """Return the flows of a namespace and those around them."""
    names = [(row.namespace, row.flow_id) for row in queries.list_flows_of_namespace(namespace)]
    topology = find_topology(
        names,
        upwards=not read_flag(request, "destinationOnly", default=False),
        expand=read_flag(request, "expandAll", default=False),
    )
    return answer(_present_topology(topology))


@describes(answer="Dependencies")
def dependencies_of_tenant(request: Request) -> HttpResponse:
    """Return all relations between flows."""
    return answer(_present_topology(find_whole_topology()))
