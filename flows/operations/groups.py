"""Groups of accounts, which are given roles together."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction
from django.db.models import Count

from flows.operations.account_acts import check_covers, note_changed_rights, owner_remains, permissions_of
from flows.operations.account_rows import get_user
from flows.operations.acts import act, check_right
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.primitives.rights import Action, Resource

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,149}")


class GroupNotFoundError(NotFoundError):
    """There is no group of this name."""

    code = "group-not-found"


def get_group(name: str) -> Group:
    """Return a group by its name or id. Raises GroupNotFoundError."""
    group = Group.objects.filter(name=name).first() if "\0" not in name else None
    if group is None and name.isascii() and name.isdigit() and len(name) < 10:
        group = Group.objects.filter(pk=int(name)).first()
    if group is None:
        raise GroupNotFoundError(f'There is no group "{name[:80]}".')
    return group


def list_groups(*, query: str = "") -> list[Group]:
    """Return groups by name, each with `member_count`. Raises ForbiddenError without the right."""
    check_right(Action.READ, Resource.USER)
    rows = Group.objects.annotate(member_count=Count("user", distinct=True)).prefetch_related("bindings__role")
    if query:
        rows = rows.filter(name__icontains=query.replace("\0", ""))
    return list(rows.order_by("name"))


def create_group(name: str, members: Sequence[str] = ()) -> Group:
    """
    Make a group with these members, all or nothing.

    Args:
        members: names or ids of accounts.

    Raises:
        InvalidError: a name that cannot be.
        ConflictError: a name that is taken.
        NotFoundError: a member that is no account.
        ForbiddenError: the caller may not make groups, or not let anybody join one.
    """
    name = _check_name(name)
    with act("group.create", Action.CREATE, Resource.USER, object_id=name) as doing:
        users = [get_user(member) for member in members]
        try:
            with transaction.atomic():
                group = Group.objects.create(name=name)
        except IntegrityError as error:
            raise ConflictError(f'There is a group "{name}" already.', code="group-exists") from error
        for user in users:
            add_member(group, user)
        doing.after = {"members": sorted(user.get_username() for user in users)}
    return group


def _check_name(name: str) -> str:
    name = name.strip()
    # A name of digits alone could be taken for an id.
    if not _NAME.fullmatch(name) or name.isdigit():
        raise InvalidError(
            f'A group is named by letters, digits, blanks, dots, dashes, "@" and underscores, at most 150; got "{name[:80]}".',
            code="group-name",
        )
    return name


def rename_group(group: Group, name: str) -> None:
    """Give a group another name. Errors as `create_group`."""
    name = _check_name(name)
    with act("group.rename", Action.UPDATE, Resource.USER, object_id=group.name) as doing:
        doing.before, doing.after = {"name": group.name}, {"name": name}
        if Group.objects.filter(name=name).exclude(pk=group.pk).exists():
            raise ConflictError(f'There is a group "{name}" already.', code="group-exists")
        group.name = name
        group.save(update_fields=["name"])


def delete_group(group: Group) -> None:
    """Delete a group; its members lose what it gave them. Raises ConflictError when no owner would be left."""
    with act("group.delete", Action.DELETE, Resource.USER, object_id=group.name) as doing, owner_remains():
        check_covers_group(group)
        members = list(User.objects.filter(groups=group))
        doing.before = {"members": sorted(user.username for user in members)}
        note_changed_rights(user.pk for user in members)
        Group.objects.filter(pk=group.pk).delete()


def list_members(group: Group) -> list[User]:
    """Return the members of a group by name. Raises ForbiddenError without the right."""
    check_right(Action.READ, Resource.USER)
    return list(User.objects.filter(groups=group).select_related("account").order_by("username"))


def add_member(group: Group, user: User) -> None:
    """Add an account to a group. Raises ForbiddenError when the group has rights that the caller does not have. Idempotent."""
    with act("group.add-member", Action.UPDATE, Resource.USER, object_id=group.name) as doing:
        check_covers_group(group)
        doing.after = {"member": user.get_username()}
        user.groups.add(group)
        note_changed_rights([user.pk])


def remove_member(group: Group, user: User) -> None:
    """Take an account out of a group. Raises ConflictError when no owner would be left. Idempotent."""
    with act("group.remove-member", Action.UPDATE, Resource.USER, object_id=group.name) as doing, owner_remains():
        check_covers_group(group)
        doing.before = {"member": user.get_username()}
        user.groups.remove(group)
        note_changed_rights([user.pk])


def set_groups(user: User, wanted: Sequence[Group]) -> None:
    """
    Put an account into exactly these groups.

    Raises:
        ForbiddenError: a group that it joins or leaves has rights that the caller does not have.
        ConflictError: no owner would be left.
    """
    with act("account.set-groups", Action.UPDATE, Resource.USER, object_id=user.get_username()) as doing, owner_remains():
        before = {group.pk: group for group in user.groups.all()}
        after = {group.pk: group for group in wanted}
        for group in [*before.values(), *after.values()]:
            if (group.pk in before) != (group.pk in after):
                check_covers_group(group)
        doing.before = {"groups": sorted(group.name for group in before.values())}
        doing.after = {"groups": sorted(group.name for group in after.values())}
        user.groups.set(after.values())
        note_changed_rights([user.pk])


def check_covers_group(group: Group) -> None:
    """Raise ForbiddenError when a group has a right that the caller does not have."""
    for binding in group.bindings.select_related("role"):
        check_covers(permissions_of(binding.role), binding.namespace)
