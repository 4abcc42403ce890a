"""The environment variables that a script starts with: what a program needs, nothing that belongs to the platform."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from plugins.scripts.languages import PYTHON

HELPER_FOLDER = Path(__file__).parent / "helper"
"""Holds the module `kestra` that scripts import."""

_INHERITED = frozenset(
    {
        "HOME",
        "LANG",
        "LANGUAGE",
        "LOGNAME",
        "PATH",
        "SHELL",
        "TERM",
        "TMPDIR",
        "TZ",
        "USER",
        "LD_LIBRARY_PATH",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "PIP_CONFIG_FILE",
        "UV_INDEX_URL",
        "UV_DEFAULT_INDEX",
        "GOPATH",
        "GOROOT",
        "GOPROXY",
        "GOCACHE",
        "JULIA_DEPOT_PATH",
    }
)


def base_environment(extra_names: Iterable[str] = (), *, of: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    Return the variables that every script gets from the worker.

    A list of known names is kept rather than a list of secret ones removed, so that a platform variable added tomorrow does
    not leak. The Python that runs us comes first on `PATH`, so `python` finds the packages installed beside us.

    Args:
        extra_names: names that the operator lets through (setting `scripts.inherit-environment`).
        of: the environment to take from; the worker's own by default.

    Source: security, S-23.
    """
    own = os.environ if of is None else of
    wanted = _INHERITED | set(extra_names)
    kept = {name: value for name, value in own.items() if name in wanted or name.startswith("LC_")}
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH") or os.defpath])
    kept.setdefault("HOME", "/tmp")  # noqa: S108 - programs need some HOME; nothing of ours is written there
    return kept


def named_environment(names: Iterable[str]) -> dict[str, str]:
    """Return the variables of the worker that the operator lets through by name: all that a container gets of it."""
    wanted = set(names)
    return {name: value for name, value in os.environ.items() if name in wanted}


def python_environment() -> dict[str, str]:
    """Return the variables that a Python script starts with when its task gives none: it finds the module `kestra`."""
    return {**base_environment(), **PYTHON.env, "PYTHONPATH": str(HELPER_FOLDER)}


def shapes_interpreter(name: str) -> bool:
    """Tell whether a variable changes how an interpreter starts, so that one started without it cannot stand in."""
    return name in {"PATH", "HOME", "LANG", "LANGUAGE", "VIRTUAL_ENV"} or name.startswith(("PYTHON", "LC_", "LD_", "MALLOC_"))
