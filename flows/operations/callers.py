"""Who stands behind a signed-in user, a token or a command: the caller with everything that it may do, read at the door."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, User
from django.db.models import Q, Subquery

from flows.models import Account, ApiToken, Binding, UserSession
from flows.operations.session_store import digest_of
from flows.primitives.callers import PLATFORM, Caller, CallerKind, Door
from flows.primitives.rights import (
    ALL_PERMISSIONS,
    EVERYWHERE,
    READING,
    Action,
    Grant,
    Permission,
    Resource,
    narrow_grants,
)

_EVERYTHING = (Grant(EVERYWHERE, ALL_PERMISSIONS),)
_KNOWN = {(resource.value, action.value): (resource, action) for resource in Resource for action in Action}


def caller_of(user: AbstractBaseUser, *, door: Door, token: ApiToken | None = None, address: str = "") -> Caller:
    """
    Return the caller that a signed-in user is, with the rights of today. One statement; none for who may do everything.

    Args:
        token: the API token that was sent instead of a password; it narrows the rights of its person and never adds any.
        address: network address, for the audit log.

    Source: security, S-02 and S-09.
    """
    kind = CallerKind.PERSON
    grants: tuple[Grant, ...] = ()
    if user.is_active and getattr(user, "is_superuser", False):
        grants = _EVERYTHING
    elif user.is_active:
        kind, grants = _read_grants(user)
    if token is not None:
        permissions = ALL_PERMISSIONS if token.can_write else READING
        grants = narrow_grants(grants, namespaces=token.namespaces, permissions=permissions)
    return Caller(
        name=user.get_username(),
        kind=kind,
        door=door,
        grants=grants,
        token=token.name if token is not None else "",
        address=address,
        user_id=user.pk,
    )


def _read_grants(user: AbstractBaseUser) -> tuple[CallerKind, tuple[Grant, ...]]:
    kind_of_account = Account.objects.filter(user_id=user.pk).values("kind")
    held = Binding.objects.filter(Q(user_id=user.pk) | Q(group__user=user.pk)).order_by()
    rows = held.values_list("namespace", "role__permissions", Subquery(kind_of_account))
    found = list(rows.distinct())
    is_service = any(kind == Account.Kind.SERVICE for _, _, kind in found)
    grants = tuple(Grant(namespace, read_permissions(table)) for namespace, table, _ in found)
    return (CallerKind.SERVICE if is_service else CallerKind.PERSON), grants


def read_permissions(table: Mapping[str, Any]) -> frozenset[Permission]:
    """Return the permissions of a stored role; words that only another version knows are left out."""
    pairs = ((resource, action) for resource, actions in table.items() for action in actions)
    return frozenset(_KNOWN[pair] for pair in pairs if pair in _KNOWN)


def renew_caller(caller: Caller, *, session_key: str = "", at: datetime) -> Caller | None:
    """
    Return a caller with the rights of now, or None when the account, the token or the session is gone. For what stays open.

    Source: security, S-42.
    """
    user = User.objects.filter(pk=caller.user_id, is_active=True).first() if caller.user_id is not None else None
    if user is None:
        return None
    token = None
    if caller.token:
        token = find_token_of(caller, at=at)
        if token is None:
            return None
    if session_key and not UserSession.objects.filter(pk=digest_of(session_key), ends_at__gt=at).exists():
        return None
    return caller_of(user, door=caller.door, token=token, address=caller.address)


def find_token_of(caller: Caller, *, at: datetime) -> ApiToken | None:
    """Return the API token with which a caller came, or None when it came without one or the token is gone."""
    if not caller.token:
        return None
    return ApiToken.objects.filter(user_id=caller.user_id or 0, name=caller.token, expires_at__gt=at).first()


def command_caller() -> Caller:
    """Return who runs a command: the platform, because a shell on the server may do everything, under the name of its user."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return Caller(name, CallerKind.PLATFORM, Door.COMMAND, PLATFORM.grants)
