"""A log as a window of lines around a place. Places are ids of lines, so a window opens as fast at the end as at the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import QuerySet

from flows.models import LogEntry
from flows.queries.logs import LEVEL_NUMBERS

WINDOW = 200


@dataclass(frozen=True, slots=True)
class LogPlace:
    """
    Where a window lies; without any of these at the end.

    Attributes:
        before: the lines before the one with this id.
        later: the lines after the one with this id.
        line: the lines around the one with this id.
        at: the lines around the first one at or after this moment.
        jump: `error`, `start`, or, with `line`, `next` and `previous` for the hits of a search.
    """

    before: int = 0
    later: int = 0
    line: int = 0
    at: datetime | None = None
    jump: str = ""


@dataclass(frozen=True, slots=True)
class LogWindow:
    """
    Lines in the order in which they happened.

    Attributes:
        line: id of the line that was looked for, 0 for none.
    """

    entries: list[LogEntry] = field(default_factory=list)
    has_earlier: bool = False
    has_later: bool = False
    line: int = 0

    @property
    def first_id(self) -> int:
        """Id before which the earlier lines lie."""
        return min((entry.id for entry in self.entries), default=0)

    @property
    def last_id(self) -> int:
        """Id after which the later lines lie."""
        return max((entry.id for entry in self.entries), default=0)


def in_time_order(entries: list[LogEntry]) -> list[LogEntry]:
    """Return lines as they happened. They are stored in batches of several processes, so their ids do not tell."""
    return sorted(entries, key=lambda entry: (entry.timestamp, entry.id))


def take_window(rows: QuerySet[LogEntry], place: LogPlace, *, hits: QuerySet[LogEntry], by_moment: bool = False) -> LogWindow:
    """
    Return a window of some lines.

    Args:
        hits: those among them that a search found, for jumps from hit to hit.
        by_moment: the lines belong to many executions, and an index of moments finds the first ones, none of ids does.
    """
    first = ("timestamp", "id") if by_moment else ("id",)
    line = _find_line(rows, place, hits, first)
    if line:
        half = WINDOW // 2
        earlier = list(rows.filter(id__lt=line).order_by("-id")[: half + 1])
        later = list(rows.filter(id__gte=line).order_by("id")[: half + 1])
        entries = in_time_order([*earlier[:half], *later[:half]])
        return LogWindow(entries, len(earlier) > half, len(later) > half, line)
    if place.later or place.jump == "start":
        following = rows.filter(id__gt=place.later).order_by("id") if place.later else rows.order_by(*first)
        found = list(following[: WINDOW + 1])
        return LogWindow(in_time_order(found[:WINDOW]), bool(place.later), len(found) > WINDOW)
    found = list((rows.filter(id__lt=place.before) if place.before else rows).order_by("-id")[: WINDOW + 1])
    return LogWindow(in_time_order(found[:WINDOW]), len(found) > WINDOW, bool(place.before))


def _find_line(rows: QuerySet[LogEntry], place: LogPlace, hits: QuerySet[LogEntry], first: tuple[str, ...]) -> int:
    """Return the id of the line that a place asks for, 0 when it asks for none or none is there."""
    if place.jump == "next":
        return _first_id(hits.filter(id__gt=place.line).order_by("id")) or place.line
    if place.jump == "previous":
        return _first_id(hits.filter(id__lt=place.line).order_by("-id")) or place.line
    if place.jump == "error":
        return _first_id(rows.filter(level__gte=LEVEL_NUMBERS["ERROR"]).order_by(*first))
    if place.at:
        return _first_id(rows.filter(timestamp__gte=place.at).order_by("timestamp", "id"))
    return place.line


def _first_id(rows: QuerySet[LogEntry]) -> int:
    return rows.values_list("id", flat=True).first() or 0
