"""What every arrangement offers to a turn, and the common way in which a flowable's lists are worked through."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flows.engine.board import Run
from flows.engine.decide import Lists, decide_scope
from flows.primitives.durations import parse_duration
from flows.primitives.errors import InvalidError
from flows.primitives.states import State

if TYPE_CHECKING:
    from flows.engine.turn import Turn


class Arrangement:
    """
    One way to arrange children. `open` is called once when the run went to RUNNING; `evaluate` whenever a child of the
    given iteration changed; `recover` when every row was read anew and nothing may be taken for granted.
    """

    turns_failure_into_warning = False

    def open(self, turn: Turn, run: Run) -> None:
        """Freeze what is decided once and start the first children."""
        turn.mark_dirty((run.id, None))

    def evaluate(self, turn: Turn, run: Run, iteration: int | None) -> None:
        """Create the children that may start now, or end the run."""
        lists = self.lists(turn, run)
        states = {child.task_id: child.state for child in turn.board.list_children((run.id, None)).values()}
        decision = decide_scope(lists, states)
        for node in decision.create:
            turn.create_run(node, run)
        if decision.interrupt is not None:
            for child in list(turn.board.list_children((run.id, None)).values()):
                if child.node is not None and child.node.branch == "tasks" and not child.is_terminal:
                    turn.interrupt(child, decision.interrupt)
        if decision.end is not None:
            self.end(turn, run, decision.end)

    def end(self, turn: Turn, run: Run, state: State) -> None:
        """End the run in the state that its children give it."""
        if self.turns_failure_into_warning and state == State.FAILED:
            state = State.WARNING
        turn.end_run(run, state)

    def recover(self, turn: Turn, run: Run) -> None:
        """Look at the children again."""
        turn.mark_dirty((run.id, None))

    def lists(self, turn: Turn, run: Run) -> Lists:
        """Return the child lists that apply to the run."""
        node = run.node
        assert node is not None
        return Lists(node.list_branch("tasks"), node.list_branch("errors"), node.list_branch("finally"))


def properties_of(run: Run) -> dict[str, Any]:
    """Return the flowable's own properties as written, possibly empty."""
    return dict(run.node.task.properties) if run.node else {}


def render_int(turn: Turn, run: Run, name: str, default: int) -> int:
    """Return a whole number from a property that may be a template. Raises InvalidError naming the property."""
    value = properties_of(run).get(name)
    if isinstance(value, str):
        value = turn.render(run, value)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        raise InvalidError(f'Property "{name}" of task "{run.task_id}" must be a whole number; got "{value}".') from None


def render_bool(turn: Turn, run: Run, name: str, default: bool) -> bool:
    """Return a truth value from a property that may be a template."""
    value = properties_of(run).get(name)
    if isinstance(value, str):
        value = turn.render(run, value)
        return str(value).strip().lower() == "true"
    return default if value is None else bool(value)


def render_duration(turn: Turn, run: Run, value: Any, name: str) -> timedelta | None:
    """Return a duration from an ISO text, a number of seconds or a template; None stays None. Raises InvalidError."""
    if isinstance(value, str):
        value = turn.render(run, value)
    return as_duration(value, name=name, task_id=run.task_id)


def as_duration(value: Any, *, name: str, task_id: str) -> timedelta | None:
    """Return a duration from an ISO text, a number of seconds or a timedelta; None and an empty text are None."""
    if value is None or value == "":
        return None
    try:
        return timedelta(seconds=value) if isinstance(value, int | float) else parse_duration(value)
    except ValueError as error:
        raise InvalidError(f'Property "{name}" of task "{task_id}" must be a duration such as PT10S; got "{value}".') from error
