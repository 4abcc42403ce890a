"""The log of one execution as a window of lines: filters, jumps, neighbours before and after, and what is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from flows.models import LogEntry
from flows.queries.criteria import read_moment
from flows.queries.logs import LEVEL_NUMBERS, check_pattern, filter_logs, iterate_logs
from flows.ui.painters.log_lines import in_time_order, paint_gap, paint_log_lines
from flows.ui.views.execution_page import ExecutionPage, get_named, make_link

WINDOW = 200
POLL_WINDOW = 1000
MOST_COUNTED = 10_000
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


def make_logs(request: HttpRequest, page: ExecutionPage) -> dict[str, Any]:
    """Return what the tab "Logs" shows. Lines are found by their ids, so a window opens as fast at the end as at the start."""
    query = request.GET
    rows = filter_log_window(request, page.execution.id)
    window = _take_window(rows, _read_place(request, rows))
    ids = [entry.id for entry in window.entries]
    link = make_link(request)
    is_filtered = any(query.get(name) for name in ("level", "q", "task_id", "attempt"))
    lines = paint_log_lines(window.entries, marked=query.get("q", ""))
    keep = {"jump": "", "line": "", "to": "", "at": "", "before": "", "from": "", "after": ""}
    return {
        "lines": paint_gap(window.gap_count, after=window.gap_after) + lines if window.gap_count else lines,
        "last_id": max(ids, default=read_id(request, "after")),
        "first_id": min(ids) if ids and window.has_earlier else "",
        "next_id": max(ids) if ids and window.has_later else "",
        "earlier_url": link(**{**keep, "before": str(min(ids))}) if ids and window.has_earlier else "",
        "later_url": link(**{**keep, "from": str(max(ids))}) if ids and window.has_later else "",
        "end_url": link(**keep),
        "error_url": link(**{**keep, "jump": "error"}) if rows.filter(level__gte=LEVEL_NUMBERS["ERROR"]).exists() else "",
        "marked": [window.line, read_id(request, "to") or window.line],
        "level": query.get("level", "").upper(),
        "levels": LEVELS,
        "task_id": query.get("task_id", ""),
        "attempt": query.get("attempt", ""),
        "text": query.get("q", ""),
        "order": query.get("order", ""),
        "hit_count": _count(rows) if is_filtered else "",
        "is_filtered": is_filtered,
        "task_ids": list(dict.fromkeys(run.task_id for run in page.runs)),
        "attempts": range(1, max((len(run.attempts) for run in page.runs), default=1) + 1),
        "download_query": request.GET.urlencode(),
        "groups": _group_by_task(window.entries) if query.get("order") == "task" else (),
    }


def download_log(request: HttpRequest, namespace: str, flow_id: str, execution_id: str) -> HttpResponseBase:
    """Answer with the lines that the filters leave, as a text file, written while it is read."""
    execution = get_named(namespace, flow_id, execution_id)
    rows = filter_log_window(request, execution.id)
    lines = (_write_line(entry).encode("utf-8", "replace") for entry in iterate_logs(rows))
    response = StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{execution.id}.log"'
    return response


def _write_line(entry: LogEntry) -> str:
    return f"{entry.timestamp.isoformat()} {LEVELS[min(entry.level, 4)]} [{entry.task_id or '-'}] {entry.message}\n"


def filter_log_window(request: HttpRequest, execution_id: str) -> QuerySet[LogEntry]:
    """Return the lines of an execution that the filters of the address leave. Raises CriteriaError for a wrong pattern."""
    query = request.GET
    level = query.get("level", "").upper()
    attempt = query.get("attempt", "")
    rows = filter_logs(
        execution_id,
        min_level=level if level in LEVELS else "",
        task_id=query.get("task_id", "").replace("\0", ""),
        attempt=int(attempt) - 1 if attempt.isascii() and attempt.isdigit() and 0 < int(attempt) < 1000 else None,
    )
    text = query.get("q", "").replace("\0", "").strip()
    return rows.filter(_match_text(text)) if text else rows


def _match_text(text: str) -> Q:
    """Return what a text asks for: `/pattern/`, `"a phrase"`, or words that all stand in the line."""
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        check_pattern(text[1:-1])
        return Q(message__iregex=text[1:-1])
    if len(text) > 2 and text.startswith('"') and text.endswith('"'):
        return Q(message__icontains=text[1:-1])
    found = Q()
    for word in text.split()[:20]:
        found &= Q(message__icontains=word)
    return found


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a window lies: after, from or before the id of a line, around one, or at the end when all are 0."""

    after: int | None = None
    start: int = 0
    before: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True)
