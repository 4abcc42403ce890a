"""Task runs over time: rows with places in per cent, and their markup, painted without a template loop."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.html import escape
from django.utils.safestring import SafeString

from flows.models import TaskRun
from flows.primitives.states import TERMINAL
from flows.ui.looks import is_moving, look_of
from flows.ui.wording import read_history, write_duration

FOLD_FROM = 20
MOST_ROWS = 2000
DEEPEST = 12
_STEPS = (0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400, 604800)


@dataclass(frozen=True, slots=True)
class GanttRow:
    """
    One task run, or many iterations folded into one row. Moments are aware; `ended_at` is None while it goes on; `began_at` is
    None while it waits for a worker.
    """

    id: str
    task_id: str
    type: str
    value: str
    depth: int
    state: str
    created_at: datetime
    began_at: datetime | None
    ended_at: datetime | None
    attempt_count: int = 1
    is_group: bool = False
    folded: tuple[tuple[str, int], ...] = ()


def list_rows(runs: Sequence[TaskRun], types: Mapping[str, str], *, unfolded: Collection[str] = ()) -> list[GanttRow]:
    """
    Return the rows as a tree in the order of creation; a loop with more than 20 iterations is one row unless it is unfolded.

    Args:
        runs: all task runs of an execution, by creation.
        types: last part of the type name by task id.
        unfolded: ids of task runs whose iterations are all shown.
    """
    children: dict[str | None, list[TaskRun]] = defaultdict(list)
    known = {run.id for run in runs}
    for run in runs:
        children[run.parent_id if run.parent_id in known else None].append(run)
    rows: list[GanttRow] = []
    # A stack instead of recursion: loops in loops may be deep.
    stack: list[tuple[TaskRun, int]] = [(run, 0) for run in reversed(children[None])]
    while stack and len(rows) < MOST_ROWS:
        run, depth = stack.pop()
        inner = children.get(run.id, [])
        rows.append(_make_row(run, depth, types, is_group=bool(inner)))
        iterations = {child.iteration for child in inner if child.iteration is not None}
        if len(iterations) > FOLD_FROM and run.id not in unfolded:
            rows.append(_fold(run, inner, depth + 1, len(iterations)))
        else:
            stack.extend((child, depth + 1) for child in reversed(inner))
    return rows


def _make_row(run: TaskRun, depth: int, types: Mapping[str, str], *, is_group: bool) -> GanttRow:
    history = read_history(run.histories)
    created = history[0][1]
    began = next((moment for state, moment in history if state not in ("CREATED", "RESTARTED", "QUEUED")), None)
    return GanttRow(
        id=run.id,
        task_id=run.task_id,
        type=types.get(run.task_id, ""),
        value=run.value or "",
        depth=min(depth, DEEPEST),
        state=run.state,
        created_at=created,
        began_at=began,
        ended_at=history[-1][1] if run.state in TERMINAL else None,
        attempt_count=max(1, len(run.attempts)),
        is_group=is_group,
    )


def _fold(run: TaskRun, inner: Sequence[TaskRun], depth: int, count: int) -> GanttRow:
    states = Counter(child.state for child in inner)
    history = [read_history(child.histories) for child in (inner[0], inner[-1])]
    ended = run.state in TERMINAL
    return GanttRow(
        id=run.id,
        task_id=f"{count:,} iterations",
        type="",
        value="",
        depth=min(depth, DEEPEST),
        state=run.state,
        created_at=history[0][0][1],
        began_at=history[0][0][1],
        ended_at=history[1][-1][1] if ended else None,
        is_group=True,
        folded=tuple(sorted(states.items())),
    )


def paint_gantt(rows: Sequence[GanttRow], *, start: datetime, end: datetime | None, at: datetime, url: str) -> SafeString:
    """
    Return the whole panel: axis, grid and rows.

    Args:
        start, end: of the execution; without an end the bars of what runs are moved on by the page.
        url: address of the tab; the id of a task run is added as `task`.
    """
    last = max([end or at, *(row.ended_at for row in rows if row.ended_at)])
    span = max((last - start).total_seconds(), 0.001)
    ticks = _list_ticks(span)
    live = "" if end else f' data-live-from="{start.isoformat()}" data-now="{at.isoformat()}"'
    parts = [f'<div class="gantt" role="table" aria-label="Task runs over time"{live}>', '<div class="g-row g-axis" role="row">']
    parts.append(f'<span class="g-name" role="columnheader">{len(rows)} rows</span><svg class="g-bar" aria-hidden="true">')
    parts += [f'<text x="{100 * tick / span:.2f}%" dx="4" y="19">{_tick_text(tick)}</text>' for tick in ticks]
    parts.append('</svg><span class="g-time" role="columnheader">duration</span></div><div class="g-body">')
    parts.append('<svg class="g-grid" aria-hidden="true">')
    parts += [f'<rect x="{100 * tick / span:.2f}%" width="1" height="100%"/>' for tick in ticks]
    parts.append("</svg>")
    parts += [_paint_row(row, start, span, last, at, url) for row in rows]
    parts.append("</div></div>")
    return SafeString("".join(parts))


def _list_ticks(span: float) -> list[float]:
    step = next((one for one in _STEPS if span / one <= 6), span / 5)
    return [index * step for index in range(int(span / step) + 1)]


def _tick_text(seconds: float) -> str:
    return "0" if seconds == 0 else write_duration(timedelta(seconds=seconds)).replace(".0 s", " s").replace("m 00s", "m")


def _paint_row(row: GanttRow, start: datetime, span: float, last: datetime, at: datetime, url: str) -> str:
    look = look_of(row.state)
    end = row.ended_at or last
    began = row.began_at or end
    left = _share(row.created_at, start, span)
    solid = _share(began, start, span)
    right = _share(end, start, span)
    height, top = (6, 12) if row.is_group else (14, 8)
    parts = [f'<div class="g-row st-{look.name}" role="row">']
    value = f'<span class="chip">{escape(row.value[:40])}</span>' if row.value else ""
    address = f"{escape(url)}{'unfold' if row.folded else 'task'}={escape(row.id)}"
    drawer = "" if row.folded else " data-drawer"
    note = f"{row.type} · attempt {row.attempt_count}" if row.attempt_count > 1 else row.type
    if row.folded:
        note = ", ".join(f"{count} {state}" for state, count in row.folded) + " · show"
    words = f"{row.task_id} {row.value} {row.state}".strip()
    parts.append(
        f'<a class="g-name i{row.depth}" role="rowheader" href="{address}"{drawer} aria-label="{escape(words)}">'
        f'<span class="mark{" is-moving" if is_moving(row.state) else ""}" data-look="{look.name}"></span>'
        f"<b>{escape(row.task_id)}</b>{value}<small>{escape(note)}</small></a>"
    )
    parts.append(f'<svg class="g-bar" aria-hidden="true"><title>{escape(words)}</title>')
    waits = not row.began_at and not row.ended_at
    if solid - left > 0.3:
        growing = f' data-began="{row.created_at.isoformat()}"' if waits else ""
        parts.append(f'<rect class="g-wait" x="{left:.2f}%" y="12" width="{solid - left:.2f}%" height="6"{growing}/>')
    live = "" if row.ended_at or not row.began_at else f' data-began="{row.began_at.isoformat()}"'
    classes = f"g-solid{' is-group' if row.is_group else ''}{' is-moving' if is_moving(row.state) else ''}"
    if not waits:
        parts.append(
            f'<rect class="{classes}" x="{min(solid, 99.6):.2f}%" y="{top}" width="{max(right - solid, 0.4):.2f}%" '
            f'height="{height}" rx="3"{live}/>'
        )
    parts.append("</svg>")
    ticking = f' data-ticks-from="{row.began_at.isoformat()}"' if live and row.began_at else ""
    length = write_duration((row.ended_at or at) - began) if row.began_at else "waiting"
    parts.append(f'<span class="g-time" role="cell"{ticking}>{length}</span></div>')
    return "".join(parts)


def _share(moment: datetime, start: datetime, span: float) -> float:
    return min(100.0, max(0.0, 100 * (moment - start).total_seconds() / span))
