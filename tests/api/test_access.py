"""Who may call what: deny by default, credentials, sessions with CSRF, and the errors of strangers."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from flows.api.auth import OPEN_ROUTES, verified_credentials
from flows.models import Flow
from tests.api.conftest import PASSWORD, SOURCE, Api, basic
from tests.support.addresses import fill_in, list_routes

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
# What stands behind these names is open on purpose; a new name here needs a decision, see security 0b and S-01.
FROZEN = {
    "ping",
    "health",
    "health-liveness",
    "health-readiness",
    "login-configuration",
    "login",
    "webhook",
    "webhook-with-path",
}


def _list_routes() -> list[tuple[str, str]]:
    found = []
    for text, route in list_routes():
        if text.startswith(("api", "health", "ping", "info", "prometheus", "metrics")):
            found.append((fill_in(text, {"action": "restart"}), route.name or ""))
    return found


def test_the_open_routes_are_exactly_the_agreed_ones() -> None:
    assert OPEN_ROUTES == FROZEN


def test_every_other_route_refuses_a_stranger_with_every_method(stranger: Api, alice: User) -> None:
    open_to_strangers = []
    routes = _list_routes()
    for path, name in routes:
        for method in METHODS:
            answer = stranger.client.generic(method, path)
            if name not in FROZEN and answer.status_code not in (401, 403):
                open_to_strangers.append((method, path, answer.status_code))

    assert len(routes) > 300
    assert open_to_strangers == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/main/flows/search/ping",
        "/api/v1/main/flows/search?x=/ping",
        "/api/v1//main//flows/search",
        "/api/v1/main/flows/search/",
        "/api/v1/main/executions/webhook/../../flows/search",
        "/api/v1/main/executions/webhook/%2e%2e/%2e%2e/flows/search",
        "/api/v1/main/flows/search;x=/api/v1/configs/login",
        "/api/v1/main/flows%2Fsearch",
        "/API/v1/main/flows/search",
        "/api/v1/MAIN/flows/search",
        "/api/v1/main/flows/search/api/v1/configs/login",
        "/api/v1/other/flows/search",
        "/api/v1/basicAuth",
        "/api",
    ],
)
def test_odd_addresses_open_nothing(stranger: Api, daily: dict[str, Any], path: str) -> None:
    answer = stranger.client.get(path)

    assert answer.status_code in (400, 401, 403, 404)
    assert b"daily" not in answer.content


def test_headers_that_override_methods_or_addresses_open_nothing(stranger: Api) -> None:
    for header in ("X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix"):
        answer = stranger.client.get("/api/v1/main/flows/search", headers={header: "/api/v1/configs/login"})

        assert answer.status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        basic("alice@example.org", "wrong"),
        basic("nobody@example.org"),
        basic("alice@example.org\0"),
        "Basic !!!",
        "Basic " + "A" * 5000,
        "Bearer token",
        "Basic",
    ],
)
def test_wrong_credentials_give_one_and_the_same_kind_of_answer(alice: User, header: str) -> None:
    answer = Client(headers={"authorization": header}).get("/api/v1/main/flows/search")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert answer.json()["status"] == 401 and "type" not in answer.json()


def test_unknown_names_and_wrong_passwords_are_told_apart_by_nothing(alice: User) -> None:
    answers = [
        Client(headers={"authorization": basic(name, "wrong")}).get("/api/v1/main/flows/search")
        for name in ("alice@example.org", "nobody@example.org")
    ]

    assert answers[0].content == answers[1].content


def test_the_login_page_gets_no_password_window(stranger: Api) -> None:
    answer = stranger.client.get("/api/v1/main/flows/search", headers={"referer": "http://testserver/ui/login?next=/"})

    assert answer.status_code == 401
    assert "WWW-Authenticate" not in answer.headers


def test_verified_credentials_are_not_hashed_again(api: Api, django_assert_num_queries: Any) -> None:
    api.get("/configs/login")
    assert api.client.get("/api/v1/me").status_code == 200

    with django_assert_num_queries(0):
        assert api.client.get("/api/v1/me").status_code == 200


def test_a_changed_password_ends_remembered_credentials_at_once(api: Api, alice: User) -> None:
    assert api.client.get("/api/v1/me").status_code == 200
    alice.set_password("another-Password-9")
    alice.save()

    assert api.client.get("/api/v1/me").status_code == 401


def test_an_inactive_account_is_refused(api: Api, alice: User) -> None:
    alice.is_active = False
    alice.save()

    assert api.client.get("/api/v1/me").status_code == 401


def test_remembered_credentials_keep_no_header() -> None:
    verified_credentials.clear()
    verified_credentials.remember(b"Basic secret", User(username="a"))

    assert b"secret" not in b"".join(verified_credentials._users)


def test_a_session_reads_freely_and_writes_only_with_its_token(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.get("/ui/login")
    opened = client.post(
        "/api/v1/login", {"username": "alice@example.org", "password": PASSWORD}, content_type="application/json"
    )
    without = client.post("/api/v1/main/flows", SOURCE, content_type="application/x-yaml")
    token = client.cookies["celestra-csrf"].value
    with_token = client.post("/api/v1/main/flows", SOURCE, content_type="application/x-yaml", headers={"x-csrftoken": token})

    assert opened.status_code == 200
    assert client.get("/api/v1/main/flows/search").status_code == 200
    assert (without.status_code, with_token.status_code) == (403, 200)
    assert all(PASSWORD not in morsel.value for morsel in client.cookies.values())


def test_calls_with_a_header_look_at_no_cookie(api: Api, alice: User) -> None:
    api.client.cookies["celestra-session"] = "x" * 32

    assert api.send_yaml("POST", "/flows", SOURCE).status_code == 200
    assert Flow.objects.count() == 1


def test_open_routes_ignore_a_header_that_is_meant_for_somebody_else(db: None) -> None:
    client = Client(headers={"authorization": "Bearer something"})

    assert client.get("/api/v1/configs/login").json() == {"isBasicAuthInitialized": False}
    assert client.get("/ping").content == b"pong"


def test_guessing_passwords_is_slowed_down_for_the_guesser_only(alice: User) -> None:
    wrong = {"authorization": basic("alice@example.org", "wrong")}
    answers = [Client(headers=wrong).get("/api/v1/me") for _ in range(12)]
    elsewhere = Client(headers={"authorization": basic("alice@example.org")}, REMOTE_ADDR="192.0.2.7").get("/api/v1/me")

    codes = [answer.status_code for answer in answers]
    assert codes[:5] == [401] * 5 and codes.count(429) >= 4
    assert 0 < int(answers[-1]["Retry-After"]) <= 60
    assert elsewhere.status_code == 200


def test_guessing_webhook_keys_is_slowed_down_alike_for_known_and_unknown_flows(stranger: Api, daily: dict[str, Any]) -> None:
    for flow in ("daily", "unknown"):
        answers = [stranger.send("POST", f"/executions/webhook/company.team/{flow}/guess{number}") for number in range(12)]

        assert [answer.status_code for answer in answers] == [404] * 10 + [429] * 2
