"""
Roles: named sets of permissions. The built-in ones are written after each migration, so that an upgrade brings what a new
version permits; owners add roles of their own. Giving a role to somebody: `bindings.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Count, ProtectedError, Q
from django.utils import timezone

from flows.models import Binding, Role
from flows.operations.account_acts import check_covers, note_changed_rights, permissions_of
from flows.operations.acts import act, check_right
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.primitives.ids import new_id
from flows.primitives.rights import BUILT_IN_ROLES, EVERYWHERE, Action, Permission, Resource, as_permissions

LONGEST_DESCRIPTION = 2000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class RoleNotFoundError(NotFoundError):
    """There is no role of this name."""

    code = "role-not-found"


def write_built_in_roles(**_: Any) -> None:
    """Store the built-in roles, or bring them up to date. A receiver of the signal `post_migrate`."""
    at = timezone.now()
    rows = [
        Role(
            id=name,
            name=name,
            description=description,
            permissions={resource.value: sorted(actions) for resource, actions in table.items()},
            is_built_in=True,
            created_at=at,
            updated_at=at,
        )
        for name, (description, table) in BUILT_IN_ROLES.items()
    ]
    Role.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["id"], update_fields=["name", "description", "permissions", "updated_at"]
    )


def get_role(name: str) -> Role:
    """Return a role by its name or id. Raises RoleNotFoundError."""
    role = Role.objects.filter(Q(name=name) | Q(id=name)).order_by("-is_built_in").first() if "\0" not in name else None
    if role is None:
        raise RoleNotFoundError(f'There is no role "{name[:80]}".')
    return role


def list_roles(*, query: str = "") -> list[Role]:
    """Return roles, built-in ones first, each with `binding_count`. Raises ForbiddenError without the right."""
    check_right(Action.READ, Resource.USER)
    rows = Role.objects.annotate(binding_count=Count("bindings"))
    if query:
        rows = rows.filter(name__icontains=query.replace("\0", ""))
    order = {name: number for number, name in enumerate(BUILT_IN_ROLES)}
    return sorted(rows, key=lambda role: (order.get(role.name, len(order)), role.name))


def create_role(name: str, *, permissions: Mapping[str, Iterable[str]], description: str = "", at: datetime) -> Role:
    """
    Make a role of one's own.

    Args:
        name: small letters, digits, dots, dashes and underscores, at most 63.
        permissions: actions by resource, in the words of `flows/primitives/rights.py`.

    Raises:
        InvalidError: a name or permission that cannot be.
        ConflictError: the name is taken.
        ForbiddenError: the caller may not, or lacks one of the permissions.
    """
    name, wanted = _check_name(name), _read_permissions(permissions)
    with act("role.create", Action.CREATE, Resource.USER, object_id=name) as doing:
        check_covers(wanted, EVERYWHERE)
        if Role.objects.filter(Q(name=name) | Q(id=name)).exists():
            raise _taken(name)
        table = _write_permissions(wanted)
        doing.after = {"permissions": table}
        row = Role(id=new_id(), name=name, description=_check_description(description), permissions=table)
        row.created_at = row.updated_at = at
        _store(row)
    return row


def update_role(
    role: Role,
    *,
    name: str | None = None,
    permissions: Mapping[str, Iterable[str]] | None = None,
    description: str | None = None,
    at: datetime,
) -> None:
    """
    Change a role of one's own for everybody who has it.

    Raises:
        ConflictError: a built-in role, or the name is taken.
        ForbiddenError: the caller lacks a permission that the role has or will have.
    """
    with act("role.update", Action.UPDATE, Resource.USER, object_id=role.name) as doing:
        _refuse_built_in(role)
        check_covers(permissions_of(role), EVERYWHERE)
        doing.before = {"name": role.name, "permissions": role.permissions}
        if name is not None and (new := _check_name(name)) != role.name:
            if Role.objects.filter(Q(name=new) | Q(id=new)).exclude(pk=role.pk).exists():
                raise _taken(new)
            role.name = new
        if description is not None:
            role.description = _check_description(description)
        if permissions is not None:
            wanted = _read_permissions(permissions)
            check_covers(wanted, EVERYWHERE)
            role.permissions = _write_permissions(wanted)
        role.updated_at = at
        _store(role)
        doing.after = {"name": role.name, "permissions": role.permissions}
        note_changed_rights(list_users_of(role))


def delete_role(role: Role) -> None:
    """Delete a role of one's own. Raises ConflictError when it is built in, or somebody still has it."""
    with act("role.delete", Action.DELETE, Resource.USER, object_id=role.name) as doing:
        _refuse_built_in(role)
        doing.before = {"permissions": role.permissions}
        try:
            with transaction.atomic():
                Role.objects.filter(pk=role.pk).delete()
        except ProtectedError as error:
            count = Binding.objects.filter(role=role).count()
            raise ConflictError(
                f'The role "{role.name}" is given {count} time{"" if count == 1 else "s"}. Take it from everybody first.',
                code="role-in-use",
            ) from error


def list_users_of(role: Role) -> list[int]:
    """Return the ids of the accounts that have a role, by themselves or by a group."""
    return list(
        User.objects.filter(Q(bindings__role=role) | Q(groups__bindings__role=role)).distinct().values_list("pk", flat=True)
    )


def _refuse_built_in(role: Role) -> None:
    if role.is_built_in:
        raise ConflictError(f'The role "{role.name}" is built in. Copy it, and change the copy.', code="role-built-in")


def _taken(name: str) -> ConflictError:
    return ConflictError(f'There is a role "{name}" already.', code="role-exists")


def _store(row: Role) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise _taken(row.name) from error


def _check_name(name: str) -> str:
    name = name.strip()
    if not _NAME.fullmatch(name):
        raise InvalidError(
            f'A role is named by small letters, digits, dots, dashes and underscores, at most 63; got "{name[:80]}".',
            code="role-name",
        )
    return name


def _check_description(text: str) -> str:
    if len(text) > LONGEST_DESCRIPTION or "\0" in text:
        raise InvalidError(f"A description has at most {LONGEST_DESCRIPTION} characters.", code="account-text")
    return text.strip()


def _read_permissions(table: Mapping[str, Iterable[str]]) -> frozenset[Permission]:
    try:
        return as_permissions(table)
    except ValueError as error:
        resources, actions = ", ".join(Resource), ", ".join(Action)
        raise InvalidError(
            f"A role cannot permit this: {error}. Resources are {resources}; actions are {actions}.", code="role-permission"
        ) from error


def _write_permissions(permissions: frozenset[Permission]) -> dict[str, list[str]]:
    return {
        resource.value: [action.value for action in Action if (resource, action) in permissions]
        for resource in Resource
        if any((resource, action) in permissions for action in Action)
    }
