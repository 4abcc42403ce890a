"""What people and programs do with executions: start, kill, pause, resume, restart, replay, change, delete. One function each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection, transaction
from django.utils import timezone

from flows.engine import dispatch, transitions
from flows.engine.arrangements import ARRANGEMENTS
from flows.engine.arrangements.waits import Approval, Pause
from flows.engine.board import Run
from flows.engine.boards import load_board, render_in
from flows.engine.catalog import get_flow, missing_flow
from flows.engine.children import find_paused_child
from flows.engine.concurrency import force_slot, release_slot
from flows.engine.reruns import copy_for_replay, prepare_restart
from flows.engine.root_scope import RootScope
from flows.engine.rows import as_model, insert_execution
from flows.engine.starting import StartRequest, prepare_execution, refuse_system_labels, resolve_for
from flows.engine.starting import list_failing_checks as failing_checks_of
from flows.engine.turn import Turn
from flows.engine.visits import begin, take_turn, tell_caller
from flows.language.flow import Check
from flows.language.inputs import ResolvedInputs
from flows.models import Execution, LogEntry, Metric
from flows.operations.acts import Act, act, check_right
from flows.operations.services import SERVICES
from flows.primitives.callers import acting_for_platform
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.primitives.problems import Problem
from flows.primitives.rights import Action, Resource
from flows.primitives.states import TERMINAL, State
from flows.queries.flows import load_startable_flow
from flows.queries.visibility import can_see, show_visible
from flows.storage import get_storage
from flows.storage.uri import execution_folder

T = TypeVar("T")


def get_execution(execution_id: str) -> Execution:
    """Return an execution that the caller may read. Raises NotFoundError."""
    row = show_visible(Execution.objects.filter(id=execution_id), Resource.EXECUTION).first()
    if row is None:
        raise _no_such_execution(execution_id)
    return row


def _no_such_execution(execution_id: str) -> NotFoundError:
    return NotFoundError(f'Execution not found: there is no execution "{execution_id}".', code="execution-not-found")


def _reload(execution_id: str) -> Execution:
    """Return what became of an execution; who may change it is told, also without the right to read others."""
    row = Execution.objects.filter(id=execution_id).first()
    if row is None:
        raise _no_such_execution(execution_id)
    return row


@contextmanager
def act_on_execution(what: str, execution_id: str, action: Action = Action.UPDATE) -> Iterator[tuple[Execution, Act]]:
    """
    Let the block do something with an execution. It keeps transactions of its own, because it takes turns with workers.

    Raises:
        NotFoundError: there is no such execution, or the caller may not even know of it.
        ForbiddenError: the caller may see it, but not do this.
    """
    row = _reload(execution_id)
    missing = _no_such_execution(execution_id)
    with act(what, action, Resource.EXECUTION, row.namespace, row.id, missing=missing, atomic=False) as doing:
        doing.before = {"flow": row.flow_id, "state": row.state}
        yield row, doing


def start_execution(
    *,
    namespace: str,
    flow_id: str,
    revision: int | None = None,
    inputs: Mapping[str, Any] | None = None,
    labels: Sequence[tuple[str, str]] = (),
    trigger: Mapping[str, Any] | None = None,
    schedule_at: datetime | None = None,
    at: datetime,
    actor: str = "",
    execution_id: str | None = None,
    kind: str = "NORMAL",
    breakpoints: Sequence[Mapping[str, Any]] = (),
) -> Execution:
    """
    Create an execution and ask a worker for it. It exists, whatever happens to broker and workers, when this returns.

    Args:
        inputs: dotted id to text, bool, number, list, map or upload; defaults fill the rest.
        labels: the caller's own pairs, laid over those of the flow.
        schedule_at: aware moment before which it does not begin.

    Raises:
        NotFoundError, ConflictError (disabled), InvalidError (inputs, labels, a blocking check).
    """
    request = StartRequest(
        namespace=namespace,
        flow_id=flow_id,
        revision=revision,
        at=at,
        inputs=inputs,
        labels=labels,
        trigger=trigger,
        schedule_at=schedule_at,
        execution_id=execution_id,
        kind=kind,
        breakpoints=breakpoints,
        actor=actor,
    )
    missing = None if can_see(Resource.FLOW, namespace) else missing_flow(namespace, flow_id, revision)
    with act("execution.start", Action.CREATE, Resource.EXECUTION, namespace, flow_id, missing=missing, atomic=False) as doing:
        new = prepare_execution(request)
        doing.object_id, doing.after = new.id, {"flow": flow_id, "revision": new.flow_revision}
        with transaction.atomic():
            insert_execution(new)
            doing.write_now()
            if new.state == State.CREATED:
                transaction.on_commit(lambda: dispatch.send_execution(new.id))
    return as_model(new)


def validate_inputs(
    *, namespace: str, flow_id: str, revision: int | None = None, inputs: Mapping[str, Any], at: datetime | None = None
) -> ResolvedInputs:
    """Resolve inputs as a start would, without starting: every problem of every input. Uploads are not stored."""
    loaded = load_startable_flow(namespace, flow_id, revision)
    return resolve_for(loaded, inputs, execution_id="preview", at=at or timezone.now())


def list_failing_checks(*, namespace: str, flow_id: str, values: Mapping[str, Any], at: datetime) -> list[Check]:
    """Return the checks of a flow that do not hold for resolved input values, so that a form can tell before it is sent."""
    return failing_checks_of(load_startable_flow(namespace, flow_id), values, at)


def kill_execution(execution_id: str, *, cascade: bool = True, at: datetime, actor: str = "") -> Execution:
    """
    Kill an execution and, with `cascade`, everything that it started. After this returns no task of it starts any more.

    Raises ConflictError when it ended already and there is nothing to cascade to.
    """

    def kill(turn: Turn) -> None:
        root = turn.board.root
        if root.is_terminal and not (cascade and list_callees(execution_id)):
            raise ConflictError(f"Execution {execution_id} is {root.state}: execution already finished, nothing is left to kill.")
        if root.is_terminal or root.state == State.KILLING:
            return
        turn.add_log(None, "WARN", f"Killed by {actor or 'an unnamed caller'}.")
        turn.stop(State.KILLED)

    with act_on_execution("execution.kill", execution_id) as (_, doing):
        _take_turn(execution_id, kill, at=at)
        # Only now is it certain that no visit starts another one.
        callees = list_callees(execution_id) if cascade else []
        # What an execution started ends with it, also where the caller could not start it.
        with acting_for_platform():
            for callee in callees:
                with contextlib.suppress(ConflictError):
                    kill_execution(callee, cascade=True, at=at, actor=actor)
        doing.after = {"cascade": len(callees)}
    return _reload(execution_id)


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


def pause_execution(execution_id: str, *, at: datetime, actor: str = "") -> Execution:
    """Pause a running execution: its running tasks finish, nothing new starts. Raises ConflictError unless it runs."""

    def pause(turn: Turn) -> None:
        root = turn.board.root
        if root.state != State.RUNNING:
            raise ConflictError(f"Execution {execution_id} is {root.state}; only a running execution can be paused.")
        turn.board.move_root(State.PAUSED)
        root.pause_asked = True
        turn.add_log(None, "INFO", f"Paused by {actor or 'an unnamed caller'}.")

    with act_on_execution("execution.pause", execution_id):
        _take_turn(execution_id, pause, at=at)
    return _reload(execution_id)


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

    A task run that is paused because the executions that it waits for are passes the resume on to the first of those.
    `inputs` are those that `onResume` declares; `breakpoints` replace those that are still ahead, None keeps them.
    Raises ConflictError unless it is paused, InvalidError for bad inputs; it stays paused then.
    """

    def resume(turn: Turn) -> str | None:
        board = turn.board
        root = board.root
        if root.state not in (State.PAUSED, State.BREAKPOINT):
            raise ConflictError(f"Execution {execution_id} is {root.state}; only a paused execution can be resumed.")
        transitions.read_all(board)
        paused = [run for run in board.runs.values() if run.state == State.PAUSED and task_run_id in (None, run.id)]
        waiting = [run for run in board.runs.values() if run.state == State.BREAKPOINT]
        if root.pause_asked or waiting:
            root.pause_asked = False
            board.move_root(State.RESTARTED)
            board.move_root(State.RUNNING)
            _pass_breakpoints(turn, waiting, breakpoints)
            turn.mark_all_dirty()
            return None
        if not paused:
            raise ConflictError(f"Execution {execution_id} has no paused task run to resume.")
        run = paused[0]
        if run.is_callee and (child_id := find_paused_child(execution_id, run.id)):
            return child_id
        arrangement = ARRANGEMENTS.get(run.node.arrangement or "") if run.node else None
        if isinstance(arrangement, Approval):
            raise ConflictError(f'Task "{run.task_id}" waits for an approval: send a review instead of a resume.')
        if not isinstance(arrangement, Pause):
            raise ConflictError(f'Task "{run.task_id}" cannot be resumed by hand.')
        values = _resolve_asked(turn, run, inputs or {})
        board.move_root(State.RESTARTED)
        if len(paused) == 1 or board.count_activity("live"):
            board.move_root(State.RUNNING)
        arrangement.release(turn, run, State.SUCCESS, by=actor, inputs=values)
        if root.state == State.RESTARTED:
            board.move_root(State.RUNNING)
        return None

    with act_on_execution("execution.resume", execution_id):
        child_id = _take_turn(execution_id, resume, at=at)
        if child_id is not None:
            # The pause belongs to another flow, perhaps of another namespace: its right counts there.
            resume_execution(child_id, inputs=inputs, at=at, actor=actor)
    return _reload(execution_id)


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
    """Decide a waiting approval: `APPROVED` or `DENIED` (or `approve`, `deny`). Raises ConflictError when none waits."""
    wanted = {"APPROVE": "APPROVED", "APPROVED": "APPROVED", "DENY": "DENIED", "DENIED": "DENIED"}.get(decision.upper())
    if wanted is None:
        raise InvalidError(f'A decision must be APPROVED or DENIED; got "{decision}".')

    def review(turn: Turn) -> None:
        board = turn.board
        transitions.read_all(board)
        for run in board.runs.values():
            arrangement = ARRANGEMENTS.get(run.node.arrangement or "") if run.node else None
            if run.state == State.PAUSED and isinstance(arrangement, Approval) and task_run_id in (None, run.id, run.task_id):
                values = _resolve_asked(turn, run, inputs or {})
                board.move_root(State.RESTARTED)
                board.move_root(State.RUNNING)
                arrangement.review(turn, run, decision=wanted, by=actor, comment=comment, inputs=values)
                return
        raise ConflictError(f"Execution {execution_id} has no approval that waits for a decision.")

    with act_on_execution("execution.review", execution_id) as (_, doing):
        doing.after = {"decision": wanted}
        _take_turn(execution_id, review, at=at)
    return _reload(execution_id)


