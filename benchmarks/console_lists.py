"""What a list costs that somebody leaves open: it is asked for again every few seconds, and nothing has changed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse

from benchmarks.figures import Figure, percentile, report_figure
from benchmarks.measured_system import MeasuredSystem
from tests.support.waiting import eventually

BUDGET_MS = 50
_FRAGMENT = {"X-Fragment": "1", "Accept-Encoding": "identity"}
_TRIGGERS = 50
_FLOW = """id: yearly-{number}
namespace: yearly
tasks:
  - {{id: say, type: io.kestra.plugin.core.log.Log, message: hello}}
triggers:
  - {{id: new-year, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 0 1 1 *"}}
"""

Ask = Callable[[str, Mapping[str, str]], tuple[float, HTTPResponse, bytes]]
"""Sends a GET with headers; gives milliseconds, the answer and its body."""


def measure_unchanged(ask: Ask, measured: MeasuredSystem, *, repeats: int) -> list[Figure]:
    """Return the time of the answer "unchanged" of the lists and the dashboard."""
    for number in range(_TRIGGERS):
        measured.save_flow(_FLOW.format(number=number))
    return [_measure(ask, name, path, repeats=repeats) for name, path in _list_paths().items()]


def _list_paths() -> dict[str, str]:
    # What began months ago leaves the last day every few seconds, so a day is looked at that stands still.
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    span = f"from={end - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}&to={end:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "executions": "/ui/executions?q=",
        "executions, of one state": "/ui/executions?state=FAILED",
        "flows": "/ui/flows?namespace=seed",
        "triggers": "/ui/triggers?q=",
        "dashboard": f"/ui/dashboards/default?{span}",
    }


def _measure(ask: Ask, name: str, path: str, *, repeats: int) -> Figure:
    mark = _wait_for_mark(ask, path)
    times = []
    for _ in range(repeats):
        milliseconds, answer, body = ask(path, {**_FRAGMENT, "X-Mark": mark})
        assert (answer.status, body) == (204, b""), (path, answer.status)
        times.append(milliseconds)
    note = f"median {percentile(times, 0.5):.0f}"
    return report_figure(f"{name}: unchanged list asked again", "ms p95", percentile(times, 0.95), BUDGET_MS, note=note)


def _wait_for_mark(ask: Ask, path: str) -> str:
    """Return the mark of a page that stays as it is: what ended a moment ago settles for half a minute."""

    def find() -> str:
        _, _, body = ask(path, _FRAGMENT)
        [mark] = re.findall(r'data-mark="([^"]+)"', body.decode())
        time.sleep(0.5)
        _, answer, _ = ask(path, {**_FRAGMENT, "X-Mark": mark})
        return mark if answer.status == 204 else ""

    return eventually(find, within=120, every=2)
