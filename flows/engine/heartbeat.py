"""One thread per worker process that proves ownership of running attempts, notices kills and timeouts, and flushes logs."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from django.db import DataError, connection
from django.db import Error as DatabaseError

from flows.conf import get_settings
from flows.engine import dispatch
from flows.engine.recording import Recorder, write_entries
from flows.primitives.states import State

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.2
_LOOK_SECONDS = 1.0
# How long a plugin may go on after it was asked to stop. Scripts need five seconds between TERM and KILL of their group.
_GRACE_SECONDS = 15.0


class Stoppable(Protocol):
    """What runs in an attempt and can be told to stop, from another thread."""

    def kill(self) -> None:
        """Stop as soon as possible."""


@dataclass(slots=True, eq=False)
class Watch:
    """
    One attempt that runs in this process.

    `deadline` is a `time.monotonic()` value. `stopped_as` is the state into which it was stopped, with `reason`; None while
    nobody asked for that. `give_up` records the attempt's end from outside when the plugin does not come back.
    """

    execution_id: str
    run_id: str
    token: str
    recorder: Recorder
    cancelled: threading.Event
    deadline: float | None
    timeout_reason: str
    give_up: Callable[[State, str], None]
    plugin: Stoppable | None = None
    stopped_as: State | None = None
    reason: str = ""
    is_orphaned: bool = False
    renewed_at: float = field(default_factory=time.monotonic)
    looked_at: float = field(default_factory=time.monotonic)
    stopped_at: float = 0.0

    def stop(self, state: State, reason: str) -> None:
        """Ask the plugin to stop; the first reason counts."""
        if self.stopped_as is not None:
            return
        self.stopped_as, self.reason, self.stopped_at = state, reason, time.monotonic()
        self.cancelled.set()
        if self.plugin is not None:
            threading.Thread(target=self._kill, name=f"kill-{self.run_id}", daemon=True).start()

    def _kill(self) -> None:
        assert self.plugin is not None
        try:
            self.plugin.kill()
        except Exception:
            log.exception("attempt.kill-failed", extra={"task_run": self.run_id})


class Heartbeat:
    """The watches of this process. Its thread lives only while an attempt runs and has a database connection of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}
        self._thread: threading.Thread | None = None

    def watch(self, watch: Watch) -> None:
        """Look after an attempt from now on."""
        watch.recorder.set_drained(True)
        with self._lock:
            self._watches[watch.run_id] = watch
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
                self._thread.start()

    def unwatch(self, watch: Watch) -> None:
        """Stop looking after an attempt."""
        with self._lock:
            self._watches.pop(watch.run_id, None)
        watch.recorder.set_drained(False)

    def list_watches(self) -> list[Watch]:
        """Return the attempts that run now."""
        with self._lock:
            return list(self._watches.values())

    def _run(self) -> None:
        idle_since: float | None = None
        while True:
            watches = self.list_watches()
            if watches:
                idle_since = None
                for watch in watches:
                    self._tick(watch)
                dispatch.report_dropped_lines()
            elif idle_since is None:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > 5:
                with self._lock:
                    if not self._watches:
                        self._thread = None
                        break
            time.sleep(_TICK_SECONDS)
        dispatch.report_dropped_lines()
        connection.close()

    def _tick(self, watch: Watch) -> None:
        now = time.monotonic()
        if watch.deadline is not None and now >= watch.deadline:
            watch.stop(State.FAILED, watch.timeout_reason)
        try:
            self._flush(watch)
            if now - watch.looked_at >= _LOOK_SECONDS:
                watch.looked_at = now
                self._look(watch, now)
        except DatabaseError as error:
            connection.close()
            self._doubt(watch, now, error)
        if watch.stopped_as is not None and now - watch.stopped_at > _GRACE_SECONDS:
            self._abandon(watch)

    @staticmethod
    def _flush(watch: Watch) -> None:
        if watch.recorder.is_empty:
            return
        logs, metrics = watch.recorder.take()
        try:
            with connection.cursor() as cursor:
                write_entries(cursor.execute, logs, metrics)
        except DataError:
            # Kept, they would be refused again with every tick, and the lease would not be renewed any more.
            log.exception("heartbeat.entries-refused", extra={"task_run": watch.run_id})
        except DatabaseError:
            watch.recorder.give_back(logs, metrics)
            watch.recorder.set_drained(False)
            raise
        watch.recorder.set_drained(True)
        dispatch.wake_views(watch.execution_id)

    @staticmethod
    def _look(watch: Watch, now: float) -> None:
        settings = get_settings()
        with connection.cursor() as cursor:
            if now - watch.renewed_at >= settings.heartbeat_seconds:
                cursor.execute(
                    "UPDATE flows_taskrun SET lease_until = clock_timestamp() + %s WHERE id = %s AND lease_token = %s",
                    [f"{settings.lease_seconds} seconds", watch.run_id, watch.token],
                )
                if cursor.rowcount == 1:
                    watch.renewed_at = now
            cursor.execute(
                "SELECT t.lease_token, t.progress->>'interrupt', e.state FROM flows_taskrun t"
                " JOIN flows_execution e ON e.id = t.execution_id WHERE t.id = %s",
                [watch.run_id],
            )
            row = cursor.fetchone()
        if row is None or row[0] != watch.token:
            watch.is_orphaned = True
            watch.stop(State.KILLED, "This attempt does not own the task run any more: another one took it over.")
        elif row[1]:
            watch.stop(State(row[1]), "")
        elif row[2] == State.KILLING:
            watch.stop(State.KILLED, "")

    @staticmethod
    def _doubt(watch: Watch, now: float, error: DatabaseError) -> None:
        """Without the database ownership cannot be proved: past the lease somebody else may run the task."""
        settings = get_settings()
        if now - watch.renewed_at > settings.lease_seconds:
            watch.is_orphaned = True
            watch.stop(State.KILLED, "The database could not be reached for longer than the lease.")
        log.warning("heartbeat.database-unreachable", extra={"task_run": watch.run_id, "reason": str(error).strip()})

    def _abandon(self, watch: Watch) -> None:
        """The plugin does not come back: record the end from here and end this process; the pool starts a new one."""
        log.error("attempt.stuck", extra={"task_run": watch.run_id, "state": str(watch.stopped_as)})
        try:
            if not watch.is_orphaned:
                watch.give_up(watch.stopped_as or State.KILLED, watch.reason or "The task did not stop when it was asked to.")
        except Exception:
            log.exception("attempt.give-up-failed", extra={"task_run": watch.run_id})
        finally:
            os._exit(70)


HEARTBEAT = Heartbeat()
"""The heartbeat of this process."""
