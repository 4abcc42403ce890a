"""Light tasks: run inside the engine's own turn, so that their effects commit together with their state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.engine.attempts import end_attempt, note_on_attempt, open_attempt
from flows.engine.board import Run
from flows.engine.context import TaskContext, apply_updates
from flows.engine.results import Outcome, run_plugin
from flows.engine.stand_ins import find_stand_in
from flows.engine.task_cache import keep_result
from flows.primitives.states import State

if TYPE_CHECKING:
    from flows.engine.turn import Turn


def run_light(turn: Turn, run: Run) -> None:
    """Run a light task to its end. Whatever it does to our own database commits, or not, with its state."""
    board = turn.board
    if run.node is None:
        return
    open_attempt(run, owner="", at=board.at)
    board.move(run, State.RUNNING)
    context = TaskContext(
        board, run, variables=turn.variables, environment=turn.environment, recorder=turn.recorder, services=turn.services
    )
    try:
        outcome = run_plugin(run.node.task, context)
    finally:
        context.close()
    settle_outcome(turn, run, outcome, context.updates if outcome.state in (State.SUCCESS, State.WARNING) else ())


def settle_stand_in(turn: Turn, run: Run) -> bool:
    """End a run as the result says that stands in for its task, whatever kind of task it is; False when there is none."""
    stand_in = find_stand_in(run.task_id)
    if stand_in is None:
        return False
    open_attempt(run, owner="", at=turn.board.at)
    turn.board.move(run, State.RUNNING)
    end_attempt(turn, run, stand_in.state, outputs=dict(stand_in.outputs), permanent=True)
    return True


def settle_outcome(turn: Turn, run: Run, outcome: Outcome, updates: Any = ()) -> None:
    """Apply what a task did to its execution, then record the end of the attempt."""
    note_on_attempt(run, outcome)
    keep_result(turn, run, outcome)
    exit_state = apply_updates(turn.board, updates)
    if exit_state is not None:
        turn.exit_with(run, State("CANCELLED" if exit_state == "CANCELED" else exit_state))
        return
    end_attempt(turn, run, outcome.state, outputs=outcome.outputs, reason=outcome.reason, permanent=outcome.permanent)
