"""The Gantt and the topology of an execution."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest

from flows.language.flow import Flow
from flows.primitives.states import TERMINAL
from flows.queries.executions import measure_progress
from flows.ui.filters import LISTED_STATES
from flows.ui.gantt_rows import MOST_ROWS, filter_rows, find_gaps, list_rows
from flows.ui.painters.boxes import choose_folds
from flows.ui.painters.gantt import FIRST_ROWS, Frame, paint_gantt, paint_gantt_table
from flows.ui.painters.painting import Painting
from flows.ui.painters.topology import draw_topology
from flows.ui.views.execution_page import ExecutionPage, make_link
from flows.ui.views.execution_subflows import open_subflows

MOST_DRAWN = 16
"""Pictures of ended executions that a process keeps; one of 500 tasks has 0.4 MB."""

_drawn: dict[tuple[str, str, int], Painting] = {}


def make_gantt(request: HttpRequest, page: ExecutionPage) -> dict[str, Any]:
    """Return what the tab "Gantt" shows; every choice stands in the address."""
    query = request.GET
    choices = {name: query.get(name, "") for name in ("q", "sort", "critical", "cut", "as")}
    states = [state for state in query.getlist("state") if state]
    rows = list_rows(
        page.runs,
        page.types(),
        unfolded=query.getlist("unfold"),
        folded=query.getlist("fold"),
        by_start=choices["sort"] == "start",
    )
    shown = filter_rows(rows, text=choices["q"].replace("\0", ""), states=states, critical=bool(choices["critical"]))
    frame = _make_frame(page, request, rows, is_cut=bool(choices["cut"]))
    most = _read_count(query.get("rows", ""), FIRST_ROWS)
    link = make_link(request)
    as_table = choices["as"] == "table"
    return {
        "gantt": (
            paint_gantt_table(shown, link=link, at=page.at, most=most)
            if as_table
            else paint_gantt(shown, frame, link=link, most=most)
        ),
        "row_count": len(rows),
        "shown_count": len(shown),
        "choices": choices,
        "wanted_states": states,
        "states": [state.value for state in LISTED_STATES],
        "zoomed": frame.window is not None,
        "whole_url": link(span=""),
        "as_url": link(**{"as": "" if as_table else "table"}),
        "keep": [(name, one) for name in ("span", "as", "fold", "unfold") for one in query.getlist(name)],
    }


def _make_frame(page: ExecutionPage, request: HttpRequest, rows: Any, *, is_cut: bool) -> Frame:
    execution = page.execution
    end = execution.ended_at if execution.state in TERMINAL else None
    start = execution.created_at
    window = _read_span(request.GET.get("span", ""), start)
    cuts = tuple(find_gaps(rows, start=start, end=end or page.at)) if is_cut and not window else ()
    return Frame(start, end, page.at, window, cuts)


def _read_span(text: str, start: datetime) -> tuple[datetime, datetime] | None:
    """Return the part of the axis that `1200-5400` names, in milliseconds from the start; None for everything."""
    first, dash, last = text.partition("-")
    if not dash or not all(part.isascii() and part.isdigit() and len(part) < 14 for part in (first, last)):
        return None
    begin, stop = int(first), int(last)
    if stop <= begin:
        return None
    return start + timedelta(milliseconds=begin), start + timedelta(milliseconds=stop)


def _read_count(text: str, default: int) -> int:
    return min(max(int(text), 1), MOST_ROWS) if text.isascii() and text.isdigit() and len(text) < 6 else default


def make_topology(request: HttpRequest, page: ExecutionPage) -> dict[str, Any]:
    """Return what the tab "Topology" shows."""
    if page.definition is None:
        return {"is_drawable": False}
    query = request.GET
    link = make_link(request)
    as_table, sideways = query.get("as") == "table", query.get("way") == "right"
    shown: dict[str, Any] = {"picture": "", "nodes": ()}
    if as_table:
        _, states = open_subflows(page, page.definition, query.getlist("open"))
        shown["nodes"] = [(task, states.get(task.id)) for task in page.definition.all_tasks()]
    else:
        shown["picture"] = _draw(request, page, page.definition, sideways=sideways)
    return {
        **shown,
        "is_drawable": True,
        "as_table": as_table,
        "as_url": link(**{"as": "" if as_table else "table"}),
        "sideways": sideways,
        "way_url": link(way="" if sideways else "right"),
    }


def _draw(request: HttpRequest, page: ExecutionPage, definition: Flow, *, sideways: bool) -> Painting:
    query = request.GET
    opened = query.getlist("open")
    progress = measure_progress(page.execution, page.runs)
    drawn = (progress.mark, page.source, tuple((run.id, run.task_id, run.state) for run in page.runs))
    key = (page.execution.id, query.urlencode(), hash(drawn))
    # What has ended looks the same to everybody, until a restart. Called flows that are open are not everybody's to see.
    may_keep = progress.is_settled and not opened
    kept = _drawn.get(key) if may_keep else None
    if kept is not None:
        return kept
    link = make_link(request)
    wanted = "unfold" if choose_folds(definition) else "fold"
    flow, states = open_subflows(page, definition, opened)
    picture = draw_topology(
        flow,
        states,
        folded=choose_folds(definition, folded=query.getlist("fold"), unfolded=query.getlist("unfold")),
        fold_link=lambda task_id: link(**{wanted: task_id}),
        opened=opened,
        open_link=lambda task_id: link(open=task_id),
        sideways=sideways,
    )
    if may_keep:
        _drawn[key] = picture
        while len(_drawn) > MOST_DRAWN:
            _drawn.pop(next(iter(_drawn)), None)
    return picture
