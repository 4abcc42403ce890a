"""One locked turn on an execution: read, let the pure rules decide, run light tasks, write, and hand heavy work over."""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from flows.engine import dispatch, transitions
from flows.engine.arrangements import ARRANGEMENTS
from flows.engine.attempts import close_attempt, open_attempt, skip_run
from flows.engine.board import Board, Run, Scope
from flows.engine.decide import apply_allowances
from flows.engine.endings import (
    abandon_execution,
    end_directory_children,
    end_leftovers,
    exit_execution,
    interrupt_run,
    is_cut_short,
    needs_worker,
    retry_in_new_execution,
    stop_execution,
)
from flows.engine.environment import RunEnvironment
from flows.engine.light import run_light, settle_stand_in
from flows.engine.recording import Recorder, Subject, write_entries
from flows.engine.root_scope import RootScope, announce_pause
from flows.engine.routing import route_run
from flows.engine.services import Services
from flows.engine.task_cache import reuse_result
from flows.engine.transitions import LostRaceError
from flows.engine.variables import ExecutionVariables
from flows.expressions import ExpressionError, is_truthy, render
from flows.language.flow import Retry
from flows.primitives.errors import FlowsError
from flows.primitives.states import State

# Live views expect news at least this often. Source: design, 4.
_FLUSH_SECONDS = 0.2
_VISIT_LEASE = timedelta(seconds=30)
# How many runs may be created in one transaction: a wide loop must not hold one for seconds.
_MOST_NEW_RUNS = 500


