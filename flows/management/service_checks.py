"""The checks of `doctor` that ask the database, the broker, the storage and the workers, or look for what is stuck."""

from __future__ import annotations

import secrets
from datetime import timedelta

import redis
from celery.exceptions import TimeoutError as CeleryTimeoutError
from django.core.management import call_command
from django.db import Error, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from flows.checks import list_broker_faults
from flows.conf import DEFAULT_QUEUE, get_settings
from flows.engine import recovery
from flows.engine.canvas import visit_signature
from flows.engine.catalog import get_flow
from flows.engine.presence import list_parts, list_workers
from flows.management.diagnosis import FAIL, OK, WARN, Finding, Fix
from flows.models import Execution, Flow, TaskRun, TriggerState
from flows.operations.services import SERVICES
from flows.operations.triggers import unlock_trigger
from flows.primitives.errors import FlowsError
from flows.storage import get_storage

ACTOR = "doctor"
_LARGEST_CLOCK_DIFFERENCE = 2.0
_LONG_QUEUE = 1000
_LATE = timedelta(seconds=60)
_OLD_LOCK = timedelta(days=1)
_SHOWN = 5


def check_database(timeout: float) -> Finding:
    """Ask the database for its version."""
    connections.settings["default"]["OPTIONS"]["connect_timeout"] = max(1, round(timeout))
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_database(), inet_server_addr() IS NULL")
        number, name, is_local = cursor.fetchone()
    return Finding("database", OK, f'PostgreSQL {number}, database "{name}"{" through a unix socket" if is_local else ""}')


def check_migrations(timeout: float) -> Finding:
    """Compare the tables with this version of the code."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not missing:
        return Finding("migrations", OK, "all applied")
    names = ", ".join(str(migration) for migration, _ in missing[:_SHOWN])
    fix = Fix(f"Apply {len(missing)} migrations?", _migrate)
    return Finding("migrations", FAIL, f"{len(missing)} are missing ({names}): run `manage.py migrate`.", fix)


def _migrate() -> str:
    call_command("migrate", interactive=False, verbosity=0)
    return "migrations applied"


def check_clock(timeout: float) -> Finding:
    """Compare our clock with that of the database: leases run by one, schedules by the other."""
    before = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs = cursor.fetchone()[0]
    after = timezone.now()
    difference = max(0.0, (before - theirs).total_seconds(), (theirs - after).total_seconds())
    status = FAIL if difference >= _LARGEST_CLOCK_DIFFERENCE else OK
    hint = ": synchronise the clocks of both hosts, for example with chrony" if status == FAIL else ""
    return Finding("clock", status, f"{difference:.3f} s apart from the database{hint}")


def check_broker(timeout: float) -> Finding:
    """Ask the broker whether it is there and keeps what it is given."""
    url = get_settings().redis_url
    if url is None:
        return Finding("broker", OK, "not Redis or Valkey: only the round trip can tell")
    with redis.Redis.from_url(url, socket_connect_timeout=timeout, socket_timeout=timeout) as client:
        facts = client.info("server")
    faults = list_broker_faults(url)
    if faults:
        status = FAIL if any(fault.is_serious() for fault in faults) else WARN
        return Finding("broker", status, " ".join(f"{fault.msg} {fault.hint}" for fault in faults))
    name = "Valkey" if "valkey_version" in facts else "Redis"
    return Finding("broker", OK, f"{name} {facts.get('valkey_version') or facts['redis_version']}, keeps every message")


def _reach_broker(timeout: float) -> None:
    """Raise RedisError when nobody answers; Celery itself would try again for longer than anybody wants to wait."""
    url = get_settings().redis_url
    if url is not None:
        with redis.Redis.from_url(url, socket_connect_timeout=timeout, socket_timeout=timeout) as client:
            client.ping()


def check_workers(timeout: float) -> Finding:
    """Count the workers that reported lately, and look whether one of them does the engine's work."""
    _reach_broker(timeout)
    workers = list_workers()
    if not workers:
        return Finding("workers", FAIL, "No worker reported within 15 s: nothing runs. Start one, or `manage.py up`.")
    names = ", ".join(worker.name for worker in workers[:_SHOWN])
    if not any(DEFAULT_QUEUE in worker.queues for worker in workers):
        detail = f'Nobody serves the queue "{DEFAULT_QUEUE}", where the engine works: start `manage.py executor`. Alive: {names}'
        return Finding("workers", FAIL, detail)
    return Finding("workers", OK, f"{len(workers)} alive: {names}")


def check_round_trip(timeout: float) -> Finding:
    """Send one real task that finds nothing to do, and wait for its result."""
    _reach_broker(timeout)
    begin = timezone.now()
    try:
        visit_signature(f"doctor-{secrets.token_hex(6)}").apply_async(retry=False, expires=timeout).get(timeout=timeout)
    except (CeleryTimeoutError, TimeoutError):
        return Finding("round-trip", FAIL, f"A task had no answer within {timeout:g} s: workers are absent, busy or stuck.")
    except (OperationalError, redis.RedisError, NotImplementedError) as error:
        return Finding("round-trip", FAIL, f"A task could not be sent and answered: {error}.")
    return Finding("round-trip", OK, f"one task in {(timezone.now() - begin).total_seconds() * 1000:.0f} ms")


