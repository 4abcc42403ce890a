"""Finds work whose message was lost, whose owner is silent, or whose time has come, and hands it to the same front door."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from flows.conf import DEFAULT_QUEUE, get_settings
from flows.engine import dispatch, transitions
from flows.engine.attempts import close_attempt, end_attempt
from flows.engine.concurrency import list_next_queued
from flows.engine.endings import is_cut_short
from flows.engine.presence import find_served_queues, is_served
from flows.engine.services import Services
from flows.engine.turn import Turn
from flows.engine.visits import announce_changes, set_aside, take_turn
from flows.primitives.states import State

log = logging.getLogger(__name__)

_BATCH = 500
# A worker takes a message from an empty queue at once; this is more than it needs from there to its claim.
_LOST_SECONDS = 5.0


_IS_DUE = """((t.dispatched_at IS NULL AND t.created_at < %(unsent)s) OR t.dispatched_at <
    CASE WHEN coalesce(jsonb_array_length(t.progress->'queues'), 0) = 0 THEN %(default)s
    WHEN t.progress->'queues' <@ %(empty)s::jsonb THEN %(lost)s ELSE %(stuck)s END)"""

# In two parts, because each has an index: what waits for its first attempt, and what was set back in executions that were
# restarted or replayed. An execution that has not begun takes them in itself, and so does a visit that is still at work.
_RESEND_RUNS = f"""
WITH waiting AS (
    SELECT t.seq, t.execution_id FROM flows_taskrun t WHERE t.state = 'CREATED' AND {_IS_DUE}
    UNION ALL
    SELECT t.seq, t.execution_id FROM flows_execution e JOIN flows_taskrun t ON t.execution_id = e.id
    WHERE e.state IN ('RUNNING', 'PAUSED', 'PAUSING', 'RETRYING') AND (e.attempt_number > 1 OR e.parent_id IS NOT NULL)
    AND t.state = 'RESTARTED' AND {_IS_DUE}
)
UPDATE flows_taskrun SET dispatched_at = %(at)s WHERE seq IN (
    SELECT w.seq FROM waiting w JOIN flows_execution e ON e.id = w.execution_id
    WHERE NOT e.pause_asked AND e.state NOT IN ('CREATED', 'RESTARTED', 'KILLING', 'QUEUED', 'BREAKPOINT')
    AND (e.visit_until IS NULL OR e.visit_until < clock_timestamp()) ORDER BY w.seq LIMIT %(limit)s)
RETURNING execution_id, scope, task_id, ARRAY(SELECT jsonb_array_elements_text(progress->'queues')), seq
"""  # noqa: S608  # no value is put in


def resend_unsent(at: datetime) -> int:
    """
    Send messages for what waits and was never sent, or was sent and nobody came. Returns how many.

    Nobody came: for five seconds although its queue is empty, so the message is lost, or the process died before it sent it.
    While messages wait in the queue, while no worker serves one of the queues of a worker group, and with a broker that does
    not tell, it is a minute. Sending twice is harmless: a run is claimed once. Source: reliability, R-21 and R-25.
    """
    settings = get_settings()
    unsent_before = at - timedelta(seconds=settings.outbox_sweep_seconds)
    stuck_before = at - timedelta(seconds=settings.stuck_dispatch_seconds)
    empty = dispatch.list_empty_queues({DEFAULT_QUEUE, *(find_served_queues() or ())})
    lost_before = at - timedelta(seconds=_LOST_SECONDS)
    # A run without queues of its own waits for the default one; the rows of executions do, too.
    lost_by_default = lost_before if DEFAULT_QUEUE in empty else stuck_before
    with connection.cursor() as cursor:
        cursor.execute(
            _RESEND_RUNS,
            {
                "at": at,
                "unsent": unsent_before,
                "stuck": stuck_before,
                "lost": lost_before,
                "default": lost_by_default,
                "empty": json.dumps(sorted(empty)),
                "limit": _BATCH,
            },
        )
        runs = cursor.fetchall()
        cursor.execute(
            "UPDATE flows_execution SET dispatched_at = %s WHERE id IN (SELECT id FROM flows_execution WHERE state IN ('CREATED',"
            " 'RESTARTED') AND (schedule_at IS NULL OR schedule_at <= %s)"
            " AND ((dispatched_at IS NULL AND created_at < %s) OR dispatched_at < %s) ORDER BY created_at LIMIT %s) RETURNING id",
            [at, at, unsent_before, lost_by_default, _BATCH],
        )
        executions = [row[0] for row in cursor.fetchall()]
    for position, (execution_id, scope, task_id, queues, _) in enumerate(runs):
        if queues and not is_served(queues):
            # Its message lies in a queue without a worker; another one each minute would only pile up there.
            continue
        if not dispatch.send_run(execution_id, scope, task_id, queues):
            _note_unsent("flows_taskrun", "seq", [row[-1] for row in runs[position:]])
            break
    for position, execution_id in enumerate(executions):
        if not dispatch.send_execution(execution_id):
            _note_unsent("flows_execution", "id", executions[position:])
            break
    if runs or executions:
        log.info("recovery.resent", extra={"task_runs": len(runs), "executions": len(executions)})
    return len(runs) + len(executions)


def _note_unsent(table: str, key: str, values: list[Any]) -> None:
    """The broker cannot be reached: have the next sweep try again instead of the one for what got stuck."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET dispatched_at = NULL WHERE {key} = ANY(%s)", [values])  # noqa: S608  # ours


