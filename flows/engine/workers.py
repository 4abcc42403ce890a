"""The row that a worker keeps of itself: that it is alive, what it has, and whether somebody asked it to take no more work."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection

log = logging.getLogger(__name__)

SILENT_SECONDS = 16.0
"""After how long without a report a worker counts as lost: three reports are missing."""
MEASURED_EVERY = 6
"""Every how many reports the memory is measured: asking the kernel costs more than the report itself."""

_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
# A name may come back with another start, in a container that restarts: what was asked of its predecessor is not for it.
_RENEW = """
INSERT INTO flows_worker AS w
    (name, host, queues, slots, processes, memory_bytes, started_at, seen_at, drain_asked_by, is_draining)
VALUES (%(name)s, %(host)s, %(queues)s, %(slots)s, %(processes)s, %(memory)s, %(started)s, clock_timestamp(), '', %(draining)s)
ON CONFLICT (name) DO UPDATE SET host = EXCLUDED.host, queues = EXCLUDED.queues, slots = EXCLUDED.slots,
    processes = EXCLUDED.processes, memory_bytes = EXCLUDED.memory_bytes, seen_at = EXCLUDED.seen_at, stopped_at = NULL,
    is_draining = EXCLUDED.is_draining, started_at = EXCLUDED.started_at,
    drain_asked_at = CASE WHEN w.started_at = EXCLUDED.started_at THEN w.drain_asked_at END,
    drain_asked_by = CASE WHEN w.started_at = EXCLUDED.started_at THEN w.drain_asked_by ELSE '' END
RETURNING drain_asked_at IS NOT NULL
"""


class WorkerRow:
    """
    The row of the worker of this process. `drain` is called with True when it should take no more work, with False when it
    may again; it must return at once. Used by one thread, which gives its connection back each time: processes that fork
    meanwhile must not share it.
    """

    def __init__(
        self,
        name: str,
        *,
        queues: Sequence[str],
        slots: int,
        list_processes: Callable[[], list[int]],
        drain: Callable[[bool], None],
    ) -> None:
        self.is_draining = False
        self._facts: dict[str, Any] = {
            "name": name,
            "host": socket.gethostname(),
            "queues": json.dumps(list(queues)),
            "slots": slots,
            "started": datetime.now(UTC),
        }
        self._list_processes = list_processes
        self._drain = drain
        self._count = 0
        self._memory = 0

    def renew(self) -> None:
        """Say that this worker lives, and do what its row asks for. A database that is away is asked again next time."""
        processes = self._list_processes()
        if self._count % MEASURED_EVERY == 0:
            self._memory = measure_memory([os.getpid(), *processes])
        self._count += 1
        wanted = self._write(_RENEW, {**self._facts, "processes": json.dumps(processes), "memory": self._memory})
        if wanted is not None and wanted != self.is_draining:
            self.is_draining = wanted
            log.info("worker.drained" if wanted else "worker.takes-work-again", extra={"worker": self._facts["name"]})
            self._drain(wanted)
            self._write(_RENEW, {**self._facts, "processes": json.dumps(processes), "memory": self._memory})

    def end(self) -> None:
        """Say that this worker ended as it should."""
        self._write("UPDATE flows_worker SET stopped_at = clock_timestamp() WHERE name = %(name)s RETURNING false", self._facts)

    def _write(self, statement: str, facts: dict[str, Any]) -> bool | None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, {**facts, "draining": self.is_draining})
                row = cursor.fetchone()
        except DatabaseError as error:
            log.debug("worker.not-recorded", extra={"worker": self._facts["name"], "reason": str(error).strip()})
            return None
        finally:
            connection.close()
        return bool(row[0]) if row else None


def measure_memory(processes: Iterable[int]) -> int:
    """Return the bytes that processes hold, each with its share of what they hold together; 0 where the kernel does not tell."""
    total = 0
    for process in processes:
        try:
            found = _PSS.search(Path(f"/proc/{process}/smaps_rollup").read_text())
        except OSError:
            continue
        total += int(found[1]) * 1024 if found else 0
    return total


def forget_gone_workers(at: datetime, *, after_seconds: float) -> int:
    """Delete the rows of workers that were not heard of for so long. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM flows_worker WHERE seen_at < %s::timestamptz - make_interval(secs => %s)", [at, after_seconds]
        )
        return cursor.rowcount
