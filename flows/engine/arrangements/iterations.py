"""ForEach, EachSequential and EachParallel: the same children once for each value, inside the same execution."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flows.engine import transitions
from flows.engine.arrangements.base import Arrangement, properties_of, render_int
from flows.engine.board import Run
from flows.engine.decide import Lists, UnitCount, count_units_to_start, decide_scope
from flows.engine.graph import Node
from flows.primitives.errors import InvalidError
from flows.primitives.states import TERMINAL, State, worst_of

if TYPE_CHECKING:
    from flows.engine.turn import Turn

# A page of iterations begins together; the next page when these have begun. Keeps one transaction and one worker's
# memory small however many values there are.
_PAGE = 100
# Without a limit of the flow's own at most this many iterations are alive at once.
_MOST_ALIVE = 500


class Each(Arrangement):
    """
    A unit is one iteration. For EachParallel, whose limit counts tasks, a unit is one task of one iteration.

    The values are frozen when it opens; `progress` counts units started, ended, and ended in each state, so that the end
    of one iteration never reads the others.
    """

    def open(self, turn: Turn, run: Run) -> None:
        """Freeze values and limit, and start the first units."""
        properties = properties_of(run)
        name = "values" if "values" in properties else "value"
        values = render_values(turn, run, properties.get(name))
        by_task = run.node is not None and run.node.task.type.endswith(".EachParallel")
        if by_task:
            limit = render_int(turn, run, "concurrent", 0)
        elif run.node is not None and run.node.task.type.endswith(".EachSequential"):
            limit = 1
        else:
            limit = render_int(turn, run, "concurrencyLimit", 1)
        run.items = values
        run.plan = {"count": len(values), "limit": limit, "byTask": by_task}
        run.progress = {"started": 0, "ended": 0, "states": {}}
        turn.board.touch(run)
        turn.mark_dirty((run.id, None))

    def evaluate(self, turn: Turn, run: Run, iteration: int | None) -> None:
        """Look at one iteration, or with None at the whole."""
        if iteration is not None:
            self._evaluate_iteration(turn, run, iteration)
            return
        units = count_units(run)
        plan = run.plan or {}
        limit = int(plan.get("limit", 1)) or _MOST_ALIVE
        to_start = count_units_to_start(units, limit=limit, stop_on_failure=True)
        if to_start:
            self._start(turn, run, units.started, min(to_start, _PAGE))
            if to_start > _PAGE:
                turn.mark_dirty((run.id, None))
            return
        if units.alive:
            return
        self._go_on_after_units(turn, run, units)

    def _start(self, turn: Turn, run: Run, first: int, count: int) -> None:
        node = run.node
        assert node is not None
        nodes = node.list_branch("tasks")
        by_task = bool((run.plan or {}).get("byTask")) and bool(nodes)
        width = len(nodes) if by_task else 1
        first_value = first // width
        values = transitions.read_items(run, first_value, (first + count - 1) // width - first_value + 1)
        for unit in range(first, first + count):
            index = unit // width
            value = values[index - first_value]
            if by_task:
                turn.create_run(nodes[unit % width], run, iteration=index, value=value)
            elif nodes:
                turn.create_run(nodes[0], run, iteration=index, value=value)
            else:
                self._count_end(turn, run, State.SUCCESS)
                turn.mark_dirty((run.id, None))
        progress = run.progress or {}
        progress["started"] = first + count
        run.progress = progress
        turn.board.touch(run)

    def _evaluate_iteration(self, turn: Turn, run: Run, iteration: int) -> None:
        scope = (run.id, iteration)
        children = turn.board.list_children(scope)
        plan = run.plan or {}
        if plan.get("byTask"):
            self._count_tasks(turn, run, iteration, list(children.values()))
            turn.mark_dirty((run.id, None))
            return
        if scope in turn.ended_units or not children:
            return
        node = run.node
        assert node is not None
        states = {child.task_id: child.state for child in children.values()}
        decision = decide_scope(Lists(node.list_branch("tasks")), states)
        value = next(iter(children.values())).value
        for child_node in decision.create:
            turn.create_run(child_node, run, iteration=iteration, value=value)
        if decision.end is not None:
            turn.ended_units.add(scope)
            self._count_end(turn, run, decision.end)
            turn.mark_dirty((run.id, None))

    def _count_tasks(self, turn: Turn, run: Run, iteration: int, children: list[Run]) -> None:
        """
        Count the tasks of one value that ended. `counted` keeps those of values that are not through yet: a sibling of the
        task that ends now may have been counted by an earlier turn.
        """
        known = (run.progress or {}).get("counted", {})
        counted = list(known.get(str(iteration), ()))
        for child in children:
            key = (f"{run.id}/{child.task_id}", iteration)
            if child.is_terminal and child.task_id not in counted and key not in turn.ended_units:
                turn.ended_units.add(key)
                counted.append(child.task_id)
                self._count_end(turn, run, child.state)
        others = {name: tasks for name, tasks in known.items() if name != str(iteration)}
        if len(counted) < len(run.node.list_branch("tasks") if run.node else ()):
            others[str(iteration)] = counted
        run.progress = {**(run.progress or {}), "counted": others}

    def _count_end(self, turn: Turn, run: Run, state: State) -> None:
        progress = dict(run.progress or {})
        states = dict(progress.get("states", {}))
        states[state.value] = states.get(state.value, 0) + 1
        progress.update(ended=progress.get("ended", 0) + 1, states=states)
        run.progress = progress
        turn.board.touch(run)

    def _go_on_after_units(self, turn: Turn, run: Run, units: UnitCount) -> None:
        """All units ended: the errors when one failed, then finally, then the end."""
        node = run.node
        assert node is not None
        states = {child.task_id: child.state for child in turn.board.list_children((run.id, None)).values()}
        ended = {State(name) for name, count in units.states.items() if count}
        errors = node.list_branch("errors") if State.FAILED in ended else ()
        tail = decide_scope(Lists((), (), (*errors,)), states) if errors else None
        if tail is not None and tail.end is None:
            for child in tail.create:
                turn.create_run(child, run)
            return
        last = decide_scope(Lists((), (), node.list_branch("finally")), states)
        for child in last.create:
            turn.create_run(child, run)
        if last.end is not None:
            self.end(turn, run, worst_of(ended))

    def recover(self, turn: Turn, run: Run) -> None:
        """Count the units again from the rows: every iteration that has rows began, those with nothing left ended."""
        node = run.node
        assert node is not None
        nodes = node.list_branch("tasks")
        iterations = {i: runs for (parent, i), runs in turn.board.scopes.items() if parent == run.id and i is not None and runs}
        by_task = bool((run.plan or {}).get("byTask"))
        progress: dict[str, Any] = {"started": 0, "ended": 0, "states": {}}
        if not nodes:
            progress = dict(run.progress or progress)
        for iteration, runs in iterations.items():
            states = {child.task_id: child.state for child in runs.values()}
            progress["started"] += len(runs) if by_task else 1
            if by_task:
                ends = [state for state in states.values() if state in TERMINAL]
                if len(ends) < len(nodes):
                    over = [task_id for task_id, state in states.items() if state in TERMINAL]
                    progress.setdefault("counted", {})[str(iteration)] = over
                turn.ended_units.update(
                    (f"{run.id}/{task_id}", iteration) for task_id, state in states.items() if state in TERMINAL
                )
            else:
                ends = self._ends_of_iteration(nodes, states)
                if ends:
                    turn.ended_units.add((run.id, iteration))
                else:
                    turn.mark_dirty((run.id, iteration))
            for state in ends:
                progress["ended"] += 1
                progress["states"][state.value] = progress["states"].get(state.value, 0) + 1
        run.progress = progress
        turn.board.touch(run)
        turn.mark_dirty((run.id, None))

    @staticmethod
    def _ends_of_iteration(nodes: tuple[Node, ...], states: Mapping[str, State]) -> list[State]:
        decision = decide_scope(Lists(nodes), states)
        return [decision.end] if decision.end is not None else []


def count_units(run: Run) -> UnitCount:
    """Return how far an iterating run is."""
    plan, progress = run.plan or {}, run.progress or {}
    width = 1
    if plan.get("byTask") and run.node is not None:
        width = max(1, len(run.node.list_branch("tasks")))
    return UnitCount(
        total=int(plan.get("count", 0)) * width,
        started=int(progress.get("started", 0)),
        ended=int(progress.get("ended", 0)),
        states=progress.get("states", {}),
    )


def render_values(turn: Turn, run: Run, written: Any) -> list[str]:
    """
    Return the values of a loop as texts: JSON text for lists and maps, duplicates removed (the first is kept).

    Raises:
        InvalidError: the property is no list and no JSON text of one, or an element is null.

    Source: flow language, 6.6.
    """
    value = turn.render(run, written, typed=True) if isinstance(written, str) else turn.render(run, written)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise InvalidError(
                f'The values of task "{run.task_id}" must be a list or the JSON text of one; got "{value[:200]}".'
            ) from error
    if not isinstance(value, list | tuple):
        raise InvalidError(f'The values of task "{run.task_id}" must be a list; got {type(value).__name__}.')
    nulls = sum(1 for item in value if item is None)
    if nulls:
        raise InvalidError(
            f'Found {nulls} null value(s) in the values of task "{run.task_id}": an iteration needs a value. Remove them.'
        )
    return list(dict.fromkeys(as_value_text(item) for item in value))


def as_value_text(item: Any) -> str:
    """Return one iteration value as text."""
    if isinstance(item, str):
        return item
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, Mapping):
        item = dict(item)
    if isinstance(item, dict | list | tuple):
        return json.dumps(item, ensure_ascii=False, separators=(",", ":"), default=str)
    return str(item)
