"""Accounts of people: made, renamed, disabled, deleted. Programs: `service_accounts.py`; groups: `groups.py`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q

from flows.models import Account
from flows.operations.account_acts import act_on_account, check_rank, note_changed_rights, owner_remains
from flows.operations.account_rows import account_of
from flows.operations.acts import act, check_right
from flows.operations.groups import check_covers_group, get_group
from flows.operations.passwords import check_password_strength
from flows.operations.sessions import end_sessions
from flows.primitives.callers import current_caller
from flows.primitives.errors import ConflictError, InvalidError
from flows.primitives.rights import Action, Resource

LONGEST_NAME = 150
LONGEST_DESCRIPTION = 2000


def create_person(
    name: str,
    *,
    password: str = "",
    first_name: str = "",
    last_name: str = "",
    groups: Iterable[str] = (),
    must_use_mfa: bool = False,
    at: datetime,
) -> User:
    """
    Make an account for a person.

    Args:
        name: an e-mail address; it is what the person signs in with, in any letter case.
        password: none for somebody who signs in through a provider only.
        groups: names of groups to join.

    Raises:
        InvalidError: no e-mail address, or a weak password.
        ConflictError: the name is taken.
        ForbiddenError: the caller may not, or has fewer rights than one of the groups.

    Source: security, S-06.
    """
    name = normalise_name(name)
    with act("account.create", Action.CREATE, Resource.USER, object_id=name) as doing:
        user = User(username=name, email=name, first_name=_short(first_name), last_name=_short(last_name))
        if password:
            check_password_strength(password, user)
            user.set_password(password)
        else:
            user.set_unusable_password()
        insert_user(user, Account.Kind.PERSON, must_use_mfa=must_use_mfa, at=at)
        join_groups(user, groups)
        doing.after = {"name": name, "groups": sorted(groups), "mustUseMfa": must_use_mfa}
    return user


def normalise_name(text: str) -> str:
    """Return an e-mail address as it is stored: trimmed, composed, in small letters. Raises InvalidError."""
    name = unicodedata.normalize("NFKC", text).strip().lower()
    try:
        validate_email(name)
    except ValidationError as error:
        raise InvalidError(
            f'A person is named by an e-mail address such as ada@example.org; got "{text[:80]}".', code="account-name"
        ) from error
    if len(name) > LONGEST_NAME or not name.isascii():
        raise InvalidError(f"An e-mail address has at most {LONGEST_NAME} plain letters.", code="account-name")
    return name


def _short(text: str) -> str:
    if len(text) > LONGEST_NAME or "\0" in text:
        raise InvalidError(f"A name has at most {LONGEST_NAME} characters.", code="account-text")
    return text.strip()


def insert_user(user: User, kind: str, *, must_use_mfa: bool = False, description: str = "", at: datetime) -> Account:
    """Store a new user with its account. Raises ConflictError when the name is taken in any letter case."""
    if User.objects.filter(username__iexact=user.username).exists():
        raise ConflictError(f'There is an account "{user.username}" already.', code="account-exists")
    try:
        with transaction.atomic():
            user.date_joined = at
            user.save(force_insert=True)
            return Account.objects.create(
                user=user,
                kind=kind,
                must_use_mfa=must_use_mfa,
                description=description[:LONGEST_DESCRIPTION],
                created_by=current_caller().name,
                created_at=at,
            )
    except IntegrityError as error:
        raise ConflictError(f'There is an account "{user.username}" already.', code="account-exists") from error


def join_groups(user: User, names: Iterable[str]) -> None:
    """Add a new account to groups. Raises NotFoundError for an unknown one, ForbiddenError beyond the caller's rights."""
    for name in names:
        group = get_group(name)
        check_covers_group(group)
        user.groups.add(group)


def update_person(
    user: User,
    *,
    name: str | None = None,
    first_name: str | None = None,
    last_name: str | None = None,
    must_use_mfa: bool | None = None,
) -> None:
    """
    Change the given facts of an account. A person changes the own first and last name; the rest needs the right to people.

    Raises:
        InvalidError, ConflictError, ForbiddenError: as `create_person`.
    """
    before = {"name": user.username, "firstName": user.first_name, "lastName": user.last_name}
    if (name is not None or must_use_mfa is not None) and current_caller().user_id == user.pk:
        # Even an own account keeps its name and its rules until somebody with the right to people changes them.
        with act("account.update", Action.UPDATE, Resource.USER, object_id=user.username) as doing:
            doing.before, doing.after = before, _change(user, name, first_name, last_name, must_use_mfa)
        return
    with act_on_account(user, "account.update") as doing:
        doing.before, doing.after = before, _change(user, name, first_name, last_name, must_use_mfa)


