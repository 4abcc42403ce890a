"""Every acceptance test gets a namespace of its own on the one running system."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.workspace import Workspace
from tests.plugins.core.http_server import LocalServer
from tests.support.system_process import SystemProcess


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder: all of them need a whole system."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.system)


_HERE = Path(__file__).parent


@pytest.fixture
def workspace(running_system: SystemProcess, request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """An empty namespace, cleared again at the end."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:60].strip("-")
    space = Workspace(running_system, f"acceptance.{name}")
    yield space
    space.remove()


@pytest.fixture
def http_server() -> Iterator[LocalServer]:
    """An HTTP server of our own that flows may call."""
    server = LocalServer()
    yield server
    server.stop()
