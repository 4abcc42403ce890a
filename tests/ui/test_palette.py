"""What the command palette finds, in which order, and for whom."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flows.models import Binding, Flow, Role
from flows.operations.roles import write_built_in_roles
from tests.ui.conftest import NAMESPACE, save_execution, save_flow

pytestmark = pytest.mark.django_db


def search(client: Client, text: str) -> list[tuple[str, str]]:
    """Return what is found as pairs of kind and text, in its order."""
    return [(one["kind"], one["text"]) for one in client.get("/ui/palette", {"q": text}).json()["found"]]


def test_what_begins_with_the_text_stands_before_what_only_holds_it(alice: Client, flow: Flow) -> None:
    save_flow(flow_id="a_daily_walk")
    save_flow(flow_id="bidaily")

    names = [text for kind, text in search(alice, "daily") if kind == "flow"]

    assert names == ["daily", "a_daily_walk", "bidaily"]


def test_an_act_stands_beside_its_flow(alice: Client, flow: Flow) -> None:
    found = search(alice, "daily")

    assert found.index(("run", "Execute daily")) == found.index(("flow", "daily")) + 1


def test_executions_are_found_by_the_begin_of_their_id_and_by_a_label(alice: Client, flow: Flow) -> None:
    save_execution("0AbCdEfGhIjKlMnOpQrStU", labels=[{"key": "team", "value": "data"}])

    for text in ("0AbCdE", "team:data"):
        assert ("execution", "0AbCdEfGhIjKlMnOpQrStU") in search(alice, text)


def test_the_documentation_is_found_by_its_titles(alice: Client) -> None:
    assert ("docs", "Triggers") in search(alice, "trigg")


def test_nobody_is_offered_pages_that_are_closed_to_them(client: Client, alice: Client, flow: Flow) -> None:
    write_built_in_roles()
    viewer = User.objects.create_user("bob@example.org", password="Correct-horse-1")
    Binding.objects.create(
        id="b1", role=Role.objects.get(name="viewer"), user=viewer, namespace=NAMESPACE, created_at=timezone.now()
    )
    client.force_login(viewer)

    closed = {"Workers and queues", "Users and access", "Audit log", "New flow", "Execute daily"}
    offered = {name for text in ("", "workers", "users", "audit", "new", "daily") for _, name in search(client, text)}
    assert closed & offered == set()
    assert closed <= {name for text in ("workers", "users", "audit", "new", "daily") for _, name in search(alice, text)}


def test_a_search_costs_few_statements(alice: Client, flow: Flow) -> None:
    with CaptureQueriesContext(connection) as queries:
        search(alice, "daily")

    assert len(queries) <= 10