def restart_execution(execution_id: str, *, revision: int | None = None, at: datetime, actor: str = "") -> Execution:
    """
    Run an ended or paused execution again from what failed, under the same id; with another revision under a new id.

    Raises ConflictError when it still runs, InvalidError when nothing of it failed. Source: flow language, 10.4.
    """
    with act_on_execution("execution.restart", execution_id) as (row, _):
        if revision is not None and revision != row.flow_revision:
            return replay_execution(execution_id, revision=revision, from_failure=True, at=at, actor=actor)

        def restart(turn: Turn) -> None:
            prepare_restart(turn, actor=actor)

        _take_turn(execution_id, restart, at=at)
        dispatch.send_execution(execution_id)
    return _reload(execution_id)


def replay_execution(
    execution_id: str,
    *,
    task_run_id: str | None = None,
    revision: int | None = None,
    inputs: Mapping[str, Any] | None = None,
    breakpoints: Sequence[Mapping[str, Any]] = (),
    from_failure: bool = False,
    at: datetime,
    actor: str = "",
) -> Execution:
    """
    Start a new execution from an earlier one: from the beginning, or from a task run whose predecessors are kept.

    Raises InvalidError for an unknown task run, ConflictError while the execution still runs. Source: flow language, 10.5.
    """
    with act_on_execution("execution.replay", execution_id, Action.CREATE) as (row, doing):
        values: Mapping[str, Any] | None = None
        new_id: str
        loaded = get_flow(row.namespace, row.flow_id, revision or row.flow_revision)
        if inputs is not None:
            given = {**_flatten(row.inputs), **inputs}
            resolved = resolve_for(loaded, given, execution_id=execution_id, at=at)
            _refuse_problems(resolved)
            values = resolved.values
        with transaction.atomic():
            new_id = copy_for_replay(
                execution_id,
                loaded=loaded,
                task_run_id=task_run_id,
                from_failure=from_failure,
                inputs=values,
                breakpoints=breakpoints,
                actor=actor,
                at=at,
            )
            doing.after = {"replay": new_id}
            doing.write_now()
            transaction.on_commit(lambda: dispatch.send_execution(new_id))
    return _reload(new_id)


