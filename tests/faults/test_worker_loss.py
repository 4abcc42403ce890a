"""Workers that die in the middle of a task: the work is taken over once, and a task that kills its workers is stopped."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support import eventually
from tests.support.system_process import SystemProcess

from .ledger import Ledger, attempts_of, owner_of, save, start, wait_end

pytestmark = pytest.mark.system


def test_a_killed_worker_process_loses_nothing_and_repeats_no_success(running_system: SystemProcess, tmp_path: Path) -> None:
    """R-01: `kill -9` of the process that runs a script; the execution still ends by itself within 40 s."""
    tmp_path.chmod(0o755)
    ledger = Ledger(tmp_path / "ledger")
    save(running_system, "killed-child", [ledger.task("a"), ledger.task("b")])
    execution_id = start(running_system, "killed-child")
    eventually(lambda: ledger.count("a start") == 1, within=20)

    os.kill(owner_of(running_system, execution_id, "a"), signal.SIGKILL)
    eventually(lambda: ledger.count("a start") == 2, within=40)
    ledger.open_gate()
    state, _ = wait_end(running_system, execution_id, within=40)

    assert (state, ledger.list_lines()) == ("SUCCESS", ["a start", "a start", "a end", "b start", "b end"])
    assert [attempt["state"]["current"] for attempt in attempts_of(running_system, execution_id, "a")] == ["KILLED", "SUCCESS"]