class Turn:
    """
    The work of one visit on one execution. Made by `visits.take_turn`; everything that changes an execution happens in one.

    `ready` holds runs that wait to be opened or run here, `dirty` scopes whose children changed, `heavy` runs that a worker
    must be asked for once the transaction is committed.
    """

    def __init__(self, board: Board, services: Services, *, atomic: Any, carried: frozenset[str] = frozenset()) -> None:
        self.board = board
        self.services = services
        self.carried = carried
        self.recorder = Recorder()
        # The masker may be exchanged for that of an attempt, so it is asked for anew each time.
        self.variables = ExecutionVariables(board, mask=lambda text: self.recorder.masker.add(text))
        self.environment = RunEnvironment(board, self.recorder)
        self.ready: deque[Run] = deque()
        self.dirty: deque[Scope] = deque()
        self.heavy: list[Run] = []
        self.started: list[str] = []
        """Ids of other executions that this turn created or released; they get a message after the commit."""
        self.ended_units: set[Scope] = set()
        self.is_sliced = False
        self._flushed_at = time.monotonic()
        self._atomic = atomic

    # What a turn may be asked to do first

    def reopen(self) -> None:
        """Read every task run and look at every scope: after a restart, a resume by hand or a lost worker."""
        transitions.read_all(self.board)
        self.mark_all_dirty()

    def mark_all_dirty(self) -> None:
        """Look at every scope of the board again, and at every run that waits to begin."""
        self.board.recount()
        for run in list(self.board.runs.values()):
            if run.state in (State.CREATED, State.RESTARTED):
                self.take_in(run)
            elif run.state == State.RUNNING and run.node is not None and (run.node.arrangement or "") in ARRANGEMENTS:
                ARRANGEMENTS[run.node.arrangement or ""].recover(self, run)
        self.dirty.append((None, None))

    def mark_dirty(self, scope: Scope) -> None:
        """Look at a scope again before the turn ends."""
        if scope not in self.dirty:
            self.dirty.append(scope)

    # The loop

    def drive(self) -> None:
        """Work until nothing is left that can be done without a worker, a person or the clock."""
        self._work()
        while self._settle() and (self.ready or self.dirty):
            # The end of the execution was decided just now, and something comes after it.
            self._work()

    def _work(self) -> None:
        board = self.board
        while self.ready or self.dirty:
            if board.root.pause_asked:
                self.ready.clear()
                self.dirty.clear()
                break
            self._flush_if_due()
            # Light tasks take time, too: what is recorded is the moment at which it happened, not the visit's begin.
            board.at = max(board.at, datetime.now(UTC))
            if self.ready:
                self._process(self.ready.popleft())
            else:
                self._evaluate(self.dirty.popleft())

    def take_in(self, run: Run) -> None:
        """Line up a run that was created or set back: to be worked on here, or by a worker."""
        if run.node is None:
            self.end_run(run, State.FAILED, reason=f'Task "{run.task_id}" is not in this revision of the flow any more.')
        else:
            self.ready.append(run)

    def _process(self, run: Run) -> None:
        board, node = self.board, run.node
        if run.state not in (State.CREATED, State.RESTARTED) or node is None or run.id not in board.runs:
            return
        if board.root.state == State.KILLING:
            board.move(run, State.KILLED)
            self.mark_dirty(run.scope)
            return
        if self._stops_at_breakpoint(run) or not self._should_run(run) or reuse_result(self, run) or settle_stand_in(self, run):
            return
        if needs_worker(run):
            if route_run(self, run):
                self.heavy.append(run)
        elif node.arrangement is None:
            run_light(self, run)
        else:
            self._open(run)

    def _open(self, run: Run) -> None:
        """Begin a flowable: it goes to RUNNING and freezes what it decides once."""
        self.board.move(run, State.RUNNING)
        try:
            ARRANGEMENTS[run.node.arrangement].open(self, run)  # type: ignore[union-attr, index]  # a flowable has one
        except FlowsError as error:
            self.end_run(run, State.FAILED, reason=error.message)

    def _evaluate(self, scope: Scope) -> None:
        parent_id, iteration = scope
        if parent_id is None:
            RootScope.evaluate(self)
            return
        parent = self.board.runs.get(parent_id)
        if parent is None or parent.node is None or parent.state != State.RUNNING or self.board.root.state == State.KILLING:
            return
        if is_cut_short(self.board, parent):
            end_leftovers(self)
            return
        try:
            ARRANGEMENTS[parent.node.arrangement or ""].evaluate(self, parent, iteration)
        except FlowsError as error:
            self.end_run(parent, State.FAILED, reason=error.message)

    def _should_run(self, run: Run) -> bool:
        """Evaluate `when` just before the start; false leaves a SKIPPED run, an error fails it."""
        condition = run.node.task.when if run.node else None
        if condition is None:
            return True
        try:
            if is_truthy(self.render(run, condition)):
                return True
        except ExpressionError as error:
            self.end_run(run, State.FAILED, reason=error.message)
            return False
        skip_run(self.board, run)
        self.mark_dirty(run.scope)
        return False

    def _stops_at_breakpoint(self, run: Run) -> bool:
        for point in self.board.root.breakpoints:
            is_meant = point.get("id") == run.task_id and point.get("value") in (None, run.value)
            if is_meant and run.state == State.CREATED and not point.get("passed"):
                self.board.move(run, State.BREAKPOINT)
                return True
        return False

    # What arrangements and light tasks use

    def render(self, run: Run | None, value: Any, *, typed: bool = False, extra: dict[str, Any] | None = None) -> Any:
        """Render a value with the variables of a run, or of the execution when `run` is None."""
        variables = self.variables.for_run(run) if run is not None else self.variables.for_execution()
        if extra:
            variables.update(extra)
        return render(value, variables, typed=typed, environment=self.environment)

    def add_log(self, run: Run | None, level: str, message: str) -> None:
        """Write an entry about a run, or about the execution when `run` is None."""
        root = self.board.root
        attempt = max(0, len(run.attempts) - 1) if run else 0
        run_id, task_id = (run.id, run.task_id) if run else (None, None)
        subject = Subject(root.namespace, root.flow_id, root.id, run_id, task_id, attempt_number=attempt)
        self.recorder.add_log(subject, level, message)

    def create_run(self, node: Any, parent: Run | None, *, iteration: int | None = None, value: str | None = None) -> Run:
        """Create a run and line it up."""
        run = self.board.create(node, parent, iteration=iteration, value=value)
        self.take_in(run)
        return run

    def end_run(self, run: Run, state: State, *, outputs: dict[str, Any] | None = None, reason: str = "") -> None:
        """
        End a run in `state` after its allowances; `reason` is logged as an error. Its scope is looked at again.

        A run that has not begun gets the attempt that failed, so that the failure has a place.
        """
        board = self.board
        if reason:
            self.add_log(run, "ERROR", reason)
        if outputs is not None:
            run.outputs = outputs
        task = run.node.task if run.node else None
        final = state
        if task is not None:
            final = apply_allowances(state, allow_failure=task.allow_failure, allow_warning=task.allow_warning)
        if not run.attempts and (task is None or task.arrangement is None):
            open_attempt(run, owner="", at=board.at)
        if task is not None and task.arrangement == "working-directory":
            end_directory_children(self, run, state)
        close_attempt(run, final, at=board.at)
        board.move(run, final)
        self.mark_dirty(run.scope)

    def interrupt(self, run: Run, state: State) -> None:
        """Force a live run, and everything below it, into `state`."""
        interrupt_run(self, run, state)

    def exit_with(self, run: Run, state: State) -> None:
        """End `run`, its ancestors and the execution in `state`, as the task Exit does."""
        exit_execution(self, run, state)

    def stop(self, state: State) -> None:
        """Stop everything that is alive and end the execution in `state`: a kill, or the breach of an SLA."""
        stop_execution(self, state)

    def retry_in_new_execution(self, run: Run, policy: Retry) -> bool:
        """End this execution as RETRIED and create its successor, or return False when no attempt is left."""
        return retry_in_new_execution(self, run, policy)

    def abandon(self, state: State) -> None:
        """End every run and the execution in `state`, whatever they are: the engine itself cannot go on with it."""
        abandon_execution(self, state)

    # The end of a turn

    def _settle(self) -> bool:
        """Bring the execution's own state in line with what is left alive; true when that ended the execution."""
        board = self.board
        root = board.root
        if root.state == State.KILLING:
            if not board.count_activity("live"):
                RootScope.finish_kill(self)
            return root.is_terminal
        if root.is_terminal or root.state in (State.CREATED, State.QUEUED, State.RESTARTED) or root.pause_asked:
            return False
        RootScope.check_assertions(self)
        if root.is_terminal or root.state == State.KILLING:
            return root.is_terminal
        is_alive = board.count_activity("live") or board.count_activity("retrying")
        if not is_alive and board.count_activity("paused") and root.state != State.PAUSED:
            stopped = any(run.state == State.BREAKPOINT for run in board.runs.values())
            asks = any(run.node is not None and run.node.arrangement == "approval" for run in board.runs.values())
            if asks and not stopped and root.state == State.RUNNING:
                board.move_root(State.PAUSING)
            board.move_root(State.BREAKPOINT if stopped and root.state == State.RUNNING else State.PAUSED)
            announce_pause(self)
        return False

    def _flush_if_due(self) -> None:
        is_full = len(self.heavy) >= _MOST_NEW_RUNS
        if not is_full and time.monotonic() - self._flushed_at < _FLUSH_SECONDS:
            return
        self.board.root.visit_until = datetime.now(UTC) + _VISIT_LEASE
        self.board.root.is_changed = True
        self.write()
        self.commit()
        self.is_sliced = True
        self._atomic = transaction.atomic()
        self._atomic.__enter__()
        root = transitions.read_root(self.board.root.id, lock=True)
        if root is None or root.version != self.board.root.version:
            raise LostRaceError(self.board.root.id)
        self.board.at = datetime.now(UTC)
        self._forget_ended()

    def _forget_ended(self) -> None:
        """Drop iterations that ended, so that a loop over many values does not fill the memory."""
        waiting = {run.id for run in self.ready}
        dirty = set(self.dirty)
        for run in list(self.board.runs.values()):
            if run.iteration is None or not run.is_terminal or run.id in waiting or run.scope in dirty:
                continue
            if run.scope in self.ended_units:
                for below in (*self.board.descendants(run), run):
                    self.variables.outputs.keep(below)
                    self.board.forget(below)

    def write(self) -> None:
        """Write rows, logs and metrics in the open transaction."""
        dispatch.stamp(self)
        RootScope.note_pause(self)
        RootScope.note_news(self)
        transitions.write_board(self.board)
        logs, metrics = self.recorder.take()
        with connection.cursor() as cursor:
            write_entries(cursor.execute, logs, metrics)

    def commit(self) -> None:
        """Commit, then tell workers and live views. Nothing is ever sent from inside the transaction."""
        self._atomic.__exit__(None, None, None)
        self._atomic = None
        heavy, self.heavy = self.heavy, []
        started, self.started = self.started, []
        dispatch.send(self.board, heavy, started=started, carried=self.carried)
        self._flushed_at = time.monotonic()

    def roll_back(self, error: BaseException) -> None:
        """Undo what was not committed."""
        if self._atomic is not None:
            atomic, self._atomic = self._atomic, None
            atomic.__exit__(type(error), error, error.__traceback__)
