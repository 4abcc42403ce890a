"""The charts of dashboards as SVG and tables: rows in, markup out. Every chart also comes as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString

from flows.language.dashboards import Chart
from flows.primitives.states import State
from flows.ui.looks import look_of
from flows.ui.markdown import render_markdown

WIDTH, HEIGHT = 640, 220
LEFT, BOTTOM, TOP = 44, 24, 8
WIDEST_BAR = 64.0
MOST_SERIES = 10
MOST_TABLE_ROWS = 200
MOST_SLICES = 9

Rows = Sequence[Mapping[str, Any]]
Link = Callable[[Mapping[str, Any]], str]


def draw_chart(chart: Chart, rows: Rows, *, link: Link | None = None, width: int = WIDTH) -> SafeString:
    """
    Return the picture of a chart.

    Args:
        rows: as `fetch_chart` gives them, keyed by the keys of the columns.
        link: gives the address that a bar, slice or point leads to, empty for none.
        width: of the drawing in units; a wide card needs a wide one, or its letters grow.
    """
    if chart.kind == "Markdown":
        text = rows[0].get("content") or rows[0].get("description") if rows else ""
        return SafeString(f'<div class="md">{render_markdown(str(text or ""))}</div>')
    if not rows:
        return SafeString('<div class="empty"><p>No data in this range.</p></div>')
    if chart.kind == "KPI":
        return draw_figure(chart, rows)
    if chart.kind == "Table":
        return paint_table(chart, rows)
    if chart.kind == "Pie":
        return draw_pie(chart, rows, link or _no_link)
    return draw_bars(chart, rows, link or _no_link, width)


def _no_link(row: Mapping[str, Any]) -> str:
    return ""


def draw_figure(chart: Chart, rows: Rows) -> SafeString:
    """Return one large number."""
    value = next(iter(rows[0].values()), None)
    unit = " %" if chart.options.get("numberType") == "PERCENTAGE" else ""
    return SafeString(f'<div class="kpi"><b>{escape(show_number(value))}{unit}</b></div>')


def paint_table(chart: Chart | None, rows: Rows, *, link: Link | None = None) -> SafeString:
    """Return rows as a table with a head, at most 200 of them; `link` gives the address that the first cell of a row leads to."""
    names = {column.key: column.display_name or column.key for column in chart.data.columns} if chart and chart.data else {}
    keys = list(rows[0])
    title = escape(title_of(chart)) if chart else "Rows"
    parts = [f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table class="list"><thead><tr>']
    parts += [f'<th scope="col"{_align(rows, key)}>{escape(names.get(key, key))}</th>' for key in keys]
    parts.append("</tr></thead><tbody>")
    for row in rows[:MOST_TABLE_ROWS]:
        parts.append("<tr>")
        for key in keys:
            text = show_value(row.get(key))
            url = link(row) if link is not None and key == keys[0] else ""
            shown = f'<a href="{escape(url)}">{_badge(text)}</a>' if url else _badge(text)
            parts.append(f'<td{_align(rows, key)} title="{escape(text)}">{shown}</td>')
        parts.append("</tr>")
    parts.append("</tbody></table></div>")
    if len(rows) > MOST_TABLE_ROWS:
        parts.append(
            f'<p class="faint small">The first {MOST_TABLE_ROWS} of {len(rows)} rows; all of them are in the CSV file.</p>'
        )
    return SafeString("".join(parts))


def _align(rows: Rows, key: str) -> str:
    return ' class="num"' if isinstance(rows[0].get(key), int | float) and not isinstance(rows[0].get(key), bool) else ""


def _badge(text: str) -> str:
    if text in State.__members__:
        return f'<span class="badge st-{look_of(text).name}">{escape(text)}</span>'
    return str(escape(text))


def show_value(value: Any) -> str:
    """Return a value as text."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return show_number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def show_number(value: Any) -> str:
    """Return a number with at most two decimals and thin groups of three digits."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "–" if value is None else str(value)
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.2f}"
    return f"{int(value):,}"


def draw_bars(chart: Chart, rows: Rows, link: Link, width: int = WIDTH) -> SafeString:
    """Return bars over the values of a column, stacked by another one; a second aggregation of a time series is a line."""
    data = chart.data
    assert data is not None
    values = [column.key for column in data.columns if column.agg is not None]
    groups = [column.key for column in data.columns if column.agg is None]
    axis = str(chart.options.get("column") or (groups[0] if groups else ""))
    colour = chart.options.get("colorByColumn") or next((key for key in groups if key != axis), "")
    bars_key, line_key = values[0], values[1] if len(values) > 1 else ""
    positions = list(dict.fromkeys(show_axis(row.get(axis)) for row in rows))
    series = _name_series(rows, str(colour), bars_key)
    sums: dict[str, float] = dict.fromkeys(positions, 0.0)
    for row in rows:
        sums[show_axis(row.get(axis))] += max(0.0, _number(row.get(bars_key)))
    most = nice_top(max(sums.values(), default=0))
    step = (width - LEFT) / max(1, len(positions))
    bar = max(1.0, min(WIDEST_BAR, step * 0.76))
    parts = [_open_svg(chart, width), *_draw_grid(most, width)]
    tops: dict[str, float] = dict.fromkeys(positions, float(HEIGHT - BOTTOM))
    for row in rows:
        position, value = show_axis(row.get(axis)), max(0.0, _number(row.get(bars_key)))
        if not value:
            continue
        height = (HEIGHT - BOTTOM - TOP) * value / most
        tops[position] -= height
        name = show_value(row.get(str(colour))) if colour else bars_key
        x = LEFT + positions.index(position) * step
        words = f"{position}, {name}: {show_number(row.get(bars_key))}"
        rect = (
            f'<rect class="{_shade(name, series)}" x="{x + (step - bar) / 2:.1f}" y="{tops[position]:.1f}" '
            f'width="{bar:.1f}" height="{height:.1f}" rx="1.5"><title>{escape(words)}</title></rect>'
        )
        url = link(row)
        parts.append(f'<a href="{escape(url)}">{rect}</a>' if url else rect)
    if line_key:
        parts.append(_draw_line(rows, axis, line_key, positions, step))
    every = max(1, math.ceil(len(positions) / 8))
    for index, position in enumerate(positions):
        if index % every == 0:
            x = LEFT + index * step + step / 2
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(_short(position))}</text>')
    parts.append("</svg>")
    return SafeString(_wrap("".join(parts), [*series, *([line_key] if line_key else [])] if colour or line_key else []))


def _draw_line(rows: Rows, axis: str, key: str, positions: list[str], step: float) -> str:
    sums: dict[str, float] = {}
    for row in rows:
        sums[show_axis(row.get(axis))] = sums.get(show_axis(row.get(axis)), 0.0) + _number(row.get(key))
    most = nice_top(max(sums.values(), default=0))
    points = [
        f"{LEFT + positions.index(name) * step + step / 2:.1f},{HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / most:.1f}"
        for name, value in sums.items()
    ]
    return f'<polyline class="line-series" points="{" ".join(points)}"><title>{escape(key)}</title></polyline>'


def draw_pie(chart: Chart, rows: Rows, link: Link) -> SafeString:
    """Return a ring of slices with a legend; what does not fit is one slice "others"."""
    data = chart.data
    assert data is not None
    value_key = next(column.key for column in data.columns if column.agg is not None)
    label_key = next((column.key for column in data.columns if column.agg is None), value_key)
    ordered = sorted(rows, key=lambda row: _number(row.get(value_key)), reverse=True)
    slices = [(show_value(row.get(label_key)), max(0.0, _number(row.get(value_key))), link(row)) for row in ordered[:MOST_SLICES]]
    rest = sum(max(0.0, _number(row.get(value_key))) for row in ordered[MOST_SLICES:])
    if rest:
        slices.append(("others", rest, ""))
    total = sum(value for _, value, _ in slices) or 1.0
    names = [name for name, _, _ in slices]
    parts = [f'<svg class="figure-chart pie" viewBox="0 0 220 220" role="group" aria-label="{escape(title_of(chart))}">']
    angle = -math.pi / 2
    for name, value, url in slices:
        turn = 2 * math.pi * value / total
        path = _arc(angle, angle + min(turn, 2 * math.pi - 0.0001))
        angle += turn
        words = f"{name}: {show_number(value)} ({100 * value / total:.1f} %)"
        drawn = f'<path class="{_shade(name, names)}" d="{path}"><title>{escape(words)}</title></path>'
        parts.append(f'<a href="{escape(url)}">{drawn}</a>' if url else drawn)
    parts.append(
        f'<text class="middle" x="110" y="117" text-anchor="middle">{escape(show_number(total if slices else 0))}</text></svg>'
    )
    legend = "".join(
        f'<li><i class="{_shade(name, names)}"></i><span>{escape(name)}</span>'
        f'<b class="num">{escape(show_number(value))}</b></li>'
        for name, value, _ in slices
    )
    return SafeString(f'<div class="pie-box">{"".join(parts)}<ul class="pie-legend">{legend}</ul></div>')


def _arc(start: float, end: float) -> str:
    large = int(end - start > math.pi)

    def at(radius: float, angle: float) -> str:
        return f"{110 + radius * math.cos(angle):.2f} {110 + radius * math.sin(angle):.2f}"

    return f"M{at(98, start)}A98 98 0 {large} 1 {at(98, end)}L{at(60, end)}A60 60 0 {large} 0 {at(60, start)}Z"


def title_of(chart: Chart) -> str:
    """Return the name of a chart as people read it."""
    return str(chart.options.get("displayName") or chart.id)


def nice_top(most: float) -> float:
    """Return a round number that is not below the largest value, never zero."""
    if most <= 0:
        return 1.0
    size = 10 ** math.floor(math.log10(most))
    return float(next(step * size for step in (1, 2, 2.5, 5, 10) if step * size >= most))


def show_axis(value: Any) -> str:
    """Return a value as a position on the axis; moments at midnight as days."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return str(value)
    if isinstance(value, datetime):
        return f"{value:%b %d}" if (value.hour, value.minute) == (0, 0) else f"{value:%b %d %H:%M}"
    return show_value(value)


