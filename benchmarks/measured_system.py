"""A whole system of the benchmarks' own, and what can be asked of it: executions, histories, CPU time, memory."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import psutil
import psycopg

from tests.support.system_process import SystemProcess

NAMESPACE = "bench"
API = "/api/v1/main"
_POLL_SECONDS = 0.005


class MeasuredSystem:
    """A running system, with a connection of its own to the database; close it with `close`."""

    def __init__(self, system: SystemProcess) -> None:
        self.system = system
        self.database_url = f"postgresql://celestra@/celestra?host={system.home}/run/postgres"
        self.broker_socket = f"{system.home}/run/valkey/valkey.sock"
        self._connection = psycopg.connect(self.database_url, autocommit=True)
        assert system.process is not None
        self._root = psutil.Process(system.process.pid)

    def close(self) -> None:
        """Stop the system."""
        self._connection.close()
        self.system.stop()

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return rows of the system's own tables."""
        return self._connection.execute(sql, values).fetchall()

    def save_flow(self, source: str) -> None:
        """Save a flow."""
        status, answer = self.system.call("POST", f"{API}/flows", source)
        assert status == 200, answer

    def run_to_end(self, flow_id: str, *, within: float = 300.0) -> float:
        """Execute a flow through the API and return the seconds from its acceptance to its end, both seen from outside."""
        status, execution = self.system.call("POST", f"{API}/executions/{NAMESPACE}/{flow_id}")
        assert status == 200, execution
        accepted_at = time.monotonic()
        while (state := self.find_end_state(execution["id"])) is None:
            assert time.monotonic() - accepted_at < within, f"{flow_id} did not end within {within:g} s"
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - accepted_at
        assert state == "SUCCESS", f"{flow_id} ended in {state}"
        return seconds

    def find_end_state(self, execution_id: str) -> str | None:
        """Return the state in which an execution ended, None while it runs."""
        rows = self.query("select state from flows_execution where id = %s and ended_at is not null", execution_id)
        return rows[0][0] if rows else None

    def wait_until_visible_ms(self, execution_id: str, *, within: float = 30.0) -> float:
        """Return the milliseconds from an execution's creation until its end can be read, looked at once a millisecond."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            [(ended_at, waited)] = self.query(
                "select ended_at, extract(epoch from clock_timestamp() - created_at) * 1000 from flows_execution where id = %s",
                execution_id,
            )
            if ended_at is not None:
                return float(waited)
            time.sleep(0.001)
        raise AssertionError(f"execution {execution_id} did not end within {within:g} s")

    def read_latencies_ms(self, flow_id: str, *, created_from: datetime, created_before: datetime) -> list[float]:
        """Return milliseconds from created to ended, by the executions' own histories, for those created in a span of time."""
        rows = self.query(
            "select extract(epoch from ended_at - created_at) * 1000 from flows_execution"
            " where namespace = %s and flow_id = %s and created_at >= %s and created_at < %s and ended_at is not null",
            NAMESPACE, flow_id, created_from, created_before,
        )  # fmt: skip
        return [float(value) for (value,) in rows]

    def count_ended(self, flow_id: str, *, ended_from: datetime, ended_before: datetime) -> int:
        """Return how many executions ended in SUCCESS in a span of time."""
        [(count,)] = self.query(
            "select count(*) from flows_execution where namespace = %s and flow_id = %s and state = 'SUCCESS'"
            " and ended_at >= %s and ended_at < %s",
            NAMESPACE, flow_id, ended_from, ended_before,
        )  # fmt: skip
        return int(count)

    def read_clock(self) -> datetime:
        """Return the database's time."""
        return self.query("select clock_timestamp()")[0][0]  # type: ignore[no-any-return]  # a moment

    def read_versions(self) -> dict[str, str]:
        """Return names and versions of the servers."""
        import redis

        [(version,)] = self.query("show server_version")
        with redis.Redis(unix_socket_path=self.broker_socket) as client:
            found: dict[str, Any] = client.info("server")  # type: ignore[assignment]  # no asynchronous client
        return {"PostgreSQL": version.split()[0], "Valkey": str(found.get("valkey_version") or found["redis_version"])}

    def read_cpu_seconds(self) -> dict[str, float]:
        """Return CPU seconds used so far by each part, and by the supervisor."""
        found = {"supervisor": _own_cpu_seconds(self._root)}
        for part in self._root.children():
            name = part.name().removeprefix("celestra-")
            found[name] = found.get(name, 0.0) + read_tree_cpu_seconds(part)
        return found

    def measure_memory_mib(self) -> float:
        """Return the proportional set size of all processes."""
        processes = (self._root, *self._root.children(recursive=True))
        return float(sum(process.memory_full_info().pss for process in processes)) / 2**20


def read_tree_cpu_seconds(root: psutil.Process) -> float:
    """Return CPU seconds of a process, its living descendants, and those that have ended."""
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _own_cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
