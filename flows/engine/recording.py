"""Log lines and metrics of a visit or attempt: masked and cut on the way in, written in batches, announced to live views."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.engine.transitions import dump
from flows.plugin_api.context import TaskLog

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
_LEVEL_NUMBERS = {name: number for number, name in enumerate(LEVELS)} | {"WARNING": 3}
MASK = "******"
# Longer messages become several entries. Source: flow language, 7.6.
_LONGEST_MESSAGE = 10_240
_SHORTEST_SECRET = 4
_LONGEST_METRIC_NAME = 200
_LONGEST_THREAD_NAME = 100
# Of the log of one attempt, while the database is away or slower than a script prints.
_MOST_WAITING_BYTES = 16 * 1024 * 1024
_ROW_BYTES = 400
_LONGEST_WAIT_SECONDS = 5.0

INSERT_LOGS = """
INSERT INTO flows_logentry (namespace, flow_id, execution_id, task_run_id, task_id, trigger_id, attempt_number, level, timestamp,
    thread, message)
SELECT r.namespace, r.flow_id, r.execution_id, r.task_run_id, r.task_id, r.trigger_id, r.attempt_number, r.level, r.timestamp,
    r.thread, r.message
FROM jsonb_to_recordset(%s::jsonb) AS r(position int, namespace text, flow_id text, execution_id text, task_run_id text,
    task_id text, trigger_id text, attempt_number smallint, level smallint, timestamp timestamptz, thread text, message text)
ORDER BY r.position
"""
INSERT_METRICS = """
INSERT INTO flows_metric (namespace, flow_id, execution_id, task_run_id, task_id, kind, name, value, tags, timestamp)
SELECT r.namespace, r.flow_id, r.execution_id, r.task_run_id, r.task_id, r.kind, r.name, r.value, r.tags, r.timestamp
FROM jsonb_to_recordset(%s::jsonb) AS r(position int, namespace text, flow_id text, execution_id text, task_run_id text,
    task_id text, kind text, name text, value double precision, tags jsonb, timestamp timestamptz)
ORDER BY r.position
"""


def level_number(level: str) -> int:
    """Return the number of a level, INFO for an unknown one."""
    return _LEVEL_NUMBERS.get(level.upper(), 2)


class Masker:
    """Replaces known secrets in texts. Values under four characters are not masked: they would hide half of every line."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()

    def add(self, secret: str) -> None:
        """Hide `secret`, and each of its lines, from now on."""
        parts = {secret, *secret.splitlines()}
        known = {*self._secrets, *(part for part in parts if len(part) >= _SHORTEST_SECRET)}
        self._secrets = tuple(sorted(known, key=len, reverse=True))

    def mask(self, text: str) -> str:
        """Return the text with every known secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom entries are about; all ids but namespace and flow may be None."""

    namespace: str
    flow_id: str
    execution_id: str | None = None
    task_run_id: str | None = None
    task_id: str | None = None
    trigger_id: str | None = None
    attempt_number: int = 0


