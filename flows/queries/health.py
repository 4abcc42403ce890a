"""What is alive: the database, the broker and the workers that report."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from celery import current_app
from django.db import Error, connection
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis
from redis.exceptions import RedisError

from flows.conf import get_settings
from flows.engine.presence import WORKER_KEY_PREFIX
from flows.storage import get_storage
from flows.storage.contract import StorageUnavailableError

log = logging.getLogger(__name__)

ANSWER_SECONDS = 2.0
MOST_WORKERS = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the system: whether it answers, and what is known of it; `needed` parts decide about the whole."""

    name: str
    is_up: bool
    needed: bool = True
    details: dict[str, object] | None = None


def check_parts() -> list[Part]:
    """Ask the database, the broker and the storage, and count the workers that reported lately."""
    broker = _check_broker()
    workers = list_worker_names() if broker.is_up else []
    return [_check_database(), broker, check_storage(), Part("workers", bool(workers), False, {"count": len(workers)})]


def _check_database() -> Part:
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except Error:
        log.warning("health.database_down", exc_info=True)
        return Part("database", False)
    return Part("database", True)


def _check_broker() -> Part:
    url = get_settings().redis_url
    try:
        if url is None:
            with current_app.connection_for_write() as broker:
                broker.ensure_connection(max_retries=1, timeout=ANSWER_SECONDS)
        else:
            with Redis.from_url(url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS) as client:
                client.ping()
    except (RedisError, BrokerError, OSError):
        log.warning("health.broker_down", exc_info=True)
        return Part("broker", False)
    return Part("broker", True)


def check_storage() -> Part:
    """Ask the storage for a file."""
    try:
        get_storage().exists("kestra:///health")
    except (StorageUnavailableError, OSError):
        log.warning("health.storage_down", exc_info=True)
        return Part("storage", False)
    return Part("storage", True)


def list_worker_names() -> list[str]:
    """Return the names of the workers whose presence has not run out, sorted; none when the broker cannot be asked."""
    url = get_settings().redis_url
    if url is None:
        return []
    names: list[str] = []
    try:
        with Redis.from_url(url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS) as client:
            for key in client.scan_iter(f"{WORKER_KEY_PREFIX}*", count=1000):
                names.append(key.decode().removeprefix(WORKER_KEY_PREFIX))
                if len(names) >= MOST_WORKERS:
                    break
    except RedisError:
        log.warning("health.workers_unknown", exc_info=True)
    return sorted(names)
