"""Single sign-on against a real provider over HTTP, which lies whenever a test asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from flows.conf import changed_settings, get_settings
from flows.models import Account, AuditEntry, Binding
from flows.operations import accounts, bindings, groups, oidc, roles, service_accounts
from tests.accounts.conftest import AT, PASSWORD, make_person
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Claims, OidcProvider

pytestmark = pytest.mark.django_db

COOKIE = "celestra-sign-on"
CALLBACK = "/ui/login/oidc/callback"


@pytest.fixture
def provider(db: None) -> Iterator[OidcProvider]:
    running = OidcProvider(oidc.redirect_address())
    oidc.forget_provider()
    with changed_settings(oidc_issuer=running.issuer, oidc_client_id=CLIENT_ID, oidc_client_secret=CLIENT_SECRET):
        make_person("olive@example.org", "owner")
        yield running
    running.stop()
    oidc.forget_provider()


def _sign_in(provider: OidcProvider, client: Client, query: str = "") -> Any:
    begun = client.get(f"/ui/login/oidc{query}")
    assert begun.status_code == 302
    return client.get(CALLBACK, provider.authorize(begun["Location"]))


def _refused(answer: Any, client: Client) -> bool:
    return answer.status_code in (403, 422, 503) and client.get("/ui/account").status_code == 302


def test_the_login_page_names_the_provider(provider: OidcProvider, client: Client) -> None:
    with changed_settings(oidc_name="Example Corp"):
        page = client.get("/ui/login?next=/ui/flows").content.decode()

    assert "Continue with Example Corp" in page and "/ui/login/oidc?next=%2Fui%2Fflows" in page


def test_without_a_provider_there_is_no_button_and_no_way(client: Client, olive: User) -> None:
    assert b"Continue with" not in client.get("/ui/login").content
    assert client.get("/ui/login/oidc").status_code == 404


def test_a_new_person_gets_an_account_and_a_session(provider: OidcProvider, client: Client) -> None:
    provider.person |= {"given_name": "Ada", "family_name": "Lovelace"}
    answer = _sign_in(provider, client, "?next=/ui/flows")

    user = User.objects.get(username="ada@example.org")
    assert answer["Location"] == "/ui/flows"
    assert (user.first_name, user.has_usable_password(), user.is_superuser) == ("Ada", False, False)
    assert client.get("/ui/account").status_code == 200
    assert AuditEntry.objects.filter(what="account.create", object_id="ada@example.org").count() == 1


def test_the_same_person_comes_back_to_the_same_account_with_another_address(provider: OidcProvider) -> None:
    _sign_in(provider, Client())
    provider.person["email"] = "ada.lovelace@example.org"
    _sign_in(provider, Client())

    assert Account.objects.filter(oidc_subject="person-1").count() == 1
    assert not User.objects.filter(username="ada.lovelace@example.org").exists()


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/\\evil.example"])
def test_the_way_back_leads_to_no_other_site(provider: OidcProvider, client: Client, target: str) -> None:
    assert _sign_in(provider, client, f"?next={target}")["Location"] == "/ui/"


def test_the_way_back_never_follows_from_the_host_of_a_request(provider: OidcProvider) -> None:
    begun = Client(headers={"host": "localhost:9999"}).get("/ui/login/oidc")

    provider.authorize(begun["Location"])  # it accepts the configured address only


def _with(**values: Any) -> Callable[[Claims], Claims]:
    return lambda claims: {key: value for key, value in {**claims, **values}.items() if value is not None}


@pytest.mark.parametrize(
    "change",
    [
        _with(exp=int(time.time()) - 3600, iat=int(time.time()) - 7200),
        _with(iat=int(time.time()) + 3600),
        _with(nbf=int(time.time()) + 3600),
        _with(exp=None),
        _with(iat=None),
        _with(iss="https://other.example"),
        _with(iss=None),
        _with(aud="another-client"),
        _with(aud=["another-client", "third"]),
        _with(aud=[CLIENT_ID, "another-client"]),
        _with(aud=[CLIENT_ID, "another-client"], azp="another-client"),
        _with(azp="another-client"),
        _with(aud=None),
        _with(nonce="of another sign-in"),
        _with(nonce=None),
        _with(sub=None),
        _with(sub=""),
        _with(sub="x" * 256),
        _with(sub=7),
        _with(email=None),
        _with(email="no address"),
        _with(email_verified=False),
    ],
)
def test_a_token_that_says_something_wrong_opens_nothing(
    provider: OidcProvider, client: Client, change: Callable[[Claims], Claims]
) -> None:
    provider.change_claims = change

    assert _refused(_sign_in(provider, client), client)
    assert not User.objects.filter(username="ada@example.org").exists()


@pytest.mark.parametrize("name", ["sign_with_other_key", "sign_with_client_secret", "sign_with_public_key", "leave_unsigned"])
def test_a_forged_signature_opens_nothing(provider: OidcProvider, client: Client, name: str) -> None:
    provider.write_token = getattr(provider, name)

    assert _refused(_sign_in(provider, client), client)


def test_a_token_with_a_changed_body_opens_nothing(provider: OidcProvider, client: Client) -> None:
    def swap(claims: Claims) -> str:
        head, _, signature = provider.sign(claims).split(".")
        return f"{head}.{provider.sign({**claims, 'sub': 'person-2'}).split('.')[1]}.{signature}"

    provider.write_token = swap

    assert _refused(_sign_in(provider, client), client)


def test_an_answer_of_another_provider_is_refused(provider: OidcProvider, client: Client) -> None:
    provider.change_answer = lambda answer: {**answer, "iss": "https://other.example"}

    assert _refused(_sign_in(provider, client), client)


def test_a_provider_that_promises_its_name_must_send_it(provider: OidcProvider, client: Client) -> None:
    provider.change_document = lambda document: {**document, "authorization_response_iss_parameter_supported": True}
    provider.change_answer = lambda answer: {key: value for key, value in answer.items() if key != "iss"}

    assert _refused(_sign_in(provider, client), client)


def test_a_document_of_another_issuer_is_refused(provider: OidcProvider, client: Client) -> None:
    provider.change_document = lambda document: {**document, "issuer": "https://other.example"}

    assert client.get("/ui/login/oidc").status_code == 503


def test_an_endpoint_without_encryption_is_refused(provider: OidcProvider, client: Client) -> None:
    provider.change_document = lambda document: {**document, "authorization_endpoint": "http://other.example/authorize"}

    assert client.get("/ui/login/oidc").status_code == 503


@pytest.mark.parametrize("state", ["", "of another browser", None])
def test_an_answer_with_another_state_is_refused(provider: OidcProvider, client: Client, state: str | None) -> None:
    provider.change_answer = lambda answer: {key: value for key, value in {**answer, "state": state}.items() if value is not None}

    assert _refused(_sign_in(provider, client), client)


def test_an_answer_is_not_taken_twice(provider: OidcProvider) -> None:
    client, thief = Client(), Client()
    begun = client.get("/ui/login/oidc")
    sealed = client.cookies[COOKIE].value
    answer = provider.authorize(begun["Location"])
    client.get(CALLBACK, answer)
    again = client.get(CALLBACK, answer)
    thief.cookies[COOKIE] = sealed
    stolen = thief.get(CALLBACK, answer)

    assert again.status_code == 403
    assert _refused(stolen, thief)


def test_an_answer_for_one_browser_signs_no_other_one_in(provider: OidcProvider) -> None:
    """Somebody who sends a victim the end of an own sign-in would have the victim work in the wrong account."""
    attacker, victim = Client(), Client()
    answer = provider.authorize(attacker.get("/ui/login/oidc")["Location"])
    victim.get("/ui/login/oidc")

    assert _refused(victim.get(CALLBACK, answer), victim)


def test_an_attempt_that_took_too_long_is_over(provider: OidcProvider, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "ATTEMPT_SECONDS", -1)

    assert _refused(_sign_in(provider, client), client)


def test_the_cookie_of_an_attempt_tells_nothing_and_is_no_ones_to_write(provider: OidcProvider, client: Client) -> None:
    begun = client.get("/ui/login/oidc?next=/ui/flows")
    cookie = client.cookies[COOKIE]

    assert "flows" not in cookie.value and cookie["httponly"] and cookie["samesite"] == "Lax"
    client.cookies[COOKIE] = cookie.value[:-4] + "AAAA"
    assert _refused(client.get(CALLBACK, provider.authorize(begun["Location"])), client)


def test_a_refusal_of_the_provider_is_said_in_our_words(provider: OidcProvider, client: Client) -> None:
    provider.change_answer = lambda answer: {"state": answer["state"], "iss": answer["iss"], "error": "<script>alert(1)</script>"}
    answer = _sign_in(provider, client)

    assert answer.status_code == 403 and b"<script>alert" not in answer.content


def test_new_keys_of_the_provider_are_read(provider: OidcProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    _sign_in(provider, Client())
    provider.key = type(provider.key).generate_key(2048, {"kid": "one", "use": "sig"})
    monkeypatch.setattr(oidc, "REFRESH_SECONDS", 0.0)

    assert _sign_in(provider, Client())["Location"] == "/ui/"


def test_a_provider_that_is_away_gives_a_page_that_says_so(provider: OidcProvider, client: Client) -> None:
    with changed_settings(oidc_issuer="http://127.0.0.1:9", oidc_client_id=CLIENT_ID):
        answer = client.get("/ui/login/oidc")

    assert answer.status_code == 503 and b"does not answer" in answer.content


def test_an_account_with_the_same_address_is_not_taken_over(provider: OidcProvider, client: Client) -> None:
    make_person("ada@example.org")

    assert _refused(_sign_in(provider, client), client)


def test_an_operator_may_join_accounts_by_verified_address_only(provider: OidcProvider) -> None:
    make_person("ada@example.org")
    with changed_settings(oidc_links_accounts=True):
        provider.person["email_verified"] = False
        unverified = _sign_in(provider, Client())
        provider.person["email_verified"] = "true"
        text = _sign_in(provider, Client())
        provider.person["email_verified"] = True
        verified = _sign_in(provider, Client())

    assert (unverified.status_code, text.status_code, verified.status_code) == (403, 403, 302)


def test_a_person_connects_the_own_account(provider: OidcProvider, client: Client) -> None:
    user = make_person("ada@example.org")
    client.post("/ui/login", {"username": "ada@example.org", "password": PASSWORD})
    _sign_in(provider, client, "?connect=1")
    other = Client()

    assert Account.objects.get(user=user).oidc_subject == "person-1"
    assert _sign_in(provider, other)["Location"] == "/ui/"


def test_unknown_people_may_be_kept_out(provider: OidcProvider, client: Client) -> None:
    with changed_settings(oidc_creates_accounts=False):
        assert _refused(_sign_in(provider, client), client)
    with changed_settings(oidc_email_domains=("other.example",)):
        assert _refused(_sign_in(provider, client), client)


def test_a_disabled_account_stays_out(provider: OidcProvider, client: Client) -> None:
    _sign_in(provider, Client())
    accounts.disable_account(User.objects.get(username="ada@example.org"))

    assert _refused(_sign_in(provider, client), client)


def test_groups_of_the_provider_become_groups_and_roles_and_go_with_them(provider: OidcProvider) -> None:
    group = groups.create_group("engineers")
    kept = groups.create_group("own choice")
    provider.person["groups"] = ["eng", "admins"]
    pairs = ("eng=editor@company.team", "admins=owner", "admins=unknown-role")
    with changed_settings(oidc_groups=("eng=engineers", "eng=unknown"), oidc_roles=pairs):
        _sign_in(provider, Client())
        user = User.objects.get(username="ada@example.org")
        groups.add_member(kept, user)
        bindings.give_role(roles.get_role("viewer"), user, at=AT)
        first = {(row.role.name, row.namespace) for row in Binding.objects.filter(user=user)}
        provider.person["groups"] = ["eng"]
        _sign_in(provider, Client())
        second = {(row.role.name, row.namespace) for row in Binding.objects.filter(user=user)}
        provider.person.pop("groups")
        _sign_in(provider, Client())
        third = {(row.role.name, row.namespace) for row in Binding.objects.filter(user=user)}

    assert first == {("editor", "company.team"), ("owner", ""), ("viewer", "")}
    assert (second, third) == ({("editor", "company.team"), ("viewer", "")}, {("viewer", "")})
    assert [each.name for each in user.groups.all()] == ["own choice"]
    assert AuditEntry.objects.filter(what="account.follow-groups").count() == 3
    assert not group.user_set.exists()


def test_a_default_role_is_given_once(provider: OidcProvider) -> None:
    with changed_settings(oidc_default_role="viewer@company"):
        _sign_in(provider, Client())
        Binding.objects.filter(user__username="ada@example.org").delete()
        _sign_in(provider, Client())

    assert not Binding.objects.filter(user__username="ada@example.org").exists()


def test_the_provider_does_not_take_the_last_owner_away(provider: OidcProvider) -> None:
    provider.person["groups"] = ["admins"]
    with changed_settings(oidc_roles=("admins=owner",)):
        _sign_in(provider, Client())
        accounts.delete_account(User.objects.get(username="olive@example.org"))
        provider.person["groups"] = []
        _sign_in(provider, Client())

    assert Binding.objects.filter(user__username="ada@example.org", role_id="owner").exists()


def test_a_second_factor_is_asked_for_unless_the_provider_did(provider: OidcProvider) -> None:
    with changed_settings(require_mfa=True):
        weak = _sign_in(provider, Client())
        provider.person["amr"] = ["pwd", "otp"]
        strong = _sign_in(provider, Client())

    assert (weak["Location"], strong["Location"]) == ("/ui/login/enrol", "/ui/")


def test_no_identity_signs_in_as_a_service_account(provider: OidcProvider, client: Client) -> None:
    robot = service_accounts.create_service_account("deploy-bot", at=AT)
    Account.objects.filter(user=robot).update(oidc_issuer=provider.issuer, oidc_subject="person-1")

    answer = _sign_in(provider, client)

    assert answer.status_code != 500
    assert client.session.get("_auth_user_id") != str(robot.pk)


def test_the_settings_name_one_way_back() -> None:
    assert oidc.redirect_address() == get_settings().public_url + CALLBACK
