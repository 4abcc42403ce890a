"""Brokers and databases that go away: what was accepted ends, and nothing succeeds twice."""

from __future__ import annotations

import pytest

from tests.support import eventually
from tests.support.system_process import SystemProcess

from .ledger import SHELL, Ledger, get, save, start, wait_end
from .outer_servers import OuterServers

pytestmark = pytest.mark.fault


def script(task_id: str, ledger: Ledger) -> dict[str, object]:
    return {"id": task_id, "type": SHELL, "commands": [f"echo '{task_id}' >> {ledger.path}"]}


def ends_of(system: SystemProcess, executions: list[str], *, within: float) -> set[str]:
    return {wait_end(system, execution_id, within=within)[0] for execution_id in executions}


def test_messages_that_come_many_times_start_a_task_once(fragile: SystemProcess, outer: OuterServers, ledger: Ledger) -> None:
    """R-06: every waiting message is put into the queue five times."""
    save(fragile, "doubled", [ledger.task("a"), script("b", ledger)])
    executions = [start(fragile, "doubled") for _ in range(8)]
    eventually(lambda: ledger.count("a start") >= 3, within=30)

    outer.repeat_messages(5)
    ledger.open_gate()

    assert ends_of(fragile, executions, within=60) == {"SUCCESS"}
    assert (ledger.count("a start"), ledger.count("a end"), ledger.count("b")) == (8, 8, 8)


def test_a_broker_that_comes_back_empty_loses_nothing(fragile: SystemProcess, outer: OuterServers, ledger: Ledger) -> None:
    """R-21, R-23: executions are accepted while the broker is away, and those whose messages were lost are found."""
    save(fragile, "wiped", [ledger.task("a"), script("b", ledger)])
    executions = [start(fragile, "wiped") for _ in range(12)]
    eventually(lambda: ledger.count("a start") >= 3, within=30)

    outer.stop_broker()
    executions += [start(fragile, "wiped") for _ in range(3)]
    outer.start_broker()
    ledger.open_gate()

    assert ends_of(fragile, executions, within=100) == {"SUCCESS"}
    assert (ledger.count("a end"), ledger.count("b")) == (15, 15)


def test_a_flushed_broker_loses_no_join(fragile: SystemProcess, outer: OuterServers, ledger: Ledger) -> None:
    """R-22: everything in the broker is deleted, bindings of queues and counters of chords included."""
    parallel = {"id": "p", "type": "io.kestra.plugin.core.flow.Parallel", "tasks": [ledger.task("a"), ledger.task("b")]}
    save(fragile, "flushed", [parallel, script("c", ledger)])
    executions = [start(fragile, "flushed") for _ in range(6)]
    eventually(lambda: len(ledger.list_lines()) >= 3, within=30)

    outer.flush_broker()
    ledger.open_gate()

    assert ends_of(fragile, executions, within=100) == {"SUCCESS"}
    assert (ledger.count("a end"), ledger.count("b end"), ledger.count("c")) == (6, 6, 6)


def test_a_restarted_database_interrupts_no_running_script(fragile: SystemProcess, outer: OuterServers, ledger: Ledger) -> None:
    """R-40: PostgreSQL is ended in the middle of its work and comes back within the lease."""
    save(fragile, "database", [ledger.task("a"), script("b", ledger)])
    executions = [start(fragile, "database") for _ in range(3)]
    eventually(lambda: ledger.count("a start") == 3, within=30)

    outer.restart_postgres()
    ledger.open_gate()

    eventually(lambda: fragile.call("GET", "/health")[0] == 200, within=20)
    assert ends_of(fragile, executions, within=40) == {"SUCCESS"}
    assert (ledger.count("a end"), ledger.count("b")) == (3, 3)
    assert get(fragile, start(fragile, "database"))["id"]
