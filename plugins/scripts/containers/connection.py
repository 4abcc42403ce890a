"""Finding a container engine and talking to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import requests

from flows.plugin_api.tasks import TaskFailure
from plugins.scripts.containers.address import LOCAL_SOCKETS, find_engine_address

_ANSWER_SECONDS = 30
_SCHEMES = ("unix://", "http+unix://", "tcp://", "http://", "https://")
_NO_ENGINE = (
    "Install one on the worker (`apt install podman runc catatonit`, then `systemctl enable --now podman.socket`, or Docker), or "
    'set DOCKER_HOST or the setting "scripts.docker.host" to its address. To run without a container, set '
    '"taskRunner: {type: io.kestra.plugin.core.runner.Process}" on the task; the image is not used then.'
)

ENGINE_ERRORS = (docker.errors.DockerException, requests.exceptions.RequestException)
"""What a call to the engine may raise."""


@contextmanager
def connected(address: str | None, config: Callable[[str, Any], Any]) -> Iterator[docker.APIClient]:
    """
    Give a client of the engine at `address`, or of the server's own one when that is None; it is closed afterwards.

    Raises:
        TaskFailure: there is no engine, or the address is of a kind that is not spoken here.
    """
    chosen = address or find_engine_address(config)
    if chosen is None:
        raise TaskFailure(
            f"No container engine was found: DOCKER_HOST is not set and nothing listens at {' or '.join(LOCAL_SOCKETS)}. "
            f"{_NO_ENGINE}"
        )
    if not chosen.startswith(_SCHEMES):
        raise TaskFailure(
            f'The address of the container engine, "{chosen}", must begin with {", ".join(_SCHEMES[:-1])} or {_SCHEMES[-1]}.',
            permanent=True,
        )
    path = chosen.partition("://")[2]
    if "unix://" in chosen and not Path(f"/{path.lstrip('/')}").is_socket():
        raise TaskFailure(f'No container engine answers at "{chosen}": there is no such socket. {_NO_ENGINE}')
    try:
        client = docker.APIClient(base_url=chosen, version="auto", timeout=_ANSWER_SECONDS, tls=_make_tls(chosen))
    except ENGINE_ERRORS as error:
        raise TaskFailure(f'No container engine answers at "{chosen}": {error}. {_NO_ENGINE}') from error
    try:
        yield client
    finally:
        client.close()


def explain(error: Exception) -> str:
    """Return what the engine said, as one line without a period at the end."""
    text = getattr(error, "explanation", None) or str(error)
    text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return " ".join(text.split()).rstrip(".")


def _make_tls(address: str) -> docker.tls.TLSConfig | bool:
    """Read the certificates of DOCKER_CERT_PATH as every Docker client does."""
    folder = os.environ.get("DOCKER_CERT_PATH")
    if not address.startswith(("tcp://", "https://")) or not (folder or os.environ.get("DOCKER_TLS_VERIFY")):
        return False
    path = Path(folder or "~/.docker").expanduser()
    return docker.tls.TLSConfig(
        client_cert=(str(path / "cert.pem"), str(path / "key.pem")),
        ca_cert=str(path / "ca.pem"),
        verify=bool(os.environ.get("DOCKER_TLS_VERIFY")),
    )
