"""People, groups, roles and bindings through the REST API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from flows.models import AuditEntry
from tests.accounts.conftest import PASSWORD, make_person
from tests.api.conftest import basic

pytestmark = pytest.mark.django_db


class Api:
    """Calls below `/api/v1/main` as one person."""

    def __init__(self, user: User) -> None:
        self._client = Client(headers={"authorization": basic(user.username, PASSWORD)})

    def send(self, method: str, path: str, body: Any = None) -> Any:
        root = "/api/v1" if path.startswith("/me") else "/api/v1/main"
        data = "" if body is None else json.dumps(body)
        return self._client.generic(method, root + path, data, content_type="application/json")

    def get(self, path: str) -> Any:
        return self.send("GET", path)


@pytest.fixture
def owner(olive: User) -> Api:
    return Api(olive)


def test_a_person_is_made_read_changed_and_deleted(owner: Api) -> None:
    made = owner.send("POST", "/users", {"email": "ada@example.org", "password": PASSWORD, "firstName": "Ada"}).json()
    changed = owner.send("PATCH", f"/users/{made['id']}", {"lastName": "Lovelace", "disabled": True}).json()
    found = owner.get("/users?q=ada").json()
    deleted = owner.send("DELETE", "/users/ada@example.org")

    assert (made["email"], made["auths"], made["disabled"]) == ("ada@example.org", [{"type": "BASIC_AUTH"}], False)
    assert (changed["displayName"], changed["disabled"]) == ("Ada Lovelace", True)
    assert found["total"] == 1 and "password" not in json.dumps(found).lower()
    assert (deleted.status_code, owner.get("/users/ada@example.org").status_code) == (204, 404)


def test_a_password_that_is_set_works_at_once(owner: Api, charlie: User) -> None:
    answer = owner.send("PATCH", f"/users/{charlie.pk}/password", {"password": "another long phrase"})

    assert answer.status_code == 200
    header = {"authorization": basic(charlie.username, "another long phrase")}
    assert Client(headers=header).get("/api/v1/me").status_code == 200


def test_groups_with_members_and_roles_in_one_namespace(owner: Api, charlie: User) -> None:
    group = owner.send("POST", "/groups", {"name": "engineers", "membersId": [str(charlie.pk)]}).json()
    body = {"type": "GROUP", "externalId": group["id"], "roleId": "viewer", "namespaceId": "company.team"}
    binding = owner.send("POST", "/bindings", body).json()
    rights = Api(charlie).get("/me/rights").json()

    assert [one["username"] for one in owner.get(f"/groups/{group['id']}/members").json()["results"]] == [charlie.username]
    assert (binding["namespace"], binding["role"]["name"], binding["group"]["name"]) == ("company.team", "viewer", "engineers")
    assert [(one["namespace"], one["permissions"]["FLOW"]) for one in rights] == [("company.team", ["READ"])]
    assert Api(charlie).get("/me").json()["rights"] == rights

    assert owner.send("DELETE", f"/bindings/{binding['id']}").status_code == 204
    assert Api(charlie).get("/me/rights").json() == []


def test_a_member_that_nobody_is_leaves_no_group(owner: Api) -> None:
    answer = owner.send("POST", "/groups", {"name": "engineers", "membersId": ["nobody@example.org"]})

    assert (answer.status_code, answer.json()["code"]) == (404, "account-not-found")
    assert owner.get("/groups/engineers").status_code == 404


def test_who_may_not_make_a_group_does_not_learn_who_has_an_account(charlie: User, olive: User) -> None:
    names = (olive.username, "nobody@example.org")

    answers = [Api(charlie).send("POST", "/groups", {"name": "engineers", "membersId": [name]}) for name in names]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json()["message"] == answers[1].json()["message"]


def test_bindings_are_found_by_namespace_and_by_whom(owner: Api, alice: User, olive: User) -> None:
    reached = owner.get("/bindings/search?namespace=company.team.sub").json()["results"]
    elsewhere = owner.get("/bindings/search?namespace=company.teams").json()["results"]
    mine = owner.get(f"/bindings?type=USER&id={alice.pk}").json()["results"]

    assert {one["user"]["username"] for one in reached} == {alice.username, olive.username}
    assert [one["user"]["username"] for one in elsewhere] == [olive.username]
    assert [one["namespace"] for one in mine] == ["company.team"]


def test_several_bindings_are_made_or_none(owner: Api, charlie: User) -> None:
    good = {"type": "USER", "externalId": charlie.username, "roleId": "viewer", "namespaceId": "company"}
    answer = owner.send("POST", "/bindings/bulk", [good, {**good, "roleId": "nothing"}])
    made = owner.send("POST", "/bindings/bulk", [good, {**good, "namespaceId": "other"}])

    assert (answer.status_code, made.status_code, len(made.json())) == (404, 200, 2)
    assert AuditEntry.objects.filter(what="binding.create-many", result="DONE").count() == 1


def test_a_role_of_ones_own_by_the_api(owner: Api) -> None:
    made = owner.send("POST", "/roles", {"name": "desk", "permissions": {"FLOW": ["READ"], "SECRET": None}}).json()
    changed = owner.send("PUT", "/roles/desk", {"permissions": {"FLOW": ["READ", "UPDATE"]}}).json()
    built_in = owner.send("PUT", "/roles/viewer", {"permissions": {}})

    assert (made["permissions"], made["isManaged"]) == ({"FLOW": ["READ"]}, False)
    assert changed["permissionCount"] == 2
    assert built_in.status_code == 409
    assert [one["name"] for one in owner.get("/roles/search?size=3").json()["results"]] == ["viewer", "operator", "editor"]
    assert owner.send("DELETE", "/roles/desk").status_code == 204


def test_a_service_account_and_its_tokens(owner: Api) -> None:
    made = owner.send("POST", "/service-accounts", {"name": "deploy-bot", "description": "Ships"}).json()
    token = owner.send("POST", "/service-accounts/deploy-bot/api-tokens", {"name": "ci", "maxAge": "P7D"}).json()
    robot = Client(headers={"authorization": f"Bearer {token['fullToken']}"})
    listed = owner.get(f"/service-accounts/{made['id']}/api-tokens").json()["results"]

    assert (made["type"], robot.get("/api/v1/me").status_code) == ("SERVICE_ACCOUNT", 200)
    assert [one["name"] for one in listed] == ["ci"] and token["fullToken"] not in json.dumps(listed)
    assert owner.get("/users/deploy-bot").status_code == 404
    assert owner.send("DELETE", f"/service-accounts/deploy-bot/api-tokens/{token['id']}").status_code == 204
    assert robot.get("/api/v1/me").status_code == 401


ADDRESSES = ("/users", "/users/olive@example.org", "/groups", "/roles", "/roles/viewer", "/bindings", "/service-accounts")


@pytest.mark.parametrize("path", ADDRESSES)
def test_people_and_roles_are_shown_only_to_those_with_the_right(olive: User, alice: User, charlie: User, path: str) -> None:
    assert Api(olive).get(path).status_code == 200
    assert Api(alice).get(path).status_code == 403
    assert Api(charlie).get(path).status_code == 403


def test_missing_and_existing_people_look_alike_without_the_right(olive: User, charlie: User) -> None:
    answers = [Api(charlie).get(f"/users/{name}").json() for name in (olive.username, "nobody@example.org")]

    assert answers[0]["message"] == answers[1]["message"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/users", {}),
        ("POST", "/users", {"email": 7}),
        ("POST", "/users", {"email": "a@example.org", "groups": "x"}),
        ("POST", "/users", []),
        ("PATCH", "/users/olive@example.org", {"disabled": "yes"}),
        ("POST", "/groups", {"name": None}),
        ("POST", "/roles", {"name": "x", "permissions": []}),
        ("POST", "/roles", {"name": "x", "permissions": {"FLOW": "READ"}}),
        ("POST", "/bindings", {"type": "PLANET", "externalId": "1", "roleId": "viewer"}),
        ("POST", "/bindings", {"type": "USER", "externalId": 1, "roleId": "viewer"}),
        ("POST", "/bindings/bulk", {"a": 1}),
        ("POST", "/service-accounts", {"name": "Not Fit"}),
        ("PUT", "/me/password", {"oldPassword": 1}),
        ("PATCH", "/users/olive@example.org/instanceOwner", {"instanceOwner": True}),
    ],
)
def test_bodies_that_make_no_sense_are_refused(owner: Api, method: str, path: str, body: Any) -> None:
    assert owner.send(method, path, body).status_code in (400, 422)


def test_the_last_owner_is_kept_by_the_api_too(owner: Api, olive: User) -> None:
    answers = [owner.send("DELETE", f"/users/{olive.pk}"), owner.send("PATCH", f"/users/{olive.pk}", {"disabled": True})]

    assert [answer.status_code for answer in answers] == [409, 409]


def test_whoever_looks_after_people_does_not_climb_by_the_api(olive: User, uma: User) -> None:
    body = {"type": "USER", "externalId": uma.username, "roleId": "owner"}

    assert Api(uma).send("POST", "/bindings", body).status_code == 403
    assert Api(uma).send("PATCH", f"/users/{olive.pk}/password", {"password": "another long phrase"}).status_code == 403


def test_a_person_changes_the_own_password_and_lists_the_own_sessions(charlie: User) -> None:
    browser = Client()
    browser.force_login(charlie)
    api = Api(charlie)
    listed = api.get("/me/sessions").json()["results"]
    answer = api.send("PUT", "/me/password", {"oldPassword": PASSWORD, "newPassword": "another long phrase"})

    assert len(listed) == 1 and "digest" not in listed[0]
    assert answer.status_code == 204 and browser.get("/ui/account").status_code == 302


def test_guessing_the_own_old_password_is_slowed_down(charlie: User) -> None:
    api = Api(charlie)
    body = {"oldPassword": "wrong", "newPassword": "another long phrase"}

    assert [api.send("PUT", "/me/password", body).status_code for _ in range(6)] == [403] * 5 + [429]


def test_a_group_is_neither_seen_nor_filled_by_strangers(olive: User, db: None) -> None:
    editor = make_person("ada@example.org", "editor")

    assert Api(editor).send("PUT", "/groups/1/members/1").status_code == 403
    assert Api(editor).send("POST", "/groups", {"name": "mine"}).status_code == 403
