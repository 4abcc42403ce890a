"""A table of executions with the columns that its reader chose, painted without a template loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from urllib.parse import quote

from django.urls import reverse
from django.utils.safestring import SafeString

from flows.models import Execution
from flows.ui.tags import badge, moment
from flows.ui.wording import split_labels, write_duration

COLUMNS = {
    "flow": "Flow",
    "namespace": "Namespace",
    "started": "Started",
    "ended": "Ended",
    "duration": "Duration",
    "trigger": "Trigger",
    "labels": "Labels",
    "now": "Now at",
    "revision": "Revision",
    "parent": "From",
}
DEFAULT_COLUMNS = ("flow", "namespace", "started", "duration", "trigger", "labels", "now", "revision")
_NUMBERS = frozenset({"duration", "revision"})
_BAR_WIDTH = 60


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the rows besides themselves: medians by flow (namespace, id), and the task at which an execution is."""

    at: datetime
    medians: Mapping[tuple[str, str], timedelta]
    current_tasks: Mapping[str, str]


def paint_executions(rows: Sequence[Execution], facts: Facts, *, columns: Sequence[str]) -> SafeString:
    """Return the table. State and id always come first; `now` is left out while nothing on the page runs."""
    shown = [name for name in columns if name in COLUMNS and (name != "now" or facts.current_tasks)]
    parts = ['<div class="scroll"><table class="list dense"><thead><tr><th class="tight">']
    parts.append('<input type="checkbox" class="tick-all" aria-label="Select all"></th>')
    parts.append('<th scope="col">State</th><th scope="col">Execution</th>')
    parts += [f'<th scope="col"{_class(name)}>{COLUMNS[name]}</th>' for name in shown]
    parts.append("</tr></thead><tbody>")
    parts += [_paint_row(row, facts, shown) for row in rows]
    parts.append("</tbody></table></div>")
    return SafeString("".join(parts))


def _class(name: str) -> str:
    return ' class="num"' if name in _NUMBERS else ""


def _paint_row(row: Execution, facts: Facts, columns: Sequence[str]) -> str:
    address = reverse("ui:execution", args=[row.namespace, row.flow_id, row.id])
    name = escape(row.id)
    cells = "".join(f"<td{_class(column)}>{_paint_cell(row, column, facts)}</td>" for column in columns)
    return (
        f'<tr><td class="tight"><input type="checkbox" class="tick" form="bulk-form" name="execution" value="{name}" '
        f'aria-label="Select {name}"></td><td>{badge(row.state)}</td>'
        f'<td><a class="main-link mono" href="{escape(address)}" title="{name}">{escape(row.id[:8])}</a></td>{cells}</tr>'
    )


def _paint_cell(row: Execution, column: str, facts: Facts) -> str:
    match column:
        case "flow":
            address = reverse("ui:flow", args=[row.namespace, row.flow_id])
            return f'<a href="{escape(address)}">{escape(row.flow_id)}</a>'
        case "namespace":
            return f'<span class="muted">{escape(row.namespace)}</span>'
        case "started":
            return str(moment(row.created_at))
        case "ended":
            return str(moment(row.ended_at))
        case "duration":
            return _paint_duration(row, facts)
        case "trigger":
            return f'<span class="muted">{escape(str((row.trigger or {}).get("id") or "by hand"))}</span>'
        case "labels":
            return " ".join(_paint_label(key, value) for key, value in split_labels(row.labels))
        case "now":
            return f'<span class="muted">{escape(facts.current_tasks.get(row.id, ""))}</span>'
        case "revision":
            return f'<span class="muted">{row.flow_revision}</span>'
    parent = row.caller_execution_id or row.parent_id
    return f'<a class="mono" href="/ui/e/{escape(parent)}">{escape(parent[:8])}</a>' if parent else ""


def _paint_label(key: str, value: str) -> str:
    words = escape(f"{key}: {value}")
    return f'<a class="chip" href="?label={quote(key)}:{quote(value)}" title="{words}">{words}</a>'


def _paint_duration(row: Execution, facts: Facts) -> str:
    length = (row.ended_at or facts.at) - row.created_at
    ticking = "" if row.ended_at else f' data-ticks-from="{row.created_at.isoformat()}"'
    text = f"<span{ticking}>{write_duration(length)}</span>"
    median = facts.medians.get((row.namespace, row.flow_id))
    if median is None or median <= timedelta(0):
        return text
    # Twice the median fills the bar; the mark in its middle is the median itself.
    width = min(1.0, length / (2 * median)) * _BAR_WIDTH
    slow = " is-slow" if length > 2 * median and length > timedelta(seconds=1) else ""
    # A script lets the bar of what runs grow.
    grows = "" if row.ended_at else f' data-usual="{median.total_seconds():.3f}"'
    return (
        f'<svg class="dur{slow}"{grows} width="{_BAR_WIDTH}" height="8" role="img" aria-label="usually {write_duration(median)}">'
        f'<title>usually {write_duration(median)}</title><rect class="dur-all" width="{_BAR_WIDTH}" height="8" rx="2"/>'
        f'<rect class="dur-part" width="{max(1.0, width):.1f}" height="8" rx="2"/>'
        f'<rect class="dur-mark" x="{_BAR_WIDTH / 2:.0f}" width="1" height="8"/></svg>{text}'
    )
