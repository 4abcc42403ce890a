"""The task runs from which an execution can be replayed, as the choices of a field; painted without a template loop."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from django.utils.safestring import SafeString

from flows.models import TaskRun

LONGEST_VALUE = 30


def paint_replay_points(runs: Sequence[TaskRun]) -> SafeString:
    """Return one `option` per task run, named by its task, its value in a loop, and its state."""
    return SafeString("".join(f'<option value="{escape(run.id)}">{escape(_name(run))}</option>' for run in runs))


def _name(run: TaskRun) -> str:
    if not run.value:
        return f"{run.task_id} ({run.state})"
    value = run.value if len(run.value) <= LONGEST_VALUE else f"{run.value[: LONGEST_VALUE - 1]}…"
    return f"{run.task_id} [{value}] ({run.state})"
