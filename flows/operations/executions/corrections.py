"""What people change in an execution as it stands: kill, states, labels, delete; and an expression against it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from flows.engine import dispatch, transitions
from flows.engine.board import Board, Run
from flows.engine.boards import load_board, render_in
from flows.engine.concurrency import release_slot
from flows.engine.endings import stop_after
from flows.engine.reruns import prepare_restart
from flows.engine.starting import refuse_system_labels
from flows.engine.task_inputs import RenderedProperty, render_task_inputs
from flows.engine.turn import Turn
from flows.engine.visits import tell_caller
from flows.models import Execution, LogEntry, Metric
from flows.operations.acts import Act, check_right
from flows.operations.executions.reach import act_on_execution, no_such_execution, reload_execution, turn_execution
from flows.operations.services import SERVICES
from flows.primitives.callers import acting_for_platform
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.primitives.rights import Action, Resource
from flows.primitives.states import TERMINAL, State
from flows.storage import get_storage
from flows.storage.uri import execution_folder


def kill_execution(execution_id: str, *, cascade: bool = True, at: datetime, actor: str = "") -> Execution:
    """
    Kill an execution and, with `cascade`, everything that it started. After this returns no task of it starts any more.

    Of an execution that has ended, the tasks of `afterExecution` that still run or wait are killed; its state stays.
    Raises ConflictError when it ended already and there is nothing to cascade to.
    """

    def kill(turn: Turn) -> None:
        root = turn.board.root
        if root.is_terminal:
            if stop_after(turn):
                turn.add_log(None, "WARN", f"What runs after the end was killed by {actor or 'an unnamed caller'}.")
            elif not (cascade and list_callees(execution_id)):
                raise ConflictError(
                    f"Execution {execution_id} is {root.state}: execution already finished, nothing is left to kill."
                )
            return
        if root.state == State.KILLING:
            return
        turn.add_log(None, "WARN", f"Killed by {actor or 'an unnamed caller'}.")
        turn.stop(State.KILLED)

    with act_on_execution("execution.kill", execution_id) as (_, doing):
        doing.after = {"cascade": len(list_callees(execution_id)) if cascade else 0}
        turn_execution(execution_id, kill, doing=doing, at=at)
        # Only now is it certain that no visit starts another one.
        callees = list_callees(execution_id) if cascade else []
        # What an execution started ends with it, also where the caller could not start it.
        with acting_for_platform():
            for callee in callees:
                with contextlib.suppress(ConflictError):
                    kill_execution(callee, cascade=True, at=at, actor=actor)
    return reload_execution(execution_id)


def list_callees(execution_id: str) -> list[str]:
    """Return the ids of executions below an execution that are not ended, also below those that are; callers come first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE below AS (SELECT id, state, 1 AS level FROM flows_execution WHERE caller_execution_id = %s"
            " UNION ALL SELECT e.id, e.state, b.level + 1 FROM flows_execution e JOIN below b ON e.caller_execution_id = b.id)"
            " SELECT id FROM below WHERE state <> ALL(%s) ORDER BY level, id",
            [execution_id, [state.value for state in TERMINAL]],
        )
        return [row[0] for row in cursor.fetchall()]


def change_execution_status(execution_id: str, *, status: str, at: datetime, actor: str = "") -> Execution:
    """Give an ended execution another end state; no task run is touched. Raises ConflictError while it runs."""
    wanted = _terminal_state(status)

    def change(turn: Turn) -> None:
        root = turn.board.root
        if not root.is_terminal:
            raise ConflictError(f"Execution {execution_id} is {root.state}; only an ended execution can get another status.")
        turn.board.move_root(wanted)
        root.ended_at = turn.board.at

    with act_on_execution("execution.change-status", execution_id) as (_, doing):
        doing.after = {"state": wanted}
        turn_execution(execution_id, change, doing=doing, at=at)
    return reload_execution(execution_id)


def change_task_run_state(execution_id: str, *, task_run_id: str, state: str, at: datetime, actor: str = "") -> Execution:
    """
    Give an ended task run another end state and let the execution go on from there. Raises ConflictError while it runs.

    Source: flow language, 10.6.
    """
    wanted = _terminal_state(state)

    def change(turn: Turn) -> None:
        prepare_restart(turn, changed=(task_run_id, wanted), actor=actor)

    with act_on_execution("execution.change-task-state", execution_id) as (_, doing):
        doing.after = {"taskRun": task_run_id, "state": wanted}
        turn_execution(execution_id, change, doing=doing, at=at)
        dispatch.send_execution(execution_id)
    return reload_execution(execution_id)


