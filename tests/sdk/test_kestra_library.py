"""The library that runs inside people's own programs: start a flow from outside, wait, read its log."""

from __future__ import annotations

import io
import warnings

import pytest

from tests.sdk.conftest import SaveFlow
from tests.support.system_process import SystemProcess

with warnings.catch_warnings():
    # What the library itself does at import is its own.
    warnings.simplefilter("ignore")
    from kestra import Flow

ASKING = """\
inputs:
  - {id: who, type: STRING}
  - {id: loud, type: BOOL, defaults: "false"}
  - {id: note, type: FILE, required: false}
tasks:
  - {id: log, type: io.kestra.plugin.core.log.Log, message: "Hello {{ inputs.who }} {{ inputs.loud }}"}
  - id: read
    type: io.kestra.plugin.core.log.Log
    runIf: "{{ inputs.note is defined }}"
    message: "note {{ read(inputs.note) }}"
"""
BROKEN = "tasks:\n  - {id: fail, type: io.kestra.plugin.core.execution.Fail, errorMessage: as it should}\n"


@pytest.fixture
def make_flow(running_system: SystemProcess, monkeypatch: pytest.MonkeyPatch) -> type[Flow]:
    """The library's class, told by its variables where the system is."""
    monkeypatch.setenv("KESTRA_HOSTNAME", running_system.base_url)
    monkeypatch.setenv("KESTRA_USER", running_system.user)
    monkeypatch.setattr(Flow, "password", running_system.password, raising=False)
    return Flow


@pytest.mark.parametrize("tenant", [None, "main"])
def test_a_flow_is_run_to_its_end(make_flow: type[Flow], save_flow: SaveFlow, namespace: str, tenant: str | None) -> None:
    save_flow(ASKING)
    flow = make_flow(tenant=tenant, labels_from_inputs=True)
    flow.password = make_flow.password
    ended = flow.execute(namespace, "daily", {"who": "ann", "loud": True})

    assert ended.status == "SUCCESS"
    assert "INFO Hello ann true" in ended.log


def test_a_file_is_sent_in_the_documented_form(make_flow: type[Flow], save_flow: SaveFlow, namespace: str) -> None:
    save_flow(ASKING)
    flow = make_flow()
    flow.password = make_flow.password
    ended = flow.execute(namespace, "daily", {"who": "ann", "files": ("note", io.BytesIO(b"from a file"), "text/plain")})

    assert ended.status == "SUCCESS"
    assert "note from a file" in ended.log


def test_a_failed_flow_is_told(make_flow: type[Flow], save_flow: SaveFlow, namespace: str) -> None:
    save_flow(BROKEN)
    flow = make_flow()
    flow.password = make_flow.password
    ended = flow.execute(namespace, "daily")

    assert ended.status == "FAILED"
    assert "as it should" in ended.log


def test_a_flow_is_started_without_waiting(make_flow: type[Flow], save_flow: SaveFlow, namespace: str) -> None:
    save_flow(ASKING)
    flow = make_flow(wait_for_completion=False)
    flow.password = make_flow.password
    started = flow.execute(namespace, "daily", {"who": "ann"})

    assert len(started.execution_id) >= 16