class Recorder:
    """
    Collects entries until somebody writes them. Safe to use from several threads: a script's readers log while the
    heartbeat thread flushes.
    """

    def __init__(self, masker: Masker | None = None) -> None:
        self.masker = masker or Masker()
        self._lock = threading.Lock()
        self._logs: list[dict[str, Any]] = []
        self._metrics: list[dict[str, Any]] = []
        self._waiting_bytes = 0
        self._dropped: dict[str, Any] | None = None
        self._has_room = threading.Condition(self._lock)
        self.is_drained = False
        """True while somebody writes the entries out again and again, so that waiting for room has a point."""

    def add_log(
        self,
        subject: Subject,
        level: str,
        message: str,
        *,
        at: datetime | None = None,
        thread: str = "",
        may_wait: bool = False,
    ) -> None:
        """
        Add one entry, or several when the message is long.

        When 16 MiB wait to be written, an entry that `may_wait` waits for room while the database takes entries; otherwise it is
        dropped and counted. An entry in the log tells how many were. Source: reliability, R-79.
        """
        moment = (at or datetime.now(UTC)).isoformat()
        text = self.masker.mask(message).replace("\x00", "")
        pieces = [text[start : start + _LONGEST_MESSAGE] for start in range(0, max(1, len(text)), _LONGEST_MESSAGE)]
        rows = [
            {
                "namespace": subject.namespace,
                "flow_id": subject.flow_id,
                "execution_id": subject.execution_id,
                "task_run_id": subject.task_run_id,
                "task_id": subject.task_id,
                "trigger_id": subject.trigger_id,
                "attempt_number": subject.attempt_number,
                "level": level_number(level),
                "timestamp": moment,
                "thread": (thread or threading.current_thread().name)[:_LONGEST_THREAD_NAME],
                "message": piece,
            }
            for piece in pieces
        ]
        size = sum(len(piece) + _ROW_BYTES for piece in pieces)
        with self._lock:
            if may_wait and self.is_drained and not self._fits(size):
                self._has_room.wait_for(lambda: self._fits(size) or not self.is_drained, _LONGEST_WAIT_SECONDS)
            if self._fits(size):
                self._logs += rows
                self._waiting_bytes += size
            else:
                self._note_dropped(rows[-1], len(rows))
                DROPPED_LINES.add(len(rows))

    def _fits(self, size: int) -> bool:
        return self._waiting_bytes + size <= _MOST_WAITING_BYTES or not self._logs

    def _note_dropped(self, row: dict[str, Any], count: int) -> None:
        """Keep one entry, made like `row`, that tells how many lines are missing after those that wait."""
        total = count + (self._dropped["dropped"] if self._dropped else 0)
        message = f"{total} log lines were dropped here: the database did not take entries, and the buffer for them was full."
        self._dropped = {**row, "level": level_number("WARN"), "message": message, "dropped": total}

    def add_metric(self, subject: Subject, kind: str, name: str, value: float, tags: dict[str, str]) -> None:
        """Add one metric entry; a timer's value is in milliseconds. A value that no column holds (NaN, infinity) is dropped."""
        if not math.isfinite(value):
            return
        row = {
            "namespace": subject.namespace,
            "flow_id": subject.flow_id,
            "execution_id": subject.execution_id,
            "task_run_id": subject.task_run_id,
            "task_id": subject.task_id,
            "kind": kind,
            "name": name[:_LONGEST_METRIC_NAME],
            "value": float(value),
            "tags": tags,
            "timestamp": datetime.now(UTC).isoformat(),
        }
        with self._lock:
            if self._waiting_bytes + _ROW_BYTES <= _MOST_WAITING_BYTES:
                self._metrics.append(row)
                self._waiting_bytes += _ROW_BYTES

    @property
    def is_empty(self) -> bool:
        """True when nothing waits to be written."""
        return not (self._logs or self._metrics)

    def take(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return what waits (log rows, metric rows) and forget it; the caller writes it."""
        with self._lock:
            told = [self._dropped] if self._dropped else []
            taken = (self._logs + told, self._metrics)
            self._logs, self._metrics, self._dropped, self._waiting_bytes = [], [], None, 0
            self._has_room.notify_all()
        return taken

    def peek_logs(self) -> list[dict[str, Any]]:
        """Return the log rows that wait to be written, without taking them."""
        with self._lock:
            return list(self._logs)

    def give_back(self, logs: Sequence[dict[str, Any]], metrics: Sequence[dict[str, Any]]) -> None:
        """Put rows back in front: their transaction was rolled back. What came meanwhile keeps its place behind them."""
        lines = [row for row in logs if "dropped" not in row]
        with self._lock:
            self._logs[:0] = lines
            self._metrics[:0] = metrics
            self._waiting_bytes += sum(len(row["message"]) + _ROW_BYTES for row in lines) + len(metrics) * _ROW_BYTES
            for row in logs:
                if "dropped" in row:
                    self._note_dropped(row, row["dropped"])

    def set_drained(self, value: bool) -> None:
        """Say whether entries are being written out now; whoever waits for room looks again."""
        with self._lock:
            self.is_drained = value
            self._has_room.notify_all()


class LineCount:
    """How many log lines this process dropped since somebody asked last. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self, count: int) -> None:
        """Count lines."""
        with self._lock:
            self._count += count

    def take(self) -> int:
        """Return the count and begin anew."""
        with self._lock:
            taken, self._count = self._count, 0
        return taken


DROPPED_LINES = LineCount()
"""The dropped log lines of this process; the heartbeat reports them."""


def write_entries(execute: Callable[[str, list[Any]], Any], logs: Sequence[Any], metrics: Sequence[Any]) -> None:
    """Write rows through `execute(sql, parameters)` of any connection: at most two statements."""
    if logs:
        execute(INSERT_LOGS, [dump(_numbered(logs))])
    if metrics:
        execute(INSERT_METRICS, [dump(_numbered(metrics))])


def _numbered(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"position": position, **row} for position, row in enumerate(rows)]


class RunLog(TaskLog):
    """The log of one attempt, with the task's minimum level."""

    def __init__(self, recorder: Recorder, subject: Subject, *, min_level: str | None = None) -> None:
        self._recorder, self._subject = recorder, subject
        self._min_level = level_number(min_level) if min_level else 0

    def log(self, level: str, message: str, *, at: datetime | None = None) -> None:
        """Write one entry unless its level is below the task's `logLevel`."""
        if level_number(level) >= self._min_level:
            self._recorder.add_log(self._subject, level, message, at=at, may_wait=True)


class RunMetrics:
    """The metrics of one attempt."""

    def __init__(self, recorder: Recorder, subject: Subject) -> None:
        self._recorder, self._subject = recorder, subject

    def counter(self, name: str, value: float, /, **tags: str) -> None:
        """Add to a count."""
        self._recorder.add_metric(self._subject, "counter", name, value, _texts(tags))

    def timer(self, name: str, value: float | timedelta, /, **tags: str) -> None:
        """Record a duration, given in seconds or as a timedelta."""
        seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
        self._recorder.add_metric(self._subject, "timer", name, seconds * 1000, _texts(tags))

    def gauge(self, name: str, value: float, /, **tags: str) -> None:
        """Record a level."""
        self._recorder.add_metric(self._subject, "gauge", name, value, _texts(tags))


def _texts(tags: dict[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in tags.items()}
