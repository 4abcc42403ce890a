"""Where a container engine may be reached. Imports nothing of its library, so that asking costs nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOCAL_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")
"""Where Docker and Podman listen by default."""


def find_engine_address(config: Callable[[str, Any], Any]) -> str | None:
    """Return the engine of this server: setting `scripts.docker.host`, DOCKER_HOST, a local socket; None when there is none."""
    named = config("scripts.docker.host", None) or os.environ.get("DOCKER_HOST")
    if named:
        return str(named)
    return next((f"unix://{path}" for path in LOCAL_SOCKETS if Path(path).is_socket()), None)
