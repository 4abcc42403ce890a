"""
What the engine costs: webhook flow of two light tasks beside a bare Celery chain, loops, scripts, memory, start.

Run from the root of the repository, on a machine that does nothing else: `python -m benchmarks.engine`. It starts a system of its
own in a temporary home; the load comes from processes of its own. `--only latency,rate` picks figures, `--runs 1` is quick.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psutil

from benchmarks.figures import Figure, count_cores, describe_machine, percentile, print_table, read_machine_clock
from benchmarks.flows import FOREACH_SIZES, SCRIPT_COUNT, list_flows
from benchmarks.measured_system import API, NAMESPACE, MeasuredSystem, read_tree_cpu_seconds
from tests.support.system_process import ROOT, SystemProcess, make_environment
from tests.support.systems import make_home_folder

CALLS_PER_RUN = 40
PAUSE_SECONDS = 0.03
WARM_UP_SECONDS = 4.0
SETTLING_SECONDS = 15.0
WINDOW = 16
"""Executions that are open at once while the rate is measured: enough to keep two cores busy, few enough to stay quick."""


class Benchmarks:
    """One system, and the measurements on it. Each `measure_...` returns its figures."""

    def __init__(self, measured: MeasuredSystem, *, runs: int, seconds: float) -> None:
        self._measured, self._runs, self._seconds = measured, runs, seconds
        for source in list_flows():
            measured.save_flow(source)
        # Every process compiles a flow at its first use; what is measured is the time after that.
        for _ in range(20):
            self._time_until_visible()
            self._time_waiting_call()

    def measure_latency(self) -> list[Figure]:
        """Idle latency of the webhook flow: by its own history, until the end can be read, and as a waiting caller sees it."""
        own, visible, answered = [], [], []
        for _ in range(self._runs):
            began_at = self._measured.read_clock()
            seen = [self._time_until_visible() for _ in range(CALLS_PER_RUN)]
            visible.append(percentile(seen, 0.5))
            latencies = self._measured.read_latencies_ms(
                "light_pair", created_from=began_at, created_before=self._measured.read_clock()
            )
            assert len(latencies) == CALLS_PER_RUN, f"{len(latencies)} of {CALLS_PER_RUN} executions ended"
            own.append(percentile(latencies, 0.5))
            answered.append(percentile([self._time_waiting_call() for _ in range(CALLS_PER_RUN)], 0.5))
        return [
            Figure(name="idle latency p50, created to ended by the history", unit="ms", runs=own, target=40, final_target=12),
            Figure(
                name="idle latency p50, created until the end can be read", unit="ms", runs=visible, target=40, final_target=12
            ),
            Figure(name="idle p50, request to answer of a caller with wait: true", unit="ms", runs=answered),
        ]

    def _time_until_visible(self) -> float:
        execution_id = self._call_webhook("light_pair")["id"]
        waited = self._measured.wait_until_visible_ms(execution_id)
        time.sleep(PAUSE_SECONDS)
        return waited

    def _time_waiting_call(self) -> float:
        began = time.monotonic()
        self._call_webhook("light_pair_waited")
        waited = (time.monotonic() - began) * 1000
        time.sleep(PAUSE_SECONDS)
        return waited

    def _call_webhook(self, flow_id: str) -> dict[str, Any]:
        status, answer = self._measured.system.call(
            "POST", f"{API}/executions/webhook/{NAMESPACE}/{flow_id}/bench-key-of-the-flow", {"customer": "Ada"}
        )
        assert status == 200, answer
        return dict(answer)

    def measure_rate(self) -> list[Figure]:
        """Sustained rate of the webhook flow, its latency under that load, and its CPU time by part."""
        rates, outside, p50s, p95s, costs = [], [], [], [], []
        parts: dict[str, list[float]] = {}
        for _ in range(self._runs):
            before = self._measured.read_cpu_seconds()
            started_at = self._measured.read_clock()
            seen = self._generate_load()
            after = self._measured.read_cpu_seconds()
            span = (
                started_at + timedelta(seconds=WARM_UP_SECONDS),
                started_at + timedelta(seconds=WARM_UP_SECONDS + self._seconds),
            )
            rates.append(self._measured.count_ended("light_pair", ended_from=span[0], ended_before=span[1]) / self._seconds)
            latencies = self._measured.read_latencies_ms("light_pair", created_from=span[0], created_before=span[1])
            p50s.append(percentile(latencies, 0.5))
            p95s.append(percentile(latencies, 0.95))
            outside.append(seen["accepted"] / seen["seconds"])
            spent = {name: (after[name] - before.get(name, 0.0)) * 1000 / seen["accepted"] for name in after}
            costs.append(sum(spent.values()))
            for name, value in spent.items():
                parts.setdefault(name, []).append(value)
        shares = ", ".join(f"{name} {percentile(values, 0.5):.1f}" for name, values in parts.items())
        return [
            Figure(
                name="sustained rate by the histories", unit="/s", runs=rates, target=60, final_target=250, more_is_better=True,
                note=f"for {self._seconds:g} s, {WINDOW} executions open",
            ),
            Figure(name="sustained rate, calls until the last end seen", unit="/s", runs=outside, target=60, more_is_better=True),
            Figure(name="latency p50 at that rate", unit="ms", runs=p50s),
            Figure(name="latency p95 at that rate", unit="ms", runs=p95s, final_target=250),
            Figure(name="CPU of an execution, all parts", unit="ms", runs=costs, note=shares),
        ]  # fmt: skip

    def _generate_load(self) -> dict[str, Any]:
        command = [
            sys.executable,
            "-m",
            "benchmarks.webhook_load",
            "--host",
            "127.0.0.1",
            "--port",
            str(self._measured.system.port),
        ]
        command += ["--path", f"{API}/executions/webhook/{NAMESPACE}/light_pair/bench-key-of-the-flow"]
        command += ["--database", self._measured.database_url, "--namespace", NAMESPACE, "--window", str(WINDOW)]
        command += ["--seconds", str(WARM_UP_SECONDS + self._seconds)]
        ran = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=self._seconds + 120)
        seen: dict[str, Any] = json.loads(ran.stdout)
        assert not seen["refused"], f"the webhook refused calls: {seen['refused']}"
        return seen

    def measure_bare(self) -> list[Figure]:
        """The bare Celery chain of the same length: latency, rate, CPU time."""
        latencies, rates, costs = [], [], []
        with self._bare_worker() as worker:
            self._publish(["--calls", "20"])
            for _ in range(self._runs):
                latencies.append(percentile(self._publish(["--calls", str(CALLS_PER_RUN)])["latencies_ms"], 0.5))
            for _ in range(self._runs):
                before = read_tree_cpu_seconds(worker) + self._measured.read_cpu_seconds().get("valkey-server", 0.0)
                rates.append(self._publish(["--seconds", str(self._seconds / 3), "--window", str(WINDOW)])["rate"])
                after = read_tree_cpu_seconds(worker) + self._measured.read_cpu_seconds().get("valkey-server", 0.0)
                costs.append((after - before) * 1000 / (rates[-1] * self._seconds / 3))
        return [
            Figure(name="bare Celery chain of two, idle p50", unit="ms", runs=latencies),
            Figure(name="bare Celery chain of two, rate", unit="/s", runs=rates, more_is_better=True),
            Figure(name="bare Celery chain of two, CPU of worker and broker", unit="ms", runs=costs),
        ]

    @contextmanager
    def _bare_worker(self) -> Iterator[psutil.Process]:
        command = [sys.executable, "-m", "celery", "-A", "benchmarks.bare_celery", "--quiet", "worker", "--pool", "prefork"]
        command += ["--concurrency", str(count_cores()), "--without-gossip", "--without-mingle", "--without-heartbeat"]
        command += ["--loglevel", "WARNING"]
        worker = subprocess.Popen(command, cwd=ROOT, env=self._bare_environment())
        try:
            yield psutil.Process(worker.pid)
        finally:
            worker.terminate()
            worker.wait(30)

    def _publish(self, arguments: list[str]) -> dict[str, Any]:
        command = [sys.executable, "-m", "benchmarks.bare_celery", *arguments]
        ran = subprocess.run(
            command, cwd=ROOT, env=self._bare_environment(), check=True, stdout=subprocess.PIPE, timeout=self._seconds + 120
        )
        return dict(json.loads(ran.stdout))

    def _bare_environment(self) -> dict[str, str]:
        return make_environment(BENCH_BROKER_SOCKET=self._measured.broker_socket, PYTHONWARNINGS="ignore")

    def measure_loops(self) -> list[Figure]:
        """ForEach over light iterations, and how its time grows."""
        found = []
        targets = {160: 0.3, 10_000: 15.0}
        for size in FOREACH_SIZES:
            runs = self._repeat(f"foreach_{size}")
            found.append(Figure(name=f"ForEach, {size:,} light iterations", unit="s", runs=runs, final_target=targets.get(size)))
        growth = found[-1].median / found[-2].median
        found.append(Figure(name="10,000 iterations against 1,000", unit="x", runs=[growth], final_target=11))
        return found

    def measure_scripts(self) -> list[Figure]:
        """Python script tasks, one after the other."""
        runs = self._repeat("scripts")
        return [Figure(name=f"{SCRIPT_COUNT} sequential Python script tasks", unit="s", runs=runs, final_target=1.0)]

    def _repeat(self, flow_id: str) -> list[float]:
        return [self._measured.run_to_end(flow_id) for _ in range(self._runs)]


def measure_start(runs: int) -> list[Figure]:
    """Second start and idle memory, each run with a new home."""
    starts, memory = [], []
    for _ in range(runs):
        folder = make_home_folder()
        try:
            SystemProcess(folder / "home").start().wait_ready().stop()
            began = time.monotonic()
            measured = MeasuredSystem(SystemProcess(folder / "home").start().wait_ready())
            starts.append(time.monotonic() - began)
            time.sleep(SETTLING_SECONDS)
            memory.append(measured.measure_memory_mib())
            measured.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return [
        Figure(name="second start until ready", unit="s", runs=starts, final_target=5),
        Figure(name="whole system, idle, PSS", unit="MiB", runs=memory, final_target=400),
    ]


@contextmanager
def open_system() -> Iterator[MeasuredSystem]:
    """Start a system in a home of its own and stop it in any case."""
    folder = make_home_folder()
    system = SystemProcess(folder / "home")
    try:
        yield MeasuredSystem(system.start().wait_ready())
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Measure and print; return 1 when a target of now is missed."""
    parser = argparse.ArgumentParser(description="Measure what the engine costs.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of one run of the sustained rate")
    parser.add_argument("--only", default="latency,bare,rate,loops,scripts,start", help="which figures, with commas")
    given = parser.parse_args()
    wanted = given.only.split(",")
    figures: list[Figure] = []
    load_before = os.getloadavg()[0]
    clock_before = read_machine_clock()
    with open_system() as measured:
        versions = measured.read_versions()
        benchmarks = Benchmarks(measured, runs=given.runs, seconds=given.seconds)
        steps: dict[str, Callable[[], list[Figure]]] = {
            "latency": benchmarks.measure_latency,
            "bare": benchmarks.measure_bare,
            "rate": benchmarks.measure_rate,
            "loops": benchmarks.measure_loops,
            "scripts": benchmarks.measure_scripts,
        }
        for name, measure in steps.items():
            if name in wanted:
                print(f"measuring {name}", file=sys.stderr, flush=True)
                figures += measure()
    if "start" in wanted:
        print("measuring start", file=sys.stderr, flush=True)
        figures += measure_start(given.runs)
    print(describe_machine(versions))
    own_seconds = sum(os.times()[:4])
    clock_after = read_machine_clock()
    others = max(0.0, (clock_after[1] - clock_before[1] - own_seconds) / (clock_after[0] - clock_before[0]))
    print(f"load average before: {load_before:.1f}; cores that other programs kept busy meanwhile: {others:.2f}\n")
    print_table(figures)
    return int(not all(figure.meets(figure.target) for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
