"""Flowables that run one of several lists: If and Switch. The choice is made once, when they open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.engine.arrangements.base import Arrangement, properties_of
from flows.engine.board import Run
from flows.engine.decide import Lists
from flows.expressions import is_truthy
from flows.primitives.states import State

if TYPE_CHECKING:
    from flows.engine.turn import Turn


class Choice(Arrangement):
    """The common part: the chosen branch stands in the plan; none means that nothing is run."""

    def lists(self, turn: Turn, run: Run) -> Lists:
        """Return the chosen branch with the flowable's errors and finally."""
        node = run.node
        assert node is not None
        branch = (run.plan or {}).get("branch")
        normal = node.list_branch(branch) if branch else ()
        return Lists(normal, node.list_branch("errors"), node.list_branch("finally"))


class If(Choice):
    """`then` when the condition holds, else `else`. Output: `evaluationResult`."""

    def open(self, turn: Turn, run: Run) -> None:
        """Evaluate the condition."""
        condition = properties_of(run).get("condition")
        holds = is_truthy(turn.render(run, condition) if isinstance(condition, str) else condition)
        run.plan = {"branch": "then" if holds else "else"}
        run.outputs = {"evaluationResult": holds}
        super().open(turn, run)


class Switch(Choice):
    """The case whose key equals the rendered value, else `defaults`. Outputs: `value`, `defaults`."""

    def open(self, turn: Turn, run: Run) -> None:
        """Render the value; no case and no defaults fails."""
        value = properties_of(run).get("value")
        text = str(turn.render(run, value)) if isinstance(value, str) else _as_key(value)
        node = run.node
        assert node is not None
        declared = node.task.branches
        branch = f"case:{text}" if f"case:{text}" in declared else "defaults"
        run.outputs = {"value": text, "defaults": branch == "defaults"}
        run.plan = {"branch": branch}
        if branch == "defaults" and "defaults" not in declared:
            cases = ", ".join(f'"{name[5:]}"' for name in declared if name.startswith("case:"))
            reason = f'Switch "{run.task_id}" has no case for the value "{text}" and no defaults; its cases are {cases}.'
            turn.end_run(run, State.FAILED, reason=reason)
            return
        super().open(turn, run)


def _as_key(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
