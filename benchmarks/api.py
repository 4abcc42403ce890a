"""
Measures how long lists, filters and searches of the API take on a large database, seen by a client with one open connection.

    python -m benchmarks.api                                   # starts a system, fills it, measures, stops it
    python -m benchmarks.api --url http://127.0.0.1:8080 --user admin@celestra.local --password ...   # measures what is there
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.figures import Figure, describe_machine, percentile, print_table
from benchmarks.seed import DAYS, seed
from tests.support.system_process import SystemProcess
from tests.support.systems import make_home_folder

TARGET_MS = 150.0
API = "/api/v1/main"
ROOT = Path(__file__).resolve().parent.parent
CALLS_DURING_PURGE = (
    "executions: newest",
    "executions: by state",
    "executions: by flow",
    "executions: by label",
    "logs: newest",
    "logs: by text",
    "flows: all",
)


def list_calls(now: datetime) -> Mapping[str, str]:
    """Return what is measured: a name, and the address that is called."""
    yesterday = (now - timedelta(days=1)).isoformat()
    last_month = (now - timedelta(days=30)).isoformat()
    executions: dict[str, list[tuple[str, str]]] = {
        "newest": [],
        "tenth page": [("page", "10")],
        "by state": [("filters[state][IN]", "FAILED,WARNING")],
        "by state, nothing found": [("filters[state][EQUALS]", "QUEUED")],
        "by namespace": [("filters[namespace][PREFIX]", "seed.team7")],
        "by parent namespace": [("filters[namespace][PREFIX]", "seed")],
        "by namespace and state": [("filters[namespace][PREFIX]", "seed.team7"), ("filters[state][EQUALS]", "KILLED")],
        "by flow": [("filters[namespace][EQUALS]", "seed.team7"), ("filters[flowId][EQUALS]", "flow-57")],
        "by flow id alone": [("filters[flowId][EQUALS]", "flow-57")],
        "by label": [("filters[labels][EQUALS][team]", "team7")],
        "by label, nothing found": [("filters[labels][EQUALS][team]", "nobody")],
        "by text": [("filters[q][EQUALS]", "flow-57")],
        "by text, nothing found": [("filters[q][EQUALS]", "no such text")],
        "of the last day": [("filters[timeRange][EQUALS]", "PT24H")],
        "of the last month by state": [
            ("filters[startDate][GREATER_THAN_OR_EQUAL_TO]", last_month),
            ("filters[state][EQUALS]", "FAILED"),
        ],
        "by trigger": [("filters[triggerId][EQUALS]", "nightly")],
        "without parents": [("filters[childFilter][EQUALS]", "MAIN")],
        "children only": [("filters[childFilter][EQUALS]", "CHILD")],
        "oldest first": [("sort", "state.startDate:asc")],
        "by end": [("sort", "state.endDate:desc")],
        "longest first": [("sort", "state.duration:desc")],
        "in the order of namespaces": [("sort", "namespace:asc")],
        "users' only": [("filters[scope][EQUALS]", "USER")],
    }
    logs: dict[str, list[tuple[str, str]]] = {
        "newest": [],
        "warnings": [("filters[level][EQUALS]", "WARN")],
        "errors of a namespace": [("filters[level][EQUALS]", "ERROR"), ("filters[namespace][PREFIX]", "seed.team7")],
        "of a flow": [("filters[namespace][EQUALS]", "seed.team7"), ("filters[flowId][EQUALS]", "flow-57")],
        "of an execution": [("filters[executionId][EQUALS]", "00000000000000000000")],
        "of a task": [("filters[taskId][EQUALS]", "say")],
        "by text": [("filters[q][EQUALS]", "table_42")],
        "by text, nothing found": [("filters[q][EQUALS]", "no such text")],
        "of the last day": [("filters[startDate][GREATER_THAN_OR_EQUAL_TO]", yesterday)],
        "tenth page": [("page", "10")],
    }
    flows: dict[str, list[tuple[str, str]]] = {"all": [], "by text": [("filters[q][EQUALS]", "flow-57")]}
    calls = {}
    for resource, wanted in (("executions", executions), ("logs", logs), ("flows", flows)):
        for name, query in wanted.items():
            calls[f"{resource}: {name}"] = f"{API}/{resource}/search?{urlencode([('size', '25'), *query])}"
    return calls


class Caller:
    """One keep-alive connection to a system."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}"}

    def call(self, path: str) -> tuple[float, dict[str, Any]]:
        """Return the milliseconds until the whole answer was there, and the answer."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        milliseconds = (time.perf_counter() - began) * 1000
        assert answer.status == 200, (path, body[:500])
        return milliseconds, json.loads(body)


def measure(caller: Caller, *, repeats: int, only: str = "") -> list[Figure]:
    """Return one figure per call, its run the 95th percentile; print each as soon as it is known."""
    figures = []
    for name, path in list_calls(datetime.now(UTC)).items():
        if only not in name:
            continue
        first, body = caller.call(path)
        times = [caller.call(path)[0] for _ in range(repeats)]
        note = f"median {percentile(times, 0.5):.0f} ms, first {first:.0f} ms, {body['total']:,} found"
        figure = Figure(name=name, unit="ms p95", runs=[percentile(times, 0.95)], target=TARGET_MS, note=note)
        print(f"{'ok  ' if figure.meets(TARGET_MS) else 'SLOW'} {name:40} p95 {figure.median:7.1f} ms   {note}", flush=True)
        figures.append(figure)
    return figures


def measure_purge(system: SystemProcess, *, count: int, executions: int) -> list[Figure]:
    """Delete the oldest `count` executions by the command while lists and searches go on; return how both went."""
    days = DAYS * (1 - count / executions)
    command = [
        sys.executable,
        str(ROOT / "manage.py"),
        "executions",
        "purge",
        "--older-than",
        f"PT{days * 24:.0f}H",
        "-y",
        "-o",
        "json",
    ]
    caller = Caller(system.base_url, system.user, system.password)
    calls = [path for name, path in list_calls(datetime.now(UTC)).items() if name in CALLS_DURING_PURGE]
    began, times = time.monotonic(), []
    with subprocess.Popen(command, cwd=ROOT, env=system.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as purge:
        while purge.poll() is None:
            times += [caller.call(path)[0] for path in calls]
            time.sleep(0.05)
        seconds = time.monotonic() - began
        answer = json.loads(purge.stdout.read() if purge.stdout else b"{}")
    note = f"median {percentile(times, 0.5):.0f} ms over {len(times)} calls, worst {max(times):.0f} ms; deleted {answer}"
    return [
        Figure(
            name=f"lists and searches while {count:,} executions are purged",
            unit="ms p95",
            runs=[percentile(times, 0.95)],
            target=TARGET_MS,
            note=note,
        ),
        Figure(name=f"purge of {count:,} executions", unit="s", runs=[seconds]),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and return 1 when a call is slower than it may be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a running system that holds data; without it one is started and filled")
    parser.add_argument("--user", default="admin@celestra.local")
    parser.add_argument("--password", default="")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--only", default="", help="measure only calls whose name holds this text")
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument(
        "--purge", type=int, default=100_000, help="how many executions are deleted while others are read; 0 for none"
    )
    parser.add_argument("--logs", type=int, default=5_000_000)
    options = parser.parse_args(arguments)
    print(describe_machine({}))
    if options.url:
        figures = measure(Caller(options.url, options.user, options.password), repeats=options.repeats, only=options.only)
    else:
        figures = _measure_fresh_system(options)
    missed = [figure.name for figure in figures if not figure.meets(TARGET_MS)]
    print(f"{len(figures) - len(missed)} of {len(figures)} calls answer within {TARGET_MS:g} ms (p95).")
    return 1 if missed else 0


def _measure_fresh_system(options: argparse.Namespace) -> list[Figure]:
    folder = make_home_folder()
    system = SystemProcess(folder / "home")
    try:
        system.start().wait_ready()
        seed(f"postgresql://celestra@/celestra?host={system.home}/run/postgres", executions=options.executions, logs=options.logs)
        figures = measure(Caller(system.base_url, system.user, system.password), repeats=options.repeats, only=options.only)
        if options.purge:
            purged = measure_purge(system, count=options.purge, executions=options.executions)
            print_table(purged)
            figures += purged[:1]
        return figures
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