def force_run_execution(execution_id: str, *, at: datetime, actor: str = "") -> Execution:
    """Push an execution that waits: start it now, over its limit if need be, or resume it. Raises ConflictError if ended."""
    with act_on_execution("execution.force-run", execution_id) as (row, _):
        if row.state in TERMINAL:
            raise ConflictError(f"Execution {execution_id} is {row.state}; an ended execution cannot be forced to run.")
        if row.state == State.QUEUED:
            return unqueue_execution(execution_id, at=at, actor=actor)
        if row.state in (State.PAUSED, State.BREAKPOINT):
            return resume_execution(execution_id, at=at, actor=actor)
        Execution.objects.filter(id=execution_id, state=State.CREATED).update(schedule_at=None)
        dispatch.send_execution(execution_id)
    return _reload(execution_id)


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
        _take_turn(execution_id, unqueue, at=at)
    return _reload(execution_id)


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
        _take_turn(execution_id, change, at=at)
        doing.after = {"state": wanted}
    return _reload(execution_id)


def change_task_run_state(execution_id: str, *, task_run_id: str, state: str, at: datetime, actor: str = "") -> Execution:
    """
    Give an ended task run another end state and let the execution go on from there. Raises ConflictError while it runs.

    Source: flow language, 10.6.
    """
    wanted = _terminal_state(state)

    def change(turn: Turn) -> None:
        prepare_restart(turn, changed=(task_run_id, wanted), actor=actor)

    with act_on_execution("execution.change-task-state", execution_id) as (_, doing):
        _take_turn(execution_id, change, at=at)
        dispatch.send_execution(execution_id)
        doing.after = {"taskRun": task_run_id, "state": wanted}
    return _reload(execution_id)


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
        _take_turn(execution_id, change, at=at)
        doing.before, doing.after = {"labels": row.labels}, {"labels": [{"key": key, "value": value} for key, value in labels]}
    return _reload(execution_id)


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
    with act_on_execution("execution.delete", execution_id, Action.DELETE):
        _delete(execution_id, logs=logs, metrics=metrics, files=files, force=force)