class _Window:
    """Lines in the order in which they happened. `gap_count` lines after the line `gap_after` came too fast and were left out."""

    entries: list[LogEntry]
    has_earlier: bool = False
    has_later: bool = False
    line: int = 0
    gap_count: int = 0
    gap_after: int = 0


def _read_place(request: HttpRequest, rows: QuerySet[LogEntry]) -> _Place:
    query = request.GET
    if "after" in query:
        return _Place(after=read_id(request, "after"))
    if query.get("jump") == "error":
        errors = rows.filter(level__gte=LEVEL_NUMBERS["ERROR"]).order_by("id")
        return _Place(line=errors.values_list("id", flat=True).first() or 0)
    if query.get("at"):
        later = rows.filter(timestamp__gte=read_moment(query["at"], name="at")).order_by("timestamp", "id")
        return _Place(line=later.values_list("id", flat=True).first() or 0)
    return _Place(start=read_id(request, "from"), before=read_id(request, "before"), line=read_id(request, "line"))


def _take_window(rows: QuerySet[LogEntry], place: _Place) -> _Window:
    if place.after is not None:
        return _take_new(rows.filter(id__gt=place.after), place.after)
    if place.line:
        earlier = list(rows.filter(id__lt=place.line).order_by("-id")[: WINDOW // 2 + 1])
        later = list(rows.filter(id__gte=place.line).order_by("id")[: WINDOW // 2 + 1])
        entries = in_time_order([*earlier[: WINDOW // 2], *later[: WINDOW // 2]])
        return _Window(entries, len(earlier) > WINDOW // 2, len(later) > WINDOW // 2, place.line)
    if place.start:
        found = list(rows.filter(id__gt=place.start).order_by("id")[: WINDOW + 1])
        return _Window(in_time_order(found[:WINDOW]), True, len(found) > WINDOW)
    found = list((rows.filter(id__lt=place.before) if place.before else rows).order_by("-id")[: WINDOW + 1])
    return _Window(in_time_order(found[:WINDOW]), len(found) > WINDOW, bool(place.before))


def _take_new(rows: QuerySet[LogEntry], after: int) -> _Window:
    """Return what is new. When too much came at once, the newest lines and how many were left out before them."""
    found = list(rows.order_by("id")[: POLL_WINDOW + 1])
    if len(found) <= POLL_WINDOW:
        return _Window(in_time_order(found))
    newest = list(rows.order_by("-id")[:POLL_WINDOW])
    left = rows.filter(id__lt=newest[-1].id).order_by().count()
    return _Window(in_time_order(newest), gap_count=left, gap_after=after)


def _count(rows: QuerySet[LogEntry]) -> str:
    count = rows.order_by().values("pk")[: MOST_COUNTED + 1].count()
    return f"{MOST_COUNTED:,}+" if count > MOST_COUNTED else f"{count:,}"


def _group_by_task(entries: Sequence[LogEntry]) -> list[tuple[str, str]]:
    groups: dict[str, list[LogEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.task_id or "the execution itself", []).append(entry)
    return [(name, paint_log_lines(lines)) for name, lines in groups.items()]


def read_id(request: HttpRequest, name: str) -> int:
    """Return the id of a line that the address holds, 0 for none."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
