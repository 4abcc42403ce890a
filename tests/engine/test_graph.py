"""The graph of a flow: every task that is not disabled once, in its place, with the policy that applies to it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings

from flows.engine.graph import Graph, Node
from flows.language.flow import Task

from .flow_strategies import Case, cases
from .rehearsal import graph_of, group, leaf, retry_of


def list_enabled(tasks: tuple[Task, ...]) -> list[str]:
    found = []
    for task in tasks:
        if not task.disabled:
            found += [task.id, *list_enabled(tuple(task.children()))]
    return found


def list_reachable(graph: Graph) -> list[Node]:
    found = []
    pending = [node for nodes in graph.branches.values() for node in nodes]
    while pending:
        node = pending.pop()
        found.append(node)
        pending += [child for children in node.branches.values() for child in children]
    return found


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_every_enabled_task_is_in_the_graph_exactly_once(case: Case) -> None:
    flow = case.flow
    graph = graph_of(*flow.tasks, errors=flow.errors, finally_=flow.finally_, after_execution=flow.after_execution)

    reachable = Counter(node.id for node in list_reachable(graph))

    expected = Counter(list_enabled((*flow.tasks, *flow.errors, *flow.finally_, *flow.after_execution)))
    assert reachable == expected == Counter(list(graph.nodes))


def test_nothing_below_a_disabled_task_is_in_the_graph() -> None:
    graph = graph_of(group("off", "sequence", [leaf("a")], disabled=True), leaf("b"))

    assert list(graph.nodes) == ["b"]


def test_a_node_knows_its_list_and_its_ancestors() -> None:
    graph = graph_of(group("outer", "parallel", [leaf("a")], errors=[group("inner", "sequence", [leaf("b")])]))
    node = graph.nodes["b"]

    assert [ancestor.id for ancestor in node.ancestors()] == ["inner", "outer"]
    assert [graph.nodes[task_id].branch for task_id in ("outer", "a", "inner", "b")] == ["tasks", "tasks", "errors", "tasks"]


def test_only_iterating_ancestors_count_for_the_depth_of_values() -> None:
    inner = group("inner", "each", [group("plain", "sequence", [leaf("a")])])
    graph = graph_of(group("outer", "each", [inner]), leaf("b"))

    assert [graph.nodes[task_id].value_depth for task_id in ("outer", "inner", "plain", "a", "b")] == [0, 1, 2, 2, 0]


@pytest.mark.parametrize(("task_id", "attempts"), [("own", 2), ("inherited", 3), ("far", 4)])
def test_the_nearest_retry_policy_applies(task_id: str, attempts: int) -> None:
    outer = group("outer", "sequence", [leaf("own", retry=retry_of(2)), leaf("inherited")], retry=retry_of(3))

    graph = graph_of(outer, leaf("far"), retry=retry_of(4))

    node = graph.nodes[task_id]
    assert node.retry is not None and node.retry.max_attempts == attempts


def test_for_each_item_has_three_hidden_steps() -> None:
    item = Task(id="items", type="test.ForEachItem", role="flowable", arrangement="for-each-item")
    graph = graph_of(item)

    steps = graph.nodes["items"].list_branch("tasks")

    assert [(step.id, step.arrangement) for step in steps] == [
        ("items_split", "split-items"),
        ("items_items", "start-items"),
        ("items_merge", "merge-items"),
    ]


def test_the_children_of_a_loop_are_on_a_graph_of_their_own() -> None:
    graph = graph_of(group("loop", "loop", [leaf("a")], errors=[leaf("e")]))

    iteration = graph.iteration_graph("loop")

    assert (list(graph.nodes), [node.id for node in iteration.list_branch("tasks")]) == (["loop"], ["a"])
    assert [node.id for node in iteration.list_branch("errors")] == ["e"]
    assert graph.iteration_graph("loop") is iteration


def test_a_loop_that_is_not_there_has_no_graph() -> None:
    with pytest.raises(KeyError):
        graph_of(leaf("a")).iteration_graph("b")


def test_the_tasks_of_a_loop_inherit_the_retry_of_the_nearest_ancestor() -> None:
    loop = group("loop", "loop", [leaf("a")])
    graph = graph_of(group("outer", "sequence", [loop], retry=retry_of(3)))

    node = graph.iteration_graph("loop").nodes["a"]

    assert node.retry == retry_of(3)


def test_what_comes_after_all_values_of_a_for_each_carries_none() -> None:
    each = group("each", "each", [leaf("a")], errors=[leaf("e")], finally_=[leaf("f")])
    graph = graph_of(each)

    assert {name: graph.nodes[name].value_depth for name in ("a", "e", "f")} == {"a": 1, "e": 0, "f": 0}
