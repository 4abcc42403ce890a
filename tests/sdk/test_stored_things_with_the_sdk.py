"""Keys, namespaces, secrets and namespace files through the official client."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from kestrapy import KestraClient
from kestrapy.exceptions import NotFoundException, UnprocessableEntityException
from kestrapy.models.api_autocomplete import ApiAutocomplete
from kestrapy.models.api_secret_meta_ee import ApiSecretMetaEE
from kestrapy.models.api_secret_tag import ApiSecretTag
from kestrapy.models.api_secret_value import ApiSecretValue
from kestrapy.models.kv_controller_api_delete_bulk_request import KVControllerApiDeleteBulkRequest
from kestrapy.models.namespace import Namespace
from kestrapy.models.query_filter_field import QueryFilterField
from kestrapy.query import eq, where

from tests.sdk.conftest import TENANT


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ('"words"', "STRING", "words"),
        ("42", "NUMBER", 42),
        ("true", "BOOLEAN", True),
        ('{"a": [1]}', "JSON", {"a": [1]}),
        ("2025-01-02", "DATE", "2025-01-02"),
        ("PT5M", "DURATION", "PT5M"),
    ],
)
def test_values_keep_their_kind(client: KestraClient, running_system: Any, text: str, kind: str, value: Any) -> None:
    client.kv.set_key_value("sdk.kinds", f"key-{kind.lower()}", TENANT, text)
    read = client.kv.key_value("sdk.kinds", f"key-{kind.lower()}", TENANT)
    # The client's model of a value holds objects only, so the value is looked at as it travels.
    _, answer = running_system.call("GET", f"/api/v1/main/namespaces/sdk.kinds/kv/key-{kind.lower()}")

    assert (answer["type"], answer["value"]) == (kind, value)
    assert (read.type.value, read.revision) == (kind, answer["revision"])


def test_keys_are_listed_and_deleted(client: KestraClient, namespace: str) -> None:
    for key in ("one", "two", "three"):
        client.kv.set_key_value(namespace, key, TENANT, json.dumps({"of": key}))
    mine = where(eq(QueryFilterField.NAMESPACE, namespace))
    listed = client.kv.list_all_keys(TENANT, size=2, sort=["key:asc"], filters=mine)
    inherited = client.kv.list_keys_with_inheritance(f"{namespace}.sub", TENANT)
    several = client.kv.delete_key_values(namespace, TENANT, KVControllerApiDeleteBulkRequest(keys=["one", "unknown"]))

    assert ([entry.key for entry in listed.results], listed.total) == (["one", "three"], 3)
    assert {entry.key for entry in inherited} >= {"one", "two", "three"}
    assert several.keys == ["one"]
    assert client.kv.delete_key_value(namespace, "two", TENANT) is True
    assert client.kv.delete_key_value(namespace, "two", TENANT) is False
    with pytest.raises(NotFoundException):
        client.kv.key_value(namespace, "two", TENANT)
    with pytest.raises(UnprocessableEntityException):
        client.kv.set_key_value(namespace, "bad", TENANT, "{not json")


def test_a_namespace_is_made_changed_and_deleted(client: KestraClient, namespace: str) -> None:
    made = client.namespaces.create_namespace(TENANT, Namespace(id=namespace, deleted=False))
    changed = client.namespaces.update_namespace(
        namespace, TENANT, Namespace(id=namespace, deleted=False, description="ours", variables={"a": {"b": 1}})
    )
    read = client.namespaces.namespace(namespace, TENANT)
    found = client.namespaces.search_namespaces(TENANT, page=1, size=10, filters=where(eq(QueryFilterField.QUERY, namespace)))
    words = client.namespaces.autocomplete_namespaces(TENANT, ApiAutocomplete(q=namespace))
    variables = client.namespaces.inherited_variables(f"{namespace}.sub", TENANT)
    client.namespaces.delete_namespace(namespace, TENANT)

    assert (made.id, changed.description, read.description) == (namespace, "ours", "ours")
    assert namespace in [one.id for one in found.results] and namespace in words
    assert variables == {"a": {"b": 1}}
    with pytest.raises(NotFoundException):
        client.namespaces.namespace(namespace, TENANT)


def test_secrets_go_in_and_never_come_out(client: KestraClient, namespace: str) -> None:
    stored = client.namespaces.put_secrets(namespace, TENANT, ApiSecretValue(key="TOKEN", value="a-very-secret-value", tags=[]))
    listed = client.namespaces.list_secrets(TENANT, filters=where(eq(QueryFilterField.NAMESPACE, namespace)))
    described = client.namespaces.patch_secret(
        namespace,
        "TOKEN",
        TENANT,
        ApiSecretMetaEE(key="TOKEN", description="of the bank", tags=[ApiSecretTag(key="a", value="b")]),
    )
    inherited = client.namespaces.inherited_secrets(f"{namespace}.sub", TENANT)
    client.namespaces.delete_secret(namespace, "TOKEN", TENANT)

    assert [meta.key for meta in stored] == ["TOKEN"] and [meta.key for meta in listed.results] == ["TOKEN"]
    assert inherited[namespace] == ["TOKEN"]
    assert [(meta.description, [tag.key for tag in meta.tags]) for meta in described] == [("of the bank", ["a"])]
    assert "a-very-secret-value" not in f"{stored}{listed}"
    assert client.namespaces.list_secrets(TENANT, filters=where(eq(QueryFilterField.NAMESPACE, namespace))).total == 0


def test_files_are_stored_moved_and_exported(client: KestraClient, namespace: str) -> None:
    files = client.files
    files.create_namespace_directory(namespace, TENANT, path="/scripts")
    files.create_namespace_file(namespace, "/scripts/a.py", TENANT, file_content=b"print(1)")
    files.create_namespace_file(namespace, "scripts/a.py", TENANT, file_content=b"print(2)")
    revisions = files.file_revisions(namespace, TENANT, path="/scripts/a.py")
    first = files.file_content(namespace, "/scripts/a.py", TENANT, revision=1)
    files.move_file_directory(namespace, "/scripts/a.py", "/scripts/b.py", TENANT)
    listed = files.list_namespace_directory_files(namespace, TENANT, path="/scripts")
    stat = files.file_metadatas(namespace, TENANT, path="/scripts/b.py")
    archive = files.export_namespace_files(namespace, TENANT)

    assert len(revisions) == 2 and first == b"print(1)"
    assert [(one.file_name, one.size) for one in listed] == [("b.py", 8)]
    assert (stat.file_name, stat.size) == ("b.py", 8)
    assert files.file_content(namespace, "scripts/b.py", TENANT) == b"print(2)"
    assert files.search_namespace_files(namespace, "b.py", TENANT) == ["/scripts/b.py"]
    assert "scripts/b.py" in zipfile.ZipFile(io.BytesIO(archive)).namelist()
    files.delete_file_directory(namespace, "/scripts", TENANT)
    with pytest.raises(NotFoundException):
        files.file_content(namespace, "scripts/b.py", TENANT)
