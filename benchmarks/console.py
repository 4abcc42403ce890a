"""
Measures the console against the budgets of its specification: bytes, requests, statements, server times, live delays.

    python -m benchmarks.console                    # a system of its own with 20,000 executions; needs the browser chromium
    python -m benchmarks.console --executions 1000000 --logs 20000000
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import brotli
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.figures import Figure, describe_machine, percentile, print_table
from benchmarks.measured_system import API, MeasuredSystem
from benchmarks.seed import seed
from tests.support.system_process import SystemProcess
from tests.support.systems import make_home_folder
from tests.support.waiting import eventually

NAMESPACE = "bench.console"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--js-flags=--expose-gc", "--enable-precise-memory-info",
)  # fmt: skip
KILOBYTE = 1024
LINES = 10_000
TASK_RUNS = 2_000
STEPS = 30

STEPS_FLOW = f"id: steps\nnamespace: {NAMESPACE}\ntasks:\n" + "".join(
    f"  - id: step{number}\n    type: io.kestra.plugin.core.flow.Sleep\n    duration: PT0.25S\n" for number in range(STEPS)
)
LINES_FLOW = f"""id: lines
namespace: {NAMESPACE}
tasks:
  - id: wait
    type: io.kestra.plugin.core.flow.Sleep
    duration: PT3S
  - id: print
    type: io.kestra.plugin.scripts.shell.Commands
    taskRunner:
      type: io.kestra.plugin.core.runner.Process
    commands:
      - for second in 1 2 3 4 5; do seq -f "$second line %g" 1 {LINES // 5}; sleep 1; done
"""
WATCH_STEPS = """() => { window.seen = {};
  const look = () => { for (const row of document.querySelectorAll(".g-row.st-good")) {
    const id = new URL(row.querySelector("a[data-drawer]").href).searchParams.get("task");
    window.seen[id] ??= Date.now(); } };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true }); }"""
WATCH_FRAMES = """() => { window.longest = 0; window.most = 0; window.nodes = 0; let last = performance.now();
  const frame = () => { const now = performance.now(); window.longest = Math.max(window.longest, now - last); last = now;
    requestAnimationFrame(frame); };
  const box = document.querySelector(".logs[data-last-id]");
  setInterval(() => { window.most = Math.max(window.most, box.getElementsByClassName("l").length);
    window.nodes = Math.max(window.nodes, document.getElementsByTagName("*").length); }, 500);
  requestAnimationFrame(frame); }"""
NEWEST_LINES = "[...document.querySelectorAll('.logs .l-text')].slice(-3).map((line) => line.textContent)"
HEAP = "gc(), performance.memory.usedJSHeapSize"
ADMIN_LIST = "admin, list of executions"
OWN_SCRIPTS = "/flows/js/"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return 1 when a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=20_000)
    parser.add_argument("--logs", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=20, help="requests per page for the server times")
    options = parser.parse_args(arguments)
    folder = make_home_folder()
    system = SystemProcess(folder / "home")
    figures: list[Figure] = []
    try:
        system.start().wait_ready()
        measured = MeasuredSystem(system)
        _set_up_django(measured)
        seed(measured.database_url, executions=options.executions, logs=options.logs)
        for source in (STEPS_FLOW, LINES_FLOW):
            measured.save_flow(source)
        with _open_browser() as browser:
            figures += measure_live(browser, measured)
            large = _insert_large_execution(measured)
            pages = _list_pages(measured, large)
            figures += measure_pages(browser, system, pages)
        figures += measure_server(measured, pages, repeats=options.repeats)
        versions = measured.read_versions()
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(describe_machine(versions))
    print_table(figures)
    missed = [figure.name for figure in figures if not figure.meets(figure.target)]
    print(f"{len(figures) - len(missed)} of {len(figures)} budgets are kept.")
    return 1 if missed else 0


def _set_up_django(measured: MeasuredSystem) -> None:
    """Let this process use the database of the measured system, so that statements can be counted."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
    os.environ |= {
        "CELESTRA_HOME": str(measured.system.home),
        "CELESTRA_DATABASE_URL": measured.database_url,
        "CELESTRA_BROKER_URL": f"redis+socket://{measured.broker_socket}",
    }
    import django

    django.setup()


@contextmanager
def _open_browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "install the browser: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


def _sign_in(browser: Browser, system: SystemProcess) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(f"{system.base_url}/ui/login")
    page.fill("#username", system.user)
    page.fill("#password", system.password)
    page.click("button.primary")
    page.wait_for_selector("nav.nav")
    return page


