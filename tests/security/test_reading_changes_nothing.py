"""No GET changes anything: the whole database looks the same after every page and every address was asked for (S-08)."""

from __future__ import annotations

import pytest
from django.test import Client

from flows.models import Dashboard
from tests.support.addresses import fill_in, list_routes

from .conftest import read_body
from .fingerprints import hash_tables
from .world import AT, Filled, add_person, fill

pytestmark = pytest.mark.django_db

_EXCEPTED = {"webhook", "webhook-with-path", "oidc-return"}
"""Acts by GET all the same: webhooks, which have a key, and the way back from a provider, whose refusal is noted."""


def _list_addresses(names: dict[str, str]) -> list[str]:
    known = {**names, "dashboard_id": "board", "tab": "overview", "action": "restart", "object_id": "1", "name": "owner"}
    return sorted({fill_in(text, known) for text, route in list_routes() if route.name not in _EXCEPTED})


@pytest.fixture
def place(db: None) -> Filled:
    """A namespace with everything in it."""
    Dashboard.objects.create(id="board", title="A board", source="title: A board\n", created_at=AT, updated_at=AT)
    return fill("prod.a", "mark0x")


def test_no_get_of_an_owner_changes_a_row(place: Filled) -> None:
    client = Client()
    client.force_login(add_person("owner@example.org", is_superuser=True, is_staff=True))
    client.get("/ui/settings")
    before, changed = hash_tables(), []
    for address in _list_addresses(place.names()):
        for query in ("", f"?path={place.names()['path']}&namespace=prod.a&flowId=mark0x-flow&q=mark&wait=true&delete=true"):
            if address.endswith(("/follow", "/follow-dependencies")):
                continue
            answer = client.get(address + query)
            read_body(answer)
            if answer.status_code >= 500:
                changed.append((address + query, str(answer.status_code)))
    after = hash_tables()

    assert changed == []
    assert [table for table in before if before[table] != after[table]] == []
