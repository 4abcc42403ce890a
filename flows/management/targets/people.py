"""The accounts, groups, roles and bindings that commands work on: those of this database, or of another installation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.contrib.auth.models import Group, User
from django.utils import timezone

from flows.management.presenters import Json, format_moment
from flows.management.targets.server import Server
from flows.models import Account, Binding
from flows.operations import accounts, bindings, groups, passwords, roles, second_factor, service_accounts, sessions
from flows.operations.account_rows import account_of, get_user
from flows.primitives.errors import NotFoundError

PERSON_PATH, SERVICE_PATH = "users", "service-accounts"


@dataclass(frozen=True, slots=True)
class Person:
    """A person to make; without a password they sign in through a provider only."""

    name: str
    password: str = ""
    first_name: str = ""
    last_name: str = ""
    groups: Sequence[str] = ()
    must_use_mfa: bool = False


@dataclass(frozen=True, slots=True)
class Holding:
    """A role that an account or a group has or gets, in a namespace or everywhere."""

    role: str
    name: str
    namespace: str = ""
    is_group: bool = False

    def not_there(self) -> NotFoundError:
        """Return the error for a role that was not given."""
        where = f'in "{self.namespace}"' if self.namespace else "everywhere"
        return NotFoundError(f"{self.name} is not {self.role} {where}.", code="binding-not-found")


class People(Protocol):
    """
    What commands do with accounts. An account is a row of name, kind, state, roles, groups, second factor and last sign-in; a
    binding one of who, role, namespace and given_by. Every method raises NotFoundError for a name that is unknown.
    """

    def list_all(self, query: str = "") -> list[Json]:
        """Return people by name, then service accounts."""

    def get(self, name: str) -> Json:
        """Return one account."""

    def create(self, person: Person) -> Json:
        """Make a person. Raises InvalidError, ConflictError."""

    def create_service(self, name: str, *, description: str) -> Json:
        """Make a service account. Raises InvalidError, ConflictError."""

    def switch(self, name: str, *, is_active: bool) -> Json:
        """Shut an account out or let it in again. Raises ConflictError for the last owner."""

    def set_password(self, name: str, password: str) -> None:
        """Give a person another password and end their sessions."""

    def drop_second_factor(self, name: str) -> None:
        """Take the second factor away."""

    def end_sessions(self, name: str) -> None:
        """Sign somebody out of all browsers."""

    def delete(self, name: str) -> None:
        """Delete an account. Raises ConflictError for the last owner."""

    def check_role(self, role: str) -> None:
        """Raise NotFoundError when there is no such role."""

    def give(self, holding: Holding) -> Json:
        """Give a role."""

    def take(self, holding: Holding) -> Json:
        """Take a role away. Raises NotFoundError when it was not given, ConflictError for the last owner."""

    def list_roles(self) -> list[Json]:
        """Return roles with `role`, `built_in` and `description`."""

    def list_groups(self) -> list[Json]:
        """Return groups with `group`, `roles` and `members`."""

    def create_group(self, name: str) -> None:
        """Make a group."""

    def delete_group(self, name: str) -> None:
        """Delete a group."""

    def change_members(self, group: str, *, add: Sequence[str], remove: Sequence[str]) -> Json:
        """Let accounts join and leave a group, and return its row."""


class LocalPeople:
    """The accounts of this database."""

    def list_all(self, query: str = "") -> list[Json]:
        people = accounts.list_people(query=query)
        return [_describe(user) for user in [*people, *accounts.list_people(query=query, kind=Account.Kind.SERVICE)]]

    def get(self, name: str) -> Json:
        return _describe(get_user(name))

    def create(self, person: Person) -> Json:
        user = accounts.create_person(
            person.name,
            password=person.password,
            first_name=person.first_name,
            last_name=person.last_name,
            groups=person.groups,
            must_use_mfa=person.must_use_mfa,
            at=timezone.now(),
        )
        return _describe(user)

    def create_service(self, name: str, *, description: str) -> Json:
        return _describe(service_accounts.create_service_account(name, description=description, at=timezone.now()))

    def switch(self, name: str, *, is_active: bool) -> Json:
        user = get_user(name)
        (accounts.enable_account if is_active else accounts.disable_account)(user)
        return _describe(user)

    def set_password(self, name: str, password: str) -> None:
        passwords.set_password(get_user(name), password)

    def drop_second_factor(self, name: str) -> None:
        second_factor.disable_second_factor(get_user(name))

    def end_sessions(self, name: str) -> None:
        sessions.revoke_sessions(get_user(name))

    def delete(self, name: str) -> None:
        accounts.delete_account(get_user(name))

    def check_role(self, role: str) -> None:
        roles.get_role(role)

    def give(self, holding: Holding) -> Json:
        role, subject = roles.get_role(holding.role), _get_subject(holding)
        return _describe_binding(bindings.give_role(role, subject, namespace=holding.namespace, at=timezone.now()))

    def take(self, holding: Holding) -> Json:
        row = bindings.find_binding(roles.get_role(holding.role), _get_subject(holding), holding.namespace)
        if row is None:
            raise holding.not_there()
        described = _describe_binding(row)
        bindings.take_role(row)
        return described

    def list_roles(self) -> list[Json]:
        return [{"role": row.name, "built_in": row.is_built_in, "description": row.description} for row in roles.list_roles()]

    def list_groups(self) -> list[Json]:
        return [_describe_group(group) for group in groups.list_groups()]

    def create_group(self, name: str) -> None:
        groups.create_group(name)

    def delete_group(self, name: str) -> None:
        groups.delete_group(groups.get_group(name))

    def change_members(self, group: str, *, add: Sequence[str], remove: Sequence[str]) -> Json:
        found = groups.get_group(group)
        for name in add:
            groups.add_member(found, get_user(name))
        for name in remove:
            groups.remove_member(found, get_user(name))
        return _describe_group(found)


def _describe(user: User) -> Json:
    account = account_of(user)
    held = Binding.objects.filter(user=user).select_related("role").order_by("role__name", "namespace")
    return {
        "name": user.username,
        "kind": str(account.kind),
        "state": "active" if user.is_active else "disabled",
        "roles": ", ".join(
            (["superuser"] if user.is_superuser else []) + [write_role(row.role.name, row.namespace) for row in held]
        ),
        "groups": ", ".join(group.name for group in accounts.list_groups_of(user)),
        "second_factor": bool(account.mfa_secret),
        "last_sign_in": format_moment(user.last_login),
    }


def write_role(role: str, namespace: str | None) -> str:
    """Return a role with the namespace in which it holds, as `editor@company.team`."""
    return f"{role}@{namespace}" if namespace else role


def _get_subject(holding: Holding) -> User | Group:
    return groups.get_group(holding.name) if holding.is_group else get_user(holding.name)


def _describe_binding(row: Binding) -> Json:
    return {
        "who": bindings.describe_subject(row.user or row.group),  # type: ignore[arg-type]  # one of them is there
        "role": row.role.name,
        "namespace": row.namespace or "everywhere",
        "given_by": row.created_by,
    }


def _describe_group(group: Group) -> Json:
    held = Binding.objects.filter(group=group).select_related("role").order_by("role__name", "namespace")
    return {
        "group": group.name,
        "roles": ", ".join(write_role(row.role.name, row.namespace) for row in held),
        "members": ", ".join(user.username for user in groups.list_members(group)),
    }


class RemotePeople:
    """The accounts of another installation."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def list_all(self, query: str = "") -> list[Json]:
        held = self._list_bindings()
        wanted = (("q", query), ("size", 10_000))
        found = [
            *self._server.get(PERSON_PATH, query=wanted)["results"],
            *self._server.get(SERVICE_PATH, query=wanted)["results"],
        ]
        return [_narrow_account(one, [row for row in held if _is_of(row, "user", one["id"])]) for one in found]

    def get(self, name: str) -> Json:
        path, found = self.find_account(name)
        return self._narrow(path, found)

    def find_account(self, name: str) -> tuple[str, Json]:
        """Return the address and the document of a person or, when nobody has that name, of a service account."""
        try:
            return PERSON_PATH, dict(self._server.get(PERSON_PATH, name))
        except NotFoundError:
            return SERVICE_PATH, dict(self._server.get(SERVICE_PATH, name))

    def _narrow(self, path: str, found: Json) -> Json:
        held = self._server.get("bindings", query=(("type", "USER"), ("id", found["id"]), ("size", 1000)))["results"]
        return _narrow_account(found, held)

    def create(self, person: Person) -> Json:
        body: Json = {
            "email": person.name,
            "firstName": person.first_name,
            "lastName": person.last_name,
            "groups": list(person.groups),
            "mustUseSecondFactor": person.must_use_mfa,
        }
        if person.password:
            body["password"] = person.password
        return _narrow_account(self._server.send("POST", PERSON_PATH, body=body), [])

    def create_service(self, name: str, *, description: str) -> Json:
        made = self._server.send("POST", SERVICE_PATH, body={"name": name, "description": description})
        return _narrow_account(made, [])

    def switch(self, name: str, *, is_active: bool) -> Json:
        path, found = self.find_account(name)
        return self._narrow(path, self._server.send("PATCH", path, found["id"], body={"disabled": not is_active}))

    def set_password(self, name: str, password: str) -> None:
        self._server.send("PUT", PERSON_PATH, name, "password", body={"password": password})

    def drop_second_factor(self, name: str) -> None:
        self._server.send("DELETE", PERSON_PATH, name, "second-factor")

    def end_sessions(self, name: str) -> None:
        self._server.send("DELETE", PERSON_PATH, name, "sessions")

    def delete(self, name: str) -> None:
        path, found = self.find_account(name)
        self._server.send("DELETE", path, found["id"])

    def check_role(self, role: str) -> None:
        self._get_role(role)

    def _get_role(self, role: str) -> Json:
        return dict(self._server.get("roles", role))

    def give(self, holding: Holding) -> Json:
        body = {
            "type": "GROUP" if holding.is_group else "USER",
            "externalId": holding.name,
            "roleId": self._get_role(holding.role)["id"],
            "namespaceId": holding.namespace,
        }
        return _narrow_binding(self._server.send("POST", "bindings", body=body))

    def take(self, holding: Holding) -> Json:
        role = self._get_role(holding.role)["id"]
        whose = (("type", "GROUP" if holding.is_group else "USER"), ("id", holding.name), ("size", 1000))
        for row in self._server.get("bindings", query=whose)["results"]:
            if row["role"]["id"] == role and (row.get("namespace") or "") == holding.namespace:
                self._server.send("DELETE", "bindings", row["id"])
                return _narrow_binding(row)
        raise holding.not_there()

    def list_roles(self) -> list[Json]:
        found = self._server.get("roles", query=(("size", 10_000),))["results"]
        return [{"role": row["name"], "built_in": row["isManaged"], "description": row["description"]} for row in found]

    def list_groups(self) -> list[Json]:
        held = self._list_bindings()
        found = self._server.get("groups", query=(("size", 10_000),))["results"]
        return [self._narrow_group(group, held) for group in found]

    def _list_bindings(self) -> list[Json]:
        return list(self._server.get("bindings", query=(("size", 10_000),))["results"])

    def _narrow_group(self, group: Json, held: Sequence[Json]) -> Json:
        members = self._server.get("groups", group["id"], "members", query=(("size", 10_000),))["results"]
        return {
            "group": group["name"],
            "roles": _join_roles([row for row in held if _is_of(row, "group", group["id"])]),
            "members": ", ".join(member["username"] for member in members),
        }

    def create_group(self, name: str) -> None:
        self._server.send("POST", "groups", body={"name": name})

    def delete_group(self, name: str) -> None:
        self._server.send("DELETE", "groups", name)

    def change_members(self, group: str, *, add: Sequence[str], remove: Sequence[str]) -> Json:
        found = self._server.get("groups", group)
        for method, names in (("PUT", add), ("DELETE", remove)):
            for name in names:
                self._server.send(method, "groups", found["id"], "members", name)
        return self._narrow_group(found, self._list_bindings())


