"""
Opens many `follow` streams on one web process at once and checks that none of them loses an event.

    python -m benchmarks.streams --count 500 --seconds 60

Half of the streams follow executions, half of them follow logs. While they are open, every execution writes one line a second.
At the end each log stream must have had every line that is stored, once, and each execution stream must have seen the end.
Then as many streams are opened on executions that wait for a person, to see what a stream costs that has nothing to say.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import psutil

from benchmarks.figures import Figure, describe_machine, percentile, print_table
from benchmarks.measured_system import API, NAMESPACE, MeasuredSystem
from tests.support.system_process import SystemProcess
from tests.support.systems import make_home_folder

STREAMS_PER_EXECUTION = 20
MOST_MEMORY_MIB = 300.0
MOST_IDLE_PERCENT = 3.0
_SETTLING_SECONDS, _IDLE_SECONDS = 40.0, 60.0
_OPEN_AT_ONCE = 50

FLOW = """\
id: talker
namespace: {namespace}
tasks:
  - id: talk
    type: io.kestra.plugin.core.flow.ForEach
    values: "{{{{ range(1, {seconds}) }}}}"
    concurrencyLimit: 1
    tasks:
      - id: say
        type: io.kestra.plugin.core.log.Log
        message: "line {{{{ taskrun.value }}}}"
      - id: rest
        type: io.kestra.plugin.core.flow.Sleep
        duration: PT1S
