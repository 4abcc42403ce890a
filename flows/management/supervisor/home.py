"""The data folder: one system at a time works in it, and its sockets lie in a folder that nobody else can enter."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from flows.management.supervisor.faults import StartError


class Home:
    """Use it as a context manager: inside, this process alone owns the folder."""

    def __init__(self, home: Path, run_folder: Path) -> None:
        self.path = home
        self.run_folder = run_folder
        self._lock: int | None = None

    @property
    def _lock_path(self) -> Path:
        return self.path / "up.lock"

    def __enter__(self) -> Home:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take_lock()
            self._make_run_folder()
        except OSError as error:
            self._give_lock_back()
            raise StartError(
                "home-not-writable",
                f"The data folder {self.path} cannot be written ({error.strerror or error}): make it writable for this user, "
                "or name another one, for example CELESTRA_HOME=~/celestra make up.",
            ) from error
        except StartError:
            self._give_lock_back()
            raise
        return self

    def _take_lock(self) -> None:
        while True:
            lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
                os.close(lock)
                raise StartError(
                    "home-in-use",
                    f"Another Celestra (process {owner}) works in {self.path}: stop it, or start this one with another "
                    "CELESTRA_HOME and CELESTRA_PORT.",
                ) from None
            # The last owner may have removed the file between our opening and our locking it.
            if self._lock_path.exists() and os.path.samestat(os.fstat(lock), self._lock_path.stat()):
                break
            os.close(lock)
        os.truncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock = lock

    def _make_run_folder(self) -> None:
        self.run_folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        found = self.run_folder.lstat()
        # Outside of the home the name can be guessed, so somebody else may have made it first.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise StartError(
                "run-folder-not-ours",
                f"{self.run_folder} belongs to somebody else or may be written by others: remove it, or choose a CELESTRA_HOME "
                "with a shorter path.",
            )

    def write_parts(self, parts: Mapping[str, int]) -> None:
        """Note the process ids of the parts, for people and tools that look for them."""
        (self.run_folder / "parts.json").write_text(json.dumps(dict(parts)), encoding="ascii")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        shutil.rmtree(self.run_folder, ignore_errors=True)
        self._give_lock_back()

    def _give_lock_back(self) -> None:
        if self._lock is not None:
            self._lock_path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None
