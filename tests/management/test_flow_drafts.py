"""`manage.py flows` and drafts, on the database and through the API of another installation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django.live_server_helper import LiveServer

from flows.models import Flow
from tests.management.conftest import Run

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct-Horse-7-battery"
FAULTY = "id: bad\nnamespace: company.team\ntasks:\n  - {id: a, type: io.nothing.Here}\n"

Write = Callable[..., Path]


@pytest.fixture(params=["database", "remote"])
def call(request: pytest.FixtureRequest, run: Run, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command here or through the API."""
    if request.param == "database":
        return run
    User.objects.create_superuser("alice@example.org", "alice@example.org", PASSWORD)
    monkeypatch.setenv("no_proxy", "*")
    return lambda *words: run(*words, "--remote", str(live_server.url), "--user", f"alice@example.org:{PASSWORD}")


def test_a_draft_is_applied_once_and_published_by_the_next_apply(call: Run, write_flow: Write) -> None:
    path = str(write_flow())
    answers = [
        call("flows", "apply", path, "--draft", "--dry-run", "-o", "json"),
        call("flows", "apply", path, "--draft", "-o", "json"),
        call("flows", "apply", path, "--draft", "-o", "json"),
        call("flows", "apply", path, "--dry-run", "-o", "json"),
        call("flows", "apply", path, "-o", "json"),
        call("flows", "apply", path, "-o", "json"),
    ]

    assert [(row["action"], row["revision"]) for answer in answers for row in answer.json] == [
        ("draft", 1),
        ("draft", 1),
        ("unchanged", 1),
        ("updated", 2),
        ("updated", 2),
        ("unchanged", 2),
    ]


def test_lists_revisions_and_exports_tell_drafts_apart(call: Run, write_flow: Write, tmp_path: Path) -> None:
    path = write_flow()
    published = path.read_text()
    call("flows", "apply", str(path))
    call("flows", "apply", str(write_flow(message="later")), "--draft")
    call("flows", "apply", str(write_flow("new.yml")), "--draft")
    listed = call("flows", "list", "-o", "json").json
    revisions = call("flows", "revisions", "company.team", "daily", "-o", "json").json
    exported = call("flows", "export", str(tmp_path / "out"))
    call("flows", "export", "--zip", str(tmp_path / "all.zip"))

    assert [(flow["id"], flow["revision"], flow["draft"]) for flow in listed] == [("daily", 2, True), ("new", 1, True)]
    assert [(row["revision"], row["draft"]) for row in revisions] == [(1, False), (2, True)]
    assert [file.name for file in (tmp_path / "out").rglob("*.yml")] == ["daily.yml"]
    assert (tmp_path / "out" / "company.team" / "daily.yml").read_text() == published
    assert "1 flows exported" in exported.err


def test_a_draft_may_have_faults_but_no_names_that_cannot_be(call: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text(FAULTY)
    refused = call("flows", "apply", str(tmp_path), "-o", "json")
    kept = call("flows", "apply", str(tmp_path), "--draft", "-o", "json")
    (tmp_path / "worse.yml").write_text("namespace: company.team\n")
    nameless = call("flows", "apply", str(tmp_path), "--draft", "-o", "json")

    assert (refused.status, refused.json[0]["action"]) == (1, "failed")
    assert (kept.status, kept.json[0]["action"]) == (0, "draft")
    assert (nameless.status, Flow.objects.count()) == (1, 1)


def test_an_old_revision_comes_back_over_a_draft(call: Run, write_flow: Write) -> None:
    call("flows", "apply", str(write_flow()))
    call("flows", "apply", str(write_flow(message="later")), "--draft")
    back = call("flows", "rollback", "company.team", "daily", "--revision", "1", "-o", "json").json

    assert (back["revision"], back["draft"], Flow.objects.get().draft_revision) == (3, False, None)


@pytest.mark.parametrize("option", ["--delete", "--disable-triggers"])
def test_a_draft_changes_nothing_that_runs(run: Run, write_flow: Write, option: str) -> None:
    assert run("flows", "apply", str(write_flow()), "--draft", option).status == 2