def _list_pages(measured: MeasuredSystem, large: str) -> Mapping[str, str]:
    [(namespace, flow_id, execution_id)] = measured.query(
        "select namespace, flow_id, id from flows_execution where flow_id = 'steps' limit 1"
    )
    execution = f"/ui/executions/{namespace}/{flow_id}/{execution_id}"
    flow = f"/ui/flows/edit/{namespace}/{flow_id}"
    tabs = ("gantt", "topology", "logs", "outputs", "metrics", "dependencies")
    return {
        "dashboard": "/ui/",
        "executions": "/ui/executions",
        "flows": "/ui/flows",
        "logs": "/ui/logs?range=24h",
        "flow": flow,
        "editor": f"{flow}/edit",
        "execution": execution,
        **{f"execution, {tab}": f"{execution}/{tab}" for tab in tabs},
        f"execution of {TASK_RUNS} task runs": f"/ui/executions/{NAMESPACE}/lines/{large}/gantt",
        ADMIN_LIST: "/admin/flows/execution/",
    }


def measure_pages(browser: Browser, system: SystemProcess, pages: Mapping[str, str]) -> list[Figure]:
    """Return the bytes and requests of each page with an empty cache, the bytes with a full one, and the time to its load."""
    state = _sign_in(browser, system).context.storage_state()
    figures = []
    for name, path in pages.items():
        context = browser.new_context(storage_state=state, viewport={"width": 1440, "height": 900})
        page = context.new_page()
        cold, count, milliseconds, scripts = _load(page, system.base_url + path)
        warm, _, _, _ = _load(page, system.base_url + path)
        html = len(context.request.get(system.base_url + path).body())
        context.close()
        if name == ADMIN_LIST:
            figures.append(_figure(f"{name}: HTML", "KB", html / KILOBYTE, 300))
            continue
        is_editor = name == "editor"
        figures.append(_figure(f"{name}: cold", "KB", cold / KILOBYTE, 280 if is_editor else 90, note=f"{count} requests"))
        figures.append(_figure(f"{name}: requests", "", count, 18 if is_editor else 6))
        figures.append(_figure(f"{name}: own scripts as sent", "KB", scripts / KILOBYTE, 40 if is_editor else 25))
        figures.append(_figure(f"{name}: warm", "KB", warm / KILOBYTE, 40))
        if str(TASK_RUNS) in name:
            figures.append(_figure(f"{name}: open", "ms", milliseconds, 1000))
    return figures


