"""What happens next in one scope: a pure function of the states of its children. It reads no clock, table or queue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from flows.engine.graph import Node
from flows.primitives.states import TERMINAL, UNSUCCESSFUL, State, worst_of


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What to do in a scope: create runs for `create` (in this order), or end the scope in `end`; neither means wait.

    `interrupt` names the state into which siblings that still run must be forced (`onChildFailure`), None for none.
    """

    create: tuple[Node, ...] = ()
    end: State | None = None
    interrupt: State | None = None


WAIT = Decision()

_INTERRUPTED = {"CANCEL": State.CANCELLED, "FAIL": State.FAILED, "KILL": State.KILLED}
REACTIONS = ("CONTINUE", *_INTERRUPTED)
"""What may happen to the siblings of a child that failed."""


@dataclass(frozen=True, slots=True)
class Lists:
    """
    The child lists of a scope, disabled tasks already left out, and how the normal ones are arranged.

    `mode` is `sequence`, `parallel` or `dag`; `concurrent` limits how many normal children are alive at once (0 = no
    limit); `depends_on` maps a child of a Dag to the ids it waits for; `on_child_failure` is `CONTINUE`, `CANCEL`, `FAIL` or
    `KILL` (the older `failFast`).
    """

    normal: Sequence[Node]
    errors: Sequence[Node] = ()
    finally_: Sequence[Node] = ()
    mode: str = "sequence"
    concurrent: int = 0
    depends_on: Mapping[str, Sequence[str]] | None = None
    on_child_failure: str = "CONTINUE"


def decide_scope(lists: Lists, states: Mapping[str, State]) -> Decision:
    """
    Return what happens next in a scope whose children are in `states` (task id to state; absent: not created yet).

    FAILED means that no retry is left: a child that waits for one is RETRYING. Only FAILED runs `errors`; `finally` runs
    after the active list; both are sequences and never change the result. Source: flow language, 6.2 and 6.3.
    """
    if any(node.id in states for node in lists.finally_):
        return _continue_tail(lists.finally_, states) or _end(lists, states)
    failed = [node for node in lists.normal if states.get(node.id) == State.FAILED]
    in_errors = any(node.id in states for node in lists.errors)
    if in_errors or failed:
        waiting = _decide_running_siblings(lists, states)
        if waiting is not None:
            return waiting
        tail = _continue_tail(lists.errors, states)
        return tail or _start_finally(lists, states)
    step = _decide_normal(lists, states)
    return step if step is not None else _start_finally(lists, states)


def _start_finally(lists: Lists, states: Mapping[str, State]) -> Decision:
    return _continue_tail(lists.finally_, states) or _end(lists, states)


def _end(lists: Lists, states: Mapping[str, State]) -> Decision:
    ended = {states[node.id] for node in lists.normal if node.id in states}
    if State.FAILED in ended and lists.mode != "sequence":
        # A sibling that was cancelled because another child failed must not hide that failure.
        ended.discard(State.CANCELLED)
        if lists.on_child_failure == "KILL":
            ended.discard(State.KILLED)
    return Decision(end=worst_of(ended))


def _decide_running_siblings(lists: Lists, states: Mapping[str, State]) -> Decision | None:
    """After a failure: wait for the siblings that still run, forcing them to end when the flow asks for it."""
    alive = [node for node in lists.normal if node.id in states and states[node.id] not in TERMINAL]
    if not alive:
        return None
    if lists.on_child_failure == "CONTINUE":
        return WAIT
    return Decision(interrupt=_INTERRUPTED[lists.on_child_failure])


def _decide_normal(lists: Lists, states: Mapping[str, State]) -> Decision | None:
    """Return what the normal list needs, None when it is complete."""
    if lists.mode == "sequence":
        return _continue_tail(lists.normal, states)
    missing = [node for node in lists.normal if node.id not in states]
    alive_count = sum(1 for node in lists.normal if node.id in states and states[node.id] not in TERMINAL)
    stopped = any(states.get(node.id) in (State.KILLED, State.CANCELLED) for node in lists.normal)
    if not missing or stopped:
        return WAIT if alive_count else None
    ready = missing
    if lists.mode == "dag":
        depends_on = lists.depends_on or {}
        present = {node.id for node in lists.normal}
        ready = [
            node for node in missing if all(states.get(other) in TERMINAL for other in list_awaited(node.id, depends_on, present))
        ]
    if lists.concurrent:
        ready = ready[: max(0, lists.concurrent - alive_count)]
    return Decision(create=tuple(ready)) if ready else WAIT


def list_awaited(task_id: str, depends_on: Mapping[str, Sequence[str]], present: Collection[str]) -> set[str]:
    """
    Return the children of a Dag that a child waits for. One that is disabled is not `present`: what it depends on is waited
    for in its place.
    """
    found: set[str] = set()
    passed = {task_id}
    pending = list(depends_on.get(task_id, ()))
    while pending:
        other = pending.pop()
        if other in passed:
            continue
        passed.add(other)
        if other in present:
            found.add(other)
        else:
            pending += depends_on.get(other, ())
    return found


def _continue_tail(nodes: Sequence[Node], states: Mapping[str, State]) -> Decision | None:
    """Return the next step of a sequence, None when it is complete or was stopped by a child that did not end well."""
    for node in nodes:
        state = states.get(node.id)
        if state is None:
            return Decision(create=(node,))
        if state not in TERMINAL:
            return WAIT
        if state in UNSUCCESSFUL:
            return None
    return None


@dataclass(frozen=True, slots=True)
class UnitCount:
    """
    How far an iterating scope is. A unit is an iteration (or, for EachParallel, one task of one iteration).

    `total` units exist, `started` of them began, `ended` of them ended, in `states` (state to how many).
    """

    total: int
    started: int
    ended: int
    states: Mapping[str, int]

    @property
    def alive(self) -> int:
        """Units that began and did not end."""
        return self.started - self.ended


def count_units_to_start(units: UnitCount, *, limit: int, stop_on_failure: bool) -> int:
    """
    Return how many more units may begin now. `limit` 0 means all at once; after a failed, killed or cancelled unit
    nothing begins any more when `stop_on_failure`. Source: flow language, 6.5 and 6.6.
    """
    if stop_on_failure and any(units.states.get(state, 0) for state in UNSUCCESSFUL):
        return 0
    left = units.total - units.started
    return left if limit <= 0 else max(0, min(left, limit - units.alive))


def apply_allowances(state: State, *, allow_failure: bool, allow_warning: bool) -> State:
    """Return the state after `allowFailure` (FAILED to WARNING) and `allowWarning` (WARNING to SUCCESS)."""
    if allow_failure and state == State.FAILED:
        state = State.WARNING
    if allow_warning and state == State.WARNING:
        state = State.SUCCESS
    return state
