"""Cached environments with the packages that a Python task asks for."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import shutil
import sys
import sysconfig
import tempfile
import threading
import venv
from collections.abc import Sequence
from pathlib import Path

from flows.plugin_api.context import RunContext
from flows.plugin_api.tasks import TaskFailure
from plugins.scripts.command import Command
from plugins.scripts.environment import base_environment
from plugins.scripts.process import run_process
from plugins.scripts.properties import PackageManager

_DONE = "installed.json"


def prepare(
    context: RunContext,
    packages: Sequence[str],
    *,
    manager: PackageManager,
    version: str | None,
    is_cached: bool,
    private: Path,
    stop: threading.Event,
) -> Path:
    """
    Return the folder of programs of an environment that has `packages` installed.

    The environment is found again by a hash of the list and of the Python that runs us, and installed once even when several
    tasks ask at the same time. Packages of the worker are found too, after those of the list. Without cache the environment
    lies in `private` and goes with it.

    Raises:
        TaskFailure: the installation failed; what the installer wrote is in the log.
    """
    key = hashlib.sha256(json.dumps([sorted(packages), version, sys.version, sys.prefix]).encode()).hexdigest()[:32]
    if not is_cached:
        folder = private / "environment"
        _install(context, packages, folder, manager, version, private, stop)
        return folder / "bin"
    cache = Path(context.config("scripts.cache-directory") or Path(tempfile.gettempdir()) / f"celestra-python-{os.getuid()}")
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    if cache.stat().st_uid != os.getuid():
        raise TaskFailure(
            f'The folder for Python environments, "{cache}", belongs to another user. Set "scripts.cache-directory".'
        )
    folder = cache / key
    if (folder / _DONE).exists():
        return folder / "bin"
    with (cache / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / _DONE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(context, packages, folder, manager, version, private, stop)
            (folder / _DONE).write_text(json.dumps(list(packages)), encoding="utf-8")
    return folder / "bin"


def list_install_lines(packages: Sequence[str], *, manager: PackageManager, private: Path) -> list[str]:
    """
    Return shell lines that install `packages` where they run, with the Python and the installer found there.

    They go into a folder of their own that Python looks into first, so neither an environment nor rights are needed.
    """
    wanted = private / "requirements.txt"
    wanted.write_text("\n".join(packages) + "\n", encoding="utf-8")
    options = f'--quiet --target "$CELESTRA_PACKAGES" -r {shlex.quote(str(wanted))}'
    pip = f"python -m pip install --no-input --disable-pip-version-check {options}"
    uv = f"uv pip install --python python {options}"
    install = f"if command -v uv >/dev/null 2>&1; then {uv}; else {pip}; fi" if manager is PackageManager.UV else pip
    return [
        'CELESTRA_PACKAGES="${TMPDIR:-/tmp}/celestra-packages"',
        # Without failFast a script would go on without what it needs.
        f"{{ {install}; }} || exit $?",
        'export PYTHONPATH="$CELESTRA_PACKAGES${PYTHONPATH:+:$PYTHONPATH}" PATH="$CELESTRA_PACKAGES/bin:$PATH"',
    ]


def _install(
    context: RunContext,
    packages: Sequence[str],
    folder: Path,
    manager: PackageManager,
    version: str | None,
    private: Path,
    stop: threading.Event,
) -> None:
    wanted = private / "requirements.txt"
    # In a file, because requirements may hold a token in an address and an argument list is public on the host.
    wanted.write_text("\n".join(packages) + "\n", encoding="utf-8")
    uv = shutil.which("uv") if manager is PackageManager.UV else None
    if version and not uv:
        context.log.warning(
            f"Python {version} was asked for; without uv the worker's own Python {sys.version.split()[0]} is used."
        )
    if uv and version:
        _run(context, [uv, "venv", "--quiet", "--python", version, str(folder)], private, stop)
    else:
        venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
        _link_own_packages(folder)
    if uv:
        installer = [uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), "-r", str(wanted)]
    else:
        installer = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(folder / "bin" / "python"),
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            "-r",
            str(wanted),
        ]
    context.log.debug(f"Installing {len(packages)} Python packages.")
    _run(context, installer, private, stop)


def _link_own_packages(folder: Path) -> None:
    """Let the environment see the packages of the worker after its own."""
    names = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", vars=names))
    site.joinpath("worker.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")


def _run(context: RunContext, argv: Sequence[str], private: Path, stop: threading.Event) -> None:
    command = Command(argv=tuple(argv), env=base_environment(), workdir=private)
    result = run_process(command, lambda line, is_error: context.log.log("WARN" if is_error else "INFO", line), context, stop)
    if result.exit_code or result.reason:
        raise TaskFailure(
            result.reason or 'The packages of "dependencies" could not be installed; see what the installer logged.'
        )
