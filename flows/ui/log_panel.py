"""The panel that shows a log, wherever one stands: its window, its links, its lean answers to scripts and its stream."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, JsonResponse

from flows.models import LogEntry
from flows.queries.criteria import read_moment
from flows.queries.log_tail import LogTail
from flows.queries.log_windows import LogPlace, LogWindow, take_window
from flows.queries.logs import LEVEL_NUMBERS
from flows.streams import Viewer
from flows.ui.filters import write_query
from flows.ui.live import Look, follow_changes, paint_parts, write_lines
from flows.ui.page import FRAGMENT_HEADER
from flows.ui.painters.log_lines import Origin, paint_log_chunks

PLACE_NAMES = ("before", "later", "line", "through", "at", "jump")
"""What addresses say about the place in a log. The other names of a query are filters."""

LINES = "lines"
"""Value of the fragment header with which a script asks for lines and nothing else."""

MOST_COUNTED = 10_000
LOOK_BACK = 200
"""A new stream sends so many ids again, because their lines may have been committed since; a page knows which it has."""


@dataclass(frozen=True, slots=True)
class Log:
    """
    What a panel shows.

    Attributes:
        rows: the lines that the filters leave; with `context` also those that a search did not find.
        hits: the lines that a search found.
        searched: the text of the search, whose hits are marked.
        origin: what tells where a line comes from, when the lines belong to many executions.
        is_filtered: some lines may be missing.
        note: what else the reader should know, empty for nothing.
        live_url: address of the stream of new lines, without the filters; empty when none will come.
    """

    rows: QuerySet[LogEntry]
    hits: QuerySet[LogEntry]
    searched: str = ""
    origin: Origin = Origin.NONE
    is_filtered: bool = False
    live_url: str = ""
    note: str = ""


def make_panel(request: HttpRequest, log: Log) -> dict[str, Any]:
    """Return what the template of the panel needs, as `log`."""
    window = _read_window(request, log)
    kept = dict.fromkeys((*PLACE_NAMES, "to" if request.GET.get("to", "").isdigit() else ""), "")
    return {
        "lines": paint_log_chunks(window.entries, origin=log.origin, marked=log.searched),
        "entries": window.entries,
        "last_id": window.last_id,
        "first_id": window.first_id if window.has_earlier else "",
        "next_id": window.last_id if window.has_later else "",
        "earlier_url": write_query(request, **{**kept, "before": str(window.first_id)}) if window.has_earlier else "",
        "later_url": write_query(request, **{**kept, "later": str(window.last_id)}) if window.has_later else "",
        "end_url": write_query(request, **kept),
        "start_url": write_query(request, **{**kept, "jump": "start"}),
        "error_url": write_query(request, **{**kept, "jump": "error"}) if _has_errors(log.rows) else "",
        "marked": window.line or "",
        "marked_through": (read_id(request, "through") or read_id(request, "to") or window.line) if window.line else "",
        "hit_count": _count_hits(log, window) if log.is_filtered else "",
        "is_filtered": log.is_filtered,
        "has_many": bool(log.origin),
        "searched": log.searched,
        "note": log.note,
        "live_url": f"{log.live_url}{write_query(request, **kept)}" if log.live_url else "",
    }


def answer_lines(request: HttpRequest, log: Log) -> JsonResponse:
    """Answer a script with the lines of a window and nothing else: `parts`, and the ids where its neighbours begin."""
    window = _read_window(request, log)
    return JsonResponse(
        {
            "parts": paint_parts(window.entries, origin=log.origin, marked=log.searched),
            "first": window.first_id if window.has_earlier else "",
            "next": window.last_id if window.has_later else "",
            "last": window.last_id,
        }
    )


def wants_lines(request: HttpRequest) -> bool:
    """Tell whether a request asks for lines and nothing else."""
    return request.headers.get(FRAGMENT_HEADER) == LINES


def stream_log(
    request: HttpRequest,
    read_log: Callable[[], Log],
    read_mark: Callable[[], tuple[Any, bool]],
    *,
    channel: str,
    namespace: str | None,
) -> AsyncGenerator[bytes, None]:
    """
    Return the stream of the lines that come after the one whose id the address or the browser tells.

    Args:
        read_log: blocking; returns the log in the name of the viewer.
        read_mark: blocking; returns what differs when anything but the log changed, and whether no more lines come.
        channel: id of the execution whose changes wake the stream.
        namespace: as for `Viewer`.
    """
    told = request.headers.get("Last-Event-ID", "")
    after = int(told) if told.isascii() and told.isdigit() and len(told) < 19 else read_id(request, "after")
    tail = LogTail(max(0, after - LOOK_BACK), at=time.monotonic())
    viewer = Viewer(namespace, session_key=request.session.session_key or "")
    log = read_log()

    def look() -> Look:
        # Read before the lines: what was written before the end is then never missed.
        mark, has_ended = read_mark()
        lines = tail.read(read_log().rows, at=time.monotonic())
        events = list(write_lines(lines, last_id=tail.last_id, origin=log.origin, marked=log.searched))
        return Look(events, mark, has_ended)

    return follow_changes(channel, look, viewer)


def read_id(request: HttpRequest, name: str) -> int:
    """Return the id of a line that the address holds, 0 for none."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _read_window(request: HttpRequest, log: Log) -> LogWindow:
    query = request.GET
    place = LogPlace(
        before=read_id(request, "before"),
        later=read_id(request, "later"),
        line=read_id(request, "line"),
        at=read_moment(query["at"], name="at") if query.get("at") else None,
        jump=query.get("jump", ""),
    )
    return take_window(log.rows, place, hits=log.hits, by_moment=bool(log.origin))


def _has_errors(rows: QuerySet[LogEntry]) -> bool:
    return rows.filter(level__gte=LEVEL_NUMBERS["ERROR"]).order_by().exists()


def _count_hits(log: Log, window: LogWindow) -> str:
    if log.origin:
        # Among all executions, counting lines that nearly all do not match would read the whole table.
        return f"{len(window.entries):,}{'+' if window.has_earlier or window.has_later else ''}"
    count = log.hits.order_by().values("pk")[: MOST_COUNTED + 1].count()
    return f"{MOST_COUNTED:,}+" if count > MOST_COUNTED else f"{count:,}"
