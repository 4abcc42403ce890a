"""The drawn graph of a flow: every task once, no loose ends, relations by the kind of the parent."""

from __future__ import annotations

import pytest

from flows.language.parse import parse_flow
from flows.plugin_api.registry import get_registry
from flows.queries.graphs import FlowGraph, draw_flow


def _log(name: str) -> str:
    return f"{{id: {name}, type: io.kestra.plugin.core.log.Log, message: x}}"


SOURCE = f"""\
id: all
namespace: company
tasks:
  - id: together
    type: io.kestra.plugin.core.flow.Parallel
    tasks: [{_log("left")}, {_log("right")}]
  - id: choice
    type: io.kestra.plugin.core.flow.If
    condition: "{{{{ true }}}}"
    then: [{_log("yes")}]
  - id: switch
    type: io.kestra.plugin.core.flow.Switch
    value: a
    cases: {{a: [{_log("case_a")}], b: [{_log("case_b")}]}}
    defaults: [{_log("other")}]
  - id: order
    type: io.kestra.plugin.core.flow.Dag
    tasks:
      - {{task: {_log("first")}}}
      - {{task: {_log("second")}, dependsOn: [first]}}
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: [1, 2]
    tasks: [{_log("step")}]
    errors: [{_log("inner_error")}]
errors: [{_log("failed")}]
finally: [{_log("always")}]
afterExecution: [{_log("after")}]
"""


@pytest.fixture
def graph() -> FlowGraph:
    """The graph of a flow with every kind of parent."""
    result = parse_flow(SOURCE, get_registry())
    assert result.flow is not None, result.problems
    return draw_flow(result.flow, execution_id="e1")


def test_every_task_is_drawn_once(graph: FlowGraph) -> None:
    drawn = [node["task"]["id"] for node in graph.nodes if "task" in node]

    assert len(drawn) == len(set(drawn))
    assert {
        "left",
        "right",
        "yes",
        "case_a",
        "case_b",
        "other",
        "first",
        "second",
        "step",
        "inner_error",
        "failed",
        "after",
    } <= set(drawn)


def test_no_edge_ends_nowhere_and_every_node_is_reached(graph: FlowGraph) -> None:
    known = {node["uid"] for node in graph.nodes}
    reached = {edge["target"] for edge in graph.edges}

    assert len(known) == len(graph.nodes)
    assert all(edge["source"] in known and edge["target"] in known for edge in graph.edges)
    assert known - reached == {"root"}


def test_relations_follow_from_the_kind_of_the_parent(graph: FlowGraph) -> None:
    into = {edge["target"]: edge["relation"] for edge in graph.edges}

    assert into["together.left"]["relationType"] == "PARALLEL"
    assert into["choice.yes"] == {"relationType": "CHOICE", "value": "then"}
    assert into["switch.case_b"] == {"relationType": "CHOICE", "value": "b"}
    assert into["order.second"]["relationType"] == "SEQUENTIAL"
    assert into["each.step"]["relationType"] == "DYNAMIC"
    assert into["each.inner_error"]["relationType"] == "ERROR"
    assert into["failed"]["relationType"] == "ERROR"


def test_clusters_know_their_nodes_and_the_graph_its_execution(graph: FlowGraph) -> None:
    cluster = next(one for one in graph.clusters if one["cluster"]["uid"] == "cluster_together")

    assert {"together.left", "together.right", "together"} <= set(cluster["nodes"])
    assert all(node["executionId"] == "e1" for node in graph.nodes)
    assert graph.flowables == ["together", "choice", "switch", "order", "each"]
