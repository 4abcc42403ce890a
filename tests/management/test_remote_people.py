"""`users` and `tokens` with `--remote`: the accounts of another installation, with the same rows and statuses as here."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth.models import User
from pytest_django.live_server_helper import LiveServer

from flows.models import ApiToken, Binding
from tests.management.conftest import Run

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct-Horse-7-battery"


@pytest.fixture
def server(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an installation on the database of the test, which has the owner olive."""
    User.objects.create_superuser("olive@example.org", "olive@example.org", PASSWORD)
    monkeypatch.setenv("no_proxy", "*")
    for name in ("ORCH_URL", "ORCH_USER", "ORCH_PASSWORD", "ORCH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return str(live_server.url)


@pytest.fixture
def remote(run: Run, server: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command through the API, as olive, with a new password on standard input."""

    def run_there(*arguments: str) -> object:
        monkeypatch.setattr("sys.stdin", io.StringIO("another-Horse-8-battery\n"))
        return run(*arguments, "--remote", server, "--user", f"olive@example.org:{PASSWORD}")

    return run_there  # type: ignore[return-value]


@pytest.fixture
def ada(remote: Run) -> str:
    """A person with a role in a namespace and a group."""
    assert remote("users", "groups", "engineers", "--create").status == 0
    made = remote(
        "users", "create", "ada@example.org", "--first-name", "Ada", "--group", "engineers", "--role", "editor", "-n", "company"
    )
    assert made.status == 0, made.err
    return "ada@example.org"


@pytest.mark.parametrize("words", [["list"], ["list", "-q", "ada"], ["roles"], ["groups"]], ids=" ".join)
def test_lists_are_the_same_through_the_api(run: Run, remote: Run, ada: str, words: list[str]) -> None:
    remote("users", "grant", "engineers", "viewer", "--to-group")
    remote("users", "service-account", "deploy-bot", "--description", "Ships")

    here, there = run("users", *words, "-o", "json"), remote("users", *words, "-o", "json")

    assert (there.status, there.json) == (0, here.json)


def test_a_person_is_made_with_role_group_and_password(remote: Run, ada: str) -> None:
    (row,) = remote("users", "list", "-q", "ada", "-o", "json").json

    assert (row["name"], row["roles"], row["groups"], row["state"]) == (ada, "editor@company", "engineers", "active")
    assert User.objects.get(username=ada).check_password("another-Horse-8-battery")


def test_an_account_is_disabled_enabled_signed_out_and_deleted(remote: Run, ada: str) -> None:
    shut = remote("users", "disable", ada, "-o", "json").json
    opened = remote("users", "enable", ada, "-o", "json").json
    statuses = [remote("users", word, ada).status for word in ("password", "sign-out", "second-factor-off")]
    deleted = remote("users", "delete", ada, "--yes")

    assert (shut[0]["state"], opened[0]["state"], statuses, deleted.status) == ("disabled", "active", [0, 0, 0], 0)
    assert not User.objects.filter(username=ada).exists()


def test_roles_are_given_and_taken(remote: Run, ada: str) -> None:
    given = remote("users", "grant", ada, "viewer", "-n", "other", "-o", "json")
    taken = remote("users", "revoke", ada, "viewer", "-n", "other")

    assert given.json == [{"who": ada, "role": "viewer", "namespace": "other", "given_by": "olive@example.org"}]
    assert (taken.status, remote("users", "revoke", ada, "viewer", "-n", "other").status) == (0, 3)
    assert [row.role_id for row in Binding.objects.filter(user__username=ada)] == ["editor"]


def test_groups_are_filled_and_deleted(remote: Run, ada: str) -> None:
    left = remote("users", "groups", "engineers", "--remove", ada, "--add", "olive@example.org", "-o", "json").json

    assert left == [{"group": "engineers", "roles": "", "members": "olive@example.org"}]
    assert remote("users", "groups", "engineers", "--delete").status == 0
    assert remote("users", "groups", "engineers").status == 3


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["disable", "nobody@example.org"], 3),
        (["grant", "nobody@example.org", "viewer"], 3),
        (["create", "ada@example.org", "--role", "nothing"], 3),
        (["create", "no address"], 1),
        (["disable", "olive@example.org"], 4),
        (["delete", "olive@example.org", "--yes"], 4),
    ],
)
def test_faults_have_the_same_status_as_here(run: Run, remote: Run, words: list[str], status: int) -> None:
    there = remote("users", *words)

    assert (there.status, bool(there.err)) == (status, True)
    assert not User.objects.exclude(username="olive@example.org").exists()


def test_tokens_of_people_and_service_accounts_are_made_and_revoked(run: Run, remote: Run, ada: str, server: str) -> None:
    assert remote("users", "service-account", "deploy-bot").status == 0
    for name in (ada, "deploy-bot"):
        made = remote("tokens", "create", "--name", "ci", "--account", name, "-o", "json")
        listed = remote("tokens", "list", "--account", name, "-o", "json").json

        assert made.status == 0, made.err
        assert [row["name"] for row in listed] == ["ci"]
        assert ApiToken.objects.get().user.username == name
        assert run("flows", "list", "--remote", server, "--token", made.json["token"]).status == 0
        assert remote("tokens", "revoke", "ci", "--account", name, "--yes").status == 0
        assert not ApiToken.objects.exists()


def test_nobody_makes_a_token_for_an_account_with_more_rights(run: Run, remote: Run, ada: str, server: str) -> None:
    remote("users", "grant", ada, "admin", "-n", "company")

    answer = run(
        "tokens", "create", "--name", "ci", "--account", "olive@example.org",
        "--remote", server, "--user", f"{ada}:another-Horse-8-battery",
    )  # fmt: skip

    assert (answer.status, ApiToken.objects.exists()) == (4, False)
