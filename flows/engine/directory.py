"""The children of a WorkingDirectory: run one after the other by the worker that owns the directory, each with its own row."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flows.engine import transitions
from flows.engine.attempts import close_attempt, note_on_attempt, open_attempt, skip_run
from flows.engine.board import Run
from flows.engine.context import apply_updates, make_attempt_context
from flows.engine.decide import apply_allowances
from flows.engine.graph import Node
from flows.engine.results import Outcome, make_plugin, run_plugin
from flows.engine.retries import next_attempt_at
from flows.engine.services import ExecutionUpdate
from flows.engine.timeouts import explain_timeout, timeout_of
from flows.engine.visits import take_turn
from flows.expressions import ExpressionError, is_truthy
from flows.plugin_api.tasks import RunnableTask
from flows.primitives.errors import FlowsError
from flows.primitives.states import UNSUCCESSFUL, State

if TYPE_CHECKING:
    from flows.engine.turn import Turn
    from flows.engine.worker import Attempt

log = logging.getLogger(__name__)


class _Child:
    """The plugin of one child: stopped with its directory, or alone when its own timeout is over."""

    def __init__(self, plugin: RunnableTask, timeout_seconds: float | None) -> None:
        self.plugin, self.timeout_seconds = plugin, timeout_seconds
        self.cancelled = threading.Event()
        self.is_late = False
        self._timer = threading.Timer(timeout_seconds, self._expire) if timeout_seconds is not None else None

    def __enter__(self) -> None:
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def kill(self) -> None:
        """Stop it, as the watch of the directory asks."""
        self.cancelled.set()
        self.plugin.kill()

    def _expire(self) -> None:
        self.is_late = True
        try:
            self.kill()
        except Exception:
            log.exception("attempt.kill-failed")


class DirectoryRun:
    """
    Runs the children of one attempt of a WorkingDirectory. Every start and end of a child is a turn of its own, made only
    while the attempt still owns the directory.
    """

    def __init__(self, attempt: Attempt, root: Path) -> None:
        self._attempt, self._root = attempt, root
        self._extra = {"workingDir": str(root)}

    def run_children(self) -> dict[str, State]:
        """Run them in order until one fails without `allowFailure`; return the end states by task id."""
        node = self._attempt.run.node
        assert node is not None
        self._remove_earlier()
        ended: dict[str, State] = {}
        for child in node.list_branch("tasks"):
            if self._attempt.watch.cancelled.is_set():
                break
            ended[child.id] = self._run_child(child)
            if ended[child.id] in UNSUCCESSFUL:
                break
        return ended

    def _remove_earlier(self) -> None:
        """A directory that begins again begins from nothing."""

        def remove(turn: Turn) -> None:
            parent = self._own(turn)
            if parent is None:
                return
            transitions.read_all(turn.board)
            for run in reversed(turn.board.descendants(parent)):
                turn.board.remove(run)

        take_turn(self._attempt.board.root.id, remove, self._attempt.services)

    def _run_child(self, node: Node) -> State:
        started = self._start(node)
        if started is None:
            return State.KILLED
        run_id, state = started
        while state == State.RUNNING:
            outcome, updates = self._work(run_id)
            state = self._end(run_id, outcome, updates)
        return state if not self._attempt.watch.cancelled.is_set() else self._attempt.watch.stopped_as or state

    def _start(self, node: Node) -> tuple[str, State] | None:
        """Create the child's row; a false condition skips it. None when the directory is not ours any more."""

        def start(turn: Turn) -> tuple[str, State] | None:
            parent = self._own(turn)
            if parent is None:
                return None
            run = turn.board.create(node, parent)
            # The children share the iteration of their directory: they see its value as their own.
            run.value = parent.value
            condition = node.task.when
            if condition is not None:
                try:
                    holds = is_truthy(turn.render(run, condition, extra=self._extra))
                except ExpressionError as error:
                    turn.add_log(run, "ERROR", error.message)
                    turn.board.move(run, State.FAILED)
                    return run.id, State.FAILED
                if not holds:
                    skip_run(turn.board, run)
                    return run.id, State.SKIPPED
            open_attempt(run, owner="", at=turn.board.at)
            turn.board.move(run, State.RUNNING)
            return run.id, State.RUNNING

        return take_turn(self._attempt.board.root.id, start, self._attempt.services)

    def _work(self, run_id: str) -> tuple[Outcome, list[ExecutionUpdate]]:
        board = self._attempt.board
        known = board.runs.pop(run_id, None)
        if known is not None:
            board.scopes[known.scope].pop(known.task_id, None)
        transitions.read_scope(board, self._attempt.run.id, None)
        run = board.runs[run_id]
        assert run.node is not None
        watch = self._attempt.watch
        context = make_attempt_context(self._attempt, run, workdir=self._root, extra=self._extra)
        try:
            child = _Child(make_plugin(run.node.task), timeout_of(run, self._attempt.variables, self._attempt.environment))
            context.cancelled = child.cancelled
            watch.plugin = child
            with child:
                if watch.cancelled.is_set():
                    # It was stopped before it could be told through the watch.
                    return Outcome(State.KILLED), []
                outcome = run_plugin(run.node.task, context, child.plugin)
            if child.timeout_seconds is not None and child.is_late:
                outcome = replace(outcome, state=State.FAILED, reason=explain_timeout(child.timeout_seconds))
            return outcome, context.updates
        except FlowsError as error:
            return Outcome(State.FAILED, None, error.message), []
        finally:
            watch.plugin = None
            context.close()

    def _end(self, run_id: str, outcome: Outcome, updates: list[ExecutionUpdate]) -> State:
        """Record the end of an attempt of a child; RUNNING means that another attempt follows, here and now."""
        logs, metrics = self._attempt.recorder.take()
        due_in = 0.0

        def end(turn: Turn) -> State:
            nonlocal due_in
            turn.recorder.masker = self._attempt.recorder.masker
            turn.recorder.give_back(logs, metrics)
            if self._own(turn) is None:
                return State.KILLED
            run = turn.board.runs[run_id] if run_id in turn.board.runs else transitions.read_chain(turn.board, run_id)
            if run is None:
                return State.KILLED
            state = outcome.state
            if self._attempt.watch.stopped_as is not None:
                state = self._attempt.watch.stopped_as
            if outcome.reason:
                turn.add_log(run, "ERROR", outcome.reason)
            note_on_attempt(run, outcome)
            close_attempt(run, state, at=turn.board.at)
            if outcome.outputs is not None:
                run.outputs = outcome.outputs
            if state == State.FAILED and not outcome.permanent and self._attempt.watch.stopped_as is None:
                wait = self._wait_before_retry(turn, run)
                if wait is not None:
                    due_in = wait
                    open_attempt(run, owner="", at=turn.board.at)
                    return State.RUNNING
            if state in (State.SUCCESS, State.WARNING):
                apply_updates(turn.board, updates)
            assert run.node is not None
            task = run.node.task
            state = apply_allowances(state, allow_failure=task.allow_failure, allow_warning=task.allow_warning)
            turn.board.move(run, state)
            return state

        state = take_turn(self._attempt.board.root.id, end, self._attempt.services) or State.KILLED
        if state == State.RUNNING and due_in > 0:
            self._attempt.watch.cancelled.wait(due_in)
        return state

    @staticmethod
    def _wait_before_retry(turn: Turn, run: Run) -> float | None:
        policy = run.node.retry if run.node else None
        first = turn.board.at.fromisoformat(run.attempts[0]["startDate"])
        due = next_attempt_at(
            policy, attempts=len(run.attempts), first_started_at=first, ended_at=turn.board.at, chance=time.monotonic() % 1.0
        )
        return None if due is None else max(0.0, (due - turn.board.at).total_seconds())

    def _own(self, turn: Turn) -> Run | None:
        """Return the directory's run on the turn's board while our lease holds and nobody kills the execution."""
        parent_id = self._attempt.run.id
        if turn.board.root.state == State.KILLING or not transitions.holds_lease(parent_id, self._attempt.token):
            return None
        parent = transitions.read_chain(turn.board, parent_id)
        transitions.read_scope(turn.board, parent_id, None)
        return parent