def list_due(at: datetime, *, limit: int = _BATCH) -> list[tuple[str, datetime]]:
    """
    Return the executions in which a timer is due: a retry, a pause, a schedule date, a deadline, a lost visit.

    Pairs of execution id and the moment that is due; an execution with several kinds of timers is there several times.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "(SELECT execution_id, min(wake_at) FROM flows_taskrun WHERE wake_at <= %(at)s GROUP BY execution_id"
            " ORDER BY min(wake_at) LIMIT %(limit)s)"
            " UNION (SELECT id, wake_at FROM flows_execution WHERE wake_at <= %(at)s AND ended_at IS NULL LIMIT %(limit)s)"
            " UNION (SELECT id, visit_until FROM flows_execution WHERE visit_until < %(at)s LIMIT %(limit)s)",
            {"at": at, "limit": limit},
        )
        return [(execution_id, due_at) for execution_id, due_at in cursor.fetchall()]


def next_timer_at() -> datetime | None:
    """Return the earliest timer of all executions and task runs, None when there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT least((SELECT min(wake_at) FROM flows_taskrun WHERE wake_at IS NOT NULL),"
            " (SELECT min(wake_at) FROM flows_execution WHERE wake_at IS NOT NULL AND ended_at IS NULL))"
        )
        return cursor.fetchone()[0]


def reap_lost_attempts(services: Services) -> int:
    """
    Take attempts away from owners that were silent for longer than their lease. Returns how many.

    The lease runs by the database's clock; the look is repeated under the execution's lock. After three lost attempts the
    task run fails, so that a task that kills its worker cannot do so for ever. Source: reliability, R-01 to R-07, R-18.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT execution_id, id FROM flows_taskrun WHERE lease_until < clock_timestamp() ORDER BY lease_until LIMIT %s",
            [_BATCH],
        )
        lost = cursor.fetchall()
    for execution_id, run_id in lost:
        try:
            # The default of the argument keeps the id of this turn of the loop.
            take_turn(execution_id, lambda turn, run_id=run_id: _reap(turn, run_id), services)  # type: ignore[misc]
        except Exception as error:
            # One execution that cannot be read must not keep the others from being repaired.
            log.exception("recovery.reap-failed", extra={"execution": execution_id, "task_run": run_id})
            set_aside(execution_id, error, services)
    return len(lost)


def _reap(turn: Turn, run_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lease_owner FROM flows_taskrun WHERE id = %s AND lease_until < clock_timestamp() FOR UPDATE", [run_id]
        )
        row = cursor.fetchone()
        if row is None:
            return
    transitions.release_lease(run_id)
    run = transitions.read_chain(turn.board, run_id)
    if run is None or run.state != State.RUNNING:
        return
    owner = row[0]
    log.warning("recovery.attempt-lost", extra={"execution": turn.board.root.id, "task_run": run_id, "owner": owner})
    interrupt = (run.progress or {}).get("interrupt")
    if interrupt or turn.board.root.state == State.KILLING or is_cut_short(turn.board, run):
        turn.end_run(run, State(interrupt or State.KILLED))
        return
    run.loss_count += 1
    most = get_settings().max_lost_attempts
    if run.loss_count >= most:
        reason = (
            f"The worker that ran this task was lost {run.loss_count} times; the task is not tried again. Last worker: {owner}."
        )
        end_attempt(turn, run, State.FAILED, reason=reason, permanent=True)
        return
    turn.add_log(run, "WARN", f"The worker {owner} was lost while it ran this attempt; another attempt follows.")
    close_attempt(run, State.KILLED, at=turn.board.at)
    turn.board.move(run, State.CREATED)
    turn.take_in(run)


def expire_leases_of(owner: str) -> int:
    """End the leases of a worker process that is known to be gone, so that the next sweep takes its attempts over."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE flows_taskrun SET lease_until = clock_timestamp() WHERE lease_owner = %s", [owner])
        return cursor.rowcount


def announce_untold(services: Services, at: datetime) -> int:
    """Tell again what was not told because its process died between commit and announcement. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM flows_execution WHERE announce_at < %s ORDER BY announce_at LIMIT %s",
            [at - timedelta(seconds=2), _BATCH],
        )
        untold = [row[0] for row in cursor.fetchall()]
    for execution_id in untold:
        try:
            announce_changes(execution_id, services)
        except Exception:
            log.exception("recovery.announce-failed", extra={"execution": execution_id})
    return len(untold)


def settle_kills(services: Services, at: datetime) -> int:
    """Finish kills that hang because no worker reported: nothing of the execution has a live lease any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.id FROM flows_execution e WHERE e.state = 'KILLING' AND NOT EXISTS (SELECT 1 FROM flows_taskrun t"
            " WHERE t.execution_id = e.id AND t.lease_until IS NOT NULL) LIMIT %s",
            [_BATCH],
        )
        hanging = [row[0] for row in cursor.fetchall()]
    for execution_id in hanging:
        try:
            take_turn(execution_id, _finish_kill, services, at=at)
        except Exception as error:
            log.exception("recovery.kill-failed", extra={"execution": execution_id})
            set_aside(execution_id, error, services)
    return len(hanging)


def _finish_kill(turn: Turn) -> None:
    if turn.board.root.state != State.KILLING:
        return
    transitions.read_all(turn.board)
    turn.board.recount()
    # No worker holds a lease, and in this state none takes one.
    for run in list(turn.board.runs.values()):
        if run.activity == "live":
            turn.end_run(run, State.KILLED)
    turn.stop(State(turn.board.root.progress.get("killedInto", State.KILLED)))


def send_queued() -> int:
    """Send messages for queued executions that fit into free slots: the one that should have released them was lost."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT namespace, flow_id FROM flows_execution WHERE state = 'QUEUED' LIMIT %s", [_BATCH])
        flows = cursor.fetchall()
    sent = 0
    for namespace, flow_id in flows:
        for execution_id in list_next_queued(namespace, flow_id):
            sent += dispatch.send_execution(execution_id)
    return sent
