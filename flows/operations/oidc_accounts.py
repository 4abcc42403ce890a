"""Whom a checked identity of the provider stands for here: the account, made when needed, its groups and its roles."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction

from flows.conf import get_settings
from flows.models import Account, AuditEntry, Binding
from flows.operations.account_acts import note_changed_rights
from flows.operations.account_rows import account_of
from flows.operations.accounts import insert_user, normalise_name
from flows.operations.acts import Act, record
from flows.operations.bindings import FROM_PROVIDER, give_role, take_role
from flows.operations.groups import add_member, get_group, remove_member
from flows.operations.oidc import Identity, SingleSignOnError
from flows.operations.roles import get_role
from flows.primitives.callers import Caller, CallerKind, Door, acting_as, acting_for_platform
from flows.primitives.errors import ConflictError, FlowsError, InvalidError, NotFoundError
from flows.primitives.rights import EVERYWHERE, Action, Resource

log = logging.getLogger(__name__)

STRONG_METHODS = frozenset({"mfa", "otp", "hwk", "swk", "fpt", "face", "sc"})
"""Words of the claim `amr` that stand for more than a password. Source: RFC 8176."""
MOST_GROUPS = 1000


def find_or_make_account(identity: Identity, *, address: str, at: datetime) -> User:
    """
    Return the account of an identity, with its groups and roles brought in line with the provider's groups.

    Raises:
        SingleSignOnError: the person has no account here and may not get one, or it is disabled.
    """
    user = _find(identity)
    if user is None:
        user = _link_by_address(identity) or _make(identity, address=address, at=at)
    if not user.is_active:
        raise SingleSignOnError("Your account here is disabled. Ask an owner of this installation.")
    follow_groups(user, identity.claims, address=address, at=at)
    return user


def link_account(user: User, identity: Identity) -> None:
    """Let the signed-in person sign in through the provider from now on. Raises SingleSignOnError: the identity is taken."""
    account = account_of(user)
    account.oidc_issuer, account.oidc_subject = identity.issuer, identity.subject
    try:
        with transaction.atomic():
            account.save(update_fields=["oidc_issuer", "oidc_subject"])
    except IntegrityError as error:
        raise SingleSignOnError("This person of the provider belongs to another account here.") from error


def unlink_account(user: User) -> None:
    """Cut an account off the provider. Raises ConflictError when it has no password to sign in with instead."""
    if not user.has_usable_password():
        raise ConflictError("The account has no password: without the provider nobody could sign in.", code="no-password")
    Account.objects.filter(pk=user.pk).update(oidc_issuer="", oidc_subject="")


def is_strong(claims: Mapping[str, Any]) -> bool:
    """Tell whether the provider asked for a second factor itself."""
    methods = claims.get("amr")
    return isinstance(methods, list) and not STRONG_METHODS.isdisjoint(str(each) for each in methods)


def _find(identity: Identity) -> User | None:
    accounts = Account.objects.select_related("user").filter(kind=Account.Kind.PERSON)
    account = accounts.filter(oidc_issuer=identity.issuer, oidc_subject=identity.subject).first()
    return account.user if account else None


def _name_of(identity: Identity) -> str:
    try:
        name = normalise_name(str(identity.claims.get("email") or ""))
    except InvalidError as error:
        raise SingleSignOnError('The provider tells no e-mail address of yours. Its client needs the scope "email".') from error
    domains = [domain.lower().lstrip("@") for domain in get_settings().oidc_email_domains]
    if domains and name.rpartition("@")[2] not in domains:
        raise SingleSignOnError("People with your e-mail address may not sign in here.")
    return name


def _link_by_address(identity: Identity) -> User | None:
    name = _name_of(identity)
    user = User.objects.select_related("account").filter(username__iexact=name).first()
    if user is None:
        return None
    account = account_of(user)
    # Whoever may choose an address at the provider freely would get the account of somebody else here.
    may_link = get_settings().oidc_links_accounts and identity.claims.get("email_verified") is True
    if not may_link or account.oidc_subject or account.kind != Account.Kind.PERSON:
        raise SingleSignOnError(
            "There is an account with your e-mail address that does not sign in through the provider. Sign in with its "
            "password and connect the two on the page of your account."
        )
    link_account(user, identity)
    return user


def _make(identity: Identity, *, address: str, at: datetime) -> User:
    given, name = get_settings(), _name_of(identity)
    if not given.oidc_creates_accounts:
        raise SingleSignOnError("You have no account here. Ask an owner of this installation for one.")
    if identity.claims.get("email_verified") is False:
        raise SingleSignOnError("The provider has not checked your e-mail address yet.")
    user = User(username=name, email=name)
    user.first_name = str(identity.claims.get("given_name") or "").replace("\0", "")[:150]
    user.last_name = str(identity.claims.get("family_name") or "").replace("\0", "")[:150]
    user.set_unusable_password()
    try:
        with acting_as(_caller(name, address)), transaction.atomic():
            insert_user(user, Account.Kind.PERSON, at=at)
            link_account(user, identity)
            doing = Act(name, after={"name": name, "by": "single sign-on"})
            record("account.create", Action.CREATE, Resource.USER, EVERYWHERE, doing, AuditEntry.Result.DONE)
    except ConflictError as error:
        raise SingleSignOnError("Somebody signed in with the same address at this moment. Try again.") from error
    if given.oidc_default_role:
        _give(user, given.oidc_default_role, at, made_by="")
    return user


def _caller(name: str, address: str) -> Caller:
    return Caller(name, CallerKind.PERSON, Door.CONSOLE, address=address)


def follow_groups(user: User, claims: Mapping[str, Any], *, address: str, at: datetime) -> None:
    """
    Bring memberships and roles that follow from the provider's groups in line with what it says now.

    Only groups and roles that the settings name are touched, and of the roles only those that came this way. An entry of
    the settings that names nothing is logged and passed over.
    """
    given = get_settings()
    listed = claims.get(given.oidc_groups_claim)
    theirs = {str(each) for each in (listed if isinstance(listed, list) else [listed] if listed else [])[:MOST_GROUPS]}
    with transaction.atomic(), acting_for_platform():
        changes = _follow_memberships(user, theirs, given.oidc_groups) + _follow_roles(user, theirs, given.oidc_roles, at)
    if changes:
        with acting_as(_caller(user.get_username(), address)):
            doing = Act(user.get_username(), after={"changes": changes})
            record("account.follow-groups", Action.UPDATE, Resource.USER, EVERYWHERE, doing, AuditEntry.Result.DONE)


def _follow_memberships(user: User, theirs: set[str], pairs: Iterable[str]) -> list[str]:
    changes = []
    mine = {group.name for group in user.groups.all()}
    wanted, managed = _split_pairs(theirs, pairs)
    for name in sorted(managed):
        group = _find_group(name)
        if group is None or (name in wanted) == (name in mine):
            continue
        if name in wanted:
            add_member(group, user)
            changes.append(f"joined {name}")
        elif _undo(lambda group=group: remove_member(group, user)):
            changes.append(f"left {name}")
    return changes


def _split_pairs(theirs: set[str], pairs: Iterable[str]) -> tuple[set[str], set[str]]:
    """Return which of our names the provider's groups stand for, and all that the settings speak of."""
    split = [(claim.strip(), own.strip()) for claim, _, own in (pair.partition("=") for pair in pairs)]
    return {own for claim, own in split if claim in theirs}, {own for _, own in split}


