"""Namespaces, their secrets, keys and files as every interface uses them."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.models import Flow, Namespace, Secret
from flows.models.encryption import DecryptionError, seal_text
from flows.models.vault import read_secret
from flows.operations import key_values, namespace_files, namespaces
from flows.operations.namespaces import NamespaceInUseError, NamespaceNotFoundError
from flows.primitives.errors import InvalidError, NotFoundError
from flows.storage.uri import InvalidAddressError

AT = datetime(2031, 5, 4, 10, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def _save_flow(namespace: str, flow_id: str = "daily", *, deleted: bool = False) -> None:
    Flow.objects.create(namespace=namespace, flow_id=flow_id, deleted=deleted, created_at=AT, updated_at=AT)


def test_namespaces_of_flows_and_all_their_parents_are_listed() -> None:
    _save_flow("company.team.x")
    _save_flow("gone", deleted=True)
    key_values.set_key_value("keys.only", "k", 1, at=AT)

    ids = [info.id for info in namespaces.list_namespaces()]

    assert ids == ["company", "company.team", "company.team.x", "keys", "keys.only"]
    assert [info.id for info in namespaces.list_namespaces(existing_only=True)] == ["company.team.x", "keys.only"]
    assert [info.id for info in namespaces.list_namespaces(query="TEAM")] == ["company.team", "company.team.x"]


def test_a_namespace_exists_through_a_flow_alone_or_as_a_parent() -> None:
    _save_flow("company.team")

    assert namespaces.get_namespace("company.team").flow_count == 1
    assert not namespaces.get_namespace("company").is_described
    with pytest.raises(NamespaceNotFoundError, match="Namespace nobody does not exist"):
        namespaces.get_namespace("nobody")


def test_a_namespace_is_described_once_and_then_updated() -> None:
    namespaces.create_namespace("a.b", at=AT, description="first", variables={"x": 1})

    with pytest.raises(NamespaceInUseError):
        namespaces.create_namespace("a.b", at=AT)
    info = namespaces.update_namespace("a.b", at=AT, plugin_defaults=[{"type": "io.x", "values": {}}])
    assert (info.description, info.variables) == ("first", {"x": 1})


@pytest.mark.parametrize("name", ["", "Upper", "a b", "-a", "x" * 151, "../a"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidError):
        namespaces.create_namespace(name, at=AT)


@pytest.mark.parametrize("options", [{"variables": []}, {"plugin_defaults": ["x"]}, {"plugin_defaults": [{"values": {}}]}])
def test_a_malformed_description_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidError):
        namespaces.create_namespace("a", at=AT, **options)  # type: ignore[arg-type]


def test_deleting_a_namespace_takes_what_it_owns_and_leaves_children() -> None:
    namespaces.create_namespace("a", at=AT)
    namespaces.create_namespace("a.child", at=AT)
    namespaces.set_secret("a", "TOKEN", "x", at=AT)
    key_values.set_key_value("a", "k", 1, at=AT)
    namespace_files.put_file("a", "/f.txt", b"x", at=AT)

    namespaces.delete_namespace("a", at=AT)

    assert not Secret.objects.exists()
    assert namespace_files.search_files("a") == []
    assert list(Namespace.objects.values_list("id", flat=True)) == ["a.child"]


def test_a_namespace_with_flows_is_not_deleted() -> None:
    _save_flow("a")

    with pytest.raises(NamespaceInUseError, match="still has 1 flows"):
        namespaces.delete_namespace("a", at=AT)


def test_variables_are_inherited_level_by_level() -> None:
    namespaces.create_namespace("a", at=AT, variables={"x": {"one": 1, "two": 2}, "y": "parent"})
    namespaces.create_namespace("a.b", at=AT, variables={"x": {"two": "own"}})

    assert namespaces.read_inherited_variables("a.b") == {"x": {"one": 1, "two": "own"}, "y": "parent"}


def test_secrets_are_listed_by_name_and_never_decrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_SERVER", "eA==")
    namespaces.set_secret("a", "TOKEN", "canary", at=AT, description="of the shop")
    namespaces.describe_secret("a", "TOKEN", at=AT, tags=[{"key": "team", "value": "shop"}])

    (row,) = namespaces.list_secrets("a")
    inherited = namespaces.list_inherited_secrets("a.b")

    assert (row.key, row.description, row.tags) == ("TOKEN", "of the shop", [{"key": "team", "value": "shop"}])
    assert inherited["a"] == ["TOKEN"]
    assert "SERVER" in inherited[""]


@pytest.mark.parametrize(("key", "value"), [("bad key", "x"), ("KEY", ""), ("KEY", "x" * 70_000)])
def test_a_bad_secret_is_refused_without_showing_it(key: str, value: str) -> None:
    with pytest.raises(InvalidError) as caught:
        namespaces.set_secret("a", key, value, at=AT)
    assert value == "" or value * 2 not in str(caught.value)


def test_a_deleted_secret_is_gone() -> None:
    namespaces.set_secret("a", "TOKEN", "x", at=AT)
    namespaces.delete_secret("a", "TOKEN", at=AT)

    with pytest.raises(NotFoundError):
        namespaces.delete_secret("a", "TOKEN", at=AT)


def test_rotation_encrypts_all_secrets_of_the_old_key_anew() -> None:
    old_key = b"o" * 32
    namespaces.set_secret("a", "NEW", "of the new key", at=AT)
    Secret.objects.create(namespace="a", key="OLD", encrypted=seal_text("canary", purpose="secret a/OLD", key=old_key))

    assert namespaces.rotate_secrets(old_key=old_key, at=AT) == 1
    assert read_secret("a", "OLD") == "canary"
    assert namespaces.rotate_secrets(old_key=old_key, at=AT) == 0


def test_a_rotation_that_meets_a_damaged_secret_changes_nothing() -> None:
    old_key = b"o" * 32
    Secret.objects.create(namespace="a", key="GOOD", encrypted=seal_text("x", purpose="secret a/GOOD", key=old_key))
    Secret.objects.create(namespace="a", key="MOVED", encrypted=seal_text("x", purpose="secret b/MOVED", key=old_key))
    before = set(Secret.objects.values_list("encrypted", flat=True))

    with pytest.raises(DecryptionError):
        namespaces.rotate_secrets(old_key=old_key, at=AT)
    assert set(Secret.objects.values_list("encrypted", flat=True)) == before


def test_the_text_of_a_request_is_stored_with_its_type() -> None:
    row = key_values.set_key_value_text("a", "day", "2031-05-04", at=AT, ttl=timedelta(hours=1))

    assert (row.kind, row.value) == ("DATE", "2031-05-04")
    assert key_values.get_key_value("a.b", "day", at=AT, inherit=True).pk == row.pk


def test_keys_are_listed_with_those_of_the_parents_and_without_expired_ones() -> None:
    key_values.set_key_value("a", "parent", 1, at=AT)
    key_values.set_key_value("a.b", "own", 1, at=AT)
    key_values.set_key_value("a.b", "dead", 1, at=AT, ttl=timedelta(seconds=1))
    later = AT + timedelta(minutes=1)

    assert [row.key for row in key_values.list_key_values("a.b", at=later)] == ["own"]
    assert [row.key for row in key_values.list_key_values("a.b", at=later, inherit=True)] == ["parent", "own"]
    assert [row.key for row in key_values.list_key_values(at=later, with_expired=True, query="D")] == ["dead"]


def test_several_keys_are_deleted_at_once() -> None:
    key_values.set_key_value("a", "k1", 1, at=AT)

    assert key_values.delete_key_values("a", ["k1", "nothing"], at=AT) == ["k1"]


def test_a_folder_lists_one_level_folders_first() -> None:
    namespace_files.put_file("a", "/z/deep/f.txt", b"12", at=AT)
    namespace_files.put_file("a", "/b.txt", b"123", at=AT)
    namespace_files.make_folder("a", "/empty", at=AT)

    facts = namespace_files.list_folder("a")

    assert [(each.path, each.is_directory, each.size_bytes) for each in facts] == [
        ("/empty", True, 0),
        ("/z", True, 0),
        ("/b.txt", False, 3),
    ]
    assert namespace_files.stat_file("a", "/z/deep").is_directory
    assert namespace_files.stat_file("a", "b.txt").name == "b.txt"
    assert namespace_files.stat_file("a", "").path == "/"


def test_deleting_nothing_says_so() -> None:
    with pytest.raises(NotFoundError, match='no file or folder "/nothing"'):
        namespace_files.delete_file("a", "/nothing", at=AT)


def test_an_exported_archive_is_imported_elsewhere() -> None:
    namespace_files.put_file("a", "/d/f.txt", b"content", at=AT)

    paths = namespace_files.import_files("b", namespace_files.export_files("a"), at=AT)

    assert paths == ["/d/f.txt"]
    with namespace_files.open_file("b", "/d/f.txt") as stream:
        assert stream.read() == b"content"


def test_an_archive_that_leaves_the_root_stores_nothing() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("good.txt", "x")
        archive.writestr("../evil.txt", "x")

    with pytest.raises(InvalidAddressError):
        namespace_files.import_files("a", buffer.getvalue(), at=AT)
    assert namespace_files.search_files("a") == []


def test_a_broken_archive_is_refused() -> None:
    with pytest.raises(InvalidError, match="no zip archive"):
        namespace_files.import_files("a", b"PK nonsense", at=AT)


def test_local_files_are_listed_without_links_and_ignored_ones(tmp_path: Path) -> None:
    for name in ("a.txt", "d/b.sql", "d/c.tmp", "node/x.js"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    (tmp_path / "link").symlink_to("/etc/passwd")

    found = [inside for inside, _ in namespace_files.list_local_files(tmp_path, ignored=["*.tmp", "**/*.tmp", "node/"])]

    assert found == ["/a.txt", "/d/b.sql"]
