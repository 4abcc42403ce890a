"""Who may do what where: every role and token, every action on every resource, near and far namespaces (S-02)."""

from __future__ import annotations

from itertools import product

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from flows.models import AuditEntry, Binding, Dashboard, Role
from flows.operations.acts import act, check_right
from flows.operations.callers import caller_of
from flows.primitives.callers import Door, acting_as
from flows.primitives.errors import ForbiddenError
from flows.primitives.ids import new_id
from flows.primitives.rights import Action, Resource
from flows.queries.visibility import can_see

from .conftest import ApiCaller, make_token, read_body
from .routes import (
    FOR_EVERYBODY,
    OF_BLUEPRINTS,
    OF_INSTALLATION,
    OF_PEOPLE,
    READING,
    WRITING,
    Call,
    Shape,
    list_calls,
    walk_routes,
)
from .world import AT, Filled, add_person, fill

pytestmark = pytest.mark.django_db

HOME = "prod.a"
REACHED = {"prod.a": True, "prod.a.x": True, "prod": False, "prod.b": False, "prod.ab": False, "prod2": False, "prod.a2.x": False}
"""Namespaces, and whether a role in `prod.a` reaches them: itself, a child, the parent, a sibling, and names that look alike."""

R, C, U, D = Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE
_OBJECTS = ("FLOW", "EXECUTION", "TRIGGER", "TEMPLATE", "NAMESPACE", "FILE", "KVSTORE", "SECRET")
ROLES: dict[str, dict[str, str]] = {
    "viewer": dict(zip(_OBJECTS, ("R", "R", "R", "R", "R", "R", "R", ""), strict=True)),
    "operator": dict(zip(_OBJECTS, ("R", "RCU", "RU", "R", "R", "R", "R", ""), strict=True)),
    "editor": dict(zip(_OBJECTS, ("RCUD", "RCU", "RCUD", "RCUD", "R", "RCUD", "RCUD", "R"), strict=True)),
    "admin": dict(zip(_OBJECTS, ("RCUD", "RCUD", "RCUD", "RCUD", "RCUD", "RCUD", "RCUD", "RCUD"), strict=True)),
    "owner": dict(zip(_OBJECTS, ("RCUD",) * 8, strict=True)),
    "custom": {"EXECUTION": "RC", "FLOW": "R", "KVSTORE": "U"},
}
"""What each role permits in its namespace, written down a second time and by hand: the product must agree."""


def expects(role: str, action: Action, resource: Resource, namespace: str) -> bool:
    """Tell what a role in `prod.a` permits. What belongs to the installation is only read, and only where it is shared."""
    if resource in (Resource.DASHBOARD, Resource.BLUEPRINT):
        return action is R and role != "custom"
    if resource in (Resource.USER, Resource.AUDITLOG, Resource.SETTING):
        return False
    return REACHED[namespace] and action.value[0] in ROLES[role].get(resource, "")


@pytest.fixture
def people(db: None) -> dict[str, User]:
    """One person for each role in `prod.a`."""
    table = {resource: [action for action in Action if action.value[0] in held] for resource, held in ROLES["custom"].items()}
    Role.objects.create(id="custom", name="custom", permissions=table, created_at=AT, updated_at=AT)
    return {role: add_person(f"{role}@example.org", role, HOME) for role in ROLES}


def test_the_built_in_roles_are_the_ones_that_are_expected_here(db: None) -> None:
    assert set(Role.objects.filter(is_built_in=True).values_list("name", flat=True)) == set(ROLES) - {"custom"}


def test_every_role_may_do_exactly_what_is_written_down(people: dict[str, User]) -> None:
    wrong = []
    for role, user in people.items():
        caller = caller_of(user, door=Door.API)
        for action, resource, namespace in product(Action, Resource, REACHED):
            if caller.may(action, resource, namespace) is not expects(role, action, resource, namespace):
                wrong.append((role, action, resource, namespace))

    assert wrong == []


def test_reading_tokens_read_what_their_person_reads_and_nothing_else(people: dict[str, User]) -> None:
    wrong = []
    for role, user in people.items():
        caller = caller_of(user, door=Door.API, token=make_token(user, can_write=False))
        for action, resource, namespace in product(Action, Resource, REACHED):
            wanted = action is R and expects(role, action, resource, namespace)
            if caller.may(action, resource, namespace) is not wanted:
                wrong.append((role, action, resource, namespace))

    assert wrong == []


def test_tokens_for_a_namespace_reach_it_and_what_is_below(people: dict[str, User]) -> None:
    wrong = []
    for role, user in people.items():
        caller = caller_of(user, door=Door.API, token=make_token(user, namespaces=("prod.a.x", "prod.b")))
        for action, resource, namespace in product(Action, [Resource(name) for name in _OBJECTS], REACHED):
            wanted = namespace == "prod.a.x" and expects(role, action, resource, namespace)
            if caller.may(action, resource, namespace) is not wanted:
                wrong.append((role, action, resource, namespace))

    assert wrong == []


