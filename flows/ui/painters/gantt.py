"""Rows of task runs over time as markup, painted without a template loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from django.utils.safestring import SafeString

from flows.ui.gantt_rows import GanttRow
from flows.ui.looks import is_moving, look_of
from flows.ui.painters.painting import CONTAINER, Painting
from flows.ui.painters.time_scale import TimeScale
from flows.ui.wording import write_duration

FIRST_ROWS = 200
_SPANS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.5)
"""Round lengths of an axis, in any power of ten seconds: at most two fifths of it are empty."""

_SHORTEST_SPAN = 3.0

Link = Callable[..., str]
"""From changes of the query (`task="id"`) to an address of the same page."""


@dataclass(frozen=True, slots=True)
class Frame:
    """
    What the axis shows. `end` is None while the execution goes on; `window` is the part that is looked at; `cuts` are spans
    without work that are left out.
    """

    start: datetime
    end: datetime | None
    at: datetime
    window: tuple[datetime, datetime] | None = None
    cuts: tuple[tuple[datetime, datetime], ...] = ()


def paint_gantt(rows: Sequence[GanttRow], frame: Frame, *, link: Link, most: int = FIRST_ROWS) -> Painting:
    """
    Return the whole panel: axis, grid and rows. Without an end the page moves the bars of what runs.

    Args:
        link: gives addresses of the same page with `task`, `fold`, `unfold` or `rows` changed.
        most: how many rows are painted; a link below them leads to the others.
    """
    moves = not frame.end and not frame.window and not frame.cuts
    last = max([frame.end or frame.at, *(row.ended_at for row in rows if row.ended_at)])
    begin, stop = frame.window or (frame.start, frame.start + _leave_room(last - frame.start) if moves else last)
    scale = TimeScale(begin, stop, cuts=frame.cuts)
    offset = (begin - frame.start).total_seconds()
    ticks = scale.list_ticks(offset=offset)
    live = f' data-live-from="{begin.isoformat()}" data-live-to="{stop.isoformat()}"' if moves else ""
    shown = f' data-offset="{offset * 1000:.0f}" data-span="{scale.seconds * 1000:.0f}"'
    spots = {"gantt-count": _paint_count(len(rows)), "gantt-more": _paint_more(len(rows) - most, len(rows), most, link)}
    parts = [f'<div class="gantt" role="table" aria-label="Task runs over time"{live}{shown}>']
    parts.append('<div class="g-row g-axis" role="row" title="Drag to look closer, double click for the whole">')
    parts.append(f'<span class="g-name" role="columnheader">{spots["gantt-count"]}</span><svg class="g-bar" aria-hidden="true">')
    # The last one would stand in the column beside the axis.
    parts += [f'<text x="{place:.2f}%" dx="4" y="19">{text}</text>' for place, text in ticks if place < 97]
    parts.append('<rect class="g-drag" height="30" width="0" x="0"/></svg>')
    parts.append('<span class="g-time" role="columnheader">duration</span></div>')
    parts.append(f'<div class="g-body" {CONTAINER}="1"><svg class="g-grid" aria-hidden="true">')
    parts += [f'<rect x="{place:.2f}%" width="1" height="100%"/>' for place, _ in ticks]
    for place, width, words in scale.list_cut_places():
        parts.append(f'<rect class="g-cut" x="{place:.2f}%" width="{width:.2f}%" height="100%"><title>{words} cut</title></rect>')
    if moves:
        parts.append(f'<rect class="g-now" x="{scale.place(frame.at):.2f}%" width="1" height="100%"/>')
    parts.append("</svg>")
    painter = _RowPainter(scale, frame, last, link)
    return Painting(
        "".join(parts),
        [painter.paint(row) for row in rows[:most]],
        f"</div>{spots['gantt-more']}</div>",
        shape=(begin, stop, frame.cuts, frame.end),
        marks=rows[:most],
        spots=spots,
    )


def _leave_room(length: timedelta) -> timedelta:
    """Return how much time the axis of a running execution shows: a round span, so that bars move and not the whole picture."""
    seconds = max(_SHORTEST_SPAN, length.total_seconds())
    power = 10.0 ** math.floor(math.log10(seconds))
    return timedelta(seconds=next((step * power for step in _SPANS if step * power >= seconds), 10 * power))


def _paint_count(count: int) -> str:
    return f'<span id="gantt-count">{count:,} {"row" if count == 1 else "rows"}</span>'


def _paint_more(left: int, count: int, most: int, link: Link) -> str:
    if left <= 0:
        return '<span id="gantt-more" hidden></span>'
    address = escape(link(rows=str(min(most + 400, count))))
    return f'<a class="g-more" id="gantt-more" href="{address}" data-more>{left:,} more rows</a>'


class _RowPainter:
    def __init__(self, scale: TimeScale, frame: Frame, last: datetime, link: Link) -> None:
        self._scale = scale
        self._frame = frame
        self._last = last
        # The address is made once; per row only the id is put in, which keeps thousands of rows cheap.
        self._addresses = {name: escape(link(**{name: "\x01"})).replace("%01", "\x01") for name in ("task", "unfold")}
        self._toggle = link

    def _link(self, name: str, row_id: str) -> str:
        return self._addresses[name].replace("\x01", escape(row_id))

    def paint(self, row: GanttRow) -> str:
        """Return one row."""
        look = look_of(row.state).name
        words = f"{row.task_id} {row.value} {row.state}".strip()
        critical = " is-critical" if row.is_critical else ""
        parts = [f'<div class="g-row st-{look}{critical}" role="row">']
        parts.append(self._paint_name(row, look, words))
        parts.append(f'<svg class="g-bar" aria-hidden="true"><title>{escape(self._describe(row))}</title>')
        parts += self._paint_bar(row)
        ticking = f' data-ticks-from="{row.began_at.isoformat()}"' if row.began_at and not row.ended_at else ""
        length = write_duration((row.ended_at or self._frame.at) - row.began_at) if row.began_at else "waiting"
        parts.append(f'</svg><span class="g-time" role="cell"{ticking}>{length}</span></div>')
        return "".join(parts)

    def _paint_name(self, row: GanttRow, look: str, words: str) -> str:
        value = f'<span class="chip">{escape(row.value[:40])}</span>' if row.value else ""
        note = f"{row.type} · attempt {row.attempt_count}" if row.attempt_count > 1 else row.type
        caret = ""
        if row.folded:
            note = f"show {row.task_id.partition(' ')[0]}"
        elif row.is_group:
            turned = "" if row.is_folded else " is-open"
            verb = "Show" if row.is_folded else "Fold"
            toggle = escape(self._toggle(fold=row.id))
            caret = f'<a class="g-fold{turned}" data-part href="{toggle}" aria-label="{verb} {escape(row.task_id)}"></a>'
            note = f"{note} · {row.child_count} inside" if row.is_folded else note
        address = self._link("unfold" if row.folded else "task", row.id)
        kind = " data-part" if row.folded else " data-drawer"
        mark = " is-moving" if is_moving(row.state) else ""
        return (
            f'<span class="g-name i{row.depth}" role="rowheader">{caret}<a href="{address}"{kind} aria-label="{escape(words)}">'
            f'<span class="mark{mark}" data-look="{look}"></span><b>{escape(row.task_id)}</b>{value}'
            f"<small>{escape(note)}</small></a></span>"
        )

    def _describe(self, row: GanttRow) -> str:
        if row.folded:
            return ", ".join(f"{count} {state}" for state, count in row.folded)
        waited = f", waited {write_duration(row.began_at - row.created_at)}" if row.began_at else ""
        path = ", on the critical path" if row.is_critical else ""
        return f"{row.task_id} {row.value} {row.state}".strip() + waited + path

    def _paint_bar(self, row: GanttRow) -> list[str]:
        place = self._scale.place
        begin, end = row.created_at, row.ended_at or self._last
        window_end = self._scale.place(end)
        left, solid = place(begin), place(row.began_at or end)
        waits = not row.began_at and not row.ended_at
        parts = []
        if solid - left > 0.3:
            growing = f' data-began="{begin.isoformat()}"' if waits else ""
            parts.append(f'<rect class="g-wait" x="{left:.2f}%" y="12" width="{solid - left:.2f}%" height="6"{growing}/>')
        if waits:
            return parts
        if row.strip:
            return parts + self._paint_strip(row, solid, window_end)
        live = "" if row.ended_at or not row.began_at else f' data-began="{row.began_at.isoformat()}"'
        height, top = (6, 12) if row.is_group else (14, 8)
        classes = f"g-solid{' is-group' if row.is_group else ''}{' is-moving' if is_moving(row.state) else ''}"
        if row.segments:
            classes += " is-span"
        width = max(window_end - solid, 0.4)
        parts.append(
            f'<rect class="{classes}" x="{min(solid, 99.6):.2f}%" y="{top}" width="{width:.2f}%" height="{height}" rx="3"{live}/>'
        )
        for number, segment in enumerate(row.segments, 1):
            first, stop = place(segment.began_at), place(segment.ended_at or end)
            grows = "" if segment.ended_at or row.ended_at else f' data-began="{segment.began_at.isoformat()}"'
            parts.append(
                f'<rect class="g-try st-{look_of(segment.state).name}" x="{min(first, 99.6):.2f}%" y="8" height="14" rx="2" '
                f'width="{max(stop - first, 0.4):.2f}%"{grows}><title>attempt {number}, {escape(segment.state)}</title></rect>'
            )
        return parts

    def _paint_strip(self, row: GanttRow, left: float, right: float) -> list[str]:
        step = max(right - left, 0.4) / len(row.strip)
        gap = 0.08 if step > 0.4 else 0.0
        return [
            f'<rect class="g-try st-{look_of(state).name}" x="{left + index * step:.3f}%" y="9" width="{step - gap:.3f}%" '
            'height="12"/>'
            for index, state in enumerate(row.strip)
        ]


def paint_gantt_table(rows: Sequence[GanttRow], *, link: Link, at: datetime, most: int = FIRST_ROWS) -> SafeString:
    """Return the same rows as a plain table: task, value, state, waited, duration, attempts, start and end in UTC."""
    parts = ['<table class="list"><thead><tr>']
    heads = (("Task", ""), ("Value", ""), ("State", ""), ("Began", ""), ("Ended", ""), ("Waited", "num"), ("Duration", "num"))
    parts += [f'<th scope="col" class="{css}">{text}</th>' for text, css in (*heads, ("Attempts", "num"))]
    parts.append("</tr></thead><tbody>")
    for row in rows[:most]:
        began = row.began_at
        address = link(unfold=row.id) if row.folded else link(task=row.id)
        waited = write_duration(began - row.created_at) if began else "–"
        length = write_duration((row.ended_at or at) - began) if began else "waiting"
        star = ' <span class="chip" title="On the critical path">critical</span>' if row.is_critical else ""
        parts.append(
            f'<tr><td class="i{row.depth}"><a{"" if row.folded else " data-drawer"} href="{escape(address)}">'
            f"<b>{escape(row.task_id)}</b></a>{star}</td><td>{escape(row.value[:80])}</td>"
            f'<td><span class="badge st-{look_of(row.state).name}">{escape(row.state)}</span></td><td>{_paint_moment(began)}</td>'
            f'<td>{_paint_moment(row.ended_at)}</td><td class="num">{waited}</td><td class="num">{length}</td>'
            f'<td class="num">{row.attempt_count}</td></tr>'
        )
    parts.append("</tbody></table>")
    parts.append(_paint_more(len(rows) - most, len(rows), most, link))
    return SafeString("".join(parts))


def _paint_moment(moment: datetime | None) -> str:
    if moment is None:
        return "–"
    return f'<time datetime="{moment.isoformat()}" title="UTC">{moment:%b} {moment.day}, {moment:%H:%M:%S}</time>'
