"""One attempt of a heavy task: claimed, run outside any transaction, and its end recorded in one turn, only by its owner."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from flows.conf import get_settings
from flows.engine import transitions
from flows.engine.board import Board, Root, Run
from flows.engine.boards import load_board
from flows.engine.context import make_attempt_context
from flows.engine.endings import end_leftovers, is_cut_short, needs_worker
from flows.engine.environment import RunEnvironment
from flows.engine.heartbeat import HEARTBEAT, Watch
from flows.engine.light import settle_outcome
from flows.engine.recording import Recorder, Subject
from flows.engine.results import Outcome, make_plugin, run_plugin
from flows.engine.services import ExecutionUpdate, Services
from flows.engine.steps import WORKER_STEPS, Conclusion
from flows.engine.task_cache import restore_result
from flows.engine.timeouts import explain_timeout, timeout_of
from flows.engine.transitions import LostRaceError
from flows.engine.turn import Turn
from flows.engine.variables import ExecutionVariables
from flows.engine.visits import set_aside, take_turn
from flows.expressions import ExpressionError
from flows.plugin_api.tasks import RunnableTask
from flows.primitives.errors import FlowsError
from flows.primitives.states import TERMINAL, State

log = logging.getLogger(__name__)

_RECORD_TRIES = 30


@dataclass(slots=True, eq=False)
class Attempt:
    """What a worker holds while it runs one attempt. `token` fences every write."""

    board: Board
    run: Run
    token: str
    services: Services
    recorder: Recorder
    variables: ExecutionVariables
    environment: RunEnvironment
    watch: Watch
    plugin: RunnableTask | None = None


@dataclass(frozen=True, slots=True)
class _Report:
    """
    How an attempt ended. `recorder` holds what it logged, `carried` what the rest of its canvas reaches by itself, `conclude`
    records an end that is not as usual.
    """

    execution_id: str
    run_id: str
    token: str
    outcome: Outcome
    recorder: Recorder
    updates: tuple[ExecutionUpdate, ...] = ()
    carried: frozenset[str] = frozenset()
    conclude: Conclusion | None = None


def worker_name() -> str:
    """Return the name of this process, new with every start."""
    return f"{socket.gethostname()}:{os.getpid()}"


def list_gone_owners() -> list[str]:
    """Return the names of processes of this host that hold leases and do not exist any more."""
    prefix = f"{socket.gethostname()}:"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT lease_owner FROM flows_taskrun WHERE lease_until IS NOT NULL AND starts_with(lease_owner, %s)",
            [prefix],
        )
        owners = [row[0] for row in cursor.fetchall()]
    return [owner for owner in owners if not _exists(int(owner.rsplit(":", 1)[1]))]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def find_run(execution_id: str, scope: str, task_id: str) -> str | None:
    """Return the id of the run of a task in a scope if it waits for a worker, else None: it is over, or not there yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM flows_taskrun WHERE execution_id = %s AND scope = %s AND task_id = %s"
            " AND state IN ('CREATED', 'RESTARTED')",
            [execution_id, scope, task_id],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def run_attempt(execution_id: str, run_id: str, services: Services, *, carried: frozenset[str] = frozenset()) -> bool:
    """
    Claim a waiting task run, run it and record how it ended. False when somebody else has it or it is over.

    At most one caller runs an attempt; a caller that lost its lease meanwhile writes nothing. A run that is no worker's (a
    visit died before it opened it, and the sweep sent it) is opened by a visit instead.
    """
    token = uuid.uuid4().hex
    at = datetime.now(UTC)
    settings = get_settings()
    if not transitions.claim_run(run_id, token=token, owner=worker_name(), lease_seconds=settings.lease_seconds, at=at):
        return False
    try:
        attempt = _prepare(execution_id, run_id, token, services, at)
    except DatabaseError:
        # No fault of the task: its lease runs out, and another attempt is made.
        raise
    except Exception as error:
        log.exception("attempt.not-prepared", extra={"execution": execution_id, "task_run": run_id})
        outcome = Outcome(State.FAILED, None, _reason_of(error))
        _record(_Report(execution_id, run_id, token, outcome, Recorder(), carried=carried), services)
        return True
    if attempt is None:
        return False
    if _must_not_begin(attempt):
        transitions.give_back_claim(run_id, token)
        _take_in(attempt.board.root, run_id, services)
        return False
    HEARTBEAT.watch(attempt.watch)
    try:
        outcome, updates, conclude = _run(attempt)
    finally:
        HEARTBEAT.unwatch(attempt.watch)
    if attempt.watch.is_orphaned:
        log.warning("attempt.orphaned", extra={"execution": execution_id, "task_run": run_id, "reason": attempt.watch.reason})
        return True
    if attempt.watch.stopped_as is not None:
        stopped = attempt.watch.stopped_as
        outcome, conclude = Outcome(stopped, outcome.outputs, attempt.watch.reason, log_file=outcome.log_file), None
    _record(_Report(execution_id, run_id, token, outcome, attempt.recorder, updates, carried, conclude), services)
    return True


def _must_not_begin(attempt: Attempt) -> bool:
    """Tell whether a run was claimed that is no worker's, or that was sent before its execution was paused by hand or ended."""
    root, run = attempt.board.root, attempt.run
    return root.pause_asked or is_cut_short(attempt.board, run) or not (run.node is None or needs_worker(run))


