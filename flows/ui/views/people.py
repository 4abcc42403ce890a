"""People, service accounts and groups: lists, pages and what can be done with them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from flows.models import Account
from flows.operations import account_acts, accounts, bindings, groups, passwords, roles, second_factor, service_accounts
from flows.operations import sessions as session_operations
from flows.operations import tokens as token_operations
from flows.operations.account_rows import account_of, get_user
from flows.operations.acts import check_right
from flows.primitives.errors import FlowsError, InvalidError, NotFoundError
from flows.primitives.rights import Action, Resource
from flows.queries.tokens import list_tokens
from flows.ui.page import Crumb, answer_page, redirect
from flows.ui.views.account import LIFETIMES, describe_sessions, make_token

TABS = (("people", "People"), ("services", "Service accounts"))


def list_users(request: HttpRequest) -> HttpResponse:
    """Show people, or service accounts."""
    tab, query = request.GET.get("tab", "people"), request.GET.get("q", "")
    kind = Account.Kind.SERVICE if tab == "services" else Account.Kind.PERSON
    context = {
        "rows": [_describe(user) for user in accounts.list_people(query=query, kind=kind)],
        "text": query,
        "tab": tab,
        "tabs": TABS,
        "groups": groups.list_groups(),
    }
    return answer_page(request, "flows/access/users.html", context, title="Users", nav="users")


def _describe(user: User) -> dict[str, Any]:
    account = account_of(user)
    held = list(user.bindings.all())
    return {
        "user": user,
        "account": account,
        "is_owner": user.is_superuser or any(row.role_id == account_acts.OWNER and not row.namespace for row in held),
        "bindings": held,
        "groups": list(user.groups.all()),
        "url": reverse("ui:user", args=[str(user.pk)]),
    }


def create_user(request: HttpRequest) -> HttpResponse:
    """Make an account and lead to its page."""
    sent, at = request.POST, timezone.now()
    try:
        if sent.get("kind") == Account.Kind.SERVICE:
            user = service_accounts.create_service_account(
                sent.get("name", ""), description=sent.get("description", ""), groups=sent.getlist("group"), at=at
            )
        else:
            user = accounts.create_person(
                sent.get("name", ""),
                password=sent.get("password", ""),
                first_name=sent.get("first_name", ""),
                last_name=sent.get("last_name", ""),
                groups=sent.getlist("group"),
                must_use_mfa="must_use_mfa" in sent,
                at=at,
            )
    except FlowsError as error:
        tab = "services" if sent.get("kind") == Account.Kind.SERVICE else "people"
        return redirect("users", tab=tab, problem=error.message[:500])
    return redirect("user", str(user.pk), note=f"{user.username} has an account now; give it a role")


def show_user(request: HttpRequest, name: str) -> HttpResponse:
    """Show one account with everything that it may do."""
    check_right(Action.READ, Resource.USER)
    return _answer_user(request, get_user(name))


def _answer_user(request: HttpRequest, user: User, **extra: Any) -> HttpResponse:
    is_service = account_of(user).kind == Account.Kind.SERVICE
    facts = _describe(user)
    context = {
        **facts,
        "is_service": is_service,
        "own_bindings": bindings.list_bindings(user=user),
        "group_bindings": [row for row in bindings.list_bindings_of(user) if row.group_id],
        "roles": roles.list_roles(),
        "all_groups": [group for group in groups.list_groups() if group not in facts["groups"]],
        "sessions": describe_sessions(request, user),
        "tokens": list_tokens(user),
        "lifetimes": LIFETIMES,
        "has_password": user.has_usable_password(),
        "is_me": request.user.pk == user.pk,
        "at": timezone.now(),
        **extra,
    }
    tab = "?tab=services" if is_service else ""
    crumbs = [Crumb("Users", reverse("ui:users") + tab), Crumb(user.username)]
    return answer_page(request, "flows/access/user.html", context, title=user.username, nav="users", crumbs=crumbs)


def act_on_user(request: HttpRequest, name: str, action: str) -> HttpResponse:
    """Change an account, then back to its page."""
    check_right(Action.READ, Resource.USER)
    user = get_user(name)
    try:
        if action == "token-create":
            return _answer_user(request, user, new_token=make_token(request, user))
        note = _change_user(request, user, action)
    except FlowsError as error:
        return redirect("user", name, problem=error.message[:500])
    return redirect("users", note=note) if action == "delete" else redirect("user", name, note=note)


def _change_user(request: HttpRequest, user: User, action: str) -> str:
    sent, name = request.POST, user.username
    match action:
        case "save" if passwords.is_service(user):
            service_accounts.update_service_account(user, name=sent.get("name"), description=sent.get("description"))
            return "Saved"
        case "save":
            accounts.update_person(
                user,
                name=sent.get("name"),
                first_name=sent.get("first_name"),
                last_name=sent.get("last_name"),
                must_use_mfa="must_use_mfa" in sent,
            )
            return "Saved"
        case "password":
            passwords.set_password(user, sent.get("password", ""))
            return f"{name} has a new password and is signed out everywhere"
        case "second-factor-disable":
            second_factor.disable_second_factor(user)
            return f"{name} has no second factor any more"
        case "sessions-revoke":
            return f"{name} is signed out of {session_operations.revoke_sessions(user)} browsers"
        case "token-revoke":
            token_operations.revoke_token(user, sent.get("id", ""))
            return "Token revoked"
        case "disable":
            accounts.disable_account(user)
            return f"{name} is shut out"
        case "enable":
            accounts.enable_account(user)
            return f"{name} may sign in again"
        case "demote":
            accounts.leave_superusers(user)
            return f"{name} keeps only what roles give"
        case "delete":
            accounts.delete_account(user)
            return f"{name} is deleted"
        case "group-join":
            groups.add_member(groups.get_group(sent.get("group", "")), user)
            return f"{name} joined {sent.get('group', '')}"
        case "group-leave":
            groups.remove_member(groups.get_group(sent.get("group", "")), user)
            return f"{name} left {sent.get('group', '')}"
    return change_bindings(request, user, action)


def change_bindings(request: HttpRequest, subject: User | Group, action: str) -> str:
    """Give or take a role as the form of an account, a group or a namespace says."""
    sent = request.POST
    match action:
        case "role-give":
            namespace = "" if sent.get("where") == "everywhere" else sent.get("namespace", "").strip()
            if sent.get("where") == "namespace" and not namespace:
                raise InvalidError("Name the namespace, or choose everywhere.", code="binding-namespace")
            role = roles.get_role(sent.get("role", ""))
            bindings.give_role(role, subject, namespace=namespace, at=timezone.now())
            return f"{bindings.describe_subject(subject)} is {role.name} {'in ' + namespace if namespace else 'everywhere'}"
        case "role-take":
            binding = bindings.get_binding(sent.get("id", ""))
            bindings.take_role(binding)
            return f"{bindings.describe_subject(subject)} is no longer {binding.role.name}"
    raise NotFoundError(f'There is no action "{action[:60]}".', code="unknown-action")


def list_groups(request: HttpRequest) -> HttpResponse:
    """Show all groups."""
    query = request.GET.get("q", "")
    context = {"rows": groups.list_groups(query=query), "text": query}
    return answer_page(request, "flows/access/groups.html", context, title="Groups", nav="users")


def create_group(request: HttpRequest) -> HttpResponse:
    """Make a group and lead to its page."""
    try:
        group = groups.create_group(request.POST.get("name", ""))
    except FlowsError as error:
        return redirect("groups", problem=error.message[:500])
    return redirect("group", str(group.pk), note=f"Group {group.name} created; give it a role and members")


def show_group(request: HttpRequest, name: str) -> HttpResponse:
    """Show the members and roles of a group."""
    check_right(Action.READ, Resource.USER)
    group = groups.get_group(name)
    members = groups.list_members(group)
    inside = {user.pk for user in members}
    everybody = [*accounts.list_people(), *accounts.list_people(kind=Account.Kind.SERVICE)]
    context = {
        "group": group,
        "members": members,
        "others": [user for user in everybody if user.pk not in inside],
        "own_bindings": bindings.list_bindings(group=group),
        "roles": roles.list_roles(),
    }
    crumbs = [Crumb("Groups", reverse("ui:groups")), Crumb(group.name)]
    return answer_page(request, "flows/access/group.html", context, title=group.name, nav="users", crumbs=crumbs)


def act_on_group(request: HttpRequest, name: str, action: str) -> HttpResponse:
    """Change a group, then back to its page."""
    check_right(Action.READ, Resource.USER)
    group = groups.get_group(name)
    try:
        note = _change_group(request, group, action)
    except FlowsError as error:
        return redirect("group", name, problem=error.message[:500])
    return redirect("groups", note=note) if action == "delete" else redirect("group", str(group.pk), note=note)


def _change_group(request: HttpRequest, group: Group, action: str) -> str:
    sent, name = request.POST, group.name
    match action:
        case "rename":
            groups.rename_group(group, sent.get("name", ""))
            return f"The group is called {group.name} now"
        case "delete":
            groups.delete_group(group)
            return f"Group {name} deleted"
        case "add":
            user = get_user(sent.get("user", ""))
            groups.add_member(group, user)
            return f"{user.username} joined {name}"
        case "remove":
            user = get_user(sent.get("user", ""))
            groups.remove_member(group, user)
            return f"{user.username} left {name}"
    return change_bindings(request, group, action)
