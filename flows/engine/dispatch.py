"""Hands committed work to Celery and tells live views. Never called inside a transaction; a message that fails is found later."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import redis
from celery import signature
from django.db import connection
from kombu.exceptions import OperationalError

from flows.conf import get_settings
from flows.engine.board import Board, Run
from flows.engine.canvas import compile_canvas, visit_signature
from flows.engine.recording import DROPPED_LINES
from flows.engine.transitions import scope_key

if TYPE_CHECKING:
    from flows.engine.turn import Turn

log = logging.getLogger(__name__)

CHANNEL = "celestra:execution:"
"""Prefix of the channel on which live views hear that an execution changed."""

DROPPED_LINES_KEY = "celestra:dropped-log-lines"

SWEEP = "flows.sweep_runners"
BULK = "flows.bulk"
"""Name of the Celery task that does one step of an action on many objects."""
# A message that nobody took until then is followed by the next one.
_SWEEP_SECONDS = 60

_PUBLISH_OPTIONS = {"retry": False, "ignore_result": True}
BROKER_ERRORS = (OperationalError, redis.RedisError, OSError)
"""What sending a message may raise while the broker cannot be reached."""

_client: redis.Redis | None = None


def stamp(turn: Turn) -> None:
    """Note on the rows that this process is about to send their messages; carried ones wait for theirs unsent."""
    for run in turn.heavy:
        if not is_carried(run, turn.carried):
            run.dispatched_at = turn.board.at
            run.is_changed = True


def is_carried(run: Run, carried: frozenset[str]) -> bool:
    """Tell whether a message that is already on its way (next link, body of the chord) will reach the run."""
    scope = scope_key(run.parent_id, run.iteration)
    return f"{scope}/{run.task_id}" in carried or f"{scope}/*" in carried


def send(board: Board, heavy: Sequence[Run], *, started: Iterable[str] = (), carried: frozenset[str] = frozenset()) -> None:
    """Send the canvases for heavy runs and a message for each execution that was started, then wake the live views."""
    frontier = [run for run in heavy if run.id in board.runs and not is_carried(run, carried)]
    if frontier:
        try:
            for canvas in compile_canvas(board, frontier):
                canvas.apply_async(**_PUBLISH_OPTIONS)
        except BROKER_ERRORS as error:
            _note_unsent(board.root.id, [run.id for run in frontier], error)
    waiting = list(started)
    for position, execution_id in enumerate(waiting):
        if not send_execution(execution_id):
            # Hundreds of iterations must not wait for the same broker one after the other.
            _note_unstarted(waiting[position:])
            break
    wake_views(board.root.id)


def send_execution(execution_id: str) -> bool:
    """Ask a worker to look at an execution. False when the broker cannot be reached: the sweep sends it again."""
    try:
        visit_signature(execution_id).apply_async(**_PUBLISH_OPTIONS)
    except BROKER_ERRORS as error:
        log.warning("dispatch.unsent", extra={"execution": execution_id, "reason": str(error)})
        _note_unstarted([execution_id])
        return False
    return True


def send_run(execution_id: str, scope: str, task_id: str, queues: Sequence[str] = ()) -> bool:
    """Ask a worker of each of the queues (none: the default one) to look at a task run. False without a broker."""
    try:
        for queue in queues or (None,):
            visit_signature(execution_id, scope=scope, task_id=task_id, queue=queue).apply_async(**_PUBLISH_OPTIONS)
    except BROKER_ERRORS as error:
        log.warning("dispatch.unsent", extra={"execution": execution_id, "task": task_id, "reason": str(error)})
        return False
    return True


def send_job_step(job_id: str) -> bool:
    """Ask a worker to do the next objects of an action on many. False without a broker: the clock asks again."""
    try:
        signature(BULK, kwargs={"job_id": job_id}, immutable=True).apply_async(**_PUBLISH_OPTIONS)
    except BROKER_ERRORS as error:
        log.warning("bulk.unsent", extra={"job": job_id, "reason": str(error)})
        return False
    return True


def send_sweep(queue: str) -> bool:
    """Ask a worker of a queue to sweep what task runners left behind. False without a broker: the next round asks again."""
    try:
        signature(SWEEP, immutable=True).apply_async(queue=queue, expires=_SWEEP_SECONDS, **_PUBLISH_OPTIONS)
    except BROKER_ERRORS as error:
        log.debug("dispatch.sweep-unsent", extra={"queue": queue, "reason": str(error)})
        return False
    return True


def list_empty_queues(queues: Iterable[str]) -> set[str]:
    """Return those of the queues in which no message waits; none of them when the broker cannot be asked."""
    client, names = _views(), list(queues)
    if client is None or not names:
        return set()
    try:
        with client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.exists(name)
            return {name for name, is_there in zip(names, pipeline.execute(), strict=True) if not is_there}
    except redis.RedisError:
        return set()


def report_dropped_lines() -> None:
    """Add the log lines that this process dropped to the count of the installation, kept at the broker; best effort."""
    count = DROPPED_LINES.take()
    if not count:
        return
    log.warning("recording.lines-dropped", extra={"lines": count})
    client = _views()
    if client is None:
        return
    try:
        client.incrby(DROPPED_LINES_KEY, count)
    except redis.RedisError:
        DROPPED_LINES.add(count)


def read_dropped_lines() -> int:
    """Return how many log lines were dropped since the broker's data began; 0 when it cannot be asked."""
    client = _views()
    if client is None:
        return 0
    try:
        return int(client.get(DROPPED_LINES_KEY) or 0)
    except redis.RedisError:
        return 0


def wake_views(execution_id: str) -> None:
    """Tell live views that an execution changed. Best effort: views look at the database by themselves now and then."""
    client = _views()
    if client is None:
        return
    try:
        client.publish(CHANNEL + execution_id, "x")
    except redis.RedisError:
        log.debug("dispatch.view-unreachable", extra={"execution": execution_id})


def _views() -> redis.Redis | None:
    global _client  # one connection pool per process
    url = get_settings().redis_url
    if url is None:
        return None
    if _client is None:
        _client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    return _client


def _note_unstarted(execution_ids: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE flows_execution SET dispatched_at = NULL WHERE id = ANY(%s)", [execution_ids])


def _note_unsent(execution_id: str, run_ids: list[str], error: Exception) -> None:
    log.warning("dispatch.unsent", extra={"execution": execution_id, "reason": str(error)})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE flows_taskrun SET dispatched_at = NULL WHERE id = ANY(%s)", [run_ids])
