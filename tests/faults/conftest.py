"""Systems that are made to break: short leases, servers of their own, a second worker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support import eventually
from tests.support.system_process import ROOT, SystemProcess
from tests.support.systems import make_home_folder, started_system

from .ledger import Ledger
from .outer_servers import OuterServers

SHORT = {"CELESTRA_LEASE_SECONDS": "4", "CELESTRA_HEARTBEAT_SECONDS": "0.8", "CELESTRA_WORKER_CONCURRENCY": "3"}
"""Leases that run out while a test waits."""


@pytest.fixture(scope="module")
def outer() -> Iterator[OuterServers]:
    """Servers that a test may stop; it starts again what it stopped."""
    folder = make_home_folder()
    servers = OuterServers(folder / "servers")
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def fragile(outer: OuterServers) -> Iterator[SystemProcess]:
    """A system with short leases on the outer servers."""
    with started_system(**SHORT, **outer.environment) as system:
        yield system


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty ledger."""
    return Ledger(make_passable(tmp_path) / "ledger")


def make_passable(folder: Path) -> Path:
    """Let other users pass through a folder."""
    folder.chmod(0o755)
    return folder


class Node:
    """A worker beside the system's own, with all its processes in one group."""

    def __init__(self, system: SystemProcess, log: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "orchestrator",
            "worker",
            "--hostname",
            "second@%h",
            "--concurrency",
            "4",
        ]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=system.environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def kill(self) -> None:
        """End the worker and all its children at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def list_children(self) -> set[int]:
        """Return the processes that run attempts."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(pid) for pid in listed}

    def list_scripts(self) -> list[psutil.Process]:
        """Return what its children started: scripts and the processes that look after them."""
        return [below for pid in self.list_children() for below in psutil.Process(pid).children(recursive=True)]


@pytest.fixture
def start_node(fragile: SystemProcess, tmp_path: Path) -> Iterator[Callable[[], Node]]:
    """Start a second worker; it is gone at the end of the test."""
    nodes: list[Node] = []

    def start() -> Node:
        node = Node(fragile, tmp_path / "node.log")
        nodes.append(node)
        eventually(lambda: len(node.list_children()) >= 4, within=30)
        return node

    yield start
    for node in nodes:
        if node.process.poll() is None:
            node.kill()
