"""What a person sees change: how long a state and a log line take to the page, and how a page stands a flood of lines."""

from __future__ import annotations

import time
from datetime import datetime

from playwright.sync_api import Browser

from benchmarks.figures import Figure, percentile, report_figure
from benchmarks.measured_browser import sign_in
from benchmarks.measured_system import API, MeasuredSystem
from tests.support.waiting import eventually

NAMESPACE = "bench.console"
LINES_A_SECOND = 2_000
_STEPS = 30
_SLOW_LINES = 40

_SCRIPT = """id: {flow_id}
namespace: {namespace}
tasks:
  - id: wait
    type: io.kestra.plugin.core.flow.Sleep
    duration: PT3S
  - id: print
    type: io.kestra.plugin.scripts.shell.Commands
    taskRunner:
      type: io.kestra.plugin.core.runner.Process
    commands:
      - {command}
"""
_WATCH_STEPS = """() => { window.seen = {};
  const look = () => { for (const row of document.querySelectorAll(".g-row.st-good")) {
    const id = new URL(row.querySelector("a[data-drawer]").href).searchParams.get("task");
    window.seen[id] ??= Date.now(); } };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true }); }"""
_WATCH_LINES = """() => { window.seen = {};
  const look = () => { for (const line of document.querySelectorAll(".logs .l-text"))
    window.seen[line.textContent.trim()] ??= Date.now(); };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true }); }"""
_WATCH_FRAMES = """() => { window.longest = 0; window.most = 0; window.nodes = 0; let last = performance.now();
  const frame = () => { const now = performance.now(); window.longest = Math.max(window.longest, now - last); last = now;
    requestAnimationFrame(frame); };
  const box = document.querySelector(".logs[data-last-id]");
  setInterval(() => { window.most = Math.max(window.most, box.getElementsByClassName("l").length);
    window.nodes = Math.max(window.nodes, document.getElementsByTagName("*").length); }, 500);
  requestAnimationFrame(frame); }"""
_NEWEST_LINES = "[...document.querySelectorAll('.logs .l-text')].slice(-3).map((line) => line.textContent)"
_HEAP = "gc(), performance.memory.usedJSHeapSize"
_MEGABYTE = 1024 * 1024


def list_flows(flood_seconds: int) -> list[str]:
    """Return the sources of the flows that are watched."""
    steps = f"id: steps\nnamespace: {NAMESPACE}\ntasks:\n" + "".join(
        f"  - id: step{number}\n    type: io.kestra.plugin.core.flow.Sleep\n    duration: PT0.25S\n" for number in range(_STEPS)
    )
    flood = (
        f'for second in $(seq 1 {flood_seconds}); do seq -f "$second line %g" 1 {LINES_A_SECOND}; '
        "sleep \"$(date +%N | awk '{print 1 - $1 / 1e9}')\"; done"
    )
    drops = f'for number in $(seq 1 {_SLOW_LINES}); do echo "drop $number"; sleep 0.1; done'
    return [
        steps,
        _SCRIPT.format(flow_id="lines", namespace=NAMESPACE, command=flood),
        _SCRIPT.format(flow_id="drops", namespace=NAMESPACE, command=drops),
    ]


def measure_live(browser: Browser, measured: MeasuredSystem, *, flood_seconds: int) -> list[Figure]:
    """Return the delays of states and lines, and how the page of a flood of lines fared."""
    return [
        _measure_states(browser, measured),
        _measure_drops(browser, measured),
        *_measure_flood(browser, measured, seconds=flood_seconds),
    ]


def _start(measured: MeasuredSystem, flow_id: str) -> str:
    status, execution = measured.system.call("POST", f"{API}/executions/{NAMESPACE}/{flow_id}")
    assert status == 200, execution
    return str(execution["id"])


def _observe(browser: Browser, measured: MeasuredSystem, flow_id: str, tab: str, watch: str) -> tuple[str, dict[str, float]]:
    """Watch an execution on a page from its start to its end; return its id, and when things appeared, in ms since the epoch."""
    page = sign_in(browser, measured.system)
    execution_id = _start(measured, flow_id)
    page.goto(f"{measured.system.base_url}/ui/executions/{NAMESPACE}/{flow_id}/{execution_id}/{tab}")
    page.evaluate(watch)
    eventually(lambda: measured.find_end_state(execution_id) is not None, within=90)
    page.wait_for_timeout(1000)
    seen: dict[str, float] = page.evaluate("window.seen")
    page.context.close()
    return execution_id, seen


def _measure_states(browser: Browser, measured: MeasuredSystem) -> Figure:
    execution_id, seen = _observe(browser, measured, "steps", "gantt", _WATCH_STEPS)
    rows = measured.query("select id, histories from flows_taskrun where execution_id = %s", execution_id)
    ends = {run_id: datetime.fromisoformat(histories[-1][1]).timestamp() * 1000 for run_id, histories in rows}
    return _report_delays("change of state to the page", seen, ends, 150)


def _measure_drops(browser: Browser, measured: MeasuredSystem) -> Figure:
    execution_id, seen = _observe(browser, measured, "drops", "logs", _WATCH_LINES)
    rows = measured.query(
        "select message, timestamp from flows_logentry where execution_id = %s and message like 'drop %%'", execution_id
    )
    written = {message: moment.timestamp() * 1000 for message, moment in rows}
    return _report_delays("log line, from its writing to the page", seen, written, 500)


def _report_delays(name: str, seen: dict[str, float], happened: dict[str, float], target: float) -> Figure:
    """Return the delays, in ms since the epoch both, of what happened after the page was open."""
    opened_after = min(seen.values()) + 500
    delays = [seen[one] - happened[one] for one in seen if one in happened and happened[one] > opened_after]
    note = f"median {percentile(delays, 0.5):.0f} ms, {len(delays)} of them"
    return report_figure(name, "ms p95", percentile(delays, 0.95), target, note=note)


def _measure_flood(browser: Browser, measured: MeasuredSystem, *, seconds: int) -> list[Figure]:
    page = sign_in(browser, measured.system)
    execution_id = _start(measured, "lines")
    page.goto(f"{measured.system.base_url}/ui/executions/{NAMESPACE}/lines/{execution_id}/logs")
    page.evaluate(_WATCH_FRAMES)
    heap = page.evaluate(_HEAP)
    eventually(lambda: measured.find_end_state(execution_id) is not None, within=seconds + 90)
    ended_at = time.perf_counter()
    last = f"{seconds} line {LINES_A_SECOND}"
    eventually(lambda: last in page.evaluate(_NEWEST_LINES), within=30)
    late = (time.perf_counter() - ended_at) * 1000
    longest, most, nodes = page.evaluate("[window.longest, window.most, window.nodes]")
    growth = (page.evaluate(_HEAP) - heap) / _MEGABYTE
    page.context.close()
    flood = f"{seconds * LINES_A_SECOND:,} log lines in {seconds} s"
    return [
        report_figure(f"{flood}: longest frame", "ms", longest, 100),
        report_figure(f"{flood}: lines in the page", "", most, 3_000),
        report_figure(f"{flood}: nodes of the page", "", nodes, 12_000),
        report_figure(f"{flood}: growth of the heap", "MB", growth, 60),
        report_figure(f"{flood}: last one after the end", "ms", late, 1000),
    ]
