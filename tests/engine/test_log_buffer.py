"""The log entries that wait for the database: bounded, and what does not fit is counted. Source: reliability, R-79."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from flows.engine import dispatch
from flows.engine.recording import DROPPED_LINES, Recorder, RunLog, Subject
from flows.queries.prometheus import forget_metrics, write_metrics

SUBJECT = Subject("company.team", "flow", "execution")
LINE = "x" * 10_000


@pytest.fixture(autouse=True)
def no_dropped_lines() -> None:
    DROPPED_LINES.take()


def fill(recorder: Recorder, *, mebibytes: int) -> None:
    for _ in range(mebibytes * 105):
        recorder.add_log(SUBJECT, "INFO", LINE)


def test_what_waits_for_the_database_is_bounded_and_the_rest_is_counted() -> None:
    recorder = Recorder()

    fill(recorder, mebibytes=40)

    rows, _ = recorder.take()
    kept, note = rows[:-1], rows[-1]
    assert sum(len(row["message"]) for row in kept) <= 16 * 1024 * 1024
    assert (DROPPED_LINES.take(), note["level"]) == (40 * 105 - len(kept), 3)
    assert note["message"].startswith(f"{40 * 105 - len(kept)} log lines were dropped")


def test_a_write_that_fails_again_and_again_leaves_one_note() -> None:
    recorder = Recorder()
    for _ in range(3):
        fill(recorder, mebibytes=17)
        recorder.give_back(*recorder.take())

    rows, _ = recorder.take()

    notes = [row for row in rows if "dropped" in row]
    assert [note["dropped"] for note in notes] == [3 * 17 * 105 - (len(rows) - 1)]
    assert notes[0] is rows[-1]


def test_metrics_are_bounded_too() -> None:
    recorder = Recorder()

    for _ in range(50_000):
        recorder.add_metric(SUBJECT, "counter", "rows", 1.0, {})

    assert len(recorder.take()[1]) < 50_000


def test_after_the_entries_were_written_there_is_room_again() -> None:
    recorder = Recorder()
    fill(recorder, mebibytes=17)
    recorder.take()

    recorder.add_log(SUBJECT, "INFO", "again")

    assert [row["message"] for row in recorder.take()[0]] == ["again"]


def test_a_script_waits_while_the_database_takes_its_lines() -> None:
    recorder = Recorder()
    recorder.set_drained(True)
    fill(recorder, mebibytes=17)
    DROPPED_LINES.take()
    log = RunLog(recorder, SUBJECT)
    writer = threading.Thread(target=log.info, args=(LINE,))
    writer.start()

    recorder.take()
    writer.join()

    assert [row["message"] for row in recorder.take()[0]] == [LINE]
    assert DROPPED_LINES.take() == 0


def test_a_script_does_not_wait_when_the_database_is_away() -> None:
    recorder = Recorder()
    recorder.set_drained(True)
    fill(recorder, mebibytes=17)
    DROPPED_LINES.take()
    writer = threading.Thread(target=RunLog(recorder, SUBJECT).info, args=(LINE,))
    writer.start()

    recorder.set_drained(False)
    writer.join()

    assert DROPPED_LINES.take() == 1


@pytest.mark.django_db
def test_the_count_of_dropped_lines_reaches_prometheus(broker_url: str) -> None:
    before = dispatch.read_dropped_lines()
    DROPPED_LINES.add(7)

    dispatch.report_dropped_lines()

    forget_metrics()
    text = write_metrics(at=datetime.now(UTC)).decode()
    assert dispatch.read_dropped_lines() == before + 7
    assert f"kestra_worker_log_dropped_count_total {before + 7}.0" in text
