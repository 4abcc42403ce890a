"""`--remote`: every data command gives the same through the API of another installation as on its database."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from flows.models import Execution, Flow, KeyValue, LogEntry, NamespaceFile, TaskRun, TriggerState
from flows.models.vault import read_secret
from flows.operations.tokens import create_token
from flows.storage import get_storage
from tests.management.conftest import Run

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct-Horse-7-battery"
AT = datetime(2031, 5, 4, 10, tzinfo=UTC)
NAMES = ("company.team", "daily")
SCHEDULED = """\
id: daily
namespace: company.team
description: Reports.
labels: {team: shop}
inputs:
  - {id: day, type: STRING, defaults: monday}
tasks:
  - {id: hello, type: io.kestra.plugin.core.log.Log, message: "{{ inputs.day }}"}
triggers:
  - {id: nightly, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 3 * * *"}
"""


@pytest.fixture
def server(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an installation on the database of the test, which has the account alice."""
    User.objects.create_superuser("alice@example.org", "alice@example.org", PASSWORD)
    monkeypatch.setenv("no_proxy", "*")
    for name in ("ORCH_URL", "ORCH_USER", "ORCH_PASSWORD", "ORCH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return str(live_server.url)


@pytest.fixture
def remote(run: Run, server: str) -> Run:
    """Run a command through the API, as alice."""
    return lambda *arguments: run(*arguments, "--remote", server, "--user", f"alice@example.org:{PASSWORD}")


@pytest.fixture
def filled(run: Run, server: str, tmp_path: Path) -> None:
    """A flow with a schedule and two revisions, an execution with a line and a file, a key, a secret and a namespace file."""
    path = tmp_path / "daily.yml"
    path.write_text(SCHEDULED.replace("Reports.", "Old reports."))
    assert run("flows", "apply", str(path)).status == 0
    path.write_text(SCHEDULED)
    assert run("flows", "apply", str(path)).status == 0
    Execution.objects.create(
        id="4Qexec1aaaaaaaaaaaaaaa",
        namespace="company.team",
        flow_id="daily",
        flow_revision=1,
        state="FAILED",
        histories=[["CREATED", AT.isoformat()], ["FAILED", (AT + timedelta(seconds=3)).isoformat()]],
        created_at=AT,
        ended_at=AT + timedelta(seconds=3),
        original_created_at=AT,
        original_id="4Qexec1aaaaaaaaaaaaaaa",
        inputs={"day": "monday"},
        outputs={"rows": 3},
        labels=[{"key": "team", "value": "shop"}],
    )
    TaskRun.objects.create(
        id="run1",
        execution_id="4Qexec1aaaaaaaaaaaaaaa",
        task_id="hello",
        state="FAILED",
        histories=[["CREATED", AT.isoformat()], ["FAILED", AT.isoformat()]],
        attempts=[{"state": "FAILED", "startDate": AT.isoformat(), "endDate": AT.isoformat(), "workerId": "w1"}],
        created_at=AT,
    )
    LogEntry.objects.create(
        namespace="company.team",
        flow_id="daily",
        execution_id="4Qexec1aaaaaaaaaaaaaaa",
        task_id="hello",
        level=4,
        timestamp=AT,
        message="it broke",
    )
    get_storage().write("kestra:///company/team/daily/executions/4Qexec1aaaaaaaaaaaaaaa/tasks/hello/run1/data.csv", b"a,b\n")
    run("kv", "set", "company.team", "region", "north", "--description", "where")
    run("kv", "set", "company", "count", "3")
    (tmp_path / "q.sql").write_text("select 1")
    run("namespaces", "files", "put", "company.team", str(tmp_path / "q.sql"), "/sql/q.sql")
    run("namespaces", "create", "company", "--description", "ours", "--variables", '{"a": 1}')


READS = [
    ["flows", "list"],
    ["flows", "list", "-n", "company", "--filter", "labels.team:EQUALS=shop", "--sort", "id:desc", "--size", "5"],
    ["flows", "get", *NAMES],
    ["flows", "get", *NAMES, "--revision", "1"],
    ["flows", "revisions", *NAMES],
    ["flows", "graph", *NAMES],
    ["flows", "dependencies", *NAMES],
    ["flows", "dependencies", "company.team", "--expand"],
    ["flows", "schema"],
    ["executions", "list", "--state", "FAILED"],
    ["executions", "get", "4Qexec1aaaaaaaaaaaaaaa", "--tasks", "--inputs", "--outputs"],
    ["executions", "files", "4Qexec1aaaaaaaaaaaaaaa"],
    ["executions", "restart", "--state", "FAILED", "--dry-run"],
    ["executions", "labels", "4Qexec1aaaaaaaaaaaaaaa", "team=office", "--dry-run"],
    ["triggers", "list"],
    ["triggers", "list", "--filter", "flowId:EQUALS=daily"],
    ["triggers", "next", "--count", "3"],
    ["triggers", "disable", "-n", "company", "--dry-run"],
    ["logs", "list", "4Qexec1aaaaaaaaaaaaaaa"],
    ["logs", "search", "--min-level", "WARN", "--task", "hello"],
    ["logs", "tail", "--lines", "5"],
    ["kv", "list"],
    ["kv", "list", "company.team", "--inherited"],
    ["kv", "get", "company.team", "region"],
    ["kv", "get", "company.team", "count", "--inherited"],
    ["kv", "set", "company.team", "region", "south", "--dry-run"],
    ["kv", "delete", "company.team", "region", "nothing", "--dry-run"],
    ["namespaces", "list"],
    ["namespaces", "get", "company"],
    ["namespaces", "files", "list", "company.team"],
    ["namespaces", "files", "list", "company.team", "/sql"],
    ["namespaces", "files", "search", "company.team", "q"],
    ["namespaces", "files", "delete", "company.team", "/sql", "--dry-run"],
    ["plugins", "list", "--type", "triggers"],
    ["plugins", "doc", "io.kestra.plugin.core.log.Log"],
    ["plugins", "schema", "io.kestra.plugin.core.log.Log"],
    ["secrets", "list"],
    ["secrets", "list", "company.team", "--inherited"],
]


@pytest.mark.parametrize("form", ["table", "json"])
def test_reading_commands_give_the_same_rows_through_the_api(run: Run, remote: Run, filled: None, form: str) -> None:
    """One test for all: they only read, so they can share what was stored."""
    different = []
    for arguments in READS:
        here, there = run(*arguments, "-o", form), remote(*arguments, "-o", form)
        if (here.status, here.out) != (there.status, there.out) or here.status != 0:
            different.append((arguments, here, there))

    assert different == []


WRONG = [
    (["flows", "get", "company.team", "nothing"], 3),
    (["flows", "list", "--filter", "nothing:EQUALS=1"], 1),
    (["flows", "delete", "company.team", "nothing", "-y"], 3),
    (["flows", "delete", *NAMES], 2),
    (["executions", "get", "nothing"], 3),
    (["executions", "pause", "nothing"], 3),
    (["executions", "pause", "4Qexec1aaaaaaaaaaaaaaa"], 4),
    (["executions", "run", "company.team", "nothing"], 3),
    (["executions", "files", "4Qexec1aaaaaaaaaaaaaaa", "kestra:///company/other/x/executions/y/tasks/a/b/c.csv"], 4),
    (["triggers", "unlock", *NAMES, "nightly"], 4),
    (["triggers", "disable", *NAMES, "nothing"], 3),
    (["triggers", "backfill", *NAMES, "nightly", "--pause"], 4),
    (["logs", "list", "nothing"], 3),
    (["kv", "get", "company.team", "nothing"], 3),
    (["kv", "delete", "company.team", "nothing", "-y"], 3),
    (["kv", "set", "company.team", "bad key", "1"], 1),
    (["namespaces", "get", "nothing"], 3),
    (["namespaces", "create", "company"], 4),
    (["namespaces", "files", "get", "company.team", "/nothing"], 3),
    (["secrets", "delete", "company.team", "NOTHING", "-y"], 3),
]


def test_faults_have_the_same_status_through_the_api(run: Run, remote: Run, filled: None) -> None:
    different = []
    for arguments, status in WRONG:
        here, there = run(*arguments), remote(*arguments)
        if (here.status, there.status) != (status, status) or not there.err:
            different.append((arguments, status, here, there))

    assert different == []


def test_flows_are_validated_applied_compared_and_exported(remote: Run, server: str, tmp_path: Path) -> None:
    path = tmp_path / "daily.yml"
    path.write_text(SCHEDULED)

    checked = remote("flows", "validate", str(path), "-o", "json")
    first = remote("flows", "apply", str(path), "--disable-triggers", "-o", "json")
    second = remote("flows", "apply", str(path), "-o", "json")
    path.write_text(SCHEDULED.replace("Reports.", "Other."))
    compared = remote("flows", "diff", str(path), "--exit-code")
    tried = remote("flows", "apply", str(path), "--dry-run", "--exit-code", "-o", "json")
    exported = remote("flows", "export", str(tmp_path / "out"))
    zipped = remote("flows", "export", "--zip", str(tmp_path / "all.zip"))

    assert (checked.status, checked.json[0]["flow"]) == (0, "daily")
    assert [(row["action"], row["revision"]) for row in (*first.json, *second.json)] == [("created", 1), ("unchanged", 1)]
    assert TriggerState.objects.get().disabled
    assert (compared.status, "-description: Reports." in compared.out) == (1, True)
    assert (tried.status, tried.json[0]["action"], Flow.objects.get().revision) == (1, "updated", 1)
    assert (exported.status, zipped.status) == (0, 0)
    assert (tmp_path / "out" / "company.team" / "daily.yml").read_text() == SCHEDULED
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.namelist() == ["company.team.daily.yml"]


def test_flows_are_imported_switched_rolled_back_and_deleted(run: Run, remote: Run, filled: None, tmp_path: Path) -> None:
    archive = tmp_path / "flows.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("fresh.yml", SCHEDULED.replace("id: daily", "id: fresh"))
        packed.writestr("bad.yml", "id: bad\nnamespace: a\ntasks: []\n")

    tried = remote("flows", "import", str(archive), "--dry-run", "-o", "json")
    imported = remote("flows", "import", str(archive), "-o", "json")
    switched = remote("flows", "disable", *NAMES, "-o", "json")
    back = remote("flows", "rollback", *NAMES, "--revision", "1", "-o", "json")
    deleted = remote("flows", "delete", "company.team", "fresh", "-y", "-o", "json")

    assert (tried.json, imported.json, tried.status, imported.status) == (["bad.yml"], ["bad.yml"], 1, 1)
    assert (switched.json, back.json["revision"], deleted.json) == ({"count": 1}, 4, {"count": 1})
    assert "Old reports." in run("flows", "get", *NAMES).out
    assert not Flow.objects.get(flow_id="fresh", deleted=True).disabled


def test_executions_are_started_labelled_replayed_and_deleted(remote: Run, filled: None) -> None:
    tried = remote("executions", "run", *NAMES, "--input", "day=friday", "--dry-run", "-o", "json")
    started = remote("executions", "run", *NAMES, "--input", "day=friday", "--label", "a=b", "--no-wait", "-o", "json").json
    labelled = remote("executions", "labels", "4Qexec1aaaaaaaaaaaaaaa", "team=office", "-o", "json").json
    changed = remote("executions", "set-state", "4Qexec1aaaaaaaaaaaaaaa", "SUCCESS", "-o", "json").json
    replayed = remote("executions", "replay", "4Qexec1aaaaaaaaaaaaaaa", "-o", "json").json
    deleted = remote("executions", "delete", "4Qexec1aaaaaaaaaaaaaaa", "--keep-logs", "-y", "-o", "json").json

    assert (tried.status, tried.json) == (0, [{"id": "day", "value": "friday", "errors": []}])
    assert (started["inputs"], {"key": "a", "value": "b"} in started["labels"]) == ({"day": "friday"}, True)
    assert ({"key": "team", "value": "office"} in labelled["labels"], changed["state"]["current"]) == (True, "SUCCESS")
    assert (replayed["count"], deleted["ids"]) == (1, ["4Qexec1aaaaaaaaaaaaaaa"])
    assert {str(row.id) for row in Execution.objects.all()} == {started["id"], replayed["ids"][0]}
    assert LogEntry.objects.filter(execution_id="4Qexec1aaaaaaaaaaaaaaa").exists()


def test_a_wait_that_takes_too_long_fails_through_the_api_too(remote: Run, filled: None) -> None:
    answer = remote("flows", "run", *NAMES, "--timeout", "10ms")

    assert (answer.status, "is still CREATED" in answer.err) == (1, True)


def test_a_file_of_an_execution_is_written(remote: Run, filled: None, tmp_path: Path) -> None:
    (row,) = remote("executions", "files", "4Qexec1aaaaaaaaaaaaaaa", "-o", "json").json

    assert remote("executions", "files", "4Qexec1aaaaaaaaaaaaaaa", row["uri"], "--to", str(tmp_path)).status == 0
    assert (tmp_path / "data.csv").read_bytes() == b"a,b\n"


def test_old_executions_are_purged(remote: Run, filled: None) -> None:
    Execution.objects.update(created_at=timezone.now() - timedelta(days=40))

    counted = remote("executions", "purge", "--older-than", "30d", "--dry-run", "-o", "json")
    purged = remote("executions", "purge", "--older-than", "30d", "-y", "-o", "json")

    assert (counted.json, purged.json, Execution.objects.count()) == ({"executions": 1}, {"executions": 1}, 0)


def test_triggers_are_switched_and_filled_back(remote: Run, filled: None) -> None:
    tried = remote("triggers", "backfill", *NAMES, "nightly", "--start", "2026-01-01T00:00:00Z", "--dry-run", "--exit-code")
    started = remote("triggers", "backfill", *NAMES, "nightly", "--start", "2026-01-01T00:00:00Z", "-o", "json").json
    paused = remote("triggers", "backfill", *NAMES, "nightly", "--pause", "-o", "json").json
    ended = remote("triggers", "backfill", *NAMES, "nightly", "--cancel", "-o", "json").json
    off = remote("triggers", "disable", *NAMES, "nightly", "-o", "json").json

    assert tried.status == 1
    assert ("backfill" in started, paused["backfill"]["paused"], "backfill" in ended) == (True, True, False)
    assert (off[0]["disabled"], TriggerState.objects.get().disabled) == (True, True)


@pytest.mark.parametrize(
    ("arguments", "kind", "value"),
    [
        (["hello"], "STRING", "hello"),
        (["42"], "NUMBER", 42),
        (["42", "--type", "STRING"], "STRING", "42"),
        (["2031-05-04"], "DATE", "2031-05-04"),
        (["PT1H"], "DURATION", "PT1H"),
        (['{"a": [1]}'], "JSON", {"a": [1]}),
        (["true"], "BOOLEAN", True),
    ],
)
def test_a_value_keeps_its_type_through_the_api(
    run: Run, remote: Run, server: str, arguments: list[str], kind: str, value: object
) -> None:
    assert remote("kv", "set", "a", "key", *arguments, "--ttl", "1h").status == 0

    found = run("kv", "get", "a", "key", "-o", "json").json

    assert (found["type"], found["value"], KeyValue.objects.get().expires_at is not None) == (kind, value, True)
    assert remote("kv", "delete", "a", "key", "-y", "-o", "json").json == {"keys": ["key"]}


def test_namespaces_and_secrets_are_kept(remote: Run, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALUE", "s3cret-value")

    made = remote("namespaces", "create", "a.b", "--description", "ours", "-o", "json").json
    changed = remote("namespaces", "update", "a.b", "--variables", '{"x": 1}', "-o", "json").json
    stored = remote("secrets", "set", "a.b", "TOKEN", "--from-env", "VALUE")

    assert (made["description"], changed["variables"]) == ("ours", {"x": 1})
    assert (stored.status, "s3cret" in stored.out + stored.err, read_secret("a.b", "TOKEN")) == (0, False, "s3cret-value")
    assert remote("secrets", "delete", "a.b", "TOKEN", "-y").status == 0
    assert remote("namespaces", "delete", "a.b", "-y").status == 0


def test_a_folder_is_synchronised_through_the_api(remote: Run, server: str, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "sql").mkdir(parents=True)
    (folder / "sql" / "q.sql").write_text("select 1")
    (tmp_path / "old.txt").write_text("old")
    remote("namespaces", "files", "put", "a", str(tmp_path / "old.txt"), "/x/")

    tried = remote("namespaces", "files", "sync", "a", str(folder), "--to", "/x", "--delete", "--dry-run", "-o", "json")
    done = remote("namespaces", "files", "sync", "a", str(folder), "--to", "/x", "--delete", "-y", "-o", "json")
    again = remote("namespaces", "files", "sync", "a", str(folder), "--to", "/x", "-o", "json")
    moved = remote("namespaces", "files", "move", "a", "/x/sql", "/queries", "-o", "json")
    fetched = remote("namespaces", "files", "get", "a", "/queries/q.sql", "--to", str(tmp_path / "copy.sql"))
    exported = remote("namespaces", "files", "export", "a", str(tmp_path / "all.zip"))
    deleted = remote("namespaces", "files", "delete", "a", "/queries", "-y", "-o", "json")

    assert tried.json == done.json == [{"file": "/x/sql/q.sql", "action": "created"}, {"file": "/x/old.txt", "action": "deleted"}]
    assert again.json == [{"file": "/x/sql/q.sql", "action": "unchanged"}]
    assert (moved.json, deleted.json) == (["/queries/q.sql"], ["/queries/q.sql"])
    assert (fetched.status, (tmp_path / "copy.sql").read_text(), exported.status) == (0, "select 1", 0)
    assert not NamespaceFile.objects.filter(is_current=True, is_directory=False).exists()


def test_the_environment_names_server_and_credentials(
    run: Run, filled: None, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = create_token(User.objects.get(), name="ci", at=timezone.now()).text

    def answers() -> bool:
        return [row["id"] for row in run("flows", "list", "-o", "json").json] == ["daily"]

    monkeypatch.setenv("ORCH_URL", server)
    assert run("flows", "list").status == 2
    monkeypatch.setenv("ORCH_TOKEN", token)
    assert answers()
    monkeypatch.delenv("ORCH_TOKEN")
    monkeypatch.setenv("ORCH_USER", "alice@example.org")
    monkeypatch.setenv("ORCH_PASSWORD", PASSWORD)
    assert answers()
    assert run("flows", "list", "--token", token).status == 0
    assert run("flows", "list", "--remote", "").status == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--remote", "ftp://example.org", "--token", "x"], 2),
        (["--remote", "http://alice:hidden-word@example.org"], 2),
        (["--remote", "http://127.0.0.1:1", "--token", "x"], 5),
        (["--remote", "http://127.0.0.1:1", "--token", "x", "--user", "a:b"], 2),
        (["--remote", "http://127.0.0.1:1", "--token", "hidden-word\n"], 2),
        (["--tenant", "other"], 2),
    ],
)
def test_a_server_that_cannot_be_asked_has_its_own_status(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int
) -> None:
    monkeypatch.setenv("no_proxy", "*")

    answer = run("flows", "list", *arguments)

    assert (answer.status, answer.out, bool(answer.err)) == (status, "", True)
    assert "hidden-word" not in answer.err


def test_wrong_credentials_are_refused(run: Run, server: str) -> None:
    wrong = [["--user", "alice@example.org:nothing"], ["--token", "celestra_nothing"]]

    assert [run("flows", "list", "--remote", server, *words).status for words in wrong] == [4, 4]


def test_another_tenant_is_not_found_there(run: Run, server: str) -> None:
    answer = run("flows", "list", "--remote", server, "--user", f"alice@example.org:{PASSWORD}", "--tenant", "other")

    assert answer.status == 3


def test_lines_are_followed_until_the_end(remote: Run, filled: None) -> None:
    lines = remote("logs", "list", "4Qexec1aaaaaaaaaaaaaaa", "-f", "-o", "json").out.splitlines()
    followed = remote("executions", "follow", "4Qexec1aaaaaaaaaaaaaaa", "--logs", "-o", "json")

    assert [json.loads(line)["message"] for line in lines] == ["it broke"]
    assert (followed.status, followed.json["state"]["current"], "ERROR it broke" in followed.err) == (1, "FAILED", True)


def test_the_caller_makes_and_revokes_tokens(run: Run, remote: Run, server: str) -> None:
    """Run with the caller's own credentials, which `--user` names for tokens as well."""
    tried = remote("tokens", "create", "--name", "ci", "--dry-run", "--exit-code")
    made = remote("tokens", "create", "--name", "ci", "--ttl", "1d", "--read-only", "-o", "json").json
    listed = remote("tokens", "list", "-o", "json")
    with_token = run("flows", "list", "--remote", server, "--token", made["token"])
    refused = run("kv", "set", "a", "key", "1", "--remote", server, "--token", made["token"])
    revoked = remote("tokens", "revoke", "ci", "--yes")

    assert (tried.status, [row["name"] for row in listed.json], made["access"]) == (1, ["ci"], "READ")
    assert made["token"] not in listed.out
    assert (with_token.status, refused.status, revoked.status) == (0, 4, 0)
    assert run("flows", "list", "--remote", server, "--token", made["token"]).status == 4
    assert remote("tokens", "revoke", "ci", "--yes").status == 3
