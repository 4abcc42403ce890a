"""
Measures the console against the budgets of its specification: bytes, requests, statements, server times, live delays.

    python -m benchmarks.console                    # a system of its own with 20,000 executions; needs the browser chromium
    python -m benchmarks.console --executions 1000000 --logs 20000000
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

from benchmarks.console_hands import measure_hands, run_picture
from benchmarks.console_lists import measure_unchanged
from benchmarks.console_live import NAMESPACE, list_flows, measure_live
from benchmarks.figures import Figure, describe_machine, percentile, print_table, report_figure
from benchmarks.measured_browser import open_browser, sign_in
from benchmarks.measured_system import MeasuredSystem
from benchmarks.seed import seed
from tests.support.system_process import ROOT, SystemProcess
from tests.support.systems import make_home_folder

KILOBYTE = 1024
TASK_RUNS = 2_000
ADMIN_LIST = "admin, list of executions"
PICTURE = "topology of 500 nodes"
LARGE = f"execution of {TASK_RUNS} task runs"
OWN_SCRIPTS = "/flows/js/"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return 1 when a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=20_000)
    parser.add_argument("--logs", type=int, default=100_000)
    parser.add_argument("--flood-seconds", type=int, default=5, help="how long a script writes 2,000 lines a second")
    parser.add_argument("--repeats", type=int, default=60, help="requests per page for the server times")
    options = parser.parse_args(arguments)
    folder = make_home_folder()
    system = SystemProcess(folder / "home")
    figures: list[Figure] = []
    # What `make up` does at installation; a checkout of developers may not have it.
    subprocess.run([sys.executable, "-m", "orchestrator.static_files"], cwd=ROOT, check=True)
    try:
        system.start().wait_ready()
        measured = MeasuredSystem(system)
        _set_up_django(measured)
        seed(measured.database_url, executions=options.executions, logs=options.logs)
        for source in list_flows(options.flood_seconds):
            measured.save_flow(source)
        with open_browser() as browser:
            figures += measure_live(browser, measured, flood_seconds=options.flood_seconds)
            large = _insert_large_execution(measured)
            pages = _list_pages(measured, large)
            figures += measure_pages(browser, system, pages)
            picture = run_picture(measured)
            figures += measure_hands(browser, measured, pages, large=pages[LARGE], picture=picture)
            visitor = Visitor(sign_in(browser, system), system)
        figures += measure_server(visitor, {**pages, PICTURE: picture}, repeats=options.repeats)
        figures += measure_answers(visitor, options.repeats)
        figures += measure_unchanged(visitor.call, measured, repeats=options.repeats)
        figures += count_statements(measured, pages)
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
        LARGE: f"/ui/executions/{NAMESPACE}/lines/{large}/gantt",
        ADMIN_LIST: "/admin/flows/execution/",
    }


def measure_pages(browser: Browser, system: SystemProcess, pages: Mapping[str, str]) -> list[Figure]:
    """Return the bytes and requests of each page with an empty cache, the bytes with a full one, and the time to its load."""
    state = sign_in(browser, system).context.storage_state()
    figures = []
    for name, path in pages.items():
        context = browser.new_context(storage_state=state, viewport={"width": 1440, "height": 900})
        page = context.new_page()
        cold, count, milliseconds, scripts = _load(page, system.base_url + path)
        warm, _, _, _ = _load(page, system.base_url + path)
        html = len(context.request.get(system.base_url + path).body())
        context.close()
        if name == ADMIN_LIST:
            figures.append(report_figure(f"{name}: HTML", "KB", html / KILOBYTE, 300))
            continue
        is_editor = name == "editor"
        figures.append(report_figure(f"{name}: cold", "KB", cold / KILOBYTE, 280 if is_editor else 70, note=f"{count} requests"))
        figures.append(report_figure(f"{name}: requests", "", count, 18 if is_editor else 6))
        figures.append(report_figure(f"{name}: own scripts as sent", "KB", scripts / KILOBYTE, 40 if is_editor else 25))
        figures.append(report_figure(f"{name}: warm", "KB", warm / KILOBYTE, 40))
        if name == LARGE:
            figures.append(report_figure(f"{name}: open", "ms", milliseconds, 1000))
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


class Visitor:
    """One keep-alive connection of a signed-in browser to the web process."""

    def __init__(self, page: Page, system: SystemProcess) -> None:
        cookies = "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())
        self._connection = http.client.HTTPConnection(urlsplit(system.base_url).netloc, timeout=60)
        self._headers = {"Cookie": cookies, "Accept-Encoding": "gzip, deflate, br"}

    def call(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[float, http.client.HTTPResponse, bytes]:
        """Return the milliseconds until the whole answer was there, the answer and its body."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers={**self._headers, **(headers or {})})
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status in (200, 204, 304), (path, answer.status, body[:300])
        return (time.perf_counter() - began) * 1000, answer, body


def measure_server(visitor: Visitor, pages: Mapping[str, str], *, repeats: int) -> list[Figure]:
    """Return the time of each page, from the request until its last byte."""
    figures = []
    for name, path in pages.items():
        visitor.call(path)
        times = [visitor.call(path)[0] for _ in range(repeats)]
        note = f"median {percentile(times, 0.5):.0f}"
        figures.append(report_figure(f"{name}: server", "ms p95", percentile(times, 0.95), _find_time_budget(name), note=note))
    return figures


def _find_time_budget(name: str) -> float:
    if name == ADMIN_LIST:
        return 400
    if name == LARGE:
        return 350
    if name == PICTURE:
        return 60
    return 150


def measure_answers(visitor: Visitor, repeats: int) -> list[Figure]:
    """Return the times of what a person waits for while typing."""
    _, index, body = visitor.call("/ui/completion")
    questions: Mapping[str, tuple[str, Mapping[str, str]]] = {
        "palette": ("/ui/palette?q=flow-1", {}),
        "completion index, unchanged": ("/ui/completion", {"If-None-Match": index.getheader("ETag", "")}),
    }
    figures = [report_figure("completion index, compressed", "KB", len(body) / KILOBYTE, 120)]
    for name, (path, headers) in questions.items():
        times = [visitor.call(path, headers)[0] for _ in range(repeats)]
        figures.append(report_figure(f"{name}: server", "ms p95", percentile(times, 0.95), 60))
    return figures


def count_statements(measured: MeasuredSystem, pages: Mapping[str, str]) -> list[Figure]:
    """Return the number of SQL statements of each page, asked in this process of the system's database."""
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
        if name != ADMIN_LIST:
            figures.append(report_figure(f"{name}: statements", "", len(found), 15))
    return figures


if __name__ == "__main__":
    sys.exit(main())
