"""LoopUntil: the same children again and again until a condition holds or a limit is reached."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from flows.engine.arrangements.base import Arrangement, properties_of, render_bool, render_duration
from flows.engine.board import Run
from flows.engine.decide import Lists
from flows.expressions import is_truthy
from flows.primitives.errors import InvalidError
from flows.primitives.states import UNSUCCESSFUL, State

if TYPE_CHECKING:
    from flows.engine.turn import Turn

_USUAL_INTERVAL = timedelta(seconds=1)


class LoopUntil(Arrangement):
    """
    Children run in order; when all ended well the condition is evaluated. False: wait for the interval, remove the
    children's runs, count one iteration more, begin again. `finally` runs once, after the last iteration. Output:
    `iterationCount`, for the children the number of their iteration, from 1. Source: flow language, 6.2 and 6.8.
    """

    def open(self, turn: Turn, run: Run) -> None:
        """Freeze interval and limits."""
        frequency: dict[str, Any] = dict(properties_of(run).get("checkFrequency") or {})
        interval = render_duration(turn, run, frequency.get("interval"), "checkFrequency.interval")
        duration = render_duration(turn, run, frequency.get("maxDuration"), "checkFrequency.maxDuration")
        most = frequency.get("maxIterations")
        if isinstance(most, str):
            most = turn.render(run, most)
        if most not in (None, "") and not str(most).strip().isdecimal():
            raise InvalidError(f'Property "checkFrequency.maxIterations" of "{run.task_id}" must be a number; got "{most}".')
        run.plan = {
            "intervalSeconds": (_USUAL_INTERVAL if interval is None else interval).total_seconds(),
            "maxIterations": None if most in (None, "") else int(most),
            "maxSeconds": duration.total_seconds() if duration is not None else None,
            "failOnMaxReached": render_bool(turn, run, "failOnMaxReached", False),
        }
        run.progress = {"iteration": 0}
        run.outputs = {"iterationCount": 1}
        super().open(turn, run)

    def lists(self, turn: Turn, run: Run) -> Lists:
        """Return the lists of an iteration; `finally` belongs to the last one only."""
        lists = super().lists(turn, run)
        return lists if "end" in (run.progress or {}) else replace(lists, finally_=())

    def end(self, turn: Turn, run: Run, state: State) -> None:
        """All children ended: check the condition unless one of them failed."""
        plan, progress = run.plan or {}, dict(run.progress or {})
        if "end" in progress:
            turn.end_run(run, State(progress["end"]))
            return
        count = int(progress.get("iteration", 0)) + 1
        if state in UNSUCCESSFUL:
            self._finish(turn, run, state)
            return
        if is_truthy(turn.render(run, properties_of(run).get("condition"))):
            self._finish(turn, run, state)
            return
        if self._limit_reached(turn, run, count):
            reason = f'LoopUntil "{run.task_id}" reached its limit after {count} iterations without its condition holding.'
            failed = bool(plan.get("failOnMaxReached"))
            turn.add_log(run, "ERROR" if failed else "WARN", reason)
            self._finish(turn, run, State.FAILED if failed else state)
            return
        progress["iteration"] = count
        run.progress = progress
        turn.board.set_wake(run, turn.board.at + timedelta(seconds=float(plan["intervalSeconds"])))

    @staticmethod
    def _finish(turn: Turn, run: Run, state: State) -> None:
        """No iteration follows: run `finally`, then end in `state`."""
        run.progress = {**(run.progress or {}), "end": state.value}
        turn.board.touch(run)
        turn.mark_dirty((run.id, None))

    def wake(self, turn: Turn, run: Run) -> None:
        """The interval is over: remove what the last iteration left and begin the next."""
        board = turn.board
        for child in reversed(board.descendants(run)):
            board.remove(child)
        board.set_wake(run, None)
        run.histories = run.histories[:1] + run.histories[-1:]
        run.outputs = {"iterationCount": int((run.progress or {}).get("iteration", 0)) + 1}
        turn.variables.outputs.forget_all()
        turn.mark_dirty((run.id, None))

    def recover(self, turn: Turn, run: Run) -> None:
        """A run that waits for its interval is left to the timer."""
        if run.wake_at is None:
            turn.mark_dirty((run.id, None))

    def evaluate(self, turn: Turn, run: Run, iteration: int | None) -> None:
        """Nothing to look at while the interval runs."""
        if run.wake_at is None:
            super().evaluate(turn, run, iteration)

    @staticmethod
    def _limit_reached(turn: Turn, run: Run, count: int) -> bool:
        plan = run.plan or {}
        if plan.get("maxIterations") is not None and count >= plan["maxIterations"]:
            return True
        # A restart keeps the history, but gives the loop its whole time again.
        begun = next(at for state, at in reversed(run.histories) if state == State.RUNNING)
        seconds = (turn.board.at - datetime.fromisoformat(begun)).total_seconds()
        return plan.get("maxSeconds") is not None and seconds > plan["maxSeconds"]
