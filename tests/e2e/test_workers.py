"""A worker that goes silent: its row turns stale in time, what waits for it says why, and all is well when it comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from flows.engine.workers import SILENT_SECONDS
from tests.e2e.browsing import Watched
from tests.e2e.seeding import send, start_execution, wait_for_state
from tests.support.system_process import ROOT, SystemProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

NAMESPACE, GROUP = "e2e.workers", "e2e-silent"
FLOW = f"""id: grouped
namespace: {NAMESPACE}
tasks:
  - id: far_away
    type: io.kestra.plugin.core.storage.Write
    content: x
    workerGroup: {{key: {GROUP}, fallback: WAIT}}
"""
NOTICED_MS = (SILENT_SECONDS + 12) * 1000
"""A report may just have come, the page asks every five seconds, and the machine may be busy."""


@pytest.fixture
def silent(running_system: SystemProcess) -> Iterator[subprocess.Popen[bytes]]:
    """One more worker, alone in its group; the test may freeze it."""
    command = [sys.executable, str(ROOT / "manage.py"), "worker", "--threads", "1", "--group", GROUP]
    worker = subprocess.Popen(
        command, env=running_system.environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    yield worker
    os.killpg(worker.pid, signal.SIGCONT)
    worker.terminate()
    worker.wait(60)


def test_a_frozen_worker_turns_stale_and_the_execution_says_why_it_waits(
    console: Watched, running_system: SystemProcess, silent: subprocess.Popen[bytes]
) -> None:
    send(running_system, "POST", "/flows", FLOW)
    console.open("system")
    row = _row_of(console)
    expect(row).to_contain_text("live", timeout=30_000)
    wait_for_state(running_system, start_execution(running_system, f"{NAMESPACE}/grouped"), "SUCCESS")

    os.killpg(silent.pid, signal.SIGSTOP)
    expect(row).to_contain_text("stale", timeout=NOTICED_MS)
    expect(console.page.locator("main .note.warn")).to_contain_text("fell silent")
    waiting = start_execution(running_system, f"{NAMESPACE}/grouped")
    console.open(f"executions/{waiting}")
    expect(console.page.locator(".note.warn")).to_contain_text(
        f'Task "far_away" cannot begin: no live worker serves the worker group "{GROUP}".', timeout=30_000
    )
    expect(console.page.locator(".note.warn a[href='/ui/system']")).to_have_count(1)

    os.killpg(silent.pid, signal.SIGCONT)
    wait_for_state(running_system, waiting, "SUCCESS")
    expect(console.page.locator(".note.warn")).to_have_count(0)
    console.open("system")
    expect(_row_of(console)).to_contain_text("live", timeout=NOTICED_MS)
    assert console.faults == []


def _row_of(console: Watched) -> Locator:
    return console.page.locator("table.workers tbody tr", has=console.page.locator(".chip", has_text=GROUP)).first
