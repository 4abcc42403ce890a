"""How an execution or a part of it ends before its tasks are through: kill, SLA, Exit, interruption, a new execution."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from flows.engine import transitions
from flows.engine.attempts import close_attempt
from flows.engine.board import CALLEES, Board, Run
from flows.engine.children import stop_children
from flows.engine.concurrency import release_slot
from flows.engine.retries import next_attempt_at
from flows.engine.root_scope import RootScope
from flows.engine.rows import copy_for_retry
from flows.language.flow import Retry
from flows.primitives.states import State, worst_of

if TYPE_CHECKING:
    from flows.engine.turn import Turn

_WORKER_ARRANGEMENTS = frozenset({"working-directory", "split-items", "merge-items"})
# Flowables that wait for something other than task runs below them.
_SELF_WAITING = CALLEES | {"sleep"}


def needs_worker(run: Run) -> bool:
    """Tell whether a worker runs the task: it is neither light nor arranges children by itself."""
    node = run.node
    if node is None or run.is_past_directory:
        return False
    return not node.is_light if node.arrangement is None else node.arrangement in _WORKER_ARRANGEMENTS


def interrupt_run(turn: Turn, run: Run, state: State) -> None:
    """Force a live run, everything below it and the executions that these started into `state`: a failed sibling asked for it."""
    board = turn.board
    below = [run]
    if run.node is not None and run.node.branches:
        transitions.read_all(board)
        below += board.descendants(run)
    for each in reversed(below):
        if not each.is_terminal and not _ask_worker(board, each, state):
            _stop_callees(turn, each)
            close_attempt(each, state, at=board.at)
            board.move(each, state)
            turn.mark_dirty(each.scope)


def stop_execution(turn: Turn, state: State) -> None:
    """Stop everything that is alive and end the execution in `state`: a kill, or the breach of an SLA."""
    board = turn.board
    transitions.read_all(board)
    board.root.progress["killedInto"] = state.value
    if board.root.state != State.KILLING and (state == State.KILLED or board.count_activity("live")):
        board.move_root(State.KILLING)
    for run in reversed(list(board.runs.values())):
        if run.is_terminal or board.is_after(run) or _ask_worker(board, run, state):
            continue
        if run.state == State.RUNNING and run.activity is None:
            board.move(run, State.KILLING)
            continue
        if run.node is not None and run.node.arrangement == "loop":
            # Iterations are a part of this execution; other executions that it started have a kill of their own.
            _stop_callees(turn, run)
        close_attempt(run, state, at=board.at)
        board.move(run, state)
    turn.ready.clear()
    turn.dirty.clear()
    if not board.count_activity("live"):
        RootScope.finish_kill(turn)


def stop_after(turn: Turn) -> bool:
    """Kill what runs or waits after the end of an execution, whose state stays; false when there is nothing of that kind."""
    board = turn.board
    if not board.graph.list_branch("afterExecution"):
        return False
    transitions.read_all(board)
    alive = [run for run in board.runs.values() if run.parent_id is None and not run.is_terminal and board.is_after(run)]
    for run in alive:
        interrupt_run(turn, run, State.KILLED)
    return bool(alive)


def exit_execution(turn: Turn, run: Run, state: State) -> None:
    """
    End `run`, all its ancestors and the execution in `state`; no later task is created. Siblings that run are left to
    finish, but for KILLED, which stops them; what has not begun, or waits, is cancelled. Source: core tasks, Exit.
    """
    board = turn.board
    if not run.is_terminal:
        if run.state == State.CREATED:
            board.move(run, State.RUNNING)
        close_attempt(run, state, at=board.at)
        board.move(run, state)
    for ancestor in board.ancestors(run):
        if not ancestor.is_terminal:
            board.move(ancestor, state)
    board.root.progress["exit"] = state.value
    board.root.is_changed = True
    # What comes after the end cannot end the execution once more.
    if state == State.KILLED and not board.root.is_terminal:
        turn.stop(state)
    else:
        end_leftovers(turn)
    turn.mark_dirty((None, None))


def is_cut_short(board: Board, run: Run) -> bool:
    """Tell whether nothing new may begin for a run: its execution is over, or about to be by an Exit."""
    return (board.root.is_terminal or "exit" in board.root.progress) and not _is_of_root_tail(run)


def end_leftovers(turn: Turn) -> None:
    """
    End what an execution that is over left behind: what did not begin or waits is cancelled, flowables without a live child
    end as their children did. What a worker or another execution is at goes on and comes back here with its end.
    """
    board = turn.board
    transitions.read_all(board)
    busy = set()
    # Children stand behind their parents, so that everything below a run has been looked at before it.
    for run in reversed(list(board.runs.values())):
        if run.is_terminal or _is_of_root_tail(run):
            continue
        if _is_at_work(run):
            busy.add(run.parent_id)
        elif run.state != State.RUNNING:
            _stop_callees(turn, run)
            close_attempt(run, State.CANCELLED, at=board.at)
            board.move(run, State.CANCELLED)
        elif run.id in busy:
            busy.add(run.parent_id)
        else:
            ended = {other.state for other in board.runs.values() if other.parent_id == run.id}
            board.move(run, worst_of(ended))
    turn.ready = type(turn.ready)(run for run in turn.ready if not run.is_terminal)


def retry_in_new_execution(turn: Turn, run: Run, policy: Retry) -> bool:
    """
    End this execution as RETRIED and create its successor, or return False when no attempt is left.

    Source: flow language, 9.4.
    """
    board = turn.board
    root = board.root
    due = next_attempt_at(
        policy,
        attempts=root.attempt_number,
        first_started_at=root.original_created_at,
        ended_at=board.at,
        chance=random.random(),  # noqa: S311  # spreads retries, guards nothing
    )
    if due is None or root.is_terminal:
        return False
    if run.state == State.CREATED:
        board.move(run, State.RUNNING)
    for each in (run, *board.ancestors(run)):
        close_attempt(each, State.FAILED, at=board.at)
        board.move(each, State.RETRIED)
    turn.started.append(copy_for_retry(root, due=due, at=board.at))
    board.move_root(State.RETRIED)
    if root.slot_held:
        release_slot(root)
    root.announce_at = board.at
    end_leftovers(turn)
    return True


def abandon_execution(turn: Turn, state: State) -> None:
    """End every run and the execution in `state`, whatever they are: the engine itself cannot go on with it."""
    board = turn.board
    for run in reversed(list(board.runs.values())):
        if not run.is_terminal:
            close_attempt(run, state, at=board.at)
            board.move(run, state)
    RootScope.end(turn, state)


def end_directory_children(turn: Turn, run: Run, state: State) -> None:
    """End the children of a WorkingDirectory that its worker left behind: it was killed, timed out or died in the middle."""
    board = turn.board
    transitions.read_scope(board, run.id, None)
    for child in board.list_children((run.id, None)).values():
        if not child.is_terminal and child.node is not None and child.node.branch == "tasks":
            close_attempt(child, state, at=board.at)
            board.move(child, state)


def _ask_worker(board: Board, run: Run, state: State) -> bool:
    """Note for the worker of a run that it must stop: it reads that with its next heartbeat. False when no worker has it."""
    if run.state != State.RUNNING or not needs_worker(run):
        return False
    run.progress = {**(run.progress or {}), "interrupt": state.value}
    board.touch(run)
    return True


def _stop_callees(turn: Turn, run: Run) -> None:
    if run.state in (State.RUNNING, State.PAUSED) and run.is_callee:
        stop_children(turn, run)


def _is_at_work(run: Run) -> bool:
    if run.state != State.RUNNING or run.node is None:
        return False
    return needs_worker(run) or run.node.arrangement in _SELF_WAITING


def _is_of_root_tail(run: Run) -> bool:
    """True in the outermost `finally`, which runs after an Exit as well, and in `afterExecution`."""
    node = run.node
    while node is not None and node.parent is not None:
        node = node.parent
    return node is not None and node.branch in ("finally", "afterExecution")
