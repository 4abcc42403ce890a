"""Logs that go to a file of the storage instead of the log table: one file for each attempt of a task with `logToFile`."""

from __future__ import annotations

import tempfile
import threading
from datetime import UTC, datetime

from flows.engine.recording import Recorder, RunLog, Subject, level_number
from flows.storage import get_storage
from flows.storage.uri import task_file_address

_SPOOL_BYTES = 256 * 1024


class FileLog(RunLog):
    """
    The log of one attempt as lines of `moment LEVEL message`, masked like any log. Several threads may write; nothing can be
    read before `store`.
    """

    def __init__(self, recorder: Recorder, subject: Subject, *, min_level: str | None = None) -> None:
        super().__init__(recorder, subject, min_level=min_level)
        self._lock = threading.Lock()
        self._spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115  # lives as long as the attempt
        self._is_stored = False

    def log(self, level: str, message: str, *, at: datetime | None = None) -> None:
        """Write one entry unless its level is below the task's `logLevel`."""
        if level_number(level) < self._min_level:
            return
        text = self._recorder.masker.mask(message).replace("\x00", "")
        line = f"{(at or datetime.now(UTC)).isoformat()} {level.upper():5} {text}\n"
        with self._lock:
            if not self._is_stored:
                self._spool.write(line.encode("utf-8", "replace"))

    def store(self) -> str:
        """
        Put the file into the storage and return its address. The address is that of the attempt, so an attempt that is
        recorded twice stores one file.
        """
        subject = self._subject
        address = task_file_address(
            subject.namespace,
            subject.flow_id,
            subject.execution_id or "",
            task_id=subject.task_id or "",
            task_run_id=subject.task_run_id or "",
            name=f"attempt-{subject.attempt_number}.log",
        )
        with self._lock:
            self._is_stored = True
            self._spool.seek(0)
            get_storage().write(str(address), self._spool)
            self._spool.close()
        return str(address)