def _is_of(row: Json, kind: str, key: Any) -> bool:
    subject = row.get(kind)
    return isinstance(subject, dict) and subject.get("id") == key


def _join_roles(held: Sequence[Json]) -> str:
    pairs = sorted((str(row["role"]["name"]), str(row.get("namespace") or "")) for row in held)
    return ", ".join(write_role(role, namespace) for role, namespace in pairs)


def _narrow_account(found: Json, held: Sequence[Json]) -> Json:
    words = [*(["superuser"] if found.get("instanceOwner") else []), *([_join_roles(held)] if held else [])]
    return {
        "name": found["username"],
        "kind": str(Account.Kind.SERVICE if found.get("type") == "SERVICE_ACCOUNT" else Account.Kind.PERSON),
        "state": "disabled" if found.get("disabled") else "active",
        "roles": ", ".join(words),
        "groups": ", ".join(sorted(group["name"] for group in found.get("groups", ()))),
        "second_factor": bool(found.get("secondFactor")),
        "last_sign_in": found.get("lastLogin"),
    }


def _narrow_binding(row: Json) -> Json:
    subject = row.get("user") or row.get("group") or {}
    return {
        "who": f"group {subject.get('name')}" if row.get("group") else subject.get("username"),
        "role": row["role"]["name"],
        "namespace": row.get("namespace") or "everywhere",
        "given_by": row.get("createdBy", ""),
    }
