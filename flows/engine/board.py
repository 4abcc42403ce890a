"""The part of an execution that one visit works on, in memory. Moves are checked against the machines; no I/O here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flows.engine.graph import Graph, Node
from flows.primitives.ids import new_id
from flows.primitives.states import EXECUTION_MACHINE, TASK_RUN_MACHINE, TERMINAL, State

Scope = tuple[str | None, int | None]
"""Where children live: id of the parent task run (None: the execution) and number of the iteration."""

CALLEES = frozenset({"subflow", "loop", "start-items"})
"""Arrangements that wait for other executions."""

# Flowables that wait by themselves, for a moment or for other executions, without a child of this execution being alive.
_SELF_WAITING = CALLEES | {"sleep", "working-directory", "split-items", "merge-items"}


@dataclass(slots=True, eq=False)
class Run:
    """
    A task run on the board. `seen` is the state that the database holds, None for a run that it does not know yet.

    `histories` is a list of `[state, ISO moment]`; `attempts` a list of maps; `node` is None when the revision has lost the
    task. `items` are the frozen values of a loop, None when they are not loaded.
    """

    id: str
    task_id: str
    node: Node | None
    parent_id: str | None
    iteration: int | None
    value: str | None
    value_path: list[str]
    state: State
    seen: State | None
    histories: list[list[str]]
    created_at: datetime
    ended_at: datetime | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    outputs: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None
    items: list[str] | None = None
    progress: dict[str, Any] | None = None
    dynamic: bool = False
    loss_count: int = 0
    dispatched_at: datetime | None = None
    wake_at: datetime | None = None
    is_changed: bool = False

    @property
    def scope(self) -> Scope:
        """The scope that this run is a child in."""
        return (self.parent_id, self.iteration)

    @property
    def is_terminal(self) -> bool:
        """True when it ended."""
        return self.state in TERMINAL

    @property
    def is_callee(self) -> bool:
        """True for a task that waits for other executions."""
        return self.node is not None and self.node.arrangement in CALLEES

    @property
    def is_past_directory(self) -> bool:
        """True for a WorkingDirectory whose worker is done, while its `errors` and `finally` run as any tasks do."""
        return bool((self.progress or {}).get("directoryDone"))

    @property
    def activity(self) -> str | None:
        """
        What the run contributes to the liveness of its execution: `live`, `paused`, `retrying`, or None for a run that
        ended or that only waits for its children.
        """
        if self.state in TERMINAL:
            return None
        if self.state in (State.PAUSED, State.BREAKPOINT):
            return "paused"
        if self.state == State.RETRYING:
            return "retrying"
        arrangement = self.node.arrangement if self.node else None
        if self.is_past_directory:
            return None
        if arrangement is None or arrangement in _SELF_WAITING:
            return "live"
        return "live" if self.wake_at is not None else None


@dataclass(slots=True, eq=False)
class Root:
    """The execution's row on the board; `extra` holds the columns that the engine reads but does not decide on."""

    id: str
    namespace: str
    flow_id: str
    flow_revision: int
    kind: str
    state: State
    seen: State
    histories: list[list[str]]
    created_at: datetime
    ended_at: datetime | None
    inputs: dict[str, Any]
    outputs: dict[str, Any] | None
    variables: dict[str, Any]
    labels: list[dict[str, str]]
    trigger: dict[str, Any] | None
    parent_id: str | None
    original_id: str
    original_created_at: datetime
    schedule_at: datetime | None
    attempt_number: int
    error: str
    breakpoints: list[dict[str, Any]]
    caller_execution_id: str | None
    caller_task_run_id: str | None
    caller_waits: bool
    loop: dict[str, Any] | None
    depth: int
    slot_held: bool
    pause_asked: bool
    progress: dict[str, Any]
    version: int
    dispatched_at: datetime | None
    wake_at: datetime | None
    announce_at: datetime | None
    visit_until: datetime | None
    failures: int
    concurrency_limit: int | None = None
    """Limit of the newest revision of the flow; read with the row, never written back."""
    seen_count: int = 0
    """How many entries `histories` had when the row was read."""
    has_listeners: bool = False
    """Whether any flow listens to the ends of others; read with the row."""
    is_changed: bool = False

    @property
    def is_terminal(self) -> bool:
        """True when the execution ended."""
        return self.state in TERMINAL