def _short(text: str) -> str:
    return text if len(text) <= 14 else f"{text[:13]}…"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _name_series(rows: Rows, colour: str, bars_key: str) -> list[str]:
    return list(dict.fromkeys(show_value(row.get(colour)) if colour else bars_key for row in rows))


def _shade(name: str, names: Sequence[str]) -> str:
    index = names.index(name) if name in names else 0
    shade = f"st-{look_of(name).name}" if name in State.__members__ else f"c-{index % 8}"
    return f"{shade} s-{min(index, MOST_SERIES - 1)}"


def _open_svg(chart: Chart, width: int) -> str:
    return f'<svg class="figure-chart" viewBox="0 0 {width} {HEIGHT}" role="group" aria-label="{escape(title_of(chart))}">'


def _draw_grid(most: float, width: int) -> list[str]:
    parts = []
    for part in range(5):
        y = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * part / 4
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{width}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(show_number(most * part / 4))}</text>')
    return parts


def _wrap(picture: str, series: Sequence[str]) -> str:
    if not series:
        return f'<div class="chart">{picture}</div>'
    entries = "".join(
        f'<label><input type="checkbox" checked class="t-{min(index, MOST_SERIES - 1)}">'
        f'<i class="{_shade(name, series)}"></i>{escape(name)}</label>'
        for index, name in enumerate(series[:MOST_SERIES])
    )
    return f'<div class="chart">{picture}<div class="legend" role="group" aria-label="Series">{entries}</div></div>'