def _change(
    user: User, name: str | None, first_name: str | None, last_name: str | None, must_use_mfa: bool | None
) -> dict[str, object]:
    if name is not None and (new := normalise_name(name)) != user.username:
        if User.objects.filter(username__iexact=new).exclude(pk=user.pk).exists():
            raise ConflictError(f'There is an account "{new}" already.', code="account-exists")
        user.username = user.email = new
    user.first_name = user.first_name if first_name is None else _short(first_name)
    user.last_name = user.last_name if last_name is None else _short(last_name)
    user.save(update_fields=["username", "email", "first_name", "last_name"])
    after: dict[str, object] = {"name": user.username, "firstName": user.first_name, "lastName": user.last_name}
    if must_use_mfa is not None:
        account = account_of(user)
        account.must_use_mfa = must_use_mfa
        account.save(update_fields=["must_use_mfa"])
        after["mustUseMfa"] = must_use_mfa
    return after


def disable_account(user: User) -> None:
    """
    Shut an account out at once: sessions end, its password and tokens are refused. Nothing is lost. Idempotent.

    Raises:
        ConflictError: the last owner.
    """
    _switch(user, is_active=False)


def enable_account(user: User) -> None:
    """Let a disabled account in again. Idempotent."""
    _switch(user, is_active=True)


def _switch(user: User, *, is_active: bool) -> None:
    if user.is_active == is_active:
        return
    word = "enable" if is_active else "disable"
    with act_on_account(user, f"account.{word}") as doing, owner_remains():
        user.is_active = is_active
        user.save(update_fields=["is_active"])
        if not is_active:
            end_sessions(user)
        doing.before, doing.after = {"disabled": is_active}, {"disabled": not is_active}


def delete_account(user: User) -> None:
    """
    Delete an account with its tokens, sessions and bindings. What it did stays in histories and in the audit log.

    Raises:
        ConflictError: the last owner.
    """
    with act_on_account(user, "account.delete", action=Action.DELETE) as doing, owner_remains():
        doing.before = {"name": user.username, "groups": sorted(group.name for group in user.groups.all())}
        # By a query, so that the object keeps its id when the deletion is undone.
        User.objects.filter(pk=user.pk).delete()


def set_staff(user: User, *, is_staff: bool) -> None:
    """
    Let an account enter the admin site, or not; what it sees there follows from its roles. Idempotent.

    Raises:
        ForbiddenError: the caller lacks the right to people, or a right that the account has.

    Source: security, S-44.
    """
    if user.is_staff == is_staff:
        return
    with act("account.set-staff", Action.UPDATE, Resource.USER, object_id=user.get_username()) as doing:
        check_rank(user)
        doing.before, doing.after = {"staff": user.is_staff}, {"staff": is_staff}
        user.is_staff = is_staff
        user.save(update_fields=["is_staff"])
        note_changed_rights([user.pk])


def leave_superusers(user: User) -> None:
    """Take the mark of a superuser from an account, which keeps what its roles give. Raises ConflictError: the last owner."""
    with act_on_account(user, "account.demote"), owner_remains():
        user.is_superuser = user.is_staff = False
        user.save(update_fields=["is_superuser", "is_staff"])
        note_changed_rights([user.pk])


def list_people(*, query: str = "", kind: str = Account.Kind.PERSON) -> list[User]:
    """Return accounts of one kind by name, each with its account and groups. Raises ForbiddenError without the right."""
    check_right(Action.READ, Resource.USER)
    rows = User.objects.select_related("account").prefetch_related("groups", "bindings__role")
    is_service = Q(account__kind=Account.Kind.SERVICE)
    rows = rows.filter(is_service if kind == Account.Kind.SERVICE else ~is_service)
    if query:
        rows = rows.filter(username__icontains=query.replace("\0", ""))
    return list(rows.order_by("username"))


def list_groups_of(user: User) -> list[Group]:
    """Return the groups of an account by name."""
    return list(user.groups.order_by("name"))
