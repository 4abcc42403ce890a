"""Waiting for the database: a part that starts before PostgreSQL, or before its migrations, waits and says so."""

from __future__ import annotations

import logging
import time

from django.db import Error as DatabaseError
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 5.0


def wait_for_database() -> None:
    """
    Return once the database answers and has every table.

    It asks after 0.5, 1, 2, 4, then every 5 seconds, and logs each new reason once. It holds no connection afterwards, so the
    caller may fork.
    """
    wait, told = 0.5, ""
    while reason := _find_obstacle():
        if reason != told:
            log.warning("database.waiting", extra={"reason": reason})
            told = reason
        time.sleep(wait)
        wait = min(LONGEST_WAIT_SECONDS, wait * 2)
    if told:
        log.info("database.ready")


def _find_obstacle() -> str | None:
    try:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError as error:
        return " ".join(str(error).split())
    finally:
        connections.close_all()
    return f'{missing} migrations are missing: run "manage.py prepare"' if missing else None
