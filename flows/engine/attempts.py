"""The attempts of a task run as the board keeps them: opened, closed, and what follows from a failure."""

from __future__ import annotations

import random
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flows.engine.board import Board, Run
from flows.engine.retries import next_attempt_at
from flows.language.flow import Retry
from flows.primitives.states import State

if TYPE_CHECKING:
    from flows.engine.results import Outcome
    from flows.engine.turn import Turn


def open_attempt(run: Run, *, owner: str, at: datetime) -> None:
    """Add an attempt that runs from now on; `owner` names the worker, empty for the engine itself."""
    attempt: dict[str, Any] = {"state": State.RUNNING.value, "startDate": at.isoformat()}
    if owner:
        attempt["workerId"] = owner
    run.attempts.append(attempt)
    run.is_changed = True


def skip_run(board: Board, run: Run) -> None:
    """End a run whose `when` is false: SKIPPED, with one attempt that says so."""
    open_attempt(run, owner="", at=board.at)
    close_attempt(run, State.SKIPPED, at=board.at)
    board.move(run, State.SKIPPED)


def close_attempt(run: Run, state: State, *, at: datetime) -> None:
    """End the attempt that runs, if one does."""
    if run.attempts and not run.attempts[-1].get("endDate"):
        run.attempts[-1] = {**run.attempts[-1], "state": state.value, "endDate": at.isoformat()}
        run.is_changed = True


def note_on_attempt(run: Run, outcome: Outcome) -> None:
    """Note on the attempt that runs where its log lies, and whether its outputs are those of an earlier run."""
    noted: dict[str, Any] = {}
    if outcome.log_file:
        noted["logFile"] = outcome.log_file
    if outcome.cached:
        noted["cached"] = True
    if noted and run.attempts:
        run.attempts[-1] = {**run.attempts[-1], **noted}
        run.is_changed = True


def end_attempt(
    turn: Turn, run: Run, state: State, *, outputs: dict[str, Any] | None = None, reason: str = "", permanent: bool = False
) -> None:
    """
    Record how an attempt of a runnable task or Subflow ended: retry it, continue in a new execution, or end the task run.

    `permanent` means that another attempt cannot help. Source: flow language, 7.2 and 9.
    """
    board = turn.board
    if reason:
        turn.add_log(run, "ERROR", reason)
    close_attempt(run, state, at=board.at)
    policy = run.node.retry if run.node else None
    may_retry = state == State.FAILED and not permanent and board.root.state != State.KILLING
    if may_retry and policy is not None and _retry(turn, run, policy, outputs):
        return
    if state == State.SUCCESS and policy is not None and policy.warning_on_retry and len(run.attempts) > 1:
        state = State.WARNING
        close_last(run, state)
    turn.end_run(run, state, outputs=outputs)


def close_last(run: Run, state: State) -> None:
    """Give the last attempt another end state."""
    if run.attempts:
        run.attempts[-1] = {**run.attempts[-1], "state": state.value}


def _retry(turn: Turn, run: Run, policy: Retry, outputs: dict[str, Any] | None) -> bool:
    """Plan the next attempt and return True, or return False when none is left."""
    board = turn.board
    if policy.behavior == "CREATE_NEW_EXECUTION":
        return turn.retry_in_new_execution(run, policy)
    counted = [attempt for attempt in run.attempts if attempt["state"] != State.KILLED.value]
    first = datetime.fromisoformat(run.attempts[0]["startDate"])
    due = next_attempt_at(
        policy,
        attempts=max(1, len(counted) - int((run.progress or {}).get("attemptsBefore", 0))),
        first_started_at=first,
        ended_at=board.at,
        chance=random.random(),  # noqa: S311  # spreads retries, guards nothing
    )
    if due is None:
        return False
    if outputs is not None:
        run.outputs = outputs
    if run.state == State.CREATED:
        board.move(run, State.RUNNING)
    board.move(run, State.RETRYING)
    board.set_wake(run, due)
    return True
