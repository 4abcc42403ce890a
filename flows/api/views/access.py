"""Groups, roles and bindings: who may do what where."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, User
from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing, format_moment
from flows.api.describing import NAMESPACE, OBJECT, PAGING, QUERY, TEXT, Value, describes, list_of, map_of, object_of, page_of
from flows.api.endpoint import now, read_list, read_object
from flows.api.views.people import answer_window, present_user, read_text, read_texts
from flows.models import Binding, Role
from flows.operations import bindings, groups, roles
from flows.operations.account_rows import get_user
from flows.operations.acts import check_right
from flows.primitives.errors import InvalidError
from flows.primitives.rights import Action, Resource

_PERMISSIONS = map_of(list_of({"type": "string", "enum": [action.value for action in Action]}))
_ROLE_BODY = object_of(["name", "permissions"], name=TEXT, description=TEXT, permissions=_PERMISSIONS)
_BINDING_BODY = object_of(
    ["type", "externalId", "roleId"],
    type={"type": "string", "enum": ["USER", "GROUP"]},
    externalId=TEXT,
    roleId=TEXT,
    namespaceId=TEXT,
)
_GROUP_BODY = object_of(["name"], name=TEXT, membersId=list_of(TEXT))


def _may_read() -> None:
    check_right(Action.READ, Resource.USER)


def _present_group(group: Group) -> dict[str, Any]:
    return {"id": str(group.pk), "name": group.name, "description": ""}


@describes(QUERY, PAGING, answer=page_of(OBJECT))
def search_groups(request: Request) -> HttpResponse:
    """Return groups by name."""
    rows = groups.list_groups(query=request.query_params.get("q", ""))
    return answer_window(request, [_present_group(row) for row in rows])


@describes(body=_GROUP_BODY, answer=OBJECT)
def create_group(request: Request) -> HttpResponse:
    """Make a group, with members when the body names some."""
    body = read_object(request)
    name = read_text(body, "name", required=True) or ""
    members = read_texts(body, "membersId") if body.get("membersId") else None
    return answer(_present_group(groups.create_group(name, members or ())))


@describes(answer=OBJECT)
def get_group(request: Request, group_id: str) -> HttpResponse:
    """Return one group, by id or name."""
    _may_read()
    return answer(_present_group(groups.get_group(group_id)))


@describes(body=_GROUP_BODY, answer=OBJECT)
def update_group(request: Request, group_id: str) -> HttpResponse:
    """Rename a group."""
    _may_read()
    group = groups.get_group(group_id)
    groups.rename_group(group, read_text(read_object(request), "name", required=True) or "")
    return answer(_present_group(group))


@describes(answer={204: None})
def delete_group(request: Request, group_id: str) -> HttpResponse:
    """Delete a group; its members lose what it gave them."""
    _may_read()
    groups.delete_group(groups.get_group(group_id))
    return answer_nothing()


@describes(PAGING, answer=page_of(OBJECT))
def list_members(request: Request, group_id: str) -> HttpResponse:
    """Return the members of a group."""
    _may_read()
    return answer_window(request, [present_user(user) for user in groups.list_members(groups.get_group(group_id))])


@describes(answer=OBJECT)
def add_member(request: Request, group_id: str, user_id: str) -> HttpResponse:
    """Put an account into a group."""
    _may_read()
    user = get_user(user_id)
    groups.add_member(groups.get_group(group_id), user)
    return answer(present_user(get_user(user_id)))


@describes(answer=OBJECT)
def remove_member(request: Request, group_id: str, user_id: str) -> HttpResponse:
    """Take an account out of a group."""
    _may_read()
    user = get_user(user_id)
    groups.remove_member(groups.get_group(group_id), user)
    return answer(present_user(get_user(user_id)))


def _present_role(role: Role) -> dict[str, Any]:
    return {
        "id": role.id,
        "name": role.name,
        "description": role.description,
        "permissions": role.permissions,
        "isDefault": False,
        "isManaged": role.is_built_in,
        "permissionCount": sum(len(actions) for actions in role.permissions.values()),
    }


@describes(QUERY, PAGING, answer=page_of(OBJECT))
def search_roles(request: Request) -> HttpResponse:
    """Return roles, the built-in ones first."""
    rows = roles.list_roles(query=request.query_params.get("q", ""))
    return answer_window(request, [_present_role(row) for row in rows])


def _read_table(body: dict[str, Any]) -> dict[str, list[str]] | None:
    table = body.get("permissions")
    if table is None:
        return None
    # Clients of the other product send every resource they know, most of them as null.
    if not isinstance(table, dict) or not all(value is None or isinstance(value, list) for value in table.values()):
        raise InvalidError('"permissions" must map resources to lists of actions.', code="json-shape")
    return {str(key): [str(each) for each in value] for key, value in table.items() if value}


@describes(body=_ROLE_BODY, answer=OBJECT)
def create_role(request: Request) -> HttpResponse:
    """Make a role of one's own."""
    body = read_object(request)
    role = roles.create_role(
        read_text(body, "name", required=True) or "",
        permissions=_read_table(body) or {},
        description=read_text(body, "description") or "",
        at=now(),
    )
    return answer(_present_role(role))