class Board:
    """
    The execution row, the task runs that this visit knows, and the moment of the visit.

    Every change of state goes through `move` or `move_root`, which check the machine and write the history; what changed is
    written to the database by `flows.engine.transitions` and by nobody else.
    """

    def __init__(self, root: Root, graph: Graph, *, at: datetime) -> None:
        self.root = root
        self.graph = graph
        self.at = at
        self.runs: dict[str, Run] = {}
        self.scopes: dict[Scope, dict[str, Run]] = {}
        self.removed: list[str] = []
        """Ids of rows to delete."""

    def add(self, run: Run) -> Run:
        """Put a run that exists on the board."""
        self.runs[run.id] = run
        self.scopes.setdefault(run.scope, {})[run.task_id] = run
        return run

    def create(self, node: Node, parent: Run | None, *, iteration: int | None = None, value: str | None = None) -> Run:
        """Create a run of `node` in its scope, in state CREATED, and return it."""
        path = list(parent.value_path) if parent else []
        if value is not None:
            path.append(value)
        run = Run(
            id=new_id(),
            task_id=node.id,
            node=node,
            parent_id=parent.id if parent else None,
            iteration=iteration,
            value=value,
            value_path=path,
            state=State.CREATED,
            seen=None,
            histories=[[State.CREATED.value, self.at.isoformat()]],
            created_at=self.at,
            is_changed=True,
        )
        self._count(run, run.activity, +1)
        return self.add(run)

    def move(self, run: Run, state: State) -> None:
        """Move a run to `state`, or raise ForbiddenTransitionError."""
        TASK_RUN_MACHINE.check(run.state, state, name=f'"{run.task_id}" ({run.id})')
        with _Recount(self, run):
            run.state = state
            run.histories.append([state.value, self.at.isoformat()])
            run.ended_at = self.at if state in TERMINAL else None
            if state in TERMINAL:
                run.wake_at = None

    def set_wake(self, run: Run, wake_at: datetime | None) -> None:
        """Set the moment at which the engine must look at a run again."""
        with _Recount(self, run):
            run.wake_at = wake_at

    def leave_directory(self, run: Run) -> None:
        """Note that the worker of a WorkingDirectory is done with it."""
        with _Recount(self, run):
            run.progress = {**(run.progress or {}), "directoryDone": True}

    def remove(self, run: Run) -> None:
        """Take a run away, from the board and from the database."""
        self._count(run, run.activity, -1)
        del self.runs[run.id]
        self.scopes[run.scope].pop(run.task_id, None)
        if run.seen is not None:
            self.removed.append(run.id)

    def forget(self, run: Run) -> None:
        """Drop a run that ended and was written, so that a long visit stays small."""
        self.runs.pop(run.id, None)
        children = self.scopes.get(run.scope)
        if children is not None:
            children.pop(run.task_id, None)
            if not children:
                del self.scopes[run.scope]

    def touch(self, run: Run) -> None:
        """Mark a run whose outputs, plan, progress or attempts changed."""
        run.is_changed = True

    def move_root(self, state: State) -> None:
        """Move the execution to `state`, or raise ForbiddenTransitionError. The state it already has is no move."""
        root = self.root
        if root.state == state:
            return
        EXECUTION_MACHINE.check(root.state, state, name=root.id)
        root.state = state
        root.histories.append([state.value, self.at.isoformat()])
        root.ended_at = self.at if state in TERMINAL else None
        if state in TERMINAL:
            root.wake_at = None
            root.pause_asked = False
        root.is_changed = True

    def count_activity(self, kind: str) -> int:
        """Return how many runs are `live`, `paused` or `retrying` in the whole execution, loaded here or not."""
        return int(self.root.progress.get(kind, 0))

    def list_children(self, scope: Scope) -> dict[str, Run]:
        """Return the runs of a scope by task id, possibly empty."""
        return self.scopes.get(scope, {})

    def get_parent(self, run: Run) -> Run | None:
        """Return the task run that encloses `run`, None at the top."""
        return self.runs[run.parent_id] if run.parent_id else None

    def ancestors(self, run: Run) -> Iterator[Run]:
        """Yield the enclosing task runs, the nearest first."""
        parent = self.get_parent(run)
        while parent is not None:
            yield parent
            parent = self.get_parent(parent)

    def descendants(self, run: Run) -> list[Run]:
        """Return every run below `run` that is on the board, parents before children."""
        below: dict[str, list[Run]] = {}
        for other in self.runs.values():
            if other.parent_id is not None:
                below.setdefault(other.parent_id, []).append(other)
        found: list[Run] = []
        pending = [run.id]
        while pending:
            children = below.get(pending.pop(), [])
            found += children
            pending += [child.id for child in children]
        return found

    def recount(self) -> None:
        """Count the activity anew; right only when every run of the execution is on the board."""
        counts = {"live": 0, "paused": 0, "retrying": 0}
        for run in self.runs.values():
            if run.activity is not None and not self.is_after(run):
                counts[run.activity] += 1
        self.root.progress.update(counts)
        self.root.is_changed = True

    def is_after(self, run: Run) -> bool:
        """True for a run of the `afterExecution` block, at any depth."""
        node = run.node
        while node is not None and node.parent is not None:
            node = node.parent
        return node is not None and node.branch == "afterExecution"

    def _count(self, run: Run, kind: str | None, by: int) -> None:
        # What comes after the end keeps nothing alive; it is only there once the execution has ended.
        if kind is not None and not (self.root.is_terminal and self.is_after(run)):
            self.root.progress[kind] = self.count_activity(kind) + by
            self.root.is_changed = True


class _Recount:
    """Keeps the execution's activity counters right around a change of one run."""

    __slots__ = ("board", "kind", "run")

    def __init__(self, board: Board, run: Run) -> None:
        self.board, self.run = board, run

    def __enter__(self) -> None:
        self.kind = self.run.activity

    def __exit__(self, *_: object) -> None:
        self.run.is_changed = True
        kind = self.run.activity
        if kind != self.kind:
            self.board._count(self.run, self.kind, -1)
            self.board._count(self.run, kind, +1)