def _load(page: Page, url: str) -> tuple[int, int, float, int]:
    """Load a page; return the bytes on the wire, the requests, the milliseconds until it was there, the bytes of our scripts."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: dict[str, float] = {}
    cached: set[str] = set()
    session.on("Network.requestServedFromCache", lambda event: cached.add(event["requestId"]))
    addresses: dict[str, str] = {}
    lengths: Counter[str] = Counter()
    session.on("Network.responseReceived", lambda event: _note_cache(event, cached))
    session.on("Network.responseReceived", lambda event: addresses.update({event["requestId"]: event["response"]["url"]}))
    session.on("Network.dataReceived", lambda event: lengths.update({event["requestId"]: event["dataLength"]}))
    session.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    began = time.perf_counter()
    page.goto(url, wait_until="load")
    milliseconds = (time.perf_counter() - began) * 1000
    page.wait_for_timeout(500)
    sent = {number: size for number, size in sizes.items() if number not in cached}
    session.detach()
    scripts = sum(length for number, length in lengths.items() if OWN_SCRIPTS in addresses.get(number, ""))
    return int(sum(sent.values())), len(sent), milliseconds, scripts


def _note_cache(event: Mapping[str, Any], cached: set[str]) -> None:
    if event["response"].get("fromDiskCache") or event["response"].get("fromPrefetchCache"):
        cached.add(event["requestId"])


def measure_live(browser: Browser, measured: MeasuredSystem) -> list[Figure]:
    """Return how long a change of state takes to the page, and how a page stands a flood of log lines."""
    return [*_measure_states(browser, measured), *_measure_lines(browser, measured)]


def _start(measured: MeasuredSystem, flow_id: str) -> str:
    status, execution = measured.system.call("POST", f"{API}/executions/{NAMESPACE}/{flow_id}")
    assert status == 200, execution
    return str(execution["id"])


def _measure_states(browser: Browser, measured: MeasuredSystem) -> list[Figure]:
    page = _sign_in(browser, measured.system)
    execution_id = _start(measured, "steps")
    page.goto(f"{measured.system.base_url}/ui/executions/{NAMESPACE}/steps/{execution_id}/gantt")
    page.evaluate(WATCH_STEPS)
    eventually(lambda: measured.find_end_state(execution_id) is not None, within=90)
    page.wait_for_timeout(1000)
    seen: dict[str, float] = page.evaluate("window.seen")
    ends = {
        row[0]: datetime.fromisoformat(row[1][-1][1]).timestamp() * 1000
        for row in measured.query("select id, histories from flows_taskrun where execution_id = %s", execution_id)
    }
    opened_after = min(seen.values()) + 500
    delays = [seen[one] - ends[one] for one in seen if one in ends and ends[one] > opened_after]
    page.context.close()
    note = f"median {percentile(delays, 0.5):.0f} ms, {len(delays)} changes"
    return [_figure("change of state to the page", "ms p95", percentile(delays, 0.95), 150, note=note)]


def _measure_lines(browser: Browser, measured: MeasuredSystem) -> list[Figure]:
    page = _sign_in(browser, measured.system)
    execution_id = _start(measured, "lines")
    page.goto(f"{measured.system.base_url}/ui/executions/{NAMESPACE}/lines/{execution_id}/logs")
    page.evaluate(WATCH_FRAMES)
    heap = page.evaluate(HEAP)
    eventually(lambda: measured.find_end_state(execution_id) is not None, within=90)
    ended_at = time.perf_counter()
    eventually(lambda: f"5 line {LINES // 5}" in page.evaluate(NEWEST_LINES), within=30)
    late = (time.perf_counter() - ended_at) * 1000
    longest, most, nodes = page.evaluate("[window.longest, window.most, window.nodes]")
    growth = (page.evaluate(HEAP) - heap) / KILOBYTE / KILOBYTE
    page.context.close()
    flood = f"{LINES:,} log lines in 5 s"
    return [
        _figure(f"{flood}: longest frame", "ms", longest, 100),
        _figure(f"{flood}: lines in the page", "", most, 3_000, note=f"{nodes:,} nodes"),
        _figure(f"{flood}: growth of the heap", "MB", growth, 60),
        _figure("last log line after the end", "ms", late, 1000),
    ]


def _insert_large_execution(measured: MeasuredSystem) -> str:
    """Store an ended execution of many task runs, a copy of one that ran, and return its id."""
    [(source_id,)] = measured.query("select id from flows_execution where flow_id = 'lines' limit 1")
    columns = [
        name
        for (name,) in measured.query("select column_name from information_schema.columns where table_name = 'flows_taskrun'")
        if name not in ("seq", "id", "scope", "created_at", "ended_at", "histories", "task_id")
    ]
    listed = ", ".join(columns)
    start = datetime.now(UTC) - timedelta(hours=1)
    moments = [(start + timedelta(milliseconds=10 * number)).isoformat() for number in range(TASK_RUNS + 1)]
    own = "id, scope, created_at, ended_at, histories"
    statement = (
        f"insert into flows_taskrun ({own}, task_id, {listed}) select %s, %s, %s, %s, %s, task_id, {listed}"
        " from flows_taskrun where execution_id = %s order by seq limit 1 returning 1"
    )
    for number in range(TASK_RUNS):
        history = f'[["CREATED","{moments[number]}"],["RUNNING","{moments[number]}"],["SUCCESS","{moments[number + 1]}"]]'
        values = (f"large{number}", f":large{number}", moments[number], moments[number + 1], history, source_id)
        measured.query(statement, *values)
    return str(source_id)


def measure_server(measured: MeasuredSystem, pages: Mapping[str, str], *, repeats: int) -> list[Figure]:
    """Return the server time and the number of statements of each page, asked in this process of the system's database."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.get(username=measured.system.user))
    figures = []
    for name, path in pages.items():
        client.get(path)
        with CaptureQueriesContext(connection) as found:
            assert client.get(path).status_code == 200, path
        count = len(found)
        times = []
        for _ in range(repeats):
            began = time.perf_counter()
            client.get(path)
            times.append((time.perf_counter() - began) * 1000)
        target = (
            400
            if name == ADMIN_LIST
            else 350
            if str(TASK_RUNS) in name
            else 200
            if name.startswith("execution,") or name == "execution"
            else 150
        )
        figures.append(
            _figure(f"{name}: server", "ms p95", percentile(times, 0.95), target, note=f"median {percentile(times, 0.5):.0f}")
        )
        if name != ADMIN_LIST:
            figures.append(_figure(f"{name}: statements", "", count, 15))
    return [*figures, *_measure_answers(client, repeats)]


def _measure_answers(client: Any, repeats: int) -> list[Figure]:
    """Return the server times of what a person waits for while typing."""
    index = client.get("/ui/completion")
    questions = {
        "palette": ("/ui/palette?q=flow-1", {}, 60),
        "completion index, unchanged": ("/ui/completion", {"If-None-Match": index.headers.get("ETag", "")}, 60),
    }
    figures = [_figure("completion index, compressed", "KB", len(brotli.compress(index.content)) / KILOBYTE, 120)]
    for name, (path, headers, target) in questions.items():
        times = []
        for _ in range(repeats):
            began = time.perf_counter()
            status = client.get(path, headers=headers).status_code
            times.append((time.perf_counter() - began) * 1000)
            assert status in (200, 304), (path, status)
        figures.append(_figure(f"{name}: server", "ms p95", percentile(times, 0.95), target))
    return figures


def _figure(name: str, unit: str, value: float, target: float, *, note: str = "") -> Figure:
    figure = Figure(name=name, unit=unit, runs=[value], target=target, note=note)
    print(f"{'ok  ' if figure.meets(target) else 'MISS'} {name:48} {value:10,.1f} {unit:7} <= {target:g}  {note}", flush=True)
    return figure


if __name__ == "__main__":
    sys.exit(main())
