"""What task runners left behind when a worker was lost, such as containers, is removed once its task run is over."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from django.db import connection

from flows.conf import DEFAULT_QUEUE, read_plugin_setting
from flows.engine import dispatch
from flows.engine.presence import find_served_queues
from flows.plugin_api.registry import get_registry
from flows.plugin_api.tasks import TaskFailure
from flows.primitives.states import TERMINAL

log = logging.getLogger(__name__)


def sweep_runners() -> int:
    """
    Have every task runner look for what belongs to task runs that are over; return how much was removed.

    Called on a worker, where the runners' code and their engines are. A runner whose place cannot be reached is tried again with
    the next sweep. Idempotent. Source: reliability, R-01 and R-13.
    """
    removed = 0
    for entry in get_registry().list_entries("runner"):
        try:
            runner: Any = get_registry().load(entry)()
            removed += runner.remove_leftovers(read_plugin_setting, list_open_runs)
        except TaskFailure as failure:
            log.warning("runners.not-swept", extra={"runner": entry.type, "reason": failure.message})
        except Exception:
            log.exception("runners.sweep-failed", extra={"runner": entry.type})
    if removed:
        log.info("runners.swept", extra={"removed": removed})
    return removed


def list_open_runs(run_ids: Collection[str]) -> set[str]:
    """Return those of the task runs that are not over: they run, or wait for their next attempt."""
    if not run_ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM flows_taskrun WHERE id = ANY(%s) AND state <> ALL(%s)",
            [list(run_ids), [state.value for state in TERMINAL]],
        )
        return {row[0] for row in cursor.fetchall()}


def send_sweeps() -> None:
    """
    Ask a worker of every queue to sweep. Among several workers of one queue the broker chooses another one each time.

    Never raises: without a broker the next round asks again.
    """
    for queue in sorted(find_served_queues() or {DEFAULT_QUEUE}):
        if not dispatch.send_sweep(queue):
            return
