"""Workers that die in the middle of a task: the work is taken over once, and a task that kills its workers is stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support import eventually
from tests.support.system_process import SystemProcess

from .conftest import Node, make_passable
from .ledger import SHELL, Ledger, attempts_of, get, owner_of, save, start, state_of, wait_end


@pytest.mark.system
def test_a_killed_worker_process_loses_nothing_and_repeats_no_success(running_system: SystemProcess, ledger: Ledger) -> None:
    """R-01: `kill -9` of the process that runs a script; the execution still ends by itself within 40 s."""
    save(running_system, "killed-child", [ledger.task("a"), ledger.task("b")])
    execution_id = start(running_system, "killed-child")
    eventually(lambda: ledger.count("a start") == 1, within=20)

    os.kill(owner_of(running_system, execution_id, "a"), signal.SIGKILL)
    eventually(lambda: ledger.count("a start") == 2, within=40)
    ledger.open_gate()
    state, _ = wait_end(running_system, execution_id, within=40)

    assert (state, ledger.list_lines()) == ("SUCCESS", ["a start", "a start", "a end", "b start", "b end"])
    assert [attempt["state"]["current"] for attempt in attempts_of(running_system, execution_id, "a")] == ["KILLED", "SUCCESS"]


@pytest.mark.fault
def test_a_lost_node_s_tasks_are_taken_over_by_the_other_node(
    fragile: SystemProcess, start_node: Callable[[], Node], ledger: Ledger
) -> None:
    """R-02: main process and children of one worker are killed together while both nodes work."""
    node = start_node()
    names = [f"t{number}" for number in range(7)]
    for name in names:
        save(fragile, f"lost-node-{name}", [ledger.task(name)])
    executions = {name: start(fragile, f"lost-node-{name}") for name in names}
    eventually(lambda: len(ledger.list_lines()) == 7, within=30)
    children = node.list_children()
    lost = {name for name, execution_id in executions.items() if owner_of(fragile, execution_id, name) in children}

    scripts = node.list_scripts()
    node.kill()
    # They end with their worker, but some milliseconds after it: one that saw the gate open until then would go through.
    eventually(lambda: not any(script.is_running() for script in scripts), within=5)
    ledger.open_gate()
    states = {wait_end(fragile, execution_id, within=40)[0] for execution_id in executions.values()}

    assert (states, bool(lost)) == ({"SUCCESS"}, True)
    assert {name: (ledger.count(f"{name} start"), ledger.count(f"{name} end")) for name in names} == {
        name: (1 + (name in lost), 1) for name in names
    }


@pytest.mark.fault
def test_a_frozen_worker_loses_its_task_and_its_late_result_counts_for_nothing(fragile: SystemProcess, ledger: Ledger) -> None:
    """R-04: the process that owns an attempt is stopped for longer than its lease and wakes up again."""
    save(fragile, "frozen", [ledger.task("a")])
    execution_id = start(fragile, "frozen")
    eventually(lambda: ledger.count("a start") == 1, within=20)
    owner = owner_of(fragile, execution_id, "a")
    os.kill(owner, signal.SIGSTOP)
    try:
        eventually(lambda: ledger.count("a start") == 2, within=30)
        ledger.open_gate()
        state, _ = wait_end(fragile, execution_id, within=30)
    finally:
        os.kill(owner, signal.SIGCONT)
    ended = get(fragile, execution_id)["state"]["histories"]

    eventually(lambda: fragile.call("GET", "/health")[0] == 200, within=10)
    assert (state, get(fragile, execution_id)["state"]["histories"]) == ("SUCCESS", ended)
    assert [attempt["state"]["current"] for attempt in attempts_of(fragile, execution_id, "a")] == ["KILLED", "SUCCESS"]


@pytest.mark.fault
def test_a_task_that_kills_its_workers_fails_after_three_losses(fragile: SystemProcess, ledger: Ledger) -> None:
    """R-07: the supervisor of the script is the child of the worker's process, so the script kills its grandparent."""
    kill = "kill -9 $(awk '/^PPid/ {print $2}' /proc/$PPID/status)"
    save(fragile, "poison", [{"id": "a", "type": SHELL, "commands": [f"echo x >> {ledger.path}", kill, "sleep 60"]}])
    execution_id = start(fragile, "poison")

    state, _ = wait_end(fragile, execution_id, within=90)
    save(fragile, "after-poison", [{"id": "a", "type": SHELL, "commands": ["true"]}])
    after, seconds = wait_end(fragile, start(fragile, "after-poison"), within=20)

    assert (state, after, ledger.count("x"), seconds < 15) == ("FAILED", "SUCCESS", 3, True)
    _, logs = fragile.call("GET", f"/api/v1/main/logs/{execution_id}")
    assert "was lost 3 times" in str(logs)


@pytest.mark.fault
def test_a_script_that_ignores_term_is_ended_at_its_timeout(fragile: SystemProcess, tmp_path: Path) -> None:
    """R-13: the whole process group goes, at most ten seconds after the timeout."""
    pids = make_passable(tmp_path) / "pids"
    pids.touch(mode=0o666)
    pids.chmod(0o666)
    script = make_passable(tmp_path) / "stubborn.sh"
    child = f"trap '' TERM; echo $BASHPID >> {pids}; sleep 300"
    script.write_text(f"trap '' TERM\n({child}) &\necho $$ >> {pids}\nwhile true; do sleep 1; done\n")
    save(fragile, "stubborn", [{"id": "a", "type": SHELL, "commands": [f"bash {script}"], "timeout": "PT2S"}])
    execution_id = start(fragile, "stubborn")

    state, seconds = wait_end(fragile, execution_id, within=30)

    found = [int(line) for line in pids.read_text().split()]
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in found), within=5)
    assert (state, len(found), seconds < 13) == ("FAILED", 2, True)


@pytest.mark.fault
def test_a_kill_ends_a_running_script_within_twenty_seconds(fragile: SystemProcess, ledger: Ledger) -> None:
    """R-73: the script is stopped, the rest never starts."""
    save(fragile, "killed", [ledger.task("a"), ledger.task("b")])
    execution_id = start(fragile, "killed")
    eventually(lambda: ledger.count("a start") == 1, within=20)

    fragile.call("DELETE", f"/api/v1/main/executions/{execution_id}/kill")
    state, seconds = wait_end(fragile, execution_id, within=20)
    ledger.open_gate()

    assert (state, state_of(fragile, execution_id), ledger.list_lines()) == ("KILLED", "KILLED", ["a start"])
    assert seconds < 20
