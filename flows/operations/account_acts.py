"""What every change of accounts, groups and roles begins with: whose account it is, who may touch it, who must remain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from flows.models import Account, AuditEntry, Binding, Role, UserSession
from flows.operations.acts import Act, act, record
from flows.primitives.callers import CallerKind, current_caller
from flows.primitives.errors import ConflictError, ForbiddenError
from flows.primitives.rights import (
    ALL_PERMISSIONS,
    EVERYWHERE,
    Action,
    Grant,
    Permission,
    Resource,
    as_permissions,
    is_within,
)

OWNER = "owner"
"""The built-in role without which nobody could give rights any more."""

_LOCK_NUMBER = 0x43454C4F


@contextmanager
def act_on_account(user: User, what: str, *, action: Action = Action.UPDATE) -> Iterator[Act]:
    """
    Let the block change an account, and write one row of the audit log.

    A person changes the own account without a right to people; somebody else needs that right, and every right that the
    account has, so that nobody climbs by taking over an account.

    Raises:
        ForbiddenError: the caller may not, or is an API token that would change the account it stands for.

    Source: security, S-02 and S-34.
    """
    caller = current_caller()
    if caller.user_id != user.pk or caller.kind is CallerKind.PLATFORM:
        with act(what, action, Resource.USER, object_id=user.get_username()) as doing:
            check_rank(user)
            yield doing
        return
    if caller.token:
        raise ForbiddenError(
            "An API token cannot change the account that it stands for. Sign in with the password.", code="token-changes-account"
        )
    doing = Act(user.get_username())
    with transaction.atomic():
        yield doing
        record(what, action, Resource.USER, EVERYWHERE, doing, AuditEntry.Result.DONE)


def check_rank(user: User) -> None:
    """Raise ForbiddenError when an account has a right that the caller does not have."""
    for grant in list_grants_of(user):
        check_covers(grant.permissions, grant.namespace)


def list_grants_of(user: User) -> list[Grant]:
    """Return what an account was given by its bindings and by those of its groups."""
    if user.is_superuser:
        return [Grant(EVERYWHERE, ALL_PERMISSIONS)]
    rows = Binding.objects.filter(Q(user=user) | Q(group__user=user)).select_related("role").distinct()
    return [Grant(row.namespace, permissions_of(row.role)) for row in rows]


def permissions_of(role: Role) -> frozenset[Permission]:
    """Return the permissions of a stored role; words of a later version are left out."""
    known = {
        resource: [action for action in actions if action in set(Action)]
        for resource, actions in dict(role.permissions).items()
        if resource in set(Resource)
    }
    return as_permissions(known)


def covers(grants: Iterable[Grant], permissions: Iterable[Permission], namespace: str) -> bool:
    """Tell whether grants hold every permission in a namespace and all below it."""
    held = [grant.permissions for grant in grants if is_within(namespace, grant.namespace)]
    return all(any(permission in each for each in held) for permission in permissions)


def check_covers(permissions: frozenset[Permission], namespace: str) -> None:
    """Raise ForbiddenError when the caller lacks one of the permissions in a namespace: nobody gives more than they have."""
    if covers(current_caller().grants, permissions, namespace):
        return
    where = f'the namespace "{namespace}"' if namespace else "the whole installation"
    raise ForbiddenError(
        f"This concerns rights in {where} that you do not have yourself. Ask somebody who has them, for example an owner.",
        code="beyond-own-rights",
    )


def list_owners() -> list[str]:
    """Return the names of the people who can sign in and may do everything."""
    everywhere = Q(bindings__role_id=OWNER, bindings__namespace="") | Q(
        groups__bindings__role_id=OWNER, groups__bindings__namespace=""
    )
    people = User.objects.filter(Q(is_superuser=True) | everywhere, is_active=True)
    people = people.exclude(account__kind=Account.Kind.SERVICE).distinct()
    return sorted(people.values_list("username", flat=True))


@contextmanager
def owner_remains() -> Iterator[None]:
    """
    Let the block take rights away, and undo it when no owner would be left. Blocks of several callers take turns.

    Raises:
        ConflictError: the last owner would be gone.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(%s)", [_LOCK_NUMBER])
        before = list_owners()
        yield
        if before and not list_owners():
            raise ConflictError(
                f'"{before[0]}" is the last owner of this installation. Make somebody else an owner first.', code="last-owner"
            )


def note_changed_rights(users: Iterable[int]) -> None:
    """
    Give the browsers of these accounts a new session key with their next request. Rights themselves are read anew with every
    request, so a lost one is gone at once.

    Source: security, S-07.
    """
    UserSession.objects.filter(user_id__in=list(users), ends_at__gt=Now()).update(must_rotate=True)
