"""`backup` and `restore`: what was stored comes back, and what cannot fit is refused before anything changes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from flows.conf import changed_settings
from flows.management.archives import verify_archive
from flows.management.terminal import Terminal
from flows.models import Flow, FlowRevision, KeyValue, LogEntry
from flows.storage import get_storage
from tests.management.conftest import Run

pytestmark = pytest.mark.django_db

FILE = "kestra:///company/team/_files/notes.txt"


@pytest.fixture
def archive(run: Run, write_flow: Callable[..., Path], tmp_path: Path) -> Path:
    """A backup of one flow, one key, one account and one file."""
    User.objects.create_user("alice@example.org", "alice@example.org", "correct-Horse-7-battery")
    run("flows", "apply", str(write_flow()))
    run("kv", "set", "company.team", "region", "north")
    get_storage().write(FILE, b"kept")
    path = tmp_path / "celestra.tar.gz"
    answer = run("backup", str(path), "-o", "json")
    assert (answer.status, answer.json["tables"]["flows_flow"]) == (0, 1)
    return path


def test_a_backup_comes_back_with_rows_accounts_and_files(run: Run, archive: Path) -> None:
    Flow.objects.all().delete()
    KeyValue.objects.all().delete()
    User.objects.all().delete()
    get_storage().delete(FILE)

    answer = run("restore", str(archive), "--yes", "-o", "json")

    assert (answer.status, answer.json["tables"]["flows_flowrevision"]) == (0, 1)
    assert (Flow.objects.get().flow_id, KeyValue.objects.get().key, User.objects.get().username) == (
        "daily",
        "region",
        "alice@example.org",
    )
    with get_storage().open_read(FILE) as stream:
        assert stream.read() == b"kept"


def test_after_a_restore_new_rows_get_new_numbers(run: Run, archive: Path, write_flow: Callable[..., Path]) -> None:
    run("restore", str(archive), "--replace", "--yes")

    answer = run("flows", "apply", str(write_flow("next.yml")), "-o", "json")

    assert (answer.status, answer.json[0]["action"], FlowRevision.objects.count()) == (0, "created", 2)


def test_an_installation_with_flows_is_not_overwritten_unasked(run: Run, archive: Path) -> None:
    refused = run("restore", str(archive), "--yes")
    unanswered = run("restore", str(archive), "--replace")

    assert (refused.status, "--replace" in refused.err) == (4, True)
    assert unanswered.status == 2


def test_a_dry_run_of_a_restore_changes_nothing(run: Run, archive: Path) -> None:
    Flow.objects.all().delete()

    answer = run("restore", str(archive), "--dry-run")

    assert (answer.status, Flow.objects.count()) == (0, 0)
    assert answer.out.splitlines()[0].split() == ["WHAT", "COUNT"]


def test_another_key_is_refused_before_anything_changes(run: Run, archive: Path) -> None:
    with changed_settings(encryption_key=b"x" * 32):
        answer = run("restore", str(archive), "--replace", "--yes")

    assert (answer.status, "keys/encryption" in answer.err) == (4, True)


@pytest.mark.parametrize("damage", ["cut", "text", "missing"])
def test_a_damaged_archive_leaves_everything_as_it_was(run: Run, archive: Path, damage: str) -> None:
    if damage == "cut":
        archive.write_bytes(archive.read_bytes()[:-400])
    elif damage == "text":
        archive.write_text("no archive")
    else:
        archive.unlink()

    answer = run("restore", str(archive), "--replace", "--yes")

    assert answer.status == (2 if damage == "missing" else 1)
    assert str(archive) in answer.err
    assert (Flow.objects.count(), KeyValue.objects.count(), LogEntry.objects.count()) == (1, 1, 0)


def test_an_existing_file_is_not_overwritten_unasked(run: Run, archive: Path) -> None:
    assert run("backup", str(archive)).status == 2
    assert run("backup", str(archive), "--override", "--without-files").status == 0
    assert run("backup", "/nowhere/at/all.tar.gz").status == 2


def test_a_dry_run_checks_every_entry_of_an_archive(run: Run, archive: Path, tmp_path: Path) -> None:
    """The archive is packed anew with one changed row, which neither gzip nor tar can notice."""
    Flow.objects.all().delete()
    changed = tmp_path / "changed.tar.gz"
    with tarfile.open(archive) as old, tarfile.open(changed, "w:gz") as new:
        for entry in old:
            content = old.extractfile(entry)
            data = content.read() if content is not None else b""
            data = data.replace(b"region", b"regios") if entry.name == "tables/flows_keyvalue" else data
            entry.size = len(data)
            new.addfile(entry, io.BytesIO(data))

    answers = [run("restore", str(changed), *words) for words in (["--dry-run"], ["--yes"])]

    assert [answer.status for answer in answers] == [1, 1]
    assert all("tables/flows_keyvalue is not as it was written" in answer.err for answer in answers)
    assert (Flow.objects.filter(deleted=False).count(), KeyValue.objects.get().key) == (0, "region")


def test_progress_is_shown_on_a_terminal_only(run: Run, archive: Path) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    verify_archive(archive, report=Terminal(io.StringIO(), screen).report)

    assert "tables checked: 2/" in screen.getvalue() and "files checked: 1" in screen.getvalue()
    assert run("restore", str(archive), "--replace", "--dry-run").err == ""
