"""System checks of the settings that keep executions safe. `check` runs the local ones; `up` and workers ask the broker too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
from celery import current_app
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from flows.conf import get_settings

_REQUIRED_CELERY_SETTINGS: dict[str, tuple[Any, str]] = {
    "task_acks_late": (True, "a message must stay with the broker until its work is recorded"),
    "task_reject_on_worker_lost": (False, "the lease decides who takes over, with a limit; the broker would repeat without one"),
    "worker_prefetch_multiplier": (1, "a worker must not hoard messages that another one could run"),
    "worker_cancel_long_running_tasks_on_connection_loss": (False, "the lease, not the connection, decides who owns an attempt"),
    "task_serializer": ("json", "messages carry ids only"),
    "result_serializer": ("json", "no pickle anywhere"),
}


@register()
def check_celery_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report each Celery setting on which the engine relies and that has another value."""
    faults: list[CheckMessage] = []
    for name, (wanted, reason) in _REQUIRED_CELERY_SETTINGS.items():
        if (found := getattr(current_app.conf, name)) != wanted:
            faults.append(Error(f"Celery setting {name} is {found!r}: {reason}.", hint=f"Set it to {wanted!r}.", id="flows.E001"))
    if set(current_app.conf.accept_content) != {"json"}:
        faults.append(Error("Celery accepts more than JSON messages.", hint='Set accept_content to ["json"].', id="flows.E002"))
    return faults


@register()
def check_time_zone(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a project zone other than UTC: every stored moment is UTC."""
    if settings.USE_TZ and settings.TIME_ZONE == "UTC":
        return []
    return [Error("The project's time zone is not UTC.", hint='Set USE_TZ = True and TIME_ZONE = "UTC".', id="flows.E003")]


@register()
def check_leases(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn when a few late heartbeats would already cost a worker its attempts."""
    lease, heartbeat = get_settings().lease_seconds, get_settings().heartbeat_seconds
    if lease >= 3 * heartbeat:
        return []
    return [
        Warning(
            f"A lease lasts {lease:g} s, fewer than three heartbeats of {heartbeat:g} s: a busy worker may lose its attempts.",
            hint="Raise CELESTRA_LEASE_SECONDS or lower CELESTRA_HEARTBEAT_SECONDS.",
            id="flows.W001",
        )
    ]


@register("broker", deploy=True)
def check_broker(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Ask the broker for the settings with which it would drop messages or connections."""
    url = get_settings().redis_url
    return list_broker_faults(url) if url else []


def list_broker_faults(redis_url: str) -> list[CheckMessage]:
    """
    Return one Error per unsafe setting of a Redis or Valkey server, naming the setting.

    A server that cannot be reached, or that does not show its settings (some hosted ones), gives one Warning.
    """
    try:
        with redis.Redis.from_url(redis_url, socket_connect_timeout=5, socket_timeout=5) as client:
            found = {**client.config_get("maxmemory-policy"), **client.config_get("timeout")}
    except redis.RedisError as error:
        return [Warning(f"The broker's settings could not be read: {error}.", hint="Check CELESTRA_BROKER_URL.", id="flows.W002")]
    faults: list[CheckMessage] = []
    if (policy := found.get("maxmemory-policy", "noeviction")) != "noeviction":
        faults.append(
            Error(
                f'The broker\'s maxmemory-policy is "{policy}": it may throw away queued messages.',
                hint="Set maxmemory-policy to noeviction on the broker.",
                id="flows.E004",
            )
        )
    if int(found.get("timeout", 0)) > 0:
        faults.append(
            Error(
                f"The broker's timeout is {found['timeout']} s: it cuts the connections of idle workers.",
                hint="Set timeout to 0 on the broker.",
                id="flows.E005",
            )
        )
    return faults