@describes(answer=OBJECT)
def get_role(request: Request, role_id: str) -> HttpResponse:
    """Return one role, by id or name."""
    _may_read()
    return answer(_present_role(roles.get_role(role_id)))


@describes(body=_ROLE_BODY, answer=OBJECT)
def update_role(request: Request, role_id: str) -> HttpResponse:
    """Change a role of one's own for everybody who has it."""
    _may_read()
    body, role = read_object(request), roles.get_role(role_id)
    roles.update_role(
        role,
        name=read_text(body, "name"),
        permissions=_read_table(body),
        description=read_text(body, "description"),
        at=now(),
    )
    return answer(_present_role(role))


@describes(answer={204: None})
def delete_role(request: Request, role_id: str) -> HttpResponse:
    """Delete a role of one's own that nobody has."""
    _may_read()
    roles.delete_role(roles.get_role(role_id))
    return answer_nothing()


def _present_binding(row: Binding) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": row.id,
        "type": "USER" if row.user_id else "GROUP",
        "namespace": row.namespace or None,
        "role": {"id": row.role.id, "name": row.role.name},
        "createdBy": row.created_by,
        "createdDate": format_moment(row.created_at),
    }
    if row.user is not None:
        data["user"] = {"id": str(row.user.pk), "username": row.user.username}
    if row.group is not None:
        data["group"] = {"id": str(row.group.pk), "name": row.group.name}
    return data


_KIND = Value("type", "Only those of accounts or of groups.", {"type": "string", "enum": ["USER", "GROUP"]})
_WHOM = Value("id", "Id or name of the account or group.")


@describes(NAMESPACE, _KIND, _WHOM, PAGING, answer=page_of(OBJECT))
def search_bindings(request: Request) -> HttpResponse:
    """Return bindings; with `namespace` those that reach it, with `type` and `id` those of one account or group."""
    query = request.query_params
    subject = _get_subject(query.get("type", "USER"), query["id"]) if query.get("id") else None
    rows = bindings.list_bindings(
        user=subject if isinstance(subject, User) else None,
        group=subject if isinstance(subject, Group) else None,
        namespace=query.get("namespace"),
    )
    return answer_window(request, [_present_binding(row) for row in rows])


def _get_subject(kind: Any, key: Any) -> User | Group:
    _may_read()
    if kind not in ("USER", "GROUP") or not isinstance(key, str):
        raise InvalidError('"type" must be USER or GROUP, and "externalId" the id of one.', code="json-shape")
    return get_user(key) if kind == "USER" else groups.get_group(key)


def _read_gift(body: dict[str, Any]) -> bindings.Gift:
    return bindings.Gift(
        roles.get_role(read_text(body, "roleId", required=True) or ""),
        _get_subject(body.get("type"), body.get("externalId")),
        read_text(body, "namespaceId") or "",
    )


@describes(body=_BINDING_BODY, answer=OBJECT)
def create_binding(request: Request) -> HttpResponse:
    """Give a role to an account or a group, in a namespace or everywhere."""
    gift = _read_gift(read_object(request))
    return answer(_present_binding(bindings.give_role(gift.role, gift.subject, namespace=gift.namespace, at=now())))


@describes(body=list_of(_BINDING_BODY), answer=list_of(OBJECT))
def create_bindings(request: Request) -> HttpResponse:
    """Give several roles; all of them or, when one is not possible, none."""
    check_right(Action.CREATE, Resource.USER, what="binding.create-many")
    gifts = [_read_gift(body) for body in read_list(request, of=dict)]
    return answer([_present_binding(row) for row in bindings.give_roles(gifts, at=now())])


@describes(answer=OBJECT)
def get_binding(request: Request, binding_id: str) -> HttpResponse:
    """Return one binding."""
    _may_read()
    return answer(_present_binding(bindings.get_binding(binding_id)))


@describes(answer={204: None})
def delete_binding(request: Request, binding_id: str) -> HttpResponse:
    """Take a role away; the next request of whoever had it no longer has its rights."""
    _may_read()
    bindings.take_role(bindings.get_binding(binding_id))
    return answer_nothing()


@describes(answer=object_of(["resources", "actions"], resources=list_of(TEXT), actions=list_of(TEXT)))
def list_permissions(request: Request) -> HttpResponse:
    """Return the words of which permissions are made."""
    return answer({"resources": [each.value for each in Resource], "actions": [each.value for each in Action]})
