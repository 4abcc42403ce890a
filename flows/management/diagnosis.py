"""What `doctor` reports: findings, and the checks of this host. Checks of the services around it are in `service_checks`."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, run_checks

from flows.conf import Settings, get_settings, read_plugin_setting

OK, WARN, FAIL = "ok", "warn", "fail"

_LIBRARIES = ("Django", "celery", "psycopg", "redis", "pydantic")
_OLDEST_PYTHON = (3, 11)
_LOW_DISK_BYTES = 2 * 1024**3
_LEAST_DISK_BYTES = 200 * 1024**2
_DOCKER_SOCKETS = (Path("/var/run/docker.sock"), Path("/run/podman/podman.sock"))


@dataclass(frozen=True, slots=True)
class Fix:
    """What would repair a finding: the question that is asked before, and the repair, which returns what it did."""

    question: str
    apply: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `status` is `ok`, `warn` or `fail`, and `detail` one sentence with the way out."""

    check: str
    status: str
    detail: str
    fix: Fix | None = None


Check = Callable[[float], Finding]
"""A check takes the seconds that it may wait for an answer."""


def check_settings(timeout: float) -> Finding:
    """Run the system checks of Django and of our own."""
    messages = [message for message in run_checks() if not message.is_silenced()]
    if not messages:
        given = get_settings()
        return Finding("settings", OK, f"complete; data in {given.home}, {given.public_url}")
    status = FAIL if any(message.is_serious() for message in messages) else WARN
    return Finding("settings", status, " ".join(_describe(message) for message in messages))


def _describe(message: CheckMessage) -> str:
    return f"{message.msg} {message.hint or ''} [{message.id}]".replace("  ", " ")


def check_keys(timeout: float) -> Finding:
    """Look whether key files can be read by others than their owner. Without keys no command would have started."""
    folder = get_settings().home / "keys"
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    open_ones = [path for path in files if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if open_ones:
        names = ", ".join(str(path) for path in open_ones)
        return Finding(
            "keys",
            FAIL,
            f"Other users can read {names}: run chmod 600 on it.",
            Fix("Close the key files?", lambda: _close(open_ones)),
        )
    return Finding(
        "keys", OK, f"{len(files)} key files in {folder}" if files else "signing and encryption key from the environment"
    )


def _close(paths: Sequence[Path]) -> str:
    for path in paths:
        path.chmod(0o600)
    return f"{len(paths)} key files closed"


def check_disk(timeout: float) -> Finding:
    """Look at the free space where the data lie."""
    home = get_settings().home
    place = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(place).free
    detail = f"{free / 1024**3:.1f} GiB free in {home}"
    if free < _LEAST_DISK_BYTES:
        return Finding("disk", FAIL, f"{detail}: executions will fail soon. Delete old ones with `executions purge`.")
    return Finding("disk", WARN if free < _LOW_DISK_BYTES else OK, detail)


def check_port(timeout: float) -> Finding:
    """Look whether our port is free, or ours already."""
    given = get_settings()
    host = "127.0.0.1" if given.host in ("0.0.0.0", "::") else given.host  # noqa: S104 (compared, not bound)
    address = f"{host}:{given.port}"
    try:
        with socket.create_connection((host, given.port), timeout=timeout) as caller:
            caller.settimeout(timeout)
            caller.sendall(f"GET /ping HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
            # Head and body may come one after the other.
            answer = b"".join(iter(partial(caller.recv, 4096), b""))
    except ConnectionRefusedError:
        return Finding("port", OK, f"{address} is free")
    except OSError as error:
        return Finding("port", WARN, f"{address} takes connections but does not answer: {error}")
    if b"pong" in answer.lower() or b"celestra" in answer.lower():
        return Finding("port", OK, f"Celestra answers at {address}")
    return Finding("port", _port_status(given), f"Another program answers at {address}: choose another CELESTRA_PORT.")


def _port_status(given: Settings) -> str:
    return FAIL if given.database_is_embedded else WARN


def check_versions(timeout: float) -> Finding:
    """Name the versions of Python and of the libraries that matter."""
    missing, found = [], [f"Python {platform.python_version()}"]
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("versions", FAIL, f"Not installed: {', '.join(missing)}. Run pip install -r requirements.txt.")
    is_old = sys.version_info[:2] < _OLDEST_PYTHON
    return Finding("versions", FAIL if is_old else OK, ", ".join(found))


def _knock(address: str, timeout: float) -> None:
    """Connect to a container engine and hang up. Raises OSError when nothing listens, ValueError when this is no address."""
    parts = urlsplit(address)
    if parts.scheme.endswith("unix"):
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(timeout)
            caller.connect(parts.path)
        return
    with socket.create_connection((parts.hostname or "", parts.port or 2375), timeout=timeout):
        return


def check_docker(timeout: float) -> Finding:
    """Look whether Docker answers, when scripts run in it unless they say otherwise."""
    runner = get_settings().script_runner
    if "docker" not in runner.lower():
        return Finding("docker", OK, f'not needed: scripts run with the runner "{runner}"')
    named = read_plugin_setting("scripts.docker.host") or os.environ.get("DOCKER_HOST")
    for address in [str(named)] if named else [f"unix://{path}" for path in _DOCKER_SOCKETS]:
        try:
            _knock(address, timeout)
        except (OSError, ValueError):
            continue
        return Finding("docker", OK, f"A container engine listens at {address}")
    return Finding(
        "docker",
        FAIL,
        f"Scripts run in Docker, and no container engine takes connections{f' at {named}' if named else ''}: start it "
        "(apt install podman runc catatonit brings one), or set DOCKER_HOST.",
    )
