"""`flows test` with stand-ins and suites of test cases, in a process of its own beside a running system."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.management.flow_suites import check_value
from tests.management.conftest import Run
from tests.support.system_process import ROOT, SystemProcess, make_environment

Rehearse = Callable[..., subprocess.CompletedProcess[str]]

FLOW = """\
id: report
namespace: suites.team
inputs:
  - {id: day, type: STRING, defaults: monday}
  - {id: data, type: FILE, required: false}
tasks:
  - {id: fetch, type: io.kestra.plugin.core.execution.Fail, errorMessage: no source}
  - {id: call, type: io.kestra.plugin.core.flow.Subflow, namespace: nowhere, flowId: nothing, wait: true}
  - {id: say, type: io.kestra.plugin.core.log.Log, message: "{{ outputs.fetch.rows }} on {{ inputs.day }}"}
"""

SUITE = """\
id: report_suite
namespace: suites.team
flowId: report
testCases:
  - id: good
    fixtures:
      inputs: {day: friday, data: "{{ files['a.csv'] }}"}
      files: {a.csv: "a,b"}
      tasks:
        - {id: fetch, outputs: {rows: 3}}
        - {id: call}
    assertions:
      - {value: "{{ outputs.fetch.rows }}", equalTo: 3, greaterThan: 2}
      - {value: "{{ read(inputs.data) }}", equalTo: "a,b"}
      - {value: "{{ outputs.nothing.at.all }}", isNull: true}
  - id: wrong_day
    fixtures: {tasks: [{id: fetch, outputs: {rows: 3}}, {id: call}]}
    assertions:
      - {value: "{{ inputs.day }}", equalTo: friday, description: the day}
  - {id: no_source, state: FAILED}
  - {id: later, disabled: true}
"""


@pytest.fixture
def rehearse(running_system: SystemProcess) -> Rehearse:
    """Run `flows test` on the database of the running system."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "manage.py"), "flows", "test", *words]
        environment = make_environment(CELESTRA_HOME=str(running_system.home))
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.mark.system
def test_a_suite_tells_passed_failed_and_skipped_cases_and_writes_them_for_ci(rehearse: Rehearse, tmp_path: Path) -> None:
    (tmp_path / "report.yml").write_text(FLOW)
    (tmp_path / "suite.yml").write_text(SUITE)
    report = tmp_path / "junit.xml"

    answer = rehearse("--suite", str(tmp_path), "--junit", str(report), "-o", "json")

    assert answer.returncode == 1, answer.stderr
    rows = {row["case"]: row for row in json.loads(answer.stdout)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "good": "passed",
        "wrong_day": "failed",
        "no_source": "passed",
        "later": "skipped",
    }
    assert rows["wrong_day"]["message"].startswith('the day ({{ inputs.day }} is "monday"')
    (suite,) = ET.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "1")
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["wrong_day"]


@pytest.mark.system
def test_outputs_stand_in_for_tasks_of_every_kind(rehearse: Rehearse, tmp_path: Path) -> None:
    path = tmp_path / "report.yml"
    path.write_text(FLOW)

    answer = rehearse(str(path), "--mock", 'fetch={"rows": 7}', "--no-tasks", "^call$", "-o", "json")

    assert answer.returncode == 0, answer.stderr
    execution = json.loads(answer.stdout)
    assert {run["taskId"]: run["state"]["current"] for run in execution["taskRunList"]} == dict.fromkeys(
        ("fetch", "call", "say"), "SUCCESS"
    )
    assert [entry["message"] for entry in execution["logs"]] == ["7 on monday"]


@pytest.mark.parametrize(
    "words",
    [
        ["a.yml", "b.yml"],
        ["a.yml", "--junit", "x.xml"],
        ["a.yml", "--mock", "fetch"],
        ["a.yml", "--mock", "fetch={"],
        ["a.yml", "--mock", "fetch=[1]"],
        ["a.yml", "--no-tasks", "("],
        ["a.yml", "--show", "everything"],
        ["--suite", "a.yml"],
    ],
)
def test_a_test_that_cannot_be_understood_is_wrong_usage(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.yml", "b.yml"):
        (tmp_path / name).write_text(FLOW)

    assert run("flows", "test", *words).status == 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("equalTo: friday", "sameAs: friday"), "sameAs"),
        (("state: FAILED", "state: BROKEN"), "BROKEN"),
        (("files['a.csv']", "files['b.csv']"), "b.csv"),
        (("outputs: {rows: 3}}\n        - {id: call}", "outputs: [3]}"), "object"),
        (("flowId: report\n", ""), "flowId"),
        (("  - {id: later, disabled: true}", "  - {disabled: true}"), "id"),
        (("fixtures: {tasks", "fixtures: {triggers: [], tasks"), "triggers"),
    ],
)
def test_a_suite_with_a_fault_is_wrong_usage_and_names_it(
    run: Run, tmp_path: Path, change: tuple[str, str], complaint: str
) -> None:
    assert change[0] in SUITE
    (tmp_path / "suite.yml").write_text(SUITE.replace(*change))

    answer = run("flows", "test", "--suite", str(tmp_path))

    assert (answer.status, complaint in answer.err) == (2, True), answer.err


@pytest.mark.parametrize(
    ("word", "value", "expected", "holds"),
    [
        ("equalTo", "3", 3, True),
        ("equalTo", "3", "3", True),
        ("equalTo", "true", True, True),
        ("equalTo", '{"a": 1}', {"a": 1}, True),
        ("equalTo", None, None, True),
        ("notEqualTo", "3", 4, True),
        ("isNull", "", True, True),
        ("isNull", None, True, True),
        ("isNull", "x", True, False),
        ("isNotNull", "x", True, True),
        ("startsWith", "friday", "fri", True),
        ("endsWith", "friday", "fri", False),
        ("contains", "friday", "rid", True),
        ("contains", None, "rid", False),
        ("in", "b", ["a", "b"], True),
        ("notIn", "b", ["a", "b"], False),
        ("greaterThan", "10", 9, True),
        ("greaterThan", "2031-05-04", "2031-05-03", True),
        ("greaterThanOrEqualTo", "9", 9, True),
        ("lessThan", "10", 9, False),
        ("lessThanOrEqualTo", None, 9, False),
    ],
)
def test_an_assertion_compares_as_its_word_says(word: str, value: str | None, expected: Any, holds: bool) -> None:
    """None stands for an expression that found nothing."""
    assert check_value(word, value, expected) is holds
