"""What a message leads to: the one turn on an execution, with retries of lost races, and what is told after the commit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from django.db import DatabaseError, connection, transaction

from flows.engine import dispatch, transitions
from flows.engine.arrangements import ARRANGEMENTS
from flows.engine.arrangements.callees import Callee
from flows.engine.board import Board, Root, Run
from flows.engine.boards import load_board
from flows.engine.catalog import find_current, get_flow
from flows.engine.children import stop_children
from flows.engine.concurrency import list_next_queued, take_slot
from flows.engine.endings import end_leftovers, is_cut_short
from flows.engine.graph import empty_graph
from flows.engine.quotas import take_start
from flows.engine.root_scope import RootScope
from flows.engine.services import Services
from flows.engine.templates import freeze_templates
from flows.engine.transitions import LostRaceError
from flows.engine.turn import Turn
from flows.primitives.errors import FlowsError
from flows.primitives.states import State

T = TypeVar("T")
log = logging.getLogger(__name__)

_MOST_TRIES = 8
# After this many engine errors in a row the execution is set aside as FAILED instead of being tried for ever.
_MOST_FAILURES = 5
_BACK_OFF_SECONDS = 2


def take_turn(
    execution_id: str,
    act: Callable[[Turn], T],
    services: Services,
    *,
    at: datetime | None = None,
    carried: frozenset[str] = frozenset(),
) -> T | None:
    """
    Take the one turn that an execution has at a time, let `act` change its board, drive it and write the result.

    `act` may be called again when somebody else changed a row meanwhile; it must not have effects outside the database.
    Returns what `act` returned, or None when the execution does not exist. After a lost race in the middle of a long visit
    the whole execution is looked at afresh.
    """
    recover = False
    result: T | None = None
    for tried in range(_MOST_TRIES):
        moment = at if at is not None and tried == 0 else datetime.now(UTC)
        atomic = transaction.atomic()
        atomic.__enter__()
        turn: Turn | None = None
        try:
            root = transitions.read_root(execution_id, lock=True)
            if root is None:
                atomic.__exit__(None, None, None)
                return None
            turn = Turn(load_board(root, at=moment), services, atomic=atomic, carried=carried)
            if recover:
                turn.reopen()
            else:
                result = act(turn)
            turn.drive()
            if root.visit_until is not None:
                root.visit_until = None
                root.is_changed = True
            turn.write()
            turn.commit()
        except LostRaceError as race:
            _roll_back(turn, atomic, race)
            recover = recover or (turn is not None and turn.is_sliced)
            continue
        except BaseException as error:
            _roll_back(turn, atomic, error)
            raise
        _after_commit(turn)
        return result
    raise LostRaceError(f"Execution {execution_id} changed {_MOST_TRIES} times while it was looked at.")


def _roll_back(turn: Turn | None, atomic: transaction.Atomic, error: BaseException) -> None:
    if turn is not None:
        turn.roll_back(error)
    else:
        atomic.__exit__(type(error), error, error.__traceback__)


def visit_execution(execution_id: str, services: Services) -> None:
    """
    Look at an execution: begin it, take its due timers, or go on where a lost visit stopped. Safe to call at any time.

    An engine error is counted on the execution; after five in a row it ends FAILED with the reason, so that nothing is
    tried for ever.
    """
    try:
        take_turn(execution_id, _look, services)
    except LostRaceError:
        log.info("execution.busy", extra={"execution": execution_id})
    except Exception as error:
        log.exception("execution.visit-failed", extra={"execution": execution_id})
        set_aside(execution_id, error, services)


def _look(turn: Turn) -> None:
    root, board = turn.board.root, turn.board
    is_lost = root.visit_until is not None and root.visit_until < board.at
    if root.failures and root.visit_until is None:
        # Not after the visit that an engine error itself asked for: that would begin the count anew each time.
        root.failures = 0
        root.is_changed = True
    if root.state == State.QUEUED and root.wake_at is not None and root.wake_at <= board.at:
        # The wait for a slot counts for an SLA, too.
        check_deadlines(turn)
    if root.state in (State.CREATED, State.RESTARTED, State.QUEUED):
        if root.schedule_at is not None and root.schedule_at > board.at and root.state == State.CREATED:
            return
        begin(turn)
        return
    if is_lost:
        turn.reopen()
    for run_id in list_due_runs(root.id, board.at):
        run = board.runs.get(run_id) or transitions.read_chain(board, run_id)
        if run is not None:
            wake_run(turn, run)
    if root.wake_at is not None and root.wake_at <= board.at and not root.is_terminal:
        check_deadlines(turn)


def begin(turn: Turn) -> None:
    """Begin an execution that waits: take a slot or obey the concurrency behaviour, then open the first tasks."""
    board = turn.board
    root = board.root
    is_restart = root.state == State.RESTARTED or bool(root.progress.get("restarted"))
    if root.kind == "NORMAL" and not take_slot(root):
        _refuse_slot(turn)
        return
    if root.kind == "NORMAL" and not take_start(turn):
        return
    board.move_root(State.RUNNING)
    freeze_templates(turn)
    if root.wake_at is not None and root.wake_at <= board.at:
        check_deadlines(turn)
        if root.is_terminal or root.state == State.KILLING:
            return
    RootScope.check_assertions(turn)
    if root.is_terminal or root.state == State.KILLING:
        return
    if is_restart:
        root.progress.pop("restarted", None)
        turn.reopen()
    else:
        turn.mark_dirty((None, None))


def _refuse_slot(turn: Turn) -> None:
    board = turn.board
    root = board.root
    current = find_current(root.namespace, root.flow_id)
    published = current.revision if current else 0
    flow = get_flow(root.namespace, root.flow_id, published).flow if published else board.graph.flow
    behavior = flow.concurrency.behavior if flow.concurrency else "QUEUE"
    if root.state == State.QUEUED:
        return
    if behavior == "QUEUE" or root.state == State.RESTARTED:
        if root.state == State.RESTARTED:
            root.progress["restarted"] = True
        board.move_root(State.QUEUED)
        return
    limit = flow.concurrency.limit if flow.concurrency else 0
    if behavior == "FAIL":
        turn.add_log(
            None, "ERROR", f"The flow already runs {limit} execution(s), its concurrency limit, and its behaviour is FAIL."
        )
    board.move_root(State.FAILED if behavior == "FAIL" else State.CANCELLED)
    RootScope.note_end(turn)


def check_deadlines(turn: Turn) -> None:
    """Break the duration limits that have passed and set the timer to the next one."""
    root = turn.board.root
    coming: list[datetime] = []
    for number, level in enumerate(turn.board.graph.flow.slas):
        if level.type != "MAX_DURATION" or level.duration is None:
            continue
        deadline = root.created_at + level.duration
        if deadline > turn.board.at:
            coming.append(deadline)
            continue
        reason = f'The SLA "{level.id}" is broken: the execution takes longer than {level.duration}.'
        RootScope.break_level(turn, f"{number}:{level.id}", level.behavior, level.labels, reason)
        if root.is_terminal or root.state == State.KILLING:
            break
    if not root.is_terminal:
        root.wake_at = min(coming, default=None)
        root.is_changed = True


def list_due_runs(execution_id: str, at: datetime) -> list[str]:
    """Return the ids of the task runs whose timer is due, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM flows_taskrun WHERE execution_id = %s AND wake_at <= %s ORDER BY wake_at, seq", [execution_id, at]
        )
        return [run_id for (run_id,) in cursor.fetchall()]


