"""How long an attempt of a task may take. Who stops it then: the heartbeat, or the worker for a child of its directory."""

from __future__ import annotations

from typing import Any

from flows.engine.arrangements.base import as_duration
from flows.engine.board import Run
from flows.engine.environment import RunEnvironment
from flows.engine.variables import ExecutionVariables
from flows.expressions import render


def timeout_of(run: Run, variables: ExecutionVariables, environment: RunEnvironment) -> float | None:
    """
    Return the seconds that an attempt may take, None without a limit. Raises ExpressionError, InvalidError.

    Source: flow language, 7.4.
    """
    timeout: Any = run.node.task.timeout if run.node else None
    if isinstance(timeout, str) and "{" in timeout:
        timeout = render(timeout, variables.for_run(run), environment=environment)
    found = as_duration(timeout, name="timeout", task_id=run.task_id)
    return found.total_seconds() if found is not None else None


def explain_timeout(seconds: float) -> str:
    """Return the reason that the log gives for an attempt that was stopped."""
    return f"The task took longer than its timeout of {seconds:g} seconds."
