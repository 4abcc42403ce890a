"""A whole system started as people start it, with `manage.py up`, in a home and on a port of its own."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
_UP = (str(ROOT / "manage.py"), "up")
ADMIN_USER = "admin@celestra.local"
ADMIN_PASSWORD = "Correct-horse-1"


def find_free_port() -> int:
    """Return a port of this machine on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_environment(**changes: str) -> dict[str, str]:
    """Return our environment without any setting of the tests' own home and servers, plus `changes`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CELESTRA_", "DJANGO_", "PYTEST_"))}
    if packages := os.environ.get("CELESTRA_PLUGIN_PACKAGES"):
        kept["CELESTRA_PLUGIN_PACKAGES"] = packages
    return {**kept, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", **changes}


class SystemProcess:
    """
    One run of `up`, or of another `command`, the path of `manage.py` first, that starts a system.

    Attributes:
        home: its data folder; give the same one again to start on the same data.
        base_url: where it answers.
        user, password: its administrator.
    """

    def __init__(
        self,
        home: Path,
        *,
        port: int | None = None,
        prefix: Sequence[str] = (),
        command: Sequence[str] = _UP,
        **environment: str,
    ) -> None:
        self.home = home
        self._command = list(command)
        self.port = port or find_free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.user, self.password = ADMIN_USER, ADMIN_PASSWORD
        self._prefix = list(prefix)
        self.environment = make_environment(
            CELESTRA_HOME=str(home), CELESTRA_PORT=str(self.port), CELESTRA_ADMIN_PASSWORD=self.password, **environment
        )
        self._log_path = home.with_name(f"{home.name}-{self.port}.log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> SystemProcess:
        """Start without waiting."""
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [*self._prefix, sys.executable, *self._command],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def wait_ready(self, within: float = 60.0) -> SystemProcess:
        """Wait until it says that it is ready."""

        def is_ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"it ended with status {self.process.returncode}:\n{self.output}"
            return "Celestra is ready" in self.output

        try:
            eventually(is_ready, within=within, every=0.05)
        except AssertionError as error:
            raise AssertionError(f"the system is not ready: {error}\n{self.output}") from error
        return self

    @property
    def output(self) -> str:
        """Everything it has written so far."""
        return self._log_path.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait_end(self, within: float = 45.0) -> int:
        """Wait for the end and return the exit status."""
        assert self.process is not None
        return self.process.wait(within)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop, wait, and return the exit status; kill it when it does not end."""
        assert self.process is not None
        if self.process.poll() is None:
            self.send(number)
            try:
                return self.wait_end()
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait(10)

    def call(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Call the API as the administrator; return the status and the JSON (or text) of the answer."""
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        sent = {
            "Authorization": f"Basic {login}",
            "Content-Type": "application/x-yaml" if isinstance(body, str) else "application/json",
        }
        request = urllib.request.Request(self.base_url + path, method=method, data=data, headers={**sent, **(headers or {})})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read().decode()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text
