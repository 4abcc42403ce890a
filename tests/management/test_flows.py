"""`manage.py flows`: exit statuses, tables and JSON of its actions."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.models import Flow, FlowRevision
from tests.management.conftest import Run

Write = Callable[..., Path]

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("mode", [[], ["--offline"]], ids=["with database", "offline"])
def test_a_valid_flow_passes(run: Run, write_flow: Write, mode: list[str]) -> None:
    answer = run("flows", "validate", str(write_flow()), *mode)

    assert answer.status == 0
    assert answer.out.splitlines()[0].split()[:3] == ["FILE", "FLOW", "STATUS"]
    assert "company.team/daily  valid" in answer.out


def test_a_broken_flow_fails_with_line_and_column_for_every_fault(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.yml"
    path.write_text(
        "id: bad\nnamespace: company\ntasks:\n  - id: a\n    type: io.nothing.Here\n  - id: a\n    type: io.nothing.Here\n"
    )

    answer = run("flows", "validate", str(path), "-o", "json")

    assert answer.status == 1
    (row,) = answer.json
    assert (row["index"], row["filename"], row["flow"]) == (0, str(path), "bad")
    assert "line 5" in row["constraints"]
    assert "line 7" in row["constraints"]


def test_every_document_of_every_file_has_a_row(run: Run, write_flow: Write, tmp_path: Path) -> None:
    write_flow("b/two.yaml")
    write_flow("a/one.yml").write_text(write_flow("a/one.yml").read_text() + "---\n" + write_flow("b/three.yml").read_text())
    write_flow(".hidden/no.yml")

    answer = run("flows", "validate", str(tmp_path), "-o", "json")

    assert [row["flow"] for row in answer.json] == ["one", "three", "three", "two"]


@pytest.mark.parametrize("path", ["/nowhere/at.yml", "."])
def test_a_path_without_flows_is_wrong_usage(run: Run, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert run("flows", "validate", path).status == 2


def test_applying_twice_changes_nothing_the_second_time(run: Run, write_flow: Write, tmp_path: Path) -> None:
    write_flow("one.yml")
    write_flow("two.yml")

    first = run("flows", "apply", str(tmp_path), "-o", "json")
    second = run("flows", "apply", str(tmp_path), "-o", "json")

    assert (first.status, second.status) == (0, 0)
    assert [row["action"] for row in first.json] == ["created", "created"]
    assert [row["action"] for row in second.json] == ["unchanged", "unchanged"]
    assert FlowRevision.objects.count() == 2


def test_a_changed_file_becomes_a_revision(run: Run, write_flow: Write) -> None:
    run("flows", "apply", str(write_flow()))

    (row,) = run("flows", "apply", str(write_flow(message="changed")), "-o", "json").json

    assert (row["action"], row["revision"]) == ("updated", 2)


def test_nothing_is_saved_when_one_document_is_invalid(run: Run, write_flow: Write, tmp_path: Path) -> None:
    write_flow("good.yml")
    (tmp_path / "bad.yml").write_text("id: bad\nnamespace: company\ntasks: []\n")

    answer = run("flows", "apply", str(tmp_path), "-o", "json")

    assert answer.status == 1
    assert [row["action"] for row in answer.json] == ["failed", "skipped"]
    assert not Flow.objects.exists()


def test_one_flow_in_two_files_is_refused(run: Run, write_flow: Write, tmp_path: Path) -> None:
    write_flow("one.yml", flow_id="same")
    write_flow("two.yml", flow_id="same")

    answer = run("flows", "apply", str(tmp_path))

    assert answer.status == 1
    assert "company.team/same stands in" in answer.err


def test_flows_are_moved_to_another_namespace(run: Run, write_flow: Write) -> None:
    run("flows", "apply", str(write_flow()), "--namespace", "moved")
    run("flows", "apply", str(write_flow()), "--namespace-prefix", "dev")

    assert sorted(Flow.objects.values_list("namespace", flat=True)) == ["dev.company.team", "moved"]


def test_existing_flows_can_be_protected(run: Run, write_flow: Write) -> None:
    run("flows", "apply", str(write_flow()))

    answer = run("flows", "apply", str(write_flow(message="other")), "--no-override", "-o", "json")

    assert answer.status == 1
    assert answer.json[0]["action"] == "failed"


def test_a_dry_run_saves_nothing_and_can_report_changes(run: Run, write_flow: Write) -> None:
    path = str(write_flow())

    assert run("flows", "apply", path, "--dry-run").status == 0
    assert run("flows", "apply", path, "--dry-run", "--exit-code").status == 1
    assert not Flow.objects.exists()


def test_flows_that_no_file_holds_are_deleted_after_asking(run: Run, write_flow: Write) -> None:
    run("flows", "apply", str(write_flow("old.yml")))
    new = str(write_flow("new.yml"))

    assert run("flows", "apply", new, "--delete").status == 2
    answer = run("flows", "apply", new, "--delete", "--yes", "-o", "json")

    assert [(row["flow"], row["action"]) for row in answer.json] == [("new", "unchanged"), ("old", "deleted")]


def test_a_difference_is_shown_as_a_unified_diff(run: Run, write_flow: Write) -> None:
    run("flows", "apply", str(write_flow()))
    write_flow(message="changed")
    extra = write_flow("extra.yml")

    answer = run("flows", "diff", str(extra.parent), "--exit-code")

    assert answer.status == 1
    assert "-    message: hi" in answer.out
    assert "+    message: changed" in answer.out
    assert "new: company.team/extra" in answer.out


def test_equal_files_have_no_difference(run: Run, write_flow: Write) -> None:
    run("flows", "apply", str(write_flow()))

    answer = run("flows", "diff", str(write_flow()), "--exit-code", "--delete", "-o", "json")

    assert (answer.status, answer.json) == (0, [])


def test_the_list_and_the_source_are_shown(run: Run, write_flow: Write) -> None:
    run("flows", "apply", str(write_flow()))

    listed = run("flows", "list", "-n", "company", "-o", "json")
    table = run("flows", "list")
    source = run("flows", "get", "company.team", "daily")

    assert [row["id"] for row in listed.json] == ["daily"]
    assert table.out.split()[:3] == ["NAMESPACE", "ID", "REVISION"]
    assert source.out == write_flow().read_text()
    assert run("flows", "get", "company.team", "daily", "-o", "json").json["source"] == source.out


def test_a_missing_flow_or_revision_is_status_three(run: Run, write_flow: Write) -> None:
    run("flows", "apply", str(write_flow()))

    missing = run("flows", "get", "company.team", "nothing")

    assert (missing.status, missing.out) == (3, "")
    assert '"nothing"' in missing.err
    assert run("flows", "get", "company.team", "daily", "--revision", "9").status == 3


@pytest.mark.parametrize("arguments", [["--filter", "id"], ["--filter", "id:LIKE=x"], ["--sort", "id:up"]])
def test_a_malformed_selection_is_wrong_usage(run: Run, arguments: list[str]) -> None:
    assert run("flows", "list", *arguments).status == 2


def test_filters_of_the_api_choose_flows(run: Run, write_flow: Write, tmp_path: Path) -> None:
    write_flow("one.yml")
    write_flow("two.yml")
    run("flows", "apply", str(tmp_path))

    answer = run("flows", "list", "--filter", "flowId:IN=two,three", "-o", "json")

    assert [row["id"] for row in answer.json] == ["two"]


def test_flows_are_switched_and_deleted(run: Run, write_flow: Write) -> None:
    run("flows", "apply", str(write_flow()))

    assert run("flows", "disable", "company.team", "daily", "-o", "json").json == {"count": 1}
    assert Flow.objects.get().disabled
    assert run("flows", "enable", "-n", "company", "--yes").status == 0
    assert not Flow.objects.get().disabled
    assert run("flows", "delete", "company.team", "daily").status == 2
    assert run("flows", "delete", "company.team", "daily", "-y").status == 0
    assert run("flows", "delete", "company.team", "daily", "-y").status == 3


def test_an_old_revision_comes_back_as_a_new_one(run: Run, write_flow: Write) -> None:
    run("flows", "apply", str(write_flow(message="first")))
    run("flows", "apply", str(write_flow(message="second")))

    assert run("flows", "rollback", "company.team", "daily", "--revision", "1").status == 0
    assert "message: first" in run("flows", "get", "company.team", "daily").out
    assert [row["revision"] for row in run("flows", "revisions", "company.team", "daily", "-o", "json").json] == [1, 2, 3]


def test_sources_are_exported_to_folders_and_archives(run: Run, write_flow: Write, tmp_path: Path) -> None:
    source = write_flow().read_text()
    run("flows", "apply", str(tmp_path / "daily.yml"))

    run("flows", "export", str(tmp_path / "out"))
    run("flows", "export", str(tmp_path / "flat"), "--flat")
    run("flows", "export", "--zip", str(tmp_path / "all.zip"))

    assert (tmp_path / "out" / "company.team" / "daily.yml").read_text() == source
    assert (tmp_path / "flat" / "company.team.daily.yml").read_text() == source
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert len(archive.namelist()) == 1
    Flow.objects.all().delete()
    assert run("flows", "import", str(tmp_path / "all.zip"), "-o", "json").json == []
    assert Flow.objects.get().flow_id == "daily"


def test_a_flow_is_drawn_from_a_file_or_from_the_store(run: Run, write_flow: Write) -> None:
    path = str(write_flow())
    run("flows", "apply", path)

    dot = run("flows", "graph", path)
    mermaid = run("flows", "graph", "company.team", "daily", "--format", "mermaid")
    nodes = run("flows", "graph", "company.team", "daily", "--format", "json").json["nodes"]

    assert dot.out.startswith("digraph flow {")
    assert '[label="hello"]' in dot.out
    assert '["hello"]' in mermaid.out
    assert "hello" in [node.get("task", {}).get("id") for node in nodes]
    assert run("flows", "graph", "a", "b", "c").status == 2


def test_the_schema_is_one_json_document(run: Run) -> None:
    assert "properties" in str(run("flows", "schema").json)


def test_offline_validation_needs_no_database_and_writes_clean_json(write_flow: Write, tmp_path: Path) -> None:
    """A process of its own, with an address at which no database listens."""
    environment = {
        **os.environ,
        "CELESTRA_HOME": str(tmp_path / "home"),
        "CELESTRA_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "CELESTRA_SECRET_KEY": "k" * 40,
        "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
    }
    root = Path(__file__).resolve().parents[2]

    def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False)

    offline = manage("flows", "validate", "--offline", str(write_flow()), "-o", "json")
    online = manage("flows", "list")

    assert (offline.returncode, offline.stderr) == (0, "")
    assert offline.stdout.startswith("[")
    assert online.returncode == 5
    assert "out of reach" in online.stderr
    assert manage("flows").returncode == 2
