"""Fixtures with whole running systems."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.system_process import SystemProcess


@pytest.fixture(scope="session")
def running_system() -> Iterator[SystemProcess]:
    """One system for all tests that only use it: they must not stop it, and must keep to namespaces of their own."""
    with started_system() as system:
        yield system


@contextmanager
def started_system(*, within: float = 60.0, **environment: str) -> Iterator[SystemProcess]:
    """Start a system on data of its own and wait until it is ready; at the end it stops and its data goes."""
    folder = make_home_folder()
    system = SystemProcess(folder / "home", **environment)
    try:
        yield system.start().wait_ready(within)
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder name for the home of a system; nothing is there yet."""
    folder = make_home_folder()
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


def make_home_folder() -> Path:
    """Return a new short folder that a server's own user may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="celestra-"))
    folder.chmod(0o755)
    return folder