def _find_group(name: str) -> Group | None:
    try:
        return get_group(name)
    except NotFoundError:
        log.warning("oidc.group_missing", extra={"group": name})
        return None


def _follow_roles(user: User, theirs: set[str], pairs: Iterable[str], at: datetime) -> list[str]:
    wanted, _ = _split_pairs(theirs, pairs)
    rows = Binding.objects.select_related("role", "user", "group").filter(user=user, created_by=FROM_PROVIDER)
    held = {_write(row.role.name, row.namespace): row for row in rows}
    changes = []
    for text, row in held.items():
        if text not in wanted and _undo(lambda row=row: take_role(row)):
            changes.append(f"lost {text}")
    for text in sorted(wanted - set(held)):
        if _give(user, text, at, made_by=FROM_PROVIDER):
            changes.append(f"got {text}")
    if changes:
        note_changed_rights([user.pk])
    return changes


def _write(role: str, namespace: str) -> str:
    return f"{role}@{namespace}" if namespace else role


def _give(user: User, text: str, at: datetime, *, made_by: str) -> bool:
    name, _, namespace = text.partition("@")
    try:
        with acting_for_platform(), transaction.atomic():
            give_role(get_role(name), user, namespace=namespace, at=at, made_by=made_by or "single sign-on")
    except ConflictError:
        return False
    except FlowsError as error:
        log.warning("oidc.role_missing", extra={"role": text, "reason": error.message})
        return False
    return True


def _undo(take: Any) -> bool:
    """Take something away; what would leave the installation without an owner stays."""
    try:
        with transaction.atomic():
            take()
    except ConflictError as error:
        log.warning("oidc.kept", extra={"reason": error.message})
        return False
    return True
