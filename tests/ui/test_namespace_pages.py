"""Pages of namespaces: what is inherited and shadowed, who uses a secret, typed values, checked texts, and the deletion."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flows.models import Flow, KeyValue, Namespace, Secret
from flows.models.vault import read_secret, write_secret
from tests.ui.conftest import NAMESPACE, SOURCE, save_execution, save_flow

URL = f"/ui/namespaces/{NAMESPACE}"

pytestmark = pytest.mark.django_db


def test_the_list_adds_up_what_lies_below(alice: Client, flow: Flow) -> None:
    save_flow(namespace=f"{NAMESPACE}.deep", flow_id="other")
    save_execution(state="FAILED", created_at=timezone.now() - timedelta(hours=1))
    save_execution("old", state="FAILED", created_at=timezone.now() - timedelta(hours=30))

    rows = alice.get("/ui/namespaces").context["rows"]

    found = {row["info"].id: (row["info"].flow_count, row["all_flows"], row["failures"]) for row in rows}
    assert found == {"company": (0, 2, 1), NAMESPACE: (1, 2, 1), f"{NAMESPACE}.deep": (1, 1, 0)}


def test_secrets_tell_where_they_lie_which_wins_and_who_uses_them(alice: Client) -> None:
    save_flow(SOURCE.replace("hello {{ inputs.name }}", "{{ secret('TOKEN') }} {{ secret('LOST') }}"))
    write_secret(NAMESPACE, "TOKEN", "own-value", tags=[{"key": "team", "value": "data"}])
    write_secret("company", "TOKEN", "parent-value")
    write_secret("company", "OTHER", "other-value")

    page = alice.get(f"{URL}/secrets")
    rows = {(row["secret"].owner, row["secret"].key): row for row in page.context["rows"]}

    assert rows[NAMESPACE, "TOKEN"]["secret"].shadows == "company"
    assert rows[NAMESPACE, "TOKEN"]["uses"] == [(NAMESPACE, "daily")]
    assert rows[NAMESPACE, "TOKEN"]["tags"] == "team:data"
    assert rows["company", "TOKEN"]["secret"].shadowed_by == NAMESPACE
    assert rows["company", "OTHER"]["secret"].shadowed_by is None
    assert page.context["missing"] == [("LOST", [(NAMESPACE, "daily")])]
    assert "own-value" not in page.content.decode() and "parent-value" not in page.content.decode()


def test_a_secret_without_a_new_value_keeps_the_old_one(alice: Client, flow: Flow) -> None:
    write_secret(NAMESPACE, "TOKEN", "kept")

    alice.post(f"{URL}/act/secret-set", {"key": "TOKEN", "value": "", "description": "For the API", "tags": "team:data, tier:1"})

    row = Secret.objects.get()
    assert (row.description, row.tags) == ("For the API", [{"key": "team", "value": "data"}, {"key": "tier", "value": "1"}])
    assert read_secret(NAMESPACE, "TOKEN") == "kept"


def test_a_tag_without_a_value_is_refused(alice: Client, flow: Flow) -> None:
    answer = alice.post(f"{URL}/act/secret-set", {"key": "TOKEN", "value": "x", "tags": "team"})

    assert "key%3Avalue" in answer["Location"]
    assert not Secret.objects.exists()


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [("NUMBER", "1.5", 1.5), ("BOOLEAN", "true", True), ("JSON", '{"a": [1]}', {"a": [1]}), ("STRING", "12", "12")],
)
def test_each_type_of_value_has_a_field_of_its_own(alice: Client, flow: Flow, kind: str, text: str, value: object) -> None:
    alice.post(f"{URL}/act/kv-set", {"key": "k", "kind": kind, "value": "ignored", f"value_{kind.lower()}": text})

    row = KeyValue.objects.get()
    assert (row.kind, row.value) == (kind, value)


def test_an_inherited_key_is_marked_when_the_own_one_wins(alice: Client, flow: Flow) -> None:
    facts = {"kind": "NUMBER", "created_at": timezone.now(), "updated_at": timezone.now()}
    for owner in ("company", NAMESPACE):
        KeyValue.objects.create(namespace=owner, key="rate", value=1, **facts)
    KeyValue.objects.create(namespace="company", key="other", value=2, expires_at=timezone.now() + timedelta(hours=1), **facts)

    rows = alice.get(f"{URL}/kv").context["rows"]

    found = [(row["pair"].namespace, row["pair"].key, row["shadowed_by"]) for row in rows]
    assert found == [(NAMESPACE, "rate", None), ("company", "other", None), ("company", "rate", NAMESPACE)]
    assert rows[1]["ttl"].startswith("PT")


def test_a_faulty_default_is_told_with_its_line_and_not_stored(alice: Client, flow: Flow) -> None:
    text = "- type: io.kestra.plugin.core.log.Log\n  values:\n    levell: INFO\n"
    text += "- type: io.kestra.plugin.core.log.Lgo\n  values: {}\n"

    checked = alice.post(f"{URL}/act/defaults-check", {"text": text})
    saved = alice.post(f"{URL}/act/defaults-set", {"text": text})

    places = [(problem.code, problem.place.line) for problem in checked.context["problems"]]
    assert places == [("unknown-property", 3), ("unknown-type", 4)]
    assert (checked.status_code, saved.status_code) == (200, 422)
    assert saved.context["text"] == text
    assert not Namespace.objects.exists()


def test_defaults_of_a_parent_are_shown(alice: Client, flow: Flow) -> None:
    Namespace.objects.create(id="company", plugin_defaults=[{"type": "io.kestra", "values": {"timeout": "PT1M"}}])

    inherited = alice.get(f"{URL}/plugin-defaults").context["inherited"]

    assert [owner for owner, _ in inherited] == ["company"]
    assert "PT1M" in inherited[0][1]


def test_a_file_shows_its_versions(alice: Client, flow: Flow) -> None:
    for text in ("one", "two"):
        alice.post(f"{URL}/act/file-save", {"path": "a.txt", "text": text})

    page = alice.get(f"{URL}/files?path=/a.txt&version=1")

    assert [row.version for row in page.context["versions"]] == [2, 1]
    assert page.context["text"] == "one"


def test_an_old_version_of_a_file_is_downloaded(alice: Client, flow: Flow) -> None:
    for text in ("one", "two"):
        alice.post(f"{URL}/act/file-save", {"path": "a.txt", "text": text})

    contents = [b"".join(alice.get(f"{URL}/file?path=/a.txt{more}")) for more in ("", "&version=1")]  # type: ignore[arg-type]

    assert contents == [b"two", b"one"]


def test_several_files_are_uploaded_into_a_folder_which_goes_with_them(alice: Client, flow: Flow) -> None:
    files = [SimpleUploadedFile(name, b"x") for name in ("a.sql", "b.sql")]

    alice.post(f"{URL}/act/file-upload", {"file": files, "folder": "sql"})
    stored = alice.get(f"{URL}/files").context["tree"]
    alice.post(f"{URL}/act/file-delete", {"path": "/sql"})

    assert [(row["path"], row["folder"]) for row in stored] == [("/sql", "sql"), ("/sql/a.sql", "sql"), ("/sql/b.sql", "sql")]
    assert alice.get(f"{URL}/files").context["files"] == []


@pytest.mark.parametrize("tab", ["kv", "secrets", "files"])
def test_a_tab_shows_what_a_search_finds_and_says_when_nothing_does(alice: Client, flow: Flow, tab: str) -> None:
    alice.post(f"{URL}/act/kv-set", {"key": "rate_of_growth", "value": "1"})
    alice.post(f"{URL}/act/secret-set", {"key": "RATE_OF_GROWTH", "value": "x"})
    alice.post(f"{URL}/act/file-save", {"path": "rate_of_growth.sql", "text": "x"})

    found = alice.get(f"{URL}/{tab}?q=Of_Gro").content.decode()
    nothing = alice.get(f"{URL}/{tab}?q=%00nowhere").content.decode()

    assert "rate_of_growth" in found.lower()
    assert "rate_of_growth" not in nothing.lower()
    assert "Nothing matches" in nothing


@pytest.mark.parametrize(
    "url",
    [
        *(f"/ui/namespaces/company.empty/{tab}" for tab in ("kv", "secrets", "files", "flows", "executions")),
        "/ui/groups",
        "/ui/users?tab=services",
        "/ui/system",
        "/ui/audit?q=nothing-has-this",
        "/ui/plugins?q=nothing-has-this",
    ],
)
def test_an_empty_place_says_what_belongs_there_and_where_to_read_on(alice: Client, url: str) -> None:
    Namespace.objects.create(id="company.empty")

    empty = alice.get(url).content.decode().partition('class="empty"')[2]
    documents = re.findall(r'href="(/ui/docs/[^"#]+)', empty)

    assert "<h2>" in empty and "<p>" in empty
    assert [alice.get(document).status_code for document in documents] == [200]


def test_a_namespace_is_described_in_the_console(alice: Client, flow: Flow) -> None:
    for text in ("What the team runs", "And more"):
        alice.post(f"{URL}/act/describe", {"description": text})

    assert Namespace.objects.get().description == "And more"
    assert "And more" in alice.get(URL).content.decode()


def test_the_deletion_of_a_namespace_with_flows_is_not_offered(alice: Client, flow: Flow) -> None:
    page = alice.get(URL).content.decode()

    assert "It still has 1 flow" in page
    assert 'disabled title="It still has flows"' in page


def test_the_overview_of_a_namespace_stays_within_fifteen_statements(alice: Client, flow: Flow) -> None:
    for number in range(10):
        save_flow(flow_id=f"other{number}")
        save_execution(f"run{number}", flow_id=f"other{number}", state="FAILED", created_at=timezone.now())

    with CaptureQueriesContext(connection) as queries:
        page = alice.get(URL)

    assert page.context["failed"] == 10
    assert len(queries) <= 15
