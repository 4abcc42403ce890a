"""What beat does with each tick: fire what is due, wake what waits, repair what was lost. Any number of beats may do it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime

from django.db import OperationalError
from django.utils import timezone

from flows.conf import get_settings
from flows.engine import dispatch, recovery
from flows.engine.concurrency import correct_counts
from flows.engine.runner_sweep import send_sweeps
from flows.engine.task_cache import purge_expired_results
from flows.operations.bulk_jobs import purge_old_jobs, resend_jobs
from flows.operations.deadlines import fail_missed_deadlines
from flows.operations.flow_triggers import purge_windows
from flows.operations.idempotency import purge_old_keys
from flows.operations.polling import poll_due_triggers
from flows.operations.schedules import (
    fire_due_schedules,
    next_due_at,
    purge_firings,
    recover_missed_schedules,
    release_stale_locks,
)
from flows.operations.services import SERVICES
from flows.operations.system import sample_system
from flows.operations.trigger_rows import add_missing_rows
from flows.operations.webhooks import flush_due_webhooks

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 0.25
# A due timer is sent again after this time if nobody took it; the visit itself is idempotent.
_RESEND_SECONDS = 3.0
_SLOW_SECONDS = 60.0
# The figures belong to minutes of the clock; a little more often than that, none is left out.
_FIGURES_SECONDS = 20.0
_RESEND_BULK_SECONDS = 10.0


class _Rounds:
    """When each periodic job of this process is due again, by the monotonic clock."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._sent: dict[tuple[str, datetime], float] = {}
        self.has_started = False

    def run_every(self, name: str, seconds: float, job: Callable[[], object]) -> None:
        """Run a job if its time has come. A job that fails is reported and does not keep the others from running."""
        now = time.monotonic()
        if self._due.get(name, 0.0) > now:
            return
        self._due[name] = now + seconds
        try:
            job()
        except (OSError, OperationalError):
            raise
        except Exception:
            log.exception("clock.job-failed", extra={"job": name})

    def may_send(self, timer: tuple[str, datetime]) -> bool:
        """Tell whether a message for a due timer, execution and moment, should be sent now: not while its last one is fresh."""
        now = time.monotonic()
        if now - self._sent.get(timer, -_RESEND_SECONDS) < _RESEND_SECONDS:
            return False
        if len(self._sent) > 10_000:
            self._sent = {key: sent for key, sent in self._sent.items() if now - sent < _RESEND_SECONDS}
        self._sent[timer] = now
        return True


_rounds = _Rounds()


def run_due(*, at: datetime) -> float:
    """Do everything that is due and return the seconds until the next known moment, at most a quarter of a second."""
    settings = get_settings()
    if not _rounds.has_started:
        recover_missed_schedules(at=at)
        add_missing_rows()
        _rounds.has_started = True
    _rounds.run_every("schedules", 0.0, lambda: fire_due_schedules(at=at))
    for timer in recovery.list_due(at):
        if _rounds.may_send(timer):
            dispatch.send_execution(timer[0])
    _rounds.run_every("poll", 0.5, lambda: poll_due_triggers(at=at))
    _rounds.run_every("webhooks", 1.0, lambda: flush_due_webhooks(at=at))
    _rounds.run_every("deadlines", 1.0, lambda: fail_missed_deadlines(at=at))
    _rounds.run_every("unsent", settings.outbox_sweep_seconds, lambda: recovery.resend_unsent(at))
    _rounds.run_every("untold", settings.outbox_sweep_seconds, lambda: recovery.announce_untold(SERVICES, at))
    _rounds.run_every("lost", settings.reaper_sweep_seconds, lambda: recovery.reap_lost_attempts(SERVICES))
    _rounds.run_every("kills", settings.reaper_sweep_seconds, lambda: recovery.settle_kills(SERVICES, at))
    _rounds.run_every("slots", _SLOW_SECONDS, correct_counts)
    _rounds.run_every("queued", settings.reaper_sweep_seconds, recovery.send_queued)
    _rounds.run_every("locks", _SLOW_SECONDS, lambda: release_stale_locks(at=at))
    _rounds.run_every("firings", _SLOW_SECONDS, lambda: purge_firings(at=at))
    _rounds.run_every("cache", _SLOW_SECONDS, lambda: purge_expired_results(at=at))
    _rounds.run_every("requests", _SLOW_SECONDS, lambda: purge_old_keys(at=at))
    _rounds.run_every("bulk", _RESEND_BULK_SECONDS, lambda: resend_jobs(at=at))
    _rounds.run_every("bulk-old", _SLOW_SECONDS, lambda: purge_old_jobs(at=at))
    _rounds.run_every("runners", _SLOW_SECONDS, send_sweeps)
    _rounds.run_every("windows", _SLOW_SECONDS, lambda: purge_windows(at=at))
    _rounds.run_every("figures", _FIGURES_SECONDS, lambda: sample_system(at=at))
    return _seconds_until_next(at)


def _seconds_until_next(at: datetime) -> float:
    moments = [moment for moment in (next_due_at(), recovery.next_timer_at()) if moment is not None and moment > at]
    if not moments:
        return LONGEST_WAIT_SECONDS
    # The round itself took its time.
    return max(0.0, min(LONGEST_WAIT_SECONDS, (min(moments) - timezone.now()).total_seconds()))
