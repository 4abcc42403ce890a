"""What holds an execution and lets it go on: pause, resume, review, force run, unqueue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from flows.engine import dispatch, transitions
from flows.engine.arrangements import ARRANGEMENTS
from flows.engine.arrangements.base import Arrangement
from flows.engine.arrangements.waits import Approval, Pause
from flows.engine.board import Run
from flows.engine.catalog import get_flow
from flows.engine.children import find_paused_child
from flows.engine.concurrency import force_slot
from flows.engine.root_scope import RootScope
from flows.engine.starting import resolve_for
from flows.engine.turn import Turn
from flows.engine.visits import begin
from flows.models import Execution
from flows.operations.executions.reach import act_on_execution, reload_execution, turn_execution
from flows.operations.executions.starts import refuse_problems
from flows.primitives.errors import ConflictError, InvalidError
from flows.primitives.states import TERMINAL, State


def pause_execution(execution_id: str, *, at: datetime, actor: str = "") -> Execution:
    """Pause a running execution: its running tasks finish, nothing new starts. Raises ConflictError unless it runs."""

    def pause(turn: Turn) -> None:
        root = turn.board.root
        if root.state != State.RUNNING:
            raise ConflictError(f"Execution {execution_id} is {root.state}; only a running execution can be paused.")
        turn.board.move_root(State.PAUSED)
        root.pause_asked = True
        turn.add_log(None, "INFO", f"Paused by {actor or 'an unnamed caller'}.")

    with act_on_execution("execution.pause", execution_id) as (_, doing):
        turn_execution(execution_id, pause, doing=doing, at=at)
    return reload_execution(execution_id)


def resume_execution(
    execution_id: str,
    *,
    inputs: Mapping[str, Any] | None = None,
    task_run_id: str | None = None,
    breakpoints: Sequence[Mapping[str, Any]] | None = None,
    at: datetime,
    actor: str = "",
) -> Execution:
    """
    Resume a paused execution: release its first paused task run, or let it go on after a pause by hand.

    A task run that is paused because the executions that it waits for are passes the resume on to the first of those. Of an
    execution that has ended, a task of `afterExecution` that waits is released; the state of the execution stays.
    `inputs` are those that `onResume` declares; `breakpoints` replace those that are still ahead, None keeps them.
    Raises ConflictError unless it is paused, InvalidError for bad inputs; it stays paused then.
    """

    def resume(turn: Turn) -> str | None:
        board = turn.board
        root = board.root
        transitions.read_all(board)
        paused = [run for run in board.runs.values() if run.state == State.PAUSED and task_run_id in (None, run.id)]
        waiting = [run for run in board.runs.values() if run.state == State.BREAKPOINT]
        if root.state not in (State.PAUSED, State.BREAKPOINT) and not (paused or waiting):
            raise ConflictError(f"Execution {execution_id} is {root.state}; only a paused execution can be resumed.")
        if root.pause_asked or waiting:
            root.pause_asked = False
            _leave_pause(turn, is_last=True)
            _pass_breakpoints(turn, waiting, breakpoints)
            turn.mark_all_dirty()
            return None
        if not paused:
            raise ConflictError(f"Execution {execution_id} has no paused task run to resume.")
        # A pause beside an approval can be resumed while the approval waits for its review.
        run = next((one for one in paused if not isinstance(_arrangement_of(one), Approval)), paused[0])
        if run.is_callee and (child_id := find_paused_child(execution_id, run.id)):
            return child_id
        arrangement = _arrangement_of(run)
        if isinstance(arrangement, Approval):
            raise ConflictError(f'Task "{run.task_id}" waits for an approval: send a review instead of a resume.')
        if not isinstance(arrangement, Pause):
            raise ConflictError(f'Task "{run.task_id}" cannot be resumed by hand.')
        values = _resolve_asked(turn, run, inputs or {})
        _leave_pause(turn, is_last=len(paused) == 1 or bool(board.count_activity("live")))
        arrangement.release(turn, run, State.SUCCESS, by=actor, inputs=values)
        if root.state == State.RESTARTED:
            board.move_root(State.RUNNING)
        return None

    with act_on_execution("execution.resume", execution_id) as (_, doing):
        child_id = turn_execution(execution_id, resume, doing=doing, at=at)
        if child_id is not None:
            # The pause belongs to another flow, perhaps of another namespace: its right counts there.
            resume_execution(child_id, inputs=inputs, at=at, actor=actor)
    return reload_execution(execution_id)


def review_execution(
    execution_id: str,
    *,
    decision: str,
    comment: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    task_run_id: str | None = None,
    at: datetime,
    actor: str = "",
) -> Execution:
    """
    Decide a waiting approval: `APPROVED` or `DENIED` (or `approve`, `deny`).

    Without one of its own, an execution passes the decision on to the first that it waits for and that is paused.
    `task_run_id` names the task run or the task that is meant, here the one that waits for the other execution. A denial needs
    no inputs: those that are missing or cannot be used are left out of it.
    Raises ConflictError when no approval waits, InvalidError for bad inputs of an approval or a missing comment.
    """
    wanted = {"APPROVE": "APPROVED", "APPROVED": "APPROVED", "DENY": "DENIED", "DENIED": "DENIED"}.get(decision.upper())
    if wanted is None:
        raise InvalidError(f'A decision must be APPROVED or DENIED; got "{decision}".')

    def review(turn: Turn) -> str | None:
        board = turn.board
        transitions.read_all(board)
        found = [run for run in board.runs.values() if task_run_id in (None, run.id, run.task_id)]
        paused = [run for run in found if run.state == State.PAUSED]
        for run in paused:
            arrangement = _arrangement_of(run)
            if isinstance(arrangement, Approval):
                values = _resolve_asked(turn, run, inputs or {}, refuses=wanted == "APPROVED")
                _leave_pause(turn, is_last=True)
                arrangement.review(turn, run, decision=wanted, by=actor, comment=comment, inputs=values)
                return None
        for run in paused:
            if run.is_callee and (child_id := find_paused_child(execution_id, run.id)):
                return child_id
        raise ConflictError(f"Execution {execution_id} has no approval that waits for a decision.")

    with act_on_execution("execution.review", execution_id) as (_, doing):
        doing.after = {"decision": wanted}
        child_id = turn_execution(execution_id, review, doing=doing, at=at)
        if child_id is not None:
            # The question belongs to another flow, perhaps of another namespace: its right counts there.
            review_execution(child_id, decision=decision, comment=comment, inputs=inputs, at=at, actor=actor)
    return reload_execution(execution_id)


def force_run_execution(execution_id: str, *, at: datetime, actor: str = "") -> Execution:
    """Push an execution that waits: start it now, over its limit if need be, or resume it. Raises ConflictError if ended."""
    with act_on_execution("execution.force-run", execution_id) as (row, doing):
        if row.state in TERMINAL:
            raise ConflictError(f"Execution {execution_id} is {row.state}; an ended execution cannot be forced to run.")
        if row.state == State.QUEUED:
            return unqueue_execution(execution_id, at=at, actor=actor)
        if row.state in (State.PAUSED, State.BREAKPOINT):
            return resume_execution(execution_id, at=at, actor=actor)
        with transaction.atomic():
            Execution.objects.filter(id=execution_id, state=State.CREATED).update(schedule_at=None)
            doing.write_now()
        dispatch.send_execution(execution_id)
    return reload_execution(execution_id)


def unqueue_execution(execution_id: str, *, state: str = "RUNNING", at: datetime, actor: str = "") -> Execution:
    """Take an execution out of the queue: run it over the limit, or end it CANCELLED or FAILED. Raises ConflictError."""
    if state not in ("RUNNING", "CANCELLED", "FAILED"):
        raise InvalidError(f'An execution can leave the queue as RUNNING, CANCELLED or FAILED; got "{state}".')

    def unqueue(turn: Turn) -> None:
        root = turn.board.root
        if root.state != State.QUEUED:
            raise ConflictError(
                f"Execution {execution_id} is {root.state}; only a queued execution can be taken out of the queue."
            )
        if state == "RUNNING":
            force_slot(root)
            begin(turn)
        else:
            turn.board.move_root(State(state))
            RootScope.note_end(turn)

    with act_on_execution("execution.unqueue", execution_id) as (_, doing):
        doing.after = {"state": state}
        turn_execution(execution_id, unqueue, doing=doing, at=at)
    return reload_execution(execution_id)


def _leave_pause(turn: Turn, *, is_last: bool) -> None:
    """Let the execution go on after a pause; `is_last` is false while another pause holds it. Only one that is held moves."""
    if turn.board.root.state not in (State.PAUSED, State.BREAKPOINT):
        # It goes on beside the task run that waited, or has ended.
        return
    turn.board.move_root(State.RESTARTED)
    if is_last:
        turn.board.move_root(State.RUNNING)


def _arrangement_of(run: Run) -> Arrangement | None:
    return ARRANGEMENTS.get(run.node.arrangement or "") if run.node else None


def _pass_breakpoints(turn: Turn, waiting: Sequence[Run], ahead: Sequence[Mapping[str, Any]] | None) -> None:
    root = turn.board.root
    passed = {run.task_id for run in waiting}
    points = [{**point, "passed": True} if point.get("id") in passed else point for point in root.breakpoints]
    if ahead is not None:
        # One for a task that stands there now would hold it where it is.
        points = [point for point in points if point.get("passed")]
        points += [dict(point) for point in ahead if point.get("id") not in passed]
    root.breakpoints = points
    for run in waiting:
        turn.board.move(run, State.CREATED)


def _resolve_asked(turn: Turn, run: Run, supplied: Mapping[str, Any], *, refuses: bool = True) -> dict[str, Any]:
    """Return the values of the inputs that a task asks for; with `refuses` a fault in one of them raises InvalidError."""
    declared = run.node.task.inputs if run.node else ()
    if not declared:
        return {}
    root = turn.board.root
    loaded = get_flow(root.namespace, root.flow_id, root.flow_revision)
    extra = turn.variables.for_run(run)
    resolved = resolve_for(loaded, supplied, execution_id=root.id, at=turn.board.at, inputs=declared, extra=extra)
    if refuses:
        refuse_problems(resolved)
    return dict(resolved.values)
