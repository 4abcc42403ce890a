"""No GET changes anything: the whole database looks the same after every page and every address was asked for (S-08)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from flows.models import Dashboard

from .conftest import read_body
from .world import AT, Filled, add_person, fill

pytestmark = pytest.mark.django_db

# A session notes when it was used last; that says something about the browser and nothing about what it looked at.
_OF_THE_CALL = {"django_session", "flows_usersession"}


_EXCEPTED = {"webhook", "webhook-with-path", "oidc-return"}
"""Acts by GET all the same: webhooks, which have a key, and the way back from a provider, whose refusal is noted."""


def _fingerprint() -> dict[str, Any]:
    """Return a hash over all rows of each table."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            if table not in _OF_THE_CALL:
                cursor.execute(
                    f'select count(*), md5(coalesce(string_agg(t::text, $$|$$ order by t::text), $$$$)) from "{table}" t'
                )
                found[table] = cursor.fetchone()
    return found


def _list_addresses(names: dict[str, str]) -> list[str]:
    def walk(patterns: list[Any], prefix: str) -> list[str]:
        found = []
        for pattern in patterns:
            text = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                found += walk(pattern.url_patterns, text)
            elif isinstance(pattern, URLPattern) and str(pattern.name) not in _EXCEPTED:
                found.append(text)
        return found

    known = {**names, "dashboard_id": "board", "tab": "overview", "action": "restart", "object_id": "1", "name": "owner"}
    addresses = []
    for text in walk(get_resolver().url_patterns, ""):
        filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: known.get(found[1], "abcdefgh12345678ab"), text)
        addresses.append("/" + re.sub(r"\(\?P.*|\^|\$|\\Z", "x", filled))
    return sorted(set(addresses))


@pytest.fixture
def place(db: None) -> Filled:
    """A namespace with everything in it."""
    Dashboard.objects.create(id="board", title="A board", source="title: A board\n", created_at=AT, updated_at=AT)
    return fill("prod.a", "mark0x")


def test_no_get_of_an_owner_changes_a_row(place: Filled) -> None:
    client = Client()
    client.force_login(add_person("owner@example.org", is_superuser=True, is_staff=True))
    client.get("/ui/settings")
    before, changed = _fingerprint(), []
    for address in _list_addresses(place.names()):
        for query in ("", f"?path={place.names()['path']}&namespace=prod.a&flowId=mark0x-flow&q=mark&wait=true&delete=true"):
            if address.endswith(("/follow", "/follow-dependencies")):
                continue
            answer = client.get(address + query)
            read_body(answer)
            if answer.status_code >= 500:
                changed.append((address + query, str(answer.status_code)))
    after = _fingerprint()

    assert changed == []
    assert [table for table in before if before[table] != after[table]] == []
