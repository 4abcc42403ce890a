"""The grid of a flow: its tasks as rows, its newest runs as columns, states as colours; and metrics as lines over the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString

from flows.models import Execution, TaskRun
from flows.primitives.states import State
from flows.ui.looks import is_moving, look_of
from flows.ui.painters.figures import nice_top, show_number
from flows.ui.wording import write_duration

_WORST = (State.FAILED, State.KILLED, State.KILLING, State.WARNING, State.RUNNING, State.PAUSED, State.CREATED)


def paint_run_grid(
    task_ids: Sequence[str], runs: Sequence[Execution], states: Mapping[tuple[str, str], Sequence[TaskRun]]
) -> SafeString:
    """
    Return a table: one row per task, one column per run, oldest first; a cell leads to the task in its run.

    Args:
        states: task runs by (execution id, task id); of several, as in a loop, the worst state is shown.
    """
    parts = ['<div class="scroll"><table class="grid-runs"><tbody><tr><th scope="row">execution</th>']
    for run in runs:
        url = reverse("ui:execution", args=[run.namespace, run.flow_id, run.id])
        words = f"{run.state}, {run.created_at:%b %d %H:%M:%S} UTC"
        parts.append(
            f'<td><a class="cell b {_classes(run.state)}" href="{url}" title="{escape(words)}" '
            f'aria-label="{escape(words)}"></a></td>'
        )
    parts.append("</tr>")
    for task_id in task_ids:
        parts.append(f'<tr><th scope="row" title="{escape(task_id)}">{escape(task_id)}</th>')
        for run in runs:
            found = states.get((run.id, task_id))
            if not found:
                parts.append('<td><span class="cell none" title="not run"></span></td>')
                continue
            worst = next((one for state in _WORST for one in found if one.state == state), found[-1])
            length = write_duration(found[-1].ended_at - found[0].created_at) if found[-1].ended_at else "running"
            count = f", {len(found)} times" if len(found) > 1 else ""
            words = f"{task_id}: {worst.state} in {length}{count}"
            url = reverse("ui:execution-tab", args=[run.namespace, run.flow_id, run.id, "gantt"])
            parts.append(
                f'<td><a class="cell {_classes(worst.state)}" href="{url}?task={escape(worst.id)}" title="{escape(words)}" '
                f'aria-label="{escape(words)}"></a></td>'
            )
        parts.append("</tr>")
    parts.append("</tbody></table></div>")
    return SafeString("".join(parts))


def _classes(state: str) -> str:
    return f"st-{look_of(state).name}{' is-moving' if is_moving(state) else ''}"


def draw_metric(name: str, points: Sequence[tuple[str, float, str]], *, width: int = 620, height: int = 130) -> SafeString:
    """Return one metric as a line over runs; each point is (words, value, address of its run), oldest first."""
    most = nice_top(max((value for _, value, _ in points), default=0))
    step = (width - 60) / max(1, len(points) - 1)
    places = [(46 + index * step, 8 + (height - 26) * (1 - value / most)) for index, (_, value, _) in enumerate(points)]
    parts = [f'<svg class="figure-chart" viewBox="0 0 {width} {height}" role="group" aria-label="{escape(name)} over runs">']
    for part in range(3):
        y = 8 + (height - 26) * (1 - part / 2)
        parts.append(f'<path class="grid" d="M46 {y:.1f}H{width}"/><text x="40" y="{y + 4:.1f}" text-anchor="end">')
        parts.append(f"{escape(show_number(most * part / 2))}</text>")
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts.append(f'<polyline class="line-series" points="{line}"/>')
    for (x, y), (words, value, url) in zip(places, points, strict=True):
        parts.append(
            f'<a href="{escape(url)}"><circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{escape(f"{words}: {show_number(value)}")}'
        )
        parts.append("</title></circle></a>")
    parts.append("</svg>")
    return SafeString("".join(parts))
