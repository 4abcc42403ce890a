"""The picture of a flow as nodes, edges and clusters, for pages that draw it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.language.flow import Flow, Task

SEQUENTIAL, CHOICE, ERROR, FINALLY, AFTER, PARALLEL, DYNAMIC = (
    "SEQUENTIAL", "CHOICE", "ERROR", "FINALLY", "AFTER_EXECUTION", "PARALLEL", "DYNAMIC",
)  # fmt: skip

_SIDE_BRANCHES = {"errors": ERROR, "finally": FINALLY}
_PARALLEL = frozenset({"parallel"})
_DYNAMIC = frozenset({"each", "loop", "for-each-item"})
_CHOICES = frozenset({"if", "switch", "approval"})


@dataclass(slots=True)
class FlowGraph:
    """
    A drawn flow. `nodes` are `{uid, type, ...}`, `edges` `{source, target, relation}`, `clusters` `{cluster, nodes, parents,
    start, end}`, `flowables` the ids of tasks that hold others.
    """

    nodes: list[dict[str, Any]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    clusters: list[dict[str, Any]] = field(default_factory=list)
    flowables: list[str] = field(default_factory=list)


class _Drawing:
    """Collects nodes and edges while it walks through the task lists."""

    def __init__(self, execution_id: str | None) -> None:
        self.graph = FlowGraph()
        self._execution_id = execution_id

    def add_node(self, uid: str, kind: str, **facts: Any) -> str:
        node = {"uid": uid, "type": kind, **facts}
        if self._execution_id:
            node["executionId"] = self._execution_id
        self.graph.nodes.append(node)
        return uid

    def add_edge(self, source: str, target: str, relation: str, value: str | None = None) -> None:
        facts: dict[str, Any] = {"relationType": relation}
        if value is not None:
            facts["value"] = value
        self.graph.edges.append({"source": source, "target": target, "relation": facts})

    def add_list(self, tasks: Sequence[Task], source: str, relation: str, value: str | None, parents: list[str]) -> str:
        """Draw tasks one after the other, beginning at `source`, and return the uid where the list ends."""
        for task in tasks:
            start, end = self.add_task(task, parents)
            self.add_edge(source, start, relation, value)
            source, relation, value = end, SEQUENTIAL, None
        return source

    def add_task(self, task: Task, parents: list[str]) -> tuple[str, str]:
        """Draw one task with what it holds, and return where it begins and ends."""
        path = ".".join([*parents, task.id])
        facts = {"task": {"id": task.id, "type": task.type}, "disabled": task.disabled}
        if not any(task.branches.values()):
            kind = "SubflowGraphTask" if task.role == "executable" else "GraphTask"
            uid = self.add_node(path, kind, **facts)
            return uid, uid
        first = len(self.graph.nodes)
        self.graph.flowables.append(task.id)
        start = self.add_node(f"cluster_{path}.root", "GraphClusterRoot", branchType=None)
        head = self.add_node(path, "GraphTask", **facts)
        end = f"cluster_{path}.end"
        self.add_edge(start, head, SEQUENTIAL)
        self._add_branches(task, head, end, [*parents, task.id])
        self.add_node(end, "GraphClusterEnd")
        members = [node["uid"] for node in self.graph.nodes[first:]]
        self._add_cluster(path, members, parents, start, end)
        return start, end

    def _add_branches(self, task: Task, head: str, end: str, inner: list[str]) -> None:
        main = {name: tasks for name, tasks in task.branches.items() if name not in _SIDE_BRANCHES and tasks}
        ends: list[str] = []
        if task.arrangement == "dag":
            ends = self._add_dag(task, head, inner)
        else:
            for name, tasks in main.items():
                ends += self._add_branch(task, name, tasks, head, inner)
        if not main or (task.arrangement in ("if",) and "else" not in main):
            ends.append(head)
        for name, relation in _SIDE_BRANCHES.items():
            tasks = task.branches.get(name, ())
            if not tasks:
                continue
            last = self.add_list(tasks, head, relation, None, inner)
            if name == "finally":
                for one in ends:
                    self.add_edge(one, ".".join([*inner, tasks[0].id]), FINALLY)
                ends = [last]
            else:
                ends.append(last)
        for one in dict.fromkeys(ends):
            self.add_edge(one, end, SEQUENTIAL)

    def _add_branch(self, task: Task, name: str, tasks: Sequence[Task], head: str, inner: list[str]) -> list[str]:
        if task.arrangement in _PARALLEL:
            found = []
            for child in tasks:
                start, last = self.add_task(child, inner)
                self.add_edge(head, start, PARALLEL)
                found.append(last)
            return found
        relation = CHOICE if task.arrangement in _CHOICES else DYNAMIC if task.arrangement in _DYNAMIC else SEQUENTIAL
        value = name.removeprefix("case:") if relation == CHOICE else None
        return [self.add_list(tasks, head, relation, value, inner)]

    def _add_dag(self, task: Task, head: str, inner: list[str]) -> list[str]:
        places = {child.id: self.add_task(child, inner) for child in task.branches.get("tasks", ())}
        waited_for = set()
        for child, (start, _) in places.items():
            needed = [name for name in task.depends_on.get(child, ()) if name in places]
            waited_for.update(needed)
            for name in needed:
                self.add_edge(places[name][1], start, SEQUENTIAL)
            if not needed:
                self.add_edge(head, start, PARALLEL)
        return [end for child, (_, end) in places.items() if child not in waited_for]

    def _add_cluster(self, path: str, members: list[str], parents: Iterable[str], start: str, end: str) -> None:
        way = list(parents)
        above = [f"cluster_{'.'.join(way[: length + 1])}" for length in range(len(way))]
        self.graph.clusters.append(
            {
                "cluster": {"uid": f"cluster_{path}", "type": "GraphCluster"},
                "nodes": members,
                "parents": above,
                "start": start,
                "end": end,
            }
        )


def draw_flow(flow: Flow, *, execution_id: str | None = None) -> FlowGraph:
    """
    Return the graph of a flow: triggers, the main list, and the lists of errors, finally and afterExecution.

    Args:
        execution_id: put on every node when the graph shows an execution.

    Source: REST API, 9.9.
    """
    drawing = _Drawing(execution_id)
    root = drawing.add_node("root", "GraphClusterRoot")
    for trigger in flow.triggers:
        uid = drawing.add_node(
            f"triggers.{trigger.id}",
            "GraphTrigger",
            triggerDeclaration={"id": trigger.id, "type": trigger.type},
            disabled=trigger.disabled,
        )
        drawing.add_edge(uid, root, DYNAMIC)
    last = drawing.add_list(flow.tasks, root, SEQUENTIAL, None, [])
    ends = [last]
    if flow.errors:
        ends.append(drawing.add_list(flow.errors, root, ERROR, None, []))
    if flow.finally_:
        last = drawing.add_list(flow.finally_, ends[0], FINALLY, None, [])
        ends = [last]
    end = drawing.add_node("end", "GraphClusterEnd")
    for one in ends:
        drawing.add_edge(one, end, SEQUENTIAL)
    if flow.after_execution:
        after = drawing.add_node("afterExecution", "GraphClusterAfterExecution")
        drawing.add_edge(end, after, AFTER)
        drawing.add_list(flow.after_execution, after, AFTER, None, [])
    return drawing.graph
