"""The work of beat and workers in one thread of this process: for rehearsals, on the rows of one execution and what it starts."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime

from celery import Celery
from django.db import connection
from django.db.models import Q

from flows.engine import recovery
from flows.engine.visits import visit_execution
from flows.engine.worker import run_attempt
from flows.models import Execution, TaskRun
from flows.operations.services import SERVICES
from flows.primitives.states import TERMINAL, State

log = logging.getLogger(__name__)

_IDLE_SECONDS = 0.03
_WAITING = [State.CREATED.value, State.RESTARTED.value]
_BLOCKED = [State.KILLING.value, State.QUEUED.value, State.BREAKPOINT.value]


class InlineEngine(threading.Thread):
    """
    Drives one execution to its end: visits it, runs its attempts one after the other, and wakes its timers.

    It calls the same functions as the Celery tasks do; only the messages between them are missing, because the rows say what
    waits. Executions that others would start (flow triggers of other flows) are left alone.

    Attributes:
        is_stalled: nothing can go on without a person: a pause, a breakpoint, an execution that nobody will end.
        error: why the thread ended before its time, None while it works.
    """

    def __init__(self, app: Celery, execution_id: str) -> None:
        super().__init__(name="inline-engine", daemon=True)
        self._app = app
        self._execution_id = execution_id
        self._ended = threading.Event()
        self.is_stalled = False
        self.error: Exception | None = None

    def stop(self) -> None:
        """Ask the thread to end after the attempt that runs now."""
        self._ended.set()

    def run(self) -> None:
        """Work until the execution has ended or somebody asks to stop."""
        self._app.set_current()
        try:
            while not self._ended.is_set():
                if not self._step(datetime.now(UTC)):
                    self._ended.wait(_IDLE_SECONDS)
        except Exception as error:
            log.exception("rehearsal.engine-failed", extra={"execution": self._execution_id})
            self.error = error
        finally:
            connection.close()

    def _step(self, at: datetime) -> bool:
        """Do one round and return whether there was anything to do."""
        rows = self._list_family()
        if all(row.state in TERMINAL for row in rows):
            return False
        ids = [row.id for row in rows]
        due = {row.id for row in rows if row.state in _WAITING and (row.schedule_at is None or row.schedule_at <= at)}
        due |= {execution_id for execution_id, _ in recovery.list_due(at) if execution_id in ids}
        queued = [row.id for row in rows if row.state == State.QUEUED]
        for execution_id in [*sorted(due), *queued]:
            visit_execution(execution_id, SERVICES)
        if any(row.state == State.KILLING for row in rows):
            recovery.settle_kills(SERVICES, at)
        recovery.announce_untold(SERVICES, at)
        waiting = self._find_waiting_run(ids)
        if waiting is not None:
            run_attempt(waiting.execution_id, waiting.id, SERVICES)
        is_active = bool(due) or waiting is not None
        timers = Q(wake_at__isnull=False)
        self.is_stalled = not (
            is_active
            or queued
            or TaskRun.objects.filter(timers, execution_id__in=ids).exists()
            or Execution.objects.filter(timers, id__in=ids, ended_at=None).exists()
            or any(row.schedule_at is not None and row.schedule_at > at for row in rows if row.state in _WAITING)
            or self._find_waiting_run(ids) is not None
            or any(row.state in (*_WAITING, State.KILLING) for row in self._list_family())
            or all(row.state in TERMINAL for row in self._list_family())
        )
        return is_active

    def _list_family(self) -> list[Execution]:
        """Return the execution with everything that it started and that continues it."""
        found: dict[str, Execution] = {}
        frontier = [self._execution_id]
        while frontier:
            rows = Execution.objects.filter(
                Q(id__in=frontier) | Q(caller_execution_id__in=frontier) | Q(original_id__in=frontier)
            ).only("id", "state", "schedule_at")
            fresh = [row for row in rows if row.id not in found]
            found.update((row.id, row) for row in fresh)
            frontier = [row.id for row in fresh if row.id != self._execution_id] if fresh else []
        return list(found.values())

    @staticmethod
    def _find_waiting_run(ids: list[str]) -> TaskRun | None:
        rows = TaskRun.objects.filter(execution_id__in=ids, state__in=_WAITING, execution__pause_asked=False)
        return rows.exclude(execution__state__in=_BLOCKED).order_by("seq").only("id", "execution_id").first()
