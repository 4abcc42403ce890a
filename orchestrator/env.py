"""Strict readers of environment values: each returns a checked value, or says which variable is wrong and what it must be."""

from __future__ import annotations

import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import yaml
from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})


def read_text(name: str, default: str = "") -> str:
    """Return the variable without surrounding blanks, or `default` when it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def read_flag(name: str, default: bool = False) -> bool:
    """Return the variable as a yes or no. Raises ImproperlyConfigured for any other word."""
    word = os.environ.get(name)
    if word is None:
        return default
    if word.strip().lower() in TRUE_WORDS:
        return True
    if word.strip().lower() in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f'{name} must be "true" or "false"; got "{word}".')


def read_word(name: str, default: str, *, among: tuple[str, ...]) -> str:
    """Return the variable, which must be one of the words of `among`."""
    word = read_text(name, default).lower()
    if word not in among:
        wanted = " or ".join(f'"{each}"' for each in among)
        raise ImproperlyConfigured(f'{name} must be {wanted}; got "{word}".')
    return word


def read_count(name: str, default: int, *, at_least: int = 0, at_most: int | None = None) -> int:
    """Return the variable as a whole number within the bounds (both included)."""
    text = read_text(name)
    if not text:
        return default
    bounds = f"of {at_least} or more" if at_most is None else f"from {at_least} to {at_most}"
    try:
        value = int(text)
    except ValueError:
        raise ImproperlyConfigured(f'{name} must be a whole number {bounds}; got "{text}".') from None
    if value < at_least or (at_most is not None and value > at_most):
        raise ImproperlyConfigured(f'{name} must be a whole number {bounds}; got "{text}".')
    return value


def read_seconds(name: str, default: float, *, above: float = 0.0) -> float:
    """Return the variable as a number of seconds greater than `above`."""
    text = read_text(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ImproperlyConfigured(f'{name} must be a number of seconds such as 30 or 0.5; got "{text}".') from None
    if not value > above:
        raise ImproperlyConfigured(f"{name} must be more than {above:g} seconds; got {text}.")
    return value


def read_list(name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the comma-separated parts of the variable, blanks removed, empty parts left out."""
    text = read_text(name)
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else default


def read_path_prefix(name: str, default: str, *, taken: tuple[str, ...]) -> str:
    """Return the variable as the beginning of addresses, with a slash at the end. `taken` are first words of other pages."""
    text = read_text(name, default).strip("/")
    if not re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", text):
        raise ImproperlyConfigured(f'{name} must be a path of letters, digits, dashes and underscores; got "{text}".')
    if text.partition("/")[0] in taken:
        raise ImproperlyConfigured(f'{name} must not begin with "{text.partition("/")[0]}", where other pages are.')
    return f"{text}/"


def read_networks(name: str) -> tuple[str, ...]:
    """Return the comma-separated networks of the variable, such as `10.0.0.0/8`; a single address is a network of one."""
    found = []
    for part in read_list(name):
        try:
            found.append(str(ip_network(part, strict=False)))
        except ValueError:
            raise ImproperlyConfigured(f'{name} must list networks such as 10.0.0.0/8; got "{part}".') from None
    return tuple(found)


def read_plugin_settings(families: tuple[str, ...]) -> dict[str, Any]:
    """
    Return the variables that plugins of `families` ask for, by name without `CELESTRA_`; each value is read as YAML.

    `CELESTRA_SCRIPTS_DOCKER_READ_ONLY=true` gives a yes, `CELESTRA_SCRIPTS_DOCKER_CAPABILITIES=[CHOWN, FOWNER]` a list.
    """
    found = {}
    for name, text in os.environ.items():
        if not text.strip() or not name.startswith(tuple(f"CELESTRA_{family}_" for family in families)):
            continue
        try:
            found[name.removeprefix("CELESTRA_")] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ImproperlyConfigured(f"{name} must be a YAML value such as true, 512MiB or [A, B].") from error
    return found


def read_path(name: str, default: Path) -> Path:
    """Return the variable as an absolute path; `~` stands for the user's home folder."""
    text = read_text(name)
    return (Path(text).expanduser() if text else default).absolute()


def read_url(name: str, default: str, *, schemes: tuple[str, ...]) -> str:
    """Return the variable as an address of one of `schemes`; passwords in it never appear in the message."""
    text = read_text(name, default)
    scheme = urlsplit(text).scheme if "://" in text else ""
    if scheme not in schemes:
        wanted = ", ".join(f"{each}://..." for each in schemes)
        raise ImproperlyConfigured(f'{name} must be an address such as {wanted}; got one that starts with "{text[:12]}".')
    return text


def parse_database_url(url: str) -> dict[str, Any]:
    """
    Turn `postgresql://user:password@host:port/name?option=value` into a Django database entry.

    Args:
        url: `postgres` or `postgresql` address. A query value `host=/folder` names a unix socket folder; every other query
            value is handed to the driver (`sslmode`, `connect_timeout`, ...).

    Returns:
        Mapping with ENGINE, NAME, USER, PASSWORD, HOST, PORT and OPTIONS.

    Raises:
        ImproperlyConfigured: another scheme, no database name, or a port that is no number.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured(
            f'CELESTRA_DATABASE_URL must start with "postgresql://"; got "{parts.scheme}://". Celestra runs on PostgreSQL only.'
        )
    try:
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured("CELESTRA_DATABASE_URL has a port that is not a number from 1 to 65535.") from None
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise ImproperlyConfigured(
            "CELESTRA_DATABASE_URL names no database: write it as postgresql://user:password@host:5432/name."
        )
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or unquote(parts.hostname or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port or options.pop("port", "")),
        "OPTIONS": options,
    }
