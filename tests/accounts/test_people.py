"""Accounts of people and programs: made, changed, shut out, deleted, and by whom."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from flows.models import Account, ApiToken, AuditEntry
from flows.operations import accounts, bindings, groups, passwords, roles, service_accounts, tokens
from flows.operations.account_rows import account_of
from flows.primitives.callers import Caller, CallerKind, Door, acting_as
from flows.primitives.errors import ConflictError, ForbiddenError, InvalidError
from tests.accounts.conftest import AT, PASSWORD, As, make_person

pytestmark = pytest.mark.django_db


def test_an_owner_makes_an_account_and_it_is_in_the_audit_log(olive: User, acting: As) -> None:
    with acting(olive):
        user = accounts.create_person("  Ada@Example.ORG ", password=PASSWORD, at=AT)

    entry = AuditEntry.objects.get(what="account.create", who="olive@example.org")
    assert (user.username, user.check_password(PASSWORD)) == ("ada@example.org", True)
    assert (entry.object_id, PASSWORD in str(entry.after)) == ("ada@example.org", False)


@pytest.mark.parametrize("name", ["ada", "ada@", "ada@example.org\0", "ädä@example.org", "a" * 150 + "@example.org", ""])
def test_a_person_is_named_by_an_email_address(olive: User, acting: As, name: str) -> None:
    with acting(olive), pytest.raises(InvalidError):
        accounts.create_person(name, password=PASSWORD, at=AT)


def test_names_differ_by_more_than_their_capitals(olive: User, acting: As) -> None:
    with acting(olive):
        accounts.create_person("ada@example.org", at=AT)
        with pytest.raises(ConflictError):
            accounts.create_person("ADA@example.org", at=AT)


@pytest.mark.parametrize("password", ["short-Pass1", "password1234", "unexpectable@example"])
def test_a_weak_password_is_refused(olive: User, acting: As, password: str) -> None:
    """Too short, well-known, like the name."""
    with acting(olive), pytest.raises(InvalidError) as caught:
        accounts.create_person("unexpectable@example.org", password=password, at=AT)

    assert caught.value.code == "password-weak"


def test_a_password_needs_no_special_letters(olive: User, acting: As) -> None:
    with acting(olive):
        user = accounts.create_person("ada@example.org", password="correct horse battery", at=AT)

    assert user.has_usable_password()


def test_whoever_has_no_right_to_people_makes_none(alice: User, acting: As) -> None:
    with acting(alice), pytest.raises(ForbiddenError):
        accounts.create_person("ada@example.org", at=AT)

    denied = AuditEntry.objects.get(what="account.create", who="alice@example.org")
    assert denied.result == AuditEntry.Result.DENIED


def test_a_disabled_account_loses_sessions_tokens_and_password_at_once(olive: User, alice: User, acting: As) -> None:
    browser = Client()
    browser.force_login(alice)
    with acting(alice):
        token = tokens.create_token(alice, name="ci", at=AT)
    with acting(olive):
        accounts.disable_account(alice)

    assert browser.get("/ui/account").status_code == 302
    answer = Client(headers={"authorization": f"Bearer {token.text}"}).get("/api/v1/me")
    assert answer.status_code in (401, 403)
    assert not Client().login(username=alice.username, password=PASSWORD)


def test_a_deleted_account_takes_its_tokens_with_it(olive: User, alice: User, acting: As) -> None:
    with acting(alice):
        tokens.create_token(alice, name="ci", at=AT)
    with acting(olive):
        accounts.delete_account(alice)

    assert ApiToken.objects.count() == 0


@pytest.mark.parametrize("act", [accounts.disable_account, accounts.delete_account])
def test_the_last_owner_stays(olive: User, acting: As, act: object) -> None:
    assert callable(act)
    with acting(olive), pytest.raises(ConflictError) as caught:
        act(olive)

    assert caught.value.code == "last-owner"
    assert User.objects.filter(pk=olive.pk, is_active=True).exists()


def test_the_last_superuser_keeps_the_mark_until_somebody_has_the_owner_role(db: None, acting: As) -> None:
    root = User.objects.create_superuser("root@example.org", password=PASSWORD)
    with acting(root), pytest.raises(ConflictError):
        accounts.leave_superusers(root)
    make_person("olive@example.org", "owner")
    with acting(root):
        accounts.leave_superusers(root)

    assert not User.objects.get(pk=root.pk).is_superuser


def test_an_owner_may_go_when_there_is_another_one(olive: User, acting: As) -> None:
    second = make_person("second@example.org", "owner")
    with acting(second):
        accounts.delete_account(olive)

    assert not User.objects.filter(username="olive@example.org").exists()


def test_whoever_looks_after_people_cannot_take_over_an_account_with_more_rights(olive: User, uma: User, acting: As) -> None:
    with acting(uma):
        for act in (
            lambda: passwords.set_password(olive, "another long phrase"),
            lambda: accounts.update_person(olive, name="mine@example.org"),
            lambda: accounts.disable_account(olive),
            lambda: accounts.delete_account(olive),
            lambda: tokens.create_token(olive, name="mine", at=AT),
        ):
            with pytest.raises(ForbiddenError) as caught:
                act()
            assert caught.value.code == "beyond-own-rights"


def test_whoever_looks_after_people_helps_those_with_fewer_rights(uma: User, charlie: User, acting: As) -> None:
    with acting(uma):
        passwords.set_password(charlie, "another long phrase")

    charlie.refresh_from_db()
    assert charlie.check_password("another long phrase")


def test_everybody_changes_the_own_name_and_password_without_a_right(charlie: User, acting: As) -> None:
    with acting(charlie):
        accounts.update_person(charlie, first_name="Charlie")
        passwords.change_own_password(charlie, old=PASSWORD, new="another long phrase")

    charlie.refresh_from_db()
    assert (charlie.first_name, charlie.check_password("another long phrase")) == ("Charlie", True)


def test_nobody_changes_the_own_address_or_lifts_the_own_rule_without_a_right(charlie: User, acting: As) -> None:
    with acting(charlie):
        with pytest.raises(ForbiddenError):
            accounts.update_person(charlie, name="olive2@example.org")
        with pytest.raises(ForbiddenError):
            accounts.update_person(charlie, must_use_mfa=False)


def test_the_old_password_is_asked_for(charlie: User, acting: As) -> None:
    with acting(charlie), pytest.raises(ForbiddenError):
        passwords.change_own_password(charlie, old="wrong", new="another long phrase")


def test_an_owner_cannot_skip_the_old_password_of_the_own_account(olive: User, acting: As) -> None:
    with acting(olive), pytest.raises(ForbiddenError) as caught:
        passwords.set_password(olive, "another long phrase")

    assert caught.value.code == "own-password"


def test_a_token_does_not_change_the_account_that_it_stands_for(charlie: User) -> None:
    caller = Caller(charlie.username, CallerKind.PERSON, Door.API, token="ci", user_id=charlie.pk)
    with acting_as(caller):
        with pytest.raises(ForbiddenError):
            passwords.change_own_password(charlie, old=PASSWORD, new="another long phrase")
        with pytest.raises(ForbiddenError):
            tokens.create_token(charlie, name="second", at=AT)


def test_a_service_account_has_tokens_and_no_password(olive: User, acting: As) -> None:
    with acting(olive):
        robot = service_accounts.create_service_account("deploy-bot", at=AT)
        token = tokens.create_token(robot, name="ci", at=AT)
        with pytest.raises(ConflictError):
            passwords.set_password(robot, "another long phrase")

    answer = Client(headers={"authorization": f"Bearer {token.text}"}).get("/api/v1/me")
    assert answer.status_code == 200
    assert account_of(robot).kind == Account.Kind.SERVICE


@pytest.mark.parametrize("name", ["Bot", "bot@example.org", "1bot", "a--b", "", "bot\0", "ä"])
def test_a_service_account_is_never_named_like_a_person(olive: User, acting: As, name: str) -> None:
    with acting(olive), pytest.raises(InvalidError):
        service_accounts.create_service_account(name, at=AT)


def test_a_service_account_is_no_owner_that_could_remain(olive: User, acting: As) -> None:
    with acting(olive):
        robot = service_accounts.create_service_account("deploy-bot", at=AT)
        User.objects.filter(pk=robot.pk).update(is_superuser=True)
        with pytest.raises(ConflictError):
            accounts.disable_account(olive)


def test_joining_a_group_at_birth_gives_no_more_than_the_maker_has(olive: User, uma: User, acting: As) -> None:
    with acting(olive):
        group = groups.create_group("owners")
        bindings.give_role(roles.get_role("owner"), group, at=AT)
    with acting(uma), pytest.raises(ForbiddenError):
        accounts.create_person("ada@example.org", groups=["owners"], at=AT)

    assert not User.objects.filter(username="ada@example.org").exists()
