"""Reading the audit log: over the API, as a page and on the command line, for who may read it."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.core.management import call_command
from django.test import Client

from flows.models import AuditEntry, Binding, Role
from flows.primitives.ids import new_id

from .conftest import ApiCaller, read_body
from .world import AT, add_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> ApiCaller:
    """The owner of the installation, who has set two keys and deleted one, beside somebody who was refused."""
    add_person("owner@example.org", is_superuser=True)
    add_person("viewer@example.org", "viewer", "prod")
    caller = ApiCaller("owner@example.org")
    for name in ("one", "=two"):
        caller.send("PUT", f"/namespaces/prod/kv/{name.strip('=')}", data='"1"', content_type="application/json")
    caller.send("DELETE", "/namespaces/prod/kv/one")
    ApiCaller("viewer@example.org").send("PUT", "/namespaces/prod/kv/three", data='"1"', content_type="application/json")
    return caller


def test_a_search_shows_the_newest_first(owner: ApiCaller) -> None:
    page = owner.send("GET", "/auditlogs/search").json()

    assert page["total"] == 4
    assert [(row["who"], row["what"], row["result"]) for row in page["results"]][:2] == [
        ("viewer@example.org", "key.set", "DENIED"),
        ("owner@example.org", "key.delete", "DONE"),
    ]
    assert page["results"][1]["after"] == {"deleted": True}


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("filters[who][EQUALS]=viewer@example.org", 1),
        ("filters[what][EQUALS]=key.set", 3),
        ("filters[resource][EQUALS]=KVSTORE", 4),
        ("filters[resource][EQUALS]=FLOW", 0),
        ("filters[result][EQUALS]=DENIED", 1),
        ("filters[namespace][PREFIX]=prod", 4),
        ("filters[objectId][EQUALS]=two", 1),
        ("filters[timeRange][EQUALS]=PT1H", 4),
        ("filters[startDate][GREATER_THAN]=2200-01-01T00:00:00Z", 0),
        ("q=delete", 1),
    ],
)
def test_filters_narrow_the_log(owner: ApiCaller, query: str, count: int) -> None:
    assert owner.send("GET", f"/auditlogs/search?{query}").json()["total"] == count


def test_an_entry_has_an_address_of_its_own(owner: ApiCaller) -> None:
    entry = AuditEntry.objects.get(what="key.delete")

    assert owner.send("GET", f"/auditlogs/{entry.pk}").json()["objectId"] == "one"
    assert owner.send("GET", "/auditlogs/99999999").status_code == 404
    assert owner.send("GET", "/auditlogs/x").status_code == 404


def test_the_export_holds_what_the_search_shows(owner: ApiCaller) -> None:
    answer = owner.send("GET", "/auditlogs/export?filters[result][EQUALS]=DONE")
    rows = list(csv.DictReader(io.StringIO(read_body(answer).decode())))

    assert [row["what"] for row in rows] == ["key.delete", "key.set", "key.set"]


def test_only_who_has_the_right_everywhere_reads_the_log(owner: ApiCaller) -> None:
    Role.objects.create(id="auditor", name="auditor", permissions={"AUDITLOG": ["READ"]}, created_at=AT, updated_at=AT)
    add_person("near@example.org", "auditor", "prod")
    auditor = add_person("auditor@example.org")
    Binding.objects.create(id=new_id(), role_id="auditor", user=auditor, namespace="", created_at=AT)

    for path in ("/auditlogs/search", "/auditlogs/export", "/auditlogs/1"):
        assert ApiCaller("near@example.org").send("GET", path).status_code == 403
    assert ApiCaller("auditor@example.org").send("GET", "/auditlogs/search").status_code == 200


def test_the_page_shows_entries_with_what_they_changed(owner: ApiCaller) -> None:
    client = Client()
    client.force_login(add_person("other@example.org", is_superuser=True))
    page = client.get("/ui/audit?result=DENIED&range=1h").content.decode()

    assert "viewer@example.org" in page and "key.delete" not in page
    assert "/ui/audit" in page
    assert "key.delete" in client.get("/ui/audit?q=delete").content.decode()


def test_the_page_is_refused_and_not_offered_to_others(owner: ApiCaller) -> None:
    client = Client()
    client.force_login(add_person("other@example.org", "viewer", "prod"))

    assert client.get("/ui/audit").status_code == 403
    assert "/ui/audit" not in client.get("/ui/namespaces").content.decode()


def test_the_command_lists_and_exports(owner: ApiCaller, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit", "list", "--who", "owner@example.org", "--since", "1h", "-o", "json")
    listed = json.loads(capsys.readouterr().out)
    call_command("audit", "export", "--result", "denied", "-n", "prod")
    exported = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))

    assert [row["what"] for row in listed] == ["key.delete", "key.set", "key.set"]
    assert [row["who"] for row in exported] == ["viewer@example.org"]
