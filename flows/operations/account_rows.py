"""Finding a user, and what we keep of it besides: its account."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User

from flows.models import Account
from flows.primitives.errors import NotFoundError


class AccountNotFoundError(NotFoundError):
    """There is no account of this name."""

    code = "account-not-found"


def get_user(name: str, *, kind: str | None = None) -> User:
    """
    Return an account by its id or its name.

    Args:
        kind: `PERSON` or `SERVICE` where only that will do.

    Raises:
        AccountNotFoundError: there is none.
    """
    rows = User.objects.select_related("account")
    user = rows.filter(username=name).first() if "\0" not in name else None
    if user is None and name.isascii() and name.isdigit() and len(name) < 10:
        user = rows.filter(pk=int(name)).first()
    if user is None or (kind is not None and account_of(user).kind != kind):
        what = "service account" if kind == Account.Kind.SERVICE else "account"
        raise AccountNotFoundError(f'There is no {what} "{name[:80]}".')
    return user


def account_of(user: User, *, at: datetime | None = None) -> Account:
    """Return what we keep of a user; users that came in by other doors get it here."""
    try:
        return user.account
    except Account.DoesNotExist:
        account, _ = Account.objects.get_or_create(user=user, defaults={"created_at": at or user.date_joined})
        return account