def _delete(execution_id: str, *, logs: bool, metrics: bool, files: bool, force: bool) -> None:
    with transaction.atomic():
        root = transitions.read_root(execution_id, lock=True)
        if root is None:
            raise _no_such_execution(execution_id)
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
    if files:
        get_storage().delete_prefix(str(execution_folder(root.namespace, root.flow_id, execution_id)))


def eval_expression(execution_id: str, expression: str, *, task_run_id: str | None = None) -> str:
    """
    Return what an expression renders to in an execution, or as one of its task runs sees it; secrets are masked.

    An expression may read secrets of the namespace, so this needs the right to change executions, not only to read them.
    Raises ExpressionError, NotFoundError, ForbiddenError.
    """
    root = transitions.read_root(execution_id, lock=False)
    if root is None:
        raise _no_such_execution(execution_id)
    missing = _no_such_execution(execution_id)
    what = "execution.evaluate"
    check_right(Action.UPDATE, Resource.EXECUTION, root.namespace, what=what, object_id=execution_id, missing=missing)
    board = load_board(root, at=timezone.now())
    run = transitions.read_chain(board, task_run_id) if task_run_id else None
    if task_run_id and run is None:
        raise NotFoundError(f'Execution {execution_id} has no task run "{task_run_id}".', code="task-run-not-found")
    return str(render_in(board, run, expression, masked=True))


def _take_turn(execution_id: str, change: Callable[[Turn], T], *, at: datetime) -> T | None:
    return take_turn(execution_id, change, SERVICES, at=at)


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


def _resolve_asked(turn: Turn, run: Run, supplied: Mapping[str, Any]) -> dict[str, Any]:
    declared = run.node.task.inputs if run.node else ()
    if not declared:
        return {}
    root = turn.board.root
    loaded = get_flow(root.namespace, root.flow_id, root.flow_revision)
    extra = turn.variables.for_run(run)
    resolved = resolve_for(loaded, supplied, execution_id=root.id, at=turn.board.at, inputs=declared, extra=extra)
    _refuse_problems(resolved)
    return dict(resolved.values)


def _refuse_problems(resolved: ResolvedInputs) -> None:
    if resolved.problems:
        messages = [problem.message for problem in resolved.problems]
        raise InvalidError(
            "; ".join(messages), code="input-invalid", problems=[Problem("input-invalid", text) for text in messages]
        )


def _terminal_state(text: str) -> State:
    try:
        state = State("CANCELLED" if text == "CANCELED" else text)
    except ValueError:
        state = State.RUNNING
    if state not in TERMINAL:
        choices = ", ".join(sorted(TERMINAL))
        raise InvalidError(f'"{text}" is no end state. Choose one of {choices}.')
    return state


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested input values by dotted id; a map is also given whole, for inputs whose value is a map."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat[f"{prefix}{key}"] = value
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{key}."))
    return flat
