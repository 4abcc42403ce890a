"""The typed view of our Django settings: `get_settings()` is the one way for the app to learn how it was configured."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

DEFAULT_QUEUE = "default"
"""The Celery queue of every task without a worker group."""

DEFAULT_TENANT = "main"
"""The only tenant: the word that stands for it in addresses and expressions."""

PLATFORM_VERSION = "0.1.0"
"""Our own version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    How this installation is configured. Sizes are in bytes, times in seconds; addresses may carry passwords and are never shown.

    Attributes:
        home: folder of all local data.
        host, port: where the web part listens.
        public_url: address that people type, without a slash at the end; used in links.
        database_url: PostgreSQL address.
        broker_url: address as Celery understands it.
        redis_url: address of the same broker as redis-py understands it, None when the broker is not Redis or Valkey.
        database_is_embedded, broker_is_embedded: whether `up` has to start that part.
        run_folder: unix sockets of the embedded parts; its path is short enough for them.
        storage_url: `file:///folder` or the address of an object store.
        encryption_key: 32 raw bytes that protect stored secrets; never the key that signs sessions.
        admin_user, admin_password: the administrator that `up` makes; an empty password means that one is generated.
        plugin_packages: Python packages with our own plugins, imported at start.
        script_runner: task runner of scripts that name none.
        worker_concurrency: processes of one worker.
        worker_queues: queues that one worker serves.
        lease_seconds, heartbeat_seconds: how long an attempt belongs to a silent worker, and how often a worker reports.
        reaper_sweep_seconds, outbox_sweep_seconds: how often lost attempts and unsent messages are looked for.
        stuck_dispatch_seconds: age from which a task run that nobody claimed is sent again.
        max_lost_attempts: attempts that may be lost to dying workers before the task run fails.
        soft_shutdown_seconds: how long a stopping worker lets running tasks finish.
        templates_enabled: whether flows may take in templates, and the API serves them.
        admin_is_on, admin_path: whether there is an admin site, and where, with a slash at the end.
        admin_theme: `unfold`, or `stock` for the framework's own look.
        admin_addresses: networks that may reach the admin site, all of them when empty.
        admin_requires_mfa: whether only staff with a second factor may enter it.
        plugin_settings: what plugins ask the operator for, by name: `scripts.memory-limit` is `SCRIPTS_MEMORY_LIMIT` here.
        rate_limit_per_minute, anonymous_rate_limit_per_minute: requests to the API by account and token, and by address of
            callers without an account; 0 for no limit.
        first_start: `password` when `up` makes the first administrator, `setup` when a page asks for it with a token.
        setup_needs_token: whether that page asks callers of other hosts for the token.
        require_mfa: whether everybody must use a second factor.
        session_idle_seconds, session_longest_seconds: how long a browser stays signed in unused, and at all.
        oidc_issuer, oidc_client_id, oidc_client_secret: the provider of single sign-on; none when the issuer is empty.
        oidc_name: how the button names it.
        oidc_scopes, oidc_groups_claim: what is asked for, and the claim that lists groups.
        oidc_groups: `claim=group` pairs, oidc_roles: `claim=role@namespace` pairs, both kept at each sign-in.
        oidc_email_domains: whose addresses may sign in, everybody's when empty.
        oidc_creates_accounts, oidc_links_accounts: whether an unknown person gets an account, and whether an account of the
            same verified address is taken over.
        oidc_default_role: `role@namespace` of accounts that are made like that.
    """

    home: Path
    host: str
    port: int
    public_url: str
    database_url: str
    broker_url: str
    redis_url: str | None
    database_is_embedded: bool
    broker_is_embedded: bool
    run_folder: Path
    storage_url: str
    encryption_key: bytes
    admin_user: str
    admin_password: str
    worker_concurrency: int
    plugin_packages: tuple[str, ...]
    worker_queues: tuple[str, ...] = (DEFAULT_QUEUE,)
    script_runner: str = "process"
    system_namespace: str = "system"
    max_body_bytes: int = 10 * 1024 * 1024
    max_file_bytes: int = 1024 * 1024 * 1024
    max_output_bytes: int = 1024 * 1024
    lease_seconds: float = 30.0
    heartbeat_seconds: float = 5.0
    reaper_sweep_seconds: float = 5.0
    outbox_sweep_seconds: float = 2.0
    stuck_dispatch_seconds: float = 60.0
    max_lost_attempts: int = 3
    soft_shutdown_seconds: float = 25.0
    templates_enabled: bool = True
    admin_is_on: bool = True
    admin_path: str = "admin/"
    admin_theme: str = "unfold"
    admin_addresses: tuple[str, ...] = ()
    admin_requires_mfa: bool = False
    plugin_settings: Mapping[str, Any] = field(default_factory=dict)
    rate_limit_per_minute: int = 30_000
    anonymous_rate_limit_per_minute: int = 1_200
    first_start: str = "password"
    setup_needs_token: bool = True
    require_mfa: bool = False
    session_idle_seconds: float = 12 * 3600.0
    session_longest_seconds: float = 7 * 86400.0
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_name: str = "single sign-on"
    oidc_scopes: tuple[str, ...] = ("openid", "email", "profile")
    oidc_groups_claim: str = "groups"
    oidc_groups: tuple[str, ...] = ()
    oidc_roles: tuple[str, ...] = ()
    oidc_email_domains: tuple[str, ...] = ()
    oidc_creates_accounts: bool = True
    oidc_links_accounts: bool = False
    oidc_default_role: str = ""


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """
    Return the settings of this process. The value is kept, and made anew when a test changes `settings.CELESTRA`.

    Raises:
        ImproperlyConfigured: `settings.CELESTRA` names an unknown setting or misses one.
    """
    given: dict[str, Any] = dict(settings.CELESTRA)
    unknown = sorted(set(given) - {each.name for each in fields(Settings)})
    if unknown:
        raise ImproperlyConfigured(
            f'settings.CELESTRA has unknown names: "{", ".join(unknown)}". flows/conf.py has the known ones.'
        )
    try:
        return Settings(**given)
    except TypeError as error:
        raise ImproperlyConfigured(f"settings.CELESTRA is not complete: {error}.") from error


def read_plugin_setting(key: str, default: Any = None) -> Any:
    """Return what the operator set for plugins under `key`, such as `scripts.memory-limit`; `default` when nothing was."""
    given = get_settings()
    if key == "scripts.default-runner":
        return given.script_runner
    if key == "installation":
        # Tells this installation from others that share an engine with it, and says nothing about the key.
        return hmac.new(given.encryption_key, b"installation", hashlib.sha256).hexdigest()[:16]
    return given.plugin_settings.get(key.upper().replace(".", "_").replace("-", "_"), default)


@contextmanager
def changed_settings(**changes: Any) -> Iterator[None]:
    """Give this process other settings inside a `with` block: a rehearsal works in a storage of its own and tells nobody."""
    before = settings.CELESTRA
    settings.CELESTRA = {**before, **changes}
    get_settings.cache_clear()
    try:
        yield
    finally:
        settings.CELESTRA = before
        get_settings.cache_clear()


@receiver(setting_changed)
def _forget_settings(*, setting: str, **_: Any) -> None:
    if setting == "CELESTRA":
        get_settings.cache_clear()
