"""Starting an example as a person does, and looking at what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from tests.support import eventually
from tests.support.system_process import ROOT, SystemProcess

EXAMPLES = ROOT / "examples"
NAMESPACE = "company.team"
API = "/api/v1/main"
_BOUNDARY = "a-line-that-no-value-holds"


def run_example(system: SystemProcess, flow_id: str, inputs: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Execute a flow with the form's inputs, wait for its end, and return the execution; it must end in SUCCESS."""
    parts = [f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in (inputs or {}).items()]
    status, execution = system.call(
        "POST",
        f"{API}/executions/{NAMESPACE}/{flow_id}",
        "".join(parts) + f"--{_BOUNDARY}--\r\n",
        headers={"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"},
    )
    assert status == 200, execution
    return wait_for_success(system, execution["id"])


def wait_for_success(system: SystemProcess, execution_id: str) -> dict[str, Any]:
    """Wait until an execution ends and return it; it must end in SUCCESS."""

    def find_end() -> dict[str, Any] | None:
        _, execution = system.call("GET", f"{API}/executions/{execution_id}")
        return execution if execution["state"]["current"] in ("SUCCESS", "WARNING", "FAILED", "KILLED") else None

    ended = eventually(find_end, within=90, every=0.1)
    assert ended["state"]["current"] == "SUCCESS", read_messages(system, execution_id)
    return ended


def read_messages(system: SystemProcess, execution_id: str) -> list[str]:
    """Return the log messages of an execution from level INFO on, the oldest first."""
    _, entries = system.call("GET", f"{API}/logs/{execution_id}?minLevel=INFO")
    return [entry["message"] for entry in entries]


def read_file(system: SystemProcess, execution_id: str, uri: str) -> str:
    """Return the text of a stored file of an execution."""
    status, text = system.call("GET", f"{API}/executions/{execution_id}/file?path={uri}")
    assert status == 200, text
    return str(text)


def query(system: SystemProcess, sql: str, *, database: str = "examples") -> list[tuple[Any, ...]]:
    """Return the rows of a query in a database of the system, asked as the role of the examples."""
    with psycopg.connect(f"postgresql://examples@/{database}?host={system.home}/run/postgres") as connection:
        return connection.execute(sql).fetchall()
