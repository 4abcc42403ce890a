"""The pages of people, groups, roles, access and one's own account."""

from __future__ import annotations

import re
from typing import Any

import pyotp
import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from flows.models import ApiToken, Binding, Namespace
from flows.operations import account_acts, bindings, groups, roles, second_factor, service_accounts
from flows.primitives.callers import PLATFORM, acting_as
from tests.accounts.conftest import AT, PASSWORD

pytestmark = pytest.mark.django_db


def _browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def team(db: None) -> None:
    """The namespace `company.team`, described so that it exists."""
    Namespace.objects.create(id="company.team")


def _note(answer: Any) -> str:
    assert answer.status_code == 302, answer.content[:300]
    return str(answer["Location"])


PAGES = ("/ui/users", "/ui/users?tab=services", "/ui/users/{}", "/ui/groups", "/ui/groups/{}", "/ui/roles", "/ui/roles/new",
         "/ui/roles/new?copy=viewer", "/ui/roles/viewer", "/ui/roles/desk", "/ui/namespaces/company.team/access")  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_pages_of_access_are_for_those_with_the_right(team: None, olive: User, alice: User, charlie: User, page: str) -> None:
    with acting_as(PLATFORM):
        group = groups.create_group("engineers")
        bindings.give_role(roles.get_role("editor"), group, namespace="company.team", at=AT)
        groups.add_member(group, alice)
        roles.create_role("desk", permissions={"FLOW": ["READ"]}, at=AT)
        service_accounts.create_service_account("deploy-bot", at=AT)
    path = page.format(group.pk if "groups" in page else alice.pk)

    assert _browser(olive).get(path).status_code == 200
    if "namespaces" not in page:
        assert _browser(alice).get(path).status_code == 403
        assert _browser(charlie).get(path).status_code == 403


def test_the_tab_of_a_namespace_hides_people_from_those_without_the_right(team: None, olive: User, alice: User) -> None:
    page = _browser(alice).get("/ui/namespaces/company.team/access")

    assert page.status_code == 200 and b"olive@example.org" not in page.content


def test_names_are_text_wherever_they_stand(olive: User) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    browser = _browser(olive)
    browser.post("/ui/users", {"name": "ada@example.org", "password": PASSWORD, "first_name": hostile})
    user = User.objects.get(username="ada@example.org")

    for path in ("/ui/users", f"/ui/users/{user.pk}"):
        assert b"<img src=x" not in browser.get(path).content


def test_a_person_gets_a_role_joins_a_group_and_is_shut_out(olive: User) -> None:
    browser = _browser(olive)
    Group.objects.create(name="engineers")
    address = _note(browser.post("/ui/users", {"name": "ada@example.org", "password": PASSWORD}))
    user = User.objects.get(username="ada@example.org")
    act = f"/ui/users/{user.pk}/act"
    browser.post(f"{act}/role-give", {"role": "editor", "where": "namespace", "namespace": "company.team"})
    browser.post(f"{act}/group-join", {"group": "engineers"})
    browser.post(f"{act}/disable")

    user.refresh_from_db()
    assert address.startswith(f"/ui/users/{user.pk}?note=")
    assert [(row.role_id, row.namespace) for row in Binding.objects.filter(user=user)] == [("editor", "company.team")]
    assert ([group.name for group in user.groups.all()], user.is_active) == (["engineers"], False)


def test_a_form_without_a_namespace_gives_nothing_everywhere(olive: User, charlie: User) -> None:
    answer = _browser(olive).post(
        f"/ui/users/{charlie.pk}/act/role-give", {"role": "owner", "where": "namespace", "namespace": ""}
    )

    assert "problem=" in _note(answer)
    assert not Binding.objects.filter(user=charlie).exists()


def test_the_tab_of_a_namespace_gives_and_takes_roles(team: None, olive: User, charlie: User) -> None:
    browser = _browser(olive)
    form = {"subject": f"user:{charlie.username}", "role": "viewer", "where": "namespace", "namespace": "company.team"}
    browser.post("/ui/namespaces/company.team/access/role-give", form)
    binding = Binding.objects.get(user=charlie)
    assert charlie.username.encode() in browser.get("/ui/namespaces/company.team/access").content
    browser.post("/ui/namespaces/company.team/access/role-take", {"id": binding.pk})

    assert not Binding.objects.filter(user=charlie).exists()


@pytest.mark.parametrize("action", ["disable", "delete", "password", "role-give", "demote", "sessions-revoke", "nothing"])
def test_direct_posts_without_the_right_are_refused(olive: User, alice: User, action: str) -> None:
    assert _browser(alice).post(f"/ui/users/{olive.pk}/act/{action}", {"password": "another long phrase"}).status_code == 403


def test_a_built_in_role_is_copied_into_one_of_ones_own(olive: User) -> None:
    browser = _browser(olive)
    page = browser.get("/ui/roles/new?copy=operator").content.decode()
    ticked = re.findall(r'value="([A-Z]+\.[A-Z]+)"[^>]*checked', page)
    browser.post("/ui/roles", {"name": "night-shift", "permission": ticked})

    copy, original = (roles.get_role(name) for name in ("night-shift", "operator"))
    assert account_acts.permissions_of(copy) == account_acts.permissions_of(original)


def test_the_table_of_roles_shows_every_resource(olive: User) -> None:
    page = _browser(olive).get("/ui/roles")

    assert len(page.context["matrix"]) == 13 and len(page.context["roles"]) == 5


def test_a_token_is_shown_once_and_works(charlie: User) -> None:
    browser = _browser(charlie)
    form = {"name": "ci", "access": "READ", "lifetime": "P7D", "namespaces": "company.team, company.data"}
    shown = browser.post("/ui/account/act/token-create", form).content.decode()
    text = re.search(r"celestra_[\w-]+", shown)
    token = ApiToken.objects.get()

    assert text is not None and text.group() not in browser.get("/ui/account").content.decode()
    assert (token.can_write, token.namespaces) == (False, ["company.data", "company.team"])
    header = {"authorization": f"Bearer {text.group()}"}
    assert Client(headers=header).get("/api/v1/configs").status_code == 200
    browser.post("/ui/account/act/token-revoke", {"id": token.id})
    assert Client(headers=header).get("/api/v1/configs").status_code == 401


def test_the_second_factor_is_set_up_on_the_page_of_the_account(charlie: User) -> None:
    browser = _browser(charlie)
    browser.post("/ui/account/act/second-factor-begin")
    page = browser.get("/ui/account")
    secret = page.context["secret"].replace(" ", "")
    wrong = browser.post("/ui/account/act/second-factor-enable", {"code": "000000"})
    done = browser.post("/ui/account/act/second-factor-enable", {"code": pyotp.TOTP(secret).now()})

    assert "problem=" in _note(wrong)
    assert len(done.context["codes"]) == second_factor.RECOVERY_CODES
    assert second_factor.is_enabled(User.objects.get(pk=charlie.pk))
    assert browser.get("/ui/account").status_code == 200


def test_the_own_page_tells_what_one_may_do(alice: User) -> None:
    page = _browser(alice).get("/ui/account").content.decode()

    assert "company.team" in page and "editor" in page


@pytest.mark.parametrize("path", ["/ui/users/99999", "/ui/users/x", "/ui/groups/x", "/ui/roles/x", "/ui/users/1%00"])
def test_what_does_not_exist_is_not_found(olive: User, path: str) -> None:
    assert _browser(olive).get(path).status_code == 404
