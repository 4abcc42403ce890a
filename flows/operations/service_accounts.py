"""Accounts of programs: without a password, with tokens only, apart from people."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import User

from flows.models import Account
from flows.operations.account_acts import act_on_account
from flows.operations.account_rows import account_of
from flows.operations.accounts import LONGEST_DESCRIPTION, insert_user, join_groups
from flows.operations.acts import act
from flows.primitives.errors import ConflictError, InvalidError
from flows.primitives.rights import Action, Resource

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_LONGEST_NAME = 63


def create_service_account(name: str, *, description: str = "", groups: Iterable[str] = (), at: datetime) -> User:
    """
    Make an account for a program. It can do nothing until it gets a role and a token.

    Args:
        name: small letters, digits and single dashes, beginning with a letter; never like an e-mail address.

    Raises:
        InvalidError: a name that cannot be.
        ConflictError: the name is taken.

    Source: security, S-09.
    """
    name = _check_name(name)
    with act("service-account.create", Action.CREATE, Resource.USER, object_id=name) as doing:
        user = User(username=name)
        user.set_unusable_password()
        insert_user(user, Account.Kind.SERVICE, description=_check_description(description), at=at)
        join_groups(user, groups)
        doing.after = {"name": name, "groups": sorted(groups)}
    return user


def update_service_account(user: User, *, name: str | None = None, description: str | None = None) -> None:
    """Change the name or description of a service account. Errors as `create_service_account`."""
    account = account_of(user)
    if account.kind != Account.Kind.SERVICE:
        raise ConflictError(f'"{user.username}" is a person, no service account.', code="service-account")
    with act_on_account(user, "service-account.update") as doing:
        doing.before = {"name": user.username, "description": account.description}
        if name is not None and (new := _check_name(name)) != user.username:
            if User.objects.filter(username__iexact=new).exists():
                raise ConflictError(f'There is an account "{new}" already.', code="account-exists")
            user.username = new
            user.save(update_fields=["username"])
        if description is not None:
            account.description = _check_description(description)
            account.save(update_fields=["description"])
        doing.after = {"name": user.username, "description": account.description}


def _check_name(name: str) -> str:
    name = name.strip()
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise InvalidError(
            "A service account is named by small letters and digits with single dashes between them, beginning with a letter, "
            f'at most {_LONGEST_NAME}; got "{name[:80]}".',
            code="account-name",
        )
    return name


def _check_description(text: str) -> str:
    if len(text) > LONGEST_DESCRIPTION or "\0" in text:
        raise InvalidError(f"A description has at most {LONGEST_DESCRIPTION} characters.", code="account-text")
    return text.strip()
