"""The console offers what a person may do, and a post that it does not offer is refused (S-02, S-34)."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from flows.models import AuditEntry, Dashboard
from tests.support.addresses import fill_in, list_routes

from .fingerprints import hash_tables
from .world import AT, FLOW, Filled, add_person, fill

pytestmark = pytest.mark.django_db

_WORDS = {
    "flow-act": ("enable", "disable", "delete", "undelete", "restore", "recount"),
    "job-act": ("stop", "undo"),
    "execution-act": (
        "kill", "pause", "resume", "restart", "replay", "unqueue", "force-run", "approve", "deny", "labels", "state", "delete",
        "task-state",
    ),
    "trigger-act": (
        "enable", "disable", "unlock", "restart", "backfill", "backfill-pause", "backfill-continue", "backfill-cancel",
        "evaluate",
    ),
    "namespace-act": (
        "kv-set", "kv-delete", "secret-set", "secret-delete", "file-upload", "file-save", "file-delete", "file-move",
        "file-folder", "variables-set", "describe", "delete",
    ),
    "namespace-access": ("add", "remove"),
}  # fmt: skip
# A refusal is written down, and whoever comes in for the first time gets an account.
_OF_REFUSALS = {"flows_auditentry", "flows_account"}


@pytest.fixture
def place(db: None) -> Filled:
    """A namespace with everything in it."""
    Dashboard.objects.create(id="board", title="A board", source="title: A board\n", created_at=AT, updated_at=AT)
    return fill("prod.a", "mark0x")


def _browser(name: str, role: str = "", namespace: str = "prod.a", **fields: Any) -> Client:
    client = Client()
    client.force_login(add_person(name, role, namespace, **fields))
    return client


def _list_posts(place: Filled) -> list[tuple[str, str]]:
    """Return name and address of every page that takes a form, once for each word that it knows."""
    known = {**place.names(), "dashboard_id": "board", "name": "owner", "action": "delete", "panel": "runs", "tab": "overview"}
    return [
        (route.name or "", fill_in(text, {**known, "action": word or known["action"]}))
        for text, route in list_routes()
        if text.startswith("ui/") and "POST" in getattr(route.callback, "answered_methods", ())
        for word in _WORDS.get(route.name or "", ("",))
    ]


def _make_form(place: Filled, **more: Any) -> dict[str, Any]:
    names = place.names()
    return {
        "act": "delete",
        "flow": f"prod.a/{names['flow_id']}",
        "execution": names["failed"],
        "trigger": f"prod.a/{names['flow_id']}/{names['trigger_id']}",
        "id": "prod.a.fresh",
        "key": names["key"],
        "value": '"value-1234"',
        "path": names["path"],
        "text": "content",
        "to": "/moved.txt",
        "source": FLOW.format(namespace="prod.a", mark="fresh"),
        "labels": "a:b",
        "state": "KILLED",
        "revision": "1",
        "title": "A title",
        "variables": "a: 1",
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-02T00:00:00Z",
        "role": "owner",
        "user": "viewer@example.org",
        "task": names["task_id"],
        "file": SimpleUploadedFile("a.yaml", FLOW.format(namespace="prod.a", mark="fresh").encode()),
        **more,
    }


@pytest.mark.parametrize("role", ["viewer", ""])
def test_no_form_that_is_sent_without_the_right_changes_anything(place: Filled, role: str) -> None:
    browser = _browser("viewer@example.org", role)
    before, broken = hash_tables(but=_OF_REFUSALS), []
    for name, address in _list_posts(place):
        if name in ("logout", "login", "login-code", "login-enrol", "set-up", "account-act", "settings"):
            continue
        answer = browser.post(address, _make_form(place))
        sent_as_json = browser.post(address, _make_form(place)["source"], content_type="application/json")
        if answer.status_code >= 500 or sent_as_json.status_code >= 500:
            broken.append((address, answer.status_code, sent_as_json.status_code))
    after = hash_tables(but=_OF_REFUSALS)

    assert broken == []
    assert [table for table in before if before[table] != after[table]] == []
    assert not AuditEntry.objects.exclude(result="DENIED").exists()


def test_a_refused_form_is_a_page_that_says_why(place: Filled) -> None:
    names, browser = place.names(), _browser("viewer@example.org", "viewer")
    addresses = (
        f"/ui/flows/edit/prod.a/{names['flow_id']}/act/delete",
        f"/ui/executions/prod.a/{names['flow_id']}/{names['running']}/act/kill",
        f"/ui/triggers/prod.a/{names['flow_id']}/{names['trigger_id']}/act/disable",
        "/ui/namespaces/prod.a/act/kv-set",
    )
    for address in addresses:
        answer = browser.post(address, _make_form(place))

        assert answer.status_code == 403
        assert "lacks the right" in answer.content.decode()


def test_pages_offer_only_what_the_person_may_do(place: Filled) -> None:
    names, viewer, owner = place.names(), _browser("viewer@example.org", "viewer"), _browser("o@example.org", is_superuser=True)
    offers = {
        f"/ui/flows/edit/prod.a/{names['flow_id']}": ("data-execute", "act/delete", "act/disable"),
        f"/ui/executions/prod.a/{names['flow_id']}/{names['running']}": ("act/kill",),
        f"/ui/flows/edit/prod.a/{names['flow_id']}/triggers": ("act/disable",),
        # The menu of a row holds the acts that the row names.
        "/ui/triggers": (" update delete run",),
        "/ui/namespaces/prod.a/kv": ("act/kv-set", "act/kv-delete"),
        "/ui/namespaces/prod.a/files": ("act/file-upload",),
        "/ui/namespaces/prod.a/variables": ("act/variables-set",),
        "/ui/namespaces": ('data-dialog="new-dialog"',),
        "/ui/executions": ('data-bulk="kill"', 'data-bulk="replay"', 'data-bulk="delete"'),
        "/ui/blueprints": ("/ui/flows/new",),
        "/ui/blueprints/hello_inputs": ("Save and run", "?blueprint=hello_inputs"),
        "/ui/flows": ('data-bulk="delete"', 'data-bulk="enable"', "/ui/system", "/ui/users"),
    }
    for address, marks in offers.items():
        shown, hidden = owner.get(address).content.decode(), viewer.get(address).content.decode()

        assert [mark for mark in marks if mark not in shown] == [], address
        assert [mark for mark in marks if mark in hidden] == [], address
