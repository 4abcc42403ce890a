"""`doctor`, `plugins`, `tokens` and `completion`: exit statuses, tables and JSON."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from flows.conf import get_settings
from flows.management.commands.doctor import CHECKS
from flows.management.completions import list_words, write_bash, write_fish, write_zsh
from flows.models import ApiToken, Flow, TriggerState
from flows.operations.flows import save_flow
from flows.operations.tokens import use_token
from tests.management.conftest import FLOW, Run


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice@example.org", "alice@example.org", "correct-Horse-7-battery")


@pytest.mark.django_db
def test_a_healthy_database_passes_its_checks(run: Run) -> None:
    answer = run("doctor", "--only", "database", "--only", "migrations", "--only", "clock", "--only", "storage")

    assert answer.status == 0
    assert [line.split()[:2] for line in answer.out.splitlines()] == [
        ["CHECK", "STATUS"],
        ["database", "ok"],
        ["migrations", "ok"],
        ["clock", "ok"],
        ["storage", "ok"],
    ]


@pytest.mark.django_db
def test_without_workers_the_doctor_fails_once_and_does_not_wait_for_them(run: Run, broker_url: str) -> None:
    answer = run("doctor", "--only", "broker", "--only", "workers", "--only", "round-trip", "-o", "json")

    assert answer.status == 1
    assert {row["check"]: row["status"] for row in answer.json} == {"broker": "ok", "workers": "fail", "round-trip": "warn"}
    assert "Start one" in answer.json[1]["detail"]


@pytest.mark.django_db
def test_a_flow_that_cannot_be_run_any_more_is_named(run: Run) -> None:
    save_flow(FLOW.format(id="daily", namespace="company.team", message="hi"), at=timezone.now())
    row = Flow.objects.get()
    row.revisions.update(source=row.revisions.get().source.replace("core.log.Log", "core.log.Gone"))

    answer = run("doctor", "--only", "flows", "-o", "json")

    assert answer.status == 1
    assert "company.team/daily" in answer.json[0]["detail"] and "io.kestra.plugin.core.log.Gone" in answer.json[0]["detail"]


@pytest.mark.django_db
def test_an_old_lock_is_a_warning_and_is_unlocked_only_when_asked(run: Run) -> None:
    trigger = "triggers:\n  - {id: nightly, type: io.kestra.plugin.core.trigger.Schedule, cron: '0 3 * * *'}\n"
    save_flow(FLOW.format(id="daily", namespace="company.team", message="hi") + trigger, at=timezone.now())
    TriggerState.objects.update(execution_id="exec1", locked_at=timezone.now() - timedelta(days=2))

    seen = run("doctor", "--only", "trigger-locks", "-o", "json")
    refused = run("doctor", "--only", "trigger-locks", "--fix")
    fixed = run("doctor", "--only", "trigger-locks", "--fix", "--yes", "-o", "json")

    assert (seen.status, seen.json[0]["status"], seen.json[0]["fixable"]) == (0, "warn", True)
    assert (refused.status, "--yes" in refused.err) == (2, True)
    assert (fixed.status, fixed.json[0]["status"]) == (0, "ok")
    assert TriggerState.objects.get().execution_id is None


def test_key_files_that_others_can_read_are_closed_by_a_fix(run: Run) -> None:
    key = get_settings().home / "keys" / "secret"
    key.chmod(0o644)

    seen = run("doctor", "--only", "keys", "-o", "json")
    fixed = run("doctor", "--only", "keys", "--fix", "-y")

    assert (seen.status, str(key) in seen.json[0]["detail"]) == (1, True)
    assert (fixed.status, key.stat().st_mode & 0o777) == (0, 0o600)


def test_an_unknown_check_is_wrong_usage(run: Run) -> None:
    assert run("doctor", "--only", "weather").status == 2


@pytest.mark.parametrize("name", ["settings", "keys", "versions", "disk", "port", "docker"])
def test_checks_of_this_host_need_no_database(run: Run, name: str) -> None:
    (row,) = run("doctor", "--only", name, "-o", "json").json

    assert (row["check"], bool(row["detail"])) == (name, True)
    assert name in CHECKS


def test_plugin_types_are_listed_by_kind_and_words(run: Run) -> None:
    answer = run("plugins", "list", "--type", "triggers", "-q", "schedule", "-o", "json")

    assert answer.status == 0
    assert "io.kestra.plugin.core.trigger.Schedule" in [row["cls"] for row in answer.json]
    assert {row["kind"] for row in answer.json} == {"trigger"}
    assert run("plugins", "list").out.splitlines()[0].split() == ["TYPE", "KIND", "TITLE", "DEPRECATED"]


def test_a_plugin_has_a_page_and_a_schema(run: Run) -> None:
    page = run("plugins", "doc", "io.kestra.plugin.core.log.Log")
    schema = run("plugins", "schema", "io.kestra.plugin.core.log.Log")

    assert page.out.startswith("# ") and "### `message`" in page.out
    assert "message" in schema.json["properties"]["properties"]


def test_an_unknown_plugin_is_not_found_and_the_nearest_is_named(run: Run) -> None:
    answer = run("plugins", "doc", "io.kestra.plugin.core.log.Lgo")

    assert answer.status == 3
    assert 'Did you mean "io.kestra.plugin.core.log.Log"?' in answer.err


def test_a_token_is_shown_once_and_works_until_it_is_revoked(run: Run, alice: User) -> None:
    made = run("tokens", "create", "--name", "ci", "--ttl", "1d", "-o", "json").json
    listed = run("tokens", "list", "-o", "json")

    token = use_token(made["token"], at=timezone.now())

    assert token is not None and token.user == alice
    assert made["token"] not in listed.out
    assert run("tokens", "revoke", "ci").status == 2
    assert run("tokens", "revoke", "ci", "--yes").status == 0
    assert use_token(made["token"], at=timezone.now()) is None
    assert run("tokens", "revoke", "ci", "--yes").status == 3


def test_a_dry_run_makes_no_token(run: Run, alice: User) -> None:
    answer = run("tokens", "create", "--name", "ci", "--dry-run")

    assert (answer.status, ApiToken.objects.count(), "celestra_" in answer.out) == (0, 0, True)


def test_with_several_accounts_a_token_needs_a_user(run: Run, alice: User) -> None:
    User.objects.create_user("bob@example.org", "bob@example.org", "correct-Horse-7-battery")

    assert run("tokens", "create", "--name", "ci").status == 2
    assert run("tokens", "create", "--name", "ci", "--user", "nobody").status == 3
    assert run("tokens", "create", "--name", "ci", "--user", "bob@example.org").status == 0
    assert run("tokens", "list").out.splitlines()[0].split()[:3] == ["USER", "ID", "NAME"]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["flows", "ap"], ["apply"]),
        (["do"], ["doctor"]),
        (["namespaces", "files", "sy"], ["sync"]),
        (["flows", "apply", "--dr"], ["--draft", "--dry-run"]),
        (["flows", "apply", "--namespace", "x", "--dry"], ["--dry-run"]),
    ],
)
def test_bash_completes_groups_actions_and_options(tmp_path: Path, typed: list[str], offered: list[str]) -> None:
    script = tmp_path / "completion.bash"
    words = " ".join(f"'{word}'" for word in ["manage.py", *typed])
    script.write_text(
        write_bash(list_words()) + f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}\n_celestra_words; echo ${{COMPREPLY[@]}}\n"
    )

    answer = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=True)

    assert (answer.stdout.split(), answer.stderr) == (offered, "")


def test_completion_is_written_for_three_shells(run: Run) -> None:
    scripts = {shell: run("completion", shell).out for shell in ("bash", "zsh", "fish")}

    assert scripts["zsh"] == write_zsh(list_words()) and scripts["zsh"].startswith("#compdef manage.py")
    assert scripts["fish"] == write_fish(list_words()) and "-l dry-run" in scripts["fish"]
    assert "'flows apply'" not in scripts["bash"] and "' flows apply'" in scripts["bash"]
    assert ["flows", "test"] in [row["command"] for row in run("completion", "bash", "-o", "json").json]
