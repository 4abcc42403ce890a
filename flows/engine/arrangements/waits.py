"""Flowables that wait for a person or a moment: Pause, Approval and Sleep. None of them holds a worker."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flows.engine.arrangements.base import Arrangement, properties_of, render_bool, render_duration
from flows.engine.board import Run
from flows.engine.decide import Lists
from flows.primitives.durations import format_duration
from flows.primitives.errors import InvalidError
from flows.primitives.states import State

if TYPE_CHECKING:
    from flows.engine.turn import Turn

_ENDS_OF_PAUSE = {"WARN": State.WARNING, "FAIL": State.FAILED, "CANCEL": State.CANCELLED}
_ENDS_OF_REVIEW = {
    "WARN": State.WARNING,
    "FAIL": State.FAILED,
    "SUCCEED": State.SUCCESS,
    "CANCEL": State.CANCELLED,
    "KILL": State.KILLED,
}
_ENDS_EXECUTION = frozenset({"SUCCEED", "CANCEL", "KILL"})


class Sleep(Arrangement):
    """Waits for a duration by a timer row."""

    def open(self, turn: Turn, run: Run) -> None:
        """Set the timer."""
        duration = render_duration(turn, run, properties_of(run).get("duration"), "duration")
        if duration is None or duration < timedelta(0):
            raise InvalidError(f'Property "duration" of task "{run.task_id}" must be a duration such as PT10S.')
        assert run.node is not None
        timeout = render_duration(turn, run, run.node.task.timeout, "timeout")
        if timeout is not None and timeout < duration:
            run.plan = {"timeoutSeconds": timeout.total_seconds()}
            duration = timeout
        turn.add_log(run, "INFO", f"Waiting for {format_duration(duration)}")
        turn.board.set_wake(run, turn.board.at + duration)

    def wake(self, turn: Turn, run: Run) -> None:
        """The time is over, or the timeout came first."""
        seconds = (run.plan or {}).get("timeoutSeconds")
        if seconds is None:
            turn.end_run(run, State.SUCCESS)
        else:
            turn.end_run(run, State.FAILED, reason=f"The task took longer than its timeout of {seconds:g} seconds.")

    def evaluate(self, turn: Turn, run: Run, iteration: int | None) -> None:
        """It has no children."""

    def recover(self, turn: Turn, run: Run) -> None:
        """The timer row does the rest."""


class Pause(Arrangement):
    """
    Waits until somebody resumes it, or `pauseDuration` passes and `behavior` decides, or `timeout` passes and it fails.

    `onPause` runs when the wait begins; the deprecated `tasks` run after it. Outputs: `onResume`, `resumed`.
    Source: flow language, 6.12.
    """

    def open(self, turn: Turn, run: Run) -> None:
        """Start `onPause` and begin to wait."""
        properties = properties_of(run)
        duration = render_duration(turn, run, properties.get("pauseDuration"), "pauseDuration")
        behavior = properties.get("behavior") or "RESUME"
        if isinstance(behavior, str):
            behavior = str(turn.render(run, behavior)).upper()
        plan: dict[str, Any] = {"behavior": behavior}
        if duration is None:
            assert run.node is not None
            duration = render_duration(turn, run, run.node.task.timeout, "timeout")
            plan["behavior"] = "FAIL" if duration is not None else behavior
        run.plan = plan
        board = turn.board
        board.touch(run)
        assert run.node is not None
        for node in run.node.list_branch("onPause"):
            turn.create_run(node, run)
        board.move(run, State.PAUSED)
        if duration is not None:
            board.set_wake(run, board.at + duration)

    def wake(self, turn: Turn, run: Run) -> None:
        """The duration is over: the behaviour decides."""
        behavior = (run.plan or {}).get("behavior", "RESUME")
        end = _ENDS_OF_PAUSE.get(behavior, State.SUCCESS)
        self.release(turn, run, end, by="", inputs={})
        if end == State.CANCELLED:
            turn.exit_with(run, State.CANCELLED)

    def release(self, turn: Turn, run: Run, end: State, *, by: str, inputs: dict[str, Any]) -> None:
        """Stop waiting; the run goes on to end in `end` after its deprecated child tasks."""
        board = turn.board
        board.set_wake(run, None)
        run.plan = {**(run.plan or {}), "end": end.value}
        run.outputs = {"onResume": inputs, "resumed": {"by": by or None, "on": board.at.isoformat(), "to": end.value}}
        board.move(run, State.RUNNING)
        turn.mark_dirty((run.id, None))

    def evaluate(self, turn: Turn, run: Run, iteration: int | None) -> None:
        """While it waits only `onPause` lives below it."""
        if run.state == State.RUNNING and "end" in (run.plan or {}):
            super().evaluate(turn, run, iteration)

    def end(self, turn: Turn, run: Run, state: State) -> None:
        """The children's failure counts, else the end that the release gave."""
        wanted = State((run.plan or {}).get("end", State.SUCCESS))
        turn.end_run(run, wanted if state in (State.SUCCESS, State.WARNING) else state)

    def lists(self, turn: Turn, run: Run) -> Lists:
        """A pause that ends badly does not run its tasks; after one that failed `errors` run in their place."""
        lists = super().lists(turn, run)
        wanted = (run.plan or {}).get("end", State.SUCCESS)
        if wanted in (State.SUCCESS, State.WARNING):
            return lists
        return Lists(lists.errors if wanted == State.FAILED else (), (), lists.finally_)


