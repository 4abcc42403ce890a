"""Roles as a table of permissions, roles of one's own, and who has access to a namespace."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from flows.operations import accounts, bindings, groups, roles
from flows.operations.account_rows import get_user
from flows.operations.acts import check_right
from flows.primitives.callers import current_caller
from flows.primitives.errors import FlowsError, NotFoundError
from flows.primitives.rights import Action, Resource
from flows.ui.page import Crumb, answer_page, redirect
from flows.ui.views.people import change_bindings

RESOURCES: tuple[tuple[Resource, str, str], ...] = (
    (Resource.FLOW, "Flows", "Sources, revisions, and their on and off"),
    (Resource.EXECUTION, "Executions", "Starting is create; kill, pause, restart and labels are update"),
    (Resource.TRIGGER, "Triggers", "Their state, backfills, unlocking"),
    (Resource.TEMPLATE, "Templates", "Old task templates"),
    (Resource.NAMESPACE, "Namespaces", "Descriptions, variables, plugin defaults"),
    (Resource.FILE, "Namespace files", "Scripts and data beside the flows"),
    (Resource.KVSTORE, "Key-value pairs", "Small values between executions"),
    (Resource.SECRET, "Secrets", "Names only; values are never shown"),
    (Resource.DASHBOARD, "Dashboards", "Own charts"),
    (Resource.BLUEPRINT, "Blueprints", "Own patterns of flows"),
    (Resource.USER, "Users and access", "People, groups, roles, service accounts; everywhere only"),
    (Resource.AUDITLOG, "Audit log", "Who did what; everywhere only"),
    (Resource.SETTING, "Installation", "Workers, queues, quotas, backups; everywhere only"),
)


def list_roles(request: HttpRequest) -> HttpResponse:
    """Show all roles side by side, as one table of permissions."""
    rows = roles.list_roles()
    context = {
        "roles": rows,
        "actions": list(Action),
        "matrix": [
            {"label": label, "hint": hint, "cells": [_letters(role.permissions, resource) for role in rows]}
            for resource, label, hint in RESOURCES
        ],
    }
    return answer_page(request, "flows/access/roles.html", context, title="Roles", nav="users")


def _letters(table: Any, resource: Resource) -> list[tuple[str, bool]]:
    held = set(table.get(resource.value, ()))
    return [(action.value, action.value in held) for action in Action]


def show_new_role(request: HttpRequest) -> HttpResponse:
    """Show an empty table, or that of the role to copy."""
    check_right(Action.CREATE, Resource.USER)
    copied = request.GET.get("copy", "")
    source = roles.get_role(copied) if copied else None
    context = {
        "role": None,
        "name": f"my-{source.name}" if source else "",
        "description": source.description if source else "",
        "matrix": _boxes(source.permissions if source else {}),
        "actions": list(Action),
        "is_locked": False,
        "copied": source,
    }
    crumbs = [Crumb("Roles", reverse("ui:roles")), Crumb("New role")]
    return answer_page(request, "flows/access/role.html", context, title="New role", nav="users", crumbs=crumbs)


def _boxes(table: Any) -> list[dict[str, Any]]:
    return [
        {
            "resource": resource.value,
            "label": label,
            "hint": hint,
            "boxes": [
                {"action": action.value, "is_on": is_on, "name": f"{resource}.{action}"}
                for action, (_, is_on) in zip(Action, _letters(table, resource), strict=True)
            ],
        }
        for resource, label, hint in RESOURCES
    ]


def create_role(request: HttpRequest) -> HttpResponse:
    """Make a role and lead to its page."""
    sent = request.POST
    try:
        role = roles.create_role(
            sent.get("name", ""), permissions=_read_boxes(request), description=sent.get("description", ""), at=timezone.now()
        )
    except FlowsError as error:
        return redirect("roles", problem=error.message[:500])
    return redirect("role", role.name, note=f"Role {role.name} created")


def _read_boxes(request: HttpRequest) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in request.POST.getlist("permission"):
        resource, _, action = text.partition(".")
        found.setdefault(resource, []).append(action)
    return found


def show_role(request: HttpRequest, name: str) -> HttpResponse:
    """Show what a role permits and who has it."""
    check_right(Action.READ, Resource.USER)
    role = roles.get_role(name)
    context = {
        "role": role,
        "name": role.name,
        "description": role.description,
        "matrix": _boxes(role.permissions),
        "actions": list(Action),
        "is_locked": role.is_built_in or not current_caller().may(Action.UPDATE, Resource.USER),
        "holders": bindings.list_bindings(role=role),
    }
    crumbs = [Crumb("Roles", reverse("ui:roles")), Crumb(role.name)]
    return answer_page(request, "flows/access/role.html", context, title=role.name, nav="users", crumbs=crumbs)


def act_on_role(request: HttpRequest, name: str, action: str) -> HttpResponse:
    """Change or delete a role of one's own."""
    check_right(Action.READ, Resource.USER)
    role, sent = roles.get_role(name), request.POST
    try:
        match action:
            case "save":
                roles.update_role(
                    role,
                    name=sent.get("name"),
                    permissions=_read_boxes(request),
                    description=sent.get("description"),
                    at=timezone.now(),
                )
                return redirect("role", role.name, note="Saved; it holds at once for everybody who has the role")
            case "delete":
                roles.delete_role(role)
                return redirect("roles", note=f"Role {name} deleted")
    except FlowsError as error:
        return redirect("role", name, problem=error.message[:500])
    raise NotFoundError(f'A role has no action "{action[:60]}".', code="unknown-action")


def describe_access(namespace: str) -> dict[str, Any]:
    """Return who reaches a namespace, for its tab; nothing for callers who may not see people."""
    if not current_caller().may(Action.READ, Resource.USER):
        return {"may_see_access": False}
    return {
        "may_see_access": True,
        "bindings": bindings.list_bindings(namespace=namespace),
        "roles": roles.list_roles(),
        "people": [*accounts.list_people(), *accounts.list_people(kind="SERVICE")],
        "groups": groups.list_groups(),
    }


def act_on_access(request: HttpRequest, namespace: str, action: str) -> HttpResponse:
    """Give or take a role in a namespace, then back to its tab."""
    check_right(Action.READ, Resource.USER)
    try:
        note = change_bindings(request, _subject_of(request, action), action)
    except FlowsError as error:
        return redirect("namespace-tab", namespace, "access", problem=error.message[:500])
    return redirect("namespace-tab", namespace, "access", note=note)


def _subject_of(request: HttpRequest, action: str) -> User | Group:
    if action == "role-take":
        binding = bindings.get_binding(request.POST.get("id", ""))
        subject = binding.user or binding.group
        assert subject is not None
        return subject
    kind, _, key = request.POST.get("subject", "").partition(":")
    return groups.get_group(key) if kind == "group" else get_user(key)
