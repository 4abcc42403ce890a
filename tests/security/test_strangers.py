"""Nobody without credentials gets anywhere: every route, every method, and the tricks with addresses and headers (S-01)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

import pytest
from django.test import Client

from flows.api.auth import OPEN_ROUTES as OPEN_API
from flows.ui.page import OPEN_ROUTES as OPEN_PAGES
from tests.support.addresses import fill_in, list_routes

from .conftest import ApiCaller, read_body
from .world import Filled, add_person, fill

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
MARK = "zebra"
FROZEN_API = {
    "ping", "health", "health-liveness", "health-readiness", "login-configuration", "login", "webhook", "webhook-with-path",
}  # fmt: skip
FROZEN_PAGES = {"login", "login-code", "login-enrol", "oidc-begin", "oidc-return", "set-up"}
"""Names of what is open on purpose. A new one here needs a decision, see `docs/decisions/0014-rights.md`."""

REDIRECTS = {"root", "console-root"}
LOGINS = re.compile(r"^(/ui/login|/admin/login|/ui/setup|https?://)")


@pytest.fixture
def place(db: None) -> Filled:
    """A namespace with everything in it, so that whatever slips out can be told by its mark."""
    add_person("owner@example.org", is_superuser=True)
    return fill(f"{MARK}.team", MARK)


def _walk(names: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield site (api, ui, admin), route name and filled-in address of every route."""
    known = {**names, "action": "restart", "object_id": "1", "app_label": "flows", "tab": "overview"}
    for text, route in list_routes():
        site = "ui" if text.startswith("ui") else "admin" if text.startswith("admin") else "api"
        yield site, route.name or "", fill_in(text, known)


def _is_open(site: str, name: str) -> bool:
    return name in (FROZEN_API if site == "api" else FROZEN_PAGES if site == "ui" else {"login", "logout"})


def test_the_open_routes_are_exactly_the_frozen_ones() -> None:
    assert OPEN_API == FROZEN_API
    assert OPEN_PAGES == FROZEN_PAGES


def test_every_route_refuses_a_stranger_with_every_method(place: Filled) -> None:
    client, open_to_strangers, count = Client(), [], 0
    for site, name, address in _walk(place.names()):
        for method in METHODS:
            if _is_open(site, name) or name in REDIRECTS:
                continue
            count += 1
            answer = client.generic(method, address)
            refused = answer.status_code in (401, 403) or (
                site != "api" and answer.status_code in (301, 302) and LOGINS.match(answer["Location"])
            )
            if not refused or MARK.encode() in read_body(answer).replace(address.encode(), b""):
                open_to_strangers.append((method, address, answer.status_code))

    assert count > 2000
    assert open_to_strangers == []


TRICKS = (
    "{0}/ping", "{0}/health", "{0}/api/v1/configs/login", "{0}/login", "/{0}", "//{0}", "{0};x=1", "{0};/ping", "{0}%2fping",
    "{0}/%2e%2e/{0}", "/ui/login/..{0}", "/ui/login/%2e%2e/%2e%2e{0}", "/ping/..{0}", "/ping/%2e%2e{0}", "/health;{0}", "{upper}",
    "{0}?next=/ui/login", "{0}%00", "{0}.json", "{0}/", "{0}%20", "/api/v1/main/executions/webhook/../..{0}", "{slash}",
)  # fmt: skip


def test_tricks_with_addresses_open_nothing(place: Filled) -> None:
    client, opened = Client(), []
    routes = [
        one for one in _walk(place.names()) if one[0] != "admin" and not _is_open(one[0], one[1]) and one[1] not in REDIRECTS
    ]
    free = {address for site, name, address in _walk(place.names()) if _is_open(site, name)}
    for (site, _name, address), trick in product(routes, TRICKS):
        path = trick.format(address, upper=address.upper(), slash=address.replace("/", "%2F"))
        # "/configs" and "/login" make the address of the log-in form, which is open to everybody.
        if path in free:
            continue
        answer = client.get(path)
        body = read_body(answer)
        location = answer.headers.get("Location", "")
        fine = answer.status_code in (400, 401, 403, 404, 405) or (
            answer.status_code in (301, 302) and (site == "ui" or LOGINS.match(location) or location.startswith("/ui"))
        )
        shown = body.lower().replace(path.lower().encode(), b"").replace(address.lower().encode(), b"")
        if not fine or f"{MARK} description".encode() in shown or f"{MARK} hello".encode() in shown:
            opened.append((path, answer.status_code))

    assert len(routes) * len(TRICKS) > 5000
    assert opened == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X-HTTP-Method-Override": "GET"},
        {"X-Original-URL": "/ping"},
        {"X-Rewrite-URL": "/ping"},
        {"X-Forwarded-Prefix": "/ping"},
        {"X-Forwarded-User": "owner@example.org"},
        {"Remote-User": "owner@example.org"},
        {"X-Remote-User": "owner@example.org"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Authorization": "Bearer null"},
        {"Authorization": "Basic Og=="},
        {"Cookie": "celestra-session=x; BASIC_AUTH=YTpi"},
        {"Referer": "http://testserver/ui/login"},
    ],
    ids=lambda headers: "-".join(headers),
)
def test_headers_open_nothing(place: Filled, headers: dict[str, str]) -> None:
    client = Client()

    for path in ("/api/v1/main/flows/search", f"/api/v1/main/flows/{MARK}.team/{MARK}-flow", "/prometheus", "/api/v1/me"):
        assert client.get(path, headers=headers).status_code in (401, 429)
    assert client.get("/ui/flows", headers=headers).status_code == 302


def test_somebody_without_any_role_sees_and_changes_nothing(place: Filled) -> None:
    add_person("nobody@example.org")
    caller = ApiCaller("nobody@example.org")

    for path in ("/flows/search", "/executions/search", "/logs/search", "/triggers/search", "/kv", "/namespaces/search"):
        assert caller.send("GET", path).json()["total"] == 0
    assert caller.send("DELETE", f"/flows/{MARK}.team/{MARK}-flow").status_code == 404
    assert caller.send("PUT", f"/namespaces/{MARK}.team/kv/a", data='"1"', content_type="application/json").status_code == 403
