"""`flows test` beside a running system: the flow really runs, and afterwards the system knows nothing of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.system_process import ROOT, SystemProcess

pytestmark = pytest.mark.system

API = "/api/v1/main"
Rehearse = Callable[..., subprocess.CompletedProcess[str]]

CALLEE = """\
id: callee
namespace: {namespace}
inputs:
  - {{id: count, type: INT}}
tasks:
  - {{id: reply, type: io.kestra.plugin.core.output.OutputValues, values: {{doubled: "{{{{ inputs.count * 2 }}}}"}}}}
outputs:
  - {{id: doubled, type: INT, value: "{{{{ outputs.reply.values.doubled }}}}"}}
"""

WHOLE = """\
id: whole
namespace: {namespace}
inputs:
  - {{id: count, type: INT}}
tasks:
  - id: compute
    type: io.kestra.plugin.scripts.python.Script
    outputFiles: [made.txt]
    script: |
      from pathlib import Path
      Path("made.txt").write_text("made")
      print('::{{"outputs": {{"n": {{{{ inputs.count }}}}}}}}::')
  - id: both
    type: io.kestra.plugin.core.flow.Parallel
    tasks:
      - {{id: keep, type: io.kestra.plugin.core.kv.Set, key: left, value: "1"}}
      - {{id: upload, type: io.kestra.plugin.core.namespace.UploadFiles, namespace: "{{{{ flow.namespace }}}}",
          filesMap: {{"/made.txt": "{{{{ outputs.compute.outputFiles['made.txt'] }}}}"}}}}
  - id: call
    type: io.kestra.plugin.core.flow.Subflow
    namespace: {namespace}
    flowId: callee
    inputs: {{count: "{{{{ outputs.compute.vars.n }}}}"}}
    wait: true
  - {{id: say, type: io.kestra.plugin.core.log.Log, message: "left is {{{{ kv('left') }}}}"}}
outputs:
  - {{id: total, type: INT, value: "{{{{ outputs.call.outputs.doubled }}}}"}}
"""

ONE_TASK = "id: small\nnamespace: {namespace}\ntasks:\n  - {{id: only, type: {type}}}\n"


@pytest.fixture
def namespace(running_system: SystemProcess) -> str:
    """A namespace with a stored flow that others may call."""
    name = f"rehearsal.n{uuid4().hex[:8]}"
    status, answer = running_system.call("POST", f"{API}/flows", CALLEE.format(namespace=name))
    assert status == 200, answer
    return name


@pytest.fixture
def rehearse(running_system: SystemProcess, tmp_path: Path) -> Rehearse:
    """Run `flows test` in a process of its own, on a flow given as text or by its name."""

    def run(flow: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        target = flow
        if "\n" in flow:
            path = tmp_path / "flow.yml"
            path.write_text(flow)
            target = str(path)
        command = [sys.executable, str(ROOT / "manage.py"), "flows", "test", target, *arguments]
        environment = running_system.environment
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)

    return run


def list_traces(system: SystemProcess, namespace: str) -> dict[str, Any]:
    """Return what a system stores about a namespace."""
    return {
        "executions": system.call("GET", f"{API}/executions/search?namespace={namespace}")[1]["total"],
        "flows": [flow["id"] for flow in system.call("GET", f"{API}/flows/{namespace}")[1]],
        "keys": system.call("GET", f"{API}/namespaces/{namespace}/kv")[1],
        "files": system.call("GET", f"{API}/namespaces/{namespace}/files/search?q=")[1],
    }


def test_a_whole_flow_runs_and_leaves_nothing_behind(running_system: SystemProcess, namespace: str, rehearse: Rehearse) -> None:
    answer = rehearse(WHOLE.format(namespace=namespace), "--input", "count=21", "-o", "json")

    execution = json.loads(answer.stdout)
    assert (answer.returncode, execution["state"]["current"], execution["outputs"]) == (0, "SUCCESS", {"total": 42}), (
        answer.stderr
    )
    assert {run["taskId"] for run in execution["taskRunList"]} == {"compute", "both", "keep", "upload", "call", "say"}
    assert "left is 1" in [line["message"] for line in execution["logs"]]
    assert list_traces(running_system, namespace) == {"executions": 0, "flows": ["callee"], "keys": [], "files": []}


def test_a_stored_flow_is_tested_by_its_name_with_a_table(namespace: str, rehearse: Rehearse) -> None:
    answer = rehearse(f"{namespace}.callee", "--input", "count=4", "--show", "tasks,outputs")

    lines = answer.stdout.splitlines()
    assert answer.returncode == 0
    assert lines[0].split() == ["TASK", "VALUE", "STATE", "STARTED", "DURATION", "ATTEMPTS"]
    assert lines[1].split()[:2] == ["reply", "SUCCESS"]
    assert '"doubled": 8' in answer.stdout


def test_a_failing_flow_gives_status_one_and_says_why(namespace: str, rehearse: Rehearse) -> None:
    answer = rehearse(ONE_TASK.format(namespace=namespace, type="io.kestra.plugin.core.execution.Fail, errorMessage: no way"))

    assert answer.returncode == 1
    assert "no way" in answer.stderr and "FAILED" in answer.stdout


def test_a_flow_that_takes_too_long_is_killed(running_system: SystemProcess, namespace: str, rehearse: Rehearse) -> None:
    sleep = 'io.kestra.plugin.scripts.shell.Commands, commands: ["sleep 60"]'

    answer = rehearse(ONE_TASK.format(namespace=namespace, type=sleep), "--timeout", "1s", "-o", "json")

    assert answer.returncode == 1
    assert json.loads(answer.stdout)["state"]["current"] == "KILLED"
    assert "--timeout" in answer.stderr
    assert list_traces(running_system, namespace)["executions"] == 0


def test_a_flow_that_waits_for_a_person_ends_the_test(namespace: str, rehearse: Rehearse) -> None:
    answer = rehearse(ONE_TASK.format(namespace=namespace, type="io.kestra.plugin.core.flow.Pause"))

    assert answer.returncode == 1
    assert "waits for a person" in answer.stderr


@pytest.mark.parametrize(
    ("flow", "arguments", "status", "words"),
    [
        ("nowhere.at.all", [], 3, "has no flow"),
        ("word", [], 2, "neither a file nor a stored flow"),
        ("/nowhere/at.yml", [], 2, "neither a file nor a stored flow"),
        ("id: broken\nnamespace: rehearsal\ntasks: []\n", [], 1, "at least one task"),
        (CALLEE.format(namespace="rehearsal"), [], 1, "missing required input"),
        (CALLEE.format(namespace="rehearsal"), ["--show", "weather"], 2, "--show knows"),
    ],
    ids=["unknown flow", "no name", "no file", "invalid flow", "missing input", "unknown part"],
)
def test_a_test_that_cannot_begin_has_its_own_status(
    rehearse: Rehearse, flow: str, arguments: list[str], status: int, words: str
) -> None:
    answer = rehearse(flow, *arguments)

    assert (answer.returncode, answer.stdout) == (status, "")
    assert words in answer.stderr and "Traceback" not in answer.stderr
