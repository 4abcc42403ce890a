"""A worker that is drained in a whole system: it takes nothing new, and everything again afterwards."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = [pytest.mark.system, pytest.mark.lifecycle]

FLOW = """\
id: quick
namespace: company.team
tasks:
  - {id: say, type: io.kestra.plugin.core.log.Log, message: hello}
"""
API = "/api/v1/main"


def test_a_drained_worker_takes_nothing_until_it_may_again(home: Path) -> None:
    system = SystemProcess(home).start().wait_ready()

    def find_worker() -> str:
        found = system.call("GET", "/api/v1/instance/services/search")[1]["results"]
        return next((service["id"] for service in found if service["type"] == "WORKER"), "")

    def read_page() -> str:
        return str(system.call("GET", f"{API}/executions/{execution_id}")[1]["state"]["current"])

    try:
        name = quote(eventually(find_worker))
        assert system.call("POST", f"{API}/flows", FLOW)[0] == 200
        eventually(lambda: system.call("POST", f"/api/v1/instance/services/{name}/drain")[0] == 200, within=15)
        eventually(lambda: "worker.drained" in system.output, within=15)
        execution_id = system.call("POST", f"{API}/executions/company.team/quick")[1]["id"]
        # Longer than a worker that takes messages needs, and the resending of lost ones.
        waited = [read_page() for _ in range(20)]
        assert system.call("DELETE", f"/api/v1/instance/services/{name}/drain")[0] == 200
        eventually(lambda: read_page() == "SUCCESS", within=20)
    finally:
        system.stop()

    assert set(waited) == {"CREATED"}
