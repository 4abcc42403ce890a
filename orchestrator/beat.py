"""The clock of celery-beat: no entries of its own, it asks the database for due rows. Any number of beats may run."""

from __future__ import annotations

import logging
from typing import Any

from celery.beat import Scheduler
from django.db import Error as DatabaseError
from django.db import connections
from django.utils import timezone

from flows.management.supervisor.liveness import mark_alive

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 0.25
"""A row may become due at any moment because a person saved a flow, so beat never sleeps longer than this."""
LONGEST_RETRY_SECONDS = 5.0


class RowScheduler(Scheduler):
    """
    A scheduler whose schedule is the due rows of the database. It keeps no file.

    An unreachable database is reported once and asked again after 0.5, 1, 2, 4, then every 5 seconds.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._failure_count = 0
        super().__init__(*args, **kwargs)
        # Set by who wants the database asked less or more often.
        self._interval = float(self.app.conf.beat_max_loop_interval or LONGEST_WAIT_SECONDS)

    def setup_schedule(self) -> None:
        """Nothing to set up: the rows are the schedule."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Run what is due and return the seconds to sleep."""
        # Beat loads before the app registry is filled, so the app's own code is imported with the first tick.
        from flows.engine.presence import announce_part
        from flows.operations.clock import run_due

        announce_part("scheduler")
        try:
            wait = run_due(at=timezone.now())
        except DatabaseError as error:
            return self._wait_for_database(error)
        mark_alive()
        if self._failure_count:
            self._failure_count = 0
            log.info("beat.database_back")
        return max(0.0, self._interval if wait >= LONGEST_WAIT_SECONDS else min(float(wait), self._interval))

    def _wait_for_database(self, error: DatabaseError) -> float:
        self._failure_count += 1
        if self._failure_count == 1:
            log.warning("beat.database_lost", extra={"reason": str(error).strip()})
        connections.close_all()
        return min(LONGEST_RETRY_SECONDS, 0.25 * 2.0 ** min(self._failure_count, 10))

    def should_sync(self) -> bool:
        """Return False: there is nothing to keep."""
        return False

    def close(self) -> None:
        """Nothing to keep."""
