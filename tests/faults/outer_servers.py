"""A PostgreSQL and a Valkey outside the system under test, which a test may stop, restart and empty."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path
from urllib.parse import quote

import redis

from flows.conf import DEFAULT_QUEUE, get_settings
from flows.management.supervisor.parts import Part, spawn
from flows.management.supervisor.postgres import EmbeddedPostgres
from flows.management.supervisor.valkey import EmbeddedValkey
from tests.support import eventually
from tests.support.servers import TestServers


class OuterServers:
    """Both servers in one folder; the settings of a system that uses them are in `environment`."""

    def __init__(self, folder: Path) -> None:
        given = dataclasses.replace(
            get_settings(), home=folder, run_folder=folder / "run", database_is_embedded=True, broker_is_embedded=True
        )
        self._folder = folder
        self._servers = TestServers(given)
        self._valkey_socket = folder / "run" / "valkey" / "valkey.sock"

    @property
    def environment(self) -> dict[str, str]:
        """Settings of a system that uses these servers."""
        sockets = quote(str(self._folder / "run" / "postgres"), safe="/")
        return {
            "CELESTRA_DATABASE_URL": f"postgresql://celestra@/celestra?host={sockets}",
            "CELESTRA_BROKER_URL": f"redis+socket://{quote(str(self._valkey_socket), safe='/')}",
            "CELESTRA_GENERATE_KEYS": "true",
        }

    def start(self) -> None:
        """Start both and wait until they answer."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o755)
        self._servers.start()
        # The servers of tests do not wait for the disk; one that is killed here must keep what it has promised.
        self.restart_postgres(signal.SIGINT)

    def stop(self) -> None:
        """Stop both."""
        self._servers.stop()

    def flush_broker(self) -> None:
        """Throw away everything that the broker holds."""
        with redis.Redis(unix_socket_path=str(self._valkey_socket)) as client:
            client.flushall()

    def repeat_messages(self, times: int) -> int:
        """Put every message that waits into its queue again, so that it is there `times` times; returns how many waited."""
        with redis.Redis(unix_socket_path=str(self._valkey_socket)) as client:
            waiting = client.lrange(DEFAULT_QUEUE, 0, -1)
            for message in waiting * (times - 1):
                client.lpush(DEFAULT_QUEUE, message)
        return len(waiting)

    def stop_broker(self) -> None:
        """End the broker at once, without its data."""
        self._end("valkey", signal.SIGKILL)
        for path in (self._folder / "valkey").rglob("*"):
            if path.is_file():
                path.unlink()

    def start_broker(self) -> None:
        """Start the broker again, empty."""
        valkey = EmbeddedValkey(self._folder / "valkey", self._valkey_socket)
        valkey.prepare()
        self._start(valkey.make_part())
        eventually(valkey.is_ready, within=30)

    def restart_postgres(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """End PostgreSQL (as in a crash, unless another signal says so) and start it on the same data."""
        self._end("postgres", number)
        postgres = EmbeddedPostgres(self._folder / "postgres", self._folder / "run" / "postgres", max_connections=100)
        postgres.prepare()
        self._start(postgres.make_part())
        eventually(postgres.is_ready, within=60)

    def _end(self, name: str, number: signal.Signals) -> None:
        entry = next(entry for entry in self._servers._running if entry[1].name == name)
        self._servers._running.remove(entry)
        os.kill(entry[0], number)
        os.waitpid(entry[0], 0)

    def _start(self, part: Part) -> None:
        with (self._folder / f"{part.name}.log").open("ab") as log:
            self._servers._running.append((spawn(part, log.fileno()), part))