def check_storage(timeout: float) -> Finding:
    """Write, read and delete one small file."""
    uri = f"kestra:///_doctor/{secrets.token_hex(8)}"
    content = secrets.token_bytes(32)
    storage = get_storage()
    storage.write(uri, content)
    try:
        with storage.open_read(uri) as stream:
            is_same = stream.read() == content
    finally:
        storage.delete(uri)
    return Finding(
        "storage", OK if is_same else FAIL, "written, read and deleted" if is_same else "what was read is not what was written"
    )


def check_scheduler(timeout: float) -> Finding:
    """Look whether a scheduler reports, and for schedule dates and timers that passed without anybody acting."""
    parts = list_parts()
    if parts is not None and not any(part.kind == "scheduler" for part in parts):
        return Finding("scheduler", FAIL, "No scheduler reported within 15 s: start `manage.py scheduler`, or `manage.py up`.")
    late = timezone.now() - _LATE
    triggers = TriggerState.objects.filter(next_at__lt=late, disabled=False, source_disabled=False, execution_id=None).count()
    timers = TaskRun.objects.filter(wake_at__lt=late).count() + Execution.objects.filter(wake_at__lt=late, ended_at=None).count()
    if triggers or timers:
        return Finding("scheduler", FAIL, f"{triggers} triggers and {timers} timers are overdue by a minute: is beat running?")
    return Finding("scheduler", OK, "nothing is overdue")


def check_stuck(timeout: float) -> Finding:
    """Look for task runs whose worker is silent, and for work that nobody was told of."""
    at = timezone.now()
    silent = at - timedelta(seconds=2 * get_settings().lease_seconds)
    unsent = Q(state__in=("CREATED", "RESTARTED"), dispatched_at=None, created_at__lt=at - _LATE)
    runs = TaskRun.objects.filter(Q(lease_until__lt=silent) | unsent, execution__pause_asked=False)
    runs = runs.exclude(execution__state__in=("KILLING", "QUEUED", "BREAKPOINT"))
    executions = Execution.objects.filter(unsent, Q(schedule_at=None) | Q(schedule_at__lt=at - _LATE))
    ids = [*runs.values_list("execution_id", flat=True)[:_SHOWN], *executions.values_list("id", flat=True)[:_SHOWN]]
    if not ids:
        return Finding("stuck", OK, "no execution waits for a lost worker")
    count = runs.count() + executions.count()
    return Finding(
        "stuck",
        FAIL,
        f"{count} task runs or executions wait for nobody, among them {ids[0]}.",
        Fix("Requeue lost work?", _requeue),
    )


def _requeue() -> str:
    at = timezone.now()
    lost = recovery.reap_lost_attempts(SERVICES)
    recovery.settle_kills(SERVICES, at)
    recovery.announce_untold(SERVICES, at)
    return f"{lost} attempts taken back, {recovery.resend_unsent(at)} messages sent"


def check_locks(timeout: float) -> Finding:
    """Look for triggers that an execution has held for more than a day."""
    rows = list(TriggerState.objects.filter(execution_id__isnull=False, locked_at__lt=timezone.now() - _OLD_LOCK))
    if not rows:
        return Finding("trigger-locks", OK, "no trigger has been locked for more than a day")
    names = ", ".join(f"{row.namespace}/{row.flow_id}/{row.trigger_id} by {row.execution_id}" for row in rows[:_SHOWN])
    return Finding(
        "trigger-locks",
        WARN,
        f"{len(rows)} triggers have been locked for more than a day: {names}. Let the execution end, or unlock the trigger.",
        Fix(f"Unlock {len(rows)} triggers?", lambda: _unlock(rows)),
    )


def _unlock(rows: list[TriggerState]) -> str:
    for row in rows:
        unlock_trigger(namespace=row.namespace, flow_id=row.flow_id, trigger_id=row.trigger_id, at=timezone.now(), actor=ACTOR)
    return f"{len(rows)} triggers unlocked"


def check_queues(timeout: float) -> Finding:
    """Count the messages that wait at the broker."""
    given = get_settings()
    if given.redis_url is None:
        return Finding("queues", OK, "not Redis or Valkey: ask the broker itself")
    with redis.Redis.from_url(given.redis_url, socket_connect_timeout=timeout, socket_timeout=timeout) as client:
        lengths = {queue: int(client.llen(queue)) for queue in given.worker_queues}
    words = ", ".join(f"{queue}: {length}" for queue, length in lengths.items())
    if max(lengths.values(), default=0) > _LONG_QUEUE:
        return Finding("queues", WARN, f"Many messages wait ({words}): start more workers.")
    return Finding("queues", OK, f"messages that wait: {words}")


def check_flows(timeout: float) -> Finding:
    """Read every stored flow as the engine would."""
    faults, count = [], 0
    for namespace, flow_id in Flow.objects.filter(deleted=False, revision__gt=0).values_list("namespace", "flow_id"):
        count += 1
        try:
            get_flow(namespace, flow_id)
        except FlowsError as error:
            faults.append(error.message)
    if faults:
        return Finding("flows", FAIL, f"{len(faults)} of {count} flows cannot be run: {'; '.join(faults[:_SHOWN])}")
    return Finding("flows", OK, f"all {count} flows can be run")


def explain_failure(name: str, error: Exception) -> Finding:
    """Return the finding of a check that could not even ask."""
    if isinstance(error, Error):
        hint = "Is the database running, and does CELESTRA_DATABASE_URL name it?"
    elif isinstance(error, redis.RedisError | OperationalError):
        hint = "Is the broker running, and does CELESTRA_BROKER_URL name it?"
    else:
        hint = ""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return Finding(name, FAIL, f"{reason}. {hint}".strip())
