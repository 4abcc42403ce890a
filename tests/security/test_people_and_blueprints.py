"""What belongs to the installation, people and blueprints, is out of reach of roles that somebody holds in a namespace (S-02)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction

from flows.models import Binding, Blueprint
from flows.primitives.ids import new_id

from .conftest import ApiCaller, read_body
from .routes import OF_BLUEPRINTS, OF_PEOPLE, walk_routes
from .world import AT, add_person

pytestmark = pytest.mark.django_db

ROLES = ("viewer", "operator", "editor", "admin")
OWN = re.compile(r"^api/v1/me\b")
MARK = "zzvictim"


@pytest.fixture
def names(db: None) -> dict[str, str]:
    """Ids of somebody else's account, group, role and binding, and of a blueprint; and one person for each role in `prod.a`."""
    for role in ROLES:
        add_person(f"{role}@example.org", role, "prod.a")
    victim: User = add_person(f"{MARK}@example.org", "owner")
    group = Group.objects.create(name=f"{MARK} group")
    group.user_set.add(victim)
    binding = Binding.objects.create(id=new_id(), role_id="viewer", user=victim, namespace="prod", created_at=AT)
    source = f"id: {MARK}\nnamespace: prod\ntasks:\n  - id: a\n    type: io.kestra.plugin.core.log.Log\n    message: hello\n"
    blueprint = Blueprint.objects.create(id=new_id(), title="A blueprint", source=source, created_at=AT, updated_at=AT)
    return {
        "user_id": str(victim.pk),
        "group_id": str(group.pk),
        "role_id": "viewer",
        "binding_id": str(binding.pk),
        "token_id": new_id(),
        "blueprint_id": str(blueprint.pk),
        "kind": "flow",
    }


def _list_calls(names: dict[str, str], wanted: frozenset[str] | str) -> Iterator[tuple[str, str]]:
    for name, pattern, methods in walk_routes():
        is_wanted = name.startswith(wanted) if isinstance(wanted, str) else name in wanted and not OWN.match(pattern)
        if is_wanted:
            filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: names[found[1]], pattern)
            yield from ((method, f"/{filled}") for method in methods)


_BODY = {
    "email": "new@example.org",
    "username": "new@example.org",
    "name": "new",
    "password": "correct-Horse-7-battery",
    "permissions": {"FLOW": ["READ"]},
    "roleId": "owner",
    "userId": "1",
    "namespace": "prod",
    "instanceOwner": True,
    "title": "mine",
    "source": "id: a\nnamespace: prod\ntasks:\n  - id: a\n    type: io.kestra.plugin.core.log.Log\n    message: hello\n",
}


def _write_body(method: str, address: str) -> str:
    """Return a body that would do something if it were allowed to."""
    if method not in ("POST", "PUT", "PATCH"):
        return ""
    return json.dumps([_BODY] if address.endswith("/bulk") else _BODY)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_in_a_namespace_neither_shows_nor_changes_people(names: dict[str, str], role: str) -> None:
    api, opened, count = ApiCaller(f"{role}@example.org"), [], 0
    for method, address in _list_calls(names, OF_PEOPLE):
        count += 1
        with transaction.atomic():
            answer = api.send(method, address, data=_write_body(method, address), content_type="application/json")
            body = read_body(answer)
            transaction.set_rollback(True)
        if answer.status_code not in (403, 404) or MARK.encode() in body.replace(address.encode(), b""):
            opened.append((method, address, answer.status_code, body[:120]))

    assert count > 30
    assert opened == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_in_a_namespace_reads_blueprints_and_changes_none(names: dict[str, str], role: str) -> None:
    api, wrong, count = ApiCaller(f"{role}@example.org"), [], 0
    for method, address in _list_calls(names, OF_BLUEPRINTS):
        if "/use-template" in address or "/community/flow/" in address:
            continue
        count += 1
        with transaction.atomic():
            answer = api.send(method, address, data=_write_body(method, address), content_type="application/json")
            transaction.set_rollback(True)
        if answer.status_code != (200 if method == "GET" else 403):
            wrong.append((method, address, answer.status_code, read_body(answer)[:120]))

    assert count > 15
    assert wrong == []