"""
WAITING_FLOW = f"id: waits\nnamespace: {NAMESPACE}\ntasks:\n  - {{id: ask, type: io.kestra.plugin.core.flow.Pause}}\n"


@dataclass(slots=True)
class Reader:
    """One open stream and what came through it."""

    execution_id: str
    of_logs: bool
    lines: list[str] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    state: str = ""
    error: str = ""

    async def read(self, host: str, port: int, credentials: str, gate: asyncio.Semaphore) -> None:
        """Read until the stream ends; a stream of a log is closed when its execution's last line has come."""
        kind = "logs" if self.of_logs else "executions"
        async with gate:
            reader, writer = await asyncio.open_connection(host, port, limit=2**22)
            writer.write(
                f"GET {API}/{kind}/{self.execution_id}/follow HTTP/1.1\r\nHost: {host}:{port}\r\n"
                f"Authorization: Basic {credentials}\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            self.error = head[:200].decode()
            return
        try:
            async for name, data in _read_events(reader):
                self._take(name, data)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.error = self.error or type(error).__name__
        finally:
            writer.close()

    def _take(self, name: str, data: str) -> None:
        if name == "start" or not data or data == "{}":
            return
        found = json.loads(data)
        if self.of_logs:
            self.lines.append(found["message"] + found.get("taskRunId", ""))
        else:
            self.state = found["state"]["current"]


async def _read_events(reader: asyncio.StreamReader) -> AsyncIterator[tuple[str, str]]:
    """Yield name and data of each event of a chunked answer until it ends."""
    buffer = b""
    while size := int((await reader.readline()).strip() or b"0", 16):
        buffer += (await reader.readexactly(size + 2))[:-2]
        while b"\n\n" in buffer:
            event, _, buffer = buffer.partition(b"\n\n")
            fields = dict(line.split(": ", 1) for line in event.decode().splitlines() if ": " in line and line[0] != ":")
            if fields:
                yield fields.get("id", ""), fields.get("data", "")


async def _follow_all(readers: Sequence[Reader], host: str, port: int, credentials: str, seconds: float) -> None:
    gate = asyncio.Semaphore(_OPEN_AT_ONCE)
    tasks = [asyncio.create_task(reader.read(host, port, credentials, gate)) for reader in readers]
    # Streams of logs never end by themselves.
    await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _find_web(system: MeasuredSystem) -> psutil.Process:
    assert system.system.process is not None
    root = psutil.Process(system.system.process.pid)
    return next(part for part in root.children() if "web" in part.name() or any("uvicorn" in word for word in part.cmdline()))


def _pss_mib(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / 2**20


async def _watch_memory(web: psutil.Process, peak: list[float]) -> None:
    while True:
        peak.append(await asyncio.to_thread(_pss_mib, web))
        await asyncio.sleep(1)


async def measure(system: MeasuredSystem, *, count: int, seconds: int) -> list[Figure]:
    """Open the streams, let the executions talk, and return what was lost, the web part's memory and CPU."""
    system.save_flow(FLOW.format(namespace=NAMESPACE, seconds=seconds))
    web = _find_web(system)
    before = _pss_mib(web)
    executions = [
        system.system.call("POST", f"{API}/executions/{NAMESPACE}/talker")[1]["id"]
        for _ in range(-(-count // STREAMS_PER_EXECUTION))
    ]
    readers = [Reader(executions[index % len(executions)], of_logs=bool(index // len(executions) % 2)) for index in range(count)]
    credentials = base64.b64encode(f"{system.system.user}:{system.system.password}".encode()).decode()
    memory: list[float] = []
    watching = asyncio.create_task(_watch_memory(web, memory))
    cpu, started_at = sum(web.cpu_times()[:2]), time.monotonic()
    # A second of work and a second of rest for each line would still be done within twice the time.
    await _follow_all(readers, "127.0.0.1", system.system.port, credentials, seconds * 2.5)
    spent, lasted = sum(web.cpu_times()[:2]) - cpu, time.monotonic() - started_at
    watching.cancel()
    stored = {
        execution: {
            message + (run or "")
            for message, run in system.query("select message, task_run_id from flows_logentry where execution_id = %s", execution)
        }
        for execution in executions
    }
    lost = doubled = unended = 0
    for reader in readers:
        if reader.of_logs:
            lost += len(stored[reader.execution_id] - set(reader.lines))
            doubled += len(reader.lines) - len(set(reader.lines))
        else:
            unended += reader.state != "SUCCESS"
    errors = [reader.error for reader in readers if reader.error]
    note = f"{len(errors)} streams broke: {errors[0]}" if errors else ""
    return [
        Figure(
            name=f"streams open at once, {seconds} s",
            unit="streams",
            runs=[count - len(errors)],
            target=count,
            more_is_better=True,
            note=note,
        ),
        Figure(name="lines received", unit="lines", runs=[sum(len(reader.lines) for reader in readers)], more_is_better=True),
        Figure(name="lines lost", unit="lines", runs=[lost], target=0),
        Figure(name="lines doubled", unit="lines", runs=[doubled], target=0),
        Figure(name="ends not seen", unit="streams", runs=[unended], target=0),
        Figure(name="web process, peak", unit="MiB", runs=[max(memory)], target=MOST_MEMORY_MIB, note=f"{before:.0f} MiB before"),
        Figure(
            name="web process, growth in the second half",
            unit="MiB",
            runs=[max(memory) - percentile(memory[: len(memory) // 2], 1)],
        ),
        Figure(name="web process, CPU", unit="% of a core", runs=[100 * spent / lasted]),
    ]


async def measure_idle(system: MeasuredSystem, *, count: int) -> list[Figure]:
    """Open streams on executions that pause, and return what they cost while nothing happens."""
    system.save_flow(WAITING_FLOW)
    web = _find_web(system)
    executions = [
        system.system.call("POST", f"{API}/executions/{NAMESPACE}/waits")[1]["id"]
        for _ in range(-(-count // STREAMS_PER_EXECUTION))
    ]
    readers = [Reader(executions[index % len(executions)], of_logs=bool(index // len(executions) % 2)) for index in range(count)]
    credentials = base64.b64encode(f"{system.system.user}:{system.system.password}".encode()).decode()
    reading = asyncio.create_task(
        _follow_all(readers, "127.0.0.1", system.system.port, credentials, _SETTLING_SECONDS + _IDLE_SECONDS + 5)
    )
    await asyncio.sleep(_SETTLING_SECONDS)
    cpu, started_at = sum(web.cpu_times()[:2]), time.monotonic()
    await asyncio.sleep(_IDLE_SECONDS)
    spent, lasted = sum(web.cpu_times()[:2]) - cpu, time.monotonic() - started_at
    await reading
    broken = sum(bool(reader.error) for reader in readers)
    return [
        Figure(
            name=f"{count} streams of executions that pause: CPU",
            unit="% of a core",
            runs=[100 * spent / lasted],
            target=MOST_IDLE_PERCENT,
            note=f"{broken} broke",
        )
    ]


def main() -> int:
    """Start a system, measure it, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="streams")
    parser.add_argument("--seconds", type=int, default=60, help="how many lines each execution writes, one a second")
    options = parser.parse_args()
    folder = make_home_folder()
    system = MeasuredSystem(SystemProcess(folder / "home").start().wait_ready())
    try:
        print(describe_machine(system.read_versions()))
        figures = asyncio.run(measure(system, count=options.count, seconds=options.seconds))
        figures += asyncio.run(measure_idle(system, count=options.count))
    finally:
        system.close()
        shutil.rmtree(folder, ignore_errors=True)
    print_table(figures)
    return 0 if all(figure.meets(figure.target) for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
