"""What is new in a log, for a page that follows it: each line once, and the newest ones only while too many come to be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import QuerySet

from flows.models import LogEntry

LINES_PER_SECOND = 2_500
MOST_AT_ONCE = 2_300
"""As many lines as a page holds; sending more would be in vain."""

LOOK_BACK = 1_000
LATE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class NewLines:
    """
    Lines that came since the look before, in the order in which they happened.

    Attributes:
        skipped_count: how many were left out before them, because they came too fast.
        skipped_after: id of the line after which those begin; only told when some were left out.
    """

    entries: list[LogEntry] = field(default_factory=list)
    skipped_count: int = 0
    skipped_after: int = 0


class LogTail:
    """
    What one reader has seen of a log. Times are seconds of any clock that only goes forward.

    Args:
        after: id of the last line that the reader has; 0 for none.
        at: when the reader began.
    """

    def __init__(self, after: int, *, at: float) -> None:
        self.last_id = after
        self._floor = after
        self._seen: set[int] = set()
        self._allowed = float(MOST_AT_ONCE)
        self._looked_at = at
        self._late_at = at

    def read(self, rows: QuerySet[LogEntry], *, at: float) -> NewLines:
        """Return the lines of `rows` that were not returned yet, at most as many as somebody could read since the last look."""
        self._allowed = min(MOST_AT_ONCE, self._allowed + (at - self._looked_at) * LINES_PER_SECOND)
        self._looked_at = at
        late = self._find_late(rows, at)
        most = int(self._allowed)
        found = list(rows.filter(id__gt=self.last_id).order_by("-id")[: most + 1]) if most else []
        skipped_count, skipped_after = 0, self.last_id
        if len(found) > most:
            found = found[:most]
            self._floor = found[-1].id
            skipped_count = rows.filter(id__gt=self.last_id, id__lt=self._floor).order_by().count()
        entries = [*late, *found]
        if found:
            self.last_id = found[0].id
        self._allowed = max(0.0, self._allowed - len(entries))
        self._seen.update(entry.id for entry in entries)
        return NewLines(sorted(entries, key=lambda entry: (entry.timestamp, entry.id)), skipped_count, skipped_after)

    def _find_late(self, rows: QuerySet[LogEntry], at: float) -> list[LogEntry]:
        """
        Return lines with lower numbers than those that were seen. Numbers are given when a line is written, and a line is seen
        when it is committed.
        """
        if at - self._late_at < LATE_SECONDS:
            return []
        self._late_at = at
        low = max(self._floor, self.last_id - LOOK_BACK)
        self._seen = {number for number in self._seen if number > low}
        near = rows.filter(id__gt=low, id__lte=self.last_id).order_by("id").values_list("id", flat=True)
        missed = [number for number in near if number not in self._seen]
        return list(rows.filter(id__in=missed)) if missed else []
