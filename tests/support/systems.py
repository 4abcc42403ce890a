"""Fixtures with whole running systems."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.system_process import SystemProcess


@pytest.fixture(scope="session")
def running_system() -> Iterator[SystemProcess]:
    """One system for all tests that only use it: they must not stop it, and must keep to namespaces of their own."""
    folder = make_home_folder()
    system = SystemProcess(folder / "home")
    try:
        yield system.start().wait_ready()
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
