"""The PostgreSQL and Valkey of a test run, without durability: they live as long as the run."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from flows.conf import Settings
from flows.management.supervisor.parts import Part, spawn
from flows.management.supervisor.postgres import EmbeddedPostgres
from flows.management.supervisor.valkey import EmbeddedValkey
from tests.support.waiting import eventually

_HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class TestServers:
    """Starts what the settings call embedded; an address given from outside is used as it is."""

    __test__ = False

    def __init__(self, given: Settings) -> None:
        self._given = given
        self._running: list[tuple[int, Part]] = []
        self._owner = os.getpid()
        self.postgres_url = given.database_url
        self.broker_url = given.broker_url

    def start(self) -> None:
        """Start the servers and wait until they answer."""
        home, run_folder = self._given.home, self._given.run_folder
        if self._given.broker_is_embedded:
            valkey = EmbeddedValkey(home / "valkey", run_folder / "valkey" / "valkey.sock")
            valkey.prepare()
            self._spawn(valkey.make_part())
        if self._given.database_is_embedded:
            postgres = EmbeddedPostgres(home / "postgres", run_folder / "postgres", max_connections=100, settings=_HASTY)
            postgres.prepare()
            _, status = os.waitpid(self._spawn(postgres.make_initialising_part(durable=False)), 0)
            assert status == 0, self.read_log("postgres")
            self._running.pop()
            postgres.finish_initialising()
            self._spawn(postgres.make_part())
            eventually(postgres.is_ready, within=30)
            postgres.ensure_database("celestra", "celestra", may_create_databases=True)
        if self._given.broker_is_embedded:
            eventually(valkey.is_ready, within=30)

    def _spawn(self, part: Part) -> int:
        with self._log_path(part.name).open("ab") as log:
            pid = spawn(part, log.fileno())
        self._running.append((pid, part))
        return pid

    def _log_path(self, name: str) -> Path:
        return self._given.home / f"{name}.log"

    def read_log(self, name: str) -> str:
        """Return what a server has written so far."""
        return self._log_path(name).read_text(errors="replace")

    def stop(self) -> None:
        """Stop them. Safe to call twice, and without effect in a forked child."""
        if os.getpid() != self._owner:
            return
        while self._running:
            pid, part = self._running.pop()
            os.kill(pid, part.stop_signal)
            if not _is_gone(pid, within=10):
                os.kill(pid, signal.SIGKILL)
                _is_gone(pid, within=5)


def _is_gone(pid: int, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return True
        except ChildProcessError:
            return True
        time.sleep(0.01)
    return False
