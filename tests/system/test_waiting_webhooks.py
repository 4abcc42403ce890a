"""Webhooks with `wait: true`: more of them wait than the web part has threads, and everything else is answered meanwhile."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.system

SPACE = "waiting.webhooks"
KEY = "3wjtkzwVGBM9yKnjm3yv8r4wjtkzwVGBM9"
CALLS = 20
FLOW = f"""\
id: answer
namespace: {SPACE}
tasks:
  - id: wait
    type: io.kestra.plugin.core.flow.Pause
outputs:
  - {{id: number, type: STRING, value: "{{{{ trigger.body.number }}}}"}}
triggers:
  - id: hook
    type: io.kestra.plugin.core.trigger.Webhook
    key: {KEY}
    wait: true
    returnOutputs: true
    responseCode: "{{{{ 201 }}}}"
"""


def list_paused(system: SystemProcess) -> list[str]:
    _, page = system.call("GET", f"/api/v1/main/executions/search?size=100&namespace={SPACE}&state=PAUSED")
    return [row["id"] for row in page["results"]]


def test_twenty_calls_wait_and_the_system_answers_others(running_system: SystemProcess) -> None:
    system = running_system
    assert system.call("POST", "/api/v1/main/flows", FLOW)[0] == 200
    address = f"/api/v1/main/executions/webhook/{SPACE}/answer/{KEY}"

    def call(number: int) -> tuple[int, Any]:
        return system.call("POST", address, {"number": str(number)})

    with ThreadPoolExecutor(CALLS) as callers:
        calls = [callers.submit(call, number) for number in range(CALLS)]
        eventually(lambda: len(list_paused(system)) == CALLS, within=25)
        began = time.monotonic()
        answers = [system.call("GET", "/api/v1/main/flows/search")[0] for _ in range(5)]
        seconds = time.monotonic() - began
        waiting = sum(not one.done() for one in calls)
        for execution_id in list_paused(system):
            system.call("POST", f"/api/v1/main/executions/{execution_id}/actions/resume")
        ended = [one.result(timeout=20) for one in calls]

    assert (waiting, answers) == (CALLS, [200] * 5)
    assert seconds < 5
    assert [status for status, _ in ended] == [201] * CALLS
    assert [body["number"] for _, body in ended] == [str(number) for number in range(CALLS)]
    assert system.call("DELETE", f"/api/v1/main/flows/{SPACE}/answer")[0] == 204