class Approval(Arrangement):
    """
    Waits for a decision. `onWait` runs before, `onApprove` or `onDeny` after it; the behaviours map the end of the branch.

    Outputs: `decision`, `auto`, `by`, `on`, `comment`, `inputs`, `due`, `url`. Source: flow language, 6.13.
    """

    def open(self, turn: Turn, run: Run) -> None:
        """Approve at once when `autoApprove` says so, else run `onWait` first."""
        root = turn.board.root
        assert run.node is not None
        timeout = render_duration(turn, run, run.node.task.timeout, "timeout")
        due = turn.board.at + timeout if timeout is not None else None
        run.plan = {"due": due.isoformat() if due else None}
        run.progress = {"phase": "waiting"}
        run.outputs = {"url": f"/ui/main/executions/{root.namespace}/{root.flow_id}/{root.id}", "due": run.plan["due"]}
        if render_bool(turn, run, "autoApprove", False):
            self._record(turn, run, "APPROVED", auto=True, by=None, comment=None, inputs={})
            return
        if run.node.list_branch("onWait"):
            run.progress = {"phase": "onWait"}
            turn.board.touch(run)
            turn.mark_dirty((run.id, None))
        else:
            self._wait(turn, run)

    def _wait(self, turn: Turn, run: Run) -> None:
        board = turn.board
        run.progress = {"phase": "waiting"}
        due = (run.plan or {}).get("due")
        board.move(run, State.PAUSED)
        if due:
            board.set_wake(run, board.at.fromisoformat(due))

    def wake(self, turn: Turn, run: Run) -> None:
        """Nobody decided in time."""
        turn.board.set_wake(run, None)
        turn.board.move(run, State.RUNNING)
        self._record(turn, run, "EXPIRED", auto=False, by=None, comment=None, inputs={})

    def review(self, turn: Turn, run: Run, *, decision: str, by: str, comment: str | None, inputs: dict[str, Any]) -> None:
        """Take a person's decision, `APPROVED` or `DENIED`. Raises InvalidError when a required comment is missing."""
        rule = str(properties_of(run).get("commentRequired") or "NEVER").upper()
        needed = rule == "ALWAYS" or rule == {"APPROVED": "ON_APPROVE", "DENIED": "ON_DENY"}[decision]
        if needed and not (comment or "").strip():
            raise InvalidError(
                f'Approval "{run.task_id}" needs a comment for this decision. Send it as "comment".', code="comment-missing"
            )
        turn.board.set_wake(run, None)
        turn.board.move(run, State.RUNNING)
        self._record(turn, run, decision, auto=False, by=by or None, comment=comment, inputs=inputs)

    def _record(
        self, turn: Turn, run: Run, decision: str, *, auto: bool, by: str | None, comment: str | None, inputs: dict[str, Any]
    ) -> None:
        run.outputs = {
            **(run.outputs or {}),
            "decision": decision,
            "auto": auto,
            "by": by,
            "on": turn.board.at.isoformat(),
            "comment": comment,
            "inputs": inputs,
        }
        run.progress = {"phase": {"APPROVED": "onApprove", "DENIED": "onDeny", "EXPIRED": "expired"}[decision]}
        turn.board.touch(run)
        turn.mark_dirty((run.id, None))

    def evaluate(self, turn: Turn, run: Run, iteration: int | None) -> None:
        """Work through the list of the present phase."""
        if run.state == State.RUNNING:
            super().evaluate(turn, run, iteration)

    def lists(self, turn: Turn, run: Run) -> Lists:
        """The list of the present phase; errors and finally only run when it ends the approval."""
        node, phase = run.node, (run.progress or {}).get("phase", "waiting")
        assert node is not None
        normal = node.list_branch(phase)
        is_last = phase != "onWait" or (self._has_failed(turn, run) and not self._forgives(run))
        return Lists(normal, node.list_branch("errors"), node.list_branch("finally") if is_last else ())

    @staticmethod
    def _has_failed(turn: Turn, run: Run) -> bool:
        return any(child.state == State.FAILED for child in turn.board.list_children((run.id, None)).values())

    @staticmethod
    def _forgives(run: Run) -> bool:
        return run.node is not None and run.node.task.allow_failure

    def end(self, turn: Turn, run: Run, state: State) -> None:
        """After `onWait`, which may fail with `allowFailure`, begin to wait; after a decision map the end by the behaviour."""
        phase = (run.progress or {}).get("phase", "waiting")
        goes_on = state in (State.SUCCESS, State.WARNING) or (state == State.FAILED and self._forgives(run))
        if phase == "onWait" and goes_on:
            self._wait(turn, run)
            return
        if state not in (State.SUCCESS, State.WARNING):
            turn.end_run(run, state)
            return
        name, usual = {
            "onApprove": ("approveBehavior", "CONTINUE"),
            "onDeny": ("denyBehavior", "CANCEL"),
            "expired": ("expireBehavior", "CANCEL"),
        }.get(phase, ("approveBehavior", "CONTINUE"))
        behavior = str(properties_of(run).get(name) or usual).upper()
        wanted = _ENDS_OF_REVIEW.get(behavior, state)
        if behavior in _ENDS_EXECUTION:
            turn.exit_with(run, wanted)
        else:
            turn.end_run(run, wanted)
