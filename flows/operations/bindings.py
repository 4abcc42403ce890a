"""Giving roles to people, service accounts and groups, in a namespace or everywhere, and taking them away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction
from django.db.models import Q

from flows.models import Binding, Role
from flows.operations.account_acts import check_covers, note_changed_rights, owner_remains, permissions_of
from flows.operations.acts import act, check_right
from flows.primitives.callers import current_caller
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.primitives.identifiers import NameKind, find_name_fault
from flows.primitives.ids import new_id
from flows.primitives.rights import EVERYWHERE, Action, Resource

FROM_PROVIDER = "oidc"
"""What stands as the maker of bindings that follow from groups of the provider; they come and go with them."""


class BindingNotFoundError(NotFoundError):
    """There is no such binding."""

    code = "binding-not-found"


def give_role(role: Role, subject: User | Group, *, namespace: str = EVERYWHERE, at: datetime, made_by: str = "") -> Binding:
    """
    Give a role to an account or a group, in a namespace and all below it, or everywhere.

    Raises:
        InvalidError: a namespace that cannot be.
        ConflictError: the subject has the role there already.
        ForbiddenError: the caller may not, or lacks one of the permissions there: nobody gives more than they have.
    """
    check_namespace(namespace)
    with act("binding.create", Action.CREATE, Resource.USER, object_id=describe_subject(subject)) as doing:
        check_covers(permissions_of(role), namespace)
        doing.after = {"role": role.name, "namespace": namespace}
        row = Binding(id=new_id(), role=role, namespace=namespace, created_by=made_by or current_caller().name, created_at=at)
        if isinstance(subject, User):
            row.user = subject
        else:
            row.group = subject
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            where = f'in "{namespace}"' if namespace else "everywhere"
            raise ConflictError(f"{describe_subject(subject)} is {role.name} {where} already.", code="binding-exists") from error
        note_changed_rights(_users_of(subject))
    return row


@dataclass(frozen=True, slots=True)
class Gift:
    """A role for an account or a group, in a namespace and all below it, or everywhere."""

    role: Role
    subject: User | Group
    namespace: str = EVERYWHERE


def give_roles(gifts: Sequence[Gift], *, at: datetime) -> list[Binding]:
    """Give several roles; all of them or, when one is not possible, none. Errors as `give_role`."""
    with act("binding.create-many", Action.CREATE, Resource.USER) as doing:
        made = [give_role(gift.role, gift.subject, namespace=gift.namespace, at=at) for gift in gifts]
        doing.after = {"count": len(made)}
    return made


def check_namespace(namespace: str) -> None:
    """Raise InvalidError for a namespace that cannot be; the empty one stands for everything."""
    fault = find_name_fault(NameKind.NAMESPACE, namespace) if namespace else None
    if fault:
        raise InvalidError(f'The namespace "{namespace[:80]}" {fault}.', code="binding-namespace")


def take_role(binding: Binding) -> None:
    """
    Take a role away; the next request of whoever had it no longer has its rights.

    Raises:
        ConflictError: no owner would be left.
        ForbiddenError: the caller may not, or has fewer rights.
    """
    subject = binding.user or binding.group
    assert subject is not None
    with (
        act("binding.delete", Action.DELETE, Resource.USER, object_id=describe_subject(subject)) as doing,
        owner_remains(),
    ):
        check_covers(permissions_of(binding.role), binding.namespace)
        doing.before = {"role": binding.role.name, "namespace": binding.namespace}
        Binding.objects.filter(pk=binding.pk).delete()
        note_changed_rights(_users_of(subject))


def describe_subject(subject: User | Group) -> str:
    """Return the name of an account or group for records."""
    return subject.get_username() if isinstance(subject, User) else f"group {subject.name}"


def _users_of(subject: User | Group) -> Sequence[int]:
    if isinstance(subject, User):
        return [subject.pk]
    return list(User.objects.filter(groups=subject).values_list("pk", flat=True))


def get_binding(binding_id: str) -> Binding:
    """Return a binding with its role and subject. Raises BindingNotFoundError."""
    rows = Binding.objects.select_related("role", "user", "group")
    row = rows.filter(pk=binding_id).first() if "\0" not in binding_id else None
    if row is None:
        raise BindingNotFoundError(f'There is no binding "{binding_id[:60]}".')
    return row


def find_binding(role: Role, subject: User | Group, namespace: str) -> Binding | None:
    """Return the binding of a role to a subject in exactly this namespace, or None."""
    rows = Binding.objects.select_related("role", "user", "group").filter(role=role, namespace=namespace)
    return (rows.filter(user=subject) if isinstance(subject, User) else rows.filter(group=subject)).first()


def list_bindings(
    *, user: User | None = None, group: Group | None = None, role: Role | None = None, namespace: str | None = None
) -> list[Binding]:
    """
    Return bindings with their roles and subjects. Raises ForbiddenError without the right to people.

    Args:
        namespace: only those that reach this namespace: of itself, of one above it, or of everything.
    """
    check_right(Action.READ, Resource.USER)
    rows = Binding.objects.select_related("role", "user", "user__account", "group")
    if user is not None:
        rows = rows.filter(user=user)
    if group is not None:
        rows = rows.filter(group=group)
    if role is not None:
        rows = rows.filter(role=role)
    if namespace is not None:
        parts = namespace.split(".")
        above = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
        rows = rows.filter(Q(namespace="") | Q(namespace__in=above))
    return list(rows.order_by("namespace", "role__name", "user__username", "group__name"))


def list_bindings_of(user: User) -> list[Binding]:
    """Return what an account was given, by itself and by its groups, for its own page. No right is asked for."""
    rows = Binding.objects.filter(Q(user=user) | Q(group__user=user)).select_related("role", "group").distinct()
    return list(rows.order_by("namespace", "role__name"))
