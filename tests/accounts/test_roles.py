"""Roles, groups and bindings: what they give, who may give them, and that losing them works at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from flows.models import AuditEntry, Binding, Role, UserSession
from flows.operations import account_acts, bindings, groups, roles
from flows.primitives.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from flows.primitives.rights import BUILT_IN_ROLES, Action, Resource
from tests.accounts.conftest import AT, As, make_person

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", BUILT_IN_ROLES)
def test_a_built_in_role_is_neither_changed_nor_deleted(olive: User, acting: As, name: str) -> None:
    role = roles.get_role(name)
    with acting(olive):
        with pytest.raises(ConflictError):
            roles.update_role(role, description="mine", at=AT)
        with pytest.raises(ConflictError):
            roles.delete_role(role)


def test_a_role_of_ones_own_permits_exactly_its_table(olive: User, acting: As) -> None:
    with acting(olive):
        role = roles.create_role("restarter", permissions={"EXECUTION": ["UPDATE", "READ"]}, at=AT)
        user = make_person("ada@example.org", "restarter@company")
    with acting(user) as caller:
        allowed = {(r, a) for r in Resource for a in Action if caller.may(a, r, "company.team")}

    assert role.permissions == {"EXECUTION": ["READ", "UPDATE"]}
    assert allowed == {(Resource.EXECUTION, Action.READ), (Resource.EXECUTION, Action.UPDATE)}


@pytest.mark.parametrize(
    ("name", "table"),
    [("x", {"PLANET": ["READ"]}), ("x", {"FLOW": ["FLY"]}), ("Big", {}), ("", {}), ("a b", {}), ("x" * 64, {}), ("x\0", {})],
)
def test_a_role_that_makes_no_sense_is_refused(olive: User, acting: As, name: str, table: Any) -> None:
    with acting(olive), pytest.raises(InvalidError):
        roles.create_role(name, permissions=table, at=AT)


def test_a_role_in_use_is_not_deleted(olive: User, acting: As) -> None:
    with acting(olive):
        role = roles.create_role("restarter", permissions={"EXECUTION": ["READ"]}, at=AT)
        binding = bindings.give_role(role, olive, at=AT)
        with pytest.raises(ConflictError) as caught:
            roles.delete_role(role)
        bindings.take_role(binding)
        roles.delete_role(role)

    assert caught.value.code == "role-in-use"
    assert not Role.objects.filter(name="restarter").exists()


def test_nobody_gives_more_than_they_have(uma: User, charlie: User, acting: As) -> None:
    with acting(uma):
        with pytest.raises(ForbiddenError) as caught:
            bindings.give_role(roles.get_role("viewer"), charlie, at=AT)
        roles.create_role("reader", permissions={"FLOW": ["READ"]}, at=AT)
        bindings.give_role(roles.get_role("reader"), charlie, namespace="company", at=AT)

    assert caught.value.code == "beyond-own-rights"
    assert [row.role.name for row in Binding.objects.filter(user=charlie)] == ["reader"]


@pytest.mark.parametrize(
    "climb",
    [
        lambda uma: roles.create_role("more", permissions={"SECRET": ["DELETE"]}, at=AT),
        lambda uma: roles.update_role(roles.get_role("people-desk"), permissions={"SECRET": ["DELETE"]}, at=AT),
        lambda uma: bindings.give_role(roles.get_role("owner"), uma, at=AT),
        lambda uma: groups.add_member(groups.get_group("owners"), uma),
        lambda uma: groups.set_groups(uma, [groups.get_group("owners")]),
        lambda uma: bindings.take_role(Binding.objects.get(role_id="owner", group__name="owners")),
        lambda uma: groups.delete_group(groups.get_group("owners")),
    ],
)
def test_whoever_looks_after_people_cannot_climb(olive: User, uma: User, acting: As, climb: Callable[[User], Any]) -> None:
    with acting(olive):
        bindings.give_role(roles.get_role("owner"), groups.create_group("owners"), at=AT)
    with acting(uma), pytest.raises(ForbiddenError):
        climb(uma)

    with acting(uma) as caller:
        assert not caller.may(Action.DELETE, Resource.SECRET)


def test_an_editor_of_a_namespace_gives_nothing_not_even_there(alice: User, charlie: User, acting: As) -> None:
    with acting(alice), pytest.raises(ForbiddenError):
        bindings.give_role(roles.get_role("viewer"), charlie, namespace="company.team", at=AT)


def test_the_owner_role_of_the_last_owner_is_not_taken(olive: User, acting: As) -> None:
    binding = Binding.objects.get(user=olive)
    with acting(olive), pytest.raises(ConflictError) as caught:
        bindings.take_role(binding)

    assert caught.value.code == "last-owner"
    assert Binding.objects.filter(pk=binding.pk).exists()


def test_the_last_owner_through_a_group_stays_in_it(olive: User, acting: As) -> None:
    with acting(olive):
        group = groups.create_group("owners")
        bindings.give_role(roles.get_role("owner"), group, at=AT)
        groups.add_member(group, olive)
        bindings.take_role(Binding.objects.get(user=olive))
        for act in (
            lambda: groups.remove_member(group, olive),
            lambda: groups.delete_group(group),
            lambda: groups.set_groups(olive, []),
            lambda: bindings.take_role(Binding.objects.get(group=group)),
        ):
            with pytest.raises(ConflictError):
                act()

    assert account_acts.list_owners() == ["olive@example.org"]


def test_an_owner_of_one_namespace_does_not_count(olive: User, acting: As) -> None:
    make_person("ada@example.org", "owner@company")

    with acting(olive), pytest.raises(ConflictError):
        bindings.take_role(Binding.objects.get(user=olive))


def test_the_same_role_at_the_same_place_is_given_once(olive: User, charlie: User, acting: As) -> None:
    with acting(olive):
        bindings.give_role(roles.get_role("viewer"), charlie, namespace="company", at=AT)
        bindings.give_role(roles.get_role("viewer"), charlie, namespace="company.team", at=AT)
        with pytest.raises(ConflictError):
            bindings.give_role(roles.get_role("viewer"), charlie, namespace="company", at=AT)


@pytest.mark.parametrize("namespace", ["Company", "a b", "../x", "x\0", "é", "x" * 200])
def test_a_role_is_given_in_a_namespace_that_can_be(olive: User, charlie: User, acting: As, namespace: str) -> None:
    with acting(olive), pytest.raises(InvalidError):
        bindings.give_role(roles.get_role("viewer"), charlie, namespace=namespace, at=AT)


def test_a_lost_right_is_gone_with_the_next_request(olive: User, acting: As) -> None:
    user = make_person("ada@example.org", "admin")
    second = make_person("second@example.org", "owner")
    browser = Client()
    browser.force_login(second)
    assert browser.get("/ui/users").status_code == 200
    with acting(olive):
        bindings.take_role(Binding.objects.get(user=second))

    assert browser.get("/ui/users").status_code == 403
    assert user.is_active


def test_a_changed_right_gives_the_browser_a_new_key(olive: User, charlie: User, acting: As) -> None:
    browser = Client()
    browser.force_login(charlie)
    browser.get("/ui/account")
    before = browser.cookies["celestra-session"].value
    with acting(olive):
        bindings.give_role(roles.get_role("viewer"), charlie, at=AT)
    assert UserSession.objects.get(user=charlie).must_rotate

    assert browser.get("/ui/account").status_code == 200
    assert browser.cookies["celestra-session"].value != before
    assert browser.get("/ui/account").status_code == 200


def test_a_changed_role_holds_for_everybody_who_has_it(olive: User, acting: As) -> None:
    with acting(olive):
        role = roles.create_role("desk", permissions={"FLOW": ["READ"]}, at=AT)
        user = make_person("ada@example.org", "desk")
        roles.update_role(role, permissions={"EXECUTION": ["READ"]}, at=AT)
    with acting(user) as caller:
        assert (caller.may(Action.READ, Resource.FLOW, "a"), caller.may(Action.READ, Resource.EXECUTION, "a")) == (False, True)


def test_groups_are_named_once_and_never_like_an_id(olive: User, acting: As) -> None:
    with acting(olive):
        groups.create_group("data engineers")
        for name, kind in (("data engineers", ConflictError), ("12", InvalidError), ("", InvalidError), ("a/b", InvalidError)):
            with pytest.raises(kind):
                groups.create_group(name)
        with pytest.raises(NotFoundError):
            groups.get_group("unknown")


def test_each_change_writes_one_row_of_the_audit_log(olive: User, charlie: User, acting: As) -> None:
    start = AuditEntry.objects.count()
    with acting(olive):
        group = groups.create_group("readers")
        groups.add_member(group, charlie)
        binding = bindings.give_role(roles.get_role("viewer"), group, namespace="company", at=AT)
        bindings.take_role(binding)
        groups.set_groups(charlie, [])
        groups.delete_group(group)

    words = list(AuditEntry.objects.order_by("id").values_list("what", flat=True))[start:]
    assert words == [
        "group.create",
        "group.add-member",
        "binding.create",
        "binding.delete",
        "account.set-groups",
        "group.delete",
    ]