def test_rights_of_groups_count_and_those_of_inactive_people_do_not(db: None) -> None:
    from django.contrib.auth.models import Group

    group, user = Group.objects.create(name="team"), add_person("bob@example.org")
    user.groups.add(group)
    Binding.objects.create(id=new_id(), role_id="editor", group=group, namespace=HOME, created_at=AT)

    assert caller_of(user, door=Door.API).may(U, Resource.FLOW, HOME)
    user.is_active = False
    assert not caller_of(user, door=Door.API).may(R, Resource.FLOW, HOME)


def test_the_rights_of_a_person_take_one_statement_and_those_of_an_owner_none(
    people: dict[str, User], django_assert_num_queries
) -> None:  # type: ignore[no-untyped-def]
    owner = User(username="alice@example.org", is_superuser=True)

    with django_assert_num_queries(1):
        caller_of(people["editor"], door=Door.API)
    with django_assert_num_queries(0):
        caller_of(owner, door=Door.API)


def test_operations_ask_for_the_right_and_write_refusals_down(people: dict[str, User]) -> None:
    for action, namespace in product((C, U, D), REACHED):
        with acting_as(caller_of(people["operator"], door=Door.API)):
            allowed = expects("operator", action, Resource.EXECUTION, namespace)
            before = AuditEntry.objects.count()
            try:
                with act("execution.test", action, Resource.EXECUTION, namespace, "x"):
                    pass
            except ForbiddenError:
                assert not allowed
                assert AuditEntry.objects.first().result == "DENIED"  # type: ignore[union-attr]
            else:
                assert allowed
            assert AuditEntry.objects.count() == before + 1


def test_reading_is_refused_without_a_row(people: dict[str, User]) -> None:
    with acting_as(caller_of(people["viewer"], door=Door.API)):
        with pytest.raises(ForbiddenError):
            check_right(R, Resource.SECRET, HOME)

        assert not can_see(Resource.SECRET, HOME)
    assert not AuditEntry.objects.exists()


_OPEN = frozenset({"ping", "health", "health-liveness", "health-readiness", "login", "login-configuration"})
_KNOWN_BY_NAME = _OPEN | FOR_EVERYBODY | OF_PEOPLE | frozenset(OF_INSTALLATION)


def test_every_route_of_the_api_has_an_expectation() -> None:
    unknown = []
    for name, pattern, methods in walk_routes():
        for method in methods:
            is_known = (name, method) in WRITING or (name, method) in READING or name in _KNOWN_BY_NAME
            if not is_known and not name.startswith((OF_BLUEPRINTS, "webhook")):
                unknown.append((name, method, pattern))

    assert unknown == []


@pytest.fixture
def places(db: None) -> dict[str, Filled]:
    """Namespaces near and far, each filled; a dashboard that belongs to nobody."""
    Dashboard.objects.create(id="board", title="A board", source="title: A board\n", created_at=AT, updated_at=AT)
    return {name: fill(name, f"mark{number}x") for number, name in enumerate(("prod.a", "prod.a.x", "prod", "prod.ab"))}


def _is_done(call: Call, answer: object) -> bool:
    status = answer.status_code  # type: ignore[attr-defined]
    if status >= 300:
        return status not in (401, 403, 404) and call.shape is not Shape.BULK
    if call.shape is Shape.NOTHING:
        body = answer.json() if answer.content else None  # type: ignore[attr-defined]
        return body not in (False, {"keys": []})
    if call.shape is Shape.BULK and "count" in (body := answer.json()):  # type: ignore[attr-defined]
        return bool(body["count"])
    if call.shape is Shape.BULK:
        return bool(body.get("updated", body.get("total"))) if isinstance(body, dict) else bool(body)
    return True


_REST = [one for one in (*list_calls(WRITING), *list_calls(READING)) if one[2].shape is not Shape.LIST]
_TOUCH_NOTHING = (
    "trigger-unlock-by",
    "backfill-pause-by",
    "backfill-unpause-by",
    "backfill-delete-by",
    "trigger-delete-by",
    "flow-enable-by",
    "log",
)


@pytest.mark.parametrize(
    ("name", "method", "call"), _REST, ids=[f"{one[0]}-{one[1]}-{number}" for number, one in enumerate(_REST)]
)
def test_the_api_lets_every_role_do_exactly_what_is_written_down(
    people: dict[str, User], places: dict[str, Filled], name: str, method: str, call: Call
) -> None:
    wrong = []
    for role in ("viewer", "operator", "editor", "admin", "custom"):
        api = ApiCaller(f"{role}@example.org")
        for namespace, place in places.items():
            needed = ((call.action, call.resource), *call.also)
            # Who may only create or only change is asked for that right; here the object exists.
            wanted = all(expects(role, action, resource, namespace) for action, resource in needed)
            with transaction.atomic():
                answer = api.send(method, **call.make(place.names()))
                body = read_body(answer)
                transaction.set_rollback(True)
            if name.startswith(_TOUCH_NOTHING):
                is_fine = wanted or answer.status_code in (403, 404) or not _is_done(call, answer) or name == "log"
            else:
                is_fine = _is_done(call, answer) is wanted
            if not is_fine:
                wrong.append((role, namespace, wanted, answer.status_code, body[:200]))

    assert wrong == []
