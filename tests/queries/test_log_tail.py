"""What is new in a log: every line once, late ones too, and the newest only while too many come to be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flows.models import LogEntry
from flows.queries.log_tail import LATE_SECONDS, LINES_PER_SECOND, MOST_AT_ONCE, LogTail

AT = datetime(2031, 5, 4, 10, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def _write(count: int, *, start: int = 0, **fields: object) -> list[int]:
    rows = [
        LogEntry(
            namespace="company.team", flow_id="daily", execution_id="exec1", level=2, message=f"line {number}",
            timestamp=AT + timedelta(milliseconds=number), **fields,
        )
        for number in range(start, start + count)
    ]  # fmt: skip
    return [row.id for row in LogEntry.objects.bulk_create(rows)]


def _read(tail: LogTail, at: float) -> list[int]:
    return [entry.id for entry in tail.read(LogEntry.objects.all(), at=at).entries]


def test_each_line_is_returned_once() -> None:
    first = _write(3)
    tail = LogTail(first[0], at=0.0)

    assert _read(tail, 0.1) == first[1:]
    assert _read(tail, 0.2) == []
    second = _write(2, start=3)
    assert _read(tail, 0.3) == second


def test_a_line_with_a_lower_number_that_was_committed_later_is_not_lost() -> None:
    early, late, newest = _write(3)
    kept = LogEntry.objects.filter(id=late)
    row = kept.get()
    kept.delete()
    tail = LogTail(0, at=0.0)
    assert _read(tail, 0.1) == [early, newest]

    row.save(force_insert=True)

    assert _read(tail, 0.2) == []
    assert _read(tail, 0.1 + LATE_SECONDS) == [late]
    assert _read(tail, 0.2 + 2 * LATE_SECONDS) == []


def test_lines_that_come_too_fast_are_counted_and_the_newest_returned() -> None:
    ids = _write(MOST_AT_ONCE + 500)

    found = LogTail(ids[0], at=0.0).read(LogEntry.objects.all(), at=0.0)

    assert [entry.id for entry in found.entries] == ids[500:]
    assert (found.skipped_count, found.skipped_after) == (499, ids[0])


def test_what_was_skipped_does_not_come_later() -> None:
    ids = _write(MOST_AT_ONCE + 500)
    tail = LogTail(ids[0], at=0.0)
    tail.read(LogEntry.objects.all(), at=0.0)

    assert _read(tail, 10 * LATE_SECONDS) == []


def test_a_reader_gets_as_many_lines_as_can_be_read_in_the_time_that_passed() -> None:
    _write(MOST_AT_ONCE)
    tail = LogTail(0, at=0.0)
    tail.read(LogEntry.objects.all(), at=0.0)
    ids = _write(LINES_PER_SECOND, start=MOST_AT_ONCE)

    half = tail.read(LogEntry.objects.all(), at=0.5)

    assert [entry.id for entry in half.entries] == ids[-LINES_PER_SECOND // 2 :]
    assert half.skipped_count == LINES_PER_SECOND - LINES_PER_SECOND // 2