def wake_run(turn: Turn, run: Run) -> None:
    """Do what a task run waited for: the next attempt, the end of a pause, the next iteration."""
    board = turn.board
    if run.wake_at is None or run.wake_at > board.at or board.root.state == State.KILLING:
        return
    if is_cut_short(board, run) and run.state != State.RUNNING:
        end_leftovers(turn)
        return
    if run.state == State.RETRYING:
        board.set_wake(run, None)
        board.move(run, State.CREATED)
        turn.take_in(run)
        return
    arrangement = ARRANGEMENTS.get(run.node.arrangement or "") if run.node else None
    wake = getattr(arrangement, "wake", None)
    if wake is None:
        board.set_wake(run, None)
        return
    if run.node is not None and run.node.branches:
        transitions.read_all(board)
    if board.root.state == State.PAUSED and not board.root.pause_asked:
        board.move_root(State.RUNNING)
    try:
        wake(turn, run)
    except FlowsError as error:
        turn.end_run(run, State.FAILED, reason=error.message)


def visit_scope(execution_id: str, scope: str) -> list[tuple[str, str, list[str]]]:
    """Return (scope, task id, queues) of the runs that wait for a worker in a scope: the body of a chord goes on with them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT task_id, ARRAY(SELECT jsonb_array_elements_text(progress->'queues')) FROM flows_taskrun"
            " WHERE execution_id = %s AND scope = %s AND state IN ('CREATED', 'RESTARTED') ORDER BY seq",
            [execution_id, scope],
        )
        return [(scope, task_id, queues) for task_id, queues in cursor.fetchall()]


def tell_caller(child: Root, services: Services) -> None:
    """
    Give the end of an execution to the task run that waits for it, or let that look whether all it waits for is paused.

    An end counts exactly once: the flag goes with the caller's turn. A pause is no count: each look reads the children anew.
    """

    def take_over(turn: Turn) -> None:
        if child.is_terminal:
            with connection.cursor() as cursor:
                cursor.execute("UPDATE flows_execution SET caller_waits = false WHERE id = %s AND caller_waits", [child.id])
                if cursor.rowcount != 1:
                    return
        run = transitions.read_chain(turn.board, child.caller_task_run_id or "")
        if run is None or run.node is None or run.state not in (State.RUNNING, State.PAUSED):
            return
        arrangement = ARRANGEMENTS.get(run.node.arrangement or "")
        if isinstance(arrangement, Callee):
            try:
                if child.is_terminal:
                    arrangement.go_on(turn, run)
                    arrangement.take_end(turn, run, child)
                arrangement.follow_pauses(turn, run, is_news=not child.is_terminal)
            except FlowsError as error:
                turn.end_run(run, State.FAILED, reason=error.message)

    caller_id = child.caller_execution_id or ""
    try:
        take_turn(caller_id, take_over, services)
    except (LostRaceError, DatabaseError):
        raise
    except Exception as error:
        set_aside(caller_id, error, services)
        raise


def announce_changes(execution_id: str, services: Services) -> None:
    """
    Tell everybody who listens that an execution ended, paused or goes on: its caller, waiting executions of its flow, triggers.

    Idempotent; called after the commit, and by the sweep for rows that were left untold.
    """
    root = transitions.read_root(execution_id, lock=False)
    if root is None or root.announce_at is None:
        return
    if root.state != State.RETRIED and root.caller_waits and root.caller_execution_id:
        tell_caller(root, services)
    if root.is_terminal:
        for waiting_id in list_next_queued(root.namespace, root.flow_id):
            dispatch.send_execution(waiting_id)
    if root.is_terminal or root.state == State.PAUSED or root.has_listeners:
        services.announce(execution_id, datetime.now(UTC))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE flows_execution SET announce_at = NULL, progress = progress - 'news' WHERE id = %s AND announce_at = %s",
            [execution_id, root.announce_at],
        )


def _after_commit(turn: Turn) -> None:
    root = turn.board.root
    if root.announce_at is not None:
        try:
            announce_changes(root.id, turn.services)
        except Exception:
            # The row keeps `announce_at`, so the sweep tells it again.
            log.exception("execution.announce-failed", extra={"execution": root.id})


def set_aside(execution_id: str, error: Exception, services: Services) -> None:
    """Count an engine error on an execution; after the fifth in a row it ends FAILED with the reason."""
    reason = error.message if isinstance(error, FlowsError) else f"{type(error).__name__}: {error}"
    is_final = isinstance(error, FlowsError)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE flows_execution SET failures = failures + 1, dispatched_at = NULL, visit_until = clock_timestamp() + %s"
            " WHERE id = %s AND ended_at IS NULL RETURNING failures",
            [f"{_BACK_OFF_SECONDS} seconds", execution_id],
        )
        row = cursor.fetchone()
    if row is None or (row[0] < _MOST_FAILURES and not is_final):
        return
    with transaction.atomic():
        root = transitions.read_root(execution_id, lock=True)
        if root is None or root.is_terminal:
            return
        board = Board(root, empty_graph(root.namespace, root.flow_id), at=datetime.now(UTC))
        transitions.read_all(board)
        turn = Turn(board, services, atomic=None)
        root.error = f"The engine could not go on: {reason}"
        root.visit_until = None
        turn.add_log(None, "ERROR", root.error)
        for run in list(board.runs.values()):
            if not run.is_terminal:
                stop_children(turn, run)
        turn.abandon(State.FAILED)
        turn.write()
    dispatch.send(board, (), started=turn.started)
    announce_changes(execution_id, services)
