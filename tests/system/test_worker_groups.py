"""A worker of groups in a whole system: it reports and takes the tasks of its groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = [pytest.mark.system, pytest.mark.lifecycle]

SCRIPT = "io.kestra.plugin.scripts.shell.Script"
FLOW = f"""\
id: grouped
namespace: company.team
tasks:
  - id: both
    type: io.kestra.plugin.core.flow.Parallel
    tasks:
      - {{id: gpu, type: {SCRIPT}, script: echo gpu, workerGroup: {{key: gpu, fallback: FAIL}}}}
      - {{id: all, type: {SCRIPT}, script: echo all, workerSelector: {{tags: [gpu, eu]}}}}
      - {{id: any, type: {SCRIPT}, script: echo any, workerSelector: {{tags: [us, eu], match: ANY}}}}
      - {{id: free, type: {SCRIPT}, script: echo free}}
  - {{id: nobody, type: {SCRIPT}, script: echo nobody, workerGroup: {{key: mars, fallback: CANCEL}}}}
"""


def _list_states(execution: dict[str, Any]) -> dict[str, str]:
    return {run["taskId"]: run["state"]["current"] for run in execution["taskRunList"]}


def test_a_worker_takes_the_tasks_of_its_groups(home: Path) -> None:
    system = SystemProcess(home, CELESTRA_WORKER_QUEUES="default,gpu,eu").start().wait_ready()
    try:
        eventually(lambda: system.call("GET", "/health")[1]["details"]["workers"]["status"] == "UP")
        assert system.call("POST", "/api/v1/main/flows", FLOW)[0] == 200
        _, started = system.call("POST", "/api/v1/main/executions/company.team/grouped?wait=true")
        _, execution = system.call("GET", f"/api/v1/main/executions/{started['id']}")
    finally:
        system.stop()

    states = _list_states(execution)
    assert states.pop("nobody") == "CANCELLED"
    assert states == dict.fromkeys(("both", "gpu", "all", "any", "free"), "SUCCESS")
