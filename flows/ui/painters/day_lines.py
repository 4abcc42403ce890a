"""The figures of the last day as lines: one small picture for each group of figures, with what it says in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.html import escape
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 400, 118
LEFT, TOP, BOTTOM = 58, 8, 20
MOST_POINTS = 180
DAY = timedelta(hours=24)
# Figures come once a minute; where more of them are missing, nobody counted and the line has a gap.
_GAP = timedelta(minutes=4)
_TICK = timedelta(hours=4)

Point = tuple[datetime, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name, the class that gives its colour, and its points, oldest first."""

    name: str
    tone: str
    points: Sequence[Point]


def draw_day(
    title: str, lines: Sequence[Line], *, at: datetime, write: Callable[[float], str], top: float, unit: float = 1.0
) -> SafeString:
    """
    Return lines over the 24 hours before a moment, with a legend that says the newest and the highest value.

    Args:
        write: gives a value with its unit.
        top: the axis reaches at least so far; beyond it a round number of `unit` above the highest value.
    """
    shown = [_thin(line.points) for line in lines]
    highest = max((value for points in shown for _, value in points), default=0.0)
    most = _even_top(max(highest, top) / unit) * unit
    start = at - DAY
    words = "; ".join(_describe(line, write) for line in lines)
    parts = [f'<svg class="day" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(f"{title}: {words}")}">']
    for part in range(3):
        y = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * part / 2
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(write(most * part / 2))}</text>')
    tick = _first_tick(start)
    while tick < at:
        x = _place(tick, start)
        if LEFT + 14 <= x <= WIDTH - 14:
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 4}" text-anchor="middle">{tick:%H:%M}</text>')
        tick += _TICK
    for line, points in zip(lines, shown, strict=True):
        parts.append(f'<path class="{escape(line.tone)}" d="{_trace(points, start, most)}"/>')
    legend = "".join(
        f'<span><i class="{escape(line.tone)}"></i>{escape(line.name)} <b>{escape(_newest(line, write))}</b></span>'
        for line in lines
    )
    return SafeString(f'{"".join(parts)}</svg><div class="legend">{legend}</div>')


def _thin(points: Sequence[Point]) -> list[Point]:
    """Return at most so many points as the picture can show; of several the highest, because peaks are what one looks for."""
    size = math.ceil(len(points) / MOST_POINTS) or 1
    groups = [points[index : index + size] for index in range(0, len(points), size)]
    return [(group[-1][0], max(value for _, value in group)) for group in groups]


def _trace(points: Sequence[Point], start: datetime, most: float) -> str:
    parts: list[str] = []
    gap = max(_GAP, DAY / MOST_POINTS * 2.5)
    before: datetime | None = None
    for moment, value in points:
        y = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * max(0.0, value) / most
        is_new = before is None or moment - before > gap
        # A point that stands alone is a dot: a line of no length with round ends.
        parts.append(f"{'M' if is_new else 'L'}{_place(moment, start):.1f} {y:.1f}{'h0' if is_new else ''}")
        before = moment
    return "".join(parts)


def _even_top(most: float) -> float:
    """Return a round number that is not below a positive value, and whose half is round as well."""
    size = 10 ** math.floor(math.log10(most))
    return float(next(step * size for step in (1, 2, 4, 6, 8, 10) if step * size >= most))


def _place(moment: datetime, start: datetime) -> float:
    return LEFT + (WIDTH - LEFT - 4) * ((moment - start) / DAY)


def _first_tick(start: datetime) -> datetime:
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + _TICK * math.ceil((start - midnight) / _TICK)


def _newest(line: Line, write: Callable[[float], str]) -> str:
    return write(line.points[-1][1]) if line.points else "–"


def _describe(line: Line, write: Callable[[float], str]) -> str:
    if not line.points:
        return f"{line.name} not counted yet"
    return f"{line.name} {_newest(line, write)} now, {write(max(value for _, value in line.points))} at most"
