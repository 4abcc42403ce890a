"""Small charts as SVG: bars of the last runs of a flow, and executions over time stacked by state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

from django.utils.html import escape
from django.utils.safestring import SafeString

from flows.queries.last_runs import Run
from flows.ui.looks import LOOKS, look_of
from flows.ui.wording import write_duration

MOST_SERIES = 10
SHORT_ID = 11
"""So many characters of an execution's id name it: the clock, and enough random bits. Short addresses take them."""

_BAR, _HEIGHT, _STEPS = 6, 24, 12


def draw_run_strip(runs: Sequence[Run], *, at: datetime) -> SafeString:
    """Return one bar per run, oldest first: height is the duration, colour the state, and each is a link."""
    if not runs:
        return SafeString("")
    lengths = [(run.ended_at or at) - run.created_at for run in runs]
    longest = max(*lengths, timedelta(milliseconds=1))
    # A page holds a thousand of these: classes instead of numbers, and no more of the id than is needed.
    bars = "".join(
        _paint_bar(run, length, max(2, round(_STEPS * (length / longest)))) for run, length in zip(runs, lengths, strict=True)
    )
    return SafeString(f'<span class="strip" role="group" aria-label="last {len(runs)} runs">{bars}</span>')


def _paint_bar(run: Run, length: timedelta, height: int) -> str:
    begin = run.id[:SHORT_ID]
    words = f"{run.state} in {write_duration(length)}, {run.created_at:%b %d %H:%M} UTC"
    address = begin if begin.isalnum() else quote(begin)
    return f'<a class="st-{look_of(run.state).name} b{height}" href="/ui/e/{address}" tabindex="-1" title="{words}"></a>'


def draw_value_bars(values: Sequence[tuple[str, float]], *, own: str) -> SafeString:
    """
    Return one bar per execution, oldest first, each a link; the execution that is looked at stands out.

    Args:
        values: pairs of execution id and value; negative values count as zero.
        own: id of the execution that is looked at.
    """
    most = max((value for _, value in values), default=0.0) or 1.0
    width = max(len(values), 1) * (_BAR + 2)
    parts = [
        f'<svg class="values-bars" width="{width}" height="{_HEIGHT}" role="group" aria-label="the last {len(values)} values">'
    ]
    for index, (execution_id, value) in enumerate(values):
        height = max(2.0, _HEIGHT * max(0.0, value) / most)
        here = ' class="is-own"' if execution_id == own else ""
        parts.append(
            f'<a href="/ui/e/{escape(execution_id)}" tabindex="-1"><title>{value:g} in {escape(execution_id)}</title>'
            f'<rect{here} x="{index * (_BAR + 2)}" y="{_HEIGHT - height:.1f}" width="{_BAR}" height="{height:.1f}" rx="1"/></a>'
        )
    parts.append("</svg>")
    return SafeString("".join(parts))


def draw_history(
    buckets: Sequence[tuple[datetime, Mapping[str, int]]], *, url: str, length: timedelta, width: int = 900, height: int = 150
) -> SafeString:
    """
    Return stacked bars, one per bucket; each part leads to the executions of its time and state. A legend hides and shows states.

    Args:
        buckets: begin of the bucket and count by state, oldest first.
        url: address of the list; time and state are added.
        length: how long one bucket is.
    """
    most = max((sum(counts.values()) for _, counts in buckets), default=0) or 1
    totals = sum((Counter(counts) for _, counts in buckets), Counter[str]())
    series = [state.value for look in LOOKS for state in look.states if totals[state.value]]
    step = width / max(1, len(buckets))
    parts = [f'<svg class="history" viewBox="0 0 {width} {height + 20}" role="group" aria-label="executions over time by state">']
    for line in range(1, 4):
        y = height - height * line / 4
        parts.append(f'<path class="grid" d="M0 {y:.0f}H{width}"/>')
    every = max(1, len(buckets) // 6)
    for index, (start, counts) in enumerate(buckets):
        x, y = index * step, float(height)
        span = f"from={start:%Y-%m-%dT%H:%M:%SZ}&amp;to={start + length:%Y-%m-%dT%H:%M:%SZ}"
        for number, state in enumerate(series):
            if count := counts.get(state, 0):
                part = max(2.0, height * count / most)
                y -= part
                # The keyboard reaches the same lists in the table below the picture.
                parts.append(
                    f'<a href="{escape(url)}{span}&amp;state={escape(state)}" tabindex="-1">'
                    f"<title>{start:%b %d %H:%M} UTC: {count:,} {escape(state)}</title>"
                    f'<rect class="st-{look_of(state).name} s-{min(number, MOST_SERIES - 1)}" x="{x + 2:.1f}" '
                    f'y="{max(0.0, y):.1f}" width="{step - 4:.1f}" height="{part:.1f}" rx="1.5"/></a>'
                )
        if index % every == 0:
            text = f"{start:%H:%M}" if length < timedelta(days=1) else f"{start:%b} {start.day}"
            parts.append(f'<text x="{x + 2:.1f}" y="{height + 15}">{text}</text>')
    parts.append("</svg>")
    legend = "".join(
        f'<label class="st-{look_of(state).name}"><input type="checkbox" checked class="t-{min(number, MOST_SERIES - 1)}">'
        f'<i></i>{escape(state.lower())} <b class="num">{totals[state]:,}</b></label>'
        for number, state in enumerate(series)
    )
    return SafeString(
        f'<div class="chart">{"".join(parts)}<div class="legend" role="group" aria-label="States">{legend}</div></div>'
    )
