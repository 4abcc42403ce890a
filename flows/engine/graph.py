"""The graph of a flow: every task as a node that knows its place. Built once per revision, never changed, no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from flows.language.flow import Flow, Output, Retry, Task

_HIDDEN_STEPS = {"split": "split-items", "items": "start-items", "merge": "merge-items"}


@dataclass(slots=True, eq=False)
class Node:
    """
    One task in its place.

    `branch` is the list of the parent that holds it; `value_depth` counts the iterating ancestors, which is the length of
    the value path of its task runs; `retry` is the policy that applies to it (its own, else the nearest ancestor's, else
    the flow's); `branches` hold the children that are not disabled.
    """

    task: Task
    parent: Node | None
    branch: str
    value_depth: int
    retry: Retry | None
    branches: dict[str, tuple[Node, ...]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The task's id."""
        return self.task.id

    @property
    def arrangement(self) -> str | None:
        """How it arranges its children, None for a task that a worker runs."""
        return self.task.arrangement

    @property
    def is_light(self) -> bool:
        """True when a visit runs it itself."""
        return self.task.light

    def list_branch(self, name: str) -> tuple[Node, ...]:
        """Return the children of a branch, empty when the branch is absent."""
        return self.branches.get(name, ())

    def ancestors(self) -> Iterator[Node]:
        """Yield the enclosing nodes, the nearest first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent


@dataclass(slots=True, eq=False)
class Graph:
    """
    All nodes of a flow. `nodes` maps a task id to its node; `branches` are the root lists: `tasks`, `errors`, `finally`,
    `afterExecution`. Disabled tasks and everything below them are not in the graph.
    """

    flow: Flow
    branches: dict[str, tuple[Node, ...]]
    nodes: dict[str, Node]
    loop_outputs: tuple[Output, ...] = ()
    _iterations: dict[str, Graph] = field(default_factory=dict)

    def list_branch(self, name: str) -> tuple[Node, ...]:
        """Return the nodes of a root list, empty when the flow has none."""
        return self.branches.get(name, ())

    def get(self, task_id: str) -> Node | None:
        """Return the node of a task, or None when the revision has no such task (any more)."""
        return self.nodes.get(task_id)

    def iteration_graph(self, task_id: str) -> Graph:
        """
        Return the graph of one iteration of a Loop: its children as the outermost lists. Raises KeyError for another task.
        """
        found = self._iterations.get(task_id)
        if found is None:
            found = self._iterations[task_id] = _build(self.flow, *_find_loop(self.flow, task_id))
        return found


def build_graph(flow: Flow) -> Graph:
    """
    Return the graph of a flow. Every task that is not disabled is in it exactly once; a ForEachItem has its three hidden
    steps `<id>_split`, `<id>_items` and `<id>_merge` as children. Source: flow language, 6.7 and 7.1.
    """
    return _build(flow, None, flow.retry)


def empty_graph(namespace: str, flow_id: str) -> Graph:
    """Return the graph of a flow whose text cannot be read any more: its rows can still be ended."""
    return Graph(Flow(id=flow_id, namespace=namespace, tasks=()), {}, {})


def _find_loop(flow: Flow, task_id: str) -> tuple[Task, Retry | None]:
    """Return a task and the retry policy that its children inherit: its own, else the nearest ancestor's, else the flow's."""
    pending = [(task, flow.retry) for tasks in (flow.tasks, flow.errors, flow.finally_, flow.after_execution) for task in tasks]
    while pending:
        task, inherited = pending.pop()
        policy = task.retry or inherited
        if task.id == task_id:
            return task, policy
        pending += [(child, policy) for child in task.children()]
    raise KeyError(task_id)


def _build(flow: Flow, loop: Task | None, retry: Retry | None) -> Graph:
    nodes: dict[str, Node] = {}

    def build(task: Task, parent: Node | None, branch: str, retry: Retry | None) -> Node:
        # Only what runs once for each value carries one, not what comes after all of them.
        depth = parent.value_depth + (parent.arrangement == "each" and branch == "tasks") if parent else 0
        node = Node(task, parent, branch, depth, task.retry or retry)
        nodes[task.id] = node
        for name, tasks in _branches_of(task).items():
            node.branches[name] = tuple(build(child, node, name, node.retry) for child in tasks if not child.disabled)
        return node

    lists: Mapping[str, tuple[Task, ...]]
    if loop is not None:
        lists = {name: loop.branches.get(name, ()) for name in ("tasks", "errors", "finally")}
    else:
        lists = {
            "tasks": flow.tasks,
            "errors": flow.errors,
            "finally": flow.finally_,
            "afterExecution": flow.after_execution,
        }
    branches = {
        name: tuple(build(task, None, name, retry) for task in tasks if not task.disabled) for name, tasks in lists.items()
    }
    return Graph(flow, branches, nodes, loop_outputs=loop.outputs if loop is not None else ())


def _branches_of(task: Task) -> Mapping[str, tuple[Task, ...]]:
    if task.arrangement == "loop":
        # The children of a Loop run in executions of their own, on a graph of their own.
        return {}
    if task.arrangement != "for-each-item":
        return task.branches
    steps = tuple(
        replace(
            task,
            id=f"{task.id}_{suffix}",
            type=f"{task.type}${suffix}",
            role="executable" if suffix == "items" else "runnable",
            arrangement=arrangement,
            light=False,
            branches={},
            when=None,
            retry=None,
            allow_failure=False,
            allow_warning=False,
        )
        for suffix, arrangement in _HIDDEN_STEPS.items()
    )
    return {**task.branches, "tasks": steps}