def set_execution_labels(execution_id: str, *, labels: Sequence[tuple[str, str]], at: datetime, actor: str = "") -> Execution:
    """Set labels of an execution; those with other keys stay. Raises InvalidError for system labels and empty values."""
    refuse_system_labels(labels)
    empty = [key for key, value in labels if not key or not value]
    if empty:
        raise InvalidError("A label needs a key and a value; got an empty one.")

    def change(turn: Turn) -> None:
        root = turn.board.root
        given = dict(labels)
        kept = [label for label in root.labels if label["key"] not in given]
        root.labels = kept + [{"key": key, "value": value} for key, value in given.items()]
        root.is_changed = True

    with act_on_execution("execution.set-labels", execution_id) as (row, doing):
        doing.before, doing.after = {"labels": row.labels}, {"labels": [{"key": key, "value": value} for key, value in labels]}
        turn_execution(execution_id, change, doing=doing, at=at)
    return reload_execution(execution_id)


def delete_execution(
    execution_id: str,
    *,
    logs: bool = True,
    metrics: bool = True,
    files: bool = True,
    force: bool = False,
    at: datetime,
    actor: str = "",
) -> None:
    """Delete an ended execution and, as asked, its logs, metrics and files. Raises ConflictError while it runs."""
    with act_on_execution("execution.delete", execution_id, Action.DELETE) as (_, doing):
        _delete(execution_id, doing, logs=logs, metrics=metrics, files=files, force=force)


def _delete(execution_id: str, doing: Act, *, logs: bool, metrics: bool, files: bool, force: bool) -> None:
    with transaction.atomic():
        root = transitions.read_root(execution_id, lock=True)
        if root is None:
            raise no_such_execution(execution_id)
        if not root.is_terminal and not force:
            raise ConflictError(f"Execution {execution_id} is {root.state}. Kill it before you delete it.")
    if root.caller_waits and root.caller_execution_id and root.state != State.RETRIED:
        # Nobody could tell the caller any more; a child that is deleted while it runs counts as killed.
        root.state = root.state if root.is_terminal else State.KILLED
        tell_caller(root, SERVICES)
    with transaction.atomic():
        root = transitions.read_root(execution_id, lock=True)
        if root is None:
            return
        if root.slot_held:
            release_slot(root)
        Execution.objects.filter(id=execution_id).delete()
        if logs:
            LogEntry.objects.filter(execution_id=execution_id).delete()
        if metrics:
            Metric.objects.filter(execution_id=execution_id).delete()
        doing.write_now()
    if files:
        get_storage().delete_prefix(str(execution_folder(root.namespace, root.flow_id, execution_id)))


def eval_expression(execution_id: str, expression: str, *, task_run_id: str | None = None) -> str:
    """
    Return what an expression renders to in an execution, or as one of its task runs sees it; secrets are masked.

    An expression may read secrets of the namespace, so this needs the right to change executions, not only to read them.
    Raises ExpressionError, NotFoundError, ForbiddenError.
    """
    board, run = _load_for_rendering(execution_id, task_run_id)
    return str(render_in(board, run, expression, masked=True))


def render_inputs(execution_id: str, task_run_id: str) -> list[RenderedProperty]:
    """
    Return the properties of a task as one of its runs sees them, rendered now and with secrets masked.

    The engine keeps what a task gave, not what it was given. Needs the same right as `eval_expression`.
    Raises NotFoundError, ForbiddenError.
    """
    board, run = _load_for_rendering(execution_id, task_run_id)
    return render_task_inputs(board, run) if run is not None else []


def _load_for_rendering(execution_id: str, task_run_id: str | None) -> tuple[Board, Run | None]:
    root = transitions.read_root(execution_id, lock=False)
    if root is None:
        raise no_such_execution(execution_id)
    missing = no_such_execution(execution_id)
    what = "execution.evaluate"
    check_right(Action.UPDATE, Resource.EXECUTION, root.namespace, what=what, object_id=execution_id, missing=missing)
    board = load_board(root, at=timezone.now())
    run = transitions.read_chain(board, task_run_id) if task_run_id else None
    if task_run_id and run is None:
        raise NotFoundError(f'Execution {execution_id} has no task run "{task_run_id}".', code="task-run-not-found")
    return board, run


def _terminal_state(text: str) -> State:
    try:
        state = State("CANCELLED" if text == "CANCELED" else text)
    except ValueError:
        state = State.RUNNING
    if state not in TERMINAL:
        choices = ", ".join(sorted(TERMINAL))
        raise InvalidError(f'"{text}" is no end state. Choose one of {choices}.')
    return state
