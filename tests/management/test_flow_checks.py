"""`flows lint`, `flows dependencies`, `executions files` and the dry runs of commands that write."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.models import Execution, Flow, FlowRevision, KeyValue, Namespace, Secret
from flows.storage import get_storage
from tests.management.conftest import Run

AT = datetime(2031, 5, 4, 10, tzinfo=UTC)

LINTED = """\
id: Daily_report
namespace: company.team
description: Reports.
inputs:
  - id: day
    type: STRING
  - id: never
    type: STRING
    defaults: x
variables:
  left: 1
  kept: 2
tasks:
  - id: first-step
    type: io.kestra.plugin.core.log.Log
    message: |
      {{ inputs.day }} {{ vars.kept }}
      {{ inputs.dya }}
  - id: second
    type: io.kestra.plugin.core.log.Log
    message: "{{ outputs.frist.value }} {{ 'x' | uper }}"
"""


def test_lint_names_unknown_and_unused_names_with_their_lines(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "daily.yml"
    path.write_text(LINTED)

    answer = run("flows", "lint", str(path), "-o", "json")

    assert answer.status == 1
    assert {(row["line"], row["rule"]) for row in answer.json if row["level"] == "warning"} == {
        (7, "unused-input"),
        (11, "unused-variable"),
        (18, "unknown-input"),
        (21, "unknown-task"),
        (21, "expression-unknown-filter"),
    }
    assert {row["rule"] for row in answer.json if row["level"] == "info"} == {"id-style", "id-joints"}


def test_matters_of_style_fail_only_when_strict(run: Run, write_flow: Callable[..., Path]) -> None:
    path = str(write_flow())

    loose, strict = run("flows", "lint", path), run("flows", "lint", path, "--strict")

    assert (loose.status, strict.status) == (0, 1)
    assert loose.out.splitlines()[0].split() == ["FILE", "LINE", "LEVEL", "RULE", "MESSAGE"]
    assert "no-description" in loose.out


def test_lint_of_nothing_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    assert run("flows", "lint", str(tmp_path)).status == 2
    assert run("flows", "lint", "/nowhere/at.yml").status == 2


def test_lint_mends_files_and_tells_before_it_does(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "daily.yml"
    path.write_text(LINTED.replace("io.kestra.plugin.core", "io.kestra.core.tasks", 1))
    before = path.read_text()

    tried = run("flows", "lint", str(path), "--fix", "--dry-run", "--exit-code")
    unchanged = path.read_text()
    run("flows", "lint", str(path), "--fix")

    assert (tried.status, unchanged, "-  left: 1" in tried.err) == (1, before, True)
    assert path.read_text() == LINTED.replace("  left: 1\n", "")
    assert run("flows", "lint", str(path), "--fix", "--dry-run", "--exit-code").status == 0
    assert run("flows", "lint", str(path), "--dry-run").status == 2


CALLER = """\
id: caller
namespace: company.team
tasks:
  - {id: call, type: io.kestra.plugin.core.flow.Subflow, namespace: company.team, flowId: daily}
"""


@pytest.mark.django_db
def test_dependencies_show_which_flow_starts_which(run: Run, write_flow: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "caller.yml").write_text(CALLER)
    run("flows", "apply", str(write_flow()), str(tmp_path / "caller.yml"))

    table = run("flows", "dependencies", "company.team", "daily")
    data = run("flows", "dependencies", "company.team", "-o", "json").json
    dot = run("flows", "dependencies", "company.team", "--format", "dot").out

    assert table.status == 0
    assert table.out.splitlines()[1].split() == ["company.team/caller", "company.team/daily", "starts"]
    assert data["edges"] == [{"source": "main_company.team_caller", "target": "main_company.team_daily", "relation": "FLOW_TASK"}]
    assert '"company.team/caller" -> "company.team/daily"' in dot


@pytest.mark.django_db
def test_dependencies_of_nothing_are_not_found(run: Run) -> None:
    assert run("flows", "dependencies", "nowhere").status == 3
    assert run("flows", "dependencies", "nowhere", "nothing").status == 3


@pytest.fixture
def execution(db: None) -> Execution:
    get_storage().write("kestra:///company/team/daily/executions/exec1/tasks/hello/run1/data.csv", b"a,b\n")
    return Execution.objects.create(
        id="exec1",
        namespace="company.team",
        flow_id="daily",
        flow_revision=1,
        state="SUCCESS",
        histories=[["SUCCESS", AT.isoformat()]],
        created_at=AT,
        ended_at=AT,
        original_created_at=AT,
        original_id="exec1",
    )


def test_files_of_an_execution_are_listed_and_written(run: Run, execution: Execution, tmp_path: Path) -> None:
    (row,) = run("executions", "files", "exec1", "-o", "json").json

    written = run("executions", "files", "exec1", row["uri"], "--to", str(tmp_path))

    assert (row["size"], written.status) == (4, 0)
    assert (tmp_path / "data.csv").read_bytes() == b"a,b\n"
    assert run("executions", "files", "exec1").out.splitlines()[0].split() == ["URI", "SIZE", "MODIFIED"]


def test_files_of_others_are_refused_and_missing_ones_not_found(run: Run, execution: Execution) -> None:
    assert run("executions", "files", "exec1", "kestra:///company/team/other/executions/x/tasks/a/b/c.csv").status == 4
    missing = "kestra:///company/team/daily/executions/exec1/tasks/hello/run1/none.csv"
    assert run("executions", "files", "exec1", missing).status == 3
    assert run("executions", "files", "nothing").status == 3
    assert run("executions", "files", "exec1", "--to", "x").status == 2


@pytest.mark.django_db
def test_a_dry_run_of_a_rollback_or_import_stores_nothing(run: Run, write_flow: Callable[..., Path], tmp_path: Path) -> None:
    run("flows", "apply", str(write_flow()))
    run("flows", "apply", str(write_flow(message="other")))
    archive = tmp_path / "flows.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(write_flow("fresh.yml"), "company.team.fresh.yml")

    rolled_back = run("flows", "rollback", "company.team", "daily", "--revision", "1", "--dry-run", "-o", "json")
    imported = run("flows", "import", str(archive), "--dry-run")

    assert (rolled_back.status, imported.status) == (0, 0)
    assert rolled_back.json["revision"] == 3 if isinstance(rolled_back.json, dict) else rolled_back.json[0]["revision"] == 3
    assert (FlowRevision.objects.count(), Flow.objects.count()) == (2, 1)


@pytest.mark.django_db
def test_a_dry_run_leaves_keys_secrets_and_namespaces_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALUE", "s3cret")
    run("kv", "set", "company", "region", "north")

    deleted = run("kv", "delete", "company", "region", "--dry-run", "-o", "json")
    stored = run("secrets", "set", "company", "TOKEN", "--from-env", "VALUE", "--dry-run")
    made = run("namespaces", "create", "fresh", "--dry-run", "-o", "json")

    assert (deleted.status, deleted.json) == (0, {"keys": ["region"]})
    assert (stored.status, made.status, made.json["id"]) == (0, 0, "fresh")
    assert (KeyValue.objects.count(), Secret.objects.count(), Namespace.objects.filter(id="fresh").count()) == (1, 0, 0)


@pytest.mark.django_db
def test_a_source_can_be_asked_for_as_yaml(run: Run, write_flow: Callable[..., Path]) -> None:
    path = write_flow()
    run("flows", "apply", str(path))

    assert run("flows", "get", "company.team", "daily", "-o", "yaml").out == path.read_text()
    assert run("flows", "list", "-o", "yaml").status == 2
