"""Flows whose scripts write down, outside the engine, what truly ran, and the API calls that follow them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml

from tests.support import eventually
from tests.support.system_process import SystemProcess

SHELL = "io.kestra.plugin.scripts.shell.Commands"
TERMINAL = ("SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED")


class Ledger:
    """
    A folder in which scripts note `start` and `end` in the file `path`, and wait for a gate that a test opens.

    Every line is appended by one write, so that lines of several processes do not mix.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
        self.path = folder / "ledger"
        self._gate = folder / "gate"

    def task(self, task_id: str, **more: Any) -> dict[str, Any]:
        """Return a script task that notes its start, waits for the gate, and notes its end."""
        note = f"echo '{task_id} %s' >> {self.path}"
        wait = f"while [ ! -e {self._gate} ]; do sleep 0.05; done"
        return {"id": task_id, "type": SHELL, "commands": [note % "start", wait, note % "end"], **more}

    def open_gate(self) -> None:
        """Let all scripts go on."""
        self._gate.touch()

    def list_lines(self) -> list[str]:
        """Return what was noted so far, in order."""
        return self.path.read_text().splitlines() if self.path.exists() else []

    def count(self, line: str) -> int:
        """Return how often a line was noted."""
        return self.list_lines().count(line)


def save(system: SystemProcess, flow_id: str, tasks: list[dict[str, Any]], **more: Any) -> None:
    """Save a flow through the API."""
    flow = {"id": flow_id, "namespace": "faults", "tasks": tasks, **more}
    status, answer = system.call("POST", "/api/v1/main/flows", yaml.safe_dump(flow, sort_keys=False))
    assert status == 200, answer


def start(system: SystemProcess, flow_id: str) -> str:
    """Start an execution and return its id."""
    status, answer = system.call("POST", f"/api/v1/main/executions/faults/{flow_id}")
    assert status == 200, answer
    return str(answer["id"])


def get(system: SystemProcess, execution_id: str) -> dict[str, Any]:
    """Return an execution as the API shows it."""
    status, answer = system.call("GET", f"/api/v1/main/executions/{execution_id}")
    assert status == 200, answer
    return dict(answer)


def state_of(system: SystemProcess, execution_id: str) -> str:
    """Return the state of an execution."""
    return str(get(system, execution_id)["state"]["current"])


def wait_end(system: SystemProcess, execution_id: str, *, within: float) -> tuple[str, float]:
    """Wait for the end of an execution; return its state and the seconds that it took from now."""
    began = time.monotonic()
    state = eventually(lambda: (s := state_of(system, execution_id)) in TERMINAL and s, within=within, every=0.1)
    return str(state), time.monotonic() - began


def attempts_of(system: SystemProcess, execution_id: str, task_id: str) -> list[dict[str, Any]]:
    """Return the attempts of the only task run of a task, empty when it has none yet."""
    runs = [run for run in get(system, execution_id).get("taskRunList") or [] if run["taskId"] == task_id]
    return list(runs[0].get("attempts") or []) if runs else []


def owner_of(system: SystemProcess, execution_id: str, task_id: str) -> int:
    """Return the process that runs the newest attempt of a task."""
    return int(attempts_of(system, execution_id, task_id)[-1]["workerId"].rsplit(":", 1)[1])