def _take_in(root: Root, run_id: str, services: Services) -> None:
    """Have a turn go on with a run; not while a visit is at work that has it in its own line."""

    def take_in(turn: Turn) -> None:
        run = transitions.read_chain(turn.board, run_id)
        if run is None or run.state not in (State.CREATED, State.RESTARTED):
            return
        if is_cut_short(turn.board, run):
            end_leftovers(turn)
        else:
            turn.take_in(run)

    if root.visit_until is None or root.visit_until < datetime.now(UTC):
        take_turn(root.id, take_in, services)


def _prepare(execution_id: str, run_id: str, token: str, services: Services, at: datetime) -> Attempt | None:
    root = transitions.read_root(execution_id, lock=False)
    if root is None:
        return None
    board = load_board(root, at=at)
    run = transitions.read_chain(board, run_id)
    if run is None:
        return None
    recorder = Recorder()
    environment = RunEnvironment(board, recorder)
    variables = ExecutionVariables(board, mask=recorder.masker.add)
    plugin = make_plugin(run.node.task) if run.node is not None and run.node.arrangement is None else None
    timeout = timeout_of(run, variables, environment) if needs_worker(run) else None
    watch = Watch(
        execution_id=execution_id,
        run_id=run_id,
        token=token,
        recorder=recorder,
        cancelled=threading.Event(),
        deadline=None if timeout is None else time.monotonic() + timeout,
        timeout_reason="" if timeout is None else explain_timeout(timeout),
        give_up=lambda state, reason: _give_up(attempt, state, reason),
        plugin=plugin,
    )
    attempt = Attempt(board, run, token, services, recorder, variables, environment, watch, plugin)
    return attempt


def _give_up(attempt: Attempt, state: State, reason: str) -> None:
    """Record the end of an attempt whose plugin does not come back."""
    root, run = attempt.board.root, attempt.run
    number = max(0, len(run.attempts) - 1)
    subject = Subject(root.namespace, root.flow_id, root.id, run.id, run.task_id, attempt_number=number)
    attempt.recorder.add_log(subject, "ERROR", reason)
    _record(_Report(root.id, run.id, attempt.token, Outcome(state, None, reason), attempt.recorder), attempt.services)


def _run(attempt: Attempt) -> tuple[Outcome, tuple[ExecutionUpdate, ...], Conclusion | None]:
    """Run the plugin, or the engine's own step, and return the outcome, updates, and how to record it if not as usual."""
    run = attempt.run
    if run.node is None:
        return Outcome(State.FAILED, None, f'Task "{run.task_id}" is not in this revision of the flow any more.'), (), None
    step = WORKER_STEPS.get(run.node.arrangement or "")
    if step is not None:
        return step(attempt)
    restored = restore_result(attempt)
    if restored is not None:
        return restored, (), None
    context = make_attempt_context(attempt, run)
    try:
        outcome = run_plugin(run.node.task, context, attempt.plugin)
    finally:
        context.close()
    updates = tuple(context.updates) if outcome.state in (State.SUCCESS, State.WARNING) else ()
    return outcome, updates, None


def _record(report: _Report, services: Services) -> None:
    """
    Record the end of an attempt, if its token still holds, and go on from there in the same turn.

    A database that is away for a moment does not lose the result: it is tried again until the lease is over. Neither does an
    engine error: it is counted on the execution, which is set aside when the error comes again and again.
    """
    entries = report.recorder.take()
    for tried in range(_RECORD_TRIES):
        try:
            take_turn(report.execution_id, lambda turn: _settle(turn, report, entries), services, carried=report.carried)
            return
        except (OperationalError, InterfaceError, LostRaceError):
            if tried == _RECORD_TRIES - 1:
                raise
            log.warning("attempt.record-retried", exc_info=True)
            connection.close_if_unusable_or_obsolete()
        except Exception as error:
            if tried == _RECORD_TRIES - 1:
                raise
            log.exception("attempt.record-failed", extra={"execution": report.execution_id, "task_run": report.run_id})
            set_aside(report.execution_id, error, services)
        time.sleep(min(2.0, 0.2 * (tried + 1)))


def _settle(turn: Turn, report: _Report, entries: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    """Settle a report on the board of a turn; it may be called again after a lost race."""
    turn.recorder.masker = report.recorder.masker
    turn.recorder.give_back(*entries)
    if not transitions.holds_lease(report.run_id, report.token):
        log.info("attempt.stale", extra={"execution": report.execution_id, "task_run": report.run_id})
        return
    run = transitions.read_chain(turn.board, report.run_id)
    if run is None or run.state in TERMINAL:
        return
    outcome = _final_outcome(turn.board.root, run, report.outcome)
    if report.conclude is not None and outcome is report.outcome:
        report.conclude(turn, run)
    else:
        settle_outcome(turn, run, outcome, report.updates)


def _final_outcome(root: Root, run: Run, outcome: Outcome) -> Outcome:
    """Return the outcome that counts: what the attempt came to, unless it was stopped from outside meanwhile."""
    interrupt = (run.progress or {}).get("interrupt")
    if interrupt and outcome.state != State(interrupt):
        return Outcome(State(interrupt), outcome.outputs, "", log_file=outcome.log_file)
    if root.state == State.KILLING and outcome.state == State.FAILED:
        return Outcome(State.KILLED, outcome.outputs, "", log_file=outcome.log_file)
    return outcome


def _reason_of(error: Exception) -> str:
    if isinstance(error, ExpressionError | FlowsError):
        return error.message
    return f"{type(error).__name__}: {error}"
