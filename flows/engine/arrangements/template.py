"""A Template: the tasks of a stored list, one after the other, with the arguments of the task that names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.engine.arrangements.base import Arrangement, properties_of
from flows.engine.board import Run
from flows.engine.templates import explain_missing
from flows.primitives.errors import InvalidError

if TYPE_CHECKING:
    from flows.engine.turn import Turn


class Template(Arrangement):
    """A sequence whose children see `parent.outputs.args`. Source: flow language, 6.14; core tasks, 7."""

    def open(self, turn: Turn, run: Run) -> None:
        """Render the arguments once, then start the first task. Raises InvalidError when no template is in place."""
        problem = explain_missing(turn.board.root, run.task_id)
        if problem:
            raise InvalidError(problem)
        run.outputs = {"args": turn.render(run, dict(properties_of(run).get("args") or {}))}
        turn.board.touch(run)
        super().open(turn, run)
