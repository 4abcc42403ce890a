"""`manage.py kv`, `namespaces`, `secrets` and `triggers`."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest

from flows.models import Secret, TriggerState
from flows.models.encryption import seal_text
from flows.models.vault import read_secret
from tests.management.conftest import Run

CANARY = "c4n4ry"

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("arguments", "kind", "value"),
    [
        (["hello"], "STRING", "hello"),
        (["42"], "NUMBER", 42),
        (["2031-05-04"], "DATE", "2031-05-04"),
        (['{"a": 1}'], "JSON", {"a": 1}),
        (["42", "--type", "STRING"], "STRING", "42"),
    ],
)
def test_a_value_is_set_with_its_type(run: Run, arguments: list[str], kind: str, value: object) -> None:
    assert run("kv", "set", "a", "key", *arguments).status == 0

    answer = run("kv", "get", "a", "key", "-o", "json").json

    assert (answer["type"], answer["value"]) == (kind, value)


def test_raw_text_is_the_value_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "value.txt").write_text("some text")
    run("kv", "set", "a", "key", "--from-file", str(tmp_path / "value.txt"), "--ttl", "1h")

    assert run("kv", "get", "a", "key", "--raw").out == "some text\n"
    assert "expirationDate" in run("kv", "list", "a", "-o", "json").json[0]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["get", "a", "nothing"], 3),
        (["delete", "a", "nothing", "-y"], 3),
        (["delete", "a", "nothing"], 2),
        (["set", "a", "key"], 2),
        (["set", "a", "bad key", "1"], 1),
        (["set", "a", "key", "abc", "--type", "NUMBER"], 1),
        (["set", "a", "key", "1", "--ttl", "never"], 2),
    ],
)
def test_faults_of_key_commands_have_their_status(run: Run, arguments: list[str], status: int) -> None:
    assert run("kv", *arguments).status == status


def test_keys_of_parents_are_listed_when_asked(run: Run) -> None:
    run("kv", "set", "a", "parent", "1")

    assert run("kv", "list", "a.b", "-o", "json").json == []
    assert [row["key"] for row in run("kv", "list", "a.b", "--inherited", "-o", "json").json] == ["parent"]


def test_a_namespace_is_created_updated_shown_and_deleted(run: Run) -> None:
    assert run("namespaces", "create", "a.b", "--description", "ours", "--variables", '{"x": 1}').status == 0
    assert run("namespaces", "create", "a.b").status == 4
    run("namespaces", "update", "a.b", "--description", "theirs")

    assert run("namespaces", "get", "a.b", "-o", "json").json["variables"] == {"x": 1}
    assert [row["id"] for row in run("namespaces", "list", "-o", "json").json] == ["a", "a.b"]
    assert run("namespaces", "delete", "a.b").status == 2
    assert run("namespaces", "delete", "a.b", "-y").status == 0
    assert run("namespaces", "get", "a.b").status == 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "files"
    for name, text in (("sql/q.sql", "select 1"), ("notes.tmp", "x"), (".kestraignore", "*.tmp\n")):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_folder_is_synchronised_and_a_second_time_unchanged(run: Run, folder: Path) -> None:
    first = run("namespaces", "files", "sync", "a", str(folder), "--to", "/x", "-o", "json")
    second = run("namespaces", "files", "sync", "a", str(folder), "--to", "/x", "-o", "json")

    assert first.json == [{"file": "/x/sql/q.sql", "action": "created"}]
    assert second.json == [{"file": "/x/sql/q.sql", "action": "unchanged"}]


def test_files_that_the_folder_does_not_hold_are_deleted_when_asked(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    run("namespaces", "files", "put", "a", str(tmp_path / "old.txt"))

    dry = run("namespaces", "files", "sync", "a", str(folder), "--delete", "--dry-run", "-o", "json")
    run("namespaces", "files", "sync", "a", str(folder), "--delete", "-y")

    assert {"file": "/old.txt", "action": "deleted"} in dry.json
    assert run("namespaces", "files", "search", "a", "-o", "json").json == ["/sql/q.sql"]


def test_files_are_listed_fetched_moved_exported_and_deleted(run: Run, folder: Path, tmp_path: Path) -> None:
    run("namespaces", "files", "put", "a", str(folder))
    target = tmp_path / "copy.sql"

    assert [row["fileName"] for row in run("namespaces", "files", "list", "a", "-o", "json").json] == ["sql"]
    assert run("namespaces", "files", "get", "a", "/sql/q.sql", "--to", str(target)).status == 0
    assert target.read_text() == "select 1"
    assert run("namespaces", "files", "move", "a", "/sql", "/queries", "-o", "json").json == ["/queries/q.sql"]
    assert run("namespaces", "files", "export", "a", str(tmp_path / "all.zip")).status == 0
    assert run("namespaces", "files", "delete", "a", "/queries", "-y", "-o", "json").json == ["/queries/q.sql"]
    assert run("namespaces", "files", "get", "a", "/queries/q.sql").status == 3
    assert run("namespaces", "files", "put", "a", str(target), "/../up.sql").status == 1


def test_a_secret_is_set_from_input_or_environment_and_never_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{CANARY}\n"))
    monkeypatch.setenv("MY_VALUE", f"{CANARY}2")

    answers = [
        run("secrets", "set", "a", "ONE"),
        run("secrets", "set", "a", "TWO", "--from-env", "MY_VALUE", "-o", "json"),
        run("secrets", "list", "a", "-o", "json"),
        run("secrets", "list", "a.b", "--inherited"),
    ]

    assert not any(CANARY in answer.out + answer.err for answer in answers)
    assert [row["key"] for row in answers[2].json] == ["ONE", "TWO"]
    assert (read_secret("a", "ONE"), read_secret("a", "TWO")) == (CANARY, f"{CANARY}2")
    assert run("secrets", "delete", "a", "ONE", "-y").status == 0
    assert run("secrets", "delete", "a", "ONE", "-y").status == 3
    assert run("secrets", "set", "a", "X", "--from-env", "NOT_SET").status == 2


def test_secrets_of_an_old_key_are_rotated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    old_key = b"o" * 32
    Secret.objects.create(namespace="a", key="OLD", encrypted=seal_text(CANARY, purpose="secret a/OLD", key=old_key))
    monkeypatch.setenv("OLD_KEY", base64.urlsafe_b64encode(old_key).decode())

    assert run("secrets", "rotate", "--old-key-env", "OLD_KEY").json == {"count": 1}
    assert read_secret("a", "OLD") == CANARY
    assert run("secrets", "rotate", "--old-key-env", "NOT_SET").status == 2


def test_triggers_are_listed_and_faults_have_their_status(run: Run) -> None:
    TriggerState.objects.create(
        namespace="a",
        flow_id="f",
        trigger_id="nightly",
        type="io.kestra.plugin.core.trigger.Schedule",
        family="schedule",
        flow_revision=1,
    )

    assert [row["triggerId"] for row in run("triggers", "list", "-n", "a", "-o", "json").json] == ["nightly"]
    assert run("triggers", "next", "-o", "json").json == []
    assert run("triggers", "unlock", "a", "f", "nightly").status == 4
    assert run("triggers", "disable", "a", "f", "nothing").status == 3
    assert run("triggers", "disable", "a", "f").status == 2
    assert run("triggers", "disable", "-n", "a").status == 2
    assert run("triggers", "backfill", "a", "f", "nightly").status == 2


def test_coming_dates_are_computed_for_every_schedule_that_is_on(run: Run, tmp_path: Path) -> None:
    trigger = "  - {{id: {0}, type: io.kestra.plugin.core.trigger.Schedule, cron: '{1}', disabled: {2}}}\n"
    triggers = [("hourly", "0 * * * *", "false"), ("daily", "30 3 * * *", "false"), ("never", "0 * * * *", "true")]
    tasks = "tasks:\n  - {id: a, type: io.kestra.plugin.core.log.Log, message: x}\n"
    text = f"id: f\nnamespace: a\n{tasks}triggers:\n{''.join(trigger.format(*each) for each in triggers)}"
    (tmp_path / "f.yml").write_text(text)
    run("flows", "apply", str(tmp_path / "f.yml"))

    dates = run("triggers", "next", "--count", "30", "-o", "json").json

    assert [row["date"] for row in dates] == sorted(row["date"] for row in dates)
    assert ({row["triggerId"] for row in dates}, len(dates)) == ({"hourly", "daily"}, 30)
    assert run("triggers", "next", "-n", "elsewhere", "-o", "json").json == []
    assert run("triggers", "list", "--filter", "triggerState:EQUALS=DISABLED", "-o", "json").json[0]["triggerId"] == "never"
