"""The table of flows with the columns that its reader chose, painted without a template loop: a page of it holds 1,000 links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import quote

from django.urls import reverse
from django.utils.safestring import SafeString

from flows.models import Flow
from flows.queries.last_runs import Run
from flows.ui.painters.charts import draw_run_strip
from flows.ui.sorting import Head, paint_heads
from flows.ui.tags import age, badge, icon
from flows.ui.wording import split_labels

COLUMNS = {
    "namespace": "Namespace",
    "last": "Last run",
    "runs": "Last runs",
    "next": "Next run",
    "triggers": "Triggers",
    "revision": "Rev.",
    "labels": "Labels",
    "updated": "Saved",
}
DEFAULT_COLUMNS = ("namespace", "last", "runs", "next", "triggers", "revision", "labels")
LONGEST_HINT = 300
_NONE = '<span class="faint">–</span>'


@dataclass(frozen=True, slots=True)
class TriggerMark:
    """One trigger of a flow: a symbol of icons.svg and what it waits for, in words."""

    icon: str
    words: str


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A flow with its newest runs, newest first, its triggers, its next date, and how deep it stands in the tree."""

    flow: Flow
    runs: Sequence[Run] = ()
    triggers: Sequence[TriggerMark] = ()
    next_at: datetime | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class TreeHeading:
    """A namespace of the tree: how many flows lie in and below it, and the address that shows only those."""

    namespace: str
    depth: int
    count: int
    url: str


def paint_flows(
    rows: Sequence[FlowRow | TreeHeading], *, at: datetime, heads: Sequence[Head], rights: Mapping[str, frozenset[str]]
) -> SafeString:
    """
    Return the table; the flow itself always comes first.

    Args:
        heads: the columns to show, by the names of `COLUMNS`.
        rights: by namespace, which of run, update and delete the reader may do there.
    """
    columns = [head.name for head in heads]
    signs = {name: icon(name) for name in ("run", "more", "namespace")}
    parts = [
        '<div class="scroll"><table class="list flow-list"><thead><tr><th class="tight">',
        '<input type="checkbox" class="tick-all" aria-label="Select all"></th>',
        paint_heads(heads),
        '<th class="acts"><span class="sr">Actions</span></th></tr></thead><tbody>',
    ]
    for row in rows:
        if isinstance(row, TreeHeading):
            parts.append(_paint_heading(row, len(columns) + 2, signs["namespace"]))
        else:
            parts.append(_paint_row(row, columns, at, rights.get(row.flow.namespace, frozenset()), signs))
    parts.append("</tbody></table></div>")
    return SafeString("".join(parts))


def _paint_heading(row: TreeHeading, span: int, sign: str) -> str:
    name = escape(row.namespace)
    counted = "1 flow" if row.count == 1 else f"{row.count:,} flows"
    return (
        f'<tr class="tree-head"><th scope="rowgroup" colspan="{span}" class="tree-row i{row.depth}">{sign} '
        f'<a href="{escape(row.url)}" title="Only {name}">{escape(row.namespace.rpartition(".")[2])}</a> '
        f'<span class="faint small">{counted}</span> '
        f'<a class="small" href="{escape(reverse("ui:namespace", args=[row.namespace]))}">open</a></th></tr>'
    )


def _paint_row(row: FlowRow, columns: Sequence[str], at: datetime, rights: frozenset[str], signs: Mapping[str, str]) -> str:
    flow = row.flow
    url = escape(reverse("ui:flow", args=[flow.namespace, flow.flow_id]))
    name, key = escape(flow.flow_id), escape(f"{flow.namespace}/{flow.flow_id}")
    marks = '<span class="chip">disabled</span>' if flow.disabled else ""
    if flow.draft_revision:
        marks += f'<span class="chip is-draft" title="{_say_draft(flow)}">draft</span>'
    if flow.problem:
        marks += f'<span class="chip" title="{escape(flow.problem)}">unusable</span>'
    cells = "".join(_paint_cell(row, column, url, at) for column in columns if column != "flow")
    tree = f' class="tree-row i{row.depth}"' if row.depth else ""
    hint = escape(flow.description[:LONGEST_HINT])
    if not flow.is_published:
        rights -= {"run"}
    can_run = "run" in rights and flow.can_start
    run = (
        f'<a class="btn small icon-only" href="{url}/execute" title="Execute" aria-label="Execute {name}">{signs["run"]}</a>'
        if can_run
        else ""
    )
    has = " ".join([*([] if flow.disabled else ["on"]), *sorted(rights)])
    return (
        f'<tr><td class="tight"><input type="checkbox" class="tick" form="bulk-form" name="flow" value="{key}" '
        f'aria-label="Select {name}"></td>'
        f'<td{tree}><a class="main-link{" is-off" if flow.disabled else ""}" href="{url}" title="{hint}">{name}</a> {marks}</td>'
        f'{cells}<td class="acts">{run}<button class="btn small icon-only" type="button" data-row-menu="{url}" '
        f'data-name="{name}" data-key="{key}" data-has="{has}" title="More" aria-label="More for {name}" aria-haspopup="menu">'
        f"{signs['more']}</button></td></tr>"
    )


def _say_draft(flow: Flow) -> str:
    runs = f"revision {flow.revision} runs" if flow.is_published else "nothing is published yet"
    return f"Revision {flow.draft_revision} is a draft; {runs}"


def _paint_cell(row: FlowRow, column: str, url: str, at: datetime) -> str:
    flow = row.flow
    match column:
        case "namespace":
            name = escape(flow.namespace)
            return f'<td class="muted">{name}</td>'
        case "last":
            return f"<td>{_paint_last(row)}</td>"
        case "runs":
            return f"<td>{draw_run_strip(row.runs[::-1], at=at)}</td>"
        case "next":
            return f"<td>{age(row.next_at) if row.next_at else _NONE}</td>"
        case "triggers":
            return f"<td>{_paint_triggers(row, url)}</td>"
        case "revision":
            return f'<td class="num muted">{flow.revision or flow.draft_revision}</td>'
        case "updated":
            return f"<td>{age(flow.updated_at)}</td>"
    return f"<td>{' '.join(_paint_label(key, value) for key, value in split_labels(flow.labels))}</td>"


def _paint_last(row: FlowRow) -> str:
    if not row.runs:
        return '<span class="faint">never</span>'
    last = row.runs[0]
    url = escape(reverse("ui:execution", args=[row.flow.namespace, row.flow.flow_id, last.id]))
    return f'<a href="{url}">{badge(last.state)}</a> <span class="faint small">{age(last.created_at)}</span>'


def _paint_triggers(row: FlowRow, url: str) -> str:
    if not row.triggers:
        return _NONE
    marks = "".join(f'<span title="{escape(one.words)}">{icon(one.icon)}</span>' for one in row.triggers)
    counted = "1 trigger" if len(row.triggers) == 1 else f"{len(row.triggers)} triggers"
    return f'<a class="trigger-marks" href="{url}/triggers" aria-label="{counted} of {escape(row.flow.flow_id)}">{marks}</a>'


def _paint_label(key: str, value: str) -> str:
    words = escape(f"{key}: {value}")
    return f'<a class="chip" href="?label={quote(key)}:{quote(value)}" title="{words}">{words}</a>'
