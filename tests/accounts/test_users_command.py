"""`manage.py users`: people and roles from the server itself."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth.models import User

from flows.models import Account, Binding
from flows.operations import second_factor
from tests.accounts.conftest import PASSWORD
from tests.management.conftest import Run, run  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input with one password on it."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))


def test_a_person_is_made_with_a_role_and_a_password_from_standard_input(run: Run) -> None:  # noqa: F811
    answer = run("users", "create", "ada@example.org", "--role", "editor", "-n", "company.team")
    listed = run("users", "list", "-o", "json").json

    assert answer.status == 0, answer.err
    assert User.objects.get().check_password(PASSWORD) and PASSWORD not in answer.out + answer.err
    assert [(row["name"], row["roles"]) for row in listed] == [("ada@example.org", "editor@company.team")]


def test_a_weak_password_makes_no_account(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))

    assert run("users", "create", "ada@example.org").status == 1
    assert not User.objects.exists()


def test_an_unknown_role_makes_no_account(run: Run) -> None:  # noqa: F811
    assert run("users", "create", "ada@example.org", "--role", "nothing").status == 3
    assert not User.objects.exists()


def test_who_is_locked_out_gets_in_again(run: Run, charlie: User) -> None:  # noqa: F811
    secret = second_factor.make_secret()
    Account.objects.filter(user=charlie).update(mfa_secret=second_factor.seal_secret(charlie, secret))
    User.objects.filter(pk=charlie.pk).update(is_active=False)
    statuses = [
        run("users", "enable", charlie.username).status,
        run("users", "second-factor-off", charlie.username).status,
        run("users", "password", charlie.username).status,
        run("users", "grant", charlie.username, "owner").status,
    ]

    charlie.refresh_from_db()
    assert statuses == [0, 0, 0, 0]
    assert charlie.is_active and not second_factor.is_enabled(User.objects.get(pk=charlie.pk))
    assert Binding.objects.filter(user=charlie, role_id="owner", namespace="").exists()


def test_roles_are_given_to_groups_and_taken_again(run: Run, charlie: User) -> None:  # noqa: F811
    run("users", "groups", "engineers", "--create", "--add", charlie.username)
    given = run("users", "grant", "engineers", "viewer", "-n", "company", "--to-group")
    taken = run("users", "revoke", "engineers", "viewer", "-n", "company", "--to-group")
    missing = run("users", "revoke", "engineers", "viewer", "-n", "company", "--to-group")

    assert (given.status, taken.status, missing.status) == (0, 0, 3)
    assert charlie.username in run("users", "groups").out


def test_the_last_owner_is_kept_by_commands_too(run: Run, olive: User) -> None:  # noqa: F811
    assert run("users", "disable", olive.username).status == 4
    assert run("users", "delete", olive.username, "--yes").status == 4
    assert run("users", "revoke", olive.username, "owner").status == 4


def test_a_service_account_gets_a_token(run: Run) -> None:  # noqa: F811
    assert run("users", "service-account", "deploy-bot", "--description", "Ships").status == 0

    assert run("tokens", "create", "--user", "deploy-bot", "--name", "ci").status == 0


def test_accounts_are_disabled_signed_out_and_deleted(run: Run, olive: User, charlie: User) -> None:  # noqa: F811
    statuses = [run("users", word, charlie.username).status for word in ("disable", "sign-out")]

    assert statuses == [0, 0]
    assert run("users", "delete", charlie.username).status == 2
    assert run("users", "delete", charlie.username, "--yes").status == 0
    assert run("users", "roles").status == 0
