"""Flowables that work through fixed lists: Sequential, AllowFailure, Parallel, Dag, ForEachItem, a WorkingDirectory's tail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.engine.arrangements.base import Arrangement, properties_of, render_bool, render_int
from flows.engine.board import Run
from flows.engine.decide import REACTIONS, Lists
from flows.primitives.errors import InvalidError

if TYPE_CHECKING:
    from flows.engine.turn import Turn


_OLDER_REACTIONS = {"CANCELLED": "CANCEL", "FAILED": "FAIL"}


class Sequence(Arrangement):
    """Children one after the other; with `turns_failure_into_warning` a failed child ends it in WARNING."""

    def __init__(self, *, turns_failure_into_warning: bool = False) -> None:
        self.turns_failure_into_warning = turns_failure_into_warning


class Parallel(Arrangement):
    """Children at once, up to `concurrent`; `onChildFailure` (or the older `failFast`) decides over the siblings of a failure."""

    mode = "parallel"

    def open(self, turn: Turn, run: Run) -> None:
        """Freeze the limit and what a failure does to siblings."""
        reaction = properties_of(run).get("onChildFailure")
        if isinstance(reaction, str):
            reaction = str(turn.render(run, reaction)).upper()
        if reaction is None:
            reaction = "KILL" if render_bool(turn, run, "failFast", False) else "CONTINUE"
        reaction = _OLDER_REACTIONS.get(reaction, reaction)
        if reaction not in REACTIONS:
            choices = ", ".join(REACTIONS)
            raise InvalidError(f'Property "onChildFailure" of "{run.task_id}" must be one of {choices}; got "{reaction}".')
        concurrent = render_int(turn, run, "concurrent", 0)
        if concurrent < 0:
            raise InvalidError(f'Property "concurrent" of "{run.task_id}" must be 0 or more, but is {concurrent}.')
        run.plan = {"concurrent": concurrent, "onChildFailure": reaction}
        turn.board.touch(run)
        super().open(turn, run)

    def lists(self, turn: Turn, run: Run) -> Lists:
        """Return the lists with the frozen limit."""
        node, plan = run.node, run.plan or {}
        assert node is not None
        return Lists(
            node.list_branch("tasks"),
            node.list_branch("errors"),
            node.list_branch("finally"),
            mode=self.mode,
            concurrent=int(plan.get("concurrent", 0)),
            depends_on=node.task.depends_on,
            on_child_failure=plan.get("onChildFailure", "CONTINUE"),
        )


class Dag(Parallel):
    """Children as soon as all that they depend on ended, up to `concurrent`."""

    mode = "dag"


class ForEachItem(Arrangement):
    """Three hidden steps in a row: split the file, start the subflows, merge their outputs."""


class WorkingDirectory(Arrangement):
    """
    One worker runs all children in one directory; here only what comes after that: `errors` and `finally`, which run as
    ordinary tasks outside the directory.
    """

    def evaluate(self, turn: Turn, run: Run, iteration: int | None) -> None:
        """Wait for the worker; afterwards go through the lists with the states that it recorded."""
        if run.is_past_directory:
            super().evaluate(turn, run, iteration)

    def lists(self, turn: Turn, run: Run) -> Lists:
        """Only the children that were run count: a stopped directory does not start the rest."""
        node = run.node
        assert node is not None
        ran = turn.board.list_children((run.id, None))
        normal = tuple(child for child in node.list_branch("tasks") if child.id in ran)
        return Lists(normal, node.list_branch("errors"), node.list_branch("finally"))
